"""The reference of the gate: written by the code, and what stands in the documents is that."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.risk_reference import text
from risk import load_settings, reference
from risk.entries import STEPS
from tests.risk.scenario import CONFIGURATION, configuration

DOCUMENT = Path(__file__).parents[2] / "docs" / "risk.md"


def test_the_document_is_what_the_code_says() -> None:
    """Otherwise: ``python -m deploy.risk_reference > docs/risk.md``."""
    assert DOCUMENT.read_text("utf-8") == text()


def test_every_check_has_a_row_and_an_explanation() -> None:
    """In the order of the table."""
    lines = text().splitlines()
    rows = [line.split("`")[1] for line in lines if line.startswith("| ") and "`" in line]
    told = [line.split("`")[1] for line in lines if line.startswith("- `")]
    names = [step.check.__name__ for step in STEPS]
    assert rows == names
    assert told[: len(names)] == names


@pytest.mark.parametrize(
    "row",
    [
        "| 10 | `trading_halt` |  |  | defer | pass |",
        "| 16 | `gross_exposure` | fraction of equity | `risk.max_gross_exposure_pct`: 0.9 / 0.8 "
        "| reject | reject |",
        "| 25 | `daily_liquidity` | won | `risk.min_daily_value_won`: 3,000,000,000 / "
        "3,000,000,000 | reject | pass |",
    ],
)
def test_a_row_gives_unit_limits_and_both_ends(row: str) -> None:
    """Standard and conservative value side by side."""
    assert row in text().splitlines()


def test_a_check_that_cuts_says_what_happens_when_nothing_fits() -> None:
    """Liquidity comes back, so it defers; the limit per symbol rejects."""
    assert "| cut; nothing fits: defer | defer |" in text()
    assert "| cut; nothing fits: reject | reject |" in text()


def test_the_values_are_those_of_the_settings_given() -> None:
    """Not those that happen to be shipped."""
    changed = reference(load_settings(configuration(max_spread_bps=77.5)))
    assert "`risk.max_spread_bps`: 77.5 / 77.5" in changed
    assert "`risk.max_spread_bps`: 50" in reference(load_settings(CONFIGURATION))


def test_it_names_every_scope_mode_and_trigger_of_halts() -> None:
    """And what caps a sale."""
    for word in ("all_hosts", "reduce_only", "operator_link", "own_shares", "broker_shares"):
        assert f"`{word}`" in text()
