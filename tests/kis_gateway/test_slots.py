"""Who gets the few subscriptions, and how they change hands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hypothesis import given
from hypothesis import strategies as st

from bus import ManualTime, MemoryLog
from events import StrategyId, Symbol
from events.market import OpeningAllocation
from events.ops import Degraded, SlotsChanged
from events.signal import Feed, SlotPriority, SlotRequest, SlotsRequested
from kis_gateway.conditions import Conditions
from kis_gateway.order_writer import OrderWriter
from kis_gateway.publisher import Publisher
from kis_gateway.slots import Slot, SlotBook, SlotKeeper
from tests.kis_gateway.fakes import (
    ACCOUNT,
    DAY,
    KMP,
    OPEN,
    FakeFeed,
    idle,
    of_type,
    put,
    session_opened,
    until,
)

A, B, C, D = (Symbol(f"00000{letter}") for letter in "ABCD")


def requested(
    *wishes: tuple[Symbol, SlotPriority], ordinal: int = 1, strategy: StrategyId = KMP
) -> SlotsRequested:
    return SlotsRequested(
        at=OPEN,
        cause=1,
        strategy=strategy,
        trading_date=DAY,
        ordinal=ordinal,
        requests=tuple(
            SlotRequest(feed=Feed.TRADES, symbol=symbol, priority=priority)
            for symbol, priority in wishes
        ),
    )


def settle(book: SlotBook) -> list[str]:
    """Apply a plan as if the broker took in everything; return what is held."""
    book.held = set(book.plan().held)
    return sorted(slot.symbol for slot in book.held)


def test_before_any_request_the_universe_is_subscribed_in_order_until_the_budget_is_full() -> None:
    """Trades of the first symbols; the rest waits."""
    plan = SlotBook(2, {KMP: (A, B, C)}).plan()
    assert plan.subscribe == (Slot(Feed.TRADES, A), Slot(Feed.TRADES, B))
    assert plan.waiting == (Slot(Feed.TRADES, C),)


def test_slots_that_no_strategy_asks_for_go_on_recording_the_universe() -> None:
    """Behind every wish, in the universe's order."""
    book = SlotBook(3, {KMP: (A, B, C)})
    settle(book)
    book.request(requested((D, SlotPriority.WATCH)))
    assert settle(book) == [A, B, D]
    book.request(requested(ordinal=2))
    assert settle(book) == [A, B, C]


def test_a_request_goes_before_the_initial_subscriptions() -> None:
    """What is in the way of a wish is given back; what is still wanted is not touched."""
    book = SlotBook(2, {KMP: (A, B)})
    settle(book)
    book.request(requested((B, SlotPriority.CANDIDATE), (C, SlotPriority.CANDIDATE)))
    plan = book.plan()
    assert plan.unsubscribe == (Slot(Feed.TRADES, A),)
    assert plan.subscribe == (Slot(Feed.TRADES, C),)


def test_an_equal_request_displaces_nobody_and_a_stronger_one_does() -> None:
    """A held subscription gives way to strength only."""
    book = SlotBook(1, {})
    book.request(requested((A, SlotPriority.CANDIDATE)))
    settle(book)
    book.request(requested((B, SlotPriority.CANDIDATE), (A, SlotPriority.CANDIDATE), ordinal=2))
    assert settle(book) == [A]
    book.request(requested((B, SlotPriority.ARMED), (A, SlotPriority.CANDIDATE), ordinal=3))
    assert settle(book) == [B]


def test_positions_and_working_orders_are_never_displaced() -> None:
    """Not by armed setups, not by each other, and not because no strategy asks for them."""
    book = SlotBook(2, {})
    book.protect({A}, {B})
    assert settle(book) == [A, B]
    book.request(requested((C, SlotPriority.ARMED), (D, SlotPriority.POSITION)))
    assert settle(book) == [A, B]
    book.protect((), {B})
    assert settle(book) == [B, D]


def test_an_older_request_does_not_replace_a_newer_one() -> None:
    """After a restart requests may be read twice."""
    book = SlotBook(1, {})
    book.request(requested((A, SlotPriority.CANDIDATE), ordinal=2))
    book.request(requested((B, SlotPriority.CANDIDATE), ordinal=1))
    assert settle(book) == [A]


def test_strategies_share_by_turns_within_a_priority() -> None:
    """Each strategy's first wish comes before any second one."""
    book = SlotBook(2, {})
    book.request(requested((A, SlotPriority.CANDIDATE), (B, SlotPriority.CANDIDATE)))
    book.request(
        requested(
            (C, SlotPriority.CANDIDATE), (D, SlotPriority.CANDIDATE), strategy=StrategyId("PCIM")
        )
    )
    assert settle(book) == [A, C]


