"""Market events: what the exchange and its clock said. Arrays in MessagePack, one per frame.

Prices are won, quantities shares, times nanoseconds UTC. ``at`` is the time of receipt at the
gateway; ``time`` inside a record is the exchange's own (one-second resolution at KIS).
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Final

import msgspec

from events.control import Halt
from events.event import MarketEvent
from events.identifiers import StrategyId, Symbol, TradingDate

NEVER: Final = 1 << 62
"""An instant (ns UTC) later than anything."""

_OPENING_AUCTION: Final = 1_800 * 1_000_000_000


class Phase(StrEnum):
    """Phase of the KRX session."""

    CLOSED = "closed"
    OPENING_AUCTION = "opening_auction"
    CONTINUOUS = "continuous"
    CLOSING_AUCTION = "closing_auction"


class Venue(StrEnum):
    """The exchange a market record comes from; ``UNIFIED`` is both in one stream."""

    KRX = "krx"
    NXT = "nxt"
    UNIFIED = "unified"


class InstrumentKind(StrEnum):
    """What kind of security an issue is."""

    STOCK = "stock"
    ETF = "etf"
    ETN = "etn"
    ELW = "elw"
    REIT = "reit"
    OTHER = "other"


class Aggressor(IntEnum):
    """Side that crossed the spread."""

    SELL = -1
    NONE = 0
    BUY = 1


class Trade(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One print of the tape.

    ``cumulative_volume`` (shares) and ``cumulative_value`` (won) count the session so far, this
    trade included, and identify it. ``vi_reference`` is the static volatility-interruption
    reference price, 0 when not given. ``auction`` marks a single-price match.
    """

    time: int
    price: int
    quantity: int
    aggressor: Aggressor
    cumulative_volume: int
    cumulative_value: int
    best_ask: int
    best_bid: int
    vi_reference: int
    auction: bool


class TradeFrame(MarketEvent, frozen=True, kw_only=True, tag="TradeFrame.1"):
    """One to n trades of one symbol that arrived together, in exchange order."""

    symbol: Symbol
    trades: tuple[Trade, ...]

    @property
    def topic(self) -> str:
        """``market.trade.<symbol>``."""
        return f"market.trade.{self.symbol}"


class PriceSnapshot(MarketEvent, frozen=True, kw_only=True, tag="PriceSnapshot.1"):
    """What the broker answered when asked for one symbol's price: a look, not a trade.

    Published while the real-time feed of a symbol is down or silent. ``time`` is when the answer
    came, ``price`` the last trade's. ``cumulative_volume`` and ``cumulative_value`` count the
    session so far; ``best_ask`` and ``best_bid`` are 0 when the answer has none.
    """

    symbol: Symbol
    time: int
    price: int
    cumulative_volume: int
    cumulative_value: int
    best_ask: int = 0
    best_bid: int = 0

    @property
    def topic(self) -> str:
        """``market.snapshot.<symbol>``."""
        return f"market.snapshot.{self.symbol}"


class VenueTradeFrame(MarketEvent, frozen=True, kw_only=True, tag="VenueTradeFrame.1"):
    """Trades of one symbol at NXT, or at both exchanges in one stream.

    A type of its own: prices, volumes and the opening of another venue must never be taken for
    those of KRX by a decider that asked for trades.
    """

    venue: Venue
    symbol: Symbol
    trades: tuple[Trade, ...]

    @property
    def topic(self) -> str:
        """``market.trade-<venue>.<symbol>``."""
        return f"market.trade-{self.venue}.{self.symbol}"


class QuoteFrame(MarketEvent, frozen=True, kw_only=True, tag="QuoteFrame.1"):
    """The visible order book of one symbol, best level first, at most ten levels a side.

    Levels without orders are left out. ``expected_price``/``expected_quantity`` are the indicative
    auction match, 0 outside auctions.
    """

    symbol: Symbol
    time: int
    ask_prices: tuple[int, ...]
    ask_quantities: tuple[int, ...]
    bid_prices: tuple[int, ...]
    bid_quantities: tuple[int, ...]
    expected_price: int = 0
    expected_quantity: int = 0

    @property
    def topic(self) -> str:
        """``market.quote.<symbol>``."""
        return f"market.quote.{self.symbol}"


class VenueQuoteFrame(MarketEvent, frozen=True, kw_only=True, tag="VenueQuoteFrame.1"):
    """The visible order book of one symbol at NXT, or of both exchanges together.

    Levels as in ``QuoteFrame``; a type of its own for the same reason as ``VenueTradeFrame``.
    """

    venue: Venue
    symbol: Symbol
    time: int
    ask_prices: tuple[int, ...]
    ask_quantities: tuple[int, ...]
    bid_prices: tuple[int, ...]
    bid_quantities: tuple[int, ...]

    @property
    def topic(self) -> str:
        """``market.quote-<venue>.<symbol>``."""
        return f"market.quote-{self.venue}.{self.symbol}"


