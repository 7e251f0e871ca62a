"""A market with everything around its regular session: NXT, closing prices, after hours.

The regular KRX tape of the market inside passes through untouched, so its bars still come out
exactly. What is added is made up (see ``indications``, ``nextrade`` and ``quiet_hours``) and
follows the calendar: NXT since 2025-03-04, the after-hours single-price market until 2026-09-13,
the KRX after-market since 2026-09-14. On days that open late everything shifts with the session.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from heapq import merge
from operator import attrgetter
from typing import Final

import msgspec

from events import Symbol
from events.calendar import TradingSession
from events.market import Bar, Phase
from events.prices import Board
from kis_gateway.protocol import Era, era_on
from kis_gateway.simulator.exchange.messages import (
    CloseSession,
    EnterPhase,
    Listing,
    OpenSession,
    Session,
)
from kis_gateway.simulator.market.indications import indications
from kis_gateway.simulator.market.market import Market, MarketItem
from kis_gateway.simulator.market.nextrade import NextradeShadow
from kis_gateway.simulator.market.quiet_hours import QuietHours

_MINUTE: Final = 60_000_000_000
_HALF_MINUTE: Final = 30_000_000_000


class WholeDayMarket:
    """A ``Market`` around another one.

    Every stock trades at NXT, except those in ``krx_only``; funds do not.
    """

    def __init__(self, regular: Market, *, krx_only: Collection[Symbol] = ()) -> None:
        self._regular = regular
        self._era = era_on(regular.day)
        nxt = self._era is not Era.A
        self._listings = tuple(
            msgspec.structs.replace(
                each,
                nxt=nxt and each.board is not Board.FUND and each.symbol not in krx_only,
            )
            for each in regular.listings
        )

    @property
    def day(self) -> date:
        """Return the KST date of the session."""
        return self._regular.day

    @property
    def session(self) -> TradingSession:
        """Return the times of the regular session."""
        return self._regular.session

    @property
    def listings(self) -> Sequence[Listing]:
        """Return the issues that trade, most actively traded first."""
        return self._listings

    @property
    def sectors(self) -> Mapping[Symbol, str]:
        """Return the sector of every listed symbol."""
        return self._regular.sectors

    def daily_history(self, symbol: Symbol) -> tuple[Bar, ...]:
        """Return the daily bars before ``day``. Raises ``UnknownInstrument``."""
        return self._regular.daily_history(symbol)

    def index_history(self, index: str) -> tuple[Bar, ...]:
        """Return an index's daily bars before ``day``. Raises ``UnknownInstrument``."""
        return self._regular.index_history(index)

    def minute_bars(self, symbol: Symbol) -> tuple[Bar, ...]:
        """Return the bars of the regular KRX session. Raises ``UnknownInstrument``."""
        return self._regular.minute_bars(symbol)

    def commands(self) -> Iterator[MarketItem]:
        """Yield all that happens, in order of ``at``."""
        streams: list[Iterator[MarketItem]] = [self._shadowed(), iter(self._sessions())]
        for listing in self._listings:
            bars = self._regular.minute_bars(listing.symbol)
            streams.append(indications(listing, bars, self.session))
            streams += self._around(listing, bars)
        return merge(*streams, key=attrgetter("at"))

    def _shadowed(self) -> Iterator[MarketItem]:
        """Yield the regular tape with NXT behind it, and open trading at the close behind it."""
        hours = self.session
        traded = {each.symbol: each for each in self._listings if each.nxt}
        shadow = NextradeShadow(traded, hours.open_at + _HALF_MINUTE, hours.closing_auction_at)
        for item in self._regular.commands():
            yield item
            if isinstance(item, EnterPhase) and item.phase is Phase.CLOSED:
                yield OpenSession(
                    at=item.at,
                    session=Session.POST_HOURS_CLOSE,
                    trades_from=hours.close_at + 10 * _MINUTE,
                )
            else:
                yield from shadow.follow(item)

    def _sessions(self) -> list[MarketItem]:
        """Return when the other sessions open and close, in order of time."""
        turns: list[MarketItem] = []
        for session, (begin, end) in self._hours().items():
            if session is not Session.POST_HOURS_CLOSE:
                turns.append(OpenSession(at=begin, session=session))
            turns.append(CloseSession(at=end, session=session))
        return sorted(turns, key=attrgetter("at"))

    def _hours(self) -> dict[Session, tuple[int, int]]:
        """Return begin and end of trading in every session around the regular one."""
        hours, minute = self.session, _MINUTE
        opens, closes = hours.open_at, hours.close_at
        evening = closes + 270 * minute
        found = {
            Session.PRE_HOURS_CLOSE: (opens - 30 * minute, opens - 20 * minute),
            Session.POST_HOURS_CLOSE: (closes + 10 * minute, closes + 30 * minute),
        }
        if self._era is not Era.A:
            found[Session.NXT_PRE_MARKET] = (opens - 60 * minute, opens - 10 * minute)
            found[Session.NXT_MAIN_MARKET] = (opens + _HALF_MINUTE, hours.closing_auction_at)
            found[Session.NXT_AFTER_MARKET] = (closes + 10 * minute, evening)
        if self._era is Era.C:
            found[Session.KRX_AFTER_MARKET] = (closes + 30 * minute, evening)
        else:
            single_price_ends = closes + 150 * minute
            found[Session.AFTER_HOURS_SINGLE_PRICE] = (closes + 30 * minute, single_price_ends)
        return found

    def _around(self, listing: Listing, bars: Sequence[Bar]) -> Iterator[Iterator[MarketItem]]:
        """Yield the streams of an issue outside the regular session."""
        quiet = QuietHours(listing, self.day, sum(bar.volume for bar in bars))
        before = listing.base_price
        after = bars[-1].close if bars else before
        for session, (begin, end) in self._hours().items():
            price = before if begin < self.session.open_at else after
            if session.fixed_price:
                yield quiet.fixed(session, begin, end, price)
            elif session is Session.AFTER_HOURS_SINGLE_PRICE:
                if not listing.nxt:
                    yield quiet.matches(session, begin, end, price)
            elif session is Session.KRX_AFTER_MARKET:
                if listing.board is not Board.FUND:
                    yield quiet.continuous(session, begin, end, price)
            elif session is not Session.NXT_MAIN_MARKET and listing.nxt:
                yield quiet.continuous(session, begin, end, price)
