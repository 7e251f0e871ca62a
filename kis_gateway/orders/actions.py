"""What the router's book-keeping wants done; whoever carries it out shows it on the log."""

from __future__ import annotations

import msgspec

from events import OrderId
from events.trading import ExecutionEnded, OrderHeld, OrderRejected, OrderSubmitting


class Hold(msgspec.Struct, frozen=True):
    """Keep an entry until its stop prints."""

    event: OrderHeld


class Submit(msgspec.Struct, frozen=True):
    """Send an order. An entry not sent by ``expires_at`` must not be sent; exits have ``None``."""

    event: OrderSubmitting
    expires_at: int | None


class Refuse(msgspec.Struct, frozen=True):
    """End an order before it was sent."""

    event: OrderRejected


class Cancel(msgspec.Struct, frozen=True):
    """Withdraw what is left of an order; ``attempt`` counts from 1."""

    order_id: OrderId
    attempt: int
    reason: str


class End(msgspec.Struct, frozen=True):
    """Say that no further order of an intent follows; appended once."""

    event: ExecutionEnded


Action = Hold | Submit | Refuse | Cancel | End
