"""The account as the gate knows it: shares by strategy, cash, prices, what works, the day's result.

Folded from the log alone. What always holds: a strategy's shares are what it brought into the
session plus its fills; cash plus the cost of all shares changes by realised results only; sums kept
on the way equal the sums over their parts.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from events import UNKNOWN, StrategyId, Symbol, costs
from events.market import OpeningAllocation, SessionOpened
from events.trading import AccountSnapshot, DriftDetected, OrderEvent, OrderFilled, Side
from risk.statement import Reported, Statement
from risk.working import WorkingOrder, WorkingOrders


class Allocation(msgspec.Struct, gc=False):
    """Shares of one strategy in one symbol and what they cost, in won without fees."""

    quantity: int = 0
    cost: int = 0


class Position(msgspec.Struct, gc=False):
    """All allocated shares of one symbol.

    ``last`` is the last price in won, ``None`` before the first. ``value`` is what the shares are
    worth at it, until then what they are taken for (``priced`` is false).
    """

    quantity: int = 0
    value: int = 0
    last: int | None = None
    priced: bool = True


class Book:
    """Allocations, cash, working orders and equity of one account during one session.

    Results are won net of fees and tax. A buy adds its traded value to the cost of the allocation;
    a sale takes out the proportional part of it (rounded down, everything with the last share).
    """

    def __init__(self, session: SessionOpened) -> None:
        self.opening_equity = session.equity
        self.cash = session.cash
        self.holdings_value = 0
        self.working = WorkingOrders()
        self.allocations: dict[tuple[StrategyId, Symbol], Allocation] = {}
        self.positions: dict[Symbol, Position] = {}
        self._held: dict[Symbol, Position] = {}
        self.realised: dict[StrategyId, int] = {}
        self.unpriced = 0
        """Symbols held whose price has not been seen since the session opened."""
        self.surplus: dict[Symbol, int] = {}
        """Shares that the broker shows and no fill explains; they belong to ``_UNKNOWN_``."""
        self.statement = Statement()
        self._carry_in(session.allocations, session.equity - session.cash)
        # What the books call equity and is neither orderable nor in shares, unsettled money above
        # all. It stays as it is, so the day starts with a result of exactly zero.
        self._idle = session.equity - session.cash - self.holdings_value

    def _carry_in(self, allocations: tuple[OpeningAllocation, ...], worth: int) -> None:
        """Take over opening shares, valued so that together they are worth what they closed at.

        The books give one value for all of them: it is shared out by cost until prices are known.
        """
        total_cost = sum(opening.cost for opening in allocations)
        for opening in allocations:
            if not opening.quantity:
                continue
            allocation = self._allocation(opening.strategy, opening.symbol)
            allocation.quantity += opening.quantity
            allocation.cost += opening.cost
            position = self._position(opening.symbol)
            position.quantity += opening.quantity
            self._held[opening.symbol] = position
            value = opening.cost
            if worth > 0 and total_cost > 0:
                value = opening.cost * worth // total_cost
            position.value += value
            self.holdings_value += value
            self.unpriced += position.priced
            position.priced = False

    @property
    def equity(self) -> int:
        """Money plus allocated shares at last price, won; at their opening value before a price."""
        return self.cash + self._idle + self.holdings_value

    @property
    def measured_equity(self) -> int:
        """Won that exposure is measured against: the smaller of equity here and at the broker."""
        stated = self.statement.equity
        return self.equity if stated is None else min(self.equity, stated)

    @property
    def day_result(self) -> int:
        """Won gained or lost since the session opened. External cash flows do not enter it."""
        return self.equity - self.opening_equity

    @property
    def orderable_cash(self) -> int:
        """Won that may still be spent on buys.

        The smaller of cash by the log less working buys with their fees, and what the broker last
        called orderable less everything let through since.
        """
        pledged = self.working.buy_value
        own = self.cash - pledged - costs.fee(pledged)
        return own if self.statement.cash is None else min(own, self.statement.cash)

    def owned(self, strategy: StrategyId, symbol: Symbol) -> int:
        """Return the shares a strategy owns; unexplained ones belong to ``_UNKNOWN_``."""
        allocation = self.allocations.get((strategy, symbol))
        quantity = 0 if allocation is None else allocation.quantity
        if strategy == UNKNOWN:
            quantity += self.surplus.get(symbol, 0)
        return quantity

    def sellable(self, strategy: StrategyId, symbol: Symbol) -> int:
        """Return the shares a strategy owns and does not yet sell, never below 0."""
        selling = self.working.quantity(strategy, symbol, Side.SELL)
        return max(0, self.owned(strategy, symbol) - selling)

    def broker_sellable(self, symbol: Symbol, now: int) -> tuple[Reported, int] | None:
        """Return the broker's holding of a symbol and how many of it may still be sold.

        Sales let through since the statement are taken off. ``None`` when nothing that the broker
        said can still be believed.
        """
        reported = self.statement.holding(symbol, now)
        if reported is None:
            return None
        selling = sum(o.remaining for o in self.working.in_symbol(symbol) if o.side is Side.SELL)
        return reported, max(0, reported.sellable - selling)

    def last_price(self, symbol: Symbol) -> int | None:
        """Return the last price in won, ``None`` before the first of the session."""
        position = self.positions.get(symbol)
        return None if position is None else position.last

    def exposure(self, symbol: Symbol) -> int:
        """Return won held in a symbol plus what its working buys may still cost."""
        position = self.positions.get(symbol)
        held = 0 if position is None else position.value
        return held + self._surplus_value(symbol) + self.working.buy_value_in(symbol)

    @property
    def gross_exposure(self) -> int:
        """Won held in all symbols plus what all working buys may still cost."""
        surplus = sum(self._surplus_value(symbol) for symbol in self.surplus)
        return self.holdings_value + surplus + self.working.buy_value

    def active_symbols(self) -> Iterator[Symbol]:
        """Yield each symbol with shares or working buys once, in order of first appearance."""
        active = dict.fromkeys(self._held)
        active.update(dict.fromkeys(self.surplus))
        active.update((symbol, None) for symbol, _ in self.working.symbols_buying())
        return iter(active)

    def symbols_of(self, strategy: StrategyId) -> set[Symbol]:
        """Return the symbols in which a strategy has shares or working buys."""
        held = {
            symbol
            for (owner, symbol), allocation in self.allocations.items()
            if owner == strategy and allocation.quantity > 0
        }
        held.update(s for s, owner in self.working.symbols_buying() if owner == strategy)
        return held

    def mark(self, symbol: Symbol, price: int) -> None:
        """Take a traded price as the symbol's last one."""
        position = self.positions.get(symbol)
        if position is None:
            position = self._position(symbol)
        position.last = price
        if position.quantity:
            self._revalue(position, price)

    def mark_opening(self, symbol: Symbol, base_price: int) -> None:
        """Value shares without a trade yet at the day's base price, the adjusted last close."""
        position = self.positions.get(symbol)
        if position is not None and position.last is None and position.quantity:
            self._revalue(position, base_price)

    def fill(self, event: OrderFilled) -> bool:
        """Move shares and cash for one fill; return whether its order is complete."""
        allocation = self._allocation(event.strategy, event.symbol)
        position = self._position(event.symbol)
        expenses = event.fee + event.tax
        result = -expenses
        if event.side is Side.BUY:
            change = event.quantity
            allocation.cost += event.amount
            self.cash -= event.amount + expenses
        else:
            change = -event.quantity
            cost = _cost_of(allocation, event.quantity)
            allocation.cost -= cost
            result += event.amount - cost
            self.cash += event.amount - expenses
        allocation.quantity += change
        position.quantity += change
        if position.quantity:
            self._held[event.symbol] = position
        else:
            self._held.pop(event.symbol, None)
        self.realised[event.strategy] = self.realised.get(event.strategy, 0) + result
        if position.last is None:
            position.last = event.price
        self._revalue(position, position.last)
        self.statement.traded(event.symbol, event.at)
        return self.working.fill(event)

    def end(self, event: OrderEvent) -> WorkingOrder | None:
        """Stop counting an order and return it, ``None`` when it was not counted."""
        ended = self.working.end(event)
        if ended is not None:
            self.statement.ended(ended.symbol, event.at)
        return ended

    def snapshot(self, event: AccountSnapshot) -> None:
        """Take over money, sellable shares and prices of a complete account statement.

        Shares are not taken over: they come from fills, and a difference is drift.
        """
        self.statement.take(
            event,
            held=(*self._held, *self.surplus),
            works=lambda symbol: any(True for _ in self.working.in_symbol(symbol)),
        )
        for holding in event.holdings:
            if holding.last_price > 0:
                self.mark(holding.symbol, holding.last_price)

    def drift(self, event: DriftDetected) -> None:
        """Count shares that the broker shows beyond the allocations as exposure."""
        surplus = event.broker_quantity - event.allocated_quantity
        if surplus > 0:
            self.surplus[event.symbol] = surplus
        else:
            self.surplus.pop(event.symbol, None)

    def undrift(self, symbol: Symbol) -> None:
        """Forget unexplained shares of a symbol: broker and allocations agree again."""
        self.surplus.pop(symbol, None)

    def _surplus_value(self, symbol: Symbol) -> int:
        shares = self.surplus.get(symbol)
        return shares * (self.last_price(symbol) or 0) if shares else 0

    def _allocation(self, strategy: StrategyId, symbol: Symbol) -> Allocation:
        key = (strategy, symbol)
        allocation = self.allocations.get(key)
        if allocation is None:
            allocation = self.allocations[key] = Allocation()
        return allocation

    def _position(self, symbol: Symbol) -> Position:
        position = self.positions.get(symbol)
        if position is None:
            position = self.positions[symbol] = Position()
        return position

    def _revalue(self, position: Position, price: int) -> None:
        value = position.quantity * price
        self.holdings_value += value - position.value
        position.value = value
        if not position.priced:
            position.priced = True
            self.unpriced -= 1


def _cost_of(allocation: Allocation, quantity: int) -> int:
    """Return the part of an allocation's cost that leaves with ``quantity`` shares."""
    if quantity >= allocation.quantity:
        return allocation.cost
    return allocation.cost * quantity // allocation.quantity
