"""Protective stops: they work without the strategy, to the end, and never beside another's sale."""

from __future__ import annotations

import pytest

from events import UNKNOWN
from events.control import HaltMode
from events.market import Phase, SymbolReference, Venue
from events.trading import IntentExpired, IntentKind, StopState, Urgency
from risk.errors import SettingsContradiction, SettingsMalformed
from risk.guard import guard_from_session
from tests.risk.guard_day import DATE, KMP, KPR, A, B, GuardDay, carried, session

ACTIVE, TRIGGERED, WAITING, SUBMITTED, DONE, FAILED, MISSING = (
    StopState.ACTIVE,
    StopState.TRIGGERED,
    StopState.WAITING,
    StopState.SUBMITTED,
    StopState.DONE,
    StopState.FAILED,
    StopState.MISSING,
)


@pytest.mark.invariant(7)
def test_shares_are_sold_at_their_stop_with_the_strategy_silent() -> None:
    """The first trade at the stop asks for the sale of everything, urgently, for the owner."""
    day = GuardDay()
    day.bought(100, stop=9_900)
    day.trade(9_901)
    assert day.asked == []
    day.trade(9_900)
    (exit_,) = day.intents
    assert exit_.intent_id == "20250915-KMP-005930-S1"
    assert (exit_.kind, exit_.strategy, exit_.quantity) == (IntentKind.EXIT, KMP, 100)
    assert (exit_.urgency, exit_.attempt, exit_.limit_price) == (Urgency.HIGH, 1, None)
    assert exit_.facts == {"stop": 9_900, "hit": 9_900, "generation": 1}
    assert day.states == [ACTIVE, TRIGGERED, SUBMITTED]
    assert [stop.price for stop in day.stops] == [None, 9_900, 9_900]
    assert day.stops[-1].intent_id == exit_.intent_id
    day.sold(exit_)
    assert day.states[-1] is DONE
    day.trade(9_000)
    assert len(day.intents) == 1


def test_a_stop_stands_with_the_first_share_of_an_entry() -> None:
    """Part of the entry is bought and part still works: the part is guarded."""
    day = GuardDay()
    entry = day.buying(100, stop=9_900)
    assert day.stops == []
    day.fill(entry, 10)
    (stop,) = day.stops
    assert (stop.state, stop.quantity, stop.stop_price, stop.generation) == (ACTIVE, 10, 9_900, 1)
    day.trade(9_890)
    assert [intent.quantity for intent in day.intents] == [10]


def test_shares_that_come_in_during_the_exit_are_sold_as_well() -> None:
    """The entry goes on buying: after the first pause the whole quantity is asked for again."""
    day = GuardDay()
    entry = day.buying(100)
    day.fill(entry, 10)
    day.trade(9_900)
    day.fill(entry, 30)
    assert day.asked == ["KMP-005930-S1"]
    day.tick(1)
    assert day.asked == ["KMP-005930-S1", "KMP-005930-S2"]
    assert day.intents[1].quantity == 40


def test_executed_shares_of_a_sale_sell_nothing_more() -> None:
    """30 of 50 were sold when 10 come in: what is left of the sale does not cover all of them."""
    day = GuardDay(carried(50, 9_900))
    entry = day.buying(10)
    day.trade(9_900)
    sale = day.intents[0]
    day.approve(sale)
    day.order(sale, 50)
    day.fill(sale, 30)
    day.fill(entry, 10)
    day.tick(1)
    assert [intent.quantity for intent in day.intents] == [50, 30]


@pytest.mark.parametrize(
    ("protective", "hard", "kind", "price"),
    [
        (9_900, None, "protective_stop", 9_900),
        (None, 9_800, "hard_stop", 9_800),
        (9_900, 9_800, "protective_stop", 9_900),
        (9_800, 9_900, "hard_stop", 9_900),
    ],
)
def test_the_higher_of_both_stops_is_watched(
    protective: int | None, hard: int | None, kind: str, price: int
) -> None:
    """One of them is enough, and the one reached first counts."""
    day = GuardDay()
    day.bought(stop=protective, hard=hard)
    day.trade(price + 1)
    assert day.intents == []
    day.trade(price)
    assert day.intents[0].reason == kind


