"""What has been let through and may still trade: executions of intents and the orders of each.

An approved intent counts with what was allowed less what was filled from the moment of its decision
until its execution ended, also between two of its orders. An order that the log says is alive
counts in any case, whatever was said of its intent. An order of unknown fate is alive. What always
holds: the sums kept on the way equal the sums over the executions.
"""

from __future__ import annotations

from collections.abc import Iterator, KeysView, Mapping
from typing import Final

import msgspec

from events import StrategyId, Symbol
from events.market import NEVER
from events.trading import (
    ExecutionEnded,
    IntentSubmitted,
    OrderAccepted,
    OrderEvent,
    OrderFilled,
    OrderHeld,
    OrderSubmitting,
    OrderUnknown,
    Side,
)

LAPSE_GRACE: Final = 5_000_000_000
"""Nanoseconds past its expiry for which an entry counts: its order may be on the way to the log."""

_NOTHING: Final[dict[Symbol, int]] = {}


class UnknownOrder(msgspec.Struct, frozen=True, gc=False):
    """An order of which nobody knows whether the broker has it, ``since`` when (ns UTC)."""

    symbol: Symbol
    side: Side
    since: int


class Ticket(msgspec.Struct, kw_only=True, gc=False):
    """One order: ``remaining`` shares not filled, at ``limit`` or worse (``None``: at any price).

    ``price`` is what a share of it may cost in won. ``live`` until the log says that it is over.
    """

    remaining: int
    price: int
    limit: int | None
    live: bool = True


class Execution(msgspec.Struct, kw_only=True, gc=False):
    """One intent on its way: ``remaining`` shares may still trade, of a buy at ``price`` won each.

    ``allowed`` shares were let through, 0 for an intent whose decision is not known here.
    ``limit`` is the worst price at which its orders may trade now, ``None`` for any. ``expires_at``
    is set for an entry without an order: if it has become none ``LAPSE_GRACE`` after it, it never
    will. A sale has none, because the router executes an exit however late it is. ``counting`` says
    whether what was allowed counts; live orders always do.
    """

    intent_id: str
    strategy: StrategyId
    symbol: Symbol
    side: Side
    allowed: int
    approved_price: int
    own_limit: int | None
    expires_at: int | None
    counting: bool = True
    ended: bool = False
    filled: int = 0
    remaining: int = 0
    price: int = 0
    limit: int | None = None
    tickets: dict[str, Ticket] = msgspec.field(default_factory=dict)


