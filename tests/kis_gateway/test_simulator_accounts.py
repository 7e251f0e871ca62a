"""Open orders, sellable shares, results of the day and the refusals of a plain cash account."""

from __future__ import annotations

from kis_gateway.simulator import Environment
from tests.kis_gateway.simulator_bench import HYNIX, SAMSUNG, Bench, running, settings

REAL = settings(environment=Environment.REAL, visible_after=(0, 0))
DAY = {"INQR_STRT_DT": "20261120", "INQR_END_DT": "20261120"}


async def order(bench: Bench, symbol: str, price: int, *, sell: bool = False) -> str:
    """Send an order of ten shares to the real service; return its number."""
    answer = await bench.trading(
        "order-cash",
        "TTTC0011U" if sell else "TTTC0012U",
        PDNO=symbol,
        ORD_DVSN="00",
        ORD_QTY="10",
        ORD_UNPR=str(price),
    )
    return str(answer.json()["output"]["ODNO"])


async def test_open_orders_are_listed_until_nothing_is_left_of_them() -> None:
    """By number, with what may still be amended; filled and cancelled ones are gone."""
    async with running(REAL) as bench:
        await bench.clock.advance(2)
        filled = await order(bench, SAMSUNG, 70_100)
        working = await order(bench, SAMSUNG, 69_000)
        cancelled = await order(bench, HYNIX, 199_000)
        await bench.trading(
            "order-rvsecncl",
            "TTTC0013U",
            KRX_FWDG_ORD_ORGNO="",
            ORGN_ODNO=cancelled,
            ORD_DVSN="00",
            RVSE_CNCL_DVSN_CD="02",
            ORD_QTY="10",
            ORD_UNPR="0",
            QTY_ALL_ORD_YN="Y",
        )
        await bench.clock.advance(2)
        answer = await bench.trading(
            "inquire-psbl-rvsecncl", "TTTC0084R", INQR_DVSN_1="0", INQR_DVSN_2="0"
        )
        rows = [(row["odno"], row["psbl_qty"]) for row in answer.json()["output"]]
        assert rows == [(working, "10")]
        assert filled != working
        sells = await bench.trading(
            "inquire-psbl-rvsecncl", "TTTC0084R", INQR_DVSN_1="0", INQR_DVSN_2="1"
        )
        assert (sells.json()["msg_cd"], sells.json()["output"]) == ("KIOK0560", [])


async def test_open_orders_come_fifty_a_page() -> None:
    """F, then D; the second page begins behind the first one."""
    async with running(REAL) as bench:
        for _ in range(52):
            await order(bench, SAMSUNG, 69_000)
        await bench.clock.advance(2)
        asked = {"INQR_DVSN_1": "0", "INQR_DVSN_2": "0"}
        first = await bench.trading("inquire-psbl-rvsecncl", "TTTC0084R", **asked)
        body = first.json()
        assert (first.headers["tr_cont"], len(body["output"])) == ("F", 50)
        cursors = {
            "CTX_AREA_FK100": body["ctx_area_fk100"],
            "CTX_AREA_NK100": body["ctx_area_nk100"],
        }
        rest = await bench.trading("inquire-psbl-rvsecncl", "TTTC0084R", "N", **asked, **cursors)
        assert rest.headers["tr_cont"] == "D"
        assert [row["odno"] for row in rest.json()["output"]] == ["0000000051", "0000000052"]


async def test_what_was_sold_stays_listed_and_its_result_is_reckoned() -> None:
    """100 shares bought at 190,000; ten sold at 200,000 bring 100,000 before costs."""
    async with running(REAL) as bench:
        await bench.clock.advance(2)
        await order(bench, HYNIX, 200_000, sell=True)
        await bench.clock.advance(2)
        sellable = await bench.trading("inquire-psbl-sell", "TTTC8408R", PDNO=HYNIX)
        output = sellable.json()["output"]
        assert (output["cblc_qty"], output["sll_qty"], output["ord_psbl_qty"]) == ("90", "10", "90")
        trades = await bench.trading("inquire-period-trade-profit", "TTTC8715R", **DAY)
        (row,) = trades.json()["output1"]
        assert (row["sll_qty"], row["sll_amt"], row["sll_pric"]) == ("10", "2000000", "200000")
        costs = int(row["fee"]) + int(row["tl_tax"])
        assert costs > 0
        assert int(row["rlzt_pfls"]) == 100_000 - costs
        days = await bench.trading("inquire-period-profit", "TTTC8708R", **DAY)
        assert [each["rlzt_pfls"] for each in days.json()["output1"]] == [row["rlzt_pfls"]]
        balance = await bench.trading("inquire-balance-rlz-pl", "TTTC8494R")
        assert balance.json()["output2"][0]["rlzt_pfls"] == row["rlzt_pfls"]


