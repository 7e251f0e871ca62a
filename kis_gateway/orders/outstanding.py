"""The actions called for that the log does not show as done, and the events they carry. Pure.

What always holds: there is at most one planned action per order; an action leaves this list only by
what stands on the log, so after a restart exactly what is left to do is found again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from events import IntentId, OrderId, Symbol
from events.trading import (
    ExecutionEnded,
    OrderEvent,
    OrderHeld,
    OrderRejected,
    OrderState,
    OrderSubmitting,
    Side,
)
from kis_gateway.orders.actions import Action, Cancel, End, Hold, Refuse, Submit
from kis_gateway.orders.executions import Execution
from kis_gateway.orders.next_order import Send
from kis_gateway.orders.order_state import Order

_ORDER: Final = "order"
_CANCEL: Final = "cancel"
_END: Final = "end"
"""What an action is about; there is one action of each for an order or an intent."""

_BEGINNINGS: Final = (Hold, Submit, Refuse)


class Cause(NamedTuple):
    """The log entry that something follows from: its sequence and its ``at``."""

    sequence: int
    at: int


class Outstanding:
    """Every action called for and not yet done."""

    def __init__(self) -> None:
        self._wanted: dict[tuple[str, str], Action] = {}

    def actions(self) -> list[Action]:
        """Return them all, in the order in which they were called for."""
        return list(self._wanted.values())

    def planned(self, order: OrderId) -> Hold | Submit | Refuse | None:
        """Return how an order is to begin, or why not."""
        action = self._wanted.get((_ORDER, order))
        return action if isinstance(action, _BEGINNINGS) else None

    def submits(self, symbol: Symbol, side: Side) -> Iterator[OrderSubmitting]:
        """Yield the orders of a symbol and side that are to be sent."""
        for action in self.actions():
            if isinstance(action, Submit):
                event = action.event
                if (event.symbol, event.side) == (symbol, side):
                    yield event

    def cancelling(self, order: OrderId) -> bool:
        """Return whether an order is to be withdrawn already."""
        return (_CANCEL, order) in self._wanted

    def hold(self, cause: Cause, execution: Execution, order: OrderId, stop_price: int) -> Hold:
        """Call for an entry to be kept until its stop prints."""
        action = Hold(
            OrderHeld(
                at=cause.at,
                cause=cause.sequence,
                order_id=order,
                intent_id=execution.intent.intent_id,
                stop_price=stop_price,
                expires_at=execution.intent.expires_at,
            )
        )
        self._want(_ORDER, order, action)
        return action

    def submit(self, cause: Cause, execution: Execution, order: OrderId, send: Send) -> Submit:
        """Call for an order to be sent."""
        intent, plan = execution.intent, send.plan
        event = OrderSubmitting(
            at=cause.at,
            cause=cause.sequence,
            order_id=order,
            intent_id=intent.intent_id,
            strategy=intent.strategy,
            symbol=intent.symbol,
            side=plan.side,
            kind=plan.kind,
            quantity=plan.quantity,
            limit_price=plan.limit_price,
            cancel_at=plan.cancel_at,
            route=send.route,
            replaces=send.replaces,
        )
        action = Submit(event, intent.expires_at if plan.side is Side.BUY else None)
        self._want(_ORDER, order, action)
        return action

    def refuse(self, cause: Cause, order: OrderId, code: str, message: str) -> Refuse:
        """Call for an order to end before it is sent, in the place of what was planned for it."""
        event = OrderRejected(at=cause.at, order_id=order, code=code, message=message)
        action = Refuse(event)
        self._want(_ORDER, order, action)
        return action

    def cancel(self, order: Order, reason: str) -> Cancel:
        """Call for the next attempt to withdraw an order."""
        action = Cancel(order.order_id, order.cancel_attempts + 1, reason)
        self._want(_CANCEL, order.order_id, action)
        return action

    def end(self, cause: Cause, execution: Execution, reason: str) -> End:
        """Call for the end of an execution to be written."""
        intent = execution.intent
        action = End(
            ExecutionEnded(
                at=cause.at,
                cause=cause.sequence,
                intent_id=intent.intent_id,
                strategy=intent.strategy,
                symbol=intent.symbol,
                side=execution.side,
                quantity=execution.quantity,
                filled_quantity=execution.filled,
                orders=execution.begun,
                reason=reason,
            )
        )
        self._want(_END, intent.intent_id, action)
        return action

    def seen(self, order: Order, event: OrderEvent) -> None:
        """Take in an event of an order: what it shows as done or pointless is called for no more.

        An order that was sent although its refusal was called for is sent; the refusal came late.
        """
        planned = self.planned(event.order_id)
        if planned is not None and (
            order.state is not OrderState.HELD or isinstance(planned, Hold)
        ):
            self.drop(event.order_id)
        cancel = self._wanted.get((_CANCEL, event.order_id))
        if isinstance(cancel, Cancel) and (order.over or order.cancel_attempts >= cancel.attempt):
            del self._wanted[_CANCEL, event.order_id]

    def ended(self, intent: IntentId) -> None:
        """Take in that the end of an execution stands on the log."""
        self._wanted.pop((_END, intent), None)

    def drop(self, order: OrderId) -> None:
        """Call no more for what was planned for an order."""
        self._wanted.pop((_ORDER, order), None)

    def _want(self, slot: str, key: str, action: Action) -> None:
        self._wanted.pop((slot, key), None)  # what is called for anew comes last
        self._wanted[slot, key] = action
