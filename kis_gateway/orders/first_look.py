"""Holds orders back until this process has compared the account once.

Between two starts anything may have happened at the broker. What always holds: no entry leaves
before the day's orders and the balance have been read completely once since this start; an exit
waits for that too, but only for a bounded time, because risk must come down even when the broker
answers no question. Cancels wait for nothing.
"""

from __future__ import annotations

import asyncio
from typing import Final

from bus import TimeSource
from kis_gateway.waiting import sleep_until_or

_SECOND: Final = 1_000_000_000


class FirstLook:
    """Whether the first comparison of a process is complete, and who waits for it."""

    def __init__(self, time: TimeSource, *, exit_wait_s: float) -> None:
        self._time = time
        self._exit_wait_s = exit_wait_s
        self._exits_leave_at: int | None = None
        self._orders_read = False
        self._balance_read = False
        self._over = asyncio.Event()

    @property
    def complete(self) -> bool:
        """Whether orders and balance have been read."""
        return self._orders_read and self._balance_read

    def orders_read(self) -> None:
        """Take in that the day's orders were read and what they prove is recorded."""
        self._orders_read = True
        self._check()

    def balance_read(self) -> None:
        """Take in that the balance was read and compared."""
        self._balance_read = True
        self._check()

    def end(self) -> None:
        """Let everybody go who waits: the process stops, and nothing leaves any more."""
        self._over.set()

    def _check(self) -> None:
        if self.complete:
            self._over.set()

    async def wait(self, expires_at: int | None) -> bool:
        """Wait before an order is sent; whether it may be as far as the comparison goes.

        ``expires_at`` (ns UTC) is how long an entry may wait; ``None`` stands for an exit.
        """
        if self.complete:
            return True
        until = self._exit_deadline() if expires_at is None else expires_at
        await sleep_until_or(self._time, until, self._over)
        return expires_at is None or (self._orders_read and self._balance_read)

    def _exit_deadline(self) -> int:
        """Return when exits leave whatever is known, counted from the first that wants to."""
        if self._exits_leave_at is None:
            self._exits_leave_at = self._time.now() + round(self._exit_wait_s * _SECOND)
        return self._exits_leave_at
