"""The search for secrets finds one that was planted, wherever it was planted."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from bus import JetStreamLog, NatsServer, RawRecorder, entry
from events import AccountId
from events.ops import Degraded
from projections import EmbeddedPostgres
from tests.chaos.secrecy import (
    Leak,
    Search,
    credentials_of,
    search_files,
    search_log,
    search_rows,
    tokens_in,
)

SECRETS = {"account": "0473829101", "token": "eyJhbGciOiJIUzUxMiJ9.planted"}


@pytest.fixture
def search() -> Search:
    return Search(SECRETS)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("told 0473829101 again", {"account"}),
        ("04738291-01", {"account"}),
        ('{"CANO":"04738291"}', {"account"}),
        ("Authorization: eyJhbGciOiJIUzUxMiJ9.planted", {"token"}),
        ('{"header":{"approval_key":"53e4b2c1"}}', {"approval_key"}),
        ('{"frame":"{\\"output\\":{\\"iv\\":\\"0123456789abcdef\\"}}"}', {"iv"}),
        ("Bearer abcdefghijklmnopqrstuvwx", {"bearer token"}),
        ("price 304738291.5, volume 1047382910", set()),
        ('{"appkey":"","iv":""}', set()),
        ("***", set()),
    ],
)
def test_a_text_is_searched_for_values_and_for_names(
    search: Search, text: str, found: set[str]
) -> None:
    """Each form of an account, tokens, and what KIS sends under a telling name."""
    search.look(text.encode(), "here")
    assert search.leaks == {Leak(secret, "here") for secret in found}


def test_a_planted_secret_is_found_in_a_file_and_not_where_it_belongs(
    search: Search, tmp_path: Path
) -> None:
    """Deep inside a large binary file; the token cache is left out."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "kis").mkdir()
    (tmp_path / "logs" / "empty.jsonl").touch()
    (tmp_path / "logs" / "gateway.jsonl").write_bytes(
        b"\x00\xff" * 500_000 + SECRETS["token"].encode() + b"\x01" * 100
    )
    (tmp_path / "kis" / "token.json").write_text(f'{{"token":"{SECRETS["token"]}"}}')
    assert tokens_in(tmp_path / "kis") == {"token.json": SECRETS["token"]}
    search_files(search, tmp_path, apart_from=(tmp_path / "kis",))
    assert search.leaks == {Leak("token", "file logs/gateway.jsonl")}


async def test_a_planted_secret_is_found_on_the_log_and_in_undecoded_frames(
    search: Search, tmp_path: Path
) -> None:
    """An event that quotes KIS, and an answer kept as received."""
    account = AccountId("secrecy")
    async with NatsServer(tmp_path) as server:
        log = await JetStreamLog.connect(server.url, account)
        detail = "refused: Bearer " + SECRETS["token"]
        event = Degraded(at=1, service="gateway", condition="c", detail=detail)
        await log.append([entry(account, event)])

        async def trouble(lost: int, reason: str) -> None:
            raise AssertionError(f"{lost} frames lost: {reason}")

        async with RawRecorder(log, on_trouble=trouble) as raw:
            raw.record("inquire-balance", 1, b'{"ctx_area_fk100":"04738291^01"}')
        entries = await search_log(search, log)
        await log.close()
    assert entries == 2
    assert {leak.secret for leak in search.leaks} >= {"account", "token"}
    assert Leak("account", "undecoded frames of inquire-balance") in search.leaks


@pytest.fixture
def folder() -> Iterator[Path]:
    # Not under pytest's own folder: PostgreSQL runs as another user and must be able to enter.
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_a_planted_secret_is_found_in_a_row(search: Search, folder: Path) -> None:
    """In any column type, in any schema."""
    with EmbeddedPostgres(folder) as server:
        with psycopg.connect(server.dsn) as connection:
            connection.execute("CREATE SCHEMA deep")
            connection.execute("CREATE TABLE deep.kept (at int, body jsonb)")
            connection.execute(
                "INSERT INTO deep.kept VALUES (1, '{\"of\": [\"04738291\"]}'), (2, '{}')"
            )
        rows = search_rows(search, server.dsn)
    assert rows == 2
    assert search.leaks == {Leak("account", "table deep.kept")}


def test_the_credentials_of_a_process_are_read_from_its_environment() -> None:
    """As a gateway has them: nowhere else."""
    names = ("KST_KIS_APP_KEY", "KST_KIS_APP_SECRET", "KST_KIS_ACCOUNT", "KST_KIS_HTS_ID")
    variables = {name: f"of-{name.lower()}" for name in names}
    code = "import sys; print(1, flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, **variables},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert credentials_of(process.pid) == variables
        process.communicate()
