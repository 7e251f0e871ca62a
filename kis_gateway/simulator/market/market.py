"""The port: one trading day of everybody else, with its history."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Protocol

import msgspec

from events import Symbol
from events.calendar import TradingSession
from events.market import Bar
from kis_gateway.simulator.exchange.messages import Command, Listing


class IndexPrint(msgspec.Struct, frozen=True, kw_only=True):
    """The level of an index (``KOSPI`` or ``KOSDAQ``) in hundredths of a point, ``at`` ns UTC."""

    at: int
    index: str
    centipoints: int


class ProgramPrint(msgspec.Struct, frozen=True, kw_only=True):
    """Net buying by programs in one market (``KOSPI`` or ``KOSDAQ``) today up to ``at``, won."""

    at: int
    market: str
    cumulative_net_value: int


MarketItem = Command | IndexPrint | ProgramPrint


class Market(Protocol):
    """One trading day of all other participants. Reading it twice gives the same twice."""

    @property
    def day(self) -> date:
        """Return the KST date of the session."""
        ...

    @property
    def session(self) -> TradingSession:
        """Return the session's times."""
        ...

    @property
    def listings(self) -> Sequence[Listing]:
        """Return the issues that trade, most actively traded first."""
        ...

    @property
    def sectors(self) -> Mapping[Symbol, str]:
        """Return the sector of every listed symbol."""
        ...

    def daily_history(self, symbol: Symbol) -> tuple[Bar, ...]:
        """Return the daily bars before ``day``, oldest first; ``start`` is 00:00 KST.

        Raises:
            UnknownInstrument: the symbol is not listed in this market.
        """
        ...

    def index_history(self, index: str) -> tuple[Bar, ...]:
        """Return an index's daily bars before ``day`` in hundredths of a point, oldest first.

        Empty when there is no history. ``volume`` is 0.

        Raises:
            UnknownInstrument: neither ``KOSPI`` nor ``KOSDAQ``.
        """
        ...

    def minute_bars(self, symbol: Symbol) -> tuple[Bar, ...]:
        """Return the day's one-minute bars that the tape reproduces, oldest first.

        Raises:
            UnknownInstrument: the symbol is not listed in this market.
        """
        ...

    def commands(self) -> Iterator[MarketItem]:
        """Yield all that happens, in order of ``at``, from the opening auction to the close."""
        ...
