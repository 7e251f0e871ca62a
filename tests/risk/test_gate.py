"""The gate as a processor: what it reads, what it remembers, and that it repeats itself exactly."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import Delivery, Event, IntentId, OrderId, StrategyId, Symbol, TradingDate, codec
from events.control import HaltScope
from events.market import (
    ClockTick,
    IndexLevel,
    OpeningAllocation,
    Phase,
    SessionOpened,
    TradeFrame,
)
from events.signal import UniverseSelected
from events.trading import (
    CancelAccepted,
    CheckOutcome,
    Decision,
    DriftDetected,
    Horizon,
    IntentApproved,
    IntentDeferred,
    IntentExpired,
    IntentKind,
    IntentModified,
    IntentRejected,
    IntentSubmitted,
    OrderClosed,
    OrderFilled,
    OrderHeld,
    OrderState,
    OrderSubmitting,
    Side,
    Urgency,
)
from risk import gate_from_session
from tests.risk.scenario import (
    DATE,
    KMP,
    KPR,
    SECOND,
    A,
    B,
    C,
    Day,
    made,
    outcome,
    quote,
    reference,
    session,
    stopped_by,
    topic_is_covered,
    trades,
)

TOMORROW = TradingDate("20250916")


def replay(day: Day) -> list[bytes]:
    """Return the bytes of all that a new gate derives from a day's log."""
    gate = gate_from_session(day.opened)
    return [
        codec.encode(output)
        for sequence, event in enumerate(day.log, 1)
        for output in gate.handle(Delivery(sequence, event))
    ]


def test_the_gate_reads_every_topic_it_reacts_to() -> None:
    """A topic missing from the inputs would silently leave the book behind."""
    day = busy_day([(n % 9, n % 3, 10 * n) for n in range(40)])
    read = [event for event in day.log if not isinstance(event, SessionOpened)]
    assert all(topic_is_covered(day.gate, event) for event in read)
    assert {type(event).__name__ for event in day.log} >= {
        "UniverseSelected",
        "SymbolReference",
        "TradeFrame",
        "QuoteFrame",
        "ClockTick",
        "IntentSubmitted",
        "OrderSubmitting",
        "OrderFilled",
        "OrderClosed",
        "HaltSet",
        "HaltReleased",
        "HaltTripped",
        "AccountSnapshot",
        "DriftDetected",
    }


def test_the_gate_owns_decisions_and_its_own_controls_and_nothing_else() -> None:
    """Its halts stand on the topic of control, among the orders of operators."""
    day = Day()
    decision = day.enter(1)
    assert day.gate.name == "risk"
    assert day.gate.outputs == ("trading.decision.*", "trading.control")
    assert day.gate.owns(decision)
    assert not day.gate.owns(day.log[-1])
    day.halt()
    assert not day.gate.owns(day.log[-1])
    day.drift(A, broker=1, allocated=0)
    assert day.gate.owns(day.controls[-1])


def test_an_event_of_no_concern_is_ignored() -> None:
    """Index levels, cancels and expired intents change nothing."""
    day = Day()
    index = IndexLevel(
        at=day.now, index="KOSPI", time=day.now, centipoints=1, previous_close_centipoints=1
    )
    expired = IntentExpired(
        at=day.now,
        intent=IntentSubmitted(
            at=day.now,
            cause=1,
            intent_id=IntentId("20250915-KMP-005930-E9"),
            strategy=KMP,
            symbol=A,
            kind=IntentKind.ENTER,
            quantity=1,
            urgency=Urgency.LOW,
            horizon=Horizon.SWING,
            reason="test",
            attempt=1,
            expires_at=0,
        ),
    )
    cancel = CancelAccepted(
        at=day.now, order_id=OrderId("20250915-KMP-005930-E9-O1"), attempt=1, broker_order="1"
    )
    assert day.feed(index, expired, cancel) == []
    assert stopped_by(day.enter(1)) is None


def test_the_first_refusal_ends_and_later_checks_are_not_made() -> None:
    """What was checked is reported, in order; what was not is left out."""
    day = Day()
    day.halt(HaltScope.STRATEGY, KMP)
    day.halt(HaltScope.SYMBOL, A)
    decision = day.enter(1)
    assert [check.name for check in decision.checks] == [
        "quantity",
        "expiry",
        "equity_known",
        "safe_mode",
        "flatten",
        "entries_halted",
        "strategy_paused",
    ]
    assert isinstance(decision, IntentRejected)
    assert decision.reason == "strategy_paused: operator against off (KMP: test (operator))"


