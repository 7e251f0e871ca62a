"""Guard and gate on one log: what the guard asks for passes, and nothing is sold twice."""

from __future__ import annotations

from collections import deque

import pytest
from msgspec.structs import replace

from events import Delivery, Event, IntentId, OrderId, StrategyId
from events.control import EVERYTHING, HaltMode, HaltScope, HaltSet, HaltTripped
from events.market import ClockTick, OpeningAllocation, Phase
from events.trading import (
    Decision,
    DriftDetected,
    ExecutionEnded,
    Horizon,
    IntentApproved,
    IntentKind,
    IntentModified,
    IntentRejected,
    IntentSubmitted,
    OrderUnknown,
    Side,
    Urgency,
)
from risk import gate_from_session
from risk.guard import guard_from_session
from tests.risk.scenario import DATE, KMP, KPR, SECOND, START, A, B, reference, session, trades


class BothRooms:
    """Both processors over one log; what they derive stands behind what they derived it from."""

    def __init__(self, *allocations: OpeningAllocation) -> None:
        opened = session(allocations=allocations)
        self.gate, self.guard = gate_from_session(opened), guard_from_session(opened)
        self.log: list[Event] = []
        self.feed(opened, ClockTick(at=START, phase=Phase.CONTINUOUS))
        self.feed(reference(A), reference(B), trades(A, 10_000), trades(B, 10_000))

    def feed(self, *events: Event) -> None:
        """Append events, and everything that follows from them."""
        waiting = deque(events)
        while waiting:
            event = waiting.popleft()
            self.log.append(event)
            delivery = Delivery(len(self.log), event)
            waiting.extend(self.guard.handle(delivery))
            waiting.extend(self.gate.handle(delivery))

    @property
    def decisions(self) -> dict[str, Decision]:
        """What the gate said, by the intents' ids without their date."""
        found = (event for event in self.log if isinstance(event, Decision))
        return {decision.intent_id.removeprefix(f"{DATE}-"): decision for decision in found}

    def strategy_exits(self, strategy: StrategyId = KMP) -> IntentSubmitted:
        """Return a strategy's own exit from A."""
        return IntentSubmitted(
            at=START,
            cause=1,
            intent_id=IntentId(f"{DATE}-{strategy}-{A}-X1"),
            strategy=strategy,
            symbol=A,
            kind=IntentKind.EXIT,
            quantity=100,
            urgency=Urgency.HIGH,
            horizon=Horizon.INTRADAY,
            reason="test",
            attempt=1,
            expires_at=START + 60 * SECOND,
        )

    def halt(
        self,
        mode: HaltMode,
        scope: HaltScope = HaltScope.ACCOUNT,
        target: str = EVERYTHING,
        *,
        at: int = START,
    ) -> None:
        """Let the operator halt the account, or something in it, at ``at`` by its own clock."""
        self.feed(
            HaltSet(
                at=at,
                issued_by="operator",
                reason="test",
                scope=scope,
                target=target,
                mode=mode,
            )
        )

    def end(self, name: str, quantity: int) -> None:
        """Let an allowed sale of A end without a fill."""
        intent = IntentId(f"{DATE}-{name}")
        self.feed(
            ExecutionEnded(
                at=START,
                cause=len(self.log),
                intent_id=intent,
                strategy=StrategyId(name.split("-", maxsplit=1)[0]),
                symbol=A,
                side=Side.SELL,
                quantity=quantity,
                filled_quantity=0,
                orders=1,
                reason="lifetime",
            )
        )


def shares(
    quantity: int = 100, *, stop: int = 9_900, strategy: StrategyId = KMP
) -> OpeningAllocation:
    """Return shares of A that a strategy carries."""
    return OpeningAllocation(strategy, A, quantity, quantity * 10_000, stop, None)


def allowed(decision: Decision) -> int:
    """Return how many shares a decision lets through."""
    assert isinstance(decision, IntentApproved | IntentModified)
    return decision.quantity


@pytest.mark.invariant(4)
def test_the_strategy_first_on_the_same_trade_leaves_nothing_to_the_guard() -> None:
    """Its exit stands on the log just before the guard's; the guard takes over when that fails."""
    day = BothRooms(shares())
    day.feed(trades(A, 9_900, at=START + SECOND), day.strategy_exits())
    assert allowed(day.decisions["KMP-005930-X1"]) == 100
    refused = day.decisions["KMP-005930-S1"]
    assert isinstance(refused, IntentRejected)
    assert refused.reason == "nothing to sell: KMP owns 100 and 100 are being sold"
    day.feed(ClockTick(at=START + 60 * SECOND, phase=Phase.CONTINUOUS))
    assert "KMP-005930-S2" not in day.decisions
    day.end("KMP-005930-X1", 100)
    day.feed(ClockTick(at=START + 61 * SECOND, phase=Phase.CONTINUOUS))
    assert allowed(day.decisions["KMP-005930-S2"]) == 100


