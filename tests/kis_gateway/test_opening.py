"""The morning: books, universe, trading terms, history; and the same again after a restart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date

import msgspec
import pytest

from bus import ManualTime, MemoryLog
from events import EXTERNAL, StrategyId, Symbol, calendar
from events.identifiers import fill_id
from events.market import (
    DailyHistory,
    IndexLevel,
    InstrumentKind,
    MinuteHistory,
    OpeningAllocation,
    ProgramFlow,
    SessionOpened,
    SymbolReference,
)
from events.ops import Degraded, Recovered, ServiceStarted
from events.signal import UniverseSelected
from events.trading import FillSource, OrderFilled, Side
from kis_gateway.conditions import Conditions
from kis_gateway.day.opening import Opening, StrategyUniverse, open_session
from kis_gateway.day.polling import Poller
from kis_gateway.day.session_past import SessionPast, read_past
from kis_gateway.errors import InquiryFailed, SettingsError
from kis_gateway.publisher import Publisher
from tests.kis_gateway.fakes import (
    ACCOUNT,
    DAY,
    HYNIX,
    KMP,
    OPEN,
    SAMSUNG,
    SECOND,
    SESSION,
    FakeBroker,
    first_order,
    idle,
    intent,
    of_type,
    pass_time,
    put,
    session_opened,
    until,
)

UNIVERSE = StrategyUniverse(
    strategy=KMP,
    symbols=(SAMSUNG, HYNIX),
    sectors={SAMSUNG: "Semiconductor", HYNIX: "Semiconductor"},
    source="test",
)
MORNING = SESSION.auction_from


def started(run: str) -> ServiceStarted:
    return ServiceStarted(at=1, service="gateway", run=run, code_version="test", configuration={})


class Morning:
    """An opening with its publisher."""

    def __init__(
        self, log: MemoryLog, broker: FakeBroker, time: ManualTime, past: SessionPast, run: str
    ) -> None:
        self.publisher = Publisher(log, run)
        self.conditions = Conditions(self.publisher, time)
        self.poller = Poller(
            broker=broker,
            publisher=self.publisher,
            conditions=self.conditions,
            time=time,
            session=SESSION,
            index_poll_s=10,
            program_poll_s=60,
        )
        self.progress: list[int] = []
        self.opening = Opening(
            broker=broker,
            publisher=self.publisher,
            conditions=self.conditions,
            time=time,
            session=SESSION,
            past=past,
            universes=[UNIVERSE],
            poller=self.poller,
            daily_bars=90,
            concurrency=2,
            on_progress=lambda: self.progress.append(self.opening.remaining),
        )


@asynccontextmanager
async def morning(
    log: MemoryLog,
    broker: FakeBroker,
    time: ManualTime,
    past: SessionPast | None = None,
    run: str = "r1",
) -> AsyncIterator[Morning]:
    subject = Morning(log, broker, time, past or SessionPast(), run)
    task = asyncio.create_task(subject.publisher.run())
    yield subject
    task.cancel()
    await asyncio.wait([task])


async def _open(log: MemoryLog, broker: FakeBroker, time: ManualTime, run: str) -> SessionOpened:
    await put(log, started(run))
    _, opened = await open_session(
        log=log,
        broker=broker,
        time=time,
        session=SESSION,
        configuration={"kmp": "{}"},
        code_version="test",
        head=len(log.entries),
        run=run,
    )
    return opened


async def test_a_first_start_books_all_holdings_as_external() -> None:
    """They were bought by hand or before the first start; no strategy may sell them."""
    log, time = MemoryLog(ACCOUNT), ManualTime(MORNING)
    broker = FakeBroker(time)
    broker.holdings = {SAMSUNG: 7}
    opened = await _open(log, broker, time, "r1")
    assert opened.allocations == (
        OpeningAllocation(strategy=EXTERNAL, symbol=SAMSUNG, quantity=7, cost=700),
    )
    assert (opened.cash, opened.equity) == (10_000_000, 12_000_000)
    assert (opened.open_at, opened.close_at) == (OPEN, SESSION.close_at)
    assert opened.configuration == {"kmp": "{}"}


async def test_a_second_start_finds_the_session_open_and_asks_nothing() -> None:
    """The books of the first start stand, whatever the broker shows now."""
    log, time = MemoryLog(ACCOUNT), ManualTime(MORNING)
    broker = FakeBroker(time)
    first = await _open(log, broker, time, "r1")
    broker.holdings = {SAMSUNG: 99}
    assert await _open(log, broker, time, "r2") == first
    assert broker.balances == 1
    assert len(of_type(log, SessionOpened)) == 1


async def test_allocations_are_carried_from_the_previous_session_through_its_fills() -> None:
    """10 bought on Friday, 4 sold: 6 remain KMP's; what the broker has beyond is no book entry."""
    log, time = MemoryLog(ACCOUNT), ManualTime(MORNING)
    friday = calendar.session(date(2025, 9, 12))
    yesterday = session_opened()
    order = first_order(intent(at=friday.open_at))

    def fill(side: Side, quantity: int, price: int, total: int) -> OrderFilled:
        return OrderFilled(
            at=friday.open_at,
            order_id=order,
            fill_id=fill_id(order, total),
            strategy=KMP,
            symbol=SAMSUNG,
            side=side,
            quantity=quantity,
            price=price,
            amount=quantity * price,
            cumulative_quantity=total,
            fee=0,
            tax=0,
            source=FillSource.NOTICE,
        )

    external = OpeningAllocation(strategy=EXTERNAL, symbol=HYNIX, quantity=3, cost=300)
    await put(
        log,
        msgspec.structs.replace(
            yesterday, trading_date=friday.trading_date, allocations=(external,)
        ),
        fill(Side.BUY, 10, 100, 10),
        fill(Side.SELL, 4, 120, 14),
    )
    broker = FakeBroker(time)
    broker.holdings = {SAMSUNG: 8}
    opened = await _open(log, broker, time, "r1")
    assert opened.allocations == (
        OpeningAllocation(strategy=KMP, symbol=SAMSUNG, quantity=6, cost=600),
        external,
    )


