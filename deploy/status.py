"""``kst status``: how a run is doing, or how it ended, read from its directory and its log."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import psutil
from rich.table import Table
from rich.text import Text

from bus import Progress
from deploy.data_directory import DataDirectory, find_run, is_running
from deploy.day_summary import DaySummary
from deploy.event_text import clock_text, describe, won
from deploy.log_access import open_log, summarise, with_sealed_days
from deploy.logs import errors_in
from deploy.recordings.unsealed import overdue
from deploy.terminal import console, print_json
from events.ops import SlotsChanged

_FRESH = 5.0
"""Wall seconds after which a running service without a report counts as silent."""


class ServiceStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One service: ``state`` is running, silent or ended; position and backlog as last reported."""

    service: str
    state: str
    pid: int | None
    position: int | None
    pending: int | None


class SlotStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One subscription, held or waiting, and why it is wanted; strongest first."""

    slot: str
    held: bool
    reason: str


class StatusResult(msgspec.Struct, frozen=True, kw_only=True):
    """Health of a run.

    ``halts`` maps halts in force to their reason, ``degraded`` conditions that still hold to their
    detail, ``drift`` symbols to what broker and owners have. ``unprotected`` names allocations
    without a stop that works. ``slots`` counts the subscriptions held and waiting, of the budget;
    ``subscriptions`` names them. ``unsealed`` names sessions that should be in the recordings.
    """

    data_dir: str
    trading_date: str
    running: bool
    events: dict[str, int]
    services: tuple[ServiceStatus, ...]
    halts: dict[str, str]
    degraded: dict[str, str]
    drift: dict[str, str]
    unprotected: tuple[str, ...]
    divergences: int
    set_aside: int
    feed_gaps: int
    slots: dict[str, int]
    subscriptions: tuple[SlotStatus, ...]
    blind_gates: tuple[str, ...]
    orders: dict[str, int]
    holdings: dict[str, int]
    net: int
    unsealed: tuple[str, ...]
    log_errors: dict[str, int]

    @property
    def healthy(self) -> bool:
        """Whether nothing needs a person: no halt, degradation, drift, divergence or error."""
        silent = any(service.state == "silent" for service in self.services)
        held_back = self.halts or self.degraded or self.drift or self.unprotected
        lost = self.divergences or self.set_aside or self.log_errors or self.unsealed
        return not (held_back or lost or silent)


def status_command(data_dir: Path | None, *, as_json: bool) -> int:
    """Show the health of a run; the exit status is 1 when something needs a person."""
    directory = find_run(data_dir)
    running = is_running(directory)
    summary, last, unsealed = asyncio.run(_read(directory))
    result = _result(directory, summary, last, unsealed=unsealed, running=running)
    if as_json:
        print_json(result)
    else:
        _show(result, summary)
    return 0 if result.healthy else 1


async def _read(directory: DataDirectory) -> tuple[DaySummary, int, tuple[str, ...]]:
    async with open_log(directory) as log:
        summary, last = await summarise(await with_sealed_days(directory, log))
        late = await overdue(directory, log, time.time_ns())
    return summary, last, tuple(f"{date}, for {days} days" for date, days in late)


def _result(
    directory: DataDirectory,
    summary: DaySummary,
    last: int,
    *,
    unsealed: tuple[str, ...],
    running: bool,
) -> StatusResult:
    slots = summary.slots
    return StatusResult(
        data_dir=str(directory.path),
        trading_date=directory.manifest.trading_date,
        running=running,
        events=summary.events(last),
        services=tuple(_service(directory, name) for name in _names(directory)),
        halts={f"{place}, {mode}": reason for (mode, place), reason in summary.halts.items()},
        degraded={f"{name}: {what}": text for (name, what), text in summary.degraded.items()},
        drift={
            str(symbol): f"broker {broker:,}, owners {owned:,}"
            for symbol, (broker, owned) in summary.drifting.items()
        },
        unprotected=tuple(describe(stop) for stop in summary.unprotected),
        divergences=len(summary.divergences),
        set_aside=summary.set_aside,
        feed_gaps=summary.gaps,
        slots={}
        if slots is None
        else {"held": len(slots.held), "waiting": len(slots.waiting), "budget": slots.budget},
        subscriptions=subscriptions(slots),
        blind_gates=tuple(f"{strategy}: {gate}" for strategy, gate in summary.blind_gates),
        orders=summary.orders,
        holdings={str(symbol): shares for symbol, shares in summary.holdings.items()},
        net=summary.profit.net,
        unsealed=unsealed,
        log_errors=errors_in(directory.logs).by_name,
    )


def subscriptions(slots: SlotsChanged | None) -> tuple[SlotStatus, ...]:
    """Return every subscription held or waiting, strongest first, the held ones before."""
    if slots is None:
        return ()
    return tuple(
        SlotStatus(slot=slot, held=held, reason=slots.reasons.get(slot, ""))
        for held, listed in ((True, slots.held), (False, slots.waiting))
        for slot in listed
    )


def _names(directory: DataDirectory) -> list[str]:
    files = (directory.path / "run").glob("*.progress")
    return sorted(file.stem for file in files)


def _service(directory: DataDirectory, name: str) -> ServiceStatus:
    progress = Progress.read(directory.progress(name))
    pid = _pid(directory.pid_file(name))
    state = "ended"
    if pid is not None:
        state = "running" if progress is not None and progress.age < _FRESH else "silent"
    return ServiceStatus(
        service=name,
        state=state,
        pid=pid,
        position=None if progress is None else progress.position,
        pending=None if progress is None else progress.pending,
    )


def _pid(file: Path) -> int | None:
    """Return the process id in a pid file when that process lives."""
    try:
        pid = int(file.read_text())
    except (OSError, ValueError):
        return None
    return pid if psutil.pid_exists(pid) else None


def _show(result: StatusResult, summary: DaySummary) -> None:
    out = console()
    state = "running" if result.running else "ended"
    out.print(f"{result.trading_date} {state}, {result.data_dir}", markup=False)
    services = Table("service", "state", "position", "behind")
    for item in result.services:
        services.add_row(item.service, item.state, _number(item.position), _number(item.pending))
    out.print(services)
    figures = Table(show_header=False)
    figures.add_row("events", ", ".join(f"{n:,} {name}" for name, n in result.events.items()))
    figures.add_row("orders", ", ".join(f"{n} {name}" for name, n in result.orders.items()))
    figures.add_row(
        "held", ", ".join(f"{s} {n:,}" for s, n in result.holdings.items()) or "nothing"
    )
    figures.add_row("net", won(result.net))
    figures.add_row("slots", ", ".join(f"{n} {name}" for name, n in result.slots.items()))
    figures.add_row("feed gaps", str(result.feed_gaps))
    out.print(figures)
    for line in slot_lines(result.subscriptions):
        out.print(Text(line))
    _show_trouble(result)
    for recent in summary.recent:
        line = f"{clock_text(recent.event.at)} {recent.sequence:>8}  {describe(recent.event)}"
        out.print(Text(line, style="dim"), no_wrap=True, overflow="ellipsis")


def slot_lines(listed: Sequence[SlotStatus]) -> Iterator[str]:
    """Yield who holds which slot and why, then who waits: a line per reason, strongest first."""
    for held, title in ((True, "holds"), (False, "waits")):
        by_reason: dict[str, list[str]] = {}
        for each in listed:
            if each.held is held:
                by_reason.setdefault(each.reason or "no reason given", []).append(each.slot)
        for reason, slots in by_reason.items():
            yield f"slot {title}: {reason} ({len(slots)}): {', '.join(slots)}"


def _show_trouble(result: StatusResult) -> None:
    out = console()
    for name, reason in result.halts.items():
        out.print(Text(f"halt in force: {name}: {reason}", style="yellow"))
    for symbol, shares in result.drift.items():
        out.print(Text(f"drift in {symbol}: {shares}", style="yellow"))
    for stop in result.unprotected:
        out.print(Text(stop, style="red"))
    for name, detail in result.degraded.items():
        out.print(Text(f"degraded: {name}, {detail}", style="yellow"))
    for gate in result.blind_gates:
        out.print(Text(f"no data all day: gate {gate}", style="yellow"))
    if result.divergences:
        out.print(Text(f"{result.divergences} divergences: run kst verify", style="red"))
    if result.set_aside:
        out.print(Text(f"{result.set_aside} entries or frames set aside", style="red"))
    for session in result.unsealed:
        out.print(Text(f"not sealed: {session}; run kst recordings seal", style="red"))
    for name, count in result.log_errors.items():
        out.print(Text(f"error in the logs: {count} × {name}", style="red"))
    if result.healthy:
        out.print("[green]nothing needs attention[/]")


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"
