"""The power fails in mid-session, with open orders and positions: the day goes on from the log."""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from events.control import LeaseTaken
from events.ops import ServiceStarted
from events.trading import OrderSubmitting
from tests.chaos.campaign import SPEED
from tests.chaos.drill_plan import Plan, Strike, What
from tests.chaos.drills import Drills
from tests.chaos.ground import Ground
from tests.chaos.processes import Zygote

_NEVER = 1_000_000
"""A passage that no drill comes to: nobody dies but by the power cut."""


async def _wind_down(ground: Ground) -> None:
    """Let the deciders finish what the gateway has written last; nothing new comes after it."""
    ground.processes.let_go("gateway")
    ground.processes.send("gateway", signal.SIGKILL)
    looks = 0
    while looks < 20:
        await asyncio.sleep(0.05)
        looks = looks + 1 if ground.quiet(("risk", "guard")) else 0


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path that PostgreSQL's own user may enter."""
    with tempfile.TemporaryDirectory(prefix="chaos-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name) / "run"


@pytest.mark.timeout(180)
@pytest.mark.invariant(2)
@pytest.mark.invariant(3)
@pytest.mark.invariant(8)
async def test_a_host_that_loses_power_goes_on_and_its_log_explains_it(folder: Path) -> None:
    """Exchange, log, database and books agree afterwards, and every decision derives again."""
    async with Zygote() as zygote, Ground(folder, zygote, speed=SPEED) as ground:
        drills = Drills(ground)
        for seed, after in ((1, 2.0), (2, 8.0), (3, 15.0)):
            plan = Plan(
                seed=seed,
                wishes=8,
                first="resting",
                step=0,
                passage=_NEVER,
                strikes=(Strike(after, What.HOST),),
            )
            report = await drills.run(plan)
            assert report.findings == [], f"power cut {after} s after the order to trade"
        events = [event for _, event in ground.events]
        for service in ("gateway", "risk", "guard"):
            assert ground.processes.killed[service] == 3
        holders = [event for event in events if isinstance(event, LeaseTaken)]
        assert [event.epoch for event in holders] == list(range(1, len(holders) + 1))
        starts = [event for event in events if isinstance(event, ServiceStarted)]
        assert sum(event.service == "gateway" for event in starts) >= 4
        assert sum(isinstance(event, OrderSubmitting) for event in events) >= 6
        await _wind_down(ground)
    verify = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "deploy", "verify", "--data-dir", str(folder), "--json",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    answer, _ = await verify.communicate()
    assert verify.returncode == 0, answer
