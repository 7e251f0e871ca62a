"""The broker of a backtest: what the router wants done, done at the simulated exchange.

It stands where the router's shell and the broker stand live. Orders leave under the same rules (a
withdrawn or expired one does not), the same events follow in the same order; only time is computed
instead of waited for. Calls always get an answer: losing them is the business of chaos tests, not
of backtests. What always holds: an order event is emitted only if it fits the order's state.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any, Final

import msgspec

from events import Event, OrderId, Symbol
from events.costs import DEFAULT_FEE_PER_MILLION
from events.prices import Board
from events.trading import (
    CancelAccepted,
    CancelRejected,
    CancelSubmitting,
    FillSource,
    OrderAccepted,
    OrderKind,
    OrderRejected,
    OrderState,
)
from kis_gateway.orders.actions import Action, Cancel, End, Hold, Refuse, Submit
from kis_gateway.orders.order_inquiry import closing, execution
from kis_gateway.orders.order_state import CancelState, Order
from kis_gateway.orders.router_core import RouterCore
from kis_gateway.protocol import Pricing, Route
from kis_gateway.simulator.exchange import (
    Acknowledged,
    CancelOrder,
    Executed,
    Outcome,
    PlaceOrder,
    Refused,
    Withdrawn,
)
from research.backtest.floor import ACCOUNT, Floor
from research.backtest.latency import Way
from research.backtest.settings import FillSettings, LatencySettings

_PRICING: Final = {OrderKind.LIMIT: Pricing.LIMIT, OrderKind.MARKET: Pricing.MARKET}
_SENDABLE: Final = (None, OrderState.HELD)
_USUAL_FEES: Final = (DEFAULT_FEE_PER_MILLION, None)
_BRANCH: Final = "00000"

Schedule = Callable[[int, Callable[..., None], Any], None]
"""Have a function called with one argument at an instant (ns UTC)."""

Emit = Callable[[Event], None]
"""Append an event to the log of the run."""


class Lines:
    """The ways between router and exchange."""

    def __init__(self, settings: LatencySettings, seed: int) -> None:
        self.order = Way(settings.order, seed * 8 + 1)
        self.cancel = Way(settings.cancel, seed * 8 + 2)
        self.answer = Way(settings.answer, seed * 8 + 3)
        self.notice = Way(settings.notice, seed * 8 + 4)


class _Placed(msgspec.Struct):
    """An order at the exchange: ``working`` until nothing of it is left there."""

    order_id: OrderId
    symbol: Symbol
    working: bool = True


class Broker:
    """Carries out the router's actions against one session's exchange."""

    def __init__(
        self,
        *,
        core: RouterCore,
        lines: Lines,
        boards: Callable[[Symbol], Board],
        settled_on: date,
        fills: FillSettings,
        schedule: Schedule,
        emit: Emit,
    ) -> None:
        """``emit`` appends an event; all take it in before what is scheduled next happens."""
        self._core = core
        self._lines = lines
        self._boards = boards
        self._settled_on = settled_on
        self._own_fees = (fills.fee_per_million, fills.sell_fee_per_million) != _USUAL_FEES
        self._schedule = schedule
        self._emit = emit
        self._placed: dict[str, _Placed] = {}
        self._numbers: dict[OrderId, str] = {}
        self._working: dict[Symbol, int] = {}
        self._last_number = 0
        self.floor: Floor | None = None
        """The exchange; it is set once it can report to this broker."""
        self.now = 0
        """Instant of what is happening (ns UTC)."""
        self.executed_at = 0
        """Exchange's time of the execution that is being emitted (ns UTC)."""

    @property
    def working_symbols(self) -> frozenset[Symbol]:
        """Symbols with an order of ours at the exchange or on its way there."""
        return frozenset(symbol for symbol, count in self._working.items() if count)

    def perform(self, action: Action) -> None:
        """Do what the router wants, unless the log shows that it must not be done."""
        match action:
            case Submit():
                self._submit(action)
            case Cancel():
                self._cancel(action)
            case Hold() | Refuse():
                if self._state(action.event.order_id) in _SENDABLE:
                    self._emit(action.event)
            case End():
                self._emit(action.event)

    def absorb(self, outcomes: Sequence[Outcome]) -> None:
        """Take in what the exchange says by itself."""
        for outcome in outcomes:
            if isinstance(outcome, Executed | Withdrawn):
                self._report(outcome)

    # -- orders ----------------------------------------------------------------------------------

    def _submit(self, action: Submit) -> None:
        event = action.event
        if self._state(event.order_id) not in _SENDABLE:
            return
        withdrawn = self._core.withdrawn(event.order_id)
        if withdrawn is not None:
            self._refuse(event.order_id, "CANCELLED", withdrawn)
        elif action.expires_at is not None and self._core.log_time > action.expires_at:
            self._refuse(event.order_id, "EXPIRED", "its time had passed before it could be sent")
        else:
            self._working[event.symbol] = self._working.get(event.symbol, 0) + 1
            self._emit(event)
            self._schedule(self._lines.order.arrival(self.now), self._arrive, action)

    def _arrive(self, action: Submit) -> None:
        """An order reaches the exchange."""
        assert self.floor is not None
        event = action.event
        self._last_number += 1
        number = f"{self._last_number:010d}"
        self._placed[number] = _Placed(event.order_id, event.symbol)
        self._numbers[event.order_id] = number
        outcomes = self.floor.place(
            PlaceOrder(
                at=self.now,
                order_number=number,
                account=ACCOUNT,
                symbol=event.symbol,
                side=event.side,
                pricing=_PRICING[event.kind],
                quantity=event.quantity,
                price=event.limit_price,
                route=Route(event.route.value.upper()),
            )
        )
        for outcome in outcomes:
            if isinstance(outcome, Acknowledged):
                self._schedule(self._lines.answer.arrival(self.now), self._accepted, number)
            elif isinstance(outcome, Refused):
                self._over(number)
                self._schedule(self._lines.answer.arrival(self.now), self._refused, outcome)
            elif isinstance(outcome, Executed | Withdrawn):
                self._report(outcome)

    def _accepted(self, number: str) -> None:
        order_id = self._placed[number].order_id
        self._emit(
            OrderAccepted(at=self.now, order_id=order_id, broker_order=number, branch=_BRANCH)
        )
        if self._order(order_id).state is OrderState.FILLED:  # its notices came first
            self._schedule(self.now, self._close_filled, order_id)

    def _refused(self, outcome: Refused) -> None:
        order_id = self._placed[outcome.order_number].order_id
        self._refuse(order_id, str(outcome.reason).upper(), outcome.detail)

    def _refuse(self, order_id: OrderId, code: str, message: str) -> None:
        self._emit(OrderRejected(at=self.now, order_id=order_id, code=code, message=message))

    # -- what the exchange reports ---------------------------------------------------------------

    def _report(self, outcome: Executed | Withdrawn) -> None:
        """Send a notice on its way, and note when nothing of an order is left."""
        placed = self._placed.get(outcome.order_number)
        if placed is None:
            return
        arrival = self._lines.notice.arrival(max(outcome.at, self.now))
        if isinstance(outcome, Executed):
            self._schedule(arrival, self._executed, outcome)
            if outcome.remaining == 0:
                self._over(outcome.order_number)
        else:
            self._over(outcome.order_number)
            self._schedule(arrival, self._withdrawn, outcome)

    def _over(self, number: str) -> None:
        assert self.floor is not None
        placed = self._placed[number]
        if not placed.working:
            return
        placed.working = False
        self._working[placed.symbol] -= 1
        if not self._working[placed.symbol]:
            self._schedule(self.now, self._leave, placed.symbol)

    def _leave(self, symbol: Symbol) -> None:
        assert self.floor is not None
        if not self._working.get(symbol):
            self.floor.leave(symbol)

    def _executed(self, outcome: Executed) -> None:
        order = self._order(self._placed[outcome.order_number].order_id)
        self.executed_at = outcome.at
        fill = execution(
            order,
            quantity=outcome.quantity,
            amount=outcome.quantity * outcome.price,
            price=outcome.price,
            source=FillSource.NOTICE,
            at=self.now,
            board=self._boards(outcome.symbol),
            settled_on=self._settled_on,
        )
        if self._own_fees:
            fill = msgspec.structs.replace(fill, fee=outcome.fee)
        self._emit(fill)
        if fill.cumulative_quantity == order.quantity:
            self._schedule(self.now, self._close_filled, order.order_id)

    def _close_filled(self, order_id: OrderId) -> None:
        order = self._order(order_id)
        if order.state is OrderState.FILLED and order.broker_order is not None and not order.over:
            self._emit(closing(order, OrderState.FILLED, at=self.now, reason="filled"))

    def _withdrawn(self, outcome: Withdrawn) -> None:
        order = self._order(self._placed[outcome.order_number].order_id)
        if order.over:
            return
        if outcome.by is not None:
            state, reason = OrderState.CANCELLED, "notice"
        else:
            state, reason = OrderState.EXPIRED, "session closed"
        self._emit(closing(order, state, at=self.now, reason=reason))

    # -- cancels ---------------------------------------------------------------------------------

    def _cancel(self, action: Cancel) -> None:
        order = self._core.orders.order(action.order_id)
        if (
            order is None
            or order.over
            or order.broker_order is None
            or order.cancel is CancelState.SUBMITTING
            or order.cancel_attempts + 1 != action.attempt
            or order.state is OrderState.FILLED
        ):
            return
        self._emit(
            CancelSubmitting(
                at=self.now,
                order_id=action.order_id,
                attempt=action.attempt,
                reason=action.reason,
            )
        )
        self._schedule(self._lines.cancel.arrival(self.now), self._cancel_arrives, action)

    def _cancel_arrives(self, action: Cancel) -> None:
        assert self.floor is not None
        self._last_number += 1
        outcomes = self.floor.cancel(
            CancelOrder(
                at=self.now,
                order_number=f"{self._last_number:010d}",
                account=ACCOUNT,
                target=self._numbers[action.order_id],
            )
        )
        answer = self._lines.answer.arrival(self.now)
        for outcome in outcomes:
            if isinstance(outcome, Refused):
                self._schedule(answer, self._cancel_refused, (action, outcome))
            elif isinstance(outcome, Acknowledged):
                self._schedule(answer, self._cancel_accepted, (action, outcome.order_number))
            elif isinstance(outcome, Executed | Withdrawn):
                self._report(outcome)

    def _cancel_accepted(self, taken: tuple[Cancel, str]) -> None:
        action, number = taken
        if self._order(action.order_id).cancel is not CancelState.SUBMITTING:
            return
        self._emit(
            CancelAccepted(
                at=self.now, order_id=action.order_id, attempt=action.attempt, broker_order=number
            )
        )

    def _cancel_refused(self, refused: tuple[Cancel, Refused]) -> None:
        action, outcome = refused
        if self._order(action.order_id).cancel is not CancelState.SUBMITTING:
            return
        self._emit(
            CancelRejected(
                at=self.now,
                order_id=action.order_id,
                attempt=action.attempt,
                code=str(outcome.reason).upper(),
                message=outcome.detail,
            )
        )

    # -- orders as the log has them --------------------------------------------------------------

    def _state(self, order_id: OrderId) -> OrderState | None:
        order = self._core.orders.order(order_id)
        return None if order is None else order.state

    def _order(self, order_id: OrderId) -> Order:
        order = self._core.orders.order(order_id)
        assert order is not None  # it was submitted, or it would not be at the exchange
        return order
