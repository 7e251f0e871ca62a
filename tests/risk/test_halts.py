"""Halts: whom each scope and mode concerns, how they end, what a session takes over."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import Symbol
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
)
from events.trading import IntentDeferred, IntentRejected
from risk import Halts
from risk.halts import HaltKey
from tests.risk.scenario import KMP, KPR, START, A, B, C, Day, made, session, stopped_by

ACCOUNT, ALL, STRATEGY, SYMBOL = (
    HaltScope.ACCOUNT,
    HaltScope.ALL_HOSTS,
    HaltScope.STRATEGY,
    HaltScope.SYMBOL,
)
NO_ENTRIES, REDUCE_ONLY, FLATTEN = (
    HaltMode.NO_ENTRIES,
    HaltMode.REDUCE_ONLY,
    HaltMode.FLATTEN,
)
WAITING = (
    HaltTrigger.FEED_GAP,
    HaltTrigger.UNKNOWN_ORDER,
    HaltTrigger.RECONCILIATION,
    HaltTrigger.OPERATOR_LINK,
)


def halt(
    scope: HaltScope = ACCOUNT,
    target: str = EVERYTHING,
    mode: HaltMode = NO_ENTRIES,
    trigger: HaltTrigger = HaltTrigger.OPERATOR,
) -> Halt:
    """Return a halt as an opening carries it."""
    return Halt(
        scope=scope,
        target=target,
        mode=mode,
        trigger=trigger,
        since=START,
        issued_by="kim",
        reason="night",
    )


def placed(kind: type[Any], at: int, **fields: Any) -> Any:
    """Return a control event; whatever is not given is that of an account's drift."""
    values: dict[str, Any] = {"at": at, "scope": ACCOUNT, "target": EVERYTHING}
    values |= {"trigger": HaltTrigger.DRIFT}
    if kind in (HaltSet, HaltTripped):
        values["mode"] = NO_ENTRIES
    values |= {"cause": at} if kind in (HaltTripped, HaltCleared) else {"issued_by": "kim"}
    if kind is HaltTripped:
        values["rule"] = "drift"
    return kind(reason="test", **(values | fields))


@pytest.mark.parametrize("mode", [NO_ENTRIES, REDUCE_ONLY, FLATTEN])
@pytest.mark.parametrize(
    ("scope", "target", "name"),
    [
        (ACCOUNT, EVERYTHING, "entries_halted"),
        (ALL, EVERYTHING, "entries_halted"),
        (STRATEGY, KMP, "strategy_paused"),
        (SYMBOL, A, "symbol_frozen"),
    ],
)
def test_a_halt_of_any_mode_refuses_entries_in_its_scope_until_it_is_released(
    scope: HaltScope, target: str, name: str, mode: HaltMode
) -> None:
    """Selling out is named as such; outside the scope nothing is refused; own shares always go."""
    day = Day()
    day.buy(10, symbol=A)
    day.buy(10, symbol=C, strategy=KPR)
    day.tick(seconds=200)
    day.halt(scope, target, mode)
    expected = "flatten" if mode is FLATTEN else name
    decision = day.enter(1, symbol=A)
    assert isinstance(decision, IntentRejected)
    assert stopped_by(decision) == expected
    assert made(decision, expected).value == "operator"
    assert made(decision, expected).note == f"{target}: test (operator)"
    outside = day.enter(1, symbol=B, strategy=KPR)
    assert (stopped_by(outside) is None) is (scope in (STRATEGY, SYMBOL))
    assert stopped_by(day.leave(5, symbol=A)) is None
    assert stopped_by(day.leave(5, symbol=C, strategy=KPR)) is None
    day.release(scope, target)
    assert stopped_by(day.enter(1, symbol=A)) == "not_held"


@pytest.mark.parametrize("trigger", list(HaltTrigger))
@pytest.mark.parametrize(
    ("scope", "target", "name"),
    [
        (ACCOUNT, EVERYTHING, "entries_halted"),
        (STRATEGY, KMP, "strategy_paused"),
        (SYMBOL, A, "symbol_frozen"),
    ],
)
def test_an_entry_waits_for_halts_that_end_by_themselves_and_is_refused_by_others(
    trigger: HaltTrigger, scope: HaltScope, target: str, name: str
) -> None:
    """A gap, an unknown order, a failing reconciliation, a lost link: ask again later."""
    day = Day()
    day.halt(scope, target, trigger=trigger)
    decision = day.enter(1)
    waits = trigger in WAITING and scope is not STRATEGY
    if waits and scope is ACCOUNT:
        name = "safe_mode"
    assert stopped_by(decision) == name
    assert isinstance(decision, IntentDeferred) is waits
    assert made(decision, name).value == trigger.value


def test_a_symbol_halted_twice_is_refused_for_the_halt_that_stays() -> None:
    """Waiting for an unknown order would not help while an operator's halt is in force."""
    day = Day()
    day.halt(SYMBOL, A, trigger=HaltTrigger.UNKNOWN_ORDER)
    day.halt(SYMBOL, A)
    assert isinstance(day.enter(1), IntentRejected)
    day.release(SYMBOL, A, HaltTrigger.OPERATOR)
    assert isinstance(day.enter(1), IntentDeferred)
    day.release(SYMBOL, A, HaltTrigger.UNKNOWN_ORDER)
    assert stopped_by(day.enter(1)) is None


