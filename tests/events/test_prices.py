"""KRX price arithmetic against the published tables."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.errors import OffTick, OutsidePriceLimits
from events.prices import (
    Board,
    daily_limits,
    is_on_tick,
    move_ticks,
    require_on_tick,
    require_within_limits,
    round_down,
    round_up,
    tick_size,
)

PRICES = st.integers(1, 3_000_000)
BOARDS = st.sampled_from(Board)
DAYS = st.sampled_from([date(2022, 6, 1), date(2023, 2, 1), date(2025, 9, 15)])


@pytest.mark.parametrize(
    ("price", "tick"),
    [
        (1, 1),
        (1_999, 1),
        (2_000, 5),
        (4_999, 5),
        (5_000, 10),
        (19_999, 10),
        (20_000, 50),
        (49_999, 50),
        (50_000, 100),
        (199_999, 100),
        (200_000, 500),
        (499_999, 500),
        (500_000, 1_000),
        (2_000_000, 1_000),
    ],
)
def test_ticks_since_2023(price: int, tick: int) -> None:
    """One table for both boards from 25 January 2023."""
    assert tick_size(price, Board.KOSPI) == tick
    assert tick_size(price, Board.KOSDAQ, date(2023, 1, 25)) == tick


@pytest.mark.parametrize(
    ("price", "board", "tick"),
    [
        (1_500, Board.KOSPI, 5),
        (15_000, Board.KOSPI, 50),
        (150_000, Board.KOSPI, 500),
        (600_000, Board.KOSPI, 1_000),
        (150_000, Board.KOSDAQ, 100),
        (600_000, Board.KOSDAQ, 100),
        (1_500, Board.FUND, 5),
    ],
)
def test_ticks_before_2023(price: int, board: Board, tick: int) -> None:
    """Backtests of older days round as the exchange did."""
    assert tick_size(price, board, date(2023, 1, 24)) == tick


def test_fund_ticks() -> None:
    """Five won, and one won below 2,000 since December 2023."""
    assert tick_size(1_999, Board.FUND) == 1
    assert tick_size(2_000, Board.FUND) == 5
    assert tick_size(100_000, Board.FUND) == 5


@given(PRICES, BOARDS, DAYS)
def test_rounding_brackets_the_price(price: int, board: Board, day: date) -> None:
    """Down ≤ price ≤ up, both on tick, at most a tick apart."""
    down, up = round_down(price, board, day), round_up(price, board, day)
    assert down <= price <= up
    assert up - down <= tick_size(down, board, day)
    assert is_on_tick(up, board, day)
    assert down == 0 or is_on_tick(down, board, day)
    if is_on_tick(price, board, day):
        assert down == up == price


@given(st.floats(1, 2_000_000))
def test_fractions_round_to_the_outside(price: float) -> None:
    """A computed price between two won never crosses its neighbour."""
    assert round_down(price) <= price <= round_up(price)


@given(PRICES.map(round_down).filter(bool), st.integers(1, 30))
def test_moving_ticks_there_and_back(price: int, ticks: int) -> None:
    """Up and down again is where one started, across band edges too."""
    up = move_ticks(price, ticks)
    assert up > price
    assert move_ticks(up, -ticks) == price


def test_moving_across_a_band_edge() -> None:
    """One tick below 2,000 is 1,999, one above 1,995 at five won does not exist there."""
    assert move_ticks(2_000, -1) == 1_999
    assert move_ticks(1_999, 2) == 2_005
    assert move_ticks(50_000, -2) == 49_900


@given(PRICES.map(round_down).filter(lambda price: price >= 100), BOARDS)
def test_daily_limits_are_thirty_percent_inward(price: int, board: Board) -> None:
    """Both limits on tick, inside ±30 %, and less than a tick from it."""
    lower, upper = daily_limits(price, board)
    assert price * 0.7 <= lower < price < upper <= price * 1.3
    assert lower - tick_size(lower, board) < price * 0.7
    assert upper + tick_size(upper, board) > price * 1.3


def test_daily_limits_of_a_known_price() -> None:
    """50,000 won trades between 35,000 and 65,000."""
    assert daily_limits(50_000) == (35_000, 65_000)


def test_bad_prices_are_typed_errors() -> None:
    """Off tick and out of limits say what was wrong and what is right."""
    assert require_on_tick(76_500) == 76_500
    with pytest.raises(OffTick, match="76550 won is not on its tick of 100 won"):
        require_on_tick(76_550)
    with pytest.raises(OffTick):
        move_ticks(76_550, 1)
    with pytest.raises(OffTick):
        require_on_tick(0)
    assert require_within_limits(35_000, 35_000, 65_000) == 35_000
    with pytest.raises(OutsidePriceLimits, match=r"35000\.\.65000"):
        require_within_limits(65_100, 35_000, 65_000)
