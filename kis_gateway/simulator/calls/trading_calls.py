"""Orders: ``order-cash`` and ``order-rvsecncl``.

An answer with a number means that the broker took the order in. Refusals carry no number. Codes and
texts are those of the KIS Open API documentation; where only the meaning of a refusal is known, the
text says it and ``msg_cd`` is empty, as on the paper service.

An order type is checked against the exchange it is sent to and the date of the market; whether its
session is open, and everything about prices and means, is the exchange's to say.
"""

from __future__ import annotations

from typing import Final

from events import Symbol
from events.market import Venue as Exchange
from events.trading import Side
from kis_gateway.protocol import Pricing, Route
from kis_gateway.simulator.calls.answers import (
    Answer,
    CallRefused,
    refused,
    refused_by_text,
    succeeded,
)
from kis_gateway.simulator.calls.params import Call
from kis_gateway.simulator.exchange.messages import Refusal
from kis_gateway.simulator.feeds.notices import BRANCH
from kis_gateway.simulator.ledger import Action, OrderRecord
from kis_gateway.simulator.settings import Era
from kis_gateway.simulator.venue import OrderRefused, Ticket, Venue
from kis_gateway.simulator.wire_formats import ORDER_TYPES, OrderType, clock

_OTHER_ACCOUNT: Final = "인증 시점의 계좌번호와 요청 계좌번호가 일치하지 않습니다."
_SIDES: Final = {"buy": Side.BUY, "sell": Side.SELL}
_CODES: Final = {Side.BUY: "40600000", Side.SELL: "40590000"}
_SIDE_WORDS: Final = {Side.BUY: "매수", Side.SELL: "매도"}
_TEXTS: Final = {
    Refusal.OFF_TICK: "호가단위 오류",
    Refusal.OUTSIDE_LIMITS: "주문가격이 상/하한가를 벗어났습니다.",
    Refusal.BAD_QUANTITY: "주문수량 오류",
    Refusal.NO_QUOTE: "호가가 없어 주문할 수 없습니다.",
    Refusal.HALTED: "거래정지 종목으로 주문할 수 없습니다.",
}
_REFUSAL_CODES: Final = {
    Refusal.UNKNOWN_SYMBOL: "APBK0656",
    Refusal.NO_SHARES: "APBK0400",
    Refusal.MARKET_ORDER_NOT_ALLOWED: "APBK1943",
    Refusal.NO_SUCH_ORDER: "APBK1663",
}
_AMEND: Final = "01"
_CANCEL: Final = "02"


def order_cash(venue: Venue, call: Call) -> Answer:
    """Place a cash order; the TR id says which side."""
    account = _account(call)
    route = _route(venue, call)
    symbol = Symbol(call.text("PDNO"))
    if symbol not in venue.listings:
        raise refused("APBK0656")
    if route is Route.NXT and not venue.listings[symbol].nxt:
        raise _not_traded(venue)
    side = _SIDES[call.variant]
    order_type = _order_type(venue, call, route)
    quantity = call.number("ORD_QTY")
    price, trigger = _prices(call, order_type)
    ticket = Ticket(account, symbol, side, order_type, quantity, price, route, trigger)
    try:
        record = venue.place(ticket)
    except OrderRefused as refusal:
        raise _answer_of(venue, refusal) from None
    return _accepted(venue, record, f"{_SIDE_WORDS[side]}주문이")


def order_rvsecncl(venue: Venue, call: Call) -> Answer:
    """Amend (price or type) or cancel what is left of an order, or a part of it."""
    account = _account(call)
    target = venue.orders.get(call.text("ORGN_ODNO"))
    if target is None or target.account != account or target.action is Action.CANCEL:
        raise refused("APBK1663")
    if _route(venue, call, target.route) is not target.route:
        raise refused_by_text("원주문의 거래소와 일치하지 않습니다.")
    left = target.status().remaining
    whole = call.text("QTY_ALL_ORD_YN").upper() == "Y"
    quantity = None if whole else call.number("ORD_QTY")
    if left == 0 or (quantity is not None and not 0 < quantity <= left):
        raise _nothing_left(venue)
    kind = call.text("RVSE_CNCL_DVSN_CD")
    try:
        if kind == _CANCEL:
            return _accepted(venue, venue.cancel(target, quantity), "취소주문이")
        if kind != _AMEND:
            raise refused("APMP0001", "필수입력 항목이 누락되었습니다. [RVSE_CNCL_DVSN_CD]")
        # What a smart order router has placed stays on its exchange.
        order_type = _order_type(venue, call, _place_of(target))
        if order_type.form.market is not target.order_type.form.market:
            raise refused_by_text(f"정정할 수 없는 주문구분입니다. [{order_type.code}]")
        price, trigger = _prices(call, order_type)
        record = venue.amend(target, order_type, quantity, price, trigger)
    except OrderRefused as refusal:
        raise _answer_of(venue, refusal) from None
    return _accepted(venue, record, "정정주문이")


def _account(call: Call) -> str:
    account = call.text("CANO") + call.text("ACNT_PRDT_CD")
    if account != call.credentials.account:
        raise refused_by_text(_OTHER_ACCOUNT)
    return account


def _route(venue: Venue, call: Call, default: Route = Route.KRX) -> Route:
    """Return the exchange asked for; paper, and everybody before NXT opened, has KRX only."""
    asked = call.text("EXCG_ID_DVSN_CD", "") or default.value
    only_krx = venue.settings.paper or venue.settings.era is Era.A
    if asked not in (("KRX",) if only_krx else tuple(Route)):
        raise refused_by_text(f"거래소 구분이 올바르지 않습니다. [{asked}]")
    return Route(asked)


def _place_of(target: OrderRecord) -> Route:
    return Route.NXT if target.venue is Exchange.NXT else Route.KRX


def _order_type(venue: Venue, call: Call, route: Route) -> OrderType:
    code = call.text("ORD_DVSN")
    order_type = ORDER_TYPES.get(code)
    if order_type is None or not order_type.form.taken(route, venue.market.day):
        raise refused_by_text(f"주문구분이 올바르지 않습니다. [{code}]")
    return order_type


def _prices(call: Call, order_type: OrderType) -> tuple[int | None, int | None]:
    """Return the limit and the trigger price; types that name no limit ignore ``ORD_UNPR``."""
    price = call.number("ORD_UNPR") if order_type.form.names_price else None
    stop = order_type.pricing is Pricing.STOP_LIMIT
    return price, call.number("CNDT_PRIC") if stop else None


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


def _not_traded(venue: Venue) -> CallRefused:
    if venue.settings.paper:
        return refused_by_text("모의투자 매매불가 종목입니다.")
    return refused_by_text("해당 시장에서 거래할 수 없는 종목입니다.")


def _answer_of(venue: Venue, refusal: OrderRefused) -> CallRefused:
    reason, paper = refusal.reason, venue.settings.paper
    text = _TEXTS.get(reason)
    if text is not None:
        return refused_by_text(text)
    match reason:
        case Refusal.CLOSED:
            if not paper:
                return refused("APBK0918")
            if venue.now() < venue.market.session.auction_from:
                return refused_by_text("모의투자 장시작전 입니다")
            return refused("40580000")
        case Refusal.NO_CASH:
            return refused("APBK0952", "모의투자 주문가능금액이 부족합니다" if paper else None)
        case Refusal.NOTHING_TO_CANCEL:
            return _nothing_left(venue)
        case Refusal.NOT_TRADED_HERE:
            return _not_traded(venue)
        case _:
            return refused(_REFUSAL_CODES[reason])
