"""The broker port over a scripted KIS: what is sent, what is read, what is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import pytest

from events import Symbol, TradingDate
from events.market import Bar, IndexLevel, ProgramFlow, SymbolReference
from events.trading import Holding, OrderKind, Side
from kis_gateway.broker import (
    Accepted,
    Balance,
    Broker,
    BrokerOrder,
    CancelTicket,
    OrderTicket,
    Refused,
    Unknown,
)
from kis_gateway.errors import FieldMissing, InquiryFailed
from kis_gateway.kis_broker import KisBroker

from .kis_double import KisDouble, Reply, Request, kis_double, ok, refused, settings_for
from .test_rest import Hasty

SAMSUNG = Symbol("005930")
TODAY = TradingDate("20260915")
KST = timezone(timedelta(hours=9))
NOW = int(datetime(2026, 9, 15, 10, 0, 30, tzinfo=KST).timestamp()) * 1_000_000_000


def at(clock: str, day: str = TODAY) -> int:
    moment = datetime.strptime(day + clock, "%Y%m%d%H%M%S").replace(tzinfo=KST)
    return int(moment.timestamp()) * 1_000_000_000


class Fixed(Hasty):
    """A clock whose calendar stands still at NOW while waiting works."""

    def __init__(self) -> None:
        super().__init__()
        self._start = self._clock.now()

    def now(self) -> int:
        return NOW + self._clock.now() - self._start

    async def sleep_until(self, at: int) -> None:
        await self._clock.sleep_until(at - NOW + self._start)


@asynccontextmanager
async def broker(tmp_path: Path) -> AsyncIterator[tuple[KisDouble, KisBroker]]:
    async with (
        kis_double() as double,
        KisBroker(settings_for(double.url, tmp_path), Fixed()) as client,
    ):
        yield double, client


def buy(quantity: int = 10, price: int | None = 71_000) -> OrderTicket:
    return OrderTicket(
        symbol=SAMSUNG,
        side=Side.BUY,
        kind=OrderKind.MARKET if price is None else OrderKind.LIMIT,
        quantity=quantity,
        limit_price=price,
    )


TAKEN = ok(output={"KRX_FWDG_ORD_ORGNO": "00950", "ODNO": "0000012345", "ORD_TMD": "100031"})


def test_it_is_a_broker() -> None:
    """The class has the port's shape; mypy checks the assignment."""
    port: type[Broker] = KisBroker
    assert port is KisBroker


async def test_a_limit_buy_is_sent_as_text_and_its_numbers_come_back_verbatim(
    tmp_path: Path,
) -> None:
    """All values are strings; leading zeros of the order number stay."""
    async with broker(tmp_path) as (double, client):
        double.script = lambda _: Reply(TAKEN)
        assert await client.submit(buy()) == Accepted(broker_order="0000012345", branch="00950")
        sent = double.requests[-1]
    assert (sent.method, sent.path) == ("POST", "/uapi/domestic-stock/v1/trading/order-cash")
    assert sent.headers["tr_id"] == "VTTC0012U"
    assert sent.body == {
        "CANO": "12345678",
        "ACNT_PRDT_CD": "01",
        "PDNO": "005930",
        "ORD_DVSN": "00",
        "ORD_QTY": "10",
        "ORD_UNPR": "71000",
        "EXCG_ID_DVSN_CD": "KRX",
    }


async def test_a_market_sell_goes_under_the_selling_id_at_price_zero(tmp_path: Path) -> None:
    """The TR id decides the side."""
    ticket = OrderTicket(
        symbol=SAMSUNG, side=Side.SELL, kind=OrderKind.MARKET, quantity=3, limit_price=None
    )
    async with broker(tmp_path) as (double, client):
        double.script = lambda _: Reply(TAKEN)
        await client.submit(ticket)
        sent = double.requests[-1]
    assert sent.headers["tr_id"] == "VTTC0011U"
    assert (sent.body["ORD_DVSN"], sent.body["ORD_UNPR"], sent.body["ORD_QTY"]) == ("01", "0", "3")


