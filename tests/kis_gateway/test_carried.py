"""What a session leaves to the next one: halts, limits, stops."""

from __future__ import annotations

import msgspec
import pytest

from bus import MemoryLog
from events import EXTERNAL, UNKNOWN, Delivery, Event, StrategyId
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
    LimitsChanged,
    LimitsRefused,
    SharesReallocated,
)
from events.identifiers import fill_id, order_id
from events.market import OpeningAllocation, SessionOpened
from events.ops import ServiceStarted
from events.trading import (
    FillSource,
    Horizon,
    IntentApproved,
    IntentKind,
    IntentRejected,
    IntentSubmitted,
    OrderFilled,
    OrderKind,
    OrderSubmitting,
    Side,
    Urgency,
)
from kis_gateway.day.carried import Carried, Inheritance, read_carried
from tests.kis_gateway.fakes import ACCOUNT, KMP, SAMSUNG, approved, intent, put, session_opened


def carried(*events: Event, session: SessionOpened | None = None) -> Carried:
    """Return what events at sequences 2, 3, … leave."""
    fold = Inheritance(session or session_opened())
    for sequence, event in enumerate(events, start=2):
        fold.take(Delivery(sequence, event))
    return fold.carried()


# -- halts ---------------------------------------------------------------------------------------


def halted(
    trigger: HaltTrigger = HaltTrigger.OPERATOR,
    scope: HaltScope = HaltScope.ACCOUNT,
    target: str = EVERYTHING,
    mode: HaltMode = HaltMode.NO_ENTRIES,
) -> HaltSet:
    return HaltSet(
        at=5, issued_by="kim", reason="test", scope=scope, target=target, mode=mode, trigger=trigger
    )


def tripped(trigger: HaltTrigger, scope: HaltScope, target: str) -> HaltTripped:
    return HaltTripped(
        at=6,
        cause=1,
        scope=scope,
        target=target,
        mode=HaltMode.NO_ENTRIES,
        trigger=trigger,
        rule="test",
        reason="figures",
    )


def released(trigger: HaltTrigger | None, target: str = EVERYTHING) -> HaltReleased:
    return HaltReleased(
        at=7,
        issued_by="kim",
        reason="done",
        scope=HaltScope.ACCOUNT,
        target=target,
        trigger=trigger,
    )


def test_an_operators_halt_outlives_the_session_as_it_was_changed_last() -> None:
    """Set, then made stricter: one halt, with the mode of the second."""
    halts = carried(halted(), halted(mode=HaltMode.FLATTEN)).halts
    assert halts == (
        Halt(
            scope=HaltScope.ACCOUNT,
            target=EVERYTHING,
            mode=HaltMode.FLATTEN,
            trigger=HaltTrigger.OPERATOR,
            since=5,
            issued_by="kim",
            reason="test",
        ),
    )
    again = carried(session=_with(halts=halts))
    assert again.halts == halts


def _with(**fields: object) -> SessionOpened:
    return msgspec.structs.replace(session_opened(), **fields)


@pytest.mark.parametrize(
    ("trigger", "outlives"),
    [
        (HaltTrigger.OPERATOR, True),
        (HaltTrigger.DRIFT, True),
        (HaltTrigger.DIVERGENCE, True),
        (HaltTrigger.LOG_REGRESSED, True),
        (HaltTrigger.DAILY_LOSS, False),
        (HaltTrigger.FEED_GAP, False),
        (HaltTrigger.UNKNOWN_ORDER, False),
        (HaltTrigger.RECONCILIATION, False),
        (HaltTrigger.OPERATOR_LINK, True),
    ],
)
def test_halts_of_the_day_end_with_it(trigger: HaltTrigger, outlives: bool) -> None:
    """Every trigger is either carried or found anew by the next session."""
    halts = carried(tripped(trigger, HaltScope.ACCOUNT, EVERYTHING)).halts
    assert [halt.trigger for halt in halts] == ([trigger] if outlives else [])


