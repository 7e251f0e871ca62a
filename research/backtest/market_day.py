"""The port: one session to be traded again, from whatever recording it comes.

Bars of a vendor, a recorded log, a generated market: each is a ``MarketDays``. Reading one twice
gives the same twice, and a day is read when it is asked for, so memory does not grow with days.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from functools import cached_property
from typing import Protocol

import msgspec

from events import Symbol
from events.calendar import TradingSession
from events.event import Event
from kis_gateway.simulator.exchange import Listing
from research.backtest.issue_rows import Layout
from research.backtest.tape import Tape


class CorporateAction(msgspec.Struct, frozen=True, kw_only=True):
    """What happened to an issue before a session opened: ``old`` shares became ``new`` shares.

    A 5:1 split is ``new=5, old=1``. ``date`` is the first session at the new terms (YYYYMMDD).
    """

    symbol: Symbol
    date: str
    kind: str
    new: int
    old: int


class MarketDay(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One session: its terms, what is known before it opens, and its tape.

    ``opening`` is what deciders are told before the open, in order: trading terms, daily histories,
    universes, baselines; everything but the opening books. ``actions`` took effect with this
    session. ``problems`` are what is odd about the day's data, for people to read.
    """

    session: TradingSession
    listings: tuple[Listing, ...]
    opening: tuple[Event, ...]
    tape: Tape
    actions: tuple[CorporateAction, ...] = ()
    problems: tuple[str, ...] = ()

    @cached_property
    def layout(self) -> Layout:
        """The tape issue by issue, worked out once however often the session is traded."""
        return Layout(self.tape)


class MarketDays(Protocol):
    """Sessions in order of date."""

    @property
    def dates(self) -> Sequence[date]:
        """Return the dates of the sessions, oldest first."""
        ...

    @property
    def data_hash(self) -> str:
        """Return a digest of everything that the days are made of."""
        ...

    def day(self, on: date, also: Sequence[Symbol] = ()) -> MarketDay:
        """Return one session, with the issues of ``also`` even if it would leave them out.

        Raises:
            NoMarketData: there is none of that date.
        """
        ...

    def days(self) -> Iterator[MarketDay]:
        """Yield all sessions, oldest first."""
        ...
