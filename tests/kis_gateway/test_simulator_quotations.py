"""Price, bars, index and program trading over HTTP."""

from __future__ import annotations

import pytest

from kis_gateway.protocol import Block as BlockForm
from kis_gateway.protocol import Field, Kind
from kis_gateway.simulator import Environment
from kis_gateway.simulator.calls.fields import Block, block
from kis_gateway.simulator.exchange.messages import TriggerInterruption
from tests.kis_gateway.simulator_bench import (
    HYNIX,
    OPEN,
    SAMSUNG,
    SECOND,
    HandMarket,
    opening,
    running,
    settings,
)


async def test_the_price_carries_every_documented_field_as_text() -> None:
    """82 fields, with limits, tick and the session's figures."""
    async with running() as bench:
        await bench.clock.advance(7)
        answer = await bench.quote("inquire-price", "FHKST01010100", FID_INPUT_ISCD=SAMSUNG)
        output = answer["output"]
        assert tuple(output) == block("inquire-price", "output").names
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
            assert tuple(output) == block("inquire-index-price", "output").names
            assert (output["bstp_nmix_prpr"], output["bstp_nmix_prdy_vrss"]) == ("2525.50", "25.50")
            assert (output["bstp_nmix_oprc"], output["bstp_nmix_prdy_ctrt"]) == ("2510.00", "1.02")
            flow = await bench.quote(
                "comp-program-trade-today", "FHPPG04600101", FID_MRKT_CLS_CODE="K"
            )
            (row,) = flow["output"]
            assert tuple(row) == block("comp-program-trade-today", "output").names
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


def test_a_block_fills_what_it_is_not_told_and_keeps_each_unit_and_scale() -> None:
    """Text, integer, decimal, flag, million won; the same value from facts as by name."""
    form = Block(
        BlockForm(
            is_list=False,
            fields=(
                Field("name", Kind.TEXT),
                Field("count", Kind.INT),
                Field("rate", Kind.DECIMAL, 2),
                Field("flag", Kind.FLAG),
                Field("value", Kind.INT, 0, "million_won"),
            ),
        )
    )
    empty = {"name": "", "count": "0", "rate": "0.00", "flag": "N", "value": "0"}
    assert form.row() == form.pick({"unknown": 1}) == empty
    written = {"name": "a", "count": "-3", "rate": "1.25", "flag": "Y", "value": "-12"}
    assert form.row(name="a", count=-3, rate=1.255, flag="Y", value=-12_900_000) == written
    assert form.pick(
        {"name": "a", "count": -3, "rate": 1.255}, {"flag": "Y", "value": -12.9e6}
    ) == (written)
    with pytest.raises(KeyError):
        form.row(unknown=1)


def test_the_cancelled_quantity_goes_by_both_its_names() -> None:
    """36 documented order columns and the spelling that the wire carries."""
    names = block("inquire-daily-ccld", "output1").names
    assert len(names) == 37
    assert {"cnc_cfrm_qty", "cncl_cfrm_qty"} <= set(names)


async def test_the_book_and_the_newest_trades_are_those_of_the_exchange() -> None:
    """One level a side; trades newest first with the cumulative volume."""
    async with running() as bench:
        await bench.clock.advance(7)
        quoted = await bench.quote(
            "inquire-asking-price-exp-ccn", "FHKST01010200", FID_INPUT_ISCD=SAMSUNG
        )
        book = quoted["output1"]
        assert (book["askp1"], book["bidp1"], book["askp2"]) == ("70100", "70000", "0")
        trades = (await bench.quote("inquire-ccnl", "FHKST01010300", FID_INPUT_ISCD=SAMSUNG))[
            "output"
        ]
        assert [(row["stck_cntg_hour"], row["stck_prpr"], row["cntg_vol"]) for row in trades] == [
            ("090007", "70100", "10"),
            ("090006", "70000", "10"),
            ("090005", "70100", "10"),
        ]
        timed = await bench.quote(
            "inquire-time-itemconclusion",
            "FHPST01060000",
            FID_INPUT_ISCD=SAMSUNG,
            FID_INPUT_HOUR_1="090006",
        )
        assert [(row["stck_cntg_hour"], row["acml_vol"]) for row in timed["output2"]] == [
            ("090006", "20"),
            ("090005", "10"),
        ]


