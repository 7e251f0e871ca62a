"""The shared runtime: session time, own book, intent life cycle, reporting, slots."""

from __future__ import annotations

from datetime import date, time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.control import SharesReallocated
from events.identifiers import UNKNOWN, OrderId, StrategyId, Symbol, of_guard, order_id
from events.market import ClockTick, OpeningAllocation, Phase
from events.signal import Feed, SlotPriority, SlotRequest
from events.trading import (
    AccountSnapshot,
    ExecutionEnded,
    FillCorrected,
    FillSource,
    Horizon,
    IntentApproved,
    IntentDeferred,
    IntentExpired,
    IntentKind,
    IntentModified,
    IntentRejected,
    IntentSubmitted,
    OrderAccepted,
    OrderClosed,
    OrderFilled,
    OrderHeld,
    OrderRejected,
    OrderState,
    OrderSubmitting,
    OrderUnknown,
    Side,
    Urgency,
)
from events.trading import OrderKind as Kind
from strategies.runtime import (
    GateBook,
    IntentTracker,
    OwnBook,
    SessionClock,
    SlotBook,
    StrategyEquity,
    WouldBlockBook,
    exit_backoff,
)
from strategies.runtime.intents import Answer
from tests.strategies.days import KMP, SAMSUNG, SECOND, TODAY, at, intent_of, is_now, session

INTENT = intent_of("005930-E1")
FIRST = order_id(INTENT, 1)
SECOND_ORDER = order_id(INTENT, 2)


def test_clock_keeps_wall_times_on_an_ordinary_day() -> None:
    """09:15 is 09:15 and 14:30 is 14:30."""
    clock = SessionClock(session())
    assert clock.after_open(time(9, 15)) == at("09:15:00")
    assert clock.before_close(time(14, 30)) == at("14:30:00")


def test_clock_shifts_the_whole_day_when_it_opens_and_closes_late() -> None:
    """On an exam day (10:00-16:30) every time moves by an hour."""
    day = date(2025, 11, 13)
    clock = SessionClock(
        session(day=day, open_text="10:00:00", auction_text="16:20:00", close_text="16:30:00")
    )
    assert clock.after_open(time(9, 15)) == at("10:15:00", day)
    assert clock.before_close(time(14, 30)) == at("15:30:00", day)


def test_clock_keeps_the_afternoon_when_only_the_open_is_late() -> None:
    """The first session of a year is 10:00-15:30: the flatten time must not reach the close."""
    day = date(2026, 1, 2)
    clock = SessionClock(session(day=day, open_text="10:00:00"))
    assert clock.after_open(time(10)) == at("11:00:00", day)
    assert clock.before_close(time(14, 30)) == at("14:30:00", day)


def test_clock_never_goes_back() -> None:
    """A tick behind a frame's time changes the phase, not the time."""
    clock = SessionClock(session())
    clock.advance(at("09:00:01.5"))
    clock.observe(ClockTick(at=at("09:00:01"), phase=Phase.CONTINUOUS))
    assert clock.now == at("09:00:01.5")
    assert clock.phase is Phase.CONTINUOUS
    assert not clock.over
    clock.advance(at("15:30:00"))
    assert clock.over


