"""Bars of an issue: days, weeks, months, years, and one-minute bars of today and of past days.

The simulated market keeps minute bars of today only. Those of a past day are drawn into that day's
daily bar: open, high, low and close are met, the volume adds up, the path between is made up from a
hash of issue and minute, the same in every run.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from itertools import pairwise
from typing import Final
from zlib import crc32

from events.calendar import instant, kst
from events.market import Bar
from events.prices import round_down
from kis_gateway.simulator.calls.answers import Answer, quoted, refused
from kis_gateway.simulator.calls.fields import Row, block
from kis_gateway.simulator.calls.params import Call
from kis_gateway.simulator.calls.quotation_calls import asked_instant
from kis_gateway.simulator.exchange.messages import Listing
from kis_gateway.simulator.facts.day_facts import bar_facts, day_of, days, periods, with_previous
from kis_gateway.simulator.facts.fundamentals import company_facts
from kis_gateway.simulator.facts.issue_facts import asked_listing, book_facts, price_facts, turnover
from kis_gateway.simulator.facts.synthetic_flows import trading_facts
from kis_gateway.simulator.market.mixing import mix
from kis_gateway.simulator.venue import Venue
from kis_gateway.simulator.wire_formats import calendar_day, clock

_MINUTE: Final = 60_000_000_000
_DAILY_ROWS: Final = 100
_PRICE_ROWS: Final = 30
_MINUTE_ROWS: Final = 30
_PAST_MINUTE_ROWS: Final = 120
_CONTINUOUS_MINUTES: Final = 380
_CLOSING_MINUTE: Final = 390


def inquire_daily_price(venue: Venue, call: Call) -> Answer:
    """Return the newest 30 days, weeks or months, newest first."""
    listing = asked_listing(venue, call)
    merged = periods(days(venue, listing), call.text("FID_PERIOD_DIV_CODE", "D"))
    output = block("inquire-daily-price", "output")
    rows = [
        output.pick(trading_facts(listing, bar), bar_facts(bar, previous))
        for bar, previous in with_previous(merged)[:_PRICE_ROWS]
    ]
    return quoted(output=rows)


def inquire_daily_chart(venue: Venue, call: Call) -> Answer:
    """Return up to 100 bars between two dates, newest first, today's forming bar included.

    The histories of a market are adjusted for splits and rights already; there is nothing else to
    answer to ``FID_ORG_ADJ_PRC`` 1 (unadjusted).
    """
    name = "inquire-daily-itemchartprice"
    listing = asked_listing(venue, call)
    start, end = call.text("FID_INPUT_DATE_1"), call.text("FID_INPUT_DATE_2")
    merged = periods(days(venue, listing), call.text("FID_PERIOD_DIV_CODE", "D"))
    output = block(name, "output2")
    rows = [
        output.pick(bar_facts(bar, previous))
        for bar, previous in with_previous(merged)
        if start <= calendar_day(bar.start) <= end
    ]
    head = block(name, "output1").pick(
        company_facts(listing), book_facts(venue, listing.symbol), price_facts(venue, listing)
    )
    return quoted(output1=head, output2=rows[:_DAILY_ROWS])


def inquire_minute_chart(venue: Venue, call: Call) -> Answer:
    """Return 30 one-minute bars going back from a time, newest first, the forming bar included.

    Minutes without trades are missing. For a time in the future the last price is repeated for each
    minute to come; in a current minute without trades the volume is still the last one's.
    """
    name = "inquire-time-itemchartprice"
    listing = asked_listing(venue, call)
    asked = asked_instant(venue, call.text("FID_INPUT_HOUR_1"))
    rows, total = [], 0
    bars = venue.exchange.minute_bars(listing.symbol)
    for bar in bars:
        total += bar.value
        if bar.start <= asked:
            rows.append(_minute_row(name, bar, bar.volume, total))
    if bars:
        rows += _untraded_minutes(venue, name, bars[-1], asked, total)
    head = block(name, "output1").pick(price_facts(venue, listing))
    return quoted(output1=head, output2=rows[::-1][:_MINUTE_ROWS])


def inquire_past_minute_chart(venue: Venue, call: Call) -> Answer:
    """Return 120 one-minute bars of a day going back from a time, newest first."""
    name = "inquire-time-dailychartprice"
    listing = asked_listing(venue, call)
    asked, hour = _day(call.text("FID_INPUT_DATE_1")), call.text("FID_INPUT_HOUR_1") or "235959"
    if asked == venue.market.day:
        bars: Sequence[Bar] = venue.exchange.minute_bars(listing.symbol)
    else:
        past = [bar for bar in venue.market.daily_history(listing.symbol) if day_of(bar) == asked]
        bars = drawn_minutes(listing, past[0]) if past else ()
    rows, total = [], 0
    for bar in bars:
        total += turnover(bar)
        if clock(bar.start) <= hour:
            rows.append(_minute_row(name, bar, bar.volume, total))
    head = block(name, "output1").pick(price_facts(venue, listing))
    return quoted(output1=head, output2=rows[::-1][:_PAST_MINUTE_ROWS])


def drawn_minutes(listing: Listing, day: Bar) -> list[Bar]:
    """Return one-minute bars that add up to a daily bar, 09:00 to 15:20 and the closing match."""
    first = _opens_at(day)
    seed = mix(crc32(listing.symbol.encode()), day.start // _MINUTE)
    path = _path(day, seed)
    minutes = [*range(_CONTINUOUS_MINUTES), _CLOSING_MINUTE]
    share, rest = divmod(day.volume, len(minutes))
    bars = []
    for index, (minute, (before, after)) in enumerate(zip(minutes, pairwise(path), strict=True)):
        volume = share + (1 if index < rest else 0)
        if volume:
            low, high = min(before, after), max(before, after)
            bars.append(Bar(first + minute * _MINUTE, before, high, low, after, volume))
    return bars


def _path(day: Bar, seed: int) -> list[int]:
    """Return the prices at the minutes' edges: open, the extremes in turn, close."""
    count = _CONTINUOUS_MINUTES + 1
    early, late = 60 + seed % 60, 200 + seed // 60 % 100
    rising = day.close >= day.open
    knots = [
        (0, day.open),
        (early, day.low if rising else day.high),
        (late, day.high if rising else day.low),
        (count - 1, day.close),
        (count, day.close),
    ]
    path = [day.open]
    for (start, before), (end, after) in pairwise(knots):
        for step in range(start + 1, end + 1):
            price = before + (after - before) * (step - start) / (end - start)
            wave = (mix(seed, step) % 1_001 - 500) / 500 * (day.high - day.low) * 0.02
            inside = min(day.high, max(day.low, price + wave))
            path.append(after if step == end else max(day.low, round_down(inside)))
    return path