async def test_without_a_balance_there_is_no_session() -> None:
    """Five questions, then the error; an unknown balance is not an empty one."""
    log, time = MemoryLog(ACCOUNT), ManualTime(MORNING)
    broker = FakeBroker(time)
    broker.failing.add("balance")
    opening = asyncio.create_task(_open(log, broker, time, "r1"))
    while not opening.done():
        await time.advance(2)
        await idle(10)
    with pytest.raises(InquiryFailed):
        await opening
    assert broker.balances == 5
    assert of_type(log, SessionOpened) == []


async def test_it_reads_terms_and_history_of_every_symbol_and_the_index() -> None:
    """All of it is on the log when it returns; progress counts down to zero."""
    log, time = MemoryLog(ACCOUNT), ManualTime(MORNING)
    broker = FakeBroker(time)
    async with morning(log, broker, time) as subject:
        await subject.opening.run()
    assert of_type(log, UniverseSelected)[0].symbols == (SAMSUNG, HYNIX)
    assert {event.symbol for event in of_type(log, SymbolReference)} == {SAMSUNG, HYNIX}
    assert {event.symbol for event in of_type(log, DailyHistory)} == {SAMSUNG, HYNIX}
    assert [event.index for event in of_type(log, IndexLevel)] == ["KOSPI"]
    assert (subject.progress[0], subject.progress[-1]) == (4, 0)


async def test_a_restart_asks_only_for_what_is_missing() -> None:
    """One history could not be had before; only that one is asked for again, and it recovers."""
    log, time = MemoryLog(ACCOUNT), ManualTime(MORNING)
    broker = FakeBroker(time)
    await _open(log, broker, time, "r1")
    broker.failing.add(f"daily_bars:{HYNIX}")
    async with morning(log, broker, time) as first:
        await first.opening.run()
        await first.publisher.flush()
    assert [event.condition for event in of_type(log, Degraded)] == [f"daily_{HYNIX}"]
    broker.failing.clear()
    broker.asked.clear()
    await put(log, started("r2"))
    past = await read_past(log, opening=2, head=len(log.entries))
    async with morning(log, broker, time, past, run="r2") as second:
        second.conditions.resume(past.degraded)
        await second.opening.run()
        await second.publisher.flush()
    assert broker.asked == [f"daily_bars:{HYNIX}", "index_level:KOSPI"]
    assert [event.condition for event in of_type(log, Recovered)] == [f"daily_{HYNIX}"]
    assert len(of_type(log, UniverseSelected)) == 1


