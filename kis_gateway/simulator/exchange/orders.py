"""One order number's mutable state inside the exchange, and the queue of one side.

``quantity == filled + cancelled + rejected + remaining`` always holds (a cancel has only a
quantity). Queues are in price-time priority: market orders, then the better price, then arrival.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator
from typing import NamedTuple

from events import Symbol
from events.market import Aggressor
from events.trading import OrderKind, Side
from kis_gateway.simulator.exchange.accounts import Account
from kis_gateway.simulator.exchange.messages import TimeInForce
from kis_gateway.simulator.exchange.views import OrderStatus, OrderView


class Order:
    """An order, a replace or a cancel.

    ``ahead`` is the others' quantity before it in its queue; ``reserved`` is the cash a working buy
    holds back in its account.
    """

    __slots__ = (
        "account",
        "ahead",
        "amount",
        "at",
        "cancelled",
        "filled",
        "is_cancel",
        "kind",
        "number",
        "parent",
        "price",
        "priority",
        "quantity",
        "rejected",
        "remaining",
        "reserved",
        "sequence",
        "side",
        "status",
        "symbol",
        "time_in_force",
    )

    def __init__(
        self,
        *,
        number: str,
        parent: str | None,
        account: Account,
        symbol: Symbol,
        side: Side,
        kind: OrderKind,
        price: int | None,
        quantity: int,
        time_in_force: TimeInForce,
        sequence: int,
        at: int,
    ) -> None:
        self.number = number
        self.parent = parent
        self.account = account
        self.symbol = symbol
        self.side = side
        self.kind = kind
        self.price = None if kind is OrderKind.MARKET else price
        self.quantity = quantity
        self.time_in_force = time_in_force
        self.sequence = sequence
        self.at = at
        self.is_cancel = False
        self.remaining = quantity
        self.filled = 0
        self.amount = 0
        self.cancelled = 0
        self.rejected = 0
        self.ahead = 0
        self.reserved = 0
        self.status = OrderStatus.WORKING
        if self.price is None:
            self.priority = (0, 0, sequence)
        else:
            self.priority = (1, -self.price if side is Side.BUY else self.price, sequence)

    def accepts(self, price: int) -> bool:
        """Return whether a trade at ``price`` respects the order's limit."""
        if self.price is None:
            return True
        return price <= self.price if self.side is Side.BUY else price >= self.price

    def fill(self, price: int, quantity: int) -> None:
        """Enter an execution."""
        self.remaining -= quantity
        self.filled += quantity
        self.amount += price * quantity
        if not self.remaining:
            self.status = OrderStatus.FILLED

    def withdraw(self, status: OrderStatus) -> int:
        """Take what is left off the order and return how much that was."""
        quantity = self.remaining
        self.remaining = 0
        self.cancelled += quantity
        self.status = status
        return quantity

    def reject(self) -> None:
        """Enter that the exchange refused the order."""
        self.rejected, self.remaining = self.quantity, 0
        self.status = OrderStatus.REJECTED

    def cancel(self, number: str, sequence: int, at: int) -> Order:
        """Return the order number that stands for withdrawing what is left of this order."""
        cancel = Order(
            number=number,
            parent=self.number,
            account=self.account,
            symbol=self.symbol,
            side=self.side,
            kind=self.kind,
            price=self.price,
            quantity=self.remaining,
            time_in_force=TimeInForce.DAY,
            sequence=sequence,
            at=at,
        )
        cancel.is_cancel, cancel.remaining, cancel.status = True, 0, OrderStatus.CONFIRMED
        return cancel

    def view(self) -> OrderView:
        """Return a snapshot."""
        return OrderView(
            order_number=self.number,
            parent=self.parent,
            symbol=self.symbol,
            side=self.side,
            kind=self.kind,
            price=self.price,
            quantity=self.quantity,
            filled_quantity=self.filled,
            filled_amount=self.amount,
            cancelled_quantity=self.cancelled,
            rejected_quantity=self.rejected,
            remaining_quantity=self.remaining,
            is_cancel=self.is_cancel,
            at=self.at,
            status=self.status,
        )


def _priority(order: Order) -> tuple[int, int, int]:
    return order.priority


class OrderQueue:
    """Our clients' working orders of one side of one issue, best first."""

    __slots__ = ("_orders",)

    def __init__(self) -> None:
        self._orders: list[Order] = []

    def __bool__(self) -> bool:
        return bool(self._orders)

    def __iter__(self) -> Iterator[Order]:
        """Go through a copy, so that orders may leave on the way."""
        return iter(tuple(self._orders))

    def add(self, order: Order) -> None:
        """Put an order in its place."""
        insort(self._orders, order, key=_priority)

    def remove(self, order: Order) -> None:
        """Take an order out."""
        self._orders.remove(order)

    def first_limit(self) -> Order | None:
        """Return the best order that has a price."""
        return next((order for order in self._orders if order.price is not None), None)

    def at(self, price: int) -> list[Order]:
        """Return the limit orders at a price, oldest first."""
        return [order for order in self._orders if order.price == price]


class Fill(NamedTuple):
    """One execution and what it left of the order.

    ``printed_as`` is set on the second of two fills with which clients of ours trade with each
    other: their trade goes on the tape with this aggressor.
    """

    order: Order
    price: int
    quantity: int
    remaining: int
    printed_as: Aggressor | None = None
