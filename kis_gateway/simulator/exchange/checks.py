"""What the exchange and the broker check before an order, replace or cancel is taken in.

Every check returns ``None`` or (reason, detail for a human reader). Nothing here changes anything.
"""

from __future__ import annotations

from datetime import date

from events.market import Phase
from events.prices import is_on_tick, tick_size
from events.trading import OrderKind, Side
from kis_gateway.simulator.exchange.accounts import Account
from kis_gateway.simulator.exchange.clearing import Clearing
from kis_gateway.simulator.exchange.issue import Issue
from kis_gateway.simulator.exchange.messages import Listing, Refusal, TimeInForce
from kis_gateway.simulator.exchange.orders import Order

Objection = tuple[Refusal, str]


def object_to_order(
    order: Order,
    issue: Issue | None,
    phase: Phase,
    today: date,
    clearing: Clearing,
    *,
    replaces: Order | None = None,
) -> Objection | None:
    """Return why an order cannot be taken in.

    The cash and the shares that ``replaces`` still claims are free for the order. IOC and FOK
    orders are not taken during an auction, as on KRX.
    """
    if phase is Phase.CLOSED:
        return Refusal.CLOSED, "the exchange takes no orders now"
    if issue is None:
        return Refusal.UNKNOWN_SYMBOL, f"{order.symbol} is not listed"
    if order.quantity < 1:
        return Refusal.BAD_QUANTITY, f"{order.quantity} shares cannot be ordered"
    if replaces is not None and order.quantity > replaces.remaining:
        detail = f"{order.quantity} shares asked for, {replaces.remaining} are left"
        return Refusal.BAD_QUANTITY, detail
    if issue.auction and order.time_in_force is not TimeInForce.DAY:
        detail = f"{order.time_in_force.value} orders are not taken during an auction"
        return Refusal.MARKET_ORDER_NOT_ALLOWED, detail
    if order.kind is OrderKind.LIMIT:
        objection = _object_to_price(order.price, issue.listing, today)
        if objection is not None:
            return objection
    return _object_to_means(order, issue, clearing, replaces)


def object_to_change(
    account: Account, number: str, target: Order | None, phase: Phase
) -> Objection | None:
    """Return why an account cannot cancel or replace the order with a number."""
    if phase is Phase.CLOSED:
        return Refusal.CLOSED, "the exchange takes no orders now"
    if target is None or target.account is not account:
        return Refusal.NO_SUCH_ORDER, f"the account has no order {number}"
    if not target.remaining:
        return Refusal.NOTHING_TO_CANCEL, f"nothing is left of order {number}"
    return None


def _object_to_price(price: int | None, listing: Listing, today: date) -> Objection | None:
    if price is None:
        return Refusal.OFF_TICK, "a limit order needs a price"
    if not is_on_tick(price, listing.board, today):
        tick = tick_size(max(price, 0), listing.board, today)
        return Refusal.OFF_TICK, f"{price} won is not on its tick of {tick} won"
    low, high = listing.lower_limit, listing.upper_limit
    if not low <= price <= high:
        return Refusal.OUTSIDE_LIMITS, f"{price} won is outside {low}..{high} won"
    return None


def _object_to_means(
    order: Order, issue: Issue, clearing: Clearing, replaces: Order | None
) -> Objection | None:
    account = order.account
    if order.side is Side.BUY:
        cash = account.available + (replaces.reserved if replaces is not None else 0)
        needed = clearing.most_cost(order, issue.listing, order.quantity)
        if needed > cash:
            return Refusal.NO_CASH, f"{needed} won needed, {cash} won available"
        return None
    shares = account.sellable(order.symbol) + (replaces.remaining if replaces is not None else 0)
    if order.quantity > shares:
        return Refusal.NO_SHARES, f"{order.quantity} shares to sell, {shares} sellable"
    return None
