"""The live view of a run in the terminal: time, services, figures, the last events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from deploy.day_summary import DaySummary
from deploy.event_text import clock_text, describe, won
from deploy.pacer import Reading
from deploy.supervisor import Service, ServiceState
from events.calendar import TradingSession

_COLOURS = {
    ServiceState.RUNNING: "green",
    ServiceState.PAUSED: "yellow",
    ServiceState.STOPPED: "dim",
    ServiceState.FAILED: "red",
}


class Moment(NamedTuple):
    """Everything the view shows at one moment. Speeds are simulated seconds per wall second."""

    session: TradingSession
    now: int
    speed: float
    effective_speed: float
    events: int
    events_per_second: float
    lost: Mapping[str, float]
    services: Mapping[str, Service]
    readings: Sequence[Reading]
    summary: DaySummary


def render(moment: Moment) -> RenderableType:
    """Return the view of one moment."""
    return Group(
        _heading(moment),
        Columns([_services(moment), _figures(moment.summary)], expand=False, padding=(0, 3)),
        Panel(_recent(moment.summary), title="last events", title_align="left"),
    )


def _heading(moment: Moment) -> Text:
    day = moment.session.day
    text = Text.assemble(
        (f"{day:%Y-%m-%d} {clock_text(moment.now)} KST", "bold"),
        f"  {moment.session.phase(moment.now).replace('_', ' ')}",
        f"  {moment.effective_speed:,.0f}× real time",
        f"  {moment.events:,} events, {moment.events_per_second:,.0f}/s",
    )
    if delays := slowed_by(moment.lost):
        text.append(f"  {delays}", style="yellow")
    return text


def slowed_by(lost: Mapping[str, float]) -> str:
    """Return which services held the clock back and for how long, the worst first.

    Empty when none did for a tenth of a second or more.
    """
    worst = sorted(lost.items(), key=lambda item: -item[1])
    told = [f"{name} for {seconds:.1f} s" for name, seconds in worst if seconds >= 0.1]
    return f"slowed by {', '.join(told)}" if told else ""


def _services(moment: Moment) -> Table:
    table = Table("service", "state", "behind", "restarts", box=None, pad_edge=False)
    pending = {reading.service: reading.pending for reading in moment.readings}
    for name, service in moment.services.items():
        behind = pending.get(name)
        table.add_row(
            name,
            Text(service.state, style=_COLOURS[service.state]),
            "" if name not in pending else "not ready" if behind is None else f"{behind:,}",
            str(service.restarts) if service.restarts else "",
        )
    return table


def _figures(summary: DaySummary) -> Table:
    table = Table.grid(padding=(0, 2))
    decisions = ", ".join(f"{n} {word}" for word, n in summary.decisions.items() if n)
    orders = ", ".join(f"{n} {state.replace('_', ' ')}" for state, n in summary.orders.items())
    table.add_row("intents", str(summary.intents))
    table.add_row("decisions", decisions or "none")
    table.add_row("orders", orders or "none")
    table.add_row("fills", str(summary.fills))
    table.add_row("held", ", ".join(f"{s} {n:,}" for s, n in summary.holdings.items()) or "nothing")
    table.add_row("profit", won(summary.profit.net))
    if summary.degraded:
        names = ", ".join(sorted({condition for _, condition in summary.degraded}))
        table.add_row(Text("degraded", style="yellow"), Text(names, style="yellow"))
    if summary.halts:
        names = ", ".join(f"{place}, {mode}" for mode, place in summary.halts)
        table.add_row(Text("halts", style="yellow"), names)
    return table


def _recent(summary: DaySummary) -> Text:
    lines = [
        f"{clock_text(item.event.at)}  {item.sequence:>8}  {describe(item.event)}"
        for item in summary.recent
    ]
    return Text("\n".join(lines) or "none yet", no_wrap=True, overflow="ellipsis")
