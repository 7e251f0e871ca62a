"""Dates as people type them, and the sessions they name."""

from __future__ import annotations

from datetime import date, datetime

from deploy.errors import InvalidDate, NoSession
from events import calendar
from events.calendar import KST, TradingSession
from events.errors import CalendarHorizon, NotASession


def parse_day(text: str) -> date:
    """Return the date in ``YYYY-MM-DD`` or ``YYYYMMDD``.

    Raises:
        InvalidDate: it is neither.
    """
    for form in ("%Y-%m-%d", "%Y%m%d"):
        try:
            return datetime.strptime(text, form).replace(tzinfo=KST).date()
        except ValueError:
            continue
    raise InvalidDate(text)


def session_of(day: date) -> TradingSession:
    """Return the KRX session of a date.

    Raises:
        NoSession: the exchange is closed, or the calendar is not verified that far.
    """
    try:
        return calendar.session(day)
    except (NotASession, CalendarHorizon) as error:
        raise NoSession(str(error)) from error
