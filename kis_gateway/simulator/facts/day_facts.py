"""An issue's days, past ones and today, under the names that KIS uses in its daily answers.

Won, shares, percent; days are YYYYMMDD.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from itertools import groupby
from typing import Final

from events.calendar import kst
from events.market import Bar
from kis_gateway.simulator.calls.answers import refused
from kis_gateway.simulator.calls.fields import Value
from kis_gateway.simulator.exchange.messages import Listing
from kis_gateway.simulator.facts.issue_facts import today, turnover
from kis_gateway.simulator.facts.synthetic_flows import trading_facts
from kis_gateway.simulator.venue import Venue
from kis_gateway.simulator.wire_formats import calendar_day, percent, sign_of

LATEST: Final = "99999999"


def day_of(bar: Bar) -> date:
    """Return the KST date of a daily bar."""
    return kst(bar.start).date()


PERIODS: Final[dict[str, Callable[[Bar], object]]] = {
    "D": day_of,
    "W": lambda bar: day_of(bar).isocalendar()[:2],
    "M": lambda bar: (day_of(bar).year, day_of(bar).month),
    "Y": lambda bar: day_of(bar).year,
}
"""What puts two daily bars into one: day, week, month, year."""


def periods(bars: Iterable[Bar], period: str) -> list[Bar]:
    """Return bars merged by ``D``, ``W``, ``M`` or ``Y``.

    Raises:
        CallRefused: another period (OPSQ2001).
    """
    key = PERIODS.get(period.upper())
    if key is None:
        raise refused("OPSQ2001", "ERROR INVALID FID_PERIOD_DIV_CODE")
    return [_merge(group) for _, group in groupby(bars, key)]


def days(venue: Venue, listing: Listing) -> list[Bar]:
    """Return the daily bars, oldest first, today's forming one last once it has traded."""
    history = list(venue.market.daily_history(listing.symbol))
    forming = today(venue, listing)
    return [*history, forming] if forming.volume else history


def bar_facts(bar: Bar, previous: Bar | None) -> dict[str, Value]:
    """Return one bar with its change against the bar before."""
    before = previous.close if previous is not None else bar.open
    change, day = bar.close - before, calendar_day(bar.start)
    volume_before = previous.volume if previous is not None else 0
    return {
        "stck_bsop_date": day,
        "bsop_date": day,
        "deal_date": day,
        "stck_clpr": bar.close,
        "stck_prpr": bar.close,
        "stck_oprc": bar.open,
        "stck_hgpr": bar.high,
        "stck_lwpr": bar.low,
        "acml_vol": bar.volume,
        "acml_tr_pbmn": turnover(bar),
        "prdy_vrss": change,
        "prdy_vrss_sign": sign_of(change),
        "prdy_ctrt": percent(change, before),
        "prdy_vrss_vol_rate": percent(bar.volume - volume_before, volume_before),
        "flng_cls_code": "00",
        "mod_yn": "N",
    }


def with_previous(bars: Sequence[Bar]) -> list[tuple[Bar, Bar | None]]:
    """Return each bar with the one before it, newest first."""
    return list(zip(bars, [None, *bars], strict=False))[::-1]


def daily_facts(
    venue: Venue, listing: Listing, *, start: str = "", end: str = LATEST, rows: int = 30
) -> list[dict[str, Value]]:
    """Return facts of at most ``rows`` days between two dates, newest first, flows included."""
    found = [
        (bar, previous)
        for bar, previous in with_previous(days(venue, listing))
        if start <= calendar_day(bar.start) <= (end or LATEST)
    ]
    return [
        {**trading_facts(listing, bar), **bar_facts(bar, previous)}
        for bar, previous in found[:rows]
    ]


def _merge(group: Iterable[Bar]) -> Bar:
    bars = list(group)
    return Bar(
        bars[-1].start,
        bars[0].open,
        max(bar.high for bar in bars),
        min(bar.low for bar in bars),
        bars[-1].close,
        sum(bar.volume for bar in bars),
        sum(turnover(bar) for bar in bars),
    )