def test_a_release_ends_the_halts_of_its_place_and_trigger_only() -> None:
    """Without a trigger all of the place end."""
    place = HaltScope.SYMBOL, SAMSUNG
    events = (halted(), halted(HaltTrigger.LOG_REGRESSED), tripped(HaltTrigger.DRIFT, *place))
    left = carried(*events, released(HaltTrigger.OPERATOR)).halts
    assert [halt.trigger for halt in left] == [HaltTrigger.LOG_REGRESSED, HaltTrigger.DRIFT]
    left = carried(*events, released(None)).halts
    assert [halt.trigger for halt in left] == [HaltTrigger.DRIFT]


def test_a_drift_that_was_cleared_is_not_carried() -> None:
    """Its halt ended with it."""
    cleared = HaltCleared(
        at=7,
        cause=3,
        scope=HaltScope.SYMBOL,
        target=SAMSUNG,
        trigger=HaltTrigger.DRIFT,
        reason="equal",
    )
    assert carried(tripped(HaltTrigger.DRIFT, HaltScope.SYMBOL, SAMSUNG), cleared).halts == ()


def test_a_halt_of_all_hosts_is_released_whatever_target_is_named() -> None:
    """An account has one target."""
    everywhere = halted(scope=HaltScope.ACCOUNT, target="demo")
    assert carried(everywhere, released(None, target="other")).halts == ()


# -- limits --------------------------------------------------------------------------------------


def changed(**changes: float | None) -> LimitsChanged:
    return LimitsChanged(
        at=5,
        issued_by="kim",
        reason="test",
        changes={key.replace("__", "."): value for key, value in changes.items()},
    )


def test_changed_limits_add_up_and_those_the_gate_refused_are_dropped() -> None:
    """The second of three changes was refused: its sequence is the cause of the refusal."""
    limits = carried(
        changed(risk__max_position_pct=0.1, risk__max_sector_pct=0.2),
        changed(risk__max_position_pct=9.0),
        LimitsRefused(at=6, cause=3, reason="above 1"),
        changed(risk__max_sector_pct=None),
    ).limits
    assert limits == {"risk.max_position_pct": 0.1}


def test_limits_of_the_session_before_go_on() -> None:
    """Until they are changed again."""
    session = _with(limits={"risk.max_position_pct": 0.1, "profile": "conservative"})
    assert carried(changed(profile=None), session=session).limits == {"risk.max_position_pct": 0.1}


# -- stops ---------------------------------------------------------------------------------------


def entry(attempt: int, protective: int | None, hard: int | None = None) -> IntentSubmitted:
    return intent_with(IntentKind.ENTER, "E", attempt, protective, hard)


def intent_with(
    kind: IntentKind, purpose: str, attempt: int, protective: int | None, hard: int | None
) -> IntentSubmitted:
    return IntentSubmitted(
        at=1,
        cause=1,
        intent_id=intent(at=1, purpose=purpose, attempt=attempt).intent_id,
        strategy=KMP,
        symbol=SAMSUNG,
        kind=kind,
        quantity=10,
        urgency=Urgency.HIGH,
        horizon=Horizon.INTRADAY,
        reason="test",
        attempt=attempt,
        expires_at=9,
        protective_stop=protective,
        hard_stop=hard,
    )


def bought(wish: IntentSubmitted, quantity: int = 10) -> tuple[Event, ...]:
    order = order_id(wish.intent_id, 1)
    return (
        OrderSubmitting(
            at=2,
            cause=1,
            order_id=order,
            intent_id=wish.intent_id,
            strategy=wish.strategy,
            symbol=wish.symbol,
            side=Side.BUY,
            kind=OrderKind.LIMIT,
            quantity=quantity,
            limit_price=100,
            cancel_at=9,
        ),
        filled(wish, Side.BUY, quantity),
    )


def filled(wish: IntentSubmitted, side: Side, quantity: int) -> OrderFilled:
    order = order_id(wish.intent_id, 1)
    return OrderFilled(
        at=3,
        order_id=order,
        fill_id=fill_id(order, quantity),
        strategy=wish.strategy,
        symbol=wish.symbol,
        side=side,
        quantity=quantity,
        price=100,
        amount=quantity * 100,
        cumulative_quantity=quantity,
        fee=0,
        tax=0,
        source=FillSource.NOTICE,
    )