_WISHES = st.lists(
    st.tuples(st.sampled_from([A, B, C, D]), st.sampled_from(SlotPriority)), max_size=6
)


@given(st.lists(_WISHES, max_size=6), st.sets(st.sampled_from([A, B])), st.integers(1, 4))
def test_any_sequence_of_requests_keeps_the_budget_and_the_protected(
    rounds: list[list[tuple[Symbol, SlotPriority]]], working: set[Symbol], budget: int
) -> None:
    """And a plan that has been applied calls for nothing more."""
    book = SlotBook(budget, {KMP: (A, B, C, D)})
    for ordinal, wishes in enumerate(rounds, start=1):
        held_before = {slot.symbol for slot in book.held}
        book.protect((), working)
        book.request(requested(*wishes, ordinal=ordinal))
        held = settle(book)
        assert len(held) <= budget
        strong = {symbol for symbol, priority in wishes if priority <= SlotPriority.WORKING_ORDER}
        assert held_before & (working | strong) <= set(held)
        plan = book.plan()
        assert (plan.subscribe, plan.unsubscribe) == ((), ())


@asynccontextmanager
async def keeper(
    log: MemoryLog, feed: FakeFeed, book: SlotBook, *allocations: OpeningAllocation
) -> AsyncIterator[SlotKeeper]:
    time = ManualTime(OPEN)
    publisher = Publisher(log, "r1")
    subject = SlotKeeper(
        book=book,
        feed=feed,
        log=log,
        head=0,
        writer=OrderWriter(log, "r1", session_opened(*allocations)),
        publisher=publisher,
        conditions=Conditions(publisher, time),
        time=time,
        budget=2,
    )
    tasks = [asyncio.create_task(publisher.run()), asyncio.create_task(subject.run())]
    await until(subject.applied.is_set)
    yield subject
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def test_the_keeper_follows_requests_and_shows_what_is_held_and_what_waits() -> None:
    """First gives back, then asks, then one event says how it stands."""
    log, feed = MemoryLog(ACCOUNT), FakeFeed()
    async with keeper(log, feed, SlotBook(2, {KMP: (A, B, C)})) as subject:
        assert feed.commands == ["+trades:00000A", "+trades:00000B"]
        assert (subject.trades_since(A), subject.trades_since(C)) == (OPEN, None)
        await put(log, requested((B, SlotPriority.CANDIDATE), (C, SlotPriority.CANDIDATE)))
        await until(lambda: len(of_type(log, SlotsChanged)) == 2)
        assert feed.commands[2:] == ["-trades:00000A", "+trades:00000C"]
        first, second = of_type(log, SlotsChanged)
        assert (first.held, first.waiting) == (
            ("trades:00000A", "trades:00000B"),
            ("trades:00000C",),
        )
        assert (second.held, second.waiting) == (
            ("trades:00000B", "trades:00000C"),
            ("trades:00000A",),
        )
        await put(log, requested((C, SlotPriority.ARMED), (B, SlotPriority.CANDIDATE), ordinal=2))
        await idle()
        assert len(feed.commands) == 4


async def test_a_refused_subscription_is_reported_and_its_place_given_to_the_next() -> None:
    """It does not count as held, and it is not tried again and again."""
    log, feed = MemoryLog(ACCOUNT), FakeFeed()
    feed.refused.add(A)
    async with keeper(log, feed, SlotBook(2, {KMP: (A, B, C)})):
        await until(lambda: len(feed.subscribed) == 2)
        await idle()
        assert feed.commands == ["+trades:00000A", "+trades:00000B", "+trades:00000C"]
        assert of_type(log, SlotsChanged)[-1].held == ("trades:00000B", "trades:00000C")
        assert [event.condition for event in of_type(log, Degraded)] == [
            "subscription-trades-00000A"
        ]


async def test_positions_carried_into_the_session_are_subscribed_first() -> None:
    """They need a price even if no strategy lists them; the account holder's own shares do not."""
    log, feed = MemoryLog(ACCOUNT), FakeFeed()
    carried = OpeningAllocation(strategy=KMP, symbol=D, quantity=1, cost=1)
    own = OpeningAllocation(strategy=StrategyId("_EXTERNAL_"), symbol=C, quantity=1, cost=1)
    async with keeper(log, feed, SlotBook(2, {KMP: (A, B)}), carried, own):
        assert feed.commands == ["+trades:00000D", "+trades:00000A"]