def fill(
    side: Side,
    quantity: int,
    price: int = 1_000,
    *,
    cumulative: int | None = None,
    order: OrderId = FIRST,
    strategy: StrategyId = KMP,
) -> OrderFilled:
    """Return a fill of the order."""
    total = quantity if cumulative is None else cumulative
    return OrderFilled(
        at=at("09:20:00"),
        order_id=order,
        fill_id=f"{order}-F{total}",  # type: ignore[arg-type]  # built by hand to be repeated
        strategy=strategy,
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


def test_book_follows_fills_and_knows_its_cost() -> None:
    """Two partial fills make one position at their mean; a sell takes its share of the cost."""
    book = OwnBook(KMP, session())
    assert book.fill(fill(Side.BUY, 100, 1_000))
    assert book.fill(fill(Side.BUY, 100, 1_100, cumulative=200))
    assert book.quantity(SAMSUNG) == 200
    assert book.positions[SAMSUNG].average_price == 1_050
    assert book.positions[SAMSUNG].opened_at == at("09:20:00")
    sell = order_id(intent_of("005930-X1"), 1)
    assert book.fill(fill(Side.SELL, 50, 1_200, order=sell))
    assert (book.quantity(SAMSUNG), book.positions[SAMSUNG].cost) == (150, 157_500)
    assert book.fill(fill(Side.SELL, 150, 1_200, order=sell, cumulative=200))
    assert book.quantity(SAMSUNG) == 0
    assert SAMSUNG not in book.positions


def test_book_counts_a_fill_seen_twice_once() -> None:
    """Notice and inquiry report the same cumulative quantity."""
    book = OwnBook(KMP, session())
    assert book.fill(fill(Side.BUY, 100))
    assert not book.fill(fill(Side.BUY, 100))
    assert book.quantity(SAMSUNG) == 100


def test_book_ignores_fills_of_others_and_sells_without_shares() -> None:
    """Another strategy's shares are not ours; there is no negative position."""
    book = OwnBook(KMP, session())
    assert not book.fill(fill(Side.BUY, 100, strategy=UNKNOWN))
    assert book.fill(fill(Side.SELL, 10, order=SECOND_ORDER))
    assert book.positions == {}


def moved(source: StrategyId, target: StrategyId, quantity: int, cost: int) -> SharesReallocated:
    """Return a change of owner."""
    return SharesReallocated(
        at=at("09:30:00"),
        issued_by="operator",
        reason="test",
        symbol=SAMSUNG,
        source=source,
        target=target,
        quantity=quantity,
        cost=cost,
    )


def corrected(amount: int, ordinal: int = 1, side: Side = Side.BUY) -> FillCorrected:
    """Return a correction of the first order's traded value."""
    return FillCorrected(
        at=at("09:31:00"),
        order_id=FIRST,
        ordinal=ordinal,
        strategy=KMP,
        symbol=SAMSUNG,
        side=side,
        quantity=100,
        amount=amount,
        fee=1,
        tax=0,
        reason="broker's books",
    )


def test_shares_sold_beyond_the_book_are_made_up_for_before_it_owns_again() -> None:
    """The allocation is 30 below nothing: 30 given back change no position, the next shares do."""
    book = OwnBook(KMP, session())
    book.fill(fill(Side.BUY, 100, 1_000))
    book.reallocate(moved(KMP, UNKNOWN, 30, 0), at("09:30:00"))
    book.fill(fill(Side.SELL, 100, 1_000, order=SECOND_ORDER))
    assert book.positions == {}
    assert book.reallocate(moved(UNKNOWN, KMP, 20, 20_000), at("09:30:00"))
    assert book.positions == {}
    assert book.reallocate(moved(UNKNOWN, KMP, 40, 40_000), at("09:30:00"))
    assert (book.quantity(SAMSUNG), book.positions[SAMSUNG].cost) == (30, 30_000)


def test_book_follows_changes_of_owner() -> None:
    """50 shares come for 60,000 won, 30 of 150 go with a fifth of the cost."""
    book = OwnBook(KMP, session())
    book.fill(fill(Side.BUY, 100, 1_000))
    assert book.reallocate(moved(UNKNOWN, KMP, 50, 60_000), at("09:30:00"))
    assert (book.quantity(SAMSUNG), book.positions[SAMSUNG].cost) == (150, 160_000)
    assert book.reallocate(moved(KMP, UNKNOWN, 30, 0), at("09:30:00"))
    assert (book.quantity(SAMSUNG), book.positions[SAMSUNG].cost) == (120, 128_000)
    assert not book.reallocate(moved(UNKNOWN, StrategyId("KPR"), 50, 60_000), at("09:30:00"))
    assert book.reallocate(moved(KMP, UNKNOWN, 120, 0), at("09:30:00"))
    assert book.positions == {}
    assert book.reallocate(moved(UNKNOWN, KMP, 5, 5_000), at("09:30:00"))
    assert book.positions[SAMSUNG].opened_at == at("09:30:00")


def test_book_takes_a_correction_as_cost_once() -> None:
    """Bought shares cost more; a sale's proceeds are no cost; a sold-out position has none."""
    book = OwnBook(KMP, session())
    book.fill(fill(Side.BUY, 100, 1_000))
    assert book.correct(corrected(500))
    assert not book.correct(corrected(500))
    assert book.correct(corrected(-200, 2))
    assert book.correct(corrected(7_000, 3, Side.SELL))
    assert (book.quantity(SAMSUNG), book.positions[SAMSUNG].cost) == (100, 100_300)
    assert not book.correct(msgspec.structs.replace(corrected(9, 4), strategy=UNKNOWN))
    book.fill(fill(Side.SELL, 100, order=SECOND_ORDER))
    assert book.correct(corrected(100, 4))
    assert book.positions == {}


def test_book_starts_from_the_opening_allocations_of_its_strategy() -> None:
    """Other owners' shares and empty allocations are left out."""
    other = Symbol("000660")
    book = OwnBook(
        KMP,
        session(
            allocations=(
                OpeningAllocation(KMP, SAMSUNG, 10, 500_000),
                OpeningAllocation(KMP, other, 0, 0),
                OpeningAllocation(UNKNOWN, other, 5, 100),
            )
        ),
    )
    assert list(book.positions) == [SAMSUNG]
    assert book.positions[SAMSUNG].average_price == 50_000


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 100)), max_size=40))
def test_book_never_goes_negative_and_never_keeps_cost_without_shares(
    steps: list[tuple[bool, int]],
) -> None:
    """Any run of buys and sells leaves a position of at least one share, or none."""
    book = OwnBook(KMP, session())
    for number, (buys, quantity) in enumerate(steps):
        side = Side.BUY if buys else Side.SELL
        book.fill(fill(side, quantity, order=order_id(INTENT, number + 1)))
        for position in book.positions.values():
            assert position.quantity > 0
            assert position.cost >= 0


