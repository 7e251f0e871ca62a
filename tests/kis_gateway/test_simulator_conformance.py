"""Every documented call, with its documented parameters, answers every documented field."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from kis_gateway.protocol import CallForm, Field, Kind, call_form, call_forms
from kis_gateway.simulator import Environment
from kis_gateway.simulator.calls.contract_calls import NO_CREDIT, NO_RESERVATION
from tests.kis_gateway.simulator_bench import ACCOUNT, HYNIX, KEY, SAMSUNG, Bench, running, settings

FORMS = [form for form in call_forms().values() if form.group != "oauth"]
MANY = "intstock-multprice"
REFUSED = {
    "order-credit": NO_CREDIT,
    "order-resv": NO_RESERVATION,
    "order-resv-rvsecncl": NO_RESERVATION,
}
# What a simulated market has none of: corporate events, news, opinions, watchlists, saved searches,
# reservations, rights, preferred shares, an after-hours single-price market since 2026-09-14,
# indications outside auctions, interruptions and issues at their limits on a quiet day, estimates
# of investors before half past nine.
EMPTY = {
    "after-hour-balance",
    "bonus-issue",
    "cap-dcrs",
    "capture-uplowprice",
    "dividend",
    "exp-closing-price",
    "exp-index-trend",
    "exp-price-trend",
    "forfeit",
    "inquire-time-overtimeconclusion",
    "inquire-vi-status",
    "investor-trend-estimate",
    "intstock-grouplist",
    "intstock-stocklist-by-group",
    "invest-opbysec",
    "invest-opinion",
    "list-info",
    "mand-deposit",
    "merger-split",
    "news-title",
    "order-resv-ccnl",
    "overtime-exp-trans-fluct",
    "overtime-fluctuation",
    "overtime-volume",
    "paidin-capin",
    "period-rights",
    "prefer-disparate-ratio",
    "psearch-result",
    "psearch-title",
    "pub-offer",
    "purreq",
    "rev-split",
    "sharehld-meet",
}
# Blocks beside the rows of the call that stay empty.
EMPTY_BLOCKS = {("credit-balance", "output1")}
VALUES = {
    "CANO": ACCOUNT[:8],
    "ACNT_PRDT_CD": ACCOUNT[8:],
    "PDNO": SAMSUNG,
    "SHT_CD": SAMSUNG,
    "MKSC_SHRN_ISCD": SAMSUNG,
    "FID_INPUT_ISCD": SAMSUNG,
    "FID_INPUT_ISCD_1": SAMSUNG,
    "FID_INPUT_ISCD_2": HYNIX,
    "FID_INPUT_DATE_2": "20261120",
    "INQR_STRT_DT": "20261101",
    "INQR_END_DT": "20261120",
    "START_DATE": "20261101",
    "END_DATE": "20261120",
    "F_DT": "20261101",
    "T_DT": "20261120",
    "BASS_DT": "20261120",
    "FID_PERIOD_DIV_CODE": "D",
    "FID_INPUT_CNT_2": "1",
    "FID_PRC_CLS_CODE": "0",
    "ORD_DVSN": "00",
    "ORD_QTY": "3",
    "ORD_UNPR": "69000",
    "QTY_ALL_ORD_YN": "Y",
    "RVSE_CNCL_DVSN_CD": "02",
    "INQR_DVSN": "01",
    "EXCG_ID_DVSN_CD": "KRX",
    "MRKT_DIV_CLS_CODE": "1",
    "FID_MRKT_CLS_CODE": "K",
}
# Named by the call, because other calls give the same parameter another meaning.
SPECIAL = {
    ("order-cash", "PDNO"): HYNIX,
    ("order-cash", "ORD_UNPR"): "200000",
    ("inquire-psbl-sell", "PDNO"): HYNIX,
    ("inquire-time-itemchartprice", "FID_INPUT_HOUR_1"): "090200",
    ("inquire-time-dailychartprice", "FID_INPUT_HOUR_1"): "153000",
    ("inquire-time-dailychartprice", "FID_INPUT_DATE_1"): "20261119",
    ("inquire-time-itemconclusion", "FID_INPUT_HOUR_1"): "090200",
    ("daily-short-sale", "FID_INPUT_DATE_1"): "20261101",
    ("inquire-daily-itemchartprice", "FID_INPUT_DATE_1"): "20261101",
    ("inquire-daily-indexchartprice", "FID_INPUT_DATE_1"): "20261101",
    ("inquire-daily-trade-volume", "FID_INPUT_DATE_1"): "20261101",
    ("inquire-member-daily", "FID_INPUT_DATE_1"): "20261101",
    ("nav-comparison-daily-trend", "FID_INPUT_DATE_1"): "20261101",
    ("program-trade-by-stock-daily", "FID_INPUT_DATE_1"): "20261120",
    ("inquire-index-price", "FID_INPUT_ISCD"): "0001",
    ("inquire-index-daily-price", "FID_INPUT_ISCD"): "0001",
    ("inquire-index-daily-price", "FID_INPUT_DATE_1"): "20261120",
    ("inquire-index-category-price", "FID_INPUT_ISCD"): "0001",
    ("inquire-investor-daily-by-market", "FID_INPUT_ISCD"): "0001",
    ("inquire-investor-daily-by-market", "FID_INPUT_DATE_1"): "20261120",
    ("inquire-investor-time-by-market", "FID_INPUT_ISCD_2"): "KSP",
    ("mktfunds", "FID_INPUT_DATE_1"): "20261120",
    ("volume-rank", "FID_INPUT_ISCD"): "0000",
    ("inquire-vi-status", "FID_INPUT_ISCD"): "",
    ("inquire-time-indexchartprice", "FID_INPUT_HOUR_1"): "60",
}


def parameters(form: CallForm, order_number: str) -> dict[str, str]:
    """Return the documented parameters of a call with values that a client would send."""
    asked = {}
    for parameter in form.parameters:
        name = parameter.name
        if (form.name, name) in SPECIAL:
            asked[name] = SPECIAL[form.name, name]
        elif parameter.constant is not None:
            asked[name] = parameter.constant
        elif name == "ORGN_ODNO":
            asked[name] = order_number
        elif name.startswith("FID_INPUT_ISCD_") and name[-1].isdigit() and form.name == MANY:
            asked[name] = SAMSUNG
        elif name.startswith("FID_INPUT_ISCD") and "0001" in parameter.values:
            asked[name] = "0001"
        elif name.startswith("FID_INPUT_ISCD") and "0000" in parameter.values:
            asked[name] = "0000"
        elif name in VALUES:
            asked[name] = VALUES[name]
        else:
            asked[name] = parameter.values[0] if parameter.values else ""
    return asked


@asynccontextmanager
async def service(environment: Environment, *, opened: bool = False) -> AsyncIterator[Bench]:
    """Run a service with two minutes of trading, a filled and a working order behind it."""
    config = settings(environment=environment, real_only_quotations=opened)
    async with running(config) as bench:
        await bench.clock.advance(120)
        for price in ("70100", "69000"):
            await bench.trading(
                "order-cash",
                "TTTC0012U" if environment is Environment.REAL else "VTTC0012U",
                PDNO=SAMSUNG,
                ORD_DVSN="00",
                ORD_QTY="3",
                ORD_UNPR=price,
            )
        await bench.clock.advance(20)
        yield bench


async def ask(
    bench: Bench, form: CallForm, tr_id: str, *, lower: bool = False, order: str = "0000000002"
) -> httpx.Response:
    """Send a call's documented parameters under a TR id."""
    asked = parameters(form, order)
    if lower:
        asked = {name.lower(): value for name, value in asked.items()}
    headers = bench.headers(tr_id)
    if form.method == "POST":
        return await bench.http.post(form.path, json=asked, headers=headers)
    return await bench.http.get(form.path, params=asked, headers=headers)


