"""What is told of an order at the model's exchange, in the events that tell of it live."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

from events import TradingDate
from events.calendar import next_session
from events.trading import FillSource, OrderClosed, OrderFilled, OrderRejected, OrderState
from kis_gateway.orders.order_inquiry import closing, execution
from kis_gateway.orders.order_state import Order
from kis_gateway.orders.router_core import RouterCore
from research.fidelity.issue_floor import Execution
from research.fidelity.recorded_exchange import AtExchange

_SETTLEMENT_SESSIONS: Final = 2


class News:
    """Words executions as the router does."""

    def __init__(self, core: RouterCore, trading_date: TradingDate) -> None:
        self._core = core
        self._settled_on = next_session(date.fromisoformat(trading_date), _SETTLEMENT_SESSIONS)

    def fill(
        self, found: AtExchange, parts: Sequence[Execution], at: int, source: FillSource
    ) -> OrderFilled:
        """Return the fill that tells of some executions together."""
        order = self._core.orders.order(found.order_id)
        assert order is not None  # it left, or it would not be at the exchange
        quantity = sum(part.quantity for part in parts)
        amount = sum(part.quantity * part.price for part in parts)
        return execution(
            order,
            quantity=quantity,
            amount=amount,
            price=amount // quantity,
            source=source,
            at=at,
            board=self._core.board(found.symbol),
            settled_on=self._settled_on,
        )


def refusal(found: AtExchange, at: int) -> OrderRejected:
    """Return what tells that the exchange did not take an order in."""
    code, _, message = str(found.turned_down).partition(": ")
    return OrderRejected(at=at, order_id=found.order_id, code=code.upper(), message=message)


def end_of(order: Order, found: AtExchange, at: int, reason: str) -> OrderClosed | None:
    """Return the end of an order that has come to one, everything executed told."""
    if order.broker_order is None or found.executions:
        return None
    if order.state is OrderState.FILLED:
        return closing(order, OrderState.FILLED, at=at, reason=reason)
    if found.gone is None:
        return None
    state = OrderState.CANCELLED if found.gone.cancelled else OrderState.EXPIRED
    return closing(order, state, at=at, reason=reason)
