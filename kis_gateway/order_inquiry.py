"""What the broker's list of orders proves about ours. Pure.

What always holds: only a row proves anything, a missing row never does; executions are taken over
before an order is closed, so the closing quantity is the broker's.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from typing import Final

from events import costs
from events.identifiers import fill_id
from events.prices import Board
from events.trading import (
    FillSource,
    OrderClosed,
    OrderEvent,
    OrderFilled,
    OrderKind,
    OrderRejected,
    OrderState,
    Side,
)
from kis_gateway.broker import BrokerOrder
from kis_gateway.order_book import plain_number
from kis_gateway.order_state import CancelState, Order

_CLOCK_TOLERANCE: Final = 2_000_000_000
"""The broker stamps orders in full seconds and its clock may lag a little (ns)."""


def matching_rows(
    order: Order, rows: Sequence[BrokerOrder], claimed: Collection[str]
) -> list[BrokerOrder]:
    """Return the rows that an order without an answer may be.

    The broker hands nothing of ours back, so a row matches by symbol, side, quantity, price and
    time, unless its number belongs to a known order (``claimed``, plain numbers).
    """
    return [
        row
        for row in rows
        if not row.is_cancel
        and row.original is None
        and row.symbol == order.symbol
        and row.side is order.side
        and row.quantity == order.quantity
        and (order.kind is OrderKind.MARKET or row.limit_price == order.limit_price)
        and row.ordered_at >= order.submitted_at - _CLOCK_TOLERANCE
        and plain_number(row.broker_order) not in claimed
    ]


def next_finding(
    order: Order,
    row: BrokerOrder | None,
    *,
    at: int,
    session_over: bool,
    board: Board,
    settled_on: date,
) -> OrderEvent | None:
    """Return the next event that an order's row proves, ``None`` when it proves nothing new.

    Asked again after each event: executions first, then the end of the order. ``session_over``
    says that the row was read after the closing match, when what is left has lapsed. ``row`` is
    ``None`` when there is none; then only a complete execution ends the order.
    """
    if order.over or order.broker_order is None:
        return None
    if order.state is OrderState.FILLED:
        return closing(order, OrderState.FILLED, at=at, reason="filled")
    if row is None:
        return None
    if row.filled_quantity > order.filled_quantity:
        quantity = min(row.filled_quantity, order.quantity) - order.filled_quantity
        amount = row.filled_amount - order.filled_amount
        return execution(
            order,
            quantity=quantity,
            amount=amount,
            price=amount // quantity,
            source=FillSource.INQUIRY,
            at=at,
            board=board,
            settled_on=settled_on,
        )
    if row.filled_quantity < order.filled_quantity:
        return None  # The list lags behind the notices; it proves nothing about the end either.
    if row.rejected_quantity == order.quantity:
        return OrderRejected(
            at=at, order_id=order.order_id, code="EXCHANGE", message="refused by the exchange"
        )
    ended = row.filled_quantity + row.cancelled_quantity + row.rejected_quantity
    if row.remaining_quantity == 0 and ended == order.quantity:
        state = (
            OrderState.EXPIRED
            if session_over and order.cancel is CancelState.NONE
            else OrderState.CANCELLED
        )
        return closing(order, state, at=at, reason="inquiry")
    if session_over:
        return closing(order, OrderState.EXPIRED, at=at, reason="session closed")
    return None


def execution(
    order: Order,
    *,
    quantity: int,
    amount: int,
    price: int,
    source: FillSource,
    at: int,
    board: Board,
    settled_on: date,
) -> OrderFilled:
    """Return the fill of ``quantity`` shares for ``amount`` won with its fee and tax."""
    assert order.strategy is not None
    assert order.symbol is not None
    assert order.side is not None
    total = order.filled_quantity + quantity
    return OrderFilled(
        at=at,
        order_id=order.order_id,
        fill_id=fill_id(order.order_id, total),
        strategy=order.strategy,
        symbol=order.symbol,
        side=order.side,
        quantity=quantity,
        price=price,
        amount=amount,
        cumulative_quantity=total,
        fee=costs.fee(amount),
        tax=costs.sell_tax(amount, board, settled_on) if order.side is Side.SELL else 0,
        source=source,
    )


def closing(order: Order, state: OrderState, *, at: int, reason: str) -> OrderClosed:
    """Return the end of an order with what it executed."""
    return OrderClosed(
        at=at,
        order_id=order.order_id,
        state=state,
        filled_quantity=order.filled_quantity,
        reason=reason,
    )
