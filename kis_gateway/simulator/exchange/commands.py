"""What the exchange is told: by the market, by our clients, by whoever runs the day."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from events import Symbol
from events.market import Aggressor, Bar, Phase
from events.prices import Board
from events.trading import Side
from kis_gateway.protocol import Market, Pricing, Route
from kis_gateway.simulator.exchange.listing import Session


class TimeInForce(StrEnum):
    """How long an order may rest."""

    DAY = "day"
    """Until its session ends."""
    IMMEDIATE_OR_CANCEL = "ioc"
    FILL_OR_KILL = "fok"


class Interruption(StrEnum):
    """What kind of volatility interruption (VI) it is."""

    STATIC = "static"
    """10 % off the last single-price match."""
    DYNAMIC = "dynamic"
    """Too far off the last trade."""


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """Something the exchange is told."""

    at: int


class PassTime(Command, frozen=True, kw_only=True):
    """Nothing but the time: what is due by ``at`` happens."""


class EnterPhase(Command, frozen=True, kw_only=True):
    """The regular session moves on; closing withdraws what is left in it."""

    phase: Phase


class OpenSession(Command, frozen=True, kw_only=True):
    """A session other than the regular one begins to take orders.

    Sessions at a closing price trade from ``trades_from`` on (0: at once), the others at once.
    """

    session: Session
    trades_from: int = 0


class CloseSession(Command, frozen=True, kw_only=True):
    """A session other than the regular one ends; what is left of its orders is withdrawn."""

    session: Session


class MarketBook(Command, frozen=True, kw_only=True):
    """The others' visible orders from now on: (price, quantity), best first, at most ten a side."""

    symbol: Symbol
    asks: tuple[tuple[int, int], ...]
    bids: tuple[tuple[int, int], ...]
    session: Session = Session.REGULAR


class MarketTrade(Command, frozen=True, kw_only=True):
    """The others traded. ``auction`` marks a single-price match, in which our orders take part."""

    symbol: Symbol
    price: int
    quantity: int
    aggressor: Aggressor
    auction: bool
    session: Session = Session.REGULAR


class MarketTrades(Command, frozen=True, kw_only=True):
    """The others traded continuously in the regular session, several times, oldest first.

    The same as a ``MarketTrade`` for each at this moment. Those out of reach of our clients' orders
    (``reach``) are neither printed nor shown.
    """

    symbol: Symbol
    prices: Sequence[int]
    quantities: Sequence[int]
    aggressors: Sequence[Aggressor]


class MarketBar(Command, frozen=True, kw_only=True):
    """The others traded a whole bar of the regular session; ``at`` is its right edge.

    A bar without volume is no trading and changes nothing. What it means to orders is in ``bars``.
    """

    symbol: Symbol
    bar: Bar


class MarketIndication(Command, frozen=True, kw_only=True):
    """What the coming single-price match of the tape looks like now; 0 and 0 for no match."""

    symbol: Symbol
    price: int
    quantity: int
    session: Session = Session.REGULAR


class PlaceOrder(Command, frozen=True, kw_only=True):
    """A client's order.

    ``price`` is the limit of pricings that name one, ``None`` otherwise; ``trigger`` is the price
    at which a stop limit order awakes. ``market`` is where the order type belongs and ``route``
    where the client sent it.
    """

    order_number: str
    account: str
    symbol: Symbol
    side: Side
    pricing: Pricing
    quantity: int
    price: int | None
    time_in_force: TimeInForce = TimeInForce.DAY
    trigger: int | None = None
    market: Market = Market.REGULAR
    route: Route = Route.KRX


class CancelOrder(Command, frozen=True, kw_only=True):
    """Withdraw what is left of ``target``, or ``quantity`` of it, under a number of its own.

    It is taken in at once and has its effect ``effect_after`` nanoseconds later; what trades until
    then has traded.
    """

    order_number: str
    account: str
    target: str
    quantity: int | None = None
    effect_after: int = 0


class ReplaceOrder(Command, frozen=True, kw_only=True):
    """Move ``quantity`` of what is left of ``target`` to a new price or kind, under a new number.

    ``quantity`` is at most what is left (``None`` for all of it); the rest stays where it was, in
    its place. The moved part loses its place. Exchange and session are the target's. Effect as with
    ``CancelOrder``.
    """

    order_number: str
    account: str
    target: str
    quantity: int | None
    price: int | None
    pricing: Pricing
    time_in_force: TimeInForce = TimeInForce.DAY
    trigger: int | None = None
    effect_after: int = 0


class TriggerInterruption(Command, frozen=True, kw_only=True):
    """Interrupt continuous trading of an issue (VI): an auction of ``seconds`` and an extension.

    Between them KRX has 120 seconds and a random end of up to 30. No effect on an issue that does
    not trade continuously.
    """

    symbol: Symbol
    kind: Interruption = Interruption.STATIC
    seconds: int = 120
    extension_seconds: int = 0


class HaltIssue(Command, frozen=True, kw_only=True):
    """Stop an issue: nothing trades, no order is taken in, cancels are."""

    symbol: Symbol
    reason: str


class ResumeIssue(Command, frozen=True, kw_only=True):
    """Let a halted issue trade again, after an auction of ``auction_seconds``."""

    symbol: Symbol
    auction_seconds: int = 600


class TriggerCircuitBreaker(Command, frozen=True, kw_only=True):
    """Stop a whole market, on both exchanges.

    Levels 1 and 2 halt it for 20 minutes, followed by an auction of 10; level 3 ends its day.
    """

    board: Board
    level: int


class TriggerSidecar(Command, frozen=True, kw_only=True):
    """Announce that program orders of a side are held for five minutes; nothing else stops."""

    board: Board
    side: Side


class SetBook(Command, frozen=True, kw_only=True):
    """Set what an account owns now: cash (``None`` leaves it) and the holdings named.

    ``holdings`` are (symbol, quantity, total cost in won). What working orders claim must remain
    covered.
    """

    account: str
    cash: int | None = None
    holdings: tuple[tuple[Symbol, int, int], ...] = ()
