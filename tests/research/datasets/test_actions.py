"""Corporate actions are data: recorded prices stay, histories are told as of the day."""

from __future__ import annotations

from datetime import date, time
from pathlib import Path

import pytest

from events import Symbol
from events.market import Bar, BarHistory, DailyHistory, SymbolReference
from research.backtest.market_day import CorporateAction
from research.datasets import BarDays, UnusableData, adjusted, read_actions
from research.datasets.action_table import add_actions
from tests.research.datasets.bar_files import (
    ALPHA,
    MONDAY,
    TUESDAY,
    bar_at,
    flat_days,
    minutes,
    write_daily,
    write_minutes,
)

SPLIT = CorporateAction(symbol=ALPHA, date="20250916", kind="split", new=5, old=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a recording in which ALPHA is split 5:1 before Tuesday's open."""
    write_minutes(tmp_path / "krx_minute", minutes(MONDAY, price=50_000) + minutes(TUESDAY))
    write_daily(tmp_path / "krx_daily", {ALPHA: [*flat_days(50_000), (MONDAY, 50_000)]})
    return tmp_path


def actions_of(folder: Path) -> None:
    (folder / "corporate_actions.csv").write_text(
        "symbol,date,kind,new,old\n900010,2025-09-16,split,5,1\n"
    )


def test_a_history_is_told_in_the_terms_of_the_day_that_looks_back(folder: Path) -> None:
    """On Monday nobody knows of Tuesday's split; on Tuesday it is a fifth all the way back."""
    actions_of(folder)
    monday, tuesday = BarDays(folder, symbols=(ALPHA,), bar_history=2).days()
    for day, base, lower, upper in ((monday, 50_000, 35_000, 65_000),
                                    (tuesday, 10_000, 7_000, 13_000)):  # fmt: skip
        reference = next(e for e in day.opening if isinstance(e, SymbolReference))
        assert (reference.base_price, reference.lower_limit) == (base, lower)
        assert reference.upper_limit == upper
        history = next(e for e in day.opening if isinstance(e, DailyHistory))
        assert {bar.close for bar in history.bars} == {base}
        assert history.bars[0].volume == 40_000 * 50_000 // base
    recorded = next(e for e in tuesday.opening if isinstance(e, BarHistory))
    assert [(bar.close, bar.volume) for bar in recorded.bars] == [(10_000, 500)] * 2
    assert (monday.actions, tuesday.actions) == ((), (SPLIT,))
    assert not any("corporate action" in problem for problem in tuesday.problems)
    assert monday.tape.bars.close[0] == 50_000


def test_a_split_that_nobody_told_is_reported(folder: Path) -> None:
    """Prices are left as they are, and the jump is listed."""
    tuesday = BarDays(folder, symbols=(ALPHA,)).day(TUESDAY)
    assert tuesday.actions == ()
    assert tuesday.listings[0].base_price == 50_000
    assert tuesday.problems == (
        f"{ALPHA}: opened at 10,000 won, base price 50,000: no price limit allows it; a corporate "
        "action is missing",
    )


def test_an_action_on_prices_that_were_adjusted_already_is_reported(tmp_path: Path) -> None:
    """It is carried out as told, and the base price shows that it cannot be right."""
    write_minutes(tmp_path / "krx_minute", minutes(MONDAY) + minutes(TUESDAY))
    write_daily(tmp_path / "krx_daily", {ALPHA: [*flat_days(10_000), (MONDAY, 10_000)]})
    actions_of(tmp_path)
    tuesday = BarDays(tmp_path, symbols=(ALPHA,)).day(TUESDAY)
    assert tuesday.listings[0].base_price == 2_000
    assert tuesday.problems == (
        f"{ALPHA}: opened at 10,000 won, base price 2,000: no price limit allows it; the corporate "
        "action on record does not fit (are the prices adjusted already?)",
    )


def test_an_action_changes_the_hash_of_the_data(folder: Path) -> None:
    """A result with it is another result."""
    before = BarDays(folder, symbols=1).data_hash
    actions_of(folder)
    assert BarDays(folder, symbols=1).data_hash != before


def test_prices_are_rounded_to_the_won_and_volumes_down() -> None:
    """Several actions work one after another, each on the bars before it."""
    early = bar_at(date(2025, 9, 12), time(), 1_001, 1_003, 999, 1_000, 7, 7_000)
    late = bar_at(MONDAY, time(), 500, 500, 500, 500, 9)
    actions = [
        CorporateAction(symbol=ALPHA, date="20250915", kind="split", new=2, old=1),
        CorporateAction(symbol=ALPHA, date="20250916", kind="consolidation", new=1, old=3),
    ]
    assert adjusted([early, late], actions) == (
        Bar(early.start, 1_502, 1_505, 1_499, 1_500, 4, 7_000),
        Bar(late.start, 1_500, 1_500, 1_500, 1_500, 3),
    )


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("900010,2025-09-16,split,0,1", "both must be positive"),
        ("900010,someday,split,5,1", "someday"),
        ("900010,20250916,split,five,1", "five"),
    ],
)
def test_an_impossible_action_is_refused(tmp_path: Path, line: str, problem: str) -> None:
    """By name, before anything is computed with it."""
    path = tmp_path / "corporate_actions.csv"
    path.write_text(f"symbol,date,kind,new,old\n{line}\n")
    with pytest.raises(UnusableData, match=problem):
        read_actions(path)


def test_actions_are_added_to_a_store_once(tmp_path: Path) -> None:
    """A corrected one takes the place of the one before."""
    source = tmp_path / "actions.csv"
    header = "symbol,date,kind,new,old\n"
    source.write_text(f"{header}900010,20250916,split,4,1\n005930,20180504,split,50,1\n")
    assert add_actions(tmp_path / "store", source) == 2
    source.write_text(f"{header}900010,2025-09-16,split,5,1\n")
    assert add_actions(tmp_path / "store", source) == 0
    assert read_actions(tmp_path / "store" / "corporate_actions.parquet") == (
        CorporateAction(symbol=Symbol("005930"), date="20180504", kind="split", new=50, old=1),
        SPLIT,
    )
