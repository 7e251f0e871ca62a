"""How much of a symbol changes hands: over the last minutes, and on an ordinary day.

The tape of a symbol is kept as the session's traded value at a few instants. What always holds: the
value of a window is never put too high; what was traded before the first record is unknown, not
nothing.
"""

from __future__ import annotations

from collections import deque
from typing import Final

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

    def __init__(self, at: int, before: int) -> None:
        """Begin with what the session had traded ``before`` the first record, won; 0: nothing."""
        self._whole = before <= 0
        self._total = max(0, before)
        self._marks: deque[tuple[int, int]] = deque(((at, self._total),), maxlen=_MARKS)

    def add(self, at: int, cumulative_value: int) -> None:
        """Take over the session's traded value in won as received ``at`` (ns UTC)."""
        self._total = max(self._total, cumulative_value)
        if at - self._marks[-1][0] >= _STEP:
            self._marks.append((at, self._total))

    def recent(self, now: int) -> tuple[int, bool]:
        """Return the won traded in the window before ``now``, and whether all of it was seen.

        Up to five seconds at its beginning are left out. Without the whole window the value is
        that of the part seen.
        """
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
