"""What is listed, and the sessions of a day in which it trades.

A ``Session`` is one market of the day: nothing carries over from one to another, except that an
order for NXT lives from the pre-market to the end of the after-market. The regular session of KRX
has phases of its own (``events.market.Phase``); every other session is simply open or not.
Source of times and rules: KRX and Nextrade trading rules, the KIS announcements of 2025-03-04 and
2026-09-14.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from events import Symbol
from events.market import Venue
from events.prices import Board
from kis_gateway.protocol import Market, Route


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """An issue as listed for one day.

    The limits are explicit because they are not always ±30 % of the base price (leveraged funds,
    first day of a listing). ``nxt`` tells whether Nextrade trades it too, ``large`` whether it is
    a KOSPI 200 member, whose dynamic interruption comes at 3 % instead of 6 %.
    """

    symbol: Symbol
    name: str
    board: Board
    sector: str
    base_price: int
    lower_limit: int
    upper_limit: int
    listed_shares: int
    nxt: bool = False
    large: bool = False


class Session(StrEnum):
    """One market of the day."""

    REGULAR = "regular"
    """KRX 08:30-15:30: opening auction, continuous trading, closing auction."""
    PRE_HOURS_CLOSE = "pre_hours_close"
    """KRX 08:30-08:40, at the previous close."""
    POST_HOURS_CLOSE = "post_hours_close"
    """KRX 15:40-16:00, at the close."""
    AFTER_HOURS_SINGLE_PRICE = "after_hours_single_price"
    """KRX 16:00-18:00 until 2026-09-13: a match every ten minutes, ±10 % of the close."""
    KRX_AFTER_MARKET = "krx_after_market"
    """KRX 16:00-20:00 from 2026-09-14: continuous, limit orders only, no ETF and ETN."""
    NXT_PRE_MARKET = "nxt_pre_market"
    """NXT 08:00-08:50."""
    NXT_MAIN_MARKET = "nxt_main_market"
    """NXT 09:00:30-15:20."""
    NXT_AFTER_MARKET = "nxt_after_market"
    """NXT 15:40-20:00."""

    @property
    def venue(self) -> Venue:
        """The exchange that holds it."""
        return Venue.NXT if self in NXT_SESSIONS else Venue.KRX

    @property
    def fixed_price(self) -> bool:
        """Whether everything trades at a closing price."""
        return self in (Session.PRE_HOURS_CLOSE, Session.POST_HOURS_CLOSE)


NXT_SESSIONS: Final = (
    Session.NXT_PRE_MARKET,
    Session.NXT_MAIN_MARKET,
    Session.NXT_AFTER_MARKET,
)
"""The day of NXT; its orders live until the last one ends."""

_OF_MARKET: Final = {
    Market.REGULAR: Session.REGULAR,
    Market.PRE_HOURS_CLOSE: Session.PRE_HOURS_CLOSE,
    Market.POST_HOURS_CLOSE: Session.POST_HOURS_CLOSE,
    Market.AFTER_HOURS_SINGLE_PRICE: Session.AFTER_HOURS_SINGLE_PRICE,
    Market.KRX_AFTER_MARKET: Session.KRX_AFTER_MARKET,
    Market.NXT_PRE_MARKET: Session.NXT_PRE_MARKET,
}


def session_of(market: Market, route: Route) -> Session:
    """Return the session whose end withdraws an order of that market on that route."""
    if route is Route.NXT and market is Market.REGULAR:
        return Session.NXT_AFTER_MARKET
    return _OF_MARKET[market]
