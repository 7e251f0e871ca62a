"""``kst sweep``: many configurations of a backtest, the best, and how much of it is luck."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import msgspec

from deploy.backtesting.backtest import STORE
from deploy.backtesting.tables import (
    progress_of_runs,
    rows_table,
    shortened,
    show_failures,
)
from deploy.terminal import console, print_json

if TYPE_CHECKING:
    from research.backtest.evaluation import Outcome
    from research.backtest.sweep import SweepResult

_ROWS: Final = 40
_FIGURES: Final = ("sharpe", "result", "total_return", "drawdown", "trades", "profit_factor")


class SweepRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for on the command line; ``None`` leaves it to the file or the default."""

    config: Path
    objective: str | None = None
    workers: int | None = None
    cluster: str | None = None
    store: Path | None = None
    report: Path | None = None


def sweep_command(request: SweepRequest, *, as_json: bool) -> int:
    """Run all configurations, keep their results, show them; 1 if one of them failed."""
    from research.backtest.evaluation import require_objective
    from research.backtest.plans import load_plan
    from research.backtest.store import ResultStore
    from research.backtest.sweep import Sweep

    plan = load_plan(request.config)
    objective = require_objective(request.objective or plan.objective)
    sweep = Sweep(plan.settings, plan.grid, configurations=plan.configurations)
    began = perf_counter()
    with progress_of_runs(plan.settings.name) as on_progress:
        result = sweep.run(
            workers=request.workers,
            cluster=request.cluster,
            store=ResultStore(request.store or STORE),
            on_progress=on_progress,
        )
    seconds = perf_counter() - began
    if request.report is not None:
        from research.reports import write_sweep_report

        write_sweep_report(
            request.report, title=plan.settings.name, sweep=result, objective=objective
        )
    if as_json:
        print_json(_summary(result, objective, seconds))
    else:
        _show(result, objective, seconds)
    return 1 if result.failed else 0


def _luck(result: SweepResult) -> dict[str, Any]:
    """Return the statistics about choosing; empty where the sessions differ between runs."""
    from research.backtest.errors import InvalidSettings

    try:
        found, deflated = result.overfitting(), result.deflated_sharpe()
    except InvalidSettings:
        return {"deflated_sharpe": None, "overfitting": None}
    return {
        "deflated_sharpe": deflated,
        "overfitting": None
        if found is None
        else {
            "probability": found.probability,
            "loss": found.loss,
            "slope": found.slope,
            "splits": len(found.logits),
            "sessions": found.sessions,
        },
    }


def _summary(result: SweepResult, objective: str, seconds: float) -> dict[str, Any]:
    best = result.best(objective)
    return {
        "objective": objective,
        "best": None
        if best is None
        else {"overrides": best.overrides, "run": best.run_id, "value": best.objective(objective)},
        **_luck(result),
        "failed": len(result.failed),
        "seconds": round(seconds, 3),
        "configurations": result.table().to_dicts(),
    }


def _show(result: SweepResult, objective: str, seconds: float) -> None:
    out = console()
    short = shortened(result.keys)
    figures = [objective, *(name for name in _FIGURES if name != objective)]
    rows = list(zip(result.outcomes, result.table().to_dicts(), strict=True))
    rows.sort(key=lambda pair: _rank(pair[0], objective))  # equals stay in their order
    columns = [*result.keys, *figures]
    shown = [[row[name] for name in columns] for _, row in rows[:_ROWS]]
    out.print(f"\n[bold]{len(result.outcomes)} configurations[/] by {objective}\n")
    out.print(rows_table([*(short[key] for key in result.keys), *figures], shown))
    if len(rows) > _ROWS:
        out.print(f"… and {len(rows) - _ROWS} more; --json has all", style="dim")
    luck = _luck(result)
    deflated, overfitting = luck["deflated_sharpe"], luck["overfitting"]
    out.print()
    if deflated is not None:
        out.print(f"probability that the best Sharpe ratio is more than luck: {deflated:.1%}")
    if overfitting is not None:
        out.print(
            f"probability that choosing the best is overfitting: {overfitting['probability']:.1%}"
        )
    best = result.best(objective)
    if best is not None:
        out.print(f"best: {best.label}   run {best.run_id}")
    out.print(f"{seconds:.1f} s", style="dim")
    show_failures(result.failed)


def _rank(outcome: Outcome, objective: str) -> tuple[bool, float]:
    value = outcome.objective(objective)
    return value is None, 0.0 if value is None else -value
