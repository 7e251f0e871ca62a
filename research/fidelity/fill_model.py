"""How well the exchange's model tells what becomes of an order that has to wait.

An order that trades on arrival says nothing about queues. For one that rested, the model is run on
the tape from the place where the order is *assumed* to have arrived, with no look at what was
executed, and both are compared: how much was executed, and how many shares had traded at its price
when it was. That number is where the queue was: the model's less the record's is the error of the
queue position, positive where the model waits too long.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median

import msgspec

from events import OrderId, Symbol
from events.trading import OrderState, Side
from kis_gateway.simulator.exchange import MarketTrade
from research.fidelity.arrival import Place
from research.fidelity.exchange_tape import IssueTape
from research.fidelity.issue_floor import Execution, IssueFloor, Report
from research.fidelity.order_record import RecordedOrder


class RestingOrder(msgspec.Struct, frozen=True, kw_only=True):
    """One order that waited: shares ordered, executed by the record, executed by the model.

    ``queue_error`` is shares traded at its price up to the model's last execution less those up to
    the recorded one; ``None`` unless both executed it wholly.
    """

    order_id: OrderId
    quantity: int
    recorded: int
    predicted: int
    queue_error: int | None


class FillModel(msgspec.Struct, frozen=True, kw_only=True):
    """How orders that rested compare, and how many traded whole on arrival."""

    resting: tuple[RestingOrder, ...]
    on_arrival: int

    @property
    def recorded_share(self) -> float | None:
        """Executed shares of those that rested, by the record; ``None`` without any."""
        return self._share(sum(each.recorded for each in self.resting))

    @property
    def predicted_share(self) -> float | None:
        """The same by the model."""
        return self._share(sum(each.predicted for each in self.resting))

    @property
    def median_queue_error(self) -> float | None:
        """Shares by which the model's queue is off, in the middle; ``None`` without any."""
        errors = [each.queue_error for each in self.resting if each.queue_error is not None]
        return median(errors) if errors else None

    def _share(self, executed: int) -> float | None:
        ordered = sum(each.quantity for each in self.resting)
        return executed / ordered if ordered else None


def fill_model(
    orders: Mapping[OrderId, RecordedOrder],
    places: Mapping[OrderId, Place],
    tapes: Mapping[Symbol, IssueTape],
    open_floor: Callable[[Symbol], IssueFloor],
) -> FillModel:
    """Return how the model compares with the record; ``open_floor`` gives an issue's exchange."""
    resting: list[RestingOrder] = []
    on_arrival = 0
    for order_id, place in places.items():
        order = orders[order_id]
        tape = tapes[order.symbol]
        waited, executions = _run(order, place, tape, open_floor(order.symbol))
        if waited:
            resting.append(_compared(order, place, tape, executions))
        else:
            on_arrival += 1
    return FillModel(resting=tuple(resting), on_arrival=on_arrival)


def _run(
    order: RecordedOrder, place: Place, tape: IssueTape, floor: IssueFloor
) -> tuple[bool, Sequence[Execution]]:
    """Return whether the order waits at its assumed place, and what the model executes of it."""
    floor.advance(place.assumed)
    reports: list[Report] = floor.place(order.ticket)
    waited = floor.working
    end = floor.steps
    if order.closed is not None and order.closed.state is not OrderState.EXPIRED:
        end = tape.until(order.closed.at)
    shift = place.assumed - place.step
    for attempt, step in sorted(place.cancels.items(), key=lambda item: item[1]):
        reports += floor.advance(max(place.assumed, step + min(shift, 0)))
        reports += floor.cancel(order.order_id, attempt)
    reports += floor.advance(end)
    return waited, [each for each in reports if isinstance(each, Execution)]


def _compared(
    order: RecordedOrder, place: Place, tape: IssueTape, executions: Sequence[Execution]
) -> RestingOrder:
    predicted = sum(each.quantity for each in executions)
    error = None
    if predicted == order.filled_quantity == order.ticket.quantity:
        recorded_end = tape.until(order.fills[-1].at)
        if place.executed_at:
            recorded_end = place.executed_at[-1]
        by_model = _traded(order, tape, place.assumed, executions[-1].step)
        error = by_model - _traded(order, tape, place.assumed, recorded_end)
    return RestingOrder(
        order_id=order.order_id,
        quantity=order.ticket.quantity,
        recorded=order.filled_quantity,
        predicted=predicted,
        queue_error=error,
    )


def _traded(order: RecordedOrder, tape: IssueTape, begin: int, end: int) -> int:
    """Return the shares that traded at an order's price or through it between two steps."""
    price = order.ticket.limit_price
    buys = order.ticket.side is Side.BUY
    return sum(
        step.command.quantity
        for step in tape.steps[begin:end]
        if isinstance(step.command, MarketTrade)
        and price is not None
        and (step.command.price <= price if buys else step.command.price >= price)
    )
