"""How fast the read models are folded, against the least PostgreSQL needs for the same rows.

    python -m tests.bench.bench_projection

A generated day of round trips is folded from the log into fresh tables of an embedded server and
compared with the live rows: a whole rebuild. Against it stands a bare COPY of the rows that came
out, prepared bytes into the same tables in one transaction, with the same connection settings. The
log is in memory, so that only fold and database are timed. Figures are medians of repetitions.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

from psycopg import sql
from rich.console import Console
from rich.table import Table

from bus import MAX_BATCH, Entry, MemoryLog
from events import Event, Symbol, codec, subjects, trading
from events.trading import Side
from projections import LIVE_SCHEMA, EmbeddedPostgres, ReadModel, connect, rebuild, rows
from projections.fold import fold
from projections.schema import Connection, drop, install
from projections.store import CHECKPOINT_COLUMNS
from tests.bench.timing import per_second
from tests.projections import day

ROUND_TRIPS: Final = 1_600
SYMBOLS: Final = 40
REPEAT: Final = 3
SCHEMA: Final = "kst_bench"


class Dump(NamedTuple):
    """The rows of one table as COPY writes them."""

    into: sql.Composed
    content: bytes


def round_trip(number: int) -> list[Event]:
    """Return a life of thirteen events: bought in two parts, sold in one."""
    symbol = Symbol(f"{900_010 + number % SYMBOLS * 10}")
    ordinal, begun = number // SYMBOLS + 1, number * 10.0
    enter = day.intent(
        symbol, f"E{ordinal}", seconds=begun, quantity=80, reference=70_000, limit=70_300
    )
    leave = day.intent(
        symbol,
        f"X{ordinal}",
        seconds=begun + 5,
        quantity=None,
        kind=trading.IntentKind.EXIT,
        reason="time_stop",
    )
    bought, sold = day.order_of(enter), day.order_of(leave)
    return [
        enter,
        day.approved(enter, 80),
        day.submitting(enter, Side.BUY, 80, 70_300, begun),
        day.accepted(bought, begun + 1, f"{2 * number + 1:010d}"),
        day.fill(enter, Side.BUY, 30, 70_200, seconds=begun + 2, cumulative=30, fee=315),
        day.fill(enter, Side.BUY, 50, 70_300, seconds=begun + 3, cumulative=80, fee=527),
        day.closed(bought, begun + 3, trading.OrderState.FILLED, 80),
        leave,
        day.approved(leave, 80),
        day.submitting(leave, Side.SELL, 80, None, begun + 5),
        day.accepted(sold, begun + 6, f"{2 * number + 2:010d}"),
        day.fill(
            leave, Side.SELL, 80, 71_000, seconds=begun + 7, cumulative=80, fee=852, tax=8_520
        ),
        day.closed(sold, begun + 7, trading.OrderState.FILLED, 80),
    ]


async def log_of(events: list[Event]) -> MemoryLog:
    """Return a log that holds these events."""
    log = MemoryLog(day.ACCOUNT)
    entries = [
        Entry(subjects.subject(log.account, event.topic), codec.encode(event), f"bench-{ordinal}")
        for ordinal, event in enumerate(events)
    ]
    for start in range(0, len(entries), MAX_BATCH):
        await log.append(entries[start : start + MAX_BATCH])
    return log


async def dumps(connection: Connection) -> list[Dump]:
    """Return the live rows, table by table, as bytes to be copied into a schema of the bench."""
    columns_of = {table.name: table.columns for table in rows.ALL}
    columns_of["checkpoint"] = CHECKPOINT_COLUMNS
    found = []
    for name, columns in columns_of.items():
        names = sql.SQL(", ").join(map(sql.Identifier, columns))
        out = sql.SQL("COPY {} ({}) TO STDOUT").format(sql.Identifier(LIVE_SCHEMA, name), names)
        async with connection.cursor() as cursor, cursor.copy(out) as copy:
            content = b"".join([bytes(block) async for block in copy])
        into = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(SCHEMA, name), names)
        found.append(Dump(into, content))
    return found


async def copy_all(connection: Connection, tables: list[Dump]) -> tuple[int, float]:
    """Copy rows into fresh tables; return how many there were and the seconds it took."""
    await install(connection, SCHEMA)
    clock = asyncio.get_running_loop()
    count, begun = 0, clock.time()
    async with connection.transaction(), connection.cursor() as cursor:
        for dump in tables:
            async with cursor.copy(dump.into) as copy:
                await copy.write(dump.content)
            count += cursor.rowcount
    seconds = clock.time() - begun
    await drop(connection, SCHEMA)
    return count, seconds


async def measure(dsn: str) -> Table:
    """Fold, rebuild, copy; return the table."""
    lives = [event for number in range(ROUND_TRIPS) for event in round_trip(number)]
    events = day.opening() + lives
    log = await log_of(events)

    first = await rebuild(log, dsn)
    assert first.replaced, "the first rebuild fills the live tables"
    folded = []
    for _ in range(REPEAT):
        report = await rebuild(log, dsn)
        assert report.matches, "a rebuild of an unchanged log finds the same rows"
        folded.append(report.events / report.events_per_s)
    async with await connect(dsn) as connection:
        tables = await dumps(connection)
        copied = [await copy_all(connection, tables) for _ in range(REPEAT)]
    count = copied[0][0]
    bare = median(seconds for _, seconds in copied)

    payloads = [entry.payload for entry in log.entries]
    table = Table(
        title=f"Read models: {len(lives):,} events of {ROUND_TRIPS:,} round trips, {count:,} rows",
        caption="ratio: time against the bare COPY of the same rows",
    )
    table.add_column("what")
    for column in ("seconds", "events/s", "rows/s", "ratio"):
        table.add_column(column, justify="right")

    def add(name: str, seconds: float, made: int = count) -> None:
        table.add_row(
            name,
            f"{seconds:.3f}",
            f"{len(events) / seconds:,.0f}",
            f"{made / seconds:,.0f}" if made else "",
            f"{seconds / bare:.2f}",
        )

    add("bare COPY of the resulting rows", bare)
    decoding = timed(len(events), lambda: [codec.decode(each) for each in payloads])
    add("decode the events", decoding, made=0)
    add("fold decoded events, no database", timed(len(events), lambda: fold_all(events)))
    add("rebuild: read, decode, fold, write", median(folded))
    return table


def timed(count: int, work: Callable[[], object]) -> float:
    """Return the median seconds of repetitions."""
    return count / median(per_second(count, work) for _ in range(REPEAT))


def fold_all(events: list[Event]) -> None:
    """Fold events into fresh rows in memory."""
    model = ReadModel(day.ACCOUNT)
    for sequence, event in enumerate(events, start=1):
        fold(model, sequence, event)


def main() -> None:
    """Run all and print one table."""
    # The folder must be one that another user can reach: as root, the server runs as one.
    with (
        tempfile.TemporaryDirectory(prefix="kst-bench-") as folder,
        EmbeddedPostgres(Path(folder)) as server,
    ):
        table = asyncio.run(measure(server.dsn))
    Console().print(table)


if __name__ == "__main__":
    main()
