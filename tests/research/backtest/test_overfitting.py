"""Tests of the statistics against self-deception, on the figures of their papers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from research.backtest.overfitting import (
    Moments,
    backtest_overfitting,
    deflated_sharpe,
    expected_maximum_sharpe,
    moments,
    probabilistic_sharpe,
    sharpe_variance,
)

# Bailey and López de Prado (2014): five years of daily returns, annual ratio 2.5 with 250 sessions
# a year, skewness -3, kurtosis 10, variance of the trials' annual ratios one half.
PAPER = Moments(sharpe=2.5 / math.sqrt(250), skewness=-3, kurtosis=10, observations=1_250)
VARIANCE = 0.5 / 250


def test_the_probabilistic_ratio_is_that_of_the_paper_of_2012() -> None:
    # 24 months at 0.458 a month: 0.982 if returns were normal, 0.913 as they were.
    normal = Moments(sharpe=0.458, skewness=0, kurtosis=3, observations=24)
    as_were = Moments(sharpe=0.458, skewness=-2.448, kurtosis=10.164, observations=24)
    assert probabilistic_sharpe(normal) == pytest.approx(0.982, abs=5e-4)
    assert probabilistic_sharpe(as_were) == pytest.approx(0.913, abs=5e-4)


def test_the_best_of_a_hundred_worthless_trials_is_that_of_the_paper_of_2014() -> None:
    assert expected_maximum_sharpe(100, VARIANCE) == pytest.approx(0.1132, abs=5e-5)
    assert expected_maximum_sharpe(1, VARIANCE) == 0.0


@pytest.mark.parametrize(
    ("trials", "skewness", "kurtosis", "expected"),
    [(100, -3, 10, 0.9004), (46, -3, 10, 0.9505), (88, 0, 3, 0.9505)],
)
def test_the_deflated_ratio_is_that_of_the_paper_of_2014(
    trials: int, skewness: float, kurtosis: float, expected: float
) -> None:
    observed = PAPER._replace(skewness=skewness, kurtosis=kurtosis)
    found = deflated_sharpe(observed, trials=trials, variance=VARIANCE)
    assert found == pytest.approx(expected, abs=5e-5)


def test_the_expected_maximum_is_what_trials_without_edge_show() -> None:
    ratios = np.random.default_rng(3).normal(0, 0.5, size=(20_000, 50)).max(axis=1)
    assert expected_maximum_sharpe(50, 0.25) == pytest.approx(ratios.mean(), rel=0.02)


def test_moments_are_those_worked_out_by_hand() -> None:
    # Mean 1, squared deviations 1, 1, 1, 9 over 4 = 3; cubes -3 + 27 over 4; fourths 84 over 4.
    found = moments([0, 0, 0, 4])
    assert found is not None
    assert found.sharpe == pytest.approx(1 / 2)
    assert found.skewness == pytest.approx(6 / 3**1.5)
    assert found.kurtosis == pytest.approx(21 / 9)
    assert found.observations == 4
    assert moments([0.01, 0.01]) is None
    assert moments([0.01]) is None


def test_the_variance_of_trials_counts_idle_ones_as_zero() -> None:
    # Ratios 0, and 1 / sqrt(2): half of its square is left with one degree of freedom.
    columns = np.array([[0.0, 0.0], [0.0, 2.0]])
    assert sharpe_variance(columns) == pytest.approx(0.25)
    assert sharpe_variance(columns[:, :1]) == 0.0


def test_a_choice_that_always_holds_is_not_overfitted() -> None:
    noise = np.random.default_rng(1).normal(0, 1e-3, size=(160, 8))
    noise[:, 5] += 0.01
    found = backtest_overfitting(noise, blocks=8)
    assert found is not None
    assert (found.probability, found.loss) == (0.0, 0.0)
    assert len(found.logits) == 70
    # Best of eight: relative rank 8 / 9.
    assert found.logits.tolist() == pytest.approx([math.log(8)] * 70)


def test_a_choice_among_two_that_take_turns_is_always_wrong() -> None:
    good, bad = [0.02, 0.01], [-0.01, -0.02]
    # Each is good in one half only, so who is chosen in it is the worse one in the other.
    found = backtest_overfitting(np.array([good + bad, bad + good]).T, blocks=2)
    assert found is not None
    assert (found.probability, found.loss) == (1.0, 1.0)
    # Last of two: relative rank 1 / 3.
    assert found.logits.tolist() == pytest.approx([math.log(0.5)] * 2)


def test_ratios_over_halves_are_those_of_their_sessions() -> None:
    series = np.random.default_rng(5).normal(0.001, 0.02, size=(40, 3))
    found = backtest_overfitting(series, blocks=2)
    assert found is not None
    first, second = series[:20], series[20:]
    ratio = [half.mean(axis=0) / half.std(axis=0, ddof=1) for half in (first, second)]
    for inside, outside, logit in zip(ratio, ratio[::-1], found.logits, strict=True):
        rank = 1 + int((outside < outside[inside.argmax()]).sum())
        assert logit == pytest.approx(math.log(rank / (4 - rank)))


def test_choosing_among_pure_noise_is_overfitted_half_of_the_time() -> None:
    shares = [
        found.probability
        for seed in range(40)
        if (found := backtest_overfitting(_noise(seed), blocks=8)) is not None
    ]
    assert np.mean(shares) == pytest.approx(0.5, abs=0.1)


def test_equal_configurations_share_their_rank() -> None:
    column = np.random.default_rng(2).normal(size=(32, 1))
    found = backtest_overfitting(np.repeat(column, 4, axis=1), blocks=4)
    assert found is not None
    assert found.logits.tolist() == pytest.approx([0.0] * 6)


def test_the_oldest_sessions_that_fill_no_block_are_left_out() -> None:
    series = _noise(1)
    whole = backtest_overfitting(series, blocks=8)
    more = backtest_overfitting(np.vstack([np.full((5, 10), 9.0), series]), blocks=8)
    assert whole is not None
    assert more is not None
    assert (whole.sessions, more.probability) == (200, whole.probability)


def test_what_cannot_be_judged_is_none_and_odd_blocks_are_refused() -> None:
    assert backtest_overfitting(_noise(1)[:, :1]) is None
    assert backtest_overfitting(_noise(1)[:20], blocks=16) is None
    with pytest.raises(ValueError, match="blocks is 7"):
        backtest_overfitting(_noise(1), blocks=7)


def _noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(200, 10))