def test_a_gap_through_the_stop_sells_at_once() -> None:
    """The price never printed at the stop itself."""
    day = GuardDay(carried(100, 9_900))
    day.trade(8_000)
    assert day.asked == ["KMP-005930-S1"]
    assert day.stops[1].price == 8_000


def test_the_lowest_trade_of_a_frame_counts() -> None:
    """It dipped and recovered within one frame."""
    day = GuardDay(carried(100, 9_900))
    day.trade(10_000, 9_899, 10_050)
    assert day.stops[1].state is TRIGGERED
    assert day.stops[1].price == 9_899


def test_an_exit_goes_on_when_the_price_recovers() -> None:
    """The first attempt sold a part; the price is far above the stop; the rest follows."""
    day = GuardDay(carried(100, 9_900))
    day.trade(9_900)
    first = day.intents[0]
    day.approve(first)
    day.order(first, 100)
    day.fill(first, 60)
    day.trade(10_500)
    day.end(first, 60)
    assert day.states[-1] is FAILED
    assert day.stops[-1].reason == "ended (lifetime), 60 of 100 executed"
    day.trade(10_600)
    assert len(day.intents) == 1
    day.tick(1)
    assert day.asked[-1] == "KMP-005930-S2"
    assert (day.intents[1].quantity, day.intents[1].attempt) == (40, 2)
    day.sold(day.intents[1])
    assert day.states[-1] is DONE


def test_failed_attempts_follow_each_other_with_growing_pauses() -> None:
    """1, 2, 5, 10, then every 30 seconds, without end."""
    day = GuardDay(carried(100, 9_900))
    day.trade(9_900)
    waits = []
    for _ in range(7):
        day.failed(day.intents[-1])
        before, seconds = len(day.intents), 0
        while len(day.intents) == before:
            day.tick(1)
            seconds += 1
        waits.append(seconds)
    assert waits == [1, 2, 5, 10, 30, 30, 30]
    assert [intent.attempt for intent in day.intents] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert len({intent.intent_id for intent in day.intents}) == 8


def test_a_refused_exit_is_asked_again_while_shares_are_left() -> None:
    """The broker did not let go of the shares for a moment."""
    day = GuardDay(carried(100, 9_900))
    day.trade(9_900)
    day.refuse(day.intents[0])
    assert (day.states[-1], day.stops[-1].reason) == (FAILED, "refused by own_shares")
    day.tick(1)
    assert day.asked == ["KMP-005930-S1", "KMP-005930-S2"]


def test_nothing_is_asked_while_the_strategy_sells_everything() -> None:
    """From its submission on, decided or not."""
    day = GuardDay(carried(100, 9_900))
    exit_ = day.submit(IntentKind.EXIT, None)
    day.trade(9_900)
    day.approve(exit_, 100)
    day.trade(9_800)
    day.sold(exit_, 100)
    assert day.intents == []
    assert day.states == [ACTIVE, DONE]


def test_a_stop_hit_during_the_strategys_exit_is_carried_out_when_that_fails() -> None:
    """The strategy died after its first attempt; the price is above the stop again."""
    day = GuardDay(carried(100, 9_900))
    exit_ = day.submit(IntentKind.EXIT, 100)
    day.approve(exit_)
    day.order(exit_, 100)
    day.trade(9_900)
    day.trade(10_100)
    day.end(exit_)
    assert day.states == [ACTIVE, TRIGGERED, SUBMITTED]
    assert day.asked == ["KMP-005930-S1"]


def test_a_symbol_whose_trades_all_arrive_late_counts_as_silent() -> None:
    """None of them can set a stop off: a slow feed, or clocks that are apart, must be seen."""
    day = GuardDay(carried(100, 9_900))
    for _ in range(31):
        day.tick(10)
        day.trade(9_000, age=31)
    assert [stop.reason for stop in day.stops] == ["protective_stop", "no fresh trade for 300 s"]
    day.trade(10_000)
    assert day.stops[-1].reason == "it trades again"


