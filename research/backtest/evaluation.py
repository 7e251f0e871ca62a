"""One run among many: what a worker is given, what it does, and what it sends back.

A worker reads a recording once and remembers sessions for the next configuration. It sends back
figures, not tables: those go to the result store, if there is one. A run that fails is an outcome
like any other, so it costs only itself.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from bus import ProcessorFactory
from research.backtest import deciders
from research.backtest.errors import InvalidSettings
from research.backtest.figures import Performance
from research.backtest.market_day import MarketDays
from research.backtest.performance import closed_results, performance
from research.backtest.remembered_days import Budget, RememberedDays, SelectedDays
from research.backtest.results import BacktestResult, SessionRow
from research.backtest.settings import BacktestSettings
from research.backtest.store import ResultStore

Run = Callable[[BacktestSettings, MarketDays | None], BacktestResult]
"""Runs a backtest: ``research.backtest.run``, or what stands in for it."""

OpenDays = Callable[[BacktestSettings], MarketDays]
"""Opens the recording that settings name."""

OBJECTIVES: Final[Mapping[str, Callable[[Performance], float | None]]] = {
    "sharpe": lambda figures: figures.returns.sharpe,
    "sortino": lambda figures: figures.returns.sortino,
    "calmar": lambda figures: figures.returns.calmar,
    "annual_return": lambda figures: figures.returns.annual,
    "total_return": lambda figures: figures.returns.total,
    "profit_factor": lambda figures: figures.trades.profit_factor,
    "expectancy": lambda figures: figures.trades.expectancy,
}
"""What configurations may be chosen by; more is better."""


class Bench(msgspec.Struct, frozen=True, kw_only=True):
    """What all runs of one computation share. ``token`` is different for every computation.

    ``plugged`` are strategies that were registered in the process that asked.
    """

    token: str
    run: Run
    open_days: OpenDays
    day_memory: int
    store: Path | None = None
    plugged: dict[str, ProcessorFactory] = msgspec.field(default_factory=dict)


class Task(NamedTuple):
    """One run: what differs from the others, the whole settings, and its sessions (all: ``None``).

    ``label`` says in words which one it is.
    """

    bench: Bench
    label: str
    overrides: dict[str, Any]
    settings: BacktestSettings
    dates: tuple[date, ...] | None = None


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a run. ``error`` is empty for one that ended well.

    ``figures`` is ``None`` also when no session counted; ``detail`` is the traceback of an error.
    ``trade_results`` are won of closed trades, ``run_id`` the name in the store, if there is one.
    """

    label: str
    overrides: dict[str, Any]
    result_hash: str = ""
    run_id: str = ""
    figures: Performance | None = None
    sessions: tuple[SessionRow, ...] = ()
    trade_results: tuple[int, ...] = ()
    wall_seconds: float = 0.0
    error: str = ""
    detail: str = ""

    def objective(self, name: str) -> float | None:
        """Return the figure that an objective is about, ``None`` where there is none."""
        return None if self.figures is None else OBJECTIVES[name](self.figures)

    @property
    def counted(self) -> tuple[SessionRow, ...]:
        """Sessions after the warm-up."""
        return tuple(each for each in self.sessions if not each.warm_up)


class _Memory:
    """The recordings that this process has open for one computation."""

    def __init__(self) -> None:
        self._token = ""
        self._budget = Budget(0)
        self._days: dict[bytes, RememberedDays] = {}

    def days(self, bench: Bench, settings: BacktestSettings) -> RememberedDays:
        """Return the recording of settings, opened once a computation."""
        if bench.token != self._token:
            # Files may have changed since; and what was kept would be kept for nothing.
            self._token, self._budget, self._days = bench.token, Budget(bench.day_memory), {}
        key = msgspec.json.encode((settings.data, settings.owners))
        if key not in self._days:
            self._days[key] = RememberedDays(bench.open_days(settings), self._budget)
        return self._days[key]

    def clear(self) -> None:
        """Forget all recordings."""
        self._token, self._days = "", {}


MEMORY: Final = _Memory()
"""Recordings open in this process."""


def evaluate(task: Task) -> Outcome:
    """Carry out one run; an error of the run is part of the outcome."""
    try:
        return _run(task)
    except Exception as error:  # noqa: BLE001 - a sweep supervises its runs: one must not end all
        return Outcome(
            label=task.label,
            overrides=task.overrides,
            error=f"{type(error).__name__}: {error}",
            detail=traceback.format_exc(),
        )


def require_objective(name: str) -> str:
    """Return the name of an objective.

    Raises:
        InvalidSettings: there is none of that name.
    """
    if name not in OBJECTIVES:
        raise InvalidSettings("objective", f"{name!r} is none of {', '.join(OBJECTIVES)}")
    return name


def _run(task: Task) -> Outcome:
    bench = task.bench
    for name, factory in bench.plugged.items():
        deciders.register(name, factory)
    days: MarketDays = MEMORY.days(bench, task.settings)
    if task.dates is not None:
        days = SelectedDays(days, task.dates)
    result = bench.run(task.settings, days)
    return Outcome(
        label=task.label,
        overrides=task.overrides,
        result_hash=result.provenance.result_hash,
        run_id="" if bench.store is None else ResultStore(bench.store).save(result),
        figures=performance(result),
        sessions=result.sessions,
        trade_results=tuple(closed_results(result.trades)),
        wall_seconds=result.wall_seconds,
    )
