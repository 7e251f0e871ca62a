"""From one-minute bars to trades and order books that give exactly these bars again.

A recording of bars knows open, high, low, close and volume of a minute, not its trades. The bridge
invents trades that could have made the bar, and a ten-level book in which each of them is
possible. Which ones is decided by an integer hash of symbol and minute alone, so the same bars
always give the same day.

What always holds
- Aggregating the trades of a minute gives its bar: open, high, low, close, volume, to the share.
- Times lie strictly inside the minute and never go back.
- A trade of continuous trading is at the best price of the book just before it, at the ask when the
  buyer crossed, at the bid when the seller did, and the book is never crossed.
- The first trade of a bar at the session's open is its opening auction, the last one of a bar at or
  after the session's close is the closing auction; auction prints need no book.

Bars of histories that were adjusted for splits hold prices between two ticks. They are the record,
so trades keep them; around them the levels of the book lie on ticks. Levels beyond the day's price
limits are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final
from zlib import crc32

from events import Symbol
from events.calendar import TradingSession
from events.market import Aggressor, Bar
from events.prices import round_down
from kis_gateway.simulator.exchange.bars import turns
from kis_gateway.simulator.exchange.messages import Listing, MarketBook, MarketTrade
from kis_gateway.simulator.market.depth import Depth
from kis_gateway.simulator.market.errors import UnusableBars
from kis_gateway.simulator.market.mixing import mix

DEFAULT_TRADES_PER_BAR: Final = 6

_MINUTE: Final = 60_000_000_000
_MILLISECOND: Final = 1_000_000
_OPENING_MATCH: Final = 900 * _MILLISECOND
_CLOSING_MATCH: Final = 25_000 * _MILLISECOND
_AUCTION_SHARE: Final = 4


def bridge(
    listing: Listing,
    bars: Sequence[Bar],
    session: TradingSession,
    *,
    trades_per_bar: int = DEFAULT_TRADES_PER_BAR,
) -> Iterator[MarketBook | MarketTrade]:
    """Yield the books and trades of one issue's day, in order of time.

    ``bars`` are one-minute bars, oldest first. A bar becomes ``trades_per_bar`` trades, more when
    its shape needs more (at most four), never more than it has shares.

    Raises:
        UnusableBars: bars out of order, a bar without volume, with a close outside its range, or
            with fewer shares than it needs trades.
    """
    writer = _TapeWriter(listing, session, trades_per_bar)
    last_start = -1
    for bar in bars:
        _require_possible(listing.symbol, bar, last_start)
        last_start = bar.start
        if bar.start >= session.close_at:
            yield from writer.closing(bar)
        else:
            yield from writer.regular(bar)


class _TapeWriter:
    """Writes one issue's minutes; remembers the last price and who crossed."""

    def __init__(self, listing: Listing, session: TradingSession, trades_per_bar: int) -> None:
        self._symbol = listing.symbol
        self._listing = listing
        self._session = session
        self._trades_per_bar = trades_per_bar
        self._depth = Depth(listing, session.day)
        self._seed = crc32(listing.symbol.encode())
        self._price = listing.base_price
        self._aggressor = Aggressor.SELL

    def regular(self, bar: Bar) -> Iterator[MarketBook | MarketTrade]:
        """Yield a minute of continuous trading, at the open behind its auction print."""
        key = mix(self._seed, bar.start // _MINUTE)
        count = min(bar.volume, max(self._trades_per_bar, len(turns(bar))))
        path = _path(bar, count, self._listing, self._session)
        quantities = _quantities(bar.volume, count, key)
        slot, first = _MINUTE // (count + 1), 0
        if bar.start == self._session.open_at:
            _enlarge_first(quantities)
            span, first = min(slot, _OPENING_MATCH), 1
            at = bar.start + span // 9 + key % (span - span // 9)
            yield self._trade(at, path[0], quantities[0], Aggressor.NONE, auction=True)
        half, typical = slot // 2, max(1, bar.volume // count)
        for index in range(first, count):
            price, quantity, jitter = path[index], quantities[index], mix(key, index)
            aggressor = self._crossing(price)
            asks, bids = self._depth.around(
                price,
                aggressor,
                quantity=quantity,
                spread=1 + (jitter >> 60) % 3 // 2,
                typical=typical,
                key=key,
            )
            at = bar.start + slot * index + half + (jitter >> 32) % half
            yield MarketBook(at=at, symbol=self._symbol, asks=asks, bids=bids)
            at = bar.start + slot * (index + 1) + jitter % half
            yield self._trade(at, price, quantity, aggressor)

    def closing(self, bar: Bar) -> Iterator[MarketTrade]:
        """Yield the closing match; what the bar's other prices need is printed just before."""
        key = mix(self._seed, bar.start // _MINUTE)
        shape = turns(bar)
        quantities = _quantities(bar.volume, len(shape), key)
        slot, last = _CLOSING_MATCH // len(shape), len(shape) - 1
        for index, price in enumerate(shape):
            at = bar.start + slot * index + _OPENING_MATCH // 9 + mix(key, index) % _OPENING_MATCH
            auction = index == last
            yield self._trade(at, price, quantities[index], Aggressor.NONE, auction=auction)

    def _crossing(self, price: int) -> Aggressor:
        """Return who crossed: buyers lift a price, sellers press it, else they take turns."""
        sold_before = self._aggressor is Aggressor.SELL
        buys = price > self._price or (price == self._price and sold_before)
        self._aggressor = Aggressor.BUY if buys else Aggressor.SELL
        return self._aggressor

    def _trade(
        self, at: int, price: int, quantity: int, aggressor: Aggressor, *, auction: bool = False
    ) -> MarketTrade:
        self._price = price
        return MarketTrade(
            at=at,
            symbol=self._symbol,
            price=price,
            quantity=quantity,
            aggressor=aggressor,
            auction=auction,
        )


def _require_possible(symbol: Symbol, bar: Bar, last_start: int) -> None:
    if bar.start <= last_start or bar.start % _MINUTE:
        raise UnusableBars(symbol, f"start {bar.start} ns is no full minute after {last_start} ns")
    if bar.volume < 1:
        raise UnusableBars(symbol, f"volume {bar.volume} at {bar.start} ns")
    if not 0 < bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high:
        raise UnusableBars(
            symbol, f"open {bar.open}, high {bar.high}, low {bar.low}, close {bar.close}"
        )
    needed = len(turns(bar))
    if needed > bar.volume:
        raise UnusableBars(symbol, f"{bar.volume} shares for a shape of {needed} trades")


def _path(bar: Bar, count: int, listing: Listing, session: TradingSession) -> list[int]:
    """Return ``count`` prices through the turns, those between two turns on ticks."""
    shape = turns(bar)
    if len(shape) == 1:
        return shape * count
    path: list[int] = []
    spans = len(shape) - 1
    corners = [span * (count - 1) // spans for span in range(spans + 1)]
    for span in range(spans):
        start, end = shape[span], shape[span + 1]
        steps = corners[span + 1] - corners[span]
        path.append(start)
        for step in range(1, steps):
            between = round_down(start + (end - start) * step / steps, listing.board, session.day)
            path.append(min(max(between, bar.low), bar.high))
    path.append(shape[-1])
    return path


def _quantities(volume: int, count: int, key: int) -> list[int]:
    """Return ``count`` quantities of at least one share that add up to ``volume``."""
    weights = [mix(key, index) % 100 + 20 for index in range(count)]
    total, spare = sum(weights), volume - count
    shares = [1 + spare * weight // total for weight in weights]
    shares[0] += volume - sum(shares)
    return shares


def _enlarge_first(quantities: list[int]) -> None:
    """Move a share of the later trades to the opening match, usually the largest of its minute."""
    for index in range(1, len(quantities)):
        moved = (quantities[index] - 1) // _AUCTION_SHARE
        quantities[index] -= moved
        quantities[0] += moved
