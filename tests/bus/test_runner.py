"""The processor runner: catch-up, missing outputs, expiry, divergence, poison, two copies."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest

from bus import Divergence, Entry, Log, MemoryLog, entry, rederive, run_processor
from events import AccountId, Delivery, Event, IntentId, StrategyId, Symbol, TradingDate, codec
from events.control import HaltMode, HaltScope, HaltSet
from events.market import ClockTick, Phase, SessionOpened
from events.ops import DivergenceFound, EventSetAside
from events.trading import (
    Horizon,
    IntentExpired,
    IntentKind,
    IntentSubmitted,
    Urgency,
)

DAY = TradingDate("20250915")
SECOND = 1_000_000_000


def session(day: str = DAY) -> SessionOpened:
    return SessionOpened(
        at=0,
        trading_date=TradingDate(day),
        open_at=0,
        closing_auction_at=0,
        close_at=0,
        cash=0,
        equity=0,
        allocations=(),
        configuration={},
        code_version="test",
    )


def tick(second: int) -> ClockTick:
    return ClockTick(at=second * SECOND, phase=Phase.CONTINUOUS)


class EveryFifth:
    """A processor that wants something on every fifth tick it has seen."""

    name = "fifth"
    inputs = ("market.clock", "trading.control")
    outputs = ("trading.intent.*",)

    def __init__(self, *, quantity: int = 1) -> None:
        self.seen = 0
        self.quantity = quantity

    def owns(self, event: Event) -> bool:
        return isinstance(event, IntentSubmitted)

    def handle(self, delivery: Delivery) -> Sequence[Event]:
        self.seen += isinstance(delivery.event, ClockTick)
        if self.seen % 5 or not isinstance(delivery.event, ClockTick):
            return ()
        return (
            IntentSubmitted(
                at=delivery.event.at,
                cause=delivery.sequence,
                intent_id=IntentId(f"i{self.seen}"),
                strategy=StrategyId("FIFTH"),
                symbol=Symbol("005930"),
                kind=IntentKind.ENTER,
                quantity=self.quantity,
                urgency=Urgency.HIGH,
                horizon=Horizon.INTRADAY,
                reason="fifth",
                attempt=1,
                expires_at=delivery.event.at + 30 * SECOND,
            ),
        )


async def run_until(
    log: Log, done: Callable[[], bool], *, quantity: int = 1, copies: int = 1
) -> None:
    stop = asyncio.Event()
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        for _ in range(copies):
            group.create_task(
                run_processor(log, lambda _: EveryFifth(quantity=quantity), stop=stop)
            )
        while not done():
            await asyncio.sleep(0.01)
        stop.set()


def outputs(log: MemoryLog) -> list[Event]:
    found = [codec.decode(stored.payload) for stored in log.entries if stored.payload[:1] == b"{"]
    return [event for event in found if isinstance(event, IntentSubmitted | IntentExpired)]


async def a_log(ticks: int) -> MemoryLog:
    log = MemoryLog(AccountId("demo"))
    await log.append([entry(log.account, session())])
    await log.append([entry(log.account, tick(n)) for n in range(1, ticks + 1)])
    return log


async def test_missing_outputs_are_appended_at_the_head() -> None:
    """A processor that was down derives what it would have said and says it."""
    log = await a_log(12)
    await run_until(log, lambda: len(outputs(log)) == 2)
    assert [event.identity for event in outputs(log)] == ["i5", "i10"]


async def test_a_restart_appends_nothing_twice() -> None:
    """Outputs on the log are recognised; the next ones follow."""
    log = await a_log(12)
    await run_until(log, lambda: len(outputs(log)) == 2)
    await log.append([entry(log.account, tick(n)) for n in range(13, 16)])
    await run_until(log, lambda: len(outputs(log)) == 3)
    assert [event.identity for event in outputs(log)] == ["i5", "i10", "i15"]


async def test_an_intent_whose_time_has_passed_is_logged_as_expired() -> None:
    """At the head, 31 seconds late: the intent's place is taken by its expiry."""
    log = await a_log(36)
    await run_until(log, lambda: len(outputs(log)) == 7)
    first, second = outputs(log)[:2]
    assert isinstance(first, IntentExpired)
    assert first.intent.intent_id == "i5"
    assert first.at == 36 * SECOND
    assert isinstance(second, IntentSubmitted)


async def test_an_operators_clock_that_runs_ahead_expires_no_intent() -> None:
    """What is due is told by the tape; an exit must not wait for it to catch up with a halt."""
    log = await a_log(4)
    halt = HaltSet(
        at=3_600 * SECOND,
        issued_by="operator",
        reason="test",
        scope=HaltScope.STRATEGY,
        target="KPR",
        mode=HaltMode.NO_ENTRIES,
    )
    await log.append([entry(log.account, halt), entry(log.account, tick(5))])
    await run_until(log, lambda: len(outputs(log)) == 1)
    assert isinstance(outputs(log)[0], IntentSubmitted)


