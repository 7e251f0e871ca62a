"""Seals: a changed or lost entry is found and named, across restarts of the auditor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from bus import Entry, MemoryLog, Recorded, audit, audit_log, entry, run_auditor
from events import AccountId, codec
from events.market import ClockTick, Phase
from events.ops import LogSealed
from tests.bus.archive.a_day import ShortenedLog


async def fill(log: MemoryLog, first: int, count: int) -> None:
    await log.append(
        [
            entry(log.account, ClockTick(at=n * 1_000_000_000, phase=Phase.CONTINUOUS))
            for n in range(first, first + count)
        ]
    )


async def run_once(log: MemoryLog) -> None:
    stop = asyncio.Event()
    stop.set()
    await run_auditor(log, stop=stop, seal_every=20)


def tamper(log: MemoryLog, sequence: int, **change: Any) -> None:
    log._entries[sequence - 1] = msgspec.structs.replace(log._entries[sequence - 1], **change)


async def sealed_log() -> MemoryLog:
    log = MemoryLog(AccountId("demo"))
    await fill(log, 1, 50)
    await run_once(log)
    await fill(log, 51, 30)
    await run_once(log)
    return log


async def test_an_untouched_log_has_no_flaws_across_a_restart() -> None:
    """Seals of two auditor runs chain; only the last seal itself is unsealed."""
    log = await sealed_log()
    report = await audit_log(log)
    assert report.flaws == ()
    assert report.unsealed <= 2
    assert report.sealed + report.unsealed == (await log.info()).last_sequence


@pytest.mark.parametrize("sequence", [1, 20, 21, 37, 60, 79])
async def test_one_flipped_bit_is_named(sequence: int) -> None:
    """Any single changed payload byte is reported at exactly its sequence."""
    log = await sealed_log()
    payload = bytearray(log.entries[sequence - 1].payload)
    payload[-1] ^= 1
    tamper(log, sequence, payload=bytes(payload))
    report = await audit_log(log)
    assert [(flaw.sequence, flaw.kind) for flaw in report.flaws] == [(sequence, "changed")]


async def test_a_changed_subject_is_named() -> None:
    """The subject is part of the fingerprint."""
    log = await sealed_log()
    tamper(log, 5, subject="kst.demo.ops.other")
    assert [flaw.sequence for flaw in (await audit_log(log)).flaws] == [5]


async def test_a_lost_entry_is_named() -> None:
    """A hole in the sequence is a flaw of its own kind."""
    log = await sealed_log()
    log._entries = [stored for stored in log._entries if stored.sequence != 33]
    flaws = [flaw for flaw in (await audit_log(_Sparse(log))).flaws if flaw.kind == "missing"]
    assert [flaw.sequence for flaw in flaws] == [33]


@pytest.mark.parametrize("lost", [20, 51, 52])
async def test_a_loss_at_a_seal_does_not_hide_what_is_changed_after_it(lost: int) -> None:
    """The last entry of a sealed range, or a seal itself, may be the one that is lost."""
    log = await sealed_log()
    changed = 60
    payload = bytearray(log.entries[changed - 1].payload)
    payload[-1] ^= 1
    tamper(log, changed, payload=bytes(payload))
    log._entries = [stored for stored in log._entries if stored.sequence != lost]
    flaws = (await audit_log(_Sparse(log))).flaws
    assert [(flaw.sequence, flaw.kind) for flaw in flaws] == [(lost, "missing"), (60, "changed")]


class _Sparse(MemoryLog):
    """A log with a hole, as a damaged stream shows itself."""

    def __init__(self, other: MemoryLog) -> None:
        super().__init__(other.account)
        self._entries = other._entries
        self._last = other._last

    async def last(self, topic: str) -> Any:
        return next(
            (s for s in reversed(self._entries) if s.subject == f"kst.{self.account}.{topic}"), None
        )

    async def info(self) -> Any:
        return (await super().info())._replace(last_sequence=self._entries[-1].sequence)


async def test_an_undecodable_entry_is_sealed_like_any_other() -> None:
    """Seals are over bytes."""
    log = MemoryLog(AccountId("demo"))
    await log.append([Entry("kst.demo.ops.a", b"\xff", f"p{n}") for n in range(25)])
    await run_once(log)
    report = await audit_log(log)
    assert report.flaws == ()
    assert report.sealed >= 25


class _SilentReader:
    """Entries are waiting and none comes: the server has gone."""

    pending = 3

    async def batch(self, wait: float) -> list[Recorded]:
        """Wait for nothing."""
        await asyncio.sleep(0.01)
        return []


class _GoneLog(MemoryLog):
    """A log whose server has ended."""

    @asynccontextmanager
    async def read(self, **_: Any) -> AsyncIterator[Any]:  # type: ignore[override]  # never read
        """Return a reader that gets nothing."""
        yield _SilentReader()


async def test_an_auditor_whose_log_has_gone_ends_when_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A process left over from a run that died must not ask a dead server for ever."""
    monkeypatch.setattr(audit, "_ENDING_PATIENCE", 0.1)
    stop = asyncio.Event()
    stop.set()
    gone: Any = _GoneLog(AccountId("demo"))
    await asyncio.wait_for(run_auditor(gone, stop=stop), 3)


async def test_an_auditor_of_a_shortened_stream_begins_where_that_does() -> None:
    """What has left the stream is no loss, and what is left can be sealed and checked."""
    log = MemoryLog(AccountId("demo"))
    await fill(log, 1, 30)
    shortened = ShortenedLog(log, 11)
    await run_once(shortened)
    seals = [
        event
        for stored in shortened.entries[30:]
        if isinstance(event := codec.decode(stored.payload), LogSealed)
    ]
    assert (seals[0].first, seals[-1].last) == (11, 30)
    # With the archive before it the log is whole again.
    report = await audit_log(log)
    assert report.flaws == ()
