"""Tests of sweeps: many configurations, in order, on several workers, with failures."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from research.backtest.configurations import grid, with_overrides
from research.backtest.errors import InvalidSettings, NoMarketData
from research.backtest.market_day import MarketDays
from research.backtest.remembered_days import Budget, RememberedDays, SelectedDays
from research.backtest.settings import BacktestSettings
from research.backtest.store import ResultStore
from research.backtest.sweep import Sweep
from tests.research.backtest.toy_engine import FIRST, SETTINGS, ToyDays, open_toys, toy_run

EDGE = "strategies.kmp.set.edge"


def sweep(*edges: int) -> Sweep:
    return Sweep(SETTINGS, {EDGE: list(edges)}, execute=toy_run, open_days=open_toys)


def test_a_grid_is_every_combination_and_the_last_axis_changes_fastest() -> None:
    assert grid({"a": [1, 2], "b": ["x", "y"]}) == [
        {"a": 1, "b": "x"},
        {"a": 1, "b": "y"},
        {"a": 2, "b": "x"},
        {"a": 2, "b": "y"},
    ]


def test_an_axis_without_values_is_refused() -> None:
    with pytest.raises(InvalidSettings, match="cash is 5: give a list of values"):
        grid({"cash": 5})


def test_overrides_reach_every_part_of_the_settings() -> None:
    changed = with_overrides(
        SETTINGS,
        {
            "cash": 5_000_000,
            "data.symbols": 20,
            "latency.order": 55,
            "fills.interruptions": True,
            "strategies.kmp.set.rvol.min": 2.5,
            "risk.set.risk.max_position_pct": 0.1,
            "orders.reprice_ms": 500,
        },
    )
    assert changed.cash == 5_000_000
    assert changed.data.symbols == 20
    assert changed.latency.order == (55.0,)
    assert changed.fills.interruptions is True
    assert changed.strategies[0].set == {"edge": 1, "rvol.min": 2.5}
    assert changed.risk.set == {"risk.max_position_pct": 0.1}
    assert changed.orders == {"reprice_ms": 500}
    assert SETTINGS.cash == 1_000_000


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("cahs", 1, "there is no 'cahs'; there are account_s, cash"),
        ("data.simbols", 1, "there is no 'simbols'"),
        ("cash.more", 1, "'cash' has no parts"),
        ("strategies.kpr.set.x", 1, "no strategy of the backtest is called 'kpr'; there are kmp"),
        ("strategies.kmp", 1, "it names a strategy"),
        ("cash", -1, "cash is -1: it must be positive won"),
        ("delivery", "teleport", "teleport"),
    ],
)
def test_an_override_that_cannot_be_says_why(key: str, value: object, problem: str) -> None:
    with pytest.raises(InvalidSettings, match=problem):
        with_overrides(SETTINGS, {key: value})


def test_a_sweep_with_nothing_to_vary_is_refused() -> None:
    with pytest.raises(InvalidSettings, match="nothing to vary"):
        Sweep(SETTINGS, execute=toy_run, open_days=open_toys)


def test_outcomes_come_in_the_order_of_the_configurations() -> None:
    result = sweep(3, 1, 2).run(workers=1)
    assert result.table().select(EDGE, "result", "trades").rows() == [
        (3, 24, 15),  # three times 7 + 8 won in two weeks, 7 lost in the third
        (1, 8, 15),
        (2, 16, 15),
    ]
    best = result.best("total_return")
    assert best is not None
    assert best.overrides == {EDGE: 3}


def test_a_configuration_that_fails_costs_only_itself() -> None:
    result = sweep(1, 13, 2).run(workers=1)
    (failed,) = result.failed
    assert failed.error == "ValueError: thirteen brings bad luck"
    assert "toy_run" in failed.detail
    assert result.table()["error"].to_list() == ["", failed.error, ""]
    assert result.table()["result"].to_list() == [8, None, 16]
    assert result.returns().shape == (15, 2)


def test_two_workers_give_what_one_gives(tmp_path: Path) -> None:
    store = ResultStore(tmp_path / "results")
    done: list[tuple[int, int]] = []
    two = sweep(*range(1, 9)).run(
        workers=2, store=store, on_progress=lambda *counts: done.append(counts)
    )
    one = sweep(*range(1, 9)).run(workers=1)
    same = pl.exclude("seconds", "run_id")
    assert two.table().select(same).equals(one.table().select(same))
    assert max(done) == (8, 8)
    stored = store.query("SELECT run_id, closing_equity FROM runs")
    assert dict(stored.iter_rows()) == {
        each.run_id: each.sessions[-1].closing_equity for each in two.outcomes
    }


def test_a_recording_is_opened_once_and_each_session_read_once() -> None:
    opened: list[ToyDays] = []

    def open_days(settings: BacktestSettings) -> MarketDays:
        opened.append(ToyDays())
        return opened[-1]

    Sweep(SETTINGS, {EDGE: [1, 2, 3]}, execute=toy_run, open_days=open_days).run(workers=1)
    assert len(opened) == 1
    assert opened[0].read == list(opened[0].dates)


def test_the_luck_of_choosing_is_part_of_the_result() -> None:
    result = sweep(1, 2, 3).run(workers=1)
    chosen = result.deflated_sharpe()
    assert chosen is not None
    assert 0.5 < chosen < 1
    # All columns are about proportional: whichever is chosen, ranks out of sample follow the turn.
    found = result.overfitting(blocks=4)
    assert found is not None
    assert found.sessions == 12
    assert sweep(13).run(workers=1).deflated_sharpe() is None


def test_an_unknown_objective_is_refused() -> None:
    with pytest.raises(InvalidSettings, match="'luck' is none of sharpe, sortino"):
        sweep(1).run(workers=1).best("luck")


def test_sessions_are_kept_until_the_memory_is_used() -> None:
    toys = ToyDays()
    kept = RememberedDays(toys, Budget(0))
    kept.day(FIRST)
    assert kept.day(FIRST) is not kept.day(FIRST, ())
    roomy = RememberedDays(toys, Budget(10_000))
    assert roomy.day(FIRST) is roomy.day(FIRST)
    assert [each.session.day for each in roomy.days()] == list(toys.dates)


def test_selected_sessions_are_those_and_have_a_hash_of_their_own() -> None:
    toys = ToyDays()
    some = SelectedDays(toys, toys.dates[2:4])
    assert [each.session.day for each in some.days()] == [date(2025, 9, 10), date(2025, 9, 11)]
    assert some.data_hash != SelectedDays(toys, toys.dates[2:5]).data_hash != toys.data_hash
    with pytest.raises(NoMarketData, match="2025-09-08"):
        some.day(FIRST)
