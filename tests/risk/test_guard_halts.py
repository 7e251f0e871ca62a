"""What the guard does about halts: buys withdrawn, shares sold, until nothing is left."""

from __future__ import annotations

import pytest

from events import EXTERNAL, UNKNOWN
from events.control import HaltMode, HaltScope, HaltTrigger, HaltTripped
from events.market import Phase
from events.trading import IntentKind, OrderAccepted, Urgency
from tests.risk.guard_day import (
    KMP,
    KPR,
    B,
    GuardDay,
    carried,
    operator_halt,
    session,
)

NO_ENTRIES, REDUCE_ONLY, FLATTEN = HaltMode.NO_ENTRIES, HaltMode.REDUCE_ONLY, HaltMode.FLATTEN


def test_reduce_only_withdraws_working_buys_and_sells_nothing() -> None:
    """One request per strategy and symbol, on the strategy's behalf."""
    day = GuardDay(carried(100, 9_900, symbol=B))
    day.buying()
    day.buying(strategy=KPR)
    day.halt(REDUCE_ONLY)
    assert day.asked == ["KMP-005930-W1", "KPR-005930-W1"]
    first = day.intents[0]
    assert (first.kind, first.strategy, first.quantity) == (IntentKind.CANCEL_ORDERS, KMP, None)
    assert (first.reason, first.facts["buys"]) == ("halt_operator", 1)
    day.tick(1)
    assert len(day.intents) == 2


def test_no_entries_withdraws_nothing() -> None:
    """It only closes the gate."""
    day = GuardDay(carried(100))
    day.buying()
    day.halt(NO_ENTRIES)
    day.tick(60)
    assert day.intents == []


def test_a_buy_that_still_works_is_withdrawn_again_after_growing_pauses() -> None:
    """5, 10, 30, then every 60 seconds, until its execution has ended."""
    day = GuardDay()
    entry = day.buying()
    day.halt(REDUCE_ONLY)
    waits = []
    for _ in range(5):
        before, seconds = len(day.intents), 0
        while len(day.intents) == before:
            day.tick(1)
            seconds += 1
        waits.append(seconds)
    assert waits == [5, 10, 30, 60, 60]
    assert day.asked[-1] == "KMP-005930-W6"
    day.end(entry, reason="withdrawn")
    day.tick(600)
    assert len(day.intents) == 6


def test_a_buy_between_two_orders_is_withdrawn() -> None:
    """Its first order is over, its execution is not: the router would send another."""
    day = GuardDay()
    entry = day.submit(IntentKind.ENTER, 100, stop=9_900)
    day.approve(entry)
    day.halt(REDUCE_ONLY)
    assert day.asked == ["KMP-005930-W1"]


def test_a_buy_allowed_just_before_the_halt_is_withdrawn_with_its_decision() -> None:
    """The intent stood before the halt, the decision behind it."""
    day = GuardDay()
    entry = day.submit(IntentKind.ENTER, 100, stop=9_900)
    day.halt(REDUCE_ONLY)
    assert day.intents == []
    day.approve(entry)
    assert day.asked == ["KMP-005930-W1"]


def test_a_buy_found_at_the_broker_after_it_was_given_up_is_withdrawn() -> None:
    """Its execution is over; the order that the broker lists after all works by itself."""
    day = GuardDay()
    entry = day.buying()
    order = day.lose(entry)
    day.halt(REDUCE_ONLY)
    assert day.intents == []
    day.feed(OrderAccepted(at=day.now, order_id=order, broker_order="1", branch="1", adopted=True))
    assert day.asked == ["KMP-005930-W1"]
    day.close(order)
    day.tick(60)
    assert len(day.intents) == 1


def test_a_halt_of_a_strategy_or_a_symbol_concerns_its_own_only() -> None:
    """The other strategy's buys go on, and so do those of other symbols."""
    day = GuardDay()
    day.buying()
    day.buying(strategy=KPR)
    day.buying(symbol=B)
    day.halt(REDUCE_ONLY, HaltScope.STRATEGY, KPR)
    assert day.asked == ["KPR-005930-W1"]
    day.halt(REDUCE_ONLY, HaltScope.SYMBOL, B)
    assert day.asked == ["KPR-005930-W1", "KMP-000660-W1"]


def test_a_released_halt_is_over_and_the_next_one_acts_at_once() -> None:
    """Pauses do not outlive the halt."""
    day = GuardDay()
    day.buying()
    day.halt(REDUCE_ONLY)
    day.release()
    day.tick(60)
    assert len(day.intents) == 1
    day.halt(REDUCE_ONLY)
    assert day.asked == ["KMP-005930-W1", "KMP-005930-W2"]


