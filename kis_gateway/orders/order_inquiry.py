"""What the broker's list of orders proves about ours. Pure.

What always holds: only a row proves anything, a missing row never does; executions are taken over
before an order is closed, so the closing quantity is the broker's. A row that shows shares still
working never closes an order before they have certainly lapsed: KRX ends the closing auction at
random up to 30 seconds late, and what a row shows by then may yet execute.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Final

from events import costs
from events.identifiers import fill_id
from events.prices import Board
from events.trading import (
    FillCorrected,
    FillSource,
    OrderClosed,
    OrderEvent,
    OrderFilled,
    OrderKind,
    OrderRejected,
    OrderState,
    OrderSubmitting,
    Side,
)
from kis_gateway.broker import BrokerOrder
from kis_gateway.orders.order_book import OrderBook, plain_number
from kis_gateway.orders.order_state import CancelState, Order

_CLOCK_TOLERANCE: Final = 60_000_000_000
"""The broker stamps orders in full seconds by a clock of its own, which may be off by this (ns).

Wide, because a row that is missed makes an order that works look as if it had never arrived, while
rows of orders with a known number are left out whatever their time.
"""

_ARRIVES_WITHIN: Final = 120_000_000_000
"""A call whose answer was missed has reached the exchange by then or never will (ns)."""


_NOTHING_SEEN: Final[Mapping[str, int]] = {}


def matching_rows(
    order: Order,
    rows: Sequence[BrokerOrder],
    claimed: Collection[str],
    seen: Mapping[str, int] = _NOTHING_SEEN,
) -> list[BrokerOrder]:
    """Return the rows that an order without an answer may be.

    The broker hands nothing of ours back, so a row matches by symbol, side, quantity, price and
    time, unless its number belongs to a known order (``claimed``, plain numbers). An order cannot
    be one that the broker listed before it was to leave (``seen``: plain number → when it was first
    listed, ns UTC), nor one placed long after its answer was missed.
    """
    latest = order.unknown_at + _ARRIVES_WITHIN
    return [
        row
        for row in rows
        if not row.is_cancel
        and row.original is None
        and row.symbol == order.symbol
        and row.side is order.side
        and row.quantity == order.quantity
        and (order.kind is OrderKind.MARKET or row.limit_price == order.limit_price)
        and order.submitted_at - _CLOCK_TOLERANCE <= row.ordered_at <= latest
        and row.unreadable is None
        and plain_number(row.broker_order) not in claimed
        and seen.get(plain_number(row.broker_order), latest) >= order.submitted_at
    ]


def mistakable(order: Order, other: Order | OrderSubmitting) -> bool:
    """Return whether the row of ``other`` would match ``order``, were it without an answer."""
    return (
        (other.symbol, other.side, other.quantity) == (order.symbol, order.side, order.quantity)
    ) and (order.kind is OrderKind.MARKET or other.limit_price == order.limit_price)


def could_be_ours(orders: OrderBook, row: BrokerOrder) -> bool:
    """Return whether a row may belong to an order of the book, judged by its identity alone."""
    if orders.numbered(row.broker_order) is not None:
        return True
    return any(
        order.broker_order is None and (order.symbol, order.side) == (row.symbol, row.side)
        for order in (*orders.live(), *orders.given_up())
    )


def next_finding(
    order: Order,
    row: BrokerOrder | None,
    *,
    at: int,
    after_close: bool,
    lapsed: bool,
    amended: bool,
    board: Board,
    settled_on: date,
) -> OrderEvent | None:
    """Return the next event that an order's row proves, ``None`` when it proves nothing new.

    Asked again after each event: executions first, then the end of the order; of an order that has
    ended only executions. ``after_close`` says that the row was read after the scheduled close,
    ``lapsed`` that it was read when no closing match can be outstanding any more, ``amended`` that
    another order has taken this one's place. ``row`` is ``None`` when there is none; then only a
    complete execution ends the order.
    """
    if order.broker_order is None or order.state is OrderState.REJECTED:
        return None
    if order.state is OrderState.FILLED and not order.over:
        return closing(order, OrderState.FILLED, at=at, reason="filled")
    if row is None or row.unreadable is not None or order.remaining == 0:
        return None
    if row.filled_quantity > order.filled_quantity:
        return _next_execution(order, row, at=at, board=board, settled_on=settled_on)
    if order.over:
        return None
    return _next_end(order, row, at=at, after_close=after_close, lapsed=lapsed, amended=amended)


def _next_execution(
    order: Order, row: BrokerOrder, *, at: int, board: Board, settled_on: date
) -> OrderFilled | None:
    quantity = min(row.filled_quantity, order.quantity) - order.filled_quantity
    amount = _value_of(order, row, quantity)
    if amount <= 0:
        return None  # Shares without a value yet: the list is being written.
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


def _next_end(
    order: Order, row: BrokerOrder, *, at: int, after_close: bool, lapsed: bool, amended: bool
) -> OrderRejected | OrderClosed | None:
    if row.filled_quantity < order.filled_quantity and not lapsed:
        return None  # A list behind the notices proves nothing about the end either.
    if row.rejected_quantity == order.quantity and order.filled_quantity == 0:
        return refusal(order, at=at)
    ended = row.filled_quantity + row.cancelled_quantity + row.rejected_quantity
    if row.remaining_quantity == 0 and (after_close or ended == order.quantity):
        state = (
            OrderState.EXPIRED
            if after_close and order.cancel is CancelState.NONE
            else OrderState.CANCELLED
        )
        return closing(order, state, at=at, reason="inquiry")
    if row.remaining_quantity == 0 and amended:
        return closing(order, OrderState.CANCELLED, at=at, reason="amended by somebody else")
    if lapsed:
        return closing(order, OrderState.EXPIRED, at=at, reason="session closed")
    return None


def _value_of(order: Order, row: BrokerOrder, quantity: int) -> int:
    """Return the traded value of ``quantity`` more shares, won.

    It is what the row has beyond the books. Where they contradict each other that may be nothing
    or less: then the row's mean price counts, and the whole is corrected when the order is over.
    """
    beyond = row.filled_amount - order.filled_amount
    return beyond if beyond > 0 else row.filled_amount * quantity // row.filled_quantity


def correction(
    order: Order, row: BrokerOrder, *, at: int, board: Board, settled_on: date
) -> FillCorrected | None:
    """Return what makes the booked value of an ended order its row's; ``None`` if it is already.

    Shares are never corrected: the row must show as many as were booked.
    """
    difference = row.filled_amount - order.filled_amount
    if (
        not order.closed
        or row.filled_quantity != order.filled_quantity
        or row.filled_amount <= 0
        or difference == 0
    ):
        return None
    assert order.strategy is not None
    assert order.symbol is not None
    assert order.side is not None
    old, new = order.filled_amount, row.filled_amount
    taxed = order.side is Side.SELL
    return FillCorrected(
        at=at,
        order_id=order.order_id,
        ordinal=order.corrections + 1,
        strategy=order.strategy,
        symbol=order.symbol,
        side=order.side,
        quantity=order.filled_quantity,
        amount=difference,
        fee=costs.fee(new) - costs.fee(old),
        tax=costs.sell_tax(new, board, settled_on) - costs.sell_tax(old, board, settled_on)
        if taxed
        else 0,
        reason=f"the broker lists {new} won traded, booked were {old}",
    )


def refusal(order: Order, *, at: int) -> OrderRejected | OrderClosed:
    """Return the end of an order that the exchange refused; nothing of it was executed."""
    message = "refused by the exchange"
    if order.given_up_at:  # An order is rejected once, and this one has been.
        return closing(order, OrderState.CANCELLED, at=at, reason=message)
    return OrderRejected(at=at, order_id=order.order_id, code="EXCHANGE", message=message)


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
