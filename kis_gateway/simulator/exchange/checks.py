"""What the exchange and the broker check before an order, replace or cancel is taken in.

Every check returns ``None`` or (reason, detail for a human reader). Nothing here changes anything.

Not taken during an auction, as on KRX: IOC and FOK orders, best-price and middle-price orders, and
in the closing auction conditional orders too. While an issue or its market is halted no order is
taken in and none may be amended; cancels are accepted (KRX Stock Market Business Regulation on
trading halts: quotations are not received, withdrawals are).
"""

from __future__ import annotations

from typing import Final

from events.market import Phase, Venue
from events.prices import Board, is_on_tick, tick_size
from events.trading import Side
from kis_gateway.protocol import Pricing
from kis_gateway.simulator.exchange.accounts import Account
from kis_gateway.simulator.exchange.commands import TimeInForce
from kis_gateway.simulator.exchange.floor import TradingFloor
from kis_gateway.simulator.exchange.issue import Issue
from kis_gateway.simulator.exchange.listing import Listing, Session
from kis_gateway.simulator.exchange.orders import Order
from kis_gateway.simulator.exchange.outcomes import Refusal
from kis_gateway.simulator.exchange.views import OrderStatus

Objection = tuple[Refusal, str]

_NOT_IN_AUCTIONS: Final = (Pricing.OPPOSITE_BEST, Pricing.OWN_BEST, Pricing.MIDDLE)
_SINGLE_PRICE_BAND_PERCENT: Final = 10


def object_to_order(
    order: Order, floor: TradingFloor, *, replaces: Order | None = None, slack: int = 0
) -> Objection | None:
    """Return why an order cannot be taken in.

    The cash and the shares that the replaced part of ``replaces`` claims are free for the order.
    ``slack`` is won that must be there beyond the cost.
    """
    if not floor.takes_orders(order.session):
        return Refusal.CLOSED, "the exchange takes no orders now"
    listed = floor.issues.get(order.symbol)
    if listed is None:
        return Refusal.UNKNOWN_SYMBOL, f"{order.symbol} is not listed"
    issue = floor.find(order.symbol, order.session)
    if issue is None or _excluded(order.session, listed.listing):
        return Refusal.NOT_TRADED_HERE, f"{order.symbol} does not trade there: {order.session}"
    if issue.closed:
        return Refusal.CLOSED, "the market was closed early"
    if issue.halted:
        return Refusal.HALTED, f"{order.symbol} is halted: no orders are taken in"
    if order.quantity < 1:
        return Refusal.BAD_QUANTITY, f"{order.quantity} shares cannot be ordered"
    if replaces is not None and order.quantity > replaces.free:
        detail = f"{order.quantity} shares asked for, {replaces.free} are left"
        return Refusal.BAD_QUANTITY, detail
    return (
        _object_to_kind(order, issue, floor.phase)
        or _object_to_prices(order, issue, floor)
        or _object_to_means(order, issue, floor, replaces, slack)
    )


def object_to_change(
    account: Account,
    number: str,
    target: Order | None,
    floor: TradingFloor,
    quantity: int | None = None,
) -> Objection | None:
    """Return why an account cannot cancel or replace ``quantity`` of the order with a number."""
    if target is None or target.account is not account:
        if floor.phase is Phase.CLOSED and not floor.open_sessions:
            return Refusal.CLOSED, "the exchange takes no orders now"
        return Refusal.NO_SUCH_ORDER, f"the account has no order {number}"
    if not floor.takes_orders(target.session) and not _paused(target, floor):
        return Refusal.CLOSED, "the exchange takes no orders now"
    if target.is_cancel or target.free <= 0 or target.status is OrderStatus.TAKEN_IN:
        return Refusal.NOTHING_TO_CANCEL, f"nothing is left of order {number}"
    if quantity is not None and not 0 < quantity <= target.free:
        detail = f"{quantity} shares asked for, {target.free} are left of order {number}"
        return Refusal.BAD_QUANTITY, detail
    return None


