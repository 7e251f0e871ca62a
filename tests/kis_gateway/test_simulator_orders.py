"""Orders from the call to the notice, the inquiry and the balance."""

from __future__ import annotations

from typing import Any

import pytest

from kis_gateway.errors import SettingsError
from kis_gateway.simulator import Credentials, Environment, OpeningBook, OpeningHolding
from kis_gateway.simulator.exchange.messages import Refusal
from tests.kis_gateway.simulator_bench import (
    ACCOUNT,
    ECOPRO,
    HTS_ID,
    HYNIX,
    KEY,
    OPEN,
    SAMSUNG,
    SECOND,
    SECRET,
    HandMarket,
    running,
    settings,
    socket_of,
)


async def test_a_buy_is_acknowledged_filled_noticed_and_appears_later_in_the_inquiries() -> None:
    """Answer at once, two encrypted notices, then order row and balance after the delay."""
    async with running() as bench, socket_of(bench) as socket:
        registered = await socket.ask("H0STCNI9", HTS_ID)
        assert registered["header"]["encrypt"] == "Y"
        answer = await bench.order(SAMSUNG, 10, 70_100)
        assert answer == {
            "rt_cd": "0",
            "msg_cd": "40600000",
            "msg1": "모의투자 매수주문이 완료 되었습니다.",
            "output": {
                "KRX_FWDG_ORD_ORGNO": "00950",
                "ODNO": "0000000001",
                "ORD_TMD": "090001",
            },
        }
        acknowledged = await socket.notice(registered)
        assert len(acknowledged) == 26
        assert acknowledged[:17] == [
            *(HTS_ID, ACCOUNT, "0000000001", "", "02", "0", "00", "0", SAMSUNG),
            *("0000000010", "000000000", "090001", "0", "1", "1", "00950", "000000010"),
        ]
        filled = await socket.notice(registered)
        assert filled[9:17] == [
            *("0000000010", "000070100", "090001", "0", "2", "2", "00950", "000000010"),
        ]
        assert filled[24:] == ["삼성전자", "000070100"]

        assert await bench.orders() == []
        held = (await bench.balance())["output1"]
        assert [row["pdno"] for row in held] == [HYNIX]

        await bench.clock.advance(11)
        (row,) = await bench.orders()
        expected = {
            "odno": "0000000001",
            "orgn_odno": "0000000000",
            "pdno": SAMSUNG,
            "sll_buy_dvsn_cd": "02",
            "ord_qty": "10",
            "ord_unpr": "70100",
            "tot_ccld_qty": "10",
            "avg_prvs": "70100",
            "tot_ccld_amt": "701000",
            "rmn_qty": "0",
            "cncl_yn": "N",
            "excg_dvsn_cd": "02",
            "excg_id_dvsn_Cd": "KRX",
        }
        assert {name: row[name] for name in expected} == expected
        balance = await bench.balance()
        assert [item["pdno"] for item in balance["output1"]] == [HYNIX, SAMSUNG]
        bought = balance["output1"][1]
        assert (bought["hldg_qty"], bought["pchs_avg_pric"]) == ("10", "70100.0000")
        (totals,) = balance["output2"]
        # 701,000 won and a fee of 0.015 % rounded down (105 won) leave on D+2.
        assert totals["dnca_tot_amt"] == "100000000"
        assert totals["prvs_rcdl_excc_amt"] == "99298895"


async def test_a_cancel_gets_a_number_of_its_own_and_points_to_its_order() -> None:
    """The cancel's row says Y and names its parent, whose rest is confirmed as withdrawn."""
    async with running() as bench, socket_of(bench) as socket:
        registered = await socket.ask("H0STCNI9", HTS_ID)
        order = await bench.order(SAMSUNG, 10, 69_000)
        assert (await socket.notice(registered))[13] == "1"
        answer = await _withdraw(bench, order["output"]["ODNO"])
        assert answer["output"]["ODNO"] == "0000000002"
        confirmed = await socket.notice(registered)
        assert confirmed[2:6] == ["0000000002", "0000000001", "02", "2"]
        assert (confirmed[9], confirmed[14]) == ("0000000010", "2")
        again = await _withdraw(bench, order["output"]["ODNO"])
        assert (again["rt_cd"], again["msg1"]) == ("1", "모의투자 정정/취소할 수량이 없습니다")
        await bench.clock.advance(11)
        parent, cancel = await bench.orders()
        assert (parent["rmn_qty"], parent["cncl_cfrm_qty"], parent["cncl_yn"]) == ("0", "10", "N")
        assert (cancel["orgn_odno"], cancel["cncl_yn"]) == ("0000000001", "Y")
        assert (cancel["ord_qty"], cancel["rmn_qty"]) == ("10", "0")


