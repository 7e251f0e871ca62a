"""``kst demo``: a trading day on this machine, shown while it runs and summed up at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.live import Live

from deploy import logs
from deploy.data_directory import RunLock
from deploy.demo_report import result_of, show
from deploy.demo_run import DemoRun, Show
from deploy.demo_setup import DemoRequest, set_up
from deploy.demo_view import Moment, render
from deploy.event_text import clock_text
from deploy.terminal import console, print_json

_LINE_EVERY: Final = 1_800 * 1_000_000_000
"""Simulated time between two progress lines where there is no terminal to draw on."""

SUPERVISOR: Final = "supervisor"


def demo_command(request: DemoRequest, *, as_json: bool) -> int:
    """Run a demo, show what happened and return the exit status: 0 only when all is well."""
    out = console()
    directory, session = set_up(request)
    out.print(f"{session.day:%Y-%m-%d}, everything of this run is in {directory.path}")
    logging = logs.writing_to(
        directory.log_file(SUPERVISOR),
        account=directory.manifest.account,
        service=SUPERVISOR,
        run="1",
    )
    with RunLock(directory), logging, _shown(out) as display:
        outcome = asyncio.run(DemoRun(directory, session, display).run())
    result = result_of(outcome, logs.errors_in(directory.logs), directory)
    if as_json:
        print_json(result)
    else:
        show(out, outcome, result)
    return 1 if result.errors else 0


@contextmanager
def _shown(out: Console) -> Iterator[Show]:
    """Give what shows the state of the run: drawn on a terminal, a line now and then elsewhere."""
    if out.is_terminal:
        with Live(console=out, auto_refresh=False, transient=True) as live:
            yield lambda moment: live.update(render(moment), refresh=True)
        return
    printed = 0

    def line(moment: Moment) -> None:
        nonlocal printed
        if moment.now - printed >= _LINE_EVERY:
            printed = moment.now
            out.print(
                f"{clock_text(moment.now)} {moment.events:,} events, "
                f"{moment.summary.intents} intents, {moment.summary.fills} fills, "
                f"{moment.effective_speed:,.0f}x"
            )

    yield line