def _paused(target: Order, floor: TradingFloor) -> bool:
    """Whether an order waits at NXT between two of its sessions; it may be withdrawn then."""
    return target.venue is Venue.NXT and target.remaining > 0


def _excluded(session: Session, listing: Listing) -> bool:
    if session is Session.KRX_AFTER_MARKET:
        return listing.board is Board.FUND
    # From March 2025 an issue that trades at NXT was not in the after-hours single-price market.
    return session is Session.AFTER_HOURS_SINGLE_PRICE and listing.nxt


def _object_to_kind(order: Order, issue: Issue, phase: Phase) -> Objection | None:
    reason, immediate = Refusal.MARKET_ORDER_NOT_ALLOWED, order.time_in_force is not TimeInForce.DAY
    anyhow = order.pricing is Pricing.MARKET
    if anyhow and order.session is not Session.REGULAR:
        return reason, f"market orders are not taken in {order.session}"
    if not issue.auction:
        return None
    if immediate:
        return reason, f"{order.time_in_force.value} orders are not taken during an auction"
    if order.pricing in _NOT_IN_AUCTIONS:
        return reason, f"orders at the {order.pricing.value} are not taken during an auction"
    if order.pricing is Pricing.CONDITIONAL and phase is Phase.CLOSING_AUCTION:
        return reason, "conditional orders are not taken in the closing auction"
    return None


def _object_to_prices(order: Order, issue: Issue, floor: TradingFloor) -> Objection | None:
    if order.pricing in (Pricing.MARKET, Pricing.MIDDLE):
        return None
    if order.pricing in (Pricing.OPPOSITE_BEST, Pricing.OWN_BEST) and order.price is None:
        return Refusal.NO_QUOTE, "there is no best price to take over"
    objection = _object_to_price(order.price, issue, floor)
    if objection is None and order.pricing is Pricing.STOP_LIMIT:
        objection = _object_to_price(order.trigger, issue, floor)
    return objection


def _object_to_price(price: int | None, issue: Issue, floor: TradingFloor) -> Objection | None:
    board = issue.listing.board
    if price is None:
        return Refusal.OFF_TICK, "a limit order needs a price"
    # Closing prices of histories that were adjusted for splits may lie between two ticks.
    if not issue.session.fixed_price and not is_on_tick(price, board, floor.today):
        tick = tick_size(max(price, 0), board, floor.today)
        return Refusal.OFF_TICK, f"{price} won is not on its tick of {tick} won"
    low, high = limits(issue)
    if not low <= price <= high:
        return Refusal.OUTSIDE_LIMITS, f"{price} won is outside {low}..{high} won"
    return None


def limits(issue: Issue) -> tuple[int, int]:
    """Return the lowest and the highest price of an issue in its present session."""
    low, high = issue.listing.lower_limit, issue.listing.upper_limit
    if issue.session is Session.AFTER_HOURS_SINGLE_PRICE:
        low = max(low, -(issue.last * (_SINGLE_PRICE_BAND_PERCENT - 100) // 100))
        high = min(high, issue.last * (100 + _SINGLE_PRICE_BAND_PERCENT) // 100)
    return low, high


def _object_to_means(
    order: Order, issue: Issue, floor: TradingFloor, replaces: Order | None, slack: int
) -> Objection | None:
    account = order.account
    if order.side is Side.BUY:
        cash = account.available
        if replaces is not None:
            cash += released(floor, issue, replaces, order.quantity)
        needed = floor.clearing.most_cost(order, issue.listing, order.quantity) + slack
        if needed > cash:
            return Refusal.NO_CASH, f"{needed} won needed, {cash} won available"
        return None
    shares = account.sellable(order.symbol) + (order.quantity if replaces is not None else 0)
    if order.quantity > shares:
        return Refusal.NO_SHARES, f"{order.quantity} shares to sell, {shares} sellable"
    return None


def released(floor: TradingFloor, issue: Issue, target: Order, quantity: int) -> int:
    """Return the cash that a buy gives back when ``quantity`` of it is withdrawn."""
    left = target.remaining - quantity
    kept = floor.clearing.most_cost(target, issue.listing, left) if left > 0 else 0
    return target.reserved - kept