def test_equity_is_a_share_of_the_accounts_and_unknown_is_not_zero() -> None:
    """Half of 200 million; an account without equity is unknown until a snapshot tells."""
    equity = StrategyEquity(session(equity=200_000_000), 0.5)
    assert equity.value == 100_000_000
    equity.observe(AccountSnapshot(at=1, trading_date=TODAY, cash=0, equity=0, holdings=()))
    assert is_now(equity.value, None)


def submitted(kind: IntentKind = IntentKind.ENTER) -> IntentSubmitted:
    """Return an intent that lapses at 09:20:30."""
    return IntentSubmitted(
        at=at("09:20:00"),
        cause=1,
        intent_id=INTENT,
        strategy=KMP,
        symbol=SAMSUNG,
        kind=kind,
        quantity=10,
        urgency=Urgency.HIGH,
        horizon=Horizon.INTRADAY,
        reason="test",
        attempt=1,
        expires_at=at("09:20:30"),
    )


def decision(**extra: object) -> dict[str, object]:
    """Return the fields all decisions share."""
    return {
        "at": at("09:20:01"),
        "cause": 2,
        "intent_id": INTENT,
        "strategy": KMP,
        "symbol": SAMSUNG,
        "checks": (),
        **extra,
    }


def submitting(order: OrderId) -> OrderSubmitting:
    """Return the write-ahead of an order for the intent."""
    return OrderSubmitting(
        at=at("09:20:02"),
        order_id=order,
        cause=3,
        intent_id=INTENT,
        strategy=KMP,
        symbol=SAMSUNG,
        side=Side.BUY,
        kind=Kind.LIMIT,
        quantity=10,
        limit_price=1_000,
        cancel_at=at("09:20:30"),
    )


NOW = at("09:20:10")
LATER = at("09:20:30")


def test_undecided_intent_lives_until_it_lapses() -> None:
    """Without an answer only its own expiry ends it."""
    tracker = IntentTracker(KMP)
    own = tracker.submitted(submitted())
    assert own.answer is Answer.WAITING
    assert own.alive(NOW)
    assert not own.alive(LATER)
    assert tracker.ids == (INTENT,)
    assert own.symbol == SAMSUNG


