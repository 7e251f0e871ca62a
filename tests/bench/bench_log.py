"""How fast the log is: appends against each other, the reader against the client library's own.

    python -m tests.bench.bench_log

Every figure is a median of repetitions on one server in one run; compare ratios, not machines.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from nats.js.api import DeliverPolicy
from rich.console import Console
from rich.table import Table

from bus import JetStreamLog, NatsServer, entry
from bus.derivation import Derivation
from events import AccountId, Symbol, codec
from events.market import Aggressor, Trade, TradeFrame
from tests.bench.counting import TradeCounter

ACCOUNT = AccountId("bench")
MESSAGES = 30_000


def frame(n: int) -> TradeFrame:
    """Return a frame of one trade, about 120 bytes on the wire."""
    trade = Trade(
        time=1_757_894_400_000_000_000 + n,
        price=76_500,
        quantity=10 + n % 7,
        aggressor=Aggressor.BUY,
        cumulative_volume=1_000 + n,
        cumulative_value=76_400_000 + n,
        best_ask=76_500,
        best_bid=76_400,
        vi_reference=76_000,
        auction=False,
    )
    return TradeFrame(at=trade.time, symbol=Symbol("005930"), trades=(trade,))


async def rate(count: int, work: Callable[[], Awaitable[None]], repeat: int = 3) -> float:
    """Return the median of ``count`` per second over repetitions."""
    seconds = []
    for _ in range(repeat):
        begun = time.perf_counter()
        await work()
        seconds.append(time.perf_counter() - begun)
    return count / statistics.median(seconds)


class Appends:
    """Ways to append the same frames."""

    def __init__(self, log: JetStreamLog) -> None:
        self.log = log
        self.ordinal = 0

    def entries(self, count: int) -> list:  # type: ignore[type-arg] # a bench, not an interface
        """Return fresh entries."""
        self.ordinal += count
        return [
            entry(ACCOUNT, frame(n), identity=f"b{n}")
            for n in range(self.ordinal - count, self.ordinal)
        ]

    async def bare(self) -> None:
        """One awaited publish of the client library after the other, without id or expectation."""
        stream = self.log.client.jetstream()
        payload = codec.encode(frame(0))
        for _ in range(300):
            await stream.publish(f"kst.{ACCOUNT}.market.trade.005930", payload)

    async def awaited(self) -> None:
        """One awaited append after the other."""
        for item in self.entries(300):
            await self.log.append([item])

    async def windowed(self) -> None:
        """Two hundred appends in flight."""
        gate = asyncio.Semaphore(200)

        async def one(item: object) -> None:
            async with gate:
                await self.log.append([item])  # type: ignore[list-item]

        async with asyncio.TaskGroup() as group:
            for item in self.entries(2_000):
                group.create_task(one(item))

    def batched(self, size: int, count: int) -> Callable[[], Awaitable[None]]:
        """Return a run of atomic batches."""

        async def run() -> None:
            for _ in range(count // size):
                await self.log.append(self.entries(size))

        return run


async def ordered_consumer(log: JetStreamLog, count: int) -> None:
    """Read with the client library's ordered consumer, callback style, its fastest form."""
    done = asyncio.Event()
    seen = 0

    async def receive(message: object) -> None:
        nonlocal seen
        seen += 1
        if seen == count:
            done.set()

    subscription = await log.client.jetstream().subscribe(
        f"kst.{ACCOUNT}.>",
        ordered_consumer=True,
        cb=receive,
        deliver_policy=DeliverPolicy.ALL,
        pending_msgs_limit=-1,
        pending_bytes_limit=-1,
    )
    await done.wait()
    await subscription.unsubscribe()


async def own_reader(log: JetStreamLog, count: int) -> None:
    """Read with the gap-checking reader."""
    seen = 0
    async with log.read() as reader:
        while seen < count:
            seen += len(await reader.batch(5))


async def decoded(log: JetStreamLog, count: int) -> None:
    """Read and decode every event."""
    seen = 0
    async with log.read() as reader:
        while seen < count:
            batch = await reader.batch(5)
            for recorded in batch:
                codec.decode(recorded.payload)
            seen += len(batch)


async def processed(log: JetStreamLog, count: int) -> None:
    """Read, decode and run a small processor through the derivation of the runner."""
    derivation = Derivation(TradeCounter(), ACCOUNT)
    seen = 0
    async with log.read() as reader:
        while seen < count:
            batch = await reader.batch(5)
            for recorded in batch:
                derivation.feed(recorded, codec.decode(recorded.payload))
            seen += len(batch)


async def main() -> None:
    """Run all and print one table."""
    table = Table(title="The log, fsync before every acknowledgement")
    for column in ("operation", "events/s", "ratio", "against"):
        table.add_column(column, justify="left" if column in ("operation", "against") else "right")
    with tempfile.TemporaryDirectory() as folder:
        async with NatsServer(Path(folder)) as server:
            log = await JetStreamLog.connect(server.url, ACCOUNT)
            appends = Appends(log)
            bare = await rate(300, appends.bare)
            table.add_row("bare publish, awaited one by one", f"{bare:,.0f}", "1.0", "itself")
            for name, count, work in (
                ("append, awaited one by one", 300, appends.awaited),
                ("append, 200 in flight", 2_000, appends.windowed),
                ("append, atomic batches of 100", 5_000, appends.batched(100, 5_000)),
                ("append, atomic batches of 1,000", 10_000, appends.batched(1_000, 10_000)),
            ):
                value = await rate(count, work)
                table.add_row(name, f"{value:,.0f}", f"{value / bare:.1f}", "bare publish")
            await appends.batched(1_000, MESSAGES)()
            count = (await log.info()).last_sequence
            base = await rate(count, lambda: ordered_consumer(log, count))
            table.add_row("ordered consumer of nats-py", f"{base:,.0f}", "1.0", "itself")
            for name, reading in (
                ("gap-checking reader", own_reader),
                ("  + decode", decoded),
                ("  + decode + processor", processed),
            ):
                value = await rate(count, lambda reading=reading: reading(log, count))  # type: ignore[misc]
                table.add_row(name, f"{value:,.0f}", f"{value / base:.2f}", "ordered consumer")
            await log.close()
    Console().print(table)


if __name__ == "__main__":
    asyncio.run(main())