async def test_rankings_follow_the_market() -> None:
    """Only Samsung has traded; Hynix is worth less; a price filter leaves one issue."""
    async with running(settings(environment=Environment.REAL)) as bench:
        await bench.clock.advance(30)

        async def ranked(name: str, tr_id: str, folder: str = "ranking", **asked: str) -> list[str]:
            answer = await bench.http.get(
                f"/uapi/domestic-stock/v1/{folder}/{name}",
                params={"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": "0000", **asked},
                headers=bench.headers(tr_id),
            )
            rows: list[dict[str, str]] = answer.json()["output"]
            assert [row["data_rank"] for row in rows] == [str(n + 1) for n in range(len(rows))]
            return [row["mksc_shrn_iscd"] for row in rows]

        worth = await ranked("market-cap", "FHPST01740000")
        assert worth == [SAMSUNG, HYNIX, "247540"]
        assert await ranked("market-cap", "FHPST01740000", FID_INPUT_PRICE_1="180000") == [HYNIX]
        assert await ranked("market-cap", "FHPST01740000", FID_INPUT_ISCD="1001") == ["247540"]
        traded = await ranked("volume-rank", "FHPST01710000", "quotations", FID_VOL_CNT="1")
        assert traded == [SAMSUNG]


async def test_flows_of_a_day_add_up_to_its_volume_and_repeat_themselves() -> None:
    """Private, foreign, institutional and corporate buys are the day's volume, sells likewise."""
    async with running(settings(environment=Environment.REAL)) as bench:
        asked = {"FID_INPUT_ISCD": SAMSUNG, "FID_INPUT_DATE_1": "20261120"}
        name, tr_id = "investor-trade-by-stock-daily", "FHPTJ04160001"
        rows = (await bench.quote(name, tr_id, **asked))["output2"]
        assert (await bench.quote(name, tr_id, **asked))["output2"] == rows
        assert [row["stck_bsop_date"] for row in rows] == ["20261119", "20261118", "20261117"]
        for row in rows:
            for side in ("seln", "shnu"):
                parts = [f"{who}_{side}_vol" for who in ("prsn", "frgn", "orgn", "etc_corp")]
                assert sum(int(row[part]) for part in parts) == int(row["acml_vol"]) == 1_000


async def test_an_interruption_is_listed_and_marked_until_it_is_released() -> None:
    """VI status: triggered ten seconds after the open, an auction of a minute; the price says Y."""
    items = [*opening(), TriggerInterruption(at=OPEN + 10 * SECOND, symbol=SAMSUNG, seconds=60)]
    market = HandMarket(sorted(items, key=lambda item: item.at))
    async with running(settings(environment=Environment.REAL), market) as bench:

        async def status() -> list[tuple[str, str, str]]:
            answer = await bench.quote(
                "inquire-vi-status", "FHPST01390000", FID_INPUT_ISCD="", FID_DIV_CLS_CODE="0"
            )
            return [
                (row["mksc_shrn_iscd"], row["cntg_vi_hour"], row["vi_cls_code"])
                for row in answer["output"]
            ]

        await bench.clock.advance(20)
        assert await status() == [(SAMSUNG, "090010", "Y")]
        price = await bench.quote("inquire-price", "FHKST01010100", FID_INPUT_ISCD=SAMSUNG)
        assert price["output"]["vi_cls_code"] == "Y"
        await bench.clock.advance(100)
        assert await status() == [(SAMSUNG, "090010", "N")]
