"""Real-time records of market data: trades (H0STCNT0) and the order book (H0STASP0).

Fields are positional, in the documented order; eras only cut columns at the end. A symbol's tape
statistics that the exchange does not keep (trade counts, volumes by side, times of the day's
extremes) are counted here from its prints, whether anybody listens or not.

This is the hot path of the simulator: one f-string per trade, no dictionaries, no decimals.
"""

from __future__ import annotations

from typing import Final

from events.market import Aggressor, Phase
from kis_gateway.simulator.exchange.messages import BookShown, Listing, Printed
from kis_gateway.simulator.settings import Era
from kis_gateway.simulator.wire_formats import change_sign, clock, percent, sign_of

TRADES: Final = "H0STCNT0"
BOOK: Final = "H0STASP0"

TRADES_PER_FRAME: Final = 20
"""Most trades seen in one frame of the live service."""

_REGULAR_SESSION: Final = "2"
_HOUR_CLASS: Final = {
    Phase.OPENING_AUCTION: "B",
    Phase.CONTINUOUS: "0",
    Phase.CLOSING_AUCTION: "A",
    Phase.CLOSED: "A",
}
_LEVELS: Final = 10
_NO_LEVELS: Final = ("0",) * _LEVELS
_NO_BOOK: Final[tuple[tuple[int, int], ...]] = ()


class IssueRecords:
    """One symbol's prints of the day so far, and their records."""

    __slots__ = (
        "_asks",
        "_bids",
        "_book_columns",
        "_buys",
        "_day",
        "_era",
        "_high",
        "_high_at",
        "_listing",
        "_low",
        "_low_at",
        "_open_at",
        "_previous_volume",
        "_sells",
        "_volume_bought",
        "_volume_sold",
        "last",
        "reference",
    )

    def __init__(self, listing: Listing, previous_volume: int, day: str, era: Era) -> None:
        self._listing = listing
        self._previous_volume = previous_volume
        self._day = day
        self._era = era
        self._asks = self._bids = _NO_BOOK
        self._book_columns: str | None = None
        self._buys = self._sells = self._volume_bought = self._volume_sold = 0
        self._high = self._low = 0
        self._open_at = self._high_at = self._low_at = "000000"
        self.last: Printed | None = None
        self.reference = listing.base_price
        """Static VI reference: the result of the last single-price match."""

    @property
    def asks(self) -> tuple[tuple[int, int], ...]:
        """Visible (price, quantity), best first."""
        return self._asks

    @property
    def bids(self) -> tuple[tuple[int, int], ...]:
        """Visible (price, quantity), best first."""
        return self._bids

    def show(self, book: BookShown) -> None:
        """Take over the visible book."""
        self._asks, self._bids = book.asks, book.bids
        self._book_columns = None

    def count(self, trade: Printed) -> None:
        """Take a print into the statistics."""
        self.last = trade
        if trade.aggressor is Aggressor.BUY:
            self._buys += 1
            self._volume_bought += trade.quantity
        elif trade.aggressor is Aggressor.SELL:
            self._sells += 1
            self._volume_sold += trade.quantity
        if trade.high != self._high:
            self._high, self._high_at = trade.high, clock(trade.at)
        if trade.low != self._low:
            if self._low == 0:
                self._open_at = clock(trade.at)
            self._low, self._low_at = trade.low, clock(trade.at)
        if trade.auction:
            self.reference = trade.price

    def trade_record(self, trade: Printed, phase: Phase) -> str:
        """Return the record of a print that has just been counted."""
        listing, price = self._listing, trade.price
        if self._book_columns is None:
            self._book_columns = _best_and_total(self._asks, self._bids)
        change = price - listing.base_price
        from_open, from_high, from_low = price - trade.open, price - trade.high, price - trade.low
        volume = trade.cumulative_volume
        aggressor = trade.aggressor
        side = "1" if aggressor is Aggressor.BUY else "5" if aggressor is Aggressor.SELL else "3"
        # Second digit 1 marks the closing price.
        operation = "21" if trade.auction and phase is Phase.CLOSING_AUCTION else "20"
        record = (
            f"{trade.symbol}^{clock(trade.at)}^{price}^{change_sign(price, listing)}^{change}"
            f"^{percent(change, listing.base_price):.2f}^{trade.cumulative_value / volume:.2f}"
            f"^{trade.open}^{trade.high}^{trade.low}^{trade.best_ask}^{trade.best_bid}"
            f"^{trade.quantity}^{volume}^{trade.cumulative_value}"
            f"^{self._sells}^{self._buys}^{self._buys - self._sells}"
            f"^{percent(self._volume_bought, self._volume_sold):.2f}"
            f"^{self._volume_sold}^{self._volume_bought}^{side}"
            f"^{percent(self._volume_bought, volume):.2f}"
            f"^{percent(volume, self._previous_volume):.2f}"
            f"^{self._open_at}^{sign_of(from_open)}^{from_open}"
            f"^{self._high_at}^{sign_of(from_high)}^{from_high}"
            f"^{self._low_at}^{sign_of(from_low)}^{from_low}"
            f"^{self._day}^{operation}^N^{self._book_columns}"
            f"^{percent(volume, listing.listed_shares):.2f}^0^0.00^0^^{self.reference}"
        )
        return f"{record}^{_REGULAR_SESSION}" if self._era is Era.C else record

    def book_record(self, book: BookShown, phase: Phase) -> str:
        """Return the record of a visible book."""
        asks, bids = book.asks, book.bids
        columns = [
            book.symbol,
            clock(book.at),
            _HOUR_CLASS[phase],
            *_column(asks, 0),
            *_column(bids, 0),
            *_column(asks, 1),
            *_column(bids, 1),
            str(sum(quantity for _, quantity in asks)),
            str(sum(quantity for _, quantity in bids)),
            # After-hours totals and the expected match: no after-market, no indicative price yet.
            "0^0^0^0^0^0^3^0.00",
            str(self.last.cumulative_volume if self.last is not None else 0),
            "0^0^0^0^",
        ]
        if self._era is not Era.A:
            columns.append(f"{_middle(asks, bids)}^0^0")
        if self._era is Era.C:
            columns.append(_REGULAR_SESSION)
        return "^".join(columns)


