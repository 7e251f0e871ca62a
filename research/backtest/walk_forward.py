"""Choose on the past, trade the sessions after it, move on: what choosing would have earned.

In every window (see ``windows``) all configurations are run over the train sessions, the one with
the highest objective is run over the test sessions, and the tests are put together. What always
holds: no run sees a session after its own; every session is tested at most once; the result is the
same for any number of workers, here or on a cluster.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from events import TradingDate
from events.calendar import trading_date
from research.backtest import metrics
from research.backtest.evaluation import (
    MEMORY,
    Bench,
    OpenDays,
    Outcome,
    Run,
    Task,
    require_objective,
)
from research.backtest.figures import Returns
from research.backtest.parallel import OnProgress, joined
from research.backtest.performance import return_figures
from research.backtest.settings import BacktestSettings
from research.backtest.store import ResultStore
from research.backtest.sweep import (
    Sweep,
    best_of,
    default_days,
    default_run,
    evaluate_all,
    label_of,
    new_bench,
    session_returns,
)
from research.backtest.windows import Spans, Window, windows

if TYPE_CHECKING:
    import polars as pl

DAY_MEMORY: Final = 1 << 28
"""Bytes of sessions that a worker keeps, by default.

Less than in a sweep: windows move on, and joblib restarts a worker that grows by 300 MB after its
first task.
"""


class WindowOutcome(NamedTuple):
    """One window: each configuration on the train span, the chosen one, and how that one tested.

    ``chosen`` and ``test`` are ``None`` when no configuration had a value to be chosen by: then
    nothing was traded.
    """

    window: Window
    train: tuple[Outcome, ...]
    chosen: Outcome | None
    test: Outcome | None


class WalkForwardResult(NamedTuple):
    """All windows in order; ``opening_equity`` is won, ``keys`` are what was varied."""

    windows: tuple[WindowOutcome, ...]
    objective: str
    opening_equity: int
    keys: tuple[str, ...]

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """Runs that ended with an error, on either span."""
        runs = (
            run
            for each in self.windows
            for run in (*each.train, *(() if each.test is None else (each.test,)))
        )
        return tuple(run for run in runs if run.error)

    @property
    def digest(self) -> str:
        """A digest of what was chosen and of every run's result hash."""
        hashed = blake2b(digest_size=32)
        for each in self.windows:
            for run in (*each.train, each.chosen, each.test):
                hashed.update(
                    b"-" if run is None else f"{run.label}:{run.result_hash}:{run.error}\n".encode()
                )
        return hashed.hexdigest()

    def sessions(self) -> tuple[list[TradingDate], metrics.Returns]:
        """Return the tested sessions and their returns; 0 where nothing was traded."""
        dates: list[TradingDate] = []
        parts: list[metrics.Returns] = []
        for each in self.windows:
            tested = [trading_date(on) for on in each.window.test]
            known = {}
            if each.test is not None and not each.test.error:
                series = session_returns(each.test)
                known = {
                    row.session: float(value)
                    for row, value in zip(each.test.counted, series, strict=True)
                }
            dates.extend(tested)
            parts.append(np.array([known.get(on, 0.0) for on in tested]))
        return dates, np.concatenate(parts) if parts else np.zeros(0)

    def curve(self) -> pl.DataFrame:
        """Return a row a tested session: window, return, and equity in won if all is reinvested."""
        import polars as pl

        dates, series = self.sessions()
        windows = [
            number
            for number, each in enumerate(self.windows, start=1)
            for _ in range(len(each.window.test))
        ]
        return pl.DataFrame(
            {
                "session": pl.Series(dates, dtype=pl.String),
                "window": pl.Series(windows, dtype=pl.Int64),
                "return": pl.Series(series, dtype=pl.Float64),
                "equity": pl.Series(self._levels(series)[1:], dtype=pl.Float64),
            }
        )

    def figures(self) -> Returns | None:
        """Return the tested sessions in figures, ``None`` without any."""
        dates, series = self.sessions()
        return return_figures(self._levels(series), dates) if dates else None

    def efficiency(self) -> float | None:
        """Return mean tested over mean trained return of a session; near 1: the choice held.

        The trained ones are those of the chosen configurations. ``None`` unless that mean is a
        gain. Source: Pardo, "The Evaluation and Optimization of Trading Strategies" (2008).
        """
        trained = [session_returns(each.chosen) for each in self.windows if each.chosen is not None]
        if not trained:
            return None
        before = float(np.concatenate(trained).mean())
        return float(self.sessions()[1].mean()) / before if before > 0 else None

    def table(self) -> pl.DataFrame:
        """Return a row a window: its spans, what was chosen and what came of it."""
        import polars as pl

        rows = [
            {
                "window": number,
                "train_from": each.window.train[0].isoformat(),
                "train_to": each.window.train[-1].isoformat(),
                "test_from": each.window.test[0].isoformat(),
                "test_to": each.window.test[-1].isoformat(),
                "chosen": None if each.chosen is None else each.chosen.label,
                f"train_{self.objective}": _value(each.chosen, self.objective),
                f"test_{self.objective}": _value(each.test, self.objective),
                "test_return": None
                if each.test is None or each.test.figures is None
                else each.test.figures.returns.total,
                "test_trades": None
                if each.test is None or each.test.figures is None
                else each.test.figures.trades.closed,
                "failed": sum(bool(run.error) for run in each.train),
                "error": "" if each.test is None else each.test.error,
            }
            for number, each in enumerate(self.windows, start=1)
        ]
        return pl.DataFrame(rows, infer_schema_length=None)

    def _levels(self, series: metrics.Returns) -> list[float]:
        grown = np.cumprod(1.0 + series) * self.opening_equity
        return [float(self.opening_equity), *grown.tolist()]


