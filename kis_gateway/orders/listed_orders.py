"""What the rows of the broker's list prove about our orders, recorded one finding after the other.

What always holds: executions are booked before an order is closed; an execution shown after the
order was closed is booked and reported; a figure that contradicts the books is acted upon only when
two readings some seconds apart agree, as lists lag. Another traded value is then corrected. Fewer
executed shares than were booked are reported and never booked back: what was proved once is not
undone by a list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Final

import msgspec

from bus import TimeSource
from events import OrderId, Symbol
from events.prices import Board
from events.trading import OrderEvent, OrderFilled, OrderState, Route
from kis_gateway.broker import BrokerOrder
from kis_gateway.conditions import Conditions
from kis_gateway.errors import InquiryFailed
from kis_gateway.orders.order_book import plain_number
from kis_gateway.orders.order_inquiry import correction, could_be_ours, next_finding
from kis_gateway.orders.order_state import Order
from kis_gateway.orders.order_writer import OrderWriter

_SECOND: Final = 1_000_000_000

AFTER_CLOSE_S: Final = 5
"""Executions of a punctual closing match may be listed this late (seconds)."""

LAPSED_AFTER_CLOSE_S: Final = 600
"""What still remains this long after the scheduled close has lapsed (seconds).

KRX ends the closing auction at random within 30 seconds; the rest is for lists that lag.
"""

_STABLE_S: Final = 10
"""Orders were listed up to five seconds late; twice that makes a figure stable (seconds)."""


class _Contradiction(msgspec.Struct, frozen=True):
    """A row's figures that are not the booked ones, and when they were first read (ns UTC)."""

    filled_quantity: int
    filled_amount: int
    since: int


