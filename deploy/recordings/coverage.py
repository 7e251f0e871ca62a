"""``kst recordings coverage``: which sessions and symbols a recording holds, and what is odd."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from deploy.recordings.importing import DEFAULT_STORE
from deploy.terminal import AsJson, Debug, console, print_json, reported

if TYPE_CHECKING:
    from research.datasets.coverage import Coverage

_SHOWN: Final = 40


@reported
def show_coverage(
    *,
    folder: Annotated[
        Path, typer.Argument(help="A store, or a folder of monthly files of bars.")
    ] = DEFAULT_STORE,
    start: Annotated[
        str | None, typer.Option(help="First session. Default: all.", metavar="DATE")
    ] = None,
    end: Annotated[
        str | None, typer.Option(help="Last session. Default: all.", metavar="DATE")
    ] = None,
    symbols: Annotated[
        str, typer.Option(help="Symbols, separated by commas. Default: all.", metavar="CODES")
    ] = "",
    every: Annotated[
        bool, typer.Option("--all", help="Show every finding, not the first ones.")
    ] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Report gaps, odd sessions and odd prices of a recording of bars.

    The exit status is 1 when a file is not what the store's manifest says or a whole session is
    missing; everything else is worth knowing and no fault.
    """
    from deploy.calendar_input import parse_day
    from events import Symbol
    from research.datasets.coverage import coverage
    from research.datasets.findings import Odd

    found = coverage(
        folder,
        start=None if start is None else parse_day(start),
        end=None if end is None else parse_day(end),
        symbols=[Symbol(each.strip()) for each in symbols.split(",") if each.strip()],
    )
    if as_json:
        print_json(found)
    else:
        _show(found, every=every)
    lost = any(Odd.MISSING in session.findings for session in found.sessions)
    return int(bool(found.changed_files) or lost)


def _show(found: Coverage, *, every: bool) -> None:
    from rich.table import Table

    out = console()
    sessions = found.sessions
    out.print(
        f"{found.folder}: {len(sessions)} sessions from {sessions[0].date} to {sessions[-1].date}, "
        f"{min(each.symbols for each in sessions)} to {max(each.symbols for each in sessions)} "
        f"symbols, {sum(each.bars for each in sessions):,} bars"
    )
    for path in found.changed_files:
        out.print(f"[red]{path} is not the file that was imported[/]")
    if found.counts:
        counts = Table("finding", "times", box=None, pad_edge=False)
        for odd, times in found.counts.items():
            counts.add_row(odd, f"{times:,}")
        out.print(counts)
    lines = list(_lines(found))
    details = Table("symbol", "finding", "sessions", "the first", box=None, pad_edge=False)
    for line in lines if every else lines[:_SHOWN]:
        details.add_row(*line)
    if lines:
        out.print(details)
    if len(lines) > _SHOWN and not every:
        out.print(f"and {len(lines) - _SHOWN:,} more: add --all", style="dim")


def _lines(found: Coverage) -> Iterator[tuple[str, str, str, str]]:
    """Yield symbol (none for whole sessions), finding, sessions with it and the first of them."""
    each_once: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for session in found.sessions:
        for odd, detail in session.findings.items():
            each_once.setdefault(("", odd), []).append((session.date, detail))
    for each in found.odd:
        for odd, detail in each.findings.items():
            each_once.setdefault((each.symbol, odd), []).append((each.date, detail))
    for (symbol, odd), sessions in sorted(each_once.items()):
        day, detail = sessions[0]
        yield symbol, odd, f"{len(sessions):,}", f"{day} {detail}"
