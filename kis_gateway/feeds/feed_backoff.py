"""How long to wait before the next connection. Pure.

KIS answers loops of connecting and closing with a block of address and app key, and a second
session of a key is refused until the first one's slot has been freed, a while after its socket has
gone. So pauses double, a key in use is waited for longer, and past a number of connections within
one hour every further one waits long. A connection that held, with everything registered, for
twenty seconds is no loop: the pauses begin anew.
"""

from __future__ import annotations

from collections import deque
from typing import Final

_SECOND: Final = 1_000_000_000
_HOUR: Final = 3_600 * _SECOND
_FIRST: Final = 2.0
_LONGEST: Final = 60.0
_FIRST_IN_USE: Final = 15.0
_LONGEST_IN_USE: Final = 120.0
_STABLE: Final = 20 * _SECOND

MOST_PER_HOUR: Final = 12
"""Connections within an hour after which the pause is ``SLOWED``."""

SLOWED: Final = 300.0
"""Seconds between connections once there have been too many."""


class Backoff:
    """The pauses of one feed. Instants are ns UTC, pauses seconds."""

    def __init__(self, most_per_hour: int = MOST_PER_HOUR) -> None:
        self._most_per_hour = most_per_hour
        self._pause = _FIRST
        self._opened: deque[int] = deque()

    def opened(self, at: int) -> None:
        """Take note that a socket was opened; attempts that reached no server do not count."""
        self._opened.append(at)

    def connections(self, at: int) -> int:
        """Return how many sockets were opened within the last hour."""
        while self._opened and self._opened[0] <= at - _HOUR:
            self._opened.popleft()
        return len(self._opened)

    def slowed(self, at: int) -> bool:
        """Return whether there have been so many that the next one must wait long."""
        return self.connections(at) >= self._most_per_hour

    def lost(self, at: int, *, up_since: int | None, in_use: bool) -> float:
        """Return how long to wait after a connection that ended at ``at``.

        ``up_since`` is when everything on it was registered, ``None`` when it never was; ``in_use``
        says that another session holds the app key.
        """
        if up_since is not None and at - up_since >= _STABLE:
            self._pause = _FIRST
        if in_use:
            self._pause = max(self._pause, _FIRST_IN_USE)
        pause = self._pause
        self._pause = min(pause * 2, _LONGEST_IN_USE if in_use else _LONGEST)
        return max(pause, SLOWED) if self.slowed(at) else pause
