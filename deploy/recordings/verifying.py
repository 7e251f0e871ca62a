"""``kst recordings verify``: sealed days are what was sealed, or it is said what is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.table import Table
from rich.text import Text

from bus.archive import ArchiveFlaw, DayNotSealed, DayReport, sealed_dates, verify_days
from deploy.calendar_input import parse_day
from deploy.data_directory import find_run
from deploy.recordings.listing import accounts_in
from deploy.recordings.progress import bar
from deploy.terminal import console, print_json
from events import AccountId, TradingDate
from events.calendar import trading_date


class VerifiedDay(msgspec.Struct, frozen=True, kw_only=True):
    """One sealed day; ``entries`` and ``files`` are what its manifest lists."""

    account: AccountId
    trading_date: TradingDate
    sound: bool
    entries: int
    files: int
    digest: str
    flaws: tuple[ArchiveFlaw, ...]


class VerifyRecordingsResult(msgspec.Struct, frozen=True, kw_only=True):
    """The days verified, oldest first."""

    days: tuple[VerifiedDay, ...]


def verify_command(
    dates: Sequence[str], data_dir: Path | None, folder: Path | None, *, as_json: bool
) -> int:
    """Verify sealed days, show what is wrong and return the exit status: 0 when all are sound."""
    if folder is None:
        directory = find_run(data_dir)
        folder, accounts = directory.recordings, [directory.manifest.account]
    else:
        accounts = accounts_in(folder)
    wanted = [trading_date(parse_day(date)) for date in dates]
    days = [
        _day(account, report)
        for account in accounts
        for report in _reports(folder, account, wanted)
    ]
    result = VerifyRecordingsResult(days=tuple(days))
    if as_json:
        print_json(result)
    else:
        _show(result, folder)
    # Where nothing is sealed nothing was proved.
    return 0 if days and all(day.sound for day in days) else 1


def _reports(folder: Path, account: AccountId, wanted: Sequence[TradingDate]) -> list[DayReport]:
    sealed = sealed_dates(folder, account)
    for date in wanted:
        if date not in sealed:
            raise DayNotSealed(account, date, sealed)
    with bar("verifying") as show:
        return verify_days(
            folder,
            account,
            wanted or None,
            on_day=lambda date, done, total: show(f"verifying {date}", done, total),
        )


def _day(account: AccountId, report: DayReport) -> VerifiedDay:
    manifest = report.manifest
    return VerifiedDay(
        account=account,
        trading_date=report.trading_date,
        sound=report.sound,
        entries=0 if manifest is None else manifest.entries,
        files=0 if manifest is None else len(manifest.files),
        digest="" if manifest is None else manifest.chain_end,
        flaws=report.flaws,
    )


def _show(result: VerifyRecordingsResult, folder: Path) -> None:
    out = console()
    if not result.days:
        out.print(f"[red]no day is sealed in {folder}, so nothing was proved[/]")
        return
    table = Table("account", "date", "entries", "files", "state")
    for day in result.days:
        state = Text("sound", "green") if day.sound else Text("damaged", "red")
        table.add_row(day.account, day.trading_date, f"{day.entries:,}", str(day.files), state)
    out.print(table)
    for day in result.days:
        for flaw in day.flaws:
            file = folder / day.account / day.trading_date / flaw.file
            out.print(Text(f"{flaw.kind}: {file}", style="red"), soft_wrap=True)
            out.print(f"  {flaw.detail}", markup=False, soft_wrap=True)
