"""Charts of a search for settings: where it is good, how good all were, what choosing earned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, Final

from events import TradingDate
from research.backtest.evaluation import Outcome
from research.reports import notation
from research.reports.charts import Chart

MAPPED: Final = 3
"""Keys whose pairs are mapped, at most: those with the most values."""

CURVES: Final = 100
"""Curves in one chart, at most."""

Cells = list[list[float | None]]


def written(objective: str, value: float | None) -> str:
    """Return an objective's value in its unit: percent, won or a plain ratio."""
    if objective.endswith("return"):
        return notation.percent(value, 1, signed=True)
    if objective == "expectancy":
        return notation.won(value, signed=True)
    return notation.count(value, 2)


_NAMES: Final = {"sharpe": "Sharpe ratio", "sortino": "Sortino ratio", "calmar": "Calmar ratio"}


def name_of(objective: str) -> str:
    """Return an objective in words: ``annual_return`` is Annual return."""
    return _NAMES.get(objective, objective.replace("_", " ").capitalize())


def short(keys: Sequence[str]) -> dict[str, str]:
    """Return keys without ``strategies.<name>.set.``, in full where two would be alike."""
    ends = {key: key.partition(".set.")[2] or key for key in keys}
    names = list(ends.values())
    return {key: end if names.count(end) == 1 else key for key, end in ends.items()}


def label(outcome: Outcome, keys: Sequence[str]) -> str:
    """Return what an outcome varies, in short."""
    names = short(keys)
    said = (f"{names.get(key, key)}={value}" for key, value in outcome.overrides.items())
    return ", ".join(said) or "as given"


def varied(outcomes: Sequence[Outcome], keys: Sequence[str]) -> dict[str, list[Any]]:
    """Return the values of each key that has more than one, numbers in their order."""
    values: dict[str, list[Any]] = {}
    for key in keys:
        found = list(dict.fromkeys(_hashable(each.overrides.get(key)) for each in outcomes))
        if len(found) > 1:
            plain = all(isinstance(each, int | float) for each in found)
            values[key] = sorted(found) if plain else found
    return values


def _hashable(value: object) -> Any:
    return value if isinstance(value, int | float | str | None) else str(value)


def maps(
    outcomes: Sequence[Outcome], axes: Mapping[str, Sequence[Any]], objective: str
) -> dict[str, Chart]:
    """Return a map of the objective for each pair of the keys with the most values."""
    widest = sorted(axes, key=lambda key: -len(axes[key]))[:MAPPED]
    pairs = list(combinations([key for key in axes if key in widest], 2))
    tables = [cells(outcomes, (x, axes[x]), (y, axes[y]), objective) for x, y in pairs]
    known = [each for table in tables for row in table for each in row if each is not None]
    scale = (min(known, default=0.0), max(known, default=0.0))
    names = short(list(axes))
    return {
        f"map-{number}": _map((names[x], axes[x]), (names[y], axes[y]), table, objective, scale)
        for number, ((x, y), table) in enumerate(zip(pairs, tables, strict=True), start=1)
    }


def cells(
    outcomes: Sequence[Outcome],
    x: tuple[str, Sequence[Any]],
    y: tuple[str, Sequence[Any]],
    objective: str,
) -> Cells:
    """Return the mean objective at each pair of values, a row a value of ``y``.

    The mean is over all values of the other keys; ``None`` where nothing has the objective.
    """
    sums: dict[tuple[Any, Any], list[float]] = {}
    for each in outcomes:
        value = each.objective(objective)
        if value is not None:
            place = (_hashable(each.overrides.get(x[0])), _hashable(each.overrides.get(y[0])))
            sums.setdefault(place, []).append(value)
    return [[_mean(sums.get((across, up), [])) for across in x[1]] for up in y[1]]


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _map(
    x: tuple[str, Sequence[Any]],
    y: tuple[str, Sequence[Any]],
    table: Cells,
    objective: str,
    scale: tuple[float, float],
) -> Chart:
    small = len(x[1]) <= 12
    trace = {
        "type": "heatmap",
        "x": [str(each) for each in x[1]],
        "y": [str(each) for each in y[1]],
        "z": table,
        "zmin": scale[0],
        "zmax": scale[1],
        # Zero has a colour of its own where values lie on both sides of it.
        **({"zmid": 0} if scale[0] < 0 < scale[1] else {}),
        "xgap": 2,
        "ygap": 2,
        "colorscale": [
            [0, "var(--heat-low)"],
            [0.5, "var(--heat-middle)"],
            [1, "var(--heat-high)"],
        ],
        "text": [
            ["" if each is None else written(objective, each) for each in row] for row in table
        ],
        "texttemplate": "%{text}" if small else "",
        "hovertemplate": f"{_plain(x[0])} %{{x}}<br>{_plain(y[0])} %{{y}}<br>"
        f"{name_of(objective)} %{{text}}<extra></extra>",
        "colorbar": {"thickness": 12, "outlinewidth": 0, "tickfont": {"color": "var(--soft)"}},
    }
    layout = {
        "xaxis": {"type": "category", "title": _plain(x[0]), "showgrid": False},
        "yaxis": {"type": "category", "title": _plain(y[0]), "showgrid": False},
    }
    return Chart(traces=[trace], layout=layout, height=max(260, 130 + 34 * len(y[1])))


