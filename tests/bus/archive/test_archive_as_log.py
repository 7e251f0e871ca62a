"""Archive and history under the conformance tests of every log, as far as reading goes.

What a test appends goes to a log in memory; what it reads is first sealed, in blocks of several
days or as the beginning of a history, and then read from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from bus import Entry, Log, LogIdentity, MemoryLog, Recorded
from bus.archive import ArchiveLog, HistoryLog, Manifest
from bus.archive.sealing import _Sealing
from bus.archive.sessions import UnsealedSession
from bus.log import Reader
from events import AccountId, TradingDate
from tests.bus.archive.a_day import ShortenedLog
from tests.bus.test_log_conformance import (
    test_a_long_run_of_what_is_not_wanted_is_passed_over as test_a_long_run_is_passed_over,
)
from tests.bus.test_log_conformance import (
    test_lookups_see_own_writes,
    test_pending_tells_how_far_behind_a_reader_is,
    test_reading_starts_after_a_sequence_and_keeps_to_its_topics,
    test_sequences_start_at_one_and_have_no_gaps,
    test_what_was_appended_is_read_back_in_order,
)

__all__ = [
    "test_a_long_run_is_passed_over",
    "test_lookups_see_own_writes",
    "test_pending_tells_how_far_behind_a_reader_is",
    "test_reading_starts_after_a_sequence_and_keeps_to_its_topics",
    "test_sequences_start_at_one_and_have_no_gaps",
    "test_what_was_appended_is_read_back_in_order",
]


class SealedForReading:
    """A log that is sealed, in ``parts`` days, whenever somebody looks."""

    def __init__(self, folder: Path, *, parts: int, history: bool) -> None:
        self._inner = MemoryLog(AccountId("demo"))
        self._folder = folder
        self._parts = parts
        self._history = history
        self._looks = 0

    @property
    def account(self) -> AccountId:
        return self._inner.account

    async def append(self, entries: Sequence[Entry], *, atomic: bool = True) -> tuple[int, ...]:
        return await self._inner.append(entries, atomic=atomic)

    def read(
        self, *, after: int = 0, topics: Sequence[str] = (">",), unhurried: Sequence[str] = ()
    ) -> Reader:
        return _Opening(self, after, topics)

    async def last(self, topic: str) -> Recorded | None:
        return await (await self.seal()).last(topic)

    async def get(self, sequence: int) -> Recorded | None:
        return await (await self.seal()).get(sequence)

    async def info(self) -> LogIdentity:
        return await (await self.seal()).info()

    async def seal(self) -> Log:
        """Seal everything, or for a history the first half, and return what reads it."""
        self._looks += 1
        recordings = self._folder / str(self._looks)
        folder = recordings / "demo"
        folder.mkdir(parents=True)
        count = len(self._inner.entries)
        last = max(count // 2, 1) if self._history else count
        bounds = [last * part // self._parts for part in range(self._parts + 1)]
        before: Manifest | None = None
        for place, (start, end) in enumerate(pairwise(bounds)):
            if end == start:
                continue
            day = UnsealedSession(
                trading_date=TradingDate(f"2025091{place}"),
                first=start + 1,
                opening=start + 1,
                last=end,
                stored_at=0,
                expires_at=0,
                over=True,
            )
            before = await _Sealing(
                self._inner,
                folder,
                day,
                before=before,
                code_version="test",
                on_entry=lambda done, total: None,
            ).run()
        if not self._history:
            return ArchiveLog.open(recordings, self.account)
        # One sealed entry is left on the stream: it proves that the two join.
        return await HistoryLog.open(recordings, ShortenedLog(self._inner, last))


class _Opening:
    def __init__(self, log: SealedForReading, after: int, topics: Sequence[str]) -> None:
        self._log = log
        self._after = after
        self._topics = topics

    async def __aenter__(self) -> Self:
        log = await self._log.seal()
        self._reader = await log.read(after=self._after, topics=self._topics).__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._reader.__aexit__(kind, error, traceback)

    async def batch(self, wait: float) -> Sequence[Recorded]:
        return await self._reader.batch(wait)

    @property
    def pending(self) -> int:
        return self._reader.pending


@pytest.fixture(params=["a day", "three days", "history"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> SealedForReading:
    """Return an empty log that is read from its archive."""
    return SealedForReading(
        tmp_path,
        parts=3 if request.param == "three days" else 1,
        history=request.param == "history",
    )
