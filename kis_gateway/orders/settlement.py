"""Learns what became of orders: by notices, and by asking the broker for the day's orders.

Notices are fast and may be lost, repeated, late, or ahead of the answer they belong to; the list of
orders is slow and complete. Executions from both are one series by cumulative quantity: a notice
counts only for what exceeds everything known, and whatever is doubtful is left to the next inquiry,
which is then made at once. So a fill is booked once, at most a few seconds late, never twice.

An order without an answer is settled by this inquiry alone: exactly one matching row adopts it,
none after half a minute and several looks means that it never arrived, anything else stays unknown.
An order or cancel that another process was sending counts as without an answer once that process
has been silent for longer than a call can take (``silent_senders``).

Ends are taken back only by the broker: an order given up as never arrived is looked for until the
session ends and adopted when its row appears; an execution shown after the order was closed is
booked. Both are reported. What is left of an order at the close is closed when its row says that
nothing remains, or ten minutes after the close, when the closing match is over whatever happened.
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
    OrderFilled,
    OrderRejected,
    OrderState,
)
from kis_gateway.broker import Broker, BrokerOrder, FillNotice, OrderNotice
from kis_gateway.conditions import Conditions
from kis_gateway.errors import InquiryFailed, SettingsError
from kis_gateway.orders.order_book import plain_number
from kis_gateway.orders.order_inquiry import (
    closing,
    could_be_ours,
    execution,
    matching_rows,
    mistakable,
    next_finding,
    refusal,
)
from kis_gateway.orders.order_state import NOT_FOUND, CancelState, Order
from kis_gateway.orders.order_writer import OrderWriter
from kis_gateway.orders.silent_senders import SilentSenders
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
"""Executions of a punctual closing match may be listed this late (seconds)."""

_LAPSED_AFTER_CLOSE_S: Final = 600
"""What still remains this long after the scheduled close has lapsed (seconds).

