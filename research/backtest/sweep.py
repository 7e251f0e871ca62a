"""Many configurations of one backtest: which is best, and how much of that is luck.

    sweep = Sweep(settings, {"strategies.kmp.set.rvol.min": [1.5, 2.0, 2.5]})
    result = sweep.run(workers=2)
    result.table()

Outcomes come in the order of the configurations, and are the same for any number of workers, here
or on a cluster. A configuration that fails is an outcome with an error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import uuid4

import numpy as np

from research.backtest import deciders, metrics
from research.backtest.configurations import Overrides, grid, with_overrides
from research.backtest.errors import InvalidSettings
from research.backtest.evaluation import (
    MEMORY,
    Bench,
    OpenDays,
    Outcome,
    Run,
    Task,
    evaluate,
    require_objective,
)
from research.backtest.market_day import MarketDays
from research.backtest.overfitting import (
    Matrix,
    Overfitting,
    backtest_overfitting,
    deflated_sharpe,
    moments,
    sharpe_variance,
)
from research.backtest.parallel import OnProgress, spread
from research.backtest.settings import BacktestSettings
from research.backtest.store import ResultStore

if TYPE_CHECKING:
    import polars as pl

DAY_MEMORY: Final = 1 << 30
"""Bytes of sessions that a worker keeps, by default."""


class SweepResult(NamedTuple):
    """What became of each configuration, in order; ``keys`` are what was varied."""

    outcomes: tuple[Outcome, ...]
    keys: tuple[str, ...]

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """Configurations that ended with an error."""
        return tuple(each for each in self.outcomes if each.error)

    def table(self) -> pl.DataFrame:
        """Return a row a configuration: what was varied, the figures, hash, store id and error."""
        import polars as pl

        rows = [
            {key: _plain(each.overrides.get(key)) for key in self.keys} | _figures(each)
            for each in self.outcomes
        ]
        return pl.DataFrame(rows, infer_schema_length=None)

    def best(self, objective: str = "sharpe") -> Outcome | None:
        """Return the outcome with the highest objective, the first of equals, ``None`` without any.

        Raises:
            InvalidSettings: there is no such objective.
        """
        return best_of(self.outcomes, objective)

    def returns(self) -> Matrix:
        """Return a row a session and a column a configuration that ended well.

        Raises:
            InvalidSettings: the configurations did not trade the same sessions.
        """
        ended = [each for each in self.outcomes if not each.error]
        dates = {tuple(session.session for session in each.counted) for each in ended}
        if len(dates) > 1:
            raise InvalidSettings("sweep", "the configurations did not trade the same sessions")
        columns = [session_returns(each) for each in ended]
        return np.column_stack(columns) if columns else np.zeros((0, 0))

    def overfitting(self, blocks: int = 16) -> Overfitting | None:
        """Return the probability of overfitting of choosing by Sharpe ratio among these."""
        return backtest_overfitting(self.returns(), blocks=blocks)

    def deflated_sharpe(self) -> float | None:
        """Return the probability that the best Sharpe ratio is more than the luck of choosing.

        All configurations that ended well count as trials; ``None`` without a best one.
        """
        chosen = self.best("sharpe")
        observed = None if chosen is None else moments(session_returns(chosen))
        if observed is None:
            return None
        matrix = self.returns()
        return deflated_sharpe(observed, trials=matrix.shape[1], variance=sharpe_variance(matrix))


class Sweep:
    """Configurations of a backtest: a ``grid`` of values by key, or a list of overrides, or both.

    ``execute`` and ``open_days`` are what runs a backtest and opens its recording, by default those
    of this package. Registered strategies are known to the workers too.

    Raises:
        InvalidSettings: an override names nothing or gives what cannot be.
    """

    def __init__(
        self,
        settings: BacktestSettings,
        axes: Mapping[str, Any] | None = None,
        *,
        configurations: Sequence[Mapping[str, Any]] = (),
        execute: Run | None = None,
        open_days: OpenDays | None = None,
    ) -> None:
        self.configurations: tuple[Overrides, ...] = (
            *(grid(axes) if axes else ()),
            *(dict(each) for each in configurations),
        )
        if not self.configurations:
            raise InvalidSettings(
                "sweep", "there is nothing to vary: give a grid or configurations"
            )
        self.settings = tuple(with_overrides(settings, each) for each in self.configurations)
        self.keys = tuple(dict.fromkeys(key for each in self.configurations for key in each))
        self._execute = execute or default_run()
        self._open_days = open_days or default_days

    def run(
        self,
        *,
        workers: int | None = None,
        cluster: str | None = None,
        store: ResultStore | None = None,
        on_progress: OnProgress = lambda done, total: None,
        day_memory: int = DAY_MEMORY,
    ) -> SweepResult:
        """Run all configurations; see ``spread`` for workers and cluster.

        With a ``store`` every result is saved as it is there. ``day_memory`` is how many bytes of
        sessions each worker may keep.
        """
        bench = new_bench(self._execute, self._open_days, store, day_memory)
        tasks = [
            Task(bench, label_of(overrides), overrides, settings)
            for overrides, settings in zip(self.configurations, self.settings, strict=True)
        ]
        try:
            return SweepResult(evaluate_all(tasks, workers, cluster, on_progress), self.keys)
        finally:
            MEMORY.clear()


def best_of(outcomes: Sequence[Outcome], objective: str) -> Outcome | None:
    """Return the outcome with the highest objective, the first of equals, ``None`` without any.

    Raises:
        InvalidSettings: there is no such objective.
    """
    require_objective(objective)
    valued = [(each.objective(objective), each) for each in outcomes]
    known = [(value, each) for value, each in valued if value is not None]
    return max(known, key=lambda pair: pair[0])[1] if known else None


def session_returns(outcome: Outcome) -> metrics.Returns:
    """Return the simple return of each session that counts."""
    counted = outcome.counted
    if not counted:
        return np.zeros(0)
    return metrics.returns([counted[0].opening_equity, *(each.closing_equity for each in counted)])


def evaluate_all(
    tasks: Sequence[Task], workers: int | None, cluster: str | None, on_progress: OnProgress
) -> tuple[Outcome, ...]:
    """Return the outcome of each task, in order."""
    return tuple(spread(evaluate, tasks, workers=workers, cluster=cluster, on_progress=on_progress))


def new_bench(
    execute: Run, open_days: OpenDays, store: ResultStore | None, day_memory: int = DAY_MEMORY
) -> Bench:
    """Return what the runs of a new computation share."""
    return Bench(
        token=uuid4().hex,
        run=execute,
        open_days=open_days,
        store=None if store is None else Path(store.path).resolve(),
        day_memory=day_memory,
        plugged=deciders.registered(),
    )


def label_of(overrides: Mapping[str, Any]) -> str:
    """Return overrides in words."""
    return ", ".join(f"{key}={value}" for key, value in overrides.items()) or "as given"


def default_run() -> Run:
    """Return the engine of this package."""
    from research.backtest.engine import run

    return run


def default_days(settings: BacktestSettings) -> MarketDays:
    """Return the recording that settings name."""
    from research.datasets import days_from

    return days_from(settings.data, settings.owners)


def _plain(value: object) -> object:
    """Return what a column can hold: lists and the like as text."""
    return value if isinstance(value, int | float | str | None) else str(value)


def _figures(outcome: Outcome) -> dict[str, Any]:
    figures = outcome.figures
    returns = None if figures is None else figures.returns
    trades = None if figures is None else figures.trades
    return {
        "sessions": len(outcome.counted),
        "result": None if figures is None else figures.result,
        "total_return": None if returns is None else returns.total,
        "annual_return": None if returns is None else returns.annual,
        "volatility": None if returns is None else returns.volatility,
        "sharpe": None if returns is None else returns.sharpe,
        "sortino": None if returns is None else returns.sortino,
        "calmar": None if returns is None else returns.calmar,
        "drawdown": None if returns is None else returns.drawdown,
        "trades": None if trades is None else trades.closed,
        "hit_rate": None if trades is None else trades.hit_rate,
        "profit_factor": None if trades is None else trades.profit_factor,
        "expectancy": None if trades is None else trades.expectancy,
        "costs": None if figures is None else figures.costs.fees + figures.costs.tax,
        "result_hash": outcome.result_hash,
        "run_id": outcome.run_id,
        "seconds": outcome.wall_seconds,
        "error": outcome.error,
    }
