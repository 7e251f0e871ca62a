"""Time for shells: scaled, shared between processes, held, and by hand."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bus import ManualTime, Progress, SharedTime, SystemTime
from bus.errors import DataDirectoryError

SECOND = 1_000_000_000


def test_a_new_run_clock_stands_still_at_its_start(tmp_path: Path) -> None:
    """Nothing moves before the run is let go."""
    clock = SharedTime.create(tmp_path / "clock", start=1_000 * SECOND, speed=100)
    assert clock.now() == 1_000 * SECOND
    assert (clock.rate, clock.speed, clock.start) == (0, 100, 1_000 * SECOND)


async def test_a_run_clock_is_faster_than_the_wall(tmp_path: Path) -> None:
    """Ten simulated seconds at 1,000 x take ten milliseconds, not ten seconds."""
    clock = SharedTime.create(tmp_path / "clock", start=0, speed=1_000)
    clock.set_rate(1_000)
    begun = time.monotonic()
    await clock.sleep(10)
    assert clock.now() >= 10 * SECOND
    assert time.monotonic() - begun < 5


async def test_holding_the_clock_holds_sleepers(tmp_path: Path) -> None:
    """A rate of zero stops time for everybody, and a new rate goes on from there."""
    clock = SharedTime.create(tmp_path / "clock", start=0, speed=1)
    reader = SharedTime(tmp_path / "clock")
    sleeper = asyncio.ensure_future(reader.sleep(1_000))
    await asyncio.sleep(0.06)
    assert not sleeper.done()
    assert reader.now() == 0
    clock.set_rate(1_000_000)
    await sleeper
    assert reader.now() >= 1_000 * SECOND


def test_another_process_reads_the_same_time(tmp_path: Path) -> None:
    """The clock is one for all processes of a run."""
    clock = SharedTime.create(tmp_path / "clock", start=5_000 * SECOND, speed=10)
    clock.set_rate(10)
    before = clock.now()
    code = (
        "from pathlib import Path; from bus import SharedTime; "
        f"print(SharedTime(Path({str(tmp_path / 'clock')!r})).now())"
    )
    seen = int(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
    assert before < seen < clock.now()


@pytest.mark.parametrize("content", [b"", b"x" * 56])
def test_a_file_that_is_no_clock_is_refused(tmp_path: Path, content: bytes) -> None:
    """Missing, empty or foreign files are typed errors."""
    path = tmp_path / "clock"
    path.write_bytes(content)
    with pytest.raises(DataDirectoryError):
        SharedTime(path)
    with pytest.raises(DataDirectoryError, match="no run clock"):
        SharedTime(tmp_path / "none")


def test_time_outs_scale_but_keep_a_floor(tmp_path: Path) -> None:
    """A fast clock does not shorten a wait below what the machine needs."""
    clock = SharedTime.create(tmp_path / "clock", start=0, speed=100)
    assert clock.timeout(2) == 2
    assert clock.timeout(20) == 5
    assert clock.timeout(1_000) == 10
    assert SystemTime().timeout(20) == 20


async def test_a_manual_clock_wakes_sleepers_in_order() -> None:
    """Advancing far runs every sleeper on the way at its own time."""
    clock = ManualTime(0)
    woken: list[tuple[str, int]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((name, clock.now()))

    async with asyncio.TaskGroup() as group:
        group.create_task(sleeper("b", 2))
        group.create_task(sleeper("a", 1))
        await asyncio.sleep(0)
        await clock.advance(5)
    assert woken == [("a", SECOND), ("b", 2 * SECOND)]
    assert clock.now() == 5 * SECOND


def test_progress_is_read_by_path(tmp_path: Path) -> None:
    """What a service reports is what a reader sees; nothing before the first report."""
    assert Progress.read(tmp_path / "p") is None
    progress = Progress(tmp_path / "p")
    assert Progress.read(tmp_path / "p") is None
    progress.report(17, 3)
    seen = Progress.read(tmp_path / "p")
    assert seen is not None
    assert (seen.position, seen.pending) == (17, 3)
    assert Progress(tmp_path / "p") is not None
