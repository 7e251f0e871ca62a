"""One line per event: what a person reads who watches a run."""

from __future__ import annotations

import pytest

from deploy.event_text import describe
from events import UNKNOWN, Event, IntentId, OrderId, StrategyId, Symbol, TradingDate
from events.control import (
    EVERYTHING,
    CancelRequested,
    HaltCleared,
    HaltMode,
    HaltReleased,
    HaltScope,
    HaltSet,
    HaltTrigger,
    HaltTripped,
    LeaseReleased,
    LeaseRenewed,
    LeaseTaken,
    LimitsChanged,
    LimitsRefused,
    OperatorPresent,
    SharesReallocated,
)
from events.market import ClockTick, Phase
from events.ops import DaySealed
from events.trading import (
    DriftCleared,
    DriftDetected,
    ExecutionEnded,
    FillCorrected,
    OrderKind,
    OrderSubmitting,
    Side,
    StopChanged,
    StopState,
)

KMP, SAMSUNG, DAY = StrategyId("KMP"), Symbol("005930"), TradingDate("20250915")
EXIT = IntentId("20250915-KMP-005930-X1")
LEASE = {"at": 1, "name": "router", "epoch": 3, "holder": "host-a:11", "run": "r1"}


def operator(reason: str) -> dict[str, str | int]:
    """Return what all orders of an operator have in common."""
    return {"at": 1, "issued_by": "kim", "reason": reason}


