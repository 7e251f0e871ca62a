"""What notices of executions, withdrawals and refusals prove about our orders.

Notices are fast and may be lost, repeated, late, or ahead of the answer they belong to. What always
holds: a notice is booked only while everything booked of its order came by notices to this process,
so it can be no execution that an inquiry or a run before has already booked; whatever is doubtful
is left to the next inquiry, which is then made at once. A notice whose order has no number yet
waits for it; one of an order that nobody here placed waits in vain.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from typing import Final

from bus import TimeSource
from events import OrderId
from events.trading import (
    CancelRejected,
    FillSource,
    OrderAccepted,
    OrderEvent,
    OrderState,
)
from kis_gateway.broker import FillNotice, OrderNotice
from kis_gateway.conditions import Conditions
from kis_gateway.orders.listed_orders import ListedOrders
from kis_gateway.orders.order_book import plain_number
from kis_gateway.orders.order_inquiry import closing, execution, refusal
from kis_gateway.orders.order_state import CancelState, Order
from kis_gateway.orders.order_writer import OrderWriter

_PARKED: Final = 1_000

Notice = FillNotice | OrderNotice


class Notices:
    """Takes notices in, one after the other."""

    def __init__(
        self,
        *,
        writer: OrderWriter,
        time: TimeSource,
        conditions: Conditions,
        listed: ListedOrders,
        ask_now: Callable[[], None],
    ) -> None:
        """``ask_now`` has the broker asked for the orders at once."""
        self._writer = writer
        self._time = time
        self._conditions = conditions
        self._listed = listed
        self._ask_now = ask_now
        self._received: asyncio.Queue[Notice] = asyncio.Queue(maxsize=_PARKED)
        self._matched: asyncio.Queue[Notice] = asyncio.Queue()
        self._parked: dict[str, list[Notice]] = {}
        self._counted: set[tuple[OrderId, int, int, int]] = set()
        self._booked: defaultdict[OrderId, int] = defaultdict(int)
        writer.observe(self._observe)

    async def put(self, notice: Notice) -> None:
        """Take in a notice of the feed; waits only while a thousand are queued."""
        await self._received.put(notice)

    async def run(self) -> None:
        """Work for ever; raises what the log raises."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._take(self._received))
            group.create_task(self._take(self._matched))

    def _observe(self, order: Order, event: OrderEvent) -> None:
        if isinstance(event, OrderAccepted):
            for notice in self._parked.pop(plain_number(event.broker_order), ()):
                self._matched.put_nowait(notice)

    async def _take(self, notices: asyncio.Queue[Notice]) -> None:
        while True:
            notice = await notices.get()
            if isinstance(notice, FillNotice):
                await self._take_fill(notice)
            else:
                await self._take_order_notice(notice)

    def _park(self, number: str, notice: Notice) -> None:
        """Keep a notice whose order has no number yet; orders placed by hand never get one here."""
        if sum(map(len, self._parked.values())) >= _PARKED:
            del self._parked[next(iter(self._parked))]
        self._parked.setdefault(plain_number(number), []).append(notice)
        orders = self._writer.orders
        unknown = any(order.state is OrderState.UNKNOWN for order in orders.live())
        if unknown or any(orders.given_up()):
            self._ask_now()

    async def _take_fill(self, notice: FillNotice) -> None:
        order = self._writer.orders.numbered(notice.broker_order)
        if order is None:
            self._park(notice.broker_order, notice)
            return
        key = order.order_id, notice.time, notice.quantity, notice.price
        # The exchange stamps full seconds: an equal notice may be a second equal fill or a repeat.
        # The inquiry tells.
        if key in self._counted:
            self._ask_now()
            return
        self._counted.add(key)
        booked = await self._writer.record(order.order_id, lambda now: self._execution(now, notice))
        if booked is not None:
            self._booked[order.order_id] += notice.quantity
            await self._listed.report_late(booked)
            await self._listed.follow(order.order_id, None)
            return
        self._ask_now()
        if order.state is OrderState.REJECTED:
            await self._conditions.degraded(
                f"late_fill-{order.order_id}",
                f"a notice shows {notice.quantity} shares executed after the order was rejected",
            )

    def _execution(self, order: Order | None, notice: FillNotice) -> OrderEvent | None:
        assert order is not None
        if self._booked[order.order_id] != order.filled_quantity:
            return None
        if notice.quantity > order.remaining:
            return None
        if order.state in (OrderState.REJECTED, OrderState.FILLED):
            return None
        return execution(
            order,
            quantity=notice.quantity,
            amount=notice.quantity * notice.price,
            price=notice.price,
            source=FillSource.NOTICE,
            at=self._time.now(),
            board=self._listed.board(notice.symbol),
            settled_on=self._listed.settled_on,
        )

    async def _take_order_notice(self, notice: OrderNotice) -> None:
        number = notice.original or notice.broker_order
        order = self._writer.orders.numbered(number)
        if order is None:
            if notice.cancelled or notice.rejected:
                self._park(number, notice)
            return
        if notice.rejected:
            await self._writer.record(order.order_id, lambda now: self._refusal(now, notice))
        elif notice.cancelled:
            await self._writer.record(order.order_id, lambda now: self._withdrawal(now, notice))
            self._ask_now()

    def _refusal(self, order: Order | None, notice: OrderNotice) -> OrderEvent | None:
        assert order is not None
        at = self._time.now()
        if notice.original is not None:
            if order.cancel not in (CancelState.ACCEPTED, CancelState.UNKNOWN):
                return None
            return CancelRejected(
                at=at,
                order_id=order.order_id,
                attempt=order.cancel_attempts,
                code="EXCHANGE",
                message="refused by the exchange",
            )
        if order.state is not OrderState.ACCEPTED:
            return None
        return refusal(order, at=at)

    def _withdrawal(self, order: Order | None, notice: OrderNotice) -> OrderEvent | None:
        assert order is not None
        # Proof only when executed and withdrawn shares add up; else a fill is still on its way.
        if order.over or order.filled_quantity + notice.quantity != order.quantity:
            return None
        if order.state is OrderState.FILLED:
            return None  # Nothing was left to withdraw; what books its last fill closes it.
        return closing(order, OrderState.CANCELLED, at=self._time.now(), reason="notice")
