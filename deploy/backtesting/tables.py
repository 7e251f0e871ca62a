"""Figures as people read them: cells of tables about backtests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from deploy.terminal import console

if TYPE_CHECKING:
    from research.backtest.evaluation import Outcome

_SHARES: Final = frozenset({"return", "total_return", "annual_return", "volatility", "drawdown"})
_SHORT: Final = 28
"""Texts up to this length are not broken into lines: ids, dates."""
_SHOWN_AS_SHARES: Final = _SHARES | {"hit_rate", "test_return"}


def cell(name: str, value: object) -> str:
    """Return a figure as text: fractions as percent, won with separators, ``-`` for none."""
    if value is None or value == "":
        return "-"
    if isinstance(value, float):
        return f"{value:.2%}" if name in _SHOWN_AS_SHARES else f"{value:,.3f}"
    return f"{value:,}" if type(value) is int else str(value)


def shortened(keys: Iterable[str]) -> dict[str, str]:
    """Return the last part of each dotted key, or as many parts as tell it from the others."""
    keys = list(keys)
    short = {}
    for key in keys:
        parts = key.split(".")
        for count in range(1, len(parts) + 1):
            tail = ".".join(parts[-count:])
            if sum(other == tail or other.endswith(f".{tail}") for other in keys) == 1:
                break
        short[key] = tail
    return short


def rows_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """Return rows under their columns' names, figures to the right."""
    rows = list(rows)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for place, name in enumerate(columns):
        figures = all(isinstance(row[place], int | float | None) for row in rows)
        table.add_column(
            name.replace("_", "\n") if figures else name,
            justify="right" if figures else "left",
            no_wrap=figures or max((len(str(row[place])) for row in rows), default=0) <= _SHORT,
            overflow="fold",
        )
    for row in rows:
        table.add_row(*(cell(name, value) for name, value in zip(columns, row, strict=True)))
    return table


@contextmanager
def progress_of_runs(name: str) -> Iterator[Any]:
    """Show a bar of runs on stderr; yields what is to be called with how many are done."""
    with Progress(
        TextColumn(f"[bold]{name}[/]"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("runs"),
        TimeElapsedColumn(),
        console=console(),
        transient=True,
    ) as progress:
        task = progress.add_task("", total=None)

        def advance(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        yield advance


def show_failures(failed: Sequence[Outcome]) -> None:
    """Say which runs ended with an error, and with which one."""
    if not failed:
        return
    out = console()
    out.print(f"\n[red]{len(failed)} runs failed[/]")
    for each in failed[:10]:
        out.print(f"  {each.label}: {each.error}", markup=False)
