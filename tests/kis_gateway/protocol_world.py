"""An exchange, a network and processes that die: what the protocol of orders is tried against.

The processes are the product's own lease, router, writer and settlement; their log and their broker
are ports with gates, at which a call waits until it is let through, or its process dies. Time moves
only when told, for all of them together. What the world knows and the log does not is the truth:
which order at the exchange belongs to which order id.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from bus import (
    AppendConflict,
    Entry,
    IdentityReused,
    Lease,
    LeaseLost,
    LogIdentity,
    ManualTime,
    MemoryLog,
    Recorded,
    entry,
)
from bus.memory_log import MemoryReader
from events import AccountId, IntentId, OrderId, Symbol, TradingDate, codec
from events.control import CancelRequested, LeaseTaken
from events.ops import ServiceStarted
from events.trading import (
    ExecutionEnded,
    IntentApproved,
    IntentKind,
    IntentSubmitted,
    OrderEvent,
    OrderFilled,
    OrderSubmitting,
    Side,
)
from kis_gateway.broker import (
    Accepted,
    BrokerOrder,
    CancelTicket,
    FillNotice,
    OrderTicket,
    Outcome,
    Refused,
    Unknown,
)
from kis_gateway.errors import InquiryFailed
from kis_gateway.orders.order_book import OrderBook, plain_number
from tests.kis_gateway.fakes import ACCOUNT, OPEN, SECOND, FakeBroker, Rig, opened_log, put, tick

CALL_TIMEOUT_S: Final = 20
"""A call without an answer for this long is given up; what it sent arrives by then or never."""

GATES: Final = (
    "append.store",
    "append.ack",
    "lease.store",
    "lease.ack",
    "submit.queue",
    "submit.wire",
    "submit.answer",
    "cancel.queue",
    "cancel.wire",
    "cancel.answer",
    "inquiry.question",
    "inquiry.answer",
)
"""Where a call can be made to wait: ``wire`` is between the process and the exchange."""


class Listed(msgspec.Struct, kw_only=True):
    """An order at the exchange, and whose it is."""

    order_id: OrderId
    intent: IntentId
    number: str
    ticket: OrderTicket
    filled: int = 0
    amount: int = 0
    cancelled: int = 0
    arrived_at: int = 0

    @property
    def remaining(self) -> int:
        return self.ticket.quantity - self.filled - self.cancelled

    def row(self) -> BrokerOrder:
        return BrokerOrder(
            broker_order=self.number.lstrip("0"),
            original=None,
            branch="91252",
            symbol=self.ticket.symbol,
            side=self.ticket.side,
            quantity=self.ticket.quantity,
            limit_price=self.ticket.limit_price or 0,
            filled_quantity=self.filled,
            filled_amount=self.amount,
            cancelled_quantity=self.cancelled,
            rejected_quantity=0,
            remaining_quantity=self.remaining,
            is_cancel=False,
            ordered_at=self.arrived_at // SECOND * SECOND,
        )


class Held(msgspec.Struct, eq=False):
    """A call that waits at a gate."""

    process: Process
    gate: str
    passed: asyncio.Future[None]


class InFlight(msgspec.Struct, eq=False):
    """An order that has left a process and not arrived at the exchange."""

    order_id: OrderId
    ticket: OrderTicket
    left_at: int


class World:
    """Everything outside the processes."""

    def __init__(self) -> None:
        self.time = ManualTime(OPEN + SECOND)
        self.log = MemoryLog(ACCOUNT)
        self.processes: list[Process] = []
        self.dead: set[str] = set()
        self.held: list[Held] = []
        self.armed: list[str] = []
        self.fates: list[str] = []
        self.lagging_s = 0
        self.inquiries_fail = False
        self.exchange: dict[OrderId, Listed] = {}
        self.in_flight: list[InFlight] = []
        self.notices: list[FillNotice] = []
        self.landing: list[Sequence[Entry]] = []
        self.lands = True
        self.failures: list[str] = []
        self.view = View()
        self._history: list[tuple[int, list[BrokerOrder]]] = [(0, [])]

    async def open(self) -> None:
        """Open the session."""
        await opened_log(self.log)
        await self.settle()

    # -- time and rest ---------------------------------------------------------------------------

    async def settle(self) -> None:
        """Let everything run that can run without time, a gate or a reply."""
        while True:
            await come_to_rest()
            if not self.landing:
                break
            for entries in tuple(self.landing):
                self.landing.remove(entries)
                try:
                    await self.log.append(entries)
                except (AppendConflict, IdentityReused):
                    continue
        self.view.read(self.log, self.failures)
        for process in self.processes:
            process.note_what_it_has_seen()

    async def pass_time(self, seconds: int) -> None:
        """Move the clock second by second; the session's clock ticks on the log."""
        for _ in range(seconds):
            await self.time.advance(1)
            await put(self.log, tick(self.time.now()))
            for held in tuple(self.held):
                overdue = self.time.now() - held.process.called_at > CALL_TIMEOUT_S * SECOND
                if held.gate in ("submit.answer", "cancel.answer") and overdue:
                    self.release(held)
            await self.settle()

    # -- gates -----------------------------------------------------------------------------------

    async def gate(self, process: Process, name: str) -> None:
        """Wait if the gate was armed for the next call, and while the process is paused."""
        if name in self.armed:
            self.armed.remove(name)
            held = Held(process, name, asyncio.get_running_loop().create_future())
            self.held.append(held)
            try:
                await held.passed
            finally:
                if held in self.held:
                    self.held.remove(held)
        await process.awake.wait()

    def release(self, held: Held) -> None:
        """Let a call go on."""
        self.held.remove(held)
        if not held.passed.done():
            held.passed.set_result(None)

    # -- the exchange ----------------------------------------------------------------------------

    def leave(self, process: Process, order_id: OrderId, ticket: OrderTicket) -> None:
        """An order leaves a process: everything it must have done by now is looked at."""
        written = self.view.written_now(self.log).get(order_id)
        if written is None:
            self.failures.append(f"{order_id} left before its write-ahead")
            return
        if (written.quantity, written.limit_price) != (ticket.quantity, ticket.limit_price):
            self.failures.append(f"{order_id} left with other terms than were written ahead")
        if self.view.holder != process.run:
            self.failures.append(f"{order_id} left {process.run}, {self.view.holder} has the lease")
        cancelled = self.view.cancelled.get(written.intent_id)
        if cancelled is not None and cancelled <= process.seen:
            self.failures.append(f"{order_id} left although it was withdrawn")

    def arrive(self, order_id: OrderId, ticket: OrderTicket) -> Listed | None:
        """An order arrives at the exchange; ``None`` when it refuses it."""
        if order_id in self.exchange:
            self.failures.append(f"{order_id} is at the exchange twice")
        intent = IntentId(order_id.rpartition("-O")[0])
        mine = [each for each in self.exchange.values() if each.intent == intent]
        if any(each.remaining for each in mine):
            self.failures.append(f"two orders of {intent} work at once")
        if sum(each.filled for each in mine) + ticket.quantity > self.view.allowed.get(intent, 0):
            self.failures.append(f"{order_id} is for more than {intent} was allowed")
        if ticket.side is Side.SELL and ticket.quantity > self._sellable(ticket.symbol):
            self.failures.append(f"{order_id} sells more than is owned")
            return None
        listed = Listed(
            order_id=order_id,
            intent=intent,
            number=f"{len(self.exchange) + 1:010d}",
            ticket=ticket,
            arrived_at=self.time.now(),
        )
        self.exchange[order_id] = listed
        self._changed()
        return listed

    def _sellable(self, symbol: Symbol) -> int:
        owned = 0
        for each in self.exchange.values():
            if each.ticket.symbol == symbol:
                owned += each.filled if each.ticket.side is Side.BUY else -each.filled
                owned -= each.remaining if each.ticket.side is Side.SELL else 0
        return owned

    def fill(self, listed: Listed, quantity: int) -> None:
        """Execute part of an order; its notice waits to be delivered."""
        price = listed.ticket.limit_price or 70_000
        listed.filled += quantity
        listed.amount += quantity * price
        self._changed()
        self.notices.append(
            FillNotice(
                broker_order=listed.number,
                symbol=listed.ticket.symbol,
                side=listed.ticket.side,
                quantity=quantity,
                price=price,
                order_quantity=listed.ticket.quantity,
                time=self.time.now() // SECOND * SECOND,
            )
        )

    def withdraw(self, number: str) -> bool:
        """Take an order out of the book; whether anything was left of it."""
        for listed in self.exchange.values():
            if listed.number == number and listed.remaining:
                listed.cancelled = listed.remaining
                self._changed()
                return True
        return False

    def _changed(self) -> None:
        self._history.append((self.time.now(), [each.row() for each in self.exchange.values()]))

    def rows(self) -> list[BrokerOrder]:
        """Return the list of orders, as late as the broker's list is at present."""
        until = self.time.now() - self.lagging_s * SECOND
        return next(rows for at, rows in reversed(self._history) if at <= until)

    def deliver(self, index: int) -> None:
        """Let an order that was under way arrive, if it is not too late for that."""
        message = self.in_flight.pop(index)
        if self.time.now() - message.left_at <= CALL_TIMEOUT_S * SECOND:
            self.arrive(message.order_id, message.ticket)

    def fate(self) -> str:
        """Return what becomes of the next call."""
        return self.fates.pop(0) if self.fates else "fine"


