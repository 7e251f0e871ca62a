"""What the strictest public clients of KIS crash on, told for each as a rule of the protocol."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import pytest

from bus import ManualTime
from kis_gateway.simulator import Credentials, Environment, Era, OpeningBook, Simulator
from kis_gateway.simulator.access import Access
from tests.kis_gateway.simulator_bench import (
    ACCOUNT,
    ECOPRO,
    HTS_ID,
    KEY,
    OPEN,
    SAMSUNG,
    SECRET,
    Bench,
    HandMarket,
    running,
    settings,
    socket_of,
)

_DAY = "20261120"
_PAIR = {"appkey": KEY, "appsecret": SECRET}
_APPROVAL = {"grant_type": "client_credentials", "appkey": KEY, "secretkey": SECRET}


@asynccontextmanager
async def real_service(era: Era = Era.C) -> AsyncIterator[Bench]:
    """Run the real service, three seconds into continuous trading."""
    async with running(settings(environment=Environment.REAL, era=era)) as bench:
        await bench.clock.advance(8)
        yield bench


async def buy(bench: Bench, symbol: str = SAMSUNG, price: int = 69_000) -> dict[str, str]:
    """Send an order under the old TR id; return its output."""
    answer = await bench.trading(
        "order-cash",
        "TTTC0802U",
        PDNO=symbol,
        ORD_DVSN="00",
        ORD_QTY="3",
        ORD_UNPR=str(price),
    )
    output: dict[str, str] = answer.json()["output"]
    return output


async def daily(bench: Bench) -> httpx.Response:
    """Ask for the day's orders the way older clients do."""
    return await bench.trading(
        "inquire-daily-ccld",
        "TTTC8001R",
        INQR_STRT_DT=_DAY,
        INQR_END_DT=_DAY,
        SLL_BUY_DVSN_CD="00",
        INQR_DVSN="00",
        PDNO="",
        CCLD_DVSN="00",
        ORD_GNO_BRNO="",
        ODNO="",
        INQR_DVSN_3="00",
        INQR_DVSN_1="",
        CTX_AREA_FK100="",
        CTX_AREA_NK100="",
    )


async def open_orders(bench: Bench) -> httpx.Response:
    """Ask for the orders that can be amended, under the old TR id."""
    return await bench.trading(
        "inquire-psbl-rvsecncl",
        "TTTC8036R",
        INQR_DVSN_1="1",
        INQR_DVSN_2="0",
        CTX_AREA_FK100="",
        CTX_AREA_NK100="",
    )


def leaves(value: Any) -> Iterator[Any]:
    """Yield every value that is neither an object nor a list."""
    if isinstance(value, dict):
        for each in value.values():
            yield from leaves(each)
    elif isinstance(value, list):
        for each in value:
            yield from leaves(each)
    else:
        yield value


async def test_all_lower_case_header_names_are_the_three_of_kis() -> None:
    """The broker's helper makes a named tuple of them: ``content-type`` would crash it."""
    async with running() as bench:
        answers = [
            await bench.trading("inquire-balance", "VTTC8434R"),
            await bench.http.get("/uapi/nowhere", headers=bench.headers("FHKST01010100")),
            await bench.http.post("/oauth2/tokenP", json={**_PAIR, "grant_type": "x"}),
            await bench.http.post("/uapi/hashkey", json={"A": "1"}, headers=_PAIR),
        ]
        for answer in answers:
            names = [name.decode() for name, _ in answer.headers.raw]
            lower = [name for name in names if name.islower()]
            assert sorted(lower) == ["gt_uid", "tr_cont", "tr_id"], answer.request.url
            header: Any = namedtuple("header", lower)(*(answer.headers[name] for name in lower))
            assert header.tr_cont in ("", "D")


async def test_double_slashes_in_a_path_are_one() -> None:
    """mojito2 asks for ``//uapi/…``."""
    async with running() as bench:
        answer = await bench.http.get(
            f"{bench.simulator.rest_url}//uapi/domestic-stock//v1/quotations/inquire-price",
            params={"fid_cond_mrkt_div_code": "J", "fid_input_iscd": SAMSUNG},
            headers=bench.headers("FHKST01010100"),
        )
        assert answer.json()["rt_cd"] == "0"


async def test_key_headers_are_read_in_any_case() -> None:
    """mojito2 writes ``appKey`` and ``appSecret``, and sends neither custtype nor tr_cont."""
    async with running() as bench:
        headers = {
            "authorization": f"Bearer {bench.token}",
            "appKey": KEY,
            "appSecret": SECRET,
            "tr_id": "FHKST01010100",
        }
        answer = await bench.http.get(
            "/uapi/domestic-stock/v1/quotations/inquire-price",
            params={"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": SAMSUNG},
            headers=headers,
        )
        assert answer.json()["rt_cd"] == "0"