async def test_an_amend_moves_the_rest_to_a_new_number_and_the_old_one_is_dead() -> None:
    """The amended order trades under its own number."""
    async with running() as bench:
        order = await bench.order(SAMSUNG, 10, 69_000)
        amended = await bench.trading(
            "order-rvsecncl",
            "VTTC0013U",
            KRX_FWDG_ORD_ORGNO="",
            ORGN_ODNO=order["output"]["ODNO"],
            ORD_DVSN="00",
            RVSE_CNCL_DVSN_CD="01",
            ORD_QTY="0",
            ORD_UNPR="70100",
            QTY_ALL_ORD_YN="Y",
        )
        assert amended.json()["output"]["ODNO"] == "0000000002"
        dead = await _withdraw(bench, "0000000001")
        assert dead["rt_cd"] == "1"
        await bench.clock.advance(11)
        old, new = await bench.orders()
        assert (old["rmn_qty"], old["tot_ccld_qty"]) == ("0", "0")
        assert (new["orgn_odno"], new["tot_ccld_qty"], new["cncl_yn"]) == ("0000000001", "10", "N")


async def test_refusals_carry_no_number_and_the_documented_codes_or_texts() -> None:
    """Tick, limits, cash, shares, symbol, account, type, quantity, exchange."""
    async with running() as bench:
        assert (await bench.order(price=70_050))["msg1"] == "호가단위 오류"
        assert (await bench.order(price=91_100))["rt_cd"] == "1"
        no_cash = await bench.order(quantity=10_000)
        assert (no_cash["rt_cd"], no_cash["msg_cd"]) == ("7", "APBK0952")
        no_shares = await bench.order(HYNIX, 101, 200_000, side="sell")
        assert (no_shares["rt_cd"], no_shares["msg_cd"]) == ("1", "APBK0400")
        assert (await bench.order("999999"))["msg_cd"] == "APBK0656"
        assert (await bench.order(quantity=0))["rt_cd"] == "1"
        assert "주문구분" in (await bench.order(kind="99"))["msg1"]
        foreign = await bench.trading("order-cash", "VTTC0012U", CANO="11111111")
        assert foreign.json()["msg1"].startswith("인증 시점의 계좌번호")
        other = await bench.trading("inquire-balance", "VTTC8434R", CANO="11111111")
        assert (other.json()["rt_cd"], other.json()["msg_cd"]) == ("2", "OPSQ2000")
        venue = await bench.trading(
            "order-cash",
            "VTTC0012U",
            PDNO=SAMSUNG,
            ORD_DVSN="00",
            ORD_QTY="1",
            ORD_UNPR="70100",
            EXCG_ID_DVSN_CD="NXT",
        )
        assert venue.json()["rt_cd"] == "1"
        assert (await bench.state())["orders"] == []


async def test_numbers_must_be_text_and_names_may_be_lower_case() -> None:
    """A JSON number is refused; lower-case keys and old TR ids are served."""
    async with running() as bench:
        path = "/uapi/domestic-stock/v1/trading/order-cash"
        body: dict[str, Any] = {
            "cano": ACCOUNT[:8],
            "acnt_prdt_cd": ACCOUNT[8:],
            "pdno": SAMSUNG,
            "ord_dvsn": "00",
            "ord_qty": 10,
            "ord_unpr": "70100",
        }
        headers = bench.headers("VTTC0802U")
        number = await bench.http.post(path, json=body, headers=headers)
        assert number.json()["msg_cd"] == "OPSQ2002"
        text = await bench.http.post(path, json=body | {"ord_qty": "10"}, headers=headers)
        assert text.json()["rt_cd"] == "0"


async def test_before_and_after_the_session_orders_are_refused_as_closed() -> None:
    """Before the auction takes orders the text says so."""
    async with running(market=HandMarket([]), start=OPEN - 3_600 * SECOND) as bench:
        early = await bench.order()
        assert (early["rt_cd"], early["msg1"]) == ("1", "모의투자 장시작전 입니다")
        await bench.clock.advance(7.5 * 3_600)
        late = await bench.order()
        assert (late["rt_cd"], late["msg_cd"]) == ("1", "40580000")


