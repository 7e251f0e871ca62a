"""The schema: matches the rows of the code, documented, recognised by its version."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from events import Event, control, market, trading
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
    "v_live_positions": 3,
    "v_live_allocations": 3,
    "v_conservation": 3,
    "v_working_orders": 1,
    "v_today_intents": 4,
    "v_today_risk": 2,
    "v_active_halts": 1,
    "v_limits": 1,
    "v_executions": 9,
    "v_checks": 1,
    "v_leases": 1,
    "v_operator_actions": 8,
    "v_recent_trades": 4,
    "v_strategy_performance": 1,
    "v_fill_quality": 8,
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
        ("005490", 5, 5, 0, 5, 30_000, 0, None, False),
        ("035720", 30, 30, 30, 0, 49_000, -30_000, 49_500, False),
    ]


async def _after(connection: Connection, events: list[Event]) -> None:
    """Fold events into new tables."""
    await require_schema(connection)
    log = await day.log_of(events)
    projector = await Projector.open(connection, log)
    await projector.take(day.entries(log))
    await projector.commit()


async def test_halts_and_limits_in_force_are_listed_with_who_set_them(
    connection: Connection,
) -> None:
    """Of two halts one was released; of two changed limits one was put back; one was refused."""
    refused = control.LimitsChanged(
        at=day.at(900), issued_by="operator", reason="typo", changes={"risk.nonsense": 1}
    )
    events: list[Event] = [*day.opening(), *day.account_life(), refused]
    events.append(control.LimitsRefused(at=day.at(900), cause=len(events), reason="no such key"))
    await _after(connection, events)
    assert await _rows(
        connection,
        "SELECT scope, target, mode, trigger, rule, reason, issued_by, since_kst::TEXT"
        " FROM kst.v_active_halts",
    ) == [
        (
            "strategy", "KMP", "no_entries", "operator", None, "enough", "operator",
            "2025-09-15 09:21:40",
        )
    ]  # fmt: skip
    assert await _rows(connection, "SELECT name, value, issued_by, reason FROM kst.v_limits") == [
        ("risk.max_position_pct", 0.1, "operator", "volatile")
    ]
    assert await _rows(
        connection, "SELECT entity, halted, halt_mode, deposit_next FROM kst.v_today_risk"
    ) == [("PORTFOLIO", True, None, 94_000_000), ("KMP", True, "no_entries", None)]


async def test_limits_of_a_session_take_the_place_of_all_earlier_ones(
    connection: Connection,
) -> None:
    """What the opening lists is in force, later changes on top of it."""
    later = control.LimitsChanged(
        at=day.at(90_000), issued_by="operator", reason="more", changes={"profile": "strict"}
    )
    await _after(connection, [*day.scripted_day(), *day.next_morning(), later])
    assert await _rows(
        connection, "SELECT name, value, issued_by FROM kst.v_limits ORDER BY name"
    ) == [("profile", "strict", "operator"), ("risk.max_position_pct", 0.1, "session")]


async def test_executions_show_what_was_allowed_and_filled_and_why_they_ended(
    connection: Connection,
) -> None:
    """Also while they work: 10 of a reduction are filled and nobody has said that it ended."""
    await _after(connection, [*day.opening(), *day.kakao_part()])
    assert await _rows(
        connection,
        "SELECT right(intent_id, 2), state, allowed, filled, orders, reason, seconds::FLOAT8"
        " FROM kst.v_executions ORDER BY 1",
    ) == [
        ("E1", "ended", 100, 40, 1, "lifetime", 34.0),
        ("R1", "working", 10, 10, 1, None, 2.0),
    ]


@pytest.mark.invariant(10)
async def test_checks_show_their_last_value_their_headroom_and_blindness(
    connection: Connection,
) -> None:
    """A check that never had data is blind; one that had it once is not."""
    enter = day.intent(day.KIA, "E1", seconds=1, quantity=5, reference=100_000)
    again = day.intent(day.KIA, "E2", seconds=2, quantity=5, reference=100_000)
    near = trading.Check(
        name="max_position",
        value=0.14,
        limit=0.15,
        outcome=trading.CheckOutcome.PASS,
        headroom=0.01,
    )
    far = msgspec.structs.replace(near, value=0.05, headroom=0.1)
    none = trading.Check(name="spread", value=None, limit=50, outcome=trading.CheckOutcome.MISSING)
    events: list[Event] = [
        *day.opening(),
        enter,
        msgspec.structs.replace(day.approved(enter, 5), checks=(near, none)),
        again,
        msgspec.structs.replace(day.approved(again, 5), checks=(far, none)),
    ]
    await _after(connection, events)
    assert await _rows(
        connection,
        "SELECT name, passed, missing, least_headroom::FLOAT8, last_value, last_limit,"
        " last_headroom::FLOAT8, last_outcome, last_kst::TEXT, blind FROM kst.v_checks ORDER BY 1",
    ) == [
        ("max_position", 2, 0, 0.01, 0.05, 0.15, 0.1, "pass", "2025-09-15 09:00:02", False),
        ("spread", 0, 2, None, None, 50, None, "missing", "2025-09-15 09:00:02", True),
    ]


async def test_owners_and_broker_are_compared_symbol_by_symbol(connection: Connection) -> None:
    """At the end of the day they agree; two shares less at the broker are seen and then owned."""
    missing = trading.DriftDetected(
        at=day.at(2_020),
        trading_date=day.DATE,
        symbol=day.KAKAO,
        broker_quantity=28,
        allocated_quantity=30,
    )
    query = (
        "SELECT symbol, strategies, unknown, external, allocated, broker_quantity, difference,"
        " working, drifting FROM kst.v_conservation ORDER BY symbol"
    )
    await _after(connection, [*day.scripted_day(), missing])
    assert await _rows(connection, query) == [
        ("000660", 0, 0, 10, 10, 10, 0, False, False),
        ("005490", 0, 0, 5, 5, 5, 0, False, False),
        ("035720", 30, -2, 0, 28, 28, 0, False, True),
    ]
    await connection.execute("UPDATE kst.allocations SET quantity = 0 WHERE strategy = '_UNKNOWN_'")
    assert (await _rows(connection, query))[2][5:7] == (28, 2)


async def test_a_broker_that_has_not_spoken_yet_is_no_broker_without_shares(
    connection: Connection,
) -> None:
    """Before the first snapshot there is nothing to compare with."""
    await _after(connection, day.opening())
    assert await _rows(
        connection, "SELECT symbol, allocated, broker_quantity, difference FROM kst.v_conservation"
    ) == [("000660", 10, None, None)]


async def test_positions_show_whether_they_are_protected(connection: Connection) -> None:
    """A stop that failed, or none at all, is told from one that is active."""
    active = day.stop_at(
        day.KAKAO, trading.StopState.ACTIVE, seconds=1_101, quantity=30, stop=49_500
    )
    query = "SELECT stop_states, unprotected FROM kst.v_live_positions WHERE symbol = '035720'"
    await _after(connection, [*day.scripted_day(), active])
    assert await _rows(connection, query) == [({"KMP": "active"}, False)]
    await connection.execute("UPDATE kst.stops SET state = 'failed' WHERE symbol = '035720'")
    assert await _rows(connection, query) == [({"KMP": "failed"}, True)]
    await connection.execute("UPDATE kst.stops SET state = 'active' WHERE symbol = '035720'")
    await connection.execute("UPDATE kst.allocations SET protective_stop = NULL, hard_stop = NULL")
    assert await _rows(connection, query) == [({"KMP": "active"}, True)]
    assert await _rows(
        connection,
        "SELECT stop_state, stop_generation FROM kst.v_live_allocations WHERE symbol = '035720'",
    ) == [("active", 1)]


async def test_a_halted_symbol_is_frozen_and_the_lease_has_an_age(connection: Connection) -> None:
    """By the clock of the log, like every age."""
    halt = control.HaltSet(
        at=day.at(2_020),
        scope=control.HaltScope.SYMBOL,
        target=day.KAKAO,
        mode=control.HaltMode.NO_ENTRIES,
        issued_by="operator",
        reason="rumour",
    )
    await _after(connection, [*day.scripted_day(), halt])
    assert await _rows(connection, "SELECT symbol FROM kst.v_live_positions WHERE frozen") == [
        ("035720",)
    ]
    assert await _rows(
        connection,
        "SELECT state, epoch, holder, seconds_since_renewal::FLOAT8 FROM kst.v_leases",
    ) == [("held", 2, "host-b:12", 20.0)]