def _opens_at(day: Bar) -> int:
    return instant(day_of(day), datetime.min.time().replace(hour=9))


def _day(yyyymmdd: str) -> date:
    try:
        return datetime.strptime(yyyymmdd, "%Y%m%d").date()  # noqa: DTZ007 - a date of the calendar
    except ValueError:
        raise refused("OPSQ2002", "ERROR INVALID FID_INPUT_DATE_1") from None


def _minute_row(name: str, bar: Bar, volume: int, total_value: int) -> Row:
    return block(name, "output2").row(
        stck_bsop_date=f"{kst(bar.start):%Y%m%d}",
        stck_cntg_hour=clock(bar.start),
        stck_prpr=bar.close,
        stck_oprc=bar.open,
        stck_hgpr=bar.high,
        stck_lwpr=bar.low,
        cntg_vol=volume,
        acml_tr_pbmn=total_value,
    )


def _untraded_minutes(
    venue: Venue, name: str, last: Bar, asked: int, total_value: int
) -> list[Row]:
    """Return flat rows from the present minute to the asked one, as far as nothing traded."""
    current = venue.now() // _MINUTE * _MINUTE
    first = max(last.start + _MINUTE, current)
    rows = []
    for start in range(first, min(asked, venue.market.session.close_at) + 1, _MINUTE):
        flat = Bar(start, last.close, last.close, last.close, last.close, 0)
        volume = last.volume if start == current else 0
        rows.append(_minute_row(name, flat, volume, total_value))
    return rows