async def test_an_issue_sold_out_stays_with_quantity_zero() -> None:
    """As at KIS until the trade settles."""
    async with running(REAL) as bench:
        await bench.clock.advance(2)
        for _ in range(10):
            await order(bench, HYNIX, 200_000, sell=True)
        await bench.clock.advance(2)
        rows = (await bench.trading("inquire-balance", "TTTC8434R")).json()["output1"]
        assert [(row["pdno"], row["hldg_qty"], row["thdt_sll_qty"]) for row in rows] == [
            (HYNIX, "0", "100")
        ]


async def test_orders_that_need_a_contract_are_refused_in_words() -> None:
    """Credit and reservation, with HTTP 200 and nothing ordered."""
    async with running(REAL) as bench:
        credit = await bench.trading("order-credit", "TTTC0052U", PDNO=SAMSUNG)
        assert (credit.status_code, credit.json()["rt_cd"]) == (200, "1")
        assert "약정" in credit.json()["msg1"]
        reserved = await bench.trading("order-resv", "CTSC0008U", PDNO=SAMSUNG)
        assert "예약주문" in reserved.json()["msg1"]
        assert (await bench.state())["orders"] == []


async def test_orders_of_the_day_are_filtered_by_side_issue_exchange_and_age() -> None:
    """Each filter alone; the TR id for old orders finds nothing."""
    async with running(REAL) as bench:
        await bench.clock.advance(2)
        bought = await order(bench, SAMSUNG, 70_100)
        sold = await order(bench, HYNIX, 200_000, sell=True)
        await bench.clock.advance(2)

        async def numbers(tr_id: str = "TTTC0081R", **asked: str) -> list[str]:
            usual = {"SLL_BUY_DVSN_CD": "00", "CCLD_DVSN": "00", "INQR_DVSN": "01"}
            answer = await bench.trading("inquire-daily-ccld", tr_id, **(DAY | usual | asked))
            return [row["odno"] for row in answer.json()["output1"]]

        assert await numbers() == [bought, sold]
        assert await numbers(INQR_DVSN="00") == [sold, bought]
        assert await numbers(SLL_BUY_DVSN_CD="01") == [sold]
        assert await numbers(PDNO=SAMSUNG) == [bought]
        assert await numbers(ODNO=sold) == [sold]
        assert await numbers(CCLD_DVSN="02") == []
        assert await numbers(EXCG_ID_DVSN_CD="ALL") == [bought, sold]
        assert await numbers(EXCG_ID_DVSN_CD="NXT") == []
        assert await numbers(INQR_DVSN_3="02") == []
        assert await numbers("CTSC9215R") == []


async def test_the_account_owns_nothing_abroad() -> None:
    """Clients that ask for every country get empty pages with 200-character cursors."""
    async with running(REAL) as bench:
        for name, tr_id in (("inquire-balance", "TTTS3012R"), ("inquire-nccs", "TTTS3018R")):
            answer = await bench.http.get(
                f"/uapi/overseas-stock/v1/trading/{name}",
                params={"CANO": "50000001", "ACNT_PRDT_CD": "01"},
                headers=bench.headers(tr_id),
            )
            body = answer.json()
            assert (body["rt_cd"], body["msg_cd"], answer.headers["tr_cont"]) == (
                "0",
                "KIOK0560",
                "D",
            )
            assert len(body["ctx_area_fk200"]) == len(body["ctx_area_nk200"]) == 200


async def test_assets_come_in_twenty_rows_that_add_up() -> None:
    """Stocks first, deposit eighteenth, the total last."""
    async with running(REAL) as bench:
        rows = (await bench.trading("inquire-account-balance", "CTRP6548R")).json()["output1"]
        assert len(rows) == 20
        assert [rows[place]["evlu_amt"] for place in (0, 17, 19)] == [
            "20000000",
            "100000000",
            "120000000",
        ]