class ExpectedMatch(MarketEvent, frozen=True, kw_only=True, tag="ExpectedMatch.1"):
    """The indicative match of an auction in one symbol: what would trade if it ended now.

    ``price`` and ``quantity`` are 0 while nothing would. ``cumulative_volume`` and
    ``cumulative_value`` count the session's real trades so far.
    """

    symbol: Symbol
    time: int
    price: int
    quantity: int
    cumulative_volume: int
    cumulative_value: int
    venue: Venue = Venue.KRX

    @property
    def topic(self) -> str:
        """``market.expected.<symbol>``."""
        return f"market.expected.{self.symbol}"


class MarketOperation(MarketEvent, frozen=True, kw_only=True, tag="MarketOperation.1"):
    """The exchange's word on the state of one symbol: halt, volatility interruption, operation.

    ``code`` and ``expected_code`` are the exchange's operation codes (112 the market opens, 121 the
    closing auction starts, 174 a circuit breaker was triggered …), ``designation`` as in
    ``SymbolReference.status_code``. ``reason`` is empty without a halt. ``symbol`` is empty in the
    unified feed, whose records do not name it.
    """

    symbol: Symbol
    halted: bool
    reason: str
    code: str
    expected_code: str
    designation: str
    interrupted: bool
    interrupted_after_hours: bool
    venue: Venue = Venue.KRX

    @property
    def topic(self) -> str:
        """``market.status.<symbol>``."""
        return f"market.status.{self.symbol or 'ALL'}"


class NetAssetValue(MarketEvent, frozen=True, kw_only=True, tag="NetAssetValue.1"):
    """Indicative net asset value of one ETF share in hundredths of a won (10,251.37 → 1025137)."""

    symbol: Symbol
    centiwon: int
    change_centiwon: int
    open_centiwon: int
    high_centiwon: int
    low_centiwon: int

    @property
    def topic(self) -> str:
        """``market.nav.<symbol>``."""
        return f"market.nav.{self.symbol}"


class SymbolProgramFlow(MarketEvent, frozen=True, kw_only=True, tag="SymbolProgramFlow.1"):
    """Program trading in one symbol so far today: shares and won, and what still waits (shares)."""

    symbol: Symbol
    time: int
    sold_quantity: int
    sold_value: int
    bought_quantity: int
    bought_value: int
    waiting_sell_quantity: int
    waiting_buy_quantity: int
    venue: Venue = Venue.KRX

    @property
    def topic(self) -> str:
        """``market.program.<symbol>``."""
        return f"market.program.{self.symbol}"


class IndexLevel(MarketEvent, frozen=True, kw_only=True, tag="IndexLevel.1"):
    """Level of a market index in hundredths of a point (KOSPI 2,731.46 → 273146)."""

    index: str
    time: int
    centipoints: int
    previous_close_centipoints: int

    @property
    def topic(self) -> str:
        """``market.index.<index>``."""
        return f"market.index.{self.index}"


class ExpectedIndexLevel(MarketEvent, frozen=True, kw_only=True, tag="ExpectedIndexLevel.1"):
    """Where an index would stand at the indicative matches of its issues, in hundredths."""

    index: str
    time: int
    centipoints: int
    previous_close_centipoints: int

    @property
    def topic(self) -> str:
        """``market.index.<index>``."""
        return f"market.index.{self.index}"


class ProgramFlow(MarketEvent, frozen=True, kw_only=True, tag="ProgramFlow.1"):
    """Cumulative net buying by programs in one market today, won (negative: selling)."""

    market: str
    time: int
    cumulative_net_value: int

    @property
    def topic(self) -> str:
        """``market.program.<market>``."""
        return f"market.program.{self.market}"


class SymbolReference(MarketEvent, frozen=True, kw_only=True, tag="SymbolReference.1"):
    """The day's trading terms of one symbol, read from the broker before the open.

    ``market`` is ``KOSPI`` or ``KOSDAQ``. ``status_code`` is the exchange designation (51
    administrative, 52 danger, 53 warning, 54 caution, 58 halted, 59 overheated, otherwise 00).
    ``kind`` decides tick table and tax; ``nxt`` tells whether the second exchange trades it too.
    """

    symbol: Symbol
    trading_date: TradingDate
    name: str
    market: str
    base_price: int
    lower_limit: int
    upper_limit: int
    status_code: str
    kind: InstrumentKind = InstrumentKind.STOCK
    nxt: bool = False

    @property
    def topic(self) -> str:
        """``market.status.<symbol>``."""
        return f"market.status.{self.symbol}"


class VolatilityInterruption(
    MarketEvent, frozen=True, kw_only=True, tag="VolatilityInterruption.1"
):
    """A volatility interruption of one symbol began (``active``) or ended."""

    symbol: Symbol
    active: bool
    reference_price: int

    @property
    def topic(self) -> str:
        """``market.status.<symbol>``."""
        return f"market.status.{self.symbol}"


