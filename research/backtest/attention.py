"""Which rows of a feed are handed to whom, one by one; everything else is taken in by the stretch.

Three ways of handing over (``settings.Delivery``) differ only here. What always holds: before a
decider is handed an entry about a symbol it has been brought level in that symbol and in those that
it watches; before the first tick after a spared time, a change of phase or a change of
subscriptions, in all symbols.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from events import Event, Symbol
from events.market import ClockTick
from research.backtest.clock import Clock
from research.backtest.feed import Feed
from research.backtest.seats import Handle, Seat
from research.backtest.tape import Kind

_NEVER: Final = 1 << 62
_OPS: Final = "ops."
_ROWS: Final = (Kind.TRADE, Kind.BOOK, Kind.BAR)
_BOOK, _EVENT = int(Kind.BOOK), int(Kind.EVENT)


class View(NamedTuple):
    """The rows of the tape that subscribers see from some row on, and when they see them."""

    rows: NDArray[np.int64]
    seen: NDArray[np.int64]


class Attention:
    """All deciders of one session before one feed."""

    def __init__(self, feed: Feed, clock: Clock, seats: Sequence[Seat]) -> None:
        self._feed = feed
        self._clock = clock
        self._seats = tuple(seats)
        self._symbols = feed.tape.symbols
        self._codes = {symbol: code for code, symbol in enumerate(self._symbols)}
        self._trades: Collection[Symbol] | None = None
        self._quotes: Collection[Symbol] | None = None
        self._clocked = tuple(seat for seat in self._seats if seat.clocked)
        self._patient = tuple(seat for seat in self._seats if seat.skippable is not None)
        self._scanning = tuple(seat for seat in self._seats if seat.scanner is not None)
        # By code of the symbol, with one place more for rows without any.
        self._wanted = np.zeros(len(self._symbols) + 1, np.bool_)
        self._watched = np.full(len(self._symbols) + 1, -1, np.int64)
        # Somebody takes every row, so that none is ever left out.
        self.all_rows = any(seat.takes_all for seat in self._seats)
        self.view = View(np.zeros(0, np.int64), np.zeros(0, np.int64))
        self._wanting: dict[type[Event], tuple[Seat, ...]] = {}
        self.trade_takers: dict[Symbol, list[Handle]] = {}
        self._row_takers: dict[tuple[int, Symbol], list[Handle]] = {}
        self.watched: dict[Symbol, int] = {}
        """Price at or below which somebody wants a row of a symbol who else does not."""
        self.changed = False
        """Set when other rows are wanted than before; whoever goes on from there clears it."""
        self.view_changed = False
        self.running = False
        """Set once the feed has begun."""
        self.spared_until = 0
        """The instant before which nobody wants a clock tick (ns UTC)."""
        self._position = 0
        feed.listen(lambda topic: any(seat.wants(topic) for seat in self._seats))
        self._assign(self._symbols)

    # -- subscriptions and the view --------------------------------------------------------------

    def subscribe(
        self, trades: Collection[Symbol] | None, quotes: Collection[Symbol] | None, row: int
    ) -> None:
        """Show these symbols from a tape row on; ``None`` stands for all of them."""
        if (trades, quotes) == (self._trades, self._quotes):
            return
        for seat in self._patient:
            self._level_all(seat, row)
        self._trades, self._quotes = trades, quotes
        self._feed.show(trades, quotes)
        self.changed = self.view_changed = True

    def renew_view(self, position: int) -> None:
        """See the feed from a tape row on as the subscriptions now are."""
        self.view_changed = False
        rows = np.flatnonzero(self._feed.visible(position)) + position
        self.view = View(rows, self._feed.seen[rows])
        self._position = position

    def rows_before(self, at: int) -> int:
        """Return how many rows of the view are received before an instant (ns UTC)."""
        return int(self.view.seen.searchsorted(at))

    def row_at(self, place: int) -> int:
        """Return the tape row before which the first ``place`` rows of the view lie."""
        if place == 0:
            return self._position
        return int(self.view.rows[place - 1]) + 1

    def stops(self, begin: int, end: int, alarm: int) -> tuple[NDArray[np.int64], int]:
        """Return the places from ``begin`` on whose rows somebody wants, and where they end.

        That is at most at ``end``. Whoever scans does so up to the first of them and up to the
        instant ``alarm`` (ns UTC), at which something else happens.
        """
        if self.all_rows:
            return np.arange(begin, end), end
        tape = self._feed.tape
        if self._scanning:
            end = min(end, self.rows_before(alarm))
            if end <= begin:  # time passes before the next row, which then is delivered
                return np.array((begin,)), begin + 1
        rows = self.view.rows[begin:end]
        codes = tape.symbol[rows]
        kinds = tape.kind[rows]
        wanted = self._wanted[codes] | (kinds == _EVENT)
        if self.watched:
            wanted |= (self._feed.lows[rows] <= self._watched[codes]) & (kinds != _BOOK)
        found = np.flatnonzero(wanted) + begin
        if not self._scanning:
            return found, end
        barrier = int(found[0]) if len(found) else end
        woken = self._scan(begin, barrier)
        if woken is None and barrier < end:
            woken = barrier
        return (found[:0], end) if woken is None else (np.array((woken,)), woken + 1)

    def _scan(self, begin: int, end: int) -> int | None:
        """Have whoever scans look through [begin, end); return the place that wakes somebody."""
        woken = end
        for seat in self._scanning:
            for symbol in self._symbols:
                if not seat.scans(symbol):
                    continue
                start = max(seat.mark(symbol), self.row_at(begin))
                trades = self._feed.stretch(symbol, start, self.row_at(woken))
                if trades is None:
                    continue
                assert seat.scanner is not None
                taken = seat.scanner.scan(trades)
                row = self._feed.nth_trade(symbol, start, taken)
                seat.has_to(symbol, self.row_at(woken) if row is None else row)
                if row is not None:
                    woken = min(woken, int(self.view.rows.searchsorted(row)))
        return woken if woken < end else None

    # -- who takes what --------------------------------------------------------------------------

    def row_takers(self, kind: int, symbol: Symbol) -> Sequence[Handle]:
        """Return who takes a symbol's books or bars."""
        return self._row_takers[kind, symbol]

    def fallen(self, kind: int, symbol: Symbol, row: int) -> Iterator[Handle]:
        """Yield who takes a trade or bar that may have fallen to a price somebody watches."""
        price = int(self._feed.lows[row])
        for seat in self._seats:
            if not seat.follows(Kind(kind), symbol):
                continue
            if seat.skippable is None or symbol in seat.live:
                yield seat.handle
            elif price <= seat.watched.get(symbol, -1):
                seat.level_watched(self._feed, row)
                seat.level(symbol, self._feed, row)
                seat.has_to(symbol, row + 1)
                yield seat.handle
                self._reviewed(self._review((seat,), row + 1))

    def takers(self, event: Event, row: int, ticks: int) -> Iterator[Handle]:
        """Yield who takes an entry that is no trade, book or bar, each brought level before.

        ``ticks`` events of the clock have passed: who was spared them is told how late it is.
        """
        symbol: Symbol | None = getattr(event, "symbol", None)
        seats = self._wanting.get(type(event))
        for seat in self._takers_of(event) if seats is None else seats:
            if seat.skippable is not None and self.running:
                if ticks and seat.told != (row, ticks):
                    self._tell_time(seat, row, ticks)
                if symbol is not None and symbol in self._codes:
                    seat.level(symbol, self._feed, row)
                seat.level_watched(self._feed, row)
            yield seat.handle

    def _tell_time(self, seat: Seat, row: int, ticks: int) -> None:
        """Tell a decider how late it is by the newest of the clock and the feed."""
        seat.told = row, ticks
        passed = self.view.rows[: int(self.view.rows.searchsorted(row))]
        seat.level_clock(self._clock[ticks - 1], passed, self._feed)

    def _takers_of(self, event: Event) -> tuple[Seat, ...]:
        """Return whose inputs an entry is among.

        The topics of a type differ in their last token only, which no decider chooses by; those of
        services' reports are one for each service.
        """
        topic = event.topic
        found = tuple(seat for seat in self._seats if seat.wants(topic))
        if not topic.startswith(_OPS):
            self._wanting[type(event)] = found
        return found

    def tick_takers(self, event: Event, row: int) -> Iterator[Handle]:
        """Yield who takes an event of the clock, brought level when it was spared ticks before."""
        is_tick = isinstance(event, ClockTick)
        for seat in self._clocked:
            if seat.skippable is not None:
                if is_tick and event.at < seat.spared:
                    continue
                if seat.spared or not is_tick:
                    self._level_all(seat, row)
                else:
                    seat.level_watched(self._feed, row)
                seat.ticked = event
            yield seat.handle

    def spare_longer(self, at: int, row: int) -> bool:
        """Return whether nobody wants a clock tick, now that they have the market before it.

        Much of what is due after a while is put off by the next trade; whoever was spared it learns
        only now that there was one. ``at`` is the tick's instant (ns UTC), ``row`` the tape row
        before which everything has happened.
        """
        for seat in self._clocked:
            if seat.skippable is None or not seat.spared:
                return False
            if seat.spared <= at:
                self._level_all(seat, row)
                seat.spared = seat.skippable.spared_until()
        self.spared_until = min((seat.spared for seat in self._clocked), default=_NEVER)
        return self.spared_until > at

    # -- concerns --------------------------------------------------------------------------------

    def begin(self) -> None:
        """Let the feed begin: from now on deciders may be spared what they do not need."""
        self.running = True
        self.review_all(0)
        self.changed = False

    def review_all(self, row: int) -> None:
        """Ask every decider again what it is concerned with, as of a tape row."""
        changed = self._review(self._patient, row)
        for seat in self._scanning:
            changed |= seat.review_scans(self._symbols)
        self._reviewed(changed)

    def review_tick(self, tick: Event, row: int) -> None:
        """Ask those who took a tick without an output again."""
        asked = [each for each in self._patient if each.ticked is tick and each.spared_otherwise()]
        if asked:
            self._reviewed(self._review(asked, row))

    def _review(self, seats: Sequence[Seat], row: int) -> set[Symbol]:
        return set().union(*(each.review(self._symbols, self._feed, row) for each in seats))

    def _reviewed(self, changed: Collection[Symbol]) -> None:
        if changed:
            self._assign(changed)
        self.spared_until = min((seat.spared for seat in self._clocked), default=_NEVER)

    def _assign(self, symbols: Collection[Symbol]) -> None:
        """Work out who takes the rows of some symbols."""
        self.changed |= not self.all_rows
        for symbol in symbols:
            code = self._codes[symbol]
            prices = [each.watched[symbol] for each in self._patient if symbol in each.watched]
            self._watched[code] = max(prices, default=-1)
            self.watched.pop(symbol, None)
            if prices:
                self.watched[symbol] = max(prices)
            self._wanted[code] = False
            for kind in _ROWS:
                takers = [seat for seat in self._seats if self._takes(seat, kind, symbol)]
                self._row_takers[kind, symbol] = [seat.handle for seat in takers]
                if any(not seat.scans(symbol) for seat in takers):
                    self._wanted[code] = True
            self.trade_takers[symbol] = self._row_takers[Kind.TRADE, symbol]

    def _takes(self, seat: Seat, kind: Kind, symbol: Symbol) -> bool:
        if not seat.follows(kind, symbol):
            return False
        return seat.skippable is None or symbol in seat.live

    def _level_all(self, seat: Seat, row: int) -> None:
        for symbol in self._symbols:
            seat.level(symbol, self._feed, row)
