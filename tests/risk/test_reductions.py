"""Exits, reductions, cancels: what they may do, and that nothing ever stops them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from events import UNKNOWN, OrderId, StrategyId, Symbol
from events.control import EVERYTHING, HaltMode, HaltScope, HaltTrigger, SharesReallocated
from events.market import OpeningAllocation, Phase
from events.signal import Regime, RegimeSet
from events.trading import (
    CheckOutcome,
    Decision,
    Holding,
    IntentKind,
    IntentModified,
    IntentRejected,
    OrderState,
    Side,
)
from tests.risk.scenario import (
    DATE,
    KMP,
    KPR,
    SECOND,
    A,
    B,
    Day,
    configuration,
    made,
    outcome,
    quote,
    reference,
    session,
    stopped_by,
    trades,
)

REDUCING = (IntentKind.EXIT, IntentKind.FLATTEN, IntentKind.REDUCE)


def holding(shares: int, **fields: Any) -> Day:
    """Return a day on which KMP holds ``shares`` of A and KPR 50."""
    held = (
        OpeningAllocation(KMP, A, shares, shares * 10_000),
        OpeningAllocation(KPR, A, 50, 500_000),
    )
    return Day(session(cash=10_000_000, allocations=held, **fields))


@pytest.mark.parametrize("kind", REDUCING)
@pytest.mark.parametrize(("asked", "quantity"), [(None, 100), (100, 100), (30, 30)])
def test_a_strategy_sells_what_it_asks_for_or_everything(
    kind: IntentKind, asked: int | None, quantity: int
) -> None:
    """An exit without a quantity sells all own shares; the other strategy's stay out of it."""
    if kind is IntentKind.REDUCE and asked is None:
        asked = 100
    decision = holding(100).submit(kind, asked)
    assert outcome(decision) == "IntentApproved"
    assert getattr(decision, "quantity", None) == quantity


@pytest.mark.parametrize("kind", REDUCING)
def test_a_sale_is_cut_to_what_the_strategy_owns(kind: IntentKind) -> None:
    """120 asked, 100 owned, although the account has 150."""
    decision = holding(100).submit(kind, 120)
    assert isinstance(decision, IntentModified)
    assert (decision.quantity, decision.requested_quantity) == (100, 120)
    assert decision.binding_check == "own_shares"
    assert made(decision, "own_shares").limit == 100


def test_a_sale_leaves_out_what_is_being_sold_already() -> None:
    """From the approval on, through the order, until it ends."""
    day = holding(100)
    first = day.leave(60)
    assert getattr(day.leave(), "quantity", None) == 40
    order = day.order(first, Side.SELL, 60, None)
    decision = day.leave()
    assert stopped_by(decision) == "own_shares"
    assert "owns 100 and 100 are being sold" in getattr(decision, "reason", "")
    day.fill(first, Side.SELL, 20)
    day.close(order, OrderState.CANCELLED, 20)
    assert getattr(day.leave(), "quantity", None) == 40


@pytest.mark.parametrize("asked", [None, 5])
def test_only_the_lack_of_shares_refuses_an_exit(asked: int | None) -> None:
    """There is nothing to sell."""
    decision = Day().leave(asked)
    assert stopped_by(decision) == "own_shares"
    assert [check.name for check in decision.checks] == ["own_shares"]


@pytest.mark.parametrize("kind", [IntentKind.EXIT, IntentKind.FLATTEN])
def test_an_exit_without_shares_lets_working_buys_be_withdrawn(kind: IntentKind) -> None:
    """Getting out of what is still being bought is a cancel: quantity 0."""
    day = Day()
    day.enter(10)
    decision = day.submit(kind)
    assert outcome(decision) == "IntentApproved"
    assert getattr(decision, "quantity", None) == 0
    assert "working buys of 10" in made(decision, "own_shares").note
    assert stopped_by(day.submit(IntentKind.REDUCE, 5)) == "own_shares"


def test_a_cancel_is_always_let_through() -> None:
    """With the number of own working orders, which may be none."""
    day = Day()
    assert made(day.submit(IntentKind.CANCEL_ORDERS), "working_orders").value == 0
    day.enter(10)
    day.halt(mode=HaltMode.FLATTEN)
    decision = day.submit(IntentKind.CANCEL_ORDERS, expires_at=0)
    assert outcome(decision) == "IntentApproved"
    assert getattr(decision, "quantity", None) == 0
    assert made(decision, "working_orders").value == 1


def test_new_stops_need_shares() -> None:
    """A stop guards a holding, and no halt stops it from being moved."""
    day = holding(100)
    day.halt(mode=HaltMode.FLATTEN)
    decision = day.submit(IntentKind.MODIFY_RISK, protective_stop=9_500)
    assert outcome(decision) == "IntentApproved"
    assert getattr(decision, "quantity", None) == 0
    assert stopped_by(day.submit(IntentKind.MODIFY_RISK, symbol=B)) == "own_shares"
    assert outcome(holding(1).submit(IntentKind.MODIFY_RISK)) == "IntentApproved"


