"""Single-price trading in one issue: the indicative match, and the match itself.

The price is the one at which most shares trade; among several it is the one nearest to the last
price (KRX Stock Market Business Regulation, single-price auction). Market orders come first, then
the better price, then arrival; everybody trades at the one price.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from events.trading import Side
from kis_gateway.simulator.exchange.issue import Issue
from kis_gateway.simulator.exchange.ladder import Ladder
from kis_gateway.simulator.exchange.orders import Fill
from kis_gateway.simulator.exchange.parties import fill


class Interest(NamedTuple):
    """Shares wanted or offered at a limit, ``None`` for any price."""

    price: int | None
    quantity: int


def single_price(
    buys: Sequence[Interest], sells: Sequence[Interest], reference: int
) -> tuple[int, int]:
    """Return (price, quantity) of the match, (0, 0) when nothing crosses.

    ``reference`` decides among prices that trade the same quantity, and is the price of market
    orders that meet no limit.
    """
    wanted_at, offered_at = _by_limit(buys), _by_limit(sells)
    best = (0, 0, 0)
    limits = {limit for limit in (*wanted_at, *offered_at) if limit is not None}
    for price in sorted({*limits, reference}):
        wanted = sum(q for limit, q in wanted_at.items() if limit is None or limit >= price)
        offered = sum(q for limit, q in offered_at.items() if limit is None or limit <= price)
        quantity = min(wanted, offered)
        best = max(best, (quantity, -abs(price - reference), price))
    quantity, _, price = best
    return (price, quantity) if quantity else (0, 0)


def expected(issue: Issue) -> tuple[int, int]:
    """Return the indicative match of our clients' auction orders and the others' shown interest.

    What the tape said of its own coming match comes first: by the assumption that our orders move
    nothing, it is the price.
    """
    if issue.indication is not None:
        return issue.indication
    return single_price(_interest(issue, Side.BUY), _interest(issue, Side.SELL), issue.last)


def matched(
    issue: Issue, price: int, quantity: int, *, arrived_by: int | None = None
) -> list[Fill]:
    """Fill what takes part in a match at one price, each side up to the printed quantity.

    With ``arrived_by`` (ns UTC) only orders that had arrived by then take part.
    """
    fills: list[Fill] = []
    for queue in (issue.buys, issue.sells):
        left = quantity
        for order in queue:
            if not left or not order.accepts(price):
                break
            if not issue.may_trade(order, price):
                continue
            if arrived_by is not None and order.at > arrived_by:
                continue
            part = min(left, order.remaining)
            fill(fills, order, price, part)
            left -= part
            if not order.remaining:
                queue.remove(order)
    return fills


def uncross(issue: Issue) -> tuple[int, int, list[Fill]]:
    """Match what has accumulated; return price and quantity (0, 0 for none) and our fills.

    What the others contributed leaves their book; at one limit they come before our clients.
    """
    price, quantity = single_price(
        _interest(issue, Side.BUY), _interest(issue, Side.SELL), issue.last
    )
    if not quantity:
        return 0, 0, []
    fills: list[Fill] = []
    for side in (Side.BUY, Side.SELL):
        _allot(issue, side, price, quantity, fills)
    return price, quantity, fills


def _by_limit(interests: Sequence[Interest]) -> dict[int | None, int]:
    sums: dict[int | None, int] = {}
    for limit, quantity in interests:
        sums[limit] = sums.get(limit, 0) + quantity
    return sums


def _interest(issue: Issue, side: Side) -> list[Interest]:
    """Return what a side brings to the match, the others' shown quantities included."""
    low, high = issue.listing.lower_limit, issue.listing.upper_limit
    others = issue.bids if side is Side.BUY else issue.asks
    shown = [Interest(price, left) for price, left in others.left() if low <= price <= high]
    return shown + [Interest(order.price, order.remaining) for order in issue.queue(side)]


def _allot(issue: Issue, side: Side, price: int, quantity: int, fills: list[Fill]) -> None:
    """Give a side its part of a match: market orders, then the better limit.

    At one limit the others come first; what they give leaves their book.
    """
    ladder, queue, left = (
        issue.bids if side is Side.BUY else issue.asks,
        issue.queue(side),
        quantity,
    )
    low, high = issue.listing.lower_limit, issue.listing.upper_limit
    shown = [(limit, held) for limit, held in ladder.left() if low <= limit <= high]
    for order in queue:
        if not left or not order.accepts(price):
            break
        while shown and order.price is not None and _not_worse(shown[0][0], order.price, side):
            left -= _eat(ladder, shown.pop(0), left)
        part = min(left, order.remaining)
        if part:
            fill(fills, order, price, part)
            left -= part
        if not order.remaining:
            queue.remove(order)
    for level in shown:
        left -= _eat(ladder, level, left)


def _not_worse(limit: int, than: int, side: Side) -> bool:
    return limit >= than if side is Side.BUY else limit <= than


def _eat(ladder: Ladder, level: tuple[int, int], most: int) -> int:
    part = min(level[1], most)
    if part:
        ladder.eat(level[0], part)
    return part
