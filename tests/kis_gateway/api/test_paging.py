"""Answers that KIS cuts are read to their end, by cursor, date or time, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from events import Symbol, TradingDate
from events.calendar import kst
from kis_gateway.errors import FieldMissing, InquiryFailed
from kis_gateway.protocol import call_form
from tests.kis_gateway.kis_double import Reply, Request, ok

from .protocol_answers import (
    HALF_PAST_NINE,
    SYMBOL,
    TEN,
    answer,
    api_over,
    blocks_of,
    queries,
    row_of,
)

ISSUE = Symbol(SYMBOL)
MINUTE = 60_000_000_000
SECOND = 1_000_000_000
Rows = list[dict[str, Any]]


def rows_of(call: str, block: str, changes: list[dict[str, str]]) -> Rows:
    """Return rows of a block, each with some values of its own."""
    return [{**row_of(call_form(call).blocks[block]), **each} for each in changes]


def listing(call: str, block: str, rows: Callable[[Request], Rows]) -> Callable[[Request], Reply]:
    """Return a script that answers a call with chosen rows."""

    def script(request: Request) -> Reply:
        blocks = blocks_of(call_form(call))
        return Reply(ok(**{**blocks, block: rows(request)}))

    return script


def days_before(last: str, count: int) -> list[str]:
    """Return the labels of consecutive days ending at one, newest first."""
    day = date(int(last[:4]), int(last[4:6]), int(last[6:]))
    return [f"{day - timedelta(days=each):%Y%m%d}" for each in range(count)]


async def test_a_balance_of_three_pages_is_read_to_its_end(tmp_path: Path) -> None:
    """The header says whether more follows; cursors are sent back as they came."""
    call = "inquire-balance"
    replies = [("F", "000660"), ("M", "005930"), ("D", "247540")]
    pages = iter(replies)

    def script(request: Request) -> Reply:
        more, symbol = next(pages)
        holdings = rows_of(call, "output1", [{"pdno": symbol}])
        totals = rows_of(call, "output2", [{"tot_evlu_amt": symbol}])
        return Reply(
            ok(output1=holdings, output2=totals, ctx_area_fk100="k^ ", ctx_area_nk100=symbol),
            tr_cont=more,
        )

    async with api_over(tmp_path) as (double, api):
        double.script = script
        balance = await api.account.balance()
        asked = [(each["CTX_AREA_FK100"], each["CTX_AREA_NK100"]) for each in queries(double, call)]
    assert [row.symbol for row in balance.rows] == ["000660", "005930", "247540"]
    assert balance.summary.equity == 247_540
    assert asked == [("", ""), ("k^ ", "000660"), ("k^ ", "005930")]


async def test_a_page_that_never_comes_leaves_no_result(tmp_path: Path) -> None:
    """Half a list of orders is no list of orders."""
    call = "inquire-daily-ccld"

    def script(request: Request) -> Reply:
        if request.headers["tr_cont"] == "N":
            return Reply(b"", 502)
        return Reply(ok(**blocks_of(call_form(call))), tr_cont="F")

    async with api_over(tmp_path) as (double, api):
        double.script = script
        with pytest.raises(InquiryFailed, match=call):
            await api.account.executions(TradingDate("20261120"), TradingDate("20261120"))


async def test_padding_is_no_row(tmp_path: Path) -> None:
    """KIS fills short lists up with blanks and zeros."""
    call = "inquire-daily-price"
    names = call_form(call).blocks["output"].names
    real = row_of(call_form(call).blocks["output"])
    padding: Rows = [
        {},
        dict.fromkeys(names, ""),
        dict.fromkeys(names, "0"),
        {**dict.fromkeys(names, "0.00"), "stck_bsop_date": "00000000"},
        dict.fromkeys(names, None),
    ]
    async with api_over(tmp_path) as (double, api):
        double.script = listing(call, "output", lambda _: [real, *padding])
        found = await api.prices.daily(ISSUE)
    assert [row.close for row in found] == [1_234]


async def test_an_answer_without_rows_may_leave_the_block_out(tmp_path: Path) -> None:
    """With KIS's code for it that is an empty list; without the code it is an error."""
    async with api_over(tmp_path) as (double, api):
        double.script = lambda _: Reply({**ok(), "msg_cd": "KIOK0560"})
        assert await api.account.modifiable_orders() == ()
        double.script = lambda _: Reply(ok())
        with pytest.raises(FieldMissing, match="output"):
            await api.account.modifiable_orders()


