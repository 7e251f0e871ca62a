"""Holds the clock of a run back when a service cannot keep up, so that speed never costs fidelity.

At 200 times real time a second of computing would be three minutes of market. The pacer reads every
service's progress some fifty times a wall second: while a backlog grows it slows the clock in
proportion, beyond a bound it stops it, and it runs on when the backlog is gone. Before all services
are ready the clock stands still; while one is being restarted it creeps at real-time speed, because
recovery itself needs time-outs and rate limits to pass.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from bus import SharedTime

SOFT_BACKLOG: Final = 250
"""Entries a service may be behind without any effect on the clock."""

HARD_BACKLOG: Final = 2_000
"""Entries behind at which the clock stands still."""

_LOOK_EVERY: Final = 0.02
_LONGEST_HOLD: Final = 10.0
_CREEP: Final = 1.0


class Reading(NamedTuple):
    """How far a service is: entries waiting for it, ``None`` while it is not ready."""

    service: str
    pending: int | None


class Pace(NamedTuple):
    """How fast the clock should run, and which service slows it (``None``: none)."""

    rate: float
    slowed_by: str | None


def decide(readings: Sequence[Reading], speed: float, *, started: bool, held: float) -> Pace:
    """Return the pace for the present readings.

    ``speed`` is the rate the run was asked for, ``started`` whether the clock ever ran, ``held``
    for how many wall seconds it has stood still without a break since. A backlog that does not
    shrink while time stands still is waiting for time to pass: after ten seconds it creeps.
    """
    absent = next((r.service for r in readings if r.pending is None), None)
    if absent is not None:
        return Pace(min(_CREEP, speed) if started else 0.0, absent)
    worst = max(readings, key=lambda r: r.pending or 0, default=None)
    if worst is None or worst.pending is None or worst.pending <= SOFT_BACKLOG:
        return Pace(speed, None)
    room = max(0.0, (HARD_BACKLOG - worst.pending) / (HARD_BACKLOG - SOFT_BACKLOG))
    if room == 0.0 and started and held >= _LONGEST_HOLD:
        return Pace(min(_CREEP, speed), worst.service)
    return Pace(speed * room, worst.service)


class Pacer:
    """Applies ``decide`` to the clock of a run and keeps account of the time lost, by service."""

    def __init__(self, clock: SharedTime, read: Callable[[], Sequence[Reading]]) -> None:
        """Pace ``clock`` by what ``read`` returns at each look."""
        self.lost: dict[str, float] = {}
        self.pace = Pace(0.0, None)
        self.readings: Sequence[Reading] = ()
        self.started = asyncio.Event()
        self._clock = clock
        self._read = read
        self._began = 0.0
        self._looked = time.monotonic()
        self._held = 0.0
        self._over = False

    async def run(self) -> None:
        """Pace the clock for ever, every twentieth of a wall second and more often."""
        self._looked = time.monotonic()
        while True:
            self.look(time.monotonic())
            await asyncio.sleep(_LOOK_EVERY)

    def look(self, now: float) -> None:
        """Account for the time since the last look (``now``: wall seconds) and set the pace."""
        speed = self._clock.speed
        passed = now - self._looked
        self._looked = now
        if self.started.is_set() and self.pace.slowed_by is not None:
            slower = passed * (1 - self.pace.rate / speed)
            self.lost[self.pace.slowed_by] = self.lost.get(self.pace.slowed_by, 0.0) + slower
        self._held = self._held + passed if self.pace.rate == 0.0 else 0.0
        self.readings = self._read()
        if self._over:
            return
        pace = decide(self.readings, speed, started=self.started.is_set(), held=self._held)
        if pace.rate != self.pace.rate:
            self._clock.set_rate(pace.rate)
        if pace.rate > 0.0 and not self.started.is_set():
            self._began = now
            self.started.set()
        self.pace = pace

    def hold(self) -> None:
        """Stop the clock for good: the run is over."""
        self._over = True
        self._clock.set_rate(0.0)
        self.pace = Pace(0.0, None)

    def effective_speed(self, now: float) -> float:
        """Return simulated seconds per wall second since the clock began to run (0 before)."""
        wall = now - self._began
        if not self.started.is_set() or wall <= 0:
            return 0.0
        return (self._clock.now() - self._clock.start) / 1e9 / wall