def stops(*events: Event, session: SessionOpened | None = None) -> list[tuple[object, ...]]:
    return [
        (item.strategy, item.quantity, item.protective_stop, item.hard_stop)
        for item in carried(*events, session=session).allocations
    ]


@pytest.mark.invariant(7)
def test_shares_carry_the_stops_of_the_entry_that_bought_them() -> None:
    """Protective and hard stop; of two entries the higher ones."""
    first, second = entry(1, 95, 90), entry(2, 93, 91)
    assert stops(first, approved(first), *bought(first)) == [(KMP, 10, 95, 90)]
    assert stops(first, *bought(first), second, *bought(second)) == [(KMP, 20, 95, 91)]


@pytest.mark.invariant(7)
def test_an_allowed_change_replaces_the_stops_it_names_and_a_refused_one_nothing() -> None:
    """The hard stop was not named and stays."""
    wish = entry(1, 95, 90)
    change = intent_with(IntentKind.MODIFY_RISK, "M", 1, 97, None)
    refused = IntentRejected(
        at=4,
        cause=2,
        intent_id=change.intent_id,
        strategy=KMP,
        symbol=SAMSUNG,
        checks=(),
        rejected_by="test",
        reason="x",
    )
    assert stops(wish, *bought(wish), change, approved(change, 0)) == [(KMP, 10, 97, 90)]
    assert stops(wish, *bought(wish), change, refused) == [(KMP, 10, 95, 90)]


def test_shares_that_are_sold_take_their_stops_along() -> None:
    """Bought again without a stop, they have none: that is for the guard to show."""
    wish, again = entry(1, 95, 90), entry(2, None)
    sold = filled(wish, Side.SELL, 10)
    assert stops(wish, *bought(wish), sold, again, *bought(again, 3)) == [(KMP, 3, None, None)]


@pytest.mark.invariant(7)
def test_shares_given_to_a_strategy_bring_their_stop_and_others_have_none() -> None:
    """Two of five unknown shares become KMP's, three the account holder's."""

    def move(target: StrategyId, quantity: int, stop: int | None) -> SharesReallocated:
        return SharesReallocated(
            at=4,
            issued_by="kim",
            reason="x",
            symbol=SAMSUNG,
            source=UNKNOWN,
            target=target,
            quantity=quantity,
            cost=0,
            protective_stop=stop,
        )

    held = OpeningAllocation(strategy=UNKNOWN, symbol=SAMSUNG, quantity=5, cost=500)
    session = session_opened(held)
    assert stops(move(KMP, 2, 95), move(EXTERNAL, 3, None), session=session) == [
        (KMP, 2, 95, None),
        (EXTERNAL, 3, None, None),
    ]


def test_stops_are_carried_over_a_session_in_which_nothing_happened() -> None:
    """Opening to opening."""
    held = OpeningAllocation(
        strategy=KMP, symbol=SAMSUNG, quantity=5, cost=500, protective_stop=95, hard_stop=90
    )
    assert carried(session=session_opened(held)).allocations == (held,)


# -- reading -------------------------------------------------------------------------------------


async def test_what_an_operator_orders_on_a_log_without_a_session_counts() -> None:
    """A halt before the first opening, and one after the gateway's own last entry."""
    log = MemoryLog(ACCOUNT)
    started = ServiceStarted(at=1, service="gateway", run="r1", code_version="t", configuration={})
    await put(log, halted(), started, halted(HaltTrigger.LOG_REGRESSED))
    left = await read_carried(log, None, until=2)
    assert [halt.trigger for halt in left.halts] == [
        HaltTrigger.OPERATOR,
        HaltTrigger.LOG_REGRESSED,
    ]


def test_a_decision_that_approves_no_intent_of_this_log_changes_nothing() -> None:
    """The intent stands before the session."""
    lone = IntentApproved(
        at=1,
        cause=1,
        intent_id=entry(7, 95).intent_id,
        strategy=KMP,
        symbol=SAMSUNG,
        checks=(),
        quantity=1,
    )
    assert stops(lone) == []
