"""A log in memory with the same behaviour as the real one: for tests, replay and backtests."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from bus.errors import AppendConflict, IdentityReused
from bus.log import MAX_BATCH, Entry, LogIdentity, Recorded
from bus.topics import matches
from events import AccountId, subjects


class MemoryLog:
    """The log of one account as a list. ``stored_at`` is the sequence itself: there is no clock."""

    def __init__(self, account: AccountId) -> None:
        self._account = account
        self._entries: list[Recorded] = []
        self._last: dict[str, int] = {}
        self._identities: dict[str, int] = {}
        self._grown = asyncio.Condition()

    @property
    def account(self) -> AccountId:
        """Whose log it is."""
        return self._account

    async def append(self, entries: Sequence[Entry], *, atomic: bool = True) -> tuple[int, ...]:
        """Append entries in order; see ``Log.append``. Always all or none here."""
        if len(entries) > MAX_BATCH:
            raise ValueError(f"{len(entries)} entries in one append, at most {MAX_BATCH}")
        known = [self._known(entry) for entry in entries]
        fresh = [entry for entry, sequence in zip(entries, known, strict=True) if sequence is None]
        for entry in fresh:
            last = self._last.get(entry.subject, 0)
            if entry.expected is not None and entry.expected != last:
                raise AppendConflict(entry.subject, entry.expected, last)
        sequences = []
        for entry, sequence in zip(entries, known, strict=True):
            sequences.append(self._store(entry) if sequence is None else sequence)
        async with self._grown:
            self._grown.notify_all()
        return tuple(sequences)

    def _known(self, entry: Entry) -> int | None:
        sequence = self._identities.get(entry.identity)
        if sequence is None:
            return None
        if self._entries[sequence - 1].payload != entry.payload:
            raise IdentityReused(entry.subject, entry.identity, sequence)
        return sequence

    def _store(self, entry: Entry) -> int:
        sequence = len(self._entries) + 1
        self._entries.append(
            Recorded(
                sequence=sequence,
                subject=entry.subject,
                payload=entry.payload,
                identity=entry.identity,
                stored_at=sequence,
            )
        )
        self._last[entry.subject] = sequence
        self._identities[entry.identity] = sequence
        return sequence

    def read(
        self,
        *,
        after: int = 0,
        topics: Sequence[str] = (">",),
        unhurried: Sequence[str] = (),
    ) -> MemoryReader:
        """Return a reader past ``after``; see ``Log.read``."""
        return MemoryReader(self, after, topics)

    async def last(self, topic: str) -> Recorded | None:
        """Return the last entry on a topic."""
        sequence = self._last.get(subjects.subject(self._account, topic))
        return None if sequence is None else self._entries[sequence - 1]

    async def get(self, sequence: int) -> Recorded | None:
        """Return the entry at a sequence."""
        return self._entries[sequence - 1] if 1 <= sequence <= len(self._entries) else None

    async def info(self) -> LogIdentity:
        """Return which log this is and how far it goes."""
        return LogIdentity(
            stream=f"MEMORY_{self._account}",
            created=f"{id(self):x}",
            first_sequence=1,
            last_sequence=len(self._entries),
        )

    @property
    def entries(self) -> Sequence[Recorded]:
        """Everything on the log, in order."""
        return self._entries


class MemoryReader:
    """Reader of a ``MemoryLog``."""

    _BATCH = 500

    def __init__(self, log: MemoryLog, after: int, topics: Sequence[str]) -> None:
        self._log = log
        self._position = after
        self._topics = tuple(topics)
        self._cut = len(f"{subjects.PREFIX}.{log.account}.")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        return None

    def _wanted(self, entry: Recorded) -> bool:
        topic = entry.subject[self._cut :]
        return any(matches(wanted, topic) for wanted in self._topics)

    def _take(self) -> list[Recorded]:
        found: list[Recorded] = []
        entries = self._log.entries
        while self._position < len(entries) and len(found) < self._BATCH:
            entry = entries[self._position]
            self._position += 1
            if self._wanted(entry):
                found.append(entry)
        return found

    async def batch(self, wait: float) -> Sequence[Recorded]:
        """Return what is next, in order; empty when nothing arrived within ``wait`` seconds."""
        if found := self._take():
            # A real reader gives other tasks a turn; a busy loop over memory must too.
            await asyncio.sleep(0)
            return found
        try:
            async with asyncio.timeout(wait), self._log._grown:
                while not (found := self._take()):
                    await self._log._grown.wait()
        except TimeoutError:
            return self._take()
        return found

    @property
    def pending(self) -> int:
        """Matching entries not yet returned."""
        return sum(map(self._wanted, self._log.entries[self._position :]))
