"""What may still trade: an intent from its decision to the end of its execution, and its orders."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from events import FillId, IntentId, OrderId, StrategyId
from events.trading import (
    ExecutionEnded,
    FillSource,
    Horizon,
    IntentKind,
    IntentSubmitted,
    OrderAccepted,
    OrderClosed,
    OrderFilled,
    OrderHeld,
    OrderKind,
    OrderRejected,
    OrderState,
    OrderSubmitting,
    OrderUnknown,
    Side,
    Urgency,
)
from risk.working import UnknownOrder, WorkingOrders
from tests.risk.scenario import KMP, KPR, SECOND, START, A, B, C


def intent(name: str = "I1", **fields: Any) -> IntentSubmitted:
    """Return an intent to enter A."""
    values: dict[str, Any] = {
        "at": START,
        "cause": 1,
        "intent_id": IntentId(name),
        "strategy": KMP,
        "symbol": A,
        "kind": IntentKind.ENTER,
        "quantity": 10,
        "urgency": Urgency.NORMAL,
        "horizon": Horizon.INTRADAY,
        "reason": "test",
        "attempt": 1,
        "expires_at": START + 100,
    }
    return IntentSubmitted(**(values | fields))


def submitting(
    order: str, side: Side, quantity: int, limit: int | None = 10_000, **fields: Any
) -> OrderSubmitting:
    """Return the write-ahead of an order of A."""
    values: dict[str, Any] = {"strategy": KMP, "symbol": A} | fields
    return OrderSubmitting(
        at=START,
        order_id=OrderId(order),
        cause=1,
        intent_id=IntentId(order.rpartition("-O")[0]),
        side=side,
        kind=OrderKind.MARKET if limit is None else OrderKind.LIMIT,
        quantity=quantity,
        limit_price=limit,
        cancel_at=START,
        **values,
    )


def filled(order: str, quantity: int, side: Side = Side.BUY, **fields: Any) -> OrderFilled:
    """Return one fill of A."""
    values: dict[str, Any] = {"strategy": KMP, "symbol": A} | fields
    return OrderFilled(
        at=START,
        order_id=OrderId(order),
        fill_id=FillId(f"{order}-F"),
        side=side,
        quantity=quantity,
        price=10_000,
        amount=quantity * 10_000,
        cumulative_quantity=quantity,
        fee=0,
        tax=0,
        source=FillSource.NOTICE,
        **values,
    )


def closed(order: str) -> OrderClosed:
    """Return the end of an order."""
    return OrderClosed(
        at=START,
        order_id=OrderId(order),
        state=OrderState.CANCELLED,
        filled_quantity=0,
        reason="test",
    )


def not_found(order: str) -> OrderRejected:
    """Return the end of an order that the broker did not list."""
    return OrderRejected(at=START, order_id=OrderId(order), code="NOT_FOUND", message="test")


def accepted(order: str, *, adopted: bool = False) -> OrderAccepted:
    """Return that the broker has an order."""
    return OrderAccepted(
        at=START, order_id=OrderId(order), broker_order="1", branch="1", adopted=adopted
    )


def lost(order: str) -> OrderUnknown:
    """Return that nobody knows whether the broker has an order."""
    return OrderUnknown(at=START, order_id=OrderId(order), reason="lost")


def held(order: str) -> OrderHeld:
    """Return that the router keeps an order for its trigger."""
    return OrderHeld(
        at=START,
        order_id=OrderId(order),
        cause=1,
        intent_id=IntentId(order.rpartition("-O")[0]),
        stop_price=10_100,
        expires_at=START,
    )


def ended(name: str = "I1", side: Side = Side.BUY) -> ExecutionEnded:
    """Return that the router is done with an intent."""
    return ExecutionEnded(
        at=START,
        cause=1,
        intent_id=IntentId(name),
        strategy=KMP,
        symbol=A,
        side=side,
        quantity=10,
        filled_quantity=0,
        orders=1,
        reason="complete",
    )


def approved(quantity: int = 10, price: int = 10_000, side: Side = Side.BUY) -> WorkingOrders:
    """Return working orders of one intent that was let through."""
    working = WorkingOrders()
    working.approve(intent(), side, quantity, price)
    return working


def counts(working: WorkingOrders, side: Side = Side.BUY) -> tuple[int, int]:
    """Return the shares of KMP that work in A and the won they may cost."""
    return working.quantity(KMP, A, side), working.buy_value


def test_an_intent_counts_from_its_decision_to_the_end_of_its_execution() -> None:
    """Held, sent in part, filled in part, withdrawn: what was allowed less what was filled."""
    working = approved()
    assert counts(working) == (10, 100_000)
    working.hold(held("I1-O1"))
    assert counts(working) == (10, 100_000)
    working.submit(submitting("I1-O1", Side.BUY, 8), 0)
    assert counts(working) == (10, 100_000)
    assert not working.fill(filled("I1-O1", 3))
    assert counts(working) == (7, 70_000)
    assert working.end(closed("I1-O1")) is None
    assert counts(working) == (7, 70_000)
    execution = working.end_execution(ended())
    assert execution is not None
    assert execution.intent_id == "I1"
    assert counts(working) == (0, 0)
    assert list(working.in_symbol(A)) == []


def test_the_newest_order_sets_the_price_but_never_below_the_approved_one() -> None:
    """A cheaper order may be replaced by one at the approved price again."""
    working = approved()
    working.submit(submitting("I1-O1", Side.BUY, 10, 10_100), 0)
    assert counts(working) == (10, 101_000)
    working.end(closed("I1-O1"))
    assert counts(working) == (10, 101_000)
    working.submit(submitting("I1-O2", Side.BUY, 10, 9_900), 0)
    assert counts(working) == (10, 100_000)


def test_between_two_orders_only_the_intents_own_limit_is_known() -> None:
    """A working sale may trade at its order's limit; without an order at the intent's."""
    working = WorkingOrders()
    working.approve(intent(limit_price=9_000), Side.SELL, 10, 0)
    (execution,) = working.in_symbol(A)
    assert execution.limit == 9_000
    working.submit(submitting("I1-O1", Side.SELL, 10, 12_000), 0)
    assert execution.limit == 12_000
    working.end(closed("I1-O1"))
    assert execution.limit == 9_000
    working.submit(submitting("I1-O2", Side.SELL, 10, None), 0)
    assert execution.limit is None


def test_a_fill_that_completes_an_intent_says_so_once() -> None:
    """Over two orders; what comes late changes nothing any more."""
    working = approved()
    working.submit(submitting("I1-O1", Side.BUY, 4), 0)
    assert not working.fill(filled("I1-O1", 4))
    working.submit(submitting("I1-O2", Side.BUY, 6), 0)
    assert working.fill(filled("I1-O2", 6))
    assert not working.fill(filled("I1-O2", 1))
    assert counts(working) == (0, 0)


def test_a_late_fill_of_a_withdrawn_order_counts_against_its_intent() -> None:
    """The next order may only be for what is left."""
    working = approved()
    working.submit(submitting("I1-O1", Side.BUY, 10), 0)
    working.end(closed("I1-O1"))
    working.fill(filled("I1-O1", 3))
    assert counts(working) == (7, 70_000)


def test_an_order_adopted_after_the_end_counts_by_itself_until_it_is_over() -> None:
    """The broker had not listed it, and lists it later: its shares are bought after all."""
    working = approved()
    working.submit(submitting("I1-O1", Side.BUY, 10), 0)
    working.mark_unknown(lost("I1-O1"))
    working.end(not_found("I1-O1"))
    working.end_execution(ended())
    assert counts(working) == (0, 0)
    working.settle(accepted("I1-O1", adopted=True))
    assert counts(working) == (10, 100_000)
    working.fill(filled("I1-O1", 4))
    assert counts(working) == (6, 60_000)
    working.end(closed("I1-O1"))
    assert counts(working) == (0, 0)


def test_a_fill_that_comes_before_its_adoption_is_not_counted_twice() -> None:
    """Four shares were filled of the order that nobody listed."""
    working = approved()
    working.submit(submitting("I1-O1", Side.BUY, 10), 0)
    working.end(not_found("I1-O1"))
    working.end_execution(ended())
    working.fill(filled("I1-O1", 4))
    working.settle(accepted("I1-O1", adopted=True))
    assert counts(working) == (6, 60_000)


def test_two_living_orders_of_one_intent_both_count() -> None:
    """One was taken for over and replaced, then the broker listed it after all."""
    working = approved()
    working.submit(submitting("I1-O1", Side.BUY, 10), 0)
    working.end(not_found("I1-O1"))
    working.submit(submitting("I1-O2", Side.BUY, 10), 0)
    assert counts(working) == (10, 100_000)
    working.settle(accepted("I1-O1", adopted=True))
    assert counts(working) == (20, 200_000)


def test_an_ordinary_acceptance_revives_no_order() -> None:
    """Only one that was found at the broker after it was given up does."""
    working = approved()
    working.submit(submitting("I1-O1", Side.BUY, 10), 0)
    working.end(closed("I1-O1"))
    working.end_execution(ended())
    working.settle(accepted("I1-O1"))
    assert counts(working) == (0, 0)


def test_a_living_order_counts_although_its_execution_was_said_to_have_ended() -> None:
    """Both cannot be true; what may trade is counted."""
    working = approved()
    working.submit(submitting("I1-O1", Side.BUY, 4), 0)
    working.end_execution(ended())
    assert counts(working) == (4, 40_000)


def test_an_order_of_an_unknown_decision_counts_by_itself() -> None:
    """At its limit, or without one at the price given."""
    working = WorkingOrders()
    working.submit(submitting("I1-O1", Side.BUY, 10, 9_500), 9_000)
    working.submit(submitting("I2-O1", Side.BUY, 10, None), 9_000)
    assert counts(working) == (20, 185_000)
    assert working.end(closed("I1-O1")) is not None
    assert counts(working) == (10, 90_000)
    assert working.end_execution(ended("I9")) is None


def test_a_held_order_of_an_unknown_intent_is_not_counted() -> None:
    """It names neither side nor quantity."""
    working = WorkingOrders()
    working.hold(held("I1-O1"))
    assert list(working.in_symbol(A)) == []


def test_an_entry_that_became_no_order_in_time_stops_counting() -> None:
    """Its order may follow until 5 s past its expiry; one with an order is left alone."""
    working = approved()
    working.approve(intent("I2"), Side.BUY, 7, 10_000)
    working.approve(intent("I3"), Side.BUY, 5, 10_000)
    working.submit(submitting("I2-O1", Side.BUY, 7), 0)
    working.hold(held("I3-O1"))
    assert working.lapse(START + 100 + 5 * SECOND) == []
    (lapsed,) = working.lapse(START + 101 + 5 * SECOND)
    assert lapsed.intent_id == "I1"
    assert working.quantity(KMP, A, Side.BUY) == 12
    assert working.lapse(START + 101 + 5 * SECOND) == []


def test_an_entry_that_lapsed_counts_again_when_its_order_comes_after_all() -> None:
    """With everything it was allowed, because other orders may follow."""
    working = approved()
    working.lapse(START + 101 + 5 * SECOND)
    assert counts(working) == (0, 0)
    working.submit(submitting("I1-O1", Side.BUY, 4), 0)
    assert counts(working) == (10, 100_000)


def test_a_sale_that_became_no_order_in_time_counts_on() -> None:
    """The router sends an exit however late: selling the shares twice would be worse."""
    working = approved(side=Side.SELL)
    assert working.lapse(START + 1_000 * SECOND) == []
    assert working.quantity(KMP, A, Side.SELL) == 10


def test_an_order_of_unknown_fate_is_known_by_symbol_side_and_instant() -> None:
    """A fill, an acceptance or an end settles it; until then it counts in full."""
    working = WorkingOrders()
    for name in ("I1-O1", "I2-O1", "I3-O1", "I4-O1"):
        working.submit(submitting(name, Side.BUY, 10), 0)
        working.mark_unknown(lost(name))
    assert working.unknown["I1-O1"] == UnknownOrder(A, Side.BUY, START)
    assert counts(working) == (40, 400_000)
    working.settle(accepted("I1-O1"))
    working.fill(filled("I2-O1", 1))
    working.end(closed("I3-O1"))
    assert list(working.unknown) == ["I4-O1"]
    working.end(not_found("I4-O1"))
    assert working.unknown == {}
    assert counts(working) == (19, 190_000)


@pytest.mark.parametrize("refuse", [closed, not_found])
def test_a_refusal_before_any_submission_leaves_the_intent_counting(refuse: Any) -> None:
    """Only the end of the execution frees it."""
    working = approved()
    assert working.end(refuse("I1-O1")) is None
    assert counts(working) == (10, 100_000)
    working.end_execution(ended())
    assert counts(working) == (0, 0)


STRATEGIES = (KMP, KPR)
SYMBOLS = (A, B, C)


class Router(RuleBasedStateMachine):
    """A router that approves, sends, replaces, loses and ends orders in any order at all."""

    def __init__(self) -> None:
        super().__init__()
        self.working = WorkingOrders()
        self.names: list[IntentSubmitted] = []
        self.sides: dict[str, Side] = {}
        self.orders: list[OrderSubmitting] = []
        self.now = START
        self.allowed: dict[str, int] = {}
        self.bought: dict[str, int] = {}
        self.left: dict[str, int] = {}
        self.alive: set[str] = set()
        self.over: set[str] = set()
        """Intents without any order to follow: ended, or lapsed before they had one."""
        self.closed: set[str] = set()

    @rule(
        strategy=st.sampled_from(STRATEGIES),
        symbol=st.sampled_from(SYMBOLS),
        side=st.sampled_from(Side),
        quantity=st.integers(1, 100),
        price=st.integers(1, 20_000),
        known=st.booleans(),
    )
    def decide(self, **drawn: Any) -> None:
        """Let an intent through, or let its decision be unknown here."""
        name = f"I{len(self.names)}"
        asked = intent(name, strategy=drawn["strategy"], symbol=drawn["symbol"])
        self.names.append(asked)
        self.sides[name] = drawn["side"]
        self.bought[name] = 0
        if drawn["known"]:
            self.allowed[name] = drawn["quantity"]
            self.working.approve(asked, drawn["side"], drawn["quantity"], drawn["price"])

    @precondition(lambda self: self.names)
    @rule(data=st.data(), quantity=st.integers(1, 100), limit=st.none() | st.integers(1, 20_000))
    def send(self, data: st.DataObject, quantity: int, limit: int | None) -> None:
        """Send another order of some intent."""
        of = data.draw(st.sampled_from(self.names))
        count = sum(1 for order in self.orders if order.intent_id == of.intent_id)
        order = submitting(
            f"{of.intent_id}-O{count + 1}",
            self.sides[of.intent_id],
            quantity,
            limit,
            strategy=of.strategy,
            symbol=of.symbol,
        )
        self.orders.append(order)
        self.left[order.order_id] = quantity
        self.alive.add(order.order_id)
        if of.intent_id not in self.closed:
            self.over.discard(of.intent_id)
        self.working.submit(order, 5_000)

    @precondition(lambda self: self.orders)
    @rule(data=st.data(), shares=st.integers(1, 120))
    def fill(self, data: st.DataObject, shares: int) -> None:
        """Fill some order, also beyond it and after its end."""
        of = data.draw(st.sampled_from(self.orders))
        self.left[of.order_id] -= shares
        self.bought[of.intent_id] += shares
        self.working.fill(
            filled(of.order_id, shares, of.side, strategy=of.strategy, symbol=of.symbol)
        )

    @precondition(lambda self: self.orders)
    @rule(data=st.data(), what=st.sampled_from([lost, closed, not_found, accepted]))
    def report(self, data: st.DataObject, what: Any) -> None:
        """Say something of some order."""
        event = what(data.draw(st.sampled_from(self.orders)).order_id)
        if isinstance(event, OrderUnknown):
            self.working.mark_unknown(event)
        elif isinstance(event, OrderAccepted):
            self.alive.add(event.order_id)
            self.working.settle(accepted(event.order_id, adopted=True))
        else:
            self.alive.discard(event.order_id)
            self.working.end(event)

    @precondition(lambda self: self.names)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        """End some execution."""
        name = data.draw(st.sampled_from(self.names)).intent_id
        if name in self.allowed or any(order.intent_id == name for order in self.orders):
            self.over.add(name)
            self.closed.add(name)
        self.working.end_execution(ended(name))

    @rule(seconds=st.integers(0, 4))
    def wait(self, seconds: int) -> None:
        """Let time pass, and entries lapse."""
        self.now += seconds * SECOND
        begun = {order.intent_id for order in self.orders}
        if self.now > START + 100 + 5 * SECOND:
            buys = {name for name, side in self.sides.items() if side is Side.BUY}
            self.over |= buys - begun
        self.working.lapse(self.now)

    @invariant()
    def sums_are_those_of_the_parts(self) -> None:
        """Every sum equals its recomputation from all executions, and nothing is below zero."""
        parts = [e for symbol in SYMBOLS for e in self.working.in_symbol(symbol)]
        assert all(part.remaining > 0 for part in parts)
        buys = [part for part in parts if part.side is Side.BUY]
        assert self.working.buy_value == sum(b.remaining * b.price for b in buys)
        assert set(self.working.symbols_buying()) == {b.symbol for b in buys}
        for symbol in SYMBOLS:
            here = [part for part in parts if part.symbol == symbol]
            assert self.working.works(symbol) == bool(here)
            assert self.working.buy_value_in(symbol) == sum(
                part.remaining * part.price for part in here if part.side is Side.BUY
            )
            for side in Side:
                assert self.working.total(symbol, side) == _sum(here, side)
                for strategy in STRATEGIES:
                    assert self.working.quantity(strategy, symbol, side) == _sum(
                        here, side, strategy
                    )

    @invariant()
    def every_intent_counts_with_what_may_still_trade(self) -> None:
        """What lives in any case, and what was allowed and not filled until its execution ends."""
        counted = {
            execution.intent_id: execution.remaining
            for symbol in SYMBOLS
            for execution in self.working.in_symbol(symbol)
        }
        for name in self.sides:
            alive = sum(
                max(0, left)
                for order, left in self.left.items()
                if order in self.alive and order.startswith(f"{name}-O")
            )
            may_follow = 0 if name in self.over else self.allowed.get(name, 0) - self.bought[name]
            assert counted.get(name, 0) == max(alive, may_follow, 0)

    def teardown(self) -> None:
        """Once every order and execution is over, nothing is left."""
        for order in self.orders:
            self.working.end(closed(order.order_id))
        for name in self.names:
            self.working.end_execution(ended(name.intent_id))
        assert self.working.buy_value == 0
        assert self.working.unknown == {}
        assert not any(self.working.works(symbol) for symbol in SYMBOLS)
        assert not any(self.working.total(s, side) for s in SYMBOLS for side in Side)


def _sum(parts: list[Any], side: Side, strategy: StrategyId | None = None) -> int:
    return sum(
        part.remaining for part in parts if part.side is side and strategy in (None, part.strategy)
    )


TestRouter = Router.TestCase
TestRouter.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
