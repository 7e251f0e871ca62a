"""KMP while it holds shares: every exit reason, attempts until flat, flatten, alarm, adoption."""

from __future__ import annotations

import pytest

from events.identifiers import UNKNOWN, StrategyId, Symbol, order_id
from events.market import OpeningAllocation, Phase
from events.ops import SetupChanged
from events.trading import (
    FillCorrected,
    IntentExpired,
    IntentKind,
    IntentSubmitted,
    OrderAccepted,
    OrderState,
    Side,
)
from strategies.kmp.exits import ExitReason
from tests.strategies.days import (
    HYNIX,
    KMP,
    NAVER,
    SAMSUNG,
    Day,
    at,
    breathe,
    held_day,
    intent_of,
    opened_day,
    session,
    submitted_day,
)


def exits(day: Day) -> list[IntentSubmitted]:
    """Return all exits of the first symbol, flattening ones included, in order."""
    return [
        intent
        for intent in day.of(IntentSubmitted)
        if intent.symbol == SAMSUNG and intent.kind in (IntentKind.EXIT, IntentKind.FLATTEN)
    ]


# --- each reason ---


def hard_stop(day: Day) -> None:
    day.print("09:16:40", 49_850)


def structure_stop(day: Day) -> None:
    day.print("09:16:40", 49_650)


def acceptance_failure(day: Day) -> None:
    for second in range(32, 39):
        day.print(f"09:16:{second}", 50_150, 40_000)
    day.print("09:16:40", 49_900, bid=49_850, ask=49_900)


def stall(day: Day) -> None:
    day.print("09:24:31", 50_150)


def trailing(day: Day) -> None:
    day.print("09:16:40", 51_100)
    day.print("09:16:50", 50_600)


def risk_off(day: Day) -> None:
    day.index("09:16:40", 267_300)
    day.tick("09:16:41")


def flatten(day: Day) -> None:
    day.tick("14:29:59")
    assert exits(day) == []
    day.tick("14:30:00")


CASES = {
    ExitReason.RISK_OFF: risk_off,
    ExitReason.HARD_STOP: hard_stop,
    ExitReason.STRUCTURE_STOP: structure_stop,
    ExitReason.ACCEPTANCE_FAILURE: acceptance_failure,
    ExitReason.STALL_SCRATCH: stall,
    ExitReason.TRAILING_STOP: trailing,
    ExitReason.FLATTEN_TIME: flatten,
}


def test_every_exit_reason_has_a_case() -> None:
    """Shares without a setup have tests of their own below."""
    assert set(CASES) | {ExitReason.NO_SETUP} == set(ExitReason)


@pytest.mark.parametrize("reason", CASES)
def test_exit_reason_fires_and_sells_everything(reason: ExitReason) -> None:
    """A full exit of the allocation, urgent, named after its rule."""
    # A hard stop of five ATR lies under the structure stop, so that the latter can be seen.
    loose = reason in (ExitReason.STRUCTURE_STOP, ExitReason.ACCEPTANCE_FAILURE)
    day = held_day(hard_stop_atr_mult=5.0 if loose else 1.2)
    CASES[reason](day)
    (exit_,) = exits(day)
    assert exit_.reason == reason
    assert exit_.quantity == 399
    assert exit_.attempt == 1
    flattening = reason is ExitReason.FLATTEN_TIME
    assert exit_.kind is (IntentKind.FLATTEN if flattening else IntentKind.EXIT)
    assert exit_.intent_id == intent_of(f"005930-{'F' if flattening else 'X'}1")
    assert exit_.expires_at == exit_.at + 60_000_000_000
    assert exit_.facts["entry"] == 50_100


def test_prices_inside_the_rules_hold_the_position() -> None:
    """Nothing fires between the stops and the trail."""
    day = held_day()
    day.print("09:16:40", 49_900)
    day.print("09:16:41", 50_200)
    day.print("09:16:42", 50_151)
    day.tick("09:16:43")
    assert exits(day) == []
    assert day.path()[-1] == "IN_POSITION"


