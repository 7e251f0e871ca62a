"""Learns what became of orders: by notices, and by asking the broker for the day's orders.

Notices are fast and may be lost, repeated, late, or ahead of the answer they belong to; the list of
orders is slow and complete. Executions from both are one series by cumulative quantity: a notice
counts only for what exceeds everything known, and whatever is doubtful is left to the next inquiry,
which is then made at once. So a fill is booked once, at most a few seconds late, never twice.

An order without an answer is settled by this inquiry alone: exactly one matching row adopts it,
none after half a minute and several looks means that it never arrived, anything else stays unknown.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import date
from typing import Final

import msgspec

from bus import TimeSource
from events import OrderId, Symbol, TradingDate
from events.prices import Board
from events.trading import (
    CancelRejected,
    FillSource,
    OrderAccepted,
    OrderEvent,
    OrderRejected,
    OrderState,
)
from kis_gateway.broker import Broker, BrokerOrder, FillNotice, OrderNotice
from kis_gateway.conditions import Conditions
from kis_gateway.errors import InquiryFailed, SettingsError
from kis_gateway.order_book import plain_number
from kis_gateway.order_inquiry import closing, execution, matching_rows, next_finding
from kis_gateway.order_state import CancelState, Order
from kis_gateway.order_writer import OrderWriter
from kis_gateway.waiting import sleep_until_or

_SECOND: Final = 1_000_000_000
_UNKNOWN_POLLS_S: Final = (2, 4, 7, 11, 16, 22, 30)
"""Seconds after an order became unknown at which its row is looked for; later every ten."""

_LATER_POLLS_S: Final = 10
_LOST_AFTER_S: Final = 30
_LOST_AFTER_POLLS: Final = 3
_PROOF_S: Final = 2
"""A cancel taken in, refused or unanswered is looked into after this many seconds."""

_AFTER_CLOSE_S: Final = 5
"""Executions of the closing match may be listed this late (seconds)."""

_PARKED: Final = 1_000
_NUMBER_DIGITS: Final = 10

_INQUIRY_CONDITION: Final = "orders_inquiry"

Notice = FillNotice | OrderNotice


class SettlementSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often the day's orders are asked for (seconds); notices drive, inquiries confirm."""

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
    ) -> None:
        """``settled_on`` is the settlement date of today's trades, which fixes the tax rate."""
        self._writer = writer
        self._broker = broker
        self._time = time
        self._conditions = conditions
        self._day = day
        self._close_at = close_at
        self._settled_on = settled_on
        self._board = board
        self._settings = settings
        self._begun_at = time.now()
        self._notices: asyncio.Queue[Notice] = asyncio.Queue(maxsize=_PARKED)
        self._parked: dict[str, list[Notice]] = {}
        self._counted: set[tuple[OrderId, int, int, int]] = set()
        self._noticed: dict[OrderId, int] = {}
        self._polls: defaultdict[OrderId, int] = defaultdict(int)
        self._asked_at = 0
        self._wanted = False
        self._alarm = asyncio.Event()
        self._matched: asyncio.Queue[Notice] = asyncio.Queue()
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
            group.create_task(self._take_notices(self._notices))
            group.create_task(self._take_notices(self._matched))
            group.create_task(self._inquire())

    def _observe(self, order: Order, event: OrderEvent) -> None:
        if isinstance(event, OrderAccepted):
            for notice in self._parked.pop(plain_number(event.broker_order), ()):
                self._matched.put_nowait(notice)
        if not order.over:
            self._alarm.set()  # The next inquiry may now be due earlier.

    # -- notices ---------------------------------------------------------------------------------

    async def _take_notices(self, notices: asyncio.Queue[Notice]) -> None:
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
        if any(order.state is OrderState.UNKNOWN for order in self._writer.orders.live()):
            self.ask_now()

    async def _take_fill(self, notice: FillNotice) -> None:
        order = self._writer.orders.numbered(notice.broker_order)
        if order is None:
            self._park(notice.broker_order, notice)
            return
        key = order.order_id, notice.time, notice.quantity, notice.price
        # The exchange stamps full seconds: an equal notice may be a second equal fill or a repeat,
        # and one from before this process began may be booked already. The inquiry tells.
        if key in self._counted or notice.time < self._begun_at // _SECOND * _SECOND:
            self.ask_now()
            return
        self._counted.add(key)
        before = self._noticed.get(order.order_id, order.noticed_quantity)
        total = self._noticed[order.order_id] = before + notice.quantity

        def decide(current: Order | None) -> OrderEvent | None:
            assert current is not None
            if current.over or before < current.filled_quantity or total > current.quantity:
                return None
            return execution(
                current,
                quantity=notice.quantity,
                amount=notice.quantity * notice.price,
                price=notice.price,
                source=FillSource.NOTICE,
                at=self._time.now(),
                board=self._board(notice.symbol),
                settled_on=self._settled_on,
            )

        if await self._writer.record(order.order_id, decide) is not None:
            await self._follow_row(order.order_id, None)
            return
        self._noticed[order.order_id] = before
        self.ask_now()
        if order.over and order.state is not OrderState.FILLED and before >= order.filled_quantity:
            await self._conditions.degraded(
                f"late_fill-{order.order_id}",
                f"{notice.quantity} shares were executed after the order had ended",
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
            self.ask_now()

    def _refusal(self, order: Order | None, notice: OrderNotice) -> OrderEvent | None:
        assert order is not None
        at = self._time.now()
        message = "refused by the exchange"
        if notice.original is not None:
            if order.cancel not in (CancelState.ACCEPTED, CancelState.UNKNOWN):
                return None
            return CancelRejected(
                at=at,
                order_id=order.order_id,
                attempt=order.cancel_attempts,
                code="EXCHANGE",
                message=message,
            )
        if order.state is not OrderState.ACCEPTED:
            return None
        return OrderRejected(at=at, order_id=order.order_id, code="EXCHANGE", message=message)

    def _withdrawal(self, order: Order | None, notice: OrderNotice) -> OrderEvent | None:
        assert order is not None
        # Proof only when executed and withdrawn shares add up; else a fill is still on its way.
        if order.over or order.filled_quantity + notice.quantity != order.quantity:
            return None
        return closing(order, OrderState.CANCELLED, at=self._time.now(), reason="notice")

    # -- inquiries -------------------------------------------------------------------------------

    async def _inquire(self) -> None:
        while True:
            while (due := self._due()) > self._time.now():
                self._alarm.clear()
                await sleep_until_or(self._time, due, self._alarm)
            self._wanted = False
            asked_at = self._asked_at = self._time.now()
            try:
                rows = await self._broker.orders(self._day)
            except InquiryFailed as error:
                await self._conditions.degraded(_INQUIRY_CONDITION, str(error))
                continue
            await self._conditions.recovered(_INQUIRY_CONDITION, "the day's orders were read")
            await self._apply(rows, asked_at)

    def _due(self) -> int:
        """Return when to ask next (ns UTC)."""
        earliest = self._asked_at + round(self._settings.spacing_s * _SECOND)
        if self._wanted:
            return earliest
        dues = [self._asked_at + round(self._settings.idle_s * _SECOND)]
        for order in self._writer.orders.live():
            if order.state is OrderState.UNKNOWN:
                dues.append(self._unknown_due(order))
            elif order.broker_order is not None:
                dues.append(self._asked_at + round(self._settings.working_s * _SECOND))
                if order.cancel not in (CancelState.NONE, CancelState.SUBMITTING):
                    dues.append(max(order.cancel_changed_at, self._asked_at) + _PROOF_S * _SECOND)
        after_close = self._close_at + _AFTER_CLOSE_S * _SECOND
        if self._asked_at < after_close:
            dues.append(after_close)
        return max(earliest, min(dues))

    def _unknown_due(self, order: Order) -> int:
        polls = self._polls[order.order_id]
        if polls < len(_UNKNOWN_POLLS_S):
            return order.unknown_at + _UNKNOWN_POLLS_S[polls] * _SECOND
        return self._asked_at + _LATER_POLLS_S * _SECOND

    async def _apply(self, rows: Sequence[BrokerOrder], asked_at: int) -> None:
        by_number = {plain_number(row.broker_order): row for row in rows if not row.is_cancel}
        session_over = asked_at >= self._close_at + _AFTER_CLOSE_S * _SECOND
        for order in tuple(self._writer.orders.live()):
            if order.state is OrderState.UNKNOWN:
                await self._settle(order, rows, asked_at)
            elif order.broker_order is not None:
                row = by_number.get(plain_number(order.broker_order))
                await self._follow_row(order.order_id, row, session_over=session_over)
                if row is None and session_over:
                    await self._conditions.degraded(
                        f"order_unlisted-{order.order_id}",
                        f"the broker took it in as {order.broker_order} and does not list it",
                    )

    async def _follow_row(
        self, order_id: OrderId, row: BrokerOrder | None, *, session_over: bool = False
    ) -> None:
        """Record everything that a row proves, one event after the other."""

        def decide(order: Order | None) -> OrderEvent | None:
            assert order is not None
            return next_finding(
                order,
                row,
                at=self._time.now(),
                session_over=session_over,
                board=Board.KOSPI if order.symbol is None else self._board(order.symbol),
                settled_on=self._settled_on,
            )

        while await self._writer.record(order_id, decide) is not None:
            pass

    async def _settle(self, order: Order, rows: Sequence[BrokerOrder], asked_at: int) -> None:
        """Look for the row of an order whose answer was lost."""
        if order.order_id in self._writer.in_flight or asked_at < order.unknown_at:
            return
        self._polls[order.order_id] += 1
        matches = matching_rows(order, rows, self._writer.orders.claimed)
        if len(matches) == 1 and not self._has_twin(order):
            row = matches[0]
            await self._writer.record(order.order_id, lambda now: self._adoption(now, row))
            await self._follow_row(order.order_id, row)
        elif matches:
            await self._conditions.degraded(
                f"order_ambiguous-{order.order_id}",
                f"{len(matches)} orders at the broker may be it; it stays unknown until an "
                "operator or the end of the session settles it",
            )
        elif (
            self._polls[order.order_id] >= _LOST_AFTER_POLLS
            and asked_at - order.unknown_at >= _LOST_AFTER_S * _SECOND
        ):
            await self._writer.record(order.order_id, self._not_found)
            await self._conditions.degraded(
                f"order_not_found-{order.order_id}",
                f"no trace at the broker after {self._polls[order.order_id]} inquiries",
            )

    def _has_twin(self, order: Order) -> bool:
        """Return whether another order without an answer has the same ticket."""
        return any(
            other.order_id != order.order_id
            and other.state in (OrderState.UNKNOWN, OrderState.SUBMITTING)
            and (other.symbol, other.side, other.quantity, other.limit_price)
            == (order.symbol, order.side, order.quantity, order.limit_price)
            for other in self._writer.orders.live()
        )

    def _adoption(self, order: Order | None, row: BrokerOrder) -> OrderEvent | None:
        if order is None or order.state is not OrderState.UNKNOWN:
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
        if order is None or order.state is not OrderState.UNKNOWN:
            return None
        return OrderRejected(
            at=self._time.now(),
            order_id=order.order_id,
            code="NOT_FOUND",
            message="the answer was lost and the broker lists no such order",
        )
