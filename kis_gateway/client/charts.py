"""Daily and minute bars from KIS charts: paged backwards, cleaned, oldest first.

KIS returns at most 100 daily and 30 minute rows per call, newest first, without saying that there
is more; short lists may be padded with empty objects. What always holds: bars are complete, in
order, without gaps made by paging, and never of a day or minute that is still running.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Final

from events import Symbol, TradingDate
from events.calendar import instant, kst
from events.market import Bar
from kis_gateway.client import calls
from kis_gateway.client.answer import Fields, rows, single
from kis_gateway.client.rest import Envelope, RestClient
from kis_gateway.errors import InquiryFailed

_MINUTE: Final = 60_000_000_000
_DAILY_PAGE: Final = 100
_MINUTE_PAGE: Final = 30
_FIRST_DAY: Final = "19900101"
_MOST_PAGES: Final = 60
_ADJUSTED: Final = "0"  # of this call; inquire-daily-price has it the other way round


async def daily_bars(
    rest: RestClient, symbol: Symbol, before: TradingDate, count: int
) -> tuple[str, Sequence[Bar]]:
    """Return the issue's name and the newest ``count`` bars of days before ``before``.

    Prices are adjusted for splits and rights. A bar's ``start`` is 00:00 KST of its day. Days
    without a trade (the open is 0, the issue was halted) have no bar.

    Raises:
        InquiryFailed: a page is missing or makes no sense.
    """
    found: dict[str, Bar] = {}
    name = ""
    last = _day(before) - timedelta(days=1)
    for _ in range(_MOST_PAGES):
        answer = await rest.inquire(
            calls.DAILY_CHART,
            {
                "FID_COND_MRKT_DIV_CODE": "J",
                "FID_INPUT_ISCD": symbol,
                "FID_INPUT_DATE_1": _FIRST_DAY,
                "FID_INPUT_DATE_2": f"{last:%Y%m%d}",
                "FID_PERIOD_DIV_CODE": "D",
                "FID_ORG_ADJ_PRC": _ADJUSTED,
            },
        )
        name = name or _name(answer)
        page = rows(calls.DAILY_CHART.name, "output2", answer.output2)
        for row in page:
            label = row.text("stck_bsop_date")
            if label < before and row.number("stck_oprc") > 0:
                found[label] = _daily_bar(row, label)
        if len(page) < _DAILY_PAGE or len(found) >= count:
            break
        oldest = _day(min(row.text("stck_bsop_date") for row in page))
        if oldest > last:
            raise InquiryFailed(
                calls.DAILY_CHART.name, "PAGING", f"rows after the asked {last:%Y%m%d}"
            )
        last = oldest - timedelta(days=1)
    return name, tuple(found[label] for label in sorted(found)[-count:])


async def minute_bars(rest: RestClient, symbol: Symbol, until: int) -> Sequence[Bar]:
    """Return the one-minute bars of the KST day of ``until`` that had ended by then (ns UTC).

    A minute without a trade has no bar: KIS leaves it out, or repeats the last price with volume 0
    when the time asked for lies ahead. ``value`` is the difference of the accumulated values.

    Raises:
        InquiryFailed: a page is missing or makes no sense.
    """
    moment = kst(until)
    today = f"{moment:%Y%m%d}"
    found: dict[int, Fields] = {}
    hour = f"{moment:%H%M%S}"
    for _ in range(_MOST_PAGES):
        answer = await rest.inquire(
            calls.MINUTE_CHART,
            {
                "FID_COND_MRKT_DIV_CODE": "J",
                "FID_INPUT_ISCD": symbol,
                "FID_INPUT_HOUR_1": hour,
                "FID_PW_DATA_INCU_YN": "N",
                "FID_ETC_CLS_CODE": "",
            },
        )
        page = [
            row
            for row in rows(calls.MINUTE_CHART.name, "output2", answer.output2)
            if row.text("stck_bsop_date") == today
        ]
        starts = [stamp(row, "stck_bsop_date", "stck_cntg_hour") // _MINUTE for row in page]
        new = {start: row for start, row in zip(starts, page, strict=True) if start not in found}
        found.update(new)
        if len(page) < _MINUTE_PAGE or not new:
            break
        earlier = kst((min(new) - 1) * _MINUTE)
        if f"{earlier:%Y%m%d}" != today:
            break
        hour = f"{earlier:%H%M%S}"
    return _minute_bars(found, until)


def _minute_bars(found: dict[int, Fields], until: int) -> tuple[Bar, ...]:
    bars = []
    accumulated = 0
    for minute in sorted(found):
        row = found[minute]
        total = row.number("acml_tr_pbmn")
        volume = row.number("cntg_vol")
        if (minute + 1) * _MINUTE <= until and volume > 0:
            bars.append(
                Bar(
                    start=minute * _MINUTE,
                    open=row.number("stck_oprc"),
                    high=row.number("stck_hgpr"),
                    low=row.number("stck_lwpr"),
                    close=row.number("stck_prpr"),
                    volume=volume,
                    value=max(total - accumulated, 0),
                )
            )
        accumulated = max(accumulated, total)
    return tuple(bars)


def _daily_bar(row: Fields, label: str) -> Bar:
    return Bar(
        start=instant(_day(label), time(0)),
        open=row.number("stck_oprc"),
        high=row.number("stck_hgpr"),
        low=row.number("stck_lwpr"),
        close=row.number("stck_clpr"),
        volume=row.number("acml_vol"),
        value=row.number("acml_tr_pbmn"),
    )


def stamp(row: Fields, date_field: str, time_field: str) -> int:
    """Return ns UTC of a KST date field and a time field.

    Raises:
        InquiryFailed: they are no YYYYMMDD and HHMMSS.
    """
    text = row.text(date_field).strip() + row.text(time_field).strip()
    try:
        moment = datetime.strptime(text, "%Y%m%d%H%M%S")  # noqa: DTZ007 - instant() sets KST
    except ValueError as error:
        raise InquiryFailed(
            row.call, "MALFORMED", f"{time_field}: {text!r} is no date and time of day"
        ) from error
    return instant(moment.date(), moment.time())


def _day(label: str) -> date:
    try:
        return datetime.strptime(label, "%Y%m%d").date()  # noqa: DTZ007 - a KST business date
    except ValueError as error:
        raise InquiryFailed(
            calls.DAILY_CHART.name, "MALFORMED", f"{label!r} is no YYYYMMDD"
        ) from error


def _name(answer: Envelope) -> str:
    return single(calls.DAILY_CHART.name, "output1", answer.output1).text("hts_kor_isnm").strip()