@pytest.mark.parametrize("target", [None, 0, 30, 170])
def test_a_target_is_refused_because_nothing_executes_it(target: int | None) -> None:
    """Neither buying nor selling towards it is promised."""
    decision = holding(100).submit(IntentKind.SET_TARGET, target)
    assert outcome(decision) == "IntentRejected"
    assert stopped_by(decision) == "kind"
    assert getattr(decision, "reason", None) == "set_target is not supported yet"


@pytest.mark.parametrize(
    ("asked", "said"),
    [(None, CheckOutcome.MISSING), (0, CheckOutcome.REJECT), (-1, CheckOutcome.REJECT)],
)
def test_a_reduction_says_how_many_shares(asked: int | None, said: CheckOutcome) -> None:
    """Selling everything is an exit; a reduction without a number is a mistake."""
    decision = holding(100).submit(IntentKind.REDUCE, asked)
    assert outcome(decision) == "IntentRejected"
    assert stopped_by(decision) == "quantity"
    assert made(decision, "quantity").outcome is said


def at_broker(quantity: int, sellable: int, symbol: Symbol = A) -> tuple[Holding, ...]:
    """Return what the broker shows of one symbol."""
    return (
        Holding(
            symbol=symbol, quantity=quantity, sellable=sellable, cost=1_000_000, last_price=10_000
        ),
    )


@pytest.mark.parametrize(("asked", "quantity"), [(None, 60), (80, 60), (60, 60), (30, 30)])
def test_a_sale_is_cut_to_what_the_broker_lets_go(asked: int | None, quantity: int) -> None:
    """100 are owned and 60 can be sold."""
    day = holding(100)
    day.snapshot(holdings=at_broker(150, 60))
    decision = day.leave(asked)
    assert getattr(decision, "quantity", None) == quantity
    if isinstance(decision, IntentModified):
        assert decision.binding_check == "broker_shares"
        assert decision.requested_quantity == (asked or 100)
        assert made(decision, "own_shares").outcome is CheckOutcome.PASS
    assert made(decision, "broker_shares").limit == 60


def test_the_smaller_of_own_and_the_brokers_shares_binds() -> None:
    """120 asked, 100 owned, 110 sellable: 100."""
    day = holding(100)
    day.snapshot(holdings=at_broker(150, 110))
    decision = day.leave(120)
    assert isinstance(decision, IntentModified)
    assert (decision.quantity, decision.binding_check) == (100, "own_shares")


def test_sales_since_the_statement_use_the_brokers_shares_up() -> None:
    """Those of other strategies as well: 120 sellable, KPR sells 50, KMP 70 of its 100."""
    day = holding(100)
    day.snapshot(holdings=at_broker(120, 120))
    assert getattr(day.leave(strategy=KPR), "quantity", None) == 50
    assert getattr(day.leave(), "quantity", None) == 70


@pytest.mark.parametrize("holdings", [(), at_broker(0, 0), at_broker(100, 0)])
def test_shares_that_the_broker_does_not_show_are_not_sold(holdings: tuple[Holding, ...]) -> None:
    """A symbol absent from a complete statement is not held; the refusal says what is there."""
    day = holding(100)
    day.snapshot(holdings=holdings)
    decision = day.leave()
    assert outcome(decision) == "IntentRejected"
    assert stopped_by(decision) == "broker_shares"
    assert "owns 100" in getattr(decision, "reason", "")
    assert "0 of them sellable" in getattr(decision, "reason", "")


def test_without_a_statement_own_shares_decide() -> None:
    """Missing data never keeps anybody in, and the decision shows that they were missing."""
    decision = holding(100).leave()
    assert outcome(decision) == "IntentApproved"
    assert made(decision, "broker_shares").outcome is CheckOutcome.MISSING


def test_a_statement_is_believed_for_three_minutes() -> None:
    """The account is read once a minute; a reader that fell silent blocks nothing."""
    day = holding(100)
    day.snapshot(holdings=at_broker(0, 0))
    day.tick(seconds=180)
    assert stopped_by(day.leave()) == "broker_shares"
    day.now += 1
    assert getattr(day.leave(), "quantity", None) == 100


def test_a_fill_outdates_what_the_broker_said() -> None:
    """Ten of 150 are sold: what was sellable before is not known any more."""
    day = holding(100)
    day.snapshot(holdings=at_broker(150, 10))
    leaving = day.leave(10)
    order = day.order(leaving, Side.SELL, 10, None)
    assert stopped_by(day.leave()) == "broker_shares"
    day.fill(leaving, Side.SELL, 10)
    day.close(order, OrderState.FILLED, 10)
    assert getattr(day.leave(), "quantity", None) == 90