async def test_a_cancel_takes_all_that_is_left(tmp_path: Path) -> None:
    """Number and branch go back as received; lower-case reply keys are accepted."""
    reply = ok(output={"krx_fwdg_ord_orgno": "00950", "odno": "0000012399", "ord_tmd": "100031"})
    ticket = CancelTicket(broker_order="0000012345", branch="00950", symbol=SAMSUNG)
    async with broker(tmp_path) as (double, client):
        double.script = lambda _: Reply(reply)
        assert await client.cancel(ticket) == Accepted(broker_order="0000012399", branch="00950")
        sent = double.requests[-1]
    assert sent.headers["tr_id"] == "VTTC0013U"
    assert sent.body == {
        "CANO": "12345678",
        "ACNT_PRDT_CD": "01",
        "KRX_FWDG_ORD_ORGNO": "00950",
        "ORGN_ODNO": "0000012345",
        "ORD_DVSN": "00",
        "RVSE_CNCL_DVSN_CD": "02",
        "ORD_QTY": "0",
        "ORD_UNPR": "0",
        "QTY_ALL_ORD_YN": "Y",
        "EXCG_ID_DVSN_CD": "KRX",
    }


async def test_a_lost_reply_to_a_submit_is_unknown_after_one_post(tmp_path: Path) -> None:
    """The whole port, not only its lower half: one POST, whatever happens to the answer."""
    async with broker(tmp_path) as (double, client):
        double.script = lambda _: None
        assert isinstance(await client.submit(buy()), Unknown)
        assert double.count("/order-cash") == 1


@pytest.mark.parametrize(
    "output", [{}, {"ODNO": "0000012345"}, {"ODNO": " ", "KRX_FWDG_ORD_ORGNO": ""}]
)
async def test_a_yes_without_a_number_is_unknown(tmp_path: Path, output: dict[str, str]) -> None:
    """An order that may exist but cannot be named must be looked for."""
    async with broker(tmp_path) as (double, client):
        double.script = lambda _: Reply(ok(output=output))
        assert isinstance(await client.submit(buy()), Unknown)


@pytest.mark.parametrize(
    "ticket",
    [
        buy(quantity=0),
        OrderTicket(
            symbol=SAMSUNG, side=Side.BUY, kind=OrderKind.LIMIT, quantity=1, limit_price=None
        ),
        OrderTicket(
            symbol=SAMSUNG, side=Side.BUY, kind=OrderKind.MARKET, quantity=1, limit_price=5
        ),
    ],
)
async def test_a_senseless_ticket_never_leaves(tmp_path: Path, ticket: OrderTicket) -> None:
    """KIS is not asked to judge it."""
    async with broker(tmp_path) as (double, client):
        outcome = await client.submit(ticket)
        assert isinstance(outcome, Refused)
        assert outcome.code == "INVALID_TICKET"
        assert double.requests == []


def order_row(**changes: str) -> dict[str, str]:
    row = {
        "ord_dt": TODAY, "ord_gno_brno": "00950", "odno": "0000012345", "orgn_odno": "0000000000",
        "ord_dvsn_name": "지정가", "sll_buy_dvsn_cd": "02", "sll_buy_dvsn_cd_name": "현금매수",
        "pdno": "005930", "prdt_name": "삼성전자", "ord_qty": "10", "ord_unpr": "71000",
        "ord_tmd": "093005", "tot_ccld_qty": "4", "avg_prvs": "70950", "cncl_yn": "N",
        "tot_ccld_amt": "283800", "cnc_cfrm_qty": "0", "rmn_qty": "6", "rjct_qty": "0",
        "some_new_field": "ignored",
    }  # fmt: skip
    return {**row, **changes}


async def test_orders_come_from_all_pages(tmp_path: Path) -> None:
    """15 rows a page on paper; padding objects are no orders."""
    pages = [
        Reply(ok(output1=[order_row()], output2={}, ctx_area_nk100="k"), tr_cont="M"),
        Reply(
            ok(output1=[order_row(odno="12346", tot_ccld_qty="0", tot_ccld_amt="0"), {}]),
            tr_cont="E",
        ),
    ]
    async with broker(tmp_path) as (double, client):
        double.script = lambda _: pages.pop(0)
        first, second = await client.orders(TODAY)
        asked = double.requests[-1]
    assert first == BrokerOrder(
        broker_order="0000012345",
        original=None,
        branch="00950",
        symbol=SAMSUNG,
        side=Side.BUY,
        quantity=10,
        limit_price=71_000,
        filled_quantity=4,
        filled_amount=283_800,
        cancelled_quantity=0,
        rejected_quantity=0,
        remaining_quantity=6,
        is_cancel=False,
        ordered_at=at("093005"),
    )
    assert second.broker_order == "12346"
    assert asked.headers["tr_id"] == "VTTC0081R"
    assert (asked.query["INQR_STRT_DT"], asked.query["INQR_END_DT"]) == (TODAY, TODAY)
    assert (asked.query["CCLD_DVSN"], asked.query["EXCG_ID_DVSN_CD"]) == ("00", "KRX")


