"""Sealing: one session, all of it, once, in order, and only what reads back."""

from __future__ import annotations

import fcntl
from pathlib import Path

import msgspec
import polars as pl
import pytest

from bus import Entry, MemoryLog, Recorded, entry
from bus.archive import (
    ArchiveGap,
    ArchiveLog,
    EntriesLost,
    SealedDay,
    SealInProgress,
    SealMismatch,
    SealOutOfOrder,
    SessionNotOver,
    SessionUnknown,
    day_writer,
    seal_day,
    sealed_dates,
    sealed_day,
    sealed_days,
    unsealed_sessions,
)
from bus.archive.chain import GENESIS, Chain
from events import AccountId, TradingDate, codec
from events.ops import DaySealed
from tests.bus.archive.a_day import (
    DAY,
    NEXT,
    NO_EVENTS,
    ShortenedLog,
    a_sealed_log,
    everything,
    fill,
    sealed,
    session,
    tick,
)

ACCOUNT = AccountId("demo")


async def test_every_entry_comes_back_identical(tmp_path: Path) -> None:
    """Sequence, subject, payload, identity and time, of all families and of no event at all."""
    log, manifest = await a_sealed_log(tmp_path)
    archive = ArchiveLog.open(tmp_path, ACCOUNT)
    assert await everything(archive) == list(log.entries[: manifest.last])
    assert set(manifest.families) == {
        "trades", "quotes", "clock", "indices", "flows", "bars", "market", "control", "signal",
        "ops", "other",
    }  # fmt: skip
    assert manifest.families["other"] == 20 + len(NO_EVENTS)


async def test_the_manifest_says_what_the_day_is(tmp_path: Path) -> None:
    """Range, stream, counts by family and type, hashes of all files, the chain."""
    log, manifest = await a_sealed_log(tmp_path, seconds=2)
    assert (manifest.first, manifest.opening, manifest.last) == (1, 1, 1 + 2 * 13 + 4 + 1)
    assert (manifest.stored_from, manifest.stored_until) == (1, 32)
    assert manifest.stream == "MEMORY_demo"
    assert manifest.types["TradeFrame.1"] == 2
    assert manifest.types["PhaseChanged.1"] == 1
    assert sum(manifest.families.values()) == manifest.entries == 32
    assert manifest.files["trades.parquet"].rows == 2 * (2 + 1)
    assert manifest.files["bars.parquet"].rows == 2 * (2 + 1)
    folder = tmp_path / "demo" / DAY
    assert {file.name for file in folder.iterdir()} == {*manifest.files, "manifest.json"}
    chain = Chain(GENESIS)
    for recorded in log.entries[:32]:
        chain.add(recorded)
    assert (manifest.chain_start, manifest.chain_end) == (GENESIS, chain.digest)


async def test_that_a_day_is_sealed_stands_on_the_log_once(tmp_path: Path) -> None:
    """Sealing again changes nothing and says nothing twice."""
    log, manifest = await a_sealed_log(tmp_path)
    before = (tmp_path / "demo" / DAY / "manifest.json").read_bytes()
    assert await sealed(log, tmp_path) == manifest
    assert (tmp_path / "demo" / DAY / "manifest.json").read_bytes() == before
    assert (await log.info()).last_sequence == manifest.last + 1
    event = codec.decode(log.entries[-1].payload)
    assert event == DaySealed(
        at=10**15,
        cause=manifest.last,
        trading_date=DAY,
        first=1,
        last=manifest.last,
        entries=manifest.entries,
        digest=manifest.chain_end,
    )


async def test_a_seal_that_was_not_announced_is_when_it_is_sealed_again(tmp_path: Path) -> None:
    """A crash between the last rename and the event leaves nothing to repair by hand."""
    log, _ = await a_sealed_log(tmp_path)
    log._entries.pop()
    log._last.clear()
    log._identities.clear()
    await sealed(log, tmp_path)
    assert isinstance(codec.decode(log.entries[-1].payload), DaySealed)


