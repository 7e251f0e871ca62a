"""Sends cancels, each attempt at most once.

What always holds: ``CancelSubmitting`` is durable before the call leaves, nothing leaves without a
fresh lease, and an attempt that certainly did not leave is recorded as refused, so that the next
one follows.
"""

from __future__ import annotations

from typing import Final

from bus import TimeSource
from events.trading import (
    CancelAccepted,
    CancelRejected,
    CancelSubmitting,
    CancelUnknown,
    OrderEvent,
    OrderState,
)
from kis_gateway.broker import Accepted, Broker, CancelTicket, Outcome, Refused, Unknown
from kis_gateway.orders.actions import Cancel
from kis_gateway.orders.last_look import LastLook, RightToAct
from kis_gateway.orders.order_state import CancelState, Order
from kis_gateway.orders.order_writer import OrderWriter

_WORKING: Final = (OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED)


class CancelSender:
    """Carries out ``Cancel``."""

    def __init__(
        self,
        *,
        time: TimeSource,
        broker: Broker,
        writer: OrderWriter,
        lease: RightToAct,
        look: LastLook,
    ) -> None:
        self._time = time
        self._broker = broker
        self._writer = writer
        self._lease = lease
        self._look = look

    async def cancel(self, action: Cancel) -> None:
        """Withdraw what is left of a working order, unless another attempt is being made.

        Raises:
            LeaseLost: another process may act.
            IllegalTransition, BusError: see ``OrderWriter.record``.
        """

        def write_ahead(order: Order | None) -> OrderEvent | None:
            if (
                order is None
                or order.state not in _WORKING
                or order.cancel is CancelState.SUBMITTING
                or order.cancel_attempts + 1 != action.attempt
            ):
                return None
            self._lease.require_fresh()
            return CancelSubmitting(
                at=self._time.now(),
                order_id=action.order_id,
                attempt=action.attempt,
                reason=action.reason,
            )

        await self._lease.ensure()
        self._writer.cancelling.add(action.order_id)
        try:
            begun = self._look.begin()
            if await self._writer.record(action.order_id, write_ahead) is not None:
                await self._call_cancel(action, begun)
        finally:
            self._writer.cancelling.discard(action.order_id)

    async def _call_cancel(self, action: Cancel, begun: int) -> None:
        order = self._writer.orders.order(action.order_id)
        assert order is not None
        assert order.broker_order is not None  # a working order has a number
        assert order.symbol is not None
        outcome: Outcome | None = self._look.obstacle(begun)
        if outcome is None:
            outcome = await self._broker.cancel(
                CancelTicket(
                    broker_order=order.broker_order,
                    branch=order.branch,
                    symbol=order.symbol,
                    route=order.route,
                    may_leave=self._look.permission(
                        action.order_id, lambda now: now.cancel is CancelState.SUBMITTING
                    ),
                )
            )
        await self._writer.record(
            action.order_id, lambda now: self._cancel_answer(now, action.attempt, outcome)
        )
        self._look.end_if_lost(outcome)

    def _cancel_answer(
        self, order: Order | None, attempt: int, outcome: Outcome
    ) -> OrderEvent | None:
        if order is None or order.cancel_attempts != attempt:
            return None
        at, order_id, cancel = self._time.now(), order.order_id, order.cancel
        unanswered = cancel in (CancelState.SUBMITTING, CancelState.UNKNOWN)
        match outcome:
            case Accepted() if unanswered:
                return CancelAccepted(
                    at=at, order_id=order_id, attempt=attempt, broker_order=outcome.broker_order
                )
            case Refused() if unanswered:
                return CancelRejected(
                    at=at,
                    order_id=order_id,
                    attempt=attempt,
                    code=outcome.code,
                    message=outcome.message,
                )
            case Unknown() if cancel is CancelState.SUBMITTING:
                return CancelUnknown(
                    at=at, order_id=order_id, attempt=attempt, reason=outcome.reason
                )
        return None
