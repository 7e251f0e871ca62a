"""The order book-keeping of the router: log entries in, wanted actions out. Pure.

What always holds: the state is a function of the log up to a sequence, so what an order says
(``OrderSubmitting``) is the same whenever it is derived again; an action stays outstanding until
the log shows that it was done or has become pointless. No two orders of one intent are wanted at
once. Acting, and everything about time-outs of calls, is the shell's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from events import Delivery, Event, IntentId, OrderId, Symbol
from events.columns import TradeColumns
from events.control import CancelRequested
from events.identifiers import order_id
from events.market import (
    BarClosed,
    ClockTick,
    MarketOperation,
    Phase,
    PhaseChanged,
    PriceSnapshot,
    QuoteFrame,
    SessionOpened,
    SymbolReference,
    TradeFrame,
    VolatilityInterruption,
)
from events.prices import Board
from events.trading import (
    ExecutionEnded,
    IntentApproved,
    IntentKind,
    IntentModified,
    IntentSubmitted,
    OrderEvent,
    Side,
)
from kis_gateway.orders.actions import Action, Cancel, End, Hold, Refuse, Submit
from kis_gateway.orders.execution_book import ExecutionBook
from kis_gateway.orders.execution_clock import ExecutionClock
from kis_gateway.orders.executions import Execution
from kis_gateway.orders.market_watch import MarketWatch
from kis_gateway.orders.next_order import Rules
from kis_gateway.orders.order_book import OrderBook
from kis_gateway.orders.outstanding import Cause, Outstanding
from kis_gateway.orders.plan_settings import PlanSettings
from kis_gateway.orders.routing import Venues

__all__ = ["Action", "Cancel", "End", "Hold", "Refuse", "RouterCore", "Submit"]


_SELLS: Final = "sells"
"""Fact of a cancel that concerns the strategy's sales at a limit as well as its buys.