async def test_daily_bars_are_paged_back_by_date(tmp_path: Path) -> None:
    """KIS gives the newest 100 bars of a span without saying that there are more."""
    call = "inquire-daily-itemchartprice"
    days = days_before("20261120", 250)

    def rows(request: Request) -> Rows:
        first, last = request.query["FID_INPUT_DATE_1"], request.query["FID_INPUT_DATE_2"]
        inside = [day for day in days if first <= day <= last][:100]
        return rows_of(call, "output2", [{"stck_bsop_date": day} for day in inside])

    async with api_over(tmp_path) as (double, api):
        double.script = listing(call, "output2", rows)
        chart = await api.charts.bars(ISSUE, TradingDate(days[-1]), TradingDate("20261120"))
        ends = [each["FID_INPUT_DATE_2"] for each in queries(double, call)]
        adjusted = {each["FID_ORG_ADJ_PRC"] for each in queries(double, call)}
    assert [bar.trading_date for bar in chart.rows] == days[::-1]
    assert ends == ["20261120", days[100], days[200]]
    assert adjusted == {"0"}
    assert chart.summary.price == 1_234


async def test_a_month_cut_by_a_page_is_not_a_bar_of_its_own(tmp_path: Path) -> None:
    """The page that begins inside a month repeats its part; the whole month came before."""
    call = "inquire-daily-itemchartprice"
    newest = [f"{2026 - each // 12}{12 - each % 12:02}28" for each in range(100)]

    def rows(request: Request) -> Rows:
        if request.query["FID_INPUT_DATE_2"] == "20261231":
            return rows_of(
                call, "output2", [{"stck_bsop_date": day, "acml_vol": "9"} for day in newest]
            )
        part = {"stck_bsop_date": newest[-1][:6] + "27", "acml_vol": "5"}
        older = {"stck_bsop_date": "20180828", "acml_vol": "9"}
        return rows_of(call, "output2", [part, older])

    async with api_over(tmp_path) as (double, api):
        double.script = listing(call, "output2", rows)
        chart = await api.charts.bars(ISSUE, TradingDate("20180101"), TradingDate("20261231"), "M")
    assert len(chart.rows) == 101
    assert {bar.volume for bar in chart.rows} == {9}


async def test_adjusted_prices_are_asked_for_oppositely_in_two_calls(tmp_path: Path) -> None:
    """0 is adjusted in the chart and unadjusted in the daily price."""
    async with api_over(tmp_path) as (double, api):
        day = TradingDate("20261120")
        await api.charts.bars(ISSUE, day, day)
        await api.prices.daily(ISSUE)
        await api.charts.bars(ISSUE, day, day, adjusted=False)
        await api.prices.daily(ISSUE, adjusted=False)
        sent = [
            each.query["FID_ORG_ADJ_PRC"]
            for each in double.requests
            if "FID_ORG_ADJ_PRC" in each.query
        ]
    assert sent == ["0", "1", "1", "0"]


async def test_minutes_are_paged_back_by_time_and_the_forming_one_is_left_out(
    tmp_path: Path,
) -> None:
    """61 minutes from 09:00 to 10:00, of which that of 10:00 has not ended."""
    call = "inquire-time-itemchartprice"
    nine = TEN - 60 * MINUTE
    hours = [f"{kst(nine + each * MINUTE):%H%M%S}" for each in range(61)]

    def rows(request: Request) -> Rows:
        asked = request.query["FID_INPUT_HOUR_1"]
        inside = [hour for hour in hours if hour <= asked][::-1][:30]
        return rows_of(call, "output2", [{"stck_cntg_hour": hour} for hour in inside])

    async with api_over(tmp_path) as (double, api):
        double.script = listing(call, "output2", rows)
        found = await api.charts.minutes_today(ISSUE)
        asked = [each["FID_INPUT_HOUR_1"] for each in queries(double, call)]
    assert [bar.start for bar in found] == [nine + each * MINUTE for each in range(60)]
    assert asked[1:] == ["093000", "090000"]


