"""Checks the model of the order protocol and prints what was found: ``just model``."""

from __future__ import annotations

import argparse
import sys
import time

from rich.console import Console
from rich.table import Table

from tests.model.checker import MISTAKES, SpinMissing, check


def main() -> int:
    """Check the protocol and every mistake; return 0 when the first holds and all others fail."""
    parser = argparse.ArgumentParser(
        prog="just model",
        description="Visit every state of the order protocol with spin.",
        epilog="example: just model --crashes 1 --pauses 1",
    )
    parser.add_argument("--crashes", type=int, default=2, help="kills of a router in all")
    parser.add_argument("--pauses", type=int, default=2, help="pauses past the lease in all")
    options = parser.parse_args()
    console = Console()
    table = Table(title="Order protocol: two routers, crashes, lost calls, lost notices")
    for column in ("protocol", "states visited", "seconds", "found", "verdict"):
        table.add_column(column)
    good = True
    rows = [("as it is", (), ""), *MISTAKES]
    try:
        for name, switches, expected in rows:
            begun = time.monotonic()
            with console.status(f"visiting states: {name}"):
                verdict = check(switches, crashes=options.crashes, pauses=options.pauses)
            right = verdict.failed == expected
            good &= right
            found = f"{verdict.failed} at depth {verdict.depth}" if verdict.failed else "nothing"
            table.add_row(
                name,
                f"{verdict.states:,}",
                f"{time.monotonic() - begun:.1f}",
                found,
                "as expected" if right else f"WRONG: expected {expected or 'nothing'}",
            )
    except SpinMissing as error:
        console.print(f"[red]{error}[/red]")
        return 2
    console.print(table)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
