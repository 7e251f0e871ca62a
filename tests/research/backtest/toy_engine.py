"""A stand-in for the engine: a run whose results are known, over sessions without a market.

A configuration's ``cash`` decides what a session earns, so tests say which one should be chosen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

import msgspec

from events import Symbol, calendar
from events.trading import Side
from research.backtest.errors import NoMarketData
from research.backtest.market_day import MarketDay, MarketDays
from research.backtest.results import BacktestResult
from research.backtest.settings import BacktestSettings, StrategySettings
from research.backtest.tape import Bars, Books, Tape
from tests.research.backtest.runs import SAMSUNG, Desk

FIRST = date(2025, 9, 8)
SETTINGS = BacktestSettings(
    name="toy", strategies=(StrategySettings(name="kmp", set={"edge": 1}),), cash=1_000_000
)


class ToyDays:
    """Fifteen weekdays; counts how often each was read."""

    def __init__(self) -> None:
        self.read: list[date] = []

    @property
    def dates(self) -> Sequence[date]:
        return [FIRST + timedelta(days=7 * (n // 5) + n % 5) for n in range(15)]

    @property
    def data_hash(self) -> str:
        return "toy"

    def day(self, on: date, held: Sequence[Symbol] = ()) -> MarketDay:
        if on not in self.dates:
            raise NoMarketData(f"session of {on}", "toys have fifteen")
        self.read.append(on)
        return MarketDay(session=calendar.session(on), listings=(), opening=(), tape=empty_tape())

    def days(self) -> Iterator[MarketDay]:
        return map(self.day, self.dates)


def empty_tape() -> Tape:
    import numpy as np

    columns = [np.zeros(4, np.int64) for _ in range(12)]
    return Tape(
        (), columns[0], columns[1].astype(np.uint8), columns[2].astype(np.int16), columns[3],
        columns[4], columns[5].astype(np.int8), columns[6].astype(np.bool_), columns[7],
        columns[8], columns[9].astype(np.int32), columns[10].astype(np.int32),
        columns[11].astype(np.int32), Books.none(), Bars.none(), (),
    )  # fmt: skip


def open_toys(settings: BacktestSettings) -> MarketDays:
    return ToyDays()


def toy_run(settings: BacktestSettings, days: MarketDays | None = None) -> BacktestResult:
    """Buy one share a session and sell it ``edge`` won higher, in some sessions lower.

    An edge of 13 is bad luck: the run ends with an error. In the last five sessions every edge
    earns the opposite.
    """
    assert days is not None
    edge = int(settings.strategies[0].set["edge"])
    if edge == 13:
        raise ValueError("thirteen brings bad luck")
    desk = Desk(settings.cash, settings.owners)
    for ordinal, on in enumerate(days.dates):
        day = days.day(on)
        desk.open(day.session.trading_date, warm_up=ordinal < settings.warm_up)
        desk.trade(Side.BUY, 1, 1_000)
        desk.trade(Side.SELL, 1, 1_000 + _earned(edge, on))
        desk.close({SAMSUNG: 1_000})
    text = msgspec.json.encode(settings, order="deterministic").decode()
    return desk.result(
        name=settings.name,
        settings=text,
        settings_hash=text,
        data_hash=days.data_hash,
        result_hash=f"{edge}:{','.join(each.isoformat() for each in days.dates)}",
    )


def _earned(edge: int, on: date) -> int:
    turned = -1 if (on - FIRST).days >= 14 else 1
    return turned * edge * (2 if on.day % 2 else 1)
