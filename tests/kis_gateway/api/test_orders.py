"""What an order, an amendment and a cancel put on the wire, and what their answers mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from events import Symbol
from events.trading import Side
from kis_gateway.broker import Accepted, Refused, Unknown
from kis_gateway.protocol import Route
from kis_gateway.settings import Environment
from tests.kis_gateway.kis_double import KisDouble, Reply, ok, refused

from .protocol_answers import TEN, api_over

SAMSUNG = Symbol("005930")
ACCOUNT = {"CANO": "12345678", "ACNT_PRDT_CD": "01"}
TAKEN = ok(output={"KRX_FWDG_ORD_ORGNO": "00950", "ODNO": "0000000017", "ORD_TMD": "100000"})


def sent(double: KisDouble) -> dict[str, Any]:
    (order,) = [each for each in double.requests if "/trading/" in each.path]
    return order.body


async def test_a_stop_limit_order_carries_price_trigger_and_route(tmp_path: Path) -> None:
    """Every value travels as text; the number comes back as KIS gave it."""
    async with api_over(tmp_path) as (double, api):
        double.script = lambda _: Reply(TAKEN)
        outcome = await api.orders.submit(
            Side.SELL,
            SAMSUNG,
            10,
            price=69_000,
            order_type="22",
            trigger_price=69_500,
            route=Route.NXT,
        )
        assert double.requests[-1].headers["tr_id"] == "TTTC0011U"
        assert sent(double) == {
            **ACCOUNT,
            "PDNO": "005930",
            "ORD_DVSN": "22",
            "ORD_QTY": "10",
            "ORD_UNPR": "69000",
            "CNDT_PRIC": "69500",
            "EXCG_ID_DVSN_CD": "NXT",
        }
    assert outcome == Accepted(broker_order="0000000017", branch="00950")


@pytest.mark.parametrize(
    ("quantity", "expected"), [(None, ("0", "Y")), (3, ("3", "N"))], ids=["whole", "part"]
)
async def test_all_or_a_part_of_an_order_is_amended(
    quantity: int | None, expected: tuple[str, str], tmp_path: Path
) -> None:
    """The original is named verbatim; the amendment has its own number."""
    async with api_over(tmp_path) as (double, api):
        double.script = lambda _: Reply(TAKEN)
        outcome = await api.orders.amend(" 0000000016", "00950", quantity=quantity, price=70_200)
        body = sent(double)
    assert isinstance(outcome, Accepted)
    assert (body.pop("ORD_QTY"), body.pop("QTY_ALL_ORD_YN")) == expected
    assert body == {
        **ACCOUNT,
        "KRX_FWDG_ORD_ORGNO": "00950",
        "ORGN_ODNO": " 0000000016",
        "RVSE_CNCL_DVSN_CD": "01",
        "ORD_DVSN": "00",
        "ORD_UNPR": "70200",
        "EXCG_ID_DVSN_CD": "KRX",
    }


@pytest.mark.parametrize(
    ("quantity", "expected"), [(None, ("0", "Y")), (3, ("3", "N"))], ids=["whole", "part"]
)
async def test_all_or_a_part_of_an_order_is_withdrawn(
    quantity: int | None, expected: tuple[str, str], tmp_path: Path
) -> None:
    """A cancel has neither price nor type of its own."""
    async with api_over(tmp_path) as (double, api):
        double.script = lambda _: Reply(TAKEN)
        await api.orders.cancel("0000000016", "00950", quantity=quantity)
        body = sent(double)
    assert (body["ORD_QTY"], body["QTY_ALL_ORD_YN"]) == expected
    assert (body["RVSE_CNCL_DVSN_CD"], body["ORD_UNPR"]) == ("02", "0")


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ({"quantity": 0, "price": 70_000}, "0 shares"),
        ({"quantity": 1}, "needs a price"),
        ({"quantity": 1, "price": 0}, "needs a price"),
        ({"quantity": 1, "price": 70_000, "order_type": "01"}, "has no price"),
        ({"quantity": 1, "price": 70_000, "order_type": "99"}, "'99' is none of"),
        ({"quantity": 1, "price": 70_000, "order_type": "22"}, "only type 22"),
        ({"quantity": 1, "price": 70_000, "trigger_price": 1}, "only type 22"),
        ({"quantity": 1, "price": 70_000, "route": Route.SOR}, "KRX only"),
    ],
)
async def test_an_order_that_contradicts_itself_does_not_leave(
    order: dict[str, Any], message: str, tmp_path: Path
) -> None:
    """The refusal is ours, with a code of its own, and KIS sees nothing."""
    async with api_over(tmp_path, Environment.PAPER) as (double, api):
        outcome = await api.orders.submit(Side.BUY, SAMSUNG, **order)
        assert double.requests == []
    assert isinstance(outcome, Refused)
    assert outcome.code == "INVALID_ORDER"
    assert message in outcome.message


async def test_no_outcome_makes_an_order_leave_twice(tmp_path: Path) -> None:
    """Refused, throttled, lost and unreadable: one request each, and the outcome says which."""
    replies: list[Reply | None] = [
        Reply(refused("APBK0952", rt_cd="7")),
        Reply(refused("EGW00201"), 500),
        Reply(b"<html>", 502),
        None,
        Reply(ok(output={})),
        Reply(ok(output={"ODNO": "  ", "KRX_FWDG_ORD_ORGNO": "00950"})),
        Reply(refused("EGW00123"), 500),
    ]
    kinds = []
    async with api_over(tmp_path) as (double, api):
        for reply in replies:
            double.script = lambda _, reply=reply: reply  # type: ignore[misc]  # a bound default
            kinds.append(type(await api.orders.submit(Side.BUY, SAMSUNG, 1, price=70_000)))
        assert double.count("order-cash") == len(replies)
    assert kinds == [Refused, Refused, Unknown, Unknown, Unknown, Unknown, Refused]


async def test_an_order_whose_time_has_passed_does_not_leave(tmp_path: Path) -> None:
    """It is refused as expired."""
    async with api_over(tmp_path) as (double, api):
        outcome = await api.orders.submit(Side.BUY, SAMSUNG, 1, price=70_000, expires_at=TEN - 1)
        assert double.count("order-cash") == 0
    assert isinstance(outcome, Refused)
    assert outcome.code == "EXPIRED"
