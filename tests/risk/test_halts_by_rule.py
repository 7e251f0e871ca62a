"""Automatic halts: each trigger trips, clears, is released, and does not trip again by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import Delivery, Event, OrderId, Symbol, codec
from events.control import (
    EVERYTHING,
    HaltCleared,
    HaltMode,
    HaltReleased,
    HaltScope,
    HaltSet,
    HaltTrigger,
    HaltTripped,
    OperatorPresent,
)
from events.market import OpeningAllocation
from events.ops import Degraded, DivergenceFound, Heartbeat, Recovered
from events.trading import (
    DriftCleared,
    FillCorrected,
    Holding,
    IntentDeferred,
    IntentRejected,
    OrderAccepted,
    OrderClosed,
    OrderState,
    OrderSubmitting,
    Side,
)
from risk import gate_from_session
from tests.risk.scenario import (
    DATE,
    KMP,
    KPR,
    NULRIMOK,
    OPEN_AT,
    SECOND,
    A,
    B,
    C,
    Day,
    configuration,
    made,
    session,
    stopped_by,
    topic_is_covered,
    trades,
)
from tests.risk.test_halts import halt

ACCOUNT, SYMBOL, STRATEGY = HaltScope.ACCOUNT, HaltScope.SYMBOL, HaltScope.STRATEGY
UNKNOWN = "_UNKNOWN_"


def degraded(day: Day, condition: str, service: str = "gateway") -> None:
    """Let a service say that something works less well."""
    day.feed(Degraded(at=day.now, service=service, condition=condition, detail="down"))


def recovered(day: Day, condition: str, service: str = "gateway") -> None:
    """Let a service say that it is over."""
    day.feed(Recovered(at=day.now, service=service, condition=condition, detail="up"))


def present(day: Day, timeout: int, at: int | None = None) -> None:
    """Let the operator's host be connected."""
    moment = day.now if at is None else at
    day.feed(
        OperatorPresent(at=moment, issued_by="kim", reason="link", link="desk", timeout_s=timeout)
    )


def diverged(day: Day, service: str, sequence: int = 1) -> None:
    """Let a processor contradict the log."""
    day.feed(
        DivergenceFound(
            at=day.now, service=service, sequence=sequence, kind="changed", expected="", found=""
        )
    )


def cleared(day: Day) -> list[tuple[str, str]]:
    """Return the halts that ended by rule so far: trigger and target."""
    return [
        (event.trigger.value, event.target)
        for event in day.controls
        if isinstance(event, HaltCleared)
    ]


def losing(won: int, **levels: float) -> Day:
    """Return a day that began with 100 million won, 10 million of it in one symbol, and lost."""
    held = (OpeningAllocation(NULRIMOK, C, 1_000, 10_000_000),)
    settings = configuration(**levels)
    day = Day(session(cash=90_000_000, equity=100_000_000, allocations=held, settings=settings))
    lose(day, won)
    return day


