"""Settles what earlier sessions left open, before the books of the next one are made.

A process that died before the close leaves orders whose executions nobody has booked. The broker
still lists every order of those days, and a list of a day that is over changes no more, so one
complete reading of it is proof: of executions, of ends, of orders that never arrived, of orders
that were given up and are there after all, of other traded values.

What always holds: the proofs are those of the session itself (``listed_orders``,
``unknown_orders``); an order that the list does not settle, or whose list cannot be had, stays as
it is and is reported, and the next opening tries again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec
import structlog

from bus import Log, TimeSource
from events import Delivery, OrderId, Symbol, TradingDate, calendar
from events.market import SessionOpened, SymbolReference
from events.ops import Degraded, Recovered
from events.prices import Board
from events.trading import (
    OrderEvent,
    OrderRejected,
    OrderState,
    OrderUnknown,
)
from kis_gateway.broker import Broker, BrokerOrder
from kis_gateway.conditions import SERVICE, Conditions
from kis_gateway.day.ended_executions import end_executions
from kis_gateway.day.session_past import replay
from kis_gateway.errors import IllegalTransition, InquiryFailed
from kis_gateway.orders.listed_orders import ListedOrders
from kis_gateway.orders.order_book import plain_number
from kis_gateway.orders.order_state import Order
from kis_gateway.orders.order_writer import OrderWriter
from kis_gateway.orders.unknown_orders import UnknownOrders
from kis_gateway.publisher import Publisher

_TOPICS: Final = ("market.session.*", "market.status.*", "trading.order.*", f"ops.{SERVICE}")
_BOARDS: Final = {board.value: board for board in Board}
_SETTLEMENT_DAYS: Final = 2
"""KRX stocks settle two sessions after the trade."""

_PAUSE_S: Final = 2


class Session(msgspec.Struct):
    """An earlier session with its orders; ``sequence`` is that of its opening."""

    sequence: int
    opened: SessionOpened
    writer: OrderWriter
    newest: int = 0

    @property
    def day(self) -> TradingDate:
        """Its date."""
        return self.opened.trading_date

    def open_orders(self) -> list[Order]:
        """Return the orders of which it is not known what became of them."""
        return list(self.writer.orders.live())


class Night:
    """What the log holds of earlier sessions, and what is done about it before the next one."""

    def __init__(self, log: Log, broker: Broker, time: TimeSource, run: str) -> None:
        """``run`` is that of the process: it keeps the ids of its entries apart."""
        self._log = log
        self._broker = broker
        self._time = time
        self._run = run
        self._boards: dict[Symbol, Board] = {}
        self._degraded: set[str] = set()
        self._unfit: dict[str, str] = {}
        self._logger = structlog.get_logger().bind(service=SERVICE)
        self.sessions: list[Session] = []
        """The earlier sessions, oldest first."""

    async def read(self, *, before: TradingDate, head: int) -> None:
        """Read every session before a date; ``head`` is the sequence of an entry on ops.gateway."""
        async for delivery in replay(self._log, after=0, topics=_TOPICS, until=head):
            self._take(delivery, before)

    def _take(self, delivery: Delivery, before: TradingDate) -> None:
        match delivery.event:
            case SessionOpened() as opened if opened.trading_date < before:
                writer = OrderWriter(self._log, self._run, opened)
                self.sessions.append(Session(delivery.sequence, opened, writer))
            case SymbolReference() as reference:
                self._boards[reference.symbol] = _BOARDS.get(reference.market, Board.KOSPI)
            case OrderEvent() as event:
                self._take_order(delivery.sequence, event)
            case Degraded() as event:
                self._degraded.add(event.condition)
            case Recovered() as event:
                self._degraded.discard(event.condition)
            case _:
                pass

    def _take_order(self, sequence: int, event: OrderEvent) -> None:
        # An order settled on a later morning still belongs to the session that began it.
        owner = next(
            (each for each in self.sessions if each.writer.orders.order(event.order_id)),
            self.sessions[-1] if self.sessions else None,
        )
        if owner is None:
            return
        try:
            owner.writer.take(sequence, event)
        except IllegalTransition as error:
            self._unfit[event.order_id] = str(error)
            return
        owner.newest = max(owner.newest, sequence)

    @property
    def previous(self) -> tuple[int, SessionOpened] | None:
        """The opening of the newest earlier session, ``None`` when there is none."""
        if not self.sessions:
            return None
        return self.sessions[-1].sequence, self.sessions[-1].opened

    @property
    def newest(self) -> int:
        """Sequence of the newest order entry, those written by ``settle`` included."""
        return max((session.newest for session in self.sessions), default=0)

    async def settle(self, *, patience: int) -> None:
        """Settle what can be settled; ask for each day's list up to ``patience`` times.

        Raises:
            BusError: the log cannot be appended to.
        """
        concerned = [
            session
            for session in self.sessions
            if session.open_orders()
            # Late executions and other values of orders that had ended show in the last list.
            or (session is self.sessions[-1] and session.newest > 0)
        ]
        if not concerned and not self._unfit:
            return
        publisher = Publisher(self._log, self._run)
        conditions = Conditions(publisher, self._time)
        conditions.resume(self._degraded)
        async with asyncio.TaskGroup() as group:
            writing = group.create_task(publisher.run())
            for order_id, problem in self._unfit.items():
                await conditions.degraded(f"order_history-{order_id}", problem)
            for session in concerned:
                await self._settle(session, conditions, patience)
            await publisher.flush()
            writing.cancel()

    async def _settle(self, session: Session, conditions: Conditions, patience: int) -> None:
        condition = f"overnight-{session.day}"
        open_before = session.open_orders()
        session.writer.observe(lambda order, event: self._note(session, order))
        rows = await self._rows(session.day, patience)
        if rows is None:
            await conditions.degraded(
                condition,
                f"the orders of {session.day} could not be read: {len(open_before)} of them are "
                "open or unknown, and the books lack what became of them",
            )
            return
        try:
            unlisted = await self._apply(session, rows, conditions)
        except InquiryFailed as error:
            await conditions.degraded(condition, str(error))
            return
        if unlisted:
            await conditions.degraded(
                condition,
                f"the list of {session.day} lacks {len(unlisted)} orders that the broker took in, "
                f"{unlisted[0]} among them: it proves nothing about orders without an answer",
            )
        else:
            await conditions.recovered(condition, f"the orders of {session.day} were read")
        for order in open_before:
            await self._conclude(session, order.order_id, conditions)
        await end_executions(self._log, self._time, session.writer)

    async def _apply(
        self, session: Session, rows: Sequence[BrokerOrder], conditions: Conditions
    ) -> list[OrderId]:
        """Record what the rows prove; return the orders that the list should have and has not.

        Raises:
            InquiryFailed: a row that may be ours cannot be read.
        """
        unlisted = _unlisted(session, rows)
        asked_at = self._time.now()
        listed = ListedOrders(
            writer=session.writer,
            time=self._time,
            conditions=conditions,
            close_at=session.opened.close_at,
            settled_on=calendar.next_session(
                calendar.kst(session.opened.open_at).date(), _SETTLEMENT_DAYS
            ),
            board=lambda symbol: self._boards.get(symbol, Board.KOSPI),
            final=True,
        )
        unknown = UnknownOrders(
            writer=session.writer,
            time=self._time,
            conditions=conditions,
            listed=listed,
            final=not unlisted,
        )
        readable = await listed.readable(rows)
        for order in session.open_orders():
            await session.writer.record(order.order_id, self._interrupted)
        await unknown.apply(readable, self._time.now())
        await listed.apply(readable, asked_at)
        return unlisted

    def _note(self, session: Session, order: Order) -> None:
        record = session.writer.orders.record(order.order_id)
        assert record is not None  # it has just been written
        session.newest = max(session.newest, record.sequence)

    async def _rows(self, day: TradingDate, patience: int) -> Sequence[BrokerOrder] | None:
        for attempt in range(patience):
            if attempt:
                await self._time.sleep(_PAUSE_S)
            try:
                return await self._broker.orders(day)
            except InquiryFailed as error:
                self._logger.warning("orders_failed", day=day, error=str(error))
        return None

    def _interrupted(self, order: Order | None) -> OrderEvent | None:
        """Return what follows from the night alone: nothing is on its way any more."""
        assert order is not None
        at = self._time.now()
        if order.state is OrderState.HELD:
            return OrderRejected(
                at=at,
                order_id=order.order_id,
                code="SESSION_CLOSED",
                message="the session closed before its stop",
            )
        if order.state is OrderState.SUBMITTING:
            return OrderUnknown(at=at, order_id=order.order_id, reason="its sender gave no answer")
        return None

    async def _conclude(self, session: Session, order_id: OrderId, conditions: Conditions) -> None:
        """Say what the list did not settle."""
        order = session.writer.orders.order(order_id)
        assert order is not None
        condition = f"order_carried-{order_id}"
        if order.over:
            await conditions.recovered(condition, f"settled: {order.state}")
        else:
            await conditions.degraded(
                condition,
                f"the list of {session.day} does not settle it: {order.state}, "
                f"{order.filled_quantity} of {order.quantity} executed as far as is known",
            )


def _unlisted(session: Session, rows: Sequence[BrokerOrder]) -> list[OrderId]:
    """Return the orders that the broker took in and does not list."""
    listed = {plain_number(row.broker_order) for row in rows}
    return [
        order.order_id
        for order in session.writer.orders.all()
        if order.broker_order is not None and plain_number(order.broker_order) not in listed
    ]
