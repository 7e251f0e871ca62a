"""``kst compare`` and ``kst calibrate``: what they show, what they say, how they end."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from deploy.backtesting import calibrate, compare
from deploy.cli import app
from research.backtest import parse_settings
from research.fidelity.day import recorded_day
from research.fidelity.recording import RecordedSession
from tests.research.fidelity.played_day import deciders, played_day


@cache
def _morning() -> RecordedSession:
    whole = played_day()
    return RecordedSession(
        account=whole.account, opening=whole.opening, entries=whole.entries[:2_500]
    )


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> compare.CompareResult:
    """A played morning, compared with the deciders of that morning."""
    monkeypatch.setattr(compare, "factories", lambda strategies: dict(deciders()))
    return compare.compare_session(_morning(), ("kpr",))


def test_a_day_is_traded_again_with_its_latencies_and_as_an_ordinary_backtest(
    compared: compare.CompareResult, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compared.matched
    assert compared.recorded_latencies.differences == ()
    fills = compared.recorded_latencies.count("fills")
    assert fills.matched == fills.recorded > 3
    assert compared.recorded_latencies.money_again == compared.recorded_latencies.money_recorded
    assert compared.arrivals.orders == compared.arrivals.explained > 3
    drawn = compared.drawn_latencies.count("intents")
    assert drawn.found > drawn.recorded // 2
    compare._show(compared)
    shown = capsys.readouterr().err
    assert f"{fills.recorded} of {fills.recorded} (100%)" in shown
    assert "every intent, decision, order and execution is the same" in shown
    assert "latencies drawn" in " ".join(shown.split())


def test_a_day_on_which_nothing_was_derived_proves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(compare, "factories", lambda strategies: dict(deciders()))
    whole = _morning()
    nothing = RecordedSession(
        account=whole.account, opening=whole.opening, entries=whole.entries[:6]
    )
    assert not compare.compare_session(nothing, ("kpr",)).matched


def test_the_measured_latencies_are_a_block_of_a_configuration_file() -> None:
    day = recorded_day(_morning())
    result = calibrate._result(_morning().trading_date, day.latencies(), day.fill_model())
    text = calibrate.yaml_block(result)
    assert text.startswith("# Measured on 20250915 by kst calibrate; milliseconds.\n")
    settings = parse_settings(
        {"name": "x", "strategies": [{"name": "kmp"}], **yaml.safe_load(text)}, folder=Path()
    )
    assert settings.latency == result.latency
    assert result.measured["order"] > 3
    assert 20 <= min(settings.latency.order) <= max(settings.latency.order) <= 3_000


def test_calibrate_shows_what_was_measured(capsys: pytest.CaptureFixture[str]) -> None:
    day = recorded_day(_morning())
    latencies = day.latencies()
    calibrate._show(
        calibrate._result(_morning().trading_date, latencies, day.fill_model()), latencies
    )
    shown = capsys.readouterr().err
    assert "latencies of 20250915, milliseconds" in " ".join(shown.split())
    assert "traded whole on arrival" in shown


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_demo_day_compares_equal_with_itself(tmp_path: Path) -> None:
    runner = CliRunner()
    run = tmp_path / "run"
    assert runner.invoke(app, ["demo", "--symbols", "20", "--data-dir", str(run)]).exit_code == 0
    done = runner.invoke(app, ["compare", "--data-dir", str(run), "--json"])
    result = json.loads(done.stdout)
    assert done.exit_code == 0
    counts = {each["kind"]: each for each in result["recorded_latencies"]["counts"]}
    assert counts["intents"]["matched"] == counts["intents"]["recorded"] > 5
    assert counts["fills"]["matched"] == counts["fills"]["recorded"] > 3
    exact = result["recorded_latencies"]
    assert exact["identical"] == exact["recorded_events"]
    output = tmp_path / "latency.yaml"
    args = ["calibrate", "--data-dir", str(run), "--output", str(output), "--json"]
    assert runner.invoke(app, args).exit_code == 0
    assert len(yaml.safe_load(output.read_text())["latency"]["order"]) > 1
