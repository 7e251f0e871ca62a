"""From the exchange's outcomes to frames: who gets what, packed and encoded once.

Between two flushes trades of a symbol collect and leave in frames of up to twenty; of a symbol's
books only the last leaves. Nothing is encoded that nobody subscribed. A flush waits for slow
readers, so memory stays bounded and the simulation slows down visibly instead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from bus import TimeSource
from events import Symbol
from events.market import Phase
from kis_gateway.simulator.connections import Connection, FeedKey
from kis_gateway.simulator.exchange.messages import BookShown, Printed
from kis_gateway.simulator.ledger import OrderRecord
from kis_gateway.simulator.notices import Receipt, notice_record
from kis_gateway.simulator.settings import SimulatorSettings
from kis_gateway.simulator.trade_records import BOOK, TRADES, IssueRecords, book_frame, trade_frames

_SECOND: Final = 1_000_000_000


class Distribution:
    """Listeners per feed and what is waiting for them."""

    def __init__(
        self, settings: SimulatorSettings, tapes: Mapping[Symbol, IssueRecords], time: TimeSource
    ) -> None:
        self._settings = settings
        self._time = time
        self._tapes = tapes
        self._hts_ids = {held.account: held.hts_id for held in settings.credentials}
        self._trade_listeners: dict[str, list[Connection]] = {}
        self._book_listeners: dict[str, list[Connection]] = {}
        self._notice_listeners: dict[str, list[Connection]] = {}
        self._by_feed = {
            TRADES: self._trade_listeners,
            BOOK: self._book_listeners,
            settings.notice_feed: self._notice_listeners,
        }
        self._records: dict[Symbol, list[str]] = {}
        self._books: dict[Symbol, BookShown] = {}
        self._touched: dict[int, Connection] = {}
        self._silent_until = 0
        self._flushing = asyncio.Lock()
        self.waiting = asyncio.Event()
        """Set when something is to be flushed before the market's next step."""
        self.phase = Phase.CLOSED
        self.frames_sent = 0
        self.records_sent = 0
        self.send_wait_seconds = 0.0

    def listen(self, connection: Connection, wanted: FeedKey) -> None:
        """Add a listener; feeds that the simulator does not fill stay silent."""
        listeners = self._by_feed.get(wanted.feed)
        if listeners is not None:
            listeners.setdefault(wanted.key, []).append(connection)

    def forget(self, connection: Connection, wanted: FeedKey) -> None:
        """Remove a listener."""
        listeners = self._by_feed.get(wanted.feed)
        if listeners is not None:
            listeners[wanted.key].remove(connection)
            if not listeners[wanted.key]:
                del listeners[wanted.key]

    def silence(self, seconds: float) -> None:
        """Lose everything the feeds would carry for a while; connections stay open."""
        self._silent_until = self._time.now() + round(seconds * _SECOND)

    def trade(self, printed: Printed) -> None:
        """Take a print; it leaves with the next flush when somebody listens."""
        symbol = printed.symbol
        tape = self._tapes[symbol]
        tape.count(printed)
        if symbol in self._trade_listeners:
            record = tape.trade_record(printed, self.phase)
            waiting = self._records.get(symbol)
            if waiting is None:
                self._records[symbol] = [record]
            else:
                waiting.append(record)

    def book(self, shown: BookShown) -> None:
        """Take a visible book; the last one before a flush leaves."""
        symbol = shown.symbol
        self._tapes[symbol].show(shown)
        if symbol in self._book_listeners:
            self._books[symbol] = shown

    def notice(self, order: OrderRecord, receipt: Receipt, name: str) -> None:
        """Take a notice for the order's account, encrypted for each of its listeners."""
        hts_id = self._hts_ids.get(order.account, "")
        feed = self._settings.notice_feed
        for connection in self._notice_listeners.get(hts_id, ()):
            record = notice_record(order, receipt, hts_id=hts_id, name=name, era=self._settings.era)
            payload = connection.registrations[FeedKey(feed, hts_id)].encrypt(record)
            self._put(connection, f"1|{feed}|001|{payload}".encode())

    async def flush(self) -> None:
        """Send everything taken so far; returns when every reader has room again."""
        async with self._flushing:
            self.waiting.clear()
            self._pack()
            touched, self._touched = self._touched, {}
            now = self._time.now()
            silent = now < self._silent_until
            patience = self._time.timeout(self._settings.slow_client_seconds)
            started = asyncio.get_running_loop().time()
            for connection in touched.values():
                frames, connection.outbox = connection.outbox, []
                if not silent and await connection.send(frames, patience):
                    connection.sent_at = now
                    self.frames_sent += len(frames)
            self.send_wait_seconds += asyncio.get_running_loop().time() - started

    def _pack(self) -> None:
        for symbol, records in self._records.items():
            listeners = self._trade_listeners.get(symbol)
            if listeners:
                self.records_sent += len(records)
                for frame in trade_frames(records):
                    for connection in listeners:
                        self._put(connection, frame)
        self._records.clear()
        for symbol, shown in self._books.items():
            listeners = self._book_listeners.get(symbol)
            if listeners:
                frame = book_frame(self._tapes[symbol].book_record(shown, self.phase))
                for connection in listeners:
                    self._put(connection, frame)
        self._books.clear()

    def _put(self, connection: Connection, frame: bytes) -> None:
        connection.outbox.append(frame)
        self._touched[connection.number] = connection
