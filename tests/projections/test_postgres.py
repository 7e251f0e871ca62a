"""The embedded server: starts, stops, is found again, and says what is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from projections import (
    DatabaseStartFailed,
    DatabaseUnreachable,
    DataDirectoryVersion,
    EmbeddedPostgres,
    database,
)
from projections.postgres import _package


def test_rows_survive_a_restart_and_a_crash_of_the_owner(data_directory: Path) -> None:
    """Stopped properly it is gone; what a killed owner left behind does not keep it running."""
    with EmbeddedPostgres(data_directory) as server, psycopg.connect(server.dsn) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS answer")
    folder = data_directory / "postgres"
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(f"host={folder} user=postgres")

    dead = _dead_process()
    (folder / ".handle_pids.json").write_text(json.dumps([dead]))
    # Another program has taken the process id of the server that died with the machine.
    (folder / "postmaster.pid").write_text(
        "\n".join([str(os.getpid()), str(folder), "1", "5432", str(folder), "", "1 1", "ready"])
    )
    with EmbeddedPostgres(data_directory) as server, psycopg.connect(server.dsn) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (7,)
    assert not (folder / "postmaster.pid").exists()


def test_a_start_that_takes_longer_than_the_package_waits_is_waited_for(
    data_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A busy machine or a recovery is no failure: the server that goes on starting is found."""
    package = _package()
    start, calls = package.PostgresServer.start, []

    def impatient(server: object) -> None:
        start(server)
        calls.append(1)
        if len(calls) == 1:
            raise subprocess.TimeoutExpired("pg_ctl", 10)

    monkeypatch.setattr(package.PostgresServer, "start", impatient)
    with EmbeddedPostgres(data_directory) as server, psycopg.connect(server.dsn) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert len(calls) == 2


def _dead_process() -> int:
    with subprocess.Popen(["/bin/true"]) as process:
        process.wait()
    return process.pid


def test_a_folder_of_another_version_is_refused_with_the_remedy(data_directory: Path) -> None:
    """PostgreSQL cannot read it, and nothing in it is worth migrating."""
    (data_directory / "postgres").mkdir()
    (data_directory / "postgres" / "PG_VERSION").write_text("12\n")
    with pytest.raises(DataDirectoryVersion, match=r"PostgreSQL 12.*delete .*kst rebuild"):
        EmbeddedPostgres(data_directory).start()


def test_a_place_that_cannot_hold_a_server_is_a_typed_error(data_directory: Path) -> None:
    """A file where the folder should be."""
    (data_directory / "postgres").write_text("in the way")
    with pytest.raises(DatabaseStartFailed, match="KST_DATABASE_URL"):
        EmbeddedPostgres(data_directory).start()


def test_a_given_address_is_used_and_must_answer(server_address: str, data_directory: Path) -> None:
    """No embedded server is started beside it."""
    with database(data_directory, url=server_address) as dsn:
        assert dsn == server_address
    assert not (data_directory / "postgres").exists()
    with (
        pytest.raises(DatabaseUnreachable, match=r"127\.0\.0\.1:1/kst"),
        database(data_directory, url="postgresql://me:s3cret@127.0.0.1:1/kst"),
    ):
        pass


@pytest.mark.parametrize("runtime", [None, "/nonexistent"])
def test_no_warning_reaches_the_user_whatever_the_runtime_directory(
    data_directory: Path, runtime: str | None
) -> None:
    """Service managers and containers often set none; the caller's environment stays as it is."""
    environment = {key: value for key, value in os.environ.items() if key != "XDG_RUNTIME_DIR"}
    if runtime is not None:
        environment["XDG_RUNTIME_DIR"] = runtime
    program = (
        "import os, pathlib, sys\n"
        "from projections.postgres import _package\n"
        "package = _package()\n"
        "print(package.PostgresServer.runtime_path, os.environ.get('XDG_RUNTIME_DIR'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env=environment,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == [
        f"/tmp/kst-runtime-{os.geteuid()}/python_PostgresServer",
        str(runtime),
    ]
