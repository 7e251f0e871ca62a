"""How much of a result is the luck of having looked at many: statistics against self-deception.

Sharpe ratios here are per session, not annualised: the formulas are about observations. What cannot
be computed is ``None``.

Sources: Bailey and López de Prado, "The Sharpe Ratio Efficient Frontier", Journal of Risk 15 (2012)
(probabilistic Sharpe ratio) and "The Deflated Sharpe Ratio", Journal of Portfolio Management 40
(2014); Bailey, Borwein, López de Prado and Zhu, "The Probability of Backtest Overfitting", Journal
of Computational Finance 20 (2017).
"""

from __future__ import annotations

import math
from itertools import combinations
from statistics import NormalDist
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

_NORMAL: Final = NormalDist()
_EULER_MASCHERONI: Final = 0.5772156649015329
_NO_VARIATION: Final = 1e-24
"""Variances up to this are rounding."""

Matrix = NDArray[np.float64]


class Moments(NamedTuple):
    """What the formulas need of a series of returns: kurtosis is 3 for a normal distribution."""

    sharpe: float
    skewness: float
    kurtosis: float
    observations: int


class Overfitting(NamedTuple):
    """How the configuration chosen in one half of the sessions did in the other half.

    Over all ways to choose the half: ``probability`` that the chosen one was not better than the
    median of all (PBO), ``loss`` that its Sharpe ratio was negative; ``logits`` of its relative
    rank, one a split; ``slope`` of the ratio out of sample on the one in sample (below zero: the
    better it looked, the worse it did), ``None`` when that never varied. ``sessions`` were used.
    """

    probability: float
    loss: float
    slope: float | None
    logits: Matrix
    sessions: int


def moments(returns: ArrayLike) -> Moments | None:
    """Return Sharpe ratio, skewness and kurtosis (population moments) of returns.

    ``None`` for fewer than two and for returns that do not vary.
    """
    values = np.asarray(returns, dtype=np.float64)
    if len(values) < 2:
        return None
    centred = values - values.mean()
    variance = float(np.mean(centred**2))
    if variance <= _NO_VARIATION:
        return None
    return Moments(
        sharpe=float(values.mean()) / float(values.std(ddof=1)),
        skewness=float(np.mean(centred**3)) / variance**1.5,
        kurtosis=float(np.mean(centred**4)) / variance**2,
        observations=len(values),
    )


def probabilistic_sharpe(observed: Moments, threshold: float = 0.0) -> float:
    """Return the probability that the true Sharpe ratio is above ``threshold`` (per session).

    ``Φ((SR - SR*) √(T - 1) / √(1 - γ₃ SR + (γ₄ - 1)/4 SR²))``, formula (11) of the paper of 2012.
    """
    ratio = observed.sharpe
    # Positive for all moments that a series can have, for kurtosis >= 1 + skewness².
    spread = 1.0 - observed.skewness * ratio + (observed.kurtosis - 1.0) / 4.0 * ratio**2
    distance = (ratio - threshold) * math.sqrt(observed.observations - 1)
    if spread <= 0:
        return float(distance > 0)
    return _NORMAL.cdf(distance / math.sqrt(spread))


def expected_maximum_sharpe(trials: int, variance: float) -> float:
    """Return the Sharpe ratio that the best of ``trials`` worthless configurations shows.

    ``variance`` is that of the trials' ratios. ``√V ((1 - γ) Φ⁻¹(1 - 1/N) + γ Φ⁻¹(1 - 1/(N e)))``,
    γ Euler and Mascheroni's constant; formula (1) of the paper of 2014. 0 for a single trial.
    """
    if trials < 2:
        return 0.0
    best = (1 - _EULER_MASCHERONI) * _NORMAL.inv_cdf(1 - 1 / trials)
    best += _EULER_MASCHERONI * _NORMAL.inv_cdf(1 - 1 / (trials * math.e))
    return math.sqrt(variance) * best