class ListedOrders:
    """Records what rows prove."""

    def __init__(
        self,
        *,
        writer: OrderWriter,
        time: TimeSource,
        conditions: Conditions,
        close_at: int,
        settled_on: date,
        board: Callable[[Symbol], Board],
        final: bool = False,
    ) -> None:
        """``settled_on`` is the settlement date of the day's trades, which fixes the tax rate.

        ``final`` says that the lists are of a day that is over, so that they change no more.
        """
        self._writer = writer
        self._time = time
        self._conditions = conditions
        self._close_at = close_at
        self.settled_on = settled_on
        """Settlement date of the day's trades."""
        self.board = board
        """Tells which tick and tax table a symbol follows."""
        self._final = final
        self._contradictions: dict[OrderId, _Contradiction] = {}

    async def readable(self, rows: Sequence[BrokerOrder]) -> list[BrokerOrder]:
        """Return the rows that can be read; the others must certainly not be ours.

        Raises:
            InquiryFailed: a row that may be ours cannot be read.
        """
        found = []
        for row in rows:
            if row.unreadable is None:
                found.append(row)
            elif could_be_ours(self._writer.orders, row):
                raise InquiryFailed("orders", "MALFORMED", row.unreadable)
            else:
                await self._conditions.degraded(
                    f"order_unreadable-{plain_number(row.broker_order)}",
                    f"a foreign order was passed over: {row.unreadable}",
                )
        return found

    async def apply(self, rows: Sequence[BrokerOrder], asked_at: int) -> None:
        """Record what the rows prove about orders with a number; ``asked_at`` is ns UTC."""
        by_number = {plain_number(row.broker_order): row for row in rows if not row.is_cancel}
        amended = frozenset(
            plain_number(row.original) for row in by_number.values() if row.original is not None
        )
        await self._apply_live(by_number, amended, asked_at)
        for row in by_number.values():
            ended = self._writer.orders.numbered(row.broker_order)
            if ended is not None and ended.over:
                await self.follow(ended.order_id, row, asked_at)
                await self._compare(ended.order_id, row, asked_at)

    async def _apply_live(
        self, by_number: Mapping[str, BrokerOrder], amended: Iterable[str], asked_at: int
    ) -> None:
        for order in tuple(self._writer.orders.live()):
            if order.broker_order is None or order.state is OrderState.UNKNOWN:
                continue
            number = plain_number(order.broker_order)
            row = by_number.get(number)
            await self.follow(order.order_id, row, asked_at, amended=number in amended)
            unlisted = f"order_unlisted-{order.order_id}"
            if row is not None:
                await self._conditions.recovered(unlisted, "the broker lists it")
            elif self._lapsed(order, asked_at):
                await self._conditions.degraded(
                    unlisted,
                    f"the broker took it in as {order.broker_order} and does not list it",
                )

    async def follow(
        self,
        order_id: OrderId,
        row: BrokerOrder | None,
        asked_at: int = 0,
        *,
        amended: bool = False,
    ) -> None:
        """Record everything that a row proves, one event after the other.

        ``amended`` says that the list shows an order that has taken this one's place.
        """

        def decide(order: Order | None) -> OrderEvent | None:
            assert order is not None
            return next_finding(
                order,
                row,
                at=self._time.now(),
                after_close=asked_at >= self._close_at + AFTER_CLOSE_S * _SECOND,
                lapsed=self._lapsed(order, asked_at),
                amended=amended and order.route is Route.KRX,
                board=Board.KOSPI if order.symbol is None else self.board(order.symbol),
                settled_on=self.settled_on,
            )

        while (event := await self._writer.record(order_id, decide)) is not None:
            await self.report_late(event)

    def _lapsed(self, order: Order, asked_at: int) -> bool:
        """Return whether what a list of ``asked_at`` shows as remaining is executed no more.

        NXT trades until the evening: what was sent there ends with the list of a day that is over.
        """
        after_krx = asked_at >= self._close_at + LAPSED_AFTER_CLOSE_S * _SECOND
        return self._final or (after_krx and order.route is Route.KRX)

    async def report_late(self, event: OrderEvent) -> None:
        """Say that shares changed hands when the order had been closed already."""
        order = self._writer.orders.order(event.order_id)
        if isinstance(event, OrderFilled) and order is not None and order.closed:
            await self._conditions.degraded(
                f"late_fill-{event.order_id}",
                f"{event.quantity} shares were executed after the order had ended; they are booked",
            )

    async def _compare(self, order_id: OrderId, row: BrokerOrder, asked_at: int) -> None:
        """Act on figures of an ended order that stay different from the booked ones."""
        order = self._writer.orders.order(order_id)
        condition = f"fewer_shares-{order_id}"
        if order is None or not order.closed or order.filled_quantity == 0:
            return
        figures = row.filled_quantity, row.filled_amount
        if figures == (order.filled_quantity, order.filled_amount):
            self._contradictions.pop(order_id, None)
            await self._conditions.recovered(condition, "the broker lists what was booked")
            return
        if not self._stable(order_id, row, asked_at):
            return
        if row.filled_quantity < order.filled_quantity:
            await self._conditions.degraded(
                condition,
                f"the broker lists {row.filled_quantity} executed shares, booked are "
                f"{order.filled_quantity}; compare the account and reallocate what is missing",
            )
        elif row.filled_quantity == order.filled_quantity:
            await self._writer.record(order_id, lambda now: self._correction(now, row))

    def _stable(self, order_id: OrderId, row: BrokerOrder, asked_at: int) -> bool:
        known = self._contradictions.get(order_id)
        if known is None or (known.filled_quantity, known.filled_amount) != (
            row.filled_quantity,
            row.filled_amount,
        ):
            known = _Contradiction(row.filled_quantity, row.filled_amount, asked_at)
            self._contradictions[order_id] = known
        return self._final or asked_at >= known.since + _STABLE_S * _SECOND

    def _correction(self, order: Order | None, row: BrokerOrder) -> OrderEvent | None:
        assert order is not None
        assert order.symbol is not None
        return correction(
            order,
            row,
            at=self._time.now(),
            board=self.board(order.symbol),
            settled_on=self.settled_on,
        )