def test_a_cut_goes_on_and_a_later_refusal_still_refuses() -> None:
    """An entry cut by one check can fail another."""
    day = Day()
    day.tick(Phase.CLOSED)
    decision = day.enter(2_000)
    assert isinstance(decision, IntentDeferred)
    assert decision.deferred_by == "session_phase"
    assert made(decision, "symbol_exposure").outcome is CheckOutcome.MODIFY
    assert decision.reason == "session_phase: closed against continuous closing_auction"


OTHER = Symbol("111111")
"""A symbol of which nothing is known unless a test says so."""


def known_but_for(*missing: str) -> Day:
    """Return a day on which everything about ``OTHER`` is known but what is missing."""
    day = Day()
    told: dict[str, Event] = {
        "reference": reference(OTHER),
        "sector": UniverseSelected(
            at=day.now,
            strategy=KPR,
            trading_date=DATE,
            symbols=(OTHER,),
            sectors={OTHER: "energy"},
            source="test",
        ),
        "trade": trades(OTHER, 10_000, at=day.now, bid=9_990, ask=10_010, vi=10_000),
        "quote": quote(OTHER, 9_990, 10_010, at=day.now),
    }
    day.feed(*(event for name, event in told.items() if name not in missing))
    return day


NO_LIMIT: dict[str, Any] = {"limit_price": None}


@pytest.mark.parametrize(
    ("missing", "fields", "name"),
    [
        (("reference",), {}, "designation"),
        (("sector",), {}, "sector_exposure"),
        (("trade",), NO_LIMIT, "price_known"),
        (("trade",), NO_LIMIT | {"reference_price": 10_000}, "price_known"),
        ((), {"quantity": None}, "quantity"),
        ((), {"protective_stop": None}, "protective_stop"),
        ((), {"strategy": StrategyId("NEWCOMER")}, "strategy_positions"),
    ],
)
def test_missing_data_never_lets_an_entry_pass(
    missing: tuple[str, ...], fields: dict[str, Any], name: str
) -> None:
    """With everything known the entry passes; without one piece it does not, and says which."""
    assert stopped_by(known_but_for().enter(1, symbol=OTHER)) is None
    wish: dict[str, Any] = {"quantity": 1, "symbol": OTHER}
    decision = known_but_for(*missing).enter(**(wish | fields))
    assert isinstance(decision, IntentRejected | IntentDeferred)
    assert stopped_by(decision) == name
    assert made(decision, name).outcome is CheckOutcome.MISSING


@pytest.mark.parametrize(
    ("event", "late", "fields", "name"),
    [
        (quote(OTHER, None, 10_010), 0, {}, "spread"),
        (quote(OTHER, 9_990, None), 0, {}, "spread"),
        (quote(OTHER, 9_990, 10_010), 4, {}, "spread"),
        (quote(OTHER, 9_990, 10_010), 4, NO_LIMIT, "price_known"),
        (msgspec.structs.replace(reference(OTHER), market="KONEX"), 0, {}, "price_on_tick"),
    ],
)
def test_data_that_are_old_or_broken_never_let_an_entry_pass(
    event: Event, late: int, fields: dict[str, Any], name: str
) -> None:
    """An old quote, an old price, half a book, a market without a tick table are missing data."""
    day = known_but_for()
    day.feed(event)
    day.now += late * SECOND
    decision = day.enter(1, symbol=OTHER, **fields)
    assert isinstance(decision, IntentDeferred)
    assert stopped_by(decision) == name
    assert made(decision, name).outcome is CheckOutcome.MISSING


def test_without_a_clock_no_entry_passes() -> None:
    """The phase is unknown before the first tick."""
    day = Day(prepared=False)
    day.feed(*(event for event in Day().log[1:] if not isinstance(event, ClockTick)))
    decision = day.enter(1)
    assert isinstance(decision, IntentDeferred)
    assert stopped_by(decision) == "session_phase"
    assert made(decision, "session_phase").outcome is CheckOutcome.MISSING


