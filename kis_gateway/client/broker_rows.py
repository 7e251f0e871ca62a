"""Rows of KIS account and price answers as the ``Broker`` port's results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from events import Symbol
from events.trading import Holding, Side
from kis_gateway.broker import BrokerOrder
from kis_gateway.client import calls
from kis_gateway.client.answer import Fields
from kis_gateway.client.charts import stamp
from kis_gateway.errors import InquiryFailed

_SIDES: Final = {"01": Side.SELL, "02": Side.BUY}


def order(row: Fields) -> BrokerOrder:
    """Return one row of inquire-daily-ccld, ``unreadable`` when it says only whose it may be.

    Raises:
        InquiryFailed: number, symbol or side is missing or makes no sense.
    """
    number, symbol = row.text("odno"), row.text("pdno").strip()
    side = row.text("sll_buy_dvsn_cd").strip()
    if side not in _SIDES or not number.strip() or not symbol:
        raise InquiryFailed(
            calls.DAILY_ORDERS.name,
            "MALFORMED",
            f"sll_buy_dvsn_cd is {side!r}, odno {number!r}, pdno {symbol!r}",
        )
    try:
        return _complete(row, number, Symbol(symbol), _SIDES[side])
    except InquiryFailed as error:
        return BrokerOrder(
            broker_order=number,
            original=None,
            branch="",
            symbol=Symbol(symbol),
            side=_SIDES[side],
            quantity=0,
            limit_price=0,
            filled_quantity=0,
            filled_amount=0,
            cancelled_quantity=0,
            rejected_quantity=0,
            remaining_quantity=0,
            is_cancel=False,
            ordered_at=0,
            unreadable=str(error),
        )


def _complete(row: Fields, number: str, symbol: Symbol, side: Side) -> BrokerOrder:
    original = row.text("orgn_odno").strip()
    labels = row.optional("sll_buy_dvsn_cd_name") + row.optional("ord_dvsn_name")
    has_original = bool(original.strip("0"))
    cancelled = row.text("cncl_yn").strip() == "Y" or "취소" in labels
    return BrokerOrder(
        broker_order=number,
        original=original if has_original else None,
        branch=row.text("ord_gno_brno"),
        symbol=symbol,
        side=side,
        quantity=row.number("ord_qty"),
        limit_price=row.number("ord_unpr"),
        filled_quantity=row.number("tot_ccld_qty"),
        filled_amount=row.number("tot_ccld_amt"),
        cancelled_quantity=row.number(row.either("cncl_cfrm_qty", "cnc_cfrm_qty")),
        rejected_quantity=row.number("rjct_qty"),
        remaining_quantity=row.number("rmn_qty"),
        # A cancel is a row of its own that names its original; so is an amendment, whose label
        # says so.
        is_cancel=has_original and cancelled and "정정" not in labels,
        ordered_at=stamp(row, "ord_dt", "ord_tmd"),
    )


def holdings(listed: Sequence[Fields]) -> tuple[Holding, ...]:
    """Return one holding per symbol: cash and credit rows of an issue belong together."""
    found: dict[Symbol, Holding] = {}
    for row in listed:
        symbol = Symbol(row.text("pdno").strip())
        quantity = row.number("hldg_qty")
        if quantity == 0:
            continue  # sold out; KIS lists it until the sale has settled
        before = found.get(symbol)
        holding = Holding(
            symbol=symbol,
            quantity=quantity,
            sellable=row.number("ord_psbl_qty"),
            cost=row.number("pchs_amt"),
            last_price=row.number("prpr"),
        )
        if before is not None:
            holding = msgspec.structs.replace(
                holding,
                quantity=before.quantity + holding.quantity,
                sellable=before.sellable + holding.sellable,
                cost=before.cost + holding.cost,
            )
        found[symbol] = holding
    return tuple(found.values())


def market(name: str) -> str:
    """Return KOSPI or KOSDAQ from names such as KOSPI200, KSQ150, ETF (traded on KOSPI).

    Raises:
        InquiryFailed: it is neither; ticks and taxes depend on it, so it is not guessed.
    """
    if name.upper().startswith(("KOSDAQ", "KSQ")) or "코스닥" in name:
        return "KOSDAQ"
    if name.upper().startswith(("KOSPI", "ETF", "ETN")) or "코스피" in name or "유가증권" in name:
        return "KOSPI"
    raise InquiryFailed(
        calls.PRICE.name, "MALFORMED", f"rprs_mrkt_kor_name {name!r} is neither KOSPI nor KOSDAQ"
    )
