"""KRX price arithmetic: ticks, daily limits, board lot. Integer won throughout.

Tables carry the date from which they hold, so a backtest of 2022 rounds as the exchange did then.
Sources: KRX business regulations as of 2023-01-25 (one tick table for KOSPI, KOSDAQ and KONEX) and
before; the daily limit is 30 % since 2015-06-15.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import date
from enum import Enum
from typing import Final

from events.errors import OffTick, OutsidePriceLimits

BOARD_LOT: Final = 1
"""Shares per lot on KRX stocks."""

DAILY_LIMIT_PERCENT: Final = 30

_UNIFIED_FROM: Final = date(2023, 1, 25)
_FUND_ONE_WON_FROM: Final = date(2023, 12, 18)

# (upper bounds, ticks): the tick of price p is ticks[bisect_right(bounds, p)].
_Table = tuple[tuple[int, ...], tuple[int, ...]]
_UNIFIED: Final[_Table] = (
    (2_000, 5_000, 20_000, 50_000, 200_000, 500_000),
    (1, 5, 10, 50, 100, 500, 1_000),
)
_KOSPI_BEFORE_2023: Final[_Table] = (
    (1_000, 5_000, 10_000, 50_000, 100_000, 500_000),
    (1, 5, 10, 50, 100, 500, 1_000),
)
_KOSDAQ_BEFORE_2023: Final[_Table] = ((1_000, 5_000, 10_000, 50_000), (1, 5, 10, 50, 100))
_FUND: Final[_Table] = ((2_000,), (1, 5))
_FUND_BEFORE_2023_12: Final[_Table] = ((), (5,))

_CURRENT: Final = date.max


class Board(Enum):
    """Which tick table an issue follows."""

    KOSPI = "KOSPI"
    KOSDAQ = "KOSDAQ"
    FUND = "FUND"
    """ETF and ETN."""


def _table(board: Board, on: date) -> _Table:
    if board is Board.FUND:
        return _FUND if on >= _FUND_ONE_WON_FROM else _FUND_BEFORE_2023_12
    if on >= _UNIFIED_FROM:
        return _UNIFIED
    return _KOSPI_BEFORE_2023 if board is Board.KOSPI else _KOSDAQ_BEFORE_2023


def tick_table(board: Board = Board.KOSPI, on: date = _CURRENT) -> _Table:
    """Return (upper bounds, ticks): the tick of price ``p`` is ``ticks[bisect_right(bounds, p)]``.

    For code that rounds many prices at once; there is one tick more than there are bounds.
    """
    return _table(board, on)


def tick_size(price: int, board: Board = Board.KOSPI, on: date = _CURRENT) -> int:
    """Return the tick in won at ``price`` (won, ≥ 0) on a date (default: the newest table)."""
    bounds, ticks = _table(board, on)
    return ticks[bisect_right(bounds, price)]


def round_down(price: float, board: Board = Board.KOSPI, on: date = _CURRENT) -> int:
    """Return the highest tick at or below ``price``: the rounding of buy limits and stops."""
    whole = int(price // 1)
    return whole - whole % tick_size(whole, board, on)


def round_up(price: float, board: Board = Board.KOSPI, on: date = _CURRENT) -> int:
    """Return the lowest tick at or above ``price``: the rounding of sell limits."""
    below = round_down(price, board, on)
    return below if below == price else below + tick_size(below, board, on)


def move_ticks(price: int, ticks: int, board: Board = Board.KOSPI, on: date = _CURRENT) -> int:
    """Return ``price`` moved by a number of ticks, honouring the change of tick at band edges.

    Raises:
        OffTick: ``price`` is not on a tick.
    """
    require_on_tick(price, board, on)
    for _ in range(ticks):
        price += tick_size(price, board, on)
    for _ in range(-ticks):
        price -= tick_size(price - 1, board, on)
    return price


def is_on_tick(price: int, board: Board = Board.KOSPI, on: date = _CURRENT) -> bool:
    """Return whether ``price`` is a valid order price as far as ticks go."""
    return price > 0 and price % tick_size(price, board, on) == 0


def require_on_tick(price: int, board: Board = Board.KOSPI, on: date = _CURRENT) -> int:
    """Return ``price`` unchanged when it is on its tick.

    Raises:
        OffTick: it is not.
    """
    if not is_on_tick(price, board, on):
        raise OffTick(price, tick_size(price, board, on))
    return price


def daily_limits(
    base_price: int, board: Board = Board.KOSPI, on: date = _CURRENT
) -> tuple[int, int]:
    """Return (lower, upper) limit in won for a base price: ±30 %, rounded inward to the tick.

    The broker's own figures of the day are authoritative (ex-days, leveraged funds, listings); this
    is what the simulated exchange and a check without broker data use.
    """
    lower = round_up(base_price * (100 - DAILY_LIMIT_PERCENT) / 100, board, on)
    upper = round_down(base_price * (100 + DAILY_LIMIT_PERCENT) / 100, board, on)
    return lower, upper


def require_within_limits(price: int, lower: int, upper: int) -> int:
    """Return ``price`` unchanged when the day's limits allow it.

    Raises:
        OutsidePriceLimits: they do not.
    """
    if not lower <= price <= upper:
        raise OutsidePriceLimits(price, lower, upper)
    return price