async def test_minutes_of_a_past_day_are_paged_by_120_and_end_with_the_day(tmp_path: Path) -> None:
    """Rows of the day before end the paging; minutes without a trade have no bar."""
    call = "inquire-time-dailychartprice"
    hours = [f"{9 + each // 60:02}{each % 60:02}00" for each in range(381)]

    def rows(request: Request) -> Rows:
        asked = request.query["FID_INPUT_HOUR_1"]
        inside = [hour for hour in hours if hour <= asked][::-1][:120]
        changes = [
            {
                "stck_bsop_date": "20261119",
                "stck_cntg_hour": hour,
                "cntg_vol": "0" if hour == "120000" else "7",
            }
            for hour in inside
        ]
        if len(changes) < 120:
            changes.append({"stck_bsop_date": "20261118", "stck_cntg_hour": "153000"})
        return rows_of(call, "output2", changes)

    async with api_over(tmp_path) as (double, api):
        double.script = listing(call, "output2", rows)
        found = await api.charts.minutes_of(ISSUE, TradingDate("20261119"))
        assert len(queries(double, call)) == 4
    assert len(found) == 380
    assert {bar.trading_date for bar in found} == {"20261119"}


def trades_script(trades: list[tuple[str, int]], page: int) -> Callable[[Request], Reply]:
    """Return a script over trades (time, cumulative volume; one share each), oldest first."""
    call = "inquire-time-itemconclusion"

    def rows(request: Request) -> Rows:
        asked = request.query["FID_INPUT_HOUR_1"]
        inside = [trade for trade in trades if trade[0] <= asked][::-1][:page]
        return rows_of(
            call,
            "output2",
            [
                {"stck_cntg_hour": hour, "acml_vol": str(volume), "cnqn": "1"}
                for hour, volume in inside
            ],
        )

    return listing(call, "output2", rows)


async def test_trades_are_paged_back_through_seconds_with_several(tmp_path: Path) -> None:
    """Twenty seconds with three trades each, four rows an answer: all sixty, each once."""
    trades = [(f"0930{each // 3:02}", each + 1) for each in range(60)]
    async with api_over(tmp_path) as (double, api):
        double.script = trades_script(trades, page=4)
        found = await api.prices.trades(ISSUE, HALF_PAST_NINE, TEN)
        part = await api.prices.trades(
            ISSUE, HALF_PAST_NINE + 5 * SECOND, HALF_PAST_NINE + 6 * SECOND
        )
    assert [trade.cumulative_volume for trade in found] == list(range(1, 61))
    assert [trade.cumulative_volume for trade in part] == [16, 17, 18, 19, 20, 21]


async def test_a_second_with_more_trades_than_an_answer_holds_is_an_error(tmp_path: Path) -> None:
    """Some of its trades cannot be reached; a list with a hole is not returned."""
    trades = [("093000", 1), *(("093001", each) for each in range(2, 8)), ("093002", 8)]
    async with api_over(tmp_path) as (double, api):
        double.script = trades_script(trades, page=4)
        with pytest.raises(InquiryFailed, match="09:30:01"):
            await api.prices.trades(ISSUE, HALF_PAST_NINE, TEN)


async def test_a_span_of_days_is_paged_back_until_nothing_older_comes(tmp_path: Path) -> None:
    """The number of rows is not published: the answer without news ends it."""
    call = "daily-short-sale"
    days = days_before("20261120", 70)

    def rows(request: Request) -> Rows:
        inside = [day for day in days if day <= request.query["FID_INPUT_DATE_2"]][:30]
        return rows_of(call, "output2", [{"stck_bsop_date": day} for day in inside])

    async with api_over(tmp_path) as (double, api):
        double.script = listing(call, "output2", rows)
        found = await api.flows.short_sales(ISSUE, TradingDate("20200101"), TradingDate("20261120"))
        assert len(queries(double, call)) == 4
        few = await api.flows.short_sales(ISSUE, TradingDate(days[9]), TradingDate(days[5]))
    assert [row.trading_date for row in found] == days[::-1]
    assert [row.trading_date for row in few] == [days[each] for each in (9, 8, 7, 6, 5)]


async def test_credit_is_looked_up_by_settlement_and_told_by_trade(tmp_path: Path) -> None:
    """A page ends two sessions before the date asked for; no day between pages is lost."""
    call = "daily-credit-balance"
    days = days_before("20261120", 40)

    def settled(day: str) -> str:
        return f"{date(int(day[:4]), int(day[4:6]), int(day[6:])) + timedelta(days=2):%Y%m%d}"

    def rows(request: Request) -> Rows:
        inside = [day for day in days if settled(day) <= request.query["FID_INPUT_DATE_1"]][:15]
        return rows_of(
            call, "output", [{"deal_date": day, "stlm_date": settled(day)} for day in inside]
        )

    async with api_over(tmp_path) as (double, api):
        double.script = listing(call, "output", rows)
        found = await api.flows.credit(ISSUE, TradingDate(days[39]), TradingDate(days[1]))
    assert [row.trading_date for row in found] == days[1:][::-1]


