"""Entering a trade on its parties: one of ours with the others, or two of ours with each other."""

from __future__ import annotations

from events.market import Aggressor
from events.trading import Side
from kis_gateway.simulator.exchange.issue import Issue
from kis_gateway.simulator.exchange.orders import Fill, Order


def fill(fills: list[Fill], order: Order, price: int, quantity: int) -> None:
    """Enter a trade of an order of ours with the others."""
    order.fill(price, quantity)
    fills.append(Fill(order, price, quantity, order.remaining))


def cross(
    issue: Issue, fills: list[Fill], order: Order, other: Order, *, price: int, most: int
) -> None:
    """Enter a trade of an arriving order with a resting one, at most ``most`` shares.

    The resting order leaves its place when nothing is left of it.
    """
    part = min(most, other.remaining)
    fill(fills, order, price, part)
    other.fill(price, part)
    aggressor = Aggressor.BUY if order.side is Side.BUY else Aggressor.SELL
    fills.append(Fill(other, price, part, other.remaining, aggressor))
    if not other.remaining:
        issue.remove(other)
