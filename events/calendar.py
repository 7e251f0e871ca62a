"""KRX trading sessions as pure functions of a date.

Base: ``krx_days``, the days of ``exchange_calendars`` XKRX. On top of it a dated table of
corrections, because the library does not know college-entrance-exam (CSAT) days after 2020 nor
holidays proclaimed after its release. ``VERIFIED_UNTIL`` is how far the table has been checked
against public notices; past it the calendar refuses to answer. The gateway compares each morning
with the broker's holiday call.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from events.errors import CalendarHorizon, NotASession
from events.identifiers import TradingDate
from events.krx_days import VERIFIED_FROM, VERIFIED_UNTIL, regular_hours
from events.market import Phase

KST: Final = ZoneInfo("Asia/Seoul")

_SECOND: Final = 1_000_000_000

CLOSED: Final[dict[date, str]] = {
    # Proclaimed after the library's data: local election, Constitution Day (a public holiday again
    # since 2026), and the substitutes of 2027.
    date(2026, 6, 3): "local elections",
    date(2026, 7, 17): "Constitution Day",
    date(2027, 5, 3): "substitute holiday for Labour Day",
    date(2027, 7, 19): "substitute holiday for Constitution Day",
}
"""Dates the library takes for sessions although the exchange is closed."""

LATE: Final[dict[date, str]] = {
    # Exam days: 10:00-16:30. First sessions of a year (10:00-15:30) are right in the library.
    date(2021, 11, 18): "CSAT",
    date(2022, 11, 17): "CSAT",
    date(2023, 11, 16): "CSAT",
    date(2024, 11, 14): "CSAT",
    date(2025, 11, 13): "CSAT",
    date(2026, 11, 19): "CSAT",
}
"""Sessions that open at 10:00 and close at 16:30."""


class TradingSession(NamedTuple):
    """One session; every time is nanoseconds UTC.

    ``auction_from`` is when the opening auction takes orders (30 minutes before ``open_at``),
    ``closing_auction_at`` the end of continuous trading, ``close_at`` the closing match.
    """

    trading_date: TradingDate
    day: date
    auction_from: int
    open_at: int
    closing_auction_at: int
    close_at: int

    def phase(self, at: int) -> Phase:
        """Return the phase at an instant (ns UTC); each phase includes its first nanosecond."""
        if at < self.auction_from or at >= self.close_at:
            return Phase.CLOSED
        if at < self.open_at:
            return Phase.OPENING_AUCTION
        if at < self.closing_auction_at:
            return Phase.CONTINUOUS
        return Phase.CLOSING_AUCTION

    @property
    def delay(self) -> int:
        """Nanoseconds by which this session opens later than 09:00 (0 on ordinary days)."""
        return self.open_at - instant(self.day, time(9))


def instant(day: date, at: time) -> int:
    """Return nanoseconds UTC of a KST wall time on a date."""
    return int(datetime.combine(day, at, KST).timestamp()) * _SECOND + at.microsecond * 1_000


def kst(at: int) -> datetime:
    """Return the aware KST time of an instant (ns UTC), cut to microseconds."""
    return datetime.fromtimestamp(at // _SECOND, KST) + timedelta(
        microseconds=at % _SECOND // 1_000
    )


def trading_date(day: date) -> TradingDate:
    """Return ``yyyymmdd``."""
    return TradingDate(f"{day:%Y%m%d}")


def session(day: date) -> TradingSession:
    """Return the session of a date.

    Raises:
        NotASession: weekend or holiday.
        CalendarHorizon: the date is outside the verified span.
    """
    _require_verified(day)
    if day in CLOSED:
        raise NotASession(day, CLOSED[day])
    hours = _regular_hours().get(day)
    if hours is None:
        raise NotASession(day, "weekend" if day.weekday() >= 5 else "holiday")
    if day in LATE:
        open_at, close_at = instant(day, time(10)), instant(day, time(16, 30))
    else:
        open_at, close_at = hours
    return TradingSession(
        trading_date=trading_date(day),
        day=day,
        auction_from=open_at - 1_800 * _SECOND,
        open_at=open_at,
        closing_auction_at=close_at - 600 * _SECOND,
        close_at=close_at,
    )


def is_session(day: date) -> bool:
    """Return whether the exchange trades on a date.

    Raises:
        CalendarHorizon: the date is outside the verified span.
    """
    _require_verified(day)
    return day not in CLOSED and day in _regular_hours()


def next_session(day: date, count: int = 1) -> date:
    """Return the ``count``-th session after a date (which need not be one itself).

    Raises:
        CalendarHorizon: the search leaves the verified span.
    """
    for _ in range(count):
        day += timedelta(days=1)
        while not is_session(day):
            day += timedelta(days=1)
    return day


def previous_session(day: date, count: int = 1) -> date:
    """Return the ``count``-th session before a date.

    Raises:
        CalendarHorizon: the search leaves the verified span.
    """
    for _ in range(count):
        day -= timedelta(days=1)
        while not is_session(day):
            day -= timedelta(days=1)
    return day


def _require_verified(day: date) -> None:
    if not VERIFIED_FROM <= day <= VERIFIED_UNTIL:
        raise CalendarHorizon(day, VERIFIED_FROM, VERIFIED_UNTIL)


@lru_cache(maxsize=1)
def _regular_hours() -> dict[date, tuple[int, int]]:
    """Return (open, close) in ns UTC of every session of the table."""
    return {
        day: (instant(day, opening), instant(day, closing))
        for day, (opening, closing) in regular_hours().items()
    }