@pytest.mark.parametrize(
    ("changes", "is_cancel", "cancelled"),
    [
        ({"orgn_odno": "0000012300", "cncl_yn": "Y"}, True, 0),
        ({"orgn_odno": "12300", "sll_buy_dvsn_cd_name": "매수취소*"}, True, 0),
        ({"orgn_odno": "12300", "sll_buy_dvsn_cd_name": "매수정정*", "cncl_yn": "Y"}, False, 0),
        ({"orgn_odno": "          ", "cncl_yn": "Y", "cncl_cfrm_qty": "6"}, False, 6),
    ],
)
async def test_cancels_amendments_and_cancelled_orders_are_told_apart(
    tmp_path: Path, changes: dict[str, str], is_cancel: bool, cancelled: int
) -> None:
    """A cancel is a row of its own that names its original; both spellings are read."""
    async with broker(tmp_path) as (double, client):
        double.script = lambda _: Reply(ok(output1=[order_row(**changes)]))
        (order,) = await client.orders(TODAY)
    assert (order.is_cancel, order.cancelled_quantity) == (is_cancel, cancelled)


async def test_a_missing_field_is_named(tmp_path: Path) -> None:
    """Not 0, not skipped: absent is an error that says what is absent."""
    row = order_row()
    del row["pdno"]
    async with broker(tmp_path) as (double, client):
        double.script = lambda _: Reply(ok(output1=[row]))
        with pytest.raises(FieldMissing, match="lacks the field pdno") as caught:
            await client.orders(TODAY)
        double.script = lambda _: Reply(ok())
        with pytest.raises(FieldMissing, match="lacks the field output1"):
            await client.orders(TODAY)
    assert caught.value.field == "pdno"
    assert isinstance(caught.value, InquiryFailed)


@pytest.mark.parametrize("value", ["", "ten", "1.5", "nan", "1e99"])
async def test_a_number_that_is_none_makes_its_row_unreadable_and_no_other(
    tmp_path: Path, value: str
) -> None:
    """A blank quantity is not a quantity of zero; whose row it is can still be told."""
    async with broker(tmp_path) as (double, client):
        double.script = lambda _: Reply(
            ok(output1=[order_row(ord_qty=value), order_row(odno="0000012346")])
        )
        bad, good = await client.orders(TODAY)
    assert bad.unreadable is not None
    assert "ord_qty" in bad.unreadable
    assert (bad.broker_order, bad.symbol, bad.side) == ("0000012345", SAMSUNG, Side.BUY)
    assert (good.unreadable, good.quantity) == (None, 10)


@pytest.mark.parametrize("changes", [{"odno": " "}, {"pdno": ""}, {"sll_buy_dvsn_cd": "03"}])
async def test_a_row_that_does_not_say_whose_it_is_fails_the_inquiry(
    tmp_path: Path, changes: dict[str, str]
) -> None:
    """It could be anybody's, so nothing may be concluded from the rest."""
    async with broker(tmp_path) as (double, client):
        double.script = lambda _: Reply(ok(output1=[order_row(**changes)]))
        with pytest.raises(InquiryFailed, match="MALFORMED"):
            await client.orders(TODAY)


async def test_an_order_whose_time_has_passed_is_refused_and_not_posted(tmp_path: Path) -> None:
    """The last look at the clock comes after the waits for the budget and the token."""
    ticket = msgspec.structs.replace(buy(), expires_at=NOW - 1)
    async with broker(tmp_path) as (double, client):
        outcome = await client.submit(ticket)
        assert double.count("order-cash") == 0
        double.script = lambda _: Reply(TAKEN)
        in_time = msgspec.structs.replace(buy(), expires_at=NOW + 3_600_000_000_000)
        assert isinstance(await client.submit(in_time), Accepted)
    assert isinstance(outcome, Refused)
    assert outcome.code == "EXPIRED"