LINES: list[tuple[Event, str]] = [
    (
        DaySealed(at=1, cause=9, trading_date=DAY, first=1, last=1_234, entries=1_234, digest="00"),
        "20250915 sealed, 1,234 entries to 1,234",
    ),
    (
        HaltSet(
            scope=HaltScope.STRATEGY,
            target=KMP,
            mode=HaltMode.NO_ENTRIES,
            **operator("news"),  # type: ignore[arg-type]  # shared fields
        ),
        "kim halts strategy KMP (operator), no entries: news",
    ),
    (
        HaltTripped(
            at=1,
            cause=1,
            scope=HaltScope.ACCOUNT,
            target=EVERYTHING,
            mode=HaltMode.REDUCE_ONLY,
            trigger=HaltTrigger.DAILY_LOSS,
            rule="daily_loss_halt_pct",
            reason="-5.1 % of 100,000,000",
        ),
        "halt account (daily loss), reduce only, by rule daily_loss_halt_pct:"
        " -5.1 % of 100,000,000",
    ),
    (
        HaltCleared(
            at=1,
            cause=1,
            scope=HaltScope.SYMBOL,
            target=SAMSUNG,
            trigger=HaltTrigger.UNKNOWN_ORDER,
            reason="known again",
        ),
        "halt symbol 005930 (unknown order) is over: known again",
    ),
    (
        HaltReleased(scope=HaltScope.ALL_HOSTS, target="*", **operator("calm")),  # type: ignore[arg-type]  # shared fields
        "kim releases halt all hosts (all triggers): calm",
    ),
    (
        LimitsChanged(
            changes={"risk.max_position_pct": 0.1, "profile": None},
            **operator("volatile"),  # type: ignore[arg-type]  # shared fields
        ),
        "kim changes limits, risk.max_position_pct 0.1, profile as in the file: volatile",
    ),
    (
        LimitsRefused(at=1, cause=77, reason="no such key"),
        "change of limits at sequence 77 refused: no such key",
    ),
    (
        CancelRequested(symbol=SAMSUNG, strategy=KMP, **operator("too wide")),  # type: ignore[arg-type]  # shared fields
        "kim withdraws orders of KMP 005930: too wide",
    ),
    (
        CancelRequested(**operator("all of it")),  # type: ignore[arg-type]  # shared fields
        "kim withdraws orders of everything: all of it",
    ),
    (
        SharesReallocated(
            symbol=SAMSUNG,
            source=UNKNOWN,
            target=KMP,
            quantity=1_200,
            cost=84_000_000,
            **operator("ours"),  # type: ignore[arg-type]  # shared fields
        ),
        "kim moves 1,200 005930 from _UNKNOWN_ to KMP for 84,000,000 won: ours",
    ),
    (
        OperatorPresent(link="console", timeout_s=60, **operator("connected")),  # type: ignore[arg-type]  # shared fields
        "kim is present by console for 60 s",
    ),
    (
        OperatorPresent(link="console", timeout_s=0, **operator("leaving")),  # type: ignore[arg-type]  # shared fields
        "kim is present by console and leaves",
    ),
    (
        LeaseTaken(ttl_ms=3_000, previous="", **LEASE),  # type: ignore[arg-type]  # shared fields
        "lease router taken by host-a:11, epoch 3",
    ),
    (
        LeaseRenewed(ordinal=4, **LEASE),  # type: ignore[arg-type]  # shared fields
        "lease router renewed by host-a:11, epoch 3",
    ),
    (
        LeaseReleased(**LEASE),  # type: ignore[arg-type]  # shared fields
        "lease router released by host-a:11, epoch 3",
    ),
    (
        ExecutionEnded(
            at=1,
            cause=1,
            intent_id=EXIT,
            strategy=KMP,
            symbol=SAMSUNG,
            side=Side.SELL,
            quantity=1_000,
            filled_quantity=400,
            orders=3,
            reason="withdrawn",
        ),
        "20250915-KMP-005930-X1 ended, withdrawn: 400 of 1,000 by 3 orders",
    ),
    (
        FillCorrected(
            at=1,
            order_id=OrderId(f"{EXIT}-O1"),
            ordinal=1,
            strategy=KMP,
            symbol=SAMSUNG,
            side=Side.SELL,
            quantity=400,
            amount=-1_200,
            fee=0,
            tax=2,
            reason="the broker's books",
        ),
        "20250915-KMP-005930-X1-O1 corrected by -1,200 won, fee +0, tax +2: the broker's books",
    ),
    (
        StopChanged(
            at=1,
            cause=1,
            strategy=KMP,
            symbol=SAMSUNG,
            generation=2,
            state=StopState.SUBMITTED,
            quantity=400,
            stop_price=69_000,
            price=68_900,
            intent_id=IntentId("20250915-KMP-005930-S1"),
        ),
        "stop of KMP 005930 at 69,000 submitted, 400 shares, price 68,900, 20250915-KMP-005930-S1",
    ),
    (
        StopChanged(
            at=1,
            cause=1,
            strategy=KMP,
            symbol=SAMSUNG,
            generation=1,
            state=StopState.MISSING,
            quantity=400,
            stop_price=None,
            price=None,
            reason="adopted without one",
        ),
        "stop of KMP 005930 missing, 400 shares: adopted without one",
    ),
    (
        DriftDetected(
            at=1, trading_date=DAY, symbol=SAMSUNG, broker_quantity=1_300, allocated_quantity=1_000
        ),
        "drift in 005930: broker 1,300, owners 1,000",
    ),
    (
        DriftCleared(at=1, trading_date=DAY, symbol=SAMSUNG),
        "drift in 005930 is over",
    ),
    (
        OrderSubmitting(
            at=1,
            cause=1,
            order_id=OrderId(f"{EXIT}-O2"),
            intent_id=EXIT,
            strategy=KMP,
            symbol=SAMSUNG,
            side=Side.SELL,
            kind=OrderKind.MARKET,
            quantity=600,
            limit_price=None,
            cancel_at=9,
            replaces=OrderId(f"{EXIT}-O1"),
        ),
        "order sell 600 005930 at market instead of 20250915-KMP-005930-X1-O1",
    ),
    (ClockTick(at=1, phase=Phase.CONTINUOUS), "ClockTick"),
]


@pytest.mark.parametrize(("event", "line"), LINES)
def test_every_event_of_steering_has_a_line_of_its_own(event: Event, line: str) -> None:
    """Who, what, how many, why."""
    assert describe(event) == line
