"""Paths that might have been: drawn where there is something to draw from, and drawn the same."""

from __future__ import annotations

import numpy as np
import pytest

from research.backtest.monte_carlo import Drawing, resample_band, resample_returns
from research.reports.robustness import LEAST, robustness, robustness_figures
from tests.research.reports import hand_made
from tests.research.reports.made_up import made_up_result


def test_a_band_ends_where_the_paths_do() -> None:
    returns = np.array([0.02, -0.01, 0.005, -0.015, 0.03, -0.02, 0.01, 0.0])
    band = resample_band(returns, 1_000.0, shares=(0.05, 0.5), paths=400, block=2, seed=3)
    paths = resample_returns(returns, 1_000.0, paths=400, block=2, seed=3)
    assert band.equity.shape == (2, 9)
    assert band.equity[:, 0].tolist() == [1_000.0, 1_000.0]
    assert band.equity[0, -1] == pytest.approx(paths.final_equity_at(0.05))
    assert band.equity[1, -1] == pytest.approx(paths.final_equity_at(0.5))
    assert (band.equity[0] <= band.equity[1]).all()


def test_the_same_sessions_in_another_order_end_in_one_point() -> None:
    returns = np.array([0.10, -0.05, 0.02])
    band = resample_band(returns, 100.0, paths=50, drawing=Drawing.PERMUTATION)
    assert band.equity[:, -1] == pytest.approx([100 * 1.1 * 0.95 * 1.02] * 5)


def test_few_sessions_give_a_probability_and_no_paths() -> None:
    found = robustness(hand_made.result())
    assert found.resampled is None
    assert found.band is None
    assert found.probabilistic_sharpe is not None
    assert 0 < found.probabilistic_sharpe < 1


def test_enough_sessions_give_paths_and_always_the_same_ones() -> None:
    result = made_up_result(sessions=LEAST + 2, every=30)  # the first two are warm-up
    first, second = robustness(result, trials=8), robustness(result, trials=8)
    assert first.resampled is not None
    assert first.band is not None
    assert first.band.equity.shape == (5, LEAST + 1)
    assert robustness_figures(first) == robustness_figures(second)
    keys = [each.key for each in robustness_figures(first)]
    assert keys[3:] == ["loss-probability", "final-5", "final-50", "final-95", "fall-50", "fall-95"]


def test_returns_that_never_vary_say_nothing() -> None:
    quiet = made_up_result(sessions=30, every=30, trades_per_session=0.0)
    assert robustness(quiet, overfitting=0.5).probabilistic_sharpe is None
    assert robustness(quiet, overfitting=0.5).overfitting == 0.5
