"""An issue's day at both exchanges in one stream, as the unified feeds (H0UN...) tell it.

Only issues that Nextrade lists have one. Volumes and values add up; the opening price is that of
whichever exchange traded first, in practice the NXT pre-market, so it is not the KRX open.
"""

from __future__ import annotations

from typing import Final

import msgspec

from events.market import Venue
from kis_gateway.simulator.exchange.messages import BookShown, Printed
from kis_gateway.simulator.feeds.trade_records import IssueRecords

_LEVELS: Final = 10


class UnifiedDay:
    """Both exchanges' prints and books of one issue."""

    def __init__(self, records: IssueRecords) -> None:
        self.records = records
        self._books: dict[Venue, BookShown] = {}
        self._open = self._high = self._low = self._volume = self._value = 0

    def trade(self, printed: Printed) -> Printed:
        """Count a print of either exchange and return it with the totals of both."""
        price = printed.price
        self._open = self._open or price
        self._high = max(self._high, price)
        self._low = min(self._low or price, price)
        self._volume += printed.quantity
        self._value += price * printed.quantity
        asks, bids = self.records.asks, self.records.bids
        both = msgspec.structs.replace(
            printed,
            cumulative_volume=self._volume,
            cumulative_value=self._value,
            open=self._open,
            high=self._high,
            low=self._low,
            best_ask=asks[0][0] if asks else printed.best_ask,
            best_bid=bids[0][0] if bids else printed.best_bid,
        )
        self.records.count(both)
        return both

    def book(self, shown: BookShown) -> BookShown:
        """Take either exchange's book and return both in one."""
        self._books[shown.venue] = shown
        asks: dict[int, int] = {}
        bids: dict[int, int] = {}
        for book in self._books.values():
            for side, levels in ((asks, book.asks), (bids, book.bids)):
                for price, quantity in levels:
                    side[price] = side.get(price, 0) + quantity
        both = msgspec.structs.replace(
            shown,
            asks=tuple(sorted(asks.items())[:_LEVELS]),
            bids=tuple(sorted(bids.items(), reverse=True)[:_LEVELS]),
        )
        self.records.show(both)
        return both
