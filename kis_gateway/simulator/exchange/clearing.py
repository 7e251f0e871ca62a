"""Money and shares of an order: what it claims while it works, what a fill moves, what goes back.

A buy reserves its limit price (a market order: the upper limit price) times what is left of it, fee
included. Fees are cut to whole won per fill, so several fills never cost more than the reservation.
"""

from __future__ import annotations

from datetime import date

from events import costs
from events.trading import Side
from kis_gateway.simulator.exchange.messages import Executed, Listing, Withdrawn
from kis_gateway.simulator.exchange.orders import Fill, Order
from kis_gateway.simulator.exchange.views import OrderStatus


class Clearing:
    """Books of one session with its fee (won per million) and settlement date."""

    def __init__(self, settled_on: date, fee_per_million: int) -> None:
        self._settled_on = settled_on
        self._fee_per_million = fee_per_million

    def most_cost(self, order: Order, listing: Listing, quantity: int) -> int:
        """Return the most that ``quantity`` shares of a buy can cost, fee included."""
        price = order.price if order.price is not None else listing.upper_limit
        amount = price * quantity
        return amount + costs.fee(amount, self._fee_per_million)

    def claim(self, order: Order, listing: Listing) -> None:
        """Hold back the cash or the shares that a new order may need."""
        if order.side is Side.BUY:
            _reserve(order, self.most_cost(order, listing, order.remaining))
        else:
            order.account.positions[order.symbol].claimed += order.remaining

    def execute(self, at: int, listing: Listing, fill: Fill) -> Executed:
        """Book one fill and say so."""
        order, quantity = fill.order, fill.quantity
        amount, account = fill.price * quantity, order.account
        fee, tax = costs.fee(amount, self._fee_per_million), 0
        if order.side is Side.BUY:
            account.bought(order.symbol, quantity, amount, fee)
            _reserve(order, self.most_cost(order, listing, fill.remaining))
        else:
            tax = costs.sell_tax(amount, listing.board, self._settled_on)
            account.sold(order.symbol, quantity, amount, fee, tax)
        return Executed(
            at=at,
            order_number=order.number,
            account=account.name,
            symbol=order.symbol,
            side=order.side,
            quantity=quantity,
            price=fill.price,
            remaining=fill.remaining,
            fee=fee,
            tax=tax,
        )

    def withdraw(
        self, at: int, order: Order, status: OrderStatus, by: str | None, reason: str
    ) -> Withdrawn:
        """Take what is left off an order and give back what it claimed."""
        quantity = order.withdraw(status)
        if order.side is Side.BUY:
            _reserve(order, 0)
        else:
            order.account.positions[order.symbol].claimed -= quantity
        return Withdrawn(
            at=at,
            order_number=order.number,
            account=order.account.name,
            quantity=quantity,
            by=by,
            reason=reason,
        )


def _reserve(order: Order, amount: int) -> None:
    order.account.reserved += amount - order.reserved
    order.reserved = amount
