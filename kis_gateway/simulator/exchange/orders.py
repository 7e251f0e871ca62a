"""One order number's mutable state inside the exchange, and the queue of one side.

``quantity == filled + cancelled + rejected + remaining`` always holds (a cancel has only a
quantity). Queues are in price-time priority: market orders, then the better price, then arrival.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator
from typing import Final, NamedTuple

from events import Symbol
from events.market import Aggressor, Venue
from events.trading import Side
from kis_gateway.protocol import Pricing
from kis_gateway.simulator.exchange.accounts import Account
from kis_gateway.simulator.exchange.commands import TimeInForce
from kis_gateway.simulator.exchange.listing import Listing, Session
from kis_gateway.simulator.exchange.views import OrderStatus, OrderView

_LIMITED: Final = (
    Pricing.LIMIT,
    Pricing.STOP_LIMIT,
    Pricing.OPPOSITE_BEST,
    Pricing.OWN_BEST,
    Pricing.SINGLE_PRICE,
    Pricing.PREVIOUS_CLOSE,
    Pricing.CLOSE,
)
"""Pricings whose buys never cost more than their own price."""


class Order:
    """An order, a replace or a cancel.

    ``ahead`` is the others' quantity before it in its queue; ``reserved`` is the cash a working buy
    holds back in its account; ``promised`` is how much of what is left a cancel or replace that has
    been taken in will withdraw. ``price`` is ``None`` while no limit applies (market orders, orders
    at the middle price).
    """

    __slots__ = (
        "account",
        "ahead",
        "amount",
        "asleep",
        "at",
        "cancelled",
        "filled",
        "is_cancel",
        "number",
        "parent",
        "price",
        "pricing",
        "priority",
        "promised",
        "quantity",
        "rejected",
        "remaining",
        "reserved",
        "sequence",
        "session",
        "side",
        "status",
        "symbol",
        "time_in_force",
        "trigger",
    )

    def __init__(
        self,
        *,
        number: str,
        parent: str | None,
        account: Account,
        symbol: Symbol,
        side: Side,
        pricing: Pricing,
        price: int | None,
        quantity: int,
        time_in_force: TimeInForce,
        sequence: int,
        at: int,
        session: Session = Session.REGULAR,
        trigger: int | None = None,
    ) -> None:
        self.number = number
        self.parent = parent
        self.account = account
        self.symbol = symbol
        self.side = side
        self.pricing = pricing
        self.price = None if pricing in (Pricing.MARKET, Pricing.MIDDLE) else price
        self.quantity = quantity
        self.time_in_force = time_in_force
        self.at = at
        self.session = session
        self.trigger = trigger
        self.asleep = pricing is Pricing.STOP_LIMIT
        self.is_cancel = False
        self.remaining = quantity
        self.promised = 0
        self.filled = 0
        self.amount = 0
        self.cancelled = 0
        self.rejected = 0
        self.ahead = 0
        self.reserved = 0
        self.status = OrderStatus.WORKING
        self.line_up(sequence)

    @property
    def venue(self) -> Venue:
        """Where it works."""
        return self.session.venue

    @property
    def free(self) -> int:
        """What is left and not promised to a cancel or replace."""
        return self.remaining - self.promised

    def line_up(self, sequence: int) -> None:
        """Take the place in the queue that price and arrival give it now."""
        self.sequence = sequence
        if self.price is None:
            self.priority = (0, 0, sequence)
        else:
            self.priority = (1, -self.price if self.side is Side.BUY else self.price, sequence)

    def limit(self, price: int | None) -> None:
        """Set the limit, ``None`` for any price, and keep the arrival."""
        self.price = price
        self.line_up(self.sequence)

    def ceiling(self, listing: Listing) -> int:
        """Return the most a share can cost: the limit, without one the upper limit of the day."""
        if self.price is not None and self.pricing in _LIMITED:
            return self.price
        return listing.upper_limit

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

    def withdraw(self, quantity: int, status: OrderStatus) -> None:
        """Take ``quantity`` of what is left off the order."""
        self.remaining -= quantity
        self.cancelled += quantity
        if not self.remaining:
            self.status = status

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
            pricing=self.pricing,
            price=self.price,
            quantity=0,
            time_in_force=TimeInForce.DAY,
            sequence=sequence,
            at=at,
            session=self.session,
            trigger=self.trigger,
        )
        cancel.is_cancel, cancel.status = True, OrderStatus.CONFIRMED
        return cancel

    def view(self) -> OrderView:
        """Return a snapshot."""
        return OrderView(
            order_number=self.number,
            parent=self.parent,
            symbol=self.symbol,
            side=self.side,
            pricing=self.pricing,
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
            venue=self.venue,
            asleep=self.asleep and self.remaining > 0,
        )


def _priority(order: Order) -> tuple[int, int, int]:
    return order.priority


class OrderQueue:
    """Our clients' working orders of one side of one issue, best first."""

    __slots__ = ("orders",)

    def __init__(self) -> None:
        self.orders: list[Order] = []

    def __bool__(self) -> bool:
        return bool(self.orders)

    def __iter__(self) -> Iterator[Order]:
        """Go through a copy, so that orders may leave on the way."""
        return iter(tuple(self.orders))

    def add(self, order: Order) -> None:
        """Put an order in its place."""
        insort(self.orders, order, key=_priority)

    def remove(self, order: Order) -> None:
        """Take an order out."""
        self.orders.remove(order)

    def first_limit(self) -> Order | None:
        """Return the best order that has a price."""
        return next((order for order in self.orders if order.price is not None), None)

    def at(self, price: int) -> list[Order]:
        """Return the limit orders at a price, oldest first."""
        return [order for order in self.orders if order.price == price]


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
