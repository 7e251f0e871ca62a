"""A run's directory: made once, held by one process, refused when it is another version's."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.data_directory import (
    LAYOUT,
    DataDirectory,
    Manifest,
    Ports,
    RunLock,
    find_run,
    is_running,
    new_run,
    point_latest_at,
)
from deploy.errors import DirectoryInUse, DirectoryNotEmpty, DirectoryVersion, NoRun
from events import AccountId, TradingDate

MANIFEST = Manifest(
    layout=LAYOUT,
    account=AccountId("demo"),
    trading_date=TradingDate("20250915"),
    start=1_757_893_200_000_000_000,
    speed=180.0,
    bars=None,
    seed=7,
    symbols=8,
    strategies=("kmp",),
    code_version="0.1.0",
    ports=Ports(nats=14222, rest=14223, feed=14224, admin=14225),
)


def test_a_new_directory_opens_with_the_manifest_it_was_made_with(tmp_path: Path) -> None:
    """What ``create`` wrote, ``open`` reads."""
    DataDirectory.create(tmp_path / "run", MANIFEST)
    assert DataDirectory.open(tmp_path / "run").manifest == MANIFEST


def test_the_folder_of_broker_tokens_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    """A token is a secret for a day."""
    directory = DataDirectory.create(tmp_path / "run", MANIFEST)
    assert directory.token_cache.stat().st_mode & 0o777 == 0o700


def test_a_directory_with_files_is_not_used_for_a_new_run(tmp_path: Path) -> None:
    """Nothing is overwritten."""
    (tmp_path / "precious").write_text("x")
    with pytest.raises(DirectoryNotEmpty):
        DataDirectory.create(tmp_path, MANIFEST)
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


def test_a_directory_of_another_layout_is_refused_before_its_manifest_is_read(
    tmp_path: Path,
) -> None:
    """A later layout may hold fields that this version does not know."""
    (tmp_path / "manifest.json").write_text(json.dumps({"layout": 99, "novelty": True}))
    with pytest.raises(DirectoryVersion, match="layout 99, this version of kst uses 1"):
        DataDirectory.open(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"layout": 1}', '{"layout": "one"}'])
def test_an_unreadable_manifest_is_no_run(tmp_path: Path, text: str) -> None:
    """A damaged manifest is named as such."""
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(NoRun, match=r"manifest\.json cannot be read"):
        DataDirectory.open(tmp_path)


def test_an_empty_directory_is_no_run(tmp_path: Path) -> None:
    """Without a manifest there is no run."""
    with pytest.raises(NoRun, match=r"it has no manifest\.json"):
        DataDirectory.open(tmp_path)


def test_a_second_process_cannot_take_the_lock_and_learns_who_has_it(tmp_path: Path) -> None:
    """Two runs cannot share a directory; the error names the holder's process id."""
    directory = DataDirectory.create(tmp_path / "run", MANIFEST)
    program = (
        "import sys, pathlib\n"
        "from deploy.data_directory import DataDirectory, RunLock\n"
        "with RunLock(DataDirectory.open(pathlib.Path(sys.argv[1]))):\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.readline()\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", program, str(directory.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    with holder, holder.stdin:
        assert holder.stdout.readline() == "held\n"
        assert is_running(directory)
        with pytest.raises(DirectoryInUse, match=f"kst process {holder.pid}"), RunLock(directory):
            pass
        holder.kill()
        holder.wait()
    # The kernel let go of it although nobody unlocked.
    assert not is_running(directory)


def test_runs_of_one_date_are_numbered_and_latest_leads_to_the_last(tmp_path: Path) -> None:
    """Default places: ``<date>-<n>`` and a link."""
    first = new_run(tmp_path, TradingDate("20250915"))
    point_latest_at(first)
    second = new_run(tmp_path, TradingDate("20250915"))
    point_latest_at(second)
    assert [first.name, second.name] == ["2025-09-15-1", "2025-09-15-2"]
    assert (tmp_path / "latest").resolve() == second


def test_the_latest_run_is_found_when_none_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``kst verify`` without a directory means the run just made here."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NoRun, match="no run has been started from this directory"):
        find_run(None)
    path = new_run(Path("kst-data"), TradingDate("20250915"))
    DataDirectory.create(path, MANIFEST)
    point_latest_at(path)
    assert find_run(None).path == path.resolve()
