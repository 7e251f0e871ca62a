"""Puts what the gateway sees on the log: at once when idle, in full batches when busy.

Every append waits for the disk, so throughput comes from sharing one. What is offered while no
append is in flight leaves alone and at once; what arrives during an append leaves together with the
next. Low load gives the lowest latency, the open gives full batches, without a timer.

What always holds: entries stand on the log in the order they were offered; nothing is dropped (a
full queue makes the feed wait); a log that refuses or does not answer ends the service, because
whatever followed would stand on the log without what came before.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from bus import MAX_BATCH, Entry, Log
from events import Event, codec, subjects

_DEFAULT_CAPACITY: Final = 20_000


class Publisher:
    """The one writer of what comes from outside: frames, clock, references, conditions."""

    def __init__(
        self,
        log: Log,
        run: str,
        *,
        capacity: int = _DEFAULT_CAPACITY,
        on_appended: Callable[[], None] = lambda: None,
    ) -> None:
        """``run`` is unique per process start: it keeps the ids of frames apart.

        ``on_appended`` is called after every append.
        """
        self._log = log
        self._prefix = subjects.subject(log.account, "x")[:-1]
        self._run = run
        self._capacity = capacity
        self._on_appended = on_appended
        self._waiting: deque[Entry] = deque()
        self._in_flight = 0
        self._arrived = asyncio.Event()
        self._appended = asyncio.Event()
        self._counter = 0
        self.last_sequence = 0
        """Sequence of the newest entry written."""
        self.frames = 0
        """Entries written."""
        self.batches = 0
        """Appends made."""
        self.largest_batch = 0
        """Most entries in one append."""

    @property
    def backlog(self) -> int:
        """Entries offered and not yet on the log."""
        return len(self._waiting) + self._in_flight

    async def offer(self, event: Event) -> None:
        """Queue an event; waits only while the queue is full.

        An event without an identity gets ``<run>-<counter>``.
        """
        self._counter += 1
        identity = event.identity
        self._waiting.append(
            Entry(
                self._prefix + event.topic,
                codec.encode(event),
                f"{self._run}-{self._counter}" if identity is None else identity,
            )
        )
        self._arrived.set()
        while len(self._waiting) > self._capacity:
            self._appended.clear()
            await self._appended.wait()

    async def flush(self) -> None:
        """Return once everything offered before the call is on the log."""
        wanted = self.frames + self.backlog
        while self.frames < wanted:
            self._appended.clear()
            await self._appended.wait()

    async def run(self) -> None:
        """Write for ever. Raises what the log raises."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                await self._append_waiting()

    async def _append_waiting(self) -> None:
        count = min(len(self._waiting), MAX_BATCH)
        batch = [self._waiting.popleft() for _ in range(count)]
        self._in_flight = count
        # Entries do not depend on each other, so a handful may skip the cost of an atomic batch.
        sequences = await self._log.append(batch, atomic=False)
        self._in_flight = 0
        self.last_sequence = sequences[-1]
        self.frames += count
        self.batches += 1
        self.largest_batch = max(self.largest_batch, count)
        self._appended.set()
        self._on_appended()
