"""Workload B: two million trades of one symbol, generated, as plain arrays; the same every time.

Twenty sessions of 100,000 trades with the best bid and ask beside each. Prices are on the KRX grid,
trades come in bursts (four of five follow the one before within milliseconds), and buying or
selling prevails for some thousand trades at a time, which moves the price.

The rule, the same for all, fresh in each session: buy when buyers lead by ``MARGIN`` in the newest
``WINDOW`` trades and the price is above the session's volume-weighted mean, sell when sellers lead
by as much; no order after a session's last trade. The book beside a trade is in force from just
after the trade before, so an order that arrives between the two trades at the best price beside the
second.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from events import Symbol, calendar
from events.costs import DEFAULT_FEE_PER_MILLION, sell_tax
from events.prices import Board
from tests.bench.backtest.bars import CASH_PER_SYMBOL, PLACE

SYMBOL: Final = Symbol("005930")
TICK: Final = 100
"""Won between two prices of the grid from 50,000 to 200,000 won, where all prices are."""

TRADES_PER_SESSION: Final = 100_000
SESSIONS: Final = 20
QUANTITY: Final = 10
WINDOW: Final = 500
"""Trades over which bought shares are weighed against sold ones."""

PAUSE: Final = 1_000
"""Trades that pass between two orders at least."""

MARGIN: Final = 20
"""By how many of 1,000 shares traded in the window one side must lead."""

_FIRST_DAY: Final = date(2025, 9, 1)
_FIRST_LEVEL: Final = 1_000
_BLOCK: Final = 2_500
_MOVES: Final = 0.005
_SECOND: Final = 1_000_000_000
_FORMAT: Final = 7


class Ticks(NamedTuple):
    """Where the arrays are, how many trades they hold and of which sessions."""

    folder: Path
    rows: int
    days: tuple[date, ...]


def prepare_ticks(sessions: int = SESSIONS) -> Ticks:
    """Write the arrays of the first ``sessions`` sessions; done once."""
    days = tuple(calendar.next_session(_FIRST_DAY, n) for n in range(1, sessions + 1))
    folder = PLACE / f"ticks-{sessions}-{_FORMAT}"
    if not (folder / "meta.json").exists():
        _write(folder, days)
    return Ticks(folder, sessions * TRADES_PER_SESSION, days)


def _write(folder: Path, days: Sequence[date]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    columns: dict[str, list[NDArray[np.int64]]] = {}
    level = _FIRST_LEVEL
    for day in days:
        traded = _session(day, level)
        level = int(traded["bid"][-1]) // TICK
        for name, column in traded.items():
            columns.setdefault(name, []).append(column)
    for name, parts in columns.items():
        np.save(folder / f"{name}.npy", np.concatenate(parts))
    first = np.arange(len(days) + 1) * TRADES_PER_SESSION
    tax = [sell_tax(1_000_000, Board.KOSPI, calendar.next_session(day, 2)) for day in days]
    np.save(folder / "first.npy", first.astype(np.int64))
    np.save(folder / "tax.npy", np.repeat(np.array(tax, np.int64), TRADES_PER_SESSION))
    meta = {
        "symbols": [SYMBOL],
        "rows": len(days) * TRADES_PER_SESSION,
        "cash": CASH_PER_SYMBOL,
        "quantity": QUANTITY,
        "tick": TICK,
        "window": WINDOW,
        "pause": PAUSE,
        "margin": MARGIN,
        "fee_per_million": DEFAULT_FEE_PER_MILLION,
    }
    (folder / "meta.json").write_text(json.dumps(meta))


def _session(day: date, level: int) -> dict[str, NDArray[np.int64]]:
    random = np.random.default_rng(day.toordinal())
    count = TRADES_PER_SESSION
    pressure = np.zeros(count // _BLOCK)
    for block in range(1, len(pressure)):
        pressure[block] = 0.6 * pressure[block - 1] + random.normal(0, 0.12)
    buys = random.random(count) < 0.5 + np.clip(np.repeat(pressure, _BLOCK), -0.35, 0.35)
    aggressor = np.where(buys, 1, -1)
    moves = np.where(random.random(count) < _MOVES, aggressor, 0)
    # The book beside a trade is the one it met: what it moves is seen by the next. A session stays
    # well inside its price limits because what goes beyond 15 % comes back.
    levels = level + np.concatenate(([0], np.cumsum(moves)[:-1]))
    bid = _folded(levels, level * 85 // 100, level * 115 // 100) * TICK
    ask = bid + TICK
    terms = calendar.session(day)
    gaps = np.where(
        random.random(count) < 0.8,
        random.exponential(0.004, count),
        random.exponential(1.0, count),
    )
    seconds = (terms.closing_auction_at - terms.open_at) / _SECOND - 2
    offsets = np.cumsum(gaps) * (seconds / gaps.sum()) * _SECOND
    time = terms.open_at + _SECOND + np.maximum.accumulate(offsets.astype(np.int64))
    # A microsecond between any two trades at least, whatever the rounding did: room for an order.
    time += np.arange(count) * 1_000
    return {
        "time": time.astype(np.int64),
        "price": np.where(buys, ask, bid).astype(np.int64),
        "quantity": random.lognormal(3.0, 1.2, count).astype(np.int64) + 1,
        "aggressor": aggressor.astype(np.int64),
        "bid": bid.astype(np.int64),
        "ask": ask.astype(np.int64),
    }


def _folded(levels: NDArray[np.int64], lowest: int, highest: int) -> NDArray[np.int64]:
    width = highest - lowest
    distance = np.mod(levels - lowest, 2 * width)
    return lowest + np.where(distance > width, 2 * width - distance, distance)
