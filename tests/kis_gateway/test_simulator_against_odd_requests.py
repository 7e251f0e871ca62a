"""Requests no tested client sends: each is refused with a KIS answer, none breaks the service."""

from __future__ import annotations

import json

import httpx
import pytest

from kis_gateway.simulator import Environment
from tests.kis_gateway.simulator_bench import (
    ACCOUNT,
    HTS_ID,
    SAMSUNG,
    Bench,
    running,
    settings,
    socket_of,
)

_NESTED = "[" * 20_000
_LONG = "9" * 4_400


async def _amend(bench: Bench, number: str, price: int) -> str:
    """Move an order to another price; return the new number."""
    answer = await bench.trading(
        "order-rvsecncl",
        "VTTC0013U",
        KRX_FWDG_ORD_ORGNO="",
        ORGN_ODNO=number,
        ORD_DVSN="00",
        RVSE_CNCL_DVSN_CD="01",
        ORD_QTY="0",
        ORD_UNPR=str(price),
        QTY_ALL_ORD_YN="Y",
    )
    return str(answer.json()["output"]["ODNO"])


@pytest.mark.parametrize("path", ["/oauth2/tokenP", "/uapi/domestic-stock/v1/trading/order-cash"])
async def test_a_body_nested_by_the_thousand_is_no_json(path: str) -> None:
    """It is refused like any other malformed body (OPSQ9997), and the service goes on."""
    async with running() as bench:
        headers = bench.headers("VTTC0012U")
        answer = await bench.http.post(path, content=_NESTED, headers=headers)
        assert (answer.status_code, answer.json()["msg_cd"]) == (200, "OPSQ9997")


async def test_a_number_of_thousands_of_digits_is_a_field_too_long() -> None:
    """OPSQ2002 in an order, an inquiry and a ranking, never a bare HTTP 500."""
    async with running(settings(environment=Environment.REAL)) as bench:
        order = await bench.trading(
            "order-cash",
            "TTTC0012U",
            PDNO=SAMSUNG,
            ORD_DVSN="00",
            ORD_QTY=_LONG,
            ORD_UNPR="70000",
        )
        power = await bench.trading(
            "inquire-psbl-order", "TTTC8908R", PDNO=SAMSUNG, ORD_DVSN="00", ORD_UNPR=_LONG
        )
        ranking = await bench.http.get(
            "/uapi/domestic-stock/v1/quotations/volume-rank",
            params={"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_PRICE_1": _LONG},
            headers=bench.headers("FHPST01710000"),
        )
        answers: list[httpx.Response] = [order, power, ranking]
        assert [(each.status_code, each.json()["msg_cd"]) for each in answers] == [
            (200, "OPSQ2002")
        ] * 3


async def test_an_index_by_time_takes_the_minute_when_the_step_is_no_number() -> None:
    """The call answers as with 60 seconds."""
    async with running(settings(environment=Environment.REAL)) as bench:
        asked = {"FID_COND_MRKT_DIV_CODE": "U", "FID_INPUT_ISCD": "0001"}
        named = await bench.quote(
            "inquire-index-timeprice", "FHPUP02110200", **asked, FID_INPUT_HOUR_1="abc"
        )
        minute = await bench.quote(
            "inquire-index-timeprice", "FHPUP02110200", **asked, FID_INPUT_HOUR_1="60"
        )
        assert named["rt_cd"] == "0"
        assert named == minute


async def test_malformed_registrations_are_answered_and_the_socket_stays() -> None:
    """Brackets nested by the thousand are no JSON; a request without TR id is about "(null)"."""
    async with running() as bench, socket_of(bench) as client:
        await client.connection.send(_NESTED)
        assert (await client.reply())["body"]["msg_cd"] == "OPSP9999"
        header = {"approval_key": "", "custtype": "P", "tr_type": "1", "content-type": "utf-8"}
        await client.connection.send(json.dumps({"header": header, "body": {"input": {}}}))
        refused = await client.reply()
        assert refused["body"]["msg_cd"] == "OPSP9990"
        assert refused["header"]["tr_id"] == "(null)"
        assert (await client.ask("H0STCNT0", SAMSUNG))["body"]["msg_cd"] == "OPSP0000"


async def test_a_scenario_nested_by_the_thousand_is_refused() -> None:
    """HTTP 400 with the reason."""
    async with running() as bench:
        url = f"{bench.simulator.admin_url}/admin/scenario"
        answer = await bench.http.post(url, content=_NESTED)
        assert (answer.status_code, "nested too deeply" in answer.text) == (400, True)


async def test_the_fill_of_an_amended_order_is_a_fill_like_any_other() -> None:
    """RCTF_CLS 1 confirms the amend; the fill under its number says 0 and ACPT_YN 2."""
    async with running() as bench, socket_of(bench) as client:
        registered = await client.ask("H0STCNI9", HTS_ID)
        placed = await bench.order(quantity=3, price=69_000)
        amended = await _amend(bench, placed["output"]["ODNO"], 70_100)
        notices = [await client.notice(registered) for _ in range(3)]
        # Account, number, original, RCTF_CLS, quantity, CNTG_YN, ACPT_YN.
        shown = [tuple(each[place] for place in (1, 2, 3, 5, 9, 13, 14)) for each in notices]
        first = placed["output"]["ODNO"]
        assert shown == [
            (ACCOUNT, first, "", "0", "0000000003", "1", "1"),
            (ACCOUNT, amended, first, "1", "0000000003", "1", "2"),
            (ACCOUNT, amended, first, "0", "0000000003", "2", "2"),
        ]