async def come_to_rest() -> None:
    """Return once no task of the loop can run."""
    loop = asyncio.get_running_loop()
    for _ in range(20_000):
        await asyncio.sleep(0)
        # What stands there while this task runs will run; nothing else tells that a loop idles.
        if not loop._ready:  # type: ignore[attr-defined] # asyncio's own loops all have it
            return
    raise AssertionError("the processes never come to rest")


class View:
    """The log as a reader of everything sees it."""

    def __init__(self) -> None:
        self.position = 0
        self.orders = OrderBook()
        self.submitted: dict[OrderId, OrderSubmitting] = {}
        self.intents: dict[IntentId, IntentSubmitted] = {}
        self.allowed: dict[IntentId, int] = {}
        self.ended: set[IntentId] = set()
        self.cancelled: dict[IntentId, int] = {}
        self.filled: dict[IntentId, int] = {}
        self.fills: list[OrderFilled] = []
        self.holder = ""

    def read(self, log: MemoryLog, failures: list[str]) -> None:
        """Take in what is new on the log."""
        for recorded in log.entries[self.position :]:
            self.position = recorded.sequence
            self._take(recorded, failures)

    def written_now(self, log: MemoryLog) -> dict[OrderId, OrderSubmitting]:
        """Return what is written ahead at this very moment."""
        self.read(log, [])
        return self.submitted

    def _take(self, recorded: Recorded, failures: list[str]) -> None:
        event = codec.decode(recorded.payload)
        if isinstance(event, OrderEvent):
            self.orders.apply(recorded.sequence, event)
        match event:
            case OrderSubmitting():
                if event.order_id in self.submitted:
                    failures.append(f"{event.order_id} was written ahead twice")
                self.submitted[event.order_id] = event
            case OrderFilled():
                self.fills.append(event)
                intent = IntentId(event.order_id.rpartition("-O")[0])
                self.filled[intent] = self.filled.get(intent, 0) + event.quantity
            case IntentSubmitted():
                self.intents[event.intent_id] = event
            case IntentApproved():
                self._approved(recorded.sequence, self.intents[event.intent_id], event.quantity)
            case CancelRequested():
                self._withdrawn(recorded.sequence, lambda wish: event.symbol in (None, wish.symbol))
            case ExecutionEnded():
                self.ended.add(event.intent_id)
            case LeaseTaken():
                self.holder = event.run
            case _:
                pass

    def _approved(self, sequence: int, wish: IntentSubmitted, quantity: int) -> None:
        if wish.kind is IntentKind.CANCEL_ORDERS:
            sells = wish.facts.get("sells") is True
            self._withdrawn(
                sequence,
                lambda each: (
                    each.symbol == wish.symbol
                    and (is_buy(each) or (sells and each.limit_price is not None))
                ),
            )
            return
        if wish.kind is IntentKind.EXIT:
            self._withdrawn(sequence, lambda each: is_buy(each) and each.symbol == wish.symbol)
        self.allowed[wish.intent_id] = quantity

    def _withdrawn(self, sequence: int, concerns: Callable[[IntentSubmitted], bool]) -> None:
        for intent in self.allowed:
            if intent not in self.ended and concerns(self.intents[intent]):
                self.cancelled.setdefault(intent, sequence)

    def owned(self, symbol: Symbol) -> int:
        """Return the shares that fills have brought."""
        return sum(
            fill.quantity if fill.side is Side.BUY else -fill.quantity
            for fill in self.fills
            if fill.symbol == symbol
        )

    def selling(self, symbol: Symbol) -> int:
        """Return the shares that are allowed to be sold and were not, while that goes on."""
        return sum(
            allowed - self.filled.get(intent, 0)
            for intent, allowed in self.allowed.items()
            if self.intents[intent].symbol == symbol
            and not is_buy(self.intents[intent])
            and (intent not in self.ended or self._live(intent))
        )

    def _live(self, intent: IntentId) -> bool:
        return any(order.intent_id == intent for order in self.orders.live())


