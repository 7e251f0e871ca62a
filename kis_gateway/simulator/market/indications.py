"""What the exchange shows while the tape's own auctions gather: an indicative price and quantity.

A recording of bars knows how an auction ended, not how it came there. The indication therefore
moves from the last price to the price of the match, with noise of a few ticks that dies away, and
its quantity grows to that of the match, every ten seconds from ten minutes before the end. It is an
invention, the same one every time, and right at the end only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final
from zlib import crc32

from events.calendar import TradingSession
from events.market import Bar
from events.prices import round_down, tick_size
from kis_gateway.simulator.exchange.messages import Listing, MarketIndication
from kis_gateway.simulator.market.mixing import mix

_STEP: Final = 10_000_000_000
_STEPS: Final = 60
_NOISE_TICKS: Final = 3
_AUCTION_SHARE: Final = 4


def indications(
    listing: Listing, bars: Sequence[Bar], session: TradingSession
) -> Iterator[MarketIndication]:
    """Yield what is shown before the opening and the closing match of an issue, as far as it has
    them."""
    if bars and bars[0].start == session.open_at:
        first = bars[0]
        quantity = max(1, first.volume // _AUCTION_SHARE)
        start = session.open_at - _STEPS * _STEP
        yield from _gather(listing, session.day, start, (listing.base_price, first.open), quantity)
    if len(bars) > 1 and bars[-1].start >= session.close_at:
        last, before = bars[-1], bars[-2]
        prices = (before.close, last.close)
        yield from _gather(listing, session.day, session.closing_auction_at, prices, last.volume)


def _gather(
    listing: Listing, day: date, start: int, prices: tuple[int, int], quantity: int
) -> Iterator[MarketIndication]:
    seed = crc32(listing.symbol.encode())
    before, match = prices
    for step in range(_STEPS):
        key = mix(seed, start + step)
        # Half of the way is known from the start; the noise dies away with the distance.
        way = before + (match - before) * (_STEPS + step) // (2 * _STEPS - 1)
        noise = key % (2 * _NOISE_TICKS + 1) - _NOISE_TICKS
        tick = tick_size(max(0, way), listing.board, day)
        price = round_down(way + noise * tick * (_STEPS - 1 - step) // _STEPS, listing.board, day)
        last = step == _STEPS - 1
        yield MarketIndication(
            at=start + step * _STEP,
            symbol=listing.symbol,
            price=match if last else min(max(price, listing.lower_limit), listing.upper_limit),
            quantity=max(1, quantity * (step + 1) // _STEPS),
        )
