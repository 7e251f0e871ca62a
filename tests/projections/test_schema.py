"""The schema: matches the rows of the code, documented, recognised by its version."""

from __future__ import annotations

from typing import Any

import pytest

from events import Event, market
from events.trading import Side
from projections import DatabaseUnreachable, SchemaMismatch, connect, require_schema
from projections.checksum import TABLES
from projections.projector import Projector
from projections.rows import ALL
from projections.schema import Connection, installed_version
from projections.store import CHECKPOINT_COLUMNS
from tests.projections import day


async def _rows(connection: Connection, query: str) -> list[tuple[Any, ...]]:
    cursor = await connection.execute(query.encode())
    return await cursor.fetchall()


async def test_the_rows_of_the_code_are_the_stored_columns_of_the_tables(
    connection: Connection,
) -> None:
    """Field by field and in order; generated columns are the database's own."""
    await require_schema(connection)
    found = await _rows(
        connection,
        "SELECT c.table_name, array_agg(c.column_name::TEXT ORDER BY c.ordinal_position)"
        " FROM information_schema.columns c JOIN information_schema.tables t"
        " USING (table_schema, table_name)"
        " WHERE c.table_schema = 'kst' AND t.table_type = 'BASE TABLE'"
        " AND c.is_generated = 'NEVER' GROUP BY c.table_name",
    )
    expected = {table.name: list(table.columns) for table in ALL}
    expected["checkpoint"] = list(CHECKPOINT_COLUMNS)
    assert dict(found) == expected


async def test_every_primary_key_begins_with_the_account_and_is_the_one_the_checksum_orders_by(
    connection: Connection,
) -> None:
    """Two accounts in one database can never overwrite each other."""
    await require_schema(connection)
    found = await _rows(
        connection,
        "SELECT r.relname::TEXT, array_agg(a.attname::TEXT ORDER BY k.place)"
        " FROM pg_constraint p JOIN pg_class r ON r.oid = p.conrelid"
        " CROSS JOIN LATERAL unnest(p.conkey) WITH ORDINALITY k(number, place)"
        " JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum = k.number"
        " WHERE p.contype = 'p' AND p.connamespace = 'kst'::regnamespace GROUP BY 1",
    )
    assert dict(found) == {name: list(key) for name, key in TABLES}
    assert all(key[0] == "account" for _, key in TABLES)


async def test_every_table_and_view_says_what_it_is_for(connection: Connection) -> None:
    """An operator with psql needs no other document."""
    await require_schema(connection)
    found = await _rows(
        connection,
        "SELECT relname FROM pg_class WHERE relnamespace = 'kst'::regnamespace"
        " AND relkind IN ('r', 'v') AND obj_description(oid, 'pg_class') IS NULL",
    )
    assert found == []


async def test_installing_twice_keeps_the_rows(connection: Connection) -> None:
    """A restarted service finds its tables."""
    await require_schema(connection)
    projector = await Projector.open(connection, log := await day.log_of(day.opening()))
    await projector.take(day.entries(log))
    await projector.commit()
    await require_schema(connection)
    assert await _rows(connection, "SELECT last_sequence FROM kst.checkpoint") == [(3,)]


@pytest.mark.parametrize(
    ("comment", "found"),
    [("k-stock-trader read models, version 0123", "0123"), ("somebody's own schema", "none")],
)
async def test_tables_of_another_version_are_refused_with_the_remedy(
    connection: Connection, comment: str, found: str
) -> None:
    """Rows are rebuilt, never migrated, and never misread."""
    await require_schema(connection)
    await connection.execute(
        f"COMMENT ON SCHEMA kst IS '{comment.replace(chr(39), chr(39) * 2)}'".encode()
    )
    with pytest.raises(SchemaMismatch, match=f"has version {found}.*run `kst rebuild`"):
        await require_schema(connection)


async def test_a_missing_schema_has_no_version(connection: Connection) -> None:
    """Nothing there is another answer than something foreign there."""
    assert await installed_version(connection, "kst") is None
    assert await installed_version(connection, "public") == ""


