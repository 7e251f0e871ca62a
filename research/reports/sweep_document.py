"""A search for settings as one HTML page: what was tried, what was best, what choosing is worth.

What always holds: a configuration that failed is shown as failed, and a best one never stands
without what is known of the luck of having looked at many.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from events.calendar import trading_date
from research.backtest.evaluation import Outcome, require_objective
from research.backtest.sweep import SweepResult
from research.backtest.walk_forward import WalkForwardResult
from research.reports import charts, page, sweep_charts
from research.reports.charts import Chart
from research.reports.distributions import spread
from research.reports.notation import NOTHING, count, percent, won
from research.reports.summary import Figure
from research.reports.sweep_charts import label, name_of, short, written

ROWS: Final = 500
"""Configurations in the table, at most: the best ones."""


def write_sweep_report(
    path: Path,
    *,
    title: str,
    sweep: SweepResult | None = None,
    walk_forward: WalkForwardResult | None = None,
    objective: str = "sharpe",
) -> Path:
    """Write a sweep, a walk-forward or both as one HTML file and return its path.

    ``objective`` is what the sweep's configurations are ordered by; a walk-forward has its own.

    Raises:
        InvalidSettings: there is no such objective.
        ValueError: neither is given.
    """
    return page.write(
        path,
        sweep_report(title=title, sweep=sweep, walk_forward=walk_forward, objective=objective),
    )


def sweep_report(
    *,
    title: str,
    sweep: SweepResult | None = None,
    walk_forward: WalkForwardResult | None = None,
    objective: str = "sharpe",
) -> str:
    """Return the page as text; arguments and errors as for ``write_sweep_report``."""
    if sweep is None and walk_forward is None:
        raise ValueError("neither a sweep nor a walk-forward is given: there is nothing to report")
    drawn: dict[str, Chart] = {}
    view: dict[str, Any] = {
        "title": title,
        "charts": drawn,
        "headline": [],
        "cautions": [],
        "sweep": None,
        "walk": None,
    }
    if sweep is not None:
        view["sweep"] = _sweep_view(sweep, require_objective(objective), drawn)
        view["headline"] += _sweep_headline(sweep, objective)
        view["cautions"] += _sweep_cautions(sweep)
    if walk_forward is not None:
        view["walk"] = _walk_view(walk_forward, drawn)
        view["headline"] += _walk_headline(walk_forward)
        view["cautions"] += _walk_cautions(walk_forward)
    return page.render("sweep.html.j2", view, {"charts": drawn})


# Sweep


def _sweep_view(sweep: SweepResult, objective: str, drawn: dict[str, Chart]) -> dict[str, Any]:
    best = sweep.best(objective)
    axes = sweep_charts.varied(sweep.outcomes, sweep.keys)
    valued = [each for each in sweep.outcomes if each.objective(objective) is not None]
    if valued and len(axes) == 1:
        ((key, values),) = axes.items()
        drawn["along"] = sweep_charts.along(sweep.outcomes, key, values, objective)
    elif valued:
        drawn |= sweep_charts.maps(sweep.outcomes, axes, objective)
    if best is not None:
        drawn["configurations"] = sweep_charts.equity(sweep.outcomes, best, sweep.keys)
    ratios = [ratio for each in sweep.outcomes if (ratio := each.objective("sharpe")) is not None]
    spread_of = spread(ratios, unit="")
    if spread_of is not None:
        drawn["sharpes"] = charts.outcomes(
            spread_of, "Sharpe ratio", [float(np.median(ratios))], {}, "Configurations"
        )
    ranked = sorted(sweep.outcomes, key=lambda each: _rank(each, objective))
    return {
        "objective": objective,
        "named": name_of(objective),
        "short": short(sweep.keys),
        "best": best,
        "axes": axes,
        "keys": sweep.keys,
        "rows": [_row(each, sweep.keys, objective) for each in ranked[:ROWS]],
        "of": len(ranked),
        "failed": sweep.failed,
        "curves": min(len(valued), sweep_charts.CURVES),
        "valued": len(valued),
        "luck": _luck(sweep, ratios),
        "mapped": [name for name in drawn if name.startswith("map-")],
        "median": float(np.median(ratios)) if ratios else None,
    }


def _rank(outcome: Outcome, objective: str) -> tuple[bool, float]:
    value = outcome.objective(objective)
    return (value is None, 0.0 if value is None else -value)


def _comparable(sweep: SweepResult) -> bool:
    """Return whether all configurations that ended well traded the same sessions."""
    ended = [each for each in sweep.outcomes if not each.error]
    return len({tuple(row.session for row in each.counted) for each in ended}) < 2


def _luck(sweep: SweepResult, ratios: Sequence[float]) -> list[Figure]:
    comparable = _comparable(sweep)
    deflated = sweep.deflated_sharpe() if comparable else None
    overfitting = sweep.overfitting() if comparable else None
    pbo = None if overfitting is None else overfitting.probability
    loss = None if overfitting is None else overfitting.loss
    positive = f"{count(sum(each > 0 for each in ratios))} of {count(len(ratios))}"
    return [
        Figure(
            "deflated-sharpe",
            "Probability that the best Sharpe ratio is not the luck of choosing (deflated)",
            percent(deflated, 1),
        ),
        Figure("overfitting", "Probability that the search was overfitted (PBO)", percent(pbo, 1)),
        Figure(
            "overfitting-loss",
            "Probability that the chosen one loses out of sample",
            percent(loss, 1),
        ),
        Figure("positive", "Configurations with a positive Sharpe ratio", positive),
    ]


def _row(outcome: Outcome, keys: Sequence[str], objective: str) -> dict[str, Any]:
    figures = outcome.figures
    value = outcome.objective(objective)
    return {
        "values": [outcome.overrides.get(key) for key in keys],
        "value": value,
        "written": written(objective, value),
        "result": None if figures is None else figures.result,
        "returned": None if figures is None else figures.returns.total,
        "sharpe": None if figures is None else figures.returns.sharpe,
        "drawdown": None if figures is None else -figures.returns.drawdown,
        "trades": None if figures is None else figures.trades.closed,
        "hit_rate": None if figures is None else figures.trades.hit_rate,
        "run_id": outcome.run_id,
        "result_hash": outcome.result_hash,
        "error": outcome.error,
    }


def _sweep_headline(sweep: SweepResult, objective: str) -> Iterator[Figure]:
    best = sweep.best(objective)
    ended = len(sweep.outcomes) - len(sweep.failed)
    yield Figure("configurations", "Configurations", count(len(sweep.outcomes)),
                 f"{count(ended)} ended well, {count(len(sweep.failed))} failed")  # fmt: skip
    yield Figure(
        "best",
        f"Best {name_of(objective)}",
        NOTHING if best is None else written(objective, best.objective(objective)),
        "none has a value" if best is None else label(best, sweep.keys),
    )


def _sweep_cautions(sweep: SweepResult) -> Iterator[str]:
    if sweep.failed:
        first = sweep.failed[0]
        yield (
            f"{len(sweep.failed):,} of {len(sweep.outcomes):,} configurations failed, the first: "
            f"{label(first, sweep.keys)}: {first.error}"
        )
    if not _comparable(sweep):
        yield (
            "The configurations did not trade the same sessions: they cannot be compared session "
            "by session, so nothing is said about overfitting."
        )
    yield (
        "The best of many looks better than it is. Judge it by what the section on luck says, and "
        "by sessions that had no part in choosing it."
    )


# Walk-forward


def _walk_view(walk: WalkForwardResult, drawn: dict[str, Chart]) -> dict[str, Any]:
    dates, series = walk.sessions()
    if dates:
        levels = [float(walk.opening_equity)]
        levels += (np.cumprod(1.0 + series) * walk.opening_equity).tolist()
        tested = [[trading_date(on) for on in each.window.test] for each in walk.windows]
        drawn["walk"] = sweep_charts.out_of_sample(dates, levels, tested)
    pairs = [
        (label(each.chosen, walk.keys), train, test)
        for each in walk.windows
        if each.chosen is not None and each.test is not None
        and (train := each.chosen.objective(walk.objective)) is not None
        and (test := each.test.objective(walk.objective)) is not None
    ]  # fmt: skip
    if pairs:
        drawn["promise"] = sweep_charts.chosen_and_tested(pairs, walk.objective)
    return {
        "objective": walk.objective,
        "named": name_of(walk.objective),
        "digest": walk.digest,
        "windows": [
            {
                "train": f"{each.window.train[0]:%Y-%m-%d} to {each.window.train[-1]:%Y-%m-%d}",
                "test": f"{each.window.test[0]:%Y-%m-%d} to {each.window.test[-1]:%Y-%m-%d}",
                "chosen": NOTHING if each.chosen is None else label(each.chosen, walk.keys),
                "trained": _objective(each.chosen, walk.objective),
                "tested": _objective(each.test, walk.objective),
                "returned": _returned(each.test),
                "trades": _trades(each.test),
                "error": "" if each.test is None else each.test.error,
            }
            for each in walk.windows
        ],
    }


def _objective(outcome: Outcome | None, objective: str) -> str:
    return NOTHING if outcome is None else written(objective, outcome.objective(objective))


def _returned(outcome: Outcome | None) -> float | None:
    return None if outcome is None or outcome.figures is None else outcome.figures.returns.total


def _trades(outcome: Outcome | None) -> int | None:
    return None if outcome is None or outcome.figures is None else outcome.figures.trades.closed


def _walk_headline(walk: WalkForwardResult) -> Iterator[Figure]:
    figures = walk.figures()
    sessions = len(walk.sessions()[0])
    if figures is None:
        yield Figure("walk-total", "Out of sample", NOTHING, "no session was tested")
        return
    end = won(walk.opening_equity * (1.0 + figures.total))
    yield Figure(
        "walk-total",
        "Return out of sample",
        percent(figures.total, signed=True),
        f"{end} after {count(sessions)} sessions in {count(len(walk.windows))} windows",
        "gain" if figures.total > 0 else "loss" if figures.total < 0 else "",
    )
    yield Figure(
        "walk-sharpe",
        "Sharpe ratio out of sample",
        count(figures.sharpe, 2),
        f"maximum drawdown {percent(-figures.drawdown)}, "
        f"efficiency {percent(walk.efficiency(), 0)}",
    )


def _walk_cautions(walk: WalkForwardResult) -> Iterator[str]:
    if walk.failed:
        first = walk.failed[0].error
        yield f"{len(walk.failed):,} runs of the walk-forward failed, the first: {first}"
    idle = sum(each.chosen is None for each in walk.windows)
    if idle:
        windows = "1 window" if idle == 1 else f"{idle:,} windows"
        yield f"{windows} had nothing to choose by and traded nothing: a return of zero."