def is_buy(wish: IntentSubmitted) -> bool:
    return wish.kind is IntentKind.ENTER


class Process:
    """One router process with a lease of its own, behind gates."""

    def __init__(self, world: World, run: str) -> None:
        self.world = world
        self.run = run
        self.holder = f"host/boot/ns/{run}/1"
        self.awake = asyncio.Event()
        self.awake.set()
        self.rig: Rig | None = None
        self.called_at = 0
        self.seen = 0
        """Sequence up to which it has certainly read the log."""
        self.task = asyncio.create_task(self._live())

    async def _live(self) -> None:
        try:
            await self._work()
        except* LeaseLost:
            pass
        except* (Exception, AssertionError) as group:  # noqa: BLE001 # whatever it is ends the run
            self.world.failures.append(f"{self.run} ended by {group.exceptions!r}")
        finally:
            self.world.dead.add(self.holder)

    async def _work(self) -> None:
        world, log = self.world, GatedLog(self.world, self)
        lease = Lease(
            log,
            "router",
            self.run,
            now=world.time.now,
            clock=world.time,
            holder=self.holder,
            ended=world.dead.__contains__,
        )
        await lease.acquire(asyncio.Event())
        async with lease.kept():
            started = ServiceStarted(
                at=world.time.now(),
                service="gateway",
                run=self.run,
                code_version="test",
                configuration={},
            )
            (head,) = await log.append([entry(ACCOUNT, started)])
            self.rig = Rig(
                log,
                GatedBroker(world, self),
                world.time,
                run=self.run,
                head=head,
                lease=lease,
                clock=world.time,
            )
            await self.rig._run()

    @property
    def alive(self) -> bool:
        return not self.task.done()

    def note_what_it_has_seen(self) -> None:
        """Take note that a process at rest has read everything, unless it was kept from it."""
        if self.rig is not None and self.awake.is_set() and self.rig.router.caught_up.is_set():
            self.seen = len(self.world.log.entries)

    def order_of(self, ticket: OrderTicket) -> OrderId:
        """Return whose order a ticket is: per symbol and side one is in flight at a time."""
        assert self.rig is not None
        purposes = "E" if ticket.side is Side.BUY else "X"
        (order_id,) = (
            each for each in self.rig.writer.in_flight if f"-{ticket.symbol}-{purposes}" in each
        )
        return order_id

    async def kill(self, *, lands: bool) -> None:
        """End it between two of its instructions; ``lands``: what it was writing arrives."""
        self.world.lands = lands
        self.task.cancel()
        await asyncio.wait([self.task])
        self.world.lands = True


