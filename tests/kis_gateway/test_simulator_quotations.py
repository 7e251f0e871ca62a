"""Price, bars, index and program trading over HTTP."""

from __future__ import annotations

from kis_gateway.simulator import Environment, fields
from kis_gateway.simulator.fields import Block
from tests.kis_gateway.simulator_bench import HYNIX, SAMSUNG, running, settings


async def test_the_price_carries_every_documented_field_as_text() -> None:
    """82 fields, with limits, tick and the session's figures."""
    async with running() as bench:
        await bench.clock.advance(7)
        answer = await bench.quote("inquire-price", "FHKST01010100", FID_INPUT_ISCD=SAMSUNG)
        output = answer["output"]
        assert tuple(output) == fields.PRICE.names
        assert all(isinstance(value, str) for value in output.values())
        expected = {
            "stck_prpr": "70100",
            "prdy_vrss": "100",
            "prdy_vrss_sign": "2",
            "prdy_ctrt": "0.14",
            "acml_vol": "30",
            "stck_oprc": "70100",
            "stck_hgpr": "70100",
            "stck_lwpr": "70000",
            "stck_mxpr": "91000",
            "stck_llam": "49000",
            "stck_sdpr": "70000",
            "aspr_unit": "100",
            "iscd_stat_cls_code": "00",
            "rprs_mrkt_kor_name": "KOSPI",
            "w52_hgpr": "71000",
            "w52_hgpr_date": "20261117",
        }
        assert {name: output[name] for name in expected} == expected


async def test_the_daily_chart_is_newest_first_with_today_and_the_days_limits() -> None:
    """Three past sessions and the forming bar; the head has limits and yesterday."""
    async with running() as bench:
        await bench.clock.advance(5)
        answer = await bench.quote(
            "inquire-daily-itemchartprice",
            "FHKST03010100",
            FID_INPUT_ISCD=SAMSUNG,
            FID_INPUT_DATE_1="20261101",
            FID_INPUT_DATE_2="20261120",
            FID_PERIOD_DIV_CODE="D",
            FID_ORG_ADJ_PRC="0",
        )
        dates = [row["stck_bsop_date"] for row in answer["output2"]]
        assert dates == ["20261120", "20261119", "20261118", "20261117"]
        assert answer["output2"][1]["stck_hgpr"] == "71000"
        head = answer["output1"]
        assert (head["stck_mxpr"], head["stck_llam"]) == ("91000", "49000")
        assert (head["stck_prdy_clpr"], head["hts_kor_isnm"]) == ("70000", "삼성전자")
        weekly = await bench.quote(
            "inquire-daily-itemchartprice",
            "FHKST03010100",
            FID_INPUT_ISCD=SAMSUNG,
            FID_INPUT_DATE_1="20261101",
            FID_INPUT_DATE_2="20261120",
            FID_PERIOD_DIV_CODE="W",
            FID_ORG_ADJ_PRC="0",
        )
        (week,) = weekly["output2"]
        assert (week["stck_hgpr"], week["acml_vol"]) == ("71000", "3010")


async def test_minute_bars_come_newest_first_with_the_forming_one() -> None:
    """Trades from 09:00:05 on, one a second, asked at 09:02:10."""
    async with running() as bench:
        await bench.clock.advance(130)
        answer = await bench.quote(
            "inquire-time-itemchartprice",
            "FHKST03010200",
            FID_INPUT_ISCD=SAMSUNG,
            FID_INPUT_HOUR_1="090210",
            FID_PW_DATA_INCU_YN="N",
            FID_ETC_CLS_CODE="",
        )
        rows = [(row["stck_cntg_hour"], row["cntg_vol"]) for row in answer["output2"]]
        assert rows == [("090200", "110"), ("090100", "600"), ("090000", "550")]
        earlier = await bench.quote(
            "inquire-time-itemchartprice",
            "FHKST03010200",
            FID_INPUT_ISCD=SAMSUNG,
            FID_INPUT_HOUR_1="090059",
            FID_PW_DATA_INCU_YN="N",
            FID_ETC_CLS_CODE="",
        )
        assert [row["stck_cntg_hour"] for row in earlier["output2"]] == ["090000"]


