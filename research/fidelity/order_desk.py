"""Where the router's shell and the broker stand in a replay of a recorded session.

Live, an order is written ahead by the shell, answered by the broker and told of by notices and
inquiries. Here the shell's and the broker's part is taken from the record — when, under which
number, and what never reached the exchange — and the exchange's part is the model's
(``recorded_exchange``): whether an order is taken in, what it trades, at which price, what is left.
What always holds: an execution is told only after the model has made it; nothing is told of an
order that the router's core of the replay did not want.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import Final, NamedTuple

import msgspec

from events import Delivery, Event, OrderId
from events.trading import (
    CancelAccepted,
    CancelRejected,
    CancelSubmitting,
    CancelUnknown,
    FillCorrected,
    FillSource,
    OrderAccepted,
    OrderClosed,
    OrderEvent,
    OrderFilled,
    OrderHeld,
    OrderRejected,
    OrderState,
    OrderSubmitting,
    OrderUnknown,
)
from kis_gateway.orders.actions import Action, Cancel, End, Hold, Refuse, Submit
from kis_gateway.orders.order_state import CancelState
from kis_gateway.orders.router_core import RouterCore
from research.fidelity.day import RecordedDay
from research.fidelity.issue_floor import Execution
from research.fidelity.order_news import News, end_of, refusal
from research.fidelity.recorded_exchange import AtExchange, RecordedExchange

_SENDABLE: Final = (None, OrderState.HELD)
_WORKING: Final = (OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED)
_LIFE: Final = (CancelSubmitting, OrderFilled, OrderClosed)
_NUMBER: Final = "REPLAY"
"""Stands for the number that a broker would have given."""


class Found(NamedTuple):
    """What stands in the place of a recorded order event; ``given`` when it is the record's own."""

    event: Event | None
    given: bool = False


_NOTHING: Final = Found(None)