def test_trail_compares_after_the_new_maximum() -> None:
    """51,100 keeps half of 1,000: 50,600; with falling ticks it keeps 0.7: 50,800."""
    day = held_day()
    day.print("09:16:40", 51_100)
    day.print("09:16:41", 51_000, 1)
    assert exits(day) == []
    day.print("09:16:42", 50_600, 1)
    assert exits(day)[0].facts["trail"] == 50_600


def test_trail_tightens_while_programs_sell() -> None:
    """Outflow in both markets keeps 0.7 of the gain at once."""
    day = held_day()
    for text, value in (("09:16:35", 0), ("09:17:35", -10)):
        for market in ("KOSPI", "KOSDAQ"):
            day.program(text, market, value)
    day.print("09:17:40", 51_100)
    day.print("09:17:41", 50_800, 1)
    assert exits(day)[0].facts["trail"] == 50_800


def test_exits_do_not_need_the_entry_gates() -> None:
    """A position is sold whatever the regime, the cutoff or missing data say."""
    day = held_day()
    day.account("09:20:00", 0)
    day.tick("11:00:00")
    day.print("11:00:01", 49_000)
    assert exits(day)[0].reason == "hard_stop"


# --- attempts ---


def stopped_day() -> tuple[Day, IntentSubmitted]:
    """Return a day at 09:17:00 whose hard stop has just fired."""
    day = held_day()
    day.print("09:17:00", 49_850)
    return day, exits(day)[0]


def test_approved_exit_is_pending_until_the_shares_are_gone() -> None:
    """IN_POSITION → PENDING_EXIT with the approval, → DONE with the last share."""
    day, exit_ = stopped_day()
    assert day.path()[-1] == "IN_POSITION"
    day.approve("09:17:00.5", exit_)
    assert day.path()[-1] == "PENDING_EXIT"
    order = day.order("09:17:01", exit_)
    day.fill("09:17:02", order, Side.SELL, 300, 49_800)
    day.print("09:17:03", 49_700)
    assert day.path()[-1] == "PENDING_EXIT"
    day.fill("09:17:04", order, Side.SELL, 99, 49_800, cumulative=399)
    assert day.path()[-1] == "DONE"
    assert day.reason() == "hard_stop"
    day.close("09:17:04", order, 399, OrderState.FILLED)
    day.tick("09:17:20")
    assert len(exits(day)) == 1


def test_exit_repeats_with_growing_waits_after_refusals() -> None:
    """3, 5, 10, 30 seconds after each attempt that was refused, with what is left."""
    day, exit_ = stopped_day()
    day.reject("09:17:05", exit_)
    day.tick("09:17:07")
    assert len(exits(day)) == 1
    day.tick("09:17:08")
    second = exits(day)[1]
    assert (second.intent_id, second.attempt) == (intent_of("005930-X2"), 2)
    assert second.reason == "hard_stop"
    day.reject("09:17:08", second)
    day.tick("09:17:12")
    assert len(exits(day)) == 2
    day.tick("09:17:13")
    day.defer("09:17:13", exits(day)[2])
    day.tick("09:17:22")
    assert len(exits(day)) == 3
    day.tick("09:17:23")
    day.approve("09:17:24", exits(day)[3])
    order = day.order("09:17:24", exits(day)[3])
    day.refuse("09:17:25", order)
    day.tick("09:17:54")
    assert len(exits(day)) == 4
    day.tick("09:17:55")
    assert len(exits(day)) == 5
    assert day.path()[-1] == "PENDING_EXIT", "never back to IN_POSITION"


@pytest.mark.parametrize("state", [OrderState.CANCELLED, OrderState.EXPIRED])
def test_execution_at_the_end_of_its_time_is_followed_at_once(state: OrderState) -> None:
    """The next attempt stands right after the execution's end, for the shares that are left."""
    day, exit_ = stopped_day()
    day.approve("09:17:00.2", exit_)
    order = day.order("09:17:00.3", exit_)
    day.fill("09:17:01", order, Side.SELL, 100, 49_800)
    (second,) = [
        event
        for event in day.close("09:17:03.3", order, 100, state)
        if isinstance(event, IntentSubmitted)
    ]
    assert (second.intent_id, second.quantity) == (intent_of("005930-X2"), 299)
    assert day.path()[-1] == "PENDING_EXIT"


