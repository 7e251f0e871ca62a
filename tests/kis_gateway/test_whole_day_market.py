"""What is put around a regular day: indications, NXT, and the sessions before and after it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date, time
from functools import cache

import pytest

from events.calendar import instant, next_session
from events.market import Aggressor
from events.prices import is_on_tick
from kis_gateway.simulator.exchange import (
    BookShown,
    CloseSession,
    Command,
    Exchange,
    ExpectedShown,
    MarketTrade,
    OpenSession,
    Outcome,
    Printed,
    Session,
)
from kis_gateway.simulator.market import MarketItem, SyntheticMarket, WholeDayMarket

OLD, MIDDLE, NEW, LATE = (
    date(2024, 9, 13),
    date(2025, 9, 15),
    date(2026, 11, 18),
    date(2026, 11, 19),
)


@cache
def regular(day: date) -> SyntheticMarket:
    return SyntheticMarket(day, symbols=4, seed=7)


@cache
def items(day: date) -> tuple[MarketItem, ...]:
    return tuple(WholeDayMarket(regular(day)).commands())


def handled(day: date) -> tuple[Exchange, Iterator[Outcome]]:
    """Return an exchange and what it says to the day."""
    market = WholeDayMarket(regular(day))
    exchange = Exchange(market.listings, settled_on=next_session(day, 2))
    commands = (item for item in items(day) if isinstance(item, Command))
    return exchange, (outcome for item in commands for outcome in exchange.handle(item))


@pytest.mark.parametrize("day", [OLD, MIDDLE, NEW, LATE])
def test_the_regular_bars_come_out_exactly(day: date) -> None:
    """Open, high, low, close and volume of every minute, whatever happens around them."""
    exchange, outcomes = handled(day)
    assert sum(1 for _ in outcomes) > 1_000
    for listing in regular(day).listings:
        given = regular(day).minute_bars(listing.symbol)
        printed = exchange.minute_bars(listing.symbol)
        assert [bar.start for bar in printed] == [bar.start for bar in given]
        for ours, theirs in zip(printed, given, strict=True):
            assert (ours.open, ours.high, ours.low, ours.close, ours.volume) == (
                theirs.open,
                theirs.high,
                theirs.low,
                theirs.close,
                theirs.volume,
            )


@pytest.mark.parametrize("day", [MIDDLE, LATE])
def test_time_never_goes_back_and_the_day_repeats_itself(day: date) -> None:
    """The same items a second time."""
    times = [item.at for item in items(day)]
    assert times == sorted(times)
    assert tuple(WholeDayMarket(regular(day)).commands()) == items(day)


def test_the_sessions_follow_the_calendar() -> None:
    """NXT since March 2025; the after-market replaces the single price in September 2026."""

    def opened(day: date) -> set[Session]:
        return {item.session for item in items(day) if isinstance(item, OpenSession)}

    always = {Session.PRE_HOURS_CLOSE, Session.POST_HOURS_CLOSE}
    nxt = {Session.NXT_PRE_MARKET, Session.NXT_MAIN_MARKET, Session.NXT_AFTER_MARKET}
    assert opened(OLD) == always | {Session.AFTER_HOURS_SINGLE_PRICE}
    assert opened(MIDDLE) == always | nxt | {Session.AFTER_HOURS_SINGLE_PRICE}
    assert opened(NEW) == opened(LATE) == always | nxt | {Session.KRX_AFTER_MARKET}


@pytest.mark.parametrize(("day", "hours"), [(NEW, 0), (LATE, 1)])
def test_sessions_open_and_close_at_their_hours(day: date, hours: int) -> None:
    """An hour later on the day of the college entrance exam."""
    shift = hours * 3_600_000_000_000
    opens = {each.session: each.at for each in items(day) if isinstance(each, OpenSession)}
    ends = {each.session: each.at for each in items(day) if isinstance(each, CloseSession)}
    for session, begin, end in (
        (Session.NXT_PRE_MARKET, time(8), time(8, 50)),
        (Session.PRE_HOURS_CLOSE, time(8, 30), time(8, 40)),
        (Session.NXT_MAIN_MARKET, time(9, 0, 30), time(15, 20)),
        (Session.KRX_AFTER_MARKET, time(16), time(20)),
        (Session.NXT_AFTER_MARKET, time(15, 40), time(20)),
    ):
        assert opens[session] == instant(day, begin) + shift
        assert ends[session] == instant(day, end) + shift
    assert ends[Session.POST_HOURS_CLOSE] == instant(day, time(16)) + shift


def test_nxt_trades_at_the_best_price_of_its_book() -> None:
    """Every print has a book before it in which it was possible, on a tick."""
    books: dict[str, BookShown] = {}
    seen = 0
    for outcome in handled(MIDDLE)[1]:
        if isinstance(outcome, BookShown) and outcome.venue == "nxt":
            books[outcome.symbol] = outcome
        elif isinstance(outcome, Printed) and outcome.venue == "nxt":
            shown = books[outcome.symbol]
            side = shown.asks if outcome.aggressor is Aggressor.BUY else shown.bids
            assert side[0][0] == outcome.price
            assert side[0][1] >= outcome.quantity
            assert is_on_tick(outcome.price, on=MIDDLE)
            seen += 1
    assert seen > 100


def test_nxt_is_a_small_part_of_krx() -> None:
    """About a fifteenth during the regular session."""
    volume: Counter[Session] = Counter()
    for item in items(MIDDLE):
        if isinstance(item, MarketTrade):
            volume[item.session] += item.quantity
    assert 0.03 < volume[Session.NXT_MAIN_MARKET] / volume[Session.REGULAR] < 0.12


def test_krx_only_issues_have_no_nxt() -> None:
    """An issue outside the list has KRX alone."""
    alone = regular(MIDDLE).listings[0].symbol
    market = WholeDayMarket(regular(MIDDLE), krx_only={alone})
    assert [each.nxt for each in market.listings] == [False, True, True, True]
    traded = {
        item.symbol
        for item in market.commands()
        if isinstance(item, MarketTrade) and item.session is Session.NXT_MAIN_MARKET
    }
    assert alone not in traded
    assert traded


def test_the_last_indication_is_the_opening_match() -> None:
    """It starts ten minutes before and arrives at the price that then prints."""
    shown: dict[str, list[ExpectedShown]] = {}
    opened: dict[str, int] = {}
    for outcome in handled(MIDDLE)[1]:
        if isinstance(outcome, ExpectedShown) and outcome.symbol not in opened:
            shown.setdefault(outcome.symbol, []).append(outcome)
        elif (
            isinstance(outcome, Printed) and outcome.auction and outcome.session is Session.REGULAR
        ):
            opened.setdefault(outcome.symbol, outcome.price)
    for listing in regular(MIDDLE).listings:
        series = shown[listing.symbol]
        assert series[0].at >= instant(MIDDLE, time(8, 50))
        assert series[-1].price == opened[listing.symbol]
        quantities = [each.quantity for each in series]
        assert quantities == sorted(quantities)