@pytest.mark.parametrize(
    ("event", "answer", "by"),
    [
        (
            IntentRejected(**decision(rejected_by="sector", reason="full")),  # type: ignore[arg-type]  # shared fields
            Answer.REJECTED,
            "sector",
        ),
        (
            IntentDeferred(**decision(deferred_by="safe_mode", reason="on")),  # type: ignore[arg-type]  # shared fields
            Answer.DEFERRED,
            "safe_mode",
        ),
        (IntentExpired(at=1, intent=submitted()), Answer.EXPIRED, None),
    ],
)
def test_refused_intent_is_over(
    event: IntentRejected | IntentDeferred | IntentExpired, answer: Answer, by: str | None
) -> None:
    """Rejected, deferred and too old all end the intent, and say who ended it."""
    tracker = IntentTracker(KMP)
    own = tracker.submitted(submitted())
    assert tracker.observe(event) is own
    assert (own.answer, own.refused_by) == (answer, by)
    assert not own.alive(NOW)


def ended(filled: int = 0, orders: int = 1) -> ExecutionEnded:
    """Return the router's word that it is done with the intent."""
    return ExecutionEnded(
        at=at("09:20:40"),
        cause=9,
        intent_id=INTENT,
        strategy=KMP,
        symbol=SAMSUNG,
        side=Side.BUY,
        quantity=7,
        filled_quantity=filled,
        orders=orders,
        reason="lifetime",
    )


def test_approved_intent_lives_until_its_execution_ends() -> None:
    """Before its first order, between two orders, and with one whose outcome is unknown."""
    tracker = IntentTracker(KMP)
    own = tracker.submitted(submitted())
    tracker.observe(
        IntentModified(**decision(quantity=7, requested_quantity=10, binding_check="cash"))  # type: ignore[arg-type]  # shared fields
    )
    assert own.taken
    assert own.approved_quantity == 7
    assert own.alive(LATER), "the router may be down: only it can say that no order follows"
    tracker.observe(
        OrderHeld(at=1, order_id=FIRST, cause=1, intent_id=INTENT, stop_price=1, expires_at=2)
    )
    tracker.observe(submitting(FIRST))
    tracker.observe(OrderAccepted(at=1, order_id=FIRST, broker_order="1", branch="2"))
    tracker.observe(OrderUnknown(at=1, order_id=FIRST, reason="timeout"))
    assert own.alive(LATER)
    tracker.observe(
        OrderClosed(at=1, order_id=FIRST, state=OrderState.CANCELLED, filled_quantity=0, reason="")
    )
    assert not own.working
    assert own.alive(LATER), "a repriced order may follow"
    tracker.observe(submitting(SECOND_ORDER))
    assert is_now(own.working, True)
    tracker.observe(OrderRejected(at=1, order_id=SECOND_ORDER, code="1", message="no"))
    assert is_now(own.working, False)
    assert is_now(own.alive(LATER), True)
    assert tracker.observe(ended(orders=2)) is own
    assert own.ended == ended(orders=2)
    assert not own.alive(NOW)


def test_order_found_after_its_execution_ended_is_alive_until_it_is_over() -> None:
    """Only what was given up as not found comes back, and only by the broker's word."""
    tracker = IntentTracker(KMP)
    own = tracker.submitted(submitted())
    tracker.observe(IntentApproved(**decision(quantity=10)))  # type: ignore[arg-type]  # shared fields
    tracker.observe(submitting(FIRST))
    tracker.observe(OrderRejected(at=1, order_id=FIRST, code="NOT_FOUND", message="no"))
    tracker.observe(ended())
    receipt = OrderAccepted(at=1, order_id=FIRST, broker_order="1", branch="2")
    tracker.observe(receipt)
    assert is_now(own.alive(NOW), False)
    tracker.observe(OrderAccepted(at=1, order_id=FIRST, broker_order="1", branch="2", adopted=True))
    assert is_now(own.alive(LATER), True)
    closed = OrderClosed(
        at=1, order_id=FIRST, state=OrderState.CANCELLED, filled_quantity=0, reason=""
    )
    tracker.observe(closed)
    assert is_now(own.alive(NOW), False)
    tracker.observe(OrderAccepted(at=1, order_id=FIRST, broker_order="1", branch="2", adopted=True))
    assert is_now(own.alive(NOW), False), "a closed order stays closed"