def test_flatten_sells_every_strategy_and_unknown_but_never_external() -> None:
    """All buys are withdrawn in the same breath, and before."""
    day = GuardDay(
        carried(100), carried(50, strategy=KPR, symbol=B), carried(70, None, strategy=EXTERNAL)
    )
    day.drift(200, 170)
    day.buying(symbol=B)
    day.halt(FLATTEN)
    assert day.asked == [
        "KMP-000660-W1",
        "KMP-005930-L1",
        "KPR-000660-L1",
        "_UNKNOWN_-005930-L1",
    ]
    sale = day.intents[1]
    assert (sale.kind, sale.quantity, sale.urgency) == (IntentKind.FLATTEN, 100, Urgency.HIGH)
    assert day.intents[3].quantity == 30
    for intent in day.intents[1:]:
        day.sold(intent)
    day.tick(3_600)
    assert [intent for intent in day.asked if "-L" in intent] == day.asked[1:4]


def test_buys_are_withdrawn_before_their_owner_sells() -> None:
    """Where an owner has both."""
    day = GuardDay()
    entry = day.buying(100)
    day.fill(entry, 40)
    day.halt(FLATTEN)
    assert day.asked == ["KMP-005930-W1", "KMP-005930-L1"]
    assert day.intents[1].quantity == 40


@pytest.mark.parametrize(
    ("scope", "target", "asked"),
    [
        (HaltScope.STRATEGY, "KMP", ["KMP-005930-L1", "KMP-000660-L1"]),
        (HaltScope.SYMBOL, "005930", ["KMP-005930-L1", "KPR-005930-L1"]),
        (HaltScope.ALL_HOSTS, "*", ["KMP-005930-L1", "KPR-005930-L1", "KMP-000660-L1"]),
    ],
)
def test_flatten_sells_what_is_in_its_scope(
    scope: HaltScope, target: str, asked: list[str]
) -> None:
    """A strategy's, a symbol's or everything."""
    day = GuardDay(carried(1), carried(2, strategy=KPR), carried(3, symbol=B))
    day.halt(FLATTEN, scope, target)
    assert day.asked == asked


def test_a_tripped_flatten_is_carried_out_like_an_operators() -> None:
    """The gate derived it from the day's loss."""
    day = GuardDay(carried(100))
    day.feed(
        HaltTripped(
            at=day.now,
            cause=1,
            scope=HaltScope.ACCOUNT,
            target="*",
            mode=FLATTEN,
            trigger=HaltTrigger.DAILY_LOSS,
            rule="daily_loss_flatten_pct",
            reason="test",
        )
    )
    assert day.intents[0].reason == "halt_daily_loss"


def test_flatten_holds_while_no_trade_arrives() -> None:
    """The feed is down, the clock is not: attempt follows attempt until nothing is left."""
    day = GuardDay(carried(100))
    day.halt(FLATTEN)
    for pause in (1, 2, 5, 10):
        day.failed(day.intents[-1])
        for _ in range(pause):
            day.tick(1)
    assert [intent.attempt for intent in day.intents] == [1, 2, 3, 4, 5]
    day.sold(day.intents[-1])
    day.tick(600)
    assert len(day.intents) == 5


def test_flatten_waits_for_a_market_that_executes() -> None:
    """Set over night, carried by the opening books: it sells with the first second of trading."""
    opened = session(carried(100), halts=(operator_halt(FLATTEN),))
    day = GuardDay(opened=opened, open_market=False)
    day.tick(1, Phase.CLOSED)
    day.tick(1, Phase.OPENING_AUCTION)
    assert day.intents == []
    day.tick(1)
    assert day.asked == ["KMP-005930-L1"]


def test_flatten_does_not_sell_beside_a_stop_or_the_strategy() -> None:
    """Whoever sells everything already is left to it."""
    day = GuardDay(carried(100, 9_900), carried(50, symbol=B))
    day.trade(9_900)
    exit_ = day.submit(IntentKind.EXIT, 50, symbol=B)
    day.halt(FLATTEN)
    assert day.asked == ["KMP-005930-S1"]
    day.refuse(exit_)
    assert day.asked == ["KMP-005930-S1", "KMP-000660-L1"]


def test_a_stop_hit_in_a_pause_of_the_liquidation_does_not_wait() -> None:
    """The two have pauses of their own."""
    day = GuardDay(carried(100, 9_900))
    day.halt(FLATTEN)
    day.failed(day.intents[0])
    day.trade(9_900)
    assert day.asked == ["KMP-005930-L1", "KMP-005930-S1"]


def test_missing_shares_are_not_sold() -> None:
    """A negative unknown quantity is nothing to sell."""
    day = GuardDay()
    day.drift(40, 100)
    day.halt(FLATTEN)
    assert day.intents == []


def test_unknown_shares_that_turn_up_under_a_flatten_are_sold() -> None:
    """And no more once they are explained."""
    day = GuardDay()
    day.halt(FLATTEN)
    day.drift(10, 0)
    assert day.asked == ["_UNKNOWN_-005930-L1"]
    day.failed(day.intents[0])
    day.reallocate(UNKNOWN, EXTERNAL, 10)
    day.undrift()
    day.tick(60)
    assert len(day.intents) == 1
