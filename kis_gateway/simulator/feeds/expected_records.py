"""Records of the indicative match in auctions: H0STANC0, its twins, and the after-hours H0STOAC0.

An expected match is written like a trade of the expected price and quantity: it moves none of the
day's totals, and its operation code says which auction it belongs to.
"""

from __future__ import annotations

from typing import Final

import msgspec

from events.market import Aggressor, Phase, Venue
from kis_gateway.simulator.exchange.messages import ExpectedShown, Printed
from kis_gateway.simulator.feeds.book_records import hour_class
from kis_gateway.simulator.feeds.trade_records import IssueRecords

_BEFORE_HOURS: Final = "10"
_REGULAR: Final = "20"
_SINGLE_PRICE: Final = "40"


def expected_record(records: IssueRecords, shown: ExpectedShown, phase: Phase) -> str:
    """Return the record of an indicative match; NXT and unified add the VI reference price."""
    operation = _BEFORE_HOURS if phase is Phase.OPENING_AUCTION else _REGULAR
    record = f"{_columns(records, shown, operation)}^{hour_class(records, phase)}^"
    return record if records.venue is Venue.KRX else f"{record}^{records.reference}"


def after_hours_expected_record(records: IssueRecords, shown: ExpectedShown) -> str:
    """Return H0STOAC0's record: the indicative match of an after-hours single-price auction."""
    return _columns(records, shown, _SINGLE_PRICE)


def _columns(records: IssueRecords, shown: ExpectedShown, operation: str) -> str:
    asks, bids, last = records.asks, records.bids, records.last
    as_trade = Printed(
        at=shown.at,
        symbol=shown.symbol,
        price=shown.price,
        quantity=shown.quantity,
        aggressor=Aggressor.NONE,
        auction=True,
        cumulative_volume=records.volume,
        cumulative_value=records.value,
        open=0,
        high=0,
        low=0,
        best_ask=asks[0][0] if asks else 0,
        best_bid=bids[0][0] if bids else 0,
    )
    if last is not None:
        as_trade = msgspec.structs.replace(as_trade, open=last.open, high=last.high, low=last.low)
    return records.columns(as_trade, operation)