def holding(symbol: str, quantity: int, sellable: int, cost: int, price: int) -> dict[str, str]:
    return {
        "pdno": symbol, "hldg_qty": str(quantity), "ord_psbl_qty": str(sellable),
        "pchs_amt": str(cost), "prpr": str(price), "pchs_avg_pric": "1.0000",
    }  # fmt: skip


TOTALS = {
    "dnca_tot_amt": "10000000", "nxdy_excc_amt": "9500000", "prvs_rcdl_excc_amt": "7200000",
    "tot_evlu_amt": "12345678", "scts_evlu_amt": "5145678",
}  # fmt: skip


async def test_a_balance_is_added_up_over_pages_and_rows(tmp_path: Path) -> None:
    """Cash and credit rows of one issue belong together; sold-out rows are no holdings."""
    pages = [
        Reply(
            ok(
                output1=[
                    holding("005930", 10, 8, 700_000, 71_500),
                    holding("000660", 0, 0, 0, 230_000),
                ],
                output2=[TOTALS],
                ctx_area_nk100="k",
            ),
            tr_cont="M",
        ),
        Reply(
            ok(
                output1=[
                    holding("005930", 5, 5, 360_000, 71_500),
                    holding("035720", 1, 0, 40_000, 41_000),
                ],
                output2=[TOTALS],
            ),
            tr_cont="D",
        ),
    ]
    async with broker(tmp_path) as (double, client):
        double.script = lambda _: pages.pop(0)
        assert await client.balance() == Balance(
            cash=7_200_000,
            equity=12_345_678,
            holdings=(
                Holding(
                    symbol=SAMSUNG, quantity=15, sellable=13, cost=1_060_000, last_price=71_500
                ),
                Holding(
                    symbol=Symbol("035720"), quantity=1, sellable=0, cost=40_000, last_price=41_000
                ),
            ),
            deposits=(10_000_000, 9_500_000, 7_200_000),
        )


async def test_an_empty_account_is_a_complete_answer(tmp_path: Path) -> None:
    """No holdings is a fact when KIS says so; a missing block would be an error."""
    async with broker(tmp_path) as (double, client):
        double.script = lambda _: Reply(ok(output1=[], output2=[TOTALS]), tr_cont="D")
        assert (await client.balance()).holdings == ()
        double.script = lambda _: Reply(ok(output1=[], output2=[]))
        with pytest.raises(FieldMissing, match="output2"):
            await client.balance()


PRICE = {
    "iscd_stat_cls_code": "55", "rprs_mrkt_kor_name": "KOSPI200", "stck_sdpr": "70900",
    "stck_mxpr": "92100", "stck_llam": "49700",
}  # fmt: skip


def chart_page(days: list[date], **changes: str) -> dict[str, Any]:
    """Return a daily chart; each bar's prices follow from its day of the month."""
    rows = [
        {
            "stck_bsop_date": f"{day:%Y%m%d}", "stck_clpr": str(1_000 + day.day),
            "stck_oprc": "1000", "stck_hgpr": "1100", "stck_lwpr": "990", "acml_vol": "500",
            "acml_tr_pbmn": "500000", **changes,
        }
        for day in days
    ]  # fmt: skip
    return ok(output1={"hts_kor_isnm": "삼성전자 "}, output2=rows)


@pytest.mark.parametrize(
    ("board", "market", "status", "shown"),
    [
        ("KOSPI200", "KOSPI", "55", "00"),
        ("KSQ150", "KOSDAQ", "58", "58"),
        ("KOSDAQ", "KOSDAQ", "51", "51"),
        ("ETF", "KOSPI", "57", "00"),
    ],
)
async def test_the_reference_takes_the_days_terms(
    tmp_path: Path, board: str, market: str, status: str, shown: str
) -> None:
    """Base price and limits of the day as KIS gives them; only designations stay as status."""
    price = {**PRICE, "rprs_mrkt_kor_name": board, "iscd_stat_cls_code": status}

    def script(request: Request) -> Reply:
        is_chart = request.path.endswith("itemchartprice")
        return Reply(chart_page([date(2026, 9, 14)]) if is_chart else ok(output=price))

    async with broker(tmp_path) as (double, client):
        double.script = script
        reference = await client.reference(SAMSUNG, TODAY)
        await client.reference(SAMSUNG, TODAY)  # the name is remembered
        assert double.count("inquire-daily-itemchartprice") == 1
    assert reference == SymbolReference(
        at=reference.at,
        symbol=SAMSUNG,
        trading_date=TODAY,
        name="삼성전자",
        market=market,
        base_price=70_900,
        lower_limit=49_700,
        upper_limit=92_100,
        status_code=shown,
    )


