"""An hour of market under a storm of faults, and what both sides of the line say afterwards.

The simulator runs as a process of its own; gateway, risk gate and a strategy that trades all the
time run here, on a real nats-server. The clock of both is shared and runs many times faster.
"""

from __future__ import annotations

import asyncio
import multiprocessing
from collections import defaultdict
from collections.abc import Mapping
from datetime import date, time
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec
import uvloop
import yaml

from bus import JetStreamLog, NatsServer, SharedTime, run_processor
from deploy import logs
from deploy.credentials import demo_credentials
from deploy.log_access import read_to_head
from events import AccountId, Event, Symbol, codec
from events.calendar import instant
from events.market import TradeFrame
from events.ops import FeedGap, SlotsChanged
from events.trading import (
    AccountSnapshot,
    CancelSubmitting,
    OrderAccepted,
    OrderFilled,
    OrderSubmitting,
)
from kis_gateway import (
    GatewaySettings,
    KisBroker,
    KisFeed,
    StrategyUniverse,
    from_environment,
    run_gateway,
)
from kis_gateway.settings import (
    ACCOUNT_VARIABLE,
    APP_KEY_VARIABLE,
    APP_SECRET_VARIABLE,
    HTS_ID_VARIABLE,
    Environment,
)
from kis_gateway.simulator import (
    Credentials,
    OpeningBook,
    Simulator,
    SimulatorSettings,
)
from kis_gateway.simulator import Environment as SimulatorEnvironment
from kis_gateway.simulator.market import SyntheticMarket
from risk import gate_from_session
from tests.chaos.storm_trader import STRATEGY, StormTrader

DAY: Final = date(2026, 11, 20)
ACCOUNT: Final = AccountId("storm")
CASH: Final = 100_000_000
SEED: Final = 7
TRADES_PER_MINUTE: Final = 40
SECOND: Final = 1_000_000_000
CONFIGURATION: Final = Path(__file__).parents[2] / "deploy" / "config"


class Times(msgspec.Struct, frozen=True):
    """Instants of a storm (ns UTC): prepared from, traded from, calm from, over."""

    start: int
    begin: int
    calm: int
    end: int

    @classmethod
    def of(cls, *, minutes: int) -> Times:
        """Return a storm of so many minutes from 10:00, with five minutes of calm after it."""
        begin = instant(DAY, time(10, 0))
        calm = begin + minutes * 60 * SECOND
        return cls(begin - 180 * SECOND, begin, calm, calm + 300 * SECOND)


class Storm(msgspec.Struct):
    """What a storm left behind: the log's side and the exchange's side."""

    state: dict[str, Any] = {}
    connections: list[dict[str, Any]] = []
    events: list[tuple[int, Event]] = []

    def of(self, *kinds: type[Event]) -> list[Any]:
        """Return the log's events of these types, in order."""
        return [event for _, event in self.events if isinstance(event, kinds)]

    def received(self) -> dict[Symbol, dict[int, int]]:
        """Return, by symbol, the trades on the log: cumulative volume → exchange's time."""
        found: dict[Symbol, dict[int, int]] = defaultdict(dict)
        for frame in self.of(TradeFrame):
            for trade in frame.trades:
                found[frame.symbol][trade.cumulative_volume] = trade.time
        return found

    def filled(self) -> dict[str, tuple[int, int]]:
        """Return shares and won filled by the broker's order number, as booked on the log."""
        numbers = {event.order_id: event.broker_order for event in self.of(OrderAccepted)}
        sums: dict[str, tuple[int, int]] = {
            number.lstrip("0"): (0, 0) for number in numbers.values()
        }
        for fill in self.of(OrderFilled):
            number = numbers[fill.order_id].lstrip("0")
            quantity, amount = sums[number]
            sums[number] = (quantity + fill.quantity, amount + fill.amount)
        return sums

    def executed(self) -> dict[str, tuple[int, int]]:
        """Return shares and won executed by order number, as the exchange has it."""
        return {
            order["order_number"].lstrip("0"): (order["filled"], order["amount"])
            for order in self.state["orders"]
            if order["action"] == "new"
        }

    def gaps(self) -> list[FeedGap]:
        """Return the gaps on the log."""
        return self.of(FeedGap)

    def slots(self) -> SlotsChanged:
        """Return the last word on the subscriptions."""
        found: SlotsChanged = self.of(SlotsChanged)[-1]
        return found

    def balance(self) -> AccountSnapshot:
        """Return the last balance on the log."""
        found: AccountSnapshot = self.of(AccountSnapshot)[-1]
        return found

    def calls(self) -> int:
        """Return how many order calls were written ahead."""
        return len(self.of(OrderSubmitting, CancelSubmitting))


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """A storm to be: its clock, its times, the scenario, where the simulator is."""

    folder: Path
    times: Times
    scenario: str
    secrets: dict[str, str]
    symbols: tuple[Symbol, ...]
    speed: float


def market(symbols: int) -> SyntheticMarket:
    """Return the storm's market; equal arguments give equal markets."""
    return SyntheticMarket(DAY, symbols=symbols, seed=SEED, trades_per_bar=TRADES_PER_MINUTE)


