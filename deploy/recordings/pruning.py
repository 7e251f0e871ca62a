"""``kst recordings prune``: sealed days leave the stream and stay in the recordings."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from bus import JetStreamLog
from bus.archive import Pruned, prune, restore_retention
from deploy.calendar_input import parse_day
from deploy.data_directory import DataDirectory, find_run, is_running
from deploy.log_access import open_server
from deploy.recordings.progress import bar
from deploy.terminal import console, print_json
from events import TradingDate
from events.calendar import trading_date


class PruneResult(msgspec.Struct, frozen=True, kw_only=True):
    """What left the stream; ``repaired`` says that an earlier prune had left its limit lowered."""

    pruned: Pruned
    repaired: bool


def prune_command(date: str, data_dir: Path | None, *, as_json: bool) -> int:
    """Prune a run's stream, show what left it and return the exit status."""
    directory = find_run(data_dir)
    result = asyncio.run(_prune(directory, trading_date(parse_day(date))))
    if as_json:
        print_json(result)
    else:
        _show(result)
    return 0


async def _prune(directory: DataDirectory, through: TradingDate) -> PruneResult:
    going = is_running(directory)
    account = directory.manifest.account
    async with open_server(directory) as url:
        repaired = await restore_retention(url, account)
        log = await JetStreamLog.connect(url, account, create=False)
        try:
            with bar("comparing") as show:
                pruned = await prune(
                    log,
                    directory.recordings,
                    through,
                    written_to=going,
                    on_entry=lambda done, total: show("comparing", done, total),
                )
        finally:
            await log.close()
    return PruneResult(pruned=pruned, repaired=repaired)


def _show(result: PruneResult) -> None:
    out = console()
    pruned = result.pruned
    if result.repaired:
        out.print("[yellow]an earlier prune had left the age limit lowered; it is put back[/]")
    if not pruned.entries:
        out.print(f"nothing to prune: {pruned.through} and all before it have left the stream")
        return
    out.print(
        f"[green]{pruned.entries:,} entries up to {pruned.through} have left the stream[/], which "
        f"begins at {pruned.first_sequence:,} now; they stay in the recordings"
    )
    if pruned.sealed:
        out.print(f"{pruned.sealed:,} sealed entries, the youngest, stay on it until their time")
