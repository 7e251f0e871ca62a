"""What each chart of a page draws, as plotly takes it, and the text that goes with it.

Colours are names of the page's style (``var(--gain)``), so a chart follows light, dark and print.
What always holds: gain and loss differ by more than their colour (sign, side of zero, place).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from events import StrategyId, TradingDate
from events.calendar import kst
from research.backtest.monte_carlo import Band
from research.backtest.results import SessionRow
from research.reports import notation
from research.reports.curves import AccountCurve, CostCurve, axis_time
from research.reports.distributions import Bin, Spread

SERIES: Final = 8
"""Colours that series have; a ninth begins again, with dashes."""

_DASHES: Final = ("solid", "dash", "dot")
_FEW_SESSIONS: Final = 15
_WON_AXIS: Final[dict[str, Any]] = {"exponentformat": "B", "nticks": 7}


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """One chart: traces and layout for plotly, ``height`` in pixels."""

    traces: list[dict[str, Any]]
    layout: dict[str, Any]
    height: int


def account(
    curve: AccountCurve,
    benchmark: tuple[str, Sequence[int], Sequence[float]] | None,
    sessions: Sequence[SessionRow],
) -> Chart:
    """Return equity, drawdown and exposure over one axis of time.

    ``benchmark`` is a name, instants (ns UTC) and what the opening equity would have become.
    """
    at = [axis_time(each) for each in curve.at]
    equity = _line(at, curve.equity, "Account", colour="var(--accent)", width=2)
    fall = _line(at, curve.fall, "Drawdown", colour="var(--loss)", width=1, shown="%{y:.2%}")
    fall |= {"yaxis": "y2", "fill": "tozeroy", "fillcolor": "var(--loss-area)"}
    exposure = _line(at, curve.exposure, "Exposure", colour="var(--other)", width=1)
    exposure |= {"yaxis": "y3", "fill": "tozeroy", "fillcolor": "var(--accent-area)"}
    exposure["hovertemplate"] = "%{y:.1%}<extra>Exposure</extra>"
    exposure["line"]["shape"] = "hv"
    traces = [equity, fall, exposure]
    if benchmark is not None:
        name, instants, values = benchmark
        times = [axis_time(each) for each in instants]
        other = _line(times, values, name, colour="var(--other)", width=1.5)
        other["line"]["dash"] = "dash"
        traces.insert(1, other)
    for trace in traces:
        trace["showlegend"] = benchmark is not None and "yaxis" not in trace
    return Chart(traces=traces, layout=_account_layout(curve, sessions), height=620)


def _account_layout(curve: AccountCurve, sessions: Sequence[SessionRow]) -> dict[str, Any]:
    return {
        "xaxis": {
            **_time_axis(curve.at, sessions),
            "anchor": "y3",
            "showspikes": True,
            "spikemode": "across",
            "spikethickness": 1,
            "spikedash": "dot",
            "spikecolor": "var(--rule-strong)",
        },
        "yaxis": {"domain": [0.46, 1], "title": "Equity, won", **_WON_AXIS, **_flat(curve)},
        "yaxis2": {
            "domain": [0.235, 0.42],
            "title": "Drawdown",
            "tickformat": ".1%",
            "nticks": 4,
            "range": [-curve.deepest * 1.05 or -0.01, 0],
        },
        "yaxis3": {
            "domain": [0, 0.195],
            "title": "Exposure",
            "tickformat": ".0%",
            "nticks": 4,
            "range": [0, max(curve.exposure, default=0.0) * 1.05 or 1.0],
        },
        "hovermode": "x unified",
        "hoversubplots": "axis",
        "showlegend": True,
    }


def _flat(curve: AccountCurve) -> dict[str, Any]:
    """Return a range for equity that never moved: its own would be fractions of a won."""
    if len(set(curve.equity)) > 1 or not curve.equity:
        return {}
    return {"range": [curve.equity[0] * 0.99, curve.equity[0] * 1.01]}


def _time_axis(at: Sequence[int], sessions: Sequence[SessionRow]) -> dict[str, Any]:
    """Return the axis of time: of dates, or of few sessions' minutes one after the other."""
    # Over months a night is less than a pixel; over days it would be most of an axis of dates.
    if len(sessions) > _FEW_SESSIONS:
        return {"type": "date", "hoverformat": "%a %Y-%m-%d %H:%M KST"}
    marked: dict[str, str] = {}
    for each in at:
        time = kst(each)
        mark = f"{time:%H:00}" if len(sessions) == 1 else f"{time:%m-%d}"
        if mark not in marked.values():
            marked[axis_time(each)] = mark
    return {
        "type": "category",
        "tickmode": "array",
        "tickvals": list(marked),
        "ticktext": list(marked.values()),
        "tickangle": 0,
    }


