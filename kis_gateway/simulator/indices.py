"""Index levels and program trading of the day so far, kept for inquiries.

Levels are hundredths of a point, program values won.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
        self._levels: dict[str, list[IndexPrint]] = {}
        self._totals: dict[str, dict[int, tuple[int, int]]] = {}

    def take(self, item: IndexPrint | ProgramPrint) -> None:
        """Take the next print, in order of time."""
        if isinstance(item, ProgramPrint):
            self._flows.setdefault(item.market, []).append(item)
            return
        level = item.centipoints
        self._levels.setdefault(item.index, []).append(item)
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

    def levels(self, name: str) -> Sequence[IndexPrint]:
        """Return an index's prints so far, oldest first."""
        return self._levels.get(name, ())

    def totals(self, market: str) -> Mapping[int, tuple[int, int]]:
        """Return shares and won that a market's issues traded on each day before today.

        Days are keyed by the start of their bars. Read once from the histories, then kept.
        """
        known = self._totals.get(market)
        if known is None:
            known = self._totals[market] = {}
            for listing in self._market.listings:
                if listing.board.value == market:
                    for bar in self._market.daily_history(listing.symbol):
                        volume, value = known.get(bar.start, (0, 0))
                        traded = bar.value or bar.close * bar.volume
                        known[bar.start] = volume + bar.volume, value + traded
        return known

    def flows(self, market: str) -> Sequence[ProgramPrint]:
        """Return a market's program trading so far, oldest first."""
        return self._flows.get(market, ())

    def _previous_close(self, name: str) -> int | None:
        history = self._market.index_history(name)
        return history[-1].close if history else None
