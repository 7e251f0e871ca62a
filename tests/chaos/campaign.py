"""Many drills: fresh grounds every so often, all figures added up, a report for machines."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import time as wall
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from tests.chaos.drill_plan import plan
from tests.chaos.drills import Drills, Report
from tests.chaos.ground import Ground
from tests.chaos.processes import Zygote
from tests.chaos.steps import STEPS
from tests.chaos.truth import Figures, tally

DRILLS_PER_GROUND: Final = 50
SPEED: Final = 30.0
"""Market seconds per wall second: a drill's trading lasts 0.8 s, and everything keeps up."""

KEPT: Final = Path(".cache") / "chaos"
"""Where reports go, and what is left of a ground on which something was wrong."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for. ``seconds`` (wall) end the campaign early, 0 does not."""

    runs: int
    seed: int = 0
    seconds: float = 0.0
    speed: float = SPEED
    broken: str = ""


class Result(msgspec.Struct, kw_only=True):
    """What a campaign did and found."""

    request: Request
    runs: int = 0
    grounds: int = 0
    seconds: float = 0.0
    figures: Figures = msgspec.field(default_factory=Figures)
    killed: Counter[str] = msgspec.field(default_factory=Counter)
    ended: Counter[str] = msgspec.field(default_factory=Counter)
    strikes: Counter[str] = msgspec.field(default_factory=Counter)
    steps: Counter[str] = msgspec.field(default_factory=Counter)
    reports: list[Report] = []

    @property
    def wrong(self) -> list[Report]:
        """The drills after which something was wrong."""
        return [report for report in self.reports if report.findings]

    @property
    def never_struck(self) -> list[str]:
        """Marked steps at which no process died."""
        return [step.name for step in STEPS if not self.steps[step.name]]

    def document(self) -> dict[str, Any]:
        """Return everything as plain data."""
        findings = [finding for report in self.wrong for finding in report.findings]
        drills = sorted(report.seconds for report in self.reports)
        settling = sorted(report.settling for report in self.reports)
        return {
            "request": msgspec.to_builtins(self.request),
            "runs": self.runs,
            "grounds": self.grounds,
            "seconds": round(self.seconds, 1),
            "seconds_per_run": round(self.seconds / max(self.runs, 1), 2),
            "slowest_run": round(drills[-1], 1) if drills else 0.0,
            "median_settling": round(settling[len(settling) // 2], 2) if settling else 0.0,
            "figures": msgspec.to_builtins(self.figures),
            "violations": {str(kind): count for kind, count in tally(findings).items()},
            "killed": dict(self.killed),
            "ended_by_themselves": dict(self.ended),
            "strikes": dict(self.strikes),
            "steps": {step.name: self.steps[step.name] for step in STEPS},
            "never_struck": self.never_struck,
            "wrong": [
                {"seed": report.seed, "step": report.step, "strikes": report.strikes,
                 "findings": [str(finding) for finding in report.findings]}
                for report in self.wrong
            ],
        }  # fmt: skip


async def run_campaign(request: Request, show: Callable[[Result], None]) -> Result:
    """Run drills until they are enough, the time is over, or something was wrong."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    result = Result(request=request)
    began = wall.monotonic()
    try:
        async with Zygote() as zygote:
            while result.runs < request.runs and not result.wrong and not _late(result, began):
                with _folder() as folder:
                    await _on_one_ground(result, zygote, folder, began, show)
                    if result.wrong:
                        _keep(folder, result.wrong[-1].seed)
    finally:
        structlog.reset_defaults()
    result.seconds = wall.monotonic() - began
    return result


def _late(result: Result, began: float) -> bool:
    limit = result.request.seconds
    return limit > 0 and wall.monotonic() - began > limit


async def _on_one_ground(
    result: Result, zygote: Zygote, folder: Path, began: float, show: Callable[[Result], None]
) -> None:
    request = result.request
    result.grounds += 1
    async with Ground(folder / "run", zygote, speed=request.speed, broken=request.broken) as ground:
        drills = Drills(ground)
        for _ in range(min(DRILLS_PER_GROUND, request.runs - result.runs)):
            if _late(result, began):
                break
            report = await drills.run(plan(request.seed + result.runs))
            result.reports.append(report)
            result.runs += 1
            result.seconds = wall.monotonic() - began
            show(result)
            if report.findings:
                break
        _add(result, ground, drills)


def _add(result: Result, ground: Ground, drills: Drills) -> None:
    figures = Figures.of(drills.story)
    for name in Figures.__struct_fields__:
        setattr(result.figures, name, getattr(result.figures, name) + getattr(figures, name))
    result.killed += ground.processes.killed
    result.ended += ground.processes.ended
    result.strikes += drills.strikes
    result.steps += Counter({step.name: count for step, count in ground.board.struck().items()})


@contextmanager
def _folder() -> Iterator[Path]:
    # Short, because PostgreSQL's socket lies in it; readable, because it runs as another user.
    with tempfile.TemporaryDirectory(prefix="chaos-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name)


def _keep(folder: Path, seed: int) -> None:
    """Keep logs and log store of a ground on which something was wrong."""
    kept = KEPT / f"seed-{seed}"
    shutil.rmtree(kept, ignore_errors=True)
    for name in ("logs", "nats", "config", "manifest.json"):
        source, target = folder / "run" / name, kept / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)


def write_report(result: Result) -> Path:
    """Write the campaign's report and return where it lies."""
    KEPT.mkdir(parents=True, exist_ok=True)
    path = KEPT / "report.json"
    fresh = path.with_suffix(f".{os.getpid()}")
    fresh.write_bytes(msgspec.json.format(msgspec.json.encode(result.document()), indent=2))
    fresh.replace(path)
    return path