class WalkForward:
    """A backtest, what may be varied, and how to move through time; see ``Sweep`` for the rest.

    Raises:
        InvalidSettings: a span that cannot be, an unknown objective, or overrides that cannot be.
    """

    def __init__(
        self,
        settings: BacktestSettings,
        axes: Mapping[str, Any] | None = None,
        *,
        spans: Spans,
        objective: str = "sharpe",
        configurations: Sequence[Mapping[str, Any]] = (),
        execute: Run | None = None,
        open_days: OpenDays | None = None,
    ) -> None:
        self._execute = execute or default_run()
        self._open_days = open_days or default_days
        self._sweep = Sweep(
            settings,
            axes,
            configurations=configurations,
            execute=self._execute,
            open_days=self._open_days,
        )
        self._settings = settings
        self.objective = require_objective(objective)
        self.windows = windows(self._open_days(settings).dates, spans, settings.warm_up)

    def run(
        self,
        *,
        workers: int | None = None,
        cluster: str | None = None,
        store: ResultStore | None = None,
        on_progress: OnProgress = lambda done, total: None,
        day_memory: int = DAY_MEMORY,
    ) -> WalkForwardResult:
        """Run all windows; see ``Sweep.run``."""
        bench = new_bench(self._execute, self._open_days, store, day_memory)
        try:
            with joined(cluster, workers):  # once for both trains and tests
                return self._run(bench, workers, cluster, on_progress)
        finally:
            MEMORY.clear()

    def _run(
        self, bench: Bench, workers: int | None, cluster: str | None, on_progress: OnProgress
    ) -> WalkForwardResult:
        variants = list(zip(self._sweep.configurations, self._sweep.settings, strict=True))
        total = len(self.windows) * (len(variants) + 1)
        training = [
            Task(bench, label_of(overrides), overrides, settings, (*each.before_train, *each.train))
            for each in self.windows
            for overrides, settings in variants
        ]
        trained = evaluate_all(training, workers, cluster, lambda done, _: on_progress(done, total))
        by_window = [
            trained[begun : begun + len(variants)]
            for begun in range(0, len(trained), len(variants))
        ]
        chosen = [best_of(outcomes, self.objective) for outcomes in by_window]
        tested = self._test(
            bench,
            chosen,
            workers,
            cluster,
            lambda done, _: on_progress(len(training) + done, total),
        )
        return WalkForwardResult(
            windows=tuple(
                WindowOutcome(*each)
                for each in zip(self.windows, by_window, chosen, tested, strict=True)
            ),
            objective=self.objective,
            opening_equity=self._settings.cash,
            keys=self._sweep.keys,
        )

    def _test(
        self,
        bench: Bench,
        chosen: Sequence[Outcome | None],
        workers: int | None,
        cluster: str | None,
        on_progress: OnProgress,
    ) -> list[Outcome | None]:
        settings_of = {
            label_of(overrides): settings
            for overrides, settings in zip(
                self._sweep.configurations, self._sweep.settings, strict=True
            )
        }
        testing = [
            Task(
                bench,
                best.label,
                best.overrides,
                settings_of[best.label],
                (*each.before_test, *each.test),
            )
            for each, best in zip(self.windows, chosen, strict=True)
            if best is not None
        ]
        outcomes = iter(evaluate_all(testing, workers, cluster, on_progress))
        return [None if best is None else next(outcomes) for best in chosen]


def _value(outcome: Outcome | None, objective: str) -> float | None:
    return None if outcome is None else outcome.objective(objective)
