"""Every execution of a session, driven from one order to the next by the log. Pure.

What always holds: of one execution at most one order is wanted at the exchange at a time, the next
one is planned only when all before it are over, and it ends once. Own buys that a sale would meet
in the market are withdrawn with the sale, which does not wait for them.
"""

from __future__ import annotations

from events import IntentId, OrderId
from events.trading import (
    IntentSubmitted,
    OrderAccepted,
    OrderClosed,
    OrderEvent,
    OrderFilled,
    OrderRejected,
    OrderState,
    OrderSubmitting,
    Side,
)
from kis_gateway.orders.actions import Action, Hold, Refuse, Submit
from kis_gateway.orders.execution_records import ExecutionRecords
from kis_gateway.orders.executions import CANCELLED, Execution, ExecutionPhase
from kis_gateway.orders.market_watch import MarketWatch
from kis_gateway.orders.next_order import Over, Rules, Send, Wait
from kis_gateway.orders.order_book import OrderBook
from kis_gateway.orders.order_state import Order
from kis_gateway.orders.outstanding import Cause, Outstanding
from kis_gateway.orders.own_crossings import crossed_buys, crosses_sale
from kis_gateway.orders.planner import HoldUntil, Plan, Unplannable
from kis_gateway.orders.withdrawals import Withdrawals


