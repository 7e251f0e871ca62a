"""Runs the simulator of ``kst simulator``, day after day when asked to, until it is told to stop.

Every day has a clock of its own that starts where the day starts; ports, accounts and credentials
stay the same, and what an account owns at the close is what it owns the next morning.
"""

from __future__ import annotations

import asyncio
import socket
import time as wall
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec

from bus import SharedTime
from deploy.errors import PortGivenTwice, PortInUse
from deploy.simulator_setup import Setup, market_of, start_of
from events.calendar import TradingSession, next_session
from events.calendar import session as session_on
from kis_gateway.simulator import (
    OpeningBook,
    OpeningHolding,
    Simulator,
    SimulatorSettings,
    SimulatorSummary,
)

_SECOND: Final = 1_000_000_000
_LOOK_EVERY: Final = 0.5
_AFTER_THE_MARKET: Final = 60 * _SECOND
"""How long after the last thing of the day the service stays up (ns of its clock)."""


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """A day that has begun and can be used."""

    rest_url: str
    ws_url: str
    admin_url: str | None
    session: TradingSession
    settings: SimulatorSettings


class Glance(msgspec.Struct, frozen=True, kw_only=True):
    """The service at one moment; rates are per wall second since the look before."""

    now: int
    rate: float
    summary: SimulatorSummary
    calls_per_second: float
    trades_per_second: float


OnReady = Callable[[Ready], None]
OnGlance = Callable[[Glance], None]


async def run_days(
    setup: Setup, stop: asyncio.Event, on_ready: OnReady, on_glance: OnGlance
) -> list[SimulatorSummary]:
    """Serve one day, or day after day, until ``stop`` is set; return each day in numbers.

    Raises:
        PortInUse: another program listens on a port that was asked for.
        BarsMissing: there are no recorded bars of a day.
    """
    summaries: list[SimulatorSummary] = []
    session, start, settings = setup.session, setup.start, setup.settings
    with TemporaryDirectory(prefix="kst-simulator-") as folder:
        while True:
            day = _Day(setup, settings, len(summaries), Path(folder))
            summaries.append(await day.run(session, start, stop, on_ready, on_glance))
            if stop.is_set() or not setup.request.loop:
                return summaries
            session = session_on(next_session(session.day))
            start = start_of(session, setup.request.start_at)
            settings = msgspec.structs.replace(
                settings,
                accounts=day.books_at_the_end(),
                rest_port=day.port("rest"),
                ws_port=day.port("ws"),
                admin_port=day.port("admin"),
            )


class _Day:
    """One day of the run."""

    def __init__(
        self, setup: Setup, settings: SimulatorSettings, ordinal: int, folder: Path
    ) -> None:
        self._setup = setup
        self._settings = settings
        self._ordinal = ordinal
        self._folder = folder
        self._simulator: Simulator | None = None
        self._ports: dict[str, int] = {}
        self._books: tuple[OpeningBook, ...] = settings.accounts

    async def run(
        self,
        session: TradingSession,
        start: int,
        stop: asyncio.Event,
        on_ready: OnReady,
        on_glance: OnGlance,
    ) -> SimulatorSummary:
        request = self._setup.request
        market = market_of(request, session.day, self._ordinal)
        clock = SharedTime.create(
            self._folder / f"clock-{self._ordinal}", start=start, speed=request.speed
        )
        if not self._ordinal:
            _require_free(self._settings)
        simulator = Simulator(self._settings, market, clock)
        await simulator.start()
        try:
            self._ports = {
                name: _port(url)
                for name, url in (
                    ("rest", simulator.rest_url),
                    ("ws", simulator.ws_url),
                    ("admin", simulator.admin_url),
                )
            }
            if self._setup.scenario is not None:
                simulator.director.start(self._setup.scenario)
            clock.set_rate(request.speed)
            on_ready(
                Ready(
                    rest_url=simulator.rest_url,
                    ws_url=simulator.ws_url,
                    admin_url=simulator.admin_url,
                    session=session,
                    settings=self._settings,
                )
            )
            await self._serve(simulator, clock, stop, on_glance)
        finally:
            await simulator.stop()
        self._books = _books_of(simulator, self._settings)
        return simulator.summary()

    def books_at_the_end(self) -> tuple[OpeningBook, ...]:
        return self._books

    def port(self, name: str) -> int:
        return self._ports[name]

    async def _serve(
        self, simulator: Simulator, clock: SharedTime, stop: asyncio.Event, on_glance: OnGlance
    ) -> None:
        ended = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(_glance(simulator, clock, on_glance)),
                group.create_task(_set_after_the_market(simulator, clock, ended)),
                group.create_task(_set_with(stop, ended)),
            ]
            await simulator.until(ended)
            for task in tasks:
                task.cancel()


async def _set_after_the_market(
    simulator: Simulator, clock: SharedTime, ended: asyncio.Event
) -> None:
    await simulator.wait()
    await clock.sleep_until(clock.now() + _AFTER_THE_MARKET)
    ended.set()


async def _set_with(stop: asyncio.Event, ended: asyncio.Event) -> None:
    await stop.wait()
    ended.set()


async def _glance(simulator: Simulator, clock: SharedTime, on_glance: OnGlance) -> None:
    looked, before = wall.monotonic(), simulator.summary()
    while True:
        await asyncio.sleep(_LOOK_EVERY)
        now, summary = wall.monotonic(), simulator.summary()
        passed = now - looked
        on_glance(
            Glance(
                now=clock.now(),
                rate=clock.rate,
                summary=summary,
                calls_per_second=(summary.counters.rest_calls - before.counters.rest_calls)
                / passed,
                trades_per_second=(summary.counters.prints - before.counters.prints) / passed,
            )
        )
        looked, before = now, summary


def _books_of(simulator: Simulator, settings: SimulatorSettings) -> tuple[OpeningBook, ...]:
    return tuple(
        OpeningBook(
            account=book.account,
            cash=view.cash,
            holdings=tuple(
                OpeningHolding(symbol=symbol, quantity=held.quantity, cost=held.cost)
                for symbol, held in view.holdings.items()
                if held.quantity
            ),
        )
        for book in settings.accounts
        for view in (simulator.account(book.account),)
    )


def _require_free(settings: SimulatorSettings) -> None:
    """Check that nobody listens on the ports that were asked for.

    Raises:
        PortInUse: somebody does.
        PortGivenTwice: two services were to share one.
    """
    wanted = {
        "the REST side": settings.rest_port,
        "the WebSocket": settings.ws_port,
        "the test bench": settings.admin_port,
    }
    given: set[int] = set()
    for name, port in wanted.items():
        if port in given:
            raise PortGivenTwice(name, port)
        if port:
            given.add(port)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                raise PortInUse(name, port) from error


def _port(url: str | None) -> int:
    return int(url.rpartition(":")[2]) if url is not None else 0
