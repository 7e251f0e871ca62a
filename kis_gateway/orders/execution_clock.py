"""What is due in the executions of a session as time passes and the tape prints. Pure.

What always holds: the clock calls for nothing that an earlier entry called for already.
"""

from __future__ import annotations

from typing import Final

from events import Symbol
from events.market import NEVER, Phase
from events.trading import Route, Side
from kis_gateway.orders.actions import Action, Submit
from kis_gateway.orders.execution_book import ExecutionBook
from kis_gateway.orders.executions import Execution, ExecutionPhase
from kis_gateway.orders.market_watch import MarketWatch
from kis_gateway.orders.next_order import Rules
from kis_gateway.orders.order_book import OrderBook
from kis_gateway.orders.outstanding import Cause, Outstanding
from kis_gateway.orders.planner import Unplannable
from kis_gateway.orders.withdrawals import WORKING

_SESSION_CLOSED: Final = Unplannable(
    code="SESSION_CLOSED", message="the session closed before it left"
)


class ExecutionClock:
    """Drives executions by the tape and the session clock."""

    def __init__(
        self,
        book: ExecutionBook,
        watch: MarketWatch,
        rules: Rules,
        orders: OrderBook,
        outstanding: Outstanding,
    ) -> None:
        self._book = book
        self._watch = watch
        self._rules = rules
        self._orders = orders
        self._outstanding = outstanding

    def printed(self, cause: Cause, symbol: Symbol, newest: int, highest: int) -> list[Action]:
        """Return the orders of the held entries whose stop the tape has reached.

        ``newest`` and ``highest`` are the last and the highest price in won of what was printed.
        """
        actions: list[Action] = []
        for execution in self._book.records.held(symbol):
            stop = execution.intent.stop_price
            assert stop is not None  # only entries with a stop are held
            if highest >= stop and self._watch.now <= execution.intent.expires_at:
                last = max(newest, stop)
                actions.extend(self._book.advance(execution, cause, last=last))
        return actions

    def passed(self, cause: Cause) -> list[Action]:
        """Return what is due now that time has passed or the phase has changed."""
        actions: list[Action] = []
        for execution in self._book.records.active():
            actions.extend(self._due(execution, cause))
        for order in self._orders.live():
            aged = self._watch.now >= order.cancel_at > 0
            if aged or self._book.withdrawals.reason(order.order_id) is not None:
                actions.extend(self._book.withdraw_loose(order, "lifetime"))
        return actions

    def next_due(self) -> int:
        """Return the instant (ns UTC) before which time calls for nothing, 0 for any time."""
        instants = [NEVER]
        for execution in self._book.records.active():
            instants.append(self._next_due_of(execution))
        for order in self._orders.live():
            if self._book.withdrawals.reason(order.order_id) is not None:
                return 0
            if order.cancel_at > 0 and not self._book.executing(order):
                instants.append(order.cancel_at)
        return min(instants)

    def _next_due_of(self, execution: Execution) -> int:
        match execution.phase:
            case ExecutionPhase.HELD:
                return execution.intent.expires_at
            case ExecutionPhase.PLANNED:
                return NEVER  # it waits to be written, at most until the session closes
            case ExecutionPhase.WORKING if execution.route is not Route.NXT:
                return self._next_review(execution)
            case _:
                return 0

    def _next_review(self, execution: Execution) -> int:
        """Return when what works of an execution is to be priced anew, or is wanted no longer."""
        if execution.side is Side.SELL:
            if self._watch.phase is Phase.CLOSING_AUCTION:
                return 0
            return NEVER if execution.due is None else execution.due
        instants = [order.cancel_at for order in self._book.records.live(execution)]
        if execution.due is not None:
            instants = [execution.due]
        return min(*instants, execution.intent.expires_at)

    def _due(self, execution: Execution, cause: Cause) -> list[Action]:
        match execution.phase:
            case ExecutionPhase.BETWEEN:
                return self._book.advance(execution, cause)
            case ExecutionPhase.HELD:
                return self._held_due(execution, cause)
            case ExecutionPhase.PLANNED:
                return self._planned_due(execution, cause)
            case ExecutionPhase.WORKING:
                return self._working_due(execution)
            case ExecutionPhase.ENDED:
                return []

    def _held_due(self, execution: Execution, cause: Cause) -> list[Action]:
        order = execution.orders[-1]
        if self._watch.session_over:
            return [self._book.refuse(execution, cause, order, _SESSION_CLOSED, "session_closed")]
        if execution.intent.expires_at <= self._watch.now:
            why = Unplannable(code="EXPIRED", message="its stop did not print in time")
            return [self._book.refuse(execution, cause, order, why, "expired")]
        return []

    def _planned_due(self, execution: Execution, cause: Cause) -> list[Action]:
        order = execution.orders[-1]
        planned = self._outstanding.planned(order)
        if not self._watch.session_over or not isinstance(planned, Submit):
            return []
        if planned.event.route is Route.NXT:
            return []
        self._book.withdrawals.mark(order, _SESSION_CLOSED.message)
        return [self._book.refuse(execution, cause, order, _SESSION_CLOSED, "session_closed")]

    def _working_due(self, execution: Execution) -> list[Action]:
        actions: list[Action] = []
        view = self._watch.view(execution.intent.symbol)
        for order in self._book.records.live(execution):
            if order.state in WORKING and self._book.withdrawals.reason(order.order_id) is None:
                reason = self._rules.review(execution, order, view)
                if reason is not None:
                    self._book.withdrawals.mark(order.order_id, reason)
            actions.extend(self._book.withdrawals.due(order))
        return actions
