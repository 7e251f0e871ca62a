"""The days and hours of the KRX stock market, as a table.

Taken from ``exchange_calendars`` XKRX, whose computing would cost every process four seconds of its
start; ``tests/events`` holds the table against the library day by day. Corrections to the library
are in ``calendar``, not here.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, time, timedelta
from typing import Final

VERIFIED_FROM: Final = date(2015, 1, 1)
VERIFIED_UNTIL: Final = date(2027, 10, 31)

_HOLIDAYS: Final[dict[int, str]] = {
    2015: "0101 0218 0219 0220 0501 0505 0525 0814 0928 0929 1009 1225 1231",
    2016: "0101 0208 0209 0210 0301 0413 0505 0506 0606 0815 0914 0915 0916 1003 1230",
    2017: "0127 0130 0301 0501 0503 0505 0509 0606 0815 1002 1003 1004 1005 1006 1009 1225 1229",
    2018: "0101 0215 0216 0301 0501 0507 0522 0606 0613 0815 0924 0925 0926 1003 1009 1225 1231",
    2019: "0101 0204 0205 0206 0301 0501 0506 0606 0815 0912 0913 1003 1009 1225 1231",
    2020: "0101 0124 0127 0415 0430 0501 0505 0817 0930 1001 1002 1009 1225 1231",
    2021: "0101 0211 0212 0301 0505 0519 0816 0920 0921 0922 1004 1011 1231",
    2022: "0131 0201 0202 0301 0309 0505 0601 0606 0815 0909 0912 1003 1010 1230",
    2023: "0123 0124 0301 0501 0505 0529 0606 0815 0928 0929 1002 1003 1009 1225 1229",
    2024: (
        "0101 0209 0212 0301 0410 0501 0506 0515 0606 0815 0916 0917 0918 1001 1003 1009 1225 1231"
    ),
    2025: (
        "0101 0127 0128 0129 0130 0303 0501 0505 0506 0603 0606 0815 1003 1006 1007 1008 1009 1225 "
        "1231"
    ),
    2026: "0101 0216 0217 0218 0302 0501 0505 0525 0817 0924 0925 1005 1009 1225 1231",
    2027: "0101 0208 0209 0301 0505 0513 0816 0914 0915 0916 1004 1011",
}
"""Weekdays on which the exchange is closed, ``mmdd`` by year."""

_LONG_DAYS_FROM: Final = date(2016, 8, 1)
"""From here on the market closes at 15:30, before at 15:00."""

_SHIFTED: Final = {
    # Exam days as far as the library knows them.
    date(2015, 11, 12): (time(10), time(16)),
    date(2016, 11, 17): (time(10), time(16, 30)),
    date(2017, 11, 16): (time(10), time(16, 30)),
    date(2017, 11, 23): (time(10), time(16, 30)),
    date(2018, 11, 15): (time(10), time(16, 30)),
    date(2019, 11, 14): (time(10), time(16, 30)),
    date(2020, 12, 3): (time(10), time(16, 30)),
}


def regular_hours() -> dict[date, tuple[time, time]]:
    """Return (open, close) in KST of every session in the verified span."""
    closed = frozenset(f"{year}{day}" for year, days in _HOLIDAYS.items() for day in days.split())
    return {
        day: _SHIFTED.get(day) or _hours(day, first=day.year != before.year)
        for before, day in _sessions(closed)
    }


def _hours(day: date, *, first: bool) -> tuple[time, time]:
    """The first session of a year opens an hour late and closes as on other days."""
    return time(10 if first else 9), time(15, 30 if day >= _LONG_DAYS_FROM else 0)


def _sessions(closed: frozenset[str]) -> Iterator[tuple[date, date]]:
    """Yield each session with the one before it."""
    before, day = date(VERIFIED_FROM.year - 1, 12, 31), VERIFIED_FROM
    while day <= VERIFIED_UNTIL:
        if day.weekday() < 5 and f"{day:%Y%m%d}" not in closed:
            yield before, day
            before = day
        day += timedelta(days=1)
