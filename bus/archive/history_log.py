"""The whole history of an account as one log: sealed days first, then the stream.

That both are one log is proved when they are joined: it is the same stream, no entry is missing
between them, and the stream itself says with which hash the archive ends. What both hold is read
from the archive.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from bus.archive.announcements import announced
from bus.archive.archive_log import ArchiveLog
from bus.archive.errors import ArchiveGap, ReadOnlyLog
from bus.log import Entry, Log, LogIdentity, Reader, Recorded
from events import AccountId


class HistoryLog:
    """Archive and stream of one account; build with ``open``. Read-only. See ``Log``."""

    def __init__(self, archive: ArchiveLog, stream: Log) -> None:
        """Take two logs that are known to join; ``open`` checks it."""
        self._archive = archive
        self._stream = stream
        self._sealed_until = archive.last_sequence

    @classmethod
    async def open(cls, recordings: Path, stream: Log) -> HistoryLog:
        """Join all sealed days of the stream's account to it.

        Raises:
            DayNotSealed: nothing is sealed.
            ArchiveGap: archive and stream are not parts of one log, or entries are missing.
            ArchiveError: a sealed day is damaged.
            BusError: the stream cannot be read.
        """
        archive = ArchiveLog.open(recordings, stream.account)
        await require_joined(archive, stream)
        return cls(archive, stream)

    @property
    def account(self) -> AccountId:
        """Whose log it is."""
        return self._stream.account

    async def append(self, entries: Sequence[Entry], *, atomic: bool = True) -> tuple[int, ...]:
        """Refuse: what is expected of a subject must be checked against the stream alone.

        Raises:
            ReadOnlyLog: always.
        """
        raise ReadOnlyLog(self.account)

    def read(
        self, *, after: int = 0, topics: Sequence[str] = (">",), unhurried: Sequence[str] = ()
    ) -> HistoryReader:
        """Return a reader past ``after``; see ``Log.read``."""
        return HistoryReader(self._archive, self._stream, after, topics, unhurried)

    async def last(self, topic: str) -> Recorded | None:
        """Return the last entry on a topic, wherever it stands."""
        found = await self._stream.last(topic)
        return await self._archive.last(topic) if found is None else found

    async def get(self, sequence: int) -> Recorded | None:
        """Return the entry at a sequence."""
        if self._archive.first_sequence <= sequence <= self._sealed_until:
            return await self._archive.get(sequence)
        return await self._stream.get(sequence)

    async def info(self) -> LogIdentity:
        """Return which log this is and how far it goes, the archive included."""
        identity = await self._stream.info()
        return identity._replace(
            first_sequence=min(identity.first_sequence, self._archive.first_sequence)
        )


class HistoryReader:
    """Reader of a ``HistoryLog``: the stream's reader is opened when the archive is at its end."""

    def __init__(
        self,
        archive: ArchiveLog,
        stream: Log,
        after: int,
        topics: Sequence[str],
        unhurried: Sequence[str],
    ) -> None:
        self._past = archive.read(after=after, topics=topics)
        self._stream = stream
        self._topics = topics
        self._unhurried = unhurried
        self._after = max(after, archive.last_sequence)
        self._head = 0
        self._present: Reader | None = None

    async def __aenter__(self) -> Self:
        self._head = (await self._stream.info()).last_sequence
        if not self._past.pending:
            await self._open_stream()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._present is not None:
            await self._present.__aexit__(kind, error, traceback)

    async def batch(self, wait: float) -> Sequence[Recorded]:
        """Return what is next, in order; see ``Reader.batch``.

        Where the archive ends it may return nothing at once: ``pending`` is exact from there on.
        """
        if self._present is None:
            if batch := await self._past.batch(wait):
                return batch
            present = await self._open_stream()
            if not present.pending:
                return ()
        assert self._present is not None
        return await self._present.batch(wait)

    @property
    def pending(self) -> int:
        """Matching entries on the log that have not been returned yet; see ``Reader.pending``."""
        if self._present is not None:
            return self._present.pending
        return self._past.pending + max(self._head - self._after, 0)

    async def _open_stream(self) -> Reader:
        reader = self._stream.read(
            after=self._after, topics=self._topics, unhurried=self._unhurried
        )
        self._present = await reader.__aenter__()
        return self._present


async def require_joined(archive: ArchiveLog, stream: Log) -> None:
    """Check that a stream goes on where an archive ends, and says so itself.

    Raises:
        ArchiveGap: it is another stream, entries are missing, or nothing proves the join.
    """
    newest, identity = archive.days[-1].manifest, await stream.info()
    account = stream.account
    if (newest.stream, newest.created) != (identity.stream, identity.created):
        raise ArchiveGap(
            account,
            f"the archive was sealed from stream {newest.stream} created {newest.created}, this is "
            f"{identity.stream} created {identity.created}. Read them apart",
        )
    if identity.last_sequence < newest.last:
        raise ArchiveGap(
            account,
            f"the stream ends at entry {identity.last_sequence:,} and went backwards: "
            f"{newest.last:,} entries are sealed. Restore the log",
        )
    if identity.first_sequence > newest.last + 1:
        raise ArchiveGap(
            account,
            f"entries {newest.last + 1:,}..{identity.first_sequence - 1:,} are neither sealed nor "
            "on the stream. Fetch the days that hold them from a copy",
        )
    digests = {event.last: event.digest for _, event in await announced(stream)}
    said = digests.get(newest.last)
    if said is not None and said != newest.chain_end:
        raise ArchiveGap(
            account,
            f"the stream says that the archive up to entry {newest.last:,} has hash {said[:12]}…, "
            f"the manifest of {newest.trading_date} says {newest.chain_end[:12]}…. Fetch that day "
            "again from a copy",
        )
    if said is None and await archive.get(newest.last) != await stream.get(newest.last):
        raise ArchiveGap(
            account,
            f"nothing on the stream says that it goes on after {newest.trading_date}: seal that "
            "day again with `kst recordings seal`, or fetch the days after it from a copy",
        )