@pytest.mark.invariant(7)
def test_a_stop_withdraws_a_sale_that_waits_for_a_better_price_and_sells_itself() -> None:
    """A take-profit above the market holds all shares; it may wait for ever."""
    day = GuardDay(carried(100, 9_900))
    profit = day.submit(IntentKind.EXIT, None, limit=11_000)
    day.approve(profit, 100)
    day.order(profit, 100)
    day.trade(9_900)
    (withdrawal,) = day.intents
    assert withdrawal.intent_id == "20250915-KMP-005930-W1"
    assert withdrawal.kind is IntentKind.CANCEL_ORDERS
    assert withdrawal.facts == {"stop": 9_900, "hit": 9_900, "generation": 1, "sells": True}
    day.trade(9_890)
    day.tick(4)
    assert len(day.intents) == 1
    day.tick(1)
    assert day.asked[1:] == ["KMP-005930-W2"]
    day.end(profit, reason="withdrawn")
    assert day.asked[2:] == ["KMP-005930-S1"]
    assert day.intents[-1].quantity == 100
    assert day.states == [ACTIVE, TRIGGERED, SUBMITTED]
    day.sold(day.intents[-1])
    assert day.states[-1] is DONE


@pytest.mark.invariant(7)
def test_a_stop_sells_the_rest_while_a_part_still_waits_for_a_better_price() -> None:
    """60 of 100 shares stand in a take-profit; 40 go at once, 60 as soon as it is withdrawn."""
    day = GuardDay(carried(100, 9_900))
    profit = day.submit(IntentKind.REDUCE, 60, limit=11_000)
    day.approve(profit)
    day.order(profit, 60)
    day.trade(9_900)
    assert day.asked == ["KMP-005930-W1", "KMP-005930-S1"]
    day.sold(day.intents[-1], 40)
    day.end(profit, reason="withdrawn")
    day.tick(1)
    assert day.asked[2:] == ["KMP-005930-S2"]
    assert day.intents[-1].quantity == 60


def test_a_sale_at_a_limit_that_was_filled_is_not_withdrawn() -> None:
    """Its execution only has to end."""
    day = GuardDay(carried(100, 9_900))
    profit = day.submit(IntentKind.REDUCE, 60, limit=11_000)
    day.approve(profit)
    day.order(profit, 60)
    day.fill(profit, 60)
    day.trade(9_900)
    assert day.asked == ["KMP-005930-S1"]


def test_a_sale_whose_limit_the_market_is_above_is_left_to_its_strategy() -> None:
    """Until the price falls to its limit: then it may wait."""
    day = GuardDay(carried(100, 9_900))
    exit_ = day.submit(IntentKind.EXIT, None, limit=9_800)
    day.approve(exit_, 100)
    day.order(exit_, 100)
    day.trade(9_900)
    assert day.intents == []
    day.trade(9_800)
    assert day.asked == ["KMP-005930-W1"]


def test_a_waiting_sale_is_withdrawn_when_the_symbol_trades_again() -> None:
    """Before that nothing could take its place."""
    day = GuardDay(carried(100, 9_900))
    day.approve(day.submit(IntentKind.EXIT, None, limit=11_000), 100)
    day.halt_trading()
    day.trade(9_900)
    assert day.intents == []
    day.halt_trading(halted=False)
    assert day.asked == ["KMP-005930-W1"]


def test_flatten_withdraws_a_sale_that_waits_for_a_better_price() -> None:
    """With no price known yet any limit may wait."""
    day = GuardDay(carried(100, 9_900))
    profit = day.submit(IntentKind.EXIT, None, limit=9_950)
    day.approve(profit, 100)
    day.order(profit, 100)
    day.halt(HaltMode.FLATTEN)
    assert day.asked == ["KMP-005930-W1"]
    assert day.intents[0].facts["sells"] is True
    day.end(profit, reason="withdrawn")
    assert day.asked[1:] == ["KMP-005930-L1"]


def test_a_refusal_is_no_failure_while_the_strategy_sells() -> None:
    """Both fired on one trade, the gate let the strategy's exit through and refused ours."""
    day = GuardDay(carried(100, 9_900))
    day.trade(9_900)
    exit_ = day.submit(IntentKind.EXIT, 100)
    day.approve(exit_)
    day.refuse(day.intents[0])
    day.tick(30)
    assert day.states == [ACTIVE, TRIGGERED, SUBMITTED]
    assert len(day.intents) == 1
    day.order(exit_, 100)
    day.fill(exit_, 70)
    day.end(exit_, 70)
    assert day.states[-1] is FAILED
    day.tick(1)
    assert day.intents[1].quantity == 30


