"""Order-book records: KRX (H0STASP0), NXT, unified, and the after-hours book of nine levels.

The indicative match of an auction rides along in the ``ANTC_*`` columns and keeps its last value
afterwards: stale outside auctions, as in the live service. ``HOUR_CLS_CODE`` says which it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from events.market import Phase, Venue
from kis_gateway.protocol import Era
from kis_gateway.simulator.exchange.messages import BookShown
from kis_gateway.simulator.feeds.trade_records import IssueRecords, market_class
from kis_gateway.simulator.wire_formats import change_sign, percent

HOUR_CLASS: Final = {
    Phase.OPENING_AUCTION: "B",
    Phase.CONTINUOUS: "0",
    Phase.CLOSING_AUCTION: "A",
    Phase.CLOSED: "A",
}
_INTERRUPTED: Final = "C"
_AFTER_HOURS: Final = "D"
_LEVELS: Final = 10
_AFTER_HOURS_LEVELS: Final = 9
_PAD: Final = tuple("^0" * missing for missing in range(_LEVELS + 1))
_NO_EXPECTED: Final = "0^0^0^0^3^0.00"


def hour_class(records: IssueRecords, phase: Phase) -> str:
    """Return HOUR_CLS_CODE: 0 regular, B and A auctions, C an auction after an interruption."""
    if records.interrupted and phase is Phase.CONTINUOUS:
        return _INTERRUPTED
    return HOUR_CLASS[phase]


def book_record(records: IssueRecords, book: BookShown, phase: Phase, era: Era) -> str:
    """Return the record of a visible book at the venue of ``records``, in the era's width."""
    asks, bids = book.asks[:_LEVELS], book.bids[:_LEVELS]
    head = _head(records, book, hour_class(records, phase), _LEVELS)
    record = f"{head}^{records.volume}^0^0^0^0^"
    if records.venue is not Venue.KRX:
        # The mid-prices of both exchanges; this book's own stands under its venue's name.
        middle, none = f"{_middle(asks, bids)}^0^0", "0.00^0^0"
        mids = f"{none}^{middle}" if records.venue is Venue.NXT else f"{middle}^{none}"
        record = f"{record}^{mids}"
        if records.venue is Venue.UNIFIED and era is Era.C:
            record = f"{record}^1"
        return record
    if era is not Era.A:
        record = f"{record}^{_middle(asks, bids)}^0^0"
    return f"{record}^{market_class(book.session)}" if era is Era.C else record


def after_hours_book_record(records: IssueRecords, book: BookShown) -> str:
    """Return H0STOAA0's record: nine levels, totals under their after-hours names."""
    head = _head(records, book, _AFTER_HOURS, _AFTER_HOURS_LEVELS)
    return f"{head}^{records.volume}^0^0^0^0"


def expected_columns(records: IssueRecords) -> str:
    """Return the six ``ANTC_*`` columns of the last indicative match."""
    price, quantity = records.expected
    if not price:
        return _NO_EXPECTED
    change = price - records.listing.base_price
    return (
        f"{price}^{quantity}^{quantity}^{change}^{change_sign(price, records.listing)}"
        f"^{percent(change, records.listing.base_price):.2f}"
    )


def _head(records: IssueRecords, book: BookShown, hours: str, levels: int) -> str:
    asks, bids = book.asks[:levels], book.bids[:levels]
    ask_pad, bid_pad = _PAD[levels - len(asks)], _PAD[levels - len(bids)]
    ask_prices = "".join([f"^{price}" for price, _ in asks])
    bid_prices = "".join([f"^{price}" for price, _ in bids])
    ask_quantities = "".join([f"^{quantity}" for _, quantity in asks])
    bid_quantities = "".join([f"^{quantity}" for _, quantity in bids])
    asked, bid = sum([level[1] for level in asks]), sum([level[1] for level in bids])
    after = f"{asked}^{bid}" if hours == _AFTER_HOURS else "0^0"
    return (
        f"{book.symbol}^{records.clock(book.at)}^{hours}"
        f"{ask_prices}{ask_pad}{bid_prices}{bid_pad}"
        f"{ask_quantities}{ask_pad}{bid_quantities}{bid_pad}"
        f"^{asked}^{bid}^{after}^{expected_columns(records)}"
    )


def _middle(asks: Sequence[tuple[int, int]], bids: Sequence[tuple[int, int]]) -> str:
    if not asks or not bids:
        return "0.00"
    return f"{(asks[0][0] + bids[0][0]) / 2:.2f}"