def trade_frames(records: list[str]) -> list[bytes]:
    """Return the frames of one symbol's records, up to twenty in each, in order."""
    frames = []
    for start in range(0, len(records), TRADES_PER_FRAME):
        packed = records[start : start + TRADES_PER_FRAME]
        frames.append(f"0|{TRADES}|{len(packed):03d}|{'^'.join(packed)}".encode())
    return frames


def book_frame(record: str) -> bytes:
    """Return the frame of one book; the service never packs several."""
    return f"0|{BOOK}|001|{record}".encode()


def _column(levels: tuple[tuple[int, int], ...], part: int) -> tuple[str, ...]:
    shown = tuple(str(level[part]) for level in levels[:_LEVELS])
    return shown + _NO_LEVELS[len(shown) :]


def _best_and_total(asks: tuple[tuple[int, int], ...], bids: tuple[tuple[int, int], ...]) -> str:
    """Return the quantities at the best prices and of all visible levels, asks before bids."""
    return (
        f"{asks[0][1] if asks else 0}^{bids[0][1] if bids else 0}"
        f"^{sum(quantity for _, quantity in asks)}^{sum(quantity for _, quantity in bids)}"
    )


def _middle(asks: tuple[tuple[int, int], ...], bids: tuple[tuple[int, int], ...]) -> str:
    if not asks or not bids:
        return "0"
    doubled = asks[0][0] + bids[0][0]
    return str(doubled // 2) if doubled % 2 == 0 else f"{doubled // 2}.5"