@given(
    st.sets(st.sampled_from(["reference", "sector", "trade", "quote"])),
    st.sampled_from([{}, NO_LIMIT]),
    st.integers(0, 9),
)
def test_only_what_comes_for_few_symbols_may_be_unknown_to_an_entry_that_passes(
    missing: set[str], fields: dict[str, Any], late: int
) -> None:
    """Interruptions, halts, daily histories: an approval rests on every other check."""
    day = known_but_for(*missing)
    day.now += late * SECOND
    decision = day.enter(1, symbol=OTHER, **fields)
    if stopped_by(decision) is None:
        assert {c.name for c in decision.checks if c.outcome is CheckOutcome.MISSING} <= {
            "vi_cooldown",
            "trading_halt",
            "daily_liquidity",
        }


def test_what_was_let_through_counts_at_once() -> None:
    """Two entries at the same instant share one limit."""
    day = Day()
    assert getattr(day.enter(1_000, strategy=KMP), "quantity", None) == 1_000
    day.order(day.enter(1, symbol=B), Side.BUY, 1)
    day.tick(seconds=30)
    decision = day.enter(1_900, symbol=C)
    assert made(decision, "gross_exposure").value == 0.2901


def test_a_held_breakout_entry_counts_until_the_router_lets_it_go() -> None:
    """Past the intent's expiry as well, because the router says when it is over."""
    day = Day()
    first = day.enter(10, stop_price=10_100, expires_at=day.now + 5 * SECOND)
    held = OrderId(f"{first.intent_id}-O1")
    day.feed(
        OrderHeld(
            at=day.now,
            order_id=held,
            cause=1,
            intent_id=first.intent_id,
            stop_price=10_100,
            expires_at=day.now + 5 * SECOND,
        )
    )
    day.tick(seconds=60)
    assert stopped_by(day.enter(1)) == "not_entering"
    day.close(held, OrderState.EXPIRED)
    assert stopped_by(day.enter(1)) is None


def test_an_approved_entry_that_never_became_an_order_frees_everything() -> None:
    """Position slot, lock and cash come back 5 s after the intent has expired."""
    day = Day()
    day.enter(10)
    day.tick(seconds=65)
    assert stopped_by(day.enter(1)) == "not_entering"
    day.tick(seconds=1)
    assert made(day.enter(1, strategy=KPR), "gross_exposure").value == 0.0001


def test_an_approved_exit_without_an_order_is_not_approved_again() -> None:
    """The router still sends it; if it refuses, the shares can be sold anew."""
    day = Day(session(allocations=(OpeningAllocation(KMP, A, 10, 100_000),)))
    first = day.leave()
    day.tick(seconds=600)
    assert stopped_by(day.leave()) == "own_shares"
    day.refuse(OrderId(f"{first.intent_id}-O1"))
    assert getattr(day.leave(), "quantity", None) == 10


def test_a_frame_without_trades_changes_nothing() -> None:
    """The last price stays."""
    day = Day()
    day.feed(msgspec.structs.replace(trades(A, 1, at=day.now), trades=()))
    assert made(day.enter(1, limit_price=None), "price_known").value == 10_020


def test_a_loss_while_a_holding_has_no_price_is_held_against_the_day() -> None:
    """The unpriced holding counts at its opening value, and the check says so."""
    held = (
        OpeningAllocation(KPR, B, 1_000, 10_000_000),
        OpeningAllocation(KPR, C, 500, 5_000_000),
        OpeningAllocation(KPR, OTHER, 1, 10_000),
    )
    day = Day(session(cash=84_990_000, equity=100_000_000, allocations=held))
    note = "holdings without a price, at opening value: 1"
    day.feed(trades(B, 7_001, at=day.now))
    decision = day.enter(1)
    assert stopped_by(decision) is None
    assert made(decision, "daily_warn").note == note
    day.feed(trades(B, 7_000, at=day.now))
    day.feed(trades(B, 10_000, at=day.now), trades(OTHER, 10_000, at=day.now))
    day.tick(seconds=1)
    decision = day.enter(1, symbol=C)
    assert stopped_by(decision) == "entries_halted"
    assert made(decision, "entries_halted").note == (
        "*: day's result -3000000 won, -3.00% of the opening equity 100000000 won; "
        f"allowed -3.00%; {note} (risk)"
    )


