"""How commands show what they did."""

from __future__ import annotations

from rich.text import Text

from deploy.controls.desk import Issued
from deploy.event_text import clock_text, halt_place
from deploy.terminal import console
from events.control import Halt


def show_issued(issued: Issued) -> None:
    """Say where a command's event stands, and whether the gate has read it."""
    where = f"{issued.account} #{issued.sequence}"
    if issued.obeyed_ms is None:
        text = Text(f"{issued.event} stands on {where}; the risk gate has not read it", "red")
        text.append("\nIs it running? kst status", style="dim")
    else:
        text = Text(f"{issued.event} on {where}, obeyed after {issued.obeyed_ms:.0f} ms", "green")
    console().print(text)


def show_halts(path: str, halts: tuple[Halt, ...]) -> None:
    """List the halts in force on a run."""
    out = console()
    if not halts:
        out.print(Text(f"{path}: no halt in force"))
    for halt in halts:
        line = f"{path}: {halt_place(halt)}, {halt.mode.replace('_', ' ')} since "
        line += f"{clock_text(halt.since)} by {halt.issued_by}: {halt.reason}"
        out.print(Text(line, style="yellow"))


def show_failed(failed: dict[str, str]) -> None:
    """Name the runs where a command failed, and why."""
    for path, reason in failed.items():
        console().print(Text(f"{path}: failed: {reason}", style="red"))


def show_stranger(target: str, *, stranger: bool) -> None:
    """Warn that a halt concerns a name nobody has."""
    if stranger:
        text = f"{target} is no name that this run knows: is it spelt right?"
        console().print(Text(text, style="red"))
