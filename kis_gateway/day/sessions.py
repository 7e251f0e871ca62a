"""When each venue trades, as a pure table with dates: what to expect of feeds, where orders can go.

Two exchanges trade listed stocks. KRX: opening auction, continuous trading, closing auction, and
from 2026-09-14 an after-market (no ETF, no ETN), which replaced the after-hours single price. NXT
since 2025-03-04: pre-market, main market, closing-price market and after-market, with pauses around
KRX's auctions. Late sessions (CSAT, first of the year) shift every beginning with the open of KRX;
the evening ends at 20:00.

Sources: KRX and NXT rules as published in their notices (NXT opening 2025-03-04, KRX after-market
2026-09-14), KIS Open API notice of 2026-09-09.
"""

from __future__ import annotations

from datetime import date, time
from enum import StrEnum
from typing import Final, NamedTuple

from events.calendar import TradingSession, instant
from events.market import InstrumentKind, Venue
from kis_gateway.protocol import ORDER_TYPES, Market, Route

NXT_FROM: Final = date(2025, 3, 4)
KRX_AFTER_MARKET_FROM: Final = date(2026, 9, 14)

_SECOND: Final = 1_000_000_000
_MINUTE: Final = 60 * _SECOND
_EVENING_ENDS: Final = time(20)
_FUNDS: Final = frozenset({InstrumentKind.ETF, InstrumentKind.ETN})


class MarketPhase(StrEnum):
    """A phase of a venue's day."""

    OPENING_AUCTION = "opening auction"
    CONTINUOUS = "continuous"
    CLOSING_AUCTION = "closing auction"
    CLOSING_PRICE = "closing price"
    SINGLE_PRICE = "after-hours single price"
    PRE_MARKET = "pre-market"
    MAIN = "main market"
    AFTER_MARKET = "after-market"


CONTINUOUS_PHASES: Final = frozenset(
    {
        MarketPhase.CONTINUOUS,
        MarketPhase.PRE_MARKET,
        MarketPhase.MAIN,
        MarketPhase.AFTER_MARKET,
    }
)
"""Phases in which trades come as they are agreed; elsewhere long silences are the rule."""

_EVENING: Final = {
    MarketPhase.AFTER_MARKET: Market.KRX_AFTER_MARKET,
    MarketPhase.SINGLE_PRICE: Market.AFTER_HOURS_SINGLE_PRICE,
}


class VenuePhase(NamedTuple):
    """One phase of one venue; ``begins_at`` is in it, ``ends_at`` is not (ns UTC)."""

    venue: Venue
    phase: MarketPhase
    begins_at: int
    ends_at: int

    def trades(self, kind: InstrumentKind) -> bool:
        """Return whether securities of a kind are traded in it."""
        evening = self.venue is Venue.KRX and self.phase is MarketPhase.AFTER_MARKET
        if evening or self.venue is Venue.NXT:
            return kind not in _FUNDS | {InstrumentKind.ELW}
        return True


class VenueDay:
    """The phases of every venue in one session."""

    def __init__(self, session: TradingSession) -> None:
        self.phases: tuple[VenuePhase, ...] = (*_krx(session), *_nxt(session))
        """By venue and time."""

    def phase_at(self, venue: Venue, at: int) -> VenuePhase | None:
        """Return the phase an exchange is in at an instant (ns UTC), ``None`` when closed.

        Where two phases overlap, the one that began last counts.
        """
        found = [
            each
            for each in self.phases
            if each.venue is venue and each.begins_at <= at < each.ends_at
        ]
        return max(found, key=lambda each: each.begins_at, default=None)

    def continuous_at(
        self, venue: Venue, at: int, kind: InstrumentKind = InstrumentKind.STOCK
    ) -> tuple[int, int] | None:
        """Return the span (ns UTC) around ``at`` in which trades of a kind come one by one.

        ``None`` when none may be expected. ``UNIFIED`` expects them whenever one of the exchanges
        does.
        """
        spans = []
        for each in (Venue.KRX, Venue.NXT) if venue is Venue.UNIFIED else (venue,):
            phase = self.phase_at(each, at)
            if phase is not None and phase.phase in CONTINUOUS_PHASES and phase.trades(kind):
                spans.append((phase.begins_at, phase.ends_at))
        if not spans:
            return None
        return min(begin for begin, _ in spans), max(end for _, end in spans)


def order_types_at(session: TradingSession, route: Route, at: int) -> frozenset[str]:
    """Return the order type codes (``ORD_DVSN``) that a route takes at an instant (ns UTC).

    Empty when it takes none: an order sent then would be refused, or wait for another market than
    the one it was meant for. The closing-price market of NXT is left out, its types are not
    documented.
    """
    markets = _open_markets(session, route, at)
    return frozenset(
        code
        for code, form in ORDER_TYPES.items()
        if form.market in markets and form.taken(route, session.day)
    )


def _open_markets(session: TradingSession, route: Route, at: int) -> frozenset[Market]:
    day = VenueDay(session)
    found: set[Market] = set()
    if route is not Route.NXT:
        close_at = session.close_at
        if session.auction_from <= at < close_at:
            found.add(Market.REGULAR)
        if session.auction_from <= at < session.auction_from + 10 * _MINUTE:
            found.add(Market.PRE_HOURS_CLOSE)
        if close_at <= at < close_at + 30 * _MINUTE:
            found.add(Market.POST_HOURS_CLOSE)
        phase = day.phase_at(Venue.KRX, at)
        if phase is not None and phase.phase in _EVENING:
            found.add(_EVENING[phase.phase])
    if route is not Route.KRX:
        phase = day.phase_at(Venue.NXT, at)
        if phase is not None and phase.phase in CONTINUOUS_PHASES:
            found.add(Market.REGULAR)
            if phase.phase is MarketPhase.PRE_MARKET:
                found.add(Market.NXT_PRE_MARKET)
    return frozenset(found)


def _krx(session: TradingSession) -> tuple[VenuePhase, ...]:
    day, close_at = session.day, session.close_at
    phases = [
        (MarketPhase.OPENING_AUCTION, session.auction_from, session.open_at),
        (MarketPhase.CONTINUOUS, session.open_at, session.closing_auction_at),
        (MarketPhase.CLOSING_AUCTION, session.closing_auction_at, close_at),
        (MarketPhase.CLOSING_PRICE, close_at + 10 * _MINUTE, close_at + 30 * _MINUTE),
    ]
    if day >= KRX_AFTER_MARKET_FROM:
        phases.append(
            (MarketPhase.AFTER_MARKET, close_at + 30 * _MINUTE, instant(day, _EVENING_ENDS))
        )
    else:
        phases.append((MarketPhase.SINGLE_PRICE, close_at + 30 * _MINUTE, close_at + 150 * _MINUTE))
    return tuple(VenuePhase(Venue.KRX, *phase) for phase in phases)


def _nxt(session: TradingSession) -> tuple[VenuePhase, ...]:
    if session.day < NXT_FROM:
        return ()
    open_at, close_at = session.open_at, session.close_at
    evening = instant(session.day, _EVENING_ENDS)
    phases = (
        (MarketPhase.PRE_MARKET, open_at - 60 * _MINUTE, open_at - 10 * _MINUTE),
        (MarketPhase.MAIN, open_at + 30 * _SECOND, session.closing_auction_at),
        (MarketPhase.CLOSING_PRICE, close_at, close_at + 30 * _MINUTE),
        (MarketPhase.AFTER_MARKET, close_at + 10 * _MINUTE, evening),
    )
    return tuple(VenuePhase(Venue.NXT, *phase) for phase in phases)