def test_a_strategy_that_sells_a_part_is_joined() -> None:
    """Its reduction covers half: all is asked for, and the gate takes the half off."""
    day = GuardDay(carried(100, 9_900))
    day.approve(day.submit(IntentKind.REDUCE, 50))
    day.trade(9_900)
    assert [intent.quantity for intent in day.intents] == [100]
    day.approve(day.intents[0], 50)
    day.tick(60)
    assert len(day.intents) == 1


def test_a_stop_is_carried_over_from_the_session_before() -> None:
    """It is active from the opening books on, before anything trades."""
    day = GuardDay(carried(100, 9_900, hard=9_800), open_market=False)
    (stop,) = day.stops
    assert (stop.state, stop.stop_price, stop.cause) == (ACTIVE, 9_900, 1)
    day.tick()
    day.trade(9_700)
    assert day.asked == ["KMP-005930-S1"]


def test_an_allowed_change_moves_the_stop() -> None:
    """From the decision on; each price is a generation of its own."""
    day = GuardDay(carried(100, 9_900))
    change = day.submit(IntentKind.MODIFY_RISK, None, stop=10_100)
    day.trade(10_050)
    day.approve(change)
    assert [(stop.state, stop.generation, stop.stop_price) for stop in day.stops[:2]] == [
        (ACTIVE, 1, 9_900),
        (ACTIVE, 2, 10_100),
    ]
    # The last trade lies below the new stop already.
    assert day.states[2:] == [TRIGGERED, SUBMITTED]


def test_a_refused_change_moves_nothing() -> None:
    """The stop before it stays."""
    day = GuardDay(carried(100, 9_900))
    day.refuse(day.submit(IntentKind.MODIFY_RISK, None, stop=9_000))
    day.trade(9_900)
    assert day.intents[0].facts["stop"] == 9_900


def test_a_change_of_one_stop_leaves_the_other() -> None:
    """What a change does not name stays in force."""
    day = GuardDay(carried(100, 9_900, hard=9_500))
    day.approve(day.submit(IntentKind.MODIFY_RISK, None, stop=9_400))
    assert day.stops[-1].stop_price == 9_500


def test_late_shares_of_an_entry_do_not_bring_its_first_stop_back() -> None:
    """The stop was raised while the entry was still buying."""
    day = GuardDay()
    entry = day.buying(100, stop=9_900)
    day.fill(entry, 50)
    day.approve(day.submit(IntentKind.MODIFY_RISK, None, stop=9_950))
    day.fill(entry, 50)
    day.trade(9_950)
    assert [intent.quantity for intent in day.intents] == [100]


def test_of_two_entries_the_higher_stop_holds_until_it_is_changed() -> None:
    """Both bring their stops once, however their shares arrive."""
    day = GuardDay()
    first, second = day.buying(100, stop=9_900), day.buying(100, stop=9_950)
    day.fill(first, 50)
    day.fill(second, 50)
    assert [stop.stop_price for stop in day.stops] == [9_900, 9_950]
    day.approve(day.submit(IntentKind.MODIFY_RISK, None, stop=9_000))
    day.fill(first, 50)
    day.fill(second, 50)
    assert day.stops[-1].stop_price == 9_000


def test_a_lowered_stop_does_not_call_an_exit_back() -> None:
    """Triggered is triggered."""
    day = GuardDay(carried(100, 9_900))
    day.trade(9_900)
    day.approve(day.submit(IntentKind.MODIFY_RISK, None, stop=9_000))
    day.failed(day.intents[0])
    day.tick(1)
    assert day.asked == ["KMP-005930-S1", "KMP-005930-S2"]


def test_old_trades_set_nothing_off() -> None:
    """More than 30 seconds behind its arrival a price says nothing about now."""
    day = GuardDay(carried(100, 9_900))
    day.trade(9_900, age=31)
    assert day.intents == []
    day.trade(9_900, age=30)
    assert len(day.intents) == 1


