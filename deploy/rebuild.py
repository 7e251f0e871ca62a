"""``kst rebuild``: the read models, folded from the log again and compared with the run's."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from deploy.data_directory import DataDirectory, find_run
from deploy.log_access import open_history
from deploy.terminal import console, print_json
from projections import URL_VARIABLE, EmbeddedPostgres, RebuildReport, rebuild


def rebuild_command(data_dir: Path | None, *, as_json: bool) -> int:
    """Rebuild the read models of a run that has ended, show the result, return the exit status."""
    directory = find_run(data_dir)
    report = asyncio.run(_rebuild(directory))
    if as_json:
        print_json(
            {
                "rows": report.rows,
                "checksum": report.checksum,
                "live_checksum": report.live_checksum,
                "events_per_s": round(report.events_per_s, 1),
                "events": report.events,
                "position": report.position,
            }
        )
    else:
        _show(report)
    return 0 if report.live_checksum in (None, report.checksum) else 1


async def _rebuild(directory: DataDirectory) -> RebuildReport:
    async with open_history(directory, exclusive=True) as log:
        if url := os.environ.get(URL_VARIABLE):
            return await rebuild(log, url)
        server = EmbeddedPostgres(directory.path)
        try:
            dsn = await asyncio.to_thread(server.start)
            return await rebuild(log, dsn)
        finally:
            await asyncio.to_thread(server.stop)


def _show(report: RebuildReport) -> None:
    out = console()
    out.print(
        f"{report.rows:,} rows from {report.events:,} events, {report.events_per_s:,.0f} events/s"
    )
    out.print(f"checksum rebuilt {report.checksum}", soft_wrap=True)
    if report.live_checksum is None:
        out.print("there were no rows to compare with; the rebuilt ones are in place now")
    elif report.live_checksum == report.checksum:
        out.print(f"checksum live    {report.live_checksum}  [green]equal[/]", soft_wrap=True)
    else:
        out.print(f"checksum live    {report.live_checksum}  [red]replaced[/]", soft_wrap=True)
