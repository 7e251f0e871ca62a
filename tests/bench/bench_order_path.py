"""How long it takes from a tick to the call that sends the order, stage by stage.

    python -m tests.bench.bench_order_path

Three processes on one nats-server, as in a run: the whole gateway (feed, publisher, session clock,
router, settlement), the risk gate, a strategy that buys on every tick. Only the broker and the feed
are scripted: the broker takes every order in at once. A stage ends when its append has been
acknowledged, fsync included; the last one when the broker is called. Ticks come one at a time, the
next after the order before it has ended, so queues are empty. Between two ticks one bare publish of
the client library on the same connection is timed: the ratios are against its median.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import msgspec
import uvloop
import yaml
from rich.console import Console
from rich.table import Table

from bus import JetStreamLog, NatsServer, SharedTime
from deploy import logs
from events import Symbol, calendar, codec, identifiers
from kis_gateway import GatewaySettings, StrategyUniverse, run_gateway
from tests.bench.order_path import (
    ACCOUNT,
    BUYER,
    SECOND,
    Stopwatch,
    TickFeed,
    WillingBroker,
    serve,
    tick,
)
from tests.bench.timing import percentile

SESSION = calendar.session(date(2025, 9, 15))
SYMBOLS = tuple(Symbol(f"{number:06d}") for number in range(1, 121))
WARM_UP, SAMPLES = 40, 500
SPEED = 2.0
SPACING = 0.06
"""Wall seconds between ticks. At twice wall speed this is 8.3 orders per second, below the ten that
the gate's runaway guard allows, and 4.2 per minute and symbol, below its six."""

STAGES = (
    "tick appended (gateway)",
    "intent appended (strategy)",
    "decision appended (risk)",
    "submitting appended (router)",
    "broker called (router)",
)

CONFIGURATION = Path(__file__).parents[2] / "deploy" / "config"


class Bench(NamedTuple):
    """The gateway's process."""

    time: SharedTime
    log: JetStreamLog
    watch: Stopwatch
    feed: TickFeed
    broker: WillingBroker


class Sample(NamedTuple):
    """A tick: its intent, when it was received, and one bare publish round trip (ns)."""

    intent: str
    received: int
    bare: int


@asynccontextmanager
async def gateway(folder: Path, url: str) -> AsyncIterator[Bench]:
    """Run the gateway in this process; yield once the day is prepared."""
    clock = SharedTime(folder / "clock", writable=True)
    log = await JetStreamLog.connect(url, ACCOUNT)
    watch, feed = Stopwatch(log), TickFeed()
    broker = WillingBroker(clock.now, feed)
    stop, prepared = asyncio.Event(), asyncio.Event()
    risk = yaml.safe_load((CONFIGURATION / "oms.yaml").read_text("utf-8"))
    sectors = {symbol: f"sector {symbol}" for symbol in SYMBOLS}
    clock.set_rate(SPEED)
    async with asyncio.TaskGroup() as group:
        group.create_task(
            run_gateway(
                log=watch,
                time=clock,
                broker=broker,
                feed=feed,
                settings=GatewaySettings(),
                configuration={"oms": msgspec.json.encode(risk).decode()},
                universe=[
                    StrategyUniverse(
                        strategy=BUYER, symbols=SYMBOLS, sectors=sectors, source="bench"
                    )
                ],
                code_version="bench",
                run="bench",
                stop=stop,
                on_progress=lambda _, waiting: None if waiting else prepared.set(),
            )
        )
        await prepared.wait()
        yield Bench(clock, log, watch, feed, broker)
        stop.set()
    await log.close()