def test_a_stop_without_trades_is_reported_and_again_when_it_trades() -> None:
    """After five minutes of continuous trading without a print, once."""
    day = GuardDay(carried(100, 9_900))
    day.tick(299)
    assert len(day.stops) == 1
    day.tick(1)
    day.tick(300)
    day.trade(10_000)
    day.tick(1)
    assert [stop.reason for stop in day.stops] == [
        "protective_stop",
        "no fresh trade for 300 s",
        "it trades again",
    ]
    assert day.states == [ACTIVE, ACTIVE, ACTIVE]


@pytest.mark.parametrize("phase", [Phase.CLOSED, Phase.OPENING_AUCTION])
def test_a_stop_hit_outside_trading_waits_for_it(phase: Phase) -> None:
    """The exit leaves with the first instant that executes."""
    day = GuardDay(carried(100, 9_900))
    day.tick(1, phase)
    day.trade(9_900)
    day.tick(60, phase)
    assert day.states == [ACTIVE, TRIGGERED, WAITING]
    assert day.intents == []
    day.tick(1)
    assert day.states[-1] is SUBMITTED


def test_the_closing_auction_executes() -> None:
    """Ten minutes before the close an exit still leaves."""
    day = GuardDay(carried(100, 9_900))
    day.tick(1, Phase.CLOSING_AUCTION)
    day.trade(9_900)
    assert day.states == [ACTIVE, TRIGGERED, SUBMITTED]


def test_an_exit_over_at_the_close_waits_for_the_next_session() -> None:
    """No attempt is made where none can succeed."""
    day = GuardDay(carried(100, 9_900))
    day.trade(9_900)
    day.approve(day.intents[0])
    day.tick(1, Phase.CLOSED)
    day.end(day.intents[0], reason="session_closed")
    day.tick(3_600, Phase.CLOSED)
    assert day.states == [ACTIVE, TRIGGERED, SUBMITTED, FAILED, WAITING]
    assert len(day.intents) == 1


def test_an_exit_waits_while_the_exchange_suspends_the_symbol() -> None:
    """Another venue's word does not count, and the end of the suspension sends the exit."""
    day = GuardDay(carried(100, 9_900))
    day.halt_trading(venue=Venue.NXT)
    day.halt_trading()
    day.trade(9_900)
    day.tick(1)
    assert day.states == [ACTIVE, TRIGGERED, WAITING]
    day.halt_trading(halted=False, venue=Venue.NXT)
    assert day.states[-1] is WAITING
    day.halt_trading(halted=False)
    assert day.states[-1] is SUBMITTED


def test_a_trade_proves_that_a_suspension_is_over() -> None:
    """Its end was not heard; a print of a later second is proof enough."""
    day = GuardDay(carried(100, 9_900))
    day.halt_trading()
    day.tick(1)
    day.trade(9_900)
    assert day.asked == ["KMP-005930-S1"]


def test_a_symbol_suspended_from_the_morning_on_is_not_sold() -> None:
    """Designation 58 in the day's terms; the exit waits."""
    day = GuardDay(carried(100, None))
    day.feed(
        SymbolReference(
            at=day.now,
            symbol=A,
            trading_date=DATE,
            name="A",
            market="KOSPI",
            base_price=10_000,
            lower_limit=7_000,
            upper_limit=13_000,
            status_code="58",
        )
    )
    day.approve(day.submit(IntentKind.MODIFY_RISK, None, stop=10_100))
    day.trade(10_000)
    assert day.states[-1] is WAITING


@pytest.mark.invariant(7)
def test_shares_of_a_strategy_without_stop_are_reported() -> None:
    """Visible as MISSING, and guarded as soon as they get one."""
    day = GuardDay(carried(100, None))
    day.trade(5_000)
    (stop,) = day.stops
    assert (stop.state, stop.generation, stop.stop_price) == (MISSING, 0, None)
    day.tick(31)
    day.approve(day.submit(IntentKind.MODIFY_RISK, None, stop=9_900))
    assert day.states == [MISSING, ACTIVE]
    day.trade(9_900)
    assert day.states[2:] == [TRIGGERED, SUBMITTED]


def test_unexplained_shares_have_no_stop_and_no_alarm_here() -> None:
    """Drift says what is to be said about them."""
    day = GuardDay()
    day.drift(100, 0)
    day.trade(1)
    assert day.stops == []
    assert day.intents == []


