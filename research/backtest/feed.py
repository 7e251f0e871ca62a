"""What deciders see of a tape: which rows, when, and as which events.

The feed is the others' tape as a subscriber receives it, late by the feed's latency. Our own orders
and fills are not in it: the tape is given, and our orders are taken for small beside it. What
always holds: receipt times never fall; an event made of a row is the same whenever it is made.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from itertools import repeat
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from events import Event, Symbol
from events.market import Bar, BarClosed, QuoteFrame, Trade, TradeFrame
from research.backtest.issue_rows import Layout, Prints
from research.backtest.latency import Way
from research.backtest.skipping import Trades
from research.backtest.tape import AGGRESSORS, Kind, Tape

_SECOND: Final = 1_000_000_000
_TRADE, _BOOK = int(Kind.TRADE), int(Kind.BOOK)
_BAR, _EVENT = int(Kind.BAR), int(Kind.EVENT)


class Feed:
    """One session's tape as events."""

    def __init__(self, tape: Tape, layout: Layout, way: Way) -> None:
        self.tape = tape
        self._layout, self.issues = layout, layout.issues
        self.asks, self.bids = layout.asks, layout.bids
        self.seen = way.arrivals(tape.at) if tape.seen is None else tape.seen
        """When each row is received, ns UTC."""
        self.lows = tape.price
        """Lowest price in won of each trade or bar."""
        if len(tape.bars.low):
            self.lows = np.where(tape.kind == _BAR, tape.bars.low[tape.bar], tape.price)
        self._heard = tape.kind == _EVENT
        self._trades: Collection[Symbol] | None = None
        self._quotes: Collection[Symbol] | None = None
        self._received: dict[Symbol, NDArray[np.int64]] = {}
        """When each trade of an issue is received (ns UTC)."""
        self._asked: tuple[Symbol, int, int] | None = None
        """The stretch that was asked for last, and what it was."""
        self._answer: Trades | None = None
        self._bars: dict[int, BarClosed] = {}
        self._bars_of: dict[Symbol, list[BarClosed]] = {}

    def show(self, trades: Collection[Symbol] | None, quotes: Collection[Symbol] | None) -> None:
        """Show subscribers these symbols' trades and books; ``None`` stands for every symbol.

        Bars and what is no trading are seen by all.
        """
        self._trades, self._quotes = trades, quotes

    def listen(self, wanted: Callable[[str], bool]) -> None:
        """Leave out what is no trading and on a topic that nobody wants: nobody asked for it."""
        tape = self.tape
        # The topics of a type differ in their last token only, which no decider chooses by.
        kinds: dict[type, bool] = {}
        heard = np.zeros(len(tape.notes) + 1, np.bool_)
        for place, note in enumerate(tape.notes):
            kind = type(note)
            if kind not in kinds:
                kinds[kind] = isinstance(note, Event) and wanted(note.topic)
            heard[place] = kinds[kind]
        self._heard = (tape.kind == _EVENT) & heard[tape.note]

    def visible(self, row: int) -> NDArray[np.bool_]:
        """Return which rows from ``row`` on subscribers see as subscriptions now are."""
        tape = self.tape
        kinds, codes = tape.kind[row:], tape.symbol[row:]
        mask: NDArray[np.bool_] = (kinds == _BAR) | self._heard[row:]
        for kind, subscribed in ((_TRADE, self._trades), (_BOOK, self._quotes)):
            of_kind = kinds == kind
            if subscribed is not None:
                wanted = np.zeros(len(tape.symbols) + 1, np.bool_)
                for code, symbol in enumerate(tape.symbols):
                    wanted[code] = symbol in subscribed
                # A row without an issue has the code -1: the extra last place, never wanted.
                of_kind = of_kind & wanted[codes]
            mask |= of_kind
        return mask

    def event(self, row: int) -> Event:
        """Return the event that a row is received as."""
        tape = self.tape
        kind = int(tape.kind[row])
        at = int(self.seen[row])
        if kind == _EVENT:
            note = tape.notes[tape.note[row]]
            assert isinstance(note, Event)
            return note if note.at == at else msgspec.structs.replace(note, at=at)
        symbol = tape.symbols[tape.symbol[row]]
        if kind == _TRADE:
            return self.trade(row, symbol)
        if kind == _BAR:
            return self.bar(row)
        return self.quote(row, symbol)

    def trade(self, row: int, symbol: Symbol) -> TradeFrame:
        """Return the frame of the trade in a row."""
        return TradeFrame(at=int(self.seen[row]), symbol=symbol, trades=(self._print(row),))

    def trades(self, rows: NDArray[np.int64]) -> Iterator[Trade]:
        """Yield the trades in these rows, equal to those in the frames of ``trade``."""
        if len(rows) == 1:
            return iter((self._print(int(rows[0])),))
        tape = self.tape
        at = tape.at[rows]
        return map(
            Trade,
            (at // _SECOND * _SECOND).tolist(),
            tape.price[rows].tolist(),
            tape.quantity[rows].tolist(),
            map(AGGRESSORS.__getitem__, tape.aggressor[rows].tolist()),
            tape.volume[rows].tolist(),
            tape.value[rows].tolist(),
            self.asks[rows].tolist(),
            self.bids[rows].tolist(),
            repeat(0),
            tape.auction[rows].tolist(),
        )

    def _print(self, row: int) -> Trade:
        tape, at = self.tape, int(self.tape.at[row])
        return Trade(
            at - at % _SECOND,
            int(tape.price[row]),
            int(tape.quantity[row]),
            AGGRESSORS[int(tape.aggressor[row])],
            int(tape.volume[row]),
            int(tape.value[row]),
            int(self.asks[row]),
            int(self.bids[row]),
            0,
            bool(tape.auction[row]),
        )

    def quote(self, row: int, symbol: Symbol) -> QuoteFrame:
        """Return the frame of the book in a row."""
        tape, book = self.tape, int(self.tape.book[row])
        at = int(tape.at[row])
        asks, ask_quantities = _side(tape.books.ask_prices[book], tape.books.ask_quantities[book])
        bids, bid_quantities = _side(tape.books.bid_prices[book], tape.books.bid_quantities[book])
        return QuoteFrame(
            at=int(self.seen[row]),
            symbol=symbol,
            time=at - at % _SECOND,
            ask_prices=asks,
            ask_quantities=ask_quantities,
            bid_prices=bids,
            bid_quantities=bid_quantities,
        )

    def stretch(self, symbol: Symbol, begin: int, end: int) -> Trades | None:
        """Return the trades of an issue in rows [begin, end), ``None`` without any to be seen."""
        if self._trades is not None and symbol not in self._trades:
            return None
        # Deciders that take in the same stretch do so one after the other.
        asked = symbol, begin, end
        if asked == self._asked:
            return self._answer
        self._asked, self._answer = asked, None
        first, last = self.issues[symbol].trades.searchsorted((begin, end)).tolist()
        if first == last:
            return None
        part = slice(first, last)
        prints = (each[part] for each in self.prints(symbol))
        self._answer = Trades._make((symbol, self._receipts(symbol)[part], *prints, None))
        return self._answer

    def prints(self, symbol: Symbol) -> Prints:
        """Return all trades of an issue by column, those of the rows ``issues[symbol].trades``."""
        return self._layout.prints(symbol)

    def _receipts(self, symbol: Symbol) -> NDArray[np.int64]:
        found = self._received.get(symbol)
        if found is None:
            found = self._received[symbol] = self.seen[self.issues[symbol].trades]
        return found

    def newest_at(self, rows: NDArray[np.int64], kinds: Collection[int]) -> int:
        """Return when the last of these rows that is of one of ``kinds`` was received, else 0."""
        for place in range(len(rows) - 1, -1, -1):
            row = rows[place]
            if int(self.tape.kind[row]) in kinds:
                return int(self.seen[row])
        return 0

    def nth_trade(self, symbol: Symbol, begin: int, count: int) -> int | None:
        """Return the row of an issue's trade behind ``count`` more from row ``begin`` on."""
        rows = self.issues[symbol].trades
        place = int(rows.searchsorted(begin)) + count
        return int(rows[place]) if place < len(rows) else None

    def trade_before(self, symbol: Symbol, end: int) -> int:
        """Return the row of an issue's newest trade before row ``end``, -1 without one."""
        rows = self.issues[symbol].trades
        place = int(rows.searchsorted(end)) - 1
        return int(rows[place]) if place >= 0 else -1

    def newest_quote(self, symbol: Symbol, begin: int, end: int) -> int | None:
        """Return the row of an issue's newest book in rows [begin, end), ``None`` without one."""
        if self._quotes is not None and symbol not in self._quotes:
            return None
        books = self.issues[symbol].books
        place = int(books.searchsorted(end)) - 1
        return int(books[place]) if place >= 0 and books[place] >= begin else None

    def bars(self, symbol: Symbol, begin: int, end: int) -> list[BarClosed]:
        """Return an issue's bars in rows [begin, end), oldest first."""
        rows = self.issues[symbol].bars
        first, last = rows.searchsorted((begin, end)).tolist()
        whole = self._bars_of.get(symbol)
        if whole is None:
            whole = self._make_bars(symbol)
        return whole[first:last]

    def bar(self, row: int) -> BarClosed:
        """Return the event that the bar in a row is received as, the same each time."""
        found = self._bars.get(row)
        if found is None:
            self._make_bars(self.tape.symbols[self.tape.symbol[row]])
            found = self._bars[row]
        return found

    def _make_bars(self, symbol: Symbol) -> list[BarClosed]:
        """Make the events of all bars of an issue."""
        rows = self.issues[symbol].bars
        bars = map(Bar, *(column[self.tape.bar[rows]].tolist() for column in self.tape.bars))
        made = self._bars_of[symbol] = [
            BarClosed(at=at, symbol=symbol, bar=bar)
            for at, bar in zip(self.seen[rows].tolist(), bars, strict=True)
        ]
        self._bars.update(zip(rows.tolist(), made, strict=True))
        return made

    def last_price(self, symbol: Symbol, at: int) -> int:
        """Return the newest price of an issue at the exchange at an instant, 0 before the first."""
        issue, tape = self.issues.get(symbol), self.tape
        if issue is None:
            return 0
        end = int(tape.at.searchsorted(at, "right"))
        trade = int(issue.trades.searchsorted(end)) - 1
        if trade >= 0:
            return int(tape.price[issue.trades[trade]])
        bar = int(issue.bars.searchsorted(end)) - 1
        return int(tape.bars.close[tape.bar[issue.bars[bar]]]) if bar >= 0 else 0


def _side(
    prices: NDArray[np.int64], quantities: NDArray[np.int64]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    shown = quantities > 0
    return tuple(prices[shown].tolist()), tuple(quantities[shown].tolist())
