"""The projector: exactly once, whatever dies when."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bus import (
    JetStreamLog,
    Log,
    LogIdentity,
    LogRegressed,
    MemoryLog,
    NatsServer,
    Recorded,
)
from events import AccountId, Event, codec, market, ops
from projections import (
    LIVE_SCHEMA,
    CheckpointMoved,
    DatabaseUnreachable,
    EmbeddedPostgres,
    Projector,
    SchemaMismatch,
    connect,
    rebuild,
    require_schema,
    row_checksum,
    run_projector,
)
from projections.schema import Connection, drop, install
from tests.projections import day


async def _project(projector: Projector, entries: Sequence[Recorded]) -> None:
    await projector.take(entries)
    await projector.commit()


async def _scalar(connection: Connection, query: str) -> Any:
    cursor = await connection.execute(query.encode())
    found = await cursor.fetchone()
    return None if found is None else found[0]


async def test_death_between_fold_and_commit_leaves_the_tables_as_they_were(
    connection: Connection,
) -> None:
    """What was folded and not committed is folded again, and counts once."""
    await require_schema(connection)
    log = await day.log_of(day.scripted_day())
    entries = day.entries(log)
    await _project(await Projector.open(connection, log), entries[:30])
    before = await row_checksum(connection, LIVE_SCHEMA)

    dying = await Projector.open(connection, log)
    await dying.take(entries[30:50])
    assert await row_checksum(connection, LIVE_SCHEMA) == before

    survivor = await Projector.open(connection, log)
    assert survivor.position == 30
    await _project(survivor, entries[30:])
    assert (
        await _scalar(connection, "SELECT sum(quantity) FROM kst.fills")
        == 80 + 80 + 10 + 10 + 50 + 35
    )
    assert (await rebuild(log, connection.info.dsn)).matches


async def test_death_inside_the_transaction_takes_rows_and_checkpoint_back_together(
    connection: Connection,
) -> None:
    """A row that cannot be written leaves no other row of its batch behind."""
    await require_schema(connection)
    log = await day.log_of(day.scripted_day())
    await _project(await Projector.open(connection, log), day.entries(log)[:10])
    before = await row_checksum(connection, LIVE_SCHEMA)
    await connection.execute(
        "ALTER TABLE kst.trades ADD CONSTRAINT none CHECK (symbol <> '005930') NOT VALID"
    )
    projector = await Projector.open(connection, log)
    await projector.take(day.entries(log)[10:])
    with pytest.raises(psycopg.errors.CheckViolation):
        await projector.commit()
    assert await row_checksum(connection, LIVE_SCHEMA) == before


@st.composite
def interleaved(draw: st.DrawFn) -> list[Event]:
    """Draw the day with its lives merged in any order; each life keeps its own order."""
    lives = [list(life) for life in day.lives()]
    turns = draw(st.permutations([number for number, life in enumerate(lives) for _ in life]))
    return day.opening() + [lives[turn].pop(0) for turn in turns] + day.next_morning()


@settings(max_examples=10)
@given(events=interleaved(), cuts=st.lists(st.tuples(st.integers(1, 109), st.booleans())))
async def test_batch_boundaries_and_restarts_do_not_change_a_row(
    server_address: str, events: list[Event], cuts: list[tuple[int, bool]]
) -> None:
    """Random batches with random restarts give the row checksum of one straight fold."""
    log = await day.log_of(events)
    entries = day.entries(log)
    async with await connect(server_address) as connection:
        for schema in ("kst_straight", "kst_cut"):
            await drop(connection, schema)
            await install(connection, schema)
        await _project(await Projector.open(connection, log, "kst_straight"), entries)

        projector = await Projector.open(connection, log, "kst_cut")
        restarts = {cut for cut, restart in cuts if restart}
        places = sorted({min(cut, len(entries)) for cut, _ in cuts} | {len(entries)})
        position = 0
        for place in places:
            await _project(projector, entries[position:place])
            position = place
            if place in restarts:
                projector = await Projector.open(connection, log, "kst_cut")
        assert await row_checksum(connection, "kst_cut") == await row_checksum(
            connection, "kst_straight"
        )


async def test_a_second_projector_cannot_write_over_the_first(connection: Connection) -> None:
    """The checkpoint moves only from where its writer left it."""
    await require_schema(connection)
    log = await day.log_of(day.scripted_day())
    entries = day.entries(log)
    first = await Projector.open(connection, log)
    second = await Projector.open(connection, log)
    await _project(first, entries[:20])
    await second.take(entries[:25])
    with pytest.raises(CheckpointMoved, match="no longer at sequence 0"):
        await second.commit()
    await first.take(entries[20:30])
    late = await Projector.open(connection, log)
    await _project(late, entries[20:40])
    with pytest.raises(CheckpointMoved, match="no longer at sequence 20"):
        await first.commit()
    assert await _scalar(connection, "SELECT last_sequence FROM kst.checkpoint") == 40


async def test_a_day_on_a_real_log_server_is_projected_and_rebuilt(
    tmp_path: Path, dsn: str
) -> None:
    """The same rows from JetStream as from memory, and a rebuild that finds its end."""
    events = day.scripted_day()
    async with NatsServer(tmp_path) as server:
        log = await JetStreamLog.connect(server.url, day.ACCOUNT)
        await day.append(log, events)
        async with running(log, dsn) as service:
            await service.at(len(events))
        report = await rebuild(log, dsn)
        await log.close()
    assert report.matches
    assert (report.events, report.position) == (107, 107)
    from_server = await _checksum_of_the_rows(dsn)
    assert (await rebuild(await day.log_of(events), dsn)).replaced
    assert await _checksum_of_the_rows(dsn) == from_server


async def _checksum_of_the_rows(dsn: str) -> str:
    """Return the checksum without the checkpoint, which names the log it is of."""
    async with await connect(dsn) as connection:
        await connection.execute("DELETE FROM kst.checkpoint")
        return (await row_checksum(connection, LIVE_SCHEMA))[1]


class OtherLog(MemoryLog):
    """A log that says it is the one it was copied from."""

    def __init__(self, original: MemoryLog, *, first_sequence: int = 1) -> None:
        super().__init__(original.account)
        self._original = original
        self._first_sequence = first_sequence

    async def info(self) -> LogIdentity:
        """Return the original's identity with this log's extent."""
        created = (await self._original.info()).created
        return (await super().info())._replace(created=created, first_sequence=self._first_sequence)


async def test_a_log_that_is_not_the_folded_one_is_refused(connection: Connection) -> None:
    """Re-created, shorter, changed at the checkpoint, or expired past it: LogRegressed."""
    await require_schema(connection)
    log = await day.log_of(day.scripted_day())
    await _project(await Projector.open(connection, log), day.entries(log)[:40])
    events = day.scripted_day()

    recreated = await day.log_of(events)
    with pytest.raises(LogRegressed, match="created"):
        await Projector.open(connection, recreated)

    shorter = OtherLog(log)
    await day.append(shorter, events[:30])
    with pytest.raises(LogRegressed, match="ends at sequence 30, the rows hold sequence 40"):
        await Projector.open(connection, shorter)

    changed = OtherLog(log)
    await day.append(changed, [*events[:39], events[38], *events[40:]])
    with pytest.raises(LogRegressed, match="entry at sequence 40 is not the one"):
        await Projector.open(connection, changed)

    expired = OtherLog(log, first_sequence=50)
    await day.append(expired, events)
    with pytest.raises(LogRegressed, match="begins at sequence 50, the rows end at 40"):
        await Projector.open(connection, expired)

    same = OtherLog(log)
    await day.append(same, events)
    assert (await Projector.open(connection, same)).position == 40


class Service:
    """``run_projector`` as a task, with a way to wait until it is at a position."""

    def __init__(self, log: Log, dsn: str) -> None:
        self.stop = asyncio.Event()
        self.position = 0
        self._moved = asyncio.Event()
        self._task = asyncio.create_task(
            run_projector(
                log=log, dsn=dsn, account=log.account, stop=self.stop, on_progress=self._progress
            )
        )

    def _progress(self, position: int, pending: int) -> None:
        self.position = position
        self._moved.set()

    async def at(self, position: int) -> None:
        """Return once the service reports this position; raise what stopped it."""
        async with asyncio.timeout(30):
            while self.position < position:
                self._moved.clear()
                moved = asyncio.create_task(self._moved.wait())
                await asyncio.wait({moved, self._task}, return_when=asyncio.FIRST_COMPLETED)
                if self._task.done():
                    moved.cancel()
                    self._task.result()

    async def stopped(self) -> None:
        """Stop the service and wait for its end."""
        self.stop.set()
        await self._task


@asynccontextmanager
async def running(log: Log, dsn: str) -> AsyncIterator[Service]:
    """Run the service for the length of a block."""
    service = Service(log, dsn)
    try:
        yield service
    finally:
        await service.stopped()


async def _until(connection: Connection, query: str, wanted: Callable[[Any], bool]) -> Any:
    async with asyncio.timeout(30):
        while not wanted(found := await _scalar(connection, query)):
            await asyncio.sleep(0)
    return found


async def test_the_service_follows_the_log_and_goes_on_where_it_stopped(
    dsn: str, connection: Connection
) -> None:
    """Stop and start in the middle of a day leaves no trace."""
    events = day.scripted_day()
    log = await day.log_of(events[:25])
    async with running(log, dsn) as service:
        await service.at(25)
        await day.append(log, events[25:40])
        await service.at(40)
    await day.append(log, events[40:])
    async with running(log, dsn) as service:
        await service.at(len(events))
    assert await _scalar(connection, "SELECT last_sequence FROM kst.checkpoint") == len(events)
    assert (await rebuild(log, dsn)).matches


async def test_market_prints_are_not_read(dsn: str, connection: Connection) -> None:
    """The checkpoint stands at the last entry that a row can depend on."""
    log = await day.log_of(day.opening())
    frame = market.TradeFrame(at=day.at(1), symbol=day.KIA, trades=())
    await day.append(log, [frame, frame])
    async with running(log, dsn) as service:
        await service.at(3)
    assert await _scalar(connection, "SELECT last_sequence FROM kst.checkpoint") == 3


async def test_an_entry_that_is_no_event_is_set_aside_reported_once_and_passed(
    dsn: str, connection: Connection
) -> None:
    """A row, one report on the log, and the fold goes on; a restart reports nothing new."""
    events = day.scripted_day()
    log = await day.log_of(events[:20])
    await day.append_undecodable(log)
    await day.append(log, events[20:])
    end = len(events) + 1
    async with running(log, dsn) as service:
        await service.at(end + 1)
    await connection.execute("DROP SCHEMA kst CASCADE")
    async with running(log, dsn) as service:
        await service.at(end + 1)
    reports = [
        event
        for recorded in log.entries[end:]
        if isinstance(event := codec.decode(recorded.payload), ops.EventSetAside)
    ]
    assert [(report.sequence, report.service) for report in reports] == [(21, "projector")]
    assert "unknown event type 'Nonsense.1'" in reports[0].error
    assert (
        await _scalar(connection, "SELECT payload FROM kst.set_aside WHERE sequence = 21")
        == b'{"type":"Nonsense.1"}'
    )
    report = await rebuild(log, dsn)
    assert report.matches
    assert report.set_aside == 1


async def test_a_connection_killed_inside_a_commit_is_replaced_and_nothing_counts_twice(
    dsn: str, connection: Connection
) -> None:
    """The server ends the session while the batch waits for a lock; the next one writes it."""
    events = day.scripted_day()
    log = await day.log_of(events[:10])
    async with running(log, dsn) as service, await connect(dsn) as blocker:
        await service.at(10)
        async with blocker.transaction():
            await blocker.execute("LOCK TABLE kst.fills IN ACCESS EXCLUSIVE MODE")
            await day.append(log, events[10:])
            victim = await _until(
                connection,
                "SELECT min(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                " AND application_name = 'kst-projections'",
                lambda pid: pid is not None,
            )
            assert await _scalar(connection, f"SELECT pg_terminate_backend({victim})")
        # Past the day: the report that the database was lost, and that it is back.
        await service.at(len(events) + 2)
    ends = [codec.decode(recorded.payload) for recorded in log.entries[-2:]]
    assert [type(event) for event in ends] == [ops.Degraded, ops.Recovered]
    assert await _scalar(connection, "SELECT count(*) FROM kst.fills") == 12
    assert (await rebuild(log, dsn)).matches


async def test_a_restart_of_the_database_is_waited_for_and_shown(data_directory: Path) -> None:
    """While it is away the log says so; afterwards every row is there."""
    events = day.scripted_day()
    log = await day.log_of(events[:30])
    server = EmbeddedPostgres(data_directory)
    dsn = await asyncio.to_thread(server.start)
    try:
        async with running(log, dsn) as service:
            await service.at(30)
            await asyncio.to_thread(server.stop)
            await day.append(log, events[30:])
            async with (
                asyncio.timeout(30),
                log.read(after=len(events), topics=["ops.projector"]) as reader,
            ):
                while not (found := await reader.batch(1.0)):
                    continue
            assert codec.event_name(codec.decode(found[0].payload)) == "Degraded"
            await asyncio.to_thread(server.start)
            await service.at(len(events) + 2)
        async with await connect(dsn) as connection:
            assert (
                await _scalar(
                    connection,
                    "SELECT active::TEXT || ' ' || times FROM kst.conditions"
                    " WHERE condition = 'database'",
                )
            ) == "false 1"
        assert (await rebuild(log, dsn)).matches
    finally:
        await asyncio.to_thread(server.stop)


async def test_the_service_does_not_start_without_a_database_or_on_foreign_tables(
    dsn: str, connection: Connection
) -> None:
    """At the start a fault is an error with a remedy, not something to wait out."""
    log = await day.log_of(day.opening())
    stop = asyncio.Event()
    with pytest.raises(DatabaseUnreachable):
        await run_projector(
            log=log, dsn="postgresql://127.0.0.1:1/kst", account=log.account, stop=stop
        )
    await connection.execute("CREATE SCHEMA kst")
    with pytest.raises(SchemaMismatch, match="kst rebuild"):
        await run_projector(log=log, dsn=dsn, account=log.account, stop=stop)
    with pytest.raises(ValueError, match="'other'"):
        await run_projector(log=log, dsn=dsn, account=AccountId("other"), stop=stop)
