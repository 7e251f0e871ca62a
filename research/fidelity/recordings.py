"""Where recorded sessions are read from: a log, or sealed days of an archive."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from datetime import date
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any, Protocol, TypeVar

from bus import Log
from bus.archive import SealedDay, sealed_dates
from events import AccountId, TradingDate, codec
from events.calendar import trading_date
from events.market import SessionOpened
from research.backtest.errors import NoMarketData
from research.fidelity.errors import UnusableRecord
from research.fidelity.recording import RecordedSession, read_session, recorded_dates

T = TypeVar("T")

OpenLog = Callable[[], AbstractAsyncContextManager[Log]]
"""Opens a log for as long as a session is read."""


class Recordings(Protocol):
    """Sessions of one account."""

    @property
    def dates(self) -> Sequence[date]:
        """Return the dates of the sessions, oldest first."""
        ...

    def session(self, on: date) -> RecordedSession:
        """Read one session.

        Raises:
            FidelityError: it is not there, or not whole.
            BusError: it cannot be read.
        """
        ...

    def fingerprint(self, on: date) -> str:
        """Return a digest of every entry of a session."""
        ...


class LogRecordings:
    """The sessions on a log, all of them or those of some dates."""

    def __init__(self, open_log: OpenLog, dates: Sequence[date] | None = None) -> None:
        self._open_log = open_log
        self._wanted = None if dates is None else tuple(sorted(dates))

    @cached_property
    def dates(self) -> Sequence[date]:
        """The dates of the sessions, oldest first."""
        if self._wanted is not None:
            return self._wanted

        async def read() -> Sequence[date]:
            async with self._open_log() as log:
                return [date.fromisoformat(each) for each in await recorded_dates(log)]

        return _aside(read())

    def session(self, on: date) -> RecordedSession:
        """Read one session; see ``Recordings``."""

        async def read() -> RecordedSession:
            async with self._open_log() as log:
                return await read_session(log, trading_date(on))

        return _aside(read())

    def fingerprint(self, on: date) -> str:
        """Return a digest of every entry of a session."""
        return _digest(self.session(on))


class SealedRecordings:
    """The sealed days in ``<recordings>/<account>``, from ``start`` to ``end``, both included."""

    def __init__(self, folder: Path, start: date | None = None, end: date | None = None) -> None:
        """Look which days there are; nothing of them is read.

        Raises:
            NoMarketData: none of that span is sealed there.
        """
        self._folder = folder
        found = (
            date.fromisoformat(each) for each in sealed_dates(folder.parent, AccountId(folder.name))
        )
        self.dates: Sequence[date] = tuple(
            on for on in found if (start or date.min) <= on <= (end or date.max)
        )
        """The dates of the sessions, oldest first."""
        if not self.dates:
            raise NoMarketData(
                f"sealed day in {folder}",
                "name the folder of an account, <recordings>/<account>, and dates it has; "
                "`kst recordings list` shows them",
            )

    def session(self, on: date) -> RecordedSession:
        """Read one session; see ``Recordings``."""
        day = self._open(on)
        entries = [
            entry for block in day.deliveries(after=day.manifest.opening - 1) for entry in block
        ]
        opening = entries[0].event if entries else None
        if not isinstance(opening, SessionOpened):
            raise UnusableRecord(
                TradingDate(trading_date(on)), "opening books", "seal the day from its log again"
            )
        return RecordedSession(
            account=day.manifest.account,
            opening=opening,
            entries=tuple(entries),
            unreadable=day.manifest.last - day.manifest.opening + 1 - len(entries),
        )

    def fingerprint(self, on: date) -> str:
        """Return the hash that the archive's chain has after this day."""
        return self._open(on).manifest.chain_end

    def _open(self, on: date) -> SealedDay:
        return SealedDay.open(self._folder / trading_date(on))


class SessionRead:
    """A session that has been read already, as all there is."""

    def __init__(self, session: RecordedSession) -> None:
        self._session = session
        self.dates: Sequence[date] = (date.fromisoformat(session.trading_date),)
        """The date of the session."""

    def session(self, on: date) -> RecordedSession:
        """Return the session."""
        return self._session

    def fingerprint(self, on: date) -> str:
        """Return a digest of every entry of the session."""
        return _digest(self._session)


def _digest(session: RecordedSession) -> str:
    digest = blake2b(digest_size=32)
    for entry in session.entries:
        digest.update(entry.sequence.to_bytes(8, "big"))
        digest.update(codec.encode(entry.event))
    return digest.hexdigest()


def _aside(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in a thread of its own: a notebook has a loop that runs already."""
    with ThreadPoolExecutor(1) as aside:
        return aside.submit(asyncio.run, work).result()