class OrderDesk:
    """Carries out what the router's core wants, at the places of a record."""

    def __init__(self, day: RecordedDay, core: RouterCore, way: int) -> None:
        """``way`` is how long an order that is not on the record takes to the exchange (ns)."""
        self._core = core
        self._exchange = RecordedExchange(day, way)
        self._news = News(core, day.session.trading_date)
        self._wanted: dict[str, Submit | Refuse | Hold | Cancel] = {}
        self._coming: Counter[tuple[OrderId, type[Event]]] = Counter(
            (entry.event.order_id, type(entry.event))
            for entry in day.session.entries
            if isinstance(entry.event, OrderEvent)
        )
        self._at_once: deque[Event] = deque()

    # -- what the core wants ---------------------------------------------------------------------

    def act(self, action: Action) -> Event | None:
        """Take in an action; return what needs no place among the order events."""
        match action:
            case End():
                return action.event
            case Cancel():
                identity = f"{action.order_id}-cancel{action.attempt}"
                self._wanted.setdefault(identity, action)
                if not self._lasts(action.order_id):
                    self._now_or_never(self._write_cancel(action, self._exchange.now))
            case Hold() | Submit() | Refuse():
                self._wanted[str(action.event.identity)] = action
                if not self._still_to_begin(action.event.order_id):
                    self._now_or_never(self._begin(action))
        return None

    def _now_or_never(self, event: Event | None) -> None:
        if event is not None:
            self._at_once.append(event)

    def _lasts(self, order: OrderId) -> bool:
        """Return whether the record has more to say of an order.

        Until then a cancel that is wanted waits for its place: the shell writes it ahead a moment
        later, and not at all when the order's end comes first.
        """
        return any(self._coming[order, kind] for kind in _LIFE)

    def _still_to_begin(self, order: OrderId) -> bool:
        """Return whether the record has yet to say how an order began, or that it did not."""
        return self._state(order) in _SENDABLE and any(
            self._coming[order, kind] for kind in (OrderHeld, OrderSubmitting, OrderRejected)
        )

    def _begin(self, action: Hold | Submit | Refuse, epoch: int = 0) -> Event | None:
        event = action.event
        self._wanted.pop(str(event.identity), None)
        if self._state(event.order_id) not in _SENDABLE:
            return None
        if isinstance(event, OrderSubmitting):
            return msgspec.structs.replace(event, epoch=epoch)
        return event

    # -- places of the record --------------------------------------------------------------------

    def place_of(self, event: OrderEvent) -> Found:
        """Return what the replay has to say where the record has this order event."""
        self._coming[event.order_id, type(event)] -= 1
        match event:
            case OrderHeld():
                return self._beginning(event, 0)
            case OrderSubmitting():
                return self._beginning(event, event.epoch)
            case OrderRejected():
                return self._rejected(event)
            case OrderUnknown():
                return self._given(event, OrderState.SUBMITTING)
            case OrderAccepted():
                return self._accepted(event)
            case OrderFilled():
                return self._filled(event)
            case OrderClosed():
                return self._closed(event)
            case CancelSubmitting():
                wanted = self._wanted.get(str(event.identity))
                if not isinstance(wanted, Cancel):
                    return _NOTHING
                return Found(self._write_cancel(wanted, event.at))
            case CancelAccepted() | CancelRejected() | CancelUnknown():
                order = self._core.orders.order(event.order_id)
                tried = order is not None and order.cancel_attempts == event.attempt
                return Found(event, given=True) if tried else _NOTHING
            case FillCorrected():
                order = self._core.orders.order(event.order_id)
                return Found(event, given=True) if order and order.closed else _NOTHING
        return _NOTHING

    def _beginning(self, event: OrderHeld | OrderSubmitting, epoch: int) -> Found:
        action = self._wanted.get(str(event.identity))
        if not isinstance(action, Hold | Submit):
            return _NOTHING
        return Found(self._begin(action, epoch))

    def _rejected(self, event: OrderRejected) -> Found:
        order, state = event.order_id, self._state(event.order_id)
        if state in _SENDABLE:
            refusal = self._wanted.pop(str(event.identity), None)
            if isinstance(refusal, Refuse) and refusal.event.code == event.code:
                return Found(refusal.event)
            # What the shell did not send, for reasons of its own, is nobody's to derive.
            planned = self._wanted.pop(f"{order}-submitting", None)
            return Found(event, given=True) if planned or refusal else _NOTHING
        return self._given(event, OrderState.SUBMITTING, OrderState.UNKNOWN, OrderState.ACCEPTED)

    def _given(self, event: OrderEvent, *states: OrderState) -> Found:
        return Found(event, given=True) if self._state(event.order_id) in states else _NOTHING

    def _accepted(self, event: OrderAccepted) -> Found:
        order = self._core.orders.order(event.order_id)
        if order is None or order.broker_order is not None:
            return _NOTHING
        found = self._exchange.arrive(event.order_id)
        if found is None:
            return _NOTHING
        return Found(event if found.turned_down is None else refusal(found, event.at))

    def _filled(self, event: OrderFilled) -> Found:
        found = self._exchange.arrive(event.order_id)
        if found is None:
            return _NOTHING
        # A notice tells of one execution, an inquiry of all there are.
        wanted = event.quantity if event.source is FillSource.INQUIRY else 1
        while sum(each.quantity for each in found.executions) < wanted:
            if not self._exchange.step(found.symbol, event.at):
                break
        parts: list[Execution] = []
        while found.executions and sum(part.quantity for part in parts) < wanted:
            parts.append(found.executions.popleft())
        return Found(self._news.fill(found, parts, event.at, event.source)) if parts else _NOTHING

    def _closed(self, event: OrderClosed) -> Found:
        order, found = self._core.orders.order(event.order_id), self._at(event.order_id)
        if found is None or order is None or order.over:
            return _NOTHING
        if event.state is OrderState.EXPIRED:
            self._exchange.finish(found.symbol)
        elif event.state is OrderState.CANCELLED:
            while found.gone is None and self._exchange.step(found.symbol, event.at):
                pass
        return Found(end_of(order, found, event.at, event.reason))

    # -- following the log -----------------------------------------------------------------------

    def log(self, delivery: Delivery) -> None:
        """Follow the log: orders leave when they stand on it, and the tape goes on with it."""
        event = delivery.event
        if not isinstance(event, OrderEvent):
            self._exchange.follow(delivery)
            return
        found = self._at(event.order_id)
        if found is not None:
            found.telling = False
        if isinstance(event, OrderSubmitting):
            self._exchange.leave(event)
        elif isinstance(event, CancelSubmitting):
            self._exchange.withdraw(event.order_id, event.attempt)

    def at_once(self) -> list[Event]:
        """Return what has to be told now because the record has no place for it."""
        for found in self._exchange.orders.values():
            if found.told:
                continue
            if not self._lasts(found.order_id):
                self._write_waiting_cancels(found.order_id)
            if not found.telling:
                event = self._untold(found)
                if event is not None:
                    found.telling = True
                    self._at_once.append(event)
        said, self._at_once = list(self._at_once), deque()
        return said

    def end(self) -> list[Event]:
        """Let the session come to its end at the exchange; return what is told first of it."""
        self._exchange.end()
        return self.at_once()

    # -- what is told ----------------------------------------------------------------------------

    def _untold(self, found: AtExchange) -> Event | None:
        """Return the next that must be told of an order and has no place on the record."""
        order_id, now = found.order_id, self._exchange.now
        order = self._core.orders.order(order_id)
        if order is None:
            return None
        if order.over:
            found.told = not found.executions
        answers = self._coming[order_id, OrderAccepted] + self._coming[order_id, OrderRejected]
        if order.broker_order is None and not order.over and not answers:
            if found.turned_down is not None:
                return refusal(found, now)
            return OrderAccepted(at=now, order_id=order_id, broker_order=_NUMBER, branch=_NUMBER)
        if found.executions and not self._coming[order_id, OrderFilled]:
            part = found.executions.popleft()
            return self._news.fill(found, [part], now, FillSource.NOTICE)
        if order.over or self._coming[order_id, OrderClosed]:
            return None
        return end_of(order, found, now, "replay")

    # -- cancels and states ----------------------------------------------------------------------

    def _write_waiting_cancels(self, order: OrderId) -> None:
        """Write ahead the cancel of an order that works on although the record has nothing more."""
        for action in tuple(self._wanted.values()):
            if isinstance(action, Cancel) and action.order_id == order:
                self._now_or_never(self._write_cancel(action, self._exchange.now))

    def _write_cancel(self, action: Cancel, at: int) -> Event | None:
        order = self._core.orders.order(action.order_id)
        self._wanted.pop(f"{action.order_id}-cancel{action.attempt}", None)
        if (
            order is None
            or order.state not in _WORKING
            or order.cancel is CancelState.SUBMITTING
            or order.cancel_attempts + 1 != action.attempt
        ):
            return None
        return CancelSubmitting(
            at=at, order_id=action.order_id, attempt=action.attempt, reason=action.reason
        )

    def _at(self, order: OrderId) -> AtExchange | None:
        return self._exchange.orders.get(order)

    def _state(self, order: OrderId) -> OrderState | None:
        known = self._core.orders.order(order)
        return None if known is None else known.state
