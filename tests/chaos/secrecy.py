"""Looks for secrets in everything that a run has left: files, log, undecoded frames, rows.

Two searches: for the secrets' own texts, and for the names under which KIS sends those whose text
nobody kept (approval key, AES key and iv of a notice registration).
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import psycopg
from psycopg import sql

from bus import JetStreamLog, RawReader
from deploy.data_directory import DataDirectory
from deploy.log_access import open_log
from kis_gateway.client.redaction import forms
from kis_gateway.settings import (
    ACCOUNT_VARIABLE,
    APP_KEY_VARIABLE,
    APP_SECRET_VARIABLE,
    HTS_ID_VARIABLE,
)
from projections import EmbeddedPostgres

VARIABLES: Final = (APP_KEY_VARIABLE, APP_SECRET_VARIABLE, ACCOUNT_VARIABLE, HTS_ID_VARIABLE)

_WAIT: Final = 2.0
_DIGITS: Final = frozenset(b"0123456789")

_NAMED: Final = re.compile(
    rb'"(approval_key|appkey|appsecret|secretkey|access_token|iv)\\?"\s*:\s*\\?"[^"\\]'
    rb"|[Bb]earer\s+[A-Za-z0-9_-]{20}"
)


class Leak(NamedTuple):
    """A secret by its name, and where it was found."""

    secret: str
    place: str


class Search:
    """What was looked through, and what was found in it."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        """``secrets`` are texts by name; an account is looked for in all its forms."""
        self._texts = [
            (name, form.encode()) for name, secret in secrets.items() for form in forms(secret)
        ]
        self.leaks: set[Leak] = set()
        self.bytes = 0
        """How much was looked through; 0 means that nothing was there to find anything in."""

    def look(self, data: bytes | mmap.mmap, place: str) -> None:
        """Look through some bytes."""
        self.bytes += len(data)
        for name, text in self._texts:
            if _occurs(text, data):
                self.leaks.add(Leak(name, place))
        if (found := _NAMED.search(data)) is not None:
            name = (found.group(1) or b"bearer token").decode()
            self.leaks.add(Leak(name, place))


def _occurs(text: bytes, data: bytes | mmap.mmap) -> bool:
    """Tell whether a text stands in the data; a number only where no digit stands beside it."""
    at = data.find(text)
    while at >= 0:
        beside = data[max(at - 1, 0) : at] + data[at + len(text) : at + len(text) + 1]
        if not text.isdigit() or not _DIGITS.intersection(beside):
            return True
        at = data.find(text, at + 1)
    return False


def credentials_of(pid: int) -> dict[str, str]:
    """Return the broker's secrets that a process was started with, by variable."""
    entries = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    environment = dict(each.partition("=")[::2] for each in entries if each)
    return {name: environment[name] for name in VARIABLES}


def tokens_in(folder: Path) -> dict[str, str]:
    """Return the access tokens of a token cache, by the name of their file."""
    found = {}
    for file in sorted(folder.glob("*.json")):
        token = msgspec.json.decode(file.read_bytes())["token"]
        if token:
            found[file.name] = str(token)
    return found


def search_files(search: Search, folder: Path, *, apart_from: Collection[Path]) -> None:
    """Look through every file below a folder, except below ``apart_from``."""
    for file in sorted(folder.rglob("*")):
        if not file.is_file() or any(file.is_relative_to(each) for each in apart_from):
            continue
        with file.open("rb") as opened:
            if file.stat().st_size:
                with mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
                    search.look(data, f"file {file.relative_to(folder)}")


async def search_log(search: Search, log: JetStreamLog) -> int:
    """Look through subject, id and payload of every entry, and every undecoded frame.

    Returns how many entries and frames there were.
    """
    head, count = (await log.info()).last_sequence, 0
    async with log.read(topics=(">",)) as reader:
        while reader.pending:
            for recorded in await reader.batch(_WAIT):
                if recorded.sequence > head:
                    break
                search.look(recorded.payload, f"log {recorded.subject}")
                search.look(recorded.subject.encode(), f"subject of {recorded.sequence}")
                count += 1
    async for item in RawReader(log).frames():
        search.look(item.frame.payload, f"undecoded frames of {item.frame.source}")
        count += 1
    return count


def search_rows(search: Search, dsn: str) -> int:
    """Look through all columns of all rows of all tables; return how many rows there were."""
    count = 0
    with psycopg.connect(dsn) as connection:
        for schema, table in _tables(connection):
            query = sql.SQL("SELECT row_to_json(t)::text FROM {}.{} t").format(
                sql.Identifier(schema), sql.Identifier(table)
            )
            for (text,) in connection.execute(query):
                search.look(text.encode(), f"table {schema}.{table}")
                count += 1
    return count


def _tables(connection: psycopg.Connection) -> Iterator[tuple[str, str]]:
    rows = connection.execute(
        "SELECT table_schema, table_name FROM information_schema.tables"
        " WHERE table_type = 'BASE TABLE'"
        " AND table_schema NOT IN ('pg_catalog', 'information_schema')"
    )
    yield from rows.fetchall()


async def search_run(search: Search, directory: DataDirectory) -> tuple[int, int]:
    """Look through all that an ended run has left; return its entries and its rows.

    The token cache is the one place where a token belongs.
    """
    search_files(search, directory.path, apart_from=(directory.token_cache,))
    async with open_log(directory) as log:
        entries = await search_log(search, log)
    with EmbeddedPostgres(directory.path) as server:
        rows = search_rows(search, server.dsn)
    return entries, rows
