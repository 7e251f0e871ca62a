"""``kst recordings`` on the store of a run: what is said, what is left, what the exit status is."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bus import JetStreamLog, MemoryLog, NatsServer
from deploy.cli import app
from deploy.data_directory import DataDirectory
from deploy.recordings import listing
from deploy.recordings.unsealed import overdue
from events import AccountId
from tests.bus.archive.a_day import DAY, NEXT, fill, sealed
from tests.deploy.test_cli import make_run

WEEK = 7 * 86_400 * 1_000_000_000


class Run:
    """A run that has ended, with one session on its log, and the commands on it."""

    def __init__(self, folder: Path) -> None:
        self.directory = make_run(folder / "run")
        self.recordings = self.directory.recordings
        self.last = asyncio.run(_filled(self.directory))

    def kst(self, *words: str) -> tuple[int, Any]:
        """Run a command; return its exit status and its JSON answer."""
        done = CliRunner().invoke(app, [*words, "--data-dir", str(self.directory.path), "--json"])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done.exit_code, json.loads(done.stdout)

    def shown(self, *words: str) -> str:
        """Run a command as a person would; return what it shows."""
        done = CliRunner().invoke(app, [*words, "--data-dir", str(self.directory.path)])
        return done.stderr


async def _filled(directory: DataDirectory) -> int:
    async with NatsServer(directory.nats) as server:
        log = await JetStreamLog.connect(server.url, directory.manifest.account)
        try:
            last = await fill(log)
            # Entries leave the stream by their age: the seal's own must be clearly younger.
            await asyncio.sleep(1.5)
            return last
        finally:
            await log.close()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a run whose day goes through the tests of this module in their order."""
    return Run(tmp_path_factory.mktemp("recordings"))


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "400")


@pytest.mark.parametrize("command", ["seal", "list", "verify", "prune", "copy"])
def test_every_help_ends_with_an_example(command: str) -> None:
    """The quickest way to learn a command is to see it used."""
    result = CliRunner().invoke(app, ["recordings", command, "--help"])
    assert result.exit_code == 0
    assert f"Example: kst recordings {command}" in result.output


def test_a_session_that_is_over_waits_to_be_sealed(run: Run) -> None:
    """The list says when it leaves the stream."""
    status, answer = run.kst("recordings", "list")
    (day,) = answer["days"]
    assert (status, day["state"], day["entries"]) == (0, "waiting", run.last)
    assert (day["on_stream"], day["digest"]) == (run.last, None)
    assert day["expires_at"] - time.time_ns() == pytest.approx(45 * WEEK / 7, rel=0.01)


