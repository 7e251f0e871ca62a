"""Sealed days as a log that can be read: same sequences, same bytes, same order as on the stream.

Days must follow each other without a hole and by their hashes; that is checked when they are
opened, and each entry's bytes when it is read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Self

from bus.archive.errors import ArchiveGap, DayNotSealed, ReadOnlyLog
from bus.archive.manifest import account_folder, sealed_days
from bus.archive.sealed_day import SealedDay
from bus.log import Entry, LogIdentity, Recorded
from events import AccountId, TradingDate


class ArchiveLog:
    """The log of one account as far as it is sealed; build with ``open``. See ``Log``."""

    def __init__(self, account: AccountId, days: Sequence[SealedDay]) -> None:
        """Take sealed days of one account, oldest first and at least one.

        Raises:
            ArchiveGap: one of them does not continue the one before it.
        """
        self._account = account
        self.days = tuple(days)
        for before, after in pairwise(day.manifest for day in days):
            if after.first != before.last + 1 or after.chain_start != before.chain_end:
                raise ArchiveGap(
                    account,
                    f"{before.trading_date} ends at entry {before.last:,} with hash "
                    f"{before.chain_end[:12]}…, {after.trading_date} begins at {after.first:,} "
                    f"after hash {after.chain_start[:12]}…. Fetch the days between from a copy",
                )

    @classmethod
    def open(
        cls, recordings: Path, account: AccountId, dates: Sequence[TradingDate] | None = None
    ) -> ArchiveLog:
        """Open an account's sealed days, all of them or those of ``dates``.

        Raises:
            DayNotSealed: there is none, or not one of a date that is named.
            ArchiveError: a manifest or file is not what was sealed, or days do not join.
        """
        sealed = [manifest.trading_date for manifest in sealed_days(recordings, account)]
        for date in dates or sealed[:1] or [TradingDate("any")]:
            if date not in sealed:
                raise DayNotSealed(account, date, sealed)
        folder = account_folder(recordings, account)
        chosen = [date for date in sealed if dates is None or date in dates]
        return cls(account, [SealedDay.open(folder / date) for date in chosen])

    @property
    def account(self) -> AccountId:
        """Whose log it is."""
        return self._account

    @property
    def first_sequence(self) -> int:
        """The first sequence that is sealed."""
        return self.days[0].manifest.first

    @property
    def last_sequence(self) -> int:
        """The last sequence that is sealed."""
        return self.days[-1].manifest.last

    async def append(self, entries: Sequence[Entry], *, atomic: bool = True) -> tuple[int, ...]:
        """Refuse; see ``Log.append``.

        Raises:
            ReadOnlyLog: always.
        """
        raise ReadOnlyLog(self._account)

    def read(
        self, *, after: int = 0, topics: Sequence[str] = (">",), unhurried: Sequence[str] = ()
    ) -> ArchiveReader:
        """Return a reader past ``after``; see ``Log.read``. At the end it returns at once."""
        return ArchiveReader(self, after, topics)

    def blocks(self, *, after: int = 0, topics: Sequence[str] = (">",)) -> Iterator[list[Recorded]]:
        """Yield entries of all days in order, block by block; see ``SealedDay.blocks``."""
        for day in self.days:
            if day.manifest.last > after:
                yield from day.blocks(after=after, topics=topics)

    async def last(self, topic: str) -> Recorded | None:
        """Return the last sealed entry on a topic."""
        for day in reversed(self.days):
            if (found := day.last(topic)) is not None:
                return found
        return None

    async def get(self, sequence: int) -> Recorded | None:
        """Return the sealed entry at a sequence."""
        for day in self.days:
            if (found := day.get(sequence)) is not None:
                return found
        return None

    async def info(self) -> LogIdentity:
        """Return which log was sealed and how far it is."""
        newest = self.days[-1].manifest
        return LogIdentity(
            stream=newest.stream,
            created=newest.created,
            first_sequence=self.first_sequence,
            last_sequence=newest.last,
        )


class ArchiveReader:
    """Reader of an ``ArchiveLog``."""

    def __init__(self, log: ArchiveLog, after: int, topics: Sequence[str]) -> None:
        self._blocks = log.blocks(after=after, topics=topics)
        self._last = log.last_sequence
        self._position = max(after, log.first_sequence - 1)
        self._ended = self._position >= self._last

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        return None

    async def batch(self, wait: float) -> Sequence[Recorded]:
        """Return what is next, in order; nothing, and at once, when all has been returned.

        Raises:
            ArchiveDamaged: an entry does not give the bytes it was sealed with.
        """
        while not self._ended:
            # Decoding a block takes a tenth of a second: others get their turn between two.
            await asyncio.sleep(0)
            block = next(self._blocks, None)
            if block is None:
                self._ended = True
            elif block:
                self._position = block[-1].sequence
                self._ended = self._position >= self._last
                return block
        return ()

    @property
    def pending(self) -> int:
        """Sealed entries not yet returned; those that do not match are counted until passed."""
        return 0 if self._ended else self._last - self._position
