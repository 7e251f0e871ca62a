"""The page of a search: what was tried, what failed, and what choosing the best is worth."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from research.backtest.errors import InvalidSettings
from research.backtest.sweep import SweepResult
from research.reports import sweep_charts, write_sweep_report
from research.reports.sweep_document import sweep_report
from tests.research.reports.made_up import made_up_outcome, made_up_sweep, made_up_walk
from tests.research.reports.pages import Page

HOSTILE = "</script><img src=x onerror=alert(1)>"


def sweep_of(*series: tuple[int, str, list[float]]) -> SweepResult:
    """Return a sweep over ``a.set.x`` and ``a.set.y`` with these returns."""
    outcomes = [
        made_up_outcome({"strategies.a.set.x": x, "strategies.a.set.y": y}, changes)
        for x, y, changes in series
    ]
    return SweepResult(tuple(outcomes), ("strategies.a.set.x", "strategies.a.set.y"))


@pytest.fixture(scope="module")
def page() -> Page:
    text = sweep_report(title="Search", sweep=made_up_sweep(), walk_forward=made_up_walk())
    return Page(text)


def test_configurations_stand_in_order_of_the_objective(page: Page) -> None:
    head, *rows = page.tables["configuration-table"]
    assert head == ["rvol.min", "breakout.buffer", "stop.atr", "Sharpe", "Result", "Return",
                    "Max. drawdown", "Trades", "Hit rate", "Run"]  # fmt: skip
    assert len(rows) == 60
    ratios = [float(each[3].replace("−", "-")) for each in rows[:59]]
    assert ratios == sorted(ratios, reverse=True)
    assert page.figures["best"] == f"{ratios[0]:.2f}"


def test_a_failed_configuration_is_shown_as_failed(page: Page) -> None:
    assert page.tables["configuration-table"][-1][3].startswith("failed: InvalidSettings")
    assert "59 ended well, 1 failed" in page.text
    assert "1 of 60 configurations failed, the first: rvol.min=3.5" in page.text


def test_the_best_never_stands_without_the_luck_of_choosing(page: Page) -> None:
    sweep = made_up_sweep()
    overfitting = sweep.overfitting()
    assert overfitting is not None
    assert page.figures["overfitting"] == f"{overfitting.probability:.1%}"
    assert page.figures["deflated-sharpe"] == f"{sweep.deflated_sharpe():.1%}"
    assert re.fullmatch(r"\d+ of 59", page.figures["positive"])


def test_configurations_of_other_sessions_are_not_compared() -> None:
    sweep = sweep_of((1, "p", [0.01, -0.02, 0.03]), (2, "p", [0.01, 0.02]))
    shown = Page(sweep_report(title="Search", sweep=sweep))
    assert shown.figures["deflated-sharpe"] == "–"
    assert "did not trade the same sessions" in shown.text


def test_a_map_has_the_mean_of_each_pair_of_values() -> None:
    changes = [0.02, -0.01], [0.04, -0.01], [0.03, 0.01]
    sweep = sweep_of((2, "p", changes[0]), (1, "p", changes[1]), (1, "q", changes[2]))
    axes = sweep_charts.varied(sweep.outcomes, sweep.keys)
    assert axes == {"strategies.a.set.x": [1, 2], "strategies.a.set.y": ["p", "q"]}
    chart = sweep_charts.maps(sweep.outcomes, axes, "total_return")["map-1"]
    (trace,) = chart.traces
    assert trace["z"][0] == pytest.approx([1.04 * 0.99 - 1, 1.02 * 0.99 - 1], abs=1e-7)
    assert trace["z"][1] == [pytest.approx(1.03 * 1.01 - 1, abs=1e-7), None]
    assert trace["text"] == [["+3.0%", "+1.0%"], ["+4.0%", ""]]
    assert chart.layout["xaxis"]["title"] == "x"


def test_one_varied_key_is_drawn_as_a_line() -> None:
    sweep = sweep_of((1, "p", [0.02, -0.01]), (2, "p", [0.04, -0.01]), (3, "p", [0.0, 0.0]))
    charts = Page(sweep_report(title="Search", sweep=sweep)).payload["charts"]
    assert charts["along"]["traces"][0]["x"] == ["1", "2", "3"]
    assert charts["along"]["traces"][0]["y"][2] is None


def test_keys_are_short_where_that_is_clear() -> None:
    keys = ["strategies.kmp.set.stop", "strategies.kpr.set.stop", "strategies.kpr.set.x", "cash"]
    assert sweep_charts.short(keys) == {
        "strategies.kmp.set.stop": "strategies.kmp.set.stop",
        "strategies.kpr.set.stop": "strategies.kpr.set.stop",
        "strategies.kpr.set.x": "x",
        "cash": "cash",
    }


def test_walk_forward_shows_only_tested_sessions(page: Page) -> None:
    walk = made_up_walk()
    figures = walk.figures()
    assert figures is not None
    rows = page.tables["window-table"][1:]
    assert rows[0][:2] == ["2025-01-02 to 2025-04-02", "2025-04-03 to 2025-04-30"]
    assert len(rows) == 6
    assert rows[-1][2:] == ["–", "–", "–", "–", "–"]
    assert page.figures["walk-total"] == f"{figures.total:+.2%}".replace("-", "−")
    equity = page.payload["charts"]["walk"]["traces"][0]["y"]
    assert len(equity) == 1 + 6 * 20
    assert equity[0] == 100_000_000
    assert equity[-1] == round(100_000_000 * (1 + figures.total))
    assert "1 window had nothing to choose by" in page.text
    assert walk.digest in page.text


def test_either_may_be_shown_alone(tmp_path: Path) -> None:
    path = write_sweep_report(tmp_path / "walk.html", title="Walk", walk_forward=made_up_walk())
    shown = Page(path.read_text(encoding="utf-8"))
    assert "configuration-table" not in shown.tables
    assert "configurations" not in shown.figures


def test_with_nothing_there_is_no_page(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="neither a sweep nor a walk-forward"):
        write_sweep_report(tmp_path / "none.html", title="None")


def test_an_unknown_objective_is_refused() -> None:
    with pytest.raises(InvalidSettings, match="luck"):
        sweep_report(title="Search", sweep=made_up_sweep(failing=0), objective="luck")


def test_when_all_fail_there_is_still_a_page() -> None:
    shown = Page(sweep_report(title="Search", sweep=made_up_sweep(failing=60)))
    assert shown.figures["best"] == "–"
    assert shown.payload["charts"] == {}


def test_hostile_text_stays_text() -> None:
    sweep = sweep_of((1, HOSTILE, [0.02, -0.01]), (2, "p", [0.04, -0.01]))
    shown = Page(sweep_report(title=HOSTILE, sweep=sweep))
    assert "img" not in shown.tags
    assert shown.handlers == []
    assert shown.tags.count("script") == 3
    assert HOSTILE in shown.text
