"""One issue's day at one venue as the real-time feeds tell it, and its trade records.

Fields are positional, in the documented order; eras only cut columns at the end. Statistics that
the exchange does not keep (trade counts, volumes by side, times of the day's extremes) are counted
here from the prints, whether anybody listens or not.

This is the hot path of the simulator: one f-string per trade. What depends on the price alone, or
on the price and the day's extremes, is formatted once per price and kept.
"""

from __future__ import annotations

from typing import Final

from events.market import Aggressor, Phase, Venue
from kis_gateway.protocol import Era
from kis_gateway.simulator.exchange.listing import Listing, Session
from kis_gateway.simulator.exchange.messages import BookShown, Printed
from kis_gateway.simulator.wire_formats import change_sign, clock, percent, sign_of

TRADES_PER_FRAME: Final = 20
"""Most trades seen in one frame of the live service."""

REGULAR_SESSION: Final = "2"
"""MARKET_CLS_CODE of the regular session: 1 pre-market, 3 after-market, 5 closed."""

_SECOND: Final = 1_000_000_000
_NO_BOOK: Final[tuple[tuple[int, int], ...]] = ()
_KEPT_PRICES: Final = 4_096
SINGLE_PRICE_OPERATION: Final = "40"
"""NEW_MKOP_CLS_CODE of the after-hours single-price market."""

# What a session other than the regular one writes: NEW_MKOP_CLS_CODE and MARKET_CLS_CODE.
_OTHER_SESSIONS: Final = {
    Session.PRE_HOURS_CLOSE: ("10", "1"),
    Session.POST_HOURS_CLOSE: ("30", "5"),
    Session.AFTER_HOURS_SINGLE_PRICE: (SINGLE_PRICE_OPERATION, "3"),
    Session.KRX_AFTER_MARKET: ("30", "3"),
    Session.NXT_PRE_MARKET: ("10", "1"),
    Session.NXT_AFTER_MARKET: ("30", "3"),
}
_LATE_SESSIONS: Final = frozenset({Session.POST_HOURS_CLOSE, Session.AFTER_HOURS_SINGLE_PRICE})
_AFTER_HOURS: Final = "D"
_SIDES: Final = {Aggressor.BUY: "1", Aggressor.SELL: "5", Aggressor.NONE: "3"}


