"""Trades of KRX, NXT and both together. The hottest of the readers: one per print of the tape.

A frame holds up to twenty trades. Cutting the text into fields is half of the cost; columns are
therefore picked by number and read at most once each. (Reading a frame column by column instead was
measured and is faster only for frames of twenty.)
"""

from __future__ import annotations

from typing import Final

from events import Symbol
from events.market import Aggressor, Trade, TradeFrame, Venue, VenueTradeFrame
from kis_gateway.broker import FeedMessage
from kis_gateway.frames.layouts import Layout
from kis_gateway.frames.reading import Kept, split
from kis_gateway.frames.values import LARGEST

# Columns of H0STCNT0 and its twins.
_TIME: Final = 1
_PRICE: Final = 2
_ASK: Final = 10
_BID: Final = 11
_QUANTITY: Final = 12
_VOLUME: Final = 13
_VALUE: Final = 14
_SIDE: Final = 21
_DATE: Final = 33
_OPERATION: Final = 34
_SESSION: Final = 43
_VI_REFERENCE: Final = 45

_AGGRESSORS: Final = {
    "": Aggressor.NONE,
    "1": Aggressor.BUY,
    "5": Aggressor.SELL,
    "3": Aggressor.NONE,
}
_REGULAR: Final = frozenset(("0", ""))
_CLOSING: Final = frozenset(f"{phase}1" for phase in "123478")
"""Operation codes whose second digit says "closing price"; the first is the phase of the day."""


class TradeReader:
    """Reads the trades of one venue; a record without quantity is an indication and no trade.

    A single-price match is told, as far as the fields tell, by a session code other than regular,
    no aggressor, the "closing price" digit of the operation code (the closing match) or, at KRX
    only, by being the first trade of the day (the opening match): NXT opens without an auction.

    Since the after-hours single-price market is a series of auctions and its records end before
    the session code, ``auctions_only`` reads those of H0STOUP0.
    """

    __slots__ = (
        "_amounts",
        "_auctions_only",
        "_clock",
        "_codes",
        "_date",
        "_opens_with_auction",
        "_second",
        "_time",
        "_venue",
    )

    def __init__(self, kept: Kept, venue: Venue, *, auctions_only: bool = False) -> None:
        self._amounts = kept.amounts
        self._codes = kept.codes
        self._clock = kept.clock
        # Date and second of the last trade, as text, and its instant: most share them.
        self._date: str | None = None
        self._second: str | None = None
        self._time = 0
        self._venue = venue
        self._opens_with_auction = venue is Venue.KRX
        self._auctions_only = auctions_only

    def read(self, payload: str, layout: Layout, received: int) -> tuple[FeedMessage, ...]:
        """Return the trades of one frame, those of one symbol in a row together."""
        fields, width = split(payload, layout)
        symbol = self._codes[fields[0]]
        count = layout.count
        if count == 1:
            trade = self._trade(fields)
            return () if trade is None else (self._frame(symbol, (trade,), received),)
        return self._one_by_one(fields, width, received)

    def _frame(self, symbol: Symbol, trades: tuple[Trade, ...], received: int) -> FeedMessage:
        if self._opens_with_auction:
            return TradeFrame(at=received, symbol=symbol, trades=trades)
        return VenueTradeFrame(at=received, venue=self._venue, symbol=symbol, trades=trades)

    def _one_by_one(self, fields: list[str], width: int, received: int) -> tuple[FeedMessage, ...]:
        frames: list[FeedMessage] = []
        trades: list[Trade] = []
        symbol = self._codes[fields[0]]
        for start in range(0, len(fields), width):
            record = fields[start : start + width]
            if record[0] != symbol:
                if trades:
                    frames.append(self._frame(symbol, tuple(trades), received))
                    trades = []
                symbol = self._codes[record[0]]
            trade = self._trade(record)
            if trade is not None:
                trades.append(trade)
        if trades:
            frames.append(self._frame(symbol, tuple(trades), received))
        return tuple(frames)

    def _trade(self, record: list[str]) -> Trade | None:
        amounts = self._amounts
        quantity = amounts[record[_QUANTITY]]
        if not quantity:
            if not record[_QUANTITY]:
                raise ValueError("a trade without a quantity")
            return None
        price = amounts[record[_PRICE]]
        volume = int(record[_VOLUME])
        value = int(record[_VALUE])
        if not price or not quantity <= volume < LARGEST or not 0 <= value < LARGEST:
            raise ValueError(f"a trade of {quantity} at {price}, {volume} of {value} so far")
        if record[_TIME] != self._second or record[_DATE] != self._date:
            self._time = self._clock.on_date(record[_DATE], record[_TIME])
            self._date, self._second = record[_DATE], record[_TIME]
        side = record[_SIDE]
        return Trade(
            self._time,
            price,
            quantity,
            _AGGRESSORS[side],
            volume,
            value,
            amounts[record[_ASK]],
            amounts[record[_BID]],
            0 if self._auctions_only else amounts[record[_VI_REFERENCE]],
            self._auctions_only
            or record[_SESSION] not in _REGULAR
            or side == "3"
            or (volume == quantity and self._opens_with_auction)
            or record[_OPERATION] in _CLOSING,
        )