def real_ids(form: CallForm) -> Iterator[str]:
    """Yield a call's TR ids on the real service, old ones too."""
    yield from form.tr_ids.values()
    yield from form.old_tr_ids.values()


PATTERNS = {
    Kind.INT: r"-?\d+",
    Kind.DATE: r"(\d{8}|\d{6}|\d{4})?",
    Kind.TIME: r"(\d{6})?",
    Kind.FLAG: r"[YN]",
    Kind.TEXT: r".*",
    Kind.CODE: r"\S*",
}


def pattern(field: Field) -> str:
    """Return what a field's text must look like."""
    if field.kind is not Kind.DECIMAL:
        return PATTERNS[field.kind]
    # The average fill price has decimals only when it needs them.
    return r"\d+(\.\d{4})?" if field.name == "avg_prvs" else rf"-?\d+\.\d{{{field.scale}}}"


def check_row(where: str, fields: Mapping[str, Field], row: Mapping[str, Any]) -> None:
    """Hold a row to its documented fields."""
    known = {name.lower(): value for name, value in row.items()}
    for name, field in fields.items():
        value = known.get(name.lower())
        assert isinstance(value, str), f"{where}.{name}: {value!r}"
        assert re.fullmatch(pattern(field), value), f"{where}.{name}: {value!r} is no {field.kind}"


def check_answer(form: CallForm, body: Mapping[str, Any]) -> None:
    """Hold an answer to its documented blocks, and to have rows where the market has any."""
    assert body["rt_cd"] == "0", (form.name, body)
    for name, block in form.blocks.items():
        assert name in body, f"{form.name} has no {name}"
        fields = {field.name: field for field in block.fields}
        if block.is_list:
            assert isinstance(body[name], list), form.name
            if form.name not in EMPTY and (form.name, name) not in EMPTY_BLOCKS:
                assert body[name], f"{form.name}.{name} is empty"
            for row in body[name]:
                check_row(f"{form.name}.{name}", fields, row)
        else:
            check_row(f"{form.name}.{name}", fields, body[name])
    if form.paging is not None:
        width = int(form.paging.cursor)
        for key in ("fk", "nk"):
            assert len(body[f"ctx_area_{key}{width}"]) == width, form.name