def test_held_order_is_over_with_its_execution() -> None:
    """An order that never left has no end of its own: the router's last word ends it too."""
    tracker = IntentTracker(KMP)
    own = tracker.submitted(submitted())
    tracker.observe(IntentApproved(**decision(quantity=10)))  # type: ignore[arg-type]  # shared fields
    tracker.observe(
        OrderHeld(at=1, order_id=FIRST, cause=1, intent_id=INTENT, stop_price=1, expires_at=2)
    )
    assert is_now(own.alive(LATER), True)
    tracker.observe(ended())
    assert is_now(own.alive(NOW), False)


def test_intent_filled_in_full_is_over_before_its_execution_is_said_to_have_ended() -> None:
    """Seven allowed, three and four filled: nothing of it can trade any more."""
    tracker = IntentTracker(KMP)
    own = tracker.submitted(submitted())
    tracker.observe(
        IntentModified(**decision(quantity=7, requested_quantity=10, binding_check="cash"))  # type: ignore[arg-type]  # shared fields
    )
    tracker.observe(msgspec.structs.replace(submitting(FIRST), quantity=7))
    tracker.observe(fill(Side.BUY, 3))
    tracker.observe(fill(Side.BUY, 3))
    assert (own.filled, is_now(own.alive(NOW), True)) == (3, True)
    tracker.observe(fill(Side.BUY, 4, cumulative=7))
    assert (own.filled, is_now(own.alive(NOW), False)) == (7, True)


def test_sales_by_the_guard_are_followed_from_their_submission() -> None:
    """The guard's stop, on the strategy's behalf, sells until it is refused or executed."""
    tracker = IntentTracker(KMP)
    sale = msgspec.structs.replace(
        submitted(IntentKind.EXIT), intent_id=intent_of("005930-S1"), quantity=10
    )
    other = msgspec.structs.replace(sale, strategy=StrategyId("KPR"))
    assert tracker.observe(other) is None
    assert not tracker.selling(SAMSUNG, NOW)
    own = tracker.observe(sale)
    assert own is not None
    assert of_guard(sale.intent_id)
    assert not of_guard(submitted().intent_id)
    assert tracker.observe(sale) is None, "it is known already"
    assert tracker.ids == (), "the strategy did not submit it"
    assert tracker.selling(SAMSUNG, NOW)
    assert tracker.guard_selling(SAMSUNG, NOW)
    assert not tracker.guard_selling(Symbol("000660"), NOW)
    tracker.observe(
        IntentRejected(
            **{  # type: ignore[arg-type]  # shared fields
                **decision(rejected_by="own_shares", reason="none left"),
                "intent_id": sale.intent_id,
            }
        )
    )
    assert not tracker.selling(SAMSUNG, NOW)


def test_own_exits_are_sales_and_entries_are_not() -> None:
    """Only what sells shares holds back another sale."""
    tracker = IntentTracker(KMP)
    tracker.submitted(submitted())
    assert not tracker.selling(SAMSUNG, NOW)
    exit_ = msgspec.structs.replace(
        submitted(IntentKind.EXIT), intent_id=intent_of("005930-X1"), quantity=10
    )
    tracker.submitted(exit_)
    assert tracker.selling(SAMSUNG, NOW)
    assert not tracker.guard_selling(SAMSUNG, NOW)
    assert not tracker.selling(SAMSUNG, LATER), "nobody decided it in time"


def test_bookkeeping_intents_end_with_their_approval() -> None:
    """A cancel or a change of stop places no order of its own."""
    tracker = IntentTracker(KMP)
    own = tracker.submitted(submitted(IntentKind.CANCEL_ORDERS))
    tracker.observe(IntentApproved(**decision(quantity=0)))  # type: ignore[arg-type]  # shared fields
    assert own.taken
    assert not own.alive(NOW)


