"""One call budget per app key: who may call KIS next, and when.

KIS counts calls per app key and refuses with ``EGW00201`` above the limit; calls that read the
account's ledger (balance, orders of the day) have a second limit per account and refuse with
``EGW00215``. ``LimiterCore`` is pure: time goes in, grants come out. ``Limiter`` waits for it.

KIS counts a call when it arrives, which is some time between its grant and its answer. So a place
in the counted second is free again a second after the *answer*: however long the calls travel, no
second at KIS ever sees more than the rate.

What always holds: grants of one bucket are at least one interval apart; a waiting call goes before
every waiting call of a weaker class that could go at the same instant, first come first served
within a class; nothing is ever refused, only queued.
"""

from __future__ import annotations

import asyncio
import heapq
from enum import IntEnum
from typing import Final, NamedTuple

from bus import TimeSource
from kis_gateway.settings import Limits

_SECOND: Final = 1_000_000_000
_DEEPEST_STEP: Final = 3
_COUNTED_OVER: Final = _SECOND
"""KIS counts over a sliding second."""

_ARRIVED_AFTER: Final = 3 * _SECOND
"""A call without an answer is taken to have arrived by then: one that hangs must not hold up a
sell for as long as its own time-out."""


class Priority(IntEnum):
    """Who goes first; lower is stronger. What reduces risk comes before what adds to it."""

    CANCEL = 0
    SELL = 1
    BUY = 2
    EXECUTIONS = 3
    BALANCE = 4
    QUOTE = 5
    CHART = 6


class Grant(NamedTuple):
    """Permission for one call; ``at`` is when it was given (ns UTC)."""

    at: int
    ledger: bool


