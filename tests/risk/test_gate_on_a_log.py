"""The gate in its runner: its halts stand among the orders of operators on one shared topic."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bus import JetStreamLog, Log, MemoryLog, NatsServer, entry, rederive, run_processor
from events import AccountId, Event, codec
from events.control import HaltCleared, HaltScope, HaltTripped
from events.market import SessionOpened
from events.ops import Degraded, DivergenceFound, Recovered
from events.trading import Decision
from risk import gate_from_session
from tests.risk.scenario import DATE, A, Day
from tests.risk.test_halts_by_rule import lose_an_order


@pytest.fixture(params=["memory", "jetstream"])
async def log(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Log]:
    """Return an empty log of each backend."""
    if request.param == "memory":
        yield MemoryLog(AccountId("demo"))
        return
    async with NatsServer(tmp_path) as server:
        stream = await JetStreamLog.connect(server.url, AccountId("demo"))
        yield stream
        await stream.close()


async def events_of(log: Log) -> list[Event]:
    """Return everything on a log."""
    found: list[Event] = []
    async with log.read() as reader:
        while batch := await reader.batch(1.0):
            found += [codec.decode(recorded.payload) for recorded in batch]
            if not reader.pending:
                break
    return found


async def append(log: Log, *events: Event) -> None:
    """Append inputs of the gate."""
    head = (await log.info()).last_sequence
    for number, event in enumerate(events):
        await log.append([entry(log.account, event, identity=f"input-{head}-{number}")])


async def run(log: Log, *, copies: int) -> None:
    """Run the gate, twice by mistake if asked to, until it has read all, its own words too."""
    stop = asyncio.Event()
    read = [0] * copies

    async def one(place: int) -> None:
        def progress(position: int, pending: int) -> None:
            read[place] = position

        await run_processor(log, gate_from_session, stop=stop, on_progress=progress)

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        for place in range(copies):
            group.create_task(one(place))
        while min(read) < (await log.info()).last_sequence:
            await asyncio.sleep(0.005)
        stop.set()


def troubles() -> tuple[SessionOpened, list[Event]]:
    """Return a session and inputs that trip, release and clear halts, with intents in between."""
    day = Day()
    day.drift(A, broker=5, allocated=0)
    day.enter(1)
    lose_an_order(day)
    day.halt()
    day.enter(1)
    day.feed(Degraded(at=day.now, service="gateway", condition="feed", detail="down"))
    day.release(HaltScope.SYMBOL, A)
    day.tick(seconds=30)
    day.feed(Recovered(at=day.now, service="gateway", condition="feed", detail="up"))
    day.leave()
    own = {id(event) for event in day.derived}
    return day.opened, [event for event in day.log[1:] if id(event) not in own]


@pytest.mark.parametrize(("at_once", "copies"), [(100, 1), (3, 1), (6, 2)])
@pytest.mark.invariant(8)
async def test_started_again_at_any_entry_the_gate_goes_on_as_if_it_had_run(
    log: Log, at_once: int, copies: int
) -> None:
    """A gate started anew for every few inputs, or two at once, say what verifying derives."""
    opened, inputs = troubles()
    await log.append([entry(log.account, opened)])
    calm = sum(event.topic.startswith(("market", "signal")) for event in inputs[:20])
    await append(log, *inputs[:calm])
    for first in range(calm, len(inputs), at_once):
        await append(log, *inputs[first : first + at_once])
        await run(log, copies=copies)
    report = await rederive(log, gate_from_session, DATE)
    events = await events_of(log)
    decisions = [event for event in events if isinstance(event, Decision)]
    halts = [event for event in events if isinstance(event, HaltTripped | HaltCleared)]
    assert report.disagreements == ()
    assert report.logged == report.rederived == len(decisions) + len(halts)
    assert len(decisions) == 4
    assert [(type(event).__name__, event.trigger.value, event.target) for event in halts] == [
        ("HaltTripped", "drift", A),
        ("HaltTripped", "unknown_order", A),
        ("HaltTripped", "feed_gap", "*"),
        ("HaltTripped", "unknown_order", "*"),
        ("HaltCleared", "feed_gap", "*"),
    ]
    assert not any(isinstance(event, DivergenceFound) for event in events)
