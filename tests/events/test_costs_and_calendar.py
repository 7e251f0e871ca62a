"""Fees, taxes and sessions by date."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from pathlib import Path

import polars
import pytest

from events.calendar import (
    CLOSED,
    KST,
    LATE,
    instant,
    is_session,
    kst,
    next_session,
    previous_session,
    session,
)
from events.costs import fee, sell_tax
from events.errors import CalendarHorizon, NotASession
from events.krx_days import VERIFIED_UNTIL
from events.market import Phase
from events.prices import Board


@pytest.mark.parametrize(
    ("settled", "tax"),
    [
        (date(2019, 6, 2), 3_000),
        (date(2019, 6, 3), 2_500),
        (date(2020, 12, 31), 2_500),
        (date(2021, 1, 1), 2_300),
        (date(2023, 1, 2), 2_000),
        (date(2024, 12, 31), 1_800),
        (date(2025, 1, 1), 1_500),
        (date(2025, 12, 31), 1_500),
        (date(2026, 1, 1), 2_000),
    ],
)
def test_sell_tax_of_a_million_won(settled: date, tax: int) -> None:
    """The rate of the settlement date, alike on both boards; funds pay none."""
    assert sell_tax(1_000_000, Board.KOSPI, settled) == tax
    assert sell_tax(1_000_000, Board.KOSDAQ, settled) == tax
    assert sell_tax(1_000_000, Board.FUND, settled) == 0


def test_fractions_of_a_won_are_cut() -> None:
    """0.015 % of 76,500 is 11.475 won: 11; 0.15 % is 114.75: 114."""
    assert fee(76_500) == 11
    assert fee(76_500, per_million=0) == 0
    assert sell_tax(76_500, Board.KOSPI, date(2025, 9, 17)) == 114


def test_an_ordinary_session() -> None:
    """Nine to half past three, auctions at both ends."""
    day = session(date(2025, 9, 15))
    assert day.trading_date == "20250915"
    assert [kst(at).time() for at in day[2:]] == [time(8, 30), time(9), time(15, 20), time(15, 30)]
    assert day.delay == 0
    second = 1_000_000_000
    assert day.phase(day.auction_from - 1) is Phase.CLOSED
    assert day.phase(day.auction_from) is Phase.OPENING_AUCTION
    assert day.phase(day.open_at) is Phase.CONTINUOUS
    assert day.phase(day.closing_auction_at - second) is Phase.CONTINUOUS
    assert day.phase(day.closing_auction_at) is Phase.CLOSING_AUCTION
    assert day.phase(day.close_at) is Phase.CLOSED


def test_an_exam_day_starts_and_ends_an_hour_late() -> None:
    """The library does not know these days after 2020."""
    day = session(date(2025, 11, 13))
    assert (kst(day.open_at).time(), kst(day.close_at).time()) == (time(10), time(16, 30))
    assert day.delay == 3_600 * 1_000_000_000


def test_the_first_session_of_a_year_starts_late_only() -> None:
    """10:00 to 15:30."""
    day = session(date(2026, 1, 2))
    assert (kst(day.open_at).time(), kst(day.close_at).time()) == (time(10), time(15, 30))


@pytest.mark.parametrize("day", sorted(CLOSED))
def test_holidays_the_library_misses(day: date) -> None:
    """Each correction says why the exchange is closed."""
    assert not is_session(day)
    with pytest.raises(NotASession, match=CLOSED[day]):
        session(day)


def test_every_late_day_is_a_session() -> None:
    """A correction for a day without trading would be a mistake in the table."""
    assert all(is_session(day) for day in LATE)


def test_weekends_and_holidays_are_refused_with_the_reason() -> None:
    """The error tells a Saturday from a holiday."""
    with pytest.raises(NotASession, match="weekend"):
        session(date(2025, 9, 13))
    with pytest.raises(NotASession, match="holiday"):
        session(date(2025, 10, 3))


def test_counting_sessions_skips_closures() -> None:
    """Chuseok 2025: from 2 October the next session is the 10th; T+2 is the 13th."""
    assert next_session(date(2025, 10, 2)) == date(2025, 10, 10)
    assert next_session(date(2025, 10, 2), 2) == date(2025, 10, 13)
    assert previous_session(date(2025, 10, 10)) == date(2025, 10, 2)
    assert previous_session(date(2025, 10, 13), 2) == date(2025, 10, 2)


def test_beyond_the_verified_table_the_calendar_refuses() -> None:
    """Better no answer than a wrong one."""
    with pytest.raises(CalendarHorizon, match="extend"):
        session(VERIFIED_UNTIL + timedelta(days=1))
    with pytest.raises(CalendarHorizon):
        is_session(date(2010, 1, 4))


def test_the_verified_table_reaches_ninety_days_ahead() -> None:
    """Fails in good time before the calendar would stop a live system."""
    today = datetime.now(KST).date()
    assert today + timedelta(days=90) <= VERIFIED_UNTIL, "extend events/krx_days.py"


def test_instants_are_nanoseconds_of_korean_wall_time() -> None:
    """09:00 KST is midnight UTC."""
    assert instant(date(2025, 9, 15), time(9)) == 1_757_894_400_000_000_000
    assert kst(1_757_894_400_123_456_789) == datetime(2025, 9, 15, 9, 0, 0, 123456, KST)


@pytest.mark.market_data
def test_the_calendar_agrees_with_every_recorded_session(krx_data: Path) -> None:
    """Every date with exchange data is a session and every session has data."""
    index = polars.read_parquet(krx_data / "krx_daily" / "index.parquet")
    column = next(name for name in index.columns if "date" in name.lower())
    recorded = {
        value if isinstance(value, date) else date.fromisoformat(str(value)[:10])
        for value in index[column].unique().to_list()
    }
    first, last = min(recorded), max(recorded)
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    assert recorded == {day for day in days if is_session(day)}