def test_halts_of_one_target_are_kept_apart_by_trigger() -> None:
    """Releasing one leaves the others; releasing without a trigger ends all of that target."""
    halts = Halts()
    for trigger in (HaltTrigger.OPERATOR, HaltTrigger.DIVERGENCE, HaltTrigger.LOG_REGRESSED):
        halts.take(placed(HaltSet, 1, trigger=trigger))
    halts.take(placed(HaltSet, 2, scope=ALL, trigger=HaltTrigger.OPERATOR))
    halts.take(placed(HaltReleased, 3, trigger=HaltTrigger.DIVERGENCE))
    assert [(h.scope, h.trigger) for h in halts.in_force] == [
        (ACCOUNT, HaltTrigger.OPERATOR),
        (ACCOUNT, HaltTrigger.LOG_REGRESSED),
        (ALL, HaltTrigger.OPERATOR),
    ]
    halts.take(placed(HaltReleased, 4, trigger=None))
    assert [h.scope for h in halts.in_force] == [ALL]


def test_setting_a_halt_again_changes_its_mode_and_reason() -> None:
    """The newest order of a place holds, milder or not."""
    halts = Halts()
    halts.take(placed(HaltSet, 1, mode=FLATTEN))
    halts.take(placed(HaltSet, 2, mode=REDUCE_ONLY))
    (standing,) = halts.in_force
    assert (standing.mode, standing.since, standing.issued_by) == (REDUCE_ONLY, 2, "kim")


def test_the_worst_of_the_halts_that_concern_is_what_holds() -> None:
    """A strategy's shares in a symbol follow account, strategy and symbol, and nothing else."""
    halts = Halts([halt(mode=REDUCE_ONLY), halt(STRATEGY, KMP, FLATTEN), halt(SYMBOL, A)])
    assert halts.worst_mode(KMP, A) is FLATTEN
    assert halts.worst_mode(KPR, A) is REDUCE_ONLY
    assert [h.scope for h in halts.concerning(KPR, A)] == [ACCOUNT, SYMBOL]
    assert Halts([halt(SYMBOL, A)]).worst_mode(KMP, Symbol("000660")) is None
    assert Halts().worst_mode(KMP, A) is None


def test_an_opening_carries_halts_into_the_session_but_not_the_loss_of_the_day_before() -> None:
    """A paused strategy stays paused; yesterday's loss is yesterday's."""
    carried = (halt(STRATEGY, KMP), halt(trigger=HaltTrigger.DAILY_LOSS, mode=REDUCE_ONLY))
    day = Day(session(halts=carried))
    assert made(day.enter(1), "strategy_paused").note == "KMP: night (kim)"
    assert stopped_by(day.enter(1, strategy=KPR)) is None
    day.release(STRATEGY, KMP)
    assert stopped_by(day.enter(1, symbol=B)) is None


def test_a_derived_halt_holds_before_and_after_it_stands_on_the_log() -> None:
    """Reading it back changes nothing."""
    halts = Halts()
    tripped = placed(HaltTripped, 5)
    halts.obey(tripped)
    before = halts.in_force
    halts.take(tripped)
    assert halts.in_force == before
    cleared = placed(HaltCleared, 6)
    halts.obey(cleared)
    assert halts.in_force == ()
    halts.take(cleared)
    assert halts.in_force == ()


def test_a_release_before_a_derived_halt_stands_on_the_log_was_not_meant_for_it() -> None:
    """Whoever folds the log sees the release first and the halt after it, and so does the gate."""
    halts = Halts()
    tripped = placed(HaltTripped, 5)
    halts.obey(tripped)
    halts.take(placed(HaltReleased, 6, trigger=None))
    assert [h.trigger for h in halts.in_force] == [HaltTrigger.DRIFT]
    halts.take(tripped)
    assert [h.trigger for h in halts.in_force] == [HaltTrigger.DRIFT]
    halts.take(placed(HaltReleased, 7, trigger=None))
    assert halts.in_force == ()
    assert halts.release_of(HaltKey(ACCOUNT, EVERYTHING, HaltTrigger.DRIFT)) is not None


PLACE = st.sampled_from(
    [
        (ACCOUNT, EVERYTHING, HaltTrigger.DRIFT),
        (ACCOUNT, EVERYTHING, HaltTrigger.OPERATOR),
        (SYMBOL, str(A), HaltTrigger.DRIFT),
    ]
)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["set", "release", "release all", "trip", "clear"]),
        PLACE,
        st.integers(0, 3),
    ),
    max_size=25,
)


@given(STEPS)
def test_the_gate_agrees_with_whoever_folds_the_log(
    steps: list[tuple[str, tuple[HaltScope, str, HaltTrigger], int]],
) -> None:
    """However late derived halts reach the log: once they have, both have the same in force."""
    gate, reader = Halts(), Halts()
    due: list[tuple[int, Any]] = []

    def append(event: Any) -> None:
        gate.take(event)
        reader.take(event)

    for at, (what, (scope, target, trigger), delay) in enumerate(steps, 1):
        while due and due[0][0] <= at:
            append(due.pop(0)[1])
        fields: dict[str, Any] = {"scope": scope, "target": target, "trigger": trigger}
        if what in ("trip", "clear"):
            event = placed(HaltTripped if what == "trip" else HaltCleared, at, **fields)
            gate.obey(event)
            # One writer: what is derived later also stands on the log later.
            due.append((max([at + delay, *(when for when, _ in due)]), event))
        elif what == "set":
            append(placed(HaltSet, at, **fields))
        else:
            append(
                placed(HaltReleased, at, **(fields | ({"trigger": None} if "all" in what else {})))
            )
    for _, event in due:
        append(event)
    assert set(map(str, gate.in_force)) == set(map(str, reader.in_force))
