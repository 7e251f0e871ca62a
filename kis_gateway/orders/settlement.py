"""Learns what became of orders: by notices, and by asking the broker for the day's orders.

Notices are fast and may be lost, repeated, late, or ahead of the answer they belong to; the list of
orders is slow and complete. Executions from both are one series by cumulative quantity, so a fill
is booked once, at most a few seconds late, never twice (``notices``, ``listed_orders``).

An order without an answer is settled by this inquiry alone (``unknown_orders``). An order or cancel
that another process was sending counts as without an answer once that process has been silent for
longer than a call can take (``silent_senders``).

Ends are taken back only by the broker: an order given up as never arrived is looked for until the
session ends and adopted when its row appears; an execution shown after the order was closed is
booked. Both are reported. What is left of an order at the close is closed when its row says that
nothing remains, or ten minutes after the close, when the closing match is over whatever happened.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import date
from typing import Final

import msgspec

from bus import TimeSource
from events import Symbol, TradingDate
from events.prices import Board
from events.trading import OrderEvent, OrderState
from kis_gateway.broker import Broker
from kis_gateway.conditions import Conditions
from kis_gateway.errors import InquiryFailed, SettingsError
from kis_gateway.orders.first_look import FirstLook
from kis_gateway.orders.inquiry_health import ORDERS, InquiryHealth
from kis_gateway.orders.listed_orders import AFTER_CLOSE_S, LAPSED_AFTER_CLOSE_S, ListedOrders
from kis_gateway.orders.notices import Notice, Notices
from kis_gateway.orders.order_state import CancelState, Order
from kis_gateway.orders.order_writer import OrderWriter
from kis_gateway.orders.silent_senders import SilentSenders
from kis_gateway.orders.unknown_orders import UnknownOrders
from kis_gateway.waiting import sleep_until_or

_SECOND: Final = 1_000_000_000
_PROOF_S: Final = 2
"""A cancel taken in, refused or unanswered is looked into after this many seconds."""


class SettlementSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often the day's orders are asked for (seconds); notices drive, inquiries confirm.

    Every ``working_s`` while orders work and after a failure, else every ``idle_s``, and not more
    often than every ``spacing_s``.
    """

    working_s: float = 5.0
    idle_s: float = 30.0
    spacing_s: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.spacing_s <= self.working_s <= self.idle_s:
            raise SettingsError(
                "inquiries must satisfy 0 < spacing_s <= working_s <= idle_s, got "
                f"{self.spacing_s}, {self.working_s}, {self.idle_s}"
            )


class Settlement:
    """Merges notices and inquiries into order events."""

    def __init__(
        self,
        *,
        writer: OrderWriter,
        broker: Broker,
        time: TimeSource,
        conditions: Conditions,
        day: TradingDate,
        close_at: int,
        settled_on: date,
        board: Callable[[Symbol], Board],
        settings: SettlementSettings,
        health: InquiryHealth | None = None,
        first_look: FirstLook | None = None,
    ) -> None:
        """``settled_on`` is the settlement date of today's trades, which fixes the tax rate.

        ``health`` is shared with whoever else asks for the account; ``first_look`` is told when
        the orders have been read.
        """
        self._writer = writer
        self._broker = broker
        self._time = time
        self._day = day
        self._close_at = close_at
        self._settings = settings
        self._health = health or InquiryHealth(conditions)
        self._first_look = first_look
        self._listed = ListedOrders(
            writer=writer,
            time=time,
            conditions=conditions,
            close_at=close_at,
            settled_on=settled_on,
            board=board,
        )
        self._unknown = UnknownOrders(
            writer=writer, time=time, conditions=conditions, listed=self._listed
        )
        self._notices = Notices(
            writer=writer,
            time=time,
            conditions=conditions,
            listed=self._listed,
            ask_now=self.ask_now,
        )
        self._asked_at = 0
        self._wanted = False
        self._failed = False
        self._alarm = asyncio.Event()
        self._silent = SilentSenders(writer, time)
        writer.observe(self._observe)

    def ask_now(self) -> None:
        """Ask the broker for the orders as soon as the spacing allows."""
        self._wanted = True
        self._alarm.set()

    async def on_notice(self, notice: Notice) -> None:
        """Take in a notice of the feed; waits only while a thousand are queued."""
        await self._notices.put(notice)

    async def run(self) -> None:
        """Work for ever; raises what the log raises."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._notices.run())
            group.create_task(self._inquire())

    def _observe(self, order: Order, event: OrderEvent) -> None:
        if not order.over:
            self._alarm.set()  # The next inquiry may now be due earlier.

    async def _inquire(self) -> None:
        while True:
            while (due := self._due()) > self._time.now():
                self._alarm.clear()
                await sleep_until_or(self._time, due, self._alarm)
            self._wanted = False
            await self._silent.give_up()
            asked_at = self._asked_at = self._time.now()
            try:
                rows = await self._listed.readable(await self._broker.orders(self._day))
            except InquiryFailed as error:
                self._failed = True
                await self._health.failed(ORDERS, str(error))
                continue
            self._failed = False
            await self._health.answered(ORDERS)
            await self._unknown.apply(rows, asked_at)
            await self._listed.apply(rows, asked_at)
            if self._first_look is not None:
                self._first_look.orders_read()

    def _due(self) -> int:
        """Return when to ask next (ns UTC)."""
        earliest = self._asked_at + round(self._settings.spacing_s * _SECOND)
        if self._wanted:
            return earliest
        pause_s = self._settings.working_s if self._failed else self._settings.idle_s
        dues = [self._asked_at + round(pause_s * _SECOND)]
        dues.extend(self._silent.dues())
        for order in self._writer.orders.live():
            if order.state is OrderState.UNKNOWN:
                dues.append(self._unknown.due(order, self._asked_at))
            elif order.broker_order is not None:
                dues.append(self._asked_at + round(self._settings.working_s * _SECOND))
                if order.cancel not in (CancelState.NONE, CancelState.SUBMITTING):
                    dues.append(max(order.cancel_changed_at, self._asked_at) + _PROOF_S * _SECOND)
        for after_close in (AFTER_CLOSE_S, LAPSED_AFTER_CLOSE_S):
            due = self._close_at + after_close * _SECOND
            if self._asked_at < due:
                dues.append(due)
        return max(earliest, min(dues))
