"""A bar of the others handed over as a whole: what it means to our clients' orders.

Of a bar nobody knows the trades, so ``MarketBar`` is defined as equal to these (``prints``): the
open, the extremes in the order that makes the shorter way, the close, of a price after itself only
one; each with an equal part of the volume, the open with what division leaves over; the k-th of n
at ``start + k × length / n``.

- The **open** is one price for all who wait: orders at or better than it trade at it, market orders
  first, then price, then time, each side up to the open's part of the volume. An order that was
  sent after the bar before is filled at the next open this way.
- **After it** an order trades as against a trade that goes through its price: whole, at its own
  limit; a market order at the price, up to its part. A limit that is only touched does not trade:
  in a bar nothing is known of the queue, so it stands behind everybody.
- The **first bar** of the session has the opening auction for its open, and what that leaves over
  trades on before the rest of the bar. A bar handed over **in the closing auction** is its match:
  all trade at the bar's close, up to the last part.
- **Only orders that had arrived when the bar began**, at its start or before, take part in it. Of
  what arrives within a bar nobody knows which trades came after, so the whole bar is before it and
  the next open is the first price it can meet. A cancel that arrives within a bar likewise finds
  the order as it was when the bar began: nothing that the bar would have filled is filled.

Nothing of a bar is printed or shown: what comes out concerns our clients' orders alone, dated at
the trade's time inside the bar, which is before the command's. An interruption by the tape's own
prices, where it is switched on, ends the bar at the price that calls for it. Orders at the middle
price wait, for a bar shows no spread. A bar is handed over before the phase that begins at its
right edge.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from events.market import Bar, Phase
from kis_gateway.simulator.exchange import auction, matching
from kis_gateway.simulator.exchange.floor import TradingFloor
from kis_gateway.simulator.exchange.issue import Issue
from kis_gateway.simulator.exchange.orders import Fill
from kis_gateway.simulator.exchange.outcomes import Outcome
from kis_gateway.simulator.exchange.safeguards import Safeguards


class Print(NamedTuple):
    """One of the trades that a bar stands for: ns UTC, won, shares."""

    at: int
    price: int
    quantity: int


def turns(bar: Bar) -> list[int]:
    """Return the prices at which the way through a bar turns: open, the extremes, close.

    Of the two orders of the extremes it is the shorter way; if both are as long, the low comes
    first in a bar that rose or stood. No price follows itself.
    """
    rising = _distinct((bar.open, bar.low, bar.high, bar.close))
    falling = _distinct((bar.open, bar.high, bar.low, bar.close))
    if len(rising) == len(falling):
        return rising if bar.close >= bar.open else falling
    return min(rising, falling, key=len)


def prints(bar: Bar, until: int) -> list[Print]:
    """Return the trades that a bar stands for, in order; ``until`` is its right edge (ns UTC).

    A bar with fewer shares than turns has all of them at its open; its other prices are reached
    without a share.
    """
    path = turns(bar)
    count, length = len(path), until - bar.start
    part = bar.volume // count
    first = bar.volume - part * (count - 1)
    return [
        Print(bar.start + length * index // count, price, part if index else first)
        for index, price in enumerate(path)
    ]


def out_of_reach(issue: Issue, bar: Bar) -> bool:
    """Return whether a bar lies beyond the limits of all orders, so that none can trade or wake."""
    if issue.auction or issue.stops:
        return False
    buys, sells = issue.buys.orders, issue.sells.orders
    highest = buys[0].price if buys else 0
    lowest = sells[0].price if sells else bar.high + 1
    if highest is None or lowest is None:
        return False
    return highest < bar.low and bar.high < lowest


def trade(
    floor: TradingFloor, issue: Issue, bar: Bar, until: int, watch: Safeguards | None
) -> list[Outcome]:
    """Let a bar of ``issue`` trade; return what it does to our clients' orders."""
    out: list[Outcome] = []
    too_late = [order for order in issue.stops if order.at > bar.start]
    for order in too_late:
        issue.stops.remove(order)
    path = prints(bar, until)
    match = len(path) - 1 if floor.phase is Phase.CLOSING_AUCTION and issue.auction else 0
    for index, each in enumerate(path):
        floor.now = each.at
        in_auction = issue.auction and index == match
        if watch is not None and watch.watch(issue, each.price, out, auction=in_auction):
            break
        issue.tape.print(each.at, each.price, each.quantity)
        if in_auction:
            issue.vi_reference = each.price
            issue.indication, issue.expected = None, (0, 0)
        _meet(floor, issue, each, bar.start, out, single=index == match)
    else:
        issue.tape.value_traded(bar.value - sum(each.price * each.quantity for each in path))
    floor.now = until
    issue.stops += too_late
    return out


def _meet(
    floor: TradingFloor, issue: Issue, each: Print, start: int, out: list[Outcome], *, single: bool
) -> None:
    """Fill what one of a bar's trades proves; ``single`` for a match at one price."""
    fills: list[Fill] = []
    if single:
        fills = auction.matched(issue, each.price, each.quantity, arrived_by=start)
    elif not issue.auction:
        for queue in (issue.buys, issue.sells):
            matching.go_through(issue, queue, each.price, each.quantity, fills, arrived_by=start)
    floor.settle(issue, fills, out)
    if issue.auction and floor.phase is Phase.CONTINUOUS:
        floor.settle(issue, matching.begin_continuous(issue), out)
    if issue.stops:
        floor.wake(issue, each.price, out)


def _distinct(prices: Sequence[int]) -> list[int]:
    path = [prices[0]]
    path += [price for before, price in pairwise(prices) if price != before]
    return path
