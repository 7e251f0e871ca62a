"""The fold behind the summary, fed by hand: every figure written out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bus import Recorded, entry
from deploy.day_summary import DaySummary, Profit
from events import AccountId, Event, IntentId, OrderId, StrategyId, Symbol, TradingDate
from events.control import ControlChanged, ControlKind
from events.market import OpeningAllocation, SessionOpened
from events.ops import Degraded, GateCount, GatesReported, Recovered
from events.trading import (
    AccountSnapshot,
    FillSource,
    Holding,
    Horizon,
    IntentApproved,
    IntentDeferred,
    IntentKind,
    IntentRejected,
    IntentSubmitted,
    OrderAccepted,
    OrderClosed,
    OrderFilled,
    OrderHeld,
    OrderKind,
    OrderRejected,
    OrderState,
    OrderSubmitting,
    Side,
    Urgency,
)

DAY = TradingDate("20250915")
KMP = StrategyId("KMP")
SAMSUNG = Symbol("005930")


def fold(events: Iterable[Event], *, first: int = 1) -> DaySummary:
    summary = DaySummary()
    for sequence, event in enumerate(events, first):
        made = entry(AccountId("demo"), event, identity=str(sequence))
        summary.take(Recorded(sequence, made.subject, made.payload, made.identity, 0))
    return summary


def intent(number: int) -> IntentSubmitted:
    return IntentSubmitted(
        at=1,
        cause=1,
        intent_id=IntentId(f"20250915-KMP-005930-E{number}"),
        strategy=KMP,
        symbol=SAMSUNG,
        kind=IntentKind.ENTER,
        quantity=10,
        urgency=Urgency.NORMAL,
        horizon=Horizon.INTRADAY,
        reason="breakout",
        attempt=1,
        expires_at=9,
    )


def decided(intent: str) -> dict[str, Any]:
    """Return what all decisions have in common."""
    return {
        "at": 1,
        "cause": 1,
        "strategy": KMP,
        "symbol": SAMSUNG,
        "checks": (),
        "intent_id": IntentId(intent),
    }


def submitting(order: str, side: Side, quantity: int) -> OrderSubmitting:
    return OrderSubmitting(
        at=1,
        cause=1,
        order_id=OrderId(order),
        intent_id=IntentId("20250915-KMP-005930-E1"),
        strategy=KMP,
        symbol=SAMSUNG,
        side=side,
        kind=OrderKind.LIMIT,
        quantity=quantity,
        limit_price=70_000,
        cancel_at=9,
    )


def filled(
    order: str,
    side: Side,
    quantity: int,
    price: int,
    *,
    cumulative: int,
    fee: int = 0,
    tax: int = 0,
) -> OrderFilled:
    return OrderFilled(
        at=1,
        order_id=OrderId(order),
        fill_id=f"{order}-F{cumulative}",  # type: ignore[arg-type] # a FillId is text
        strategy=KMP,
        symbol=SAMSUNG,
        side=side,
        quantity=quantity,
        price=price,
        amount=quantity * price,
        cumulative_quantity=cumulative,
        fee=fee,
        tax=tax,
        source=FillSource.NOTICE,
    )


def test_profit_is_proceeds_less_purchases_less_fees_and_tax() -> None:
    """10 bought at 70,000, sold at 71,000; fees 105 + 106 and tax 1,065."""
    summary = fold(
        [
            submitting("A", Side.BUY, 10),
            filled("A", Side.BUY, 4, 70_000, cumulative=4, fee=42),
            filled("A", Side.BUY, 6, 70_000, cumulative=10, fee=63),
            submitting("B", Side.SELL, 10),
            filled("B", Side.SELL, 10, 71_000, cumulative=10, fee=106, tax=1_065),
        ]
    )
    assert summary.profit == Profit(gross=10_000, fees=211, tax=1_065)
    assert summary.profit.net == 8_724
    assert (summary.fills, summary.holdings, summary.orders_sent) == (3, {}, 2)


def test_shares_still_held_count_at_the_brokers_last_price() -> None:
    """10 bought at 70,000 and worth 72,000 each are a gain of 20,000."""
    summary = fold(
        [
            submitting("A", Side.BUY, 10),
            filled("A", Side.BUY, 10, 70_000, cumulative=10),
            AccountSnapshot(
                at=2,
                trading_date=DAY,
                cash=0,
                equity=0,
                holdings=(
                    Holding(
                        symbol=SAMSUNG, quantity=10, sellable=10, cost=700_000, last_price=72_000
                    ),
                ),
            ),
        ]
    )
    assert summary.profit.gross == 20_000
    assert summary.holdings == {SAMSUNG: 10}


def test_what_was_held_at_the_open_counts_at_its_cost() -> None:
    """Five carried in at 350,000 won and sold at 71,000 each are a gain of 5,000."""
    opened = SessionOpened(
        at=0,
        trading_date=DAY,
        open_at=1,
        closing_auction_at=2,
        close_at=3,
        cash=0,
        equity=0,
        allocations=(OpeningAllocation(strategy=KMP, symbol=SAMSUNG, quantity=5, cost=350_000),),
        configuration={},
        code_version="1",
    )
    summary = fold(
        [opened, submitting("A", Side.SELL, 5), filled("A", Side.SELL, 5, 71_000, cumulative=5)]
    )
    assert summary.session == opened
    assert summary.profit.gross == 5_000


def test_orders_are_counted_by_the_state_they_are_in_now() -> None:
    """Held, accepted, partially filled, filled, rejected, cancelled: one of each."""
    events: list[Event] = [
        OrderHeld(
            at=1,
            cause=1,
            order_id=OrderId("A"),
            intent_id=IntentId("i"),
            stop_price=1,
            expires_at=9,
        )
    ]
    events += [submitting(name, Side.BUY, 10) for name in "BCDEF"]
    events += [
        OrderAccepted(at=1, order_id=OrderId(name), broker_order="1", branch="") for name in "BCDF"
    ]
    events += [
        filled("C", Side.BUY, 3, 70_000, cumulative=3),
        filled("D", Side.BUY, 10, 70_000, cumulative=10),
        OrderRejected(at=1, order_id=OrderId("E"), code="x", message="y"),
        OrderClosed(
            at=1,
            order_id=OrderId("F"),
            state=OrderState.CANCELLED,
            filled_quantity=0,
            reason="lapsed",
        ),
    ]
    assert fold(events).orders == {
        "accepted": 1,
        "cancelled": 1,
        "filled": 1,
        "held": 1,
        "partially_filled": 1,
        "rejected": 1,
    }


def test_a_late_acknowledgement_does_not_undo_a_fill() -> None:
    """A notice may overtake the answer of the call."""
    summary = fold(
        [
            submitting("A", Side.BUY, 10),
            filled("A", Side.BUY, 10, 70_000, cumulative=10),
            OrderAccepted(at=1, order_id=OrderId("A"), broker_order="1", branch=""),
        ]
    )
    assert summary.orders == {"filled": 1}


def test_decisions_are_counted_with_the_check_that_stopped_them() -> None:
    """Two intents rejected by one check, one deferred by another, one approved."""
    summary = fold(
        [
            intent(1),
            intent(2),
            IntentApproved(**decided("1"), quantity=10),
            IntentRejected(**decided("2"), rejected_by="cash", reason=""),
            IntentRejected(**decided("3"), rejected_by="cash", reason=""),
            IntentDeferred(**decided("4"), deferred_by="spread", reason=""),
        ]
    )
    assert summary.intents == 2
    assert summary.decisions == {"approved": 1, "modified": 0, "rejected": 2, "deferred": 1}
    assert summary.reasons == {("rejected", "cash"): 2, ("deferred", "spread"): 1}


def test_market_events_are_what_the_log_holds_beyond_the_others() -> None:
    """The log has no gaps: 100 entries, two of them trading and one ops."""
    summary = fold(
        [
            intent(1),
            submitting("A", Side.BUY, 10),
            Degraded(at=1, service="gateway", condition="feed", detail="lost"),
        ],
        first=50,
    )
    assert summary.events(100) == {"market": 97, "trading": 2, "signal": 0, "ops": 1}


def test_a_condition_holds_until_it_is_over_and_stays_counted() -> None:
    """Degraded, recovered, degraded again: one holds, two were counted."""
    feed = {"service": "gateway", "condition": "feed"}
    summary = fold(
        [
            Degraded(at=1, detail="lost", **feed),
            Recovered(at=2, detail="back", **feed),
            Degraded(at=3, detail="lost again", **feed),
        ]
    )
    assert summary.degraded == {("gateway", "feed"): "lost again"}
    assert summary.degradations == {("gateway", "feed"): 2}


def test_a_released_brake_is_no_longer_in_force() -> None:
    """Two set, one released."""

    def brake(kind: ControlKind, *, active: bool, at: int) -> ControlChanged:
        return ControlChanged(
            at=at, control=kind, scope="*", active=active, issued_by="test", reason="drill"
        )

    summary = fold(
        [
            brake(ControlKind.HALT_ENTRIES, active=True, at=1),
            brake(ControlKind.SAFE_MODE, active=True, at=2),
            brake(ControlKind.HALT_ENTRIES, active=False, at=3),
        ]
    )
    assert summary.halts == {("safe_mode", "*"): "drill"}


def test_a_gate_that_was_missing_all_day_is_named() -> None:
    """A gate that had data once is not blind, whatever it said."""

    def count(passed: int, blocked: int, missing: int) -> GateCount:
        return GateCount(
            passed=passed, blocked=blocked, missing=missing, last_value=None, last_at=0
        )

    report = GatesReported(
        at=1,
        cause=1,
        strategy=KMP,
        trading_date=DAY,
        gates={"spread": count(0, 0, 4), "surge": count(0, 3, 9), "rvol": count(0, 0, 0)},
        intents=(),
    )
    assert fold([report]).blind_gates == [(KMP, "spread")]


def test_an_entry_that_is_no_event_is_counted_and_passed_over() -> None:
    """One bad payload does not end the fold."""
    summary = fold([intent(1)])
    summary.take(Recorded(2, "kst.demo.ops.gateway", b'{"type":"Nonsense.1"}', "x", 0))
    assert (summary.set_aside, summary.intents, summary.position) == (1, 1, 2)
