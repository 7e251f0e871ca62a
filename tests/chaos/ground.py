"""Where drills take place: real servers, every service as a process of its own, the simulator.

One ground lasts for many drills, so that a drill costs what happens in it and not its setting up.
A service that ends is started again at once, whatever ended it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time as wall
from contextlib import AsyncExitStack
from datetime import date, time
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx
import msgspec
import psycopg

from bus import JetStreamLog, NatsServer, Progress, SharedTime, entry, free_ports
from deploy import run_configuration
from deploy.configuration import SHIPPED
from deploy.credentials import demo_credentials
from deploy.data_directory import LAYOUT, DataDirectory, Manifest, Ports
from events import AccountId, Event, calendar, codec
from events.calendar import instant
from events.errors import CodecError
from kis_gateway import StrategyUniverse
from kis_gateway.settings import ACCOUNT_VARIABLE
from kis_gateway.simulator.market import SyntheticMarket
from risk import RiskSettings
from tests.chaos.drill_trader import STRATEGIES
from tests.chaos.line import Line
from tests.chaos.processes import Processes, Zygote
from tests.chaos.steps import StepBoard
from tests.chaos.truth import Database, DatabaseOrder, Exchange
from tests.chaos.zygote import TRADER

DAY: Final = date(2026, 11, 20)
BEGIN: Final = time(9, 56)
SYMBOLS: Final = 8
SEED: Final = 7
ACCOUNT: Final = AccountId("chaos")
SERVICES: Final = (
    "postgres", "simulator", "gateway", "risk", "guard", TRADER, "projector", "auditor",
)  # fmt: skip

_READY_SECONDS: Final = 90.0
_TOPICS: Final = ("trading.>", "market.session.*", "ops.>")
_WAIT: Final = 0.05
_LOOK_EVERY: Final = 0.02


class GroundFailed(Exception):
    """The ground could not be prepared; says what is missing and where its logs are."""


class Ground:
    """One account, its log, its database, its exchange; use as an async context manager."""

    def __init__(self, folder: Path, zygote: Zygote, *, speed: float, broken: str = "") -> None:
        """``folder`` is empty and may be entered by everybody (PostgreSQL is another user)."""
        self._zygote = zygote
        self._speed = speed
        self._broken = broken
        self._stack = AsyncExitStack()
        ours, theirs = _ports()
        self.directory = DataDirectory.create(folder, _manifest(ours, speed))
        self._far = msgspec.structs.replace(theirs, nats=ours.nats, admin=ours.admin)
        self._secrets = demo_credentials()
        self.clock = SharedTime.create(
            self.directory.clock, start=self.directory.manifest.start, speed=speed
        )
        self.board = StepBoard(folder / "run" / "steps")
        self.server = NatsServer(self.directory.nats, port=ours.nats)
        self.lines = (Line(ours.rest, theirs.rest), Line(ours.feed, theirs.feed))
        self.processes = Processes(zygote, self.directory, self._far, self._secrets, broken)
        self.events: list[tuple[int, Event]] = []
        """Everything on the log but market data, in order."""
        self._server_lock = asyncio.Lock()
        self._database: psycopg.AsyncConnection[Any] | None = None

    async def __aenter__(self) -> Self:
        _configure(self.directory)
        try:
            await self._open()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def _open(self) -> None:
        enter = self._stack.enter_async_context
        await enter(self.server)
        self._stack.push_async_callback(self._end_processes)
        for line in self.lines:
            await enter(line)
        url = f"http://127.0.0.1:{self.directory.manifest.ports.admin}"
        self._bench = await enter(httpx.AsyncClient(base_url=url, timeout=30.0))
        self.log = await JetStreamLog.connect(self.server.url, ACCOUNT)
        self._stack.push_async_callback(self.log.close)
        self.processes.start("postgres")
        self.processes.start("simulator")
        await self._until_ready(("simulator",))
        self.clock.set_rate(self._speed)
        for name in SERVICES[2:]:
            self.processes.start(name)
        following = asyncio.create_task(self._follow())
        self._stack.callback(following.cancel)
        await self._until_ready(SERVICES)

    async def _end_processes(self) -> None:
        if self._database is not None:
            await self._database.close()
        await self.processes.stop_all(10.0)
        self._end_postmaster(signal.SIGKILL)

    async def _follow(self) -> None:
        async with self.log.read(topics=_TOPICS) as reader:
            while True:
                for recorded in await reader.batch(_WAIT):
                    with contextlib.suppress(CodecError):
                        self.events.append((recorded.sequence, codec.decode(recorded.payload)))

    # -- readiness -------------------------------------------------------------------------------

    async def _until_ready(self, names: tuple[str, ...]) -> None:
        deadline = wall.monotonic() + _READY_SECONDS
        while not self.quiet(names):
            if wall.monotonic() > deadline or self.processes.fatal:
                late = [name for name in names if self._pending(name) != 0]
                raise GroundFailed(
                    f"{', '.join(late)} not ready after {_READY_SECONDS:.0f} s; "
                    f"see {self.directory.logs}"
                )
            await asyncio.sleep(_LOOK_EVERY)

    def quiet(self, names: tuple[str, ...] = SERVICES) -> bool:
        """Return whether these services run and have dealt with everything on the log."""
        return self.processes.all_running and all(self._pending(name) == 0 for name in names)

    def _pending(self, name: str) -> int | None:
        progress = Progress.read(self.directory.progress(name))
        return None if progress is None else progress.pending

    # -- what drills do --------------------------------------------------------------------------

    async def say(self, event: Event) -> int:
        """Append an event, as an operator would."""
        (sequence,) = await self.log.append([entry(ACCOUNT, event)])
        return sequence

    async def cause(self, fault: dict[str, Any]) -> None:
        """Ask the simulator for trouble."""
        answer = await self._bench.post("/admin/fault", json=fault)
        answer.raise_for_status()

    async def end_faults(self) -> None:
        """End all trouble at the simulator."""
        state = (await self._bench.get("/admin/state")).json()
        for each in state["caused"]:
            if each["left"]:
                await self._bench.post("/admin/fault/end", json={"number": each["number"]})

    async def exchange(self) -> Exchange:
        """Return the exchange's own books."""
        answer = await self._bench.get("/admin/state")
        answer.raise_for_status()
        return msgspec.json.decode(answer.content, type=Exchange)

    async def hand_order(self, symbol: str, side: str, quantity: int) -> str:
        """Place a market order by hand, past everything here; return its number."""
        body = {
            "account": self._secrets[ACCOUNT_VARIABLE],
            "symbol": symbol,
            "side": side,
            "quantity": quantity,
        }
        answer = await self._bench.post("/admin/order", json=body)
        answer.raise_for_status()
        return str(answer.json()["order_number"])

    async def restart_log(self) -> None:
        """Kill nats-server and start another on the same store and port."""
        async with self._server_lock:
            await self.server.kill()
            await self.server.start()

    async def power_cut(self) -> None:
        """Kill everything of ours at once, servers included; all of it is started again.

        The exchange goes on: it is another house.
        """
        for name in SERVICES:
            if name != "simulator":
                self.processes.send(name, signal.SIGKILL)
        self._end_postmaster(signal.SIGQUIT)
        await self.restart_log()

    async def pause_log(self, seconds: float) -> None:
        """Hold nats-server for some wall seconds; connections stay open and nothing answers."""
        async with self._server_lock:
            os.kill(self.server.pid, signal.SIGSTOP)
            await asyncio.sleep(seconds)
            os.kill(self.server.pid, signal.SIGCONT)

    def crash_database(self) -> None:
        """Shut PostgreSQL down without a checkpoint; its service starts it again."""
        self._end_postmaster(signal.SIGQUIT)
        self.processes.send("postgres", signal.SIGKILL)

    def _end_postmaster(self, number: signal.Signals) -> None:
        with contextlib.suppress(OSError, ValueError, IndexError):
            lines = (self.directory.path / "postgres" / "postmaster.pid").read_text().splitlines()
            os.kill(int(lines[0]), number)

    async def database(self) -> Database:
        """Return what the rows say.

        Raises:
            psycopg.OperationalError: PostgreSQL is starting.
        """
        if self._database is None or self._database.closed or self._database.broken:
            address = self.directory.database_address.read_text()
            self._database = await psycopg.AsyncConnection.connect(address, autocommit=True)
        orders = await self._database.execute(
            "SELECT o.order_id, o.state, o.filled_quantity, o.filled_amount,"
            " coalesce(sum(f.quantity), 0)::bigint, coalesce(sum(f.amount), 0)::bigint"
            " FROM kst.orders o LEFT JOIN kst.fills f USING (account, order_id)"
            " GROUP BY o.account, o.order_id"
        )
        names = DatabaseOrder.__struct_fields__
        found = tuple(
            DatabaseOrder(**dict(zip(names, row, strict=True))) for row in await orders.fetchall()
        )
        owners = await self._database.execute(
            "SELECT strategy, symbol, quantity FROM kst.allocations WHERE quantity <> 0"
        )
        return Database(
            orders=found,
            allocations={(row[0], row[1]): row[2] for row in await owners.fetchall()},
        )