class GatedLog(MemoryLog):
    """The log of the world as one process reaches it."""

    def __init__(self, world: World, process: Process) -> None:
        self._world = world
        self._process = process
        self._shared = world.log

    @property
    def account(self) -> AccountId:
        return self._shared.account

    @property
    def entries(self) -> Sequence[Recorded]:
        return self._shared.entries

    async def append(self, entries: Sequence[Entry], *, atomic: bool = True) -> tuple[int, ...]:
        port = self._port(entries[0].subject)
        if port is None:
            await self._process.awake.wait()
            return await self._shared.append(entries, atomic=atomic)
        try:
            await self._world.gate(self._process, f"{port}.store")
        except asyncio.CancelledError:
            if self._world.lands:
                self._world.landing.append(entries)
            raise
        sequences = await self._shared.append(entries, atomic=atomic)
        await self._world.gate(self._process, f"{port}.ack")
        return sequences

    @staticmethod
    def _port(subject: str) -> str | None:
        if ".trading.lease." in subject:
            return "lease"
        return "append" if ".trading." in subject else None

    def read(
        self,
        *,
        after: int = 0,
        topics: Sequence[str] = (">",),
        unhurried: Sequence[str] = (),
    ) -> MemoryReader:
        return GatedReader(self._shared, after, topics, self._process)

    async def last(self, topic: str) -> Recorded | None:
        await self._process.awake.wait()
        return await self._shared.last(topic)

    async def info(self) -> LogIdentity:
        await self._process.awake.wait()
        return await self._shared.info()


