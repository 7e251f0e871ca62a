"""``kst simulator``: a KIS server on this machine for any client, shown while it runs."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog
import uvloop
from rich.console import Console
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from deploy.event_text import clock_text
from deploy.simulator_run import Glance, OnGlance, Ready, run_days
from deploy.simulator_setup import (
    Setup,
    SimulatorRequest,
    environment_file,
    set_up,
    today_in_korea,
)
from deploy.terminal import console, print_json
from kis_gateway.simulator import SimulatorSummary

_LINE_EVERY: Final = 1_800 * 1_000_000_000
"""Simulated time between two progress lines where there is no terminal to draw on."""


def simulator_command(request: SimulatorRequest, *, as_json: bool) -> int:
    """Run a simulator until its day is over or Ctrl-C, and return the exit status."""
    out = console()
    setup = set_up(request, today_in_korea())
    # Calls and frames are counted in the status line; the log would only tear it apart.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    with _shown(out) as show:
        summaries = uvloop.run(_serve(setup, out, show, as_json=as_json))
    for summary in summaries:
        out.print(summary_text(summary), soft_wrap=True)
    return 0


async def _serve(
    setup: Setup, out: Console, show: OnGlance, *, as_json: bool
) -> list[SimulatorSummary]:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    days = 0

    def ready(day: Ready) -> None:
        nonlocal days
        days += 1
        if days > 1:
            out.print(f"next day: {day.session.day:%Y-%m-%d}")
        elif as_json:
            print_json(ready_object(day))
        else:
            out.print(welcome(day, setup))
            # Beside the panel and never wrapped: it is there to be copied.
            out.print(environment_file(day.settings, day.rest_url, day.ws_url), soft_wrap=True)

    return await run_days(setup, stop, ready, show)


def ready_object(day: Ready) -> dict[str, object]:
    """Return the line that tells a program where the service is and how to log in."""
    return {
        "ready": True,
        "rest": day.rest_url,
        "ws": day.ws_url,
        "admin": day.admin_url,
        "environment": day.settings.environment,
        "era": day.settings.era,
        "date": f"{day.session.day:%Y-%m-%d}",
        "accounts": [
            {
                "account": held.account,
                "app_key": held.app_key,
                "app_secret": held.app_secret,
                "hts_id": held.hts_id,
            }
            for held in day.settings.credentials
        ],
    }


def welcome(day: Ready, setup: Setup) -> Panel:
    """Return what a person needs to use the service: where it is, how to log in, how to point."""
    places = Table.grid(padding=(0, 2))
    settings = day.settings
    places.add_row("REST", day.rest_url)
    places.add_row("WebSocket", f"{day.ws_url}  (also /tryitout)")
    if day.admin_url is not None:
        places.add_row("test bench", f"{day.admin_url}/admin/state")
    places.add_row(
        "serving",
        f"{settings.environment} trading, records of era {settings.era}, "
        f"{day.session.day:%Y-%m-%d} from {clock_text(setup.start)} at {setup.request.speed:g}x",
    )
    if setup.scenario is not None:
        places.add_row("scenario", f"{setup.scenario.name}, {len(setup.scenario.steps)} steps")
    body = Table.grid(padding=(1, 0))
    body.add_row(places)
    body.add_row(
        Text(
            "kst: put the four variables below into its environment file, and the two addresses "
            "into gateway.yaml\n     (rest_url, websocket_url).\n"
            "other clients: replace the host of the KIS Open API by these addresses; plain HTTP.\n"
            "Ctrl-C ends it. These keys are shown this once and are good for this run only.",
            style="dim",
        )
    )
    return Panel(body, title="KIS simulator", title_align="left", border_style="green")


def status_text(glance: Glance) -> Text:
    """Return the state of the service in one line."""
    counters = glance.summary.counters
    parts = [
        clock_text(glance.now),
        "paused" if not glance.rate else f"{glance.rate:g}x",
        f"{counters.ws_sessions} clients",
        f"{glance.calls_per_second:.0f} calls/s",
        f"{glance.trades_per_second:,.0f} trades/s",
        f"{glance.summary.orders} orders",
        f"{glance.summary.executions} fills",
        f"{counters.throttled_calls} throttled",
        f"{counters.faults_struck} faults",
    ]
    line = Text(" · ".join(parts))
    if counters.duplicate_bodies:
        line.append(f" · {counters.duplicate_bodies} order bodies sent twice", style="bold red")
    if counters.behind_s > 1:
        line.append(f" · {counters.behind_s:.0f} s behind", style="yellow")
    return line


def summary_text(summary: SimulatorSummary) -> str:
    """Return a day in numbers."""
    counters = summary.counters
    return (
        f"{counters.prints:,} trades, {counters.records_sent:,} records in "
        f"{counters.frames_sent:,} frames; {counters.rest_calls:,} calls, "
        f"{counters.throttled_calls} throttled; {summary.orders} order numbers, "
        f"{summary.executions} fills of {summary.shares:,} shares, {summary.amount:,} won; "
        f"{counters.duplicate_bodies} order bodies sent twice; lost on purpose: "
        f"{counters.records_lost:,} records, {counters.notices_lost} notices"
    )


@contextmanager
def _shown(out: Console) -> Iterator[OnGlance]:
    """Give what shows the state: one live line on a terminal, a line now and then elsewhere."""
    if out.is_terminal:
        with Live(console=out, auto_refresh=False, transient=True) as live:
            yield lambda glance: live.update(status_text(glance), refresh=True)
        return
    printed = 0

    def line(glance: Glance) -> None:
        nonlocal printed
        if glance.now - printed >= _LINE_EVERY:
            printed = glance.now
            out.print(status_text(glance), soft_wrap=True)

    yield line
