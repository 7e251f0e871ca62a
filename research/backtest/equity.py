"""What the account was worth each minute: shares as executed, at the exchange's last prices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from events import Symbol
from events.calendar import TradingSession
from events.market import SessionOpened
from research.backtest.account import Account
from research.backtest.feed import Feed
from research.backtest.ledger import Ledger

_MINUTE: Final = 60_000_000_000


def mark_equity(
    ledger: Ledger,
    session: TradingSession,
    opening: SessionOpened,
    account: Account,
    feed: Feed,
    *,
    price_before: Callable[[Symbol], int],
) -> None:
    """Mark every full minute from the open to the close in the ledger.

    ``price_before`` is a symbol's price in won before its first trade of the session.
    """
    at = np.arange(session.open_at, session.close_at + 1, _MINUTE, dtype=np.int64)
    changes = sorted(account.history, key=lambda change: change[0])
    times = [change[0] for change in changes]
    cash = _steps(at, times, [change[1] for change in changes], opening.cash)
    before: dict[Symbol, int] = {}
    for each in opening.allocations:
        before[each.symbol] = before.get(each.symbol, 0) + each.quantity
    holdings = np.zeros(len(at), np.int64)
    for symbol in sorted({*before, *(change[2] for change in changes)}):
        own = [change for change in changes if change[2] == symbol]
        shares = _steps(
            at, [each[0] for each in own], [each[3] for each in own], before.get(symbol, 0)
        )
        holdings += shares * _prices(feed, symbol, at, price_before(symbol))
    for instant, money, value in zip(at.tolist(), cash.tolist(), holdings.tolist(), strict=True):
        ledger.mark(instant, money, value)


def _steps(
    at: NDArray[np.int64], times: list[int], values: list[int], first: int
) -> NDArray[np.int64]:
    """Return the values in force at each instant, ``first`` before the first change."""
    place = np.asarray(times, np.int64).searchsorted(at, "right")
    return np.asarray([first, *values], np.int64)[place]


def _prices(feed: Feed, symbol: Symbol, at: NDArray[np.int64], before: int) -> NDArray[np.int64]:
    issue, tape = feed.issues.get(symbol), feed.tape
    if issue is None:
        return np.full(len(at), before, np.int64)
    if len(issue.trades):
        rows, prices = issue.trades, tape.price[issue.trades]
    else:
        rows, prices = issue.bars, tape.bars.close[tape.bar[issue.bars]]
    place = tape.at[rows].searchsorted(at, "right")
    return np.concatenate((np.asarray([before], np.int64), prices))[place]