@pytest.mark.invariant(4)
def test_the_guard_first_on_the_same_trade_leaves_nothing_to_the_strategy() -> None:
    """The later one is refused: there is nothing more to sell."""
    day = BothRooms(shares())
    day.feed(trades(A, 9_900, at=START + SECOND))
    day.feed(day.strategy_exits())
    assert allowed(day.decisions["KMP-005930-S1"]) == 100
    refused = day.decisions["KMP-005930-X1"]
    assert isinstance(refused, IntentRejected)
    assert refused.rejected_by == "own_shares"


@pytest.mark.invariant(1)
@pytest.mark.parametrize("mode", HaltMode)
def test_stops_and_liquidation_pass_the_gate_under_every_halt(mode: HaltMode) -> None:
    """With drift in the symbol and an order of unknown fate as well."""
    day = BothRooms(shares(), shares(50, strategy=KPR))
    day.feed(OrderUnknown(at=START, order_id=OrderId(f"{DATE}-KMP-{B}-E1-O1"), reason="test"))
    day.feed(
        DriftDetected(
            at=START, trading_date=DATE, symbol=A, broker_quantity=170, allocated_quantity=150
        )
    )
    day.halt(mode)
    day.feed(trades(A, 9_900, at=START + SECOND))
    kind = "L" if mode is HaltMode.FLATTEN else "S"
    assert allowed(day.decisions[f"KMP-005930-{kind}1"]) == 100
    assert allowed(day.decisions[f"KPR-005930-{kind}1"]) == 50
    if mode is HaltMode.FLATTEN:
        assert allowed(day.decisions["_UNKNOWN_-005930-L1"]) == 20


@pytest.mark.invariant(7)
def test_a_take_profit_makes_way_for_the_stop() -> None:
    """The gate lets its withdrawal through at once, and all shares as soon as it has ended."""
    day = BothRooms(shares())
    day.feed(replace(day.strategy_exits(), limit_price=11_000))
    assert allowed(day.decisions["KMP-005930-X1"]) == 100
    day.feed(trades(A, 9_900, at=START + SECOND))
    assert isinstance(day.decisions["KMP-005930-W1"], IntentApproved)
    assert "KMP-005930-S1" not in day.decisions
    day.end("KMP-005930-X1", 100)
    assert allowed(day.decisions["KMP-005930-S1"]) == 100


@pytest.mark.parametrize("hours", [1, -1])
def test_an_operators_wrong_clock_dates_no_intent_and_moves_no_gate(hours: int) -> None:
    """One strategy is sold out by a clock an hour off; another one's entry has not expired by it.

    The router takes an intent's time as that of its order, too.
    """
    day = BothRooms(shares(50, strategy=KPR))
    off = START + hours * 3_600 * SECOND
    day.halt(HaltMode.FLATTEN, HaltScope.STRATEGY, KPR, at=off)
    (sale,) = (event for event in day.log if isinstance(event, IntentSubmitted))
    assert sale.intent_id.endswith("KPR-005930-L1")
    assert sale.at == START
    assert sale.expires_at >= START + 30 * SECOND
    entry = replace(
        day.strategy_exits(),
        intent_id=IntentId(f"{DATE}-{KMP}-{B}-E1"),
        symbol=B,
        kind=IntentKind.ENTER,
        limit_price=10_000,
        protective_stop=9_900,
    )
    day.feed(entry)
    (expiry,) = (check for check in day.decisions["KMP-000660-E1"].checks if check.name == "expiry")
    assert expiry.value == START


@pytest.mark.invariant(7)
def test_a_crash_through_the_loss_limit_still_sells_at_the_stop() -> None:
    """The gate trips its halts by the same trade; the stop's exit is let through."""
    day = BothRooms(shares(3_000), shares(50, stop=5_000, strategy=KPR))
    day.feed(trades(A, 7_000, at=START + SECOND))
    tripped = [event for event in day.log if isinstance(event, HaltTripped)]
    assert tripped[-1].mode is HaltMode.REDUCE_ONLY
    assert allowed(day.decisions["KMP-005930-S1"]) == 3_000
    assert "KPR-005930-S1" not in day.decisions
