"""Continuous trading in one issue: our clients' queues between the others' book and tape.

The rules are in the docstring of the package. Nothing here knows accounts or outcomes: every
function changes orders and queues and returns the fills, in the order in which they happened.

What always holds: a limit is never violated; a market order trades inside the day's limits only; in
continuous trading no order is left that could trade with liquidity that is still there.
"""

from __future__ import annotations

from collections.abc import Sequence

from events.market import Aggressor
from events.trading import Side
from kis_gateway.protocol import Pricing
from kis_gateway.simulator.exchange import middle
from kis_gateway.simulator.exchange.issue import Issue, Levels
from kis_gateway.simulator.exchange.ladder import Ladder
from kis_gateway.simulator.exchange.orders import Fill, Order, OrderQueue
from kis_gateway.simulator.exchange.parties import cross, fill


def refresh(issue: Issue, asks: Levels, bids: Levels) -> list[Fill]:
    """Replace the others' book and trade what now crosses; our queue places only improve.

    A resting limit order was there first, so it trades at its own price; the rest of a market
    order trades at the prices it finds.
    """
    issue.asks.refresh(asks)
    issue.bids.refresh(bids)
    fills: list[Fill] = []
    if issue.auction or not issue.has_orders:
        return fills
    for queue, own, opposite in (
        (issue.buys, issue.bids, issue.asks),
        (issue.sells, issue.asks, issue.bids),
    ):
        for order in queue:
            if order.price is not None:
                order.ahead = min(order.ahead, own.queue_at(order.price))
            _take_shown(issue, order, opposite, fills)
            if not order.remaining:
                queue.remove(order)
    middle.pair_up(issue, fills)
    return fills


def printed(issue: Issue, price: int, quantity: int, aggressor: Aggressor) -> list[Fill]:
    """Fill what the others' trade proves would have traded.

    Orders at the middle price first, which the aggressor would have met before the book; then
    market orders, at the printed price, up to the printed quantity; orders that the price went
    through, whole, at their own price; orders at the price, once the queue before them has traded
    and when the trade came from the other side, with what is left of it.
    """
    fills: list[Fill] = []
    quantity -= middle.meet(issue, price, quantity, aggressor, fills)
    at_price: list[tuple[Side, list[Order], int]] = []
    for side, queue in ((Side.BUY, issue.buys), (Side.SELL, issue.sells)):
        if not queue.orders:
            continue
        left = go_through(issue, queue, price, quantity, fills)
        at_price.append((side, queue.at(price), left))
    _trade_at(issue, price, quantity, aggressor, at_price, fills=fills)
    return fills


def go_through(
    issue: Issue,
    queue: OrderQueue,
    price: int,
    quantity: int,
    fills: list[Fill],
    *,
    arrived_by: int | None = None,
) -> int:
    """Fill a side's orders that a trade at ``price`` went through; return what they left of it.

    Market orders trade at the printed price up to the printed quantity, better limits whole and at
    their own price. With ``arrived_by`` (ns UTC) only orders that had arrived by then take part.
    """
    left = quantity
    for order in queue:
        if order.price is not None and (order.price == price or not order.accepts(price)):
            break
        if arrived_by is not None and order.at > arrived_by:
            continue
        if order.price is None:
            part = min(left, order.remaining) if issue.may_trade(order, price) else 0
        else:
            part = order.remaining
        if part:
            fill(fills, order, price if order.price is None else order.price, part)
        left = max(0, left - part)
        if not order.remaining:
            queue.remove(order)
    return left


def begin_continuous(issue: Issue) -> list[Fill]:
    """End an auction; what it left over trades and queues up in order of arrival."""
    issue.auction = False
    waiting = sorted((*issue.buys, *issue.sells), key=lambda order: order.sequence)
    for order in waiting:
        issue.queue(order.side).remove(order)
    fills: list[Fill] = []
    for order in waiting:
        fills += take(issue, order)
        if order.remaining:
            issue.rest(order)
    middle.pair_up(issue, fills)
    return fills


def reachable(issue: Issue, order: Order) -> int:
    """Return how many shares an arriving order could trade at once."""
    total = middle.reachable(issue, order)
    if order.pricing is Pricing.MIDDLE:
        return total
    opposite, shown = issue.opposite(order.side)
    total += sum(left for price, left in shown.left() if issue.may_trade(order, price))
    for other in opposite:
        price = other.price if other.price is not None else order.price
        if price is not None and issue.may_trade(order, price):
            total += other.remaining
    return total


def take(issue: Issue, order: Order) -> list[Fill]:
    """Trade an arriving order against all that stands opposite, best price first.

    A resting market order has no price of its own and trades at the arriving limit. Orders at the
    middle price are better than any shown price. At each price the others shown before an order of
    ours come first. An arriving order at the middle price meets its like only.
    """
    fills: list[Fill] = []
    opposite, shown = issue.opposite(order.side)
    if order.price is not None:
        for other in opposite:
            if other.price is not None or not order.remaining:
                break
            cross(issue, fills, order, other, price=order.price, most=order.remaining)
    if issue.middles:
        middle.cross_all(issue, order, fills)
    if order.pricing is Pricing.MIDDLE:
        return fills
    while order.remaining:
        ask, bid = issue.best()
        price = ask if order.side is Side.BUY else bid
        if not price or not issue.may_trade(order, price):
            break
        parts, from_others = _share(opposite.at(price), order.remaining, shown.at(price))
        if from_others:
            shown.eat(price, from_others)
            fill(fills, order, price, from_others)
        for other, part in parts:
            cross(issue, fills, order, other, price=price, most=part)
    return fills


def _take_shown(issue: Issue, order: Order, opposite: Ladder, fills: list[Fill]) -> None:
    wanted = order.remaining
    for price, quantity in tuple(opposite.left()):
        part = min(quantity, wanted)
        if not part or not issue.may_trade(order, price):
            break
        opposite.eat(price, part)
        wanted -= part
        if order.price is None:
            fill(fills, order, price, part)
    if order.price is not None and wanted < order.remaining:
        fill(fills, order, order.price, order.remaining - wanted)


def _trade_at(
    issue: Issue,
    price: int,
    quantity: int,
    aggressor: Aggressor,
    ours: Sequence[tuple[Side, list[Order], int]],
    *,
    fills: list[Fill],
) -> None:
    eaten = quantity
    for side, level, left in ours:
        own_aggressor = Aggressor.BUY if side is Side.BUY else Aggressor.SELL
        if aggressor is own_aggressor or not level:
            continue
        parts, eaten = _share(level, left, left)
        for order, part in parts:
            fill(fills, order, price, part)
            if not order.remaining:
                issue.queue(side).remove(order)
    issue.eat(price, eaten, aggressor)


def _share(
    level: Sequence[Order], quantity: int, others: int
) -> tuple[list[tuple[Order, int]], int]:
    """Share ``quantity`` at one price between our orders there, oldest first, and the others.

    ``others`` is how much of the others is there at most. Returns our parts and the others' part,
    and moves our queue places up by what the others traded.
    """
    left, gone = quantity, 0
    parts: list[tuple[Order, int]] = []
    for order in level:
        before = min(left, max(0, order.ahead - gone), others - gone)
        left -= before
        gone += before
        if not left:
            break
        part = min(left, order.remaining)
        parts.append((order, part))
        left -= part
    gone += min(left, others - gone)
    for order in level:
        order.ahead = max(0, order.ahead - gone)
    return parts, gone
