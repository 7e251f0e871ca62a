"""Every issue's day at every venue, as the feeds tell it.

The records of KRX exist for every listing. Those of NXT and of both together exist for issues that
Nextrade lists; those of the after-hours single-price market from its first outcome on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from events import Symbol
from events.market import Phase, Venue
from events.prices import Board
from kis_gateway.simulator.feeds.trade_records import IssueRecords
from kis_gateway.simulator.feeds.unified_day import UnifiedDay


class IssueDays:
    """The records by venue and symbol, and the phase of the regular session."""

    def __init__(self, krx: Mapping[Symbol, IssueRecords]) -> None:
        self.krx: Final = krx
        tradable = [records for records in krx.values() if records.listing.nxt]
        self._nxt = {each.listing.symbol: each.twin(Venue.NXT) for each in tradable}
        self.unified = {
            each.listing.symbol: UnifiedDay(each.twin(Venue.UNIFIED)) for each in tradable
        }
        self._after_hours: dict[Symbol, IssueRecords] = {}
        self.phase = Phase.CLOSED

    def of(self, venue: Venue, symbol: Symbol) -> IssueRecords:
        """Return an issue's records at a venue.

        Raises:
            KeyError: the issue does not trade there.
        """
        if venue is Venue.KRX:
            return self.krx[symbol]
        return self._nxt[symbol] if venue is Venue.NXT else self.unified[symbol].records

    def find(self, venue: Venue, symbol: str) -> IssueRecords | None:
        """Return an issue's records at a venue, ``None`` when it does not trade there."""
        key = Symbol(symbol)
        if key not in self.krx or (venue is not Venue.KRX and key not in self.unified):
            return None
        return self.of(venue, key)

    def after_hours(self, symbol: Symbol) -> IssueRecords:
        """Return an issue's records of the after-hours single-price market."""
        records = self._after_hours.get(symbol)
        if records is None:
            records = self._after_hours[symbol] = self.krx[symbol].twin(Venue.KRX)
        return records

    def on(self, board: str) -> Iterator[IssueRecords]:
        """Yield the KRX records of a market's shares, funds left out."""
        return (each for each in self.krx.values() if each.listing.board is Board(board))

    def shift(self, nanoseconds: int) -> None:
        """Set the stamps of all records off by so much."""
        for each in (
            *self.krx.values(),
            *self._nxt.values(),
            *(day.records for day in self.unified.values()),
            *self._after_hours.values(),
        ):
            each.shift = nanoseconds