class GatedReader(MemoryReader):
    """A reader that hands out nothing while its process is paused."""

    def __init__(self, log: MemoryLog, after: int, topics: Sequence[str], process: Process) -> None:
        super().__init__(log, after, topics)
        self._process = process

    async def batch(self, wait: float) -> Sequence[Recorded]:
        await self._process.awake.wait()
        return await super().batch(wait)


class GatedBroker(FakeBroker):
    """The broker as one process reaches it."""

    def __init__(self, world: World, process: Process) -> None:
        super().__init__(world.time)
        self._world = world
        self._process = process

    async def submit(self, ticket: OrderTicket) -> Outcome:
        world, process = self._world, self._process
        order_id = process.order_of(ticket)
        await world.gate(process, "submit.queue")
        if ticket.expires_at is not None and world.time.now() > ticket.expires_at:
            return Refused(code="EXPIRED", message="its time passed while it waited to be sent")
        if ticket.may_leave is not None and not ticket.may_leave():
            return Refused(code="NOT_SENT", message="it might not leave any more")
        fate = world.fate()
        if fate == "refused":
            return Refused(code="APBK0952", message="no cash")
        left_at = process.called_at = world.time.now()
        world.leave(process, order_id, ticket)
        if fate == "lost":
            return Unknown(reason="time-out")
        message = InFlight(order_id, ticket, left_at)
        if fate == "late":
            world.in_flight.append(message)
            return Unknown(reason="time-out")
        try:
            await world.gate(process, "submit.wire")
        except asyncio.CancelledError:
            world.in_flight.append(message)
            raise
        if world.time.now() - left_at > CALL_TIMEOUT_S * SECOND:
            return Unknown(reason="time-out")
        listed = world.arrive(order_id, ticket)
        await world.gate(process, "submit.answer")
        if fate == "answer_lost" or world.time.now() - left_at > CALL_TIMEOUT_S * SECOND:
            return Unknown(reason="time-out")
        if listed is None:
            return Refused(code="APBK1234", message="more than can be sold")
        return Accepted(broker_order=listed.number, branch="91252")

    async def cancel(self, ticket: CancelTicket) -> Outcome:
        world, process = self._world, self._process
        await world.gate(process, "cancel.queue")
        if ticket.may_leave is not None and not ticket.may_leave():
            return Refused(code="NOT_SENT", message="it might not leave any more")
        fate = world.fate()
        if fate == "refused":
            return Refused(code="EGW00201", message="too fast", throttled=True)
        left_at = process.called_at = world.time.now()
        if fate in ("lost", "late"):
            return Unknown(reason="time-out")
        await world.gate(process, "cancel.wire")
        if world.time.now() - left_at > CALL_TIMEOUT_S * SECOND:
            return Unknown(reason="time-out")
        done = world.withdraw(ticket.broker_order)
        await world.gate(process, "cancel.answer")
        if fate == "answer_lost" or world.time.now() - left_at > CALL_TIMEOUT_S * SECOND:
            return Unknown(reason="time-out")
        if not done:
            return Refused(code="APBK0344", message="nothing left")
        return Accepted(broker_order="0000009999", branch="91252")

    async def orders(self, day: TradingDate) -> Sequence[BrokerOrder]:
        await self._world.gate(self._process, "inquiry.question")
        if self._world.inquiries_fail:
            raise InquiryFailed("orders", "EGW00201", "too fast")
        rows = self._world.rows()
        await self._world.gate(self._process, "inquiry.answer")
        return rows


def differences(world: World) -> list[str]:
    """Return what log and exchange disagree about; nothing when all has been learned."""
    found = []
    for listed in world.exchange.values():
        order = world.view.orders.order(listed.order_id)
        if order is None or order.broker_order is None:
            found.append(f"{listed.order_id} is at the exchange and not known")
            continue
        if plain_number(order.broker_order) != plain_number(listed.number):
            found.append(f"{listed.order_id} is taken for {order.broker_order}")
        if order.filled_quantity != listed.filled:
            found.append(f"{listed.order_id}: {order.filled_quantity} of {listed.filled} booked")
        if order.over == (listed.remaining > 0):
            found.append(f"{listed.order_id} is {order.state}, {listed.remaining} shares work")
    for order in world.view.orders.live():
        if order.symbol is not None and order.order_id not in world.exchange:
            found.append(f"{order.order_id} is {order.state} and not at the exchange")
    return found
