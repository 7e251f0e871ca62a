"""The exchange of a replay: every issue's floor, and what of ours is on its way there.

An order on the record arrives at the place that was found for it, and never if the record shows
that it never did; one that is not on the record takes the usual way. What always holds: a floor is
carried no further than its record proves to have happened by now, or than the record's own news of
an order demand.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from events import Delivery, OrderId, Symbol
from events.event import MarketEvent
from events.market import QuoteFrame, TradeFrame
from events.trading import OrderSubmitting
from research.fidelity.arrival import later_place
from research.fidelity.day import RecordedDay
from research.fidelity.issue_floor import Execution, Gone, IssueFloor, Report, TakenIn, TurnedDown


class AtExchange(msgspec.Struct):
    """One order at the exchange and what has not been told of it yet.

    ``turned_down`` is the exchange's reason. ``executions`` are those not told of. ``telling`` is
    set while an event of it waits to be handed on, ``told`` when nothing is left to tell.
    """

    ticket: OrderSubmitting
    turned_down: str | None = None
    executions: deque[Execution] = msgspec.field(default_factory=deque)
    gone: Gone | None = None
    telling: bool = False
    told: bool = False

    @property
    def order_id(self) -> OrderId:
        """The order's id."""
        return self.ticket.order_id

    @property
    def symbol(self) -> Symbol:
        """The symbol ordered."""
        return self.ticket.symbol


class RecordedExchange:
    """Carries the tapes of a recorded session, with our orders among them."""

    def __init__(self, day: RecordedDay, way: int) -> None:
        """``way`` is how long an order that is not on the record takes to the exchange (ns)."""
        self._day = day
        self._way = way
        self._floors: dict[Symbol, IssueFloor] = {}
        self._arrivals: defaultdict[Symbol, list[tuple[int, _Coming]]] = defaultdict(list)
        self._sequence = 0
        self.now = day.session.opening.at
        """Newest instant of the market on the log (ns UTC)."""
        self.orders: dict[OrderId, AtExchange] = {}
        """Every order that has arrived."""

    def follow(self, delivery: Delivery) -> None:
        """Let happen what an entry of the market proves to have happened."""
        event = delivery.event
        if not isinstance(event, MarketEvent):
            return
        self.now, self._sequence = max(self.now, event.at), delivery.sequence
        if isinstance(event, TradeFrame | QuoteFrame) and self._waiting(event.symbol):
            self._advance(
                event.symbol, self._floors[event.symbol].tape.told_by(delivery.sequence + 1)
            )

    def leave(self, ticket: OrderSubmitting) -> None:
        """Send an order on its way, unless the record shows that it never reached the exchange."""
        place = self._day.places.get(ticket.order_id)
        if place is None and ticket.order_id in self._day.orders:
            return
        symbol = ticket.symbol
        if symbol not in self._floors:
            self._floors[symbol] = self._day.floor(symbol)
        if place is None:
            self._comes(symbol, self._usual_place(symbol), _Coming(ticket))
            return
        self._comes(symbol, place.step, _Coming(ticket))
        by_somebody_else = place.cancels.get(0)
        if by_somebody_else is not None:
            self._comes(symbol, by_somebody_else, _Coming(ticket, is_cancel=True))

    def withdraw(self, order: OrderId, attempt: int) -> None:
        """Send a cancel on its way, unless the record shows that it had no effect."""
        found, place = self.orders.get(order), self._day.places.get(order)
        if found is None or found.told:
            return
        recorded = self._day.orders.get(order)
        if place is not None and recorded is not None and attempt <= len(recorded.cancels):
            if attempt not in place.cancels:
                return
            step = place.cancels[attempt]
        else:
            step = self._usual_place(found.symbol)
        self._comes(found.symbol, step, _Coming(found.ticket, attempt, is_cancel=True))

    def arrive(self, order: OrderId) -> AtExchange | None:
        """Let time go on until an order that is on its way has arrived; return it."""
        for symbol, waiting in self._arrivals.items():
            for step, coming in waiting:
                if coming.ticket.order_id == order and not coming.is_cancel:
                    self._advance(symbol, step)
                    return self.orders[order]
        return self.orders.get(order)

    def step(self, symbol: Symbol, until: int) -> bool:
        """Carry out one more step no younger than an instant (ns UTC); whether there was one."""
        floor = self._floors[symbol]
        arrivals = self._arrivals[symbol]
        if arrivals and arrivals[0][0] <= floor.done:
            self._advance(symbol, floor.done)
            return True
        due = floor.next_time()
        if due is None or due > until:
            return False
        self._advance(symbol, floor.done + 1)
        return True

    def finish(self, symbol: Symbol) -> None:
        """Let the session of one issue come to its end."""
        self._advance(symbol, self._floors[symbol].steps)

    def end(self) -> None:
        """Let the session come to its end everywhere."""
        for symbol in self._floors:
            self.finish(symbol)

    def _usual_place(self, symbol: Symbol) -> int:
        return later_place(self._floors[symbol].tape, self._sequence, self.now, self._way)

    def _comes(self, symbol: Symbol, step: int, coming: _Coming) -> None:
        waiting = self._arrivals[symbol]
        waiting.append((step, coming))
        waiting.sort(key=lambda item: (item[0], item[1].is_cancel))

    def _waiting(self, symbol: Symbol) -> bool:
        floor = self._floors.get(symbol)
        return floor is not None and (floor.working or bool(self._arrivals[symbol]))

    def _advance(self, symbol: Symbol, to: int) -> None:
        """Carry out an issue's tape up to a step, with what arrives on the way."""
        floor, waiting = self._floors[symbol], self._arrivals[symbol]
        while waiting and waiting[0][0] <= to:
            step, coming = waiting.pop(0)
            self._take(floor.advance(step))
            order = coming.ticket.order_id
            if coming.is_cancel:
                self._take(floor.cancel(order, coming.attempt))
            else:
                self.orders[order] = AtExchange(ticket=coming.ticket)
                self._take(floor.place(coming.ticket))
        self._take(floor.advance(to))

    def _take(self, reports: Iterable[Report]) -> None:
        for report in reports:
            found = self.orders[report.order_id]
            match report:
                case TakenIn():
                    continue
                case TurnedDown():
                    found.turned_down = report.reason
                case Execution():
                    found.executions.append(report)
                case Gone():
                    found.gone = report


class _Coming(NamedTuple):
    """An order, or a cancel of it, on its way to the exchange."""

    ticket: OrderSubmitting
    attempt: int = 0
    is_cancel: bool = False
