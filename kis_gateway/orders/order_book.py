"""The day's orders, folded from the log. Pure.

What always holds: an order's record carries the sequence of its newest event, which is what an
append about that order must expect.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from events import OrderId, Symbol
from events.trading import OrderAccepted, OrderEvent, OrderState, Side
from kis_gateway.orders.order_state import Order, evolve


class OrderRecord(msgspec.Struct, frozen=True):
    """An order and the log sequence of its newest event."""

    order: Order
    sequence: int


class OrderBook:
    """All orders of a session."""

    def __init__(self) -> None:
        self._records: dict[OrderId, OrderRecord] = {}
        self._live: dict[OrderId, None] = {}  # an ordered set
        self._given_up: dict[OrderId, None] = {}
        self._numbers: dict[str, OrderId] = {}

    def apply(self, sequence: int, event: OrderEvent) -> Order | None:
        """Take in an event; return the order, or ``None`` when the event was known already.

        Raises:
            IllegalTransition: the event cannot follow.
        """
        record = self._records.get(event.order_id)
        if record is not None and sequence <= record.sequence:
            return None
        order = evolve(None if record is None else record.order, event)
        self._records[event.order_id] = OrderRecord(order, sequence)
        if order.over:
            self._live.pop(event.order_id, None)
        else:
            self._live[event.order_id] = None
        if order.state is OrderState.REJECTED and order.given_up_at:
            self._given_up[event.order_id] = None
        else:
            self._given_up.pop(event.order_id, None)
        if order.broker_order is not None and isinstance(event, OrderAccepted):
            self._numbers[plain_number(order.broker_order)] = event.order_id
        return order

    def record(self, order_id: OrderId) -> OrderRecord | None:
        """Return an order with its newest sequence."""
        return self._records.get(order_id)

    def order(self, order_id: OrderId) -> Order | None:
        """Return an order."""
        record = self._records.get(order_id)
        return None if record is None else record.order

    def all(self) -> Iterator[Order]:
        """Yield every order, in the order of their first event."""
        for record in tuple(self._records.values()):
            yield record.order

    def live(self) -> Iterator[Order]:
        """Yield the orders that are not over, in the order of their first event."""
        for order_id in tuple(self._live):
            yield self._records[order_id].order

    def given_up(self) -> Iterator[Order]:
        """Yield the orders that were rejected as not found and have not been found since."""
        for order_id in tuple(self._given_up):
            yield self._records[order_id].order

    def numbered(self, broker_order: str) -> Order | None:
        """Return the order with a broker's number, whatever its padding."""
        order_id = self._numbers.get(plain_number(broker_order))
        return None if order_id is None else self.order(order_id)

    @property
    def claimed(self) -> frozenset[str]:
        """Plain numbers of the broker's orders that are known to be ours."""
        return frozenset(self._numbers)

    def unknown(self, symbol: Symbol, side: Side) -> Iterator[Order]:
        """Yield the orders of a symbol and side that may or may not exist at the broker."""
        for order in self.live():
            if order.state is OrderState.UNKNOWN and (order.symbol, order.side) == (symbol, side):
                yield order

    def working_symbols(self) -> frozenset[Symbol]:
        """Return the symbols with an order that may still change the holdings."""
        return frozenset(order.symbol for order in self.live() if order.symbol is not None)


def plain_number(broker_order: str) -> str:
    """Return a broker's order number without padding: answers, notices and rows pad differently."""
    return broker_order.strip().lstrip("0")
