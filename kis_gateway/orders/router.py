"""The order router: follows a session's log and carries out what ``RouterCore`` wants.

Orders and cancels leave through ``order_sender`` and ``cancel_sender``, at most once each, under
the lease that lets one router at a time act. Everything else that is wanted is an event: it is
appended unless the log shows that somebody has done so.

Start-up is recovery: the session's log is read to its head without sending anything; an order that
was being sent when its process died becomes unknown; what was decided and not yet begun is then
begun, an entry only if its time has not passed. Entries wait besides for what came onto the log
meanwhile: they may have been withdrawn there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from bus import AppendConflict, IdentityReused, Log, Recorded, TimeSource, WallClock, entry
from events import Delivery, codec
from events.errors import CodecError
from events.market import SessionOpened
from events.ops import EventSetAside
from events.trading import (
    CancelUnknown,
    ExecutionEnded,
    OrderAccepted,
    OrderEvent,
    OrderRejected,
    OrderState,
    OrderSubmitting,
    OrderUnknown,
)
from kis_gateway.broker import Broker
from kis_gateway.conditions import SERVICE, Conditions
from kis_gateway.orders.actions import Action, Cancel, End, Hold, Refuse, Submit
from kis_gateway.orders.allocations import TRANSFERS
from kis_gateway.orders.cancel_sender import CancelSender
from kis_gateway.orders.first_look import FirstLook
from kis_gateway.orders.last_look import LastLook, RightToAct
from kis_gateway.orders.order_inquiry import closing
from kis_gateway.orders.order_sender import SENDABLE, OrderSender
from kis_gateway.orders.order_state import CancelState, Order
from kis_gateway.orders.order_writer import OrderWriter
from kis_gateway.orders.planner import PlanSettings
from kis_gateway.orders.router_core import RouterCore
from kis_gateway.publisher import Publisher

_WAIT: Final = 0.1


class Router:
    """Follows one session's log and trades by it."""

    topics: Final = tuple(
        dict.fromkeys((*RouterCore.topics, "trading.control", "trading.account", f"ops.{SERVICE}"))
    )
    """What the core must see, what moves allocations, and where the past ends."""

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
        lease: RightToAct,
        clock: WallClock | None = None,
        on_progress: Callable[[], None] = lambda: None,
        first_look: FirstLook | None = None,
    ) -> None:
        """``opening`` is the sequence of ``session``.

        ``head`` is the sequence at which the past ends: that of ``session`` or of a later entry on
        ``ops.gateway``. ``clock`` measures pauses of this process; nothing leaves before
        ``first_look``.
        """
        self._log = log
        self._time = time
        self._writer = writer
        self._publisher = publisher
        self._opening = opening
        self._head = head
        self._lease = lease
        self._on_progress = on_progress
        self._first_look = first_look
        self._core = RouterCore(session, settings)
        look = LastLook(writer.orders, time, lease, clock)
        self._orders = OrderSender(
            time=time,
            broker=broker,
            writer=writer,
            conditions=conditions,
            core=self._core,
            lease=lease,
            look=look,
        )
        self._cancels = CancelSender(
            time=time, broker=broker, writer=writer, lease=lease, look=look
        )
        self._group: asyncio.TaskGroup | None = None
        self._came_meanwhile = head
        self._level = asyncio.Event()
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
                    if self.caught_up.is_set() and self.position >= self._came_meanwhile:
                        self._level.set()
                    self.pending = reader.pending
                    self._on_progress()
            self._orders.stopping = True
            self._level.set()
            if self._first_look is not None:
                self._first_look.end()

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
        elif isinstance(event, TRANSFERS):
            self._writer.transfer(event)
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
        self._came_meanwhile = (await self._log.info()).last_sequence
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
        if isinstance(action, Submit):
            if action.expires_at is not None:
                await self._level.wait()
            if not await self._compared(action):
                return
        await self._lease.ensure()
        match action:
            case Submit():
                await self._orders.submit(action)
            case Cancel():
                await self._cancels.cancel(action)
            case Hold() | Refuse():
                await self._record_first(action.event)
            case End():
                await self._end(action.event)

    async def _compared(self, action: Submit) -> bool:
        """Wait for this process's first comparison of the account; whether to go on."""
        if self._first_look is None or await self._first_look.wait(action.expires_at):
            return True
        if not self._orders.stopping:  # Else it stays outstanding for the next start.
            await self._record_first(
                OrderRejected(
                    at=self._time.now(),
                    order_id=action.event.order_id,
                    code="EXPIRED",
                    message="its time passed before the account had been compared with the books",
                )
            )
        return False

    async def _record_first(self, event: OrderEvent) -> None:
        """Append an event that begins an order or follows its hold, unless that has happened."""

        def decide(order: Order | None) -> OrderEvent | None:
            state = None if order is None else order.state
            return event if state in SENDABLE and not _held_again(state, event) else None

        await self._writer.record(event.order_id, decide)

    async def _end(self, event: ExecutionEnded) -> None:
        """Append the end of an execution, once; what stands on the log already counts."""
        try:
            await self._log.append([entry(self._log.account, event)])
        except (AppendConflict, IdentityReused) as error:
            self._logger.info("execution_ended_before", intent=event.intent_id, error=str(error))

    def _after_event(self, order: Order, event: OrderEvent) -> None:
        """Begin the exits that waited for an order to become known."""
        if not self.caught_up.is_set() or self._orders.stopping:
            return
        if order.state is OrderState.UNKNOWN:
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
