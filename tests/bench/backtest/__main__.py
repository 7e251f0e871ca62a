"""Backtests of other engines and of this one on the same data: one table.

    just bench-backtest [--quick] [--only A1 A20 B C MEMORY SWEEP] [--processor] [--json FILE]

Each engine runs in a process of its own, one after the other: a run to warm up, then the median of
several. A: averages crossing on minute bars of 1 and 20 symbols over 8 months. B: orders on two
million trades of one symbol. C: the breakout strategy on 40 symbols bridged to ticks, ours alone.
Then memory by days and a sweep with one and two workers. Trades and equity of A and B are held
against a plain loop, to the won.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from tests.bench.backtest import ours_alone
from tests.bench.backtest.bars import prepare_bars
from tests.bench.backtest.cross_check import difference
from tests.bench.backtest.engines import ENGINES, OURS, TRUTH
from tests.bench.backtest.processes import Measured, Task, measure
from tests.bench.backtest.report import Row, show
from tests.bench.backtest.ticks import prepare_ticks

PARTS = ("A1", "A20", "B", "C", "MEMORY", "SWEEP")
_QUICK = ("A1", "B", "C")


def main() -> None:
    """Measure what was asked for and print it."""
    parser = argparse.ArgumentParser(prog="just bench-backtest", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--quick", action="store_true", help="one symbol, four sessions, few runs")
    parser.add_argument("--runs", type=int, default=5, help="timed runs at most (default 5)")
    parser.add_argument("--ours", action="store_true", help="only ours and the plain loops")
    parser.add_argument("--processor", action="store_true", help="count the processor's time")
    parser.add_argument("--json", type=Path, help="write everything there too")
    asked = parser.parse_args()
    parts = asked.only or (_QUICK if asked.quick else PARTS)
    console = Console(width=None if sys.stdout.isatty() else 200)
    busy = os.getloadavg()[0]
    if busy > 0.5:
        console.print(f"[yellow]others compute here too (load {busy:.1f}): figures will suffer[/]")
    tasks = [
        task._replace(by_processor=asked.processor)
        for task in _tasks(parts, quick=asked.quick, runs=asked.runs, console=console)
    ]
    rows = [row for task in tasks for row in _measured(task, console, only_ours=asked.ours)]
    if rows:
        show(rows, console)
    alone = ours_alone.measure(
        [part for part in parts if part in ours_alone.PARTS], console, quick=asked.quick
    )
    if asked.json is not None:
        found: dict[str, Any] = {"load": busy, "rows": [row.plain() for row in rows], **alone}
        asked.json.write_text(json.dumps(found, indent=1))
    sys.exit(1 if any(row.measured.error for row in rows) else 0)


def _tasks(parts: Sequence[str], *, quick: bool, runs: int, console: Console) -> list[Task]:
    seconds = 3.0 if quick else 10.0
    tasks = []
    for part, count, warm_count in (("A1", 1, 1), ("A20", 20, 2)):
        if part in parts:
            bars, warm = prepare_bars(count), prepare_bars(warm_count)
            console.print(f"{part}: {bars.origin}, {bars.rows:,} bars of {', '.join(bars.symbols)}")
            title = f"A {count} symbol{'s' if count > 1 else ''}"
            tasks.append(Task("A", title, bars.folder, warm.folder, bars.rows, runs, seconds))
    if "B" in parts:
        ticks, warm_ticks = prepare_ticks(4 if quick else 20), prepare_ticks(1)
        console.print(f"B: generated, {ticks.rows:,} trades of {len(ticks.days)} sessions")
        tasks.append(Task("B", "B", ticks.folder, warm_ticks.folder, ticks.rows, runs, seconds))
    return tasks


def _measured(task: Task, console: Console, *, only_ours: bool) -> list[Row]:
    found: list[Measured] = []
    for engine in ENGINES:
        if task.name in engine.workloads and (not only_ours or engine.environment == OURS):
            console.print(f"  {task.title}: {engine.title} …", style="dim")
            found.append(measure(engine, task))
    truth = next(each for each in found if each.engine == TRUTH)
    ours = {
        each.engine.variant: each.rate
        for each in found
        if each.engine.module.endswith(".ours") and not each.error
    }
    return [
        Row(each, None if each.error or truth.error else difference(each, truth), ours)
        for each in found
    ]


if __name__ == "__main__":
    main()
