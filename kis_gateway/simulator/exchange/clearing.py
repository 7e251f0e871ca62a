"""Money and shares of an order: what it claims while it works, what a fill moves, what goes back.

A buy reserves its limit price (without a limit: the upper limit price) times what is left of it,
fee included. Fees are cut to whole won per fill, so several fills never cost more than the
reservation. The fee may differ by side; the tax on sells follows the settlement date.
"""

from __future__ import annotations

from datetime import date

from events import costs
from events.trading import Side
from kis_gateway.simulator.exchange.listing import Listing
from kis_gateway.simulator.exchange.orders import Fill, Order
from kis_gateway.simulator.exchange.outcomes import Executed, Withdrawn
from kis_gateway.simulator.exchange.views import OrderStatus


class Clearing:
    """Books of one day with its fees (won per million) and settlement date."""

    def __init__(
        self, settled_on: date, buy_fee_per_million: int, sell_fee_per_million: int
    ) -> None:
        self._settled_on = settled_on
        self._buy_fee = buy_fee_per_million
        self._sell_fee = sell_fee_per_million

    def most_cost(self, order: Order, listing: Listing, quantity: int) -> int:
        """Return the most that ``quantity`` shares of a buy can cost, fee included."""
        amount = order.ceiling(listing) * quantity
        return amount + costs.fee(amount, self._buy_fee)

    def claim(self, order: Order, listing: Listing) -> None:
        """Hold back the cash or the shares that a new order may need."""
        if order.side is Side.BUY:
            hold(order, self.most_cost(order, listing, order.remaining))
        else:
            order.account.positions[order.symbol].claimed += order.remaining

    def execute(self, at: int, listing: Listing, fill: Fill) -> Executed:
        """Book one fill and say so."""
        order, quantity = fill.order, fill.quantity
        amount, account = fill.price * quantity, order.account
        buy = order.side is Side.BUY
        fee, tax = costs.fee(amount, self._buy_fee if buy else self._sell_fee), 0
        if buy:
            account.bought(order.symbol, quantity, amount, fee)
            hold(order, self.most_cost(order, listing, fill.remaining))
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
            venue=order.venue,
        )

    def withdraw(
        self,
        at: int,
        listing: Listing,
        order: Order,
        *,
        quantity: int,
        status: OrderStatus,
        by: str | None,
        reason: str,
    ) -> Withdrawn:
        """Take ``quantity`` of what is left off an order and give back what it claimed for it."""
        order.withdraw(quantity, status)
        if order.side is Side.BUY:
            left = order.remaining
            hold(order, self.most_cost(order, listing, left) if left else 0)
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


def hold(order: Order, amount: int) -> None:
    """Hold back ``amount`` of cash for an order instead of what it held back before."""
    order.account.reserved += amount - order.reserved
    order.reserved = amount
