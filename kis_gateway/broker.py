"""The broker as the rest of the gateway sees it: two small ports and plain results.

KIS field names stop at the classes that implement these ports. Every call that changes something
returns exactly one of three outcomes; "no answer" is an outcome, never an exception and never an
empty result. Every inquiry returns a complete result or raises: nothing is inferred from absence.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import date
from typing import Final, Protocol

import msgspec

from events import Symbol, TradingDate
from events.market import (
    Bar,
    ExpectedIndexLevel,
    ExpectedMatch,
    IndexLevel,
    MarketOperation,
    NetAssetValue,
    PriceSnapshot,
    ProgramFlow,
    QuoteFrame,
    SymbolProgramFlow,
    SymbolReference,
    TradeFrame,
    VenueQuoteFrame,
    VenueTradeFrame,
)
from events.signal import Feed
from events.trading import Holding, OrderKind, Route, Side

TOO_FAST: Final = "EGW00201"
LEDGER_TOO_FAST: Final = "EGW00215"
NOT_SENT: Final = "NOT_SENT"
"""Refused here because it might not leave any more; the broker has never seen it."""

UNREACHABLE: Final = "UNREACHABLE"
"""Refused here because no connection could be made; the broker has never seen it."""

NO_TOKEN: Final = "NO_TOKEN"  # noqa: S105 - an outcome code, no secret
"""Refused here because there is no access token at present; the broker has never seen it."""

TOKEN_REFUSALS: Final = frozenset({"EGW00121", "EGW00122", "EGW00123"})
"""Refusals of the access token, whatever the call was (KIS Open API)."""

OUT_OF_REACH_CODES: Final = TOKEN_REFUSALS | {UNREACHABLE, NO_TOKEN}
"""Refusals that only mean: the broker's order system was not reached."""

THROTTLE_CODES: Final = frozenset({TOO_FAST, LEDGER_TOO_FAST})
"""Refusals that only mean: too many calls in this second (KIS Open API)."""


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """The broker took it in. Numbers exactly as received; they are sent back verbatim."""

    broker_order: str
    branch: str


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """The broker certainly did not take it in. ``throttled`` when only the rate was too high."""

    code: str
    message: str
    throttled: bool = False


class Unknown(msgspec.Struct, frozen=True, kw_only=True):
    """No clear answer: time-out, reset, 5xx, an answer that cannot be read. It may have worked."""

    reason: str


Outcome = Accepted | Refused | Unknown


class OrderTicket(msgspec.Struct, frozen=True, kw_only=True):
    """An order as the broker must get it. ``limit_price`` is ``None`` for a market order.

    Past ``expires_at`` (ns UTC) it is refused with code ``EXPIRED`` instead of sent; ``None``:
    it is worth sending at any time. ``may_leave`` is asked right before the first byte leaves,
    after every queue; where it says no the order is refused with code ``NOT_SENT``.
    """

    symbol: Symbol
    side: Side
    kind: OrderKind
    quantity: int
    limit_price: int | None
    expires_at: int | None = None
    may_leave: Callable[[], bool] | None = None
    route: Route = Route.KRX


class CancelTicket(msgspec.Struct, frozen=True, kw_only=True):
    """Withdraw everything left of an order, on the route it was sent by.

    ``may_leave`` as in ``OrderTicket``.
    """

    broker_order: str
    branch: str
    symbol: Symbol
    may_leave: Callable[[], bool] | None = None
    route: Route = Route.KRX