@pytest.mark.parametrize(
    ("dsn", "named"),
    [
        ("postgresql://me:s3cret@127.0.0.1:1/kst", "127.0.0.1:1/kst"),
        ("postgresql://me:s3cret@[broken", "an unreadable address"),
    ],
)
async def test_an_unreachable_database_is_named_without_its_password(dsn: str, named: str) -> None:
    """The message says where, what to do, and no secret."""
    with pytest.raises(DatabaseUnreachable) as caught:
        await connect(dsn)
    assert named in str(caught.value)
    assert "KST_DATABASE_URL" in str(caught.value)
    assert "s3cret" not in str(caught.value)


VIEWS = {
    "v_today": 1,
    "v_live_positions": 2,
    "v_live_allocations": 2,
    "v_working_orders": 1,
    "v_today_intents": 4,
    "v_today_risk": 2,
    "v_active_halts": 2,
    "v_recent_trades": 3,
    "v_strategy_performance": 1,
    "v_fill_quality": 6,
    "v_service_health": 1,
    "v_conditions": 2,
}
"""Rows of each view after the scripted day and one more order that still works."""


async def test_every_view_has_the_rows_of_the_scripted_day(connection: Connection) -> None:
    """No view is forgotten, none is empty."""
    await require_schema(connection)
    enter = day.intent(day.HYNIX, "E1", seconds=2_100, quantity=3, limit=119_000)
    working = [enter, day.submitting(enter, Side.BUY, 3, 119_000, 2_100)]
    log = await day.log_of([*day.scripted_day(), *working])
    projector = await Projector.open(connection, log)
    await projector.take(day.entries(log))
    await projector.commit()
    names = await _rows(
        connection,
        "SELECT table_name::TEXT FROM information_schema.views WHERE table_schema = 'kst'",
    )
    counts = {
        str(name): (await _rows(connection, f"SELECT count(*) FROM kst.{name}"))[0][0]
        for (name,) in names
    }
    assert counts == VIEWS


async def test_times_are_kst_and_ages_are_by_the_clock_of_the_log(connection: Connection) -> None:
    """The server's clock and zone play no part."""
    await require_schema(connection)
    log = await day.log_of([*day.scripted_day(), *_an_order_and_40_seconds()])
    projector = await Projector.open(connection, log)
    await projector.take(day.entries(log))
    await projector.commit()
    assert await _rows(
        connection,
        "SELECT submitted_kst::TEXT, age_seconds, seconds_to_cancel, remaining"
        " FROM kst.v_working_orders",
    ) == [("2025-09-15 09:35:00", 40, -10, 3)]
    assert await _rows(
        connection, "SELECT health, seconds_since_heartbeat FROM kst.v_service_health"
    ) == [("WARNING", 130)]


def _an_order_and_40_seconds() -> list[Event]:
    enter = day.intent(day.HYNIX, "E1", seconds=2_100, quantity=3, limit=119_000)
    return [
        enter,
        day.submitting(enter, Side.BUY, 3, 119_000, 2_100),
        market.ClockTick(at=day.at(2_140), phase=market.Phase.CONTINUOUS),
    ]


async def test_live_positions_show_the_broker_beside_the_owners(connection: Connection) -> None:
    """One row per symbol with a column for each strategy."""
    await require_schema(connection)
    log = await day.log_of(day.scripted_day())
    projector = await Projector.open(connection, log)
    await projector.take(day.entries(log))
    await projector.commit()
    assert await _rows(
        connection,
        "SELECT symbol, quantity, allocated, kmp, external, last_price, unrealized,"
        " protective_stop, frozen FROM kst.v_live_positions ORDER BY symbol",
    ) == [
        ("000660", 10, 10, 0, 10, 120_000, 300_000, None, False),
        ("035720", 30, 30, 30, 0, 49_000, -30_000, 49_500, False),
    ]