@pytest.mark.parametrize("reason", ["withdrawn", "refused", "session_closed", "new word"])
def test_execution_ended_for_another_reason_is_followed_with_growing_waits(reason: str) -> None:
    """Withdrawn by an operator, refused, or for a reason nobody here knows: 3 s, then 5 s."""
    day, exit_ = stopped_day()
    day.approve("09:17:00.2", exit_)
    order = day.order("09:17:00.3", exit_)
    day.fill("09:17:01", order, Side.SELL, 100, 49_800)
    day.close("09:17:05", order, 100, last=False)
    day.end("09:17:05", exit_.intent_id, 100, reason)
    day.tick("09:17:07")
    assert len(exits(day)) == 1
    day.tick("09:17:08")
    assert [each.quantity for each in exits(day)] == [399, 299]
    day.approve("09:17:08.2", exits(day)[1])
    day.end("09:17:09", exits(day)[1].intent_id, 0, reason)
    day.tick("09:17:13")
    assert len(exits(day)) == 2
    day.tick("09:17:14")
    assert len(exits(day)) == 3


def test_exit_let_through_for_no_share_is_repeated_without_waiting_for_an_execution() -> None:
    """The gate saw the shares go before: nothing will be executed, so nothing ends."""
    day, exit_ = stopped_day()
    day.approve("09:17:00.5", exit_, quantity=0)
    day.tick("09:17:03")
    assert len(exits(day)) == 1
    day.tick("09:17:04")
    assert len(exits(day)) == 2


def test_exit_order_ended_immediately_is_followed_three_seconds_after_its_submission() -> None:
    """Executions that end on arrival do not chase each other."""
    day, exit_ = stopped_day()
    day.approve("09:17:00.2", exit_)
    order = day.order("09:17:00.3", exit_)
    day.close("09:17:00.4", order, 0)
    day.tick("09:17:02")
    assert len(exits(day)) == 1
    day.tick("09:17:03")
    assert len(exits(day)) == 2


def test_exit_order_closed_ahead_of_its_fills_waits_for_them() -> None:
    """The order says 300 sold, the book has seen 100: selling 299 more would be too many."""
    day, exit_ = stopped_day()
    day.approve("09:17:00.2", exit_)
    order = day.order("09:17:00.3", exit_)
    day.fill("09:17:01", order, Side.SELL, 100, 49_800)
    day.close("09:17:04", order, 300)
    assert len(exits(day)) == 1
    day.fill("09:17:05", order, Side.SELL, 200, 49_800, cumulative=300)
    day.tick("09:17:07")
    assert [exit_.quantity for exit_ in exits(day)] == [399, 99]


def test_exit_refused_by_the_router_before_submission_is_repeated() -> None:
    """An order nobody saw before is known by its intent; its rejection starts the wait."""
    day, exit_ = stopped_day()
    day.approve("09:17:00.5", exit_)
    order = order_id(exit_.intent_id, 1)
    day.refuse("09:17:01", order, "NO_PRICE")
    day.tick("09:17:03")
    assert len(exits(day)) == 1
    day.tick("09:17:04")
    assert len(exits(day)) == 2


def test_end_of_an_old_exit_says_nothing_about_shares_bought_after_it() -> None:
    """Sold out, a late fill of the entry, then the exit's close: the stops still run."""
    day, entry = submitted_day()
    day.approve("09:16:30.2", entry)
    bought = day.order("09:16:30.3", entry)
    day.fill("09:16:31", bought, Side.BUY, 100, 50_100)
    day.print("09:16:40", 49_850)
    (exit_,) = exits(day)
    day.approve("09:16:40.2", exit_)
    sold = day.order("09:16:40.3", exit_)
    day.fill("09:16:41", sold, Side.SELL, 100, 49_850)
    day.fill("09:16:42", bought, Side.BUY, 50, 50_100, cumulative=150)
    day.close("09:16:43", sold, 100, OrderState.FILLED)
    assert day.path()[-3:] == ["PENDING_EXIT", "DONE", "IN_POSITION"]
    day.tick("09:16:44")
    day.print("09:16:45", 49_800)
    assert [(each.quantity, each.reason) for each in exits(day)[1:]] == [(50, "hard_stop")]


