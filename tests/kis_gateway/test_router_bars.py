"""Where a recording has bars and no trades: what the router's book-keeping makes of one."""

from __future__ import annotations

from events import Delivery, Symbol
from events.market import Bar, BarClosed, MarketOperation, Phase, VolatilityInterruption
from events.trading import IntentKind, Urgency
from kis_gateway.orders.market_watch import MarketWatch
from kis_gateway.orders.planner import PlanSettings
from kis_gateway.orders.router_core import Hold, RouterCore, Submit
from tests.kis_gateway.fakes import (
    OPEN,
    SAMSUNG,
    SECOND,
    approved,
    intent,
    reference,
    session_opened,
    tick,
)

MINUTE = 60 * SECOND


def bar(
    close: int,
    *,
    until: int,
    high: int | None = None,
    volume: int = 100,
    value: int = 0,
    symbol: Symbol = SAMSUNG,
) -> BarClosed:
    """Return a minute's bar that is complete at ``until``, flat unless told otherwise."""
    made_of = Bar(
        until - MINUTE, close, close if high is None else high, close, close, volume, value
    )
    return BarClosed(at=until, symbol=symbol, bar=made_of)


def watch() -> MarketWatch:
    """Return a watch in continuous trading with the terms of one symbol."""
    subject = MarketWatch(session_opened(), PlanSettings())
    subject.terms(reference())
    subject.tick(OPEN, Phase.CONTINUOUS)
    return subject


def test_a_bar_is_the_last_price_and_a_fresh_one_for_ten_seconds() -> None:
    """It names no best prices; orders are priced by the last one then."""
    subject = watch()
    subject.bar(bar(70_100, until=OPEN + MINUTE))
    view = subject.view(SAMSUNG)
    assert (view.last, view.best_bid, view.best_ask, view.fresh) == (70_100, None, None, True)
    subject.tick(OPEN + MINUTE + 11 * SECOND, Phase.CONTINUOUS)
    assert not subject.view(SAMSUNG).fresh


def test_what_traded_lately_is_the_sum_of_the_bars_in_the_window() -> None:
    """A bar without a value counts its volume at its close."""
    subject = watch()
    for minute in range(1, 9):
        subject.bar(bar(70_000, until=OPEN + minute * MINUTE, value=1_000_000 * minute))
    assert subject.view(SAMSUNG).recent_value == (4 + 5 + 6 + 7 + 8) * 1_000_000
    subject.bar(bar(70_000, until=OPEN + 9 * MINUTE))
    assert subject.view(SAMSUNG).recent_value == (5 + 6 + 7 + 8) * 1_000_000 + 7_000_000


def test_a_bar_in_which_nothing_was_traded_says_nothing() -> None:
    """Vendors repeat the last close in it."""
    subject = watch()
    assert subject.bar(bar(70_000, until=OPEN + MINUTE, volume=0)) is None
    assert subject.view(SAMSUNG).last is None
    assert subject.now == OPEN + MINUTE


def test_only_a_bar_that_began_after_it_ends_a_halt_or_an_interruption() -> None:
    """The trades of the one in which it came may all have been before it."""
    told = OPEN + 90 * SECOND
    halt = MarketOperation(
        at=told,
        symbol=SAMSUNG,
        halted=True,
        reason="test",
        code="",
        expected_code="",
        designation="00",
        interrupted=False,
        interrupted_after_hours=False,
    )
    interruption = VolatilityInterruption(
        at=told, symbol=SAMSUNG, active=True, reference_price=70_000
    )
    halted, interrupted = watch(), watch()
    halted.operation(halt)
    interrupted.interruption(interruption)
    for subject in (halted, interrupted):
        subject.bar(bar(70_000, until=OPEN + 2 * MINUTE))
        assert subject.resting(SAMSUNG)
        subject.bar(bar(70_000, until=OPEN + 3 * MINUTE))
        assert not subject.resting(SAMSUNG)


def held_entry() -> RouterCore:
    """Return the book-keeping with an entry that waits for 70,300 won."""
    subject = RouterCore(session_opened(), PlanSettings())
    wish = intent(at=OPEN + MINUTE, stop_price=70_300, limit_price=70_600, lifetime_s=600)
    events = (reference(), tick(OPEN), bar(70_000, until=OPEN + MINUTE), wish, approved(wish))
    for sequence, event in enumerate(events, start=1):
        subject.handle(Delivery(sequence, event))
    (action,) = subject.outstanding()
    assert isinstance(action, Hold)
    subject.handle(Delivery(9, action.event))
    return subject


def test_a_held_entry_leaves_when_the_high_of_a_bar_reaches_its_stop() -> None:
    """Though the bar closed below."""
    subject = held_entry()
    (action,) = subject.handle(Delivery(10, bar(70_100, high=70_300, until=OPEN + 2 * MINUTE)))
    assert isinstance(action, Submit)
    assert action.event.limit_price == 70_600


def test_a_held_entry_stays_while_the_highs_of_bars_are_below_its_stop() -> None:
    """By one tick."""
    subject = held_entry()
    assert not subject.handle(Delivery(10, bar(70_100, high=70_200, until=OPEN + 2 * MINUTE)))


def test_a_sale_on_a_bar_that_just_closed_is_priced_by_it() -> None:
    """The close stands for the bid: 70,000 won less half a percent, on a tick."""
    subject = RouterCore(session_opened(), PlanSettings())
    wish = intent(IntentKind.EXIT, at=OPEN + MINUTE, urgency=Urgency.HIGH)
    events = (reference(), tick(OPEN), bar(70_000, until=OPEN + MINUTE), wish, approved(wish))
    for sequence, event in enumerate(events, start=1):
        subject.handle(Delivery(sequence, event))
    (action,) = subject.outstanding()
    assert isinstance(action, Submit)
    assert action.event.limit_price == 69_600


def test_the_router_listens_to_bars() -> None:
    """Their topic is among what it must see."""
    assert "market.bar.*" in RouterCore.topics
