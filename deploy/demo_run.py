"""One demo from the first process to the last: start, pace, watch, wind down.

The order of the end matters. When the day is over the clock is held, every service works off what
is left, and then they stop from the source downwards: the gateway first, so that nothing new comes;
the deciders; the projector and the auditor once they have read everything; the servers last.
"""

from __future__ import annotations

import asyncio
import time as wall
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
import structlog

from bus import JetStreamLog, Progress, SharedTime
from deploy import run_configuration
from deploy.data_directory import DataDirectory
from deploy.day_summary import TOPICS, DaySummary
from deploy.demo_setup import require_free, services
from deploy.demo_view import Moment
from deploy.errors import NotReady
from deploy.log_access import summarise
from deploy.pacer import Pacer, Reading
from deploy.simulated_broker import ExchangeFigures, ask_exchange
from deploy.supervisor import Supervisor
from events.calendar import TradingSession

_SECOND: Final = 1_000_000_000
_START_PATIENCE: Final = 90.0
_END_PATIENCE: Final = 120.0
_SETTLE: Final = 60
"""Seconds of the run's clock after the last clock tick in which the last inquiries are answered."""

_QUIET_LOOKS: Final = 10
_LOOK_EVERY: Final = 0.05
_FOLLOW_WAIT: Final = 0.25

_log = structlog.get_logger()

Show = Callable[[Moment], None]
"""Told the state of the run some four times a second."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a demo left behind. Seconds are wall seconds."""

    summary: DaySummary
    events: int
    exchange: ExchangeFigures
    restarts: dict[str, int]
    lost: dict[str, float]
    effective_speed: float
    wall_seconds: float


class DemoRun:
    """Runs one demo over a directory that has been set up; use ``run`` once, under its lock."""

    def __init__(self, directory: DataDirectory, session: TradingSession, show: Show) -> None:
        manifest = directory.manifest
        tail = run_configuration.read(directory.path / "config").gateway.clock_tail_s
        self._directory = directory
        self._session = session
        self._show = show
        self._end = session.close_at + (tail + _SETTLE) * _SECOND
        self._clock = SharedTime.create(directory.clock, start=manifest.start, speed=manifest.speed)
        self._specs = services(directory)
        self._pacer = Pacer(self._clock, self._readings)
        self._supervisor = Supervisor(directory.pid_file)
        self._summary = DaySummary()
        self._events = 0

    async def run(self) -> Outcome:
        """Run the day to its end and return what it left.

        Raises:
            DeployError: a service could not be kept alive, or did not become ready or quiet.
        """
        require_free(self._directory.manifest.ports)
        began = wall.monotonic()
        async with self._supervisor, self._watched():
            for spec in self._specs:
                self._supervisor.start(spec)
            await self._until_ready()
            log = await self._connect()
            try:
                async with _beside(self._follow(log), self._watch(log)):
                    await self._clock.sleep_until(self._end)
                speed = self._pacer.effective_speed(wall.monotonic())
                return await self._wind_down(log, speed, began)
            finally:
                await log.close()

    @asynccontextmanager
    async def _watched(self) -> AsyncIterator[None]:
        """Pace the clock, and turn the failure of a service into the failure of the run."""
        async with _beside(self._pacer.run(), self._supervisor.failure()):
            yield

    def _readings(self) -> Sequence[Reading]:
        return [
            Reading(spec.name, None if (found := Progress.read(path)) is None else found.pending)
            for spec in self._specs
            for path in (self._directory.progress(spec.name),)
        ]

    async def _until_ready(self) -> None:
        try:
            async with asyncio.timeout(_START_PATIENCE):
                await self._pacer.started.wait()
        except TimeoutError as error:
            absent = [r.service for r in self._pacer.readings if r.pending is None]
            raise NotReady(absent, _START_PATIENCE, self._directory.logs) from error
        _log.info("all_services_ready")

    async def _connect(self) -> JetStreamLog:
        manifest = self._directory.manifest
        return await JetStreamLog.connect(
            f"nats://127.0.0.1:{manifest.ports.nats}", manifest.account, create=False
        )

    async def _follow(self, log: JetStreamLog) -> None:
        async with log.read(topics=TOPICS) as reader:
            while True:
                for recorded in await reader.batch(_FOLLOW_WAIT):
                    self._summary.take(recorded)

    async def _watch(self, log: JetStreamLog) -> None:
        looked = wall.monotonic()
        while True:
            await asyncio.sleep(_FOLLOW_WAIT)
            events, now = (await log.info()).last_sequence, wall.monotonic()
            rate = (events - self._events) / (now - looked)
            self._events, looked = events, now
            self._show(
                Moment(
                    session=self._session,
                    now=self._clock.now(),
                    speed=self._clock.speed,
                    effective_speed=self._pacer.effective_speed(now),
                    events=events,
                    events_per_second=rate,
                    lost=self._pacer.lost,
                    services=self._supervisor.services,
                    readings=self._pacer.readings,
                    summary=self._summary,
                )
            )

    async def _wind_down(self, log: JetStreamLog, speed: float, began: float) -> Outcome:
        self._pacer.hold()
        stop = self._supervisor.stop
        await self._quiet(log)
        exchange = await ask_exchange(self._directory.manifest)
        for name in ("gateway", *self._directory.manifest.strategies, "guard", "risk"):
            await stop(name)
        await self._quiet(log)
        for name in ("projector", "auditor"):
            await stop(name)
        summary, events = await summarise(log)
        return Outcome(
            summary=summary,
            events=events,
            exchange=exchange,
            restarts={n: s.restarts for n, s in self._supervisor.services.items() if s.restarts},
            lost=dict(self._pacer.lost),
            effective_speed=speed,
            wall_seconds=wall.monotonic() - began,
        )

    async def _quiet(self, log: JetStreamLog) -> None:
        """Return once nobody is behind and nothing has been written for half a second.

        Raises:
            NotReady: that did not happen in time.
        """
        last, quiet = -1, 0
        try:
            async with asyncio.timeout(_END_PATIENCE):
                while quiet < _QUIET_LOOKS:
                    await asyncio.sleep(_LOOK_EVERY)
                    head = (await log.info()).last_sequence
                    behind = any(reading.pending for reading in self._readings())
                    quiet = 0 if behind or head != last else quiet + 1
                    last = head
        except TimeoutError as error:
            late = [reading.service for reading in self._readings() if reading.pending]
            raise NotReady(late, _END_PATIENCE, self._directory.logs) from error


@asynccontextmanager
async def _beside(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run coroutines beside a block; the first failure of any of them ends them all."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(part) for part in work]
            yield
            for task in tasks:
                task.cancel()
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from failed