def lose(day: Day, won: int) -> None:
    """Let the day's result be a loss of this many won, by a price alone."""
    day.feed(trades(C, 10_000 - won // 1_000, at=day.now))


class Cause(NamedTuple):
    """One way to set a halt off: how it begins and ends, where the halt stands, what it stops."""

    name: str
    begin: Callable[[Day], object]
    end: Callable[[Day], object]
    scope: HaltScope
    target: str
    stops_at: str

    @property
    def trigger(self) -> HaltTrigger:
        """Return the trigger of the halt."""
        return HaltTrigger(self.name)


def lose_an_order(day: Day) -> None:
    """Let an order in A be of unknown fate."""
    order = day.order(day.enter(1, symbol=A, strategy=KPR), Side.BUY, 1)
    day.lose(order)


def close(day: Day, order: OrderId) -> None:
    """Let the broker say that an order is over."""
    day.feed(
        OrderClosed(
            at=day.now,
            order_id=order,
            state=OrderState.CANCELLED,
            filled_quantity=0,
            reason="test",
        )
    )


def find_the_order(day: Day) -> None:
    """Let the newest order end."""
    close(day, [event.order_id for event in day.log if isinstance(event, OrderSubmitting)][-1])


def lose_the_link(day: Day) -> None:
    """Let the operator's host be heard of once and then no more."""
    present(day, 30)
    day.tick(seconds=30)


CAUSES = [
    Cause(
        "drift",
        lambda day: day.drift(A, broker=5, allocated=0),
        lambda day: day.feed(DriftCleared(at=day.now, trading_date=DATE, symbol=A)),
        SYMBOL,
        A,
        "symbol_frozen",
    ),
    Cause(
        "feed_gap",
        lambda day: degraded(day, "feed"),
        lambda day: recovered(day, "feed"),
        ACCOUNT,
        EVERYTHING,
        "safe_mode",
    ),
    Cause(
        "reconciliation",
        lambda day: degraded(day, "reconciliation_failing"),
        lambda day: recovered(day, "reconciliation_failing"),
        ACCOUNT,
        EVERYTHING,
        "safe_mode",
    ),
    Cause("unknown_order", lose_an_order, find_the_order, SYMBOL, A, "symbol_frozen"),
    Cause(
        "operator_link",
        lose_the_link,
        lambda day: present(day, 30),
        ACCOUNT,
        EVERYTHING,
        "safe_mode",
    ),
]


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.name)
def test_a_cause_trips_its_halt_once_and_lifts_it_when_it_is_over(cause: Cause) -> None:
    """Entries close with the cause and open with its end; a second cause trips a second halt."""
    day = Day()
    day.buy(1, symbol=B)
    for count in (1, 2):
        cause.begin(day)
        tripped = [event for event in day.controls if isinstance(event, HaltTripped)]
        assert [(e.trigger, e.scope, e.target, e.mode) for e in tripped] == [
            (cause.trigger, cause.scope, cause.target, HaltMode.NO_ENTRIES)
        ] * count
        assert stopped_by(day.enter(1)) == cause.stops_at
        assert stopped_by(day.leave(symbol=B)) in (None, "own_shares")
        cause.end(day)
        assert cleared(day) == [(cause.name, cause.target)] * count
        assert stopped_by(day.enter(1, limit_price=None, symbol=B)) != "safe_mode"
        day.tick(seconds=1)


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.name)
def test_a_halt_that_an_operator_released_comes_back_with_a_new_cause_only(cause: Cause) -> None:
    """What is still there does not trip again; once it has been over, it does."""
    day = Day()
    cause.begin(day)
    day.release(cause.scope, cause.target, cause.trigger)
    assert made(day.enter(1, strategy=KMP), cause.stops_at).value == "off"
    if cause.name == "drift":
        day.drift(A, broker=6, allocated=0)
    elif cause.name != "operator_link":
        day.tick(seconds=5)
    assert len(day.trips()) == 1
    cause.end(day)
    assert cleared(day) == []
    cause.begin(day)
    assert len(day.trips()) == 2


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.name)
def test_the_end_of_a_cause_lifts_no_other_halt(cause: Cause) -> None:
    """An operator's halt of the same target stays."""
    day = Day()
    cause.begin(day)
    day.halt(cause.scope, cause.target)
    cause.end(day)
    assert isinstance(day.enter(1), IntentRejected)


@pytest.mark.parametrize("cause", CAUSES[:3], ids=lambda cause: cause.name)
def test_a_halt_carried_over_a_session_ends_with_its_cause(cause: Cause) -> None:
    """It does not trip a second time, and its end is seen by the session after."""
    carried = (halt(cause.scope, cause.target, trigger=cause.trigger),)
    day = Day(session(halts=carried))
    assert stopped_by(day.enter(1)) == cause.stops_at
    cause.begin(day)
    assert day.trips() == []
    cause.end(day)
    assert cleared(day) == [(cause.name, cause.target)]
    assert stopped_by(day.enter(1)) is None


def test_a_carried_halt_that_is_released_does_not_trip_while_its_cause_goes_on() -> None:
    """The cause is the one of the session before."""
    day = Day(session(halts=(halt(trigger=HaltTrigger.FEED_GAP),)))
    day.release(trigger=HaltTrigger.FEED_GAP)
    degraded(day, "feed")
    assert day.trips() == []
    recovered(day, "feed")
    degraded(day, "feed")
    assert day.trips() == [("feed_gap", "*", "no_entries")]