KRX ends the closing auction at random within 30 seconds; the rest is for lists that lag.
"""

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
        orders = self._writer.orders
        unknown = any(order.state is OrderState.UNKNOWN for order in orders.live())
        if unknown or any(orders.given_up()):
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
            if before < current.filled_quantity or total > current.quantity:
                return None
            if current.state in (OrderState.REJECTED, OrderState.FILLED):
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

        booked = await self._writer.record(order.order_id, decide)
        if booked is not None:
            await self._report_late(booked)
            await self._follow_row(order.order_id, None)
            return
        self._noticed[order.order_id] = before
        self.ask_now()
        if order.state is OrderState.REJECTED:
            await self._conditions.degraded(
                f"late_fill-{order.order_id}",
                f"a notice shows {notice.quantity} shares executed after the order was rejected",
            )

    async def _report_late(self, event: OrderEvent) -> None:
        """Say that shares changed hands when the order had been closed already."""
        order = self._writer.orders.order(event.order_id)
        if isinstance(event, OrderFilled) and order is not None and order.closed:
            await self._conditions.degraded(
                f"late_fill-{event.order_id}",
                f"{event.quantity} shares were executed after the order had ended; they are booked",
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
        return closing(order, OrderState.CANCELLED, at=self._time.now(), reason="notice")

    # -- inquiries -------------------------------------------------------------------------------

    async def _inquire(self) -> None:
        while True:
            while (due := self._due()) > self._time.now():
                self._alarm.clear()
                await sleep_until_or(self._time, due, self._alarm)
            self._wanted = False
            await self._silent.give_up()
            asked_at = self._asked_at = self._time.now()
            try:
                rows = await self._readable(await self._broker.orders(self._day))
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
        dues.extend(self._silent.dues())
        for order in self._writer.orders.live():
            if order.state is OrderState.UNKNOWN:
                dues.append(self._unknown_due(order))
            elif order.broker_order is not None:
                dues.append(self._asked_at + round(self._settings.working_s * _SECOND))
                if order.cancel not in (CancelState.NONE, CancelState.SUBMITTING):
                    dues.append(max(order.cancel_changed_at, self._asked_at) + _PROOF_S * _SECOND)
        for after_close in (_AFTER_CLOSE_S, _LAPSED_AFTER_CLOSE_S):
            due = self._close_at + after_close * _SECOND
            if self._asked_at < due:
                dues.append(due)
        return max(earliest, min(dues))

    def _unknown_due(self, order: Order) -> int:
        polls = self._polls[order.order_id]
        if polls < len(_UNKNOWN_POLLS_S):
            return order.unknown_at + _UNKNOWN_POLLS_S[polls] * _SECOND
        return self._asked_at + _LATER_POLLS_S * _SECOND

    # -- rows ------------------------------------------------------------------------------------

    async def _readable(self, rows: Sequence[BrokerOrder]) -> list[BrokerOrder]:
        """Return the rows that can be read; the others must certainly not be ours.

        Raises:
            InquiryFailed: a row that may be ours cannot be read.
        """
        readable = []
        for row in rows:
            if row.unreadable is None:
                readable.append(row)
            elif could_be_ours(self._writer.orders, row):
                raise InquiryFailed("orders", "MALFORMED", row.unreadable)
            else:
                await self._conditions.degraded(
                    f"order_unreadable-{plain_number(row.broker_order)}",
                    f"a foreign order was passed over: {row.unreadable}",
                )
        return readable

    async def _apply(self, rows: Sequence[BrokerOrder], asked_at: int) -> None:
        by_number = {plain_number(row.broker_order): row for row in rows if not row.is_cancel}
        lapsed = asked_at >= self._close_at + _LAPSED_AFTER_CLOSE_S * _SECOND
        for order in tuple(self._writer.orders.live()):
            if order.state is OrderState.UNKNOWN:
                await self._settle(order, rows, asked_at)
            elif order.broker_order is not None:
                row = by_number.get(plain_number(order.broker_order))
                await self._follow_row(order.order_id, row, asked_at)
                if row is None and lapsed:
                    await self._conditions.degraded(
                        f"order_unlisted-{order.order_id}",
                        f"the broker took it in as {order.broker_order} and does not list it",
                    )
        for order in tuple(self._writer.orders.given_up()):
            await self._look_again(order, rows, asked_at)
        for row in by_number.values():
            ended = self._writer.orders.numbered(row.broker_order)
            if ended is not None and ended.over:
                await self._follow_row(ended.order_id, row, asked_at)

    async def _follow_row(
        self, order_id: OrderId, row: BrokerOrder | None, asked_at: int = 0
    ) -> None:
        """Record everything that a row proves, one event after the other."""

        def decide(order: Order | None) -> OrderEvent | None:
            assert order is not None
            return next_finding(
                order,
                row,
                at=self._time.now(),
                after_close=asked_at >= self._close_at + _AFTER_CLOSE_S * _SECOND,
                lapsed=asked_at >= self._close_at + _LAPSED_AFTER_CLOSE_S * _SECOND,
                board=Board.KOSPI if order.symbol is None else self._board(order.symbol),
                settled_on=self._settled_on,
            )

        while (event := await self._writer.record(order_id, decide)) is not None:
            await self._report_late(event)

    async def _settle(self, order: Order, rows: Sequence[BrokerOrder], asked_at: int) -> None:
        """Look for the row of an order whose answer was lost."""
        if order.order_id in self._writer.in_flight or asked_at < order.unknown_at:
            return
        self._polls[order.order_id] += 1
        matches = matching_rows(order, rows, self._writer.orders.claimed)
        if len(matches) == 1 and not self._has_twin(order):
            row = matches[0]
            await self._writer.record(order.order_id, lambda now: self._adoption(now, row))
            await self._follow_row(order.order_id, row, asked_at)
        elif matches:
            await self._report_ambiguous(order, matches)
        elif (
            self._polls[order.order_id] >= _LOST_AFTER_POLLS
            and asked_at - order.unknown_at >= _LOST_AFTER_S * _SECOND
        ):
            await self._writer.record(order.order_id, self._not_found)
            await self._conditions.degraded(
                f"order_not_found-{order.order_id}",
                f"no trace at the broker after {self._polls[order.order_id]} inquiries",
            )

    async def _look_again(self, order: Order, rows: Sequence[BrokerOrder], asked_at: int) -> None:
        """Adopt an order that was given up as not found, should its row have appeared."""
        matches = matching_rows(order, rows, self._writer.orders.claimed)
        if not matches or self._has_twin(order):
            return  # The row of a younger order without an answer is that one's.
        rivals = [other for other in self._writer.orders.given_up() if mistakable(order, other)]
        if len(matches) > 1 or len(rivals) > 1:
            await self._report_ambiguous(order, matches)
            return
        row = matches[0]
        await self._writer.record(order.order_id, lambda now: self._adoption(now, row))
        await self._conditions.degraded(
            f"order_found_late-{order.order_id}",
            f"the broker has it as {row.broker_order}, after it was given up as not found",
        )
        await self._follow_row(order.order_id, row, asked_at)

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
        if order is None or order.state is not OrderState.UNKNOWN:
            return None
        return OrderRejected(
            at=self._time.now(),
            order_id=order.order_id,
            code=NOT_FOUND,
            message="the answer was lost and the broker lists no such order",
        )
