"""What the exchanges say besides KRX trades and books, turned into records that wait.

Prints of NXT and of both exchanges, the after-hours single-price market, indicative matches,
states of issues and markets, indices and program trading. Records exist only where somebody
listens; states and totals are kept all the same.
"""

from __future__ import annotations

from collections.abc import Mapping

from events.market import Phase, Venue
from events.prices import Board
from kis_gateway.simulator.exchange.listing import Session
from kis_gateway.simulator.exchange.messages import (
    ExpectedShown,
    MarketStatusShown,
    Printed,
    StatusShown,
)
from kis_gateway.simulator.feeds.expected_records import (
    after_hours_expected_record,
    expected_record,
)
from kis_gateway.simulator.feeds.feed_table import (
    AFTER_HOURS_EXPECTED,
    AFTER_HOURS_TRADES,
    EXPECTED,
    EXPECTED_INDEX,
    INDEX,
    OPERATION,
    PROGRAM_INDEX,
    TRADES,
    Feed,
)
from kis_gateway.simulator.feeds.index_records import (
    INDEX_CODES,
    LevelRecords,
    program_index_record,
    turnover_of,
)
from kis_gateway.simulator.feeds.issue_days import IssueDays
from kis_gateway.simulator.feeds.operation_records import operation_record
from kis_gateway.simulator.feeds.trade_records import SINGLE_PRICE_OPERATION, IssueRecords
from kis_gateway.simulator.indices import IndexBoard
from kis_gateway.simulator.market import IndexPrint, ProgramPrint
from kis_gateway.simulator.wire_formats import clock

_AUCTIONS = (Phase.OPENING_AUCTION, Phase.CLOSING_AUCTION)