def test_refused_first_exit_stays_in_position_and_is_repeated() -> None:
    """The rule that fired stays fired although price recovers."""
    day, exit_ = stopped_day()
    day.reject("09:17:00.5", exit_)
    day.print("09:17:01", 50_500)
    day.tick("09:17:03")
    assert len(exits(day)) == 1
    day.tick("09:17:04")
    assert len(exits(day)) == 2
    assert day.path()[-1] == "IN_POSITION"


def test_no_second_exit_while_one_is_alive() -> None:
    """An undecided exit blocks the next until it lapses; a working order blocks it for good."""
    day, exit_ = stopped_day()
    day.tick("09:17:59")
    assert len(exits(day)) == 1
    day.tick("09:18:00")
    second = exits(day)[1]
    day.approve("09:18:00.5", second)
    day.order("09:18:01", second)
    for text in ("09:19:00", "09:25:00"):
        day.tick(text)
    assert len(exits(day)) == 2
    day.reject("09:25:01", exit_)
    day.tick("09:25:10")
    assert len(exits(day)) == 2


def test_exit_too_old_at_a_restart_is_repeated_at_once() -> None:
    """It was never submitted, so it owes no wait."""
    day, exit_ = stopped_day()
    day.send(IntentExpired(at=at("09:17:30"), intent=exit_))
    day.tick("09:17:31")
    assert exits(day)[1].intent_id == intent_of("005930-X2")


def test_router_reprices_an_exit_without_a_second_attempt() -> None:
    """Between the orders of an execution, and while any of them works, no attempt is made."""
    day, exit_ = stopped_day()
    day.approve("09:17:00", exit_)
    first = day.order("09:17:00", exit_)
    day.close("09:17:03", first, 0, last=False)
    day.tick("09:17:04")
    second = day.order("09:17:05", exit_, ordinal=2)
    day.fill("09:17:06", second, Side.SELL, 300, 49_700)
    day.tick("09:17:30")
    day.close("09:17:31", second, 300, last=False)
    day.tick("09:25:00")
    assert len(exits(day)) == 1
    day.end("09:25:01", exit_.intent_id, 300, "reprices_used")
    assert [(each.quantity, each.attempt) for each in exits(day)] == [(399, 1), (99, 2)]


def test_exit_order_found_after_its_execution_holds_back_the_next_attempt() -> None:
    """Given up as not found, then listed by the broker after all: it sells until it is over."""
    day, exit_ = stopped_day()
    day.approve("09:17:00.2", exit_)
    order = day.order("09:17:00.3", exit_)
    day.refuse("09:17:05", order, "NOT_FOUND")
    day.send(
        OrderAccepted(at=at("09:17:06"), order_id=order, broker_order="1", branch="2", adopted=True)
    )
    day.tick("09:17:20")
    assert len(exits(day)) == 1
    day.fill("09:17:21", order, Side.SELL, 100, 49_700)
    day.close("09:17:22", order, 100)
    day.tick("09:17:23")
    assert [each.quantity for each in exits(day)] == [399, 299]


def test_order_found_after_a_second_attempt_began_holds_back_the_third() -> None:
    """An older exit that works again is a sale like any other."""
    day, exit_ = stopped_day()
    day.approve("09:17:00.2", exit_)
    order = day.order("09:17:00.3", exit_)
    day.refuse("09:17:05", order, "NOT_FOUND")
    day.tick("09:17:08")
    second = exits(day)[1]
    day.send(
        OrderAccepted(at=at("09:17:09"), order_id=order, broker_order="1", branch="2", adopted=True)
    )
    day.reject("09:17:10", second, by="own_shares")
    day.tick("09:17:40")
    assert len(exits(day)) == 2
    day.close("09:17:41", order, 0)
    day.tick("09:17:42")
    assert len(exits(day)) == 3


# --- the guard sells on the strategy's behalf ---


