"""Adaptive coalescing: alone when idle, together when busy, always in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from bus import AppendUnknown, Entry, MemoryLog
from events.market import TradeFrame
from kis_gateway.publisher import Publisher
from tests.kis_gateway.fakes import ACCOUNT, OPEN, SECOND, idle, of_type, tick, trade, until


class SlowLog(MemoryLog):
    """A log whose appends last until the test lets them go."""

    def __init__(self) -> None:
        super().__init__(ACCOUNT)
        self.gate = asyncio.Event()
        self.batches: list[int] = []

    async def append(self, entries: Sequence[Entry], *, atomic: bool = True) -> tuple[int, ...]:
        self.batches.append(len(entries))
        await self.gate.wait()
        return await super().append(entries, atomic=atomic)


@asynccontextmanager
async def running(publisher: Publisher) -> AsyncIterator[None]:
    task = asyncio.create_task(publisher.run())
    yield
    task.cancel()
    await asyncio.wait([task])


async def test_a_frame_leaves_at_once_and_the_rest_follows_together() -> None:
    """The first is in flight alone; what arrives meanwhile is one batch."""
    log = SlowLog()
    publisher = Publisher(log, "r1")
    async with running(publisher):
        await publisher.offer(trade(1, at=OPEN))
        await until(lambda: log.batches == [1])
        for price in range(2, 12):
            await publisher.offer(trade(price, at=OPEN))
        await idle()
        assert log.batches == [1]
        assert publisher.backlog == 11
        log.gate.set()
        await publisher.flush()
        assert log.batches == [1, 10]
    assert [frame.trades[0].price for frame in of_type(log, TradeFrame)] == list(range(1, 12))
    assert (publisher.frames, publisher.batches, publisher.largest_batch) == (11, 2, 10)
    assert publisher.last_sequence == 11


async def test_a_batch_never_exceeds_what_one_append_can_hold() -> None:
    """The server takes at most 1,000 entries at once."""
    log = SlowLog()
    log.gate.set()
    publisher = Publisher(log, "r1")
    for number in range(2_500):
        await publisher.offer(trade(number, at=OPEN))
    async with running(publisher):
        await publisher.flush()
    assert log.batches == [1_000, 1_000, 500]


async def test_a_full_queue_makes_the_feed_wait() -> None:
    """Nothing is dropped: the sixth offer returns only after an append."""
    log = SlowLog()
    publisher = Publisher(log, "r1", capacity=5)
    async with running(publisher):
        await publisher.offer(trade(0, at=OPEN))
        await until(lambda: log.batches == [1])

        async def feed() -> None:
            for number in range(1, 8):
                await publisher.offer(trade(number, at=OPEN))

        feeding = asyncio.create_task(feed())
        await idle()
        assert not feeding.done()
        assert publisher.backlog == 7
        log.gate.set()
        await feeding
        await publisher.flush()
    assert len(log.entries) == 8


async def test_equal_frames_are_two_and_equal_ticks_are_one() -> None:
    """Frames are numbered by run, so equal facts are kept; a tick is its second."""
    log = MemoryLog(ACCOUNT)
    publisher = Publisher(log, "r1")
    async with running(publisher):
        for _ in range(2):
            await publisher.offer(trade(1, at=OPEN))
            await publisher.offer(tick(OPEN))
            await publisher.flush()
    assert [recorded.identity for recorded in log.entries] == [
        "r1-1",
        f"tick-{OPEN // SECOND}",
        "r1-3",
    ]


async def test_a_log_that_does_not_answer_ends_the_service() -> None:
    """Going on would leave a hole in the order of things."""

    class DeadLog(MemoryLog):
        async def append(self, entries: Sequence[Entry], *, atomic: bool = True) -> tuple[int, ...]:
            raise AppendUnknown(entries[0].subject, 8)

    publisher = Publisher(DeadLog(ACCOUNT), "r1")
    await publisher.offer(trade(1, at=OPEN))
    with pytest.raises(AppendUnknown):
        await publisher.run()