class BrokerOrder(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the day's orders. ``original`` is the parent's number, ``None`` when it has none.

    ``filled_amount`` is the exact traded value in won. ``ordered_at`` is ns UTC. ``unreadable``
    says what is wrong with a row of which only number, symbol and side could be read; its other
    values are empty and mean nothing.
    """

    broker_order: str
    original: str | None
    branch: str
    symbol: Symbol
    side: Side
    quantity: int
    limit_price: int
    filled_quantity: int
    filled_amount: int
    cancelled_quantity: int
    rejected_quantity: int
    remaining_quantity: int
    is_cancel: bool
    ordered_at: int
    unreadable: str | None = None


class TapeTrade(msgspec.Struct, frozen=True, kw_only=True):
    """A trade as the broker lists it afterwards. ``time`` is a full second (ns UTC), shares."""

    time: int
    quantity: int
    cumulative_volume: int


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """A complete balance: every page read. A symbol not listed is not held. Won.

    ``deposits`` are the deposits after the settlements of today, the next and the second next
    session, empty where the broker does not tell.
    """

    cash: int
    equity: int
    holdings: tuple[Holding, ...]
    deposits: tuple[int, ...] = ()


class FillNotice(msgspec.Struct, frozen=True, kw_only=True):
    """One execution of one order, from the encrypted notice stream. ``quantity`` of this fill."""

    broker_order: str
    symbol: Symbol
    side: Side
    quantity: int
    price: int
    order_quantity: int
    time: int


class OrderNotice(msgspec.Struct, frozen=True, kw_only=True):
    """An order, amend or cancel was received, confirmed or refused at the exchange."""

    broker_order: str
    original: str | None
    symbol: Symbol
    side: Side
    quantity: int
    rejected: bool
    cancelled: bool
    time: int


class FeedLost(msgspec.Struct, frozen=True, kw_only=True):
    """The connection is down; ``at`` is when the last frame arrived (ns UTC)."""

    at: int
    reason: str


class FeedRestored(msgspec.Struct, frozen=True, kw_only=True):
    """The connection is up again and every subscription has been acknowledged anew."""

    at: int
    lost_at: int


class Subscribed(msgspec.Struct, frozen=True, kw_only=True):
    """A subscription was acknowledged, for the first time or anew after the line was lost.

    ``silent_since`` is when what came last before the loss came (its acknowledgement when nothing
    did), ``None`` for a new one: nothing of it can be missing. An acknowledgement proves little:
    only a first frame shows that data flow.
    """

    at: int
    feed: Feed
    symbol: Symbol
    silent_since: int | None = None


class Unsubscribed(msgspec.Struct, frozen=True, kw_only=True):
    """A subscription is over: given back, or not given again after the line was lost.

    ``refusal`` is the broker's code and text in the latter case, empty otherwise.
    """

    at: int
    feed: Feed
    symbol: Symbol
    refusal: str = ""


class KeyInUse(msgspec.Struct, frozen=True, kw_only=True):
    """Another session holds the app key: a ghost of our own last one, or a second copy running."""

    at: int
    reason: str


class ReconnectsSlowed(msgspec.Struct, frozen=True, kw_only=True):
    """So many connections were opened within an hour that the next ones wait much longer.

    KIS blocks address and app key of clients that connect and close in a loop.
    """

    at: int
    connections: int
    pause_s: float


class FrameRejected(msgspec.Struct, frozen=True, kw_only=True):
    """A frame that could not be decoded, with its text; nothing is lost.

    With ``own_notice`` it told of our own orders or fills: ask the broker what it was.
    """

    at: int
    frame: str
    error: str
    own_notice: bool = False


class WidthChanged(msgspec.Struct, frozen=True, kw_only=True):
    """Records of a feed have more columns than any known so far; each width is reported once.

    ``feed`` is the TR id, ``known`` the widths known before. They are read on by position. With
    ``own_notices`` it is the stream of our own orders and fills: its columns have moved before, so
    what it says must be checked against the broker's books until the layout has been compared.
    """

    at: int
    feed: str
    width: int
    known: tuple[int, ...]
    own_notices: bool = False


MarketRecord = (
    TradeFrame
    | QuoteFrame
    | VenueTradeFrame
    | VenueQuoteFrame
    | ExpectedMatch
    | SymbolProgramFlow
    | MarketOperation
    | NetAssetValue
    | IndexLevel
    | ExpectedIndexLevel
    | ProgramFlow
)
"""What the exchange says: published as it is."""

FeedMessage = (
    MarketRecord
    | WidthChanged
    | FillNotice
    | OrderNotice
    | FeedLost
    | FeedRestored
    | Subscribed
    | Unsubscribed
    | KeyInUse
    | ReconnectsSlowed
    | FrameRejected
)


class Broker(Protocol):
    """Everything the gateway asks of the broker over REST. One object per app key."""

    async def submit(self, ticket: OrderTicket) -> Outcome:
        """Send one order, once. Never retried here or by the caller."""
        ...

    async def cancel(self, ticket: CancelTicket) -> Outcome:
        """Send one cancel, once."""
        ...

    async def orders(self, day: TradingDate) -> Sequence[BrokerOrder]:
        """Return all orders of a day, all pages. Raises ``InquiryFailed``.

        A row that names its order and cannot be read otherwise is returned as ``unreadable``:
        whether it may be passed over depends on whose it is.
        """
        ...

    async def balance(self) -> Balance:
        """Return the complete balance, all pages. Raises ``InquiryFailed``."""
        ...

    async def reference(self, symbol: Symbol, day: TradingDate) -> SymbolReference:
        """Return the symbol's trading terms of the day. Raises ``InquiryFailed``."""
        ...

    async def daily_bars(self, symbol: Symbol, before: TradingDate, count: int) -> Sequence[Bar]:
        """Return the newest ``count`` completed daily bars before a date, oldest first.

        Fewer when the symbol is younger. Raises ``InquiryFailed``.
        """
        ...

    async def minute_bars(self, symbol: Symbol, until: int) -> Sequence[Bar]:
        """Return today's completed one-minute bars up to an instant (ns UTC), oldest first.

        The bar still forming is left out. Raises ``InquiryFailed``.
        """
        ...

    async def index_level(self, index: str) -> IndexLevel:
        """Return the present level of ``KOSPI`` or ``KOSDAQ``. Raises ``InquiryFailed``."""
        ...

    async def program_flow(self, market: str) -> ProgramFlow:
        """Return today's cumulative net program buying of a market. Raises ``InquiryFailed``."""
        ...

    async def snapshot(self, symbol: Symbol) -> PriceSnapshot:
        """Return the symbol's present price and today's volume. Raises ``InquiryFailed``."""
        ...

    async def trades(self, symbol: Symbol, since: int, until: int) -> Sequence[TapeTrade]:
        """Return today's trades between two instants (ns UTC), oldest first.

        Complete, or ``InquiryFailed``.
        """
        ...

    async def market_days(self, since: date) -> Mapping[date, bool]:
        """Return whether the exchange opens, by day from a date on (about three weeks).

        To be asked once a day. Raises ``InquiryFailed``; paper accounts do not have this call.
        """
        ...

    async def aclose(self) -> None:
        """Release connections."""
        ...


class MarketFeed(Protocol):
    """The broker's real-time stream: one connection per app key, kept alive by itself."""

    async def subscribe(self, feed: Feed, symbol: Symbol) -> None:
        """Ask for a feed; returns once acknowledged. Raises ``SubscriptionRefused``."""
        ...

    async def unsubscribe(self, feed: Feed, symbol: Symbol) -> None:
        """Give a feed back; returns once acknowledged."""
        ...

    def prefer(self, order: Sequence[tuple[Feed, Symbol]]) -> None:
        """Say which subscriptions come first when several are to be made or made anew."""
        ...

    def renew(self, reason: str) -> None:
        """Give the present connection up for a new one; nothing happens without one."""
        ...

    def messages(self) -> AsyncIterator[FeedMessage]:
        """Yield everything received, in order, for ever; reconnects on its own and says so."""
        ...

    async def aclose(self) -> None:
        """Close the connection."""
        ...