async def test_the_next_day_goes_on_without_a_hole(tmp_path: Path) -> None:
    """What stands between two sessions belongs to the later one; the chain is one."""
    log, first = await a_sealed_log(tmp_path)
    await log.append([entry(log.account, tick(900_000))])
    await fill(log, NEXT)
    second = await sealed(log, tmp_path, NEXT)
    assert second.first == first.last + 1
    # DaySealed and one tick precede the opening.
    assert second.opening == second.first + 2
    assert second.chain_start == first.chain_end
    assert await everything(ArchiveLog.open(tmp_path, ACCOUNT)) == list(log.entries[: second.last])


async def test_a_session_ends_before_the_next_opens(tmp_path: Path) -> None:
    """Both are on the log when the first is sealed."""
    log = MemoryLog(ACCOUNT)
    last = await fill(log)
    await fill(log, NEXT)
    assert (await sealed(log, tmp_path)).last == last
    waiting = await unsealed_sessions(log, tmp_path)
    assert [(each.trading_date, each.first, each.over) for each in waiting] == [
        (NEXT, last + 1, True)
    ]


async def test_days_are_sealed_in_order(tmp_path: Path) -> None:
    """An archive has no hole, so an earlier session comes first."""
    log = MemoryLog(ACCOUNT)
    await fill(log)
    await fill(log, NEXT)
    with pytest.raises(SealOutOfOrder, match="20250916 cannot be sealed before 20250915"):
        await sealed(log, tmp_path, NEXT)
    with pytest.raises(SessionUnknown, match="no session 20250917; it has: 20250915, 20250916"):
        await sealed(log, tmp_path, TradingDate("20250917"))


async def test_a_session_that_is_going_is_not_sealed(tmp_path: Path) -> None:
    """Until the clock on the log has passed the close, or nobody writes any more."""
    log = MemoryLog(ACCOUNT)
    await log.append([entry(ACCOUNT, session())])
    with pytest.raises(SessionNotOver):
        await sealed(log, tmp_path)
    await log.append([entry(ACCOUNT, tick(59))])
    with pytest.raises(SessionNotOver):
        await sealed(log, tmp_path)
    assert sealed_dates(tmp_path, ACCOUNT) == []
    ended = await seal_day(log, tmp_path, DAY, code_version="test", ended=True)
    assert ended.last == 2
    other = MemoryLog(ACCOUNT)
    await other.append([entry(ACCOUNT, session()), entry(ACCOUNT, tick(60))])
    assert (await sealed(other, tmp_path / "other")).last == 2


async def test_entries_that_are_gone_are_named(tmp_path: Path) -> None:
    """Nothing is sealed over a hole, after the archive or within a day."""
    log, first = await a_sealed_log(tmp_path)
    await log.append([entry(ACCOUNT, tick(900_000 + n)) for n in range(4)])
    await fill(log, NEXT)
    lost = rf"entries {first.last + 1}\.\.{first.last + 3} of account demo"
    with pytest.raises(EntriesLost, match=lost):
        await sealed(ShortenedLog(log, first.last + 4), tmp_path, NEXT)
    hole = first.last + 9
    del log._entries[hole - 1]
    log._last.clear()
    with pytest.raises(EntriesLost, match=rf"entries {hole}\.\.{hole} of account demo"):
        await seal_day(log, tmp_path, NEXT, code_version="test", ended=True)
    assert sealed_dates(tmp_path, ACCOUNT) == [DAY]
    assert sorted(each.name for each in (tmp_path / "demo").iterdir()) == [".lock", DAY]


async def test_a_log_that_nobody_sealed_begins_with_what_is_left(tmp_path: Path) -> None:
    """Unless it says that it was: then its archive is elsewhere."""
    log = MemoryLog(ACCOUNT)
    await log.append([entry(ACCOUNT, tick(second)) for second in range(5)])
    await fill(log)
    manifest = await sealed(ShortenedLog(log, 4), tmp_path)
    assert (manifest.first, manifest.opening) == (4, 6)
    await fill(log, NEXT)
    begin = manifest.last + 1
    with pytest.raises(EntriesLost, match=rf"entries 1\.\.{begin - 1} of account demo"):
        await sealed(ShortenedLog(log, begin), tmp_path / "another", NEXT)