def test_adopted_shares_bring_their_stop() -> None:
    """From unknown to a strategy: guarded from that word on."""
    day = GuardDay()
    day.drift(100, 0)
    day.reallocate(UNKNOWN, KMP, 100, stop=9_900)
    day.trade(9_900)
    assert [intent.quantity for intent in day.intents] == [100]


def test_a_stop_goes_with_its_last_share() -> None:
    """Shares given later, without a stop, have none: the old one is not theirs."""
    day = GuardDay(carried(100, 9_900))
    day.sold(day.submit(IntentKind.EXIT, 100))
    day.drift(100, 0)
    day.reallocate(UNKNOWN, KMP, 100)
    assert day.states == [ACTIVE, DONE, MISSING]


def test_shares_taken_off_their_owner_end_its_stop() -> None:
    """Missing shares: 60 of 100 are not there; the rest stays guarded, then all is gone."""
    day = GuardDay(carried(100, 9_900))
    day.drift(40, 100)
    day.reallocate(KMP, UNKNOWN, 60)
    assert day.states == [ACTIVE]
    day.reallocate(KMP, UNKNOWN, 40)
    assert day.states == [ACTIVE, DONE]


def test_each_strategy_has_its_own_stop_in_a_symbol() -> None:
    """One is hit, the other is not; another symbol is not concerned at all."""
    day = GuardDay(
        carried(100, 9_900), carried(50, 9_500, strategy=KPR), carried(10, 9_900, symbol=B)
    )
    day.trade(9_800)
    assert day.asked == ["KMP-005930-S1"]
    day.trade(9_500)
    assert day.asked == ["KMP-005930-S1", "KPR-005930-S1"]


def test_a_new_position_of_the_day_gets_new_numbers_and_fresh_patience() -> None:
    """Ids go on, attempts begin again at 1: the router is not pressing from the start."""
    day = GuardDay(carried(100, 9_900))
    day.trade(9_900)
    day.sold(day.intents[0])
    day.tick(60)
    day.bought(50, stop=9_000)
    day.trade(9_000)
    assert day.asked == ["KMP-005930-S1", "KMP-005930-S2"]
    assert [intent.attempt for intent in day.intents] == [1, 1]
    assert day.stops[-1].generation == 2


def test_an_exit_never_submitted_is_followed_by_another() -> None:
    """The guard was down while the stop was hit; its intent was too old at the restart."""
    day = GuardDay(carried(100, 9_900))
    day.trade(9_900)
    day.feed(IntentExpired(at=day.now, intent=day.intents[0]))
    assert (day.states[-1], day.stops[-1].reason) == (FAILED, "expired before it was submitted")
    day.tick(1)
    assert day.asked == ["KMP-005930-S1", "KMP-005930-S2"]


def test_an_intent_lapses_30_seconds_after_the_newest_instant_seen() -> None:
    """An operator's clock that runs ahead is no such instant: nothing is due by it."""
    day = GuardDay(carried(100, 9_900))
    ahead = day.now + 3_600_000_000_000
    day.halt(HaltMode.NO_ENTRIES, at=ahead)
    day.trade(9_900)
    assert day.intents[0].at == day.now
    assert day.intents[0].expires_at == day.now + 30_000_000_000
    day.failed(day.intents[0])
    day.tick(1)
    assert len(day.intents) == 2


def test_settings_of_the_opening_books_are_used() -> None:
    """A first pause of four seconds."""
    opened = session(carried(100, 9_900), settings='{"exit_backoff_sec": [4]}')
    day = GuardDay(opened=opened)
    day.trade(9_900)
    day.failed(day.intents[0])
    day.tick(3)
    assert len(day.intents) == 1
    day.tick(1)
    assert len(day.intents) == 2


def test_settings_that_cannot_be_meant_are_refused() -> None:
    """With the key in the message."""
    with pytest.raises(SettingsMalformed, match="unknown field `exit_backof`"):
        guard_from_session(session(settings='{"exit_backof": [4]}'))
    with pytest.raises(SettingsContradiction, match=r"guard.exit_backoff_sec: \(\) leaves"):
        guard_from_session(session(settings='{"exit_backoff_sec": []}'))
    with pytest.raises(SettingsContradiction, match=r"guard.price_max_age_sec: 0 leaves"):
        guard_from_session(session(settings='{"price_max_age_sec": 0}'))
