"""NXT during the regular session, derived from the KRX tape.

No recording of NXT is needed: of every third KRX trade a fifth trades again at NXT, at the same
price and moment, and NXT shows a quarter of the KRX book. That is about a fifteenth of the KRX
volume, the same every time, on top of the KRX tape, which stays as it is. NXT trades between
09:00:30 and the closing auction; nothing is derived from auctions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final
from zlib import crc32

import msgspec

from events import Symbol
from events.market import Aggressor
from kis_gateway.simulator.exchange.messages import MarketBook, MarketTrade, Session
from kis_gateway.simulator.market.market import MarketItem
from kis_gateway.simulator.market.mixing import mix

_ONE_IN: Final = 3
_TRADE_PART: Final = 5
_BOOK_PART: Final = 4


class NextradeShadow:
    """Follows the KRX tape of the issues that trade at NXT."""

    def __init__(self, symbols: Mapping[Symbol, object], opens: int, closes: int) -> None:
        self._seeds = {symbol: crc32(symbol.encode()) for symbol in symbols}
        self._books: dict[Symbol, MarketBook] = {}
        self._opens, self._closes = opens, closes

    def follow(self, item: MarketItem) -> Iterator[MarketItem]:
        """Yield what happens at NXT behind an item of the KRX tape."""
        if isinstance(item, MarketBook):
            if item.symbol in self._seeds and item.session is Session.REGULAR:
                self._books[item.symbol] = item
        elif isinstance(item, MarketTrade):
            seed = self._seeds.get(item.symbol)
            if seed is None or item.auction or item.session is not Session.REGULAR:
                return
            inside = self._opens <= item.at < self._closes
            if inside and item.aggressor is not Aggressor.NONE and not mix(seed, item.at) % _ONE_IN:
                yield from self._trade(item)

    def _trade(self, krx: MarketTrade) -> Iterator[MarketItem]:
        book = self._books.get(krx.symbol)
        if book is None:
            return
        quantity = max(1, krx.quantity // _TRADE_PART)
        yield MarketBook(
            at=krx.at,
            symbol=krx.symbol,
            asks=_part(book.asks),
            bids=_part(book.bids),
            session=Session.NXT_MAIN_MARKET,
        )
        yield msgspec.structs.replace(krx, quantity=quantity, session=Session.NXT_MAIN_MARKET)


def _part(levels: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    return tuple((price, 1 + quantity // _BOOK_PART) for price, quantity in levels)
