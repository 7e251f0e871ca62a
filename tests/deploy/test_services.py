"""Real service processes under the supervisor: readiness, kill -9, what they leave in files."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from bus import JetStreamLog, Progress, SharedTime, entry
from deploy.data_directory import DataDirectory, RunLock
from deploy.demo_setup import DemoRequest, services, set_up
from deploy.log_access import open_log, summarise
from deploy.logs import errors_in
from deploy.supervisor import Supervisor
from events.market import ClockTick, Phase

WAIT = 60.0


@pytest.fixture
def directory(tmp_path: Path) -> DataDirectory:
    """Return the directory of a run whose clock stands still."""
    directory, _ = set_up(DemoRequest(symbols=6, data_dir=tmp_path / "run"))
    manifest = directory.manifest
    SharedTime.create(directory.clock, start=manifest.start, speed=manifest.speed)
    return directory


async def until(condition: Callable[[], bool]) -> None:
    """Return once a condition holds that another process brings about."""
    async with asyncio.timeout(WAIT):
        while not condition():
            await asyncio.sleep(0.02)


async def test_a_killed_log_server_comes_back_with_all_it_had(directory: DataDirectory) -> None:
    """kill -9 of the nats service: its orphaned server is ended, the next one serves the store."""
    wanted = {"nats", "auditor"}

    def ready() -> bool:
        return all(Progress.read(directory.progress(name)) is not None for name in wanted)

    with RunLock(directory):
        async with Supervisor(directory.pid_file) as run:
            for spec in services(directory):
                if spec.name in wanted:
                    run.start(spec)
            await until(ready)
            await append_tick(directory, 1)
            (server,) = psutil.Process(run.services["nats"].pid).children()
            os.kill(run.services["nats"].pid or 0, signal.SIGKILL)
            await until(lambda: run.services["nats"].restarts == 1)
            await until(ready)
            await append_tick(directory, 2)
            assert not server.is_running() or server.status() == psutil.STATUS_ZOMBIE
    async with open_log(directory) as log:
        summary, last = await summarise(log)
    # Two ticks and the seal that the auditor set when it was told to end.
    assert summary.events(last) == {"market": 2, "trading": 0, "signal": 0, "ops": 1}
    assert errors_in(directory.logs).total == 0


async def append_tick(directory: DataDirectory, second: int) -> None:
    manifest = directory.manifest
    url = f"nats://127.0.0.1:{manifest.ports.nats}"
    log = await JetStreamLog.connect(url, manifest.account, patience=WAIT)
    try:
        tick = ClockTick(at=second * 1_000_000_000, phase=Phase.CLOSED)
        await log.append([entry(manifest.account, tick)])
    finally:
        await log.close()
