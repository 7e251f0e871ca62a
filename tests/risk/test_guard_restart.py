"""A guard that was down: it stands where it stood, and what came too late is made up for."""

from __future__ import annotations

import asyncio

import pytest

from bus import MemoryLog, entry, rederive, run_processor
from events import AccountId, Event, codec
from events.market import ClockTick, Phase
from events.trading import IntentExpired, IntentSubmitted, StopChanged
from risk.guard import guard_from_session
from tests.risk.guard_day import DATE, SECOND, START, A, carried, session
from tests.risk.scenario import trades


async def a_log(*events: Event) -> MemoryLog:
    log = MemoryLog(AccountId("test"))
    await append(log, session(carried(100, 9_900)), *events)
    return log


async def append(log: MemoryLog, *events: Event) -> None:
    for event in events:
        identity = event.identity or f"frame-{event.at}"
        await log.append([entry(log.account, event, identity=identity)])


def derived(log: MemoryLog) -> list[str]:
    """Return what the guard has written, shortly."""
    found = []
    for stored in log.entries:
        event = codec.decode(stored.payload)
        if isinstance(event, IntentExpired):
            found.append(f"expired {event.intent.intent_id[-2:]}")
        elif isinstance(event, IntentSubmitted):
            found.append(event.intent_id[-2:])
        elif isinstance(event, StopChanged):
            found.append(event.state.value)
    return found


async def run(log: MemoryLog) -> None:
    """Run a guard from start to end: until it has read everything, its own outputs included."""
    stop = asyncio.Event()

    def on_progress(position: int, pending: int) -> None:
        if pending == 0 and position == len(log.entries):
            stop.set()

    async with asyncio.timeout(10):
        await run_processor(log, guard_from_session, stop=stop, on_progress=on_progress)


def tick(seconds: int) -> ClockTick:
    return ClockTick(at=START + seconds * SECOND, phase=Phase.CONTINUOUS)


@pytest.mark.invariant(8)
async def test_a_guard_that_was_down_when_the_stop_was_hit_makes_up_for_it() -> None:
    """A minute late: the exit of then has expired, the next one follows with the next second."""
    log = await a_log(tick(0), trades(A, 9_900, at=START + SECOND), tick(61))
    await run(log)
    assert derived(log) == ["active", "triggered", "expired S1", "submitted", "failed"]
    await append(log, tick(62))
    await run(log)
    assert derived(log)[5:] == ["S2", "submitted"]
    report = await rederive(log, guard_from_session, DATE)
    assert (report.logged, report.rederived, report.disagreements) == (7, 7, ())


@pytest.mark.invariant(8)
async def test_a_restart_asks_for_nothing_twice() -> None:
    """Seconds late the exit of then is still the right one, and it is the only one."""
    log = await a_log(tick(0), trades(A, 9_900, at=START + SECOND), tick(5))
    for seconds in (6, 20, 40):
        await run(log)
        await append(log, tick(seconds))
    await run(log)
    assert derived(log) == ["active", "triggered", "S1", "submitted"]
