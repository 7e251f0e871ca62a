"""Orders, amendments and cancels: each is sent once, and ends as accepted, refused or unknown.

What always holds: nothing here is repeated, whatever happens; an order that contradicts itself is
refused without being sent. ``Accepted`` means taken in, not resting or filled: an amendment's and a
cancel's own number comes back, and only the day's orders prove what was left to change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from events import Symbol
from events.trading import Side
from kis_gateway.api.caller import Caller
from kis_gateway.broker import Accepted, Outcome, Refused, Unknown
from kis_gateway.client import calls
from kis_gateway.client.answer import single
from kis_gateway.client.rest import Call, Envelope
from kis_gateway.errors import InquiryFailed
from kis_gateway.protocol import ORDER_TYPES, Pricing, Route

LIMIT: Final = "00"
MARKET: Final = "01"
INVALID: Final = "INVALID_ORDER"


class Orders:
    """Order-changing calls. ``order_type`` is a code of ``kis_gateway.protocol.ORDER_TYPES``."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def submit(
        self,
        side: Side,
        symbol: Symbol,
        quantity: int,
        *,
        price: int | None = None,
        order_type: str = LIMIT,
        trigger_price: int | None = None,
        route: Route = Route.KRX,
        expires_at: int | None = None,
        may_leave: Callable[[], bool] | None = None,
    ) -> Outcome:
        """Send a cash order once.

        ``price`` (won) goes with order types that name one, ``trigger_price`` with stop-limit
        orders. Past ``expires_at`` (ns UTC), or where ``may_leave`` says no, the order does not
        leave.
        """
        wrong = self._contradiction(quantity, price, order_type, trigger_price, route)
        if wrong:
            return Refused(code=INVALID, message=wrong)
        call = calls.BUY if side is Side.BUY else calls.SELL
        body = {
            **self._caller.account,
            "PDNO": symbol,
            "ORD_DVSN": order_type,
            "ORD_QTY": str(quantity),
            "ORD_UNPR": str(price or 0),
            **_trigger(trigger_price),
            "EXCG_ID_DVSN_CD": route,
        }
        return await self._send(call, body, expires_at, may_leave)

    async def amend(
        self,
        broker_order: str,
        branch: str,
        *,
        quantity: int | None = None,
        price: int | None = None,
        order_type: str = LIMIT,
        trigger_price: int | None = None,
        route: Route = Route.KRX,
        expires_at: int | None = None,
    ) -> Outcome:
        """Replace what is left of an order, or ``quantity`` of it, by a new price or type, once.

        The quantity cannot rise. The amended order has the number in ``Accepted``; the old one is
        dead for that quantity from then on. ``broker_order`` and ``branch`` as they came.
        """
        wrong = self._contradiction(quantity, price, order_type, trigger_price, route)
        if wrong:
            return Refused(code=INVALID, message=wrong)
        body = {
            **self._change("01", broker_order, branch, quantity, route),
            "ORD_DVSN": order_type,
            "ORD_UNPR": str(price or 0),
            **_trigger(trigger_price),
        }
        return await self._send(calls.AMEND, body, expires_at)

    async def cancel(
        self,
        broker_order: str,
        branch: str,
        *,
        quantity: int | None = None,
        route: Route = Route.KRX,
        may_leave: Callable[[], bool] | None = None,
    ) -> Outcome:
        """Withdraw what is left of an order, or ``quantity`` of it, once.

        Where ``may_leave`` says no the cancel does not leave.
        """
        if quantity is not None and quantity <= 0:
            return Refused(code=INVALID, message=f"a cancel of {quantity} shares withdraws nothing")
        body = {
            **self._change("02", broker_order, branch, quantity, route),
            "ORD_DVSN": LIMIT,
            "ORD_UNPR": "0",
        }
        return await self._send(calls.CANCEL, body, None, may_leave)

    def _change(
        self, what: str, broker_order: str, branch: str, quantity: int | None, route: Route
    ) -> dict[str, str]:
        return {
            **self._caller.account,
            "KRX_FWDG_ORD_ORGNO": branch,
            "ORGN_ODNO": broker_order,
            "RVSE_CNCL_DVSN_CD": what,
            "ORD_QTY": str(quantity or 0),
            "QTY_ALL_ORD_YN": "Y" if quantity is None else "N",
            "EXCG_ID_DVSN_CD": route,
        }

    async def _send(
        self,
        call: Call,
        body: Mapping[str, str],
        expires_at: int | None,
        may_leave: Callable[[], bool] | None = None,
    ) -> Outcome:
        answer = await self._caller.rest.post_once(
            call, body, expires_at=expires_at, may_leave=may_leave
        )
        return _outcome(call, answer)

    def _contradiction(
        self,
        quantity: int | None,
        price: int | None,
        order_type: str,
        trigger_price: int | None,
        route: Route,
    ) -> str:
        """Return what is wrong with an order, empty when nothing is."""
        form = ORDER_TYPES.get(order_type)
        if form is None:
            return f"order type {order_type!r} is none of {', '.join(ORDER_TYPES)}"
        if quantity is not None and quantity <= 0:
            return f"an order of {quantity} shares: give 1 or more"
        if form.names_price != (price is not None and price > 0):
            needs = "needs a price" if form.names_price else "has no price"
            return f"order type {order_type} at {price}: it {needs}"
        if (form.pricing is Pricing.STOP_LIMIT) != (trigger_price is not None):
            return f"order type {order_type} with trigger {trigger_price}: only type 22 has one"
        if self._caller.on_paper and route is not Route.KRX:
            return f"route {route}: paper accounts trade on KRX only"
        return ""


def _trigger(price: int | None) -> dict[str, str]:
    return {} if price is None else {"CNDT_PRIC": str(price)}


def _outcome(call: Call, answer: Envelope | Refused | Unknown) -> Outcome:
    if not isinstance(answer, Envelope):
        return answer
    try:
        block = single(call.name, "output", answer.output)
        number = block.text("odno")
        branch = block.text("krx_fwdg_ord_orgno")
    except InquiryFailed as error:
        # KIS said yes without saying to what: the order must be found by asking.
        return Unknown(reason=str(error))
    if not number.strip():
        return Unknown(reason=f"{call.name}: accepted without an order number")
    return Accepted(broker_order=number, branch=branch)
