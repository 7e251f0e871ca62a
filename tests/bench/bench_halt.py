"""How long it takes from a halt to the first entry it blocks.

    python -m tests.bench.bench_halt

A nats-server and the risk gate as processes of their own, and this process, which asks for an entry
every few milliseconds, as a strategy gone wild would. A halt is issued as ``kst halt`` issues it;
the time ends when the first decision that refuses an entry because of it has been read back from
the log. Each halt is released again before the next. The bound is 50 ms.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Final

import msgspec
import uvloop
import yaml
from rich.console import Console
from rich.table import Table

from bus import JetStreamLog, NatsServer, SharedTime, entry
from events import Symbol, calendar, codec, identifiers
from events.control import EVERYTHING, HaltMode, HaltReleased, HaltScope, HaltSet
from events.market import SessionOpened
from events.trading import Decision, Horizon, IntentKind, IntentRejected, IntentSubmitted, Urgency
from tests.bench.order_path import ACCOUNT, BUYER, PRICE, SECOND, serve
from tests.bench.timing import percentile

SESSION: Final = calendar.session(date(2025, 9, 15))
SYMBOL: Final = Symbol("005930")
HALTS: Final = 60
WISH_EVERY_S: Final = 0.003
_BEHIND: Final = 2
"""Entries that may be undecided when the next halt is issued: the gate has no queue then."""

CONFIGURATION: Final = Path(__file__).parents[2] / "deploy" / "config" / "oms.yaml"


class Wild:
    """Asks for entries without end, and knows which of them a halt has refused."""

    def __init__(self, log: JetStreamLog) -> None:
        self._log = log
        self._attempt = 0
        self.blocked = asyncio.Event()
        self.allowed = asyncio.Event()

    async def wish(self) -> None:
        """Append intents for ever."""
        while True:
            self._attempt += 1
            await self._log.append([entry(ACCOUNT, self._intent(self._attempt))])
            await asyncio.sleep(WISH_EVERY_S)

    async def watch(self, after: int) -> None:
        """Read the decisions for ever."""
        async with self._log.read(after=after, topics=("trading.decision.*",)) as reader:
            while True:
                for recorded in await reader.batch(1.0):
                    event = codec.decode(recorded.payload)
                    assert isinstance(event, Decision)
                    halted = isinstance(event, IntentRejected) and event.rejected_by == (
                        "entries_halted"
                    )
                    if halted:
                        self.blocked.set()
                    elif int(event.intent_id.rpartition("E")[2]) >= self._attempt - _BEHIND:
                        self.allowed.set()

    def _intent(self, attempt: int) -> IntentSubmitted:
        return IntentSubmitted(
            at=SESSION.open_at + attempt,
            cause=1,
            intent_id=identifiers.intent_id(SESSION.trading_date, BUYER, SYMBOL, "E", attempt),
            strategy=BUYER,
            symbol=SYMBOL,
            kind=IntentKind.ENTER,
            quantity=1,
            urgency=Urgency.NORMAL,
            horizon=Horizon.INTRADAY,
            reason="bench",
            attempt=attempt,
            expires_at=SESSION.close_at,
            limit_price=PRICE,
            protective_stop=PRICE * 9 // 10,
        )


def opening() -> SessionOpened:
    """Return the opening books of an account with money and the shipped limits."""
    risk = yaml.safe_load(CONFIGURATION.read_text("utf-8"))
    return SessionOpened(
        at=SESSION.open_at - 60 * SECOND,
        trading_date=SESSION.trading_date,
        open_at=SESSION.open_at,
        closing_auction_at=SESSION.closing_auction_at,
        close_at=SESSION.close_at,
        cash=100_000_000,
        equity=100_000_000,
        allocations=(),
        configuration={"oms": msgspec.json.encode(risk).decode()},
        code_version="bench",
    )


async def measure(folder: Path) -> list[float]:
    """Return milliseconds from halt to blocked entry, one per halt."""
    context = multiprocessing.get_context("spawn")
    async with NatsServer(folder / "nats") as server:
        log = await JetStreamLog.connect(server.url, ACCOUNT)
        await log.append([entry(ACCOUNT, opening())])
        wild = Wild(log)
        ours, theirs = context.Pipe()
        context.Process(
            target=serve, args=("risk", server.url, folder, theirs), daemon=True
        ).start()
        wishing = asyncio.create_task(wild.wish())
        watching = asyncio.create_task(wild.watch(0))
        await asyncio.to_thread(ours.recv)
        found = []
        for ordinal in range(HALTS):
            wild.allowed.clear()
            await asyncio.wait_for(wild.allowed.wait(), 20)
            found.append(await halt(log, wild, ordinal))
        for task in (wishing, watching):
            task.cancel()
        ours.send("stop")
        await asyncio.to_thread(ours.recv)
        await log.close()
    return found


async def halt(log: JetStreamLog, wild: Wild, ordinal: int) -> float:
    """Halt, wait for the first blocked entry, release; return milliseconds of the first part."""
    at = SESSION.open_at + ordinal * SECOND
    wild.blocked.clear()
    begun = time.monotonic_ns()
    await log.append(
        [
            entry(
                ACCOUNT,
                HaltSet(
                    at=at,
                    issued_by="bench",
                    reason="bench",
                    scope=HaltScope.ACCOUNT,
                    target=EVERYTHING,
                    mode=HaltMode.NO_ENTRIES,
                ),
            )
        ]
    )
    await asyncio.wait_for(wild.blocked.wait(), 20)
    spent = (time.monotonic_ns() - begun) / 1e6
    release = HaltReleased(
        at=at, issued_by="bench", reason="bench", scope=HaltScope.ACCOUNT, target=EVERYTHING
    )
    await log.append([entry(ACCOUNT, release)])
    return spent


def main() -> None:
    """Run and print one table."""
    with tempfile.TemporaryDirectory(prefix="kst-bench-") as name:
        folder = Path(name)
        SharedTime.create(folder / "clock", start=SESSION.open_at, speed=1.0)
        found = uvloop.run(measure(folder))
    table = Table(
        title=f"From a halt to the first entry it blocks: {HALTS} halts",
        caption=f"An entry is asked for every {WISH_EVERY_S * 1_000:g} ms. The bound is 50 ms.",
    )
    for column in ("p50 ms", "p99 ms", "most ms"):
        table.add_column(column, justify="right")
    table.add_row(
        *(f"{value:.1f}" for value in (percentile(found, 50), percentile(found, 99), max(found)))
    )
    Console().print(table)


if __name__ == "__main__":
    main()
