"""A recorded session traded again: the same deciders, the router's core and the exchange's model.

The log says two kinds of things. What came from outside is *given*: market data as received, the
clock, account snapshots, what operators ordered, which subscriptions were held. What the engine
made of it is *derived* and made again: intents, decisions, stops, orders, executions. Of the
derived, the record gives nothing but the place: each is handed on where the recorded one of the
same identity stands on the log, because how long it took to get there is a latency of that day like
any other. Deciders run beside each other, so the order in which their outputs met on the log is
part of what happened.

What always holds: nothing is handed on that was not derived again or given; what the record has and
the replay does not derive is *missing*; what the replay derives and the record has not is handed on
at once, behind the log's end of sequences. Executions come from the exchange's model on the tape
alone (``order_desk``).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from bus import Processor
from bus.topics import matches
from events import Delivery, Event
from events.event import MarketEvent
from events.market import SessionOpened
from events.trading import ExecutionEnded, IntentExpired, IntentSubmitted, OrderEvent
from kis_gateway.orders.plan_settings import PlanSettings
from kis_gateway.orders.router_core import RouterCore
from research.fidelity.day import RecordedDay
from research.fidelity.order_desk import OrderDesk
from research.fidelity.recording import RecordedSession

_SECOND: Final = 1_000_000_000

Factory = Callable[[SessionOpened], Processor]


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """What a replay left.

    ``recorded`` are all derived events of the record, ``derived`` those of the replay in the order
    in which they were handed on, ``missing`` those of the record that were not derived again when
    their place came. ``given`` counts what was taken over by type, of orders too: what a broker
    refuses or loses is nobody's to derive.
    """

    recorded: tuple[Delivery, ...]
    derived: tuple[Delivery, ...]
    missing: tuple[Delivery, ...]
    given: Mapping[str, int]


def replay(day: RecordedDay, factories: Mapping[str, Factory], *, way: int = _SECOND) -> Replayed:
    """Trade a recorded day again.

    ``factories`` build the deciders that ran on the day, by name. ``way`` is how long an order that
    is not on the record takes to the exchange (ns).
    """
    return _Replay(day, factories, way).run()


def plan_settings(opening: SessionOpened) -> PlanSettings:
    """Return how orders were formed on the day, by the configuration in force.

    Raises:
        msgspec.ValidationError: the configuration is of another version of this code.
    """
    text = opening.configuration.get("gateway", "{}")
    orders = msgspec.json.decode(text, type=dict[str, object]).get("orders", {})
    return msgspec.convert(orders, PlanSettings)


class _Replay:
    def __init__(self, day: RecordedDay, factories: Mapping[str, Factory], way: int) -> None:
        self._session = session = day.session
        self._processors = [build(session.opening) for build in factories.values()]
        self._core = RouterCore(session.opening, plan_settings(session.opening))
        self._desk = OrderDesk(day, self._core, way)
        self._readers: dict[str, list[Callable[[Delivery], Sequence[Event]]]] = {}
        self._made = _made_here(session, factories)
        self._coming = Counter(self._made.values())
        self._pending: dict[str, Event] = {}
        self._at_once: deque[Event] = deque()
        self._derived: list[Delivery] = []
        self._missing: list[Delivery] = []
        self._given: Counter[str] = Counter()
        self._beyond = session.entries[-1].sequence if session.entries else 0

    def run(self) -> Replayed:
        for entry in self._session.entries:
            self._entry(entry)
            self._hand_on_at_once()
        self._at_once.extend(self._desk.end())
        self._hand_on_at_once()
        return Replayed(
            recorded=tuple(
                entry
                for entry in self._session.entries
                if entry.sequence in self._made or isinstance(entry.event, OrderEvent)
            ),
            derived=tuple(self._derived),
            missing=tuple(self._missing),
            given=dict(self._given),
        )

    # -- places ----------------------------------------------------------------------------------

    def _entry(self, entry: Delivery) -> None:
        event = entry.event
        if isinstance(event, OrderEvent):
            self._order_entry(entry, event)
        elif entry.sequence not in self._made:
            self._given[type(event).__name__] += 1
            self._hand_on(entry)
        else:
            self._derived_entry(entry)

    def _derived_entry(self, entry: Delivery) -> None:
        identity = entry.event.identity
        assert identity is not None
        self._coming[identity] -= 1
        event = self._pending.pop(identity, None)
        if event is None:
            self._missing.append(entry)
            return
        if isinstance(entry.event, IntentExpired) and isinstance(event, IntentSubmitted):
            event = IntentExpired(at=entry.event.at, intent=event)
        self._derive(Delivery(entry.sequence, event))

    def _order_entry(self, entry: Delivery, event: OrderEvent) -> None:
        found = self._desk.place_of(event)
        if found.event is None:
            self._missing.append(entry)
            return
        if found.given:
            self._given[type(found.event).__name__] += 1
        self._derive(Delivery(entry.sequence, found.event))

    # -- handing on ------------------------------------------------------------------------------

    def _derive(self, delivery: Delivery) -> None:
        self._derived.append(delivery)
        self._hand_on(delivery)

    def _hand_on(self, delivery: Delivery) -> None:
        event = delivery.event
        topic = event.topic
        readers = self._readers.get(topic)
        if readers is None:
            readers = self._readers[topic] = self._readers_of(topic)
        for read in readers:
            for output in read(delivery):
                self._offer(output)
        self._desk.log(delivery)
        self._at_once.extend(self._desk.at_once())

    def _readers_of(self, topic: str) -> list[Callable[[Delivery], Sequence[Event]]]:
        readers: list[Callable[[Delivery], Sequence[Event]]] = [
            each.handle
            for each in self._processors
            if any(matches(pattern, topic) for pattern in each.inputs)
        ]
        if any(matches(pattern, topic) for pattern in RouterCore.topics):
            readers.append(self._route)
        return readers

    def _route(self, delivery: Delivery) -> Sequence[Event]:
        return [
            event
            for action in self._core.handle(delivery)
            if (event := self._desk.act(action)) is not None
        ]

    def _offer(self, event: Event) -> None:
        """Keep an output for its place on the record, or hand it on when it has none."""
        identity = event.identity
        assert identity is not None
        if self._coming[identity] > 0:
            self._pending[identity] = event
        else:
            self._at_once.append(event)

    def _hand_on_at_once(self) -> None:
        while self._at_once:
            self._derive(Delivery(self._next_beyond(), self._at_once.popleft()))

    def _next_beyond(self) -> int:
        self._beyond += 1
        return self._beyond


def _made_here(session: RecordedSession, factories: Mapping[str, Factory]) -> dict[int, str]:
    """Return the identity of everything that a decider or the router's core made, by sequence.

    Order events are apart: they have a desk of their own.
    """
    deciders = [build(session.opening) for build in factories.values()]
    if session.entries:
        # What is whose they know once they have seen where the session begins.
        for decider in deciders:
            decider.handle(session.entries[0])
    owners: dict[str, list[Processor]] = {}
    found: dict[int, str] = {}
    for entry in session.entries:
        event = entry.event
        if isinstance(event, MarketEvent | OrderEvent):
            continue
        topic = event.topic
        if topic not in owners:
            owners[topic] = [
                each
                for each in deciders
                if any(matches(pattern, topic) for pattern in each.outputs)
            ]
        said = event.intent if isinstance(event, IntentExpired) else event
        if isinstance(event, ExecutionEnded) or any(each.owns(said) for each in owners[topic]):
            assert event.identity is not None
            found[entry.sequence] = event.identity
    return found
