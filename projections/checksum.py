"""A checksum over all rows of a schema: equal rows, equal checksum, wherever they lie on disk."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from psycopg import sql

from events import AccountId
from projections import rows
from projections.schema import Connection

TABLES: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("checkpoint", ("account",)),
    *((table.name, ("account", *table.key_columns)) for table in rows.ALL),
)
"""Every table with its primary key."""


async def row_checksum(
    connection: Connection, schema: str, account: AccountId | None = None
) -> tuple[int, str]:
    """Return (number of rows, SHA-256 in hex) over every column of every table of ``schema``.

    ``account`` limits it to one account's rows. Tables are read one after the other: call it in a
    repeatable-read transaction when somebody may write meanwhile.
    """
    total = 0
    digest = sha256()
    await connection.execute("SET timezone = 'UTC'")
    for name, key in TABLES:
        order = sql.SQL(", ").join(
            sql.SQL('r.{}::TEXT COLLATE "C"').format(sql.Identifier(column)) for column in key
        )
        query = sql.SQL(
            "SELECT count(*), coalesce(encode(sha256(convert_to(string_agg("
            "encode(sha256(convert_to(r::TEXT, 'UTF8')), 'hex'), '' ORDER BY {}), 'UTF8')), 'hex'),"
            " '') FROM {} r WHERE %(account)s::TEXT IS NULL OR r.account = %(account)s"
        ).format(order, sql.Identifier(schema, name))
        cursor = await connection.execute(query, {"account": account})
        found = await cursor.fetchone()
        assert found is not None
        count, checksum = int(found[0]), str(found[1])
        total += count
        digest.update(f"{name} {count} {checksum}\n".encode())
    return total, digest.hexdigest()
