"""Halts, limits, leases, links, stops and executions as rows, no database."""

from __future__ import annotations

import msgspec
import pytest

from events import Event, TradingDate, control, market, trading
from events.control import EVERYTHING, HaltMode, HaltScope, HaltTrigger
from events.trading import Side
from projections.fold import fold
from projections.read_model import ReadModel
from tests.projections import day
from tests.projections.test_fold import folded

ACCOUNT, SYMBOL, STRATEGY = HaltScope.ACCOUNT, HaltScope.SYMBOL, HaltScope.STRATEGY


def ordered(
    scope: HaltScope, target: str, mode: HaltMode = HaltMode.NO_ENTRIES, *, seconds: float = 10
) -> control.HaltSet:
    """Return a halt that an operator set."""
    return control.HaltSet(
        at=day.at(seconds),
        scope=scope,
        target=target,
        mode=mode,
        issued_by="operator",
        reason="news",
    )


def tripped(
    scope: HaltScope, target: str, trigger: HaltTrigger, mode: HaltMode = HaltMode.NO_ENTRIES
) -> control.HaltTripped:
    """Return a halt that the risk gate set by rule."""
    return control.HaltTripped(
        at=day.at(20),
        cause=3,
        scope=scope,
        target=target,
        mode=mode,
        trigger=trigger,
        rule="a rule",
        reason="-3.1 %",
    )


def released(
    scope: HaltScope, target: str, trigger: HaltTrigger | None = None
) -> control.HaltReleased:
    """Return an operator's release."""
    return control.HaltReleased(
        at=day.at(30),
        scope=scope,
        target=target,
        trigger=trigger,
        issued_by="somebody",
        reason="calm",
    )


def in_force(model: ReadModel) -> list[tuple[str, str, str, str]]:
    """Return scope, target, trigger and mode of every halt in force, sorted."""
    return sorted(
        (row.scope, row.target, row.trigger, row.mode) for row in model.halts if row.active
    )


def test_halts_of_one_place_are_kept_apart_by_what_set_them_off() -> None:
    """A cause that is over lifts its own halt; an operator may lift one or all of them."""
    loss = tripped(ACCOUNT, EVERYTHING, HaltTrigger.DAILY_LOSS)
    feed = tripped(ACCOUNT, EVERYTHING, HaltTrigger.FEED_GAP)
    events = [*day.opening(), ordered(ACCOUNT, EVERYTHING, HaltMode.REDUCE_ONLY), loss, feed]
    model = folded(events)
    assert in_force(model) == [
        ("account", "*", "daily_loss", "no_entries"),
        ("account", "*", "feed_gap", "no_entries"),
        ("account", "*", "operator", "reduce_only"),
    ]
    fold(
        model,
        50,
        control.HaltCleared(
            at=day.at(25),
            cause=49,
            scope=ACCOUNT,
            target=EVERYTHING,
            trigger=HaltTrigger.FEED_GAP,
            reason="frames again",
        ),
    )
    fold(model, 51, released(ACCOUNT, EVERYTHING, HaltTrigger.OPERATOR))
    assert in_force(model) == [("account", "*", "daily_loss", "no_entries")]
    fold(model, 52, released(ACCOUNT, EVERYTHING))
    assert in_force(model) == []
    over = model.halts.get("account", "*", "feed_gap")
    assert over is not None
    assert (over.ended_by, over.end_reason, over.ended_at) == ("risk", "frames again", day.at(25))
    lifted = model.halts.get("account", "*", "daily_loss")
    assert lifted is not None
    assert (lifted.ended_by, lifted.rule, lifted.issued_by) == ("somebody", "a rule", "risk")


def test_all_hosts_is_a_place_of_its_own_with_one_target() -> None:
    """Releasing the account's halts leaves those of all hosts, whatever target they were given."""
    model = folded([*day.opening(), ordered(HaltScope.ALL_HOSTS, "demo"), released(ACCOUNT, "*")])
    assert in_force(model) == [("all_hosts", "*", "operator", "no_entries")]
    fold(model, 50, released(HaltScope.ALL_HOSTS, "other"))
    assert in_force(model) == []


