"""``kst recordings copy``: sealed days in another folder or a bucket as well."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from rich.table import Table

from bus.archive import Copied, copy_days
from deploy.calendar_input import parse_day
from deploy.event_text import megabytes
from deploy.recordings.progress import bar
from deploy.terminal import console, print_json
from events import AccountId
from events.calendar import trading_date


class CopyResult(msgspec.Struct, frozen=True, kw_only=True):
    """The days that the target has now, oldest first."""

    days: tuple[Copied, ...]


def copy_command(
    source: str, target: str, accounts: Sequence[str], dates: Sequence[str], *, as_json: bool
) -> int:
    """Copy sealed days, show what was written and return the exit status."""
    with bar("copying") as show:
        days = copy_days(
            source,
            target,
            accounts=[AccountId(name) for name in accounts] or None,
            dates=[trading_date(parse_day(date)) for date in dates] or None,
            on_bytes=show,
        )
    result = CopyResult(days=tuple(days))
    if as_json:
        print_json(result)
    else:
        _show(result, source, target)
    # Nothing to copy is hardly what was meant.
    return 0 if days else 1


def _show(result: CopyResult, source: str, target: str) -> None:
    out = console()
    if not result.days:
        out.print(f"[red]no day is sealed in {source}[/]", soft_wrap=True)
        return
    table = Table("account", "date", "files written", "there already", "size")
    for day in result.days:
        table.add_row(
            day.account,
            day.trading_date,
            str(day.written),
            str(day.present),
            megabytes(day.bytes) if day.written else "",
        )
    out.print(table)
    out.print(f"[green]every file read back from {target} and found equal[/]", soft_wrap=True)