async def test_a_hash_key_may_come_with_an_order() -> None:
    """Older clients ask for one first and send it as a header; it changes nothing."""
    async with running() as bench:
        body = {
            "CANO": ACCOUNT[:8],
            "ACNT_PRDT_CD": ACCOUNT[8:],
            "PDNO": SAMSUNG,
            "ORD_DVSN": "00",
            "ORD_QTY": "3",
            "ORD_UNPR": "69000",
        }
        hashed = (await bench.http.post("/uapi/hashkey", json=body, headers=_PAIR)).json()
        assert hashed["BODY"] == body
        headers = bench.headers("VTTC0802U") | {"hashkey": hashed["HASH"]}
        path = "/uapi/domestic-stock/v1/trading/order-cash"
        answer = (await bench.http.post(path, json=body, headers=headers)).json()
        assert answer["output"]["ODNO"] == "0000000001"
        assert set(answer["output"]) >= {"KRX_FWDG_ORD_ORGNO", "ODNO", "ORD_TMD"}


async def test_paged_answers_carry_their_cursors_and_a_page_status() -> None:
    """python-kis refuses a page without ``ctx_area_*`` keys or with a status other than F M D E."""
    async with real_service() as bench:
        await buy(bench)
        await bench.clock.advance(10)
        for answer in (
            await bench.trading("inquire-balance", "TTTC8434R"),
            await daily(bench),
            await open_orders(bench),
        ):
            body = answer.json()
            assert body["rt_cd"] == "0", body
            assert answer.headers["tr_cont"] == "D"
            assert len(body["ctx_area_fk100"]) == len(body["ctx_area_nk100"]) == 100


async def test_order_rows_name_the_exchange_by_its_old_code() -> None:
    """``excg_dvsn_cd`` is 02 for KOSPI and 03 for KOSDAQ; clients map exactly these."""
    async with real_service() as bench:
        await buy(bench)
        await buy(bench, ECOPRO, 149_000)
        await bench.clock.advance(10)
        rows = (await daily(bench)).json()["output1"]
        assert {row["pdno"]: row["excg_dvsn_cd"] for row in rows} == {SAMSUNG: "02", ECOPRO: "03"}


async def test_open_orders_have_what_an_amendment_needs() -> None:
    """python-kis finds the order by branch and number before it amends it."""
    async with real_service() as bench:
        sent = await buy(bench)
        await bench.clock.advance(10)
        (row,) = (await open_orders(bench)).json()["output"]
        assert (row["ord_gno_brno"], row["odno"]) == (sent["KRX_FWDG_ORD_ORGNO"], sent["ODNO"])
        assert (row["ord_qty"], row["tot_ccld_qty"], row["psbl_qty"]) == ("3", "0", "3")
        assert (row["ord_unpr"], row["ord_dvsn_cd"], row["sll_buy_dvsn_cd"]) == (
            "69000",
            "00",
            "02",
        )
        assert len(row["ord_tmd"]) == 6


async def test_search_info_gives_back_the_product_type_it_was_asked_for() -> None:
    """A domestic share is of type 300; python-kis looks the market up by it."""
    async with real_service() as bench:
        answer = await bench.http.get(
            "/uapi/domestic-stock/v1/quotations/search-info",
            params={"PDNO": SAMSUNG, "PRDT_TYPE_CD": "300"},
            headers=bench.headers("CTPF1604R"),
        )
        output = answer.json()["output"]
        assert (output["prdt_type_cd"], output["shtn_pdno"]) == ("300", SAMSUNG)
        assert output["prdt_abrv_name"] == "삼성전자"
        foreign = await bench.http.get(
            "/uapi/domestic-stock/v1/quotations/search-info",
            params={"PDNO": SAMSUNG, "PRDT_TYPE_CD": "512"},
            headers=bench.headers("CTPF1604R"),
        )
        assert foreign.json()["rt_cd"] == "7"


async def test_every_value_of_an_answer_is_text() -> None:
    """Clients parse text; a JSON number or null where text is expected ends them."""
    async with real_service() as bench:
        await buy(bench)
        await bench.clock.advance(10)
        asked = {"FID_INPUT_ISCD": SAMSUNG}
        bodies = [
            (await daily(bench)).json(),
            (await open_orders(bench)).json(),
            (await bench.trading("inquire-balance", "TTTC8434R")).json(),
            await bench.quote("inquire-price", "FHKST01010100", **asked),
            await bench.quote("inquire-asking-price-exp-ccn", "FHKST01010200", **asked),
        ]
        for body in bodies:
            assert body["rt_cd"] == "0", body
            assert all(isinstance(each, str) for each in leaves(body))


