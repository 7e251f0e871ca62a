"""The router's book-keeping on a log in memory, with an exchange that does what it is told.

Nothing is asynchronous: an action is carried out by appending what its shell would have appended.
With ``restarts`` the process dies and starts anew after every single entry, so that every action is
one found again as outstanding.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from events import Delivery, Event, OrderId
from events.identifiers import fill_id
from events.market import SessionOpened
from events.trading import (
    CancelAccepted,
    CancelSubmitting,
    FillSource,
    IntentSubmitted,
    OrderAccepted,
    OrderClosed,
    OrderFilled,
    OrderRejected,
    OrderState,
    OrderSubmitting,
)
from kis_gateway.orders.actions import Action, Cancel, End, Hold, Refuse, Submit
from kis_gateway.orders.order_state import Order
from kis_gateway.orders.planner import PlanSettings
from kis_gateway.orders.router_core import RouterCore
from tests.kis_gateway.fakes import approved, session_opened

E = TypeVar("E", bound=Event)


class PureExchange:
    """A log, the core that reads it, and an exchange."""

    def __init__(
        self,
        *first: Event,
        settings: PlanSettings | None = None,
        session: SessionOpened | None = None,
        restarts: bool = False,
    ) -> None:
        self.settings = settings or PlanSettings()
        self.session = session or session_opened()
        self.restarts = restarts
        self.log: list[Event] = []
        self.core = RouterCore(self.session, self.settings)
        self.refusals: list[str] = []
        """Codes with which the broker refuses the next orders."""
        self.proves = True
        """Whether a cancel is followed by the proof of the final quantity."""
        self.acts = True
        """Whether actions are carried out."""
        self.actions: list[Action] = []
        """Everything newly called for, in order."""
        self._numbers = 0
        self._wanted: list[Action] = []
        self._answers: list[Callable[[], Event]] = []
        self.say(*first)

    def say(self, *events: Event) -> None:
        """Append entries one after the other and let everything follow that follows."""
        for event in events:
            self._append(event)
            self._work()

    def allow(self, wish: IntentSubmitted, quantity: int | None = None) -> None:
        """Append an intent and its approval."""
        self.say(wish, approved(wish, quantity))

    def fill(self, order: OrderId, quantity: int, price: int = 70_000) -> None:
        """Execute part of a working order; a full execution is closed at once."""
        known = self.order(order)
        assert known.strategy is not None
        assert known.symbol is not None
        assert known.side is not None
        total = known.filled_quantity + quantity
        self.say(
            OrderFilled(
                at=self.core.log_time,
                order_id=order,
                fill_id=fill_id(order, total),
                strategy=known.strategy,
                symbol=known.symbol,
                side=known.side,
                quantity=quantity,
                price=price,
                amount=price * quantity,
                cumulative_quantity=total,
                fee=0,
                tax=0,
                source=FillSource.NOTICE,
            )
        )
        if total == known.quantity and not known.closed:
            self.close(order, OrderState.FILLED)

    def close(self, order: OrderId, state: OrderState = OrderState.CANCELLED) -> None:
        """Prove the final quantity of an order."""
        self.say(self._closed(order, state))

    def order(self, order: OrderId) -> Order:
        """Return a known order."""
        known = self.core.orders.order(order)
        assert known is not None
        return known

    def of(self, kind: type[E]) -> list[E]:
        """Return the entries of one type."""
        return [event for event in self.log if isinstance(event, kind)]

    @property
    def sent(self) -> list[OrderSubmitting]:
        """Every order written ahead, in order."""
        return self.of(OrderSubmitting)

    @property
    def working(self) -> list[Order]:
        """Orders at the exchange."""
        return list(self.core.orders.live())

    def _append(self, event: Event) -> None:
        self.log.append(event)
        if self.restarts:
            self.core = RouterCore(self.session, self.settings)
            for sequence, entry in enumerate(self.log, start=1):
                self.core.handle(Delivery(sequence, entry))
            self._wanted = self.core.outstanding()
        else:
            new = self.core.handle(Delivery(len(self.log), event))
            self.actions.extend(new)
            self._wanted.extend(new)

    def _work(self) -> None:
        """Let the exchange answer, then the next action be carried out, until nothing is left."""
        while self._answers or (self.acts and self._wanted):
            if self._answers:
                self._append(self._answers.pop(0)())
                continue
            action = self._wanted.pop(0)
            if action in self.core.outstanding():
                self._perform(action)

    def _perform(self, action: Action) -> None:
        match action:
            case Hold() | Refuse() | End():
                self._append(action.event)
            case Submit():
                self._answers.append(lambda: self._answer(action.event))
                self._append(action.event)
            case Cancel():
                at, order, attempt = self.core.log_time, action.order_id, action.attempt
                taken = CancelAccepted(at=at, order_id=order, attempt=attempt, broker_order="9")
                self._answers.append(lambda: taken)
                if self.proves:
                    self._answers.append(lambda: self._closed(order, OrderState.CANCELLED))
                self._append(
                    CancelSubmitting(at=at, order_id=order, attempt=attempt, reason=action.reason)
                )

    def _closed(self, order: OrderId, state: OrderState) -> OrderClosed:
        return OrderClosed(
            at=self.core.log_time,
            order_id=order,
            state=state,
            filled_quantity=self.order(order).filled_quantity,
            reason="test",
        )

    def _answer(self, event: OrderSubmitting) -> Event:
        if self.refusals:
            code = self.refusals.pop(0)
            return OrderRejected(
                at=event.at, order_id=event.order_id, code=code, message="scripted"
            )
        self._numbers += 1
        return OrderAccepted(
            at=event.at, order_id=event.order_id, broker_order=str(self._numbers), branch="1"
        )
