"""Keeps the feed's subscriptions as the slot book says, and shows who holds which and why.

What always holds: one change at a time, and the plan is made anew between two when something has
happened; the book counts acknowledged slots, not wishes; a slot that the broker does not give is a
reported condition.
"""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from bus import Log, TimeSource
from events import Symbol, codec
from events.errors import CodecError
from events.ops import SlotsChanged
from events.signal import Feed, SlotsRequested
from kis_gateway.broker import MarketFeed, Unsubscribed
from kis_gateway.conditions import SERVICE, Conditions
from kis_gateway.errors import SubscriptionRefused
from kis_gateway.feeds.feed_control import SLOTS_FULL
from kis_gateway.feeds.slot_book import Slot, SlotBook, SlotPlan
from kis_gateway.orders.order_writer import OrderWriter
from kis_gateway.publisher import Publisher
from kis_gateway.waiting import sleep_until_or

_WAIT: Final = 0.25
_FULL: Final = "slots-full"


class SlotKeeper:
    """Applies the book's plans to the feed."""

    def __init__(
        self,
        *,
        book: SlotBook,
        feed: MarketFeed,
        log: Log,
        head: int,
        writer: OrderWriter,
        publisher: Publisher,
        conditions: Conditions,
        time: TimeSource,
        budget: int,
        shown_at: int = 0,
    ) -> None:
        """``head`` is the sequence up to which the requests of ``book`` are known already.

        ``shown_at`` is the instant of the newest ``SlotsChanged`` on the log.
        """
        self._book = book
        self._feed = feed
        self._log = log
        self._head = head
        self._writer = writer
        self._publisher = publisher
        self._conditions = conditions
        self._time = time
        self._budget = budget
        self._changed = asyncio.Event()
        self._changed.set()
        self._shown: tuple[tuple[str, ...], tuple[str, ...], dict[str, str]] | None = None
        self._shown_at = shown_at
        self._since: dict[Symbol, int] = {}
        self._logger = structlog.get_logger().bind(service=SERVICE)
        self.applied = asyncio.Event()
        """Set once the first plan has been applied."""
        writer.observe(lambda order, event: self._changed.set())

    def trades_since(self, symbol: Symbol) -> int | None:
        """Return since when a symbol's trades are received (ns UTC), ``None`` when not."""
        return self._since.get(symbol)

    @property
    def held(self) -> tuple[Slot, ...]:
        """The subscriptions held, strongest first."""
        return tuple(
            slot for slot in self._book.plan(self._time.now()).held if slot in self._book.held
        )

    async def lost(self, message: Unsubscribed) -> None:
        """Take note that the broker did not give a subscription again after a reconnect."""
        slot = Slot(message.feed, message.symbol)
        self._book.ended(slot)
        self._book.full(self._time.now())
        self._forget(slot)
        await self._conditions.degraded(_FULL, f"{slot} was not given again: {message.refusal}")
        self._changed.set()

    async def renewed(self) -> None:
        """Take note that the connection is a new one: what was in the way there is gone."""
        self._book.renewed()
        self._changed.set()

    async def run(self) -> None:
        """Apply plans for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow())
            group.create_task(self._apply())

    async def _follow(self) -> None:
        async with self._log.read(after=self._head, topics=("signal.slots",)) as reader:
            while True:
                for recorded in await reader.batch(_WAIT):
                    try:
                        event = codec.decode(recorded.payload)
                    except CodecError as error:
                        self._logger.error("entry_passed_over", error=str(error))
                        continue
                    if isinstance(event, SlotsRequested):
                        self._book.request(event)
                        self._changed.set()

    async def _apply(self) -> None:
        while True:
            self._changed.clear()
            plan = self._plan()
            self._feed.prefer([(slot.feed, slot.symbol) for slot in plan.held])
            await self._carry_out(plan)
            if self._changed.is_set():
                continue
            plan = self._plan()
            await self._show(plan)
            if not plan.waiting:
                await self._conditions.recovered(_FULL, "every wish has its slot")
            self.applied.set()
            if plan.due is None:
                await self._changed.wait()
            else:
                await sleep_until_or(self._time, plan.due, self._changed)

    def _plan(self) -> SlotPlan:
        self._book.protect(
            self._writer.allocations.traded_symbols(), self._writer.orders.working_symbols()
        )
        return self._book.plan(self._time.now())

    async def _carry_out(self, plan: SlotPlan) -> None:
        for slot in plan.unsubscribe:
            await self._feed.unsubscribe(slot.feed, slot.symbol)
            self._book.given_back(slot, self._time.now())
            self._forget(slot)
        for slot in plan.subscribe:
            await self._subscribe(slot)
            if self._changed.is_set():
                # A position may be waiting: it does not queue behind what is left of this plan.
                return

    async def _subscribe(self, slot: Slot) -> None:
        condition = f"subscription-{slot.feed}-{slot.symbol}"
        try:
            await self._feed.subscribe(slot.feed, slot.symbol)
        except SubscriptionRefused as error:
            self._changed.set()
            if error.code == SLOTS_FULL:
                # Slots that this process does not know of: those of a session not yet ended.
                self._book.full(self._time.now())
                await self._conditions.degraded(_FULL, str(error))
            else:
                self._book.refuse(slot)
                await self._conditions.degraded(condition, str(error))
            return
        now = self._time.now()
        self._book.acknowledged(slot, now)
        if slot.feed is Feed.TRADES:
            self._since[slot.symbol] = now
        await self._conditions.recovered(condition, "subscribed")
        if len(self._book.held) == self._budget:
            await self._conditions.recovered(_FULL, "every slot is ours again")

    def _forget(self, slot: Slot) -> None:
        if slot.feed is Feed.TRADES:
            self._since.pop(slot.symbol, None)

    async def _show(self, plan: SlotPlan) -> None:
        held = tuple(str(slot) for slot in plan.held if slot in self._book.held)
        reasons = {str(slot): reason for slot, reason in plan.reasons.items()}
        shown = held, tuple(map(str, plan.waiting)), reasons
        if shown == self._shown:
            return
        self._shown = shown
        # The id of the event is its instant, and a clock that is held stands still.
        self._shown_at = max(self._time.now(), self._shown_at + 1)
        await self._publisher.offer(
            SlotsChanged(
                at=self._shown_at,
                service=SERVICE,
                held=shown[0],
                waiting=shown[1],
                budget=self._budget,
                reasons=reasons,
            )
        )
