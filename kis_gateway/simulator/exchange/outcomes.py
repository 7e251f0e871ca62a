"""What the exchange says: to our clients, and to everybody."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from events import Symbol
from events.market import Aggressor, Venue
from events.prices import Board
from events.trading import Side
from kis_gateway.simulator.exchange.commands import Interruption
from kis_gateway.simulator.exchange.listing import Session


class Refusal(StrEnum):
    """Why the exchange or the account refused."""

    CLOSED = "closed"
    UNKNOWN_SYMBOL = "unknown_symbol"
    OFF_TICK = "off_tick"
    OUTSIDE_LIMITS = "outside_limits"
    BAD_QUANTITY = "bad_quantity"
    NO_CASH = "no_cash"
    NO_SHARES = "no_shares"
    NOTHING_TO_CANCEL = "nothing_to_cancel"
    MARKET_ORDER_NOT_ALLOWED = "market_order_not_allowed"
    """The kind of order is not taken now, such as an immediate order during an auction."""
    NO_SUCH_ORDER = "no_such_order"
    NO_QUOTE = "no_quote"
    """A best-price order finds no price to take over."""
    HALTED = "halted"
    """The issue or its market is halted."""
    NOT_TRADED_HERE = "not_traded_here"
    """The issue does not trade in that session or on that exchange."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """Something the exchange says."""

    at: int


class Acknowledged(Outcome, frozen=True, kw_only=True):
    """An order, cancel or replace was taken in.

    ``price`` is the limit that an order took over from the book or brought along, ``None`` without
    one; ``venue`` is where it was routed to.
    """

    order_number: str
    account: str
    price: int | None = None
    venue: Venue = Venue.KRX


class Refused(Outcome, frozen=True, kw_only=True):
    """An order, cancel or replace was refused and has no effect.

    After an ``Acknowledged`` of the same number it is a late refusal: the target of a cancel or
    replace had traded before it took effect.
    """

    order_number: str
    account: str
    reason: Refusal
    detail: str


class Executed(Outcome, frozen=True, kw_only=True):
    """Shares changed hands for one of our clients; one outcome per price level and match."""

    order_number: str
    account: str
    symbol: Symbol
    side: Side
    quantity: int
    price: int
    remaining: int
    fee: int
    tax: int
    venue: Venue = Venue.KRX


class Withdrawn(Outcome, frozen=True, kw_only=True):
    """What was left of an order, or a part of it, left the book: cancel, replace, IOC/FOK, end.

    ``by`` is the order number of the cancel or replace, ``None`` otherwise.
    """

    order_number: str
    account: str
    quantity: int
    by: str | None
    reason: str


class Triggered(Outcome, frozen=True, kw_only=True):
    """A stop limit order awoke: from now on it is a limit order."""

    order_number: str
    account: str


class BookSet(Outcome, frozen=True, kw_only=True):
    """What an account owns was set from outside."""

    account: str


class Printed(Outcome, frozen=True, kw_only=True):
    """A trade on the tape. ``cumulative_*`` count the day of the exchange including this print.

    ``open``, ``high`` and ``low`` are those of the regular session (on NXT: of its whole day).
    """

    symbol: Symbol
    price: int
    quantity: int
    aggressor: Aggressor
    auction: bool
    cumulative_volume: int
    cumulative_value: int
    open: int
    high: int
    low: int
    best_ask: int
    best_bid: int
    venue: Venue = Venue.KRX
    session: Session = Session.REGULAR


class BookShown(Outcome, frozen=True, kw_only=True):
    """The visible book after a change, our clients' resting orders included."""

    symbol: Symbol
    asks: tuple[tuple[int, int], ...]
    bids: tuple[tuple[int, int], ...]
    venue: Venue = Venue.KRX
    session: Session = Session.REGULAR


class ExpectedShown(Outcome, frozen=True, kw_only=True):
    """The indicative match of an issue in an auction; price and quantity 0 while there is none."""

    symbol: Symbol
    price: int
    quantity: int
    venue: Venue = Venue.KRX
    session: Session = Session.REGULAR


class StatusShown(Outcome, frozen=True, kw_only=True):
    """The state of one issue changed: halted or not, in a volatility interruption or not.

    ``reference_price`` is the price from which the interruption is measured: of a static one the
    last single-price match, of a dynamic one the last trade. ``trigger_price`` is the price that
    broke it, 0 when the interruption was ordered or ended. ``ends_at`` is when the auction ends.
    """

    symbol: Symbol
    halted: bool
    reason: str
    interrupted: bool
    reference_price: int
    kind: Interruption = Interruption.STATIC
    trigger_price: int = 0
    ends_at: int = 0
    venue: Venue = Venue.KRX


class MarketStatusShown(Outcome, frozen=True, kw_only=True):
    """The state of the whole market changed; ``board`` is the market, ``None`` for all.

    ``code`` is the operation code that the exchange announces: 174/175 circuit breaker triggered
    and released, 387/388 and 397/398 sidecar against sells and against buys, 110/112/121/129 the
    phases of the session.
    """

    code: str
    board: Board | None = None
