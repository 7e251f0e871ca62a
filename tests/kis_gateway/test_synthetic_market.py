"""The generated market: legal prices, the promised stories, and the same day for the same seed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from statistics import mean, median

import pytest

from events import Symbol
from events.calendar import kst, previous_session
from events.market import Bar, Phase
from events.prices import Board, daily_limits, is_on_tick
from kis_gateway.simulator.exchange import Command, EnterPhase, Exchange
from kis_gateway.simulator.market import (
    IndexPrint,
    Market,
    ProgramPrint,
    SyntheticMarket,
    TooFewSymbols,
    UnknownInstrument,
)
from kis_gateway.simulator.market.stories import Story

DAY = date(2025, 9, 15)
SEEDS = (1, 2, 3, 7, 42)
MINUTE = 60_000_000_000


@pytest.fixture(scope="module", params=SEEDS, ids=lambda seed: f"seed{seed}")
def market(request: pytest.FixtureRequest) -> SyntheticMarket:
    return SyntheticMarket(DAY, 30, request.param)


def active(market: SyntheticMarket, *stories: Story) -> list[Symbol]:
    wanted = stories or tuple(set(Story) - {Story.QUIET})
    return [symbol for symbol, story in market.stories.items() if story in wanted]


def vwaps(bars: Sequence[Bar]) -> list[float]:
    """Return the session VWAP at the end of each bar, by typical price."""
    value = volume = 0.0
    path = []
    for bar in bars:
        value += (bar.high + bar.low + bar.close) / 3 * bar.volume
        volume += bar.volume
        path.append(value / volume)
    return path


def test_it_is_a_market(market: SyntheticMarket) -> None:
    """It fits the port, with codes that no real issue has."""
    port: Market = market
    assert port.day == DAY == port.session.day
    assert len({listing.symbol for listing in port.listings}) == 30
    assert all(each.symbol.startswith("9") and len(each.symbol) == 6 for each in port.listings)
    assert len(set(port.sectors.values())) == 8
    assert {each.board for each in port.listings} == {Board.KOSPI, Board.KOSDAQ}


def test_prices_are_on_ticks_and_inside_the_limits(market: SyntheticMarket) -> None:
    """Every minute and daily bar; open, high, low and close fit each other."""
    for listing in market.listings:
        assert (listing.lower_limit, listing.upper_limit) == daily_limits(listing.base_price)
        minutes = market.minute_bars(listing.symbol)
        for bar in (*minutes, *market.daily_history(listing.symbol)):
            assert all(is_on_tick(price) for price in (bar.open, bar.high, bar.low, bar.close))
            assert bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high
            assert bar.volume >= 1
        assert all(listing.lower_limit <= bar.low for bar in minutes)
        assert all(bar.high <= listing.upper_limit for bar in minutes)


def test_the_day_has_all_its_minutes(market: SyntheticMarket) -> None:
    """380 minutes of continuous trading and the closing match."""
    for listing in market.listings:
        starts = [bar.start for bar in market.minute_bars(listing.symbol)]
        expected = [market.session.open_at + minute * MINUTE for minute in (*range(380), 390)]
        assert starts == expected


def test_the_history_ends_the_session_before(market: SyntheticMarket) -> None:
    """At least 100 sessions; the base price is the last close."""
    last = previous_session(DAY)
    for listing in market.listings:
        history = market.daily_history(listing.symbol)
        assert len(history) >= 100
        assert kst(history[-1].start).date() == last
        assert history[-1].close == listing.base_price
    assert len(market.index_history("KOSPI")) >= 100


def test_active_issues_are_in_an_up_trend(market: SyntheticMarket) -> None:
    """Close above SMA20, SMA20 rising and at or above SMA60."""
    assert len(active(market)) == 10
    for symbol in active(market):
        closes = [bar.close for bar in market.daily_history(symbol)]
        now, before, slow = mean(closes[-20:]), mean(closes[-21:-1]), mean(closes[-60:])
        assert closes[-1] > now >= slow
        assert now > before


def test_active_issues_trade_many_times_their_usual_opening_value(
    market: SyntheticMarket,
) -> None:
    """At least four times the median of close × volume × 8 %; the others less than three times."""
    for symbol in market.stories:
        history = market.daily_history(symbol)
        usual = median(bar.close * bar.volume * 0.08 for bar in history[-14:])
        value = sum(bar.close * bar.volume for bar in market.minute_bars(symbol)[:15])
        if symbol in active(market):
            assert value >= 4 * usual
        else:
            assert value < 3 * usual


def test_active_issues_have_a_tradable_opening_range(market: SyntheticMarket) -> None:
    """Range of 1.2 to 5 % of its middle, gap below 5 %."""
    for symbol in active(market):
        bars = market.minute_bars(symbol)
        high, low = max(bar.high for bar in bars[:15]), min(bar.low for bar in bars[:15])
        assert 0.012 <= (high - low) / ((high + low) / 2) <= 0.05
        assert abs(bars[0].open / market.daily_history(symbol)[-1].close - 1) < 0.05


def test_attempts_break_fall_back_and_reclaim(market: SyntheticMarket) -> None:
    """After 09:16 above the high by more than a tick, below it, and back within five minutes."""
    for symbol in active(market, Story.RUN, Story.FAIL, Story.STALL):
        bars = market.minute_bars(symbol)
        high = max(bar.high for bar in bars[:15])
        broken = next(minute for minute, bar in enumerate(bars) if bar.high > high)
        assert 16 <= broken < 45
        assert bars[broken].high >= high * 1.0015
        fallen = next(
            minute for minute in range(broken + 1, broken + 5) if bars[minute].close < high
        )
        reclaimed = next(
            minute for minute in range(fallen, broken + 5) if bars[minute].close > high
        )
        assert reclaimed <= broken + 4
        path = vwaps(bars)
        assert all(bars[minute].low > path[minute] for minute in range(15, reclaimed + 1))
        hover = bars[reclaimed + 1 : reclaimed + 3]
        assert all(bar.low >= high for bar in hover)
        assert all(bar.high <= high * 1.006 for bar in hover)


def test_stories_end_differently(market: SyntheticMarket) -> None:
    """After an hour runs are up, failures below their VWAP, stalls where they were."""
    for symbol, story in market.stories.items():
        if story in (Story.QUIET, Story.LEAD):
            continue
        bars = market.minute_bars(symbol)
        high = max(bar.high for bar in bars[:15])
        broken = next(minute for minute, bar in enumerate(bars) if bar.high > high)
        if story is Story.RUN:
            assert bars[broken + 75].close > high * 1.02
        elif story is Story.FAIL:
            assert bars[broken + 20].close < vwaps(bars)[broken + 20]
        else:
            assert all(abs(bar.close / high - 1) < 0.01 for bar in bars[broken : broken + 40])


def test_leaders_keep_the_market_broad(market: SyntheticMarket) -> None:
    """Above VWAP on at least 1.5 times the usual minute volume, unbroken, until 10:30."""
    leaders = active(market, Story.LEAD)
    assert len(leaders) >= 2
    for symbol in leaders:
        bars = market.minute_bars(symbol)
        usual = median(bar.volume * 0.20 / 60 for bar in market.daily_history(symbol)[-20:])
        path = vwaps(bars)
        high = max(bar.high for bar in bars[:15])
        for minute in range(15, 90):
            assert bars[minute].volume >= 1.5 * usual
            assert bars[minute].close >= path[minute]
            assert bars[minute].high <= high


@pytest.mark.parametrize("seed", SEEDS)
def test_kospi_moves_early_and_does_not_fall(seed: int) -> None:
    """A range of 0.4 % before 09:16, never 1 % under the last close, a print every ten seconds."""
    market = SyntheticMarket(DAY, 4, seed, trades_per_bar=1)
    close = market.index_history("KOSPI")[-1].close
    prints = [
        each for each in market.commands() if isinstance(each, IndexPrint) and each.index == "KOSPI"
    ]
    early = [each.centipoints for each in prints if each.at < market.session.open_at + 16 * MINUTE]
    assert (max(early) - min(early)) / early[0] >= 0.004
    assert min(each.centipoints for each in prints) > 0.99 * close
    assert prints[1].at - prints[0].at == 10_000_000_000
    assert prints[-1].at == market.session.close_at


def test_commands_come_in_order_and_give_the_bars_back() -> None:
    """A whole small day through the exchange; phases in order, a program row per minute."""
    market = SyntheticMarket(DAY, 4, seed=5)
    exchange = Exchange(market.listings, settled_on=date(2025, 9, 17))
    before, phases, rows = 0, [], 0
    for item in market.commands():
        assert item.at >= before
        before = item.at
        if isinstance(item, Command):
            exchange.handle(item)
        if isinstance(item, EnterPhase):
            phases.append(item.phase)
        rows += isinstance(item, ProgramPrint) and item.market == "KOSPI"
    assert phases == [
        Phase.OPENING_AUCTION,
        Phase.CONTINUOUS,
        Phase.CLOSING_AUCTION,
        Phase.CLOSED,
    ]
    assert rows == 390
    for listing in market.listings:
        printed = [bar[:6] for bar in map(fields, exchange.minute_bars(listing.symbol))]
        assert printed == [bar[:6] for bar in map(fields, market.minute_bars(listing.symbol))]


def fields(bar: Bar) -> tuple[int, ...]:
    return bar.start, bar.open, bar.high, bar.low, bar.close, bar.volume


def test_a_seed_is_a_day() -> None:
    """Equal seeds give equal days, other seeds other days."""
    first, same, other = (
        SyntheticMarket(DAY, 4, seed=seed, trades_per_bar=2) for seed in (9, 9, 10)
    )
    assert list(first.commands()) == list(same.commands())
    symbol = first.listings[0].symbol
    assert first.daily_history(symbol) == same.daily_history(symbol)
    assert first.minute_bars(symbol) != other.minute_bars(symbol)


def test_a_late_session_is_generated_too() -> None:
    """10:00-16:30: the same number of minutes an hour later."""
    market = SyntheticMarket(date(2025, 11, 13), 4, seed=5)
    bars = market.minute_bars(market.listings[0].symbol)
    assert len(bars) == 381
    assert bars[0].start == market.session.open_at
    assert bars[-1].start == market.session.close_at


def test_unknown_names_and_tiny_markets_are_errors() -> None:
    """They say what is wrong."""
    market = SyntheticMarket(DAY, 4, seed=5)
    with pytest.raises(UnknownInstrument, match="005930"):
        market.minute_bars(Symbol("005930"))
    with pytest.raises(UnknownInstrument, match="NASDAQ"):
        market.index_history("NASDAQ")
    with pytest.raises(TooFewSymbols, match="4 or more"):
        SyntheticMarket(DAY, 3, seed=5)
