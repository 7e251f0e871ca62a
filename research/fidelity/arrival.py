"""Where on the tape of its issue each recorded order arrived, as far as the log tells.

An order left after it had been written ahead, so it arrived after everything that stands before its
``OrderSubmitting`` and after whatever had been told of executions by then. It had arrived when the
broker's answer or its first execution was recorded, so before every step with a later second. That
is its *window*: usually a few steps wide, because all that is observed is the time from one entry
to the other, and the exchange's clock shows full seconds.

Inside the window the place is not observed. ``assumed`` is where the order arrives when ``split``
of the time to the answer is taken to be the way there. ``place`` is the place nearest to it at
which the exchange model, given the tape and nothing else, executes what was executed: the recorded
fills choose the latency, never a price or a quantity. Where no place in the window does, the model
does not explain the record, and the order stays where it was assumed.

What that can hide, and what cannot be hidden: a latency that is wrong by less than the window; but
no price that was not there, no quantity that was not there, and no queue that had not been served.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from functools import partial
from typing import Final

import msgspec

from events import OrderId, Symbol
from events.trading import CancelAccepted, CancelUnknown, FillSource, OrderState
from kis_gateway.simulator.exchange import Listing
from research.fidelity.exchange_tape import IssueTape
from research.fidelity.issue_floor import Execution, Gone, IssueFloor, Report
from research.fidelity.order_record import RecordedFill, RecordedOrder

EVEN_SPLIT: Final = 0.5
"""Part of the time from the call to its answer that is taken for the way to the exchange."""

_HALF_A_SECOND: Final = 500_000_000
_MOST_PLACES: Final = 400
"""Places that are tried for an order and its cancel together: more say nothing about a latency."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where an order arrived: before step ``step`` of its issue's tape, between two bounds.

    ``cancels`` are the steps before which its cancels took effect, by attempt. ``fitting`` are the
    places of the window that give the recorded executions, rising; without any the order is not
    ``explained``. ``executed_at`` are the steps after which its executions happened at ``step``.
    """

    order_id: OrderId
    earliest: int
    latest: int
    assumed: int
    step: int
    cancels: dict[int, int]
    fitting: tuple[int, ...]
    executed_at: tuple[int, ...] = ()

    @property
    def explained(self) -> bool:
        """Whether the model executes at ``step`` what was executed."""
        return bool(self.fitting)

    @property
    def assumed_fits(self) -> bool:
        """Whether it does so without a look at the executions: where the order was assumed."""
        return self.assumed in self.fitting


def places(
    orders: Sequence[RecordedOrder],
    tape: IssueTape,
    listing: Listing,
    day: date,
    *,
    split: float = EVEN_SPLIT,
    own_shown: bool = True,
) -> dict[OrderId, Place]:
    """Return the place of every order of one issue that is known to have reached the exchange.

    ``orders`` are those of the issue, in the order in which they were written ahead;
    ``own_shown`` says that they are part of its recorded books.
    """
    arrivals = _Arrivals(tape, partial(IssueFloor, listing, tape, day, own_shown=own_shown), split)
    for order in orders:
        if order.reached_exchange:
            arrivals.add(order)
    return arrivals.found


def later_place(tape: IssueTape, sequence: int, clock_at: int, way: int) -> int:
    """Return the place of an order that is not on the record.

    ``way`` ns after ``clock_at``, and after everything told before ``sequence``.
    """
    return max(tape.told_by(sequence), tape.until(clock_at + way - _HALF_A_SECOND))


def explains(executions: Sequence[Execution], fills: Sequence[RecordedFill]) -> bool:
    """Return whether executions are those that were recorded, one fill after the other.

    A notice tells of one execution; an inquiry may tell of several together, its amount their sum.
    None may be told before the second in which it happened.
    """
    left = list(executions)
    for fill in fills:
        quantity = amount = 0
        most = len(left) if fill.source is FillSource.INQUIRY else 1
        while left and quantity < fill.quantity and most:
            execution = left.pop(0)
            most -= 1
            if execution.time > fill.at:
                return False
            quantity += execution.quantity
            amount += execution.quantity * execution.price
        if (quantity, amount) != (fill.quantity, fill.amount):
            return False
    return not left


class _Arrivals:
    """Finds the places of one issue's orders, one after the other."""

    def __init__(
        self, tape: IssueTape, open_floor: Callable[..., IssueFloor], split: float
    ) -> None:
        self._tape = tape
        self._open_floor = open_floor
        self._split = split
        self._settled: list[RecordedOrder] = []
        self.found: dict[OrderId, Place] = {}
        """The places found so far."""

    def add(self, order: RecordedOrder) -> None:
        """Find the place of the next order, among those before it."""
        tape = self._tape
        earliest = max(tape.told_by(order.sequence), self._reached(order.sequence))
        latest = max(earliest, tape.until(order.known_at))
        assumed = self._between(order.clock_at, order.known_at, earliest, latest)
        begin = self._quiet(earliest)
        fitting: list[tuple[int, dict[int, int], tuple[int, ...]]] = []
        tried = 0
        for step in _from_the_middle(earliest, latest, assumed):
            for cancels in self._cancels(order, step):
                tried += 1
                executed_at = self._try(order, step, cancels, begin)
                if executed_at is not None:
                    fitting.append((step, cancels, executed_at))
                    break
                if tried >= _MOST_PLACES:
                    break
        step, cancels, executed_at = (
            fitting[0] if fitting else (assumed, next(self._cancels(order, assumed)), ())
        )
        self.found[order.order_id] = Place(
            order_id=order.order_id,
            earliest=earliest,
            latest=latest,
            assumed=assumed,
            step=step,
            cancels=cancels,
            fitting=tuple(sorted(at for at, _, _ in fitting)),
            executed_at=executed_at,
        )
        self._settled.append(order)

    def _between(self, begin: int, end: int, earliest: int, latest: int) -> int:
        at = begin + round((end - begin) * self._split)
        # A step's second has gone by half, on average, when the step happens.
        return min(max(earliest, self._tape.until(at - _HALF_A_SECOND)), latest)

    def _reached(self, sequence: int) -> int:
        """Return how many steps had happened by what was told of earlier orders."""
        reached = 0
        for order in self._settled:
            place = self.found[order.order_id]
            # What was written ahead first leaves first.
            reached = max(reached, place.step)
            told = sum(fill.sequence < sequence for fill in order.fills)
            if told and place.executed_at:
                reached = max(reached, place.executed_at[min(told, len(place.executed_at)) - 1])
            if order.closed is not None and order.closed_sequence < sequence:
                reached = max((reached, *place.cancels.values()))
        return reached

    def _cancels(self, order: RecordedOrder, arrival: int) -> Iterator[dict[int, int]]:
        """Yield where the cancel that ended an order may have taken effect, the assumed first.

        An order that was withdrawn by somebody else ends by an attempt 0. One that was not
        withdrawn has no such place.
        """
        if not order.withdrawn:
            yield {}
            return
        assert order.closed is not None
        attempt, sequence, begin = 0, order.known_sequence, order.known_at
        for cancel in order.cancels:
            if cancel.answer is None or isinstance(cancel.answer, CancelAccepted | CancelUnknown):
                attempt, sequence, begin = cancel.attempt, cancel.sequence, cancel.clock_at
        earliest = max(arrival, self._tape.told_by(sequence))
        latest = max(earliest, self._tape.until(order.closed.at))
        assumed = self._between(begin, order.closed.at, earliest, latest)
        for step in _from_the_middle(earliest, latest, assumed):
            yield {attempt: step}

    def _quiet(self, earliest: int) -> int:
        """Return a book before which no order that still works at ``earliest`` had arrived."""
        begin = earliest
        for order in reversed(self._settled):
            over = len(self._tape.steps)
            if order.closed is not None:
                over = self._tape.until(order.closed.at)
            if over >= begin:
                begin = min(begin, self.found[order.order_id].step)
        return self._tape.last_book(begin)

    def _try(
        self, order: RecordedOrder, step: int, cancels: Mapping[int, int], begin: int
    ) -> tuple[int, ...] | None:
        """Return the steps after which an order executes at a place; ``None`` if not as recorded.

        The tape is followed from step ``begin`` on.
        """
        floor = self._open_floor(begin=begin)
        moments = [(step, order, 0), *((at, order, attempt) for attempt, at in cancels.items())]
        for other in self._settled:
            place = self.found[other.order_id]
            if place.step >= begin:
                moments.append((place.step, other, 0))
                moments += [(at, other, attempt) for attempt, at in place.cancels.items()]
        moments.sort(key=lambda moment: (moment[0], moment[1].sequence, moment[2]))
        placed: set[OrderId] = set()
        reports: list[Report] = []
        for at, who, attempt in moments:
            reports += floor.advance(at)
            if who.order_id in placed:
                reports += floor.cancel(who.order_id, attempt)
            else:
                placed.add(who.order_id)
                reports += floor.place(who.ticket)
        reports += floor.advance(self._end(order))
        mine = [report for report in reports if report.order_id == order.order_id]
        executions = [report for report in mine if isinstance(report, Execution)]
        if not explains(executions, order.fills):
            return None
        if order.withdrawn and not any(isinstance(report, Gone) for report in mine):
            return None
        return tuple(execution.step for execution in executions)

    def _end(self, order: RecordedOrder) -> int:
        """Return the step by which nothing of an order is outstanding."""
        if order.closed is None or order.closed.state is OrderState.EXPIRED:
            return len(self._tape.steps)
        return self._tape.until(max((order.closed.at, *(fill.at for fill in order.fills))))


def _from_the_middle(earliest: int, latest: int, middle: int) -> list[int]:
    return sorted(range(earliest, latest + 1), key=lambda step: (abs(step - middle), step))


def by_symbol(orders: Mapping[OrderId, RecordedOrder]) -> dict[Symbol, list[RecordedOrder]]:
    """Return orders by symbol, each in the order in which they were written ahead."""
    found: dict[Symbol, list[RecordedOrder]] = {}
    for order in orders.values():
        found.setdefault(order.symbol, []).append(order)
    return found
