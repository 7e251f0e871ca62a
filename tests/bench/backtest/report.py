"""The one table, and the same as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.bench.backtest.cross_check import Difference
from tests.bench.backtest.processes import Measured

_MEGABYTE = 1_000_000


class Row:
    """One engine on one workload, held against the truth and against ours."""

    def __init__(
        self, measured: Measured, differs: Difference | None, ours: Mapping[str, float]
    ) -> None:
        """``ours`` are our rates in events/s by variant on the same workload."""
        self.measured = measured
        self.differs = differs
        self.ratios = {
            path: rate / measured.rate for path, rate in ours.items() if not measured.error
        }

    @property
    def notes(self) -> list[str]:
        """What is to be said of it."""
        if self.measured.error:
            return [f"FAILED: {self.measured.error.splitlines()[-1]}"]
        said = [] if self.differs is None else list(self.differs.words())
        return [*said, *self.measured.notes]

    def plain(self) -> dict[str, Any]:
        """Return it as plain data."""
        measured = self.measured
        found: dict[str, Any] = {
            "engine": measured.engine.title,
            "workload": measured.task.title,
            "events": measured.task.events,
            "notes": self.notes,
        }
        if measured.error:
            return found | {"error": measured.error}
        return found | {
            "version": measured.version,
            "preparing_seconds": measured.preparing,
            "warm_up_seconds": measured.warm_up,
            "seconds": list(measured.seconds),
            "processor_seconds": list(measured.processor_seconds),
            "median_seconds": measured.median,
            "events_per_second": measured.rate,
            "ours_times": self.ratios,
            "peak_bytes": measured.peak_bytes,
            "trades": 0 if measured.fills is None else len(measured.fills.row),
            "equity": measured.equity,
            "difference": None if self.differs is None else self.differs._asdict(),
        }


def show(rows: Sequence[Row], console: Console) -> None:
    """Print the table and the notes below it."""
    table = Table(title="Backtests on the same data, one process at a time", title_justify="left")
    for heading in ("workload", "engine", "version"):
        table.add_column(heading)
    for heading in (
        "events",
        "seconds",
        "events/s",
        "ours, reference",
        "ours, block",
        "prepare s",
        "peak MB",
        "trades",
        "final equity",
    ):
        table.add_column(heading, justify="right")
    table.add_column("#", justify="right")
    notes: list[str] = []
    before = ""
    for row in rows:
        measured = row.measured
        if before and measured.task.title != before:
            table.add_section()
        before = measured.task.title
        said = "; ".join(row.notes)
        if said not in notes:
            notes.append(said)
        mark = str(notes.index(said) + 1)
        if measured.error:
            blank = [""] * 8
            table.add_row(
                before, measured.engine.title, "", f"{measured.task.events:,}", *blank, mark
            )
            continue
        table.add_row(
            before,
            measured.engine.title,
            measured.version,
            f"{measured.task.events:,}",
            f"{measured.median:.3f}",
            rate(measured.rate),
            times(row.ratios.get("reference")),
            times(row.ratios.get("block")),
            f"{measured.preparing:.2f}",
            f"{measured.peak_bytes / _MEGABYTE:,.0f}",
            f"{0 if measured.fills is None else len(measured.fills.row):,}",
            f"{measured.equity:,.1f}".removesuffix(".0"),
            mark,
        )
    console.print(table)
    console.print("[bold]ours[/]: how many times as fast as that engine each path of ours is.")
    for number, note in enumerate(notes, 1):
        console.print(f"{number:3}  {note}", highlight=False)


def rate(events: float) -> str:
    """Return events a second with a unit, three digits."""
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if events >= size:
            return f"{events / size:.3g} {unit}"
    return f"{events:.3g}"


def times(ratio: float | None) -> str:
    """Return a ratio, or nothing."""
    return "" if ratio is None else f"{ratio:,.3g} x"
