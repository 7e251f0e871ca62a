"""What sealing a day costs and how fast it is read again, beside the log it was sealed from.

    python -m tests.bench.bench_archive [ENTRIES]

The day is made up as it is read, so that memory is the archive's own: trades (every tenth frame has
two) and books of ten levels of 40 symbols in equal parts, a clock tick every hundred entries.
"the log itself" is taking the same payloads out of memory and decoding them: what no reader can
beat. Seconds are of the processor, so that other programs of the machine do not count.
"""

from __future__ import annotations

import asyncio
import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.table import Table

from bus import Entry, LogIdentity, Recorded
from bus.archive import SealedDay, seal_day
from events import AccountId, Event, Symbol, TradingDate, codec
from events.market import (
    Aggressor,
    ClockTick,
    Phase,
    QuoteFrame,
    SessionOpened,
    Trade,
    TradeFrame,
)

ACCOUNT: Final = AccountId("bench")
DAY: Final = TradingDate("20250915")
OPEN: Final = 1_757_894_400_000_000_000
SYMBOLS: Final = tuple(Symbol(f"{number:06d}") for number in range(5_930, 9_930, 100))
ENTRIES: Final = 400_000
SPACING: Final = 10_000_000


def made_up(count: int) -> Iterator[Event]:
    """Yield a session of ``count`` events."""
    draw = random.Random(7)
    yield SessionOpened(
        at=OPEN,
        trading_date=DAY,
        open_at=OPEN,
        closing_auction_at=OPEN,
        close_at=OPEN,
        cash=0,
        equity=0,
        allocations=(),
        configuration={},
        code_version="bench",
    )
    for number in range(1, count):
        at = OPEN + number * SPACING
        symbol = SYMBOLS[number % len(SYMBOLS)]
        price = 70_000 + draw.randrange(-50, 50) * 100
        if number % 100 == 0:
            yield ClockTick(at=at, phase=Phase.CONTINUOUS)
        elif number % 2:
            yield TradeFrame(
                at=at,
                symbol=symbol,
                trades=tuple(
                    Trade(
                        at - at % 1_000_000_000, price, draw.randrange(1, 500), Aggressor.BUY,
                        number * 10, number * price, price + 100, price, 0, False,
                    )
                    for _ in range(1 + (number % 20 == 1))
                ),
            )  # fmt: skip
        else:
            yield QuoteFrame(
                at=at,
                symbol=symbol,
                time=at,
                ask_prices=tuple(price + 100 * level for level in range(10)),
                ask_quantities=tuple(draw.randrange(9_999) for _ in range(10)),
                bid_prices=tuple(price - 100 * level for level in range(10)),
                bid_quantities=tuple(draw.randrange(9_999) for _ in range(10)),
            )


class MadeUpLog:
    """A log that makes its entries when they are read, and remembers none."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.announced = 0

    @property
    def account(self) -> AccountId:
        """The account of the benchmark."""
        return ACCOUNT

    async def append(self, entries: Sequence[Entry], *, atomic: bool = True) -> tuple[int, ...]:
        """Count what is appended."""
        self.announced += len(entries)
        return (self.count + self.announced,)

    def read(
        self, *, after: int = 0, topics: Sequence[str] = (">",), unhurried: Sequence[str] = ()
    ) -> _MadeUpReader:
        """Read everything, or the opening alone."""
        return _MadeUpReader(self.count if topics == (">",) else 1)

    async def last(self, topic: str) -> Recorded | None:
        """Return the tick that ends the session."""
        if topic != "market.clock":
            return None
        return recorded(self.count, ClockTick(at=OPEN + 1, phase=Phase.CLOSED))

    async def get(self, sequence: int) -> Recorded | None:
        """Return nothing."""
        return None

    async def info(self) -> LogIdentity:
        """Return how far it goes."""
        return LogIdentity("MADE_UP", "now", 1, self.count)


class _MadeUpReader:
    def __init__(self, count: int) -> None:
        self._entries = map(recorded, range(1, count + 1), made_up(count))
        self.pending = count

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        return None

    async def batch(self, wait: float) -> Sequence[Recorded]:
        found = [entry for _, entry in zip(range(500), self._entries, strict=False)]
        self.pending -= len(found)
        return found


def recorded(sequence: int, event: Event) -> Recorded:
    """Return an event as it stands on the log."""
    identity = event.identity or f"gateway-1-{sequence}"
    subject = f"kst.{ACCOUNT}.{event.topic}"
    return Recorded(sequence, subject, codec.encode(event), identity, OPEN + sequence * 1_000)


class Measured:
    """Processor seconds of a block."""

    def __enter__(self) -> Self:
        self._began = time.process_time()
        self.seconds = 0.0
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.process_time() - self._began


def peak() -> int:
    """Return the most memory this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1_024


async def main(count: int) -> None:
    """Seal, read and print."""
    import polars as pl

    pl.DataFrame({"a": [1]}).lazy().collect()
    with Measured() as making:
        size = sum(len(entry.payload) for entry in map(recorded, range(count), made_up(count)))
    before = peak()
    with tempfile.TemporaryDirectory() as folder:
        with Measured() as sealing:
            manifest = await seal_day(MadeUpLog(count), Path(folder), DAY, code_version="bench")
        most = peak()
        day = SealedDay.open(Path(folder) / ACCOUNT / DAY)
        with Measured() as blocks:
            assert sum(map(len, day.blocks())) == count
        with Measured() as deliveries:
            assert sum(map(len, day.deliveries())) == count
        with Measured() as trades:
            found = sum(map(len, day.deliveries(topics=("market.trade.*",))))
        with Measured() as columns:
            rows = day.frame("trades").collect().height
        payloads = [each.payload for each in next(day.blocks())]
    with Measured() as direct:
        for payload in payloads:
            codec.decode(payload)
    table = Table("", "entries", "µs each", "entries/s", title=f"{count:,} entries")
    sealing.seconds -= making.seconds
    for name, measured, entries in (
        ("sealed, read back and compared", sealing, count),
        ("read as entries, byte for byte", blocks, count),
        ("read as events", deliveries, count),
        ("read as events, trades alone", trades, found),
        ("read as columns, trades", columns, rows),
        ("the log itself: decoding from memory", direct, len(payloads)),
    ):
        each = measured.seconds / entries
        table.add_row(name, f"{entries:,}", f"{each * 1e6:.2f}", f"{1 / each:,.0f}")
    out = Console(width=100)
    out.print(table)
    out.print(
        f"payloads {size / 1e6:,.1f} MB, sealed {manifest.bytes / 1e6:,.1f} MB "
        f"({manifest.bytes / size:.2f} of it, {manifest.bytes / count:.1f} bytes an entry); "
        f"memory {before} MB before, {most} MB at most while sealing, {peak()} MB while reading"
    )


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else ENTRIES))