def test_drift_that_was_released_in_an_earlier_session_does_not_trip_again() -> None:
    """The books carry the unexplained shares, and no halt for them."""
    held = (OpeningAllocation(UNKNOWN, A, 5, 50_000),)  # type: ignore[arg-type] # a reserved owner
    day = Day(session(allocations=held))
    day.drift(A, broker=5, allocated=0)
    day.drift(B, broker=5, allocated=0)
    assert day.trips() == [("drift", B, "no_entries")]


def test_a_released_halt_for_an_earlier_sessions_order_does_not_excuse_another_order() -> None:
    """The order that had set it off is settled; one of unknown fate today is another cause."""
    day = Day(session(halts=(halt(SYMBOL, A, trigger=HaltTrigger.UNKNOWN_ORDER),)))
    day.release(SYMBOL, A)
    bought = day.enter(1)
    day.lose(day.order(bought, Side.BUY, 1))
    assert day.trips() == [("unknown_order", A, "no_entries")]


def test_an_unknown_order_of_an_earlier_session_is_not_cleared_by_those_of_this_one() -> None:
    """Only an operator knows what became of it."""
    day = Day(session(halts=(halt(SYMBOL, A, trigger=HaltTrigger.UNKNOWN_ORDER),)))
    assert isinstance(day.enter(1), IntentDeferred)
    close(day, OrderId("20250912-KMP-005930-E9-O1"))
    assert cleared(day) == []
    day.release(SYMBOL, A)
    assert stopped_by(day.enter(1)) is None


def test_an_order_unknown_for_too_long_halts_the_account_until_it_is_known() -> None:
    """The clock alone trips it, 30 s after the answer was missed."""
    day = Day()
    lose_an_order(day)
    day.tick(seconds=29)
    assert stopped_by(day.enter(1, symbol=B)) is None
    day.tick(seconds=1)
    assert day.trips() == [
        ("unknown_order", A, "no_entries"),
        ("unknown_order_stop", "*", "no_entries"),
    ]
    decision = day.enter(1, symbol=C)
    assert isinstance(decision, IntentDeferred)
    assert stopped_by(decision) == "safe_mode"
    assert (
        made(decision, "safe_mode").note == "*: an order has been unknown for 30 s or more (risk)"
    )
    find_the_order(day)
    assert cleared(day) == [("unknown_order", A), ("unknown_order", "*")]


def test_a_symbol_opens_with_the_last_of_its_unknown_orders() -> None:
    """The first that is known is not enough; accepted is known as well."""
    day = Day()
    first = day.order(day.enter(1, strategy=KMP), Side.BUY, 1)
    second = OrderId(first.replace("-O1", "-O2"))
    decision = day.decisions[-1]
    day.order(decision, Side.BUY, 1, n=2)
    day.lose(first)
    day.lose(second)
    close(day, first)
    assert cleared(day) == []
    day.feed(
        OrderAccepted(
            at=day.now,
            order_id=second,
            broker_order="7",
            branch="06010",
            adopted=True,
        )
    )
    assert cleared(day) == [("unknown_order", A)]


@pytest.mark.parametrize(
    ("won", "trips"),
    [
        (2_999_000, []),
        (3_000_000, [("daily_loss_warn", "*", "no_entries")]),
        (5_000_000, [("daily_loss_halt", "*", "reduce_only")]),
        (7_000_000, [("daily_loss_flatten", "*", "flatten")]),
    ],
)
def test_a_price_alone_trips_the_level_of_loss_it_reaches(
    won: int, trips: list[tuple[str, str, str]]
) -> None:
    """3 % warns, 5 % halts, 7 % sells out when that level is on; all inclusive."""
    day = losing(won, daily_loss_flatten_pct=0.07)
    assert day.trips() == trips


def test_selling_out_by_loss_is_off_unless_it_is_configured() -> None:
    """Nothing lies beyond the halt."""
    assert losing(9_000_000).trips() == [("daily_loss_halt", "*", "reduce_only")]


