"""Which executions there are, which order belongs to which, and which entries are held. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from events import IntentId, OrderId, Symbol
from events.trading import IntentSubmitted, OrderState, Side
from kis_gateway.orders.executions import Execution, ExecutionPhase
from kis_gateway.orders.order_book import OrderBook
from kis_gateway.orders.order_state import Order


class ExecutionRecords:
    """Every execution of a session, found by intent, by order, and by what it waits for."""

    def __init__(self, orders: OrderBook) -> None:
        """``orders`` is the book that the orders of the executions stand in."""
        self._orders = orders
        self._executions: dict[IntentId, Execution] = {}
        self._active: dict[IntentId, Execution] = {}
        self._of_order: dict[OrderId, Execution] = {}
        self._held: dict[Symbol, dict[OrderId, Execution]] = {}
        self._counts: dict[Symbol, int] = {}
        """How many executions of a symbol have not ended; symbols without any are absent."""

    def open(self, intent: IntentSubmitted, side: Side, quantity: int) -> Execution | None:
        """Return a new execution, ``None`` when the intent has one already."""
        if intent.intent_id in self._executions:
            return None
        execution = Execution(intent=intent, side=side, quantity=quantity)
        self._executions[intent.intent_id] = self._active[intent.intent_id] = execution
        self._counts[intent.symbol] = self._counts.get(intent.symbol, 0) + 1
        return execution

    def close(self, execution: Execution) -> None:
        """Take in that an execution has ended."""
        execution.phase = ExecutionPhase.ENDED
        symbol = execution.intent.symbol
        if self._active.pop(execution.intent.intent_id, None) is None:
            return
        self._counts[symbol] -= 1
        if not self._counts[symbol]:
            del self._counts[symbol]

    def any_in(self, symbol: Symbol) -> bool:
        """Return whether an execution of a symbol has not ended."""
        return symbol in self._counts

    def of_intent(self, intent: IntentId) -> Execution | None:
        """Return the execution of an intent."""
        return self._executions.get(intent)

    def of_order(self, order: OrderId) -> Execution | None:
        """Return the execution an order belongs to."""
        return self._of_order.get(order)

    def active(self) -> tuple[Execution, ...]:
        """Return the executions that have not ended, oldest first."""
        return tuple(self._active.values())

    def held(self, symbol: Symbol) -> tuple[Execution, ...]:
        """Return the executions whose entry waits for a stop of a symbol, oldest first."""
        return tuple(self._held.get(symbol, {}).values())

    def live(self, execution: Execution) -> Iterator[Order]:
        """Yield the orders of an execution that are on their way, unknown or working."""
        for order_id in execution.orders:
            order = self._orders.order(order_id)
            if order is not None and not order.over and order.state is not OrderState.HELD:
                yield order

    def use(self, execution: Execution, phase: ExecutionPhase) -> OrderId:
        """Return the id of an execution's next order, which moves it to ``phase``."""
        order = execution.next_order
        self.own(execution, order)
        execution.phase = phase
        if phase is ExecutionPhase.HELD:
            self._held.setdefault(execution.intent.symbol, {})[order] = execution
        return order

    def own(self, execution: Execution, order: OrderId) -> None:
        """Take in that an order is an execution's; it is held no longer if it was."""
        if order not in execution.orders:
            execution.orders.append(order)
        self._of_order[order] = execution
        self.release(execution, order)

    def release(self, execution: Execution, order: OrderId) -> None:
        """Take in that an order does not wait for its stop any more."""
        held = self._held.get(execution.intent.symbol)
        if held is not None:
            held.pop(order, None)
