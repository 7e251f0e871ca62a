"""One backtest as one HTML page: everything is a projection of its ``BacktestResult``.

What always holds: each figure is computed in ``research.backtest`` or counted here from its rows,
written once, and named by ``data-figure`` in the page.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from events import TradingDate
from research.backtest.figures import Performance
from research.backtest.performance import performance
from research.backtest.results import BacktestResult
from research.reports import attribution, charts, curves, distributions, page, summary
from research.reports.charts import Chart
from research.reports.months import NAMES, month_table
from research.reports.records import records
from research.reports.robustness import (
    LEAST,
    Robustness,
    robustness_charts,
    robustness_figures,
)
from research.reports.robustness import robustness as assessed

_ROLLING: Final = ((120, 60), (40, 20))
"""From so many sessions on a moving window of so many tells something."""


class Index(msgspec.Struct, frozen=True, kw_only=True):
    """What a result is compared with: closing ``levels`` by session, the one before the first too.

    A level before the first session is the base; without one the first session is left out of the
    comparison.
    """

    name: str
    levels: Mapping[TradingDate, float]


def write_report(
    result: BacktestResult,
    path: Path,
    *,
    title: str | None = None,
    benchmark: Index | None = None,
    robustness: Robustness | None = None,
) -> Path:
    """Write a backtest as one HTML file that needs nothing else, and return its path.

    ``title`` is the run's name by default; ``robustness`` what ``robustness(result)`` says. Equal
    arguments give equal files.
    """
    return page.write(path, report(result, title=title, benchmark=benchmark, robustness=robustness))


def report(
    result: BacktestResult,
    *,
    title: str | None = None,
    benchmark: Index | None = None,
    robustness: Robustness | None = None,
) -> str:
    """Return the page as text; arguments as for ``write_report``."""
    figures = performance(result, index=None if benchmark is None else benchmark.levels)
    rows = records(result)
    drawn: dict[str, Chart] = {}
    view: dict[str, Any] = {
        "title": title or result.provenance.name,
        "result": result,
        "figures": figures,
        "records": rows,
        "gate": attribution.gate(result.decisions),
        "orders": attribution.order_ends(result),
        "problems": (found := attribution.problems(result.sessions)),
        "cautions": summary.cautions(result, figures, found),
        "settings": _readable(result.provenance.settings),
        "month_names": NAMES,
        "charts": drawn,
        "benchmark": benchmark,
    }
    if figures is not None:
        view |= _judged(result, figures, benchmark, drawn)
        view |= _luck(result, robustness or assessed(result), drawn)
    return page.render("report.html.j2", view, {"records": rows.tables, "charts": drawn})


def _judged(
    result: BacktestResult,
    figures: Performance,
    benchmark: Index | None,
    drawn: dict[str, Chart],
) -> dict[str, Any]:
    """Return what the template shows of a result with sessions, and add its charts."""
    curve = curves.account_curve(result)
    sessions = curves.counted(result)
    dates = [each.session for each in sessions]
    drawn["account"] = charts.account(curve, _compared(result, figures, benchmark), sessions)
    drawn["strategies"] = charts.strategies(dates, curves.strategy_curves(result, figures))
    drawn["costs"] = charts.costs(dates, curves.cost_curve(result))
    spread = distributions.spread(distributions.trade_returns(result.trades))
    if spread is not None:
        drawn["trade-returns"] = charts.trade_returns(spread)
        drawn["holding-times"] = charts.holding_times(distributions.holding_times(result.trades))
    window = next((size for least, size in _ROLLING if len(sessions) >= least), None)
    if window is not None:
        ratios = curves.rolling_sharpe(result, window)
        drawn["rolling-sharpe"] = charts.rolling_sharpe(dates[window - 1 :], ratios)
    return {
        "period": summary.period(figures),
        "headline": summary.headline(figures),
        "groups": summary.groups(result, figures, curve),
        "curve": curve,
        "years": month_table(figures.months),
        "unattributed": figures.result - sum(each.result for each in figures.strategies),
        "spread": spread,
        "window": window,
    }


def _luck(
    result: BacktestResult, robustness: Robustness, drawn: dict[str, Chart]
) -> dict[str, Any]:
    sessions = curves.counted(result)
    drawn |= robustness_charts(
        robustness,
        [each.session for each in sessions],
        [sessions[0].opening_equity, *(each.closing_equity for each in sessions)],
    )
    return {"luck": robustness_figures(robustness), "robustness": robustness, "least": LEAST}


def _compared(
    result: BacktestResult, figures: Performance, benchmark: Index | None
) -> tuple[str, list[int], list[float]] | None:
    """Return what the opening equity would have become in the index, at closes with a level."""
    if benchmark is None or figures.benchmark is None:
        return None
    closes = curves.closing_times(result)
    within = [each.session for each in curves.counted(result) if each.session in benchmark.levels]
    earlier = [date for date in benchmark.levels if date < figures.first]
    base = benchmark.levels[max(earlier) if earlier else within[0]]
    known = [date for date in within if date in closes]
    return (
        benchmark.name,
        [closes[date] for date in known],
        [round(figures.opening_equity * benchmark.levels[date] / base) for date in known],
    )


def _readable(settings: str) -> str:
    try:
        return msgspec.json.format(settings, indent=2)
    except msgspec.DecodeError:
        return settings
