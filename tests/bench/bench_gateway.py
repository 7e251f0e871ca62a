"""What the gateway costs: CPU at a steady rate of frames, and time from a frame to its append.

    python -m tests.bench.bench_gateway

A process of its own plays KIS: it acknowledges registrations and sends trade and book frames of 39
symbols at a fixed rate. The gateway is the product's own, whole: feed, decoder, raw recording,
publisher, clock, router, on a nats-server that writes every append to disk before it answers. A
frame counts as received when the gateway stamps it and as appended when its append is acknowledged.
Between frames one bare awaited publish of the client library puts the same bytes on the same server
and connection: the ratios are against it, each percentile against the same percentile.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from datetime import date
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final, NamedTuple, cast

import msgspec
import psutil
import uvloop
import yaml
from rich.console import Console
from rich.table import Table
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_websocket

from bus import Entry, JetStreamLog, NatsServer, RawRecorder, SharedTime
from deploy import logs
from events import Symbol, calendar, codec
from kis_gateway import GatewaySettings, StrategyUniverse, run_gateway
from kis_gateway.client.auth import Credentials
from kis_gateway.feeds.feed import KisFeed
from kis_gateway.settings import Environment, KisSettings, Secret
from tests.bench.order_path import ACCOUNT, BUYER, SECOND, Stopwatch, TickFeed, WillingBroker
from tests.bench.timing import percentile

SYMBOLS: Final = tuple(Symbol(f"{number:06d}") for number in range(1, 40))
RATE: Final = 2_000
SECONDS: Final = 10.0
LOWER_RATES: Final = (1_000, 100)
BARE_EVERY: Final = 0.023
SESSION: Final = calendar.session(date(2025, 9, 15))
CONFIGURATION: Final = Path(__file__).parents[2] / "deploy" / "config"
ACKNOWLEDGED: Final = (
    '{"header":{"tr_id":"%s","tr_key":"%s","encrypt":"N"},"body":{"rt_cd":"0",'
    '"msg_cd":"OPSP0000","msg1":"SUBSCRIBE SUCCESS","output":{"iv":"%s","key":"%s"}}}'
)


class Figures(NamedTuple):
    """One phase: frames appended, share of a core, times to append and of bare publishes (ns)."""

    frames: int
    seconds: float
    cpu: float
    appended: list[int]
    bare: list[int]


class Approved:
    """Credentials that need no server."""

    async def approval_key(self) -> Secret:
        return Secret("bench")

    def forget_approval_key(self) -> None:
        return None


async def ignore_trouble(frames: int, reason: str) -> None:
    """Leave out what was not recorded: nothing is, on a healthy server."""


def trade_frame(symbol: str, ordinal: int, clock: str) -> str:
    """Return a frame of a symbol's ``ordinal``-th trade, 47 columns as since September 2026."""
    volume = 1_000 + ordinal * 10
    return (
        f"0|H0STCNT0|001|{symbol}^{clock}^70000^2^500^0.72^69876.12^69500^70500^69400^70000^69900"
        f"^10^{volume}^{volume * 70_000}^100^120^20^110.20^5000^5500^1^52.38^80.10^090003^2^500"
        f"^093000^5^-500^091500^2^600^20250915^20^N^1200^900^25000^22000^0.35^800000^95.20^0^^69500"
        "^2"
    )


def book_frame(symbol: str, clock: str) -> str:
    """Return a frame of one book, 63 columns."""
    asks = "^".join(str(70_000 + 100 * level) for level in range(10))
    bids = "^".join(str(69_900 - 100 * level) for level in range(10))
    quantities = "^".join(str(1_000 + 37 * level) for level in range(20))
    return (
        f"0|H0STASP0|001|{symbol}^{clock}^0^{asks}^{bids}^{quantities}^25000^22000"
        "^0^0^0^0^0^0^3^0.00^123456^0^0^0^0^^69950^0^0^2"
    )


