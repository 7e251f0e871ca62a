"""Which orders nobody wants any more, and the attempts to withdraw them. Pure.

What always holds: an order is unwanted until it is over; a cancel is called for only while the
order works and no earlier one waits for its answer.
"""

from __future__ import annotations

from typing import Final

from events import OrderId
from events.market import Phase
from events.trading import OrderState, Route
from kis_gateway.orders.actions import Action
from kis_gateway.orders.market_watch import MarketWatch
from kis_gateway.orders.order_state import CancelState, Order
from kis_gateway.orders.outstanding import Outstanding

_CANCEL_RETRY: Final = 10 * 1_000_000_000
"""A cancel whose order still works after this long (ns) is sent again under the next attempt.

One that was refused only for coming too fast is sent again with the next tick.
"""

WORKING: Final = (OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED)
"""States in which an order can be withdrawn."""


class Withdrawals:
    """Unwanted orders with the reason of each."""

    def __init__(self, watch: MarketWatch, outstanding: Outstanding) -> None:
        self._watch = watch
        self._outstanding = outstanding
        self._unwanted: dict[OrderId, str] = {}

    def reason(self, order: OrderId) -> str | None:
        """Return why an order is wanted no more, ``None`` while it is."""
        return self._unwanted.get(order)

    def mark(self, order: OrderId, reason: str) -> None:
        """Want an order no more; the first reason stays."""
        self._unwanted.setdefault(order, reason)

    def forget(self, order: OrderId) -> None:
        """Take in that an order is over."""
        self._unwanted.pop(order, None)

    def leave(self, order: Order, reason: str) -> list[Action]:
        """Want a live order no more; return the cancel that is due now, if one is."""
        self.mark(order.order_id, reason)
        return self.due(order)

    def due(self, order: Order) -> list[Action]:
        """Return the next attempt to withdraw an order, if it is unwanted and one is due."""
        reason = self._unwanted.get(order.order_id)
        if reason is None or order.state not in WORKING or order.cancel is CancelState.SUBMITTING:
            return []
        if self._outstanding.cancelling(order.order_id) or not self._taken(order):
            return []
        if order.cancel is not CancelState.NONE:
            pause = 0 if order.cancel_throttled else _CANCEL_RETRY
            if self._watch.now < order.cancel_changed_at + pause:
                return []
            reason = f"{reason}, after {order.cancel}"
        return [self._outstanding.cancel(order, reason)]

    def _taken(self, order: Order) -> bool:
        """Return whether the exchange of an order takes cancels now."""
        return order.route is Route.NXT or self._watch.phase is not Phase.CLOSED
