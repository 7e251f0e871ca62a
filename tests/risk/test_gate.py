"""The gate as a processor: what it reads, what it remembers, and that it repeats itself exactly."""

from __future__ import annotations

from time import perf_counter_ns
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import Delivery, Event, IntentId, OrderId, Symbol, TradingDate, codec
from events.control import ControlKind
from events.market import ClockTick, IndexLevel, OpeningAllocation, Phase
from events.trading import (
    CancelAccepted,
    CheckOutcome,
    Horizon,
    IntentApproved,
    IntentDeferred,
    IntentExpired,
    IntentKind,
    IntentModified,
    IntentRejected,
    IntentSubmitted,
    OrderHeld,
    OrderState,
    Side,
    Urgency,
)
from risk import RiskGate, gate_from_session
from risk.entries import STEPS
from tests.risk.scenario import (
    DATE,
    KMP,
    KPR,
    SECOND,
    START,
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
    """Return the bytes of all decisions that a new gate makes on a day's log."""
    gate = gate_from_session(day.opened)
    return [
        codec.encode(output)
        for sequence, event in enumerate(day.log, 1)
        for output in gate.handle(Delivery(sequence, event))
    ]


def test_the_gate_reads_every_topic_it_reacts_to() -> None:
    """A topic missing from the inputs would silently leave the book behind."""
    day = busy_day([(n % 9, n % 3, 10 * n) for n in range(40)])
    assert all(topic_is_covered(day.gate, event) for event in day.log)
    assert {type(event).__name__ for event in day.log} >= {
        "SessionOpened",
        "UniverseSelected",
        "SymbolReference",
        "TradeFrame",
        "QuoteFrame",
        "ClockTick",
        "IntentSubmitted",
        "OrderSubmitting",
        "OrderFilled",
        "OrderClosed",
        "ControlChanged",
        "AccountSnapshot",
        "DriftDetected",
    }


def test_the_gate_owns_decisions_and_nothing_else() -> None:
    """Its outputs stand on the decision topics."""
    day = Day()
    decision = day.enter(1)
    assert day.gate.name == "risk"
    assert day.gate.outputs == ("trading.decision.*",)
    assert day.gate.owns(decision)
    assert not day.gate.owns(day.log[-1])


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
    day.control(ControlKind.PAUSE_STRATEGY, KMP)
    day.control(ControlKind.FREEZE_SYMBOL, A)
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
    assert decision.reason == "strategy_paused: on against off (KMP: test (operator))"


def test_a_cut_goes_on_and_a_later_refusal_still_refuses() -> None:
    """An entry cut by one check can fail another."""
    day = Day()
    day.tick(Phase.CLOSED)
    decision = day.enter(2_000)
    assert isinstance(decision, IntentDeferred)
    assert decision.deferred_by == "session_phase"
    assert made(decision, "symbol_exposure").outcome is CheckOutcome.MODIFY
    assert decision.reason == "session_phase: closed against continuous closing_auction"


def test_missing_data_never_lets_an_entry_pass() -> None:
    """Every row of the table says how it ends without data, and none says pass."""
    assert {step.when_missing for step in STEPS} == {CheckOutcome.REJECT, CheckOutcome.DEFER}


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
    """Position slot, lock and cash come back when the intent has expired."""
    day = Day()
    day.enter(10)
    day.tick(seconds=60)
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
    assert made(day.enter(1, limit_price=None), "price_known").value == 10_000


def test_a_loss_while_a_holding_has_no_price_is_not_held_against_the_day() -> None:
    """Half a priced book shows old losses; they refuse now but are not remembered."""
    held = (
        OpeningAllocation(KPR, B, 1_000, 10_000_000),
        OpeningAllocation(KPR, Symbol("111111"), 1_000, 10_000_000),
    )
    day = Day(session(cash=80_000_000, equity=100_000_000, allocations=held))
    day.feed(trades(B, 7_001, at=day.now))
    assert stopped_by(day.enter(1)) is None
    day.feed(trades(B, 7_000, at=day.now))
    day.tick()
    assert stopped_by(day.enter(1, symbol=C)) == "daily_warn"
    day.feed(trades(Symbol("111111"), 13_000, at=day.now))
    day.tick()
    assert stopped_by(day.enter(1, symbol=C)) is None


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
    assert stopped_by(day.enter(1, symbol=B)) == "daily_warn"


def test_the_next_session_lifts_halts_and_losses_but_not_pauses() -> None:
    """A new day on the same log starts with its own books."""
    day = Day()
    for kind in ControlKind:
        day.control(kind, "*" if kind is not ControlKind.PAUSE_STRATEGY else KPR)
    day.control(ControlKind.SAFE_MODE, active=False)
    day.control(ControlKind.FREEZE_SYMBOL, active=False)
    entry = day.submit(IntentKind.EXIT)
    assert stopped_by(entry) == "own_shares"
    held = (OpeningAllocation(KMP, B, 5, 50_000),)
    opened = session(date=TOMORROW, allocations=held, at=START + 86_400 * SECOND)
    day.feed(opened)
    day.now = opened.at + SECOND
    assert getattr(day.leave(symbol=B), "quantity", None) == 5
    terms = msgspec.structs.replace(reference(A), trading_date=TOMORROW, at=day.now)
    day.feed(terms)
    assert stopped_by(day.enter(1, strategy=KPR)) == "strategy_paused"
    assert stopped_by(day.enter(1)) == "sector_exposure"


def test_the_same_sessions_opening_seen_again_changes_nothing() -> None:
    """The gate is built from it and reads it once more."""
    day = Day()
    day.enter(10)
    day.feed(day.opened)
    assert stopped_by(day.enter(1)) == "not_entering"


STEP = st.tuples(st.integers(0, 8), st.integers(0, 2), st.integers(1, 2_000))


def busy_day(steps: list[tuple[int, int, int]]) -> Day:
    """Return a day made of small numbered happenings."""
    day = Day()
    symbols = (A, B, C)
    last: Any = None
    for what, which, size in steps:
        symbol = symbols[which]
        match what:
            case 0 | 1:
                decision = day.enter(size, symbol=symbol, strategy=(KMP, KPR)[what])
                if isinstance(decision, IntentApproved | IntentModified):
                    last = decision
                    order = day.order(decision, Side.BUY, decision.quantity)
                    day.fill(decision, Side.BUY, decision.quantity, 9_990)
                    day.close(order, OrderState.FILLED, decision.quantity)
            case 2:
                day.feed(trades(symbol, 9_000 + size, at=day.now))
            case 3:
                day.leave(symbol=symbol)
            case 4:
                day.tick(seconds=size / 10)
            case 5:
                day.control(ControlKind.SAFE_MODE, active=size % 2 == 0)
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
def test_replaying_a_log_gives_the_same_decisions_byte_for_byte(
    steps: list[tuple[int, int, int]],
) -> None:
    """Nothing but the log enters a decision, and each intent has exactly one."""
    day = busy_day(steps)
    decisions = [codec.encode(decision) for decision in day.decisions]
    assert replay(day) == decisions
    assert len({decision.identity for decision in day.decisions}) == len(decisions)
    assert all(codec.decode(payload) in day.decisions for payload in decisions)


@given(st.lists(STEP, max_size=40))
def test_limits_hold_whatever_happens(steps: list[tuple[int, int, int]]) -> None:
    """No approval exceeds a symbol's share of equity, and none promises shares not owned."""
    for decision in busy_day(steps).decisions:
        if isinstance(decision, IntentApproved | IntentModified):
            names = {check.name for check in decision.checks}
            if "symbol_exposure" in names:
                price = made(decision, "price_known").value
                assert isinstance(price, int)
                assert 1 <= decision.quantity * price <= 0.15 * 110_000_000
            elif "own_shares" in names:
                limit = made(decision, "own_shares").limit
                assert isinstance(limit, int)
                assert decision.quantity <= limit


@pytest.mark.parametrize("kind", list(IntentKind))
def test_every_kind_of_intent_gets_one_decision(kind: IntentKind) -> None:
    """Whatever is asked is answered."""
    decision = Day().submit(kind, 1, limit_price=10_000, protective_stop=9_900)
    assert outcome(decision) in {"IntentApproved", "IntentRejected"}


def full_gate() -> tuple[RiskGate, list[Symbol], list[Event]]:
    """Return a gate with forty symbols, eleven of them held, and entries to be judged."""
    day = Day()
    symbols = [Symbol(f"{100_000 + n}") for n in range(40)]
    sectors = {symbol: f"sector{n % 20}" for n, symbol in enumerate(symbols)}
    day.feed(
        msgspec.structs.replace(
            next(event for event in day.log if type(event).__name__ == "UniverseSelected"),
            sectors=sectors,
        )
    )
    for symbol in symbols:
        day.feed(reference(symbol), trades(symbol, 10_000, bid=9_990, ask=10_010))
    for symbol in symbols[:11]:
        day.tick(seconds=61)
        day.buy(300, symbol=symbol, strategy=KMP if symbol < symbols[7] else KPR)
    intents: list[Event] = []
    for n in range(200):
        intents += [
            ClockTick(at=day.now + 400 * n * SECOND, phase=Phase.CONTINUOUS),
            IntentSubmitted(
                at=day.now + 400 * n * SECOND,
                cause=1,
                intent_id=IntentId(f"{DATE}-KPR-{symbols[20]}-E{n}"),
                strategy=KPR,
                symbol=symbols[20],
                kind=IntentKind.ENTER,
                quantity=10,
                urgency=Urgency.NORMAL,
                horizon=Horizon.INTRADAY,
                reason="test",
                attempt=1,
                expires_at=day.now + (400 * n + 60) * SECOND,
                limit_price=10_000,
                protective_stop=9_900,
            ),
        ]
    return day.gate, symbols, intents


def test_judging_an_entry_costs_about_as_much_as_a_hundred_prices() -> None:
    """Every check of an entry runs on kept sums: a ratio, because machines differ.

    Measured on two shared cores: 45 µs an entry, 0.5 µs a trade frame.
    """
    gate, symbols, intents = full_gate()
    entries: list[int] = []
    for event in intents:
        begun = perf_counter_ns()
        decided = gate.handle(Delivery(1, event))
        if decided:
            entries.append(perf_counter_ns() - begun)
            assert isinstance(decided[0], IntentApproved)
    frames: list[int] = []
    for n in range(2_000):
        delivery = Delivery(1, trades(symbols[n % 40], 10_000, at=START))
        begun = perf_counter_ns()
        gate.handle(delivery)
        frames.append(perf_counter_ns() - begun)
    assert sorted(entries)[100] < 400 * sorted(frames)[1_000]
