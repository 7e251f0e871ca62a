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
from events.ops import Degraded, Recovered, SlotsChanged
from events.signal import Feed, SlotPriority, SlotRequest, SlotsRequested
from kis_gateway.broker import Unsubscribed
from kis_gateway.conditions import Conditions
from kis_gateway.feeds.slot_book import Slot, SlotBook, SlotPlan
from kis_gateway.feeds.slots import SlotKeeper
from kis_gateway.orders.order_writer import OrderWriter
from kis_gateway.publisher import Publisher
from tests.kis_gateway.fakes import (
    ACCOUNT,
    DAY,
    KMP,
    OPEN,
    SECOND,
    FakeFeed,
    idle,
    of_type,
    pass_time,
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


def settle(book: SlotBook, minute: int = 0) -> list[str]:
    """Apply a plan as if the broker took in everything; return what is held.

    Every ``minute`` lies apart from the others by so much that nothing has to wait.
    """
    at = OPEN + minute * 60 * SECOND
    plan = book.plan(at)
    for slot in plan.unsubscribe:
        book.given_back(slot, at)
    for slot in plan.subscribe:
        book.acknowledged(slot, at)
    return sorted(slot.symbol for slot in book.held)


def test_before_any_request_the_universe_is_subscribed_in_order_until_the_budget_is_full() -> None:
    """Trades of the first symbols; the rest waits."""
    plan = SlotBook(2, {KMP: (A, B, C)}).plan(OPEN)
    assert plan.subscribe == (Slot(Feed.TRADES, A), Slot(Feed.TRADES, B))
    assert plan.waiting == (Slot(Feed.TRADES, C),)


def test_slots_that_no_strategy_asks_for_go_on_recording_the_universe() -> None:
    """Behind every wish, in the universe's order."""
    book = SlotBook(3, {KMP: (A, B, C)})
    settle(book)
    book.request(requested((D, SlotPriority.WATCH)))
    assert settle(book, 1) == [A, B, D]
    book.request(requested(ordinal=2))
    assert settle(book, 2) == [A, B, C]


def test_a_request_goes_before_the_initial_subscriptions() -> None:
    """What is in the way of a wish is given back; what is still wanted is not touched."""
    book = SlotBook(2, {KMP: (A, B)})
    settle(book)
    book.request(requested((B, SlotPriority.CANDIDATE), (C, SlotPriority.CANDIDATE)))
    plan = book.plan(OPEN + 60 * SECOND)
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


def slots_of(*symbols: Symbol) -> tuple[Slot, ...]:
    return tuple(Slot(Feed.TRADES, symbol) for symbol in symbols)


def test_a_weak_request_waits_until_a_slot_has_been_held_for_thirty_seconds() -> None:
    """And the plan says when; an armed setup does not wait."""
    book = SlotBook(1, {KMP: (A,)})
    settle(book)
    book.request(requested((B, SlotPriority.CANDIDATE)))
    plan = book.plan(OPEN + 10 * SECOND)
    assert (plan.subscribe, plan.waiting, plan.due) == ((), slots_of(B), OPEN + 30 * SECOND)
    assert book.plan(OPEN + 30 * SECOND).subscribe == slots_of(B)
    book.request(requested((B, SlotPriority.ARMED), ordinal=2))
    plan = book.plan(OPEN + 10 * SECOND)
    assert (plan.unsubscribe, plan.subscribe, plan.due) == (slots_of(A), slots_of(B), None)


def test_no_more_than_twenty_slots_a_minute_change_hands_for_weak_requests() -> None:
    """The rest follows a minute later; a position comes at once."""
    old = [Symbol(f"1{number:05d}") for number in range(30)]
    new = [Symbol(f"2{number:05d}") for number in range(30)]
    book = SlotBook(30, {KMP: old})
    settle(book)
    book.request(requested(*((symbol, SlotPriority.WATCH) for symbol in new)))
    at = OPEN + 60 * SECOND
    plan = book.plan(at)
    assert plan.subscribe == slots_of(*new[:20])
    assert plan.unsubscribe == slots_of(*reversed(old[10:]))
    for slot in plan.unsubscribe:
        book.given_back(slot, at)
    for slot in plan.subscribe:
        book.acknowledged(slot, at)
    later = book.plan(at + SECOND)
    assert (later.subscribe, later.due) == ((), at + 60 * SECOND)
    book.protect({A}, ())
    assert book.plan(at + SECOND).subscribe == slots_of(A)
    assert book.plan(at + 60 * SECOND).subscribe == slots_of(A, *new[20:29])


def test_what_nobody_wants_any_more_is_kept_for_its_thirty_seconds_only() -> None:
    """A wish that comes back at once costs no command."""
    book = SlotBook(2, {})
    book.request(requested((A, SlotPriority.CANDIDATE)))
    settle(book)
    book.request(requested(ordinal=2))
    plan = book.plan(OPEN + SECOND)
    assert (plan.unsubscribe, plan.held, plan.due) == ((), slots_of(A), OPEN + 30 * SECOND)
    assert plan.reasons == {Slot(Feed.TRADES, A): "no longer wanted"}
    assert book.plan(OPEN + 30 * SECOND).unsubscribe == slots_of(A)


def test_reasons_name_the_strongest_wish_and_everybody_who_has_it() -> None:
    """Two strategies may wait for one symbol."""
    book = SlotBook(3, {KMP: (D,)})
    book.protect({A}, {B})
    book.request(requested((C, SlotPriority.ARMED), (A, SlotPriority.WATCH)))
    pcim = StrategyId("PCIM")
    book.request(requested((C, SlotPriority.ARMED), (D, SlotPriority.CANDIDATE), strategy=pcim))
    reasons = {slot.symbol: reason for slot, reason in book.plan(OPEN).reasons.items()}
    assert reasons == {
        A: "position",
        B: "working order",
        C: "armed KMP, PCIM",
        D: "candidate PCIM",
    }


_MOMENTS = st.lists(
    st.tuples(
        st.integers(0, 45),
        st.lists(
            st.tuples(st.sampled_from([A, B, C, D]), st.sampled_from(SlotPriority)), max_size=5
        ),
        st.sets(st.sampled_from([A, B, C]), max_size=2),
    ),
    max_size=8,
)


def follow(
    budget: int, moments: list[tuple[int, list[tuple[Symbol, SlotPriority]], set[Symbol]]]
) -> list[tuple[int, SlotPlan, frozenset[Symbol]]]:
    """Return the plans of a book that lives through requests and positions at given seconds."""
    book, at, plans = SlotBook(budget, {KMP: (A, B, C, D)}), OPEN, []
    for ordinal, (seconds, wishes, positions) in enumerate(moments, start=1):
        at += seconds * SECOND
        book.protect(positions, ())
        book.request(requested(*wishes, ordinal=ordinal))
        plan = book.plan(at)
        for slot in plan.unsubscribe:
            book.given_back(slot, at)
        for slot in plan.subscribe:
            book.acknowledged(slot, at)
        plans.append((at, plan, frozenset(positions)))
    return plans


@given(st.integers(2, 4), _MOMENTS)
def test_whatever_happens_the_same_story_gives_the_same_plans_and_positions_their_slots(
    budget: int, moments: list[tuple[int, list[tuple[Symbol, SlotPriority]], set[Symbol]]]
) -> None:
    """Never more than the budget, never a position without, never a change without an arrival."""
    plans = follow(budget, moments)
    assert plans == follow(budget, moments)
    since: dict[Slot, int] = {}
    for at, plan, positions in plans:
        assert len(plan.held) <= budget
        assert positions <= {slot.symbol for slot in plan.held}
        assert not set(plan.held) & set(plan.waiting)
        strong = [
            slot
            for slot in plan.subscribe
            if plan.reasons[slot].startswith(("position", "working", "armed"))
        ]
        young = [slot for slot in plan.unsubscribe if at - since[slot] < 30 * SECOND]
        assert len(young) <= len(strong)
        for slot in plan.unsubscribe:
            del since[slot]
        since.update(dict.fromkeys(plan.subscribe, at))
        assert since.keys() == set(plan.held)


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
        minute = ordinal * 2
        held_before = {slot.symbol for slot in book.held}
        book.protect((), working)
        book.request(requested(*wishes, ordinal=ordinal))
        held = settle(book, minute)
        assert len(held) <= budget
        strong = {symbol for symbol, priority in wishes if priority <= SlotPriority.WORKING_ORDER}
        assert held_before & (working | strong) <= set(held)
        plan = book.plan(OPEN + (minute + 1) * 60 * SECOND)
        assert (plan.subscribe, plan.unsubscribe) == ((), ())


@asynccontextmanager
async def keeper(
    log: MemoryLog,
    feed: FakeFeed,
    book: SlotBook,
    *allocations: OpeningAllocation,
    time: ManualTime | None = None,
) -> AsyncIterator[SlotKeeper]:
    time = time or ManualTime(OPEN)
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


async def test_the_keeper_follows_requests_and_shows_who_holds_which_slot_and_why() -> None:
    """First gives back, then asks, then one event says how it stands; the weak wait 30 seconds."""
    log, feed, time = MemoryLog(ACCOUNT), FakeFeed(), ManualTime(OPEN)
    async with keeper(log, feed, SlotBook(2, {KMP: (A, B, C)}), time=time) as subject:
        assert feed.commands == ["+trades:00000A", "+trades:00000B"]
        assert (subject.trades_since(A), subject.trades_since(C)) == (OPEN, None)
        await put(log, requested((B, SlotPriority.CANDIDATE), (C, SlotPriority.CANDIDATE)))
        await until(lambda: len(of_type(log, SlotsChanged)) == 2)
        assert len(feed.commands) == 2
        await pass_time(time, 30)
        await until(lambda: len(of_type(log, SlotsChanged)) == 3)
        assert feed.commands[2:] == ["-trades:00000A", "+trades:00000C"]
        assert feed.preferred == [(Feed.TRADES, B), (Feed.TRADES, C)]
        first, second, third = of_type(log, SlotsChanged)
        assert (first.held, first.waiting) == (
            ("trades:00000A", "trades:00000B"),
            ("trades:00000C",),
        )
        assert (second.held, second.waiting) == (
            ("trades:00000B", "trades:00000A"),
            ("trades:00000C",),
        )
        assert (third.held, third.waiting) == (
            ("trades:00000B", "trades:00000C"),
            ("trades:00000A",),
        )
        assert first.reasons["trades:00000A"] == "background"
        assert third.reasons == {
            "trades:00000A": "background",
            "trades:00000B": "candidate KMP",
            "trades:00000C": "candidate KMP",
        }
        await put(log, requested((C, SlotPriority.ARMED), (B, SlotPriority.CANDIDATE), ordinal=2))
        await until(lambda: len(of_type(log, SlotsChanged)) == 4)
        assert of_type(log, SlotsChanged)[3].reasons["trades:00000C"] == "armed KMP"
        assert len(feed.commands) == 4


async def test_a_session_without_room_is_taken_for_full_and_positions_take_over() -> None:
    """OPSP0008 although slots should be free: what is held is all there is, and it is shown."""
    log, feed, time = MemoryLog(ACCOUNT), FakeFeed(), ManualTime(OPEN)
    feed.refusal = "OPSP0008"
    feed.refused.add(B)
    held = OpeningAllocation(strategy=KMP, symbol=D, quantity=1, cost=1)
    async with keeper(log, feed, SlotBook(2, {KMP: (B, A)}), time=time) as subject:
        await idle()
        assert feed.commands == ["+trades:00000B"]
        assert [event.condition for event in of_type(log, Degraded)] == ["slots-full"]
        assert of_type(log, SlotsChanged)[-1].waiting == ("trades:00000B", "trades:00000A")
        feed.refused.clear()
        subject._writer.allocations.open(session_opened(held))
        await subject.renewed()
        await until(lambda: len(feed.subscribed) == 2)
        assert feed.commands[1:] == ["+trades:00000D", "+trades:00000B"]
        await until(lambda: bool(of_type(log, Recovered)))


async def test_a_slot_not_given_again_leaves_the_ledger_and_is_asked_for_later() -> None:
    """After a reconnect with a ghost session in the way the book counts what KIS gave."""
    log, feed, time = MemoryLog(ACCOUNT), FakeFeed(), ManualTime(OPEN)
    async with keeper(log, feed, SlotBook(2, {KMP: (A, B)}), time=time) as subject:
        await until(lambda: len(of_type(log, SlotsChanged)) == 1)
        await subject.lost(
            Unsubscribed(at=OPEN, feed=Feed.TRADES, symbol=B, refusal="H0STCNT0: OPSP0008 full")
        )
        await until(lambda: len(of_type(log, SlotsChanged)) == 2)
        changed = of_type(log, SlotsChanged)[-1]
        assert (changed.held, changed.waiting) == (("trades:00000A",), ("trades:00000B",))
        assert subject.trades_since(B) is None
        assert [event.condition for event in of_type(log, Degraded)] == ["slots-full"]
        await time.advance(300)
        await until(lambda: feed.commands[-1] == "+trades:00000B")
        assert len(feed.commands) == 3


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


async def test_a_new_session_is_asked_again_for_what_the_last_one_refused() -> None:
    """A position must not stay dark because of one refusal hours ago."""
    log, feed = MemoryLog(ACCOUNT), FakeFeed()
    feed.refused.add(A)
    async with keeper(log, feed, SlotBook(2, {KMP: (A, B)})) as subject:
        await until(lambda: len(feed.subscribed) == 1)
        feed.refused.clear()
        await subject.renewed()
        await until(lambda: len(feed.subscribed) == 2)
        await until(lambda: bool(of_type(log, Recovered)))


async def test_a_full_session_is_over_as_soon_as_nothing_waits_for_a_slot() -> None:
    """Also where fewer slots are wanted than the budget has."""
    log, feed, time = MemoryLog(ACCOUNT), FakeFeed(), ManualTime(OPEN)
    feed.refusal = "OPSP0008"
    feed.refused.add(A)
    async with keeper(log, feed, SlotBook(2, {KMP: (A,)}), time=time) as subject:
        feed.refused.clear()
        await subject.renewed()
        await until(lambda: len(feed.subscribed) == 1)
        await until(lambda: bool(of_type(log, Recovered)))
        assert [event.condition for event in of_type(log, Recovered)] == ["slots-full"]
