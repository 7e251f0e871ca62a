"""Indices: now, by day, minute and tick, charts, all sectors of a market, expected levels.

The steps of today's index come every ten seconds; the "ticks" of an index are these steps.
"""

from __future__ import annotations

from itertools import groupby
from typing import Final

from events.market import Bar
from kis_gateway.simulator.calls.answers import Answer, quoted
from kis_gateway.simulator.calls.fields import Row, Value, block
from kis_gateway.simulator.calls.params import Call
from kis_gateway.simulator.facts.day_facts import LATEST, periods
from kis_gateway.simulator.facts.index_facts import (
    INDEX_TITLES,
    asked_index,
    breadth_facts,
    change_of_level,
    index_bar_facts,
    index_bars,
    index_day,
    index_of,
    level_facts,
    members,
    year_facts,
)
from kis_gateway.simulator.market import IndexPrint
from kis_gateway.simulator.venue import Venue
from kis_gateway.simulator.wire_formats import calendar_day, clock

_SECOND: Final = 1_000_000_000
_CHART_ROWS: Final = 100
_TIME_ROWS: Final = 102


def inquire_index_price(venue: Venue, call: Call) -> Answer:
    """Return the present level of an index with the breadth of its market."""
    index = index_of(call)
    output = block("inquire-index-price", "output").pick(
        breadth_facts(venue, index.market),
        level_facts(venue, index.market, index.factor),
        year_facts(venue, index.market, index.factor),
    )
    return quoted(output=output)


def inquire_index_daily_price(venue: Venue, call: Call) -> Answer:
    """Return an index by day, week or month going back from a date, newest first."""
    name = "inquire-index-daily-price"
    index = index_of(call)
    merged = periods(index_bars(venue, index.market), call.text("FID_PERIOD_DIV_CODE", "D"))
    end = call.text("FID_INPUT_DATE_1", "") or LATEST
    rows = _bars(name, merged, "", end, index.factor)
    head = block(name, "output1").pick(
        breadth_facts(venue, index.market),
        level_facts(venue, index.market, index.factor),
        year_facts(venue, index.market, index.factor),
    )
    return quoted(output1=head, output2=rows[:_CHART_ROWS])


def inquire_daily_index_chart(venue: Venue, call: Call) -> Answer:
    """Return an index's bars between two dates, newest first, at most 100."""
    name = "inquire-daily-indexchartprice"
    index = index_of(call)
    merged = periods(index_bars(venue, index.market), call.text("FID_PERIOD_DIV_CODE", "D"))
    start, end = call.text("FID_INPUT_DATE_1"), call.text("FID_INPUT_DATE_2")
    rows = _bars(name, merged, start, end, index.factor)
    named: dict[str, Value] = {"hts_kor_isnm": index.title, "bstp_cls_code": index.code}
    head = block(name, "output1").pick(
        breadth_facts(venue, index.market), level_facts(venue, index.market, index.factor), named
    )
    return quoted(output1=head, output2=rows[:_CHART_ROWS])


def inquire_index_timeprice(venue: Venue, call: Call) -> Answer:
    """Return an index every so many seconds, newest first."""
    index = index_of(call)
    asked = call.text("FID_INPUT_HOUR_1", "60")
    step = max(1, int(asked)) if asked.isdecimal() else 60
    rows = _steps(venue, "inquire-index-timeprice", "bsop_hour", step * _SECOND, index.code)
    return quoted(output=rows[:_TIME_ROWS])


def inquire_index_tickprice(venue: Venue, call: Call) -> Answer:
    """Return the newest levels of an index, newest first."""
    index = index_of(call)
    rows = _steps(venue, "inquire-index-tickprice", "stck_cntg_hour", 1, index.code)
    return quoted(output=rows[:_TIME_ROWS])


def inquire_time_index_chart(venue: Venue, call: Call) -> Answer:
    """Return an index's intraday bars, newest first; the step is in seconds."""
    name = "inquire-time-indexchartprice"
    index = index_of(call)
    asked = call.text("FID_INPUT_HOUR_1", "60")
    step = int(asked) if asked.isdecimal() and 0 < int(asked) <= 3_600 else 60
    rows = []
    for bar in _index_minutes(venue, index.market, step * _SECOND):
        facts = index_bar_facts(bar, None, index.factor)
        facts["stck_cntg_hour"] = clock(bar.start)
        rows.append(block(name, "output2").pick(facts))
    named: dict[str, Value] = {"hts_kor_isnm": index.title, "bstp_cls_code": index.code}
    head = block(name, "output1").pick(
        breadth_facts(venue, index.market), level_facts(venue, index.market, index.factor), named
    )
    return quoted(output1=head, output2=rows[::-1][:_TIME_ROWS])


