"""``kst walk-forward``: choose on the past, trade what came after, window by window."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Any

from deploy.backtesting.backtest import STORE
from deploy.backtesting.sweep import SweepRequest
from deploy.backtesting.tables import cell, progress_of_runs, rows_table, shortened, show_failures
from deploy.terminal import console, print_json

if TYPE_CHECKING:
    from research.backtest.walk_forward import WalkForwardResult


def walk_forward_command(request: SweepRequest, *, as_json: bool) -> int:
    """Run all windows, keep the results, show them; 1 if a run failed."""
    from research.backtest.errors import InvalidSettings
    from research.backtest.plans import load_plan
    from research.backtest.store import ResultStore
    from research.backtest.walk_forward import WalkForward

    plan = load_plan(request.config)
    if plan.windows is None:
        raise InvalidSettings(
            str(request.config), "it has no windows: give windows: {train: 60, test: 20}"
        )
    walk = WalkForward(
        plan.settings,
        plan.grid,
        spans=plan.windows,
        objective=request.objective or plan.objective,
        configurations=plan.configurations,
    )
    began = perf_counter()
    with progress_of_runs(plan.settings.name) as on_progress:
        result = walk.run(
            workers=request.workers,
            cluster=request.cluster,
            store=ResultStore(request.store or STORE),
            on_progress=on_progress,
        )
    seconds = perf_counter() - began
    if request.report is not None:
        from research.reports import write_sweep_report

        write_sweep_report(request.report, title=plan.settings.name, walk_forward=result)
    if as_json:
        print_json(_summary(result, seconds))
    else:
        _show(result, seconds)
    return 1 if result.failed else 0


def _summary(result: WalkForwardResult, seconds: float) -> dict[str, Any]:
    return {
        "objective": result.objective,
        "digest": result.digest,
        "efficiency": result.efficiency(),
        "figures": result.figures(),
        "failed": len(result.failed),
        "seconds": round(seconds, 3),
        "windows": result.table().to_dicts(),
        "curve": result.curve().to_dicts(),
    }


def _show(result: WalkForwardResult, seconds: float) -> None:
    from research.backtest.sweep import label_of

    out = console()
    out.print(f"\n[bold]{len(result.windows)} windows[/], chosen by {result.objective}\n")
    names = (f"train_{result.objective}", f"test_{result.objective}", "test_return", "test_trades")
    short = shortened(result.keys)
    shown = [
        [
            f"{row['test_from']} – {row['test_to'][5:]}",
            *(row[name] for name in names),
            "-" if each.chosen is None else label_of(_named(each.chosen.overrides, short)),
        ]
        for each, row in zip(result.windows, result.table().to_dicts(), strict=True)
    ]
    out.print(rows_table(("tested", *names, "chosen"), shown))
    figures = result.figures()
    if figures is not None:
        out.print("\nall tests together")
        rows = [
            (name.replace("_", " "), cell(key, value))
            for name, key, value in (
                ("return", "return", figures.total),
                ("annual return", "annual_return", figures.annual),
                ("Sharpe ratio", "sharpe", figures.sharpe),
                ("largest drawdown", "drawdown", figures.drawdown),
                ("tested by trained return", "efficiency", result.efficiency()),
            )
        ]
        out.print(rows_table(("", ""), rows))
    out.print(f"\ndigest {result.digest[:16]}   {seconds:.1f} s", style="dim")
    show_failures(result.failed)


def _named(overrides: Mapping[str, Any], short: Mapping[str, str]) -> dict[str, Any]:
    return {short[key]: value for key, value in overrides.items()}
