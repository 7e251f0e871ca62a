"""Time for the shells: real, shared and N times faster, or by hand in tests.

Deciders never see this; they get time as events. Every shell of a run (gateway, simulator,
supervisor) uses one ``TimeSource``, so rate limits, time-outs and the session clock scale together.
A faster clock does not make the machine faster, therefore time-outs keep a floor of wall time.
"""

from __future__ import annotations

import asyncio
import heapq
import mmap
import struct
import time
from pathlib import Path
from typing import Final, Protocol

from bus.errors import DataDirectoryError

_SECOND: Final = 1_000_000_000
_LONGEST_NAP: Final = 0.05
_TIMEOUT_FLOOR: Final = 5.0


class TimeSource(Protocol):
    """The clock of a run."""

    def now(self) -> int:
        """Return nanoseconds UTC; never goes backwards."""
        ...

    async def sleep_until(self, at: int) -> None:
        """Return once ``now() >= at`` (ns UTC)."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after ``seconds`` of this clock."""
        ...

    def timeout(self, seconds: float) -> float:
        """Return how many wall seconds to wait for an answer due within ``seconds``.

        Never less than the smaller of ``seconds`` and five wall seconds.
        """
        ...


class SystemTime:
    """The machine's clock."""

    def __init__(self) -> None:
        self._last = 0

    def now(self) -> int:
        """Return the system time, held back while the system clock is set backwards."""
        self._last = max(self._last, time.time_ns())
        return self._last

    async def sleep_until(self, at: int) -> None:
        """Return once the system time has reached ``at``."""
        while (remaining := at - self.now()) > 0:
            await asyncio.sleep(remaining / _SECOND)

    async def sleep(self, seconds: float) -> None:
        """Return after ``seconds``."""
        await asyncio.sleep(seconds)

    def timeout(self, seconds: float) -> float:
        """Return ``seconds``: this clock runs at wall speed."""
        return seconds


class ManualTime:
    """A clock that moves only when told to. For tests."""

    def __init__(self, start: int) -> None:
        self._now = start
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._ordinal = 0

    def now(self) -> int:
        """Return the time last set."""
        return self._now

    async def sleep_until(self, at: int) -> None:
        """Return once ``advance`` has moved the clock to ``at``."""
        if at <= self._now:
            await asyncio.sleep(0)
            return
        waiter = asyncio.get_running_loop().create_future()
        self._ordinal += 1
        heapq.heappush(self._sleepers, (at, self._ordinal, waiter))
        await waiter

    async def sleep(self, seconds: float) -> None:
        """Return once ``advance`` has moved the clock by ``seconds``."""
        await self.sleep_until(self._now + round(seconds * _SECOND))

    def timeout(self, seconds: float) -> float:
        """Return wall seconds; an answer that a test waits for must come by itself."""
        return min(seconds, _TIMEOUT_FLOOR)

    async def advance(self, seconds: float) -> None:
        """Move the clock, waking sleepers in order and letting each of them run."""
        target = self._now + round(seconds * _SECOND)
        while self._sleepers and self._sleepers[0][0] <= target:
            at, _, waiter = heapq.heappop(self._sleepers)
            self._now = max(self._now, at)
            if not waiter.done():
                waiter.set_result(None)
            for _ in range(3):
                await asyncio.sleep(0)
        self._now = target
        await asyncio.sleep(0)


class SharedTime:
    """One clock for all processes of a run, paced by one of them through a small mapped file.

    Time is an anchor and a rate over ``CLOCK_MONOTONIC``, which all processes of a machine share. A
    rate of 0 holds time still. Readers retry while the writer is in the middle of a change
    (sequence lock). The file is the run's manifest of time: start instant and speed.
    """

    _LAYOUT: Final = struct.Struct("<8sQQQQdd")
    _MAGIC: Final = b"KSTTIME1"

    def __init__(self, path: Path, *, writable: bool = False) -> None:
        """Open the clock of a run.

        Raises:
            DataDirectoryError: the file is missing or no clock.
        """
        self.path = path
        try:
            with path.open("r+b" if writable else "rb") as file:
                access = mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ
                self._map = mmap.mmap(file.fileno(), self._LAYOUT.size, access=access)
        except (OSError, ValueError) as error:
            raise DataDirectoryError(
                f"no run clock at {path}: start the run with `kst demo` or `kst run`"
            ) from error
        if self._map[:8] != self._MAGIC:
            raise DataDirectoryError(f"{path} is not a run clock of this version of kst")
        self._last = 0

    @classmethod
    def create(cls, path: Path, *, start: int, speed: float) -> SharedTime:
        """Create the clock file at ``start`` (ns UTC), standing still, to run at ``speed``."""
        path.write_bytes(
            cls._LAYOUT.pack(cls._MAGIC, 0, time.monotonic_ns(), start, start, 0.0, speed)
        )
        return cls(path, writable=True)

    def _read(self) -> tuple[int, int, int, float, float]:
        while True:
            fields = self._LAYOUT.unpack_from(self._map)
            lock = fields[1]
            if lock % 2 == 0 and self._LAYOUT.unpack_from(self._map)[1] == lock:
                _, _, anchor_monotonic, anchor, start, rate, speed = fields
                return anchor_monotonic, anchor, start, rate, speed

    @property
    def rate(self) -> float:
        """Return the present rate: simulated seconds per wall second, 0 while held."""
        return self._read()[3]

    @property
    def speed(self) -> float:
        """Return the rate the run was asked for."""
        return self._read()[4]

    @property
    def start(self) -> int:
        """Return the instant the run began at (ns UTC)."""
        return self._read()[2]

    def now(self) -> int:
        """Return the simulated time."""
        anchor_monotonic, anchor, _, rate, _ = self._read()
        value = anchor + int((time.monotonic_ns() - anchor_monotonic) * rate)
        self._last = max(self._last, value)
        return self._last

    def set_rate(self, rate: float) -> None:
        """Run on from now at ``rate``; only the process that paces the run calls this."""
        now = self.now()
        _, lock, _, _, start, _, speed = self._LAYOUT.unpack_from(self._map)
        struct.pack_into("<Q", self._map, 8, lock + 1)
        self._LAYOUT.pack_into(
            self._map, 0, self._MAGIC, lock + 1, time.monotonic_ns(), now, start, rate, speed
        )
        struct.pack_into("<Q", self._map, 8, lock + 2)

    async def sleep_until(self, at: int) -> None:
        """Return once the simulated time has reached ``at``; a change of rate is noticed."""
        while (remaining := at - self.now()) > 0:
            rate = self.rate
            nap = remaining / _SECOND / rate if rate > 0 else _LONGEST_NAP
            await asyncio.sleep(min(nap, _LONGEST_NAP))

    async def sleep(self, seconds: float) -> None:
        """Return after ``seconds`` of simulated time."""
        await self.sleep_until(self.now() + round(seconds * _SECOND))

    def timeout(self, seconds: float) -> float:
        """Return wall seconds to wait: scaled, but never below min(seconds, 5 s)."""
        return max(seconds / max(self.speed, 1.0), min(seconds, _TIMEOUT_FLOOR))
