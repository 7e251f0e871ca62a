"""The ``kst`` command. Each command lives in a module of its own and is imported when it runs.

Exit status: 0 when all is well, 1 when something is wrong and was said, 2 for a wrong use of the
command, 130 after Ctrl-C.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from deploy.terminal import AsJson, Debug, reported

DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Directory of the run. Default: ./kst-data/latest."),
]

app: Final = typer.Typer(
    name="kst",
    help="Event-sourced trading engine for Korean stocks: every event on one log, everything else "
    "a function of it.",
    epilog="Example: kst demo --symbols 20",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command(epilog="Example: kst demo --date 2025-09-15 --symbols 20 --speed 100")
@reported
def demo(
    *,
    bars: Annotated[
        Path | None,
        typer.Option(
            help="Folder of recorded KRX bars (krx_minute/, krx_daily/). Default: a synthetic day."
        ),
    ] = None,
    date: Annotated[
        str | None, typer.Option(help="KRX trading day. Default: 2025-09-15.", metavar="DATE")
    ] = None,
    symbols: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=200,
            help="How many symbols trade. Default: 20 of a synthetic day, 40 of recorded bars.",
        ),
    ] = None,
    strategies: Annotated[
        str, typer.Option(help="Strategies to run, separated by commas.", metavar="NAMES")
    ] = "kmp",
    speed: Annotated[
        float, typer.Option(min=1, max=2_000, help="Simulated seconds per second, at most.")
    ] = 200.0,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            "--data-dir", help="New directory for the run. Default: a new one in ./kst-data."
        ),
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Run a whole trading day against the simulator on embedded servers.

    Nothing leaves this machine and no account is needed. The day runs as fast as asked and as this
    machine can; the summary at the end says what happened and where it is recorded.
    """
    from deploy.demo import demo_command
    from deploy.demo_setup import DemoRequest

    request = DemoRequest(
        bars=bars,
        date=date,
        symbols=symbols,
        strategies=tuple(name.strip().lower() for name in strategies.split(",") if name.strip()),
        speed=speed,
        data_dir=data_dir,
    )
    return demo_command(request, as_json=as_json)


@app.command(epilog="Example: kst verify 2025-09-15 --data-dir kst-data/2025-09-15-1")
@reported
def verify(
    *,
    date: Annotated[
        str | None,
        typer.Argument(help="Trading day. Default: the day of the run.", metavar="[DATE]"),
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Derive every decision of a day again from its log and compare, byte for byte.

    Also checks the log's seals, so that a changed or lost entry is found and named.
    """
    from deploy.verify import verify_command

    return verify_command(date, data_dir, as_json=as_json)


@app.command(epilog="Example: kst rebuild --data-dir kst-data/2025-09-15-1")
@reported
def rebuild(*, data_dir: DataDir = None, as_json: AsJson = False, debug: Debug = False) -> int:
    """Fold the read models from the log into fresh tables and compare with those of the run."""
    from deploy.rebuild import rebuild_command

    return rebuild_command(data_dir, as_json=as_json)


@app.command(epilog="Example: kst status --json")
@reported
def status(*, data_dir: DataDir = None, as_json: AsJson = False, debug: Debug = False) -> int:
    """Show how a run is doing, or how it ended: services, brakes, degradations, slots, figures."""
    from deploy.status import status_command

    return status_command(data_dir, as_json=as_json)


@app.command(hidden=True, epilog="Example: kst service risk --data-dir kst-data/latest")
@reported
def service(
    *,
    name: Annotated[str, typer.Argument(help="Which service.")],
    data_dir: Annotated[Path, typer.Option("--data-dir", help="Directory of the run.")],
    debug: Debug = False,
) -> int:
    """Run one service of a run in this process; the supervisor calls this."""
    from deploy.services import run_service

    return run_service(name, data_dir)


def main() -> None:
    """Run the command line."""
    app()