class WorkingOrders:
    """Everything that may still trade in one account."""

    def __init__(self) -> None:
        self._executions: dict[str, Execution] = {}
        self._of_order: dict[str, Execution] = {}
        self._by_symbol: dict[Symbol, dict[str, Execution]] = {}
        self._owned: dict[Side, dict[StrategyId, dict[Symbol, int]]] = {side: {} for side in Side}
        self._shares: dict[Side, dict[Symbol, int]] = {side: {} for side in Side}
        self._buy_values: dict[Symbol, int] = {}
        self._waiting: dict[str, Execution] = {}
        self.buy_value = 0
        """Won that all working buys may still cost, without fees."""
        self.unknown: dict[str, UnknownOrder] = {}
        """Orders of unknown fate by order id."""

    def quantity(self, strategy: StrategyId, symbol: Symbol, side: Side) -> int:
        """Return the shares a strategy may still buy or sell in a symbol."""
        return self._owned[side].get(strategy, _NOTHING).get(symbol, 0)

    def total(self, symbol: Symbol, side: Side) -> int:
        """Return the shares all strategies together may still buy or sell in a symbol."""
        return self._shares[side].get(symbol, 0)

    def works(self, symbol: Symbol) -> bool:
        """Return whether anything of a symbol may still trade."""
        return bool(self._by_symbol.get(symbol))

    def in_symbol(self, symbol: Symbol) -> Iterator[Execution]:
        """Yield what works in a symbol, oldest first."""
        return iter(self._by_symbol.get(symbol, {}).values())

    def buy_value_in(self, symbol: Symbol) -> int:
        """Return the won that working buys of a symbol may still cost, without fees."""
        return self._buy_values.get(symbol, 0)

    def symbols_buying(self) -> KeysView[Symbol]:
        """Return the symbols with working buys."""
        return self._shares[Side.BUY].keys()

    def buys_of(self, strategy: StrategyId) -> Mapping[Symbol, int]:
        """Return the shares a strategy may still buy, by symbol."""
        return self._owned[Side.BUY].get(strategy, _NOTHING)

    def approve(self, intent: IntentSubmitted, side: Side, quantity: int, price: int) -> None:
        """Count an intent that was let through; a share bought may cost ``price`` won."""
        execution = Execution(
            intent_id=intent.intent_id,
            strategy=intent.strategy,
            symbol=intent.symbol,
            side=side,
            allowed=quantity,
            approved_price=price,
            own_limit=intent.limit_price,
            expires_at=intent.expires_at if side is Side.BUY else None,
        )
        self._executions[intent.intent_id] = execution
        if side is Side.BUY:
            self._waiting[intent.intent_id] = execution
        self._recount(execution)

    def hold(self, event: OrderHeld) -> None:
        """Remember that the router keeps an order of an intent, which no longer lapses.

        The event names neither side nor quantity: an intent not known here is not counted.
        """
        execution = self._executions.get(event.intent_id)
        if execution is not None:
            self._begin(event.order_id, execution)

    def submit(self, event: OrderSubmitting, fallback_price: int) -> None:
        """Count an order, the newest of its intent.

        Of an intent whose decision is not known here, or whose execution has ended, the order
        counts by itself. ``fallback_price`` values a market order of such an intent.
        """
        execution = self._executions.get(event.intent_id)
        if execution is None:
            execution = self._executions[event.intent_id] = _unapproved(event, fallback_price)
        execution.tickets[event.order_id] = Ticket(
            remaining=event.quantity,
            price=event.limit_price or execution.approved_price,
            limit=event.limit_price,
        )
        self._begin(event.order_id, execution)

    def fill(self, event: OrderFilled) -> bool:
        """Take a fill off its order and its intent; return whether nothing of it is left."""
        self.unknown.pop(event.order_id, None)
        execution = self._find(event)
        if execution is None:
            return False
        worked = execution.remaining
        execution.filled += event.quantity
        ticket = execution.tickets.get(event.order_id)
        if ticket is not None:
            ticket.remaining = max(0, ticket.remaining - event.quantity)
        self._recount(execution)
        return worked > 0 and not execution.remaining

    def mark_unknown(self, event: OrderUnknown) -> None:
        """Remember that nobody knows whether this order reached the broker."""
        execution = self._of_order.get(event.order_id)
        if execution is not None:
            self.unknown[event.order_id] = UnknownOrder(execution.symbol, execution.side, event.at)

    def settle(self, event: OrderAccepted) -> None:
        """Remember that the broker has the order; one that was taken for over counts again."""
        self.unknown.pop(event.order_id, None)
        execution = self._of_order.get(event.order_id)
        ticket = None if execution is None else execution.tickets.get(event.order_id)
        if execution is not None and ticket is not None and event.adopted and not ticket.live:
            ticket.live = True
            self._recount(execution)

    def symbol_of(self, event: OrderEvent) -> Symbol | None:
        """Return the symbol of an order's event, ``None`` when the order is not known here."""
        execution = self._find(event)
        return None if execution is None else execution.symbol

    def end(self, event: OrderEvent) -> Execution | None:
        """Stop counting an order; return its execution if nothing of that is left.

        What was allowed and not filled counts on: another order may follow until the router says
        that the execution ended.
        """
        self.unknown.pop(event.order_id, None)
        execution = self._of_order.get(event.order_id)
        ticket = None if execution is None else execution.tickets.get(event.order_id)
        if execution is None or ticket is None or not ticket.live:
            return None
        ticket.live = False
        self._recount(execution)
        return None if execution.remaining else execution

    def end_execution(self, event: ExecutionEnded) -> Execution | None:
        """Stop counting what an intent was allowed; return it, ``None`` when it is not known.

        An order of it that the log still calls alive counts on by itself.
        """
        execution = self._executions.get(event.intent_id)
        if execution is None:
            return None
        execution.ended = True
        self._stop(execution)
        return execution

    def lapse(self, now: int) -> list[Execution]:
        """Stop counting entries that expired a grace ago and became no order; return them."""
        if not self._waiting:
            return []
        late = [
            execution
            for execution in self._waiting.values()
            if execution.expires_at is not None and execution.expires_at + LAPSE_GRACE < now
        ]
        for execution in late:
            self._stop(execution)
        return late

    def next_lapse(self) -> int:
        """Return the instant (ns UTC) after which time may stop an entry from counting."""
        expiries = (each.expires_at for each in self._waiting.values())
        return min((each + LAPSE_GRACE for each in expiries if each is not None), default=NEVER)

    def _find(self, event: OrderEvent) -> Execution | None:
        # An order id is its intent's id followed by "-O" and a number.
        return self._of_order.get(event.order_id) or self._executions.get(
            event.order_id.rpartition("-O")[0]
        )

    def _begin(self, order_id: str, execution: Execution) -> None:
        """An order was begun: the intent never lapses, and one that had lapsed counts again."""
        self._of_order[order_id] = execution
        self._waiting.pop(execution.intent_id, None)
        execution.expires_at = None
        execution.counting = not execution.ended
        self._recount(execution)

    def _stop(self, execution: Execution) -> None:
        execution.counting = False
        self._waiting.pop(execution.intent_id, None)
        self._recount(execution)

    def _recount(self, execution: Execution) -> None:
        """Bring what an execution counts with, and every sum it is part of, up to date."""
        before, value_before = execution.remaining, execution.remaining * execution.price
        _measure(execution)
        symbol, side, key = execution.symbol, execution.side, execution.intent_id
        change = execution.remaining - before
        if change:
            _add(self._owned[side].setdefault(execution.strategy, {}), symbol, change)
            _add(self._shares[side], symbol, change)
            if not before:
                self._by_symbol.setdefault(symbol, {})[key] = execution
            elif not execution.remaining:
                del self._by_symbol[symbol][key]
        if side is Side.BUY:
            more = execution.remaining * execution.price - value_before
            self.buy_value += more
            _add(self._buy_values, symbol, more)


