"""Who owns which shares of the account, folded from the log. Pure.

Owners are the strategies, ``_EXTERNAL_`` (the account holder's own shares) and ``_UNKNOWN_`` (what
the broker shows beyond all of them; negative when it shows less). What always holds: the owners'
shares of a symbol add up to the broker's quantity as it was last proved, moved by the fills since.
Every share bought or sold is booked to the owner whose order it was, and nothing but a fill, a
reallocation by an operator or a finding of the reconciliation moves one.
"""

from __future__ import annotations

from typing import Final

import msgspec

from events import EXTERNAL, UNKNOWN, Event, StrategyId, Symbol
from events.control import SharesReallocated
from events.market import SessionOpened
from events.trading import (
    AccountSnapshot,
    DriftCleared,
    DriftDetected,
    FillCorrected,
    OrderFilled,
    Side,
)

TRANSFERS: Final = (SharesReallocated, DriftDetected, DriftCleared, AccountSnapshot)
"""Entries that concern allocations and stand on no order's subject.

They stand on ``trading.control`` and ``trading.account``.
"""


class Allocation(msgspec.Struct, frozen=True):
    """Shares of one owner and what they cost in won, fees excluded."""

    quantity: int = 0
    cost: int = 0


class Allocations:
    """Shares and cost of every owner and symbol."""

    def __init__(self) -> None:
        self._held: dict[tuple[StrategyId, Symbol], Allocation] = {}
        self._prices: dict[Symbol, int] = {}

    def take(self, event: Event) -> None:
        """Take in an entry of the log; most kinds change nothing."""
        match event:
            case SessionOpened():
                self.open(event)
            case OrderFilled():
                self.fill(event)
            case FillCorrected():
                self._correct(event)
            case SharesReallocated():
                self._reallocate(event)
            case DriftDetected():
                surplus = event.broker_quantity - event.allocated_quantity
                cost = surplus * self._prices.get(event.symbol, 0)
                self._put(UNKNOWN, event.symbol, surplus, cost)
            case DriftCleared():
                self._put(UNKNOWN, event.symbol, 0, 0)
            case AccountSnapshot():
                self._prices.update((each.symbol, each.last_price) for each in event.holdings)
            case _:
                pass

    def open(self, session: SessionOpened) -> None:
        """Start from the opening books."""
        self._held = {}
        for item in session.allocations:
            self._put(item.strategy, item.symbol, item.quantity, item.cost)

    def fill(self, event: OrderFilled) -> None:
        """Book an execution to the owner that ordered it; a sale takes cost out pro rata."""
        if event.side is Side.BUY:
            self._add(event.strategy, event.symbol, event.quantity, event.amount)
        else:
            # An owner that sold more than it had (never by the gate's rules) shows as negative.
            self._take_out(event.strategy, event.symbol, event.quantity)

    def _correct(self, event: FillCorrected) -> None:
        held = self.of(event.strategy, event.symbol)
        if event.side is Side.BUY and held.quantity > 0:
            self._put(event.strategy, event.symbol, held.quantity, held.cost + event.amount)

    def _reallocate(self, event: SharesReallocated) -> None:
        self._take_out(event.source, event.symbol, event.quantity)
        self._add(event.target, event.symbol, event.quantity, event.cost)

    def _add(self, owner: StrategyId, symbol: Symbol, quantity: int, cost: int) -> None:
        held = self.of(owner, symbol)
        self._put(owner, symbol, held.quantity + quantity, held.cost + cost)

    def _take_out(self, owner: StrategyId, symbol: Symbol, quantity: int) -> None:
        held = self.of(owner, symbol)
        left = held.quantity - quantity
        # What leaves is rounded down, as everywhere, so that all folds carry the same won.
        kept = held.cost - held.cost * quantity // held.quantity if left > 0 else 0
        self._put(owner, symbol, left, kept)

    def _put(self, owner: StrategyId, symbol: Symbol, quantity: int, cost: int) -> None:
        if quantity:
            self._held[owner, symbol] = Allocation(quantity, cost)
        else:
            self._held.pop((owner, symbol), None)

    def of(self, owner: StrategyId, symbol: Symbol) -> Allocation:
        """Return what an owner has of a symbol."""
        return self._held.get((owner, symbol), Allocation())

    def quantity(self, symbol: Symbol) -> int:
        """Return the shares that strategies and the account holder own, ``_UNKNOWN_`` left out."""
        return self.total(symbol) - self.unknown(symbol)

    def unknown(self, symbol: Symbol) -> int:
        """Return the shares nobody has explained; below 0 when shares are missing."""
        return self.of(UNKNOWN, symbol).quantity

    def total(self, symbol: Symbol) -> int:
        """Return the shares over all owners: what the broker must hold."""
        return sum(held.quantity for (_, owned), held in self._held.items() if owned == symbol)

    def traded_symbols(self) -> frozenset[Symbol]:
        """Return the symbols with shares other than those that the account holder keeps."""
        return frozenset(symbol for owner, symbol in self._held if owner != EXTERNAL)

    def symbols(self) -> frozenset[Symbol]:
        """Return the symbols somebody owns, or that shares are missing of."""
        return frozenset(symbol for _, symbol in self._held)

    def all(self) -> list[tuple[StrategyId, Symbol, Allocation]]:
        """Return every owner's holdings, sorted by owner and symbol."""
        return [
            (owner, symbol, held)
            for (owner, symbol), held in sorted(self._held.items(), key=lambda item: item[0])
        ]
