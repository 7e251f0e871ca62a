"""Trading of the others outside the regular session, made up around a price.

Bars say nothing of these hours, so there is a thin market that stays near the previous close or the
close: every half minute a book and a trade, at most three ticks away, sized by the day's volume,
decided by an integer hash of symbol and moment alone. In sessions at a closing price only trades at
that price; in the after-hours single-price market a match every ten minutes.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Final
from zlib import crc32

from events.market import Aggressor
from events.prices import is_on_tick, move_ticks, round_down
from kis_gateway.simulator.exchange.messages import Listing, MarketBook, MarketTrade, Session
from kis_gateway.simulator.market.depth import Depth
from kis_gateway.simulator.market.mixing import mix

_STEP: Final = 30_000_000_000
_LAG: Final = 5_000_000_000
_MATCH_STEP: Final = 600_000_000_000
_TICKS: Final = 3
_VOLUME_PART: Final = 20_000


class QuietHours:
    """The others in one issue; ``volume`` is the day's volume in shares."""

    def __init__(self, listing: Listing, day: date, volume: int) -> None:
        self._listing = listing
        self._day = day
        self._depth = Depth(listing, day)
        self._seed = crc32(listing.symbol.encode())
        self._typical = max(1, volume // _VOLUME_PART)

    def continuous(
        self, session: Session, begin: int, end: int, price: int
    ) -> Iterator[MarketBook | MarketTrade]:
        """Yield books and trades around a price."""
        symbol = self._listing.symbol
        for at in range(begin + _LAG, end - _STEP, _STEP):
            key = mix(self._seed, at)
            aggressor = Aggressor.BUY if key & 1 else Aggressor.SELL
            traded = self._near(price, key >> 8)
            quantity = 1 + (key >> 32) % (2 * self._typical)
            asks, bids = self._depth.around(
                traded,
                aggressor,
                quantity=quantity,
                spread=1,
                typical=self._typical * 5,
                key=key,
            )
            yield MarketBook(at=at, symbol=symbol, asks=asks, bids=bids, session=session)
            yield self._trade(session, at + _LAG, traded, quantity, aggressor)

    def fixed(self, session: Session, begin: int, end: int, price: int) -> Iterator[MarketTrade]:
        """Yield trades at a closing price, from both sides in turn."""
        for place, at in enumerate(range(begin + _LAG, end, _STEP)):
            quantity = 1 + mix(self._seed, at) % (2 * self._typical)
            aggressor = Aggressor.BUY if place % 2 else Aggressor.SELL
            yield self._trade(session, at, price, quantity, aggressor)

    def matches(self, session: Session, begin: int, end: int, price: int) -> Iterator[MarketTrade]:
        """Yield a single-price match every ten minutes, just before the exchange's own."""
        for at in range(begin + _MATCH_STEP, end + 1, _MATCH_STEP):
            key = mix(self._seed, at)
            quantity = 1 + (key >> 32) % (10 * self._typical)
            traded = self._near(price, key >> 8)
            yield self._trade(session, at - 1, traded, quantity, Aggressor.NONE, auction=True)

    def _near(self, price: int, key: int) -> int:
        board, day, listing = self._listing.board, self._day, self._listing
        centre = price if is_on_tick(price, board, day) else round_down(price, board, day)
        moved = move_ticks(centre, key % (2 * _TICKS + 1) - _TICKS, board, day)
        low, high = listing.lower_limit, listing.upper_limit
        return moved if low <= moved <= high else centre

    def _trade(
        self,
        session: Session,
        at: int,
        price: int,
        quantity: int,
        aggressor: Aggressor,
        *,
        auction: bool = False,
    ) -> MarketTrade:
        return MarketTrade(
            at=at,
            symbol=self._listing.symbol,
            price=price,
            quantity=quantity,
            aggressor=aggressor,
            auction=auction,
            session=session,
        )
