"""What an account bought, sold and earned today, by issue, from its executions. Won and shares.

The cost of what was sold follows the moving average from the opening book on; fees and taxes are
apart, the result is before them.
"""

from __future__ import annotations

import msgspec

from events import Symbol
from events.trading import Side
from kis_gateway.simulator.venue import Venue


class Realised(msgspec.Struct, kw_only=True):
    """One issue's day in one account."""

    quantity: int = 0
    cost: int = 0
    bought: int = 0
    bought_amount: int = 0
    sold: int = 0
    sold_amount: int = 0
    sold_cost: int = 0
    buy_fee: int = 0
    sell_fee: int = 0
    tax: int = 0

    @property
    def profit(self) -> int:
        """What the sales brought above the purchase price, after fees and tax of the sales."""
        return self.sold_amount - self.sold_cost - self.sell_fee - self.tax


def realised(venue: Venue, account: str) -> dict[Symbol, Realised]:
    """Return the issues that an account traded today, in order of their first trade."""
    held = {each.symbol: each for each in venue.opening[account].holdings}
    found: dict[Symbol, Realised] = {}
    for done in venue.orders.executions:
        if done.account != account:
            continue
        day = found.get(done.symbol)
        if day is None:
            before = held.get(done.symbol)
            day = found[done.symbol] = Realised(
                quantity=before.quantity if before is not None else 0,
                cost=before.cost if before is not None else 0,
            )
        amount = done.quantity * done.price
        if done.side is Side.BUY:
            day.quantity += done.quantity
            day.cost += amount
            day.bought += done.quantity
            day.bought_amount += amount
            day.buy_fee += done.fee
            continue
        share = day.cost * done.quantity // day.quantity if day.quantity else 0
        day.quantity -= done.quantity
        day.cost -= share
        day.sold += done.quantity
        day.sold_amount += amount
        day.sold_cost += share
        day.sell_fee += done.fee
        day.tax += done.tax
    return found


def summed(days: dict[Symbol, Realised]) -> Realised:
    """Return all issues of an account together."""
    total = Realised()
    for day in days.values():
        for name in Realised.__struct_fields__:
            setattr(total, name, getattr(total, name) + getattr(day, name))
    return total
