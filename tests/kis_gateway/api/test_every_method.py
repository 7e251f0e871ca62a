"""Every method asks what the protocol demands and reads a full answer of it."""

from __future__ import annotations

import inspect
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kis_gateway.api import (
    Record,
    WithSummary,
    account,
    caller,
    charts,
    etf,
    flows,
    indices,
    prices,
    rankings,
    reference,
)
from kis_gateway.broker import Accepted
from kis_gateway.client.answer import Fields
from kis_gateway.errors import FieldMissing, NotOnPaper
from kis_gateway.protocol import call_form
from kis_gateway.settings import Environment
from tests.kis_gateway.kis_double import Reply, Request

from .every_method import INQUIRIES, ORDER_METHODS
from .protocol_answers import answer, api_over, blocks_of

PAPER = [name for name, (call, _) in INQUIRIES.items() if call_form(call).on_paper]
REAL_ONLY = [name for name in INQUIRIES if name not in PAPER]


async def test_every_method_has_its_use_here(tmp_path: Path) -> None:
    """A method that is added to the API must be added to these tests."""
    async with api_over(tmp_path) as (_, api):
        methods = {
            f"{group}.{name}"
            for group, calls in vars(api).items()
            for name, _ in inspect.getmembers(calls, inspect.iscoroutinefunction)
            if not name.startswith("_")
        }
    assert methods == {*INQUIRIES, *ORDER_METHODS}
    assert len(INQUIRIES) == 58


def records(result: Any) -> list[Record]:
    """Return every record of a result."""
    if isinstance(result, Record):
        return [result]
    if isinstance(result, WithSummary):
        return [result.summary, *result.rows]
    return [record for each in result for record in records(each)]


@pytest.mark.parametrize("name", INQUIRIES)
async def test_a_full_answer_is_read_and_what_is_not_declared_is_kept(
    name: str, tmp_path: Path
) -> None:
    """Each block gives a record; a field KIS adds one day is in ``extra`` as it came."""
    call, use = INQUIRIES[name]

    def with_news(request: Request) -> Reply:
        reply = answer(request)
        assert isinstance(reply.body, dict)
        for block in call_form(call).blocks:
            rows = reply.body[block]
            for row in rows if isinstance(rows, list) else [rows]:
                row["NEW_field"] = " 7 "
        return reply

    async with api_over(tmp_path) as (double, api):
        double.script = with_news
        found = records(await use(api))
        asked = [each for each in double.requests if each.path == call_form(call).path]
    assert found
    assert all(record.extra["NEW_field"] == " 7 " for record in found)
    declared = {parameter.name for parameter in call_form(call).parameters}
    required = {each.name for each in call_form(call).parameters if each.required}
    assert required <= set(asked[0].query) <= declared
    constants = {
        each.name: each.constant for each in call_form(call).parameters if each.constant is not None
    }
    assert constants.items() <= asked[0].query.items()
    allowed = {each.name: each.values for each in call_form(call).parameters if each.values}
    assert asked[0].headers["tr_id"] in call_form(call).tr_ids.values()
    for parameter, values in allowed.items():
        free = parameter in ("FID_INPUT_ISCD", "FID_INPUT_ISCD_2", "FID_PERIOD_DIV_CODE")
        sent = asked[0].query.get(parameter, "")
        assert free or sent in ("", *values), (parameter, sent, values)


@pytest.mark.parametrize("name", INQUIRIES)
async def test_a_missing_field_is_named_with_its_call(name: str, tmp_path: Path) -> None:
    """No method makes a value up; the error says which field of which call is not there."""
    call, use = INQUIRIES[name]
    for reader in inquiry_of(call).readers:
        lost = min(set(reader.names) & set(reader.source.fields))

        def without(request: Request, block: str = reader.block, lost: str = lost) -> Reply:
            reply = answer(request)
            assert isinstance(reply.body, dict)
            rows = reply.body[block]
            for row in rows if isinstance(rows, list) else [rows]:
                row.pop(next(each for each in row if each.lower() == lost))
            return reply

        async with api_over(tmp_path) as (double, api):
            double.script = without
            with pytest.raises(FieldMissing) as raised:
                await use(api)
        assert raised.value.field.lower() == lost
        assert str(raised.value).startswith(f"{call} failed")


def inquiry_of(call: str) -> caller.Inquiry:
    """Return the declaration of a call."""
    return next(each for each in inquiries() if each.form.name == call)