def test_a_halt_set_again_changes_its_mode_and_one_that_comes_back_begins_anew() -> None:
    """Since when it holds is the first order's; the second time it is counted."""
    first = ordered(STRATEGY, "KMP")
    worse = ordered(STRATEGY, "KMP", HaltMode.FLATTEN, seconds=15)
    again = ordered(STRATEGY, "KMP", seconds=40)
    model = folded([*day.opening(), first, worse])
    (row,) = model.halts
    assert (row.mode, row.since_at, row.times) == ("flatten", day.at(10), 1)
    fold(model, 50, released(STRATEGY, "KMP"))
    fold(model, 51, again)
    assert (row.mode, row.since_at, row.times, row.ended_by) == (
        "no_entries",
        day.at(40),
        2,
        None,
    )


def test_a_days_rows_say_that_it_was_halted() -> None:
    """Account and strategy have their own row; a symbol's halt is listed among the halts only."""
    model = folded([*day.opening(), ordered(SYMBOL, day.KIA)])
    (portfolio,) = model.portfolio_days
    assert portfolio.halted is False
    fold(model, 50, ordered(STRATEGY, "KMP"))
    fold(model, 51, ordered(ACCOUNT, EVERYTHING, HaltMode.FLATTEN))
    fold(model, 52, released(ACCOUNT, EVERYTHING))
    (strategy,) = model.strategy_days
    assert (strategy.strategy, strategy.halted, strategy.halt_reason) == ("KMP", True, "news")
    assert (portfolio.halted, portfolio.flattened, portfolio.halt_at) == (True, True, day.at(10))


def test_a_session_opens_with_the_halts_it_lists_and_no_other() -> None:
    """The strategy's halt is carried; what the day's loss had set is over."""
    loss = tripped(ACCOUNT, EVERYTHING, HaltTrigger.DAILY_LOSS, HaltMode.REDUCE_ONLY)
    model = folded([*day.scripted_day(), loss, *day.next_morning()])
    assert in_force(model) == [("strategy", "KMP", "operator", "no_entries")]
    kept = model.halts.get("strategy", "KMP", "operator")
    over = model.halts.get("account", "*", "daily_loss")
    assert kept is not None
    assert over is not None
    assert (kept.since_at, kept.times, kept.issued_by) == (day.at(1_300), 1, "operator")
    assert (over.ended_by, over.end_reason) == ("session", "session 20250916 opened")
    today = model.strategy_days.get("20250916", "KMP")
    assert today is not None
    assert today.halted is True


def test_a_refused_change_of_limits_is_kept_and_marked() -> None:
    """The refusal names the change by its place on the log."""
    change = control.LimitsChanged(
        at=day.at(1), issued_by="operator", reason="try", changes={"risk.nonsense": 1}
    )
    model = folded([*day.opening(), change])
    fold(model, 5, control.LimitsRefused(at=day.at(2), cause=4, reason="no such key"))
    fold(model, 6, control.LimitsRefused(at=day.at(2), cause=77, reason="of another log"))
    rows = {row.sequence: (row.complete, row.changes, row.refusal) for row in model.limit_changes}
    assert rows == {
        2: (True, "{}", None),
        4: (False, '{"risk.nonsense":1}', "no such key"),
    }


def test_a_lease_shows_its_holder_and_epoch_also_when_its_taking_was_not_seen() -> None:
    """Taken, renewed, released, taken by another; a renewal on its own says who holds it."""
    model = folded(day.lease_life())
    (lease,) = model.leases
    assert (lease.epoch, lease.holder, lease.state, lease.renewals) == (2, "host-b:12", "held", 1)
    assert (lease.previous, lease.renewed_at, lease.released_at) == ("r1", day.at(2_000), None)
    released_model = folded(day.lease_life()[:3])
    (lease,) = released_model.leases
    assert (lease.state, lease.released_at) == ("released", day.at(1_990))
    (lease,) = folded(day.lease_life()[4:]).leases
    assert (lease.epoch, lease.holder, lease.taken_at) == (2, "host-b:12", None)


def test_operators_are_named_with_what_they_ordered() -> None:
    """Everything ordered by hand is listed; a sign of presence is kept as the newest one."""
    model = folded(day.opening() + day.account_life())
    assert [(row.action, row.issued_by, row.reason) for row in model.operator_actions] == [
        ("HaltSet", "operator", "news"),
        ("LimitsChanged", "operator", "volatile"),
        ("HaltReleased", "operator", "calm again"),
        ("LimitsChanged", "operator", "calm again"),
        ("CancelRequested", "operator", "too wide"),
        ("HaltSet", "operator", "enough"),
    ]
    (link,) = model.operator_links
    assert (link.link, link.timeout_s, link.present_at) == ("console", 60, day.at(820))


