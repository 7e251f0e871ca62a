"""Waits for the call budget of an app key: the clock and the tasks around ``limiter_core``.

What always holds: a caller that dies in the queue takes no place; one that dies in the moment in
which its turn comes holds it no longer than a call that was answered at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from bus import TimeSource
from kis_gateway.client.limiter_core import Grant, LimiterCore, Priority
from kis_gateway.settings import Limits

__all__ = ["Grant", "Limiter", "Priority"]


class Limiter:
    """Waits for the budget. One object per app key; close it when done."""

    def __init__(self, limits: Limits, time: TimeSource) -> None:
        self.limits: Final = limits
        self.on_throttled: Callable[[str, str, int], None] | None = None
        """Told of each call that KIS refused for its rate: its name, KIS's code, and the spacing of
        calls of that budget from now on (ns)."""
        self._core = LimiterCore(limits)
        self._time = time
        self._waiting: dict[int, asyncio.Future[Grant]] = {}
        self._pump: asyncio.Task[None] | None = None
        self._pump_target = 0

    async def acquire(self, priority: Priority, *, ledger: bool = False) -> Grant:
        """Return when the call may be sent. Cancelling the wait gives the place up.

        Every grant must be followed by ``answered``.
        """
        ticket = self._core.enqueue(priority, ledger=ledger)
        place: asyncio.Future[Grant] = asyncio.get_running_loop().create_future()
        self._waiting[ticket] = place
        try:
            self._advance()
            return await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                # Its turn came in the moment in which its caller died.
                self.answered(place.result())
            raise
        finally:
            if self._waiting.pop(ticket, None) is not None:
                self._core.withdraw(ticket)

    def answered(self, grant: Grant) -> None:
        """Report that a granted call has its answer or has ended without one."""
        self._core.answered(grant, self._time.now())
        self._advance()

    def throttled(self, grant: Grant, *, call: str, code: str, ledger: bool = False) -> None:
        """Report that KIS refused a granted call for its rate; ``ledger`` for ``EGW00215``."""
        interval = self._core.slow_down(grant, self._time.now(), ledger=ledger)
        if self.on_throttled is not None:
            self.on_throttled(call, code, interval)

    async def aclose(self) -> None:
        """Stop waiting; callers still queued are cancelled."""
        for place in self._waiting.values():
            place.cancel()
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.gather(self._pump, return_exceptions=True)
            self._pump = None

    def _advance(self) -> None:
        """Hand out what is due and see to it that somebody wakes up for the rest."""
        self._hand_out()
        due = self._core.due()
        if due is None:
            return
        if self._pump is not None and not self._pump.done():
            if self._pump_target <= due:
                return
            self._pump.cancel()
        self._pump_target = due
        self._pump = asyncio.create_task(self._wait(due), name="kis-limiter")

    def _hand_out(self) -> None:
        while (granted := self._core.grant(self._time.now())) is not None:
            ticket, grant = granted
            place = self._waiting.pop(ticket)
            if place.done():
                # Its caller was cancelled a moment ago and has not noticed yet.
                self._core.answered(grant, grant.at)
            else:
                place.set_result(grant)

    async def _wait(self, due: int | None) -> None:
        while due is not None:
            self._pump_target = due
            await self._time.sleep_until(due)
            self._hand_out()
            due = self._core.due()
