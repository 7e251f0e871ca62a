"""Who gets the broker's few real-time subscriptions: a pure book, and the shell that applies it.

A session may hold 41 registrations; one is kept spare and one is the fill notice. A registration is
a (feed, symbol); trades and quotes of one symbol count two. What always holds: symbols that are
held or have a working order are subscribed first and never give way to others; a stronger request
displaces a weaker one, an equal one never does, so nothing is toggled without need. Slots that no
strategy asks for carry trades of the universe: what is not received is missing on the log for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Final

import msgspec
import structlog

from bus import Log, TimeSource
from events import StrategyId, Symbol, codec
from events.errors import CodecError
from events.ops import SlotsChanged
from events.signal import Feed, SlotPriority, SlotsRequested
from kis_gateway.broker import MarketFeed
from kis_gateway.conditions import SERVICE, Conditions
from kis_gateway.errors import SubscriptionRefused
from kis_gateway.order_writer import OrderWriter
from kis_gateway.publisher import Publisher

_WAIT: Final = 0.25
_BACKGROUND: Final = SlotPriority.WATCH + 1
"""Priority of what no strategy asks for: weaker than any wish."""


class Slot(msgspec.Struct, frozen=True, order=True):
    """One subscription."""

    feed: Feed
    symbol: Symbol

    def __str__(self) -> str:
        return f"{self.feed}:{self.symbol}"


class SlotPlan(msgspec.Struct, frozen=True):
    """What to give back, what to ask for, and how it then stands, strongest first."""

    unsubscribe: tuple[Slot, ...]
    subscribe: tuple[Slot, ...]
    held: tuple[Slot, ...]
    waiting: tuple[Slot, ...]


class SlotBook:
    """The requests in force and the subscriptions held. Pure."""

    def __init__(self, budget: int, initial: Mapping[StrategyId, Sequence[Symbol]]) -> None:
        """``budget`` is the number of subscriptions, the fill notice not among them.

        Trades of ``initial`` symbols are wanted in order with what the strategies leave over, and
        with everything before the first request.
        """
        self._budget = budget
        self._initial = {strategy: tuple(symbols) for strategy, symbols in initial.items()}
        self._requests: dict[StrategyId, SlotsRequested] = {}
        self._positions: frozenset[Symbol] = frozenset()
        self._working: frozenset[Symbol] = frozenset()
        self._refused: set[Slot] = set()
        self.held: set[Slot] = set()
        """Acknowledged subscriptions."""

    def request(self, event: SlotsRequested) -> None:
        """Replace a strategy's requests; subscriptions refused before may be tried again."""
        known = self._requests.get(event.strategy)
        if known is None or event.ordinal > known.ordinal:
            self._requests[event.strategy] = event
            self._refused.clear()

    def protect(self, positions: Collection[Symbol], working: Collection[Symbol]) -> None:
        """Say which symbols are held and which have working orders."""
        self._positions, self._working = frozenset(positions), frozenset(working)

    def refuse(self, slot: Slot) -> None:
        """Take note that the broker refused a subscription."""
        self._refused.add(slot)

    def plan(self) -> SlotPlan:
        """Return what is to change now. The same requests and holdings give the same plan."""
        priorities, order = self._wanted()
        ranked = sorted(
            (slot for slot in order if slot not in self._refused),
            key=lambda slot: (
                # Held and working symbols are one class: neither gives way to the other.
                max(priorities[slot], SlotPriority.WORKING_ORDER),
                slot not in self.held,
                priorities[slot],
                order[slot],
            ),
        )
        chosen = ranked[: self._budget]
        keep = set(chosen)
        return SlotPlan(
            unsubscribe=tuple(sorted(self.held - keep)),
            subscribe=tuple(slot for slot in chosen if slot not in self.held),
            held=tuple(chosen),
            waiting=tuple(ranked[self._budget :]),
        )

    def _wanted(self) -> tuple[dict[Slot, int], dict[Slot, int]]:
        """Return every wanted slot with its strongest priority and its place in the requests."""
        wishes: list[tuple[int, Slot, int]] = []
        for symbol in sorted(self._positions):
            wishes.append((0, Slot(Feed.TRADES, symbol), SlotPriority.POSITION))
        for symbol in sorted(self._working):
            wishes.append((0, Slot(Feed.TRADES, symbol), SlotPriority.WORKING_ORDER))
        for strategy in sorted(self._requests):
            wishes.extend(
                (place, Slot(wish.feed, wish.symbol), wish.priority)
                for place, wish in enumerate(self._requests[strategy].requests)
            )
        for strategy in sorted(self._initial):
            wishes.extend(
                (place, Slot(Feed.TRADES, symbol), _BACKGROUND)
                for place, symbol in enumerate(self._initial[strategy])
            )
        # Strategies take turns within a priority: first wishes first, then second ones.
        wishes.sort(key=lambda wish: wish[0])
        priorities: dict[Slot, int] = {}
        order: dict[Slot, int] = {}
        for _, slot, priority in wishes:
            priorities[slot] = min(priority, priorities.get(slot, priority))
            order.setdefault(slot, len(order))
        return priorities, order


class SlotKeeper:
    """Keeps the feed's subscriptions as the book says."""

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
    ) -> None:
        """``head`` is the sequence up to which the requests of ``book`` are known already."""
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
        self._shown: tuple[tuple[str, ...], tuple[str, ...]] | None = None
        self._shown_at = 0
        self._since: dict[Symbol, int] = {}
        self._logger = structlog.get_logger().bind(service=SERVICE)
        self.applied = asyncio.Event()
        """Set once the first plan has been applied."""
        writer.observe(lambda order, event: self._changed.set())

    def trades_since(self, symbol: Symbol) -> int | None:
        """Return since when a symbol's trades are received (ns UTC), ``None`` when not."""
        return self._since.get(symbol)

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
            await self._changed.wait()
            self._changed.clear()
            self._book.protect(
                self._writer.allocations.traded_symbols(), self._writer.orders.working_symbols()
            )
            plan = self._book.plan()
            for slot in plan.unsubscribe:
                await self._feed.unsubscribe(slot.feed, slot.symbol)
                self._book.held.discard(slot)
                if slot.feed is Feed.TRADES:
                    self._since.pop(slot.symbol, None)
            for slot in plan.subscribe:
                await self._subscribe(slot)
            await self._show(self._book.plan())
            self.applied.set()

    async def _subscribe(self, slot: Slot) -> None:
        condition = f"subscription-{slot.feed}-{slot.symbol}"
        try:
            await self._feed.subscribe(slot.feed, slot.symbol)
        except SubscriptionRefused as error:
            self._book.refuse(slot)
            self._changed.set()
            await self._conditions.degraded(condition, str(error))
            return
        self._book.held.add(slot)
        if slot.feed is Feed.TRADES:
            self._since[slot.symbol] = self._time.now()
        await self._conditions.recovered(condition, "subscribed")

    async def _show(self, plan: SlotPlan) -> None:
        held = tuple(str(slot) for slot in plan.held if slot in self._book.held)
        shown = held, tuple(map(str, plan.waiting))
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
            )
        )