def test_each_level_of_loss_trips_once_and_goes_further_than_the_one_before() -> None:
    """Recovery and relapse change nothing; the halt holds until the session ends."""
    day = losing(3_000_000, daily_loss_flatten_pct=0.07)
    for won in (0, 3_500_000, 5_000_000, 0, 6_000_000, 7_000_000, 0, 9_000_000):
        lose(day, won)
    assert day.trips() == [
        ("daily_loss_warn", "*", "no_entries"),
        ("daily_loss_halt", "*", "reduce_only"),
        ("daily_loss_flatten", "*", "flatten"),
    ]
    lose(day, 0)
    assert stopped_by(day.enter(1)) == "flatten"
    assert cleared(day) == []


def test_a_loss_that_an_operator_allowed_trips_again_at_the_next_level_only() -> None:
    """Released, entries pass although the loss is still there, and the checks say by whom."""
    day = losing(3_000_000)
    assert isinstance(day.enter(1), IntentRejected)
    day.release()
    decision = day.enter(1)
    assert stopped_by(decision) is None
    assert made(decision, "daily_warn").note == "entries allowed by operator: test"
    lose(day, 0)
    lose(day, 4_000_000)
    assert len(day.trips()) == 1
    lose(day, 5_000_000)
    assert day.trips()[1:] == [("daily_loss_halt", "*", "reduce_only")]
    assert stopped_by(day.enter(1, symbol=B)) == "entries_halted"


def test_every_event_of_the_account_is_looked_at_for_loss() -> None:
    """A statement's prices, a fill, a corrected fill."""
    day = losing(0)
    day.snapshot(
        holdings=(
            Holding(symbol=C, quantity=1_000, sellable=1_000, cost=10_000_000, last_price=7_000),
        )
    )
    assert day.trips() == [("daily_loss_warn", "*", "no_entries")]
    day = losing(0)
    entry = day.enter(100)
    order = day.order(entry, Side.BUY, 100)
    day.fill(entry, Side.BUY, 100, fee=2_999_999)
    assert day.trips() == []
    day.feed(
        FillCorrected(
            at=day.now,
            order_id=order,
            ordinal=1,
            strategy=KMP,
            symbol=A,
            side=Side.BUY,
            quantity=100,
            amount=1,
            fee=0,
            tax=0,
            reason="test",
        )
    )
    assert day.trips() == [("daily_loss_warn", "*", "no_entries")]


def test_no_loss_is_measured_without_opening_equity() -> None:
    """There is nothing to measure it against; entries wait for that reason."""
    day = Day(session(cash=0, equity=0))
    day.feed(trades(A, 1, at=day.now))
    assert day.trips() == []
    assert stopped_by(day.enter(1)) == "equity_known"


@pytest.mark.parametrize(
    ("service", "scope", "target", "name"),
    [
        ("kmp", STRATEGY, "KMP", "strategy_paused"),
        ("risk", ACCOUNT, "*", "entries_halted"),
        ("guard", ACCOUNT, "*", "entries_halted"),
    ],
)
def test_a_decider_that_contradicts_the_log_halts_what_it_decides_for(
    service: str, scope: HaltScope, target: str, name: str
) -> None:
    """A strategy's own entries, or everything; until an operator releases it."""
    day = Day()
    diverged(day, service)
    diverged(day, service)
    assert day.trips() == [("divergence", target, "no_entries")]
    assert stopped_by(day.enter(1)) == name
    assert (stopped_by(day.enter(1, strategy=KPR, symbol=B)) is None) is (scope is STRATEGY)
    day.release(scope, target)
    diverged(day, service)
    assert stopped_by(day.enter(1)) is None
    diverged(day, service, sequence=2)
    assert len(day.trips()) == 2


@pytest.mark.parametrize(
    ("condition", "service"),
    [("masters", "gateway"), ("feed", "projector"), ("reconciliation_failing", "kmp")],
)
def test_other_conditions_and_other_services_halt_nothing(condition: str, service: str) -> None:
    """Only the gateway speaks for feed and reconciliation."""
    day = Day()
    degraded(day, condition, service)
    recovered(day, condition, service)
    assert day.controls == []


