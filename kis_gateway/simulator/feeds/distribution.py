"""From the exchange's outcomes to frames: who gets what, packed and encoded once.

Between two flushes trades of a symbol collect and leave in frames of up to twenty; of a symbol's
books only the last leaves. Nothing is encoded that nobody subscribed. A flush waits for slow
readers, so memory stays bounded and the simulation slows down visibly instead. What a fault
swallows is counted, record by record.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from bus import TimeSource
from events import Symbol
from events.market import Phase, Venue
from kis_gateway.simulator.exchange.listing import Session
from kis_gateway.simulator.exchange.messages import (
    BookShown,
    ExpectedShown,
    MarketStatusShown,
    Printed,
    StatusShown,
)
from kis_gateway.simulator.feeds.book_records import after_hours_book_record, book_record
from kis_gateway.simulator.feeds.connections import Absentee, Connection, FeedKey
from kis_gateway.simulator.feeds.feed_table import (
    AFTER_HOURS_BOOK,
    BOOKS,
    TRADES,
    Batch,
    Feed,
    feeds_of,
)
from kis_gateway.simulator.feeds.issue_days import IssueDays
from kis_gateway.simulator.feeds.market_feeds import MarketFeeds
from kis_gateway.simulator.feeds.notice_delivery import NoticeDelivery
from kis_gateway.simulator.feeds.notices import Receipt
from kis_gateway.simulator.feeds.periodic_feeds import PeriodicFeeds
from kis_gateway.simulator.feeds.trade_records import IssueRecords, frames_of
from kis_gateway.simulator.ledger import OrderRecord
from kis_gateway.simulator.market import IndexPrint, ProgramPrint
from kis_gateway.simulator.settings import SimulatorSettings
from kis_gateway.simulator.trouble.fault_board import FaultBoard
from kis_gateway.simulator.trouble.faults import FaultKind
from kis_gateway.simulator.trouble.feed_faults import FeedFaults
from kis_gateway.simulator.trouble.losses import LossBook
from kis_gateway.simulator.trouble.server_clock import ServerClock

_SINGLE_PRICE: Final = Session.AFTER_HOURS_SINGLE_PRICE


class Distribution:
    """Listeners per feed and what is waiting for them.

    ``tapes`` are the records of the KRX day, one for every listing.
    """

    def __init__(
        self, settings: SimulatorSettings, tapes: Mapping[Symbol, IssueRecords], time: TimeSource
    ) -> None:
        self._settings = settings
        self._time = time
        self._days = IssueDays(tapes)
        self._feeds = {tr_id: Feed(tr_id) for tr_id in sorted(feeds_of(settings))}
        self._krx_trades = self._feeds[TRADES[Venue.KRX]]
        self._books: dict[str, dict[Symbol, BookShown]] = {
            tr_id: {} for tr_id in (*BOOKS.values(), AFTER_HOURS_BOOK) if tr_id in self._feeds
        }
        self.clock = ServerClock(time)
        self.faults = FaultBoard()
        self.feed_faults = FeedFaults()
        self.losses = LossBook()
        self.notices = NoticeDelivery(
            settings,
            time,
            clock=self.clock,
            faults=self.faults,
            feed_faults=self.feed_faults,
            losses=self.losses,
            put=self._put,
        )
        self._feeds[settings.notice_feed] = self.notices.feed
        self.market = MarketFeeds(self._feeds, self._days)
        self._periodic = PeriodicFeeds(self._feeds, self._days, self.market.expected_indices)
        self._touched: dict[int, Connection] = {}
        self._flushing = asyncio.Lock()
        self._at = 0
        self.waiting = asyncio.Event()
        """Set when something is to be flushed before the market's next step."""
        self.frames_sent = 0
        self.records_sent = 0
        self.send_wait_seconds = 0.0

    @property
    def days(self) -> IssueDays:
        """Every issue's day at every exchange so far."""
        return self._days

    @property
    def phase(self) -> Phase:
        """Phase of the regular session."""
        return self._days.phase

    @phase.setter
    def phase(self, phase: Phase) -> None:
        self._days.phase = phase

    def serves(self, feed: str) -> bool:
        """Return whether the service knows a feed in its environment and era."""
        return feed in self._feeds

    def listen(self, connection: Connection | Absentee, wanted: FeedKey) -> None:
        """Add a listener."""
        self._feeds[wanted.feed].listen(wanted.key, connection)

    def forget(self, connection: Connection | Absentee, wanted: FeedKey) -> None:
        """Remove a listener."""
        self._feeds[wanted.feed].forget(wanted.key, connection)

    def cut_off(self, connection: Connection, fault: int) -> None:
        """Count what a cut connection misses from now on as lost to a fault."""
        absentee = Absentee(connection.account, fault)
        for wanted in connection.registrations:
            self.forget(connection, wanted)
            self.listen(absentee, wanted)

    def set_skew(self, nanoseconds: int) -> None:
        """Set the service's clock off by so much."""
        self.clock.skew = nanoseconds
        self._days.shift(nanoseconds)
        self.market.shift(nanoseconds)

    def trade(self, printed: Printed) -> None:
        """Take a print; it leaves with the next flush when somebody listens."""
        symbol, at = printed.symbol, printed.at
        self._at = at
        if printed.venue is Venue.KRX:
            if printed.session is _SINGLE_PRICE:
                self.market.single_price_trade(printed)
                return
            tape = self._days.krx[symbol]
            tape.count(printed)
            feed = self._krx_trades
            if symbol in feed.listeners:
                record = tape.trade_record(printed, self._days.phase)
                batch = feed.waiting.get(symbol)
                if batch is None:
                    feed.waiting[symbol] = Batch(record, at)
                else:
                    batch.records.append(record)
                    batch.last_at = at
        else:
            self.market.nxt_trade(printed)
        if symbol in self._days.unified:
            self.market.unified_trade(printed)

    def book(self, shown: BookShown) -> None:
        """Take a visible book; the last one before a flush leaves."""
        symbol = shown.symbol
        self._at = shown.at
        if shown.session is _SINGLE_PRICE:
            self._days.after_hours(symbol).show(shown)
            self._wait(AFTER_HOURS_BOOK, shown)
            return
        self._days.of(shown.venue, symbol).show(shown)
        self._wait(BOOKS[shown.venue], shown)
        if symbol in self._days.unified:
            self._wait(BOOKS[Venue.UNIFIED], self._days.unified[symbol].book(shown))

    def expected(self, shown: ExpectedShown) -> None:
        """Take an indicative match; books carry it too, so the symbol's book is told again."""
        self._at = shown.at
        self.market.expected(shown)
        if shown.session is not _SINGLE_PRICE:
            records = self._days.of(shown.venue, shown.symbol)
            self._wait(
                BOOKS[shown.venue],
                BookShown(
                    at=shown.at,
                    symbol=shown.symbol,
                    asks=records.asks,
                    bids=records.bids,
                    venue=shown.venue,
                    session=shown.session,
                ),
            )

    def status(self, shown: StatusShown) -> None:
        """Take a change of one issue's state."""
        self._at = shown.at
        self.market.status(shown)

    def market_status(self, shown: MarketStatusShown) -> None:
        """Take a change of a whole market's state."""
        self._at = shown.at
        self.market.market_status(shown)

    def market_print(self, item: IndexPrint | ProgramPrint) -> None:
        """Take an index level or a market's program trading, after the index board took it."""
        self._at = item.at
        self.market.market_print(item)

    def notice(self, order: OrderRecord, receipt: Receipt, name: str) -> None:
        """Take a notice for the order's account, encrypted for each of its listeners."""
        self.notices.notify(order, receipt, name)

    async def flush(self) -> None:
        """Send everything taken so far; returns when every reader has room again."""
        async with self._flushing:
            self.waiting.clear()
            now = self._time.now()
            self.feed_faults.pass_time(now)
            self.notices.release(now)
            if self._at:
                self._periodic.tick(self._at)
            self._pack()
            touched, self._touched = self._touched, {}
            patience = self._time.timeout(self._settings.slow_client_seconds)
            started = asyncio.get_running_loop().time()
            for connection in touched.values():
                frames, connection.outbox = connection.outbox, []
                if await connection.send(frames, patience):
                    connection.sent_at = now
                    self.frames_sent += len(frames)
            self.send_wait_seconds += asyncio.get_running_loop().time() - started

    async def keep_delays(self) -> None:
        """Send late notices when their time has come; runs until cancelled."""
        while True:
            await self.notices.delayed.wait()
            self.notices.delayed.clear()
            while (due := self.notices.next_release) is not None:
                await self._time.sleep_until(due)
                await self.flush()

    def _wait(self, tr_id: str, shown: BookShown) -> None:
        feed = self._feeds.get(tr_id)
        if feed is not None and shown.symbol in feed.listeners:
            self._books[tr_id][shown.symbol] = shown

    def _pack(self) -> None:
        for feed in self._feeds.values():
            if feed.waiting:
                waiting, feed.waiting = feed.waiting, {}
                for key, batch in waiting.items():
                    self._deliver(feed, key, batch)
        for tr_id, books in self._books.items():
            if not books:
                continue
            feed = self._feeds[tr_id]
            for symbol, shown in books.items():
                if symbol in feed.listeners:
                    self._deliver(feed, symbol, Batch(self._book_record(tr_id, shown), shown.at))
            books.clear()

    def _book_record(self, tr_id: str, shown: BookShown) -> str:
        if tr_id == AFTER_HOURS_BOOK:
            return after_hours_book_record(self._days.after_hours(shown.symbol), shown)
        venue = Venue.UNIFIED if tr_id == BOOKS[Venue.UNIFIED] else shown.venue
        records = self._days.of(venue, shown.symbol)
        return book_record(records, shown, self._days.phase, self._settings.era)

    def _deliver(self, feed: Feed, key: str, batch: Batch) -> None:
        listeners = feed.listeners.get(key)
        if not listeners:
            return
        records, tr_id = batch.records, feed.tr_id
        spoilt = self.feed_faults.reshape(tr_id, records)
        frames = frames_of(tr_id, records)
        broken = self.faults.strike(FaultKind.MALFORMED_FRAME, symbol=key, feed=tr_id)
        if broken is not None:
            frames = [_cut_short(frame) for frame in frames]
            spoilt = broken.number
        for listener in listeners:
            lost = (
                listener.fault
                if isinstance(listener, Absentee)
                else self.feed_faults.silent(tr_id, key, listener.account)
            )
            if lost or spoilt:
                self._lose(lost or spoilt, listener.account, feed, key, batch)
            if lost or isinstance(listener, Absentee):
                continue
            self.records_sent += len(records)
            for frame in frames:
                self._put(listener, frame)

    def _lose(self, fault: int, account: str, feed: Feed, key: str, batch: Batch) -> None:
        kind = self.faults.caused[fault - 1].fault.kind
        self.losses.lose(fault, kind, account, (feed.tr_id, key), batch)

    def _put(self, connection: Connection, frame: bytes) -> None:
        connection.outbox.append(frame)
        self._touched[connection.number] = connection


def _cut_short(frame: bytes) -> bytes:
    """Return a frame that ends within a field, as when a line breaks off."""
    return frame[: len(frame) * 2 // 3]