@pytest.mark.parametrize(("seconds", "quantity"), [(9.9, 90), (10, 40)])
def test_a_statement_shortly_after_a_fill_may_be_older_than_it(
    seconds: float, quantity: int
) -> None:
    """Its time is that of its arrival, and the broker books a fill seconds after its notice."""
    day = holding(100)
    leaving = day.leave(10)
    order = day.order(leaving, Side.SELL, 10, None)
    day.fill(leaving, Side.SELL, 10)
    day.close(order, OrderState.FILLED, 10)
    day.tick(seconds=seconds)
    day.snapshot(holdings=at_broker(140, 40))
    assert getattr(day.leave(), "quantity", None) == quantity


def test_a_statement_read_while_an_order_works_says_nothing_about_its_symbol() -> None:
    """A working sale claims shares; once it has ended they can be sold again."""
    day = holding(100)
    order = day.order(day.leave(60), Side.SELL, 60, 12_000)
    day.snapshot(holdings=at_broker(150, 0))
    day.close(order)
    assert getattr(day.leave(10), "quantity", None) == 10
    day = holding(100)
    order = day.order(day.leave(60), Side.SELL, 60, 12_000)
    day.close(order)
    day.tick(seconds=9)
    day.snapshot(holdings=at_broker(150, 0))
    assert getattr(day.leave(10), "quantity", None) == 10


SCOPES = st.sampled_from(
    [
        (HaltScope.ACCOUNT, EVERYTHING),
        (HaltScope.ALL_HOSTS, EVERYTHING),
        (HaltScope.STRATEGY, str(KMP)),
        (HaltScope.SYMBOL, str(A)),
    ]
)
HALTS = st.lists(
    st.tuples(SCOPES, st.sampled_from(list(HaltMode)), st.sampled_from(list(HaltTrigger))),
    max_size=8,
)


@given(
    halts=HALTS,
    drift=st.booleans(),
    interrupted=st.booleans(),
    phase=st.sampled_from(list(Phase)),
    regime=st.sampled_from(list(Regime)),
    price=st.sampled_from([1, 7_000, 10_000, 13_000]),
    status=st.sampled_from(["00", "51", "58", "59"]),
    prepared=st.booleans(),
    unknown=st.booleans(),
    one_sided=st.booleans(),
    expired=st.booleans(),
    busy=st.integers(0, 3),
    kind=st.sampled_from(REDUCING),
    asked=st.none() | st.integers(1, 150),
    limit=st.none() | st.sampled_from([1, 9_995, 10_000, 99_999]),
)
@pytest.mark.invariant(1)
def test_no_combination_of_controls_refuses_a_sale(  # noqa: PLR0917 - hypothesis fills them by name
    halts: list[tuple[tuple[HaltScope, str], HaltMode, HaltTrigger]],
    drift: bool,
    interrupted: bool,
    phase: Phase,
    regime: Regime,
    price: int,
    status: str,
    prepared: bool,
    unknown: bool,
    one_sided: bool,
    expired: bool,
    busy: int,
    kind: IntentKind,
    asked: int | None,
    limit: int | None,
) -> None:
    """Halts, drift, interruption, phase, losses, missing data, rates: own shares always go."""
    busy_limits = configuration(max_orders_per_second=1, max_orders_per_symbol_minute=1)
    held = (OpeningAllocation(KMP, A, 100, 1_000_000),)
    day = Day(session(cash=1_000, allocations=held, settings=busy_limits), prepared=prepared)
    if prepared:
        day.feed(reference(A, status), trades(A, price, at=day.now))
        day.feed(RegimeSet(at=day.now, trading_date=DATE, regime=regime, source="test"))
        day.tick(phase)
    if one_sided:
        day.feed(quote(A, None, None, at=day.now))
    if drift:
        day.drift(A, broker=0, allocated=100)
    if interrupted:
        day.interrupt(A, active=True)
    sold = 0
    for _ in range(busy):
        leaving = day.submit(IntentKind.REDUCE, 10)
        sold += 10
        order = day.order(leaving, Side.SELL, 10, None)
        if unknown:
            day.lose(order)
    for (scope, target), mode, trigger in halts:
        day.halt(scope, target, mode, trigger)
    if kind is IntentKind.REDUCE and asked is None:
        asked = 150
    expires_at = 0 if expired else day.now + 1
    decision = day.submit(kind, asked, limit_price=limit, expires_at=expires_at)
    assert stopped_by(decision) is None
    left = 100 - sold
    assert getattr(decision, "quantity", None) == (left if asked is None else min(asked, left))
    said = {check.name: check.outcome for check in decision.checks}
    assert said.pop("broker_shares") is CheckOutcome.MISSING
    assert set(said) == {"own_shares"}
    assert said["own_shares"] in (CheckOutcome.PASS, CheckOutcome.MODIFY)