def test_an_announced_leave_ends_the_watch_over_the_operators_host() -> None:
    """With a time-out of 0 nothing is due any more, and a halt of the link ends."""
    day = Day()
    present(day, 30)
    present(day, 0)
    day.tick(seconds=600)
    assert day.controls == []
    lose_the_link(day)
    present(day, 0)
    assert cleared(day) == [("operator_link", "*")]


def test_the_newest_presence_sets_the_time() -> None:
    """Each one counts from when it stands on the log, whatever clock the host has."""
    day = Day()
    present(day, 30, at=day.now - 3_600 * SECOND)
    day.tick(seconds=20)
    present(day, 60, at=day.now + 3_600 * SECOND)
    day.tick(seconds=59)
    assert day.controls == []
    day.tick(seconds=1)
    assert day.trips() == [("operator_link", "*", "no_entries")]
    assert day.controls[0].at == day.now


def test_what_services_and_operators_say_moves_no_time() -> None:
    """An entry is not expired by a clock of another host."""
    day = Day()
    ahead = day.now + 86_400 * SECOND
    day.feed(
        Degraded(at=ahead, service="kmp", condition="x", detail="y"),
        Heartbeat(at=ahead, service="kmp", run="r", position=1, figures={}),
    )
    present(day, 30, at=ahead)
    assert stopped_by(day.enter(1)) is None


def test_an_intent_that_comes_late_is_refused_by_the_halt_that_its_own_time_trips() -> None:
    """The halt stands before the decision, and both name the intent's entry as their cause."""
    day = Day()
    present(day, 30)
    day.now += 30 * SECOND
    decision = day.enter(1)
    assert stopped_by(decision) == "safe_mode"
    (tripped,) = day.controls
    assert isinstance(tripped, HaltTripped)
    assert tripped.cause == decision.cause
    assert day.derived == [tripped, decision]


def test_the_gate_reads_what_its_triggers_react_to() -> None:
    """A topic missing from the inputs would leave a trigger deaf."""
    day = Day()
    for cause in CAUSES:
        cause.begin(day)
        cause.end(day)
    diverged(day, "kmp")
    assert all(topic_is_covered(day.gate, event) for event in day.log[1:])


def test_what_the_gate_of_the_session_before_said_late_is_not_taken_for_this_ones() -> None:
    """A halt with a cause before the opening can land after it: it holds, and ends like any."""
    opened = session()
    gate = gate_from_session(opened)
    late = HaltTripped(
        at=OPEN_AT,
        cause=90,
        scope=ACCOUNT,
        target=EVERYTHING,
        mode=HaltMode.NO_ENTRIES,
        trigger=HaltTrigger.FEED_GAP,
        rule="feed_gap",
        reason="down",
    )
    assert not gate.owns(late)
    assert gate.handle(Delivery(102, late)) == ()
    assert not gate.owns(late)
    up = Recovered(at=OPEN_AT, service="gateway", condition="feed", detail="up")
    (ended,) = gate.handle(Delivery(103, up))
    assert isinstance(ended, HaltCleared)
    assert gate.owns(ended)


def test_a_halt_by_rule_tells_what_happened() -> None:
    """Rule, figures, cause and instant are those of the entry that set it off."""
    day = losing(3_000_000)
    (tripped,) = day.controls
    assert isinstance(tripped, HaltTripped)
    assert tripped == HaltTripped(
        at=day.now,
        cause=len(day.log) - 1,
        scope=ACCOUNT,
        target="*",
        mode=HaltMode.NO_ENTRIES,
        trigger=HaltTrigger.DAILY_LOSS,
        rule="daily_loss_warn",
        reason="day's result -3000000 won, -3.00% of the opening equity 100000000 won; "
        "allowed -3.00%",
    )


STEP = st.tuples(st.integers(0, 12), st.integers(0, 2), st.integers(0, 90))


def lose_sight(day: Day, symbol: Symbol, size: int) -> None:
    """Let an entry's order be of unknown fate, if it was let through, for some time or for good."""
    decision = day.enter(1, symbol=symbol)
    if stopped_by(decision) is not None:
        return
    order = day.order(decision, Side.BUY, 1)
    day.lose(order)
    if size % 2:
        day.tick(seconds=size)
        close(day, order)


