"""Rows and checkpoint in and out of PostgreSQL, for one account in one schema.

A write puts every changed row and the checkpoint into one transaction, and only if the checkpoint
is still where this writer left it. Rows go out as multi-row upserts in one pipeline: measured
against COPY into temporary tables, that is four times faster for the few rows of a live batch and
half as fast for thousands, which only a rebuild has.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Final, TypeVar

import msgspec
from psycopg import sql
from psycopg.rows import class_row

from events import AccountId
from projections.checkpoint import Checkpoint
from projections.errors import CheckpointMoved
from projections.read_model import ReadModel, Rows
from projections.rows import Table
from projections.schema import SCHEMA_VERSION, Connection

R = TypeVar("R", bound=msgspec.Struct)

CHECKPOINT_COLUMNS: Final = ("account", *Checkpoint.__struct_fields__, "schema_version")
"""Stored columns of the table ``checkpoint``."""


class Store:
    """The tables of one account."""

    def __init__(self, connection: Connection, schema: str, account: AccountId) -> None:
        self._connection = connection
        self._schema = schema
        self._account = account

    async def checkpoint(self) -> Checkpoint | None:
        """Return how far the account is folded, ``None`` when it never was."""
        query = sql.SQL("SELECT {} FROM {} WHERE account = %s").format(
            sql.SQL(", ").join(map(sql.Identifier, Checkpoint.__struct_fields__)),
            sql.Identifier(self._schema, "checkpoint"),
        )
        async with self._connection.cursor(row_factory=class_row(Checkpoint)) as cursor:
            await cursor.execute(query, (self._account,))
            return await cursor.fetchone()

    async def load(self) -> ReadModel:
        """Return the resident rows as the tables hold them."""
        model = ReadModel(self._account)
        for table in model.tables:
            if table.table.resident is not None:
                table.load(await self._select(table.table, table.table.resident, {}))
        return model

    async def fetch_orders(self, model: ReadModel, order_ids: set[str]) -> None:
        """Take in the named orders, those that exist."""
        await self._fetch(model.orders, "order_id = ANY(%(ids)s)", order_ids)

    async def fetch_intents(self, model: ReadModel, intent_ids: set[str]) -> None:
        """Take in the named intents, those that exist."""
        await self._fetch(model.intents, "intent_id = ANY(%(ids)s)", intent_ids)

    async def fetch_trades(self, model: ReadModel, trade_ids: set[str]) -> None:
        """Take in the named round trips, those that exist."""
        await self._fetch(model.trades, "trade_id = ANY(%(ids)s)", trade_ids)

    async def _fetch(self, into: Rows[R], condition: str, ids: set[str]) -> None:
        if ids:
            into.load(await self._select(into.table, condition, {"ids": sorted(ids)}))

    async def _select(
        self, table: Table[R], condition: str, parameters: dict[str, Any]
    ) -> Sequence[R]:
        columns = [
            sql.SQL("{0}::TEXT AS {0}" if name in table.json else "{0}").format(
                sql.Identifier(name)
            )
            for name in table.columns
        ]
        query = sql.SQL("SELECT {} FROM {} WHERE account = %(account)s AND ").format(
            sql.SQL(", ").join(columns), sql.Identifier(self._schema, table.name)
        )
        # The conditions are constants of this package.
        query += sql.SQL(condition)
        async with self._connection.cursor(row_factory=class_row(table.row)) as cursor:
            await cursor.execute(query, {"account": self._account, **parameters})
            return await cursor.fetchall()

    async def write(self, model: ReadModel, previous: Checkpoint | None, now: Checkpoint) -> None:
        """Write every changed row and move the checkpoint, all or nothing.

        Raises:
            CheckpointMoved: the checkpoint is not ``previous`` any more; nothing was written.
        """
        async with self._connection.transaction():
            # First of all: its row lock keeps a second writer out until this one is through.
            await self._move(previous, now)
            async with self._connection.pipeline(), self._connection.cursor() as cursor:
                for table in model.tables:
                    if changed := table.changed:
                        await cursor.executemany(
                            upsert(self._schema, table.table),
                            [msgspec.structs.astuple(row) for row in changed],
                        )
        model.written()

    async def _move(self, previous: Checkpoint | None, now: Checkpoint) -> None:
        table = sql.Identifier(self._schema, "checkpoint")
        names = CHECKPOINT_COLUMNS[1:]
        values = (*msgspec.structs.astuple(now), SCHEMA_VERSION)
        columns = sql.SQL(", ").join(map(sql.Identifier, names))
        placeholders = sql.SQL(", ").join(sql.Placeholder() * len(names))
        if previous is None:
            query = sql.SQL(
                "INSERT INTO {} (account, {}) VALUES (%s, {}) ON CONFLICT DO NOTHING"
            ).format(table, columns, placeholders)
            cursor = await self._connection.execute(query, (self._account, *values))
        else:
            query = sql.SQL(
                "UPDATE {} SET ({}) = ROW({})"
                " WHERE account = %s AND last_sequence = %s AND digest = %s"
            ).format(table, columns, placeholders)
            cursor = await self._connection.execute(
                query, (*values, self._account, previous.last_sequence, previous.digest)
            )
        if cursor.rowcount != 1:
            raise CheckpointMoved(self._account, 0 if previous is None else previous.last_sequence)


@cache
def upsert(schema: str, table: Table[Any]) -> sql.Composed:
    """Return the statement that inserts a row of a table or replaces the one of its key."""
    key = ("account", *table.key_columns)
    rest = [name for name in table.columns if name not in key]
    return sql.SQL("INSERT INTO {} ({}) VALUES ({}) ON CONFLICT ({}) DO UPDATE SET {}").format(
        sql.Identifier(schema, table.name),
        sql.SQL(", ").join(map(sql.Identifier, table.columns)),
        sql.SQL(", ").join(sql.Placeholder() * len(table.columns)),
        sql.SQL(", ").join(map(sql.Identifier, key)),
        sql.SQL(", ").join(
            sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in rest
        ),
    )
