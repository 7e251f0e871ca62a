"""Hands a log to a decider the way a runner may that spares it what it does not need.

What is spared, and in how many pieces it is taken in later, is drawn by lot. What a runner owes a
decider is kept: everything of a symbol before an entry about it and before the decider becomes
concerned with it; everything of all symbols before the first tick at or after a spared time, and at
a change of phase; before any other entry, how late it is.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

import msgspec
import numpy as np

from events import Delivery, Event, Symbol
from events.market import NEVER, BarClosed, ClockTick, PhaseChanged, QuoteFrame, TradeFrame
from kis_gateway.orders.turnover import Turnover
from research.backtest.skipping import Trades, Watching
from risk.liquidity import Tape
from strategies import KmpProcessor
from tests.made_up_day import SYMBOLS, deciders, lived

Row = TradeFrame | QuoteFrame | BarClosed


def columns(frames: Sequence[TradeFrame]) -> Trades:
    """Return trades of one symbol, one in each frame, by column."""
    trades = [frame.trades[0] for frame in frames]

    def column(values: Iterable[int], kind: Any = np.int64) -> Any:
        return np.array(list(values), kind)

    return Trades(
        frames[0].symbol,
        column(frame.at for frame in frames),
        column(trade.time for trade in trades),
        column(trade.price for trade in trades),
        column(trade.quantity for trade in trades),
        column((trade.aggressor for trade in trades), np.int8),
        column((trade.auction for trade in trades), np.bool_),
        column(trade.cumulative_volume for trade in trades),
        column(trade.cumulative_value for trade in trades),
        column(trade.best_ask for trade in trades),
        column(trade.best_bid for trade in trades),
        frames[-1],
    )


class Sparing:
    """One decider and what it was spared so far."""

    def __init__(self, decider: Any, symbols: Sequence[Symbol], chance: random.Random) -> None:
        self.decider = decider
        self.outputs: dict[int, tuple[Any, ...]] = {}
        self.rows_spared = self.rows_watched = self.ticks_spared = 0
        self._symbols = symbols
        self._chance = chance
        self._waiting: dict[Symbol, list[Row]] = {symbol: [] for symbol in symbols}
        self._live = set(symbols)
        self._watched: dict[Symbol, int] = {}
        self._until = 0
        self._owes_all = False
        """Whether everything is owed before the next tick that is not spared."""
        self._tick: ClockTick | None = None
        self._newest: Row | None = None

    def run(self, log: Iterable[Delivery]) -> None:
        """Hand over a whole log."""
        for delivery in log:
            event = delivery.event
            if isinstance(event, Row):
                self._row(delivery, event)
            elif isinstance(event, ClockTick) and self._may_spare(event):
                self._tick = event
                self.ticks_spared += 1
            else:
                self._entry(delivery)
        self.level()

    def level(self) -> None:
        """Hand over everything that was spared."""
        for symbol in self._symbols:
            self._level(symbol)
        self._level_clock()

    def _may_spare(self, tick: ClockTick) -> bool:
        if self._owes_all and tick.at >= self._until and self._chance.random() < 0.5:
            # With the market before the tick it may turn out that it is not wanted either.
            for each in self._symbols:
                self._level(each)
            self._until = self.decider.spared_until()
        return tick.at < self._until and self._chance.random() < 0.97

    def _row(self, delivery: Delivery, row: Row) -> None:
        self._newest = row
        watched = self._watched.get(row.symbol)
        spared = row.symbol not in self._live
        if watched is not None and _lowest(row) <= watched:
            spared = False
        if spared and self._chance.random() < 0.97:
            self._waiting[row.symbol].append(row)
            self.rows_spared += 1
            self.rows_watched += watched is not None
            return
        self._level_watched()
        self._level(row.symbol)
        if self._handle(delivery):
            self._ask()

    def _entry(self, delivery: Delivery) -> None:
        event = delivery.event
        symbol = getattr(event, "symbol", None)
        if isinstance(event, ClockTick | PhaseChanged):
            if self._owes_all or not isinstance(event, ClockTick):
                for each in self._symbols:
                    self._level(each)
            self._tick, self._owes_all = None, False
        else:
            if symbol in self._waiting:
                self._level(symbol)
            self._level_clock()
        self._level_watched()
        self._handle(delivery)
        self._ask()
        self._owes_all |= self._until > event.at

    def _handle(self, delivery: Delivery) -> bool:
        outputs = tuple(self.decider.handle(delivery))
        if outputs:
            self.outputs[delivery.sequence] = outputs
        return bool(outputs)

    def _ask(self) -> None:
        decider = self.decider
        self._until = decider.spared_until()
        self._watched = {}
        live = set()
        for symbol in self._symbols:
            if not decider.concerned(symbol):
                continue
            price = decider.matters_at_or_below(symbol) if isinstance(decider, Watching) else None
            if price is None:
                live.add(symbol)
            else:
                self._watched[symbol] = price
        for symbol in sorted(live - self._live):
            self._level(symbol)
        self._live = live

    def _level_watched(self) -> None:
        for symbol in self._watched:
            self._level(symbol)

    def _level(self, symbol: Symbol) -> None:
        rows, self._waiting[symbol] = self._waiting[symbol], []
        while rows:
            cut = self._chance.choice((len(rows), len(rows), self._chance.randint(1, len(rows))))
            self._absorb(rows[:cut])
            rows = rows[cut:]

    def _absorb(self, rows: Sequence[Row]) -> None:
        decider = self.decider
        bars = [row for row in rows if isinstance(row, BarClosed)]
        trades = [row for row in rows if isinstance(row, TradeFrame)]
        books = [row for row in rows if isinstance(row, QuoteFrame)]
        if bars:
            decider.absorb_bars(bars)
        if books and books[-1] is not rows[-1]:
            decider.absorb_quote(books[-1])
        if trades:
            decider.absorb_trades(columns(trades))
        if books and books[-1] is rows[-1]:
            decider.absorb_quote(books[-1])

    def _level_clock(self) -> None:
        """Tell a decider how late it is: KMP by the clock alone, the others by the tape as well."""
        if self._tick is not None:
            self.decider.absorb_tick(self._tick)
            self._tick = None
        if self._newest is not None and not isinstance(self.decider, KmpProcessor):
            self.decider.absorb_tick(self._newest)


def require_same_day(name: str, seed: int, lot: int, *, bars: bool) -> None:
    """Require that a decider that is spared what it does not need says and knows the same."""
    day = lived(seed, bars=bars)
    whole, spared = deciders(day.opened)[name], deciders(day.opened)[name]
    for delivery in day.log:
        whole.handle(delivery)
    sparing = Sparing(spared, SYMBOLS, random.Random(lot))
    sparing.run(day.log)
    assert sparing.outputs == day.derived[name]
    assert state_of(spared) == state_of(whole)
    assert sparing.rows_spared > 20
    assert sparing.ticks_spared > 100


def _lowest(row: Row) -> int:
    """Return the price that decides whether a row of a watched symbol is wanted."""
    if isinstance(row, TradeFrame):
        return row.trades[0].price
    return row.bar.low if isinstance(row, BarClosed) else NEVER


_OF_THE_ENTRY = frozenset({"cause", "at", "_outputs", "outputs"})
"""What a desk keeps only while its decider handles an entry."""


def state_of(subject: object) -> object:
    """Return everything a decider has kept, as plain values that can be compared."""
    return _plain(subject, {})


def _plain(value: Any, seen: dict[int, int]) -> object:
    if value is None or isinstance(value, int | float | str | bytes):
        return value
    if isinstance(value, dict):
        # By key: which symbol was heard of first is nowhere asked.
        by_key = sorted(value.items(), key=lambda item: repr(item[0]))
        return [(repr(key), _plain(each, seen)) for key, each in by_key]
    if isinstance(value, set | frozenset):
        return sorted(map(repr, value))
    if isinstance(value, list | tuple | deque):
        return [_plain(each, seen) for each in value]
    if isinstance(value, Event | date):
        return repr(value)
    if callable(value) or isinstance(value, type):
        return None
    if id(value) in seen:
        return ("seen", seen[id(value)])
    seen[id(value)] = len(seen)
    if isinstance(value, Tape | Turnover):
        value.settle()
    kind = type(value).__name__
    fields = [(name, each) for name, each in _fields(value) if not _passing(kind, name)]
    return kind, [(name, _plain(each, seen)) for name, each in fields]


def _passing(kind: str, name: str) -> bool:
    return kind == "Desk" and name in _OF_THE_ENTRY


def _fields(value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, msgspec.Struct):
        return [(name, getattr(value, name)) for name in value.__struct_fields__]
    slots = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
    return [
        *((name, getattr(value, name)) for name in slots if hasattr(value, name)),
        *getattr(value, "__dict__", {}).items(),
    ]
