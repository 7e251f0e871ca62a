"""Orders at the middle price: unseen between the best prices, and following them.

The middle is the mean of the best ask and the best bid, cut to whole won; there is none while a
side is empty or the issue is in an auction, and then these orders wait. They meet each other in
order of arrival, and whoever crosses the spread meets them before the book: a client of ours who
arrives, and the others, up to the printed quantity, when their trade came from the other side.
What the others keep at the middle is not on any tape, so none of it is assumed.
"""

from __future__ import annotations

from events.market import Aggressor
from events.trading import Side
from kis_gateway.simulator.exchange.issue import Issue
from kis_gateway.simulator.exchange.orders import Fill, Order
from kis_gateway.simulator.exchange.parties import cross, fill


def middle_price(issue: Issue) -> int:
    """Return the middle of the best prices, 0 while there is none."""
    if issue.auction:
        return 0
    ask, bid = issue.best()
    price = (ask + bid) // 2
    listing = issue.listing
    inside = listing.lower_limit <= price <= listing.upper_limit
    return price if 0 < bid < ask and inside else 0


def cross_all(issue: Issue, order: Order, fills: list[Fill]) -> None:
    """Trade an arriving order with those that wait at the middle on the other side."""
    price = middle_price(issue)
    if not price or not issue.may_trade(order, price):
        return
    for other in _waiting(issue, order.side):
        if not order.remaining:
            break
        cross(issue, fills, order, other, price=price, most=order.remaining)


def reachable(issue: Issue, order: Order) -> int:
    """Return how many shares at the middle an arriving order could trade at once."""
    price = middle_price(issue) if issue.middles else 0
    if not price or not issue.may_trade(order, price):
        return 0
    return sum(other.remaining for other in _waiting(issue, order.side))


def meet(issue: Issue, price: int, quantity: int, aggressor: Aggressor, fills: list[Fill]) -> int:
    """Let a trade of the others meet those that wait at the middle; return how much they took."""
    if not issue.middles or aggressor is Aggressor.NONE:
        return 0
    at, left = middle_price(issue), quantity
    sold = aggressor is Aggressor.SELL
    if not at or (price > at if sold else price < at):
        return 0
    for order in _waiting(issue, Side.SELL if sold else Side.BUY):
        part = min(left, order.remaining)
        if not part:
            break
        fill(fills, order, at, part)
        left -= part
        if not order.remaining:
            issue.remove(order)
    return quantity - left


def pair_up(issue: Issue, fills: list[Fill]) -> None:
    """Trade with each other those that waited while there was no middle."""
    if not issue.middles:
        return
    for order in tuple(issue.middles):
        if order.remaining:
            cross_all(issue, order, fills)
            if not order.remaining:
                issue.remove(order)


def _waiting(issue: Issue, side: Side) -> list[Order]:
    return [order for order in issue.middles if order.side is not side]