async def test_an_unknown_board_is_not_guessed(tmp_path: Path) -> None:
    """Ticks and taxes depend on it."""
    async with broker(tmp_path) as (double, client):
        double.script = lambda request: Reply(
            chart_page([])
            if request.path.endswith("itemchartprice")
            else ok(output={**PRICE, "rprs_mrkt_kor_name": "KONEX"})
        )
        with pytest.raises(InquiryFailed, match="KONEX"):
            await client.reference(SAMSUNG, TODAY)


async def test_daily_bars_are_paged_back_oldest_first_without_today(tmp_path: Path) -> None:
    """100 rows a call; the next call asks for the days before the oldest row."""
    history = [date(2026, 9, 15) - timedelta(days=back) for back in range(251)]

    def script(request: Request) -> Reply:
        last = request.query["FID_INPUT_DATE_2"]
        rows = [day for day in history if f"{day:%Y%m%d}" <= last][:100]
        return Reply(chart_page(rows))

    async with broker(tmp_path) as (double, client):
        double.script = script
        bars = await client.daily_bars(SAMSUNG, TODAY, 130)
        asked = [each.query for each in double.requests if each.method == "GET"]
        everything = await client.daily_bars(SAMSUNG, TODAY, 1_000)
    assert [each["FID_INPUT_DATE_2"] for each in asked] == ["20260914", "20260606"]
    assert asked[0]["FID_ORG_ADJ_PRC"] == "0"
    assert len(bars) == 130
    assert bars[-1] == Bar(at("000000", "20260914"), 1_000, 1_100, 990, 1_014, 500, 500_000)
    assert bars[0].start == at("000000", "20260508")
    assert [bar.start for bar in bars] == sorted({bar.start for bar in bars})
    assert len(everything) == 250


async def test_padding_and_days_without_trading_are_no_bars(tmp_path: Path) -> None:
    """Empty objects fill short lists; a halted day has an open of 0."""
    page = chart_page([date(2026, 9, 14)])
    halted = {**page["output2"][0], "stck_bsop_date": "20260911", "stck_oprc": "0"}
    page["output2"] += [halted, {}, {"stck_bsop_date": "", "stck_clpr": ""}]
    async with broker(tmp_path) as (double, client):
        double.script = lambda _: Reply(page)
        bars = await client.daily_bars(SAMSUNG, TODAY, 5)
    assert [bar.start for bar in bars] == [at("000000", "20260914")]


async def test_minute_bars_reach_back_to_the_open_without_the_forming_one(tmp_path: Path) -> None:
    """30 rows a call; 61 minutes from 09:00 to 10:00, the last one still running at 10:00:30."""
    minutes = [datetime(2026, 9, 15, 9, 0, tzinfo=KST) + timedelta(minutes=n) for n in range(61)]

    def script(request: Request) -> Reply:
        rows = [
            {
                "stck_bsop_date": TODAY, "stck_cntg_hour": f"{minute:%H%M%S}",
                "stck_prpr": str(1_000 + n), "stck_oprc": "1000", "stck_hgpr": "1100",
                "stck_lwpr": "990", "cntg_vol": "0" if n == 5 else "7",
                "acml_tr_pbmn": str(7_000 * (n + 1)),
            }
            for n, minute in enumerate(minutes)
            if f"{minute:%H%M%S}" <= request.query["FID_INPUT_HOUR_1"]
        ]  # fmt: skip
        return Reply(ok(output2=rows[::-1][:30]))

    async with broker(tmp_path) as (double, client):
        double.script = script
        bars = await client.minute_bars(SAMSUNG, NOW)
        hours = [each.query["FID_INPUT_HOUR_1"] for each in double.requests if each.method == "GET"]
    assert hours == ["100030", "093000", "090000"]
    assert len(bars) == 59  # 60 complete minutes, one of them without a trade
    assert bars[0] == Bar(at("090000"), 1_000, 1_100, 990, 1_000, 7, 7_000)
    assert bars[-1] == Bar(at("095900"), 1_000, 1_100, 990, 1_059, 7, 7_000)
    assert at("090500") not in [bar.start for bar in bars]


