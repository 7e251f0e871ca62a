"""This project's compiled path for bars on workload A, in the same shape as the other scripts.

The bars lie in columns beforehand, as they do for engines that work on arrays; averages, wishes,
fills, costs and cash are timed. ``compiled`` is the only variant.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from bus import code_version
from research.backtest.bar_path import (
    BarRun,
    BarTargets,
    Columns,
    columns_of,
    gate_limits,
    rules_of,
    run_bars,
    why_not,
    with_targets,
)
from research.backtest.bar_path_replay import replay_of, targets_of
from research.backtest.carry import Books
from research.backtest.settings import BacktestSettings, Delivery
from tests.bench.backtest import ours
from tests.bench.backtest.peers.contract import Report, Workload, main


class Ready(NamedTuple):
    """What a run takes."""

    beside: ours.Ready
    settings: BacktestSettings
    columns: Columns
    targets: BarTargets


def prepare(workload: Workload) -> Ready:
    """Read the sessions and lay their bars out."""
    beside = ours.prepare(workload._replace(variant=Delivery.REFERENCE.value))
    settings = beside.settings
    targets = targets_of(settings)
    assert targets is not None
    obstacle = why_not(settings, targets.terms)
    assert not obstacle, obstacle
    return Ready(beside, settings, columns_of(beside.days, gate_limits(settings)), targets)


def arrange(ready: Ready) -> Callable[[], BarRun]:
    """Return the backtest."""
    settings, columns = ready.settings, ready.columns
    rules = rules_of(settings, ready.targets.terms)
    replay = replay_of(settings, ready.beside.days, columns)
    books = Books(cash=settings.cash, equity=settings.cash)
    return lambda: run_bars(settings, with_targets(columns, ready.targets), rules, replay, books)


def report(ready: Ready, run: BarRun) -> Report:
    """Return the fills, each at its bar, and the final equity."""
    return ours.report_fills(
        ready.beside.workload,
        run.fills(),
        run.books.equity,
        [f"{len(run.reasons)} sessions handed back"] if run.reasons else [],
    )


if __name__ == "__main__":
    main(code_version()[:12], prepare, arrange, report)
