"""What can be read from the exchange at any moment: accounts, orders, the tape. Frozen snapshots.

A view never changes after it was handed out, so a caller may keep it and show it later. Won,
shares, ns UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from events import Symbol
from events.market import Phase, Venue
from events.trading import Side
from kis_gateway.protocol import Pricing


class HoldingView(msgspec.Struct, frozen=True, kw_only=True):
    """One issue in one account.

    ``quantity`` is what is held now and ``sellable`` that less what working sells claim. ``cost``
    is the purchase amount of what is still held, without fees, by the moving average. A holding
    that was sold out today stays listed with quantity 0 and its turnover of the day.
    """

    symbol: Symbol
    quantity: int
    sellable: int
    cost: int
    bought_quantity: int
    bought_amount: int
    sold_quantity: int
    sold_amount: int


class AccountView(msgspec.Struct, frozen=True, kw_only=True):
    """One account.

    ``cash`` counts every trade at once, settled or not: on KRX the proceeds of a sale may be
    spent again before they settle on the second business day. ``reserved`` is what working buys
    may still cost, fee included, and ``available_cash`` = ``cash`` − ``reserved`` is what can be
    ordered with now. Fees and taxes are sums of the day.

    ``settled_cash`` is the deposit today, ``cash_tomorrow`` the one on the next session; ``cash``
    is the one on the second session, when today's trades settle. ``withdrawable`` is what may be
    paid out today: settled, and neither spent by today's trades nor held back by working buys.
    """

    account: str
    cash: int
    reserved: int
    available_cash: int
    holdings: Mapping[Symbol, HoldingView]
    fees: int
    taxes: int
    settled_cash: int
    cash_tomorrow: int
    withdrawable: int


class OrderStatus(StrEnum):
    """What became of an order number."""

    WORKING = "working"
    FILLED = "filled"
    CANCELLED = "cancelled"
    """What was left was withdrawn by a cancel, a replace or the order's own condition."""
    EXPIRED = "expired"
    """What was left when the session ended."""
    REJECTED = "rejected"
    CONFIRMED = "confirmed"
    """A cancel that withdrew its target."""
    TAKEN_IN = "taken_in"
    """A cancel or replace whose effect is still to come."""


class OrderView(msgspec.Struct, frozen=True, kw_only=True):
    """One order number of the day: a new order, a replace or a cancel.

    ``parent`` is the order that a replace or cancel was aimed at. The filled, cancelled, rejected
    and remaining quantities add up to ``quantity``, except for a cancel, whose ``quantity`` is what
    it withdrew and whose other counts are 0. ``price`` is ``None`` without a limit.
    ``filled_amount`` is exact. ``asleep`` is a stop limit order whose trigger has not traded.
    """

    order_number: str
    parent: str | None
    symbol: Symbol
    side: Side
    pricing: Pricing
    price: int | None
    quantity: int
    filled_quantity: int
    filled_amount: int
    cancelled_quantity: int
    rejected_quantity: int
    remaining_quantity: int
    is_cancel: bool
    at: int
    status: OrderStatus
    venue: Venue = Venue.KRX
    asleep: bool = False


class TapeView(msgspec.Struct, frozen=True, kw_only=True):
    """The session of one issue so far; prices are 0 while there was no trade or no order.

    ``asks``/``bids`` are (price, quantity), best first, our clients' orders included.
    ``vi_reference`` is the reference price of the static volatility interruption: the last
    single-price match, before the first one the base price. ``value`` is won. ``expected_*`` is the
    indicative match last shown in the auction that goes on, 0 while there is none.
    """

    symbol: Symbol
    phase: Phase
    last: int
    open: int
    high: int
    low: int
    volume: int
    value: int
    vi_reference: int
    best_ask: int
    best_bid: int
    asks: tuple[tuple[int, int], ...]
    bids: tuple[tuple[int, int], ...]
    auction: bool = False
    halted: bool = False
    interrupted: bool = False
    expected_price: int = 0
    expected_quantity: int = 0