def test_the_protection_of_an_allocation_is_where_the_guard_last_said() -> None:
    """Active, triggered by a price, then an exit of the guard is out."""
    triggered = day.stop_at(
        day.KAKAO,
        trading.StopState.TRIGGERED,
        seconds=1_900,
        quantity=30,
        stop=49_500,
        price=49_400,
    )
    submitted = msgspec.structs.replace(
        triggered, state=trading.StopState.SUBMITTED, intent_id="20250915-KMP-035720-S1"
    )
    model = folded([*day.opening(), triggered])
    (stop,) = model.stops
    assert (stop.state, stop.price, stop.stop_price) == ("triggered", 49_400, 49_500)
    fold(model, 50, submitted)
    (stop,) = model.stops
    assert (stop.state, stop.intent_id) == ("submitted", "20250915-KMP-035720-S1")


def test_an_execution_works_from_the_approval_until_the_router_is_done_with_it() -> None:
    """Intents without shares have none; one that ended before any order has no filled share."""
    events = day.kakao_part()
    model = folded([*day.opening(), *events[:2]])
    enter = model.intents.get("20250915-KMP-035720-E1")
    assert enter is not None
    assert (enter.execution, enter.executed_quantity) == ("working", None)
    model = folded([*day.opening(), *events])
    assert {
        row.intent_id[-2:]: (row.execution, row.execution_reason, row.executed_quantity)
        for row in model.intents
    } == {
        "E1": ("ended", "lifetime", 40),
        "M1": (None, None, None),
        "R1": ("working", None, None),
    }
    lost = day.ended(day.intent(day.NAVER, "E9", seconds=1, quantity=1), Side.BUY, 1, 0, seconds=2)
    before = len(list(model.intents))
    fold(model, 99, lost)
    assert len(list(model.intents)) == before, "an intent that is not on this log has no row"


def test_orders_keep_their_route_their_epoch_and_what_they_replace() -> None:
    """What an order was sent under can be read from its row."""
    wish = day.intent(day.KIA, "X1", seconds=1, quantity=5, kind=trading.IntentKind.EXIT)
    first = day.submitting(wish, Side.SELL, 5, 100_000, 2)
    second = msgspec.structs.replace(
        first,
        order_id=day.order_of(wish, 2),
        replaces=first.order_id,
        epoch=2,
        route=trading.Route.SOR,
    )
    model = folded([*day.opening(), wish, first, second])
    orders = {row.order_id[-2:]: (row.route, row.epoch, row.replaces) for row in model.orders}
    assert orders == {"O1": ("krx", 1, None), "O2": ("sor", 2, "20250915-KMP-000270-X1-O1")}


@pytest.mark.parametrize(
    ("deposits", "shown"),
    [((), (None, None, None)), ((5,), (5, None, None)), ((5, 4, 3), (5, 4, 3))],
)
def test_deposits_are_shown_as_far_as_the_broker_gives_them(
    deposits: tuple[int, ...], shown: tuple[int | None, ...]
) -> None:
    """T, T+1 and T+2; what is not given is not known."""
    snapshot = trading.AccountSnapshot(
        at=day.at(1), trading_date=day.DATE, cash=1, equity=2, holdings=(), deposits=deposits
    )
    events: list[Event] = [*day.opening(), snapshot]
    (portfolio,) = folded(events).portfolio_days
    found = (portfolio.deposit_today, portfolio.deposit_next, portfolio.deposit_second_next)
    assert found == shown


def test_a_session_without_changed_limits_says_so() -> None:
    """Its complete row ends what an earlier day had changed."""
    opened = day.next_morning()[0]
    assert isinstance(opened, market.SessionOpened)
    nothing = msgspec.structs.replace(opened, trading_date=TradingDate("20250917"), limits={})
    model = folded([*day.scripted_day(), opened, nothing])
    complete = [(row.changes, row.issued_by) for row in model.limit_changes if row.complete]
    assert complete == [
        ("{}", "session"),
        ('{"risk.max_position_pct":0.1}', "session"),
        ("{}", "session"),
    ]
