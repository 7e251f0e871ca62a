"""How far the others may trade in an issue before any order of our clients is touched.

What always holds: a trade or book out of reach leaves every order as it is, but for the others'
quantity before it in its queue; entering trades by the stretch leaves the same state as entering
them one by one at the same moment.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from events.market import Aggressor
from kis_gateway.simulator.exchange.commands import MarketTrades
from kis_gateway.simulator.exchange.issue import Issue

_ENDLESS: Final = 1 << 62


class Reach(NamedTuple):
    """The nearest limits of our clients in continuous trading.

    Out of reach are trades between the two; those at ``buy`` that no buyer began, until more than
    ``before_buy`` shares of them have traded, and likewise at ``sell``; and books without an ask at
    or below ``buy`` and without a bid at or above ``sell``. A book may lower ``before_buy`` to what
    it shows at that price, and ``before_sell``.
    """

    buy: int
    """Highest limit of the buys in won, 0 without any."""
    before_buy: int
    """Shares of the others before the first order at that limit."""
    sell: int
    """Lowest limit of the sells in won, beyond any price without any."""
    before_sell: int
    """Shares of the others before the first order at that limit."""

    @property
    def nothing(self) -> bool:
        """Whether nothing at all is in reach, for no order works."""
        return self == NOBODY


NOBODY: Final = Reach(0, 0, _ENDLESS, 0)
"""No order works: everything is out of reach."""


def reach(issue: Issue) -> Reach | None:
    """Return what is in reach of the orders of an issue; ``None`` when anything might be."""
    if not issue.has_orders:
        return NOBODY
    if issue.auction or issue.middles or issue.stops:
        return None
    buy, before_buy, sell, before_sell = NOBODY
    if issue.buys.orders:
        first = issue.buys.orders[0]
        if first.price is None:
            return None
        buy, before_buy = first.price, first.ahead
    if issue.sells.orders:
        first = issue.sells.orders[0]
        if first.price is None:
            return None
        sell, before_sell = first.price, first.ahead
    return Reach(buy, before_buy, sell, before_sell)


def pass_by(issue: Issue, trades: MarketTrades) -> bool:
    """Enter trades of which none touches an order; enter nothing and return False if one might."""
    near = reach(issue)
    prices, quantities, aggressors = trades.prices, trades.quantities, trades.aggressors
    if near is None or min(prices) < near.buy or max(prices) > near.sell:
        return False
    at_buy = _traded_at(near.buy, trades, Aggressor.BUY) if near.buy in prices else 0
    at_sell = _traded_at(near.sell, trades, Aggressor.SELL) if near.sell in prices else 0
    if at_buy > near.before_buy or at_sell > near.before_sell:
        return False
    for queue, price, quantity in (
        (issue.buys, near.buy, at_buy),
        (issue.sells, near.sell, at_sell),
    ):
        if quantity:
            for order in queue.at(price):
                order.ahead = max(0, order.ahead - quantity)
    issue.tape.print_all(trades.at, prices, quantities)
    asks, bids = issue.asks.eaten, issue.bids.eaten
    for price, quantity, aggressor in zip(prices, quantities, aggressors, strict=True):
        if aggressor is Aggressor.BUY:
            asks[price] = asks.get(price, 0) + quantity
        elif aggressor is Aggressor.SELL:
            bids[price] = bids.get(price, 0) + quantity
    return True


def _traded_at(price: int, trades: MarketTrades, unless: Aggressor) -> int:
    """Return the shares that traded at a price other than by an aggressor."""
    return sum(
        quantity
        for at, quantity, aggressor in zip(
            trades.prices, trades.quantities, trades.aggressors, strict=True
        )
        if at == price and aggressor is not unless
    )