async def test_a_minute_without_trades_repeats_the_price_and_the_last_volume() -> None:
    """At 09:05:10 nothing has traded since 09:02; a future minute repeats the price as well."""
    async with running() as bench:
        await bench.clock.advance(310)
        answer = await bench.quote(
            "inquire-time-itemchartprice",
            "FHKST03010200",
            FID_INPUT_ISCD=SAMSUNG,
            FID_INPUT_HOUR_1="090600",
            FID_PW_DATA_INCU_YN="N",
            FID_ETC_CLS_CODE="",
        )
        rows = [
            (row["stck_cntg_hour"], row["stck_prpr"], row["cntg_vol"]) for row in answer["output2"]
        ]
        assert rows[:3] == [
            ("090600", "70100", "0"),
            ("090500", "70100", "600"),
            ("090200", "70100", "600"),
        ]


async def test_index_and_program_trading_are_served_where_kis_serves_them() -> None:
    """On the real service; on paper only when the setting says so."""
    for config in (settings(environment=Environment.REAL), settings(real_only_quotations=True)):
        async with running(config) as bench:
            await bench.clock.advance(100)
            answer = await bench.quote(
                "inquire-index-price",
                "FHPUP02100000",
                FID_COND_MRKT_DIV_CODE="U",
                FID_INPUT_ISCD="0001",
            )
            output = answer["output"]
            assert tuple(output) == fields.INDEX_PRICE.names
            assert (output["bstp_nmix_prpr"], output["bstp_nmix_prdy_vrss"]) == ("2525.50", "25.50")
            assert (output["bstp_nmix_oprc"], output["bstp_nmix_prdy_ctrt"]) == ("2510.00", "1.02")
            flow = await bench.quote(
                "comp-program-trade-today", "FHPPG04600101", FID_MRKT_CLS_CODE="K"
            )
            (row,) = flow["output"]
            assert tuple(row) == fields.PROGRAM_TRADE.names
            assert (row["bsop_hour"], row["whol_smtn_ntby_tr_pbmn"]) == ("090000", "-12345")


async def test_unknown_issues_and_markets_are_refused() -> None:
    """An unlisted code and a market the simulator does not have."""
    async with running() as bench:
        absent = await bench.quote("inquire-price", "FHKST01010100", FID_INPUT_ISCD="999999")
        assert absent["msg_cd"] == "APBK0656"
        nxt = await bench.quote(
            "inquire-price",
            "FHKST01010100",
            FID_COND_MRKT_DIV_CODE="NX",
            FID_INPUT_ISCD=HYNIX,
        )
        assert nxt["msg_cd"] == "OPSQ2001"
        bare = await bench.quote("inquire-price", "FHKST01010100")
        assert bare["msg_cd"] == "APMP0001"


def test_a_block_fills_what_it_is_not_told_and_keeps_each_scale() -> None:
    """Text, integer, decimal, flag."""
    block = Block("name count:0 rate:2 flag:yn")
    assert block.row() == {"name": "", "count": "0", "rate": "0.00", "flag": "N"}
    assert block.row(name="a", count=-3, rate=1.255, flag="Y") == {
        "name": "a",
        "count": "-3",
        "rate": "1.25",
        "flag": "Y",
    }


def test_the_documented_blocks_have_their_documented_number_of_fields() -> None:
    """36 order columns and the second spelling of the cancelled quantity, and so on."""
    assert len(fields.DAILY_ORDER.names) == 37
    assert len(fields.DAILY_ORDER_TOTALS.names) == 5
    assert len(fields.BALANCE_HOLDING.names) == 26
    assert len(fields.BALANCE_TOTALS.names) == 24
    assert len(fields.BUYING_POWER.names) == 12
    assert len(fields.PRICE.names) == 82
    assert len(fields.DAILY_CHART_HEAD.names) == 30
    assert len(fields.DAILY_CHART_BAR.names) == 13
    assert len(fields.MINUTE_CHART_HEAD.names) == 8
    assert len(fields.MINUTE_CHART_BAR.names) == 8
    assert len(fields.INDEX_PRICE.names) == 36
    assert len(fields.PROGRAM_TRADE.names) == 18