def _manifest(ports: Ports, speed: float) -> Manifest:
    return Manifest(
        layout=LAYOUT,
        account=ACCOUNT,
        trading_date=calendar.trading_date(DAY),
        start=instant(DAY, BEGIN),
        speed=speed,
        bars=None,
        seed=SEED,
        symbols=SYMBOLS,
        strategies=(),
        code_version="chaos",
        ports=ports,
    )


def _configure(directory: DataDirectory) -> None:
    """Write the shipped configuration; limits that would keep drills from trading are opened."""
    shipped = run_configuration.read(SHIPPED)
    configuration = msgspec.structs.replace(shipped, oms=_unhurried(shipped.oms))
    market = SyntheticMarket(DAY, symbols=SYMBOLS, seed=SEED)
    symbols = tuple(each.symbol for each in market.listings)
    universes = [
        StrategyUniverse(
            strategy=strategy,
            symbols=symbols,
            sectors={symbol: f"sector {symbol}" for symbol in symbols},
            source="chaos",
        )
        for strategy in STRATEGIES
    ]
    run_configuration.write_all(directory, configuration, universes)


def _unhurried(oms: RiskSettings) -> RiskSettings:
    replace = msgspec.structs.replace
    guards = {
        "max_orders_per_second": 20,
        "max_orders_per_symbol_minute": 600,
        # The feed is down half of the time here.
        "max_price_age_sec": 60,
        "max_spread_bps": 6_000,
    }
    dials = {
        name: replace(getattr(oms.risk, name), standard=value) for name, value in guards.items()
    }
    return replace(oms, risk=replace(oms.risk, **dials))


def _ports() -> tuple[Ports, Ports]:
    names = Ports.__struct_fields__
    numbers = free_ports(2 * len(names))
    ours, theirs = numbers[: len(names)], numbers[len(names) :]
    return Ports(**dict(zip(names, ours, strict=True))), Ports(
        **dict(zip(names, theirs, strict=True))
    )
