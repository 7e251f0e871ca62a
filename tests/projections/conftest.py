"""A real PostgreSQL for the tests of this room: embedded, on a socket in a temporary folder."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest

from projections import EmbeddedPostgres, connect
from projections.schema import Connection


@pytest.fixture
def data_directory() -> Iterator[Path]:
    """Yield a folder that a server can live in.

    Not pytest's own: every start of pytest closes the folder above all of those to other users,
    and as root the server is one.
    """
    with tempfile.TemporaryDirectory(prefix="kst-test-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def server_address() -> Iterator[str]:
    """Yield the address of one server for the whole run."""
    with (
        tempfile.TemporaryDirectory(prefix="kst-test-") as folder,
        EmbeddedPostgres(Path(folder)) as server,
    ):
        yield server.dsn


@pytest.fixture
def dsn(server_address: str) -> str:
    """Return the address of a database without any of our schemas."""
    with psycopg.connect(server_address, autocommit=True) as connection:
        names = connection.execute(
            "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'kst%'"
        ).fetchall()
        connection.execute("SET client_min_messages = warning; SET synchronous_commit = off")
        for (name,) in names:
            connection.execute(f'DROP SCHEMA "{name}" CASCADE')
    return server_address


@pytest.fixture
async def connection(dsn: str) -> AsyncIterator[Connection]:
    """Yield a connection to an empty database."""
    async with await connect(dsn) as opened:
        yield opened
