"""Rebuild: the rows are nothing but the log, and this shows it."""

from __future__ import annotations

import pytest

from bus import MemoryLog
from events import AccountId
from projections import (
    LIVE_SCHEMA,
    CheckpointMoved,
    Projector,
    rebuild,
    require_schema,
    row_checksum,
)
from projections.schema import Connection, installed_version
from tests.projections import day


async def _folded(connection: Connection, log: MemoryLog, entries: int | None = None) -> None:
    projector = await Projector.open(connection, log)
    await projector.take(day.entries(log)[:entries])
    await projector.commit()


async def _schemas(connection: Connection) -> list[str]:
    cursor = await connection.execute(
        "SELECT nspname::TEXT FROM pg_namespace WHERE nspname LIKE 'kst%'"
    )
    return [name for (name,) in await cursor.fetchall()]


async def test_rebuilding_twice_gives_the_checksum_of_the_live_rows_and_leaves_them(
    connection: Connection, dsn: str
) -> None:
    """Equal rows stay where they are; the rebuilt ones are dropped."""
    await require_schema(connection)
    log = await day.log_of(day.scripted_day() + day.next_morning())
    await _folded(connection, log)
    live = await row_checksum(connection, LIVE_SCHEMA)
    first, second = await rebuild(log, dsn), await rebuild(log, dsn)
    assert (first.rows, first.checksum) == (second.rows, second.checksum) == live
    assert first.live_checksum == first.checksum
    assert (first.matches, first.replaced, first.live_behind) == (True, False, 0)
    assert (first.events, first.position, first.live_position) == (109, 109, 109)
    assert first.events_per_s > 0
    assert await _schemas(connection) == ["kst"]


async def test_rows_that_someone_changed_are_found_and_replaced(
    connection: Connection, dsn: str
) -> None:
    """One won in one column is enough."""
    await require_schema(connection)
    log = await day.log_of(day.scripted_day())
    await _folded(connection, log)
    before = await row_checksum(connection, LIVE_SCHEMA)
    await connection.execute("UPDATE kst.fills SET fee = fee + 1 WHERE symbol = '000270'")
    assert await row_checksum(connection, LIVE_SCHEMA) != before
    report = await rebuild(log, dsn)
    assert (report.matches, report.replaced) == (False, True)
    assert await row_checksum(connection, LIVE_SCHEMA) == before
    assert (await rebuild(log, dsn)).matches


async def test_live_rows_that_are_behind_are_compared_where_they_stand(
    connection: Connection, dsn: str
) -> None:
    """Being behind is no difference; the report says by how much."""
    await require_schema(connection)
    log = await day.log_of(day.scripted_day())
    await _folded(connection, log, 40)
    report = await rebuild(log, dsn)
    assert report.matches
    assert (report.position, report.live_position, report.log_position) == (40, 40, 107)
    assert (report.live_behind, report.replaced) == (67, False)


async def test_rows_behind_and_wrong_are_replaced_by_those_of_the_whole_log(
    connection: Connection, dsn: str
) -> None:
    """What takes their place is at the end of the log."""
    await require_schema(connection)
    log = await day.log_of(day.scripted_day())
    await _folded(connection, log, 40)
    await connection.execute("DELETE FROM kst.orders")
    report = await rebuild(log, dsn)
    assert (report.matches, report.replaced, report.position) == (False, True, 40)
    assert (await Projector.open(connection, log)).position == 107
    assert (await rebuild(log, dsn)).matches


async def test_absent_tables_and_tables_of_another_version_are_made_anew(
    connection: Connection, dsn: str
) -> None:
    """The remedy that every schema error names."""
    log = await day.log_of(day.scripted_day())
    report = await rebuild(log, dsn)
    assert (report.live_checksum, report.live_position, report.replaced) == (None, None, True)
    assert await row_checksum(connection, LIVE_SCHEMA) == (report.rows, report.checksum)
    await connection.execute("COMMENT ON SCHEMA kst IS 'older'")
    again = await rebuild(log, dsn)
    assert (again.checksum, again.replaced) == (report.checksum, True)
    await require_schema(connection)
    assert await installed_version(connection, "kst") not in (None, "")
    assert await _schemas(connection) == ["kst"]


async def test_rows_of_a_log_that_was_cut_off_are_replaced(
    connection: Connection, dsn: str
) -> None:
    """The remedy that LogRegressed names: what the log does not hold is gone from the rows."""
    await require_schema(connection)
    await _folded(connection, await day.log_of(day.scripted_day()))
    shorter = await day.log_of(day.scripted_day()[:30])
    report = await rebuild(shorter, dsn)
    assert (report.matches, report.replaced, report.live_position) == (False, True, 107)
    assert (await Projector.open(connection, shorter)).position == 30


async def test_a_rebuild_leaves_other_accounts_alone(connection: Connection, dsn: str) -> None:
    """Accounts share tables, not fates."""
    await require_schema(connection)
    log, other = await day.log_of(day.scripted_day()), MemoryLog(AccountId("other"))
    await day.append(other, day.scripted_day())
    await _folded(connection, log)
    await _folded(connection, other)
    theirs = await row_checksum(connection, LIVE_SCHEMA, other.account)
    await connection.execute("DELETE FROM kst.fills WHERE account = 'demo'")
    assert (await rebuild(log, dsn)).replaced
    assert await row_checksum(connection, LIVE_SCHEMA, other.account) == theirs
    assert (await rebuild(other, dsn)).matches


async def test_a_rebuild_under_a_running_projector_makes_it_start_again(
    connection: Connection, dsn: str
) -> None:
    """Rows that were swapped from under it are not overwritten from its memory."""
    await require_schema(connection)
    log = await day.log_of(day.scripted_day())
    projector = await Projector.open(connection, log)
    await projector.take(day.entries(log)[:40])
    await projector.commit()
    await connection.execute("DELETE FROM kst.orders")
    assert (await rebuild(log, dsn)).replaced
    await projector.take(day.entries(log)[40:50])
    with pytest.raises(CheckpointMoved):
        await projector.commit()


async def test_the_checksum_does_not_depend_on_where_the_rows_lie(connection: Connection) -> None:
    """Rewriting every row in another physical order changes nothing."""
    await require_schema(connection)
    await _folded(connection, await day.log_of(day.scripted_day()))
    before = await row_checksum(connection, LIVE_SCHEMA)
    await connection.execute(
        "UPDATE kst.orders SET fee = fee WHERE order_id IN"
        " (SELECT order_id FROM kst.orders ORDER BY order_id DESC LIMIT 3);"
        " UPDATE kst.fills SET fee = fee WHERE side = 'buy'"
    )
    assert await row_checksum(connection, LIVE_SCHEMA) == before
