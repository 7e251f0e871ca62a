"""A KIS-speaking server with a matching exchange inside, started and stopped as one thing.

REST and WebSocket listen on ports of their own, bound to the loopback interface only, as does the
test bench's port when it is switched on. Behind them run the market, the flush of what clients'
orders caused, late notices, and the director of scenarios.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import time as wall_time
from typing import Final

import structlog
from aiohttp.web import BaseRequest, Response, Server, ServerRunner, StreamResponse, TCPSite

from bus import TimeSource
from events.calendar import instant
from kis_gateway.simulator.access import Access
from kis_gateway.simulator.admin import Admin
from kis_gateway.simulator.admin_state import AdminState, SimulatorSummary
from kis_gateway.simulator.announcements import keep_announcements
from kis_gateway.simulator.drive import MarketDrive, flush_on_demand
from kis_gateway.simulator.exchange.views import AccountView
from kis_gateway.simulator.feeds.registrations import Registrations
from kis_gateway.simulator.market import Market
from kis_gateway.simulator.rest import RestService
from kis_gateway.simulator.settings import SimulatorSettings
from kis_gateway.simulator.trouble.director import Director
from kis_gateway.simulator.trouble.fault_control import FaultControl
from kis_gateway.simulator.venue import Venue

_log = structlog.get_logger()

_MIDNIGHT: Final = wall_time()
_HOST: Final = "127.0.0.1"
_SHUTDOWN_SECONDS: Final = 1.0
_SOCKET_PATH: Final = "/tryitout"

_Handler = Callable[[BaseRequest], Awaitable[StreamResponse]]


class Simulator:
    """One simulated KIS service for one trading day.

    After ``start`` the URLs are known and the market runs; ``stop`` ends everything, also after a
    failure in between. A failure of the market or of the flush is raised by ``stop`` and ``wait``.
    """

    def __init__(
        self,
        settings: SimulatorSettings,
        market: Market,
        time: TimeSource,
        access: Access | None = None,
    ) -> None:
        """Serve with an ``access`` of its own, or with one that another host shares.

        KIS has one key service behind its real and its paper host: a key's token and approval key
        may be fetched from either.
        """
        self._settings = settings
        self._time = time
        self._venue = Venue(settings, market, time)
        access, venue = access or Access(settings), self._venue
        self._rest = RestService(venue, access, venue.distribution.faults, time)
        self._registrations = Registrations(settings, access, venue.distribution, time)
        self._drive = MarketDrive(venue, time)
        control = FaultControl(venue, access, self._registrations)
        self.director = Director(control, time, instant(market.day, _MIDNIGHT))
        state = AdminState(venue, self._rest, self._registrations, self._drive, self.director)
        self.admin = Admin(
            venue=venue,
            access=access,
            state=state,
            control=control,
            director=self.director,
            time=time,
        )
        self._runners: list[ServerRunner] = []
        self._work: asyncio.Task[None] | None = None
        self._rest_port = self._ws_port = self._admin_port = 0

    @property
    def rest_url(self) -> str:
        """Base URL of the REST side."""
        return f"http://{_HOST}:{self._rest_port}"

    @property
    def ws_url(self) -> str:
        """URL of the WebSocket side; ``/tryitout`` and ``/tryitout/<TR>`` work as well."""
        return f"ws://{_HOST}:{self._ws_port}"

    @property
    def admin_url(self) -> str | None:
        """Base URL of the test bench; ``None`` when it is off."""
        return f"http://{_HOST}:{self._admin_port}" if self._settings.admin else None

    async def start(self) -> None:
        """Listen, then let the market run."""
        settings = self._settings
        self._rest_port = await self._listen(self._rest.serve, settings.rest_port)
        self._ws_port = await self._listen(self._serve_socket, settings.ws_port)
        if settings.admin:
            self._admin_port = await self._listen(self.admin.serve, settings.admin_port)
        self._work = asyncio.create_task(self._run(), name="simulator")
        _log.info(
            "simulator_started",
            environment=str(settings.environment),
            rest=self.rest_url,
            ws=self.ws_url,
            admin=self.admin_url,
        )

    async def wait(self) -> None:
        """Return when the market's last command has been carried out; raise what made it fail."""
        await self.until(self._drive.finished)

    async def until(self, event: asyncio.Event) -> None:
        """Return once ``event`` is set; raise what made the simulator fail, if that is sooner."""
        if self._work is None:
            raise RuntimeError("the simulator is not running: call start() first")
        waiting = asyncio.create_task(event.wait())
        try:
            await asyncio.wait({waiting, self._work}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if self._work.done():
            self._work.result()

    async def stop(self) -> None:
        """Close connections and ports; returns when nothing of the simulator runs any more."""
        await self._registrations.close_all()
        for runner in reversed(self._runners):
            await runner.cleanup()
        self._runners.clear()
        if self._work is not None:
            self._work.cancel()
            try:
                await self._work
            except asyncio.CancelledError:
                pass
            finally:
                self._work = None
        _log.info("simulator_stopped", rest=self.rest_url)

    def account(self, account: str) -> AccountView:
        """Return what an account owns, valid after ``stop`` as well."""
        return self._venue.exchange.account(account)

    def summary(self) -> SimulatorSummary:
        """Return the run in numbers, valid after ``stop`` as well."""
        return self.admin.summary()

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(flush_on_demand(self._venue))
            group.create_task(keep_announcements(self._venue, self._time))
            group.create_task(self._drive.run())
            group.create_task(self._venue.distribution.keep_delays())
            group.create_task(self.director.run())

    async def _listen(self, handler: _Handler, port: int) -> int:
        # The low-level server has no router: KIS paths arrive with double slashes.
        runner = ServerRunner(Server(handler, access_log=None), shutdown_timeout=_SHUTDOWN_SECONDS)
        await runner.setup()
        self._runners.append(runner)
        await TCPSite(runner, _HOST, port).start()
        return int(runner.addresses[0][1])

    async def _serve_socket(self, request: BaseRequest) -> StreamResponse:
        path = request.path
        if path not in ("/", _SOCKET_PATH) and not path.startswith(f"{_SOCKET_PATH}/"):
            return Response(status=404, text=f"no such path: {path}")
        return await self._registrations.serve(request)


async def serve(
    settings: SimulatorSettings, market: Market, time: TimeSource, stop: asyncio.Event
) -> SimulatorSummary:
    """Run a simulator until ``stop`` is set; return the run in numbers, raise its failure."""
    simulator = Simulator(settings, market, time)
    await simulator.start()
    try:
        await simulator.until(stop)
    finally:
        await simulator.stop()
    return simulator.summary()
