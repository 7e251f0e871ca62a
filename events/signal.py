"""Signal events: daily selections and other inputs of decisions that no exchange publishes."""

from __future__ import annotations

from enum import IntEnum, StrEnum

import msgspec

from events.event import Derived, Event
from events.identifiers import StrategyId, Symbol, TradingDate


class UniverseSelected(Event, frozen=True, kw_only=True, tag="UniverseSelected.1"):
    """The symbols a strategy may trade today, with their sectors; ``source`` says who chose."""

    strategy: StrategyId
    trading_date: TradingDate
    symbols: tuple[Symbol, ...]
    sectors: dict[Symbol, str]
    source: str

    @property
    def topic(self) -> str:
        """``signal.universe``."""
        return "signal.universe"

    @property
    def identity(self) -> str:
        """One selection per strategy and session."""
        return f"universe-{self.trading_date}-{self.strategy}"


class OpeningBaseline(Event, frozen=True, kw_only=True, tag="OpeningBaseline.1"):
    """What a symbol usually trades after the open, from recorded minutes of ``sessions`` days.

    ``opening_value`` is the median value (won) of 09:00–09:15, ``minute_volume`` the median volume
    (shares) of one minute in the first hour.
    """

    trading_date: TradingDate
    symbol: Symbol
    sessions: int
    opening_value: int
    minute_volume: int

    @property
    def topic(self) -> str:
        """``signal.baseline``."""
        return "signal.baseline"

    @property
    def identity(self) -> str:
        """One baseline per symbol and session."""
        return f"baseline-{self.trading_date}-{self.symbol}"


class Regime(StrEnum):
    """State of the market as a whole; caps exposure."""

    CRISIS = "crisis"
    WEAK = "weak"
    NORMAL = "normal"
    STRONG = "strong"


class MasterFileRead(Event, frozen=True, kw_only=True, tag="MasterFileRead.1"):
    """One of the broker's master files was read before the session.

    ``digest`` is the SHA-256 (hex) of the file as downloaded, ``issues`` its records, ``tradable``
    how many of them pass every universe flag.
    """

    trading_date: TradingDate
    file: str
    digest: str
    issues: int
    tradable: int

    @property
    def topic(self) -> str:
        """``signal.masters``."""
        return "signal.masters"

    @property
    def identity(self) -> str:
        """One per file and session."""
        return f"master-{self.trading_date}-{self.file}"


class RegimeSet(Event, frozen=True, kw_only=True, tag="RegimeSet.1"):
    """The market regime for one session; without it the regime is NORMAL."""

    trading_date: TradingDate
    regime: Regime
    source: str

    @property
    def topic(self) -> str:
        """``signal.regime``."""
        return "signal.regime"

    @property
    def identity(self) -> str:
        """One setting per instant."""
        return f"regime-{self.trading_date}-{self.at}"


class Feed(StrEnum):
    """A real-time feed of one symbol, or of one index for the feeds that begin with ``INDEX``.

    Without a venue in the name it is that of KRX. Each costs one subscription, twins too.
    """

    TRADES = "trades"
    QUOTES = "quotes"
    EXPECTED = "expected"
    PROGRAM = "program"
    OPERATION = "operation"
    NAV = "nav"
    INDEX = "index"
    INDEX_EXPECTED = "index_expected"
    INDEX_PROGRAM = "index_program"
    NXT_TRADES = "nxt_trades"
    NXT_QUOTES = "nxt_quotes"
    NXT_EXPECTED = "nxt_expected"
    NXT_PROGRAM = "nxt_program"
    NXT_OPERATION = "nxt_operation"
    UNIFIED_TRADES = "unified_trades"
    UNIFIED_QUOTES = "unified_quotes"
    UNIFIED_EXPECTED = "unified_expected"
    UNIFIED_PROGRAM = "unified_program"
    UNIFIED_OPERATION = "unified_operation"


class SlotPriority(IntEnum):
    """Who keeps a subscription slot when there are not enough; lower is stronger."""

    POSITION = 0
    WORKING_ORDER = 1
    ARMED = 2
    CANDIDATE = 3
    WATCH = 4


class SlotRequest(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A wish for one subscription."""

    feed: Feed
    symbol: Symbol
    priority: SlotPriority


class SlotsRequested(Derived, frozen=True, kw_only=True, tag="SlotsRequested.1"):
    """All subscriptions a strategy wants from now on; replaces its previous request.

    ``ordinal`` counts the strategy's requests of the session from 1. Requests are listed in the
    order of preference within a priority.
    """

    strategy: StrategyId
    trading_date: TradingDate
    ordinal: int
    requests: tuple[SlotRequest, ...]

    @property
    def topic(self) -> str:
        """``signal.slots``."""
        return "signal.slots"

    @property
    def identity(self) -> str:
        """One request per strategy, session and ordinal."""
        return f"slots-{self.trading_date}-{self.strategy}-{self.ordinal}"