async def sample(bench: Bench, ordinal: int) -> Sample:
    """Send one tick, wait until its order has ended, and time one bare publish."""
    begun = asyncio.get_running_loop().time()
    symbol, attempt = SYMBOLS[ordinal % len(SYMBOLS)], ordinal // len(SYMBOLS) + 1
    intent = identifiers.intent_id(SESSION.trading_date, BUYER, symbol, "E", attempt)
    frame = tick(symbol, attempt, bench.time.now())
    received = time.monotonic_ns()
    bench.feed.queue.put_nowait(frame)
    await bench.watch.appended(f"{identifiers.order_id(intent, 1)}-closed-bench", within=20)
    await asyncio.sleep(begun + SPACING / 2 - asyncio.get_running_loop().time())
    stream, payload = bench.log.client.jetstream(), codec.encode(frame)
    sent = time.monotonic_ns()
    await stream.publish(f"kst.{ACCOUNT}.ops.bench", payload)
    bare = time.monotonic_ns() - sent
    await asyncio.sleep(begun + SPACING - asyncio.get_running_loop().time())
    return Sample(intent, received, bare)


def told(pipe: Connection) -> dict[str, int]:
    """End a process and return its instants."""
    pipe.send("stop")
    instants: dict[str, int] = pipe.recv()
    return instants


async def measure(folder: Path) -> list[list[int]]:
    """Return for every sample the bare round trip and the instants of the path, in order."""
    context = multiprocessing.get_context("spawn")
    async with NatsServer(folder / "nats") as server:
        pipes: list[Connection] = []
        for stage in ("buyer", "risk"):
            ours, theirs = context.Pipe()
            arguments = (stage, server.url, folder, theirs)
            context.Process(target=serve, args=arguments, daemon=True).start()
            pipes.append(ours)
        async with gateway(folder, server.url) as bench:
            for pipe in pipes:
                await asyncio.to_thread(pipe.recv)
            samples = [await sample(bench, ordinal) for ordinal in range(WARM_UP + SAMPLES)]
        intents, decisions = [await asyncio.to_thread(told, pipe) for pipe in pipes]
    own = bench.watch.acknowledged
    ends = zip(samples, bench.watch.frames, bench.broker.called, strict=True)
    return [
        [
            item.bare,
            item.received,
            framed,
            intents[item.intent],
            decisions[f"{item.intent}-D"],
            own[f"{item.intent}-O1-submitting-bench"],
            called,
        ]
        for item, framed, called in ends
    ][WARM_UP:]


def table(rows: list[list[int]]) -> Table:
    """Return the stages with their shares of one bare round trip."""
    bare = [row[0] / 1_000 for row in rows]
    unit = percentile(bare, 50)
    shown = Table(
        title=f"From tick to order: {len(rows)} ticks one at a time, 3 processes",
        caption="Each stage from the end of the one before it; ratio: against the median bare "
        "publish. The path waits for four appends, each with its fsync, before the call.",
    )
    shown.add_column("stage")
    for column in ("p50 µs", "p99 µs", "p50 ratio", "p99 ratio"):
        shown.add_column(column, justify="right")

    def add(name: str, values: list[float]) -> None:
        half, tail = percentile(values, 50), percentile(values, 99)
        figures = (f"{half:,.0f}", f"{tail:,.0f}", f"{half / unit:.2f}", f"{tail / unit:.2f}")
        shown.add_row(name, *figures)

    add("one bare publish", bare)
    shown.add_section()
    for place, name in enumerate(STAGES, start=2):
        add(name, [(row[place] - row[place - 1]) / 1_000 for row in rows])
    shown.add_section()
    for place, name in ((3, "tick → intent"), (4, "tick → decision"), (5, "tick → submitting")):
        add(name, [(row[place] - row[1]) / 1_000 for row in rows])
    add("tick → broker called", [(row[6] - row[1]) / 1_000 for row in rows])
    return shown


def main() -> None:
    """Run and print one table."""
    with tempfile.TemporaryDirectory(prefix="kst-bench-") as name:
        folder = Path(name)
        clock = SharedTime.create(
            folder / "clock", start=SESSION.open_at + 60 * SECOND, speed=SPEED
        )
        log_file = folder / "gateway.jsonl"
        with logs.writing_to(log_file, account=ACCOUNT, service="gateway", run="bench", time=clock):
            rows = uvloop.run(measure(folder))
    Console().print(table(rows))


if __name__ == "__main__":
    main()
