"""Shares and money of a run, folded from its log: what all owners hold and what the run earned.

Pure. Amounts are won, quantities shares. Shares that reconciliation finds, or misses, and shares
that change their owner are no trade and earn nothing.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from events import UNKNOWN, Symbol
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


class Profit(NamedTuple):
    """Result of the run in won; ``net = gross - fees - tax``.

    ``gross`` is proceeds less purchases plus what is still held at its last known price, less the
    cost of what was held at the open.
    """

    gross: int
    fees: int
    tax: int

    @property
    def net(self) -> int:
        """Return what is left after fees and tax."""
        return self.gross - self.fees - self.tax


class DayAccounts:
    """The fold of everything that moves shares or money."""

    def __init__(self) -> None:
        self.drifting: dict[Symbol, tuple[int, int]] = {}
        """Drift that holds: (broker quantity, what strategies and account holder own)."""
        self.drifts: Counter[Symbol] = Counter()
        """How often drift was found, by symbol."""
        self._held: Counter[Symbol] = Counter()
        self._unknown: Counter[Symbol] = Counter()
        self._prices: dict[Symbol, int] = {}
        self._cash_flow = 0
        self._fees = 0
        self._tax = 0

    @property
    def holdings(self) -> dict[Symbol, int]:
        """Shares held now by all owners together; symbols without any are left out."""
        return {symbol: shares for symbol, shares in sorted(self._held.items()) if shares}

    @property
    def profit(self) -> Profit:
        """The result so far."""
        value = sum(
            shares * self._prices.get(symbol, 0) for symbol, shares in self._held.items() if shares
        )
        return Profit(self._cash_flow + value, self._fees, self._tax)

    def open(self, event: SessionOpened) -> None:
        """Take over what the session begins with, at its cost."""
        for allocation in event.allocations:
            self._held[allocation.symbol] += allocation.quantity
            if allocation.strategy == UNKNOWN:
                self._unknown[allocation.symbol] += allocation.quantity
            self._cash_flow -= allocation.cost
            if allocation.quantity:
                self._prices[allocation.symbol] = allocation.cost // allocation.quantity

    def price(self, event: AccountSnapshot) -> None:
        """Take in the broker's prices."""
        self._prices.update({h.symbol: h.last_price for h in event.holdings})

    def fill(self, event: OrderFilled) -> None:
        """Book an execution."""
        sign = 1 if event.side is Side.BUY else -1
        self._held[event.symbol] += sign * event.quantity
        if event.strategy == UNKNOWN:
            self._unknown[event.symbol] += sign * event.quantity
        self._cash_flow -= sign * event.amount
        self._fees += event.fee
        self._tax += event.tax
        self._prices[event.symbol] = event.price

    def correct(self, event: FillCorrected) -> None:
        """Book what the broker's books add to the money of an order."""
        self._cash_flow += event.amount if event.side is Side.SELL else -event.amount
        self._fees += event.fee
        self._tax += event.tax

    def owners(self, event: DriftDetected | DriftCleared | SharesReallocated) -> None:
        """Take in what is found of shares, or whose they are from here on."""
        match event:
            case DriftDetected():
                self.drifting[event.symbol] = (event.broker_quantity, event.allocated_quantity)
                self.drifts[event.symbol] += 1
                self._explain(event.symbol, event.broker_quantity - event.allocated_quantity)
            case DriftCleared():
                self.drifting.pop(event.symbol, None)
                self._explain(event.symbol, 0)
            case SharesReallocated():
                change = (event.target == UNKNOWN) - (event.source == UNKNOWN)
                self._unknown[event.symbol] += change * event.quantity

    def _explain(self, symbol: Symbol, unknown: int) -> None:
        change = unknown - self._unknown[symbol]
        self._unknown[symbol] = unknown
        self._held[symbol] += change
        self._cash_flow -= change * self._prices.get(symbol, 0)
