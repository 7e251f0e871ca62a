"""The tables as a whole: made in one transaction, recognised by a fingerprint, never migrated.

The version of a schema is the SHA-256 of its definition and stands in the schema's comment. Rows
are derived from the log, so another version is rebuilt, not altered.
"""

from __future__ import annotations

from hashlib import sha256
from importlib import resources
from typing import Any, Final

import psycopg
from psycopg import sql

from projections.errors import DatabaseUnreachable, SchemaMismatch

LIVE_SCHEMA: Final = "kst"
"""Schema that holds the read models in use."""

_DEFINITION: Final = "\n".join(
    resources.files("projections").joinpath(name).read_text(encoding="utf-8")
    for name in ("schema.sql", "views.sql")
)

SCHEMA_VERSION: Final = sha256(_DEFINITION.encode()).hexdigest()[:16]
"""Fingerprint of the definition that this code reads and writes."""

_COMMENT: Final = "k-stock-trader read models, version "
_CREATION_LOCK: Final = 7_519_236_401
"""Any number of our own: two projectors starting at once must not both create the tables."""

Connection = psycopg.AsyncConnection[Any]


async def connect(dsn: str) -> Connection:
    """Return a connection in autocommit mode whose session shows times in UTC.

    Its commits do not wait for the disk: rows and checkpoint commit together, so a crash of the
    server can only take both back, and the log still has the events.

    Raises:
        DatabaseUnreachable: nothing answers, or the address is no address.
    """
    try:
        connection = await psycopg.AsyncConnection.connect(
            dsn, autocommit=True, connect_timeout=10, application_name="kst-projections"
        )
        await connection.execute("SET timezone = 'UTC'")
        await connection.execute("SET synchronous_commit = off")
    except psycopg.OperationalError as error:
        raise DatabaseUnreachable(address(dsn), str(error).splitlines()[0]) from error
    except psycopg.ProgrammingError:
        # The original message may quote the address, password included: it is not passed on.
        raise DatabaseUnreachable(
            address(dsn), "the address is no valid PostgreSQL connection string"
        ) from None
    return connection


def address(dsn: str) -> str:
    """Return host and database of a connection string, never its password."""
    try:
        parts = psycopg.conninfo.conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        return "an unreadable address"
    host = parts.get("host") or "localhost"
    port = f":{parts['port']}" if parts.get("port") else ""
    return f"{host}{port}/{parts.get('dbname') or ''}"


async def installed_version(connection: Connection, schema: str) -> str | None:
    """Return the version of a schema, ``""`` when it is not ours, ``None`` when there is none."""
    cursor = await connection.execute(
        "SELECT coalesce(obj_description(oid, 'pg_namespace'), '')"
        " FROM pg_namespace WHERE nspname = %s",
        (schema,),
    )
    found = await cursor.fetchone()
    if found is None:
        return None
    comment = str(found[0])
    return comment.removeprefix(_COMMENT) if comment.startswith(_COMMENT) else ""


async def install(connection: Connection, schema: str) -> None:
    """Create the tables and views in a new schema."""
    async with connection.transaction():
        await connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
        await connection.execute(
            sql.SQL("SET LOCAL search_path TO {}").format(sql.Identifier(schema))
        )
        await connection.execute(_DEFINITION.encode())
        await connection.execute(
            sql.SQL("COMMENT ON SCHEMA {} IS {}").format(
                sql.Identifier(schema), sql.Literal(_COMMENT + SCHEMA_VERSION)
            )
        )


async def require_schema(connection: Connection, schema: str = LIVE_SCHEMA) -> None:
    """Create the schema if it is missing; otherwise check that it is of this version.

    Raises:
        SchemaMismatch: it is of another version or not ours.
    """
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_CREATION_LOCK,))
        found = await installed_version(connection, schema)
        if found is None:
            await install(connection, schema)
        elif found != SCHEMA_VERSION:
            raise SchemaMismatch(schema, found, SCHEMA_VERSION)


async def drop(connection: Connection, schema: str) -> None:
    """Remove a schema and everything in it."""
    await connection.execute(
        sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema))
    )
