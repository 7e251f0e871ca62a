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
    """A real-time feed of one symbol."""

    TRADES = "trades"
    QUOTES = "quotes"


class SlotPriority(IntEnum):
    """Who keeps a subscription slot when there are not enough; lower is stronger."""

    POSITION = 0
    WORKING_ORDER = 1
    ARMED = 2
    CANDIDATE = 3
    WATCH = 4


class SlotRequest(msgspec.Struct, frozen=True, array_like=True):
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
