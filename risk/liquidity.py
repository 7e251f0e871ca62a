"""How much of a symbol changes hands: over the last minutes, and on an ordinary day.

The tape of a symbol is kept as the session's traded value at a few instants. What always holds: the
value of a window is never put too high; what was traded before the first record is unknown, not
nothing.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from typing import Final

from events.columns import Column
from events.market import Bar

_SECOND: Final = 1_000_000_000

WINDOW: Final = 300 * _SECOND
"""Nanoseconds that count as the last minutes: five of them."""

ORDINARY_SESSIONS: Final = 20
"""Newest completed sessions that an ordinary day is the mean of."""

_STEP: Final = 5 * _SECOND
_MARKS: Final = WINDOW // _STEP + 2


class Tape:
    """Traded value of one symbol: the session's total at instants at least five seconds apart."""

    __slots__ = ("_due", "_marks", "_total", "_waiting", "_whole")

    def __init__(self, at: int, before: int) -> None:
        """Begin with what the session had traded ``before`` the first record, won; 0: nothing."""
        self._whole = before <= 0
        self._total = max(0, before)
        self._marks: deque[tuple[int, int]] = deque(((at, self._total),), maxlen=_MARKS)
        self._due = at + _STEP
        self._waiting: list[tuple[Column, Column]] = []

    def add(self, at: int, cumulative_value: int) -> None:
        """Take over the session's traded value in won as received ``at`` (ns UTC)."""
        if self._waiting:
            self.settle()
        if cumulative_value > self._total:  # noqa: PLR1730 - twice as fast as max, for every trade
            self._total = cumulative_value
        if at >= self._due:
            self._marks.append((at, self._total))
            self._due = at + _STEP

    def add_bar(self, at: int, value: int) -> None:
        """Take over a bar in which ``value`` won were traded, received ``at`` (ns UTC)."""
        if self._waiting:
            self.settle()
        self.add(at, self._total + value)

    def absorb(self, at: Column, cumulative_value: Column) -> None:
        """Take over a stretch of what ``add`` takes one by one; neither column ever falls.

        It is looked through when somebody asks: most symbols nobody ever asks about.
        """
        self._waiting.append((at, cumulative_value))

    def settle(self) -> None:
        """Look through what was taken over by the stretch."""
        for column, values in self._waiting:
            instants: list[int] = column.tolist()
            places: list[int] = []
            due, place = self._due, 0
            while (place := bisect_left(instants, due, place)) < len(instants):
                places.append(place)
                due = instants[place] + _STEP
            self._due = due
            for place in places[-_MARKS:]:
                self._marks.append((instants[place], max(self._total, int(values[place]))))
            self._total = max(self._total, int(values[len(instants) - 1]))
        self._waiting.clear()

    def recent(self, now: int) -> tuple[int, bool]:
        """Return the won traded in the window before ``now``, and whether all of it was seen.

        Up to five seconds at its beginning are left out, of bars up to the length of one. Without
        the whole window the value is that of the part seen.
        """
        if self._waiting:
            self.settle()
        since = now - WINDOW
        whole = self._whole or self._marks[0][0] <= since
        for at, total in self._marks:
            if at >= since:
                return self._total - total, whole
        return 0, whole


def ordinary_value(bars: tuple[Bar, ...]) -> int | None:
    """Return the mean traded value in won of the newest completed sessions, ``None`` without any.

    A bar whose source gave no value counts its volume at the close.
    """
    newest = bars[-ORDINARY_SESSIONS:]
    if not newest:
        return None
    return sum(bar.value or bar.volume * bar.close for bar in newest) // len(newest)
