"""Tests of the formulas against values worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from research.backtest import metrics

LEVELS = [100.0, 110.0, 99.0, 108.9, 98.01]
"""Up and down a tenth, twice."""
SERIES = np.array([0.1, -0.1, 0.1, -0.1])


def test_returns_are_between_neighbours() -> None:
    assert metrics.returns(LEVELS).tolist() == pytest.approx([0.1, -0.1, 0.1, -0.1])
    assert metrics.total_return(LEVELS) == pytest.approx(-0.0199)


def test_a_gain_of_a_tenth_in_half_a_year_is_21_percent_a_year() -> None:
    levels = [100.0] + [105.0] * 125 + [110.0]
    assert metrics.annual_return(levels) == pytest.approx(1.1**2 - 1)
    assert metrics.annual_return([100.0, 0.0]) == -1.0
    assert metrics.annual_return([100.0]) is None


def test_volatility_is_the_sample_deviation_times_the_root_of_252() -> None:
    # Squared deviations 4 x 0.01 over n - 1 = 3.
    assert metrics.volatility(SERIES) == pytest.approx(math.sqrt(0.04 / 3) * math.sqrt(252))
    assert metrics.volatility(np.array([0.1])) is None


def test_sharpe_is_mean_over_deviation() -> None:
    # Mean 0.02, deviations 0.01, 0, -0.01: sample deviation 0.01, ratio 2 a session.
    assert metrics.sharpe(np.array([0.03, 0.02, 0.01])) == pytest.approx(2 * math.sqrt(252))
    assert metrics.sharpe(np.array([0.01, 0.01, 0.01])) is None
    assert metrics.sharpe(np.array([0.01])) is None


def test_sortino_counts_losses_only_but_over_all_sessions() -> None:
    # Mean 0.01; the only loss squared is 0.0004, over four sessions 0.0001, root 0.01.
    series = np.array([0.03, 0.02, 0.01, -0.02])
    assert metrics.sortino(series) == pytest.approx(1.0 * math.sqrt(252))
    assert metrics.sortino(np.array([0.1, 0.2])) is None
    assert metrics.sortino(np.zeros(0)) is None


def test_a_drawdown_has_depth_places_and_length() -> None:
    # From 120 to 90 is a quarter; 120 is seen again four sessions after the peak.
    fall = metrics.drawdown([100, 120, 108, 90, 100, 125, 120])
    assert fall.depth == pytest.approx(0.25)
    assert (fall.peak, fall.trough, fall.recovered, fall.sessions) == (1, 3, 5, 4)


def test_a_drawdown_that_never_recovered_lasts_to_the_end() -> None:
    fall = metrics.drawdown([100, 90, 100, 100, 80, 85])
    assert fall.depth == pytest.approx(0.2)
    assert (fall.peak, fall.trough, fall.recovered, fall.sessions) == (3, 4, None, 2)


def test_what_never_fell_has_no_drawdown() -> None:
    assert metrics.drawdown([1, 1, 2]) == metrics.Drawdown(0.0, 0, 0, 0, 0)
    assert metrics.longest_under_water([1, 1, 2]) == 0
    assert metrics.calmar([1.0, 2.0]) is None


def test_the_longest_time_under_water_is_not_that_of_the_deepest_fall() -> None:
    # 10 to 5 and back takes two sessions, 11 to 10 and back four.
    assert metrics.longest_under_water([10, 5, 10, 11, 10, 10, 10, 11]) == 4
    assert metrics.longest_under_water([10, 5, 10, 9, 9, 9]) == 3


def test_calmar_is_the_annual_return_over_the_drawdown() -> None:
    levels = [100.0, 80.0] + [100.0] * 249 + [110.0]
    assert len(levels) == 252
    assert metrics.calmar(levels) == pytest.approx((1.1 ** (252 / 251) - 1) / 0.2)


def test_trades_are_judged_by_won() -> None:
    results = [300, -100, 0, -50, 150]
    assert metrics.profit_factor(results) == 3.0
    assert metrics.hit_rate(results) == 0.4
    assert metrics.mean(results) == 60.0
    assert metrics.profit_factor([5]) is None
    assert metrics.hit_rate([]) is None


def test_twice_the_index_plus_a_hundredth_has_beta_two_and_that_alpha() -> None:
    index = np.array([0.01, -0.02, 0.03])
    fit = metrics.regression(2 * index + 0.01, index)
    assert fit is not None
    assert fit.beta == pytest.approx(2.0)
    assert fit.alpha == pytest.approx(2.52)
    assert fit.correlation == pytest.approx(1.0)
    assert metrics.regression(index, np.zeros(3)) is None
    flat = metrics.regression(np.zeros(3), index)
    assert flat is not None
    assert flat.correlation is None


@given(st.lists(st.floats(1, 1_000), min_size=1, max_size=30))
def test_a_drawdown_is_the_worst_of_all_pairs(levels: list[float]) -> None:
    worst = max(
        (1 - later / earlier for n, earlier in enumerate(levels) for later in levels[n:]),
        default=0,
    )
    assert metrics.drawdown(levels).depth == pytest.approx(max(worst, 0))
