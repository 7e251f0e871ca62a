"""Session time for a strategy: where the day stands, from logged clock events only.

Configured wall times are those of an ordinary day, 09:00–15:30 KST with continuous trading until
15:20. KRX opens an hour late on the first session of a year (10:00–15:30) and on college-entrance
exam days (10:00–16:30). Therefore times of the morning keep their distance from the open and times
of the afternoon their distance from the end of continuous trading.
"""

from __future__ import annotations

from datetime import time
from typing import Final

from events.market import ClockTick, Phase, PhaseChanged, SessionOpened

SECOND: Final = 1_000_000_000
"""Nanoseconds in a second."""

_ORDINARY_OPEN: Final = time(9)
_ORDINARY_CLOSING_AUCTION: Final = time(15, 20)


def _since_midnight(at: time) -> int:
    seconds = at.hour * 3_600 + at.minute * 60 + at.second
    return seconds * SECOND + at.microsecond * 1_000


class SessionClock:
    """The session's bounds, its present phase and ``now`` (ns UTC), which never goes back."""

    __slots__ = ("close_at", "closing_auction_at", "now", "open_at", "phase", "trading_date")

    def __init__(self, session: SessionOpened) -> None:
        self.trading_date = session.trading_date
        self.open_at = session.open_at
        self.closing_auction_at = session.closing_auction_at
        self.close_at = session.close_at
        self.now = session.at
        self.phase = Phase.CLOSED

    def observe(self, event: ClockTick | PhaseChanged) -> None:
        """Take in a clock event."""
        self.phase = event.phase
        self.advance(event.at)

    def advance(self, at: int) -> None:
        """Take in the time of any other event, which may run ahead of the last tick."""
        self.now = max(self.now, at)

    def after_open(self, wall: time) -> int:
        """Return the instant (ns UTC) that stands to today's open as ``wall`` to 09:00."""
        return self.open_at + _since_midnight(wall) - _since_midnight(_ORDINARY_OPEN)

    def before_close(self, wall: time) -> int:
        """Return the instant that stands to today's closing auction as ``wall`` to 15:20."""
        ahead = _since_midnight(_ORDINARY_CLOSING_AUCTION) - _since_midnight(wall)
        return self.closing_auction_at - ahead

    @property
    def over(self) -> bool:
        """Whether the session has ended."""
        return self.now >= self.close_at
