"""The cash and the shares of one client.

Cash is never negative and no share is sold twice: a working buy reserves the most it can cost, fee
included, a working sell claims its shares, on whichever exchange. Proceeds count as cash at once
(on KRX they may be spent again before settlement on the second business day) but can be withdrawn
only when they have settled: ``settled`` and ``tomorrow`` keep the deposits of today and of the next
session. Won.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from events import Symbol
from kis_gateway.simulator.exchange.views import AccountView, HoldingView


class Position:
    """One issue in one account; ``claimed`` is what working sells may still deliver."""

    __slots__ = (
        "bought_amount",
        "bought_quantity",
        "claimed",
        "cost",
        "quantity",
        "sold_amount",
        "sold_quantity",
    )

    def __init__(self, quantity: int = 0, cost: int = 0) -> None:
        self.quantity = quantity
        self.cost = cost
        self.claimed = 0
        self.bought_quantity = 0
        self.bought_amount = 0
        self.sold_quantity = 0
        self.sold_amount = 0

    def view(self, symbol: Symbol) -> HoldingView:
        """Return a snapshot."""
        return HoldingView(
            symbol=symbol,
            quantity=self.quantity,
            sellable=self.quantity - self.claimed,
            cost=self.cost,
            bought_quantity=self.bought_quantity,
            bought_amount=self.bought_amount,
            sold_quantity=self.sold_quantity,
            sold_amount=self.sold_amount,
        )


class Account:
    """One client's books."""

    __slots__ = (
        "cash",
        "fees",
        "name",
        "positions",
        "reserved",
        "settled",
        "taxes",
        "tomorrow",
    )

    def __init__(
        self,
        name: str,
        cash: int,
        holdings: Mapping[Symbol, tuple[int, int]],
        settling_tomorrow: int = 0,
    ) -> None:
        self.name = name
        self.cash = self.tomorrow = cash
        self.settled = cash - settling_tomorrow
        self.reserved = 0
        self.fees = 0
        self.taxes = 0
        self.positions = {
            symbol: Position(quantity, cost) for symbol, (quantity, cost) in holdings.items()
        }

    @property
    def available(self) -> int:
        """Cash that no working buy has reserved."""
        return self.cash - self.reserved

    def sellable(self, symbol: Symbol) -> int:
        """Shares that no working sell has claimed."""
        position = self.positions.get(symbol)
        return position.quantity - position.claimed if position is not None else 0

    def claimed(self, symbol: Symbol) -> int:
        """Shares that working sells may still deliver."""
        position = self.positions.get(symbol)
        return position.claimed if position is not None else 0

    def set_cash(self, cash: int) -> None:
        """Move cash in or out from outside; it counts as settled."""
        paid_in = cash - self.cash
        self.cash += paid_in
        self.tomorrow += paid_in
        self.settled += paid_in

    def set_position(self, symbol: Symbol, quantity: int, cost: int) -> None:
        """Set a holding from outside; what working sells claim stays claimed."""
        position = self.positions.get(symbol)
        if position is None:
            position = self.positions[symbol] = Position()
        position.quantity, position.cost = quantity, cost

    def bought(self, symbol: Symbol, quantity: int, amount: int, fee: int) -> None:
        """Enter a purchase; its reservation is released by the caller."""
        position = self.positions.get(symbol)
        if position is None:
            position = self.positions[symbol] = Position()
        position.quantity += quantity
        position.cost += amount
        position.bought_quantity += quantity
        position.bought_amount += amount
        self.cash -= amount + fee
        self.fees += fee

    def sold(self, symbol: Symbol, quantity: int, amount: int, fee: int, tax: int) -> None:
        """Enter a sale of claimed shares; the cost leaves by the moving average."""
        position = self.positions[symbol]
        position.cost -= position.cost * quantity // position.quantity
        position.quantity -= quantity
        position.claimed -= quantity
        position.sold_quantity += quantity
        position.sold_amount += amount
        self.cash += amount - fee - tax
        self.fees += fee
        self.taxes += tax

    def view(self) -> AccountView:
        """Return a snapshot."""
        return AccountView(
            account=self.name,
            cash=self.cash,
            reserved=self.reserved,
            available_cash=self.available,
            holdings=MappingProxyType(
                {symbol: position.view(symbol) for symbol, position in self.positions.items()}
            ),
            fees=self.fees,
            taxes=self.taxes,
            settled_cash=self.settled,
            cash_tomorrow=self.tomorrow,
            withdrawable=max(0, min(self.settled, self.cash - self.reserved)),
        )