async def test_a_market_order_and_ioc_trade_at_the_touch() -> None:
    """Type 01 takes the ask; type 11 away from the market is withdrawn and noticed as such."""
    async with running() as bench, socket_of(bench) as socket:
        registered = await socket.ask("H0STCNI9", HTS_ID)
        await bench.order(SAMSUNG, 5, 0, kind="01")
        assert (await socket.notice(registered))[9] == "0000000005"
        assert (await socket.notice(registered))[10] == "000070100"
        await bench.order(SAMSUNG, 5, 69_000, kind="11")
        assert (await socket.notice(registered))[14] == "1"
        cancelled = await socket.notice(registered)
        assert (cancelled[7], cancelled[14], cancelled[9]) == ("1", "3", "0000000005")


async def test_best_limit_types_take_their_price_from_the_book() -> None:
    """03 takes the opposite best, 04 joins its own side."""
    async with running() as bench:
        await bench.order(ECOPRO, 1, 0, kind="03")
        await bench.order(ECOPRO, 1, 0, kind="04")
        opposite, own = (await bench.state())["orders"]
        assert (opposite["price"], opposite["filled"]) == (150_100, 1)
        assert (own["price"], own["filled"]) == (150_000, 0)


async def test_more_orders_than_a_page_are_read_with_tr_cont_and_cursors() -> None:
    """Paper pages hold 15; every number appears once, oldest or newest first."""
    async with running() as bench:
        for _ in range(32):
            await bench.order(SAMSUNG, 1, 69_000)
        await bench.clock.advance(6)
        for direction, expected in (("01", range(1, 33)), ("00", range(32, 0, -1))):
            numbers: list[int] = []
            flags: list[str] = []
            tr_cont, cursors = "", dict[str, str]()
            while True:
                page = await bench.orders_page(tr_cont, INQR_DVSN=direction, **cursors)
                numbers += [int(row["odno"]) for row in page.json()["output1"]]
                flags.append(page.headers["tr_cont"])
                if flags[-1] not in ("F", "M"):
                    break
                tr_cont = "N"
                assert len(page.json()["ctx_area_nk100"]) == 100
                cursors = {
                    "CTX_AREA_FK100": page.json()["ctx_area_fk100"],
                    "CTX_AREA_NK100": page.json()["ctx_area_nk100"],
                }
            assert numbers == list(expected)
            assert flags == ["F", "M", "D"]


async def test_order_inquiries_filter_by_side_fill_symbol_and_number() -> None:
    """The documented filters, and the sums that ignore the number."""
    async with running() as bench:
        await bench.order(SAMSUNG, 10, 70_100)
        await bench.order(SAMSUNG, 10, 69_000)
        await bench.order(HYNIX, 3, 200_000, side="sell")
        await bench.clock.advance(11)

        async def numbers(**params: str) -> list[int]:
            return [int(row["odno"]) for row in await bench.orders(**params)]

        assert await numbers(SLL_BUY_DVSN_CD="01") == [3]
        assert await numbers(CCLD_DVSN="02") == [2]
        assert await numbers(CCLD_DVSN="01") == [1, 3]
        assert await numbers(PDNO=HYNIX) == [3]
        assert await numbers(ODNO="2") == [2]
        assert await numbers(INQR_STRT_DT="20261121", INQR_END_DT="20261130") == []
        totals = (await bench.orders_page(ODNO="2")).json()["output2"]
        assert (totals["tot_ord_qty"], totals["tot_ccld_qty"]) == ("23", "13")


async def test_a_balance_of_more_issues_than_a_page_continues() -> None:
    """Twenty rows a page on paper, then the rest; nothing is lost."""
    book = OpeningBook(
        account=ACCOUNT,
        cash=0,
        holdings=tuple(
            OpeningHolding(symbol=f"{100_000 + place:06d}", quantity=1, cost=1_000)  # type: ignore[arg-type]  # codes made up here
            for place in range(25)
        ),
    )
    async with running(settings(accounts=(book,))) as bench:
        first = await bench.trading("inquire-balance", "VTTC8434R")
        assert (first.headers["tr_cont"], len(first.json()["output1"])) == ("F", 20)
        rest = await bench.trading(
            "inquire-balance", "VTTC8434R", "N", CTX_AREA_NK100=first.json()["ctx_area_nk100"]
        )
        assert (rest.headers["tr_cont"], len(rest.json()["output1"])) == ("D", 5)
        assert rest.json()["ctx_area_nk100"] == " " * 100


