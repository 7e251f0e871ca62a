"""What a command shows: results on stdout, everything else on stderr.

With ``--json`` stdout is exactly one JSON object, also when the command fails. An error is one
panel: what is wrong, and what to do. A traceback appears only with ``--debug``.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Annotated, ParamSpec

import msgspec
import typer
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from deploy.errors import DeployError

P = ParamSpec("P")

AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else.")
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


def console() -> Console:
    """Return the console for people: stderr, so that stdout stays for results."""
    return Console(stderr=True, highlight=False)


def print_json(result: object) -> None:
    """Print a result as one JSON object on stdout."""
    sys.stdout.write(msgspec.json.encode(result).decode() + "\n")


def reported(command: Callable[P, int]) -> Callable[P, None]:
    """Make a command's return value its exit status and its foreseen errors readable."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            status = command(*args, **kwargs)
        except KeyboardInterrupt:
            console().print("[yellow]stopped[/]")
            raise typer.Exit(130) from None
        except Exception as error:  # of all errors the foreseen ones are made readable
            if kwargs.get("debug") or not isinstance(error, foreseen()):
                raise
            show_error(error, as_json=bool(kwargs.get("as_json")))
            raise typer.Exit(1) from None
        if status:
            raise typer.Exit(status)

    return run


def foreseen() -> tuple[type[Exception], ...]:
    """Return the roots of the rooms' errors: they say themselves what is wrong and what to do."""
    # Only when something went wrong: the rooms import what `kst --help` should not wait for.
    from bus import BusError
    from events.errors import EventError
    from kis_gateway.errors import GatewayError
    from kis_gateway.simulator.market import MarketError
    from projections.errors import ProjectionError
    from research.backtest.errors import BacktestError
    from risk.errors import RiskError
    from strategies.errors import StrategyError

    return (
        DeployError,
        BacktestError,
        BusError,
        EventError,
        GatewayError,
        MarketError,
        ProjectionError,
        RiskError,
        StrategyError,
    )


def show_error(error: Exception, *, as_json: bool) -> None:
    """Show one error: a panel on stderr, and with ``as_json`` an object on stdout as well."""
    what, remedy = str(error), ""
    if isinstance(error, DeployError):
        what, remedy = error.what, error.remedy
    if as_json:
        print_json({"error": {"kind": type(error).__name__, "what": what, "remedy": remedy}})
    body = Text(what)
    if remedy:
        body.append(f"\n\n{remedy}", style="dim")
    console().print(Panel(body, title=type(error).__name__, title_align="left", border_style="red"))
