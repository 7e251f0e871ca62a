"""A lease on the log: one process at a time may act on an account, whatever is started twice.

The lease is a subject of the log. Whoever appends to it next, against the newest entry it has seen,
holds it; the log refuses everybody else. What always holds:

- A holder may act only while ``fresh``: less than two thirds of the ttl since it *sent* its last
  renewal. Everybody else waits a whole ttl from when they *saw* that renewal. Both count on
  ``CLOCK_BOOTTIME``, which goes on while a machine sleeps and is never set, so a holder that was
  paused notices before the next one begins, however the two hosts' clocks are set.
- A process that certainly has ended is not waited for; neither is a lease that was released.
- ``epoch`` grows with every change of holder. It is written with what the holder does.

Between the look at ``fresh`` and the act itself a process can still be paused: whoever acts looks
as late as possible and keeps what must not happen twice safe by its own subject as well.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, NamedTuple, Protocol
from weakref import WeakSet

import structlog

from bus.errors import AppendConflict, IdentityReused, LeaseLost
from bus.log import Entry, Log, Recorded
from bus.process_identity import has_ended, own_identity
from events import codec, subjects
from events.control import LeaseEvent, LeaseReleased, LeaseRenewed, LeaseTaken

_SECOND: Final = 1_000_000_000
_TTL_S: Final = 15.0
_FRESH: Final = 2 / 3
_RENEWALS: Final = 3
"""Renewals per ttl."""

_END_WITHIN_S: Final = 5.0
"""Wall seconds in which a block that lost its lease ends, or is stuck."""

_LOOKS: Final = 30
"""How often in a ttl one who waits looks at the log and at the holder's process."""

_held: Final[WeakSet[Lease]] = WeakSet()
"""Leases held in this process: one of another run that is not among them has ended."""


class WallClock(Protocol):
    """A clock that nobody sets: ``ManualTime`` in tests."""

    def now(self) -> int:
        """Return nanoseconds from any fixed instant on."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after ``seconds`` of this clock."""
        ...


class BootTime:
    """Wall time since the machine was started, sleep of the machine included."""

    _CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

    def now(self) -> int:
        """Return nanoseconds since the start of the machine."""
        return time.clock_gettime_ns(self._CLOCK)

    async def sleep(self, seconds: float) -> None:
        """Return after ``seconds``."""
        await asyncio.sleep(seconds)


class Holder(NamedTuple):
    """Who has a lease: process, run and epoch."""

    process: str
    run: str
    epoch: int


OnWaiting = Callable[[Holder], Awaitable[None]]
"""Told, at every look, whom one waits for."""


async def wait_silently(holder: Holder) -> None:
    """Tell nobody."""


