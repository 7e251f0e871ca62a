"""Own buys and sales of one symbol that could trade with each other. Pure.

An account that trades with itself moves nothing but the price: a wash trade. The sale comes first,
since it reduces risk.
"""

from __future__ import annotations

from collections.abc import Iterator

from events import OrderId, Symbol
from events.trading import OrderSubmitting, Side
from kis_gateway.orders.order_book import OrderBook
from kis_gateway.orders.order_state import Order
from kis_gateway.orders.outstanding import Outstanding


def crossed_buys(
    orders: OrderBook, outstanding: Outstanding, symbol: Symbol, price: int | None
) -> tuple[OrderId, ...]:
    """Return the own buys that a sale at ``price`` (``None``: at market) could trade with."""
    return tuple(
        order.order_id
        for order in _orders(orders, outstanding, symbol, Side.BUY)
        if price is None or order.limit_price is None or order.limit_price >= price
    )


def crosses_sale(
    orders: OrderBook, outstanding: Outstanding, symbol: Symbol, price: int | None
) -> bool:
    """Return whether a buy at ``price`` could trade with an own sale."""
    return any(
        price is None or order.limit_price is None or order.limit_price <= price
        for order in _orders(orders, outstanding, symbol, Side.SELL)
    )


def _orders(
    orders: OrderBook, outstanding: Outstanding, symbol: Symbol, side: Side
) -> Iterator[Order | OrderSubmitting]:
    """Yield what is live or to be sent in a symbol on one side."""
    for order in orders.live():
        if (order.symbol, order.side) == (symbol, side):
            yield order
    yield from outstanding.submits(symbol, side)
