"""A session on a real server: sealed, gone from the stream, and read as if nothing had happened."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from bus import (
    JetStreamLog,
    Log,
    NatsServer,
    Recorded,
    StreamMismatch,
    entry,
    rederive,
    run_processor,
)
from bus.archive import (
    ArchiveGap,
    DayNotSealed,
    HistoryLog,
    PruneRefused,
    prune,
    pruning,
    restore_retention,
    unsealed_sessions,
)
from bus.archive.chain import Chain
from bus.stream import api, definition
from events import codec
from events.market import Phase, PhaseChanged
from events.ops import DaySealed
from tests.bus.archive.a_day import (
    DAY,
    NEXT,
    SECOND,
    everything,
    fill,
    sealed,
    session,
    some_of_everything,
    tick,
)
from tests.bus.archive.test_verification import admit, rewrite
from tests.bus.test_runner import EveryFifth


@pytest.fixture
async def decided(stream_log: JetStreamLog) -> JetStreamLog:
    """Return a log of one session in which a processor has decided something."""
    log = stream_log
    await log.append([entry(log.account, session())])
    for second in range(1, 31):
        events = [tick(second), *some_of_everything(second)[1:]]
        await log.append(
            [entry(log.account, event, identity=f"{second}-{n}") for n, event in enumerate(events)]
        )
    stop = asyncio.Event()
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(run_processor(log, lambda _: EveryFifth(), stop=stop))
        while await log.last("trading.intent.i30") is None:
            await asyncio.sleep(0.02)
        stop.set()
    closed = PhaseChanged(at=60 * SECOND, trading_date=DAY, phase=Phase.CLOSED)
    await log.append([entry(log.account, closed)])
    return log


async def until_older(log: JetStreamLog, seconds: float) -> None:
    """Wait until the newest entry is ``seconds`` old by this machine's clock, the server's too."""
    newest = (await everything(log))[-1]
    while datetime.now(UTC).timestamp() < newest.stored_at / SECOND + seconds:
        await asyncio.sleep(0.05)


def digest(entries: list[Recorded], start: str) -> str:
    chain = Chain(start)
    for recorded in entries:
        chain.add(recorded)
    return chain.digest


async def test_a_day_that_left_the_stream_is_the_same_from_its_recording(
    decided: JetStreamLog, tmp_path: Path
) -> None:
    """Identical entries, an equal hash, and every decision derived again without a difference."""
    before = await everything(decided)
    intents = [each for each in before if ".trading.intent." in each.subject]
    assert len(intents) == 6
    await until_older(decided, 1.2)
    manifest = await sealed(decided, tmp_path)
    assert (manifest.first, manifest.last) == (1, len(before))

    pruned = await prune(decided, tmp_path, DAY, written_to=False)
    assert (pruned.entries, pruned.sealed) == (len(before), 0)
    assert pruned.first_sequence == (await decided.info()).first_sequence == manifest.last + 1
    assert await decided.get(1) is None
    left = await everything(decided)
    assert [type(codec.decode(each.payload)) for each in left] == [DaySealed]

    history = await HistoryLog.open(tmp_path, decided)
    after = await everything(history)
    assert after == before + left
    assert digest(after[: manifest.last], manifest.chain_start) == manifest.chain_end
    report = await rederive(history, lambda _: EveryFifth(), DAY)
    assert (report.logged, report.rederived, report.disagreements) == (6, 6, ())
    wrong = await rederive(history, lambda _: EveryFifth(quantity=2), DAY)
    assert len(wrong.disagreements) == 6


async def test_the_day_after_a_pruned_one_goes_on(decided: JetStreamLog, tmp_path: Path) -> None:
    """The stream's settings are back, appends go on, and the next day is sealed and pruned too."""
    await until_older(decided, 1.2)
    first = await sealed(decided, tmp_path)
    await prune(decided, tmp_path, DAY, written_to=False)
    await fill(decided, NEXT)
    whole = await everything(await HistoryLog.open(tmp_path, decided))
    await until_older(decided, 1.2)
    second = await sealed(decided, tmp_path, NEXT)
    assert (second.first, second.chain_start) == (first.last + 1, first.chain_end)
    pruned = await prune(decided, tmp_path, NEXT, written_to=False)
    assert pruned.first_sequence == second.last + 1
    again = await everything(await HistoryLog.open(tmp_path, decided))
    assert again[: second.last] == whole
    assert (await prune(decided, tmp_path, DAY, written_to=False)).entries == 0
    assert await unsealed_sessions(decided, tmp_path) == []


