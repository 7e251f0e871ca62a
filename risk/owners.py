"""Who owns which shares at what cost: strategies, ``_EXTERNAL_`` and ``_UNKNOWN_``.

What always holds: every share belongs to exactly one owner, and what all owners have of a symbol
adds up to what the broker has, by its last proved word moved by the fills since. ``_UNKNOWN_`` is
what makes that true while something is unexplained: shares too many, or, below zero, too few.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from events import UNKNOWN, StrategyId, Symbol
from events.control import SharesReallocated
from events.market import OpeningAllocation
from events.trading import DriftDetected


class Allocation(msgspec.Struct, gc=False):
    """Shares of one owner in one symbol and what they cost, in won without fees."""

    quantity: int = 0
    cost: int = 0


_NO_SHARES: Final[dict[Symbol, Allocation]] = {}


class Owners:
    """All allocations of one account.

    A buy adds its traded value to the cost of an allocation; shares that leave take the
    proportional part of it with them (rounded down, everything with the last share).
    """

    def __init__(self) -> None:
        self.allocations: dict[tuple[StrategyId, Symbol], Allocation] = {}
        self.unexplained: dict[Symbol, Allocation] = {}
        """What ``_UNKNOWN_`` has, symbols with a quantity other than 0 only."""
        self._held: dict[StrategyId, dict[Symbol, Allocation]] = {UNKNOWN: self.unexplained}
        self._at_broker: dict[Symbol, int] = {}

    def quantity(self, owner: StrategyId, symbol: Symbol) -> int:
        """Return the shares of an owner, 0 when it has none."""
        allocation = self.allocations.get((owner, symbol))
        return 0 if allocation is None else allocation.quantity

    def broker_quantity(self, symbol: Symbol) -> int:
        """Return the shares the broker has: as last proved, moved by the fills since."""
        return self._at_broker.get(symbol, 0)

    def unbalanced(self) -> dict[Symbol, tuple[int, int]]:
        """Return where owners and broker disagree: symbol → (Σ owners, broker). Always empty."""
        sums = dict.fromkeys(self._at_broker, 0)
        for (_, symbol), allocation in self.allocations.items():
            sums[symbol] = sums.get(symbol, 0) + allocation.quantity
        return {
            symbol: (owned, self.broker_quantity(symbol))
            for symbol, owned in sums.items()
            if owned != self.broker_quantity(symbol)
        }

    def held_by(self, owner: StrategyId) -> Mapping[Symbol, Allocation]:
        """Return what an owner has, symbols with a quantity other than 0 only."""
        return self._held.get(owner, _NO_SHARES)

    def carry_in(self, opening: OpeningAllocation) -> None:
        """Take over shares from the opening books; what they add up to the broker has."""
        self._move(opening.strategy, opening.symbol, opening.quantity, opening.cost)
        self._traded(opening.symbol, opening.quantity)

    def buy(self, owner: StrategyId, symbol: Symbol, quantity: int, amount: int) -> None:
        """Add shares bought for ``amount`` won."""
        self._move(owner, symbol, quantity, amount)
        self._traded(symbol, quantity)

    def sell(self, owner: StrategyId, symbol: Symbol, quantity: int) -> int:
        """Take shares off and return what they had cost, won."""
        cost = self._cost(owner, symbol, quantity)
        self._move(owner, symbol, -quantity, -cost)
        self._traded(symbol, -quantity)
        return cost

    def add_cost(self, owner: StrategyId, symbol: Symbol, amount: int) -> int:
        """Correct what an owner's shares cost by ``amount`` won; return what was added.

        Without a share left nothing is added: the correction belongs to the result.
        """
        if self.quantity(owner, symbol) < 1:
            return 0
        self._move(owner, symbol, 0, amount)
        return amount

    def reallocate(self, event: SharesReallocated) -> None:
        """Let shares change owner; they cost ``event.cost`` won from here on."""
        cost = self._cost(event.source, event.symbol, event.quantity)
        self._move(event.source, event.symbol, -event.quantity, -cost)
        self._move(event.target, event.symbol, event.quantity, event.cost)
        unknown = self.allocations.get((UNKNOWN, event.symbol))
        if unknown is not None and not unknown.quantity:
            unknown.cost = 0

    def drift(self, event: DriftDetected, last_price: int) -> None:
        """Give ``_UNKNOWN_`` the difference, at ``last_price`` won a share.

        A fill that the finding has not seen yet moved the broker's shares as well as its owner's.
        """
        difference = event.broker_quantity - event.allocated_quantity
        self._explain(event.symbol, difference, difference * last_price)

    def undrift(self, symbol: Symbol) -> None:
        """Leave ``_UNKNOWN_`` nothing of a symbol: owners and broker are proved to agree."""
        self._explain(symbol, 0, 0)

    def _explain(self, symbol: Symbol, quantity: int, cost: int) -> None:
        former = self.allocations.get((UNKNOWN, symbol)) or Allocation()
        more = quantity - former.quantity
        self._move(UNKNOWN, symbol, more, cost - former.cost)
        self._traded(symbol, more)

    def _cost(self, owner: StrategyId, symbol: Symbol, quantity: int) -> int:
        """Return the part of an allocation's cost that leaves with ``quantity`` shares."""
        allocation = self.allocations.get((owner, symbol))
        if allocation is None:
            return 0
        if quantity >= allocation.quantity:
            return allocation.cost
        return allocation.cost * quantity // allocation.quantity

    def _move(self, owner: StrategyId, symbol: Symbol, quantity: int, cost: int) -> None:
        key = (owner, symbol)
        allocation = self.allocations.get(key)
        if allocation is None:
            allocation = self.allocations[key] = Allocation()
        allocation.quantity += quantity
        allocation.cost += cost
        if allocation.quantity:
            self._held.setdefault(owner, {})[symbol] = allocation
            return
        self._held.get(owner, _NO_SHARES).pop(symbol, None)

    def _traded(self, symbol: Symbol, quantity: int) -> None:
        self._at_broker[symbol] = self._at_broker.get(symbol, 0) + quantity