def play_kis(pipe: Connection) -> None:
    """Serve one WebSocket; on ``(rate, seconds)`` send frames at that rate, say when done."""
    asyncio.run(_play_kis(pipe))


async def _play_kis(pipe: Connection) -> None:
    line: asyncio.Future[ServerConnection] = asyncio.get_running_loop().create_future()

    async def answer(socket: ServerConnection) -> None:
        async for text in socket:
            wanted = msgspec.json.decode(text)["body"]["input"]
            await socket.send(
                ACKNOWLEDGED % (wanted["tr_id"], wanted["tr_key"], "i" * 16, "k" * 32)
            )
            if not line.done():
                line.set_result(socket)

    async with serve_websocket(answer, "127.0.0.1", 0, compression=None) as server:
        trades: Counter[str] = Counter()
        pipe.send(next(iter(server.sockets)).getsockname()[1])
        while (order := await asyncio.to_thread(pipe.recv)) is not None:
            await _send(await line, trades, *order)
            pipe.send("done")


async def _send(socket: ServerConnection, trades: Counter[str], rate: int, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    for ordinal in range(round(rate * seconds)):
        symbol = SYMBOLS[ordinal % len(SYMBOLS)]
        second = ordinal // rate
        clock = f"10{second // 60 % 60:02d}{second % 60:02d}"
        if ordinal % 3:
            # Volumes without a jump: a jump would be a gap to report.
            trades[symbol] += 1
            frame = trade_frame(symbol, trades[symbol], clock)
        else:
            frame = book_frame(symbol, clock)
        await socket.send(frame)
        due = begun + (ordinal + 1) / rate
        if due > loop.time() + 0.0005:
            await asyncio.sleep(due - loop.time())


class FrameWatch(Stopwatch):
    """A log that keeps the frames it appended with the instant of acknowledgement (clock's ns)."""

    def __init__(self, log: JetStreamLog, clock: SharedTime) -> None:
        super().__init__(log)
        self._clock = clock
        self.frames_seen: list[tuple[bytes, int]] = []

    async def append(self, entries: Sequence[Entry], *, atomic: bool = True) -> tuple[int, ...]:
        sequences = await super().append(entries, atomic=atomic)
        now = self._clock.now()
        self.frames_seen.extend(
            (each.payload, now)
            for each in entries
            if ".market.trade." in each.subject or ".market.quote." in each.subject
        )
        return sequences


async def phase(
    pipe: Connection, watch: FrameWatch, log: JetStreamLog, rate: int, *, bare: bool
) -> Figures:
    """Let frames come at a rate for ``SECONDS``, with bare publishes in between or without."""
    watch.frames_seen.clear()
    stream = log.client.jetstream()
    own = psutil.Process()
    before, begun = own.cpu_times(), time.monotonic()
    pipe.send((rate, SECONDS))
    finished = asyncio.create_task(asyncio.to_thread(pipe.recv))
    taken: list[int] = []
    while not finished.done():
        await asyncio.sleep(BARE_EVERY)
        if bare and watch.frames_seen:
            payload = watch.frames_seen[-1][0]
            sent = time.monotonic_ns()
            await stream.publish(f"kst.{ACCOUNT}.ops.bench", payload)
            taken.append(time.monotonic_ns() - sent)
    after, seconds = own.cpu_times(), time.monotonic() - begun
    await asyncio.sleep(0.5)
    appended = [at - codec.decode(payload).at for payload, at in watch.frames_seen]
    cpu = (after.user + after.system - before.user - before.system) / seconds
    return Figures(len(appended), seconds, cpu, appended, taken)


async def measure(folder: Path, clock: SharedTime) -> dict[str, Figures]:
    """Run the gateway against the scripted KIS; return the figures of each phase."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=play_kis, args=(theirs,), daemon=True
    )
    process.start()
    port = await asyncio.to_thread(ours.recv)
    settings = KisSettings(
        app_key=Secret("k" * 36),
        app_secret=Secret("s" * 180),
        account=Secret("5000000101"),
        hts_id=Secret("bench"),
        token_folder=folder,
        environment=Environment.PAPER,
        rest_url="http://127.0.0.1:9",
        websocket_url=f"ws://127.0.0.1:{port}",
    )
    found: dict[str, Figures] = {}
    async with NatsServer(folder / "nats") as server:
        log = await JetStreamLog.connect(server.url, ACCOUNT)
        watch = FrameWatch(log, clock)
        stop, prepared = asyncio.Event(), asyncio.Event()
        async with (
            RawRecorder(log, on_trouble=ignore_trouble) as recorder,
            KisFeed(
                settings, cast("Credentials", Approved()), clock, record=recorder.record
            ) as feed,
            asyncio.TaskGroup() as group,
        ):
            universe = StrategyUniverse(
                strategy=BUYER,
                symbols=SYMBOLS,
                sectors=dict.fromkeys(SYMBOLS, "bench"),
                source="bench",
            )
            group.create_task(
                run_gateway(
                    log=watch,
                    time=clock,
                    broker=WillingBroker(clock.now, TickFeed()),
                    feed=feed,
                    settings=GatewaySettings(),
                    configuration={
                        "oms": msgspec.json.encode(
                            yaml.safe_load((CONFIGURATION / "oms.yaml").read_text("utf-8"))
                        ).decode()
                    },
                    universe=[universe],
                    code_version="bench",
                    run="bench",
                    stop=stop,
                    on_progress=lambda _, waiting: None if waiting else prepared.set(),
                )
            )
            await prepared.wait()
            await phase(ours, watch, log, RATE, bare=False)  # warm-up
            found[f"{RATE:,}"] = await phase(ours, watch, log, RATE, bare=False)
            for rate in (RATE, *LOWER_RATES):
                found[f"{rate:,}, bare between"] = await phase(ours, watch, log, rate, bare=True)
            stop.set()
        ours.send(None)
        await log.close()
    process.join()
    return found


def table(found: dict[str, Figures]) -> Table:
    """Return one row per phase."""
    shown = Table(
        title="The gateway: from frame to append",
        caption="CPU: user and system time of the gateway's process. Ratios: percentile of frames "
        "against the same percentile of bare publishes of the same bytes in the same phase.",
    )
    shown.add_column("frames/s sent")
    for column in ("got", "CPU", "p50 µs", "p99 µs", "bare p50", "bare p99", "ratio p50"):
        shown.add_column(column, justify="right")
    shown.add_column("ratio p99", justify="right")
    for name, figures in found.items():
        half, tail = (percentile(figures.appended, share) / 1_000 for share in (50, 99))
        row = [f"{figures.frames / figures.seconds:,.0f}", f"{figures.cpu:.1%}"]
        row += [f"{half:,.0f}", f"{tail:,.0f}"]
        if figures.bare:
            bare_half, bare_tail = (percentile(figures.bare, share) / 1_000 for share in (50, 99))
            row += [f"{bare_half:,.0f}", f"{bare_tail:,.0f}"]
            row += [f"{half / bare_half:.2f}", f"{tail / bare_tail:.2f}"]
        shown.add_row(name, *row)
    return shown


def main() -> None:
    """Run and print one table."""
    with tempfile.TemporaryDirectory(prefix="kst-bench-") as name:
        folder = Path(name)
        clock = SharedTime.create(folder / "clock", start=SESSION.open_at + 3_600 * SECOND, speed=1)
        writable = SharedTime(folder / "clock", writable=True)
        writable.set_rate(1.0)
        log_file = folder / "gateway.jsonl"
        with logs.writing_to(log_file, account=ACCOUNT, service="gateway", run="bench", time=clock):
            found = uvloop.run(measure(folder, writable))
    Console().print(table(found))


if __name__ == "__main__":
    main()
