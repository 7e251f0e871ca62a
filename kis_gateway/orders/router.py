"""The order router: carries out what ``RouterCore`` wants, at most once per order.

Write ahead, then act, never twice: ``OrderSubmitting`` is durable on the log, appended against the
order's own subject, before the call leaves; only the process whose append succeeded calls, and it
calls once. An answer that is no clear yes or no makes the order unknown, and only the broker's list
of orders settles it (``settlement``). An entry whose time has passed, or whose strategy has left
meanwhile, is refused up to the last moment before its call; an exit waits only behind an order
without an answer that it could be mistaken for.

Start-up is recovery: the session's log is read to its head without sending anything; an order that
was being sent when its process died becomes unknown; what was decided and not yet begun is then
begun, an entry only if its time has not passed.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Container
from typing import Final

import structlog

from bus import AppendUnknown, Log, Recorded, TimeSource
from events import Delivery, OrderId, Symbol, codec
from events.errors import CodecError
from events.market import SessionOpened
from events.ops import EventSetAside
from events.trading import (
    CancelAccepted,
    CancelRejected,
    CancelSubmitting,
    CancelUnknown,
    OrderAccepted,
    OrderEvent,
    OrderRejected,
    OrderState,
    OrderSubmitting,
    OrderUnknown,
    Side,
)
from kis_gateway.broker import (
    Accepted,
    Broker,
    CancelTicket,
    OrderTicket,
    Outcome,
    Refused,
    Unknown,
)
from kis_gateway.conditions import SERVICE, Conditions
from kis_gateway.orders.order_inquiry import closing, mistakable
from kis_gateway.orders.order_state import CancelState, Order
from kis_gateway.orders.order_writer import OrderWriter
from kis_gateway.orders.planner import PlanSettings
from kis_gateway.orders.router_core import Action, Cancel, Hold, Refuse, RouterCore, Submit
from kis_gateway.publisher import Publisher

_WAIT: Final = 0.1
_SENDABLE: Final = (None, OrderState.HELD)
_JUST_WRITTEN: Final = (OrderState.SUBMITTING,)
_UNANSWERED: Final = (OrderState.SUBMITTING, OrderState.UNKNOWN)
_WORKING: Final = (OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED)


class Router:
    """Follows one session's log and trades by it."""

    topics: Final = (*RouterCore.topics, f"ops.{SERVICE}")

    def __init__(
        self,
        *,
        log: Log,
        time: TimeSource,
        broker: Broker,
        writer: OrderWriter,
        publisher: Publisher,
        conditions: Conditions,
        session: SessionOpened,
        opening: int,
        head: int,
        settings: PlanSettings,
        on_progress: Callable[[], None] = lambda: None,
    ) -> None:
        """``opening`` is the sequence of ``session``.

        ``head`` is the sequence at which the past ends: that of ``session`` or of a later entry on
        ``ops.gateway``.
        """
        self._log = log
        self._time = time
        self._broker = broker
        self._writer = writer
        self._publisher = publisher
        self._conditions = conditions
        self._opening = opening
        self._head = head
        self._on_progress = on_progress
        self._core = RouterCore(session, settings)
        self._side_locks: defaultdict[tuple[Symbol, Side], asyncio.Lock] = defaultdict(asyncio.Lock)
        self._called: set[OrderId] = set()
        self._group: asyncio.TaskGroup | None = None
        self._stopping = False
        self._logger = structlog.get_logger().bind(service="router")
        self.position = opening - 1
        """Last sequence dealt with."""
        self.pending = 0
        """Log entries not yet dealt with."""
        self.past_market_at = 0
        """Newest market instant that was on the log at the start (ns UTC)."""
        self.caught_up = asyncio.Event()
        """Set once the past has been read and recovery is done."""
        writer.observe(self._after_event)

    @property
    def core(self) -> RouterCore:
        """The book-keeping that this shell follows."""
        return self._core

    async def run(self, stop: asyncio.Event) -> None:
        """Trade until ``stop`` is set; calls that are out are waited for.

        Raises:
            IllegalTransition: the log holds an order event that cannot be.
            BusError: the log cannot be read or appended to.
        """
        async with asyncio.TaskGroup() as group:
            self._group = group
            async with self._log.read(
                after=self._opening - 1,
                topics=self.topics,
                unhurried=("market.trade", "market.quote"),
            ) as reader:
                while not stop.is_set():
                    for recorded in await reader.batch(_WAIT):
                        await self._take(recorded)
                    self.pending = reader.pending
                    self._on_progress()
            self._stopping = True

    async def _take(self, recorded: Recorded) -> None:
        live = self.caught_up.is_set()
        self.position = recorded.sequence
        try:
            event = codec.decode(recorded.payload)
        except CodecError as error:
            await self._set_aside(recorded, error)
            return
        actions = self._core.handle(Delivery(recorded.sequence, event))
        if isinstance(event, OrderEvent):
            self._writer.take(recorded.sequence, event)
        if live:
            for action in actions:
                self._begin(action)
        elif recorded.sequence >= self._head:
            await self._recover()

    async def _set_aside(self, recorded: Recorded, error: CodecError) -> None:
        self._logger.error("event_set_aside", sequence=recorded.sequence, error=str(error))
        if recorded.sequence > self._head:
            await self._publisher.offer(
                EventSetAside(
                    at=self._time.now(),
                    service=SERVICE,
                    sequence=recorded.sequence,
                    subject=recorded.subject,
                    error=str(error),
                    payload=recorded.payload,
                )
            )

    # -- recovery --------------------------------------------------------------------------------

    async def _recover(self) -> None:
        self.past_market_at = self._core.log_time
        for order in tuple(self._writer.orders.live()):
            await self._writer.record(order.order_id, self._interrupted)
            await self._writer.record(order.order_id, self._cancel_interrupted)
            await self._writer.record(order.order_id, self._completed)
        outstanding = self._core.outstanding()
        self._logger.info("caught_up", position=self.position, outstanding=len(outstanding))
        self.caught_up.set()
        for action in outstanding:
            self._begin(action)

    def _interrupted(self, order: Order | None) -> OrderEvent | None:
        if order is None or order.state is not OrderState.SUBMITTING:
            return None
        return OrderUnknown(at=self._time.now(), order_id=order.order_id, reason="restart")

    def _cancel_interrupted(self, order: Order | None) -> OrderEvent | None:
        if order is None or order.cancel is not CancelState.SUBMITTING:
            return None
        return CancelUnknown(
            at=self._time.now(),
            order_id=order.order_id,
            attempt=order.cancel_attempts,
            reason="restart",
        )

    def _completed(self, order: Order | None) -> OrderEvent | None:
        if order is None or order.over or order.state is not OrderState.FILLED:
            return None
        if order.broker_order is None:
            return None
        return closing(order, OrderState.FILLED, at=self._time.now(), reason="filled")

    # -- actions ---------------------------------------------------------------------------------

    def _begin(self, action: Action) -> None:
        assert self._group is not None
        self._group.create_task(self._perform(action))

    async def _perform(self, action: Action) -> None:
        match action:
            case Submit():
                await self._submit(action)
            case Cancel():
                await self._cancel(action)
            case Hold():
                await self._record_first(action.event)
            case Refuse():
                await self._record_first(action.event)

    async def _record_first(self, event: OrderEvent) -> bool:
        """Append an event that begins an order or follows its hold; whether this call did it."""

        def decide(order: Order | None) -> OrderEvent | None:
            state = None if order is None else order.state
            return event if state in _SENDABLE and not _held_again(state, event) else None

        return await self._writer.record(event.order_id, decide) is not None

    async def _submit(self, action: Submit) -> None:
        event = action.event
        # One call per symbol and side at a time: two equal orders without an answer could never be
        # told apart, because the broker hands nothing of ours back.
        async with self._side_locks[event.symbol, event.side]:
            if event.order_id in self._called or not await self._may_leave(action):
                return
            self._writer.in_flight.add(event.order_id)
            try:
                if await self._write_ahead(action):
                    await self._call(action)
            finally:
                self._writer.in_flight.discard(event.order_id)

    async def _write_ahead(self, action: Submit) -> bool:
        """Make the order durable; whether this process did it and is to send the order."""
        event = action.event
        try:
            written = await self._record_first(event)
        except AppendUnknown as lost:
            await self._writer.look(event, lost)
            await self._refuse(event, "NOT_SENT", "the log answered late", _JUST_WRITTEN)
            return False
        if not written:
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

    async def _may_leave(self, action: Submit) -> bool:
        if self._stopping:
            return False  # It stays outstanding for the next start.
        event = action.event
        unknown = tuple(self._writer.orders.unknown(event.symbol, event.side))
        if action.expires_at is None:
            # A waiting exit is begun again once the order it could be mistaken for is settled.
            return not any(mistakable(order, event) for order in unknown)
        withdrawn = self._core.withdrawn(event.order_id)
        if withdrawn is not None:
            await self._refuse(event, "CANCELLED", withdrawn)
            return False
        if unknown:
            message = "another order of this symbol and side has no answer yet"
            await self._refuse(event, "UNKNOWN_PENDING", message)
            return False
        if self._core.log_time > action.expires_at:
            await self._refuse(event, "EXPIRED", "its time had passed before it could be sent")
            return False
        return True

    async def _refuse(
        self,
        event: OrderSubmitting,
        code: str,
        message: str,
        states: Container[OrderState | None] = _SENDABLE,
    ) -> None:
        def decide(order: Order | None) -> OrderEvent | None:
            if (None if order is None else order.state) not in states:
                return None
            return OrderRejected(
                at=self._time.now(), order_id=event.order_id, code=code, message=message
            )

        await self._writer.record(event.order_id, decide)

    async def _call(self, action: Submit) -> None:
        """Send an order that this process has written ahead, and record the answer."""
        event = action.event
        self._called.add(event.order_id)
        outcome = await self._broker.submit(
            OrderTicket(
                symbol=event.symbol,
                side=event.side,
                kind=event.kind,
                quantity=event.quantity,
                limit_price=event.limit_price,
                expires_at=action.expires_at,
            )
        )
        await self._writer.record(event.order_id, lambda order: self._answer(order, outcome))
        order = self._writer.orders.order(event.order_id)
        if isinstance(outcome, Accepted) and (order is None or order.broker_order is None):
            await self._conditions.degraded(
                f"order_orphaned-{event.order_id}",
                f"the broker has it as {outcome.broker_order}, but the log had given it up",
            )

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

    async def _cancel(self, action: Cancel) -> None:
        def write_ahead(order: Order | None) -> OrderEvent | None:
            if (
                order is None
                or order.state not in _WORKING
                or order.cancel is CancelState.SUBMITTING
                or order.cancel_attempts + 1 != action.attempt
            ):
                return None
            return CancelSubmitting(
                at=self._time.now(),
                order_id=order.order_id,
                attempt=action.attempt,
                reason=action.reason,
            )

        self._writer.cancelling.add(action.order_id)
        try:
            if await self._writer.record(action.order_id, write_ahead) is not None:
                await self._call_cancel(action)
        finally:
            self._writer.cancelling.discard(action.order_id)

    async def _call_cancel(self, action: Cancel) -> None:
        order = self._writer.orders.order(action.order_id)
        assert order is not None
        assert order.broker_order is not None  # a working order has a number
        assert order.symbol is not None
        outcome = await self._broker.cancel(
            CancelTicket(broker_order=order.broker_order, branch=order.branch, symbol=order.symbol)
        )
        await self._writer.record(
            action.order_id, lambda now: self._cancel_answer(now, action.attempt, outcome)
        )

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

    def _after_event(self, order: Order, event: OrderEvent) -> None:
        """Begin the exits that waited for an order to become known."""
        if not self.caught_up.is_set() or order.state is OrderState.UNKNOWN:
            return
        if isinstance(event, OrderAccepted | OrderRejected) and order.symbol is not None:
            for action in self._core.outstanding():
                if (
                    isinstance(action, Submit)
                    and action.expires_at is None
                    and (action.event.symbol, action.event.side) == (order.symbol, order.side)
                ):
                    self._begin(action)


def _held_again(state: OrderState | None, event: OrderEvent) -> bool:
    return state is OrderState.HELD and not isinstance(event, OrderSubmitting | OrderRejected)
