"""What the log says of each order: when it left, the answer, what was executed, how it ended.

Only what is on the log is here. What is not, and why: ``OrderSubmitting.at`` is the instant of the
entry that it follows from, not of the call; when an order reached the exchange and when it traded
is nowhere on the log, because the broker's answer does not say the first and its notices have a
resolution of a full second; ``arrival`` bounds both.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from events import Delivery, OrderId, Symbol
from events.trading import (
    CancelAccepted,
    CancelRejected,
    CancelSubmitting,
    CancelUnknown,
    FillCorrected,
    FillSource,
    OrderAccepted,
    OrderClosed,
    OrderEvent,
    OrderFilled,
    OrderRejected,
    OrderState,
    OrderSubmitting,
    OrderUnknown,
)


class RecordedFill(msgspec.Struct, frozen=True):
    """Shares that changed hands, at the place where the log learned of it."""

    sequence: int
    at: int
    quantity: int
    price: int
    amount: int
    source: FillSource


class RecordedCancel(msgspec.Struct, kw_only=True):
    """One attempt to withdraw an order.

    ``clock_at`` is the newest instant that the gateway had written when the attempt was written
    ahead; ``answer`` is what became of it, ``None`` when nothing is on the log.
    """

    attempt: int
    sequence: int
    at: int
    clock_at: int
    answer_sequence: int = 0
    answer: CancelAccepted | CancelRejected | CancelUnknown | None = None


class RecordedOrder(msgspec.Struct, kw_only=True):
    """One order as the log tells it, places are log sequences, times ns UTC.

    ``clock_at`` is the newest instant on the log when it was written ahead: the call left after it.
    ``answer`` is the first answer to the call, ``accepted`` the broker's taking it in, be it later
    by inquiry. ``closed`` is its end.
    """

    ticket: OrderSubmitting
    sequence: int
    clock_at: int
    answer_sequence: int = 0
    answer: OrderAccepted | OrderRejected | OrderUnknown | None = None
    accepted_sequence: int = 0
    accepted: OrderAccepted | None = None
    fills: list[RecordedFill] = msgspec.field(default_factory=list)
    cancels: list[RecordedCancel] = msgspec.field(default_factory=list)
    closed_sequence: int = 0
    closed: OrderClosed | None = None
    corrected: bool = False

    @property
    def order_id(self) -> OrderId:
        """The order's id."""
        return self.ticket.order_id

    @property
    def symbol(self) -> Symbol:
        """The symbol ordered."""
        return self.ticket.symbol

    @property
    def reached_exchange(self) -> bool:
        """Whether the log proves that the exchange had it: a number, or shares executed."""
        return self.accepted is not None or bool(self.fills)

    @property
    def known_at(self) -> int:
        """Instant by which it had certainly reached the exchange; 0 when it is not known to have.

        The earlier of the broker's answer and the first execution told.
        """
        known = [fill.at for fill in self.fills[:1]]
        if self.accepted is not None:
            known.append(self.accepted.at)
        return min(known, default=0)

    @property
    def known_sequence(self) -> int:
        """Place on the log by which it had certainly reached the exchange, 0 for none."""
        known = [fill.sequence for fill in self.fills[:1]]
        if self.accepted is not None:
            known.append(self.accepted_sequence)
        return min(known, default=0)

    @property
    def filled_quantity(self) -> int:
        """Shares executed."""
        return sum(fill.quantity for fill in self.fills)

    @property
    def unknown_fate(self) -> bool:
        """Whether its call had no answer, so that only asking the broker settled it."""
        return isinstance(self.answer, OrderUnknown) or (
            self.accepted is not None and self.accepted.adopted
        )

    @property
    def withdrawn(self) -> bool:
        """Whether it ended by a cancel with shares left."""
        return self.closed is not None and self.closed.state is OrderState.CANCELLED


def recorded_orders(entries: Iterable[Delivery]) -> dict[OrderId, RecordedOrder]:
    """Return the orders that were written ahead, in the order in which they were.

    Orders that were refused before they were written ahead are none.
    """
    orders: dict[OrderId, RecordedOrder] = {}
    clock_at = 0
    for entry in entries:
        event = entry.event
        if not isinstance(event, OrderEvent):
            if event.topic.startswith("market."):
                clock_at = max(clock_at, event.at)
            continue
        if isinstance(event, OrderSubmitting):
            orders[event.order_id] = RecordedOrder(
                ticket=event, sequence=entry.sequence, clock_at=clock_at
            )
        elif (order := orders.get(event.order_id)) is not None:
            _take(order, entry.sequence, event, clock_at)
    return orders


def _take(order: RecordedOrder, sequence: int, event: OrderEvent, clock_at: int) -> None:
    match event:
        case OrderAccepted() | OrderRejected() | OrderUnknown():
            if order.answer is None:
                order.answer, order.answer_sequence = event, sequence
            if isinstance(event, OrderAccepted):
                order.accepted, order.accepted_sequence = event, sequence
        case OrderFilled():
            order.fills.append(
                RecordedFill(
                    sequence, event.at, event.quantity, event.price, event.amount, event.source
                )
            )
        case CancelSubmitting():
            order.cancels.append(
                RecordedCancel(
                    attempt=event.attempt, sequence=sequence, at=event.at, clock_at=clock_at
                )
            )
        case CancelAccepted() | CancelRejected() | CancelUnknown():
            for cancel in order.cancels:
                if cancel.attempt == event.attempt:
                    cancel.answer, cancel.answer_sequence = event, sequence
        case OrderClosed():
            order.closed, order.closed_sequence = event, sequence
        case FillCorrected():
            order.corrected = True
        case _:
            return