@pytest.mark.parametrize("purpose", ["S1", "L1"])
def test_nothing_is_sold_beside_the_guard_and_its_sale_ends_the_position(purpose: str) -> None:
    """The hard stop fires while the guard sells: no exit until the guard's execution ended."""
    day = held_day()
    guards = day.guard("09:17:00", purpose, 399)
    day.print("09:17:00.5", 49_850)
    day.tick("09:17:01")
    assert exits(day) == []
    day.approve("09:17:01.2", guards)
    order = day.order("09:17:01.3", guards)
    for text in ("09:18:00", "09:25:00"):
        day.tick(text)
    day.close("09:25:01", order, 0, last=False)
    day.tick("09:25:02")
    assert exits(day) == []
    order = day.order("09:25:03", guards, ordinal=2)
    day.fill("09:25:04", order, Side.SELL, 399, 49_500)
    assert (day.path()[-1], day.reason()) == ("DONE", "hard_stop")
    day.close("09:25:04", order, 399, OrderState.FILLED)
    day.tick("09:25:10")
    assert exits(day) == []


def test_sale_by_the_guard_without_own_exit_ends_the_position() -> None:
    """KMP held on, the guard's stop was hit: its fills are the strategy's fills."""
    day = held_day()
    guards = day.guard("09:17:00", "S1", 399)
    day.approve("09:17:00.2", guards)
    order = day.order("09:17:00.3", guards)
    day.fill("09:17:01", order, Side.SELL, 399, 49_700)
    assert (day.path()[-1], day.reason()) == ("DONE", "sold_without_own_exit")
    assert exits(day) == []


def test_own_exit_follows_when_the_guards_sale_left_shares() -> None:
    """What the guard did not sell is KMP's again, unless the guard tries anew."""
    day = held_day()
    guards = day.guard("09:17:00", "S1", 399)
    day.approve("09:17:00.2", guards)
    day.print("09:17:01", 49_850)
    order = day.order("09:17:01.5", guards)
    day.fill("09:17:02", order, Side.SELL, 100, 49_700)
    day.close("09:17:03", order, 100)
    day.tick("09:17:04")
    assert [(each.quantity, each.reason) for each in exits(day)] == [(299, "hard_stop")]


def test_shares_being_sold_already_are_no_failure() -> None:
    """The guard was faster: no wait grows, and the attempt after its sale comes at once."""
    day, exit_ = stopped_day()
    guards = day.guard("09:17:00.1", "S1", 399)
    day.approve("09:17:00.2", guards)
    day.reject("09:17:00.3", exit_, by="own_shares")
    for text in ("09:17:10", "09:17:30"):
        day.tick(text)
    assert len(exits(day)) == 1
    day.end("09:17:31", guards.intent_id, 0, "refused")
    day.tick("09:17:32")
    second = exits(day)[1]
    day.reject("09:17:32", second, by="sector")
    day.tick("09:17:34")
    assert len(exits(day)) == 2
    day.tick("09:17:35")
    assert len(exits(day)) == 3, "the first real refusal waits three seconds"


def test_rest_of_an_entry_is_cancelled_while_the_guard_sells() -> None:
    """What is being sold is not bought on; nor is it after the last share is gone."""
    day, entry = submitted_day()
    day.approve("09:16:30.2", entry)
    bought = day.order("09:16:30.3", entry)
    day.fill("09:16:31", bought, Side.BUY, 100, 50_100)
    guards = day.guard("09:16:32", "S1", 100)
    day.tick("09:16:33")
    (cancel,) = day.intents(IntentKind.CANCEL_ORDERS)
    assert cancel.reason == "entry_no_longer_wanted"
    day.approve("09:16:33.2", guards)
    sold = day.order("09:16:33.3", guards)
    day.fill("09:16:44", sold, Side.SELL, 100, 49_700)
    assert [each.reason for each in day.intents(IntentKind.CANCEL_ORDERS)] == [
        "entry_no_longer_wanted",
        "position_closed",
    ]


def test_stop_is_not_reported_while_the_guard_sells() -> None:
    """A new stop would begin a new generation of a stop that is being executed."""
    day = held_day()
    day.print("09:16:40", 51_130)
    guards = day.guard("09:16:40.5", "L1", 399)
    day.tick("09:16:41")
    assert day.intents(IntentKind.MODIFY_RISK) == []
    day.reject("09:16:41.5", guards)
    day.tick("09:16:42")
    assert len(day.intents(IntentKind.MODIFY_RISK)) == 1