def troubled_day(steps: list[tuple[int, int, int]]) -> Day:
    """Return a day on which causes begin and end, operators set and release, and intents come."""
    carried = (halt(trigger=HaltTrigger.RECONCILIATION), halt(HaltScope.STRATEGY, KPR))
    held = (
        OpeningAllocation(KMP, A, 100, 1_000_000),
        OpeningAllocation(NULRIMOK, C, 900, 9 * 10**6),
    )
    day = Day(session(cash=90_000_000, allocations=held, halts=carried))
    symbols = (A, B, C)
    for what, which, size in steps:
        symbol = symbols[which]
        match what:
            case 0:
                day.enter(size, symbol=symbol, strategy=(KMP, KPR, NULRIMOK)[size % 3])
            case 1:
                day.leave(1, symbol=symbol)
            case 2:
                day.tick(seconds=size)
            case 3 | 4:
                condition = ("feed", "reconciliation_failing")[what - 3]
                (degraded if size % 2 else recovered)(day, condition)
            case 5:
                present(day, size)
            case 6:
                diverged(day, ("kmp", "risk", "guard")[which], size)
            case 7:
                day.drift(symbol, broker=size, allocated=size - 1)
            case 8:
                day.feed(DriftCleared(at=day.now, trading_date=DATE, symbol=symbol))
            case 9:
                lose(day, size * 100_000)
            case 10:
                day.release((ACCOUNT, SYMBOL, STRATEGY)[which], (EVERYTHING, A, KPR)[which])
            case 11:
                lose_sight(day, symbol, size)
            case _:
                day.change_limits(risk__daily_loss_warn_pct=size / 1_000)
    return day


@given(st.lists(STEP, max_size=40), st.lists(st.integers(0, 6), min_size=1, max_size=8))
@pytest.mark.invariant(8)
def test_a_gate_started_again_anywhere_derives_what_the_log_holds(
    steps: list[tuple[int, int, int]], delays: list[int]
) -> None:
    """However late its own words reach the log, as when it died before it had appended them."""
    day = troubled_day(steps)
    own = {id(event) for event in day.derived}
    inputs = [event for event in day.log if id(event) not in own]
    gate = gate_from_session(day.opened)
    log: list[Event] = []
    said: list[bytes] = []
    due: list[tuple[int, Event]] = []

    def append(event: Event) -> None:
        log.append(event)
        for output in gate.handle(Delivery(len(log), event)):
            said.append(codec.encode(output))
            due.append((step + delays[len(said) % len(delays)], output))

    for step, event in enumerate(inputs):
        append(event)
        while due and due[0][0] <= step:
            append(due.pop(0)[1])
    while due:
        append(due.pop(0)[1])
    again = gate_from_session(day.opened)
    repeated = [
        codec.encode(output)
        for sequence, event in enumerate(log, 1)
        for output in again.handle(Delivery(sequence, event))
    ]
    assert repeated == said
    on_the_log = [codec.encode(event) for event in log if again.owns(event)]
    assert on_the_log == said


@given(st.lists(STEP, max_size=40))
def test_entries_are_refused_by_the_halts_that_folding_the_log_gives(
    steps: list[tuple[int, int, int]],
) -> None:
    """Nothing is in force that the log does not say, and nothing that it says is forgotten."""
    day = troubled_day(steps)
    force = {(held.scope, held.target, held.trigger) for held in day.opened.halts}
    for event in day.log:
        if isinstance(event, HaltTripped | HaltSet):
            force.add((event.scope, event.target, event.trigger))
        elif isinstance(event, HaltCleared):
            force.discard((event.scope, event.target, event.trigger))
        elif isinstance(event, HaltReleased):
            force = {held for held in force if held[:2] != (event.scope, event.target)}
    halted = any(target in (EVERYTHING, B, KMP) for _, target, _ in force)
    stopped = stopped_by(day.enter(1, symbol=B, strategy=KMP))
    assert (stopped in BY_HALT) is halted


BY_HALT = ("safe_mode", "flatten", "entries_halted", "strategy_paused", "symbol_frozen")
