"""One decider of a session and what it still lacks of the market.

A decider that is spared rows has a mark for each symbol: the tape row up to which it has
everything. Three kinds of symbols are told apart. Of ``live`` ones it takes each row as it comes.
Of ``watched`` ones it takes the rows that fall to a price; of all others none. What it was spared
it takes in by the stretch, when it is brought level.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bus.topics import matches
from events import Delivery as Entry
from events import Event, Symbol
from events.market import ClockTick
from research.backtest.feed import Feed
from research.backtest.skipping import Scanning, Skippable, Watching
from research.backtest.tape import Kind

Handle = Callable[[Entry], Sequence[Event]]

_TOPICS: Final = {Kind.TRADE: "market.trade", Kind.BOOK: "market.quote", Kind.BAR: "market.bar"}
_CLOCK: Final = "market.clock"
_NONE: Final[frozenset[Symbol]] = frozenset()


@lru_cache(maxsize=65_536)
def _wants(inputs: tuple[str, ...], topic: str) -> bool:
    return any(matches(each, topic) for each in inputs)


class Seat:
    """A decider, its inputs, and how far it has come in each symbol."""

    def __init__(
        self,
        handle: Handle,
        inputs: Sequence[str],
        symbols: Sequence[Symbol],
        *,
        skippable: Skippable | None = None,
        watcher: Watching | None = None,
        scanner: Scanning | None = None,
        dated: bool = False,
    ) -> None:
        """``skippable`` is the decider if it may be spared rows.

        ``watcher`` is the same decider if it can name prices, ``scanner`` if it can scan. ``dated``
        says that it dates what it derives by the newest row of any symbol: it is told the time.
        """
        self.handle = handle
        self.skippable = skippable
        self.scanner = scanner
        self._dated = dated
        self._watcher = watcher if skippable is not None else None
        self._inputs = tuple(inputs)
        self._follows = {
            kind: frozenset(each for each in symbols if self.wants(f"{topic}.{each}"))
            for kind, topic in _TOPICS.items()
        }
        self._codes = frozenset(int(kind) for kind, found in self._follows.items() if found)
        self.clocked = self.wants(_CLOCK)
        self.live: set[Symbol] = set()
        self.watched: dict[Symbol, int] = {}
        """Symbols of which only trades and bars at or below a price are wanted: that price."""
        self.spared = 0
        self.ticked: Event | None = None
        self.told = (-1, -1)
        """Tape row and events of the clock before which it was last told how late it is."""
        self._marks: dict[Symbol, int] = {}
        self._scanned: set[Symbol] = set()

    def wants(self, topic: str) -> bool:
        """Return whether entries on a topic are among the decider's inputs."""
        return _wants(self._inputs, topic)

    def follows(self, kind: Kind, symbol: Symbol) -> bool:
        """Return whether the decider wants a symbol's rows of a kind at all."""
        return symbol in self._follows[kind]

    @property
    def takes_all(self) -> bool:
        """Whether the decider is handed every row that it follows."""
        if self.skippable is not None:
            return False
        return any(not self.scans(each) for each in self._follows[Kind.TRADE]) or any(
            self._follows[kind] for kind in (Kind.BOOK, Kind.BAR)
        )

    def review_scans(self, symbols: Sequence[Symbol]) -> Set[Symbol]:
        """Ask again what the decider looks through by itself; return where that has changed."""
        scanned = {each for each in symbols if self.scans(each)}
        changed, self._scanned = scanned ^ self._scanned, scanned
        return changed

    def scans(self, symbol: Symbol) -> bool:
        """Return whether the decider looks through a symbol's trades by itself now."""
        return (
            self.scanner is not None
            and symbol in self._follows[Kind.TRADE]
            and self.scanner.may_scan(symbol)
        )

    def review(self, symbols: Sequence[Symbol], feed: Feed, row: int) -> Set[Symbol]:
        """Ask again what matters, as of a tape row; return the symbols for which it has changed."""
        skippable = self.skippable
        assert skippable is not None
        self.spared = skippable.spared_until()
        live: set[Symbol] = set()
        watched: dict[Symbol, int] = {}
        for symbol in symbols:
            if not skippable.concerned(symbol):
                continue
            price = None
            if self._watcher is not None:
                price = self._watcher.matters_at_or_below(symbol)
            if price is None:
                live.add(symbol)
            else:
                watched[symbol] = price
        if live == self.live and watched == self.watched:
            return _NONE
        for symbol in live - self.live:
            self.level(symbol, feed, row)
        for symbol in self.live - live:
            self._marks[symbol] = row
        changed = live ^ self.live | {each for each, _ in watched.items() ^ self.watched.items()}
        self.live, self.watched = live, watched
        return changed

    def spared_otherwise(self) -> bool:
        """Return whether other clock ticks may be left out than when it was asked last."""
        return self.skippable is not None and self.skippable.spared_until() != self.spared

    def has_to(self, symbol: Symbol, row: int) -> None:
        """Note that the decider has everything of a symbol before a tape row."""
        self._marks[symbol] = row

    def mark(self, symbol: Symbol) -> int:
        """Return the tape row before which the decider has everything of a symbol."""
        return self._marks.get(symbol, 0)

    def level(self, symbol: Symbol, feed: Feed, row: int) -> None:
        """Take in what was spared of a symbol before a tape row."""
        begin = self._marks.get(symbol, 0)
        skippable = self.skippable
        if skippable is None or begin >= row or symbol in self.live:
            return
        self._marks[symbol] = row
        if self.follows(Kind.BAR, symbol):
            bars = feed.bars(symbol, begin, row)
            if bars:
                skippable.absorb_bars(bars)
        book = feed.newest_quote(symbol, begin, row) if self.follows(Kind.BOOK, symbol) else None
        trades = feed.stretch(symbol, begin, row) if self.follows(Kind.TRADE, symbol) else None
        # A trade brings best prices along, so only the order of the newest ones matters.
        late = trades is None or book is None or feed.trade_before(symbol, row) < book
        if book is not None and not late:
            skippable.absorb_quote(feed.quote(book, symbol))
        if trades is not None:
            skippable.absorb_trades(trades)
        if book is not None and late:
            skippable.absorb_quote(feed.quote(book, symbol))

    def level_watched(self, feed: Feed, row: int) -> None:
        """Take in what was spared of the symbols that are watched."""
        for symbol in self.watched:
            self.level(symbol, feed, row)

    def level_clock(self, tick: Event, rows: NDArray[np.int64], feed: Feed) -> None:
        """Take in the newest of the clock ticks that were spared, and how late it is.

        ``rows`` are the rows of the feed that have passed, in order.
        """
        if self.skippable is None or type(tick) is not ClockTick:
            return
        if tick is not self.ticked and self.clocked:
            self.ticked = tick
            self.skippable.absorb_tick(tick)
        if self._dated:
            newest = feed.newest_at(rows, self._codes)
            if newest > tick.at:
                self.skippable.absorb_tick(ClockTick(at=newest, phase=tick.phase))
