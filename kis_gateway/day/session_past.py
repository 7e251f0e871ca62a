"""What a session's log already holds when the gateway starts: nothing of it is done twice.

Start and restart are the same thing; a first start merely finds nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Final

import structlog

from bus import Log
from events import Delivery, Event, StrategyId, Symbol, codec
from events.control import HaltScope, HaltTrigger
from events.errors import CodecError
from events.market import (
    ClockTick,
    DailyHistory,
    MinuteHistory,
    Phase,
    PhaseChanged,
    SessionOpened,
    SymbolReference,
)
from events.ops import Degraded, Recovered, SlotsChanged
from events.signal import MasterFileRead, SlotsRequested, UniverseSelected
from events.trading import DriftCleared, DriftDetected

_WAIT: Final = 0.25
_OWN_TOPIC: Final = "ops.gateway"
_CARRIED: Final = (-1, -1)
_TOPICS: Final = (
    "market.clock",
    "market.status.*",
    "market.daily.*",
    "market.minute.*",
    "signal.universe",
    "signal.slots",
    "signal.masters",
    "trading.account",
    "market.session.*",
    _OWN_TOPIC,
)


class SessionPast:
    """A fold of the entries of one session."""

    def __init__(self) -> None:
        self.phases: set[Phase] = set()
        """Phases whose beginning is on the log."""
        self.last_tick = 0
        """``at`` of the newest clock tick, 0 without one."""
        self.references: dict[Symbol, SymbolReference] = {}
        self.histories: set[Symbol] = set()
        self.minutes: set[Symbol] = set()
        self.universes: set[StrategyId] = set()
        self.slots: dict[StrategyId, SlotsRequested] = {}
        """Newest request of every strategy."""
        self.drifts: dict[Symbol, tuple[int, int]] = {}
        """Drifts that hold: symbol → (broker quantity, allocated quantity).

        Of a drift that an earlier session left the figures are not known (``_CARRIED``): whatever
        the first comparison shows is news.
        """
        self.held: tuple[str, ...] = ()
        """Subscriptions held last, ``<feed>:<symbol>``."""
        self.slots_shown_at = 0
        """``at`` of the newest ``SlotsChanged``, 0 without one."""
        self.masters: set[str] = set()
        """Master files read."""
        self.degraded: set[str] = set()
        """Conditions of this service that were not reported to be over."""

    def take(self, delivery: Delivery) -> None:
        """Take in one entry."""
        match delivery.event:
            case ClockTick() as event:
                self.last_tick = max(self.last_tick, event.at)
            case PhaseChanged() as event:
                self.phases.add(event.phase)
            case SymbolReference() as event:
                self.references[event.symbol] = event
            case DailyHistory() as event:
                self.histories.add(event.symbol)
            case MinuteHistory() as event:
                self.minutes.add(event.symbol)
            case UniverseSelected() as event:
                self.universes.add(event.strategy)
            case MasterFileRead() as event:
                self.masters.add(event.file)
            case event:
                self._take_slots(event)
                self._take_condition(event)
                self._take_drift(event)

    def _take_slots(self, event: Event) -> None:
        match event:
            case SlotsRequested():
                self.slots[event.strategy] = event
            case SlotsChanged():
                self.held, self.slots_shown_at = event.held, event.at
            case _:
                pass

    def _take_condition(self, event: Event) -> None:
        match event:
            case Degraded():
                self.degraded.add(event.condition)
            case Recovered():
                self.degraded.discard(event.condition)
            case _:
                pass

    def _take_drift(self, event: Event) -> None:
        match event:
            case SessionOpened():
                for halt in event.halts:
                    if halt.trigger is HaltTrigger.DRIFT and halt.scope is HaltScope.SYMBOL:
                        self.drifts[Symbol(halt.target)] = _CARRIED
            case DriftDetected():
                self.drifts[event.symbol] = event.broker_quantity, event.allocated_quantity
            case DriftCleared():
                self.drifts.pop(event.symbol, None)
            case _:
                pass


async def read_past(log: Log, *, opening: int, head: int) -> SessionPast:
    """Return what stands between a session's opening and ``head``, both included.

    ``head`` is the sequence of a ``SessionOpened`` or of an entry of this service, so that the
    reading ends exactly there.
    """
    past = SessionPast()
    async for delivery in replay(log, after=opening - 1, topics=_TOPICS, until=head):
        past.take(delivery)
    return past


async def replay(
    log: Log, *, after: int, topics: Sequence[str], until: int
) -> AsyncIterator[Delivery]:
    """Yield the entries on ``topics`` past ``after`` up to ``until``, which must be one of them.

    An entry that cannot be decoded is passed over; whoever follows the log live reports it.
    """
    async with log.read(after=after, topics=topics) as reader:
        while True:
            for recorded in await reader.batch(_WAIT):
                if recorded.sequence > until:
                    return
                try:
                    event = codec.decode(recorded.payload)
                except CodecError as error:
                    structlog.get_logger().warning("entry_passed_over", error=str(error))
                else:
                    yield Delivery(recorded.sequence, event)
                if recorded.sequence == until:
                    return