async def test_what_is_close_to_the_first_kept_entry_stays(
    decided: JetStreamLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An age limit cannot tell entries of one instant apart; then sealed ones stay."""
    before = await everything(decided)
    manifest = await sealed(decided, tmp_path)
    # What was stored within an hour of the first kept entry counts as close: here all of it.
    monkeypatch.setattr(pruning, "_SPARE", (3_600 * SECOND, 3_600 * SECOND))
    pruned = await prune(decided, tmp_path, DAY, written_to=False)
    assert (pruned.entries, pruned.sealed) == (0, manifest.entries)
    after = await everything(await HistoryLog.open(tmp_path, decided))
    assert after[: len(before)] == before
    assert await decided.get(manifest.last + 1) is not None


async def test_nothing_is_pruned_that_is_not_sealed_and_sound(
    decided: JetStreamLog, tmp_path: Path
) -> None:
    """Each refusal says why, and the stream keeps everything."""
    with pytest.raises(DayNotSealed):
        await prune(decided, tmp_path, DAY, written_to=False)
    manifest = await sealed(decided, tmp_path)
    with pytest.raises(PruneRefused, match="ended less than an hour ago and its run is going"):
        await prune(decided, tmp_path, DAY, written_to=True)
    folder = tmp_path / decided.account / DAY
    trades = folder / "trades.parquet"
    sound = trades.read_bytes()
    trades.write_bytes(sound[:100] + b"?" + sound[101:])
    with pytest.raises(PruneRefused, match=r"20250915/trades\.parquet is damaged: its hash is"):
        await prune(decided, tmp_path, DAY, written_to=False)
    trades.write_bytes(sound)
    admit(folder, chain_end="22" * 32)
    with pytest.raises(ArchiveGap, match="the stream says that the archive up to entry"):
        await prune(decided, tmp_path, DAY, written_to=False)
    assert (await decided.info()).first_sequence == 1
    assert manifest.first == 1


async def test_a_sealed_entry_that_the_stream_has_otherwise_is_named(
    decided: JetStreamLog, tmp_path: Path
) -> None:
    """The last look before anything expires: entry by entry."""
    manifest = await sealed(decided, tmp_path)
    folder = tmp_path / decided.account / DAY
    bent = pl.when(pl.col("sequence") == 7).then(pl.lit("x")).otherwise(pl.col("identity"))
    rewrite(folder / "entries.parquet", lambda rows: rows.with_columns(bent.alias("identity")))
    admit(folder)
    with pytest.raises(PruneRefused, match=r"entry 7 \(.*\) of the stream is not what was sealed"):
        await pruning._compare(decided, tmp_path, 1, manifest.last, lambda done, total: None)


async def test_a_limit_that_a_crash_left_lowered_is_put_back(
    nats_server: NatsServer, decided: JetStreamLog
) -> None:
    """No log with a lowered limit is opened; it is repaired first, once."""
    lowered = definition(decided.account) | {"max_age": 7_200 * SECOND}
    await api(decided.client, f"STREAM.UPDATE.{lowered['name']}", lowered)
    with pytest.raises(StreamMismatch, match="max_age is 7200000000000"):
        await JetStreamLog.connect(nats_server.url, decided.account, create=False)
    assert await restore_retention(nats_server.url, decided.account)
    assert not await restore_retention(nats_server.url, decided.account)
    again = await JetStreamLog.connect(nats_server.url, decided.account, create=False)
    await again.close()


async def test_the_limit_is_put_back_whatever_happens_meanwhile(
    nats_server: NatsServer,
    decided: JetStreamLog,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The process is told to end at the worst moment."""
    await until_older(decided, 1.2)
    await sealed(decided, tmp_path)

    async def told_to_end(log: Log) -> None:
        raise asyncio.CancelledError

    lowering = pruning._update

    async def lower(client: object, settings: dict[str, object]) -> None:
        await lowering(client, settings)  # type: ignore[arg-type] # the same client
        if settings["max_age"] != definition(decided.account)["max_age"]:
            monkeypatch.setattr(JetStreamLog, "info", told_to_end)

    monkeypatch.setattr(pruning, "_update", lower)
    with pytest.raises(asyncio.CancelledError):
        await prune(decided, tmp_path, DAY, written_to=False)
    monkeypatch.undo()
    again = await JetStreamLog.connect(nats_server.url, decided.account, create=False)
    await again.close()