async def test_a_minute_chart_from_midnight_is_that_of_now() -> None:
    """python-kis starts its chart with ``000000`` and expects the newest rows."""
    async with real_service() as bench:
        asked = {"FID_INPUT_ISCD": SAMSUNG, "FID_ETC_CLS_CODE": "", "FID_PW_DATA_INCU_YN": "N"}
        body = await bench.quote(
            "inquire-time-itemchartprice", "FHKST03010200", FID_INPUT_HOUR_1="000000", **asked
        )
        assert body["output2"][0]["stck_cntg_hour"] == "090000"
        assert int(body["output2"][0]["cntg_vol"]) > 0


@pytest.mark.parametrize(
    ("environment", "feed"),
    [(Environment.REAL, "H0GSCNI0"), (Environment.PAPER, "H0GSCNI9")],
)
async def test_overseas_notices_are_registered_and_stay_silent(
    environment: Environment, feed: str
) -> None:
    """python-kis registers them with the domestic ones; the reply carries a key pair."""
    config = settings(environment=environment)
    async with running(config) as bench, socket_of(bench) as socket:
        reply = await socket.ask(feed, HTS_ID)
        assert reply["body"]["msg_cd"] == "OPSP0000"
        assert reply["header"]["encrypt"] == "Y"
        assert len(reply["body"]["output"]["key"]) == 32
        assert len(reply["body"]["output"]["iv"]) == 16


async def test_too_many_approval_keys_are_refused_like_any_call() -> None:
    """python-kis fetches one per registration and waits on EGW00201 in the common envelope."""
    async with running() as bench:
        await bench.http.post("/oauth2/Approval", json=_APPROVAL)
        hasty = await bench.http.post("/oauth2/Approval", json=_APPROVAL)
        assert (hasty.status_code, hasty.json()["msg_cd"]) == (500, "EGW00201")


async def test_a_session_that_the_service_cut_is_free_at_once() -> None:
    """Clients come back at once after a restart of the service and do not ask twice."""
    async with running() as bench, AsyncExitStack() as stack:
        first = await stack.enter_async_context(socket_of(bench))
        assert (await first.ask("H0STCNT0", SAMSUNG))["body"]["msg_cd"] == "OPSP0000"
        await bench.fault(kind="disconnect")
        await first.connection.wait_closed()
        second = await stack.enter_async_context(socket_of(bench))
        assert (await second.ask("H0STCNT0", SAMSUNG))["body"]["msg_cd"] == "OPSP0000"


@asynccontextmanager
async def both_hosts() -> AsyncIterator[tuple[Simulator, Simulator, ManualTime]]:
    """Run the real and the paper service with one key service; the key is that of paper."""
    async with AsyncExitStack() as stack:
        clock = ManualTime(OPEN)
        paper_settings = settings()
        access = Access(paper_settings)
        other = Credentials(
            app_key="PS" + "r" * 34, app_secret="r" * 180, account="6000000101", hts_id="realuser"
        )
        real_settings = settings(
            environment=Environment.REAL,
            credentials=(other,),
            accounts=(OpeningBook(account=other.account, cash=0),),
        )
        hosts = []
        for each in (real_settings, paper_settings):
            simulator = Simulator(each, HandMarket(), clock, access)
            await simulator.start()
            stack.push_async_callback(simulator.stop)
            hosts.append(simulator)
        yield hosts[0], hosts[1], clock


async def test_an_approval_key_of_one_host_opens_a_session_on_the_other() -> None:
    """On paper python-kis takes quotes from the real host with a key fetched from the paper host.

    Both hosts share one key service: here two simulators share their ``Access``.
    """
    async with AsyncExitStack() as stack:
        real, paper, clock = await stack.enter_async_context(both_hosts())
        http = await stack.enter_async_context(
            httpx.AsyncClient(base_url=paper.rest_url, trust_env=False)
        )
        socket = await stack.enter_async_context(socket_of(Bench(real, clock, http)))
        assert (await socket.ask("H0STCNT0", SAMSUNG))["body"]["msg_cd"] == "OPSP0000"


async def test_a_key_of_the_other_host_may_quote_but_not_trade() -> None:
    """A paper key gets a token and quotations from the real host, and EGW02004 for the rest."""
    async with AsyncExitStack() as stack:
        real, _, clock = await stack.enter_async_context(both_hosts())
        http = await stack.enter_async_context(
            httpx.AsyncClient(base_url=real.rest_url, trust_env=False)
        )
        bench = Bench(real, clock, http)
        await bench.log_in()
        quoted = await bench.quote("inquire-price", "FHKST01010100", FID_INPUT_ISCD=SAMSUNG)
        assert quoted["rt_cd"] == "0"
        balance = await bench.trading("inquire-balance", "TTTC8434R")
        assert (balance.status_code, balance.json()["msg_cd"]) == (500, "EGW02004")