def along(outcomes: Sequence[Outcome], key: str, values: Sequence[Any], objective: str) -> Chart:
    """Return the objective over the values of the only key that was varied."""
    by_value: dict[Any, list[float]] = {}
    for each in outcomes:
        value = each.objective(objective)
        if value is not None:
            by_value.setdefault(_hashable(each.overrides.get(key)), []).append(value)
    trace = {
        "type": "scatter",
        "mode": "lines+markers",
        "x": [str(each) for each in values],
        "y": [_mean(by_value.get(each, [])) for each in values],
        "line": {"color": "var(--accent)", "width": 2},
        "marker": {"color": "var(--accent)", "size": 8},
        "hovertemplate": f"{_plain(key)} %{{x}}: %{{y:.3f}}<extra></extra>",
    }
    layout = {
        "xaxis": {"type": "category", "title": _plain(key)},
        "yaxis": {"title": name_of(objective), "zeroline": True},
    }
    return Chart(traces=[trace], layout=layout, height=300)


def equity(outcomes: Sequence[Outcome], best: Outcome | None, keys: Sequence[str]) -> Chart:
    """Return the equity of configurations over the sessions they share, the best one in front."""
    ended = [each for each in outcomes if each.counted and each is not best][: CURVES - 1]
    traces = [_curve(each, label(each, keys), "var(--rule-strong)", 1) for each in ended]
    if best is not None and best.counted:
        traces.append(_curve(best, label(best, keys), "var(--accent)", 2.5))
    layout = {
        "xaxis": {"type": "date"},
        "yaxis": {"title": "Equity, won", "exponentformat": "B"},
        "hovermode": "closest",
    }
    return Chart(traces=traces, layout=layout, height=360)


def _curve(outcome: Outcome, name: str, colour: str, width: float) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [notation.session(each.session) for each in outcome.counted],
        "y": [each.closing_equity for each in outcome.counted],
        "line": {"color": colour, "width": width},
        "hovertemplate": f"{_plain(name)}<br>%{{x|%Y-%m-%d}}: %{{y:,.0f}} won<extra></extra>",
    }


def out_of_sample(
    dates: Sequence[TradingDate], levels: Sequence[float], windows: Sequence[Sequence[TradingDate]]
) -> Chart:
    """Return the equity of the tested sessions put together, every other window shaded."""
    trace = {
        "type": "scatter",
        "mode": "lines",
        "x": [
            f"{notation.session(dates[0])} 09:00",
            *(f"{notation.session(each)} 15:30" for each in dates),
        ],
        "y": [round(each) for each in levels],
        "line": {"color": "var(--accent)", "width": 2.2},
        "hovertemplate": "%{x|%a %Y-%m-%d}: %{y:,.0f} won<extra></extra>",
    }
    shades = [
        {
            "type": "rect", "xref": "x", "yref": "paper", "y0": 0, "y1": 1, "layer": "below",
            "x0": f"{notation.session(each[0])} 09:00", "x1": f"{notation.session(each[-1])} 15:30",
            "fillcolor": "var(--accent-area)", "line": {"width": 0},
        }
        for each in windows[::2]
    ]  # fmt: skip
    layout = {
        "xaxis": {"type": "date"},
        "yaxis": {"title": "Equity, won", "exponentformat": "B"},
        "shapes": shades,
    }
    return Chart(traces=[trace], layout=layout, height=360)


def chosen_and_tested(pairs: Sequence[tuple[str, float, float]], objective: str) -> Chart:
    """Return what the chosen configurations promised against what they kept, window by window.

    ``pairs`` are a label, the objective on the train sessions and on the test sessions.
    """
    values = [value for _, train, test in pairs for value in (train, test)]
    low, high = min(values), max(values)
    traces = [
        {
            "type": "scatter", "mode": "lines", "x": [low, high], "y": [low, high],
            "line": {"color": "var(--rule-strong)", "dash": "dot", "width": 1.5},
            "hoverinfo": "skip",
        },
        {
            "type": "scatter", "mode": "markers",
            "x": [train for _, train, _ in pairs], "y": [test for _, _, test in pairs],
            "text": [_plain(label) for label, _, _ in pairs],
            "marker": {"color": "var(--accent)", "size": 9},
            "hovertemplate": "%{text}<br>chosen with %{x:.2f}, tested with %{y:.2f}<extra></extra>",
        },
    ]  # fmt: skip
    layout = {
        "xaxis": {"title": f"{name_of(objective)} when chosen", "zeroline": True},
        "yaxis": {"title": f"{name_of(objective)} when tested", "zeroline": True},
    }
    return Chart(traces=traces, layout=layout, height=360)


def _plain(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("%{", "% {")