@pytest.mark.parametrize("lower", [False, True], ids=["upper", "lower"])
async def test_the_real_service_answers_every_documented_call(lower: bool) -> None:
    """Old and new TR ids, parameter names in either case."""
    async with service(Environment.REAL) as bench:
        for form in FORMS:
            for tr_id in real_ids(form):
                order = await _fresh_order(bench, "TTTC0012U") if "rvsecncl" in form.name else ""
                answer = await ask(bench, form, tr_id, lower=lower, order=order)
                assert answer.status_code == 200, (form.name, tr_id, answer.text)
                body = answer.json()
                assert (
                    answer.headers["tr_id"],
                    answer.headers["tr_cont"],
                ) == (tr_id, answer.headers["tr_cont"])
                if form.name in REFUSED:
                    assert (body["rt_cd"], body["msg1"]) == ("1", REFUSED[form.name])
                elif tr_id in ("CTSC9215R", "CTSC9115R"):
                    assert (body["rt_cd"], body["msg_cd"], body["output1"]) == ("0", "KIOK0560", [])
                else:
                    check_answer(form, body)


@pytest.mark.parametrize("lower", [False, True], ids=["upper", "lower"])
async def test_the_paper_service_answers_the_calls_it_has(lower: bool) -> None:
    """Under the paper TR ids, quotations under the same as on the real service."""
    async with service(Environment.PAPER) as bench:
        for form in FORMS:
            for tr_id in (*form.paper_tr_ids.values(), *form.old_paper_tr_ids.values()):
                order = await _fresh_order(bench, "VTTC0012U") if "rvsecncl" in form.name else ""
                body = (await ask(bench, form, tr_id, lower=lower, order=order)).json()
                if not tr_id.startswith("VTSC"):
                    check_answer(form, body)


async def test_the_paper_service_refuses_what_only_the_real_one_has() -> None:
    """Real trading ids with EGW00213 over HTTP 500, quotations and unknown V ids with MCA00124."""
    async with service(Environment.PAPER) as bench:
        for form in FORMS:
            if form.on_paper and form.group != "trading":
                continue
            for tr_id in form.tr_ids.values():
                answer = await ask(bench, form, tr_id)
                found = answer.status_code, answer.json()["msg_cd"]
                expected = (500, "EGW00213") if form.group == "trading" else (200, "MCA00124")
                assert found == expected, (form.name, tr_id)
                if form.group == "trading" and not form.on_paper:
                    answer = await ask(bench, form, f"V{tr_id[1:]}")
                    assert answer.json()["msg_cd"] == "MCA00124", form.name


async def test_the_real_service_does_not_know_the_ids_of_the_paper_one() -> None:
    """A V id there is no service."""
    async with service(Environment.REAL) as bench:
        for form in FORMS:
            for tr_id in form.paper_tr_ids.values():
                if tr_id.startswith("V"):
                    answer = await ask(bench, form, tr_id)
                    assert (answer.status_code, answer.json()["msg_cd"]) == (200, "OPSQ0002")


async def test_the_paper_service_can_be_opened_for_quotations() -> None:
    """With the setting, every quotation answers on paper, under its real id and its V id."""
    async with service(Environment.PAPER, opened=True) as bench:
        for form in FORMS:
            if form.group != "trading" and not form.on_paper:
                for tr_id in form.tr_ids.values():
                    check_answer(form, (await ask(bench, form, tr_id)).json())
        holiday = call_form("chk-holiday")
        check_answer(holiday, (await ask(bench, holiday, "VTCA0903R")).json())
        sellable = await ask(bench, call_form("inquire-psbl-sell"), "VTTC8408R")
        assert sellable.json()["msg_cd"] == "MCA00124"


async def test_a_paper_key_gets_quotations_but_no_trading_on_the_real_service() -> None:
    """EGW02004 over HTTP 500, as soon as the first trading call."""
    config = settings(environment=Environment.REAL, paper_app_keys=(KEY,))
    async with running(config) as bench:
        quote = await bench.quote("inquire-price", "FHKST01010100", FID_INPUT_ISCD=SAMSUNG)
        assert quote["rt_cd"] == "0"
        balance = await bench.trading("inquire-balance", "TTTC8434R")
        assert (balance.status_code, balance.json()["msg_cd"]) == (500, "EGW02004")
        assert balance.json()["msg1"] == "실전투자 도메인은 모의투자 앱키로 호출하실 수 없습니다."


async def _fresh_order(bench: Bench, tr_id: str) -> str:
    """Place an order that rests and return its number."""
    answer = await bench.trading(
        "order-cash", tr_id, PDNO=SAMSUNG, ORD_DVSN="00", ORD_QTY="1", ORD_UNPR="69000"
    )
    return str(answer.json()["output"]["ODNO"])