def test_flatten_repeats_until_the_deadline_and_then_alarms_once() -> None:
    """From 14:30 attempts are FLATTEN intents; at 15:20 they end with an alarm on record."""
    day, exit_ = stopped_day()
    day.approve("09:17:00", exit_)
    first = day.order("09:17:00", exit_)
    day.tick("14:30:00")
    assert len(exits(day)) == 1, "the first attempt's order still works"
    day.close("14:30:01", first, 0)
    flatten_ = exits(day)[1]
    assert (flatten_.kind, flatten_.reason) == (IntentKind.FLATTEN, "flatten_time")
    assert flatten_.intent_id == intent_of("005930-F2")
    assert flatten_.facts["first_reason"] == "hard_stop"
    day.reject("15:19:50", flatten_)
    day.tick("15:20:00", Phase.CLOSING_AUCTION)
    day.tick("15:20:01", Phase.CLOSING_AUCTION)
    assert len(exits(day)) == 2
    alarms = [each for each in day.of(SetupChanged) if each.reason == "not_flat_at_deadline"]
    assert [(alarm.previous, alarm.state) for alarm in alarms] == [("PENDING_EXIT", "PENDING_EXIT")]
    assert alarms[0].facts == {"quantity": 399, "attempts": 2}


def test_exit_cancels_what_still_works_of_the_entry() -> None:
    """A partly filled entry must not go on buying what is being sold."""
    day, intent = submitted_day()
    day.approve("09:16:30.2", intent)
    order = day.order("09:16:30.3", intent)
    day.fill("09:16:31", order, Side.BUY, 100, 50_100)
    day.print("09:16:32", 49_850)
    day.tick("09:16:33")
    assert exits(day)[0].quantity == 100
    cancel = day.intents(IntentKind.CANCEL_ORDERS)[0]
    assert cancel.reason == "entry_no_longer_wanted"
    day.fill("09:16:34", order, Side.BUY, 50, 50_100, cumulative=150)
    day.reject("09:16:34", exits(day)[0])
    day.tick("09:16:37")
    assert exits(day)[1].quantity == 150


# --- stops known outside, sales and cancels ---


def test_risen_trail_is_reported_with_modify_risk() -> None:
    """MODIFY_RISK with the trail on its tick, at most once a minute, only when it rose."""
    day = held_day()
    day.print("09:16:40", 51_130)
    day.tick("09:16:41")
    (first,) = day.intents(IntentKind.MODIFY_RISK)
    assert first.protective_stop == 50_600, "50,615 rounded down to 100 won"
    assert first.intent_id == intent_of("005930-M1")
    day.approve("09:16:42", first)
    day.print("09:17:00", 51_500)
    day.tick("09:17:40")
    assert len(day.intents(IntentKind.MODIFY_RISK)) == 1
    day.tick("09:17:41")
    assert day.intents(IntentKind.MODIFY_RISK)[1].protective_stop == 50_800
    day.approve("09:17:42", day.intents(IntentKind.MODIFY_RISK)[1])
    day.tick("09:19:00")
    assert len(day.intents(IntentKind.MODIFY_RISK)) == 2


@pytest.mark.parametrize("answer", ["rejected", "deferred", "expired", "none"])
def test_report_of_a_stop_that_was_not_taken_is_sent_again(answer: str) -> None:
    """The same stop under the next id a minute later, as long as nobody took it."""
    day = held_day()
    day.print("09:16:40", 51_130)
    day.tick("09:16:41")
    (first,) = day.intents(IntentKind.MODIFY_RISK)
    match answer:
        case "rejected":
            day.reject("09:16:42", first)
        case "deferred":
            day.defer("09:16:42", first)
        case "expired":
            day.send(IntentExpired(at=at("09:17:40"), intent=first))
        case _:
            pass
    day.tick("09:17:40")
    assert len(day.intents(IntentKind.MODIFY_RISK)) == 1
    day.tick("09:17:41")
    second = day.intents(IntentKind.MODIFY_RISK)[1]
    assert (second.intent_id, second.protective_stop) == (intent_of("005930-M2"), 50_600)
    day.approve("09:17:42", second)
    day.tick("09:20:00")
    assert len(day.intents(IntentKind.MODIFY_RISK)) == 2


