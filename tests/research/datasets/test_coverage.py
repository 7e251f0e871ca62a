"""What a recording covers, and the oddities that real recordings have."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from events import Symbol
from research.backtest.errors import NoMarketData
from research.datasets import BarDays, TickDays
from research.datasets.coverage import coverage
from tests.research.datasets.bar_files import (
    ALPHA,
    BETA,
    MINUTE,
    MONDAY,
    TUESDAY,
    flat_days,
    minutes,
    write_daily,
    write_minutes,
)

WEDNESDAY, THURSDAY = date(2025, 9, 17), date(2025, 9, 18)
SYMBOLS = [Symbol(each) for each in ("377300", "207940", "011790", "000660")]


def test_holes_are_told_from_halts(tmp_path: Path) -> None:
    """By the daily record: BETA did not trade on Tuesday, and did on Wednesday."""
    rows = [*minutes(MONDAY), *minutes(TUESDAY), *minutes(WEDNESDAY), *minutes(THURSDAY)]
    rows += [*minutes(MONDAY, BETA), *minutes(THURSDAY, BETA)]
    write_minutes(tmp_path / "krx_minute", rows)
    days = [MONDAY, TUESDAY, WEDNESDAY, THURSDAY]
    write_daily(
        tmp_path / "krx_daily",
        {
            ALPHA: [*flat_days(10_000), *((day, 10_000) for day in days)],
            BETA: [*flat_days(10_000), *((day, 10_000) for day in days if day != TUESDAY)],
        },
    )
    found = coverage(tmp_path)
    assert found.counts == {"halted": 1, "missing": 1}
    assert [(each.symbol, each.date, list(each.findings)) for each in found.odd] == [
        (BETA, "2025-09-16", ["halted"]),
        (BETA, "2025-09-17", ["missing"]),
    ]
    assert [each.symbols for each in found.sessions] == [2, 1, 1, 2]


def test_a_session_that_is_not_there_at_all_is_named(tmp_path: Path) -> None:
    """The calendar knows that the exchange traded on Tuesday."""
    write_minutes(tmp_path / "krx_minute", [*minutes(MONDAY), *minutes(WEDNESDAY)])
    found = coverage(tmp_path)
    assert [(each.date, list(each.findings)) for each in found.sessions] == [
        ("2025-09-15", []),
        ("2025-09-16", ["missing"]),
        ("2025-09-17", []),
    ]
    with pytest.raises(NoMarketData):
        coverage(tmp_path, start=date(2026, 1, 2))


def test_odd_bars_are_listed_and_left_out(tmp_path: Path) -> None:
    """No volume, a close outside the range, before the open: with the number and the first."""
    rows = minutes(MONDAY)
    first, second, third = rows[:3]
    rows[0] = (first[0], first[1] - 5 * MINUTE, *first[2:])
    rows[1] = (*second[:6], 0)
    rows[2] = (*third[:5], 10_100, 100)
    write_minutes(tmp_path / "krx_minute", rows)
    write_daily(tmp_path / "krx_daily", {ALPHA: flat_days(10_000)})
    expected = (
        f"{ALPHA}: 1 bars outside the session left out, the first at 08:55",
        f"{ALPHA}: 2 bars that cannot have been traded left out, the first at 09:01",
        "first bar at 09:03, the session opened at 09:00",
    )
    for source in (BarDays, TickDays):
        day = source(tmp_path, symbols=(ALPHA,)).day(MONDAY)
        assert day.problems == expected
    assert len(BarDays(tmp_path, symbols=(ALPHA,)).day(MONDAY).tape.bars.start) == 378


def test_a_missing_closing_auction_and_a_gap_are_found(tmp_path: Path) -> None:
    """The day's close is then another than the last bar's; a market-wide gap is a halt of all."""
    stretch = minutes(MONDAY, closing=False)
    kept = [*stretch[:100], *stretch[120:]]
    usual = [row for day in (TUESDAY, WEDNESDAY) for row in minutes(day)]
    write_minutes(tmp_path / "krx_minute", [*kept, *usual, *minutes(MONDAY, BETA, count=90)])
    write_daily(tmp_path / "krx_daily", {ALPHA: [*flat_days(10_000), (MONDAY, 10_210)]})
    found = coverage(tmp_path, end=MONDAY)
    (alpha,) = [each for each in found.odd if each.symbol == ALPHA]
    assert alpha.findings == {
        "no_closing_auction": "no closing auction; last bar at 15:19",
        "close_differs": "last bar closes at 10,000 won, the day at 10,210",
        "gap": "no bars for 20 minutes from 10:40",
    } | ({} if 360 * 100 >= 20_000 else {"volume_differs": ""})
    assert found.sessions[0].findings == {
        "gap": "no bars for 20 minutes from 10:40: the whole market"
    }


@pytest.mark.market_data
def test_the_recorded_months_have_the_oddities_that_are_known_of_them(krx_data: Path) -> None:
    """The exam day ends early; a closing auction lacks on an expiry Thursday; halts; adjustment."""
    found = coverage(krx_data, symbols=SYMBOLS)
    shortened = [each for each in found.sessions if "early_end" in each.findings]
    assert [(each.date, each.findings["early_end"]) for each in shortened] == [
        ("2025-11-13", "last bar at 15:30, the session closed at 16:30")
    ]

    def dates(odd: str, symbol: str) -> list[str]:
        return [each.date for each in found.odd if each.symbol == symbol and odd in each.findings]

    assert dates("halted", "377300") == ["2025-06-24", "2025-06-26"]
    assert len(dates("halted", "207940")) == 17
    assert "2025-07-10" in dates("no_closing_auction", "000660")
    assert len(dates("off_grid", "011790")) == len(found.sessions)
    assert dates("off_grid", "000660") == []
    assert found.counts.get("missing", 0) == 0