def inquiries() -> list[caller.Inquiry]:
    """Return every declared inquiry of the API."""
    modules = (account, charts, etf, flows, indices, prices, rankings, reference)
    return [
        each
        for module in modules
        for each in vars(module).values()
        if isinstance(each, caller.Inquiry)
    ]


@pytest.mark.parametrize("inquiry", inquiries(), ids=lambda each: each.call.name)
def test_every_declared_field_is_needed(inquiry: caller.Inquiry) -> None:
    """Without any one of the fields it declares, a record is not made."""
    blocks = blocks_of(inquiry.form)
    for reader in inquiry.readers:
        block = blocks[reader.block]
        full = block[0] if isinstance(block, list) else block
        day = date(2026, 11, 20)
        whole = reader.read(Fields(inquiry.form.name, full), day)
        assert msgspec.to_builtins(whole)
        needed = {name for name in full if name.lower() in reader.names}
        assert len(whole.extra) == len(full) - len(needed)
        for name in needed:
            rest = {key: value for key, value in full.items() if key != name}
            with pytest.raises(FieldMissing) as raised:
                reader.read(Fields(inquiry.form.name, rest), day)
            assert raised.value.field.lower() == name.lower()


@pytest.mark.parametrize("name", REAL_ONLY)
async def test_a_call_that_paper_lacks_is_refused_before_anything_is_sent(
    name: str, tmp_path: Path
) -> None:
    """The error names the call and what to do instead; the server sees no request at all."""
    call, use = INQUIRIES[name]
    async with api_over(tmp_path, Environment.PAPER) as (double, api):
        with pytest.raises(NotOnPaper, match=call) as raised:
            await use(api)
        assert double.requests == []
    assert len(str(raised.value)) > len(f"{call} failed (NOT_ON_PAPER): paper accounts do not")


async def test_what_paper_has_is_asked_with_its_ids(tmp_path: Path) -> None:
    """Trading ids differ between the environments, quotation ids do not."""
    async with api_over(tmp_path, Environment.PAPER) as (double, api):
        for name in PAPER:
            await INQUIRIES[name][1](api)
        for use in ORDER_METHODS.values():
            assert isinstance(await use(api), Accepted)
        used = {
            request.path.rsplit("/", 1)[1]: request.headers["tr_id"]
            for request in double.requests
            if "tr_id" in request.headers
        }
    assert used["inquire-balance"] == "VTTC8434R"
    assert used["inquire-daily-ccld"] == "VTTC0081R"
    assert used["order-cash"] == "VTTC0012U"
    assert used["order-rvsecncl"] == "VTTC0013U"
    assert used["inquire-price"] == "FHKST01010100"


async def test_the_old_ids_are_sent_where_the_settings_say_so(tmp_path: Path) -> None:
    """The ids of before 2025-03-04, where a call has had others; else the ones of today."""
    used = []
    for environment in Environment:
        async with api_over(tmp_path, environment, old_tr_ids=True) as (double, api):
            await ORDER_METHODS["orders.submit"](api)
            await ORDER_METHODS["orders.cancel"](api)
            await INQUIRIES["account.executions"][1](api)
            await INQUIRIES["account.balance"][1](api)
            used.append([each.headers["tr_id"] for each in double.requests[1:]])
    assert used == [
        ["VTTC0802U", "VTTC0803U", "VTTC8001R", "VTTC8434R"],
        ["TTTC0802U", "TTTC0803U", "TTTC8001R", "TTTC8434R"],
    ]


async def test_answers_are_recorded_as_they_came_and_credentials_never(tmp_path: Path) -> None:
    """The recorder gets name, time and body of each answer; tokens do not pass through it."""
    kept: list[tuple[str, int, bytes]] = []
    async with api_over(tmp_path, record=lambda *each: kept.append(each)) as (double, api):
        await INQUIRIES["prices.last"][1](api)
        await ORDER_METHODS["orders.submit"](api)
        double.script = lambda _: Reply(b"<html>", 502)
        await ORDER_METHODS["orders.cancel"](api)
    assert [name for name, _, _ in kept] == ["inquire-price", "order-cash buy", "order-rvsecncl"]
    assert b'"stck_prpr": "1234"' in kept[0][2]
    assert kept[2][2] == b"<html>"
    assert [at for _, at, _ in kept] == sorted(at for _, at, _ in kept)
    assert not any(b"access_token" in body for _, _, body in kept)
