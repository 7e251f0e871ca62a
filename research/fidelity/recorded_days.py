"""Recorded sessions as sessions to be traded again with latencies of one's choice.

What was received on a day, as columns: the tape of each issue in the exchange's order
(``exchange_tape``), and everything else that deciders were told from outside. Subscriptions were
those of the day, so a backtest of it shows every row (``registrations: 0``).

What always holds: rows of an issue are in the exchange's order; a row's instant lies within the
exchange's second, as near to its receipt less the usual latency as that second allows; it is
received when it was received, except that none overtakes another. Not taken over is what the
account of the day went through: its balances, its orders and what was done about them. Books that
nobody saw are assumed, as ``exchange_tape`` says.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from functools import cached_property
from hashlib import blake2b
from typing import Final

from events import Event, Symbol
from events.calendar import TradingSession
from events.control import ControlEvent
from events.event import MarketEvent
from events.market import (
    ClockTick,
    DailyHistory,
    PhaseChanged,
    QuoteFrame,
    SessionOpened,
    SymbolReference,
    TradeFrame,
)
from events.ops import Degraded, FeedGap, Recovered
from events.signal import MasterFileRead, OpeningBaseline, RegimeSet, UniverseSelected
from research.backtest.errors import NoMarketData
from research.backtest.market_day import MarketDay
from research.fidelity.exchange_tape import listing
from research.fidelity.latencies import feed_latencies
from research.fidelity.recorded_tape import recorded_tape
from research.fidelity.recording import RecordedSession
from research.fidelity.recordings import Recordings

_AUCTION_BEFORE_OPEN: Final = 1_800_000_000_000
_SIGNALS: Final = (UniverseSelected, OpeningBaseline, RegimeSet, MasterFileRead)
_OPS: Final = (FeedGap, Degraded, Recovered)
_BEFORE_THE_OPEN: Final = (SymbolReference, DailyHistory, *_SIGNALS)
_OF_THE_RUN: Final = (SessionOpened, ClockTick, PhaseChanged, TradeFrame, QuoteFrame)
"""Market events that a backtest makes by itself, of its clock, its books and its tape."""


class RecordedDays:
    """Recorded sessions for ``research.backtest.run``. One is read when asked for and not kept."""

    def __init__(self, recordings: Recordings) -> None:
        self._recordings = recordings

    @property
    def dates(self) -> Sequence[date]:
        """The dates of the sessions, oldest first."""
        return self._recordings.dates

    @cached_property
    def data_hash(self) -> str:
        """A digest of every entry of the sessions."""
        digest = blake2b(digest_size=32)
        for on in self.dates:
            digest.update(self._recordings.fingerprint(on).encode())
        return digest.hexdigest()

    def day(self, on: date, also: Sequence[Symbol] = ()) -> MarketDay:
        """Return one session; issues of ``also`` that are not on the record cannot be added.

        Raises:
            NoMarketData: there is none of that date.
        """
        if on not in self.dates:
            raise NoMarketData(f"session of {on}", "the recordings have none of that date")
        return market_day(self._recordings.session(on))

    def days(self) -> Iterator[MarketDay]:
        """Yield all sessions, oldest first."""
        for on in self.dates:
            yield self.day(on)


def market_day(session: RecordedSession) -> MarketDay:
    """Return a recorded session as one to be traded again."""
    opening = session.opening
    received = feed_latencies(session)
    late = received[len(received) // 2] if received else 0
    before, during = _outside(session)
    symbols = tuple(sorted({*session.frames, *session.references}))
    assumed = sorted(
        symbol
        for symbol in session.frames
        if not any(isinstance(each.event, QuoteFrame) for each in session.frames[symbol])
    )
    problems = []
    if assumed:
        problems.append(f"no books of {len(assumed)} issues were received: theirs are assumed")
    if session.unreadable:
        problems.append(f"{session.unreadable} entries cannot be decoded and were left out")
    return MarketDay(
        session=TradingSession(
            trading_date=opening.trading_date,
            day=date.fromisoformat(opening.trading_date),
            auction_from=opening.open_at - _AUCTION_BEFORE_OPEN,
            open_at=opening.open_at,
            closing_auction_at=opening.closing_auction_at,
            close_at=opening.close_at,
        ),
        listings=tuple(listing(session, symbol) for symbol in symbols),
        opening=tuple(before),
        tape=recorded_tape(session, symbols, during, late),
        problems=tuple(problems),
    )


def _outside(session: RecordedSession) -> tuple[list[Event], list[Event]]:
    """Return what deciders were told from outside before the open, and what after it."""
    before: list[Event] = []
    during: list[Event] = []
    for entry in session.entries:
        event = entry.event
        if isinstance(event, _OF_THE_RUN):
            continue
        if not isinstance(event, MarketEvent | ControlEvent) and not isinstance(
            event, _SIGNALS + _OPS
        ):
            continue
        early = event.at < session.opening.open_at and isinstance(event, _BEFORE_THE_OPEN)
        (before if early else during).append(event)
    return before, during
