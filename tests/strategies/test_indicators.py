"""Indicators: each formula with written-out values, and its state before there is enough data."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.market import Aggressor, Bar, Trade
from strategies.indicators import (
    MINUTE,
    Ewma,
    MeanTrueRange,
    MinuteBars,
    SessionVwap,
    TickImbalance,
    sma,
    true_range,
)
from tests.strategies.days import is_now

OPEN = 1_000 * MINUTE


def trade(
    seconds: int,
    price: int,
    quantity: int = 10,
    *,
    cumulative: tuple[int, int] = (0, 0),
    aggressor: Aggressor = Aggressor.NONE,
) -> Trade:
    """Return a trade ``seconds`` after the open."""
    return Trade(
        time=OPEN + seconds * 1_000_000_000,
        price=price,
        quantity=quantity,
        aggressor=aggressor,
        cumulative_volume=cumulative[0],
        cumulative_value=cumulative[1],
        best_ask=0,
        best_bid=0,
        vi_reference=0,
        auction=False,
    )


def bar(minute: int, high: int, low: int, close: int, volume: int = 10) -> Bar:
    """Return a one-minute bar."""
    return Bar(OPEN + minute * MINUTE, close, high, low, close, volume)


def test_sma_is_the_mean_of_the_last_values_and_undefined_with_fewer() -> None:
    """Three values of four are averaged; two are not enough."""
    assert sma([100, 1, 2, 6], 3) == 3.0
    assert sma([1, 2], 3) is None


def test_true_range_uses_the_previous_close_when_there_is_one() -> None:
    """A gap counts in full; the first bar has only its own range."""
    assert true_range(110, 100, None) == 10
    assert true_range(110, 105, 100) == 10
    assert true_range(95, 90, 100) == 10
    assert true_range(110, 100, 105) == 10


def test_atr_is_the_plain_mean_of_the_last_ranges() -> None:
    """Undefined until n bars; the oldest range leaves the window."""
    atr = MeanTrueRange(2)
    atr.add(bar(0, 110, 100, 105))
    assert is_now(atr.value, None)
    atr.add(bar(1, 111, 105, 110))
    assert atr.value == 8.0
    atr.add(bar(2, 110, 106, 106))
    assert atr.value == 5.0


def test_vwap_prefers_the_exchanges_cumulative_figures() -> None:
    """Without them value and quantity are added up; before the first share it is undefined."""
    vwap = SessionVwap()
    assert is_now(vwap.value, None)
    vwap.add_trade(trade(0, 100, 10))
    vwap.add_trade(trade(1, 130, 20))
    assert vwap.value == 120.0
    vwap.add_trade(trade(2, 1, 1, cumulative=(1_000, 99_000)))
    assert vwap.value == 99.0


def test_vwap_from_bars_uses_the_typical_price() -> None:
    """(110 + 100 + 105) ÷ 3 weighs 10, (120 + 90 + 90) ÷ 3 weighs 30."""
    vwap = SessionVwap()
    vwap.rebuild([bar(0, 110, 100, 105, 10), bar(1, 120, 90, 90, 30)])
    assert vwap.value == pytest.approx((105 * 10 + 100 * 30) / 40)


def test_minute_bar_is_complete_when_a_later_minute_begins() -> None:
    """The auction print at the open counts; open, high, low, close and sums are as traded."""
    bars = MinuteBars(OPEN, 14)
    assert bars.add(trade(0, 100, 5)) is None
    assert bars.add(trade(20, 104, 1)) is None
    assert bars.add(trade(40, 98, 1)) is None
    assert bars.add(trade(59, 101, 3)) is None
    assert bars.add(trade(60, 102)) == Bar(OPEN, 100, 104, 98, 101, 10, 500 + 104 + 98 + 303)


def test_late_trade_counts_in_the_present_minute() -> None:
    """A trade of a finished minute never changes the finished bar."""
    bars = MinuteBars(OPEN, 14)
    bars.add(trade(0, 100))
    first = bars.roll(1)
    assert first is not None
    assert first.volume == 10
    assert bars.roll(1) is None
    assert bars.add(trade(59, 50)) is None
    second = bars.roll(2)
    assert second == Bar(OPEN + MINUTE, 50, 50, 50, 50, 10, 500)


def test_minute_without_trades_has_no_bar_and_no_volume() -> None:
    """Quiet minutes count as zero once anything was observed, and as unknown before."""
    bars = MinuteBars(OPEN, 14)
    assert bars.last_minute_volume(0) is None
    bars.add(trade(30, 100, 7))
    assert bars.last_minute_volume(0) is None
    bars.roll(1)
    assert bars.last_minute_volume(1) == 7
    assert bars.roll(2) is None
    assert bars.last_minute_volume(2) == 0


def test_minute_whose_bar_is_still_open_has_its_volume() -> None:
    """The clock may be a minute ahead of the last trade; what it traded is not zero."""
    bars = MinuteBars(OPEN, 14)
    bars.add(trade(30, 100, 7))
    assert bars.last_minute_volume(1) == 7


def test_minutes_with_lost_trades_were_not_observed() -> None:
    """Volume and value need minutes that were watched throughout."""
    bars = MinuteBars(OPEN, 14)
    for minute in range(6):
        bars.add(trade(minute * 60, 100, 10))
    bars.miss(5)
    bars.roll(6)
    assert bars.last_minute_volume(6) is None
    assert bars.recent_value(6) is None
    for minute in range(6, 11):
        bars.add(trade(minute * 60, 100, 10))
    bars.roll(11)
    assert bars.last_minute_volume(7) == 10
    assert bars.recent_value(10) is None
    assert bars.recent_value(11) == 5_000


def test_recent_value_needs_all_its_minutes() -> None:
    """Five minutes of value are known once five minutes were watched; quiet ones add nothing."""
    bars = MinuteBars(OPEN, 14)
    for minute in (0, 1, 3, 4):
        bars.add(trade(minute * 60, 100, 10))
    bars.roll(5)
    assert bars.recent_value(4) is None
    assert bars.recent_value(5) == 4_000
    assert bars.recent_value(6) == 3_000


def test_rebuild_replaces_what_was_seen_and_keeps_what_is_newer() -> None:
    """Back-filled minutes win; a completed later bar and the forming one stay."""
    bars = MinuteBars(OPEN, 3)
    bars.add(trade(120, 100, 1))
    bars.add(trade(180, 100, 2))
    bars.add(trade(240, 100, 4))
    bars.rebuild([bar(0, 110, 100, 100), bar(1, 110, 100, 100), bar(2, 110, 100, 100, 50)])
    assert bars.last_minute_volume(3) == 50
    assert bars.last_minute_volume(4) == 2
    assert bars.atr.value == pytest.approx((10 + 10 + 0) / 3)
    forming = bars.roll(5)
    assert forming is not None
    assert forming.volume == 4
    assert bars.recent_value(5) == 1_000 + 1_000 + 5_000 + 200 + 400


def test_rebuild_past_the_present_minute_begins_the_next() -> None:
    """What is back-filled is over: later trades go into the minute after it; no bars, no change."""
    bars = MinuteBars(OPEN, 3)
    bars.rebuild([])
    assert bars.last_minute_volume(1) is None
    bars.rebuild([bar(0, 110, 100, 100), bar(1, 110, 100, 100, 30)])
    bars.add(trade(61, 105, 1))
    completed = bars.roll(3)
    assert completed is not None
    assert completed.start == OPEN + 2 * MINUTE


def test_imbalance_follows_the_tick_rule() -> None:
    """Up-ticks buy, down-ticks sell, zero-ticks inherit; the first trade has no direction."""
    imbalance = TickImbalance(90, use_flag=False)
    assert imbalance.value(0) == 0.0
    imbalance.add(trade(0, 100, 1_000), 0)
    assert imbalance.value(0) == 0.0
    imbalance.add(trade(0, 101, 10), 0)
    imbalance.add(trade(1, 101, 10), 1)
    imbalance.add(trade(1, 100, 10), 1)
    assert imbalance.value(1) == pytest.approx((2_020 - 1_000) / 3_020)


def test_imbalance_may_follow_the_frames_flag() -> None:
    """With the flag the price does not matter."""
    imbalance = TickImbalance(90, use_flag=True)
    imbalance.add(trade(0, 100, 10, aggressor=Aggressor.SELL), 0)
    imbalance.add(trade(0, 110, 30, aggressor=Aggressor.BUY), 0)
    imbalance.add(trade(0, 110, 30), 0)
    assert imbalance.value(0) == pytest.approx((3_300 - 1_000) / 4_300)


def test_imbalance_forgets_what_left_the_window() -> None:
    """The window ends with the asked second and spans 90 buckets."""
    imbalance = TickImbalance(90, use_flag=True)
    imbalance.add(trade(0, 100, 10, aggressor=Aggressor.SELL), 0)
    imbalance.add(trade(50, 100, 10, aggressor=Aggressor.BUY), 50)
    assert imbalance.value(89) == 0.0
    assert imbalance.value(90) == 1.0
    assert imbalance.value(140) == 0.0


@given(
    st.lists(st.tuples(st.integers(0, 300), st.integers(90, 110), st.integers(1, 50)), max_size=60)
)
def test_imbalance_stays_between_minus_one_and_one(trades: list[tuple[int, int, int]]) -> None:
    """Whatever trades arrive, the ratio is a ratio and an empty window is zero."""
    imbalance = TickImbalance(90, use_flag=False)
    for second, price, quantity in sorted(trades):
        imbalance.add(trade(second, price, quantity), second)
        assert -1.0 <= imbalance.value(second) <= 1.0
    assert imbalance.value(10_000) == 0.0


@given(
    st.lists(
        st.tuples(st.integers(0, 900), st.integers(90, 110), st.integers(1, 50)),
        min_size=1,
        max_size=60,
    )
)
def test_bars_neither_lose_nor_invent_shares(trades: list[tuple[int, int, int]]) -> None:
    """The volumes of all bars add up to the quantities of all trades, in whatever order."""
    bars = MinuteBars(OPEN, 14)
    completed = [bars.add(trade(second, price, quantity)) for second, price, quantity in trades]
    completed.append(bars.roll(1_000))
    total = sum(found.volume for found in completed if found is not None)
    assert total == sum(quantity for _, _, quantity in trades)


def test_ewma_begins_with_its_first_value() -> None:
    """Then 0.35 of the new and 0.65 of the old."""
    mean = Ewma(0.35)
    assert is_now(mean.value, None)
    mean.add(100)
    assert mean.value == 100
    mean.add(-100)
    assert mean.value == pytest.approx(30)
