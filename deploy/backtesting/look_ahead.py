"""``kst look-ahead``: whether what lies after an instant changes what was decided before it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from rich.progress import Progress

from deploy.terminal import console, print_json
from events.calendar import KST


def look_ahead_command(
    config: Path, cuts: Sequence[str], changes: Sequence[str], *, as_json: bool
) -> int:
    """Check a backtest for look-ahead, show what was found and return the exit status."""
    from deploy.backtesting.backtest import BacktestRequest, requested_settings
    from research.backtest.look_ahead import check_look_ahead

    settings = requested_settings(
        BacktestRequest(config=config, delivery=None, changes=changes, store=None, report=None)
    )
    instants = [_instant(each) for each in cuts]
    with Progress(console=console(), transient=True) as progress:
        task = progress.add_task(f"{settings.name}: changed futures", total=len(instants))
        found = check_look_ahead(
            settings,
            instants,
            on_progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    if as_json:
        print_json(found)
        return 0 if found.clean else 1
    out = console()
    for leak in found.leaks:
        out.print(f"[red]{leak}[/]")
    if found.clean:
        out.print(
            f"[green]nothing moved[/]: {found.events:,} events before {found.runs} instants are "
            "the same whatever followed"
        )
    elif not found.leaks:
        out.print("[yellow]nothing was decided before these instants[/]: choose later ones")
    return 0 if found.clean else 1


def _instant(text: str) -> datetime:
    """Return an instant; KST unless it says otherwise.

    Raises:
        InvalidSettings: the text is no date with a time.
    """
    from research.backtest.errors import InvalidSettings

    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidSettings("--cut", f"{text!r} is no time like 2025-10-21T09:31") from error
    return at if at.tzinfo is not None else at.replace(tzinfo=KST)