def test_after_a_week_it_is_an_alarm(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exit status is 1, and the words say what to do and until when."""
    later = time.time_ns() + WEEK + 1_000_000_000
    monkeypatch.setattr(
        listing, "time", type("later", (), {"time_ns": staticmethod(lambda: later)})
    )
    status, answer = run.kst("recordings", "list")
    assert (status, answer["days"][0]["state"]) == (1, "overdue")
    assert "20250915 has not been sealed for more than a week" in run.shown("recordings", "list")


def test_sealing_says_what_was_sealed(run: Run) -> None:
    """Once; a second time there is nothing to do."""
    status, answer = run.kst("recordings", "seal")
    (day,) = answer["sealed"]
    assert (status, day["trading_date"], day["entries"]) == (0, DAY, run.last)
    assert (day["first"], day["last"]) == (1, run.last)
    assert run.kst("recordings", "seal") == (0, {"sealed": [], "going": []})
    status, again = run.kst("recordings", "seal", "2025-09-15")
    assert (status, again["sealed"][0]["seconds"]) == (0, 0.0)
    assert again["sealed"][0]["digest"] == day["digest"]
    assert "nothing to seal" in run.shown("recordings", "seal")


def test_verifying_names_a_damaged_file(run: Run) -> None:
    """Exit status 1 and the file; 0 when it is as it was."""
    file = run.recordings / "demo" / DAY / "trades.parquet"
    sound = file.read_bytes()
    file.write_bytes(sound[:200] + b"?" + sound[201:])
    status, answer = run.kst("recordings", "verify")
    assert status == 1
    assert answer["days"][0]["flaws"][0]["file"] == "trades.parquet"
    assert f"changed: {file}" in run.shown("recordings", "verify")
    status, answer = run.kst("recordings", "prune", "2025-09-15")
    assert (status, answer["error"]["kind"]) == (1, "PruneRefused")
    file.write_bytes(sound)
    status, answer = run.kst("recordings", "verify", "2025-09-15")
    assert (status, answer["days"][0]["sound"]) == (0, True)
    status, answer = run.kst("recordings", "verify", "2025-09-16")
    assert (status, answer["error"]["kind"]) == (1, "DayNotSealed")


def test_pruning_leaves_the_day_in_the_recordings(run: Run) -> None:
    """The stream begins after it; the list says so, and readers find everything."""
    status, answer = run.kst("recordings", "prune", "2025-09-15")
    assert status == 0
    assert answer["pruned"]["first_sequence"] + answer["pruned"]["sealed"] == run.last + 1
    status, answer = run.kst("recordings", "list")
    assert (status, answer["days"][0]["state"]) == (0, "sealed")
    assert answer["days"][0]["on_stream"] < run.last
    _, health = run.kst("status")
    # The summary is folded from the first entry on; the seal's own event is the last of them.
    assert sum(health["events"].values()) == run.last + 1


def test_a_copy_is_listed_and_verified_where_it_is(run: Run, tmp_path: Path) -> None:
    """A folder of recordings needs no run."""
    words = ["recordings", "copy", str(run.recordings), str(tmp_path / "copy"), "--json"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0
    assert json.loads(done.stdout)["days"][0]["written"] == 13
    for command in ("list", "verify"):
        words = ["recordings", command, "--recordings", str(tmp_path / "copy"), "--json"]
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0
        assert json.loads(done.stdout)["days"][0]["entries"] == run.last


def test_where_nothing_is_sealed_nothing_is_proved(tmp_path: Path) -> None:
    """An empty folder is no success."""
    for command, status in (("verify", 1), ("list", 0)):
        words = ["recordings", command, "--recordings", str(tmp_path), "--json"]
        done = CliRunner().invoke(app, words)
        assert (done.exit_code, json.loads(done.stdout)) == (status, {"days": []})


async def test_sessions_are_overdue_after_a_week(tmp_path: Path) -> None:
    """Those that are sealed never are."""
    directory = make_run(tmp_path / "run")
    log = MemoryLog(AccountId("demo"))
    await fill(log)
    second = await fill(log, NEXT) - 20 * 13 - 5
    assert await overdue(directory, log, WEEK) == []
    assert await overdue(directory, log, WEEK + 2) == [(DAY, 7)]
    assert await overdue(directory, log, WEEK + second + 1) == [(DAY, 7), (NEXT, 7)]
    await sealed(log, directory.recordings)
    assert await overdue(directory, log, WEEK + second + 1) == [(NEXT, 7)]


def _kst(*arguments: str) -> tuple[int, Any]:
    result = subprocess.run(
        [sys.executable, "-m", "deploy", *arguments, "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    return result.returncode, json.loads(result.stdout)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_pruned_day_is_verified_from_its_recording(tmp_path: Path) -> None:
    """A whole simulated day: every decision is derived again after the stream has forgotten it."""
    run = str(tmp_path / "run")
    status, day = _kst("demo", "--symbols", "12", "--speed", "400", "--data-dir", run)
    assert day["intents"] > 0, status
    before = _kst("verify", "--data-dir", run)
    assert (before[0], before[1]["divergences"]) == (0, 0)
    assert _kst("recordings", "seal", "--data-dir", run)[0] == 0
    status, pruned = _kst("recordings", "prune", "2025-09-15", "--data-dir", run)
    assert (status, pruned["pruned"]["sealed"]) == (0, 0)
    after = _kst("verify", "--data-dir", run)
    assert after == before
    status, rebuilt = _kst("rebuild", "--data-dir", run)
    assert (status, rebuilt["checksum"]) == (0, rebuilt["live_checksum"])