@pytest.mark.parametrize("closed_by", ["index", "cutoff"])
def test_rest_of_an_entry_is_cancelled_when_entries_close(closed_by: str) -> None:
    """A partly filled entry does not go on buying in a market that is closed for entries."""
    day, entry = submitted_day(entry_cutoff="09:16:40")
    day.approve("09:16:30.2", entry)
    bought = day.order("09:16:30.3", entry)
    day.fill("09:16:31", bought, Side.BUY, 100, 50_100)
    day.tick("09:16:32")
    assert day.intents(IntentKind.CANCEL_ORDERS) == []
    if closed_by == "index":
        day.polls_index = False
        day.index("09:16:33", 272_000, previous=0)
    day.tick("09:16:34")
    assert len(day.intents(IntentKind.CANCEL_ORDERS)) == (closed_by == "index")
    day.tick("09:16:40")
    (cancel,) = day.intents(IntentKind.CANCEL_ORDERS)
    assert cancel.reason == "entry_no_longer_wanted"
    assert exits(day) == []


def test_position_sold_by_another_order_is_done() -> None:
    """Whoever sold it, its fill is the strategy's fill; no exit of its own follows."""
    day = held_day()
    foreign = order_id(intent_of("005930-S1"), 1)
    day.fill("09:16:40", foreign, Side.SELL, 399, 49_600)
    assert day.path()[-1] == "DONE"
    assert day.reason() == "sold_without_own_exit"
    assert exits(day) == []


def test_fills_of_others_change_nothing() -> None:
    """Another strategy trades the same symbol."""
    day = held_day()
    foreign = order_id(intent_of("005930-S1"), 1)
    assert day.fill("09:16:40", foreign, Side.SELL, 399, 49_600, strategy=StrategyId("KPR")) == []
    assert day.path()[-1] == "IN_POSITION"


def test_completed_trade_still_counts_as_leading() -> None:
    """Breadth does not decay because a leader was traded; a setup merely given up leaves it."""
    day = held_day()
    order = order_id(intent_of("005930-S1"), 1)
    day.fill("09:16:40", order, Side.SELL, 399, 50_700)
    breathe(day, 16, (HYNIX,))
    day.tick("09:17:00")
    day.print("09:17:01", 50_200, symbol=HYNIX)
    assert day.path(HYNIX)[-1] == "WAIT_ACCEPTANCE", "two lead: the finished one and this one"
    day.tick("09:18:00")
    day.print("09:18:01", 50_200, symbol=NAVER)
    assert day.path(NAVER)[-1] == "WATCH_BREAK"


# --- shares that change their owner ---


def test_shares_taken_away_end_the_position_or_make_it_smaller() -> None:
    """The operator takes missing shares off KMP: exits ask for what is left, then there is none."""
    day = held_day()
    assert day.reallocate("09:17:00", KMP, UNKNOWN, 100) == []
    day.print("09:17:01", 49_850)
    (exit_,) = exits(day)
    assert exit_.quantity == 299
    assert exit_.facts["entry"] == 50_100
    day.reject("09:17:02", exit_)
    day.reallocate("09:17:03", KMP, UNKNOWN, 299)
    assert (day.path()[-1], day.reason()) == ("DONE", "shares_taken_away")
    day.tick("09:17:10")
    assert len(exits(day)) == 1


def test_shares_taken_from_an_exit_that_works_change_nothing_but_the_rest() -> None:
    """A sale of more than is left empties the position; the surplus is not KMP's to book."""
    day, exit_ = stopped_day()
    day.approve("09:17:00.2", exit_)
    order = day.order("09:17:00.3", exit_)
    day.reallocate("09:17:01", KMP, UNKNOWN, 99)
    day.fill("09:17:02", order, Side.SELL, 300, 49_700)
    assert (day.path()[-1], day.reason()) == ("DONE", "hard_stop")
    day.close("09:17:03", order, 300)
    day.tick("09:17:10")
    assert len(exits(day)) == 1