async def test_before_the_open_there_are_no_minute_bars(tmp_path: Path) -> None:
    """An empty list is an answer; rows of another day are not today's."""
    row = {
        "stck_bsop_date": "20260914", "stck_cntg_hour": "152900", "stck_prpr": "1",
        "stck_oprc": "1", "stck_hgpr": "1", "stck_lwpr": "1", "cntg_vol": "1", "acml_tr_pbmn": "1",
    }  # fmt: skip
    async with broker(tmp_path) as (double, client):
        double.script = lambda _: Reply(ok(output2=[row]))
        assert await client.minute_bars(SAMSUNG, NOW) == ()


@pytest.mark.parametrize(
    ("change", "sign", "previous"),
    [
        ("12.34", "5", 274_380),
        ("-12.34", "5", 274_380),
        ("12.34", "2", 271_912),
        ("0.00", "3", 273_146),
    ],
)
async def test_an_index_is_read_in_hundredths_whatever_the_sign_style(
    tmp_path: Path, change: str, sign: str, previous: int
) -> None:
    """Some change fields are signed already, some leave it to the sign code."""
    row = {"bstp_nmix_prpr": "2731.46", "bstp_nmix_prdy_vrss": change, "prdy_vrss_sign": sign}
    async with broker(tmp_path) as (double, client):
        double.script = lambda _: Reply(ok(output=row))
        level = await client.index_level("KOSDAQ")
        assert double.requests[-1].query["FID_INPUT_ISCD"] == "1001"
    assert level == IndexLevel(
        at=level.at,
        index="KOSDAQ",
        time=level.at,
        centipoints=273_146,
        previous_close_centipoints=previous,
    )


async def test_program_flow_is_the_latest_row_in_won(tmp_path: Path) -> None:
    """Million won per minute row, whatever their order."""
    listed = [
        {"bsop_hour": "095800", "whol_smtn_ntby_tr_pbmn": "-120"},
        {"bsop_hour": "100000", "whol_smtn_ntby_tr_pbmn": "-45678"},
        {"bsop_hour": "095900", "whol_smtn_ntby_tr_pbmn": "99"},
    ]
    async with broker(tmp_path) as (double, client):
        double.script = lambda _: Reply(ok(output=listed))
        flow = await client.program_flow("KOSPI")
        assert double.requests[-1].query["FID_MRKT_CLS_CODE"] == "K"
        double.script = lambda _: Reply(ok(output=[]))
        with pytest.raises(InquiryFailed, match="no row"):
            await client.program_flow("KOSPI")
    assert flow == ProgramFlow(
        at=flow.at, market="KOSPI", time=at("100000"), cumulative_net_value=-45_678_000_000
    )


async def test_a_market_nobody_knows_is_not_asked_for(tmp_path: Path) -> None:
    """A typing error in a configuration must not become a question to KIS."""
    async with broker(tmp_path) as (double, client):
        with pytest.raises(InquiryFailed, match="none of KOSPI, KOSDAQ"):
            await client.index_level("KOSPI200")
        assert double.requests == []


async def test_a_refused_inquiry_is_no_empty_answer(tmp_path: Path) -> None:
    """Every inquiry raises; none returns an empty list for an error."""
    async with broker(tmp_path) as (double, client):
        double.script = lambda _: Reply(refused("OPSQ0002", "없는 서비스 코드 입니다"))
        for question in (
            client.orders(TODAY),
            client.balance(),
            client.reference(SAMSUNG, TODAY),
            client.daily_bars(SAMSUNG, TODAY, 1),
            client.minute_bars(SAMSUNG, NOW),
            client.index_level("KOSPI"),
            client.program_flow("KOSPI"),
        ):
            with pytest.raises(InquiryFailed, match="OPSQ0002"):
                await question
