"""No halt, limit, freeze, rate or phase refuses an exit, a reduction or a cancel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.control import EVERYTHING, HaltMode, HaltScope, HaltTrigger
from events.market import OpeningAllocation, Phase
from events.ops import Degraded, DivergenceFound
from events.trading import CheckOutcome, IntentApproved, IntentKind, IntentModified, Side
from tests.risk.scenario import (
    KMP,
    A,
    Day,
    configuration,
    operation,
    outcome,
    quote,
    reference,
    session,
    stopped_by,
    trades,
)
from tests.risk.test_halts import halt

HALT = st.tuples(
    st.sampled_from(
        [
            (HaltScope.ACCOUNT, EVERYTHING),
            (HaltScope.ALL_HOSTS, EVERYTHING),
            (HaltScope.STRATEGY, str(KMP)),
            (HaltScope.SYMBOL, str(A)),
        ]
    ),
    st.sampled_from(list(HaltMode)),
    st.sampled_from(list(HaltTrigger)),
)
TROUBLES = st.lists(
    st.sampled_from(
        [
            "feed",
            "reconciliation_failing",
            "divergence",
            "drift",
            "interruption",
            "stopped by the exchange",
            "empty book",
            "designation",
            "loss",
            "unknown order",
            "tight limits",
            "many orders",
        ]
    ),
    max_size=8,
)
LEAVING = (IntentKind.EXIT, IntentKind.REDUCE, IntentKind.FLATTEN)


def befall(day: Day, trouble: str) -> None:
    """Let one thing go wrong that closes entries."""
    match trouble:
        case "feed" | "reconciliation_failing":
            day.feed(Degraded(at=day.now, service="gateway", condition=trouble, detail="down"))
        case "divergence":
            day.feed(
                DivergenceFound(
                    at=day.now, service="kmp", sequence=1, kind="changed", expected="", found=""
                )
            )
        case "drift":
            day.drift(A, broker=1_001, allocated=1_000)
        case "interruption":
            day.interrupt(A, active=True)
        case "stopped by the exchange":
            day.feed(operation(A, halted=True, at=day.now))
        case "empty book":
            day.feed(quote(A, None, None, at=day.now))
        case "designation":
            day.feed(reference(A, "58"))
        case "loss":
            day.feed(trades(A, 7_000, at=day.now))
        case "unknown order":
            decision = day.leave(1)
            day.lose(day.order(decision, Side.SELL, 1, None))
        case "tight limits":
            day.change_limits(risk__max_orders_per_second=1, risk__max_orders_per_symbol_minute=1)
        case _:
            for _ in range(30):
                day.leave(1)


def sold(day: Day) -> int:
    """Return the shares of all exits let through so far."""
    return sum(
        decision.quantity
        for decision in day.decisions
        if isinstance(decision, IntentApproved | IntentModified)
    )


@given(
    halts=st.lists(HALT, max_size=6),
    carried=st.lists(HALT, max_size=3),
    troubles=TROUBLES,
    phase=st.sampled_from(list(Phase)),
    prepared=st.booleans(),
    kind=st.sampled_from(LEAVING),
    asked=st.integers(1, 2_000),
    limit=st.none() | st.sampled_from([1, 9_995, 99_999]),
    expired=st.booleans(),
)
@pytest.mark.invariant(1)
def test_no_combination_of_controls_refuses_an_exit(  # noqa: PLR0917 - hypothesis fills them by name
    halts: Sequence[tuple[tuple[HaltScope, str], HaltMode, HaltTrigger]],
    carried: Sequence[tuple[tuple[HaltScope, str], HaltMode, HaltTrigger]],
    troubles: Sequence[str],
    phase: Phase,
    prepared: bool,
    kind: IntentKind,
    asked: int,
    limit: int | None,
    expired: bool,
) -> None:
    """Own shares that are not being sold already go, all that is asked for; cancels go as well."""
    held = (OpeningAllocation(KMP, A, 1_000, 10_000_000),)
    day = Day(
        session(
            cash=1_000_000,
            allocations=held,
            settings=configuration(max_orders_per_second=2),
            halts=tuple(halt(*place, mode, trigger) for place, mode, trigger in carried),
            limits={"risk.max_positions_count": 8, "nothing": 1} if expired else {},
        ),
        prepared=prepared,
    )
    for trouble in troubles:
        befall(day, trouble)
    for (scope, target), mode, trigger in halts:
        day.halt(scope, target, mode, trigger)
    if prepared:
        day.tick(phase)
    left = 1_000 - sold(day)
    fields: dict[str, Any] = {"limit_price": limit, "expires_at": 0 if expired else day.now + 1}
    decision = day.submit(kind, asked, **fields)
    assert stopped_by(decision) is None
    assert getattr(decision, "quantity", None) == min(asked, left)
    assert all(
        check.outcome in (CheckOutcome.PASS, CheckOutcome.MODIFY, CheckOutcome.MISSING)
        for check in decision.checks
    )
    for other in (IntentKind.CANCEL_ORDERS, IntentKind.MODIFY_RISK):
        assert outcome(day.submit(other, protective_stop=9_000, **fields)) == "IntentApproved"
