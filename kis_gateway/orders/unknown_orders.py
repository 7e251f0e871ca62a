"""Settles orders whose answer was lost, by the broker's list of orders alone.

What always holds: exactly one matching row adopts an order, none after half a minute and several
looks means that it never arrived, anything else stays unknown. Which of two equal rows is ours
cannot be known and is not guessed. An order given up as never arrived is looked for as long as its
day is asked for, and adopted when its row appears after all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from bus import TimeSource
from events import OrderId
from events.trading import OrderAccepted, OrderEvent, OrderRejected, OrderState
from kis_gateway.broker import BrokerOrder
from kis_gateway.conditions import Conditions
from kis_gateway.orders.listed_orders import ListedOrders
from kis_gateway.orders.order_book import plain_number
from kis_gateway.orders.order_inquiry import matching_rows, mistakable
from kis_gateway.orders.order_state import NOT_FOUND, Order
from kis_gateway.orders.order_writer import OrderWriter

_SECOND: Final = 1_000_000_000
_POLLS_S: Final = (2, 4, 7, 11, 16, 22, 30)
"""Seconds after an order became unknown at which its row is looked for; later every ten."""

_LATER_POLLS_S: Final = 10
_LOST_AFTER_S: Final = 30
_LOST_AFTER_POLLS: Final = 3
_NUMBER_DIGITS: Final = 10


class UnknownOrders:
    """Looks for the rows of orders without an answer."""

    def __init__(
        self,
        *,
        writer: OrderWriter,
        time: TimeSource,
        conditions: Conditions,
        listed: ListedOrders,
        final: bool = False,
    ) -> None:
        """``final`` says that the lists are of a day that is over: one of them is proof."""
        self._writer = writer
        self._time = time
        self._conditions = conditions
        self._listed = listed
        self._final = final
        self._polls: defaultdict[OrderId, int] = defaultdict(int)
        self._seen: dict[str, int] = {}

    def due(self, order: Order, asked_at: int) -> int:
        """Return when to look for an order next; ``asked_at`` was the last time (ns UTC)."""
        polls = self._polls[order.order_id]
        if polls < len(_POLLS_S):
            return order.unknown_at + _POLLS_S[polls] * _SECOND
        return asked_at + _LATER_POLLS_S * _SECOND

    async def apply(self, rows: Sequence[BrokerOrder], asked_at: int) -> None:
        """Record what the rows, asked for at ``asked_at`` (ns UTC), prove."""
        for order in tuple(self._writer.orders.live()):
            if order.state is OrderState.UNKNOWN:
                await self._settle(order, rows, asked_at)
        for order in tuple(self._writer.orders.given_up()):
            await self._look_again(order, rows, asked_at)
        now = self._time.now()
        for row in rows:
            self._seen.setdefault(plain_number(row.broker_order), now)

    def _matches(self, order: Order, rows: Sequence[BrokerOrder]) -> list[BrokerOrder]:
        return matching_rows(order, rows, self._writer.orders.claimed, self._seen)

    async def _settle(self, order: Order, rows: Sequence[BrokerOrder], asked_at: int) -> None:
        if order.order_id in self._writer.in_flight or asked_at < order.unknown_at:
            return
        self._polls[order.order_id] += 1
        matches = self._matches(order, rows)
        if len(matches) == 1 and not self._has_twin(order):
            await self._adopt(order, matches[0], asked_at)
        elif matches:
            await self._report_ambiguous(order, matches)
        elif self._is_lost(order, asked_at):
            await self._writer.record(order.order_id, self._not_found)
            await self._conditions.degraded(
                f"order_not_found-{order.order_id}",
                f"no trace at the broker after {self._polls[order.order_id]} inquiries",
            )

    def _is_lost(self, order: Order, asked_at: int) -> bool:
        return self._final or (
            self._polls[order.order_id] >= _LOST_AFTER_POLLS
            and asked_at - order.unknown_at >= _LOST_AFTER_S * _SECOND
        )

    async def _look_again(self, order: Order, rows: Sequence[BrokerOrder], asked_at: int) -> None:
        """Adopt an order that was given up as not found, should its row have appeared."""
        matches = self._matches(order, rows)
        if not matches or self._has_twin(order):
            return  # The row of a younger order without an answer is that one's.
        rivals = [other for other in self._writer.orders.given_up() if mistakable(order, other)]
        if len(matches) > 1 or len(rivals) > 1:
            await self._report_ambiguous(order, matches)
            return
        await self._adopt(order, matches[0], asked_at)
        await self._conditions.degraded(
            f"order_found_late-{order.order_id}",
            f"the broker has it as {matches[0].broker_order}, after it was given up as not found",
        )

    async def _adopt(self, order: Order, row: BrokerOrder, asked_at: int) -> None:
        await self._writer.record(order.order_id, lambda now: self._adoption(now, row))
        await self._conditions.recovered(
            f"order_ambiguous-{order.order_id}", f"the broker has it as {row.broker_order}"
        )
        await self._listed.follow(order.order_id, row, asked_at)

    async def _report_ambiguous(self, order: Order, matches: Sequence[BrokerOrder]) -> None:
        await self._conditions.degraded(
            f"order_ambiguous-{order.order_id}",
            f"{len(matches)} orders at the broker may be it; it stays {order.state} until an "
            "operator or the end of the session settles it",
        )

    def _has_twin(self, order: Order) -> bool:
        """Return whether the row of another order without an answer could be taken for its own."""
        return any(
            other.order_id != order.order_id
            and other.state in (OrderState.UNKNOWN, OrderState.SUBMITTING)
            and mistakable(order, other)
            for other in self._writer.orders.live()
        )

    def _adoption(self, order: Order | None, row: BrokerOrder) -> OrderEvent | None:
        if order is None or order.broker_order is not None:
            return None
        if order.state is not OrderState.UNKNOWN and not order.given_up_at:
            return None
        return OrderAccepted(
            at=self._time.now(),
            order_id=order.order_id,
            # Answers give ten digits, one of the lists drops leading zeros; a cancel needs them.
            broker_order=row.broker_order.strip().zfill(_NUMBER_DIGITS),
            branch=row.branch,
            adopted=True,
        )

    def _not_found(self, order: Order | None) -> OrderEvent | None:
        if order is None or order.state is not OrderState.UNKNOWN or order.filled_quantity:
            return None
        return OrderRejected(
            at=self._time.now(),
            order_id=order.order_id,
            code=NOT_FOUND,
            message="the answer was lost and the broker lists no such order",
        )