async def test_symbols_without_trades_from_the_open_on_are_back_filled_once() -> None:
    """At 09:15:00, only those whose trades were not received all the time."""
    log, time = MemoryLog(ACCOUNT), ManualTime(OPEN)
    broker = FakeBroker(time)
    since = {SAMSUNG: OPEN - SECOND}
    async with morning(log, broker, time) as subject:
        filling = asyncio.create_task(subject.opening.backfill(since.get, after_open_s=900))
        await time.advance(899)
        assert broker.asked == []
        await time.advance(1)
        await filling
        await subject.publisher.flush()
        assert broker.asked == [f"minute_bars:{HYNIX}"]
    await put(log, started("r2"))
    past = await read_past(log, opening=1, head=len(log.entries))
    async with morning(log, broker, time, past, run="r2") as again:
        await again.opening.backfill(since.get, after_open_s=900)
    assert len(of_type(log, MinuteHistory)) == 1


async def test_index_and_program_flow_are_polled_and_a_failure_is_said_once() -> None:
    """Every 10 and 60 seconds; a missing answer is a condition, not a value."""
    log, time = MemoryLog(ACCOUNT), ManualTime(OPEN)
    broker = FakeBroker(time)
    async with morning(log, broker, time) as subject:
        polling = asyncio.create_task(subject.poller.run())
        await idle()
        await pass_time(time, 20)
        await until(lambda: len(of_type(log, IndexLevel)) == 3)
        broker.failing.add("index_level")
        await pass_time(time, 39)
        assert of_type(log, ProgramFlow) == []
        assert [event.condition for event in of_type(log, Degraded)] == ["index_KOSPI"]
        broker.failing.clear()
        await pass_time(time, 10)
        await until(lambda: len(of_type(log, Recovered)) == 1)
        assert [event.market for event in of_type(log, ProgramFlow)] == ["KOSPI", "KOSDAQ"]
        await time.advance((SESSION.close_at - time.now()) / SECOND + 60)
        await until(polling.done)


def test_a_universe_with_a_sector_for_a_stranger_is_refused() -> None:
    """The message names strategy, symbol and remedy."""
    with pytest.raises(SettingsError, match="universe of KMP: sectors names 000660"):
        StrategyUniverse(
            strategy=StrategyId("KMP"),
            symbols=(SAMSUNG,),
            sectors={Symbol("000660"): "x"},
            source="test",
        )


async def test_the_past_knows_the_day_it_belongs_to() -> None:
    """Entries before the session's opening are not its past."""
    log = MemoryLog(ACCOUNT)
    await put(
        log,
        DailyHistory(at=1, symbol=SAMSUNG, trading_date=DAY, bars=()),
        session_opened(),
        started("r1"),
    )
    past = await read_past(log, opening=2, head=3)
    assert past.histories == set()


async def test_what_an_issue_is_comes_from_the_master_files_where_they_name_it() -> None:
    """Tick table and tax follow from it; who asked for it is told."""
    log, time = MemoryLog(ACCOUNT), ManualTime(MORNING)
    await put(log, session_opened())
    told: list[tuple[Symbol, InstrumentKind]] = []
    publisher = Publisher(log, "r1")
    conditions = Conditions(publisher, time)
    broker = FakeBroker(time)
    poller = Poller(
        broker=broker,
        publisher=publisher,
        conditions=conditions,
        time=time,
        session=SESSION,
        index_poll_s=10,
        program_poll_s=60,
    )
    opening = Opening(
        broker=broker,
        publisher=publisher,
        conditions=conditions,
        time=time,
        session=SESSION,
        past=SessionPast(),
        universes=[UNIVERSE],
        poller=poller,
        daily_bars=90,
        concurrency=8,
        kind_of=lambda symbol: InstrumentKind.ETF if symbol == HYNIX else None,
        on_reference=lambda reference: told.append((reference.symbol, reference.kind)),
    )
    writing = asyncio.create_task(publisher.run())
    await opening.run()
    writing.cancel()
    assert told == [(SAMSUNG, InstrumentKind.STOCK), (HYNIX, InstrumentKind.ETF)]
    assert {event.symbol: event.kind for event in of_type(log, SymbolReference)} == {
        SAMSUNG: InstrumentKind.STOCK,
        HYNIX: InstrumentKind.ETF,
    }
