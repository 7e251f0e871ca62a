"""The execution of one allowed intent, as the log describes it: one order after another. Pure.

What always holds: an order of it is over before the next one is planned, and the shares executed
for it are counted whichever of its orders they belong to. What follows is ``next_order``'s subject.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from events import OrderId
from events.identifiers import order_id
from events.trading import (
    IntentSubmitted,
    OrderClosed,
    OrderRejected,
    OrderSubmitting,
    Route,
    Side,
)
from kis_gateway.broker import NOT_SENT, OUT_OF_REACH_CODES, THROTTLE_CODES
from kis_gateway.orders.order_state import NOT_FOUND, Order

_SECOND: Final = 1_000_000_000
_LONGEST_PAUSE: Final = 32 * _SECOND
_RESTING_PAUSE: Final = 8 * _SECOND

CANCELLED: Final = "CANCELLED"
"""Code of ``OrderRejected``: withdrawn before it was sent."""

_NO_VERDICT_OF_THE_BROKER: Final = THROTTLE_CODES | {
    NOT_FOUND,
    CANCELLED,
    NOT_SENT,
    "EXPIRED",
    "LEASE_LOST",
}


class ExecutionPhase(StrEnum):
    """Where an execution stands."""

    HELD = "held"
    """Its entry waits for a stop to print."""
    PLANNED = "planned"
    """An order, or its refusal, is to be written."""
    WORKING = "working"
    """An order of it is on its way or at the exchange."""
    BETWEEN = "between"
    """Its last order is over and the next one waits."""
    ENDED = "ended"


class Outcome(StrEnum):
    """What became of the newest order that is over."""

    NOTHING = "nothing"
    FILLED = "filled"
    WITHDRAWN = "withdrawn"
    REFUSED = "refused"


class Execution(msgspec.Struct, kw_only=True):
    """One allowed intent. Won, shares, ns UTC.

    ``orders`` are the ids used so far, ``begun`` how many of them were written ahead. ``tries``
    counts the prices a sale has tried since its last slice was filled, ``reprices`` the orders that
    replaced another, ``refusals`` those the broker has refused in a row, ``unreached`` those that
    could not be brought to it in a row. ``due`` is when a working sale is to be priced anew.
    ``verdict`` is the end that a planned refusal leads to, ``withdrawn`` why nobody wants the
    execution any more.
    """

    intent: IntentSubmitted
    side: Side
    quantity: int
    phase: ExecutionPhase = ExecutionPhase.BETWEEN
    orders: list[OrderId] = msgspec.field(default_factory=list)
    begun: int = 0
    filled: int = 0
    tries: int = 0
    reprices: int = 0
    refusals: int = 0
    unreached: int = 0
    first_limit: int | None = None
    newest_limit: int | None = None
    due: int | None = None
    not_before: int = 0
    outcome: Outcome = Outcome.NOTHING
    code: str = ""
    verdict: str = ""
    withdrawn: str = ""
    route: Route = Route.KRX
    only_krx: bool = False

    @property
    def rest(self) -> int:
        """Allowed shares that were not executed."""
        return self.quantity - self.filled

    @property
    def next_order(self) -> OrderId:
        """The id of the next order; that of a held entry stays its own."""
        if self.phase is ExecutionPhase.HELD:
            return self.orders[-1]
        return order_id(self.intent.intent_id, len(self.orders) + 1)

    def begin(self, event: OrderSubmitting) -> None:
        """Take in that an order was written ahead."""
        self.begun += 1
        self.phase = ExecutionPhase.WORKING
        self.verdict = ""
        self.route = event.route
        self.due = None
        self.newest_limit = event.limit_price
        if self.first_limit is None:
            self.first_limit = event.limit_price

    def accept(self, order: Order) -> None:
        """Take in that an order works from now on, or has worked for longer than is known."""
        self.phase = ExecutionPhase.WORKING
        self.unreached = 0
        self.due = order.cancel_at
        if self.side is Side.SELL and self.route is not Route.NXT:
            # A sale may have waited to be sent; its lifetime is the time it can be executed in.
            waited = order.accepted_at - order.submitted_at
            self.due = max(order.cancel_at, order.cancel_at + waited)

    def conclude(
        self, order: Order, event: OrderClosed | OrderRejected, now: int, *, resting: bool
    ) -> None:
        """Take in that an order is over.

        A refusal while the symbol is interrupted or halted says nothing about the order, nor does
        one for want of a connection or a token.
        """
        self.phase = ExecutionPhase.BETWEEN
        if isinstance(event, OrderClosed):
            self.code = ""
            if order.remaining == 0:
                self.outcome, self.tries = Outcome.FILLED, 0
            else:
                self.outcome, self.tries = Outcome.WITHDRAWN, self.tries + 1
            if order.filled_quantity:
                self.refusals = 0
            return
        self.outcome, self.code = Outcome.REFUSED, event.code
        pause = _SECOND
        if resting:
            pause = _RESTING_PAUSE
        elif event.code in OUT_OF_REACH_CODES:
            pause = min(_SECOND << min(self.unreached, 10), _RESTING_PAUSE)
            self.unreached += 1
        elif event.code not in _NO_VERDICT_OF_THE_BROKER:
            pause = min(_SECOND << min(self.refusals, 10), _LONGEST_PAUSE)
            self.refusals += 1
            self.tries += 1
            self.only_krx = self.only_krx or self.route is not Route.KRX
        self.not_before = now + pause
