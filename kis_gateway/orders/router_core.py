"""The order book-keeping of the router: log entries in, wanted actions out. Pure.

What always holds: the state is a function of the log up to a sequence, so what an order says
(``OrderSubmitting``) is the same whenever it is derived again; an action stays outstanding until
the log shows that it was done or has become pointless. Acting, and everything about time-outs of
calls, is the shell's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from events import Delivery, Event, IntentId, OrderId, Symbol
from events.identifiers import order_id
from events.market import ClockTick, Phase, PhaseChanged, QuoteFrame, SessionOpened, TradeFrame
from events.market import SymbolReference as Reference
from events.prices import Board
from events.trading import (
    CancelAccepted,
    CancelRejected,
    CancelSubmitting,
    CancelUnknown,
    IntentApproved,
    IntentKind,
    IntentModified,
    IntentSubmitted,
    OrderAccepted,
    OrderClosed,
    OrderEvent,
    OrderFilled,
    OrderHeld,
    OrderRejected,
    OrderState,
    OrderSubmitting,
    OrderUnknown,
    Side,
)
from kis_gateway.orders.order_book import OrderBook
from kis_gateway.orders.order_state import CancelState, Order
from kis_gateway.orders.planner import (
    HoldUntil,
    MarketView,
    Plan,
    PlanSettings,
    Unplannable,
    plan_buy,
    plan_sell,
)

_SECOND: Final = 1_000_000_000
_CANCEL_RETRY: Final = 10 * _SECOND
"""A cancel whose order still works after this long is sent again under the next attempt.

