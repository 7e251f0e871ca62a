"""The session clock: one tick per second, every phase once."""

from __future__ import annotations

import asyncio

import pytest

from bus import ManualTime, MemoryLog
from events.market import ClockTick, Phase, PhaseChanged
from kis_gateway.day.session_clock import SessionClock
from kis_gateway.day.session_past import SessionPast, read_past
from kis_gateway.publisher import Publisher
from tests.kis_gateway.fakes import ACCOUNT, OPEN, SECOND, SESSION, idle, of_type, put, tick, until


class Clockwork:
    """A session clock on a log, with its time in hand."""

    def __init__(self, start: int, past: SessionPast | None = None) -> None:
        self.log = MemoryLog(ACCOUNT)
        self.time = ManualTime(start)
        self.publisher = Publisher(self.log, "r1")
        self.clock = SessionClock(SESSION, self.publisher, self.time, past or SessionPast())

    async def __aenter__(self) -> Clockwork:
        self.publishing = asyncio.create_task(self.publisher.run())
        self.ticking = asyncio.create_task(self.clock.run())
        await idle()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.ticking.cancel()
        self.publishing.cancel()
        await asyncio.wait([self.ticking, self.publishing])

    def ticks(self) -> list[int]:
        return [(event.at - OPEN) // SECOND for event in of_type(self.log, ClockTick)]

    def phases(self) -> list[Phase]:
        return [event.phase for event in of_type(self.log, PhaseChanged)]


async def test_it_ticks_every_second_and_announces_the_open_before_its_first_tick() -> None:
    """Two seconds before the open to two after it."""
    async with Clockwork(OPEN - 2 * SECOND) as clockwork:
        await clockwork.time.advance(4)
        await idle()
        assert clockwork.ticks() == [-2, -1, 0, 1, 2]
        names = [recorded.identity.split("-")[0] for recorded in clockwork.log.entries]
        assert names == ["phase", "tick", "tick", "phase", "tick", "tick", "tick"]
        opened = of_type(clockwork.log, PhaseChanged)[1]
        assert (opened.at, opened.phase) == (OPEN, Phase.CONTINUOUS)


async def test_nothing_happens_before_the_opening_auction() -> None:
    """It waits for 08:30 KST."""
    async with Clockwork(SESSION.auction_from - 100 * SECOND) as clockwork:
        await clockwork.time.advance(99)
        await idle()
        assert len(clockwork.log.entries) == 0
        await clockwork.time.advance(1)
        await until(lambda: clockwork.ticks() == [-1_800])


async def test_a_clock_that_wakes_late_emits_only_the_newest_second() -> None:
    """The seconds it slept through are missing and never come."""
    async with Clockwork(OPEN) as clockwork:
        clockwork.time._now = OPEN + 7 * SECOND + SECOND // 2  # the process was stopped meanwhile
        await clockwork.time.advance(0)
        await clockwork.time.advance(1)
        await idle()
        assert clockwork.ticks() == [0, 7, 8]


async def test_a_process_that_starts_late_announces_the_phases_it_missed() -> None:
    """Each at the instant it was due, before the first tick."""
    async with Clockwork(OPEN + 3_600 * SECOND) as clockwork:
        assert clockwork.phases() == [Phase.OPENING_AUCTION, Phase.CONTINUOUS]
        assert clockwork.ticks() == [3_600]


async def test_a_restart_repeats_neither_phases_nor_seconds() -> None:
    """What stands on the log is read first; the tick of the same second is not given again."""
    log = MemoryLog(ACCOUNT)
    await put(
        log,
        PhaseChanged(
            at=SESSION.auction_from,
            trading_date=SESSION.trading_date,
            phase=Phase.OPENING_AUCTION,
        ),
        PhaseChanged(at=OPEN, trading_date=SESSION.trading_date, phase=Phase.CONTINUOUS),
        tick(OPEN + 5 * SECOND),
    )
    past = await read_past(log, opening=1, head=3)
    async with Clockwork(OPEN + 5 * SECOND + 1, past) as clockwork:
        assert clockwork.phases() == []
        assert clockwork.ticks() == []
        await clockwork.time.advance(1)
        await until(lambda: clockwork.ticks() == [6])


async def test_it_ends_a_minute_after_the_close() -> None:
    """The last executions still find it running."""
    async with Clockwork(SESSION.close_at - SECOND) as clockwork:
        await clockwork.time.advance(62)
        await until(clockwork.ticking.done)
        assert clockwork.phases()[-1] is Phase.CLOSED
        assert of_type(clockwork.log, ClockTick)[-1].at == SESSION.close_at + 60 * SECOND
        assert len(clockwork.ticks()) == 62


@pytest.mark.parametrize(
    ("at", "phase"),
    [
        (SESSION.close_at - 1, Phase.CLOSING_AUCTION),
        (SESSION.closing_auction_at, Phase.CLOSING_AUCTION),
        (OPEN, Phase.CONTINUOUS),
        (OPEN - 1, Phase.OPENING_AUCTION),
    ],
)
async def test_it_knows_the_present_phase(at: int, phase: Phase) -> None:
    """A phase includes its first nanosecond."""
    clockwork = Clockwork(at)
    assert clockwork.clock.phase is phase
