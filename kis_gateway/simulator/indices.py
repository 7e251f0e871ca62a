"""Index levels and program trading of the day so far, kept for inquiries.

Levels are hundredths of a point, program values won.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from kis_gateway.simulator.market import IndexPrint, Market, ProgramPrint

INDEX_NAMES: Final = {"0001": "KOSPI", "1001": "KOSDAQ"}
"""KIS index codes of the indices a market carries."""


class IndexDay(msgspec.Struct, kw_only=True):
    """One index today; all levels equal the previous close until its first print."""

    previous_close: int
    open: int
    high: int
    low: int
    last: int


class IndexBoard:
    """The newest level of each index and the program trading rows of each market."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._days: dict[str, IndexDay] = {}
        self._flows: dict[str, list[ProgramPrint]] = {}

    def take(self, item: IndexPrint | ProgramPrint) -> None:
        """Take the next print, in order of time."""
        if isinstance(item, ProgramPrint):
            self._flows.setdefault(item.market, []).append(item)
            return
        level = item.centipoints
        day = self._days.get(item.index)
        if day is None:
            previous = self._previous_close(item.index) or level
            self._days[item.index] = IndexDay(
                previous_close=previous, open=level, high=level, low=level, last=level
            )
            return
        day.high, day.low, day.last = max(day.high, level), min(day.low, level), level

    def index(self, name: str) -> IndexDay | None:
        """Return ``KOSPI`` or ``KOSDAQ`` today; ``None`` without print and history."""
        day = self._days.get(name)
        if day is not None:
            return day
        close = self._previous_close(name)
        if close is None:
            return None
        return IndexDay(previous_close=close, open=close, high=close, low=close, last=close)

    def flows(self, market: str) -> Sequence[ProgramPrint]:
        """Return a market's program trading so far, oldest first."""
        return self._flows.get(market, ())

    def _previous_close(self, name: str) -> int | None:
        history = self._market.index_history(name)
        return history[-1].close if history else None