class Bar(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Open, high, low, close in won, volume in shares; ``start`` is the bar's left edge.

    ``value`` is the traded value in won, 0 when the source has none.
    """

    start: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    value: int = 0


class BarClosed(MarketEvent, frozen=True, kw_only=True, tag="BarClosed.1"):
    """A completed bar of one symbol as a recording of bars holds it; ``at`` is its right edge.

    A live feed brings trades and none of these. A recording made of bars alone brings these and no
    trades; its open, high, low and close were traded in an order that nobody knows.
    """

    symbol: Symbol
    bar: Bar

    @property
    def topic(self) -> str:
        """``market.bar.<symbol>``."""
        return f"market.bar.{self.symbol}"


class BarHistory(MarketEvent, frozen=True, kw_only=True, tag="BarHistory.1"):
    """Completed bars of earlier sessions, oldest first: what a strategy on bars begins a day with.

    All are of one length, that of the bars which follow during the session.
    """

    symbol: Symbol
    trading_date: TradingDate
    bars: tuple[Bar, ...]

    @property
    def topic(self) -> str:
        """``market.bar.<symbol>``."""
        return f"market.bar.{self.symbol}"


class DailyHistory(MarketEvent, frozen=True, kw_only=True, tag="DailyHistory.1"):
    """Completed daily bars before ``trading_date``, oldest first, today excluded."""

    symbol: Symbol
    trading_date: TradingDate
    bars: tuple[Bar, ...]

    @property
    def topic(self) -> str:
        """``market.daily.<symbol>``."""
        return f"market.daily.{self.symbol}"

    @property
    def identity(self) -> str:
        """One history per symbol and session."""
        return f"daily-{self.trading_date}-{self.symbol}"


class MinuteHistory(MarketEvent, frozen=True, kw_only=True, tag="MinuteHistory.1"):
    """Completed one-minute bars of today from the broker's chart, oldest first.

    Back-fill for symbols without a trade subscription; the bar still forming is left out.
    """

    symbol: Symbol
    trading_date: TradingDate
    bars: tuple[Bar, ...]

    @property
    def topic(self) -> str:
        """``market.minute.<symbol>``."""
        return f"market.minute.{self.symbol}"


class ClockTick(MarketEvent, frozen=True, kw_only=True, tag="ClockTick.1"):
    """One second passed. The only source of time for deciders; ``at`` is the full second."""

    phase: Phase

    @property
    def topic(self) -> str:
        """``market.clock``."""
        return "market.clock"

    @property
    def identity(self) -> str:
        """One tick per second."""
        return f"tick-{self.at // 1_000_000_000}"


class PhaseChanged(MarketEvent, frozen=True, kw_only=True, tag="PhaseChanged.1"):
    """The session entered ``phase``."""

    trading_date: TradingDate
    phase: Phase

    @property
    def topic(self) -> str:
        """``market.clock``."""
        return "market.clock"

    @property
    def identity(self) -> str:
        """One change into a phase per session."""
        return f"phase-{self.trading_date}-{self.phase}"


class OpeningAllocation(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Shares a strategy carries into the session; ``cost`` is their total cost basis in won.

    The stops are those in force when the session before ended, ``None`` where there is none.
    """

    strategy: StrategyId
    symbol: Symbol
    quantity: int
    cost: int
    protective_stop: int | None = None
    hard_stop: int | None = None


class SessionOpened(MarketEvent, frozen=True, kw_only=True, tag="SessionOpened.1"):
    """The session's opening books: with them one day's log explains itself.

    ``open_at``/``close_at`` bound the session (09:00 and 15:30 KST on an ordinary day),
    ``closing_auction_at`` is the end of continuous trading. ``cash`` is orderable cash and
    ``equity`` cash plus holdings at the last close, both won. ``configuration`` holds every
    service's settings in force as JSON text by service name; secrets are never part of it.
    ``halts`` and ``limits`` (see ``LimitsChanged``) are what was in force when the session before
    ended and outlives it.
    """

    trading_date: TradingDate
    open_at: int
    closing_auction_at: int
    close_at: int
    cash: int
    equity: int
    allocations: tuple[OpeningAllocation, ...]
    configuration: dict[str, str]
    code_version: str
    halts: tuple[Halt, ...] = ()
    limits: dict[str, int | float | str | None] = msgspec.field(default_factory=dict)

    def next_phase_at(self, after: int) -> int:
        """Return the first instant after ``after`` (ns UTC) at which the session's phase changes.

        After the close that is later than anything. The opening auction begins half an hour before
        the open.
        """
        for instant in (
            self.open_at - _OPENING_AUCTION,
            self.open_at,
            self.closing_auction_at,
            self.close_at,
        ):
            if instant > after:
                return instant
        return NEVER

    @property
    def topic(self) -> str:
        """``market.session.<date>``; a session opens once."""
        return f"market.session.{self.trading_date}"

    @property
    def identity(self) -> str:
        """One opening per date."""
        return f"session-{self.trading_date}"

    @property
    def unique_on_topic(self) -> bool:
        """A second opening of the same date is a mistake of the caller."""
        return True
