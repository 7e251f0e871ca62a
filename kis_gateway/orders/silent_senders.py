"""Orders and cancels whose sender died: written ahead by another process and never answered.

What always holds: a call that is out in this process is never given up here; one of another process
is given up only after it has been seen on its way for longer than a call can take, and then counts
as unanswered, so that the broker's list of orders settles it. Should the sender live after all, its
answer still counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bus import TimeSource
from events import OrderId
from events.trading import (
    CancelSubmitting,
    CancelUnknown,
    OrderEvent,
    OrderState,
    OrderSubmitting,
    OrderUnknown,
)
from kis_gateway.orders.order_state import CancelState, Order
from kis_gateway.orders.order_writer import OrderWriter

_SILENT_AFTER: Final = 60_000_000_000
"""An order call takes 20 s at most; the rest is for its wait in the queue of the call budget (ns).

Counted from when this process saw the write-ahead: its ``at`` is that of the decision.
"""

_REASON: Final = "its sender gave no answer"


class SilentSenders:
    """Watches every order of the writer from its creation on."""

    def __init__(self, writer: OrderWriter, time: TimeSource) -> None:
        self._writer = writer
        self._time = time
        self._since: dict[OrderId, int] = {}
        writer.observe(self._observe)

    def dues(self) -> Iterator[int]:
        """Yield when ``give_up`` has something to do next (ns UTC)."""
        own = self._writer.in_flight | self._writer.cancelling
        for order_id, since in self._since.items():
            if order_id not in own:
                yield since + _SILENT_AFTER

    async def give_up(self) -> None:
        """Record as unanswered what has been on its way for too long."""
        for order_id, since in tuple(self._since.items()):
            own = order_id in self._writer.in_flight or order_id in self._writer.cancelling
            if not own and self._time.now() >= since + _SILENT_AFTER:
                await self._writer.record(order_id, self._unanswered)

    def _observe(self, order: Order, event: OrderEvent) -> None:
        if isinstance(event, OrderSubmitting | CancelSubmitting):
            self._since[order.order_id] = self._time.now()
        elif not _is_on_its_way(order):
            self._since.pop(order.order_id, None)

    def _unanswered(self, order: Order | None) -> OrderEvent | None:
        if order is None or not _is_on_its_way(order):
            return None
        at, order_id = self._time.now(), order.order_id
        if order.state is OrderState.SUBMITTING:
            return OrderUnknown(at=at, order_id=order_id, reason=_REASON)
        return CancelUnknown(
            at=at, order_id=order_id, attempt=order.cancel_attempts, reason=_REASON
        )


def _is_on_its_way(order: Order) -> bool:
    return order.state is OrderState.SUBMITTING or (
        not order.over and order.cancel is CancelState.SUBMITTING
    )