class Bucket:
    """A bucket of one token: calls of one kind, evenly spaced, further apart after refusals.

    A refusal doubles the spacing, at most to eight times; ``recovery`` seconds without one halve it
    again. Bursts would gain nothing: KIS counts over a sliding second and asks for even spacing.
    """

    __slots__ = ("_changed", "_free_at", "_interval", "_recovery", "_seen_by", "_step")

    def __init__(self, per_second: float, recovery: float) -> None:
        self._interval = -int(-_SECOND // per_second)
        # The newest calls, as many as a second may see: grant → when KIS has certainly seen it.
        self._seen_by: dict[int, int] = {}
        self._recovery = round(recovery * _SECOND)
        self._free_at = 0
        self._step = 0
        self._changed = 0

    @property
    def free_at(self) -> int:
        """Return when the next call may go (ns UTC); an answer can only make it earlier."""
        if len(self._seen_by) * self._interval < _COUNTED_OVER:
            return self._free_at
        return max(self._free_at, next(iter(self._seen_by.values())) + _COUNTED_OVER)

    def interval(self, now: int) -> int:
        """Return the spacing in force (ns)."""
        while self._step and now - self._changed >= self._recovery:
            self._step -= 1
            self._changed += self._recovery
        return self._interval << self._step

    def take(self, now: int) -> None:
        """Use the call that is free at ``now``."""
        assert now >= self.free_at, "take() before free_at"
        if len(self._seen_by) * self._interval >= _COUNTED_OVER:
            del self._seen_by[next(iter(self._seen_by))]
        self._free_at = now + self.interval(now)
        self._seen_by[now] = now + _ARRIVED_AFTER

    def answered(self, granted_at: int, now: int) -> None:
        """Take note that the call granted at ``granted_at`` has its answer, or never left."""
        if granted_at in self._seen_by:
            self._seen_by[granted_at] = min(self._seen_by[granted_at], now)

    def slow_down(self, now: int, granted_at: int) -> None:
        """Widen the spacing because a call granted at ``granted_at`` was refused.

        Calls granted before the last change say nothing about the spacing in force: several
        refusals of one crowd count once.
        """
        interval = self.interval(now)
        if granted_at >= self._changed or not self._step:
            self._step = min(self._step + 1, _DEEPEST_STEP)
            interval = self._interval << self._step
        self._changed = now
        self._free_at = max(self._free_at, now + interval)


class LimiterCore:
    """The queue and its two buckets, driven by a ``now`` that never goes backwards."""

    def __init__(self, limits: Limits) -> None:
        self.calls = Bucket(limits.calls_per_second, limits.recovery_seconds)
        self.ledger = Bucket(limits.ledger_calls_per_second, limits.recovery_seconds)
        self._queues: tuple[list[tuple[int, int]], list[tuple[int, int]]] = ([], [])
        self._withdrawn: set[int] = set()
        self._ordinal = 0

    def enqueue(self, priority: Priority, *, ledger: bool) -> int:
        """Queue a call and return its ticket."""
        self._ordinal += 1
        heapq.heappush(self._queues[ledger], (priority, self._ordinal))
        return self._ordinal

    def withdraw(self, ticket: int) -> None:
        """Forget a queued ticket."""
        self._withdrawn.add(ticket)

    def due(self) -> int | None:
        """Return the earliest instant at which some queued call may go; ``None`` without any."""
        plain, ledger = self._heads()
        candidates = []
        if plain is not None:
            candidates.append(self.calls.free_at)
        if ledger is not None:
            candidates.append(max(self.calls.free_at, self.ledger.free_at))
        return min(candidates, default=None)

    def grant(self, now: int) -> tuple[int, Grant] | None:
        """Return the ticket that goes at ``now``, its call taken from the budget; or ``None``."""
        if now < self.calls.free_at:
            return None
        plain, ledger = self._heads()
        if ledger is not None and now < self.ledger.free_at:
            ledger = None
        if plain is None and ledger is None:
            return None
        is_ledger = plain is None or (ledger is not None and ledger < plain)
        _, ticket = heapq.heappop(self._queues[is_ledger])
        self.calls.take(now)
        if is_ledger:
            self.ledger.take(now)
        return ticket, Grant(now, is_ledger)

    def _heads(self) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
        for queue in self._queues:
            while queue and queue[0][1] in self._withdrawn:
                self._withdrawn.discard(heapq.heappop(queue)[1])
        plain, ledger = self._queues
        return (plain[0] if plain else None), (ledger[0] if ledger else None)


class Limiter:
    """Waits for the budget. One object per app key; close it when done."""

    def __init__(self, limits: Limits, time: TimeSource) -> None:
        self._core = LimiterCore(limits)
        self._time = time
        self._waiting: dict[int, asyncio.Future[Grant]] = {}
        self._pump: asyncio.Task[None] | None = None
        self._pump_target = 0

    async def acquire(self, priority: Priority, *, ledger: bool = False) -> Grant:
        """Return when the call may be sent. Cancelling the wait gives the place up."""
        ticket = self._core.enqueue(priority, ledger=ledger)
        place: asyncio.Future[Grant] = asyncio.get_running_loop().create_future()
        self._waiting[ticket] = place
        try:
            self._advance()
            return await place
        finally:
            # Still listed: cancelled before its turn. A turn given to a caller that died meanwhile
            # is lost, which only makes the next call wait once too often.
            if self._waiting.pop(ticket, None) is not None:
                self._core.withdraw(ticket)

    def answered(self, grant: Grant) -> None:
        """Report that a granted call has its answer or has ended without one."""
        now = self._time.now()
        self._core.calls.answered(grant.at, now)
        if grant.ledger:
            self._core.ledger.answered(grant.at, now)
        self._advance()

    def throttled(self, grant: Grant, *, ledger: bool = False) -> None:
        """Report that KIS refused a granted call for its rate; ``ledger`` for ``EGW00215``."""
        bucket = self._core.ledger if ledger else self._core.calls
        bucket.slow_down(self._time.now(), grant.at)

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
            if not place.done():
                place.set_result(grant)

    async def _wait(self, due: int | None) -> None:
        while due is not None:
            self._pump_target = due
            await self._time.sleep_until(due)
            self._hand_out()
            due = self._core.due()
