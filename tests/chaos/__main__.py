"""Kill everything at random and at every marked step, and compare the books after each time.

    just chaos                        500 drills, some twenty minutes
    just chaos --runs 50              the first fifty
    just chaos --seed 137 --runs 1    drill 137 alone, as it is named when something was wrong
    just chaos --seconds 600          as many as fit into ten minutes
    just chaos --broken resend        a router that sends again after a time-out: must be found

Exit status 0: exchange, log, database and allocations agreed after every drill, and with 200 drills
or more a process died at every marked step. 1: something was wrong; the last lines say what, and
how to run it again. The report for machines is .cache/chaos/report.json.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tests.chaos.campaign import KEPT, SPEED, Request, Result, run_campaign, write_report

_ALL_STEPS_FROM: Final = 200
"""Drills from which on every step must have been struck: each was armed four times by then."""

_BROKEN: Final = ("resend", "early")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a campaign and return the exit status."""
    request = _request(arguments)
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
        console=console,
    ) as progress:
        task = progress.add_task("drills", total=request.runs)

        def show(result: Result) -> None:
            last = result.reports[-1]
            text = f"{result.seconds / result.runs:.1f} s each, {result.steps.total()} marked"
            progress.update(task, completed=result.runs, description=f"drill {last.seed}: {text}")

        # Asked to end, the servers of the ground are stopped too.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        result = asyncio.run(run_campaign(request, show))
    path = write_report(result)
    _print(result, Console())
    print(f"report: {path}")
    return _verdict(result)


def _request(arguments: Sequence[str] | None) -> Request:
    parser = argparse.ArgumentParser(
        prog="just chaos", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=500, help="how many drills (500)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first drill (0)")
    parser.add_argument("--seconds", type=float, default=0.0, help="begin no drill after so long")
    parser.add_argument("--speed", type=float, default=SPEED, help=f"of the market ({SPEED:g})")
    parser.add_argument("--broken", choices=_BROKEN, default="", help="use a router that is wrong")
    chosen = parser.parse_args(arguments)
    return Request(**vars(chosen))


def _print(result: Result, console: Console) -> None:
    document = result.document()
    table = Table("what", "how often", title=f"{result.runs} drills in {result.seconds:.0f} s")
    for part in ("figures", "violations", "killed", "ended_by_themselves", "strikes", "steps"):
        table.add_section()
        for name, count in document[part].items():
            table.add_row(f"{part}: {name}", str(count))
    console.print(table)


def _verdict(result: Result) -> int:
    for report in result.wrong:
        print(f"drill {report.seed} ({report.step}; {', '.join(report.strikes)}):")
        for finding in report.findings:
            print(f"  {finding}")
        again = f"just chaos --seed {report.seed} --runs 1"
        print(f"  again: {again}; what is left: {KEPT}/seed-{report.seed}")
    missing = result.never_struck if result.runs >= _ALL_STEPS_FROM else []
    for name in missing:
        print(f"never died at: {name}")
    if result.wrong or missing:
        return 1
    print(f"{result.runs} drills: exchange, log, database and allocations agree")
    return 0


if __name__ == "__main__":
    sys.exit(main())
