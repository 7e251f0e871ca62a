"""``kst recordings seal``: sessions that are over become sealed days."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from pathlib import Path

import msgspec
from rich.table import Table

from bus import code_version
from bus.archive import Manifest, account_folder, seal_day, sealed_dates, unsealed_sessions
from deploy.calendar_input import parse_day
from deploy.data_directory import DataDirectory, find_run, is_running
from deploy.event_text import megabytes
from deploy.log_access import open_log
from deploy.recordings.progress import bar
from deploy.terminal import console, print_json
from events import TradingDate
from events.calendar import trading_date


class SealedNow(msgspec.Struct, frozen=True, kw_only=True):
    """One day that this command sealed, or found sealed (``seconds`` 0)."""

    trading_date: TradingDate
    folder: str
    first: int
    last: int
    entries: int
    bytes: int
    families: dict[str, int]
    digest: str
    seconds: float


class SealResult(msgspec.Struct, frozen=True, kw_only=True):
    """What was sealed, and which sessions are still going."""

    sealed: tuple[SealedNow, ...]
    going: tuple[TradingDate, ...]


def seal_command(date: str | None, data_dir: Path | None, *, as_json: bool) -> int:
    """Seal one session or all that are over, show what came of it and return the exit status."""
    directory = find_run(data_dir)
    wanted = None if date is None else trading_date(parse_day(date))
    result = asyncio.run(_seal(directory, wanted))
    if as_json:
        print_json(result)
    else:
        _show(result)
    return 0


async def _seal(directory: DataDirectory, wanted: TradingDate | None) -> SealResult:
    ended = not is_running(directory)
    folder, version = directory.recordings, code_version()
    sealed: list[SealedNow] = []
    async with open_log(directory) as log:
        waiting = await unsealed_sessions(log, folder, ended=ended)
        dates = [session.trading_date for session in waiting if session.over]
        known = sealed_dates(folder, log.account)
        if wanted is not None:
            dates = [wanted]
        with bar("sealing") as show:
            for day in dates:
                began = time.monotonic()
                manifest = await seal_day(
                    log,
                    folder,
                    day,
                    code_version=version,
                    ended=ended,
                    on_entry=partial(show, f"sealing {day}"),
                )
                seconds = 0.0 if day in known else round(time.monotonic() - began, 3)
                sealed.append(_row(folder, manifest, seconds))
    going = tuple(session.trading_date for session in waiting if not session.over)
    return SealResult(sealed=tuple(sealed), going=going)


def _row(recordings: Path, manifest: Manifest, seconds: float) -> SealedNow:
    return SealedNow(
        trading_date=manifest.trading_date,
        folder=str(account_folder(recordings, manifest.account) / manifest.trading_date),
        first=manifest.first,
        last=manifest.last,
        entries=manifest.entries,
        bytes=manifest.bytes,
        families=manifest.families,
        digest=manifest.chain_end,
        seconds=seconds,
    )


def _show(result: SealResult) -> None:
    out = console()
    for day in result.sealed:
        table = Table(show_header=False, title=f"{day.trading_date}", title_justify="left")
        table.add_row("entries", f"{day.entries:,} ({day.first:,} to {day.last:,})")
        families = ", ".join(f"{count:,} {name}" for name, count in day.families.items())
        table.add_row("of them", families)
        table.add_row("size", megabytes(day.bytes))
        table.add_row("hash", day.digest)
        out.print(table)
        out.print(day.folder, soft_wrap=True, markup=False)
        if day.seconds:
            rate = day.entries / day.seconds
            out.print(f"[green]sealed and read back in {day.seconds:.1f} s[/], {rate:,.0f}/s")
        else:
            out.print("was sealed before; nothing was changed")
    for date in result.going:
        out.print(f"[yellow]{date} is not over: seal it after its close[/]")
    if not result.sealed and not result.going:
        out.print("nothing to seal: every session of this run is sealed")
