"""Bars become trades and books that give the same bars again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import hypothesis.strategies as st
import pytest
from hypothesis import example, given

from events.calendar import session
from events.market import Aggressor, Bar, Phase
from events.prices import is_on_tick
from events.trading import Side
from kis_gateway.protocol import Pricing
from kis_gateway.simulator.exchange import (
    EnterPhase,
    Exchange,
    MarketBook,
    MarketTrade,
    PlaceOrder,
)
from kis_gateway.simulator.market import UnusableBars, bridge
from tests.kis_gateway.exchange_setup import ALPHA, DAY, LISTING, SESSION

MINUTE = 60_000_000_000


def at_minute(minute: int) -> int:
    return SESSION.open_at + minute * MINUTE


def bar(minute: int, prices: tuple[int, int, int, int], volume: int) -> Bar:
    first, high, low, last = prices
    return Bar(at_minute(minute), first, high, low, last, volume)


@st.composite
def shapes(draw: st.DrawFn) -> tuple[int, int, int, int, int]:
    """Return open, high, low, close, volume of a bar that can have been traded."""
    price = st.integers(1, 30_000) if draw(st.booleans()) else st.integers(9_990, 10_010)
    low, first, last, high = sorted(draw(st.tuples(price, price, price, price)))
    if draw(st.booleans()):
        first, last = last, first
    needed = 1 if low == high else 4
    volume = draw(st.integers(needed, 12) | st.integers(needed, 10**12))
    return first, high, low, last, volume


@st.composite
def days(draw: st.DrawFn) -> list[Bar]:
    """Return the bars of a day with holes, its first minute and its closing match among them."""
    minutes = draw(st.lists(st.sampled_from([0, 1, 2, 7, 379, 390, 392]), unique=True, min_size=1))
    return [Bar(at_minute(minute), *draw(shapes())) for minute in sorted(minutes)]


def aggregated(trades: Sequence[MarketTrade]) -> list[tuple[int, int, int, int, int, int]]:
    """Return (start, open, high, low, close, volume) of each minute with trades."""
    found: dict[int, list[MarketTrade]] = {}
    for trade in trades:
        found.setdefault(trade.at // MINUTE * MINUTE, []).append(trade)
    return [
        (
            start,
            group[0].price,
            max(each.price for each in group),
            min(each.price for each in group),
            group[-1].price,
            sum(each.quantity for each in group),
        )
        for start, group in found.items()
    ]


def plain(bars: Sequence[Bar]) -> list[tuple[int, int, int, int, int, int]]:
    return [(each.start, each.open, each.high, each.low, each.close, each.volume) for each in bars]


@given(bars=days(), trades_per_bar=st.integers(1, 40))
@example(bars=[bar(0, (10_000, 10_000, 10_000, 10_000), 1)], trades_per_bar=6)
@example(bars=[bar(5, (9_990, 10_020, 9_990, 10_020), 2)], trades_per_bar=6)
@example(bars=[bar(5, (10_020, 10_020, 9_990, 9_990), 2)], trades_per_bar=6)
@example(bars=[bar(5, (10_003, 12_999, 7_001, 10_002), 4)], trades_per_bar=6)
def test_the_trades_of_a_minute_give_its_bar(bars: list[Bar], trades_per_bar: int) -> None:
    """Open, high, low, close and volume, through the exchange as well as counted by hand."""
    items = list(bridge(LISTING, bars, SESSION, trades_per_bar=trades_per_bar))
    trades = [each for each in items if isinstance(each, MarketTrade)]
    assert aggregated(trades) == plain(bars)
    exchange = Exchange([LISTING], settled_on=date(2025, 9, 17))
    for item in items:
        exchange.handle(item)
    assert plain(exchange.minute_bars(ALPHA)) == plain(bars)


@given(bars=days(), trades_per_bar=st.integers(1, 40))
def test_times_lie_strictly_inside_the_minute_and_never_go_back(
    bars: list[Bar], trades_per_bar: int
) -> None:
    """Everything after a minute's first nanosecond and before the next minute."""
    items = list(bridge(LISTING, bars, SESSION, trades_per_bar=trades_per_bar))
    starts = {each.start for each in bars}
    assert all(item.at % MINUTE > 0 and item.at // MINUTE * MINUTE in starts for item in items)
    assert [item.at for item in items] == sorted(item.at for item in items)


@given(bars=days())
def test_a_trade_is_at_the_best_price_of_the_side_it_hit(bars: list[Bar]) -> None:
    """Bought at the ask, sold at the bid, within what is shown; the book is never crossed."""
    book: MarketBook | None = None
    for item in bridge(LISTING, bars, SESSION):
        if isinstance(item, MarketBook):
            book = item
            if item.asks and item.bids:
                assert item.bids[0][0] < item.asks[0][0]
            assert [price for price, _ in item.asks] == sorted({price for price, _ in item.asks})
            assert [price for price, _ in item.bids] == sorted(
                {price for price, _ in item.bids}, reverse=True
            )
            assert max(len(item.asks), len(item.bids)) <= 10
        elif item.aggressor is not Aggressor.NONE:
            assert book is not None
            price, quantity = (book.asks if item.aggressor is Aggressor.BUY else book.bids)[0]
            assert price == item.price
            assert quantity >= item.quantity


@given(bars=days(), trades_per_bar=st.integers(1, 40))
def test_a_minute_has_as_many_trades_as_asked_for(bars: list[Bar], trades_per_bar: int) -> None:
    """Never more than its shares, and more than asked for only when the shape needs them."""
    minutes = {each.start: each for each in bars}
    counts = dict.fromkeys(minutes, 0)
    for item in bridge(LISTING, bars, SESSION, trades_per_bar=trades_per_bar):
        if isinstance(item, MarketTrade):
            counts[item.at // MINUTE * MINUTE] += 1
            assert item.quantity >= 1
    for start, count in counts.items():
        if start < SESSION.close_at:
            assert min(trades_per_bar, minutes[start].volume) <= count <= max(trades_per_bar, 4)


@given(bars=days())
def test_only_the_first_bar_opens_and_only_closing_bars_close(bars: list[Bar]) -> None:
    """09:00 begins with an auction print at its open, 15:30 ends with one at its close."""
    for start, *_ in plain(bars):
        trades = [
            item
            for item in bridge(LISTING, bars, SESSION)
            if isinstance(item, MarketTrade) and item.at // MINUTE * MINUTE == start
        ]
        marks = [item.auction for item in trades]
        if start == SESSION.open_at:
            assert marks == [True] + [False] * (len(trades) - 1)
            assert trades[0].at < SESSION.open_at + 1_000_000_000
        elif start >= SESSION.close_at:
            assert marks == [False] * (len(trades) - 1) + [True]
            assert trades[-1].at < start + 30_000_000_000
        else:
            assert not any(marks)


def test_the_closing_match_is_a_single_print() -> None:
    """An ordinary 15:30 bar has one price."""
    (item,) = bridge(LISTING, [bar(390, (10_050, 10_050, 10_050, 10_050), 4_000)], SESSION)
    assert isinstance(item, MarketTrade)
    assert (item.price, item.quantity, item.auction) == (10_050, 4_000, True)


def test_a_late_session_has_its_opening_match_at_ten() -> None:
    """On the day of the college entrance exam 10:00 is the open and 15:30 ordinary trading."""
    late = session(date(2025, 11, 13))
    hour = 60 * MINUTE
    prices = (10_000, 10_000, 10_000, 10_000)
    bars = [Bar(late.open_at + shift, *prices, 100) for shift in (0, 5 * hour + hour // 2)]
    trades = [each for each in bridge(LISTING, bars, late) if isinstance(each, MarketTrade)]
    assert [each.auction for each in trades] == [True] + [False] * 11


@given(bars=days())
def test_the_same_bars_give_the_same_day(bars: list[Bar]) -> None:
    """There is no hidden state."""
    assert list(bridge(LISTING, bars, SESSION)) == list(bridge(LISTING, bars, SESSION))


def test_levels_lie_on_ticks_around_a_price_that_does_not() -> None:
    """10,003 won is between two ticks: it is shown, because it traded; all else is on ticks."""
    (book, trade) = bridge(LISTING, [bar(5, (10_003, 10_003, 10_003, 10_003), 1)], SESSION)
    assert isinstance(book, MarketBook)
    assert isinstance(trade, MarketTrade)
    assert (trade.price, trade.aggressor) == (10_003, Aggressor.BUY)
    assert [price for price, _ in book.asks[:3]] == [10_003, 10_010, 10_020]
    assert book.bids[0][0] in (10_000, 9_990)
    assert all(is_on_tick(price) for price, _ in (*book.asks[1:], *book.bids))


def test_no_level_lies_beyond_the_days_limits() -> None:
    """At the upper limit of 13,000 won there is no higher ask."""
    items = list(bridge(LISTING, [bar(5, (13_000, 13_000, 13_000, 13_000), 600)], SESSION))
    books = [each for each in items if isinstance(each, MarketBook)]
    assert {len(each.asks) for each in books} == {0, 1}
    assert all(price <= 13_000 for each in books for price, _ in (*each.asks, *each.bids))


def test_buyers_and_sellers_take_turns_at_an_unchanged_price() -> None:
    """A minute at one price trades on both sides of it."""
    items = bridge(LISTING, [bar(5, (10_000, 10_000, 10_000, 10_000), 600)], SESSION)
    sides = [each.aggressor for each in items if isinstance(each, MarketTrade)]
    assert sorted(sides) == [Aggressor.SELL] * 3 + [Aggressor.BUY] * 3


def test_an_order_placed_before_the_open_gets_its_share_of_the_opening_match() -> None:
    """A bid above the opening price fills at the opening price."""
    exchange = Exchange([LISTING], settled_on=date(2025, 9, 17))
    exchange.open_account("ann", 10_000_000)
    bars = [bar(0, (10_000, 10_050, 9_990, 10_020), 60_000)]
    exchange.handle(EnterPhase(at=SESSION.auction_from, phase=Phase.OPENING_AUCTION))
    exchange.handle(
        PlaceOrder(
            at=SESSION.auction_from,
            order_number="1",
            account="ann",
            symbol=ALPHA,
            side=Side.BUY,
            pricing=Pricing.LIMIT,
            quantity=10,
            price=10_100,
        )
    )
    exchange.handle(EnterPhase(at=SESSION.open_at, phase=Phase.CONTINUOUS))
    for item in bridge(LISTING, bars, SESSION):
        exchange.handle(item)
    (order,) = exchange.orders("ann")
    assert (order.filled_quantity, order.filled_amount) == (10, 100_000)
    tape = exchange.tape(ALPHA)
    assert (tape.open, tape.volume, tape.vi_reference) == (10_000, 60_000, 10_000)
    assert tape.best_bid < tape.best_ask


@pytest.mark.parametrize(
    ("bars", "message"),
    [
        ([bar(5, (10, 10, 10, 10), 0)], "volume 0"),
        ([bar(5, (10, 9, 8, 9), 5)], "open 10, high 9"),
        ([bar(5, (10, 12, 0, 9), 5)], "low 0"),
        ([bar(5, (10, 12, 8, 9), 3)], "3 shares for a shape of 4 trades"),
        ([bar(5, (10, 10, 10, 10), 1)] * 2, "no full minute after"),
        ([Bar(SESSION.open_at + 1, 10, 10, 10, 10, 1)], "no full minute"),
    ],
)
def test_bars_that_cannot_have_been_traded_are_refused(bars: list[Bar], message: str) -> None:
    """The error names the symbol and what is wrong."""
    with pytest.raises(UnusableBars, match=message) as caught:
        list(bridge(LISTING, bars, SESSION))
    assert caught.value.symbol == ALPHA
    assert SESSION.day == DAY
