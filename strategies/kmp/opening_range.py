"""The opening range: what traded between the open and the lock, from one-minute bars.

It is a fact of time. The clock event at the lock ends it, whatever any gate says, and nothing that
arrives later changes it.
"""

from __future__ import annotations

from collections.abc import Sequence

from events.market import Bar


class OpeningRange:
    """High, low, opening price and value of the minutes before ``lock_at``."""

    __slots__ = ("_bars", "_lock_at", "_open_at", "high", "low", "open", "value")

    def __init__(self, open_at: int, lock_at: int) -> None:
        self._open_at = open_at
        self._lock_at = lock_at
        self._bars: list[Bar] = []
        self.open = self.high = self.low = self.value = 0

    def add(self, bar: Bar) -> None:
        """Take in a completed bar; one outside the window changes nothing."""
        if not self._open_at <= bar.start < self._lock_at:
            return
        self._bars.append(bar)
        if self.open == 0:
            self.open, self.high, self.low = bar.open, bar.high, bar.low
        else:
            self.high = max(self.high, bar.high)
            self.low = min(self.low, bar.low)
        self.value += bar.close * bar.volume

    def rebuild(self, bars: Sequence[Bar]) -> None:
        """Replace what was seen up to the last of ``bars`` (oldest first) by them."""
        later = [bar for bar in self._bars if bars and bar.start > bars[-1].start]
        self._bars.clear()
        self.open = self.high = self.low = self.value = 0
        for bar in (*bars, *later):
            self.add(bar)

    @property
    def width(self) -> float | None:
        """(high − low) ÷ mid, ``None`` before the first bar."""
        return (self.high - self.low) * 2 / (self.high + self.low) if self.open else None


def range_accepted(width: float, minimum: float, maximum: float) -> bool:
    """Return whether a range width is neither too quiet nor too wild (bounds included)."""
    return minimum <= width <= maximum