def _line(
    x: Sequence[object],
    y: Sequence[float],
    name: str,
    *,
    colour: str,
    width: float,
    shown: str = "%{y:,.0f} won",
) -> dict[str, Any]:
    # plotly reads markup in names.
    name = name.replace("&", "&amp;").replace("<", "&lt;").replace("%{", "% {")
    return {
        "type": "scatter",
        "mode": "lines" if len(x) > 1 else "markers",
        "name": name,
        "x": list(x),
        "y": list(y),
        "line": {"color": colour, "width": width},
        "marker": {"color": colour},
        "hovertemplate": f"{shown}<extra>{name}</extra>",
    }


def _dates(sessions: Sequence[TradingDate]) -> list[str]:
    return [notation.session(each) for each in sessions]


def strategies(sessions: Sequence[TradingDate], curves: Mapping[StrategyId, list[int]]) -> Chart:
    """Return what each strategy had gained by the close of each session."""
    traces = []
    for place, (strategy, values) in enumerate(curves.items()):
        colour = f"var(--series-{place % SERIES + 1})"
        line = _line(_dates(sessions), values, strategy, colour=colour, width=2)
        line["line"]["dash"] = _DASHES[place % len(_DASHES)]
        traces.append(line)
    layout = _over_sessions("Gained, won", _WON_AXIS, len(sessions), legend=True)
    return Chart(traces=traces, layout=layout, height=340)


def costs(sessions: Sequence[TradingDate], curve: CostCurve) -> Chart:
    """Return the gain after costs, before them, and before slippage as well."""
    dates = _dates(sessions)
    traces = []
    for values, name, colour, width, dash in (
        (curve.before_slippage, "before fees, tax and slippage", "var(--other)", 1.5, "dot"),
        (curve.before_costs, "before fees and tax", "var(--series-7)", 1.5, "dash"),
        (curve.net, "after all costs", "var(--accent)", 2.2, "solid"),
    ):
        line = _line(dates, values, name, colour=colour, width=width)
        line["line"]["dash"] = dash
        traces.append(line)
    layout = _over_sessions("Gained, won", _WON_AXIS, len(sessions), legend=True)
    return Chart(traces=traces, layout=layout, height=320)


def rolling_sharpe(dates: Sequence[TradingDate], values: Sequence[float | None]) -> Chart:
    """Return the Sharpe ratio of a moving window, at the window's last session."""
    known = [(date, value) for date, value in zip(dates, values, strict=True) if value is not None]
    line = _line(
        _dates([date for date, _ in known]),
        [value for _, value in known],
        "Sharpe ratio",
        colour="var(--accent)",
        width=2,
        shown="%{y:.2f}",
    )
    layout = _over_sessions("Sharpe ratio", {"zeroline": True, "zerolinewidth": 1.5}, len(dates))
    return Chart(traces=[line], layout=layout, height=260)


def _over_sessions(
    title: str, axis: Mapping[str, Any], count: int, *, legend: bool = False
) -> dict[str, Any]:
    # An axis of dates would mark the hours between a few sessions.
    few = count <= _FEW_SESSIONS
    return {
        "xaxis": {"type": "category"} if few else {"type": "date", "hoverformat": "%a %Y-%m-%d"},
        "yaxis": {"title": title, "zeroline": True, **axis},
        "hovermode": "x unified",
        "showlegend": legend,
    }


