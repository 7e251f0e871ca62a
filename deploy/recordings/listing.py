"""``kst recordings list``: what is sealed, and what should be."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.table import Table
from rich.text import Text

from bus import LogIdentity
from bus.archive import Manifest, UnsealedSession, sealed_days, unsealed_sessions
from deploy.data_directory import DataDirectory, find_run, is_running
from deploy.event_text import megabytes
from deploy.log_access import open_log
from deploy.recordings.unsealed import ALARM_AFTER
from deploy.terminal import console, print_json
from events import AccountId, TradingDate
from events.calendar import kst


class ListedDay(msgspec.Struct, frozen=True, kw_only=True):
    """One session: its entries ``first``..``last``.

    ``state`` is ``sealed``, ``waiting`` (over, to be sealed), ``going`` or ``overdue`` (unsealed
    for more than a week). ``on_stream`` counts its entries that the stream still holds, ``None``
    where no log was looked at. ``expires_at`` (ns UTC) is when an unsealed one begins to leave it.
    """

    account: AccountId
    trading_date: TradingDate
    state: str
    first: int
    last: int
    entries: int
    bytes: int
    on_stream: int | None
    expires_at: int | None = None
    digest: str | None = None


class ListResult(msgspec.Struct, frozen=True, kw_only=True):
    """The sessions of a run or of a folder, oldest first."""

    days: tuple[ListedDay, ...]

    @property
    def overdue(self) -> Sequence[ListedDay]:
        """Those that should have been sealed."""
        return [day for day in self.days if day.state == "overdue"]


def list_command(data_dir: Path | None, folder: Path | None, *, as_json: bool) -> int:
    """List a run's sessions, or a folder's sealed days; the exit status is 1 with an alarm."""
    if folder is not None:
        days = [
            _sealed(manifest, None)
            for account in accounts_in(folder)
            for manifest in sealed_days(folder, account)
        ]
    else:
        days = asyncio.run(_of_run(find_run(data_dir)))
    result = ListResult(days=tuple(days))
    if as_json:
        print_json(result)
    else:
        _show(result)
    return 1 if result.overdue else 0


def accounts_in(recordings: Path) -> list[AccountId]:
    """Return the accounts that have a folder in a folder of recordings."""
    if not recordings.is_dir():
        return []
    return sorted(AccountId(each.name) for each in recordings.iterdir() if each.is_dir())


async def _of_run(directory: DataDirectory) -> list[ListedDay]:
    ended = not is_running(directory)
    now = time.time_ns()
    async with open_log(directory) as log:
        identity = await log.info()
        sealed = sealed_days(directory.recordings, log.account)
        waiting = await unsealed_sessions(log, directory.recordings, ended=ended)
        return [
            *(_sealed(manifest, identity) for manifest in sealed),
            *(_waiting(log.account, session, identity, now) for session in waiting),
        ]


def _sealed(manifest: Manifest, stream: LogIdentity | None) -> ListedDay:
    return ListedDay(
        account=manifest.account,
        trading_date=manifest.trading_date,
        state="sealed",
        first=manifest.first,
        last=manifest.last,
        entries=manifest.entries,
        bytes=manifest.bytes,
        on_stream=None if stream is None else _held(stream, manifest.first, manifest.last),
        digest=manifest.chain_end,
    )


def _waiting(
    account: AccountId, session: UnsealedSession, stream: LogIdentity, now: int
) -> ListedDay:
    state = "waiting" if session.over else "going"
    if now - session.stored_at > ALARM_AFTER:
        state = "overdue"
    return ListedDay(
        account=account,
        trading_date=session.trading_date,
        state=state,
        first=session.first,
        last=session.last,
        entries=session.last - session.first + 1,
        bytes=0,
        on_stream=_held(stream, session.first, session.last),
        expires_at=session.expires_at,
    )


def _held(stream: LogIdentity, first: int, last: int) -> int:
    return max(last - max(first, stream.first_sequence) + 1, 0)


def _show(result: ListResult) -> None:
    out = console()
    if not result.days:
        out.print("nothing is recorded here")
        return
    looked = any(day.on_stream is not None for day in result.days)
    table = Table("account", "date", "state", "entries", "size")
    if looked:
        table.add_column("on the stream")
    for day in result.days:
        style = {"sealed": "green", "overdue": "red"}.get(day.state, "yellow")
        table.add_row(
            day.account,
            day.trading_date,
            Text(day.state, style=style),
            f"{day.entries:,}",
            megabytes(day.bytes) if day.bytes else "",
            *([_on_stream(day)] if looked else []),
        )
    out.print(table)
    for day in result.overdue:
        assert day.expires_at is not None
        out.print(
            f"[red]{day.trading_date} has not been sealed for more than a week and leaves the "
            f"stream on {kst(day.expires_at):%Y-%m-%d}: run kst recordings seal[/]"
        )


def _on_stream(day: ListedDay) -> str:
    assert day.on_stream is not None
    if day.on_stream in (0, day.entries):
        return "all" if day.on_stream else "no more"
    return f"{day.on_stream:,} of {day.entries:,}"
