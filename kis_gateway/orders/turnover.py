"""What a symbol traded lately, by the session's total at instants a second apart. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from typing import Final

from events.columns import Column

_SECOND: Final = 1_000_000_000
_NEAR: Final = 1024
"""Rows of a stretch that are searched for a pause in trading."""


class Turnover:
    """Traded value of one symbol: the total at the end of each of its latest seconds of trading."""

    __slots__ = ("_ended", "_mark", "_total", "_waiting", "_window")

    def __init__(self, window: int) -> None:
        """``window`` is how many ns back somebody may ask for."""
        self._window = window
        self._ended: deque[tuple[int, int]] = deque()
        """When a second of trading began, and the total at its end, oldest first."""
        self._mark: int | None = None
        """When the present one began."""
        self._total = 0
        self._waiting: list[tuple[Column, Column]] = []

    def add(self, at: int, total: int) -> None:
        """Take in what the session has traded in won, as received ``at`` (ns UTC)."""
        if self._waiting:
            self.settle()
        mark = self._mark
        if mark is None:
            self._mark = at
        elif at >= mark + _SECOND:
            self._ended.append((mark, self._total))
            self._mark = at
            self._forget(at - self._window)
        self._total = total

    def add_bar(self, at: int, value: int) -> None:
        """Take in a bar in which ``value`` won were traded, received ``at`` (ns UTC)."""
        if self._waiting:
            self.settle()
        self.add(at, self._total + value)

    def absorb(self, at: Column, totals: Column) -> None:
        """Take in a stretch of what ``add`` takes one by one; the instants never fall.

        It is looked through when somebody asks: most symbols nobody ever asks about.
        """
        self._waiting.append((at, totals))

    def recent(self, now: int) -> int:
        """Return the won traded in the window before ``now``, as far as it was seen."""
        if self._waiting:
            self.settle()
        if self._mark is None:
            return 0
        begin = now - self._window
        before = self._ended[0][1] if self._ended else self._total
        for mark, total in self._ended:
            if mark > begin:
                return max(self._total - before, 0)
            before = total
        return 0 if self._mark <= begin else max(self._total - before, 0)

    @property
    def total(self) -> int:
        """Won that the session has traded, as far as it was seen."""
        if self._waiting:
            self.settle()
        return self._total

    def settle(self) -> None:
        """Look through what was taken in by the stretch."""
        for column, values in self._waiting:
            # What ended before a second that no window reaches behind is forgotten below anyway.
            begin = _begins(column, int(column[len(column) - 1]) - self._window - _SECOND)
            instants: list[int] = column[begin:].tolist()
            totals: list[int] = values[begin:].tolist()
            mark = instants[0] if self._mark is None else self._mark
            place = 0
            while (place := bisect_left(instants, mark + _SECOND, place)) < len(instants):
                self._ended.append((mark, totals[place - 1] if place else self._total))
                mark = instants[place]
            self._mark, self._total = mark, totals[-1]
            self._forget(mark - self._window)
        self._waiting.clear()

    def _forget(self, begin: int) -> None:
        """Drop what ended so long ago that no window reaches it."""
        ended = self._ended
        while len(ended) > 1 and ended[1][0] <= begin:
            ended.popleft()


def _begins(instants: Column, until: int) -> int:
    """Return a row, at an instant or before it, at which a second begins whatever came before.

    Its trade came a second or more after the one in the row before it. 0 where none is near.
    """
    end = int(instants.searchsorted(until + 1))
    begin = max(0, end - _NEAR)
    near: list[int] = instants[begin:end].tolist()
    for place in range(len(near) - 1, 0, -1):
        if near[place] - near[place - 1] >= _SECOND:
            return begin + place
    return 0