def trade_returns(spread: Spread) -> Chart:
    """Return how many trades returned how much, losses and gains apart."""
    traces = []
    for name, colour, sign in (("losses", "var(--loss)", -1), ("gains", "var(--gain)", 1)):
        bins = [each for each in spread.bins if each.middle * sign > 0]
        traces.append(_bars(bins, [each.middle for each in bins], name, colour) | {
            "width": [spread.width * 0.94] * len(bins),
        })  # fmt: skip
    layout = {
        "xaxis": {"title": "Result over cost", "tickformat": ".2~%", "range": _ends(spread)},
        "yaxis": {"title": "Trades"},
        "showlegend": True,
        "bargap": 0.04,
        "shapes": [_mark(spread.median)],
    }
    return Chart(traces=traces, layout=layout, height=300)


def holding_times(bins: Sequence[Bin]) -> Chart:
    """Return how many parts of trades were held how long."""
    trace = _bars(bins, [each.size for each in bins], "held", "var(--accent)")
    trace |= {"orientation": "h", "y": [each.label for each in bins]}
    trace["hovertemplate"] = "%{y}: %{x:,}<extra></extra>"
    layout = {
        "xaxis": {"title": "Parts of trades"},
        "yaxis": {"type": "category", "autorange": "reversed", "ticksuffix": " "},
        "bargap": 0.2,
    }
    return Chart(traces=[trace], layout=layout, height=300)


def outcomes(
    spread: Spread,
    title: str,
    marks: Sequence[float],
    axis: Mapping[str, Any],
    counted: str = "Paths",
) -> Chart:
    """Return how many of what is ``counted`` came to how much, with marked values."""
    trace = _bars(spread.bins, [each.middle for each in spread.bins], counted, "var(--accent)")
    trace["width"] = [spread.width * 0.98] * len(spread.bins)
    layout = {
        "xaxis": {"title": title, "range": _ends(spread), **axis},
        "yaxis": {"title": counted},
        "bargap": 0.02,
        "shapes": [_mark(each) for each in marks],
    }
    return Chart(traces=[trace], layout=layout, height=310)


def _ends(spread: Spread) -> list[float]:
    return [spread.bins[0].middle - spread.width, spread.bins[-1].middle + spread.width]


def _bars(bins: Sequence[Bin], x: Sequence[object], name: str, colour: str) -> dict[str, Any]:
    return {
        "type": "bar",
        "name": name,
        "x": list(x),
        "y": [each.size for each in bins],
        "customdata": [each.label for each in bins],
        "marker": {"color": colour},
        "hovertemplate": "%{customdata}: %{y:,}<extra></extra>",
    }


def _mark(x: float) -> dict[str, Any]:
    return {
        "type": "line", "x0": x, "x1": x, "y0": 0, "y1": 1, "yref": "paper",
        "line": {"color": "var(--ink)", "width": 1.5, "dash": "dot"},
    }  # fmt: skip


def band(dates: Sequence[TradingDate], given: Band, equity: Sequence[float]) -> Chart:
    """Return where resampled paths lie, session by session, and the equity that came about.

    The first level of band and ``equity`` belongs to the opening of the first session, the others
    to the closes.
    """
    few = len(dates) <= _FEW_SESSIONS
    opening = "opening" if few else f"{notation.session(dates[0])} 09:00"
    x = [opening, *(each if few else f"{each} 15:30" for each in _dates(dates))]
    traces = []
    for place, share in enumerate(given.shares):
        levels = [round(float(each)) for each in given.equity[place]]
        line = _line(x, levels, f"{share:.0%} of paths below", colour="var(--accent)", width=0)
        line["showlegend"] = False
        if place:
            inner = 1 < place < len(given.shares) - 1
            line["fill"] = "tonexty"
            line["fillcolor"] = "var(--accent-band)" if inner else "var(--accent-area)"
        if share == 0.5:
            line["line"] = {"color": "var(--other)", "width": 1.5, "dash": "dash"}
            line |= {"name": "half of the paths below", "showlegend": True}
        traces.append(line)
    traces.append(_line(x, list(equity), "this run", colour="var(--ink)", width=2))
    layout = _over_sessions("Equity, won", _WON_AXIS, len(dates), legend=True)
    return Chart(traces=traces, layout=layout, height=310)
