"""Appends to the subjects of orders, one writer at a time, deciding again whenever it lost a race.

What always holds: an order event is appended only against the newest event of its order that this
process has taken in (the log refuses it otherwise), and only if it fits the order's state. Ids of
entries carry the process's run: were two routers to write the same bytes under the same id, the log
would tell both that it is stored, and both would act.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from typing import Final

import structlog

from bus import AppendConflict, AppendUnknown, Entry, IdentityReused, Log, LogUnavailable
from events import Event, OrderId, Symbol, codec, subjects
from events.market import SessionOpened
from events.trading import FillCorrected, OrderEvent, OrderFilled
from kis_gateway.orders.allocations import Allocations
from kis_gateway.orders.order_book import OrderBook
from kis_gateway.orders.order_state import Order, evolve

_ATTEMPTS: Final = 20
_WAIT: Final = 1.0

Decide = Callable[[Order | None], OrderEvent | None]
"""Given an order as it now is (``None``: no event yet), the event to append, if any."""

Observer = Callable[[Order, OrderEvent], None]
"""Told an order after each new event, whoever wrote it."""

TransferObserver = Callable[[Event], None]
"""Told an entry that concerns allocations and no order, after it has been taken in."""


class OrderWriter:
    """The newest known state of every order, and the only way to add to it."""

    def __init__(self, log: Log, run: str, session: SessionOpened) -> None:
        self._log = log
        self._run = run
        self._locks: defaultdict[OrderId, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._observers: list[Observer] = []
        self._transfer_observers: list[TransferObserver] = []
        self._logger = structlog.get_logger().bind(service="router")
        self.orders = OrderBook()
        """Own appends included, so up to a round trip ahead of a reader of the log."""
        self.allocations = Allocations()
        self.allocations.open(session)
        self.last_fill: dict[Symbol, int] = {}
        """``at`` of the newest fill by symbol."""
        self.in_flight: set[OrderId] = set()
        """Orders that this process is writing ahead or sending: their answer is still to come."""
        self.cancelling: set[OrderId] = set()
        """Orders whose cancel this process is writing ahead or sending."""

    def observe(self, observer: Observer) -> None:
        """Call ``observer`` after every new order event."""
        self._observers.append(observer)

    def observe_transfers(self, observer: TransferObserver) -> None:
        """Call ``observer`` after every entry that concerns allocations and no order."""
        self._transfer_observers.append(observer)

    def transfer(self, event: Event) -> None:
        """Take in an entry of the log that concerns allocations and no order."""
        self.allocations.take(event)
        for observer in self._transfer_observers:
            observer(event)

    def take(self, sequence: int, event: OrderEvent) -> None:
        """Take in an order event of the log; one that is known already changes nothing."""
        order = self.orders.apply(sequence, event)
        if order is None:
            return
        if isinstance(event, OrderFilled | FillCorrected):
            self.allocations.take(event)
        if isinstance(event, OrderFilled):
            self.last_fill[event.symbol] = event.at
        for observer in self._observers:
            observer(order, event)

    async def record(self, order_id: OrderId, decide: Decide) -> OrderEvent | None:
        """Append what ``decide`` says about the order; return it once it is on the log.

        ``decide`` is asked again with the newer state each time somebody else wrote first. Returns
        ``None`` when it has nothing (more) to say, so a returned event is certainly this call's.

        Raises:
            IllegalTransition: the event does not fit the order.
            AppendUnknown: no answer from the log; the event may or may not be stored.
        """
        async with self._locks[order_id]:
            for _ in range(_ATTEMPTS):
                record = self.orders.record(order_id)
                order = None if record is None else record.order
                seen = 0 if record is None else record.sequence
                event = decide(order)
                if event is None:
                    return None
                evolve(order, event)
                try:
                    (sequence,) = await self._log.append([self._entry(event, seen)])
                except (AppendConflict, IdentityReused):
                    await self._catch_up(order_id, seen)
                    continue
                self._logger.info(codec.event_name(event), order=order_id, sequence=sequence)
                self.take(sequence, event)
                return event
        raise LogUnavailable(
            f"{_ATTEMPTS} appends to order {order_id} in a row met a newer entry",
            "stop the other process that writes orders of this account",
        )

    async def look(self, event: OrderEvent, lost: AppendUnknown) -> None:
        """After an append without answer: take in what the log shows.

        Raises:
            AppendUnknown: ``event`` is not the order's newest entry, so nothing can be concluded.
        """
        stored = await self._log.last(event.topic)
        if stored is None or stored.identity != self._identity(event):
            raise lost
        self.take(stored.sequence, event)

    def _identity(self, event: OrderEvent) -> str:
        return f"{event.identity}-{self._run}"

    def _entry(self, event: OrderEvent, seen: int) -> Entry:
        subject = subjects.subject(self._log.account, event.topic)
        return Entry(subject, codec.encode(event), self._identity(event), seen)

    async def _catch_up(self, order_id: OrderId, seen: int) -> None:
        topic = f"trading.order.{order_id}"
        newest = await self._log.last(topic)
        if newest is None or newest.sequence <= seen:
            return
        async with self._log.read(after=seen, topics=(topic,)) as reader:
            while seen < newest.sequence:
                for recorded in await reader.batch(_WAIT):
                    event = codec.decode(recorded.payload)
                    assert isinstance(event, OrderEvent)  # nothing else stands on this subject
                    self.take(recorded.sequence, event)
                    seen = recorded.sequence
