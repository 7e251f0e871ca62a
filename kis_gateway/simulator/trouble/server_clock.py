"""The service's own clock: the clock of the run, and how far a fault has set it off.

What a client can see of it is the ``Date`` header of REST answers, the stamp of PINGPONG texts and
the times inside real-time records. The exchange itself never runs by it: an order is matched at
the true time, whatever the stamps say.
"""

from __future__ import annotations

from email.utils import formatdate
from typing import Final

from bus import TimeSource

_SECOND: Final = 1_000_000_000


class ServerClock:
    """The time the service shows; ``skew`` in ns, positive when it is ahead."""

    def __init__(self, time: TimeSource) -> None:
        self._time = time
        self.skew = 0

    def now(self) -> int:
        """Return the time shown, ns UTC."""
        return self._time.now() + self.skew

    def http_date(self) -> str:
        """Return the time shown as a ``Date`` header, cut to seconds."""
        return formatdate(self.now() // _SECOND, usegmt=True)
