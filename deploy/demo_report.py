"""What a demo says at its end: figures as JSON, or tables and where to look next."""

from __future__ import annotations

from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from deploy.data_directory import RUNS, DataDirectory
from deploy.demo_run import Outcome
from deploy.demo_view import slowed_by
from deploy.event_text import won
from deploy.logs import LogErrors

_REASONS = 6
_SETUPS = 8
"""Most setup transitions listed: they say what became of the candidates, and why none traded."""


class DemoResult(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of ``kst demo --json``. Money is won, ``wall_s`` wall seconds.

    ``errors`` counts everything that should not be there; ``problems`` says what.
    """

    events: dict[str, int]
    intents: int
    decisions: dict[str, int]
    orders: dict[str, int]
    fills: int
    pnl: dict[str, int]
    exchange: dict[str, int]
    degradations: int
    errors: int
    problems: tuple[str, ...]
    wall_s: float
    data_dir: str


def result_of(outcome: Outcome, logged: LogErrors, directory: DataDirectory) -> DemoResult:
    """Return the figures of a finished demo."""
    summary, profit = outcome.summary, outcome.summary.profit
    found = problems(outcome, logged)
    return DemoResult(
        events=summary.events(outcome.events),
        intents=summary.intents,
        decisions=dict(summary.decisions),
        orders=summary.orders,
        fills=summary.fills,
        pnl={"gross": profit.gross, "fees": profit.fees, "tax": profit.tax, "net": profit.net},
        exchange={"orders": outcome.exchange.orders, "fills": outcome.exchange.fills},
        degradations=summary.degradations.total(),
        errors=len(found),
        problems=tuple(found),
        wall_s=round(outcome.wall_seconds, 1),
        data_dir=str(directory.path),
    )


def problems(outcome: Outcome, logged: LogErrors) -> list[str]:
    """Return everything that should not be there after a day; empty when all is well."""
    summary, exchange = outcome.summary, outcome.exchange
    found = [f"{count} × {name} in the service logs" for name, count in logged.by_name.items()]
    found += [
        f"{item.service} derived something else than the log holds at {item.sequence}"
        for item in summary.divergences
    ]
    if summary.set_aside:
        found.append(f"{summary.set_aside} entries or frames could not be decoded")
    found += [
        f"drift in {symbol}: broker {broker:,}, strategies {own:,}"
        for symbol, (broker, own) in summary.drifting.items()
    ]
    found += [
        f"{condition} of {service}: {detail}"
        for (service, condition), detail in summary.degraded.items()
    ]
    if exchange.orders > summary.orders_sent:
        found.append(
            f"the exchange got {exchange.orders} orders, the log knows of {summary.orders_sent}"
        )
    if exchange.holdings != summary.holdings:
        found.append(f"the account holds {exchange.holdings}, the log says {summary.holdings}")
    return found


def show(out: Console, outcome: Outcome, result: DemoResult) -> None:
    """Print the summary of a demo."""
    out.print(_table(outcome, result))
    if result.problems:
        out.print("[red]not as it should be:[/]")
        for problem in result.problems:
            out.print(f"  {problem}", markup=False)
    else:
        out.print("[green]exchange and log agree; no service logged an error[/]")
    for strategy, gate in outcome.summary.blind_gates:
        out.print(f"[yellow]gate {gate} of {strategy} had no data all day[/]")
    where = "" if _is_latest(result.data_dir) else f" --data-dir {result.data_dir}"
    out.print(
        f"\nEverything is in {result.data_dir}\n"
        f"  just verify{where}\n      derive every decision again and compare, byte for byte\n"
        f"  just rebuild{where}\n      fold the read models again and compare their checksum\n"
        f"  just status{where}\n      services, halts, degradations, slots",
        markup=False,
        soft_wrap=True,
    )


def _is_latest(data_dir: str) -> bool:
    return (RUNS / "latest").resolve() == Path(data_dir)


def _table(outcome: Outcome, result: DemoResult) -> Table:
    summary, pnl = outcome.summary, result.pnl
    table = Table(title="the day", show_header=False, title_justify="left")
    table.add_row("events", _counts(result.events))
    for (strategy, state, reason), times in summary.setups.most_common(_SETUPS):
        table.add_row(
            f"{strategy} setups", f"{times} to {state.lower()}: {reason.replace('_', ' ')}"
        )
    table.add_row("intents", str(result.intents))
    table.add_row("decisions", _counts(result.decisions))
    for (decision, check), times in summary.reasons.most_common(_REASONS):
        table.add_row("", f"{times} {decision} by {check}")
    table.add_row("orders", _counts(result.orders) or "none")
    table.add_row("executions", _counts(dict(summary.executions)) or "none")
    table.add_row("fills", str(result.fills))
    table.add_row("profit", f"gross {won(pnl['gross'])}, fees {won(pnl['fees'])}")
    table.add_row("", f"tax {won(pnl['tax'])}, net {won(pnl['net'])}")
    table.add_row(
        "exchange", f"{result.exchange['orders']} orders, {result.exchange['fills']} fills"
    )
    for (place, mode), times in summary.halted.items():
        table.add_row("halt", f"{times} × {place}, {mode}")
    for symbol, times in sorted(summary.accounts.drifts.items()):
        holds = "still holds" if symbol in summary.drifting else "over"
        table.add_row("drift", f"{times} × {symbol}, {holds}")
    table.add_row("degradations", f"{result.degradations}, {len(summary.degraded)} still hold")
    time = f"{outcome.wall_seconds:.0f} s, {outcome.effective_speed:,.0f}× real time"
    table.add_row("time", time)
    if delays := slowed_by(outcome.lost):
        table.add_row("", delays)
    if outcome.restarts:
        table.add_row("restarts", _counts(outcome.restarts))
    return table


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in counts.items())