def deflated_sharpe(observed: Moments, *, trials: int, variance: float) -> float:
    """Return the probability that a chosen configuration's Sharpe ratio is not selection alone.

    ``trials`` is how many independent configurations were tried, ``variance`` that of their Sharpe
    ratios per session. It is the probabilistic ratio above ``expected_maximum_sharpe``.
    """
    return probabilistic_sharpe(observed, expected_maximum_sharpe(trials, variance))


def sharpe_variance(returns: ArrayLike) -> float:
    """Return the sample variance of the Sharpe ratios of columns, one a configuration.

    A configuration that never varies counts with 0; fewer than two columns have variance 0.
    """
    values = np.atleast_2d(np.asarray(returns, dtype=np.float64))
    ratios = [0.0 if (each := moments(column)) is None else each.sharpe for column in values.T]
    return float(np.var(ratios, ddof=1)) if len(ratios) > 1 else 0.0


def backtest_overfitting(returns: ArrayLike, *, blocks: int = 16) -> Overfitting | None:
    """Return the probability of overfitting by combinatorially symmetric cross-validation.

    ``returns`` has a row a session and a column a configuration. The sessions are cut into an even
    number of ``blocks`` in order (the oldest sessions that fill no block are left out); each half
    of the blocks chooses, the other judges. A configuration without variation has a ratio of 0,
    equal ratios share their rank. ``None`` for fewer than two configurations or sessions a block.

    Raises:
        ValueError: ``blocks`` is odd or below 2.
    """
    if blocks < 2 or blocks % 2:
        raise ValueError(f"blocks is {blocks}: the halves need an even number of at least 2")
    values = np.asarray(returns, dtype=np.float64)
    length = len(values) // blocks
    if values.ndim != 2 or values.shape[1] < 2 or length < 2:
        return None
    used = values[len(values) - length * blocks :]
    parts = used.reshape(blocks, length, -1)
    # Sums by block are all that a Sharpe ratio over any half needs.
    sums, squares = parts.sum(axis=1), (parts**2).sum(axis=1)
    chosen = _halves(blocks)
    inside = _ratios(chosen, sums, squares, length)
    outside = _ratios(1.0 - chosen, sums, squares, length)
    best = inside.argmax(axis=1)
    rows = np.arange(len(best))
    judged = outside[rows, best]
    below = (outside < judged[:, None]).sum(axis=1)
    equal = (outside == judged[:, None]).sum(axis=1)
    rank = (below + (equal + 1) / 2) / (values.shape[1] + 1)
    logits = np.log(rank / (1.0 - rank))
    return Overfitting(
        probability=float(np.mean(logits <= 0)),
        loss=float(np.mean(judged < 0)),
        slope=_slope(inside[rows, best], judged),
        logits=logits,
        sessions=len(used),
    )


def _halves(blocks: int) -> Matrix:
    """Return every choice of half of the blocks, one a row, as 1 and 0."""
    choices = np.array(list(combinations(range(blocks), blocks // 2)), dtype=np.intp)
    halves = np.zeros((len(choices), blocks))
    np.put_along_axis(halves, choices, 1.0, axis=1)
    return halves


def _ratios(chosen: Matrix, sums: Matrix, squares: Matrix, length: int) -> Matrix:
    """Return the Sharpe ratio of every configuration over every choice of blocks."""
    count = chosen.shape[1] // 2 * length
    means = chosen @ sums / count
    variances = (chosen @ squares / count - means**2) * (count / (count - 1))
    varies = variances > _NO_VARIATION
    return np.where(varies, means / np.sqrt(np.where(varies, variances, 1.0)), 0.0)


def _slope(inside: Matrix, outside: Matrix) -> float | None:
    centred = inside - inside.mean()
    spread = float(centred @ centred)
    return float(centred @ outside) / spread if spread > _NO_VARIATION else None