def test_only_a_base_price_of_today_values_opening_shares() -> None:
    """Another day's terms and a base price of zero say nothing about the last close."""
    held = (OpeningAllocation(KPR, B, 1_000, 10_000_000),)
    day = Day(session(cash=90_000_000, allocations=held), prepared=False)
    stale = msgspec.structs.replace(reference(B, base=5_000), trading_date=TradingDate("20250912"))
    day.feed(stale, msgspec.structs.replace(reference(B), base_price=0))
    assert made(day.enter(1), "equity_known").value == 100_000_000
    day.feed(reference(B, base=9_990), reference(A))
    assert made(day.enter(1), "daily_warn").value == -0.0001


def test_fees_and_a_bad_fill_count_into_the_days_loss() -> None:
    """A fill is looked at when it comes, not at the next tick."""
    day = Day()
    entry = day.enter(1_000)
    day.order(entry, Side.BUY, 1_000)
    day.fill(entry, Side.BUY, 1_000, fee=3_000_000)
    assert day.trips() == [("daily_loss_warn", "*", "no_entries")]
    assert stopped_by(day.enter(1, symbol=B)) == "entries_halted"


def test_the_sessions_opening_on_the_log_changes_nothing() -> None:
    """The gate is built from it, so it is none of its inputs."""
    day = Day()
    day.enter(10)
    assert not topic_is_covered(day.gate, day.opened)
    day.feed(day.opened)
    assert stopped_by(day.enter(1)) == "not_entering"


STEP = st.tuples(st.integers(0, 8), st.integers(0, 2), st.integers(1, 2_000))


def trade(day: Day, decision: IntentApproved | IntentModified, size: int) -> None:
    """Let an approved buy become an order or not, trade wholly or in part, end or work on."""
    if size % 4 == 3:
        return
    order = day.order(decision, Side.BUY, decision.quantity)
    filled = decision.quantity // (1 + size % 3)
    if filled:
        day.fill(decision, Side.BUY, filled, 9_990)
    if filled == decision.quantity or size % 7 < 4:
        day.close(order, OrderState.FILLED, filled)


