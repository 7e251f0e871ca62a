"""Sends orders, each at most once.

Write ahead, then act, never twice: ``OrderSubmitting`` is durable on the log, appended against the
order's own subject, before the call leaves; only the process whose append succeeded calls, and it
calls once. What always holds besides:

- Nothing is written ahead and nothing leaves without a fresh lease. It is looked at last right
  before the bytes leave: a call may wait long in the queue of the call budget.
- A call does not leave long after its write-ahead: a process that was paused in between knows
  nothing of what happened meanwhile.
- While an order of a symbol and side, or the cancel of one, has no answer, no entry of the same
  leaves, and no exit that could be mistaken for it: the broker hands nothing of ours back, so two
  equal orders without an answer could never be told apart.
- An entry whose time has passed, and any order that is wanted no more, is refused up to the last
  moment before its call.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Container
from typing import Final

import msgspec

from bus import AppendUnknown, TimeSource
from events import OrderId, Symbol
from events.trading import (
    OrderAccepted,
    OrderEvent,
    OrderRejected,
    OrderState,
    OrderSubmitting,
    OrderUnknown,
    Side,
)
from kis_gateway.broker import (
    NOT_SENT,
    Accepted,
    Broker,
    OrderTicket,
    Outcome,
    Refused,
    Unknown,
)
from kis_gateway.conditions import Conditions
from kis_gateway.orders.actions import Submit
from kis_gateway.orders.last_look import LastLook, RightToAct
from kis_gateway.orders.order_inquiry import mistakable
from kis_gateway.orders.order_state import CancelState, Order
from kis_gateway.orders.order_writer import OrderWriter
from kis_gateway.orders.router_core import RouterCore

SENDABLE: Final = (None, OrderState.HELD)
_JUST_WRITTEN: Final = (OrderState.SUBMITTING,)
_UNANSWERED: Final = (OrderState.SUBMITTING, OrderState.UNKNOWN)


class OrderSender:
    """Carries out ``Submit``."""

    def __init__(
        self,
        *,
        time: TimeSource,
        broker: Broker,
        writer: OrderWriter,
        conditions: Conditions,
        core: RouterCore,
        lease: RightToAct,
        look: LastLook,
    ) -> None:
        self._time = time
        self._broker = broker
        self._writer = writer
        self._conditions = conditions
        self._core = core
        self._lease = lease
        self._look = look
        self._side_locks: defaultdict[tuple[Symbol, Side], asyncio.Lock] = defaultdict(asyncio.Lock)
        self._called: set[OrderId] = set()
        self.stopping = False
        """Set: nothing more is begun; what is wanted stays outstanding for the next start."""

    async def submit(self, action: Submit) -> None:
        """Send an order, unless it may not leave.

        Raises:
            LeaseLost: another process may act.
            IllegalTransition, BusError: see ``OrderWriter.record``.
        """
        event = action.event
        # One call per symbol and side at a time: each must know the answer of the one before it.
        async with self._side_locks[event.symbol, event.side]:
            if event.order_id in self._called or not await self._may_begin(action):
                return
            await self._lease.ensure()
            self._writer.in_flight.add(event.order_id)
            try:
                begun = self._look.begin()
                if await self._write_ahead(action):
                    await self._call(action, begun)
            finally:
                self._writer.in_flight.discard(event.order_id)

    async def _may_begin(self, action: Submit) -> bool:
        if self.stopping:
            return False
        event = action.event
        withdrawn = self._core.withdrawn(event.order_id)
        if withdrawn is not None:
            await self._refuse(event, "CANCELLED", withdrawn)
            return False
        orders = self._writer.orders
        unknown = tuple(orders.unknown(event.symbol, event.side))
        if action.expires_at is None:
            # A waiting exit is begun again once the order it could be mistaken for is settled.
            return not any(mistakable(order, event) for order in unknown)
        if unknown or self._cancel_unknown(event):
            message = "another order of this symbol and side, or its cancel, has no answer yet"
            await self._refuse(event, "UNKNOWN_PENDING", message)
            return False
        if self._core.log_time > action.expires_at:
            await self._refuse(event, "EXPIRED", "its time had passed before it could be sent")
            return False
        return True

    def _cancel_unknown(self, event: OrderSubmitting) -> bool:
        return any(
            order.cancel is CancelState.UNKNOWN
            for order in self._writer.orders.live()
            if (order.symbol, order.side) == (event.symbol, event.side)
        )

    async def _write_ahead(self, action: Submit) -> bool:
        """Make the order durable; whether this process did it and is to send the order."""
        event = msgspec.structs.replace(action.event, epoch=self._lease.epoch)

        def decide(order: Order | None) -> OrderEvent | None:
            if (None if order is None else order.state) not in SENDABLE:
                return None
            self._lease.require_fresh()
            return event

        try:
            written = await self._writer.record(event.order_id, decide)
        except AppendUnknown as lost:
            await self._writer.look(event, lost)
            await self._refuse(event, NOT_SENT, "the log answered late", _JUST_WRITTEN)
            return False
        if written is None:
            return False
        if action.expires_at is not None and self._time.now() > action.expires_at:
            message = "its time passed while it was being written ahead"
            await self._refuse(event, "EXPIRED", message, _JUST_WRITTEN)
            return False
        withdrawn = self._core.withdrawn(event.order_id)
        if withdrawn is not None:
            await self._refuse(event, "CANCELLED", withdrawn, _JUST_WRITTEN)
            return False
        return True

    async def _refuse(
        self,
        event: OrderSubmitting,
        code: str,
        message: str,
        states: Container[OrderState | None] = SENDABLE,
    ) -> None:
        def decide(order: Order | None) -> OrderEvent | None:
            if (None if order is None else order.state) not in states:
                return None
            return OrderRejected(
                at=self._time.now(), order_id=event.order_id, code=code, message=message
            )

        await self._writer.record(event.order_id, decide)

    async def _call(self, action: Submit, begun: int) -> None:
        """Send an order that this process has written ahead, and record the answer."""
        event = action.event
        self._called.add(event.order_id)
        obstacle = self._look.obstacle(begun)
        if obstacle is not None:
            await self._refuse(event, obstacle.code, obstacle.message, _UNANSWERED)
            self._lease.require_fresh()
            return
        outcome = await self._broker.submit(
            OrderTicket(
                symbol=event.symbol,
                side=event.side,
                kind=event.kind,
                quantity=event.quantity,
                limit_price=event.limit_price,
                expires_at=action.expires_at,
                route=event.route,
                may_leave=self._look.permission(event.order_id, self._still_unsent),
            )
        )
        await self._writer.record(event.order_id, lambda order: self._answer(order, outcome))
        order = self._writer.orders.order(event.order_id)
        if isinstance(outcome, Accepted) and (order is None or order.broker_order is None):
            await self._conditions.degraded(
                f"order_orphaned-{event.order_id}",
                f"the broker has it as {outcome.broker_order}, but the log had given it up",
            )
        self._look.end_if_lost(outcome)

    def _still_unsent(self, order: Order) -> bool:
        return order.state is OrderState.SUBMITTING and self._core.withdrawn(order.order_id) is None

    def _answer(self, order: Order | None, outcome: Outcome) -> OrderEvent | None:
        if order is None:
            return None
        given_up = order.state is OrderState.REJECTED and order.given_up_at > 0
        at = self._time.now()
        match outcome:
            case Accepted() if given_up:
                return OrderAccepted(
                    at=at,
                    order_id=order.order_id,
                    broker_order=outcome.broker_order,
                    branch=outcome.branch,
                    adopted=True,
                )
            case _ if order.state not in _UNANSWERED:
                return None
            case Accepted():
                return OrderAccepted(
                    at=at,
                    order_id=order.order_id,
                    broker_order=outcome.broker_order,
                    branch=outcome.branch,
                )
            case Refused():
                return OrderRejected(
                    at=at, order_id=order.order_id, code=outcome.code, message=outcome.message
                )
            case Unknown():
                if order.state is OrderState.UNKNOWN:
                    return None
                return OrderUnknown(at=at, order_id=order.order_id, reason=outcome.reason)
