"""Undecoded frames on a real server: stored in order, without waiting, and nothing lost unsaid."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus import (
    JetStreamLog,
    NatsServer,
    RawBlockUnreadable,
    RawFrame,
    RawReader,
    RawRecorder,
    RecordedFrame,
    Retention,
    decode_block,
    encode_block,
    raw_stream_name,
)
from bus.stream import api
from events import AccountId

Losses = list[tuple[int, str]]


@pytest.fixture
def losses() -> Losses:
    """Return what was reported as lost."""
    return []


async def keep(losses: Losses, frames: int, reason: str) -> None:
    losses.append((frames, reason))


def recorder(log: JetStreamLog, losses: Losses, waiting_bytes: int = 64_000_000) -> RawRecorder:
    return RawRecorder(
        log,
        on_trouble=lambda frames, why: keep(losses, frames, why),
        waiting_bytes=waiting_bytes,
    )


async def read(log: JetStreamLog) -> list[RecordedFrame]:
    return [frame async for frame in RawReader(log).frames()]


async def test_frames_come_back_as_they_came_in_order(
    stream_log: JetStreamLog, losses: Losses
) -> None:
    """Several sources in one order, any bytes, across two runs of a recorder."""
    first = [RawFrame(1_000 + n, "ws", b"0|H0STCNT0|001|%d" % n) for n in range(500)]
    second = [RawFrame(2_000, "inquire-balance", b'{"rt_cd":"0"}'), RawFrame(2_001, "ws", b"\xff")]
    for frames in (first, second):
        async with recorder(stream_log, losses) as raw:
            for frame in frames:
                raw.record(frame.source, frame.at, frame.payload)
        assert (raw.stored, raw.lost) == (len(frames), 0)
    found = await read(stream_log)
    assert [item.frame for item in found] == first + second
    assert [item.place for item in found if item.sequence == found[-1].sequence] == [0, 1]
    assert losses == []


async def test_nothing_recorded_reads_as_nothing(stream_log: JetStreamLog) -> None:
    """A run without a recorder has no stream."""
    assert await read(stream_log) == []
    assert await RawReader(stream_log).size() == (0, 0)


async def test_frames_share_blocks_and_large_ones_split_them(
    stream_log: JetStreamLog, losses: Losses
) -> None:
    """Thousands of frames that come together leave in few messages."""
    async with recorder(stream_log, losses) as raw:
        for n in range(5_000):
            raw.record("ws", n, bytes(100))
        for n in range(4):
            raw.record("chart", 5_000 + n, bytes(200_000))
    found = await read(stream_log)
    assert [item.frame.at for item in found] == list(range(5_004))
    assert raw.blocks == found[-1].sequence
    assert raw.blocks < 12


async def test_the_log_itself_is_not_touched(stream_log: JetStreamLog, losses: Losses) -> None:
    """Its sequence counts events only."""
    async with recorder(stream_log, losses) as raw:
        raw.record("ws", 1, b"x")
    assert (await stream_log.info()).last_sequence == 0


async def test_retention_is_what_was_asked_for_last(
    stream_log: JetStreamLog, losses: Losses
) -> None:
    """Days and size can be changed at the next start; the frames stay."""
    for retention in (Retention(), Retention(days=2, size=1_000_000)):
        async with RawRecorder(
            stream_log,
            on_trouble=lambda frames, why: keep(losses, frames, why),
            retention=retention,
        ) as raw:
            raw.record("ws", 1, b"x")
    answer = await api(stream_log.client, f"STREAM.INFO.{raw_stream_name(stream_log.account)}")
    config = answer["config"]
    assert config["max_age"] == 2 * 86_400 * 1_000_000_000
    assert config["max_bytes"] == 1_000_000
    assert (config["persist_mode"], config["discard"]) == ("async", "old")
    assert len(await read(stream_log)) == 2


async def test_what_exceeds_the_room_is_counted_and_said_once(
    stream_log: JetStreamLog, losses: Losses
) -> None:
    """The feed must not wait and memory must not grow: the newest are let go, visibly."""
    async with recorder(stream_log, losses, waiting_bytes=1_000) as raw:
        for n in range(100):
            raw.record("ws", n, bytes(100))
    assert (raw.stored, raw.lost) == (10, 90)
    assert losses == [(90, "more came than could be stored meanwhile")]
    assert [item.frame.at for item in await read(stream_log)] == list(range(10))


async def test_the_end_of_trouble_is_said_too(stream_log: JetStreamLog, losses: Losses) -> None:
    """A light that went on must go out."""
    async with recorder(stream_log, losses, waiting_bytes=100) as raw:
        raw.record("ws", 1, bytes(100))
        raw.record("ws", 2, bytes(100))
        async with asyncio.timeout(10):
            while not losses:
                await asyncio.sleep(0.01)  # the block leaves by itself; nothing to await
        raw.record("ws", 3, b"x")
    assert [frames for frames, _ in losses] == [1, 0]
    assert [item.frame.at for item in await read(stream_log)] == [1, 3]


async def test_a_frame_too_large_for_the_server_is_lost_alone(
    stream_log: JetStreamLog, losses: Losses
) -> None:
    """Its neighbours are stored."""
    async with recorder(stream_log, losses) as raw:
        raw.record("ws", 1, b"before")
        raw.record("ws", 2, bytes(7 * 1024 * 1024))
        raw.record("ws", 3, b"after")
    assert [item.frame.at for item in await read(stream_log)] == [1, 3]
    assert [frames for frames, _ in losses] == [1]


@pytest.fixture
async def own_server(tmp_path: Path) -> AsyncIterator[NatsServer]:
    """Return a server that a test may kill."""
    async with NatsServer(tmp_path) as server:
        yield server


async def test_a_server_that_restarts_costs_nothing(own_server: NatsServer, losses: Losses) -> None:
    """Blocks without an answer are sent again under the same identity and stand once."""
    log = await JetStreamLog.connect(own_server.url, AccountId("raw"))
    async with recorder(log, losses) as raw:
        raw.record("ws", 1, b"before")
        async with asyncio.timeout(10):
            while not raw.stored:
                await asyncio.sleep(0.01)  # for the block to leave; the recorder has no signal
        await own_server.kill()
        raw.record("ws", 2, b"while it is down")
        await own_server.start()
        raw.record("ws", 3, b"after")
    assert [item.frame.at for item in await read(log)] == [1, 2, 3]
    assert losses == []
    await log.close()


async def test_a_burst_is_recorded_without_a_wait_between_two_frames(
    stream_log: JetStreamLog, losses: Losses
) -> None:
    """The feed hands frames over and goes on; all of them are stored in the end."""
    payload = bytes(270)
    async with recorder(stream_log, losses) as raw:
        for n in range(20_000):
            raw.record("ws", n, payload)
        assert raw.stored == 0  # nothing else has had a turn yet
    assert raw.stored == 20_000


frames = st.builds(RawFrame, st.integers(0, 2**62), st.text(max_size=20), st.binary(max_size=200))


@given(st.lists(frames, max_size=20))
def test_a_block_comes_back(drawn: list[RawFrame]) -> None:
    """Whatever bytes the frames hold."""
    assert decode_block(encode_block(drawn)) == drawn


@given(st.binary(max_size=300))
def test_any_bytes_are_a_block_or_said_to_be_none(payload: bytes) -> None:
    """A damaged store is an error of its own, never another one."""
    try:
        decode_block(payload)
    except RawBlockUnreadable as error:
        assert "use the version that wrote it" in str(error)  # noqa: PT017 - most bytes are none


def test_a_block_of_a_later_layout_is_refused() -> None:
    """It would be read wrongly otherwise."""
    later = b"\x92\x02\x90"
    with pytest.raises(RawBlockUnreadable, match="layout 2"):
        decode_block(later)
