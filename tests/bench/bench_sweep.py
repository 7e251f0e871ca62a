"""What a second core is worth to a sweep: 64 configurations with one worker and with two.

    python -m tests.bench.bench_sweep

The same 64 configurations of a crossover on four generated sessions, five times in turn with one
worker (in this process) and with two, after both have warmed up. "busy" is the share of the
workers' time that went into runs: what is missing went into handing out and taking in. The digests
of all results must be equal, or there is no figure. Needs two idle cores.
"""

from __future__ import annotations

import sys
import time
from statistics import median
from typing import Final

from rich.console import Console
from rich.table import Table

from research.backtest.settings import BacktestSettings, DataSettings, StrategySettings
from research.backtest.sweep import Sweep, SweepResult

CONFIGURATIONS: Final = 64
ROUNDS: Final = 5
GOAL: Final = 1.8


def main() -> int:
    """Print the figures; 1 when the results differ."""
    settings = BacktestSettings(
        name="sweep",
        strategies=(StrategySettings(name="sma"),),
        data=DataSettings(sessions=4, symbols=8, tick_s=60),
    )
    sweep = Sweep(settings, {"cash": [10_000_000 + n for n in range(CONFIGURATIONS)]})
    for workers in (1, 2):
        Sweep(settings, {"cash": [10_000_000, 10_000_001]}).run(workers=workers)
    seconds: dict[int, list[float]] = {1: [], 2: []}
    busy: dict[int, list[float]] = {1: [], 2: []}
    seen: set[tuple[str, ...]] = set()
    for _ in range(ROUNDS):
        for workers in (1, 2):
            begun = time.perf_counter()
            result = sweep.run(workers=workers)
            spent = time.perf_counter() - begun
            seconds[workers].append(spent)
            busy[workers].append(sum(each.wall_seconds for each in result.outcomes))
            busy[workers][-1] /= spent * workers
            seen.add(_hashes(result))
    if len(seen) != 1:
        sys.stderr.write("the results differ between one worker and two\n")
        return 1
    table = Table("workers", "seconds", "busy", title=f"{CONFIGURATIONS} configurations")
    for workers in (1, 2):
        table.add_row(
            str(workers), f"{median(seconds[workers]):.2f}", f"{median(busy[workers]):.1%}"
        )
    ratio = median(one / two for one, two in zip(seconds[1], seconds[2], strict=True))
    console = Console()
    console.print(table)
    console.print(f"two workers are {ratio:.2f} times as fast as one (goal: {GOAL})")
    return 0


def _hashes(result: SweepResult) -> tuple[str, ...]:
    return tuple(each.result_hash for each in result.outcomes)


if __name__ == "__main__":
    raise SystemExit(main())