One that was refused only for coming too fast is sent again with the next tick.
"""

_ORDER_EVENTS: Final = (
    OrderHeld,
    OrderSubmitting,
    OrderAccepted,
    OrderRejected,
    OrderUnknown,
    OrderFilled,
    OrderClosed,
    CancelSubmitting,
    CancelAccepted,
    CancelRejected,
    CancelUnknown,
)
_WORKING: Final = (OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED)
_BOARDS: Final = {board.value: board for board in Board}


class Hold(msgspec.Struct, frozen=True):
    """Keep an entry until its stop prints."""

    event: OrderHeld


class Submit(msgspec.Struct, frozen=True):
    """Send an order. An entry not sent by ``expires_at`` must not be sent; exits have ``None``."""

    event: OrderSubmitting
    expires_at: int | None


class Refuse(msgspec.Struct, frozen=True):
    """End an order before it was sent."""

    event: OrderRejected


class Cancel(msgspec.Struct, frozen=True):
    """Withdraw what is left of an order; ``attempt`` counts from 1."""

    order_id: OrderId
    attempt: int
    reason: str


Action = Hold | Submit | Refuse | Cancel


class _Symbol(msgspec.Struct):
    """What the tape and the book last said about one symbol."""

    last: int | None = None
    best_bid: int | None = None
    reference: Reference | None = None


class _Waiting(msgspec.Struct, frozen=True):
    """An entry that waits for its stop."""

    intent: IntentSubmitted
    quantity: int
    stop_price: int


class RouterCore:
    """Follows one session's log and says what to do."""

    topics: Final = (
        "market.session.*",
        "market.clock",
        "market.status.*",
        "market.trade.*",
        "market.quote.*",
        "trading.intent.*",
        "trading.decision.*",
        "trading.order.*",
    )
    """What it must see, in log order."""

    def __init__(self, session: SessionOpened, settings: PlanSettings) -> None:
        """Begin with a session's opening books."""
        self._session = session
        self._settings = settings
        self._symbols: dict[Symbol, _Symbol] = {}
        self._intents: dict[IntentId, IntentSubmitted] = {}
        self._waiting: dict[Symbol, dict[OrderId, _Waiting]] = {}
        self._planned: dict[OrderId, Hold | Submit | Refuse] = {}
        self._withdrawn: dict[OrderId, str] = {}
        self._cancels: dict[OrderId, Cancel] = {}
        self.orders = OrderBook()
        self.phase = Phase.CLOSED
        self.log_time = session.at
        """Newest instant seen on the tape or the session clock (ns UTC)."""
        self._handlers: dict[type[Event], Callable[[int, Any], Sequence[Action]]] = {
            TradeFrame: self._on_trades,
            QuoteFrame: self._on_quote,
            ClockTick: self._on_tick,
            PhaseChanged: self._on_phase,
            Reference: self._on_reference,
            IntentSubmitted: self._on_intent,
            IntentApproved: self._on_decision,
            IntentModified: self._on_decision,
            **dict.fromkeys(_ORDER_EVENTS, self._on_order_event),
        }

    def handle(self, delivery: Delivery) -> Sequence[Action]:
        """Take in one log entry and return the actions that it newly calls for.

        Raises:
            IllegalTransition: the log holds an order event that cannot be.
        """
        handler = self._handlers.get(type(delivery.event))
        return () if handler is None else handler(delivery.sequence, delivery.event)

    def outstanding(self) -> list[Action]:
        """Return every action called for so far that the log does not show as done."""
        return [*self._planned.values(), *self._cancels.values()]

    def board(self, symbol: Symbol) -> Board:
        """Return which tick and tax table a symbol follows (KOSPI when it is not known)."""
        state = self._symbols.get(symbol)
        if state is None or state.reference is None:
            return Board.KOSPI
        return _BOARDS.get(state.reference.market, Board.KOSPI)

    # -- market ----------------------------------------------------------------------------------

    def _symbol(self, symbol: Symbol) -> _Symbol:
        state = self._symbols.get(symbol)
        if state is None:
            state = self._symbols[symbol] = _Symbol()
        return state

    def _on_trades(self, sequence: int, frame: TradeFrame) -> Sequence[Action]:
        self.log_time = max(self.log_time, frame.at)
        if not frame.trades:
            return ()
        state = self._symbol(frame.symbol)
        newest = frame.trades[-1]
        state.last = newest.price
        if newest.best_bid > 0:
            state.best_bid = newest.best_bid
        waiting = self._waiting.get(frame.symbol)
        if not waiting:
            return ()
        highest = max(trade.price for trade in frame.trades)
        actions = []
        for order, entry in tuple(waiting.items()):
            if highest >= entry.stop_price and self.log_time <= entry.intent.expires_at:
                del waiting[order]
                view = self._view(frame.symbol, last=max(newest.price, entry.stop_price))
                plan = plan_buy(entry.intent, entry.quantity, view, self._settings)
                actions.append(self._plan(sequence, frame.at, order, entry.intent, plan))
        return actions

    def _on_quote(self, sequence: int, frame: QuoteFrame) -> Sequence[Action]:
        self.log_time = max(self.log_time, frame.at)
        self._symbol(frame.symbol).best_bid = frame.bid_prices[0] if frame.bid_prices else None
        return ()

    def _on_reference(self, sequence: int, reference: Reference) -> Sequence[Action]:
        self._symbol(reference.symbol).reference = reference
        return ()

    def _view(self, symbol: Symbol, *, last: int | None = None) -> MarketView:
        state = self._symbol(symbol)
        reference = state.reference
        return MarketView(
            last=state.last if last is None else last,
            best_bid=state.best_bid,
            lower_limit=None if reference is None else reference.lower_limit,
            upper_limit=None if reference is None else reference.upper_limit,
            board=self.board(symbol),
            phase=self.phase,
            now=self.log_time,
            open_at=self._session.open_at,
            close_at=self._session.close_at,
        )

    # -- time ------------------------------------------------------------------------------------

    def _on_phase(self, sequence: int, event: PhaseChanged) -> Sequence[Action]:
        self.phase = event.phase
        self.log_time = max(self.log_time, event.at)
        if event.phase is not Phase.CLOSED:
            return ()
        return [
            self._refuse(event.at, order, "SESSION_CLOSED", "the session closed before its stop")
            for waiting in self._waiting.values()
            for order in tuple(waiting)
        ]

    def _on_tick(self, sequence: int, tick: ClockTick) -> Sequence[Action]:
        self.phase = tick.phase
        self.log_time = max(self.log_time, tick.at)
        actions: list[Action] = [
            self._refuse(tick.at, order, "EXPIRED", "its stop did not print in time")
            for waiting in self._waiting.values()
            for order, entry in tuple(waiting.items())
            if entry.intent.expires_at <= tick.at
        ]
        if tick.phase is not Phase.CLOSED:
            for order in self.orders.live():
                if order.state in _WORKING:
                    actions.extend(self._cancel_when_due(order))
        return actions

    def _cancel_when_due(self, order: Order) -> Sequence[Action]:
        if order.cancel is CancelState.SUBMITTING or order.order_id in self._cancels:
            return ()
        reason = self._withdrawn.get(order.order_id)
        if reason is None:
            due = self._withdraw_at(order)
            if due is None or self.log_time < due:
                return ()
            reason = "lifetime"
        if order.cancel is not CancelState.NONE:
            pause = 0 if order.cancel_throttled else _CANCEL_RETRY
            if self.log_time < order.cancel_changed_at + pause:
                return ()
            reason = f"{reason}, after {order.cancel}"
        action = Cancel(order.order_id, order.cancel_attempts + 1, reason)
        self._cancels[order.order_id] = action
        return (action,)

    def _withdraw_at(self, order: Order) -> int | None:
        """Return when an order's lifetime ends (ns UTC); ``None``: not before the close."""
        if order.side is not Side.SELL:
            return order.cancel_at
        if self.phase is Phase.CLOSING_AUCTION:
            return None  # Withdrawn now, the shares would be held overnight.
        # A sell may have waited to be sent; its lifetime is the time it can be executed in.
        return max(order.cancel_at, order.accepted_at + order.cancel_at - order.submitted_at)

    def withdrawn(self, order: OrderId) -> str | None:
        """Return why an order is wanted no more, ``None`` while it is."""
        return self._withdrawn.get(order)

    # -- intents and decisions -------------------------------------------------------------------

    def _on_intent(self, sequence: int, intent: IntentSubmitted) -> Sequence[Action]:
        self._intents[intent.intent_id] = intent
        return ()

    def _on_decision(
        self, sequence: int, decision: IntentApproved | IntentModified
    ) -> Sequence[Action]:
        intent = self._intents.get(decision.intent_id)
        if intent is None:
            return ()
        order = order_id(intent.intent_id, 1)
        match intent.kind:
            case IntentKind.ENTER:
                return [self._enter(sequence, order, intent, decision)]
            case IntentKind.EXIT | IntentKind.FLATTEN:
                # An entry that still buys while its strategy leaves would undo the exit.
                actions = self._withdraw_buys(intent, decision.at)
                if decision.quantity > 0 or not actions:
                    actions.append(self._sell(sequence, order, intent, decision))
                return actions
            case IntentKind.REDUCE:
                return [self._sell(sequence, order, intent, decision)]
            case IntentKind.CANCEL_ORDERS:
                return self._withdraw_buys(intent, decision.at)
            case IntentKind.SET_TARGET:
                reason = "this router executes entries, reductions, exits and cancels"
                return [self._refuse(decision.at, order, "UNSUPPORTED_INTENT", reason)]
            case IntentKind.MODIFY_RISK:
                return ()

    def _enter(
        self,
        sequence: int,
        order: OrderId,
        intent: IntentSubmitted,
        decision: IntentApproved | IntentModified,
    ) -> Action:
        if self.log_time > intent.expires_at:
            return self._refuse(decision.at, order, "EXPIRED", "it was decided too late")
        plan = plan_buy(intent, decision.quantity, self._view(intent.symbol), self._settings)
        if isinstance(plan, HoldUntil):
            waiting = self._waiting.setdefault(intent.symbol, {})
            waiting[order] = _Waiting(intent, decision.quantity, plan.stop_price)
        return self._plan(sequence, decision.at, order, intent, plan)

    def _sell(
        self,
        sequence: int,
        order: OrderId,
        intent: IntentSubmitted,
        decision: IntentApproved | IntentModified,
    ) -> Action:
        plan = plan_sell(intent, decision.quantity, self._view(intent.symbol), self._settings)
        return self._plan(sequence, decision.at, order, intent, plan)

    def _plan(
        self,
        sequence: int,
        at: int,
        order: OrderId,
        intent: IntentSubmitted,
        plan: Plan | HoldUntil | Unplannable,
    ) -> Action:
        """Turn a plan into the outstanding action of an order."""
        action: Hold | Submit | Refuse
        match plan:
            case Plan():
                event = OrderSubmitting(
                    at=at,
                    cause=sequence,
                    order_id=order,
                    intent_id=intent.intent_id,
                    strategy=intent.strategy,
                    symbol=intent.symbol,
                    side=plan.side,
                    kind=plan.kind,
                    quantity=plan.quantity,
                    limit_price=plan.limit_price,
                    cancel_at=plan.cancel_at,
                )
                action = Submit(event, intent.expires_at if plan.side is Side.BUY else None)
            case HoldUntil():
                action = Hold(
                    OrderHeld(
                        at=at,
                        cause=sequence,
                        order_id=order,
                        intent_id=intent.intent_id,
                        stop_price=plan.stop_price,
                        expires_at=intent.expires_at,
                    )
                )
            case Unplannable():
                return self._refuse(at, order, plan.code, plan.message)
        self._planned[order] = action
        return action

    def _refuse(self, at: int, order: OrderId, code: str, message: str) -> Refuse:
        for waiting in self._waiting.values():
            waiting.pop(order, None)
        event = OrderRejected(at=at, order_id=order, code=code, message=message)
        action = self._planned[order] = Refuse(event)
        return action

    def _withdraw_buys(self, intent: IntentSubmitted, at: int) -> list[Action]:
        """Return what ends the buys of an intent's strategy in its symbol."""
        reason = f"{intent.kind}: {intent.reason}"
        actions: list[Action] = []
        for order in tuple(self._waiting.get(intent.symbol, ())):
            waiting = self._waiting[intent.symbol][order]
            if waiting.intent.strategy == intent.strategy:
                actions.append(self._refuse(at, order, "CANCELLED", reason))
        for order, planned in self._planned.items():
            if isinstance(planned, Submit) and _is_buy_of(planned.event, intent):
                # Perhaps on its way already: withdrawn as soon as the broker's number is known.
                self._withdrawn[order] = reason
        for live in self.orders.live():
            if _is_buy_of(live, intent):
                self._withdrawn[live.order_id] = reason
                if live.state in _WORKING:
                    actions.extend(self._cancel_when_due(live))
        return actions

    # -- orders ----------------------------------------------------------------------------------

    def _on_order_event(self, sequence: int, event: OrderEvent) -> Sequence[Action]:
        order = self.orders.apply(sequence, event)
        if order is None:
            return ()
        planned = self._planned.get(event.order_id)
        if planned is not None and (
            order.state is not OrderState.HELD or isinstance(planned, Hold)
        ):
            del self._planned[event.order_id]
        if order.state is not OrderState.HELD:
            for waiting in self._waiting.values():
                waiting.pop(event.order_id, None)
        cancel = self._cancels.get(event.order_id)
        if cancel is not None and (order.over or order.cancel_attempts >= cancel.attempt):
            del self._cancels[event.order_id]
        if order.over:
            self._withdrawn.pop(event.order_id, None)
        elif isinstance(event, OrderAccepted) and event.order_id in self._withdrawn:
            return self._cancel_when_due(order) if order.state in _WORKING else ()
        return ()


def _is_buy_of(order: OrderSubmitting | Order, intent: IntentSubmitted) -> bool:
    return (
        order.side is Side.BUY
        and order.symbol == intent.symbol
        and order.strategy == intent.strategy
    )
