"""``kst backtest``: one configuration, run and shown, and kept where it can be queried."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from deploy.configuration import SHIPPED
from deploy.terminal import console, print_json
from events import TradingDate

if TYPE_CHECKING:
    from research.backtest.results import BacktestResult
    from research.backtest.settings import BacktestSettings

STORE: Final = Path("kst-data/backtests")
"""Where results are kept unless another place is named."""

_EXAMPLE: Final = SHIPPED / "backtests" / "kmp.yaml"


class BacktestRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for on the command line. ``config`` ``None`` takes the shipped example."""

    config: Path | None
    delivery: str | None
    changes: Sequence[str]
    store: Path | None
    report: Path | None


def backtest_command(request: BacktestRequest, *, as_json: bool) -> int:
    """Run a backtest, keep its result, show it and return the exit status."""
    from research.backtest import run
    from research.backtest.store import ResultStore

    settings = requested_settings(request)
    with progress_of(settings.name) as on_progress:
        result = run(settings, on_progress=on_progress)
    store = ResultStore(request.store or STORE)
    run_id = store.save(result)
    if request.report is not None:
        from research.reports import write_report

        write_report(result, request.report)
    if as_json:
        print_json(_summary(result, run_id))
    else:
        _show(result, run_id, request)
    return 0


def requested_settings(request: BacktestRequest) -> BacktestSettings:
    """Return the settings of a file with what the command line changes.

    Raises:
        BacktestError: the file or a change makes no sense.
    """
    from research.backtest import load_settings
    from research.backtest.configurations import with_overrides

    changes = dict(_split(each) for each in request.changes)
    if request.delivery is not None:
        changes["delivery"] = request.delivery
    settings = load_settings(request.config or _EXAMPLE)
    return with_overrides(settings, changes) if changes else settings


def _split(change: str) -> tuple[str, Any]:
    """Return key and value of ``key=value``; the value is read as YAML, like in the file."""
    import yaml

    from research.backtest.errors import InvalidSettings

    key, separator, value = change.partition("=")
    if not separator or not key:
        raise InvalidSettings("--set", f"{change!r} is not key=value")
    return key.strip(), yaml.safe_load(value)


@contextmanager
def progress_of(name: str) -> Iterator[Any]:
    """Show a bar of sessions on stderr; yields what is to be called after each."""
    with Progress(
        TextColumn(f"[bold]{name}[/] {{task.description}}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("sessions"),
        TimeElapsedColumn(),
        console=console(),
        transient=True,
    ) as progress:
        task = progress.add_task("", total=None)

        def advance(date: TradingDate, done: int, total: int) -> None:
            shown = f"{date[:4]}-{date[4:6]}-{date[6:]}"
            progress.update(task, completed=done, total=total, description=shown)

        yield advance


def _summary(result: BacktestResult, run_id: str) -> dict[str, Any]:
    provenance = result.provenance
    return {
        "run": run_id,
        "name": provenance.name,
        "result_hash": provenance.result_hash,
        "data_hash": provenance.data_hash,
        "settings_hash": provenance.settings_hash,
        "code_version": provenance.code_version,
        "delivery": provenance.path,
        "sessions": len(result.sessions),
        "market_events": result.market_events,
        "wall_seconds": round(result.wall_seconds, 3),
        "decisions": len(result.decisions),
        "orders": len(result.orders),
        "fills": len(result.fills),
        "trades": len(result.trades),
        "opening_cash": result.opening_cash,
        "closing_equity": result.closing_equity,
        "result": result.closing_equity - result.opening_cash,
        "problems": sorted({each for row in result.sessions for each in row.problems}),
    }


def _show(result: BacktestResult, run_id: str, request: BacktestRequest) -> None:
    out, provenance = console(), result.provenance
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim")
    table.add_column(justify="right")
    for name, value in _rows(result):
        table.add_row(name, value)
    out.print(f"\n[bold]{provenance.name}[/]  ({provenance.path} delivery)\n")
    out.print(table)
    problems = sorted({each for row in result.sessions for each in row.problems})
    if problems:
        out.print(f"\n[yellow]{len(problems)} findings about the data[/], the first of them:")
        for problem in problems[:3]:
            out.print(f"  {problem}", style="dim")
    out.print(
        f"\nrun {run_id}   result {provenance.result_hash[:16]}   "
        f"data {provenance.data_hash[:16]}   code {provenance.code_version}",
        style="dim",
    )
    out.print(f"kept in {request.store or STORE}; to look at it: kst report {run_id}", style="dim")


def _rows(result: BacktestResult) -> Iterator[tuple[str, str]]:
    from research.backtest.performance import performance

    speed = result.market_events / result.wall_seconds if result.wall_seconds else 0.0
    yield "market events", f"{result.market_events:,} in {result.wall_seconds:.1f} s"
    yield "", f"{speed:,.0f} a second"
    yield "intents", f"{len(result.decisions):,}"
    yield "orders", f"{len(result.orders):,}"
    yield "fills", f"{len(result.fills):,}"
    figures = performance(result)
    if figures is None:
        return
    yield "sessions", f"{figures.sessions}"
    yield "first and last", f"{figures.first}  {figures.last}"
    yield "equity at the end", f"{figures.closing_equity:,} won"
    yield "result after costs", f"{figures.result:+,} won"
    yield "return", f"{figures.returns.total:+.2%}"
    yield "largest drawdown", f"{figures.returns.drawdown:.2%}"
    yield "Sharpe ratio", _figure(figures.returns.sharpe)
    yield "closed trades", f"{figures.trades.closed:,}"
    hit_rate = figures.trades.hit_rate
    yield "hit rate", "-" if hit_rate is None else f"{hit_rate:.1%}"
    yield "fees and tax", f"{figures.costs.fees + figures.costs.tax:,} won"
    yield "slippage", f"{figures.costs.slippage:,} won"


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