def test_tracker_ignores_what_is_not_its_own() -> None:
    """Decisions, orders and expiries of intents it never submitted change nothing."""
    tracker = IntentTracker(KMP)
    assert tracker.observe(IntentApproved(**decision(quantity=1))) is None  # type: ignore[arg-type]  # shared fields
    assert tracker.observe(submitting(FIRST)) is None
    assert tracker.observe(OrderRejected(at=1, order_id=FIRST, code="", message="")) is None
    assert tracker.observe(IntentExpired(at=1, intent=submitted())) is None
    assert tracker.observe(ended()) is None
    assert tracker.observe(ClockTick(at=1, phase=Phase.CLOSED)) is None


def test_order_refused_before_its_submission_belongs_to_its_intent() -> None:
    """The order id begins with the intent id; the execution's end follows the refusal."""
    tracker = IntentTracker(KMP)
    own = tracker.submitted(submitted())
    tracker.observe(IntentApproved(**decision(quantity=10)))  # type: ignore[arg-type]  # shared fields
    refusal = OrderRejected(at=1, order_id=FIRST, code="EXPIRED", message="too late")
    assert tracker.observe(refusal) is own
    assert is_now(own.working, False)
    assert tracker.observe(ended(orders=0)) is own
    assert not own.alive(NOW)
    other = order_id(intent_of("005930-E9"), 1)
    assert tracker.observe(OrderRejected(at=1, order_id=other, code="", message="")) is None


def test_exit_waits_grow_and_the_last_repeats() -> None:
    """3, 5, 10, 30, 30 … seconds."""
    assert [exit_backoff((3, 5, 10, 30), attempt) for attempt in range(1, 7)] == [
        3, 5, 10, 30, 30, 30,
    ]  # fmt: skip


def test_gates_report_even_what_was_never_computed() -> None:
    """Passed, blocked and missing are three counts; the last value keeps its time."""
    gates = GateBook(("spread", "chop"))
    assert gates.judge("spread", True, 0.001, at("09:30:00"))
    assert not gates.judge("spread", False, 0.009, 6)
    gates.missing("chop")
    report = gates.report(
        at=7, cause=8, strategy=KMP, trading_date=TODAY, intents=(INTENT,), would_block={"X": 2}
    )
    spread = report.gates["spread"]
    assert (spread.passed, spread.blocked, spread.missing) == (1, 1, 0)
    assert (spread.last_value, spread.last_at) == (0.009, 6)
    assert report.gates["chop"].missing == 1
    assert report.gates["would_block_X"].passed == 2
    assert report.intents == (INTENT,)


def test_would_block_is_recorded_once_per_state() -> None:
    """The same symbol and reason is written again only after its state changed."""
    book = WouldBlockBook(KMP, TODAY)

    def record(state: str) -> bool:
        return (
            book.record(
                at=1, cause=1, symbol="005930", state=state, reason="R", value=1, strict_limit=2
            )
            is not None
        )

    assert [record("A"), record("A"), record("B"), record("A")] == [True, False, True, True]
    assert book.counts == {"R": 3}


def test_slot_requests_are_numbered_and_not_repeated() -> None:
    """The same wish in another order is no new wish; the interval holds back ordinary ones."""
    book = SlotBook(KMP, TODAY, 5 * SECOND)
    one = SlotRequest(Feed.TRADES, SAMSUNG, SlotPriority.CANDIDATE)
    two = SlotRequest(Feed.QUOTES, SAMSUNG, SlotPriority.CANDIDATE)
    assert book.due(0)
    assert book.request((), now=0, at=0, cause=1) is None
    first = book.request((one, two), now=0, at=0, cause=1)
    assert first is not None
    assert first.ordinal == 1
    assert not book.due(4 * SECOND)
    assert book.due(5 * SECOND)
    assert book.request((two, one), now=5 * SECOND, at=0, cause=1) is None
    second = book.request((two,), now=5 * SECOND, at=0, cause=1)
    assert second is not None
    assert (second.ordinal, second.requests) == (2, (two,))