async def test_buying_power_reckons_market_orders_at_the_upper_limit() -> None:
    """100 million won buy 1,426 at 70,100 and 1,098 at 91,000, fee included."""
    async with running() as bench:

        async def asked(**params: str) -> dict[str, str]:
            answer = await bench.trading("inquire-psbl-order", "VTTC8908R", **params)
            output: dict[str, str] = answer.json()["output"]
            return output

        limit = await asked(PDNO=SAMSUNG, ORD_UNPR="70100", ORD_DVSN="00")
        assert (limit["nrcvb_buy_qty"], limit["psbl_qty_calc_unpr"]) == ("1426", "70100")
        market = await asked(PDNO=SAMSUNG, ORD_UNPR="", ORD_DVSN="01")
        assert (market["nrcvb_buy_qty"], market["psbl_qty_calc_unpr"]) == ("1098", "91000")
        amounts = await asked(PDNO="", ORD_UNPR="", ORD_DVSN="01")
        assert (amounts["ord_psbl_cash"], amounts["nrcvb_buy_qty"]) == ("100000000", "0")


async def test_a_late_refusal_is_answered_as_accepted_and_then_noticed() -> None:
    """The row shows the rejected quantity, the second notice the refused flag."""
    config = settings(late_refusals=(Refusal.OFF_TICK,))
    async with running(config) as bench, socket_of(bench) as socket:
        registered = await socket.ask("H0STCNI9", HTS_ID)
        answer = await bench.order(price=70_050)
        assert answer["rt_cd"] == "0"
        assert (await socket.notice(registered))[12] == "0"
        assert (await socket.notice(registered))[12] == "1"
        await bench.clock.advance(11)
        (row,) = await bench.orders()
        assert (row["rjct_qty"], row["rmn_qty"]) == ("10", "0")


async def test_the_real_service_has_its_own_ids_codes_and_pages() -> None:
    """T ids, APBK0013, 100 rows a page, and a filled condition cursor on the last page."""
    async with running(settings(environment=Environment.REAL)) as bench:
        answer = await bench.trading(
            "order-cash",
            "TTTC0012U",
            PDNO=SAMSUNG,
            ORD_DVSN="00",
            ORD_QTY="1",
            ORD_UNPR="70100",
            EXCG_ID_DVSN_CD="SOR",
        )
        assert answer.json()["msg_cd"] == "APBK0013"
        paper = await bench.trading("inquire-balance", "VTTC8434R")
        assert paper.json()["msg_cd"] == "OPSQ0002"
        page = await bench.trading("inquire-balance", "TTTC8434R")
        assert page.json()["ctx_area_fk100"].startswith("50000001^01^")
        assert page.headers["tr_cont"] == "D"


def test_contradictory_settings_are_refused() -> None:
    """Credentials without a book, a shared key, and a malformed account."""
    held = Credentials(app_key=KEY, app_secret=SECRET, account=ACCOUNT, hts_id=HTS_ID)
    with pytest.raises(SettingsError, match="no opening book"):
        settings(accounts=())
    with pytest.raises(SettingsError, match="share an app_key"):
        settings(credentials=(held, held))
    with pytest.raises(SettingsError, match="8 \\+ 2 digits"):
        Credentials(app_key=KEY, app_secret=SECRET, account="123", hts_id=HTS_ID)
    with pytest.raises(SettingsError, match="visible_after"):
        settings(visible_after=(5.0, 1.0))


async def _withdraw(bench: Any, number: str) -> dict[str, Any]:
    answer = await bench.trading(
        "order-rvsecncl",
        "VTTC0013U",
        KRX_FWDG_ORD_ORGNO="06010",
        ORGN_ODNO=number,
        ORD_DVSN="00",
        RVSE_CNCL_DVSN_CD="02",
        ORD_QTY="0",
        ORD_UNPR="0",
        QTY_ALL_ORD_YN="Y",
    )
    return dict(answer.json())
