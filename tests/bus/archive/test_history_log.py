"""Archive and stream as one log: nothing twice, nothing missing, and proof that they join."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from bus import Entry, MemoryLog, Recorded, entry
from bus.archive import ArchiveGap, ArchiveLog, DayNotSealed, HistoryLog, ReadOnlyLog
from events import AccountId, codec
from events.ops import DaySealed
from tests.bus.archive.a_day import (
    DAY,
    NEXT,
    ShortenedLog,
    a_sealed_log,
    everything,
    fill,
    sealed,
    tick,
)

ACCOUNT = AccountId("demo")


async def test_what_expired_comes_from_the_archive_and_the_rest_from_the_stream(
    tmp_path: Path,
) -> None:
    """One sealed day, gone from the stream, and the next that is not sealed yet."""
    log, manifest = await a_sealed_log(tmp_path)
    await fill(log, NEXT)
    history = await HistoryLog.open(tmp_path, ShortenedLog(log, manifest.last + 1))
    assert await everything(history) == list(log.entries)
    middle = manifest.last - 3
    assert await everything(history, after=middle) == list(log.entries[middle:])
    head = (await history.info()).last_sequence
    assert await everything(history, after=head - 1) == list(log.entries[-1:])
    assert (await history.info()).first_sequence == 1


async def test_what_both_have_is_read_once(tmp_path: Path) -> None:
    """A day that is sealed and still on the stream."""
    log, _ = await a_sealed_log(tmp_path)
    await fill(log, NEXT)
    history = await HistoryLog.open(tmp_path, log)
    assert await everything(history) == list(log.entries)


async def test_lookups_find_what_has_expired(tmp_path: Path) -> None:
    """By sequence and by topic, on either side."""
    log, manifest = await a_sealed_log(tmp_path)
    history = await HistoryLog.open(tmp_path, ShortenedLog(log, manifest.last + 1))
    assert await history.get(3) == log.entries[2]
    assert await history.get(manifest.last + 1) == log.entries[-1]
    assert await history.get(manifest.last + 2) is None
    old = await history.last("market.index.KOSPI")
    assert old is not None
    assert old == log.entries[old.sequence - 1]
    new = await history.last("ops.archive")
    assert new is not None
    assert new.sequence == manifest.last + 1
    assert await history.last("ops.nobody") is None


async def test_a_reader_passes_from_archive_to_stream_and_follows(tmp_path: Path) -> None:
    """Entries that are appended while somebody reads arrive, and nothing stays pending."""
    log, manifest = await a_sealed_log(tmp_path)
    history = await HistoryLog.open(tmp_path, ShortenedLog(log, manifest.last + 1))
    topics = ("market.clock", "market.session.*")
    async with history.read(topics=topics) as reader:
        found: list[Recorded] = []
        while reader.pending:
            found += await reader.batch(0.2)
        assert reader.pending == 0
        waiting = asyncio.ensure_future(reader.batch(5))
        await asyncio.sleep(0)
        await log.append([entry(ACCOUNT, tick(10**7))])
        found += await waiting
    assert [each.sequence for each in found][-1] == manifest.last + 2
    assert len(found) == 1 + 20 + 1 + 1


async def test_the_past_takes_no_entries(tmp_path: Path) -> None:
    """What is expected of a subject is checked by the stream, which has forgotten some."""
    log, _ = await a_sealed_log(tmp_path)
    archive, history = ArchiveLog.open(tmp_path, ACCOUNT), await HistoryLog.open(tmp_path, log)
    for past in (archive, history):
        with pytest.raises(ReadOnlyLog, match="append to its stream instead"):
            await past.append([Entry("kst.demo.ops.a", b"x", "x")])


async def test_without_a_sealed_day_there_is_no_archive(tmp_path: Path) -> None:
    """It is said what to do."""
    with pytest.raises(DayNotSealed, match="kst recordings seal"):
        await HistoryLog.open(tmp_path, MemoryLog(ACCOUNT))


async def test_a_hole_between_archive_and_stream_is_named(tmp_path: Path) -> None:
    """Entries that expired before they were sealed."""
    log, manifest = await a_sealed_log(tmp_path)
    await fill(log, NEXT)
    lost = f"entries {manifest.last + 1}..{manifest.last + 4} are neither"
    with pytest.raises(ArchiveGap, match=lost.replace(".", r"\.")):
        await HistoryLog.open(tmp_path, ShortenedLog(log, manifest.last + 5))


async def test_a_missing_day_within_the_archive_is_named(tmp_path: Path) -> None:
    """Days join by sequence and by hash."""
    log, _ = await a_sealed_log(tmp_path)
    await fill(log, NEXT)
    await sealed(log, tmp_path, NEXT)
    third = DAY[:-2] + "17"
    await fill(log, type(DAY)(third))
    await sealed(log, tmp_path, type(DAY)(third))
    (tmp_path / "demo" / NEXT).rename(tmp_path / "elsewhere")
    with pytest.raises(ArchiveGap, match=r"20250915 ends at entry .*, 20250917 begins at"):
        ArchiveLog.open(tmp_path, ACCOUNT)
    assert ArchiveLog.open(tmp_path, ACCOUNT, [DAY]).last_sequence < 300


async def test_another_log_is_not_taken_for_the_same(tmp_path: Path) -> None:
    """A stream that was made anew begins at 1 as well."""
    first, _ = await a_sealed_log(tmp_path)
    other = MemoryLog(ACCOUNT)
    assert (await first.info()).created != (await other.info()).created
    await fill(other)
    with pytest.raises(ArchiveGap, match="was sealed from stream MEMORY_demo created"):
        await HistoryLog.open(tmp_path, other)


async def test_a_stream_that_went_backwards_is_named(tmp_path: Path) -> None:
    """It ends before the archive does."""
    log, manifest = await a_sealed_log(tmp_path)
    del log._entries[manifest.last - 2 :]
    with pytest.raises(ArchiveGap, match="went backwards"):
        await HistoryLog.open(tmp_path, log)


async def test_the_streams_word_on_the_hash_is_what_counts(tmp_path: Path) -> None:
    """An archive that was sealed from other entries does not join, however well it fits."""
    log, manifest = await a_sealed_log(tmp_path)
    stored = log._entries[-1]
    said = codec.decode(stored.payload)
    assert isinstance(said, DaySealed)
    other = codec.encode(msgspec.structs.replace(said, digest="11" * 32))
    log._entries[-1] = msgspec.structs.replace(stored, payload=other)
    with pytest.raises(ArchiveGap, match=r"has hash 111111111111…, the manifest of 20250915 says"):
        await HistoryLog.open(tmp_path, ShortenedLog(log, manifest.last + 1))


async def test_nothing_that_proves_the_join_is_not_enough(tmp_path: Path) -> None:
    """Neither the last sealed entry nor the seal's event is on the stream."""
    log, manifest = await a_sealed_log(tmp_path)
    log._entries.pop()
    log._last.clear()
    await log.append([entry(ACCOUNT, tick(10**7))])
    with pytest.raises(ArchiveGap, match="nothing on the stream says that it goes on after"):
        await HistoryLog.open(tmp_path, ShortenedLog(log, manifest.last + 1))