class IssueRecords:
    """One symbol's prints of the day so far at one venue, and their records."""

    __slots__ = (
        "_asks",
        "_average",
        "_bids",
        "_book_columns",
        "_by_extremes",
        "_by_price",
        "_day",
        "_era",
        "_high",
        "_high_at",
        "_low",
        "_low_at",
        "_open",
        "_open_at",
        "_per_listed",
        "_per_previous",
        "_second",
        "_second_text",
        "buys",
        "expected",
        "halted",
        "interrupted",
        "last",
        "listing",
        "previous_volume",
        "reference",
        "sells",
        "shift",
        "venue",
        "volume_bought",
        "volume_sold",
    )

    def __init__(
        self,
        listing: Listing,
        previous_volume: int,
        day: str,
        era: Era,
        venue: Venue = Venue.KRX,
    ) -> None:
        self.listing = listing
        self.venue = venue
        self.previous_volume = previous_volume
        self._day = day
        self._era = era
        # The documentation gives the average two decimals at KRX and none elsewhere.
        self._average = ".2f" if venue is Venue.KRX else ".0f"
        self._per_previous = percent(1, previous_volume)
        self._per_listed = percent(1, listing.listed_shares)
        self._asks = self._bids = _NO_BOOK
        self._book_columns: str | None = None
        self._by_price: dict[int, str] = {}
        self._by_extremes: dict[int, str] = {}
        self._open = self._high = self._low = 0
        self._open_at = self._high_at = self._low_at = "000000"
        self._second = -1
        self._second_text = "000000"
        self.buys = self.sells = self.volume_bought = self.volume_sold = 0
        self.last: Printed | None = None
        self.reference = listing.base_price
        """Static VI reference: the result of the last single-price match."""
        self.expected: tuple[int, int] = (0, 0)
        """Price and quantity of the last indicative match; stale outside auctions."""
        self.halted = self.interrupted = False
        self.shift = 0
        """How far the stamps are off, ns."""

    def twin(self, venue: Venue) -> IssueRecords:
        """Return fresh records of the same issue at another venue or in another market."""
        return IssueRecords(self.listing, self.previous_volume, self._day, self._era, venue)

    @property
    def asks(self) -> tuple[tuple[int, int], ...]:
        """Visible (price, quantity), best first."""
        return self._asks

    @property
    def bids(self) -> tuple[tuple[int, int], ...]:
        """Visible (price, quantity), best first."""
        return self._bids

    @property
    def volume(self) -> int:
        """Shares traded so far."""
        return self.last.cumulative_volume if self.last is not None else 0

    @property
    def value(self) -> int:
        """Won traded so far."""
        return self.last.cumulative_value if self.last is not None else 0

    def show(self, book: BookShown) -> None:
        """Take over the visible book."""
        self._asks, self._bids = book.asks, book.bids
        self._book_columns = None

    def count(self, trade: Printed) -> None:
        """Take a print into the statistics."""
        self.last = trade
        if trade.aggressor is Aggressor.BUY:
            self.buys += 1
            self.volume_bought += trade.quantity
        elif trade.aggressor is Aggressor.SELL:
            self.sells += 1
            self.volume_sold += trade.quantity
        if trade.high != self._high or trade.low != self._low:
            self._extend(trade)
        if trade.auction:
            self.reference = trade.price

    def clock(self, at: int) -> str:
        """Return HHMMSS in KST as the service's clock shows an instant."""
        second = at // _SECOND
        if second != self._second or self.shift:
            self._second, self._second_text = second, clock(at + self.shift)
        return self._second_text

    def trade_record(self, trade: Printed, phase: Phase) -> str:
        """Return the record of a print that has just been counted."""
        operation, market_class, hours = "20", REGULAR_SESSION, "0"
        if trade.session in _OTHER_SESSIONS:
            operation, market_class = _OTHER_SESSIONS[trade.session]
            hours = _AFTER_HOURS if trade.session in _LATE_SESSIONS else "0"
        elif trade.auction and phase is Phase.CLOSING_AUCTION:
            operation = "21"  # the second digit 1 marks the closing price
        record = f"{self.columns(trade, operation)}^{hours}^^{self.reference}"
        return f"{record}^{market_class}" if self._era is Era.C else record

    def columns(self, trade: Printed, operation: str) -> str:
        """Return the 43 columns that every feed of trades begins with."""
        price, volume, value = trade.price, trade.cumulative_volume, trade.cumulative_value
        if self._book_columns is None:
            self._book_columns = _best_and_total(self._asks, self._bids)
        bought, sold, buys, sells = self.volume_bought, self.volume_sold, self.buys, self.sells
        average = value / volume if volume else 0.0
        share = bought * 100 / volume if volume else 0.0
        strength = bought * 100 / sold if sold else 0.0
        return (
            f"{trade.symbol}^{self.clock(trade.at)}^"
            f"{self._by_price.get(price) or self._price_columns(price)}"
            f"^{average:{self._average}}^{trade.open}^{trade.high}^{trade.low}"
            f"^{trade.best_ask}^{trade.best_bid}^{trade.quantity}^{volume}^{value}"
            f"^{sells}^{buys}^{buys - sells}^{strength:.2f}^{sold}^{bought}"
            f"^{_SIDES[trade.aggressor]}^{share:.2f}^{volume * self._per_previous:.2f}"
            f"^{self._by_extremes.get(price) or self._extreme_columns(price)}"
            f"^{self._day}^{operation}^{'Y' if self.halted else 'N'}^{self._book_columns}"
            f"^{volume * self._per_listed:.2f}^0^0.00"
        )

    def _extend(self, trade: Printed) -> None:
        now = self.clock(trade.at)
        if not self._low:
            self._open, self._open_at = trade.open, now
        if trade.high != self._high:
            self._high, self._high_at = trade.high, now
        if trade.low != self._low:
            self._low, self._low_at = trade.low, now
        self._by_extremes.clear()

    def _price_columns(self, price: int) -> str:
        listing = self.listing
        change = price - listing.base_price
        columns = (
            f"{price}^{change_sign(price, listing)}^{change}"
            f"^{percent(change, listing.base_price):.2f}"
        )
        if len(self._by_price) < _KEPT_PRICES:
            self._by_price[price] = columns
        return columns

    def _extreme_columns(self, price: int) -> str:
        from_open = price - self._open if self._open else 0
        from_high = price - self._high if self._high else 0
        from_low = price - self._low if self._low else 0
        columns = (
            f"{self._open_at}^{sign_of(from_open)}^{from_open}"
            f"^{self._high_at}^{sign_of(from_high)}^{from_high}"
            f"^{self._low_at}^{sign_of(from_low)}^{from_low}"
        )
        if len(self._by_extremes) < _KEPT_PRICES:
            self._by_extremes[price] = columns
        return columns


def market_class(session: Session) -> str:
    """Return MARKET_CLS_CODE of a session."""
    return _OTHER_SESSIONS[session][1] if session in _OTHER_SESSIONS else REGULAR_SESSION


def frames_of(tr_id: str, records: list[str]) -> list[bytes]:
    """Return the frames of one symbol's records, up to twenty in each, in order."""
    if len(records) == 1:
        return [f"0|{tr_id}|001|{records[0]}".encode()]
    frames = []
    for start in range(0, len(records), TRADES_PER_FRAME):
        packed = records[start : start + TRADES_PER_FRAME]
        frames.append(f"0|{tr_id}|{len(packed):03d}|{'^'.join(packed)}".encode())
    return frames


def _best_and_total(asks: tuple[tuple[int, int], ...], bids: tuple[tuple[int, int], ...]) -> str:
    """Return the quantities at the best prices and of all visible levels, asks before bids."""
    return (
        f"{asks[0][1] if asks else 0}^{bids[0][1] if bids else 0}"
        f"^{sum([level[1] for level in asks])}^{sum([level[1] for level in bids])}"
    )
