"""Order books of KRX, NXT and both together, and that of the after-hours market.

A frame holds one book. From one to the next of a symbol the prices mostly stay and the quantities
change, so the text of the price columns is compared with that of the symbol's last book and read
again only when it differs.

Field 65 of the unified book names the exchange whose indicative match stands in fields 47 to 52;
books of NXT and of both do not carry an indicative match: it has feeds of its own.
"""

from __future__ import annotations

from typing import Final

from events import Symbol
from events.market import QuoteFrame, Venue, VenueQuoteFrame
from kis_gateway.broker import FeedMessage
from kis_gateway.frames.layouts import Layout
from kis_gateway.frames.reading import Kept, split

_FIRST_LEVEL: Final = 3
_KEPT_LADDERS: Final = 10_000

_Prices = tuple[str, tuple[int, ...], tuple[int, ...], bool]


class BookReader:
    """Reads the books of one venue; levels without orders are left out."""

    __slots__ = ("_auctions", "_expected", "_kept", "_ladders", "_levels", "_venue")

    def __init__(
        self,
        kept: Kept,
        venue: Venue,
        *,
        levels: int = 10,
        expected: int = 47,
        auctions: str = "ABC",
    ) -> None:
        """``expected`` is the column of the indicative price; its quantity follows.

        ``auctions`` are the session codes of phases in which matches are only indicated; in others
        the last indication is stale and left out.
        """
        self._kept = kept
        self._auctions = frozenset(auctions)
        self._venue = venue
        self._levels = levels
        self._expected = expected
        # The prices of each symbol's last book: their text, asks, bids, whether no level is empty.
        self._ladders: dict[str, _Prices] = {}

    def read(self, payload: str, layout: Layout, received: int) -> tuple[FeedMessage, ...]:
        """Return the books of one frame."""
        if layout.count == 1:
            width = layout.lengths.get(payload.count("^") + 1)
            if width is not None:
                code, clock, session, rest = payload.split("^", 3)
                if session not in self._auctions:
                    return (self._book(code, clock, rest, received),)
        fields, width = split(payload, layout)
        return tuple(
            self._record(fields, start, received) for start in range(0, len(fields), width)
        )

    def _record(self, fields: list[str], start: int, received: int) -> FeedMessage:
        expected = (0, 0)
        if fields[start + 2] in self._auctions:
            amounts = self._kept.amounts
            place = start + self._expected
            expected = amounts[fields[place]], amounts[fields[place + 1]]
        end = start + _FIRST_LEVEL + 4 * self._levels
        # The last piece stands for the columns that are not looked at.
        rest = "^".join([*fields[start + _FIRST_LEVEL : end], ""])
        return self._book(fields[start], fields[start + 1], rest, received, expected)

    def _book(
        self, code: str, clock: str, rest: str, received: int, expected: tuple[int, int] = (0, 0)
    ) -> FeedMessage:
        """Return a book; ``rest`` is its text from the first price to the last quantity or on."""
        levels = self._levels
        get = self._kept.amounts.__getitem__
        symbol = self._kept.codes[code]
        ladder = self._ladders.get(code)
        if ladder is None or not rest.startswith(ladder[0]):
            ladder = self._ladder(symbol, rest)
        text, ask_prices, bid_prices, full = ladder
        pieces = rest[len(text) :].split("^", 2 * levels)
        del pieces[-1]
        quantities = tuple(map(get, pieces))
        ask_quantities, bid_quantities = quantities[:levels], quantities[levels:]
        if not (full and all(quantities)):
            ask_prices, ask_quantities = _filled(ask_prices, ask_quantities)
            bid_prices, bid_quantities = _filled(bid_prices, bid_quantities)
        time = self._kept.clock.today(clock, received)
        if self._venue is Venue.KRX:
            return QuoteFrame(
                at=received,
                symbol=symbol,
                time=time,
                ask_prices=ask_prices,
                ask_quantities=ask_quantities,
                bid_prices=bid_prices,
                bid_quantities=bid_quantities,
                expected_price=expected[0],
                expected_quantity=expected[1],
            )
        return VenueQuoteFrame(
            at=received,
            venue=self._venue,
            symbol=symbol,
            time=time,
            ask_prices=ask_prices,
            ask_quantities=ask_quantities,
            bid_prices=bid_prices,
            bid_quantities=bid_quantities,
        )

    def _ladder(self, symbol: Symbol, rest: str) -> _Prices:
        pieces = rest.split("^", 2 * self._levels)
        del pieces[-1]
        prices = tuple(map(self._kept.amounts.__getitem__, pieces))
        pieces.append("")
        ladder = ("^".join(pieces), prices[: self._levels], prices[self._levels :], all(prices))
        if len(self._ladders) >= _KEPT_LADDERS:
            self._ladders.clear()
        self._ladders[symbol] = ladder
        return ladder


def _filled(
    prices: tuple[int, ...], quantities: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    levels = [
        (price, quantity)
        for price, quantity in zip(prices, quantities, strict=True)
        if price and quantity
    ]
    return tuple(price for price, _ in levels), tuple(quantity for _, quantity in levels)