async def test_expired_intents_verify() -> None:
    """Deriving the day again accepts an expiry in the intent's place."""
    log = await a_log(36)
    await run_until(log, lambda: len(outputs(log)) == 7)
    report = await rederive(log, lambda _: EveryFifth(), DAY)
    assert (report.logged, report.rederived, report.disagreements) == (7, 7, ())
    assert report.logged_by_type == {"IntentExpired": 1, "IntentSubmitted": 6}
    assert report.rederived_by_type == report.logged_by_type


async def test_two_copies_change_nothing() -> None:
    """Both derive the same; the log holds it once."""
    log = await a_log(2)
    stop = asyncio.Event()
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(run_processor(log, lambda _: EveryFifth(), stop=stop))
        for n in range(3, 26):
            await log.append([entry(log.account, tick(n))])
            await asyncio.sleep(0)
        while len(outputs(log)) < 5:
            await asyncio.sleep(0.01)
        stop.set()
    assert [event.identity for event in outputs(log)] == ["i5", "i10", "i15", "i20", "i25"]


async def test_a_contradiction_halts_and_is_on_the_log() -> None:
    """Other configuration, other outputs: the processor stops and names the place."""
    log = await a_log(6)
    await run_until(log, lambda: len(outputs(log)) == 1)
    with pytest.raises(ExceptionGroup) as caught:
        await run_until(log, lambda: False, quantity=2)
    assert caught.group_contains(Divergence, match="diverges at sequence 8")
    last = codec.decode(log.entries[-1].payload)
    assert isinstance(last, DivergenceFound)
    assert (last.sequence, last.kind) == (8, "changed")
    assert '"quantity":2' in last.expected
    assert '"quantity":1' in last.found


async def test_verification_names_the_first_divergence() -> None:
    """All outputs are counted, the first disagreement comes first."""
    log = await a_log(26)
    await run_until(log, lambda: len(outputs(log)) == 5)
    report = await rederive(log, lambda _: EveryFifth(quantity=3), DAY)
    assert (report.logged, report.rederived) == (5, 0)
    assert report.disagreements[0].sequence == 28
    assert [item.identity for item in report.disagreements] == ["i5", "i10", "i15", "i20", "i25"]


async def test_verification_notices_an_output_nobody_derives() -> None:
    """An intent that does not follow from the log is reported where it stands."""
    log = await a_log(3)
    (foreign,) = EveryFifth().handle(Delivery(2, tick(1))) or (None,)
    assert foreign is None
    processor = EveryFifth()
    processor.seen = 4
    (intent,) = processor.handle(Delivery(2, tick(1)))
    await log.append([entry(log.account, intent)])
    report = await rederive(log, lambda _: EveryFifth(), DAY)
    assert [(item.kind, item.sequence) for item in report.disagreements] == [("not derived", 5)]


async def test_a_poisoned_entry_is_set_aside_once_and_blocks_nothing() -> None:
    """Its bytes are kept in an ops event; a restart does not repeat it."""
    log = await a_log(3)
    poison = Entry("kst.demo.market.clock", b"\x93\xabClockTick.1\x01", "poison")
    await log.append([poison])
    await log.append([entry(log.account, tick(n)) for n in range(4, 8)])

    def aside() -> list[EventSetAside]:
        found = [codec.decode(s.payload) for s in log.entries if s.payload[:1] == b"{"]
        return [event for event in found if isinstance(event, EventSetAside)]

    await run_until(log, lambda: len(outputs(log)) == 1 and len(aside()) == 1)
    await run_until(log, lambda: True)
    assert len(aside()) == 1
    assert aside()[0].sequence == 5
    assert aside()[0].payload == poison.payload
    assert aside()[0].subject == "kst.demo.market.clock"


async def test_a_new_session_starts_a_new_processor() -> None:
    """The next day's opening books end the old processor's state."""
    log = await a_log(7)
    built: list[str] = []

    def factory(opened: SessionOpened) -> EveryFifth:
        built.append(opened.trading_date)
        return EveryFifth()

    stop = asyncio.Event()
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(run_processor(log, factory, stop=stop))
        while len(outputs(log)) < 1:
            await asyncio.sleep(0.01)
        await log.append([entry(log.account, session("20250916"))])
        await log.append([entry(log.account, tick(100 + n)) for n in range(4)])
        while len(built) < 2:
            await asyncio.sleep(0.01)
        stop.set()
    assert built == ["20250915", "20250916"]
    assert len(outputs(log)) == 1