def test_assigned_shares_of_a_planned_setup_get_its_stops() -> None:
    """An unexplained fill of KMP's own entry is given to it: managed like a late fill."""
    day, entry = submitted_day()
    day.approve("09:16:30.2", entry)
    order = day.order("09:16:30.3", entry)
    day.refuse("09:16:32", order, "NOT_FOUND")
    day.reallocate("09:17:00", UNKNOWN, KMP, 50, cost=2_505_000)
    assert (day.path()[-1], day.reason()) == ("IN_POSITION", "shares_assigned")
    assert exits(day) == []
    day.print("09:17:01", 49_850)
    assert [(each.quantity, each.reason) for each in exits(day)] == [(50, "hard_stop")]


def test_assigned_shares_that_were_never_planned_are_sold_at_once() -> None:
    """In a symbol without a setup there is no rule to hold them by."""
    day = held_day()
    other = Symbol("100000")
    day.reallocate("09:17:00", UNKNOWN, KMP, 10, cost=100_000, symbol=other)
    assert day.path(other) == ["IN_POSITION"]
    (exit_,) = day.intents(IntentKind.EXIT, other)
    assert (exit_.reason, exit_.quantity, exit_.facts["entry"]) == ("no_setup", 10, 10_000)
    assert day.reallocate("09:17:01", UNKNOWN, StrategyId("KPR"), 10, symbol=other) == []


def test_corrected_fill_changes_what_a_position_cost_and_nothing_else() -> None:
    """399 shares for 399 won more: the mean entry is a won higher, the quantity stays."""
    day = held_day()
    order = order_id(intent_of("005930-E1"), 1)
    correction = FillCorrected(
        at=at("09:16:32"),
        order_id=order,
        ordinal=1,
        strategy=KMP,
        symbol=SAMSUNG,
        side=Side.BUY,
        quantity=399,
        amount=399,
        fee=0,
        tax=0,
        reason="test",
    )
    assert day.send(correction) == []
    assert day.send(correction) == []
    day.print("09:17:00", 49_850)
    assert (exits(day)[0].quantity, exits(day)[0].facts["entry"]) == (399, 50_101)


# --- shares without a setup ---


def test_carried_shares_are_sold_when_the_market_opens() -> None:
    """An intraday strategy sells what an earlier session left; not before continuous trading."""
    day = Day(session(allocations=(OpeningAllocation(KMP, SAMSUNG, 70, 3_500_000),)))
    day.universe()
    day.reference()
    day.history()
    day.tick("08:59:00", Phase.OPENING_AUCTION)
    assert day.path() == ["IN_POSITION"]
    assert day.reason() == "carried_over"
    assert exits(day) == []
    day.phase("09:00:00", Phase.CONTINUOUS)
    (exit_,) = exits(day)
    assert (exit_.reason, exit_.quantity) == ("no_setup", 70)
    day.print("09:00:01", 40_000)
    assert len(exits(day)) == 1
    day.minutes("09:15:00")
    day.tick("09:15:50")
    assert day.path() == ["IN_POSITION"], "held shares are no candidate"


def test_shares_never_planned_are_sold_at_once() -> None:
    """A fill in a symbol KMP has no setup for is adopted and sold."""
    day = held_day()
    other = Symbol("100000")
    day.fill("09:16:40", order_id(intent_of("100000-S1"), 1), Side.BUY, 10, 10_000, symbol=other)
    assert day.path(other) == ["IN_POSITION"]
    (exit_,) = day.intents(IntentKind.EXIT, other)
    assert (exit_.reason, exit_.quantity) == ("no_setup", 10)
    assert exit_.reference_price is None


@pytest.mark.invariant(1)
@pytest.mark.parametrize("hours", [7, -1])
def test_an_operators_wrong_clock_keeps_no_exit_back(hours: int) -> None:
    """Shares assigned by a clock beyond the day's end are sold now, attempt after attempt."""
    day = opened_day()
    day.print("10:00:00", 50_000)
    day.tick("10:00:00")
    day.reallocate("10:00:00", UNKNOWN, KMP, 7, cost=350_000, off=hours * 3_600)
    (exit_,) = day.intents(IntentKind.EXIT)
    assert exit_.at == day.at("10:00:00")
    day.reject("10:00:00", exit_)
    day.tick("10:01:00")
    assert len(day.intents(IntentKind.EXIT)) == 2
    assert day.intents(IntentKind.FLATTEN) == []
