"""Feeds that tell totals now and then: program trading of an issue, member firms, fund values.

Program trading and fund values are told once a second while the issue trades, member firms once a
minute, expected indices once a second during auctions. The seconds are those of the exchange.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from events import Symbol
from events.market import Venue
from events.prices import Board
from kis_gateway.simulator.feeds.feed_table import MEMBERS, NAV, PROGRAM, Feed
from kis_gateway.simulator.feeds.flow_records import member_record, program_record
from kis_gateway.simulator.feeds.issue_days import IssueDays
from kis_gateway.simulator.feeds.nav_records import NavRecords
from kis_gateway.simulator.feeds.trade_records import IssueRecords

_SECOND: Final = 1_000_000_000
_MINUTE: Final = 60
_NO_TOTALS: Final[tuple[list[int], list[int]]] = ([], [])


class PeriodicFeeds:
    """Fills the feeds that follow the clock."""

    def __init__(
        self,
        feeds: Mapping[str, Feed],
        days: IssueDays,
        every_second: Callable[[int], None],
    ) -> None:
        """``every_second`` is called with the instant of each new second."""
        self._feeds = feeds
        self._days = days
        self._every_second = every_second
        self._second = -1
        self._told: dict[tuple[str, str], int] = {}
        self._members: dict[tuple[str, str], tuple[list[int], list[int]]] = {}
        self._values: dict[Symbol, NavRecords] = {}

    def tick(self, at: int) -> None:
        """Tell what is due at an instant of the exchange's time."""
        second = at // _SECOND
        if second == self._second:
            return
        minute_passed = second // _MINUTE != self._second // _MINUTE
        self._second = second
        for venue, tr_id in PROGRAM.items():
            for key, records in self._registered(tr_id, venue):
                if self._moved(tr_id, key, records):
                    self._feeds[tr_id].take(key, program_record(records, at), at)
        for key, records in self._registered(NAV, Venue.KRX):
            fund = records.listing.board is Board.FUND and not key.startswith("Q")
            if fund and self._moved(NAV, key, records):
                values = self._values.setdefault(records.listing.symbol, NavRecords())
                record = values.record(records, at)
                if record is not None:
                    self._feeds[NAV].take(key, record, at)
        if minute_passed:
            self._tell_members(at)
        self._every_second(at)

    def _tell_members(self, at: int) -> None:
        for venue, tr_id in MEMBERS.items():
            for key, records in self._registered(tr_id, venue):
                if records.last is None:
                    continue
                before = self._members.get((tr_id, key), _NO_TOTALS)
                record, self._members[(tr_id, key)] = member_record(records, before)
                self._feeds[tr_id].take(key, record, at)

    def _registered(self, tr_id: str, venue: Venue) -> list[tuple[str, IssueRecords]]:
        feed = self._feeds.get(tr_id)
        if feed is None or not feed.listeners:
            return []
        found = ((key, self._days.find(venue, key)) for key in feed.listeners)
        return [(key, records) for key, records in found if records is not None]

    def _moved(self, tr_id: str, key: str, records: IssueRecords) -> bool:
        volume = records.volume
        if not volume or self._told.get((tr_id, key)) == volume:
            return False
        self._told[(tr_id, key)] = volume
        return True
