"""Intents that may still trade: who sells how much already, and which buys still work.

What always holds: an intent counts from the moment it is asked until it is refused, expires or its
execution ends, whether an order of it works or not; an order that lives on after that counts by
itself. Nothing is concluded from the absence of an order.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from events import IntentId, OrderId, StrategyId, Symbol
from events.trading import (
    Decision,
    ExecutionEnded,
    IntentApproved,
    IntentDeferred,
    IntentKind,
    IntentModified,
    IntentRejected,
    IntentSubmitted,
    OrderAccepted,
    OrderClosed,
    OrderEvent,
    OrderFilled,
    OrderRejected,
    OrderSubmitting,
    Side,
)

Owner = tuple[StrategyId, Symbol]
"""Whose shares of which symbol."""

SIDES: Final = {
    IntentKind.ENTER: Side.BUY,
    IntentKind.REDUCE: Side.SELL,
    IntentKind.EXIT: Side.SELL,
    IntentKind.FLATTEN: Side.SELL,
}
"""Direction of the intents that become orders."""


class _Execution(msgspec.Struct):
    """``allowed`` is ``None`` until the gate has decided, ``asked`` for everything there is.

    ``limit`` is the worst price in won that the intent accepts, ``None`` for any.
    """

    intent_id: IntentId
    owner: Owner
    side: Side
    asked: int | None
    limit: int | None
    allowed: int | None = None
    filled: int = 0


class _Ticket(msgspec.Struct):
    """An order that was begun, and how much of it was executed."""

    intent_id: IntentId
    owner: Owner
    side: Side
    quantity: int
    filled: int = 0


class Executions:
    """Everything of one session that may still buy or sell."""

    def __init__(self) -> None:
        self._alive: dict[IntentId, _Execution] = {}
        self._by_owner: dict[tuple[Owner, Side], dict[IntentId, _Execution]] = {}
        self._orders: dict[OrderId, _Ticket] = {}
        self._live: dict[OrderId, _Ticket] = {}
        self._fates: dict[IntentId, str] = {}

    def alive(self, intent: IntentId) -> bool:
        """Return whether an intent may still trade."""
        return intent in self._alive

    def fate(self, intent: IntentId) -> str:
        """Return in words how an intent ended, empty while it has not."""
        return self._fates.get(intent, "")

    def covers(self, owner: Owner, quantity: int) -> bool:
        """Return whether sales that are asked for or allowed may still sell ``quantity`` shares."""
        selling = 0
        for execution in self._by_owner.get((owner, Side.SELL), {}).values():
            if execution.allowed is not None:
                selling += execution.allowed - execution.filled
            elif execution.asked is None:
                return True
            else:
                selling += execution.asked
        selling += sum(left for _, left in self._stragglers(owner, Side.SELL))
        return selling >= quantity

    def waiting(self, owner: Owner, price: int | None) -> list[str]:
        """Return the sales whose limit may not be reached at ``price`` won, the last one known.

        A sale at the last price itself may wait as well. Without a price every limit may.
        """
        return [
            execution.intent_id
            for execution in self._by_owner.get((owner, Side.SELL), {}).values()
            if execution.limit is not None
            and (price is None or execution.limit >= price)
            and execution.filled != execution.allowed
        ]

    def buys(self, owner: Owner) -> list[str]:
        """Return the buys that the gate let through and that may still trade.

        Each is named by its intent, or by its order when it outlives its intent's execution.
        """
        allowed: list[str] = [
            execution.intent_id
            for execution in self._by_owner.get((owner, Side.BUY), {}).values()
            if execution.allowed is not None and execution.allowed > execution.filled
        ]
        return allowed + [order for order, _ in self._stragglers(owner, Side.BUY)]

    def works(self, symbol: Symbol) -> bool:
        """Return whether anything of a symbol may still trade."""
        return any(each.owner[1] == symbol for each in self._alive.values()) or any(
            each.owner[1] == symbol for each in self._live.values()
        )

    def buyers(self) -> list[Owner]:
        """Return every owner with an allowed buy, each once, in order of appearance."""
        found = [owner for owner, side in self._by_owner if side is Side.BUY]
        found += [ticket.owner for ticket in self._live.values() if ticket.side is Side.BUY]
        return [owner for owner in dict.fromkeys(found) if self.buys(owner)]

    def submit(self, intent: IntentSubmitted) -> None:
        """Count an intent that becomes orders when it is let through."""
        side = SIDES.get(intent.kind)
        if side is None:
            return
        owner = (intent.strategy, intent.symbol)
        execution = _Execution(intent.intent_id, owner, side, intent.quantity, intent.limit_price)
        self._alive[intent.intent_id] = execution
        self._by_owner.setdefault((owner, side), {})[intent.intent_id] = execution

    def decide(self, decision: Decision) -> None:
        """Take in what the gate said; nothing follows from a refusal or from zero shares."""
        execution = self._alive.get(decision.intent_id)
        if execution is None:
            return
        match decision:
            case IntentApproved(quantity=quantity) | IntentModified(quantity=quantity):
                execution.allowed = quantity
                if quantity < 1:
                    self._end(decision.intent_id, "no shares allowed")
            case IntentRejected():
                self._end(decision.intent_id, f"refused by {decision.rejected_by}")
            case IntentDeferred():
                self._end(decision.intent_id, f"deferred by {decision.deferred_by}")

    def expire(self, intent: IntentId) -> None:
        """Forget an intent that was too old to be submitted."""
        self._end(intent, "expired before it was submitted")

    def end(self, event: ExecutionEnded) -> None:
        """Take in that no further order of an intent follows."""
        filled, quantity = event.filled_quantity, event.quantity
        self._end(event.intent_id, f"ended ({event.reason}), {filled} of {quantity} executed")

    def order(self, event: OrderEvent) -> Owner | None:
        """Take in a step of an order; return whose it is, ``None`` for one never begun."""
        if isinstance(event, OrderSubmitting):
            owner = (event.strategy, event.symbol)
            begun = _Ticket(event.intent_id, owner, event.side, event.quantity)
            self._orders[event.order_id] = self._live[event.order_id] = begun
            return owner
        ticket = self._orders.get(event.order_id)
        if ticket is None:
            return None
        match event:
            case OrderFilled():
                self._fill(ticket, event.quantity)
            case OrderAccepted():
                # Also after a refusal: the broker lists an order that was given up.
                self._live[event.order_id] = ticket
            case OrderRejected() | OrderClosed():
                self._live.pop(event.order_id, None)
        return ticket.owner

    def _fill(self, ticket: _Ticket, quantity: int) -> None:
        ticket.filled += quantity
        execution = self._alive.get(ticket.intent_id)
        if execution is not None:
            execution.filled += quantity

    def _stragglers(self, owner: Owner, side: Side) -> Iterator[tuple[OrderId, int]]:
        """Yield the live orders without an execution, and what is left of each."""
        for order, ticket in self._live.items():
            if (ticket.owner, ticket.side) == (owner, side):
                left = ticket.quantity - ticket.filled
                if left > 0 and ticket.intent_id not in self._alive:
                    yield order, left

    def _end(self, intent: IntentId, fate: str) -> None:
        execution = self._alive.pop(intent, None)
        if execution is not None:
            del self._by_owner[execution.owner, execution.side][intent]
            self._fates[intent] = fate
