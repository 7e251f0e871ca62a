"""Tests of `kst sweep`, `kst walk-forward` and `kst runs` over a stand-in for the engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from deploy.backtesting.tables import cell, shortened
from deploy.cli import app
from research.backtest import sweep, walk_forward
from research.backtest.errors import InvalidSettings
from research.backtest.plans import load_plan
from research.backtest.windows import Spans
from tests.research.backtest.toy_engine import open_toys, toy_run

EDGE = "strategies.kmp.set.edge"
PLAN = f"""
backtest:
  name: toy
  strategies: [{{name: kmp, set: {{edge: 1}}}}]
  cash: 1000000
grid:
  {EDGE}: [1, 3, 2]
objective: total_return
windows: {{train: 5, test: 5}}
"""


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    for module in (sweep, walk_forward):
        monkeypatch.setattr(module, "default_run", lambda: toy_run)
        monkeypatch.setattr(module, "default_days", open_toys)
    (tmp_path / "plan.yaml").write_text(PLAN)
    return CliRunner()


def answer(terminal: CliRunner, *arguments: str, status: int = 0) -> dict[str, Any]:
    result = terminal.invoke(app, [*arguments, "--json"])
    assert result.exit_code == status, result.output
    said: dict[str, Any] = json.loads(result.stdout)
    return said


def test_a_sweep_says_which_configuration_is_best_and_keeps_all(terminal: CliRunner) -> None:
    said = answer(terminal, "sweep", "plan.yaml", "--workers", "1")
    assert said["objective"] == "total_return"
    assert said["best"]["overrides"] == {EDGE: 3}
    assert said["best"]["value"] == pytest.approx(24e-6)
    assert [row["result"] for row in said["configurations"]] == [8, 24, 16]
    assert 0 <= said["deflated_sharpe"] <= 1
    assert said["overfitting"] is None  # fifteen sessions are too few for sixteen blocks
    kept = answer(terminal, "runs")
    assert sorted(row[0] for row in kept["rows"]) == sorted(
        row["run_id"] for row in said["configurations"]
    )


def test_a_sweep_is_shown_best_first_in_80_columns(terminal: CliRunner) -> None:
    shown = terminal.invoke(app, ["sweep", "plan.yaml", "--workers", "1"]).output
    lines = shown.splitlines()
    rows = [line.split() for line in lines if line.strip()[:1].isdigit()]
    assert [row[0] for row in rows[1:4]] == ["3", "2", "1"]
    assert "best: strategies.kmp.set.edge=3" in shown
    assert max(map(len, lines)) <= 80


def test_a_failed_configuration_is_named_and_is_the_exit_status(terminal: CliRunner) -> None:
    Path("plan.yaml").write_text(PLAN.replace("[1, 3, 2]", "[1, 13]"))
    result = terminal.invoke(app, ["sweep", "plan.yaml", "--workers", "1"])
    assert result.exit_code == 1
    assert f"{EDGE}=13: ValueError: thirteen brings bad luck" in result.output


def test_walk_forward_shows_what_was_chosen_in_each_window(terminal: CliRunner) -> None:
    said = answer(terminal, "walk-forward", "plan.yaml", "--workers", "1")
    assert [row["chosen"] for row in said["windows"]] == [f"{EDGE}=3", f"{EDGE}=3"]
    assert len(said["curve"]) == 10
    assert said["efficiency"] == pytest.approx(3 / 45, rel=1e-3)
    assert said["figures"]["total"] == pytest.approx(3e-6, rel=1e-3)
    shown = terminal.invoke(app, ["walk-forward", "plan.yaml", "--workers", "1"]).output
    assert "2025-09-15 – 09-19" in shown
    assert "edge=3" in shown
    assert said["digest"][:16] in shown


def test_walk_forward_without_windows_is_refused(terminal: CliRunner) -> None:
    Path("plan.yaml").write_text(PLAN.replace("windows: {train: 5, test: 5}", ""))
    said = answer(terminal, "walk-forward", "plan.yaml", status=1)
    assert said["error"]["kind"] == "InvalidSettings"
    assert "it has no windows" in said["error"]["what"]


def test_runs_answers_sql(terminal: CliRunner) -> None:
    answer(terminal, "sweep", "plan.yaml", "--workers", "1", "--store", "elsewhere")
    assert answer(terminal, "runs")["rows"] == []
    said = answer(
        terminal,
        "runs",
        "SELECT count(*) AS n, sum(fee) AS fees FROM fills",
        "--store",
        "elsewhere",
    )
    assert (said["columns"], said["rows"]) == (["n", "fees"], [[90, 0]])
    shown = terminal.invoke(app, ["runs", "--store", "elsewhere"]).output
    assert "toy-" in shown
    assert "tables: runs, sessions" in shown
    wrong = answer(terminal, "runs", "SELECT nothing", status=1)
    assert wrong["error"]["kind"] == "QueryRefused"


def test_an_unknown_objective_is_refused_before_anything_runs(terminal: CliRunner) -> None:
    said = answer(terminal, "sweep", "plan.yaml", "--objective", "luck", status=1)
    assert "'luck' is none of sharpe" in said["error"]["what"]


def test_a_plan_takes_the_backtest_from_a_file_beside_it(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("{name: base, strategies: [{name: kmp}]}")
    (tmp_path / "plan.yaml").write_text(
        "{backtest: base.yaml, configurations: [{cash: 5}], windows: {train: 2, test: 1}}"
    )
    plan = load_plan(tmp_path / "plan.yaml")
    assert plan.settings.name == "base"
    assert plan.configurations == ({"cash": 5},)
    assert plan.windows == Spans(train=2, test=1)
    assert plan.objective == "sharpe"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{backtest: none.yaml}", "No such file"),
        ("{grid: {}}", "missing required field `backtest`"),
        ("{backtest: a.yaml, gird: {}}", "unknown field `gird`"),
        ("{backtest: ", "it is no YAML"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "plan.yaml").write_text(text)
    with pytest.raises(InvalidSettings, match=problem):
        load_plan(tmp_path / "plan.yaml")
    with pytest.raises(InvalidSettings, match="No such file"):
        load_plan(tmp_path / "absent.yaml")


def test_keys_are_shortened_as_far_as_they_stay_apart() -> None:
    assert shortened([EDGE, "cash", "latency.order", "risk.set.order"]) == {
        EDGE: "edge",
        "cash": "cash",
        "latency.order": "latency.order",
        "risk.set.order": "set.order",
    }


def test_cells_are_written_for_people() -> None:
    assert cell("drawdown", 0.1234) == "12.34%"
    assert cell("result", -1_234_567) == "-1,234,567"
    assert cell("sharpe", 1.23456) == "1.235"
    assert cell("sharpe", None) == "-"


def test_the_shipped_plan_varies_settings_that_exist() -> None:
    from deploy.configuration import SHIPPED
    from research.backtest.deciders import configuration

    plan = load_plan(SHIPPED / "backtests" / "kmp-sweep.yaml")
    varied = sweep.Sweep(plan.settings, plan.grid)
    assert len(varied.configurations) == 6
    for settings in varied.settings:
        configuration(settings)  # refuses keys that the strategy does not have