def _simulator_settings(secrets: Mapping[str, str]) -> SimulatorSettings:
    return SimulatorSettings(
        credentials=(
            Credentials(
                app_key=secrets[APP_KEY_VARIABLE],
                app_secret=secrets[APP_SECRET_VARIABLE],
                account=secrets[ACCOUNT_VARIABLE],
                hts_id=secrets[HTS_ID_VARIABLE],
            ),
        ),
        accounts=(OpeningBook(account=secrets[ACCOUNT_VARIABLE], cash=CASH),),
        environment=SimulatorEnvironment.REAL,
        admin=True,
    )


def play_exchange(folder: Path, symbols: int, secrets: dict[str, str], pipe: Connection) -> None:
    """Run the simulator as a process of its own until told to stop."""
    clock = SharedTime(folder / "clock")
    with logs.writing_to(
        folder / "simulator.jsonl", account=ACCOUNT, service="simulator", run="storm", time=clock
    ):
        uvloop.run(_play_exchange(clock, symbols, secrets, pipe))


async def _play_exchange(
    clock: SharedTime, symbols: int, secrets: dict[str, str], pipe: Connection
) -> None:
    simulator = Simulator(_simulator_settings(secrets), market(symbols), clock)
    await simulator.start()
    pipe.send((simulator.rest_url, simulator.ws_url, simulator.admin_url))
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(pipe.fileno(), stop.set)
    try:
        await simulator.until(stop)
    finally:
        loop.remove_reader(pipe.fileno())
        await simulator.stop()


def run_storm(
    folder: Path, scenario: str, *, symbols: int, minutes: int, speed: float, universe: int
) -> Storm:
    """Let a storm pass and return what both sides hold.

    ``scenario`` is the YAML of the faults, in force from 10:00 for ``minutes``. ``universe`` is how
    many symbols the strategy trades and wants to see.
    """
    times = Times.of(minutes=minutes)
    SharedTime.create(folder / "clock", start=times.start, speed=speed)
    clock = SharedTime(folder / "clock", writable=True)
    secrets = demo_credentials()
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=play_exchange, args=(folder, symbols, secrets, theirs), daemon=True
    )
    process.start()
    try:
        urls = ours.recv()
        with logs.writing_to(
            folder / "gateway.jsonl", account=ACCOUNT, service="gateway", run="storm", time=clock
        ):
            setting = Setting(
                folder=folder,
                times=times,
                scenario=scenario,
                secrets=secrets,
                symbols=tuple(each.symbol for each in market(symbols).listings)[:universe],
                speed=speed,
            )
            return uvloop.run(_storm(setting, clock, *urls))
    finally:
        ours.send("stop")
        process.join(20)
        process.kill()


async def _storm(
    setting: Setting, clock: SharedTime, rest: str, websocket: str, admin: str
) -> Storm:
    times, symbols = setting.times, setting.symbols
    settings = from_environment(
        setting.secrets,
        token_folder=setting.folder,
        environment=Environment.REAL,
        real_account_enabled=True,
        rest_url=rest,
        websocket_url=websocket,
    )
    storm = Storm()
    stop = asyncio.Event()
    async with (
        NatsServer(setting.folder / "nats") as server,
        httpx.AsyncClient(base_url=admin, timeout=30) as test_bench,
        KisBroker(settings, clock) as broker,
    ):
        log = await JetStreamLog.connect(server.url, ACCOUNT)
        clock.set_rate(setting.speed)
        # A line that is cut twice a minute would be given a rest before long.
        feed = KisFeed(settings, broker.credentials, clock, connections_per_hour=1_000)
        try:
            async with asyncio.TaskGroup() as group:
                oms = yaml.safe_load((CONFIGURATION / "oms.yaml").read_text("utf-8"))
                group.create_task(
                    run_gateway(
                        log=log,
                        time=clock,
                        broker=broker,
                        feed=feed,
                        settings=GatewaySettings(),
                        configuration={"oms": msgspec.json.encode(oms).decode()},
                        universe=[
                            StrategyUniverse(
                                strategy=STRATEGY,
                                symbols=symbols,
                                sectors={symbol: f"sector {symbol}" for symbol in symbols},
                                source="storm",
                            )
                        ],
                        code_version="storm",
                        run="storm",
                        stop=stop,
                    )
                )
                trader = partial(StormTrader, symbols=symbols, until=times.calm)
                group.create_task(run_processor(log, gate_from_session, stop=stop))
                group.create_task(run_processor(log, trader, stop=stop))
                await clock.sleep_until(times.begin)
                answer = await test_bench.post("/admin/scenario", content=setting.scenario)
                answer.raise_for_status()
                await clock.sleep_until(times.end)
                storm.state = (await test_bench.get("/admin/state")).json()
                storm.connections = (await test_bench.get("/admin/connections")).json()
                stop.set()
        finally:
            await feed.aclose()
        await read_to_head(
            log,
            lambda recorded: storm.events.append(
                (recorded.sequence, codec.decode(recorded.payload))
            ),
            (">",),
        )
        await log.close()
    return storm
