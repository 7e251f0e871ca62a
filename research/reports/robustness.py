"""How much of a result may be luck: paths that might have been, and what selection explains.

What always holds: figures come from ``research.backtest``; here they are only drawn and put into
words. Seeded, so a report of equal results is equal.
"""

from __future__ import annotations

from typing import Final

import msgspec

from events import TradingDate
from research.backtest.monte_carlo import Band, Resampled, resample_band, resample_returns
from research.backtest.overfitting import moments, probabilistic_sharpe
from research.backtest.performance import daily_returns
from research.backtest.results import BacktestResult
from research.reports import charts, notation
from research.reports.charts import Chart
from research.reports.curves import counted
from research.reports.distributions import spread
from research.reports.summary import Figure

PATHS: Final = 5_000
"""Paths that are drawn."""

BLOCK: Final = 5
"""Sessions that stay together when drawn: a week."""

LEAST: Final = 4 * BLOCK
"""Sessions without which nothing is drawn: fewer blocks give the same few paths again."""


class Robustness(msgspec.Struct, frozen=True, kw_only=True):
    """Statistics against self-deception, each ``None`` where it is not known.

    ``deflated_sharpe`` is the probability that the Sharpe ratio is not the luck of choosing among
    ``trials`` configurations, ``overfitting`` the probability of overfitting (PBO) of the search
    that the configuration comes from. ``band`` has a level before the first session and one after
    each, ``resampled`` the ends of the same paths.
    """

    probabilistic_sharpe: float | None = None
    deflated_sharpe: float | None = None
    trials: int | None = None
    overfitting: float | None = None
    resampled: Resampled | None = None
    band: Band | None = None


def robustness(
    result: BacktestResult,
    *,
    deflated_sharpe: float | None = None,
    trials: int | None = None,
    overfitting: float | None = None,
    seed: int = 1,
) -> Robustness:
    """Return what a result alone says about luck, and what is known of the search beside it.

    Sessions are drawn again with replacement, a week at a time, where there are ``LEAST``; returns
    that never vary say nothing.
    """
    returns = daily_returns(result)
    found = moments(returns)
    known = Robustness(
        probabilistic_sharpe=None if found is None else probabilistic_sharpe(found),
        deflated_sharpe=deflated_sharpe,
        trials=trials,
        overfitting=overfitting,
    )
    if found is None or len(returns) < LEAST:
        return known
    opening = float(counted(result)[0].opening_equity)
    return msgspec.structs.replace(
        known,
        resampled=resample_returns(returns, opening, paths=PATHS, block=BLOCK, seed=seed),
        band=resample_band(returns, opening, paths=PATHS, block=BLOCK, seed=seed),
    )


def robustness_figures(given: Robustness) -> list[Figure]:
    """Return the figures of the section."""
    found = [
        Figure(
            "probabilistic-sharpe",
            "Probability that the true Sharpe ratio is above zero",
            notation.percent(given.probabilistic_sharpe, 1),
        ),
        Figure(
            "deflated-sharpe",
            "The same, after choosing among the tried configurations (deflated)",
            notation.percent(given.deflated_sharpe, 1),
            "" if given.trials is None else f"{given.trials:,} configurations tried",
        ),
        Figure(
            "overfitting",
            "Probability that the search was overfitted (PBO)",
            notation.percent(given.overfitting, 1),
        ),
    ]
    paths = given.resampled
    if paths is not None:
        loss = notation.percent(paths.loss_probability, 1)
        found.append(Figure("loss-probability", "Paths that end with a loss", loss))
        for key, share, which in (
            ("final-5", 0.05, "worst 5% of"),
            ("final-50", 0.5, "half of the"),
            ("final-95", 0.95, "best 5% of"),
        ):
            end = notation.won(paths.final_equity_at(share))
            found.append(Figure(key, f"Equity at the end, {which} paths", end))
        for key, share, which in (
            ("fall-50", 0.5, "half of the"),
            ("fall-95", 0.95, "worst 5% of"),
        ):
            depth = notation.percent(-paths.drawdown_at(share))
            found.append(Figure(key, f"Maximum drawdown, {which} paths", depth))
    return found


def robustness_charts(
    given: Robustness, dates: list[TradingDate], equity: list[int]
) -> dict[str, Chart]:
    """Return the charts of the section; ``equity`` is one level more than there are ``dates``."""
    found = {}
    if given.band is not None:
        found["band"] = charts.band(dates, given.band, equity)
    if given.resampled is not None:
        depths = spread([-float(each) for each in given.resampled.drawdown])
        if depths is not None:
            marks = [-given.resampled.drawdown_at(0.5), -given.resampled.drawdown_at(0.95)]
            found["falls"] = charts.outcomes(
                depths, "Maximum drawdown of a path", marks, {"tickformat": ".1%"}
            )
    return found
