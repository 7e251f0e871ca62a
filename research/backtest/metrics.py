"""The formulas by which results are judged, each on plain series and with its source.

Returns are simple returns of one session over the one before, as fractions; a year has 252
sessions. What cannot be computed (too few sessions, no variation, no loss) is ``None``, never a
number that looks like one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

SESSIONS_A_YEAR: Final = 252
"""Sessions that figures are annualised to. KRX has 242 to 248; 252 is what others print."""

_NOISE: Final = 1e-12
"""Deviations up to this are rounding: such a series does not vary."""

Returns = NDArray[np.float64]


class Drawdown(NamedTuple):
    """The deepest fall of a series from a peak.

    ``depth`` is a fraction of the peak, ``peak`` and ``trough`` are places in the series,
    ``recovered`` the first place at the peak again, ``None`` if never. ``sessions`` is from peak to
    recovery or to the end.
    """

    depth: float
    peak: int
    trough: int
    recovered: int | None
    sessions: int


class Regression(NamedTuple):
    """A series against a benchmark: annual ``alpha``, ``beta`` and their correlation."""

    alpha: float
    beta: float
    correlation: float | None


def returns(levels: ArrayLike) -> Returns:
    """Return the simple returns between successive levels: one fewer than there are levels."""
    values = np.asarray(levels, dtype=np.float64)
    return values[1:] / values[:-1] - 1.0


def total_return(levels: Sequence[float]) -> float:
    """Return the gain from the first to the last level as a fraction."""
    return levels[-1] / levels[0] - 1.0


def annual_return(levels: Sequence[float]) -> float | None:
    """Return the geometric return a year: ``(last / first) ** (252 / sessions) - 1``.

    ``None`` without a session; -1 when nothing is left.
    """
    sessions = len(levels) - 1
    if sessions < 1:
        return None
    growth = levels[-1] / levels[0]
    return growth ** (SESSIONS_A_YEAR / sessions) - 1.0 if growth > 0 else -1.0


def volatility(series: Returns) -> float | None:
    """Return the sample standard deviation (n - 1) of returns, times the root of 252.

    ``None`` for fewer than two.
    """
    if len(series) < 2:
        return None
    return float(series.std(ddof=1)) * math.sqrt(SESSIONS_A_YEAR)


def sharpe(series: Returns) -> float | None:
    """Return mean over sample deviation, times the root of 252, against a rate of zero.

    ``None`` for fewer than two returns and for returns that do not vary. Source: Sharpe, "The
    Sharpe Ratio", Journal of Portfolio Management 21 (1994); the root of time holds for returns
    without serial correlation (Lo, "The Statistics of Sharpe Ratios", FAJ 58, 2002).
    """
    deviation = volatility(series)
    if deviation is None or deviation <= _NOISE:
        return None
    return float(series.mean()) * SESSIONS_A_YEAR / deviation


def sortino(series: Returns) -> float | None:
    """Return mean over downside deviation, times the root of 252, against a target of zero.

    The downside deviation is the root of the mean of squared negative returns over all returns.
    ``None`` without a loss. Source: Sortino and Price, "Performance Measurement in a Downside Risk
    Framework", Journal of Investing 3 (1994).
    """
    if not len(series):
        return None
    downside = math.sqrt(float(np.mean(np.minimum(series, 0.0) ** 2)))
    if downside <= _NOISE:
        return None
    return float(series.mean()) / downside * math.sqrt(SESSIONS_A_YEAR)


def drawdown(levels: ArrayLike) -> Drawdown:
    """Return the deepest fall; of equally deep ones the first. Depth 0 when nothing fell."""
    values = np.asarray(levels, dtype=np.float64)
    peaks = np.maximum.accumulate(values)
    falls = 1.0 - values / peaks
    trough = int(falls.argmax())
    if falls[trough] <= 0:
        return Drawdown(0.0, 0, 0, 0, 0)
    # The last place at that level: from there on it fell.
    peak = int(np.flatnonzero(values[: trough + 1] == peaks[trough])[-1])
    back = np.flatnonzero(values[trough:] >= peaks[trough])
    recovered = trough + int(back[0]) if len(back) else None
    end = len(values) - 1 if recovered is None else recovered
    return Drawdown(float(falls[trough]), peak, trough, recovered, end - peak)


def longest_under_water(levels: ArrayLike) -> int:
    """Return the most sessions from a peak until it is reached again, or to the end."""
    values = np.asarray(levels, dtype=np.float64)
    at_peak = np.flatnonzero(values >= np.maximum.accumulate(values))
    spans = np.diff(at_peak)
    # Two peaks in a row are no time under water; after the last one there may be some.
    recovered = int(spans[spans > 1].max(initial=0))
    return max(recovered, len(values) - 1 - int(at_peak[-1]))


def calmar(levels: Sequence[float]) -> float | None:
    """Return annual return over the depth of the deepest fall, ``None`` when nothing fell.

    Source: Young, "Calmar Ratio: A Smoother Tool", Futures 20 (1991); here over the whole run
    instead of 36 months.
    """
    annual = annual_return(levels)
    depth = drawdown(levels).depth
    return None if annual is None or depth <= 0 else annual / depth


def profit_factor(results: Sequence[int]) -> float | None:
    """Return won gained in winning trades over won lost in losing ones, ``None`` without a loss."""
    lost = -sum(each for each in results if each < 0)
    return sum(each for each in results if each > 0) / lost if lost else None


def hit_rate(results: Sequence[int]) -> float | None:
    """Return the share of trades that gained, ``None`` without a trade."""
    return sum(each > 0 for each in results) / len(results) if results else None


def mean(results: Sequence[int]) -> float | None:
    """Return the arithmetic mean, ``None`` of nothing. Over trades it is their expectancy."""
    return sum(results) / len(results) if results else None


def regression(series: Returns, benchmark: Returns) -> Regression | None:
    """Return alpha and beta of a series by ordinary least squares on a benchmark's returns.

    ``beta = cov / var``, ``alpha = (mean - beta * benchmark mean) * 252``. ``None`` for fewer than
    two returns or a benchmark that does not vary. Source: Jensen, "The Performance of Mutual
    Funds", Journal of Finance 23 (1968), with a rate of zero.
    """
    if len(series) < 2:
        return None
    own, other = series - series.mean(), benchmark - benchmark.mean()
    spread = float(other @ other)
    if spread <= _NOISE**2:
        return None
    beta = float(own @ other) / spread
    alpha = (float(series.mean()) - beta * float(benchmark.mean())) * SESSIONS_A_YEAR
    scale = math.sqrt(float(own @ own) * spread)
    return Regression(alpha, beta, float(own @ other) / scale if scale > _NOISE**2 else None)