class Sellers(RuleBasedStateMachine):
    """Two strategies that get out of one symbol, a router, and a broker that has its own view."""

    def __init__(self) -> None:
        super().__init__()
        self.day = holding(100)
        self.own = {KMP: 100, KPR: 50}
        self.selling: dict[str, tuple[StrategyId, int]] = {}
        self.orders: dict[str, int] = {}
        self.decisions: dict[str, Decision] = {}
        self.stated: int | None = None
        self.stated_at = self.moved_at = 0

    def _selling(self, strategy: StrategyId | None = None) -> int:
        return sum(
            left for owner, left in self.selling.values() if strategy in (None, owner) and left > 0
        )

    @rule(
        strategy=st.sampled_from([KMP, KPR]),
        kind=st.sampled_from(REDUCING),
        asked=st.none() | st.integers(1, 150),
    )
    def ask(self, strategy: StrategyId, kind: IntentKind, asked: int | None) -> None:
        """Ask to sell; what is let through stays within both caps, and takes what both leave."""
        if kind is IntentKind.REDUCE and asked is None:
            asked = 10
        room = max(0, self.own[strategy] - self._selling(strategy))
        if self.stated is not None and self.day.now <= self.stated_at + 180 * SECOND:
            room = min(room, max(0, self.stated - self._selling()))
        decision = self.day.submit(kind, asked, strategy=strategy)
        allowed = getattr(decision, "quantity", 0)
        assert allowed == (room if asked is None else min(asked, room))
        if allowed:
            self.selling[decision.intent_id] = (strategy, allowed)
            self.decisions[decision.intent_id] = decision

    @precondition(lambda self: self.selling)
    @rule(data=st.data(), lost=st.booleans())
    def send(self, data: st.DataObject, lost: bool) -> None:
        """Send the next order of an intent, of which the answer may get lost."""
        name = data.draw(st.sampled_from(sorted(self.selling)))
        left = self.selling[name][1]
        if left > 0 and name not in self.orders:
            number = 1 + sum(1 for e in self.day.log if getattr(e, "intent_id", "") == name)
            order = self.day.order(self.decisions[name], Side.SELL, left, None, n=number)
            self.orders[name] = number
            if lost:
                self.day.lose(order)

    @precondition(lambda self: self.orders)
    @rule(data=st.data(), shares=st.integers(1, 60))
    def fill(self, data: st.DataObject, shares: int) -> None:
        """Let an order trade."""
        name = data.draw(st.sampled_from(sorted(self.orders)))
        owner, left = self.selling[name]
        shares = min(shares, left)
        if shares:
            self.day.fill(self.decisions[name], Side.SELL, shares, n=self.orders[name])
            self.selling[name] = (owner, left - shares)
            self.own[owner] -= shares
            self.stated, self.moved_at = None, self.day.now

    @precondition(lambda self: self.orders)
    @rule(data=st.data(), last=st.booleans())
    def close(self, data: st.DataObject, last: bool) -> None:
        """Let an order end, with or without another one to follow."""
        name = data.draw(st.sampled_from(sorted(self.orders)))
        self.day.close(OrderId(f"{name}-O{self.orders.pop(name)}"), last=last)
        self.moved_at = self.day.now
        if last:
            del self.selling[name]

    @rule(seconds=st.integers(1, 100))
    def wait(self, seconds: int) -> None:
        """Let time pass."""
        self.day.tick(seconds=seconds)

    @rule(sellable=st.integers(0, 160))
    def state(self, sellable: int) -> None:
        """Let the broker say what can be sold; while something works it is not believed."""
        self.day.snapshot(holdings=at_broker(160, sellable))
        settled = self.day.now >= self.moved_at + 10 * SECOND
        if settled and not self._selling():
            self.stated, self.stated_at = sellable, self.day.now


TestSellers = pytest.mark.invariant(4)(Sellers.TestCase)
"""A sell never exceeds min(own - own working sells, broker sellable - working sells)."""

TestSellers.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


def test_a_refusal_says_how_many_shares_are_being_sold_when_more_than_are_owned() -> None:
    """Missing shares were taken off their owner while a sale of them worked."""
    day = Day()
    day.buy(100)
    day.leave()
    taken = SharesReallocated(
        at=day.now,
        issued_by="operator",
        reason="test",
        symbol=A,
        source=KMP,
        target=UNKNOWN,
        quantity=40,
        cost=0,
    )
    day.feed(taken)
    refused = day.leave()
    assert isinstance(refused, IntentRejected)
    assert refused.reason == "nothing to sell: KMP owns 60 and 100 are being sold"