def busy_day(steps: list[tuple[int, int, int]], day: Day | None = None) -> Day:
    """Return a day made of small numbered happenings."""
    day = day or Day()
    symbols = (A, B, C)
    last: Any = None
    for what, which, size in steps:
        symbol = symbols[which]
        match what:
            case 0 | 1:
                decision = day.enter(size, symbol=symbol, strategy=(KMP, KPR)[what])
                if isinstance(decision, IntentApproved | IntentModified):
                    last = decision
                    trade(day, decision, size)
            case 2:
                day.feed(trades(symbol, 9_000 + size, at=day.now))
            case 3:
                day.leave(symbol=symbol)
            case 4:
                day.tick(seconds=size / 10)
            case 5:
                if size % 20:
                    day.halt(HaltScope.SYMBOL, symbol)
                else:
                    day.release(HaltScope.SYMBOL, symbol)
            case 6:
                day.feed(quote(symbol, 9_990, 9_990 + size // 100 * 10, at=day.now))
            case 7:
                day.snapshot(cash=size * 50_000)
            case _:
                day.drift(symbol, broker=size, allocated=size - 1)
                day.interrupt(symbol, active=size % 2 == 0)
                if last is not None:
                    day.lose(OrderId(f"{last.intent_id}-O1"))
    return day


@given(st.lists(STEP, max_size=60))
def test_replaying_a_log_gives_the_same_decisions_and_halts_byte_for_byte(
    steps: list[tuple[int, int, int]],
) -> None:
    """Nothing but the log enters a decision or a halt, and each intent has exactly one decision."""
    day = busy_day(steps)
    derived = [codec.encode(event) for event in day.derived]
    assert replay(day) == derived
    assert len({event.identity for event in day.derived}) == len(derived)
    assert all(codec.decode(payload) in day.derived for payload in derived)


class Ledger(Day):
    """A day that adds up the account by itself, from the log, whenever an entry has passed.

    Shares and surplus at their last trade, working buys at their limit of 10,000 won.
    """

    passed = 0

    def working(self) -> dict[Symbol, int]:
        """Return the won that approved entries may still cost, by symbol."""
        left: dict[str, int] = {}
        symbols: dict[str, Symbol] = {}
        expires: dict[str, int] = {}
        for decision in self.decisions:
            if isinstance(decision, IntentApproved | IntentModified) and (
                decision.checks[-1].name == "opposite_order"
            ):
                left[f"{decision.intent_id}-O1"] = decision.quantity
                symbols[f"{decision.intent_id}-O1"] = decision.symbol
                expires[f"{decision.intent_id}-O1"] = decision.at + 65 * SECOND
        for event in self.log:
            if isinstance(event, OrderSubmitting):
                expires.pop(event.order_id, None)
            elif isinstance(event, OrderFilled) and event.side is Side.BUY:
                left[event.order_id] -= event.quantity
            elif isinstance(event, OrderClosed):
                left[event.order_id] = 0
        value = dict.fromkeys((A, B, C), 0)
        for order, shares in left.items():
            if expires.get(order, self.now) >= self.now:
                value[symbols[order]] += shares * 10_000
        return value

    def held(self) -> tuple[int, dict[Symbol, int]]:
        """Return equity and the won held by symbol, unexplained shares included."""
        cash, shares = 100_000_000, dict.fromkeys((A, B, C), 0)
        last = dict.fromkeys((A, B, C), 0)
        extra = dict.fromkeys((A, B, C), 0)
        for event in self.log:
            if isinstance(event, TradeFrame):
                last[event.symbol] = event.trades[-1].price
            elif isinstance(event, OrderFilled):
                cash -= event.amount
                shares[event.symbol] += event.quantity
            elif isinstance(event, DriftDetected):
                extra[event.symbol] = event.broker_quantity - event.allocated_quantity
        equity = cash + sum(count * last[symbol] for symbol, count in shares.items())
        value = {symbol: (shares[symbol] + extra[symbol]) * last[symbol] for symbol in shares}
        return equity, value

    def enter(self, quantity: int | None = 100, **fields: Any) -> Decision:
        """Ask to buy; whatever passes leaves every limit intact."""
        decision = super().enter(quantity, **fields)
        if isinstance(decision, IntentApproved | IntentModified):
            equity, value = self.held()
            for symbol, working in self.working().items():
                value[symbol] += working
            equity = min(equity, 100_000_000)
            assert value[decision.symbol] <= round(0.15 * equity)
            assert sum(value.values()) <= round(0.8 * equity)
            assert value[A] + value[B] < round(0.3 * equity) or decision.symbol == C
            self.passed += 1
        return decision


@given(st.lists(STEP, max_size=40))
def test_limits_hold_whatever_happens(steps: list[tuple[int, int, int]]) -> None:
    """Held, unexplained and working together stay within symbol, sector and account limits."""
    day = Ledger()
    day.snapshot(cash=100_000_000)
    busy_day(steps, day)
    for decision in day.decisions:
        if isinstance(decision, IntentApproved | IntentModified):
            own = [check for check in decision.checks if check.name == "own_shares"]
            assert all(isinstance(c.limit, int) and decision.quantity <= c.limit for c in own)


def test_the_limits_are_tested_by_a_day_on_which_entries_pass() -> None:
    """The ledger above looks at approvals, among them some of a symbol that is still being bought.

    KPR asks for a symbol in which a partly filled buy of KMP works and gets what is left.
    """
    day = Ledger()
    day.snapshot(cash=100_000_000)
    first = day.enter(1_000)
    day.order(first, Side.BUY, 1_000)
    day.fill(first, Side.BUY, 400, 9_990)
    day.tick(seconds=91)
    second = day.enter(1_000, strategy=KPR)
    assert getattr(second, "quantity", None) == 500  # 15,000,000 - 4,000,000 - 6,000,000
    assert day.passed == 2


@given(st.lists(STEP, max_size=40))
def test_every_check_of_a_passing_decision_has_a_value_and_a_limit(
    steps: list[tuple[int, int, int]],
) -> None:
    """A reader sees what was looked at and against what, also where nothing was wrong."""
    day = busy_day(steps)
    day.enter(1, symbol=C, strategy=KPR, signal="breakout", limit_price=None)
    day.submit(IntentKind.CANCEL_ORDERS)
    for decision in day.decisions:
        if isinstance(decision, IntentApproved | IntentModified):
            for check in decision.checks:
                assert check.value is not None, check
                assert check.limit is not None, check


@pytest.mark.parametrize("kind", list(IntentKind))
def test_every_kind_of_intent_gets_one_decision(kind: IntentKind) -> None:
    """Whatever is asked is answered."""
    decision = Day().submit(kind, 1, limit_price=10_000, protective_stop=9_900)
    assert outcome(decision) in {"IntentApproved", "IntentRejected"}