async def test_the_calendar_is_read_forward_until_the_last_day(tmp_path: Path) -> None:
    """One answer holds 24 days; a day KIS does not know yet is an error."""
    call = "chk-holiday"
    days = days_before("20261231", 60)[::-1]

    def rows(request: Request) -> Rows:
        inside = [day for day in days if day >= request.query["BASS_DT"]][:24]
        return rows_of(call, "output", [{"bass_dt": day} for day in inside])

    async with api_over(tmp_path) as (double, api):
        double.script = listing(call, "output", rows)
        found = await api.reference.calendar(TradingDate("20261110"), TradingDate("20261220"))
        with pytest.raises(InquiryFailed, match="20270105"):
            await api.reference.calendar(TradingDate("20261225"), TradingDate("20270105"))
    assert (found[0].day, found[-1].day, len(found)) == ("20261110", "20261220", 41)


async def test_forty_issues_are_watched_with_two_calls_in_the_order_asked(tmp_path: Path) -> None:
    """Thirty places a call; an issue that is not in the answer is an error."""
    call = "intstock-multprice"
    symbols = [Symbol(f"{each:06}") for each in range(40, 0, -1)]

    def rows(request: Request) -> Rows:
        asked = [request.query[f"FID_INPUT_ISCD_{place}"] for place in range(1, 31)]
        given = sorted(each for each in asked if each and each != "000007")
        return rows_of(call, "output", [{"inter_shrn_iscd": each} for each in given])

    async with api_over(tmp_path) as (double, api):
        double.script = listing(call, "output", rows)
        with pytest.raises(InquiryFailed, match="no row of 000007"):
            await api.prices.watched(symbols)
        symbols.remove(Symbol("000007"))
        found = await api.prices.watched(symbols)
        second = queries(double, call)[3]
    assert [row.symbol for row in found] == symbols
    assert (second["FID_INPUT_ISCD_9"], second["FID_INPUT_ISCD_10"]) == ("000001", "")
    assert second["FID_COND_MRKT_DIV_CODE_10"] == ""


async def test_older_orders_are_another_call_and_spans_do_not_cross(tmp_path: Path) -> None:
    """Three months before 2026-11-20 is 2026-08-20."""
    call = "inquire-daily-ccld"
    async with api_over(tmp_path) as (double, api):
        await api.account.executions(TradingDate("20260820"), TradingDate("20261120"))
        await api.account.executions(TradingDate("20260101"), TradingDate("20260819"))
        with pytest.raises(ValueError, match="20260820"):
            await api.account.executions(TradingDate("20260819"), TradingDate("20260820"))
        ids = [each.headers["tr_id"] for each in double.requests if call in each.path]
        exchanges = {each["EXCG_ID_DVSN_CD"] for each in queries(double, call)}
    assert ids == ["TTTC0081R", "CTSC9215R"]
    assert exchanges == {"ALL"}


async def test_news_is_paged_back_by_time(tmp_path: Path) -> None:
    """Ten titles an answer, four a minute: every title once, oldest first."""
    call = "news-title"
    titles = [(f"09{30 + each // 4}00", f"S{each:03}") for each in range(40)]

    def rows(request: Request) -> Rows:
        assert request.query["FID_INPUT_DATE_1"] == "0020261120"
        asked = request.query["FID_INPUT_HOUR_1"].removeprefix("0000")
        inside = [title for title in titles if title[0] <= asked][::-1][:10]
        return rows_of(
            call, "output", [{"data_tm": at, "cntt_usiq_srno": serial} for at, serial in inside]
        )

    async with api_over(tmp_path) as (double, api):
        double.script = listing(call, "output", rows)
        found = await api.reference.news(HALF_PAST_NINE)
        late = await api.reference.news(HALF_PAST_NINE + 9 * MINUTE)
        double.script = answer
    assert [title.serial for title in found] == [serial for _, serial in titles]
    assert [title.serial for title in late] == ["S036", "S037", "S038", "S039"]
