"""Runs one engine on one workload in a process and an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tests.bench.backtest.engines import OURS, Engine

ROOT: Final = Path(__file__).resolve().parents[3]
_ENVIRONMENTS: Final = ROOT / ".bench"
_LONGEST: Final = 900.0


class Task(NamedTuple):
    """A workload as it is given to an engine: folders of arrays, and how long to measure.

    ``by_processor`` counts the processor's time instead of the wall's, which matters only where
    others compute at the same time.
    """

    name: str
    title: str
    folder: Path
    warm_up: Path
    events: int
    runs: int
    seconds: float
    by_processor: bool = False


class Fills(NamedTuple):
    """Fills in order of rows; ``row`` is the bar at whose open, or the trade at which."""

    row: NDArray[np.int64]
    side: NDArray[np.int64]
    price: NDArray[np.float64]
    quantity: NDArray[np.float64]


class Measured(NamedTuple):
    """What an engine did. ``error`` is empty unless it failed; then nothing else holds."""

    engine: Engine
    task: Task
    version: str = ""
    preparing: float = 0.0
    warm_up: float = 0.0
    seconds: Sequence[float] = ()
    processor_seconds: Sequence[float] = ()
    peak_bytes: int = 0
    equity: float = 0.0
    fills: Fills | None = None
    notes: Sequence[str] = ()
    error: str = ""

    @property
    def median(self) -> float:
        """Seconds of a run."""
        return median(self.processor_seconds if self.task.by_processor else self.seconds)

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.task.events / self.median


def measure(engine: Engine, task: Task) -> Measured:
    """Run an engine on a workload and return what it reports."""
    python = (
        Path(sys.executable)
        if engine.environment == OURS
        else _ENVIRONMENTS / engine.environment / "bin" / "python"
    )
    if not python.exists():
        return Measured(engine, task, error=f"no {python}: run it through `just bench-backtest`")
    with tempfile.TemporaryDirectory(prefix="kst-bench-") as folder:
        trades, request = Path(folder) / "trades.npz", Path(folder) / "request.json"
        asked = {
            "workload": task.name,
            "variant": engine.variant,
            "data": str(task.folder),
            "warm_up": str(task.warm_up),
            "runs": task.runs,
            "seconds": task.seconds,
            "trades": str(trades),
        }
        request.write_text(json.dumps(asked))
        said = run_alone([str(python), "-W", "ignore", "-m", engine.module, str(request)], folder)
        if isinstance(said, str):
            return Measured(engine, task, error=said)
        with np.load(trades) as columns:
            fills = Fills(*(columns[name] for name in Fills._fields))
    return Measured(
        engine,
        task,
        version=said["version"],
        preparing=said["preparing"],
        warm_up=said["warm_up"],
        seconds=said["seconds"],
        processor_seconds=said["processor_seconds"],
        peak_bytes=said["peak_bytes"],
        equity=said["equity"],
        fills=fills,
        notes=said["notes"],
    )


def run_alone(command: Sequence[str], home: str) -> dict[str, Any] | str:
    """Run a command to its end; return the JSON of its last line, or what went wrong."""
    environment = {
        "PATH": os.environ.get("PATH", ""),
        # Engines write settings and caches into the home folder; they get one to write to.
        "HOME": home,
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "TZ": "Asia/Seoul",
    }
    try:
        done = subprocess.run(
            command,
            cwd=home,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_LONGEST,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"ended after {_LONGEST:g} s"
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        return (done.stderr.strip() or f"exit code {done.returncode} and not a word")[-2_000:]
    found: dict[str, Any] = json.loads(lines[-1])
    return found
