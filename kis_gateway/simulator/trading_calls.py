"""Orders: ``order-cash`` and ``order-rvsecncl``.

An answer with a number means that the broker took the order in. Refusals carry no number. Codes and
texts are those of the KIS Open API documentation; where only the meaning of a refusal is known, the
text says it and ``msg_cd`` is empty.
"""

from __future__ import annotations

from typing import Final, assert_never

from events import Symbol
from events.trading import Side
from kis_gateway.simulator.answers import (
    Answer,
    CallRefused,
    refused,
    refused_by_text,
    succeeded,
)
from kis_gateway.simulator.exchange.messages import Refusal
from kis_gateway.simulator.ledger import Action, OrderRecord
from kis_gateway.simulator.notices import BRANCH
from kis_gateway.simulator.params import Call
from kis_gateway.simulator.venue import OrderRefused, Ticket, Venue
from kis_gateway.simulator.wire_formats import ORDER_TYPES, OrderType, Pricing, clock

_OTHER_ACCOUNT: Final = "인증 시점의 계좌번호와 요청 계좌번호가 일치하지 않습니다."
_SIDES: Final = {"buy": Side.BUY, "sell": Side.SELL}
_CODES: Final = {Side.BUY: "40600000", Side.SELL: "40590000"}
_SIDE_WORDS: Final = {Side.BUY: "매수", Side.SELL: "매도"}
_AMEND: Final = "01"
_CANCEL: Final = "02"


def order_cash(venue: Venue, call: Call) -> Answer:
    """Place a cash order; the TR id says which side."""
    account = _account(call)
    _require_venue(venue, call)
    symbol = Symbol(call.text("PDNO"))
    if symbol not in venue.listings:
        raise refused("APBK0656")
    side = _SIDES[call.variant]
    order_type = _order_type(call)
    quantity = call.number("ORD_QTY")
    price = _price(venue, symbol, side, order_type, call.number("ORD_UNPR"))
    try:
        record = venue.place(Ticket(account, symbol, side, order_type, quantity, price))
    except OrderRefused as refusal:
        raise _answer_of(venue, refusal) from None
    return _accepted(venue, record, f"{_SIDE_WORDS[side]}주문이")


def order_rvsecncl(venue: Venue, call: Call) -> Answer:
    """Amend (price or type) or cancel what is left of an order."""
    account = _account(call)
    target = venue.orders.get(call.text("ORGN_ODNO"))
    if target is None or target.account != account or target.action is Action.CANCEL:
        raise refused("APBK1663")
    whole = call.text("QTY_ALL_ORD_YN").upper() == "Y"
    left = target.status().remaining
    quantity = left if whole else call.number("ORD_QTY")
    if left == 0 or quantity == 0 or quantity > left:
        raise _nothing_left(venue)
    kind = call.text("RVSE_CNCL_DVSN_CD")
    try:
        if kind == _CANCEL:
            if quantity != left:
                raise refused_by_text("일부 취소는 지원하지 않습니다. QTY_ALL_ORD_YN=Y")
            return _accepted(venue, venue.cancel(target), "취소주문이")
        if kind != _AMEND:
            raise refused("APMP0001", "필수입력 항목이 누락되었습니다. [RVSE_CNCL_DVSN_CD]")
        order_type = _order_type(call)
        asked = call.number("ORD_UNPR")
        price = _price(venue, target.symbol, target.side, order_type, asked)
        record = venue.amend(target, order_type, quantity, price)
    except OrderRefused as refusal:
        raise _answer_of(venue, refusal) from None
    return _accepted(venue, record, "정정주문이")


def _account(call: Call) -> str:
    account = call.text("CANO") + call.text("ACNT_PRDT_CD")
    if account != call.credentials.account:
        raise refused_by_text(_OTHER_ACCOUNT)
    return account


def _require_venue(venue: Venue, call: Call) -> None:
    exchange = call.text("EXCG_ID_DVSN_CD", "KRX") or "KRX"
    served = ("KRX",) if venue.settings.paper else ("KRX", "SOR")
    if exchange not in served:
        raise refused_by_text(f"거래소 구분이 올바르지 않습니다. [{exchange}]")


def _order_type(call: Call) -> OrderType:
    code = call.text("ORD_DVSN")
    order_type = ORDER_TYPES.get(code)
    if order_type is None:
        raise refused_by_text(f"주문구분이 올바르지 않습니다. [{code}]")
    return order_type


def _price(
    venue: Venue, symbol: Symbol, side: Side, order_type: OrderType, asked: int
) -> int | None:
    """Return the limit price an order type stands for, ``None`` for market orders."""
    if order_type.pricing is Pricing.MARKET:
        return None
    if order_type.pricing is Pricing.LIMIT:
        return asked
    tape = venue.tapes[symbol]
    own_side = order_type.pricing is Pricing.OWN_BEST
    levels = tape.bids if (side is Side.BUY) is own_side else tape.asks
    if not levels:
        raise refused_by_text("호가가 없어 주문할 수 없습니다.")
    return levels[0][0]


def _accepted(venue: Venue, record: OrderRecord, what: str) -> Answer:
    if venue.settings.paper:
        code, text = _CODES[record.side], f"모의투자 {what} 완료 되었습니다."
    else:
        code, text = "APBK0013", "주문 전송 완료 되었습니다."
    output = {
        "KRX_FWDG_ORD_ORGNO": BRANCH,
        "ODNO": record.number,
        "ORD_TMD": clock(record.at),
    }
    return succeeded(code, text, output=output)


def _nothing_left(venue: Venue) -> CallRefused:
    if venue.settings.paper:
        return refused_by_text("모의투자 정정/취소할 수량이 없습니다")
    return refused_by_text("정정/취소 가능수량이 없습니다.")


def _answer_of(venue: Venue, refusal: OrderRefused) -> CallRefused:
    paper = venue.settings.paper
    match refusal.reason:
        case Refusal.CLOSED:
            if not paper:
                return refused("APBK0918")
            if venue.now() < venue.market.session.auction_from:
                return refused_by_text("모의투자 장시작전 입니다")
            return refused("40580000")
        case Refusal.UNKNOWN_SYMBOL:
            return refused("APBK0656")
        case Refusal.OFF_TICK:
            return refused_by_text("호가단위 오류")
        case Refusal.OUTSIDE_LIMITS:
            return refused_by_text("주문가격이 상/하한가를 벗어났습니다.")
        case Refusal.BAD_QUANTITY:
            return refused_by_text("주문수량 오류")
        case Refusal.NO_CASH:
            return refused("APBK0952", "모의투자 주문가능금액이 부족합니다" if paper else None)
        case Refusal.NO_SHARES:
            return refused("APBK0400")
        case Refusal.NOTHING_TO_CANCEL:
            return _nothing_left(venue)
        case Refusal.MARKET_ORDER_NOT_ALLOWED:
            return refused("APBK1943")
        case Refusal.NO_SUCH_ORDER:
            return refused("APBK1663")
        case _:
            assert_never(refusal.reason)