def inquire_index_category_price(venue: Venue, call: Call) -> Answer:
    """Return an index and all indices of its market."""
    name = "inquire-index-category-price"
    index = index_of(call)
    breadth = breadth_facts(venue, index.market)
    head = block(name, "output1").pick(
        breadth,
        level_facts(venue, index.market, index.factor),
        year_facts(venue, index.market, index.factor),
    )
    rows = []
    for code, title in INDEX_TITLES.items():
        other = asked_index(code)
        if other.market == index.market:
            named: dict[str, Value] = {
                "bstp_cls_code": code,
                "hts_kor_isnm": title,
                "acml_vol_rlim": 100.0,
                "acml_tr_pbmn_rlim": 100.0,
            }
            level = level_facts(venue, other.market, other.factor)
            rows.append(block(name, "output2").pick(breadth, level, named))
    return quoted(output1=head, output2=rows)


def exp_index_trend(venue: Venue, call: Call) -> Answer:
    """Return where an index would open or close: one row, empty without indicative matches."""
    index = index_of(call)
    level = _expected_level(venue, index.market)
    if level is None:
        return quoted(output=[])
    breadth = breadth_facts(venue, index.market)
    facts: dict[str, Value] = {"stck_cntg_hour": clock(venue.now())}
    previous = index_day(venue, index.market).previous_close
    moved = change_of_level(level * index.factor, previous * index.factor)
    return quoted(output=[block("exp-index-trend", "output").pick(breadth, moved, facts)])


def exp_total_index(venue: Venue, call: Call) -> Answer:
    """Return where every index would open or close; without indications the present levels."""
    name = "exp-total-index"
    index = index_of(call)
    rows = []
    breadth = {market: breadth_facts(venue, market) for market in ("KOSPI", "KOSDAQ")}
    for code, title in INDEX_TITLES.items():
        other = asked_index(code)
        previous = index_day(venue, other.market).previous_close * other.factor
        named: dict[str, Value] = {"hts_kor_isnm": title, "nmix_sdpr": previous / 100}
        moved = _expected_facts(venue, other.market, other.factor)
        rows.append(block(name, "output2").pick(breadth[other.market], moved, named))
    head = block(name, "output1").pick(
        breadth[index.market],
        _expected_facts(venue, index.market, index.factor),
        {"bstp_cls_code": index.code},
    )
    return quoted(output1=head, output2=rows)


def _bars(name: str, merged: list[Bar], start: str, end: str, factor: float) -> list[Row]:
    output = block(name, "output2")
    pairs = list(zip(merged, [None, *merged], strict=False))[::-1]
    return [
        output.pick(index_bar_facts(bar, previous, factor))
        for bar, previous in pairs
        if start <= calendar_day(bar.start) <= end
    ]


def _levels(venue: Venue, market: str) -> list[IndexPrint]:
    return list(venue.indices.levels(market))


def _steps(venue: Venue, name: str, time_name: str, step: int, code: str) -> list[Row]:
    index = asked_index(code)
    previous = index_day(venue, index.market).previous_close
    output, breadth = block(name, "output"), breadth_facts(venue, index.market)
    rows = []
    for _, group in groupby(_levels(venue, index.market), lambda each: each.at // step):
        last = list(group)[-1]
        moved = change_of_level(last.centipoints * index.factor, previous * index.factor)
        # Volumes of a moment are not kept: the rows tell those of the day so far.
        rows.append(output.pick(breadth, moved, {time_name: clock(last.at)}))
    return rows[::-1]


def _index_minutes(venue: Venue, market: str, step: int) -> list[Bar]:
    bars = []
    for _, group in groupby(_levels(venue, market), lambda each: each.at // step):
        steps = list(group)
        levels = [each.centipoints for each in steps]
        start = steps[0].at // step * step
        bars.append(Bar(start, levels[0], max(levels), min(levels), levels[-1], 0))
    return bars


def _expected_level(venue: Venue, market: str) -> float | None:
    moves = [
        venue.tapes[each.symbol].expected[0] / each.base_price
        for each in members(venue, market)
        if venue.tapes[each.symbol].expected[0]
    ]
    if not moves:
        return None
    return index_day(venue, market).previous_close * sum(moves) / len(moves)


def _expected_facts(venue: Venue, market: str, factor: float) -> dict[str, Value]:
    day = index_day(venue, market)
    level = _expected_level(venue, market)
    shown = day.last if level is None else level
    return change_of_level(shown * factor, day.previous_close * factor)