class ExecutionBook:
    """The executions and what each of them calls for."""

    def __init__(
        self, watch: MarketWatch, rules: Rules, orders: OrderBook, outstanding: Outstanding
    ) -> None:
        self._watch = watch
        self._rules = rules
        self._orders = orders
        self._outstanding = outstanding
        self.records = ExecutionRecords(orders)
        """Every execution."""
        self.withdrawals = Withdrawals(watch, outstanding)
        """Orders that nobody wants any more."""

    # -- from an intent to its orders ------------------------------------------------------------

    def begin(
        self, cause: Cause, intent: IntentSubmitted, side: Side, quantity: int
    ) -> list[Action]:
        """Begin the execution of an allowed intent; one that has begun changes nothing."""
        execution = self.records.open(intent, side, quantity)
        return [] if execution is None else self.advance(execution, cause)

    def done(self, cause: Cause, intent: IntentSubmitted, side: Side) -> list[Action]:
        """End the execution of an intent that is allowed no shares and has had its effect."""
        execution = self.records.open(intent, side, 0)
        return [] if execution is None else [self._end(execution, cause, "complete")]

    def ended(self, intent: IntentId) -> None:
        """Take in that an execution has ended; nothing of it is called for any more."""
        self._outstanding.ended(intent)
        execution = self.records.of_intent(intent)
        if execution is None or execution.phase is ExecutionPhase.ENDED:
            return
        self.records.close(execution)
        for order in execution.orders:
            self._outstanding.drop(order)
            self.records.release(execution, order)

    def advance(
        self, execution: Execution, cause: Cause, *, last: int | None = None
    ) -> list[Action]:
        """Return what follows for an execution without an order planned, on its way or working."""
        over = self._rules.over(execution)
        if over is not None:
            return [self._end(execution, cause, over.reason)]
        symbol = execution.intent.symbol
        step = self._rules.next_step(
            execution,
            self._watch.view(symbol, last=last),
            self._watch.reference(symbol),
            session_over=self._watch.session_over,
        )
        match step:
            case Over():
                return [self._end(execution, cause, step.reason)]
            case Wait():
                execution.phase = ExecutionPhase.BETWEEN
                return []
            case HoldUntil():
                order = self.records.use(execution, ExecutionPhase.HELD)
                return [self._outstanding.hold(cause, execution, order, step.stop_price)]
            case Unplannable():
                verdict = "expired" if step.code == "EXPIRED" else "refused"
                order = self.records.use(execution, ExecutionPhase.PLANNED)
                return [self.refuse(execution, cause, order, step, verdict)]
            case Send():
                return self._send(execution, cause, step)

    def _send(self, execution: Execution, cause: Cause, step: Send) -> list[Action]:
        symbol, price = execution.intent.symbol, step.plan.limit_price
        actions: list[Action] = []
        if execution.side is Side.SELL:
            actions = self._net(execution, step.plan, cause)
        elif crosses_sale(self._orders, self._outstanding, symbol, price):
            message = f"a sale of this account could trade with a buy at {price}"
            order = self.records.use(execution, ExecutionPhase.PLANNED)
            why = Unplannable(code="OWN_SALE", message=message)
            return [self.refuse(execution, cause, order, why, "refused")]
        execution.reprices += step.replaces is not None
        if execution.first_limit is None:
            execution.first_limit = price
        order = self.records.use(execution, ExecutionPhase.PLANNED)
        actions.append(self._outstanding.submit(cause, execution, order, step))
        return actions

    def _net(self, sale: Execution, plan: Plan, cause: Cause) -> list[Action]:
        """Return what withdraws the account's buys that a sale could trade with."""
        actions: list[Action] = []
        symbol = sale.intent.symbol
        for order in crossed_buys(self._orders, self._outstanding, symbol, plan.limit_price):
            execution, live = self.records.of_order(order), self._orders.order(order)
            if execution is not None and execution.phase is not ExecutionPhase.ENDED:
                actions.extend(self.withdraw(execution, "netting", cause))
            elif live is not None:
                actions.extend(self.withdrawals.leave(live, "netting"))
        return actions

    def refuse(
        self, execution: Execution, cause: Cause, order: OrderId, why: Unplannable, verdict: str
    ) -> Refuse:
        """Return what ends an execution by refusing an order of it that has not been sent."""
        execution.verdict = verdict
        execution.phase = ExecutionPhase.PLANNED
        self.records.release(execution, order)
        return self._outstanding.refuse(cause, order, why.code, why.message)

    def _end(self, execution: Execution, cause: Cause, reason: str) -> Action:
        self.records.close(execution)
        return self._outstanding.end(cause, execution, reason)

    # -- withdrawing -----------------------------------------------------------------------------

    def withdraw(self, execution: Execution, reason: str, cause: Cause) -> list[Action]:
        """Return what ends an execution that nobody wants any more, wherever it stands."""
        if execution.phase is ExecutionPhase.ENDED:
            return []
        execution.withdrawn = execution.withdrawn or reason
        if execution.phase is ExecutionPhase.BETWEEN:
            return self.advance(execution, cause)
        actions: list[Action] = []
        for order in tuple(execution.orders):
            actions.extend(self._give_up(execution, order, reason, cause))
        return actions

    def withdraw_loose(self, order: Order, reason: str) -> list[Action]:
        """Return what withdraws a live order whose execution has ended or is not known."""
        execution = self.records.of_order(order.order_id)
        if execution is not None and execution.phase is not ExecutionPhase.ENDED:
            return []
        return self.withdrawals.leave(order, reason)

    def _give_up(
        self, execution: Execution, order: OrderId, reason: str, cause: Cause
    ) -> list[Action]:
        """Return what ends one order of an execution, whether planned, held or live."""
        planned, live = self._outstanding.planned(order), self._orders.order(order)
        held = live is not None and live.state is OrderState.HELD
        if isinstance(planned, Hold | Submit) or (planned is None and held):
            # Perhaps on its way already: whichever is written first holds, and an order that is
            # sent all the same is withdrawn as soon as the broker's number is known.
            self.withdrawals.mark(order, reason)
            execution.phase = ExecutionPhase.PLANNED
            self.records.release(execution, order)
            return [self._outstanding.refuse(cause, order, CANCELLED, reason)]
        if live is None or live.over or held:
            return []
        return self.withdrawals.leave(live, reason)

    def executing(self, order: Order) -> bool:
        """Return whether an order belongs to an execution that has not ended."""
        execution = self.records.of_order(order.order_id)
        return execution is not None and execution.phase is not ExecutionPhase.ENDED

    # -- what became of orders -------------------------------------------------------------------

    def order_event(self, cause: Cause, event: OrderEvent) -> list[Action]:
        """Take in an event of an order and return what follows.

        Raises:
            IllegalTransition: the event cannot be.
        """
        before = self._orders.order(event.order_id)
        revived = before is not None and before.state is OrderState.REJECTED
        order = self._orders.apply(cause.sequence, event)
        if order is None:
            return []
        self._outstanding.seen(order, event)
        if order.over:
            self.withdrawals.forget(event.order_id)
        execution = self.records.of_order(event.order_id)
        if execution is None and isinstance(event, OrderSubmitting):
            execution = self.records.of_intent(event.intent_id)
        if execution is None:
            return []
        actions = self._follow(execution, order, event, cause, revived=revived)
        if isinstance(event, OrderAccepted):
            actions.extend(self.withdrawals.due(order))
        return actions

    def _follow(
        self, execution: Execution, order: Order, event: OrderEvent, cause: Cause, *, revived: bool
    ) -> list[Action]:
        ended = execution.phase is ExecutionPhase.ENDED
        match event:
            case OrderSubmitting():
                self.records.own(execution, event.order_id)
                if execution.withdrawn:
                    self.withdrawals.mark(event.order_id, execution.withdrawn)
                if not ended:
                    execution.begin(event)
            case OrderAccepted() if ended:
                self.withdrawals.mark(order.order_id, "found after its execution had ended")
            case OrderAccepted():
                execution.accept(order)
                return self._found(execution, order, cause) if revived else []
            case OrderFilled():
                execution.filled += event.quantity
                return [] if ended else self._trim(execution, cause)
            case OrderClosed() | OrderRejected() if not ended:
                return self._concluded(execution, order, event, cause)
        return []

    def _concluded(
        self, execution: Execution, order: Order, event: OrderClosed | OrderRejected, cause: Cause
    ) -> list[Action]:
        self.records.release(execution, order.order_id)
        if any(True for _ in self.records.live(execution)):
            execution.phase = ExecutionPhase.WORKING
            return []
        if self._outstanding.planned(execution.orders[-1]) is not None:
            return []
        resting = self._watch.resting(execution.intent.symbol)
        execution.conclude(order, event, self._watch.now, resting=resting)
        return self.advance(execution, cause)

    def _found(self, execution: Execution, order: Order, cause: Cause) -> list[Action]:
        """Return what keeps an order that was given up and found again the only one."""
        actions: list[Action] = []
        for other in tuple(execution.orders):
            if isinstance(self._outstanding.planned(other), Submit):
                reason = "an earlier order of its intent was found"
                actions.extend(self._give_up(execution, other, reason, cause))
        if any(other.order_id != order.order_id for other in self.records.live(execution)):
            self.withdrawals.mark(order.order_id, "another order of its intent works")
        execution.phase = ExecutionPhase.WORKING
        return actions

    def _trim(self, execution: Execution, cause: Cause) -> list[Action]:
        """Return what takes back orders for more than is left.

        There are such after shares of an earlier order were booked late, be it that it had been
        closed or that it was given up and found again.
        """
        actions: list[Action] = []
        for order_id in tuple(execution.orders):
            planned, live = self._outstanding.planned(order_id), self._orders.order(order_id)
            wanted = live.remaining if live is not None and not live.over else 0
            if isinstance(planned, Submit):
                wanted = planned.event.quantity
            if wanted > execution.rest:
                reason = "shares of an earlier order were executed after all"
                actions.extend(self._give_up(execution, order_id, reason, cause))
        return actions