class MarketFeeds:
    """Fills the feeds beside KRX trades and books."""

    def __init__(self, feeds: Mapping[str, Feed], days: IssueDays) -> None:
        self._feeds = feeds
        self._days = days
        self._levels = {name: LevelRecords(name) for name in INDEX_CODES}
        self._expected_levels = {name: LevelRecords(name) for name in INDEX_CODES}
        self._code = ""
        self._shift = 0
        self.indices: IndexBoard | None = None
        """Where index levels are looked up; no index record without it."""

    def nxt_trade(self, printed: Printed) -> None:
        """Take a print of NXT."""
        tape = self._days.of(Venue.NXT, printed.symbol)
        tape.count(printed)
        self._trade(TRADES[Venue.NXT], tape, printed)

    def unified_trade(self, printed: Printed) -> None:
        """Take a print of either exchange of an issue that trades at both."""
        day = self._days.unified[printed.symbol]
        self._trade(TRADES[Venue.UNIFIED], day.records, day.trade(printed))

    def single_price_trade(self, printed: Printed) -> None:
        """Take a match of the after-hours single-price market."""
        tape = self._days.after_hours(printed.symbol)
        tape.count(printed)
        feed = self._feeds.get(AFTER_HOURS_TRADES)
        if feed is not None and printed.symbol in feed.listeners:
            record = tape.columns(printed, SINGLE_PRICE_OPERATION)
            feed.take(printed.symbol, record, printed.at)

    def expected(self, shown: ExpectedShown) -> None:
        """Take an indicative match."""
        if shown.session is Session.AFTER_HOURS_SINGLE_PRICE:
            records = self._days.after_hours(shown.symbol)
            records.expected = (shown.price, shown.quantity)
            feed = self._feeds.get(AFTER_HOURS_EXPECTED)
            if feed is not None and shown.symbol in feed.listeners and shown.price:
                feed.take(shown.symbol, after_hours_expected_record(records, shown), shown.at)
            return
        venues = [shown.venue]
        if shown.symbol in self._days.unified:
            venues.append(Venue.UNIFIED)
        for venue in venues:
            records = self._days.of(venue, shown.symbol)
            if shown.price or records.interrupted or self._days.phase in _AUCTIONS:
                # Outside auctions the last indication stays: stale, as in the live service.
                records.expected = (shown.price, shown.quantity)
            feed = self._feeds.get(EXPECTED[venue])
            if feed is not None and shown.symbol in feed.listeners and shown.price:
                record = expected_record(records, shown, self._days.phase)
                feed.take(shown.symbol, record, shown.at)

    def status(self, shown: StatusShown) -> None:
        """Take a change of one issue's state; the unified feed tells what KRX says."""
        venues = [shown.venue]
        if shown.venue is Venue.KRX and shown.symbol in self._days.unified:
            venues.append(Venue.UNIFIED)
        for venue in venues:
            records = self._days.of(venue, shown.symbol)
            records.halted, records.interrupted = shown.halted, shown.interrupted
            self._operation(venue, records, shown.reason, shown.at)

    def market_status(self, shown: MarketStatusShown) -> None:
        """Take a change of a whole market's state; every registered issue of it is told."""
        self._code = shown.code
        for venue, tr_id in OPERATION.items():
            feed = self._feeds.get(tr_id)
            for key in feed.listeners if feed is not None else ():
                records = self._days.find(venue, key)
                if records is not None and _belongs(records, shown.board):
                    self._operation(venue, records, "", shown.at)

    def market_print(self, item: IndexPrint | ProgramPrint) -> None:
        """Take an index level or a market's program trading."""
        if isinstance(item, ProgramPrint):
            feed, code = self._feeds.get(PROGRAM_INDEX), INDEX_CODES.get(item.market, "")
            if feed is not None and code in feed.listeners:
                turnover = turnover_of(self._days.on(item.market))
                feed.take(code, program_index_record(self._stamp(item.at), item, turnover), item.at)
            return
        feed, code = self._feeds.get(INDEX), INDEX_CODES.get(item.index, "")
        day = self.indices.index(item.index) if self.indices is not None else None
        if feed is not None and day is not None and code in feed.listeners:
            turnover = turnover_of(self._days.on(item.index))
            record = self._levels[item.index].record(
                self._stamp(item.at), day, item.centipoints, turnover
            )
            feed.take(code, record, item.at)

    def expected_indices(self, at: int) -> None:
        """Tell where the indices would open or close, from the issues' indicative matches."""
        feed = self._feeds.get(EXPECTED_INDEX)
        if feed is None or self.indices is None or self._days.phase not in _AUCTIONS:
            return
        for name, code in INDEX_CODES.items():
            day = self.indices.index(name) if code in feed.listeners else None
            issues = [each for each in self._days.on(name) if each.expected[0]]
            if day is None or not issues:
                continue
            moves = [each.expected[0] / each.listing.base_price for each in issues]
            level = round(day.previous_close * sum(moves) / len(moves))
            turnover = turnover_of(self._days.on(name))
            record = self._expected_levels[name].record(self._stamp(at), day, level, turnover)
            feed.replace(code, record, at)

    def shift(self, nanoseconds: int) -> None:
        """Set the stamps of index records off by so much."""
        self._shift = nanoseconds

    def _stamp(self, at: int) -> str:
        return clock(at + self._shift)

    def _trade(self, tr_id: str, tape: IssueRecords, printed: Printed) -> None:
        feed = self._feeds.get(tr_id)
        if feed is not None and printed.symbol in feed.listeners:
            record = tape.trade_record(printed, self._days.phase)
            feed.take(printed.symbol, record, printed.at)

    def _operation(self, venue: Venue, records: IssueRecords, reason: str, at: int) -> None:
        feed, symbol = self._feeds.get(OPERATION[venue]), records.listing.symbol
        if feed is not None and symbol in feed.listeners:
            feed.take(symbol, operation_record(records, code=self._code, reason=reason), at)


def _belongs(records: IssueRecords, board: Board | None) -> bool:
    return board is None or records.listing.board is board
