"""The fold behind the summary, fed by hand: every figure written out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from msgspec.structs import replace

from bus import Recorded, entry
from deploy.day_accounts import Profit
from deploy.day_summary import DaySummary
from events import (
    EXTERNAL,
    UNKNOWN,
    AccountId,
    Event,
    IntentId,
    OrderId,
    StrategyId,
    Symbol,
    TradingDate,
)
from events.control import (
    EVERYTHING,
    Halt,
    HaltCleared,
    HaltMode,
    HaltReleased,
    HaltScope,
    HaltSet,
    HaltTrigger,
    HaltTripped,
    SharesReallocated,
)
from events.market import OpeningAllocation, SessionOpened
from events.ops import Degraded, GateCount, GatesReported, Recovered
from events.trading import (
    AccountSnapshot,
    DriftCleared,
    DriftDetected,
    ExecutionEnded,
    FillCorrected,
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
    StopChanged,
    StopState,
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


def test_shares_found_after_the_end_of_an_order_do_not_reopen_it() -> None:
    """A late execution of a cancelled order is booked, and nothing works again."""
    ended = OrderClosed(
        at=1,
        order_id=OrderId("A"),
        state=OrderState.CANCELLED,
        filled_quantity=0,
        reason="cancelled",
    )
    summary = fold(
        [
            submitting("A", Side.BUY, 10),
            ended,
            filled("A", Side.BUY, 4, 70_000, cumulative=4),
        ]
    )
    assert summary.orders == {"cancelled": 1}
    assert summary.fills == 1


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


def halt(scope: HaltScope, target: str, mode: HaltMode, at: int) -> HaltSet:
    """Return a halt that an operator set."""
    return HaltSet(
        at=at, scope=scope, target=target, mode=mode, issued_by="test", reason=f"drill {at}"
    )


def test_halts_in_force_are_named_and_those_that_began_stay_counted() -> None:
    """The day's loss is released, a lost feed is over, the strategy's halt goes on."""
    summary = fold(
        [
            halt(HaltScope.STRATEGY, KMP, HaltMode.NO_ENTRIES, 1),
            HaltTripped(
                at=2,
                cause=1,
                scope=HaltScope.ACCOUNT,
                target=EVERYTHING,
                mode=HaltMode.REDUCE_ONLY,
                trigger=HaltTrigger.DAILY_LOSS,
                rule="daily_loss_halt_pct",
                reason="-5.1 %",
            ),
            HaltTripped(
                at=2,
                cause=1,
                scope=HaltScope.ACCOUNT,
                target=EVERYTHING,
                mode=HaltMode.NO_ENTRIES,
                trigger=HaltTrigger.FEED_GAP,
                rule="feed",
                reason="no frames",
            ),
            HaltCleared(
                at=3,
                cause=2,
                scope=HaltScope.ACCOUNT,
                target=EVERYTHING,
                trigger=HaltTrigger.FEED_GAP,
                reason="frames again",
            ),
            HaltReleased(
                at=4,
                scope=HaltScope.ACCOUNT,
                target=EVERYTHING,
                trigger=HaltTrigger.DAILY_LOSS,
                issued_by="test",
                reason="calm",
            ),
        ]
    )
    assert summary.halts == {("no entries", "strategy KMP (operator)"): "drill 1"}
    assert [each.target for each in summary.in_force] == ["KMP"]
    assert summary.halted == {
        ("strategy KMP (operator)", "no entries"): 1,
        ("account (daily loss)", "reduce only"): 1,
        ("account (feed gap)", "no entries"): 1,
    }


def opened(*, halts: tuple[Halt, ...] = (), **owned: int) -> SessionOpened:
    """Return opening books: shares of Samsung by owner, at 70,000 won each."""
    return SessionOpened(
        at=0,
        trading_date=DAY,
        open_at=1,
        closing_auction_at=2,
        close_at=3,
        cash=0,
        equity=0,
        allocations=tuple(
            OpeningAllocation(
                strategy=StrategyId(owner), symbol=SAMSUNG, quantity=shares, cost=shares * 70_000
            )
            for owner, shares in owned.items()
        ),
        configuration={},
        code_version="1",
        halts=halts,
    )


def test_a_session_begins_with_the_halts_it_carries() -> None:
    """A halt of the day before is in force from the opening on."""
    carried = Halt(
        scope=HaltScope.SYMBOL,
        target=SAMSUNG,
        mode=HaltMode.FLATTEN,
        trigger=HaltTrigger.OPERATOR,
        since=0,
        issued_by="test",
        reason="delisting",
    )
    summary = fold([opened(halts=(carried,))])
    assert summary.in_force == (carried,)
    assert summary.halts == {("flatten", "symbol 005930 (operator)"): "delisting"}


def drift(broker: int, owners: int) -> DriftDetected:
    """Return a finding of the reconciliation."""
    return DriftDetected(
        at=5,
        trading_date=DAY,
        symbol=SAMSUNG,
        broker_quantity=broker,
        allocated_quantity=owners,
    )


def moved(source: StrategyId, target: StrategyId, shares: int) -> SharesReallocated:
    """Return a change of owner."""
    return SharesReallocated(
        at=6,
        issued_by="test",
        reason="counted",
        symbol=SAMSUNG,
        source=source,
        target=target,
        quantity=shares,
        cost=0,
    )


def test_shares_found_or_missing_are_held_or_not_and_earn_nothing() -> None:
    """Ten owned and thirteen there; three acknowledged; then two are missing and taken off."""
    cleared = DriftCleared(at=7, trading_date=DAY, symbol=SAMSUNG)
    found = [opened(KMP=10), drift(13, 10)]
    summary = fold(found)
    assert (summary.holdings, summary.drifting) == ({SAMSUNG: 13}, {SAMSUNG: (13, 10)})
    acknowledged = [*found, moved(UNKNOWN, EXTERNAL, 3), cleared]
    summary = fold(acknowledged)
    assert (summary.holdings, summary.drifting) == ({SAMSUNG: 13}, {})
    summary = fold([*acknowledged, drift(11, 13)])
    assert (summary.holdings, summary.profit.gross) == ({SAMSUNG: 11}, 0)
    summary = fold([*acknowledged, drift(11, 13), moved(KMP, UNKNOWN, 2), cleared])
    assert (summary.holdings, summary.profit.gross) == ({SAMSUNG: 11}, 0)
    assert summary.accounts.drifts == {SAMSUNG: 2}


def test_unexplained_shares_that_are_sold_are_no_longer_unexplained() -> None:
    """Carried into the day, sold by the guard: nothing is held and nothing is left to explain."""
    sold = filled("A", Side.SELL, 4, 70_000, cumulative=4)
    mine = replace(sold, strategy=UNKNOWN)
    cleared = DriftCleared(at=7, trading_date=DAY, symbol=SAMSUNG)
    assert fold([opened(_UNKNOWN_=4), submitting("A", Side.SELL, 4), mine, cleared]).holdings == {}


def test_a_correction_changes_the_money_of_a_day_and_no_share() -> None:
    """100 won less paid, 50 won more got, a won more of fee and tax each."""

    def corrected(order: str, side: Side, amount: int, fee: int, tax: int) -> FillCorrected:
        return FillCorrected(
            at=1,
            order_id=OrderId(order),
            ordinal=1,
            strategy=KMP,
            symbol=SAMSUNG,
            side=side,
            quantity=10,
            amount=amount,
            fee=fee,
            tax=tax,
            reason="the broker's books",
        )

    summary = fold(
        [
            submitting("A", Side.BUY, 10),
            filled("A", Side.BUY, 10, 70_000, cumulative=10, fee=105),
            corrected("A", Side.BUY, -100, 1, 0),
            submitting("B", Side.SELL, 10),
            filled("B", Side.SELL, 10, 71_000, cumulative=10, fee=106, tax=1_065),
            corrected("B", Side.SELL, 50, 0, 1),
        ]
    )
    assert summary.profit == Profit(gross=10_150, fees=212, tax=1_066)
    assert (summary.fills, summary.holdings) == (2, {})
    assert summary.orders == {"filled": 2}


def test_executions_are_counted_by_why_they_ended() -> None:
    """Complete ones are no news; one that left shares is among the recent lines."""

    def ended(number: int, executed: int, reason: str) -> ExecutionEnded:
        return ExecutionEnded(
            at=1,
            cause=1,
            intent_id=IntentId(f"20250915-KMP-005930-X{number}"),
            strategy=KMP,
            symbol=SAMSUNG,
            side=Side.SELL,
            quantity=10,
            filled_quantity=executed,
            orders=2,
            reason=reason,
        )

    summary = fold([ended(1, 10, "complete"), ended(2, 4, "withdrawn"), ended(3, 10, "complete")])
    assert summary.executions == {"complete": 2, "withdrawn": 1}
    assert [each.sequence for each in summary.recent] == [2]


def test_allocations_without_a_working_stop_are_named() -> None:
    """The guard's last word counts: one is active again, one failed."""

    def stop(symbol: str, state: StopState) -> StopChanged:
        return StopChanged(
            at=1,
            cause=1,
            strategy=KMP,
            symbol=Symbol(symbol),
            generation=1,
            state=state,
            quantity=10,
            stop_price=69_000,
            price=None,
        )

    summary = fold(
        [
            stop("005930", StopState.MISSING),
            stop("005930", StopState.ACTIVE),
            stop("000660", StopState.TRIGGERED),
            stop("000660", StopState.FAILED),
        ]
    )
    assert [(each.symbol, each.state) for each in summary.unprotected] == [
        ("000660", StopState.FAILED)
    ]


def test_an_order_found_after_it_was_given_up_works_again() -> None:
    """Only the broker's late word does that, not a receipt of the ordinary kind."""
    lost = OrderRejected(at=1, order_id=OrderId("A"), code="NOT_FOUND", message="not listed")
    receipt = OrderAccepted(at=1, order_id=OrderId("A"), broker_order="1", branch="")
    before = [submitting("A", Side.BUY, 10), lost]
    assert fold([*before, receipt]).orders == {"rejected": 1}
    assert fold([*before, replace(receipt, adopted=True)]).orders == {"accepted": 1}


@pytest.mark.invariant(10)
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
