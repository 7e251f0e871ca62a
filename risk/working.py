"""What has been let through and may still trade: approved intents and the orders made of them.

An approved intent counts from the moment of its decision, long before the router makes an order of
it. Its first order takes over from it; from then on each order counts with what is left of it until
the log says that it ended. An order of unknown fate counts in full. Sums are kept, not recomputed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from events import StrategyId, Symbol
from events.trading import (
    IntentSubmitted,
    OrderEvent,
    OrderFilled,
    OrderHeld,
    OrderSubmitting,
    OrderUnknown,
    Side,
)

LAPSE_GRACE: Final = 5_000_000_000
"""Nanoseconds past its expiry for which an entry counts: its order may be on the way to the log."""


class WorkingOrder(msgspec.Struct, kw_only=True, gc=False):
    """One approved intent or order: ``remaining`` shares, of a buy at ``price`` won each.

    ``limit`` is the worst price at which it may trade, ``None`` for any. ``expires_at`` is set for
    an entry without an order: if it has become none ``LAPSE_GRACE`` after it, it never will. A sale
    has none, because the router executes an exit however late it is.
    """

    intent_id: str
    strategy: StrategyId
    symbol: Symbol
    side: Side
    remaining: int
    price: int
    limit: int | None
    expires_at: int | None


class WorkingOrders:
    """Everything that may still trade, by intent id until there is an order, then by order id."""

    def __init__(self) -> None:
        self._orders: dict[str, WorkingOrder] = {}
        self._by_symbol: dict[Symbol, dict[str, WorkingOrder]] = {}
        self._quantities: dict[tuple[StrategyId, Symbol, Side], int] = {}
        self._waiting: dict[str, WorkingOrder] = {}
        self.buy_value = 0
        """Won that all working buys may still cost, without fees."""
        self.unknown: dict[str, tuple[Symbol, int]] = {}
        """Orders of unknown fate: order id → symbol and since when (ns UTC)."""

    def quantity(self, strategy: StrategyId, symbol: Symbol, side: Side) -> int:
        """Return the shares a strategy may still buy or sell in a symbol."""
        return self._quantities.get((strategy, symbol, side), 0)

    def in_symbol(self, symbol: Symbol) -> Iterator[WorkingOrder]:
        """Yield what works in a symbol, oldest first."""
        return (order for order in self._by_symbol.get(symbol, {}).values() if order.remaining)

    def buy_value_in(self, symbol: Symbol) -> int:
        """Return the won that working buys of a symbol may still cost, without fees."""
        return sum(
            order.remaining * order.price
            for order in self._by_symbol.get(symbol, {}).values()
            if order.side is Side.BUY
        )

    def symbols_buying(self) -> Iterator[tuple[Symbol, StrategyId]]:
        """Yield symbol and strategy of every working buy; pairs may repeat."""
        return (
            (order.symbol, order.strategy)
            for order in self._orders.values()
            if order.side is Side.BUY and order.remaining
        )

    def approve(self, intent: IntentSubmitted, side: Side, quantity: int, price: int) -> None:
        """Count an intent that was let through; a share bought may cost ``price`` won."""
        order = WorkingOrder(
            intent_id=intent.intent_id,
            strategy=intent.strategy,
            symbol=intent.symbol,
            side=side,
            remaining=quantity,
            price=price,
            limit=intent.limit_price,
            expires_at=intent.expires_at if side is Side.BUY else None,
        )
        self._add(intent.intent_id, order)
        if side is Side.BUY:
            self._waiting[intent.intent_id] = order

    def hold(self, event: OrderHeld) -> None:
        """Let the held order take over from its intent; an intent not known here is ignored.

        The event names neither side nor quantity, so there is nothing to count without the intent.
        """
        intent = self._remove(event.intent_id)
        if intent is not None:
            intent.expires_at = None
            self._add(event.order_id, intent)

    def submit(self, event: OrderSubmitting, fallback_price: int) -> None:
        """Let the order take over from its intent or from itself while it was held.

        An order of an intent that is no longer counted (a replacement, or the router was late)
        counts as well. ``fallback_price`` values a market order whose intent is not known.
        """
        former = self._remove(event.order_id) or self._remove(event.intent_id)
        known = former.price if former is not None else fallback_price
        self._add(
            event.order_id,
            WorkingOrder(
                intent_id=event.intent_id,
                strategy=event.strategy,
                symbol=event.symbol,
                side=event.side,
                remaining=event.quantity,
                price=event.limit_price or known,
                limit=event.limit_price,
                expires_at=None,
            ),
        )

    def fill(self, event: OrderFilled) -> bool:
        """Take a fill off its order; return whether that completed it."""
        self.unknown.pop(event.order_id, None)
        order = self._orders.get(event.order_id)
        if order is None or not order.remaining:
            return False
        self._reduce(order, min(event.quantity, order.remaining))
        return not order.remaining

    def mark_unknown(self, event: OrderUnknown) -> None:
        """Remember that nobody knows whether this order reached the broker."""
        order = self._orders.get(event.order_id)
        if order is not None:
            self.unknown[event.order_id] = (order.symbol, event.at)

    def settle(self, event: OrderEvent) -> None:
        """Remember that the broker has the order after all."""
        self.unknown.pop(event.order_id, None)

    def end(self, event: OrderEvent) -> WorkingOrder | None:
        """Stop counting an order and return it; also one that ended before it was submitted."""
        self.unknown.pop(event.order_id, None)
        ended = self._remove(event.order_id)
        # An order id is its intent's id followed by "-O" and a number.
        return ended or self._remove(event.order_id.rpartition("-O")[0])

    def lapse(self, now: int) -> list[WorkingOrder]:
        """Stop counting entries that expired a grace ago and became no order; return them."""
        if not self._waiting:
            return []
        late = [
            key
            for key, order in self._waiting.items()
            if order.expires_at is not None and order.expires_at + LAPSE_GRACE < now
        ]
        return [order for key in late if (order := self._remove(key)) is not None]

    def _add(self, key: str, order: WorkingOrder) -> None:
        self._orders[key] = order
        self._by_symbol.setdefault(order.symbol, {})[key] = order
        owner = (order.strategy, order.symbol, order.side)
        self._quantities[owner] = self._quantities.get(owner, 0) + order.remaining
        if order.side is Side.BUY:
            self.buy_value += order.remaining * order.price

    def _remove(self, key: str) -> WorkingOrder | None:
        order = self._orders.pop(key, None)
        if order is None:
            return None
        self._waiting.pop(key, None)
        del self._by_symbol[order.symbol][key]
        remaining = order.remaining
        self._reduce(order, remaining)
        order.remaining = remaining
        return order

    def _reduce(self, order: WorkingOrder, quantity: int) -> None:
        order.remaining -= quantity
        self._quantities[(order.strategy, order.symbol, order.side)] -= quantity
        if order.side is Side.BUY:
            self.buy_value -= quantity * order.price