def _unapproved(event: OrderSubmitting, price: int) -> Execution:
    return Execution(
        intent_id=event.intent_id,
        strategy=event.strategy,
        symbol=event.symbol,
        side=event.side,
        allowed=0,
        approved_price=price,
        own_limit=None,
        expires_at=None,
    )


def _measure(execution: Execution) -> None:
    """Set how many shares count, at which price, and the worst price they may trade at.

    The price is that of the newest order, but never below the approved one; between two orders the
    intent's own limit is all that is known of the next.
    """
    price = execution.approved_price if execution.allowed else 0
    alive = 0
    limits: list[int | None] = []
    ticket = None
    for ticket in execution.tickets.values():
        if ticket.live:
            alive += ticket.remaining
            limits.append(ticket.limit)
            price = max(price, ticket.price)
    if ticket is not None:
        price = max(price, ticket.price)
    left = execution.allowed - execution.filled if execution.counting else 0
    execution.remaining = max(alive, left, 0)
    execution.price = price
    execution.limit = _worst(execution.side, limits) if limits else execution.own_limit


def _worst(side: Side, limits: list[int | None]) -> int | None:
    known = [limit for limit in limits if limit is not None]
    if len(known) < len(limits):
        return None
    return max(known) if side is Side.BUY else min(known)


def _add(sums: dict[Symbol, int], symbol: Symbol, change: int) -> None:
    total = sums.get(symbol, 0) + change
    if total:
        sums[symbol] = total
    else:
        sums.pop(symbol, None)
