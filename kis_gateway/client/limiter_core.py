"""One call budget per app key: who may call KIS next, and when.

KIS counts calls per app key and refuses with ``EGW00201`` above the limit; calls that read the
account's ledger (balance, orders of the day) have a second limit per account and refuse with
``EGW00215``. ``LimiterCore`` is pure: time goes in, grants come out.

KIS counts a call when it arrives, which is some time between its grant and its answer. So a call
holds a place from its grant until a second after its *answer*, and there are as many places as
calls are allowed: however long the calls travel, no second at KIS ever sees more than the rate.

Calls are of two classes. Order calls (cancel, sell, buy) may use every free place, all at once if
need be. Data calls are evenly spaced, and they leave a number of places free, the reserve: so a
burst of orders finds places whatever the demand for data is.

What always holds: data never use the reserve; a waiting order goes before waiting data, and within
a class the stronger goes first, first come first served; while data wait, at least every fifth call
is theirs as soon as they have a place, even if orders have used the reserve up; one ledger call is
out at a time; nothing is ever refused, only queued.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from enum import Enum, IntEnum
from typing import Final, NamedTuple

from kis_gateway.settings import Limits

_SECOND: Final = 1_000_000_000
_DEEPEST_STEP: Final = 3
_NEVER: Final = 1 << 63

_ARRIVED_AFTER: Final = 3 * _SECOND
"""A call without an answer is taken to have arrived by then: one that hangs must not hold up a
sell for as long as its own time-out."""

_ORDERS_IN_A_ROW: Final = 4
"""Order calls that may go one after the other while data wait."""


class Priority(IntEnum):
    """Who goes first; lower is stronger. What reduces risk comes before what adds to it."""

    CANCEL = 0
    SELL = 1
    BUY = 2
    EXECUTIONS = 3
    BALANCE = 4
    QUOTE = 5
    CHART = 6

    @property
    def is_order(self) -> bool:
        """Whether the call changes an order, not only reads."""
        return self <= Priority.BUY


class _Class(Enum):
    ORDER = 0
    DATA = 1
    LEDGER = 2


class Grant(NamedTuple):
    """Permission for one call; ``at`` is when it was given (ns UTC), ``number`` its own."""

    at: int
    number: int
    ledger: bool
    order: bool


class Window:
    """Places that calls hold from their grant until ``period`` after their answer.

    ``spacing`` keeps grants apart. With ``single_flight`` a call that has no answer holds its place
    however long it takes. A refusal doubles period and spacing, at most to eight times;
    ``recovery`` seconds without one halve them again. Times are ns.
    """

    __slots__ = (
        "_arrived_after",
        "_changed",
        "_free_at",
        "_period",
        "_recovery",
        "_seen_by",
        "_spacing",
        "_step",
        "places",
    )

    def __init__(
        self,
        places: int,
        period: int,
        recovery: float,
        *,
        spacing: int = 0,
        single_flight: bool = False,
    ) -> None:
        self.places: Final = places
        self._period = period
        self._spacing = spacing
        self._recovery = round(recovery * _SECOND)
        self._arrived_after = _NEVER if single_flight else _ARRIVED_AFTER
        # Call number → when KIS has certainly seen it.
        self._seen_by: dict[int, int] = {}
        self._free_at = 0
        self._step = 0
        self._changed = 0

    def free_at(self, *, spare: int = 0) -> int:
        """Return when the next call may go and leave ``spare`` places free (ns UTC).

        An answer or the end of a bad phase can only make it earlier.
        """
        too_many = len(self._seen_by) + spare + 1 - self.places
        if too_many <= 0:
            return self._free_at
        if spare >= self.places:
            return _NEVER
        seen_by = sorted(self._seen_by.values())[too_many - 1]
        return max(self._free_at, seen_by + (self._period << self._step))

    def interval(self, now: int) -> int:
        """Return the mean spacing in force (ns)."""
        self._advance(now)
        return (self._period << self._step) // self.places

    def take(self, number: int, now: int) -> None:
        """Use a place that is free at ``now``."""
        self._advance(now)
        assert now >= self.free_at(), "take() before free_at()"
        self._seen_by[number] = now + self._arrived_after
        self._free_at = now + (self._spacing << self._step)

    def answered(self, number: int, now: int) -> None:
        """Take note that a call has its answer, or never left."""
        if number in self._seen_by:
            self._seen_by[number] = min(self._seen_by[number], now)

    def slow_down(self, now: int, granted_at: int) -> None:
        """Widen the spacing because a call granted at ``granted_at`` was refused.

        Calls granted before the last change say nothing about the spacing in force: several
        refusals of one crowd count once.
        """
        self._advance(now)
        if granted_at >= self._changed or not self._step:
            self._step = min(self._step + 1, _DEEPEST_STEP)
        self._changed = now
        self._free_at = max(self._free_at, now + (self._period << self._step) // self.places)

    def _advance(self, now: int) -> None:
        """Recover from refusals, and give back the places of calls that KIS no longer counts."""
        while self._step and now - self._changed >= self._recovery:
            self._step -= 1
            self._changed += self._recovery
        counted_since = now - (self._period << self._step)
        gone = [number for number, at in self._seen_by.items() if at <= counted_since]
        for number in gone:
            del self._seen_by[number]


class LimiterCore:
    """The queues and their windows, driven by a ``now`` that never goes backwards."""

    def __init__(self, limits: Limits) -> None:
        recovery = limits.recovery_seconds
        places, period = limits.places, limits.period
        data_places = limits.data_places
        self.calls: Final = Window(places, period, recovery)
        self.data: Final = Window(data_places, period, recovery, spacing=period // data_places)
        self.ledger: Final = Window(
            1, math.ceil(_SECOND / limits.ledger_calls_per_second), recovery, single_flight=True
        )
        self.orders: Final = Window(
            1 if limits.order_interval_seconds else places,
            round(limits.order_interval_seconds * _SECOND) or period,
            recovery,
        )
        self._windows: Final = {
            _Class.ORDER: (self.calls, self.orders),
            _Class.DATA: (self.calls, self.data),
            _Class.LEDGER: (self.calls, self.data, self.ledger),
        }
        self._queues: Final[dict[_Class, list[tuple[int, int]]]] = {each: [] for each in _Class}
        self._withdrawn: set[int] = set()
        self._reserve = places - data_places
        self._ordinal = 0
        self._orders_in_a_row = 0

    def enqueue(self, priority: Priority, *, ledger: bool) -> int:
        """Queue a call and return its ticket; one on the ledger is data whatever its priority."""
        self._ordinal += 1
        kind = _Class.LEDGER if ledger else _Class.ORDER if priority.is_order else _Class.DATA
        heapq.heappush(self._queues[kind], (priority, self._ordinal))
        return self._ordinal

    def withdraw(self, ticket: int) -> None:
        """Forget a queued ticket."""
        self._withdrawn.add(ticket)

    def due(self) -> int | None:
        """Return the earliest instant at which a queued call might go.

        ``None`` when none is queued, or none can go before an answer has come.
        """
        soonest = min((at for at, *_ in self._candidates()), default=_NEVER)
        return None if soonest >= _NEVER else soonest

    def grant(self, now: int) -> tuple[int, Grant] | None:
        """Return the ticket that goes at ``now``, its place taken; or ``None``."""
        free = [(rank, kind) for at, rank, kind in self._candidates() if at <= now]
        if not free:
            return None
        _, kind = min(free, key=lambda item: item[0])
        _, ticket = heapq.heappop(self._queues[kind])
        for window in self._windows[kind]:
            window.take(ticket, now)
        if kind is not _Class.ORDER:
            self._orders_in_a_row = 0
        elif self._heads().keys() - {_Class.ORDER}:
            self._orders_in_a_row += 1
        return ticket, Grant(now, ticket, kind is _Class.LEDGER, kind is _Class.ORDER)

    def answered(self, grant: Grant, now: int) -> None:
        """Take note that a granted call has its answer, or never left."""
        for window in (self.calls, self.data, self.ledger, self.orders):
            window.answered(grant.number, now)

    def slow_down(self, grant: Grant, now: int, *, ledger: bool) -> int:
        """Narrow what a refused call was counted on; return the spacing from now on (ns).

        A refusal by the ledger says nothing about the other calls. One by the gateway narrows data
        with the whole, else they would reach into the reserve.
        """
        if ledger:
            self.ledger.slow_down(now, grant.at)
            return self.ledger.interval(now)
        narrowed = (self.calls, self.data, self.orders) if grant.order else (self.calls, self.data)
        for window in narrowed:
            window.slow_down(now, grant.at)
        return self.calls.interval(now)

    def _candidates(self) -> Iterator[tuple[int, tuple[bool, int, int], _Class]]:
        """Yield of each class that waits: when its first may go, its rank, the class."""
        heads = self._heads()
        data_turn = self._orders_in_a_row >= _ORDERS_IN_A_ROW
        # An order that waits for its own spacing must not lose the last place to data either.
        kept = 0 if data_turn else max(self._reserve, _Class.ORDER in heads)
        for kind, head in heads.items():
            is_order = kind is _Class.ORDER
            at = max(
                self.calls.free_at(spare=0 if is_order else kept),
                *(window.free_at() for window in self._windows[kind]),
            )
            yield at, (is_order == data_turn, *head), kind

    def _heads(self) -> dict[_Class, tuple[int, int]]:
        for queue in self._queues.values():
            while queue and queue[0][1] in self._withdrawn:
                self._withdrawn.discard(heapq.heappop(queue)[1])
        return {kind: queue[0] for kind, queue in self._queues.items() if queue}