Sales without a limit of their own go on: they are on their way out at any price.
"""


class RouterCore:
    """Follows one session's log and says what to do."""

    topics: Final = (
        "market.session.*",
        "market.clock",
        "market.status.*",
        "market.trade.*",
        "market.bar.*",
        "market.quote.*",
        "market.snapshot.*",
        "trading.intent.*",
        "trading.decision.*",
        "trading.order.*",
        "trading.execution.*",
        "trading.control",
    )
    """What it must see, in log order."""

    def __init__(self, session: SessionOpened, settings: PlanSettings) -> None:
        """Begin with a session's opening books."""
        self._session = session
        self._watch = MarketWatch(session, settings)
        self._intents: dict[IntentId, IntentSubmitted] = {}
        self._outstanding = Outstanding()
        self.orders = OrderBook()
        rules = Rules(settings=settings, venues=Venues(session, settings))
        self._book = ExecutionBook(self._watch, rules, self.orders, self._outstanding)
        self._clock = ExecutionClock(self._book, self._watch, rules, self.orders, self._outstanding)
        self._handlers: dict[type[Event], Callable[[Cause, Any], Sequence[Action]]] = {
            BarClosed: self._on_bar,
            ClockTick: self._on_clock,
            PhaseChanged: self._on_clock,
            IntentSubmitted: self._on_intent,
            IntentApproved: self._on_decision,
            IntentModified: self._on_decision,
            ExecutionEnded: self._on_ended,
            CancelRequested: self._on_cancel_requested,
        }
        self._observers: dict[type[Event], Callable[[Any], None]] = {
            PriceSnapshot: self._watch.snapshot,
            SymbolReference: self._watch.terms,
            MarketOperation: self._watch.operation,
            VolatilityInterruption: self._watch.interruption,
        }

    @property
    def phase(self) -> Phase:
        """The phase of the session."""
        return self._watch.phase

    @property
    def log_time(self) -> int:
        """Newest instant seen on the tape or the session clock (ns UTC)."""
        return self._watch.now

    def handle(self, delivery: Delivery) -> Sequence[Action]:
        """Take in one log entry and return the actions that it newly calls for.

        Raises:
            IllegalTransition: the log holds an order event that cannot be.
        """
        event = delivery.event
        if type(event) is TradeFrame:
            return self._on_trades(delivery.sequence, event)
        if type(event) is QuoteFrame:
            self._watch.quote(event)
            return ()
        observer = self._observers.get(type(event))
        if observer is not None:
            observer(event)
            return ()
        cause = Cause(delivery.sequence, event.at)
        if isinstance(event, OrderEvent):
            return self._book.order_event(cause, event)
        handler = self._handlers.get(type(event))
        return () if handler is None else handler(cause, event)

    # -- stretches of the market, see ``research.backtest`` ----------------------------------------

    def concerned(self, symbol: Symbol) -> bool:
        """Return whether the next trade, bar or book of a symbol might make a difference.

        It does while an intent of it is executed: a stop may print, and the clock prices by the
        newest.
        """
        return self._book.records.any_in(symbol)

    def matters_at_or_below(self, symbol: Symbol) -> int | None:
        """Return the price in won at or below which a symbol of concern might make a difference.

        ``None``, each price might, while an entry waits for its stop; else 0, because only the
        clock and what is said of orders call for something.
        """
        return None if self._book.records.held(symbol) else 0

    def spared_until(self) -> int:
        """Return the instant (ns UTC) before which clock ticks change nothing, 0 for none.

        Ticks that matter: a new phase, and what is due in an execution or for an order.
        """
        return min(self._session.next_phase_at(self._watch.now), self._clock.next_due())

    def absorb_trades(self, trades: TradeColumns) -> None:
        """Take in trades of a symbol that the router is not concerned with."""
        self._watch.absorb_trades(trades)

    def absorb_bars(self, bars: Sequence[BarClosed]) -> None:
        """Take in bars of a symbol that the router is not concerned with, oldest first."""
        self._watch.absorb_bars(bars)

    def absorb_quote(self, frame: QuoteFrame) -> None:
        """Take in the newest book of a symbol that the router is not concerned with."""
        self._watch.absorb_quote(frame)

    def absorb_tick(self, tick: Event) -> None:
        """Take in the newest clock tick before ``spared_until``."""
        self._watch.advance(tick.at)

    def outstanding(self) -> list[Action]:
        """Return every action called for so far that the log does not show as done."""
        return self._outstanding.actions()

    def board(self, symbol: Symbol) -> Board:
        """Return which tick and tax table a symbol follows (KOSPI when it is not known)."""
        return self._watch.board(symbol)

    def execution(self, intent: IntentId) -> Execution | None:
        """Return the execution of an allowed intent, ``None`` for one that has none."""
        return self._book.records.of_intent(intent)

    def withdrawn(self, order: OrderId) -> str | None:
        """Return why an order is wanted no more, ``None`` while it is."""
        return self._book.withdrawals.reason(order)

    # -- market and time ---------------------------------------------------------------------------

    def _on_trades(self, sequence: int, frame: TradeFrame) -> Sequence[Action]:
        highest = self._watch.trades(frame)
        if highest is None or not self._book.records.any_in(frame.symbol):
            return ()
        cause = Cause(sequence, frame.at)
        return self._clock.printed(cause, frame.symbol, frame.trades[-1].price, highest)

    def _on_bar(self, cause: Cause, event: BarClosed) -> Sequence[Action]:
        highest = self._watch.bar(event)
        if highest is None:
            return ()
        return self._clock.printed(cause, event.symbol, event.bar.close, highest)

    def _on_clock(self, cause: Cause, event: ClockTick | PhaseChanged) -> Sequence[Action]:
        self._watch.tick(event.at, event.phase)
        return self._clock.passed(cause)

    # -- intents and decisions ---------------------------------------------------------------------

    def _on_intent(self, cause: Cause, intent: IntentSubmitted) -> Sequence[Action]:
        self._intents[intent.intent_id] = intent
        return ()

    def _on_decision(
        self, cause: Cause, decision: IntentApproved | IntentModified
    ) -> Sequence[Action]:
        intent = self._intents.get(decision.intent_id)
        if intent is None:
            return ()
        match intent.kind:
            case IntentKind.ENTER:
                return self._book.begin(cause, intent, Side.BUY, decision.quantity)
            case IntentKind.EXIT | IntentKind.FLATTEN:
                # An entry that still buys while its strategy leaves would undo the exit.
                actions = self._withdraw_buys(intent, cause)
                if decision.quantity > 0 or not actions:
                    actions += self._book.begin(cause, intent, Side.SELL, decision.quantity)
                else:
                    actions += self._book.done(cause, intent, Side.SELL)
                return actions
            case IntentKind.REDUCE:
                return self._book.begin(cause, intent, Side.SELL, decision.quantity)
            case IntentKind.CANCEL_ORDERS:
                actions = self._withdraw_buys(intent, cause)
                if intent.facts.get(_SELLS) is True:
                    actions += self._withdraw_waiting_sales(intent, cause)
                return actions
            case IntentKind.SET_TARGET:
                order = order_id(intent.intent_id, 1)
                reason = "this router executes entries, reductions, exits and cancels"
                return [self._outstanding.refuse(cause, order, "UNSUPPORTED_INTENT", reason)]
            case IntentKind.MODIFY_RISK:
                return ()

    def _withdraw_buys(self, intent: IntentSubmitted, cause: Cause) -> list[Action]:
        """Return what ends the buys of an intent's strategy in its symbol."""
        reason = f"{intent.kind}: {intent.reason}"
        actions: list[Action] = []
        for execution in self._book.records.active():
            wish = execution.intent
            if execution.side is Side.BUY and (wish.strategy, wish.symbol) == (
                intent.strategy,
                intent.symbol,
            ):
                actions += self._book.withdraw(execution, reason, cause)
        for order in self.orders.live():
            if (order.side, order.strategy, order.symbol) == (
                Side.BUY,
                intent.strategy,
                intent.symbol,
            ):
                actions += self._book.withdraw_loose(order, reason)
        return actions

    def _withdraw_waiting_sales(self, intent: IntentSubmitted, cause: Cause) -> list[Action]:
        """Return what ends the sales of an intent's strategy that name a limit in its symbol."""
        reason = f"{intent.kind}: {intent.reason}"
        actions: list[Action] = []
        for execution in self._book.records.active():
            wish = execution.intent
            if (
                execution.side is Side.SELL
                and wish.limit_price is not None
                and (wish.strategy, wish.symbol) == (intent.strategy, intent.symbol)
            ):
                actions += self._book.withdraw(execution, reason, cause)
        return actions

    # -- ends --------------------------------------------------------------------------------------

    def _on_ended(self, cause: Cause, event: ExecutionEnded) -> Sequence[Action]:
        self._book.ended(event.intent_id)
        return ()

    def _on_cancel_requested(self, cause: Cause, request: CancelRequested) -> Sequence[Action]:
        # Dated by the market: an operator's clock may be wrong, and orders set others' time.
        cause = Cause(cause.sequence, self._watch.now)
        reason = f"{request.issued_by}: {request.reason}"
        actions: list[Action] = []
        for execution in self._book.records.active():
            wish = execution.intent
            if (
                request.order_id in (None, *execution.orders)
                and request.symbol in (None, wish.symbol)
                and request.strategy in (None, wish.strategy)
            ):
                actions += self._book.withdraw(execution, reason, cause)
        for order in self.orders.live():
            if (
                request.order_id in (None, order.order_id)
                and request.symbol in (None, order.symbol)
                and request.strategy in (None, order.strategy)
            ):
                actions += self._book.withdraw_loose(order, reason)
        return actions
