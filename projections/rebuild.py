"""Proof that the tables are nothing but the log: fold it again from the start and compare.

The rebuilt rows stand in a schema of their own until they are compared at the very sequence the
live rows stand at. Equal: they are dropped, the live rows were right. Different, absent or of
another version: they are folded on to the end of the log and take the live rows' place.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
from psycopg import IsolationLevel, sql

from bus import Log, Recorded
from events import AccountId
from projections import rows
from projections.checkpoint import Checkpoint
from projections.checksum import row_checksum
from projections.fold import TOPICS
from projections.projector import Projector
from projections.schema import (
    LIVE_SCHEMA,
    SCHEMA_VERSION,
    Connection,
    connect,
    drop,
    install,
    installed_version,
)
from projections.store import CHECKPOINT_COLUMNS, Store

_BATCH: Final = 5_000
_WAIT: Final = 0.2


class RebuildReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a rebuild found.

    ``rows`` and ``checksum`` are of the rebuilt rows at sequence ``position``; ``live_checksum`` is
    of the live rows at ``live_position``, both ``None`` when there was nothing to compare with,
    and then ``position`` is the end of the log. ``log_position`` is the log's last sequence.
    ``set_aside`` counts entries that are no events. ``replaced`` says that the rebuilt rows have
    taken the place of the live ones.
    """

    rows: int
    checksum: str
    live_checksum: str | None
    events: int
    events_per_s: float
    position: int
    live_position: int | None
    log_position: int
    set_aside: int
    replaced: bool

    @property
    def matches(self) -> bool:
        """Whether the live rows were exactly what the log says."""
        return self.live_checksum == self.checksum

    @property
    def live_behind(self) -> int:
        """Log entries past the live rows; some may be of topics that no row needs."""
        return self.log_position - (self.live_position or 0)


class _Live(NamedTuple):
    checkpoint: Checkpoint
    rows: int
    checksum: str


async def rebuild(log: Log, dsn: str) -> RebuildReport:
    """Fold the whole log into fresh tables, compare with the live ones, replace those if wrong.

    Other accounts' rows in the same database are left alone, unless the schema is of another
    version: then all tables are made anew and the other accounts' projectors refill theirs.

    Raises:
        DatabaseUnreachable: no database answers.
        BusError: the log cannot be read.
    """
    connection = await connect(dsn)
    async with connection:
        live = await _live(connection, log)
        schema = await _fresh_name(connection)
        await install(connection, schema)
        try:
            return await _Rebuild(connection, log, schema, live).run()
        finally:
            await drop(connection, schema)


class _Rebuild:
    def __init__(self, connection: Connection, log: Log, schema: str, live: _Live | None) -> None:
        self._connection = connection
        self._log = log
        self._schema = schema
        self._live = live
        self._events = 0
        self._set_aside = 0

    async def run(self) -> RebuildReport:
        identity = await self._log.info()
        clock = asyncio.get_running_loop()
        begun = clock.time()
        projector = await Projector.open(self._connection, self._log, self._schema)
        comparable = self._live if self._comparable(identity.last_sequence) else None
        until = None if comparable is None else comparable.checkpoint.last_sequence
        await self._fold(projector, until)
        seconds = max(clock.time() - begun, 1e-9)
        count, checksum = await row_checksum(self._connection, self._schema, self._log.account)
        position = projector.position
        replaced = comparable is None or comparable.checksum != checksum
        if replaced:
            await self._fold(projector, None)
            await _replace(self._connection, self._schema, self._log.account)
        return RebuildReport(
            rows=count,
            checksum=checksum,
            live_checksum=None if self._live is None else self._live.checksum,
            events=self._events,
            events_per_s=self._events / seconds,
            position=position,
            live_position=None if self._live is None else self._live.checkpoint.last_sequence,
            log_position=identity.last_sequence,
            set_aside=self._set_aside,
            replaced=replaced,
        )

    def _comparable(self, last_sequence: int) -> bool:
        """Whether the log still reaches to where the live rows stand."""
        return self._live is not None and self._live.checkpoint.last_sequence <= last_sequence

    async def _fold(self, projector: Projector, until: int | None) -> None:
        """Fold on to sequence ``until``, or to the end of the log."""
        waiting: list[Recorded] = []
        at_least = await _surely_there(self._log) if until is None else until
        async with self._log.read(after=projector.position, topics=TOPICS) as reader:
            while until is None or projector.position < until:
                batch = await reader.batch(_WAIT)
                waiting.extend(e for e in batch if until is None or e.sequence <= until)
                drained = not batch and reader.pending == 0
                reached = waiting[-1].sequence if waiting else projector.position
                ended = (drained and reached >= at_least) or _passed(batch, until)
                if len(waiting) >= _BATCH or ended:
                    self._set_aside += len(await projector.take(waiting))
                    await projector.commit()
                    self._events += len(waiting)
                    waiting = []
                if ended:
                    return


async def _surely_there(log: Log) -> int:
    """Return a sequence that a reader of ``TOPICS`` must come to.

    A reader that has lost its server has nothing to hand out either; this tells it from the end.
    """
    last = [await log.last(topic) for topic in ("market.clock", "trading.account")]
    return max(0 if recorded is None else recorded.sequence for recorded in last)


def _passed(batch: Sequence[Recorded], until: int | None) -> bool:
    return until is not None and bool(batch) and batch[-1].sequence >= until


async def _live(connection: Connection, log: Log) -> _Live | None:
    """Return where the live rows stand and their checksum, as of one instant."""
    if await installed_version(connection, LIVE_SCHEMA) != SCHEMA_VERSION:
        return None
    await connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
    try:
        async with connection.transaction():
            checkpoint = await Store(connection, LIVE_SCHEMA, log.account).checkpoint()
            if checkpoint is None:
                return None
            count, checksum = await row_checksum(connection, LIVE_SCHEMA, log.account)
    finally:
        await connection.set_isolation_level(None)
    return _Live(checkpoint, count, checksum)


async def _fresh_name(connection: Connection) -> str:
    cursor = await connection.execute(
        "SELECT coalesce(max(substring(nspname FROM 'kst_rebuild_([0-9]+)$')::BIGINT), 0) + 1"
        " FROM pg_namespace WHERE nspname ~ '^kst_rebuild_[0-9]+$'"
    )
    found = await cursor.fetchone()
    assert found is not None
    return f"kst_rebuild_{found[0]}"


async def _replace(connection: Connection, schema: str, account: AccountId) -> None:
    """Put the rebuilt rows in the place of the live ones, in one transaction."""
    async with connection.transaction():
        if await installed_version(connection, LIVE_SCHEMA) != SCHEMA_VERSION:
            await drop(connection, LIVE_SCHEMA)
            await connection.execute(
                sql.SQL("ALTER SCHEMA {} RENAME TO {}").format(
                    sql.Identifier(schema), sql.Identifier(LIVE_SCHEMA)
                )
            )
            return
        stored = {table.name: table.columns for table in rows.ALL}
        stored["checkpoint"] = CHECKPOINT_COLUMNS
        for name, columns_of in stored.items():
            live = sql.Identifier(LIVE_SCHEMA, name)
            await connection.execute(
                sql.SQL("DELETE FROM {} WHERE account = %s").format(live), (account,)
            )
            columns = sql.SQL(", ").join(map(sql.Identifier, columns_of))
            await connection.execute(
                sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {}").format(
                    live, columns, columns, sql.Identifier(schema, name)
                )
            )
