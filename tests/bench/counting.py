"""The smallest useful processor, for measuring everything around it."""

from __future__ import annotations

from collections.abc import Sequence

from events import Delivery, Event
from events.market import TradeFrame


class TradeCounter:
    """Adds up traded shares and says nothing."""

    name = "counter"
    inputs = ("market.trade.*",)
    outputs = ("ops.counter",)

    def __init__(self) -> None:
        self.shares = 0

    def owns(self, event: Event) -> bool:
        """Own nothing."""
        return False

    def handle(self, delivery: Delivery) -> Sequence[Event]:
        """Count."""
        if isinstance(delivery.event, TradeFrame):
            for trade in delivery.event.trades:
                self.shares += trade.quantity
        return ()
