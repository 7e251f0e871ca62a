"""What goes into the simulated exchange and what comes out. Pure data; won, shares, ns UTC.

The exchange is a processor: ``handle(command) -> outcomes``. Commands come from two sides: the
market (the tape and the book of all other participants, from recorded bars or a generator) and our
clients' orders. Time only enters as ``at`` of a command; commands arrive in order of ``at``.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from events import Symbol
from events.market import Aggressor, Phase
from events.prices import Board
from events.trading import OrderKind, Side


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """An issue as listed for one day. Limits are derived from ``base_price`` when not given."""

    symbol: Symbol
    name: str
    board: Board
    sector: str
    base_price: int
    lower_limit: int
    upper_limit: int
    listed_shares: int


class TimeInForce(StrEnum):
    """How long an order may rest."""

    DAY = "day"
    IMMEDIATE_OR_CANCEL = "ioc"
    FILL_OR_KILL = "fok"


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """Something the exchange is told."""

    at: int


class EnterPhase(Command, frozen=True, kw_only=True):
    """The session moves on; leaving continuous trading or closing expires what cannot stay."""

    phase: Phase


class MarketBook(Command, frozen=True, kw_only=True):
    """The others' visible orders from now on: (price, quantity), best first, at most ten a side."""

    symbol: Symbol
    asks: tuple[tuple[int, int], ...]
    bids: tuple[tuple[int, int], ...]


class MarketTrade(Command, frozen=True, kw_only=True):
    """The others traded. ``auction`` marks a single-price match, in which our orders take part."""

    symbol: Symbol
    price: int
    quantity: int
    aggressor: Aggressor
    auction: bool


class PlaceOrder(Command, frozen=True, kw_only=True):
    """A client's order. ``price`` is ``None`` for a market order."""

    order_number: str
    account: str
    symbol: Symbol
    side: Side
    kind: OrderKind
    quantity: int
    price: int | None
    time_in_force: TimeInForce = TimeInForce.DAY


class CancelOrder(Command, frozen=True, kw_only=True):
    """Withdraw what is left of ``target``; the cancel has an order number of its own."""

    order_number: str
    account: str
    target: str


class ReplaceOrder(Command, frozen=True, kw_only=True):
    """Move what is left of ``target`` to a new price under a new order number.

    ``quantity`` may lower what is left, never raise it; the queue place is lost.
    """

    order_number: str
    account: str
    target: str
    quantity: int
    price: int | None
    kind: OrderKind


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


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """Something the exchange says."""

    at: int


class Acknowledged(Outcome, frozen=True, kw_only=True):
    """An order, cancel or replace was taken in."""

    order_number: str
    account: str


class Refused(Outcome, frozen=True, kw_only=True):
    """An order, cancel or replace was refused and has no effect."""

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


class Withdrawn(Outcome, frozen=True, kw_only=True):
    """What was left of an order left the book: by cancel, replace, IOC/FOK or end of session.

    ``by`` is the order number of the cancel or replace, ``None`` otherwise.
    """

    order_number: str
    account: str
    quantity: int
    by: str | None
    reason: str


class Printed(Outcome, frozen=True, kw_only=True):
    """A trade on the tape. ``cumulative_*`` count the session including this print."""

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


class BookShown(Outcome, frozen=True, kw_only=True):
    """The visible book after a change, our clients' resting orders included."""

    symbol: Symbol
    asks: tuple[tuple[int, int], ...]
    bids: tuple[tuple[int, int], ...]


class ExpectedShown(Outcome, frozen=True, kw_only=True):
    """The indicative match of an issue in an auction; price and quantity 0 while there is none."""

    symbol: Symbol
    price: int
    quantity: int


class StatusShown(Outcome, frozen=True, kw_only=True):
    """The state of one issue changed: halted or not, in a volatility interruption or not.

    ``reference_price`` is the price from which the interruption is measured.
    """

    symbol: Symbol
    halted: bool
    reason: str
    interrupted: bool
    reference_price: int


class MarketStatusShown(Outcome, frozen=True, kw_only=True):
    """The state of the whole market changed.

    ``code`` is the operation code that the exchange announces: 174/175 circuit breaker triggered
    and released, 387/388 and 397/398 sidecar against sells and against buys, 110/112/121/129 the
    phases of the session.
    """

    code: str
