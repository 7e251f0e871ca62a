"""Seals one session of a log: its entries as columns, read back and compared before it counts.

A day is written into a folder of its own beside the others and moved to its place in one step when
all of it, the manifest last, is on disk and has been read back; so a sealed day is complete, and a
crash leaves nothing that looks like one. Then ``DaySealed`` goes onto the log: with it the stream
knows the hash of the history before it.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bus.archive import manifest as manifests
from bus.archive.announcements import announce
from bus.archive.chain import GENESIS, Chain
from bus.archive.day_writer import DayWriter
from bus.archive.errors import (
    ArchiveDamaged,
    ArchiveGap,
    EntriesLost,
    SealInProgress,
    SealMismatch,
    SealOutOfOrder,
    SessionNotOver,
    SessionUnknown,
)
from bus.archive.families import LAYOUTS
from bus.archive.libraries import require_polars
from bus.archive.manifest import MANIFEST, SCHEMA, Manifest, account_folder, sealed_days
from bus.archive.sealed_day import SealedDay
from bus.archive.sessions import UnsealedSession, unsealed_sessions
from bus.log import Log, LogIdentity, Recorded
from events import TradingDate

_WAIT: Final = 5.0
_SILENT_WAITS: Final = 3
_PARTIAL: Final = ".partial-"

OnEntry = Callable[[int, int], None]
"""Told (entries done, entries in all) while a day is written, and again while it is read back."""


async def seal_day(
    log: Log,
    recordings: Path,
    trading_date: TradingDate,
    *,
    code_version: str,
    ended: bool = False,
    on_entry: OnEntry = lambda done, total: None,
) -> Manifest:
    """Seal one session into ``<recordings>/<account>/<date>`` and say so on the log.

    A day that is sealed already stays as it is; that ``DaySealed`` stands on the log is made sure
    in any case. ``ended`` as in ``unsealed_sessions``.

    Raises:
        SessionUnknown: the log has no such session.
        SessionNotOver: it is still going.
        SealOutOfOrder: earlier sessions are to be sealed first.
        EntriesLost: entries between the archive and the log are gone.
        SealMismatch: what was written does not read back as what was read.
        SealInProgress: another process seals days of this account.
        BusError: the log cannot be read or appended to.
    """
    require_polars()
    folder = account_folder(recordings, log.account)
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        days = sealed_days(recordings, log.account)
        manifest = next((day for day in days if day.trading_date == trading_date), None)
        if manifest is None:
            session = await _session(log, recordings, trading_date, ended=ended)
            before = days[-1] if days else None
            sealing = _Sealing(
                log, folder, session, before=before, code_version=code_version, on_entry=on_entry
            )
            manifest = await sealing.run()
        await announce(log, manifest)
        return manifest


class _Sealing:
    """One day on its way into the archive."""

    def __init__(
        self,
        log: Log,
        folder: Path,
        session: UnsealedSession,
        *,
        before: Manifest | None,
        code_version: str,
        on_entry: OnEntry,
    ) -> None:
        self._log = log
        self._folder = folder
        self._before = before
        self._session = session
        self._code_version = code_version
        self._on_entry = on_entry
        self._total = 2 * (session.last - session.first + 1)

    async def run(self) -> Manifest:
        identity = await self._log.info()
        self._require_continuous(identity)
        partial = self._folder / f"{_PARTIAL}{self._session.trading_date}"
        if partial.exists():
            shutil.rmtree(partial)  # Of a process that died: this one has the lock.
        spool = partial / "spool"
        spool.mkdir(parents=True)
        try:
            manifest = await self._write(partial, spool, identity)
            spool.rmdir()
            await asyncio.to_thread(self._read_back, partial, manifest)
            _write_synced(partial / MANIFEST, manifests.encode(manifest))
            _sync_folder(partial)
            # Refused by the system when the target holds anything: a sealed day is never replaced.
            partial.rename(self._folder / manifest.trading_date)
            _sync_folder(self._folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return manifest

    def _require_continuous(self, identity: LogIdentity) -> None:
        account, before = self._log.account, self._before
        if before is not None and (before.stream, before.created) != (
            identity.stream,
            identity.created,
        ):
            raise ArchiveGap(
                account,
                f"{self._folder} holds days of stream {before.stream} created {before.created}, "
                f"this log is {identity.stream} created {identity.created}. Seal into another "
                "folder",
            )
        first = self._session.first
        if identity.first_sequence > first:
            raise EntriesLost(account, first, identity.first_sequence - 1)

    async def _write(self, folder: Path, spool: Path, identity: LogIdentity) -> Manifest:
        session = self._session
        start = GENESIS if self._before is None else self._before.chain_end
        writer = DayWriter(spool, start)
        stored_from = stored_until = 0
        async for recorded in _entries(self._log, session.first, session.last):
            writer.add(recorded)
            stored_from = stored_from or recorded.stored_at
            stored_until = recorded.stored_at
            done = recorded.sequence - session.first + 1
            if done % 1_024 == 0:
                self._on_entry(done, self._total)
        files = await asyncio.to_thread(writer.finish, folder)
        return Manifest(
            schema=SCHEMA,
            account=self._log.account,
            trading_date=session.trading_date,
            stream=identity.stream,
            created=identity.created,
            first=session.first,
            opening=session.opening,
            last=session.last,
            stored_from=stored_from,
            stored_until=stored_until,
            families=dict(sorted(writer.families.items())),
            types=dict(sorted(writer.types.items())),
            layouts={tag: LAYOUTS[tag] for tag in sorted(writer.types)},
            files=files,
            chain_start=start,
            chain_end=writer.digest,
            code_version=self._code_version,
        )

    def _read_back(self, folder: Path, manifest: Manifest) -> None:
        chain = Chain(manifest.chain_start)
        done = self._total // 2
        try:
            for block in SealedDay(folder, manifest).blocks():
                for recorded in block:
                    chain.add(recorded)
                done += len(block)
                self._on_entry(done, self._total)
        except ArchiveDamaged as error:
            raise SealMismatch(manifest.trading_date, error.flaws[0].detail) from error
        if chain.digest != manifest.chain_end:
            raise SealMismatch(manifest.trading_date, "the hashes of both differ")


async def _entries(log: Log, first: int, last: int) -> AsyncIterator[Recorded]:
    """Yield the entries ``first``..``last``; every one of them.

    Raises:
        EntriesLost: one of them is not on the log.
    """
    expected, silent = first, 0
    async with log.read(after=first - 1) as reader:
        while expected <= last:
            batch = await reader.batch(_WAIT)
            silent = 0 if batch else silent + 1
            if silent >= _SILENT_WAITS:
                raise EntriesLost(log.account, expected, last)
            for recorded in batch:
                if recorded.sequence != expected:
                    raise EntriesLost(log.account, expected, recorded.sequence - 1)
                yield recorded
                expected += 1
                if expected > last:
                    break


async def _session(
    log: Log, recordings: Path, trading_date: TradingDate, *, ended: bool
) -> UnsealedSession:
    waiting = await unsealed_sessions(log, recordings, ended=ended)
    dates = [session.trading_date for session in waiting]
    if trading_date not in dates:
        raise SessionUnknown(log.account, trading_date, dates)
    place = dates.index(trading_date)
    if place:
        raise SealOutOfOrder(trading_date, dates[:place])
    if not waiting[place].over:
        raise SessionNotOver(trading_date)
    return waiting[place]


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, which the system takes back when the process ends in any way."""
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SealInProgress(folder) from error
        yield


def _write_synced(file: Path, content: bytes) -> None:
    with file.open("xb") as target:
        target.write(content)
        target.flush()
        os.fsync(target.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