async def test_another_stream_has_another_archive(tmp_path: Path) -> None:
    """A log that was made anew does not go on in the archive of the old one."""
    first, _ = await a_sealed_log(tmp_path)
    log = MemoryLog(ACCOUNT)
    assert (await first.info()).created != (await log.info()).created
    await fill(log)
    await fill(log, NEXT)
    await fill(log, TradingDate("20250917"))
    with pytest.raises(ArchiveGap, match="Seal into another folder"):
        await sealed(log, tmp_path, NEXT)


async def test_columns_that_do_not_read_back_seal_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last defence: what was written is read before it counts."""
    log = MemoryLog(ACCOUNT)
    await fill(log)
    block = SealedDay.block

    def bent(day: SealedDay, begin: int, end: int, wanted: None = None) -> list[Recorded]:
        found = block(day, begin, end, wanted)
        return [*found[:-1], msgspec.structs.replace(found[-1], identity="bent")]

    monkeypatch.setattr(SealedDay, "block", bent)
    with pytest.raises(SealMismatch, match="the hashes of both differ"):
        await sealed(log, tmp_path)
    assert sealed_days(tmp_path, ACCOUNT) == []


async def test_what_a_crash_left_is_cleared_and_a_second_sealer_waits(tmp_path: Path) -> None:
    """The lock is the system's: it ends with the process that held it."""
    log = MemoryLog(ACCOUNT)
    await fill(log)
    partial = tmp_path / "demo" / f".partial-{DAY}"
    partial.mkdir(parents=True)
    (partial / "trades.parquet").write_bytes(b"half")
    with (tmp_path / "demo" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(SealInProgress):
            await sealed(log, tmp_path)
    await sealed(log, tmp_path)
    assert not partial.exists()
    assert sealed_dates(tmp_path, ACCOUNT) == [DAY]


async def test_more_than_a_block_is_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading from anywhere, block boundaries included."""
    block = 100
    monkeypatch.setattr(day_writer, "BLOCK", block)
    monkeypatch.setattr(sealed_day, "BLOCK", block)
    log = MemoryLog(ACCOUNT)
    await log.append([entry(ACCOUNT, session())])
    count = 2 * block + 5
    for start in range(1, count, 1_000):
        seconds = range(start, min(start + 1_000, count))
        await log.append([entry(ACCOUNT, tick(second)) for second in seconds])
    await log.append([Entry("kst.demo.ops.x", b"?", "x")])
    manifest = await sealed(log, tmp_path)
    day = SealedDay.open(tmp_path / "demo" / DAY)
    assert [len(each) for each in day.blocks()] == [block, block, manifest.last - 2 * block]
    for after in (0, 1, block - 1, block, block + 1, manifest.last - 1, manifest.last):
        found = [each for part in day.blocks(after=after) for each in part]
        assert found == list(log.entries[after : manifest.last])
    deliveries = [each for part in day.deliveries(topics=("ops.*",)) for each in part]
    assert deliveries == []
    assert sum(map(len, day.deliveries())) == manifest.last - 1
    assert pl.scan_parquet(day.folder / "clock.parquet").select(pl.len()).collect().item() == (
        count - 1
    )


async def test_anything_reads_the_columns(tmp_path: Path) -> None:
    """polars and DuckDB find the same trades without this project's help."""
    duckdb = pytest.importorskip("duckdb")
    await a_sealed_log(tmp_path, seconds=3)
    file = tmp_path / "demo" / DAY / "trades.parquet"
    question = f"select count(*), sum(price * quantity) from '{file}' where venue is null"
    frame = pl.read_parquet(file).filter(pl.col("venue").is_null())
    by_polars = (frame.height, (frame["price"] * frame["quantity"]).sum())
    assert duckdb.sql(question).fetchall() == [by_polars]
    assert by_polars == (6, 3 * (350_000 + 490_700))
