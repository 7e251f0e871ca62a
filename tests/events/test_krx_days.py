"""The table of sessions against the library it was taken from."""

from __future__ import annotations

import warnings

import exchange_calendars

from events import calendar, krx_days


def test_the_table_holds_the_librarys_sessions_and_hours() -> None:
    """Every session from 2015 to the end of the table, open and close to the second."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        schedule = exchange_calendars.get_calendar(
            "XKRX",
            start=krx_days.VERIFIED_FROM.isoformat(),
            end=krx_days.VERIFIED_UNTIL.isoformat(),
        ).schedule
    library = {
        row.Index.date(): (int(row.open.value), int(row.close.value))
        for row in schedule.itertuples()
    }
    table = {
        day: (calendar.instant(day, opening), calendar.instant(day, closing))
        for day, (opening, closing) in krx_days.regular_hours().items()
    }
    assert table == library
