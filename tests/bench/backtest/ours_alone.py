"""The tables of what is measured of this project's engine alone."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from tests.bench.backtest.bars import largest_symbols, minute_bars
from tests.bench.backtest.processes import run_alone
from tests.bench.backtest.report import rate

PARTS: Final = ("C", "MEMORY", "SWEEP")
DELIVERIES: Final = ("every", "reference", "block")
_MEGABYTE: Final = 1_000_000
_SWEPT: Final = 20
"""Sessions that every configuration of the sweep trades."""


def measure(parts: Sequence[str], console: Console, *, quick: bool) -> dict[str, Any]:
    """Measure some of ``PARTS``, print a table of each and return it as plain data."""
    found: dict[str, Any] = {}
    minutes, origin = minute_bars()
    folder = str(minutes.parent)
    if parts:
        console.print(f"ours alone: {origin}")
    if "C" in parts:
        found["C"] = _deliveries(folder, console, quick=quick)
    if "MEMORY" in parts:
        symbols = largest_symbols(minutes, 100)
        found["MEMORY"] = _memory(folder, symbols, console)
    if "SWEEP" in parts:
        symbols = largest_symbols(minutes, 2)
        found["SWEEP"] = _sweep(folder, symbols, console)
    return found


def _deliveries(folder: str, console: Console, *, quick: bool) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    table = Table(title="C: the breakout strategy on 40 symbols, bars bridged to ticks")
    table.add_column("delivery")
    _columns(
        table,
        "sessions",
        "market events",
        "rows of tape",
        "seconds",
        "market events/s",
        "prepare s",
        "peak MB",
        "fills",
        "final equity",
        "result hash",
    )
    for delivery in DELIVERIES[1:] if quick else DELIVERIES:
        # The definition is there to be compared with; it need not be run over all sessions.
        sessions = 2 if delivery == "every" else 4 if quick else 20
        asked = {"delivery": delivery, "sessions": sessions, "runs": 3, "seconds": 20.0}
        done = _run("deliveries", {"folder": folder, **asked}, rows, console)
        if done is not None:
            seconds = median(done["seconds"])
            table.add_row(
                delivery,
                str(done["sessions"]),
                f"{done['events']:,}",
                f"{done['rows']:,}",
                f"{seconds:.2f}",
                rate(done["events"] / seconds),
                f"{done['preparing']:.1f}",
                f"{done['peak_bytes'] / _MEGABYTE:,.0f}",
                f"{done['fills']:,}",
                f"{done['equity']:,}",
                done["hash"][:12],
            )
    console.print(table)
    return rows


def _memory(folder: str, symbols: Sequence[str], console: Console) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    table = Table(title=f"Memory: bars of {len(symbols)} symbols, read session by session")
    _columns(table, "sessions", "market events", "seconds", "market events/s", "peak MB", "fills")
    for sessions in (20, 80, 158):
        asked = {"folder": folder, "symbols": symbols, "sessions": sessions}
        done = _run("memory", asked, rows, console)
        if done is not None:
            seconds = done["seconds"][0]
            table.add_row(
                str(done["sessions"]),
                f"{done['events']:,}",
                f"{seconds:.2f}",
                rate(done["events"] / seconds),
                f"{done['peak_bytes'] / _MEGABYTE:,.0f}",
                f"{done['fills']:,}",
            )
    console.print(table)
    return rows


def _sweep(folder: str, symbols: Sequence[str], console: Console) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    table = Table(title=f"Sweep: 64 pairs of averages on {len(symbols)} symbols")
    _columns(table, "workers", "sessions", "seconds", "times as fast", "same results")
    for workers in (1, 2):
        asked = {"folder": folder, "symbols": symbols, "sessions": _SWEPT, "workers": workers}
        done = _run("sweep", asked, rows, console)
        if done is not None:
            seconds = done["seconds"][0]
            table.add_row(
                str(workers),
                str(_SWEPT),
                f"{seconds:.2f}",
                f"{rows[0]['seconds'][0] / seconds:.2f} x",
                "yes" if done["equities"] == rows[0]["equities"] else "NO",
            )
    console.print(table)
    return rows


def _columns(table: Table, *headings: str) -> None:
    for heading in headings:
        table.add_column(heading, justify="right")


def _run(
    part: str, asked: dict[str, Any], rows: list[dict[str, Any]], console: Console
) -> dict[str, Any] | None:
    shown = {key: value for key, value in asked.items() if key not in {"folder", "symbols"}}
    console.print(f"  {part} {shown} …", style="dim")
    with tempfile.TemporaryDirectory(prefix="kst-bench-") as folder:
        request = Path(folder) / "request.json"
        request.write_text(json.dumps({"part": part, **asked}))
        command = [sys.executable, "-m", "tests.bench.backtest.alone", str(request)]
        done = run_alone(command, folder)
    if isinstance(done, str):
        console.print(f"  FAILED: {done.splitlines()[-1]}", style="red", highlight=False)
        rows.append({"part": part, **shown, "error": done})
        return None
    rows.append({"part": part, **shown, **done})
    return done