class Lease:
    """One process's side of a lease: to be had with ``acquire``, kept with ``keep``."""

    def __init__(
        self,
        log: Log,
        name: str,
        run: str,
        *,
        now: Callable[[], int],
        ttl_s: float = _TTL_S,
        clock: WallClock | None = None,
        holder: str | None = None,
        ended: Callable[[str], bool] = has_ended,
    ) -> None:
        """``run`` is unique per process start; ``now`` dates the events (ns UTC, the run's clock).

        Everybody who wants a lease must be given the same ``ttl_s`` (wall seconds). ``holder`` is
        the identity of this process, ``ended`` judges that of another.
        """
        self._log = log
        self._name = name
        self._run = run
        self._now = now
        self._ttl = round(ttl_s * _SECOND)
        self._clock = clock or BootTime()
        self._holder = own_identity() if holder is None else holder
        self._ended = ended
        self._subject = subjects.subject(log.account, f"trading.lease.{name}")
        self._sequence = 0
        self._ordinal = 0
        self._sent_at = 0
        self._lost = False
        self._renewing = asyncio.Lock()
        self._logger = structlog.get_logger().bind(lease=name, run=run)
        self.epoch = 0
        """The fencing token, 0 before the lease is held."""

    @property
    def fresh(self) -> bool:
        """Whether this process may act now."""
        return (
            self in _held
            and not self._lost
            and self._clock.now() - self._sent_at < self._ttl * _FRESH
        )

    def require_fresh(self) -> None:
        """Let pass who may act now.

        Raises:
            LeaseLost: another process may hold the lease.
        """
        if not self.fresh:
            raise self._loss("no renewal was acknowledged in time")

    async def ensure(self) -> None:
        """Return once this process may act, after a renewal if the last one is too old.

        A process that was paused, or whose log did not answer, finds out here whether another one
        has taken over meanwhile.

        Raises:
            LeaseLost: one has.
        """
        while not self.fresh:
            await self._renew()

    async def acquire(self, stop: asyncio.Event, on_waiting: OnWaiting = wait_silently) -> bool:
        """Return whether the lease is held: true, or false once ``stop`` is set before.

        Raises:
            BusError: the log cannot be read or appended to.
        """
        ttl = self._ttl
        seen, since = -1, 0
        while not stop.is_set():
            newest = await self._log.last(f"trading.lease.{self._name}")
            at = self._clock.now()
            event = None if newest is None else _lease_event(newest)
            sequence = 0 if newest is None else newest.sequence
            if sequence != seen:
                seen, since = sequence, at
                if isinstance(event, LeaseTaken):
                    ttl = max(self._ttl, event.ttl_ms * 1_000_000)
            if event is None or self._is_free(event) or at - since >= ttl:
                if await self._take(sequence, event):
                    return True
                continue
            await on_waiting(Holder(event.holder, event.run, event.epoch))
            await self._clock.sleep(self._ttl / _SECOND / _LOOKS)
        return False

    async def keep(self) -> None:
        """Renew for ever, three times per ttl.

        Raises:
            LeaseLost: another process has taken the lease.
            BusError: the log cannot be appended to.
        """
        while True:
            await self._clock.sleep(self._ttl / _SECOND / _RENEWALS)
            await self._renew()

    @asynccontextmanager
    async def kept(
        self, stuck: Callable[[], None] | None = None, *, end_within_s: float = _END_WITHIN_S
    ) -> AsyncIterator[None]:
        """Keep the lease while the block runs, and give it back when the block ends as it should.

        A loss cancels the block and is raised in its place. After any other error the lease is not
        given back: what the block left behind is for a process that has read the log anew. A block
        that has not ended ``end_within_s`` wall seconds after its cancellation is ``stuck``: some
        part of it did not let itself be cancelled, and the process had better be ended.

        Raises:
            LeaseLost, BusError: see ``keep``.
        """
        block, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert block is not None
        timers: list[asyncio.TimerHandle] = []

        def over(keeping: asyncio.Task[None]) -> None:
            if keeping.cancelled():
                return
            block.cancel()
            if stuck is not None:
                timers.append(loop.call_later(end_within_s, stuck))

        keeping = asyncio.create_task(self.keep())
        keeping.add_done_callback(over)
        try:
            yield
            keeping.cancel()
            await self.release()
        except asyncio.CancelledError:
            if not keeping.done() or keeping.cancelled():
                raise
            failure = keeping.exception()
            assert failure is not None  # it renews for ever
            block.uncancel()
            raise failure from None
        finally:
            keeping.cancel()
            for timer in timers:
                timer.cancel()
            self.drop()

    async def release(self) -> None:
        """Give the lease back, so that the next one need not wait; nothing when it is lost."""
        async with self._renewing:
            if self in _held and await self._is_own():
                event = LeaseReleased(
                    at=self._now(),
                    name=self._name,
                    epoch=self.epoch,
                    holder=self._holder,
                    run=self._run,
                )
                try:
                    await self._append(event)
                except (AppendConflict, IdentityReused) as error:
                    self._logger.warning("lease_lost_at_release", error=str(error))
            self.drop()

    def drop(self) -> None:
        """Stop acting without a word to the log, as a process does that dies."""
        _held.discard(self)

    async def _is_own(self) -> bool:
        """Take in the newest entry: the answer to a renewal that was cut short is not known."""
        newest = await self._log.last(f"trading.lease.{self._name}")
        assert newest is not None  # taken once, the subject is not empty
        event = _lease_event(newest)
        self._sequence = newest.sequence
        return (event.epoch, event.run) == (self.epoch, self._run)

    def _is_free(self, event: LeaseEvent) -> bool:
        if isinstance(event, LeaseReleased):
            return True
        if event.holder != self._holder:
            return self._ended(event.holder)
        # A former run inside this very process: alive while its lease object is.
        return not any(
            other is not self
            and (other._log.account, other._name, other._run) == (self._log.account, *_who(event))
            for other in _held
        )

    async def _take(self, sequence: int, previous: LeaseEvent | None) -> bool:
        sent_at = self._clock.now()
        event = LeaseTaken(
            at=self._now(),
            name=self._name,
            epoch=1 if previous is None else previous.epoch + 1,
            holder=self._holder,
            run=self._run,
            ttl_ms=self._ttl // 1_000_000,
            previous="" if previous is None else previous.holder,
        )
        self._sequence = sequence
        try:
            await self._append(event)
        except (AppendConflict, IdentityReused):
            return False  # Another contender was first, or the holder lives after all.
        self.epoch, self._sent_at, self._ordinal, self._lost = event.epoch, sent_at, 0, False
        _held.add(self)
        self._logger.info("lease_taken", epoch=event.epoch, previous=event.previous)
        return True

    async def _renew(self) -> None:
        async with self._renewing:
            if self._lost or self not in _held:
                raise self._loss("it is not held")
            sent_at = self._clock.now()
            self._ordinal += 1
            event = LeaseRenewed(
                at=self._now(),
                name=self._name,
                epoch=self.epoch,
                holder=self._holder,
                run=self._run,
                ordinal=self._ordinal,
            )
            try:
                await self._append(event)
            except (AppendConflict, IdentityReused) as error:
                raise self._loss(str(error)) from error
            self._sent_at = sent_at

    async def _append(self, event: LeaseTaken | LeaseRenewed | LeaseReleased) -> None:
        entry = Entry(self._subject, codec.encode(event), event.identity, self._sequence)
        (self._sequence,) = await self._log.append([entry])

    def _loss(self, reason: str) -> LeaseLost:
        self._lost = True
        self.drop()
        return LeaseLost(self._name, self.epoch, reason)


def _who(event: LeaseEvent) -> tuple[str, str]:
    return event.name, event.run


def _lease_event(recorded: Recorded) -> LeaseEvent:
    event = codec.decode(recorded.payload)
    assert isinstance(event, LeaseEvent)  # nothing else stands on this subject
    return event
