"""The exchange of a backtest: driven by a tape, but only where one of our orders works.

An issue without orders of ours needs no exchange: nothing of its tape can change what happens to
anybody. While one works there, most rows are still out of its reach. Both kinds are handed over
later, by the stretch. What always holds: before an order or a cancel, a command of the tape, an
announced event or a row in reach is carried out, the exchange has every row before it that can make
a difference then; of an issue without orders these are its newest book, what came after it and the
last price before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from events import Symbol
from kis_gateway.simulator.exchange import (
    CancelOrder,
    Command,
    Exchange,
    MarketBar,
    MarketBook,
    MarketTrade,
    MarketTrades,
    Outcome,
    PassTime,
    PlaceOrder,
)
from research.backtest.issue_rows import Issue
from research.backtest.nearest_row import first_in_reach
from research.backtest.tape import AGGRESSORS, Kind, Tape, bar_of

ACCOUNT: Final = "BACKTEST"
_NEVER: Final = 1 << 62
_TRADE, _BAR, _COMMAND = int(Kind.TRADE), int(Kind.BAR), int(Kind.COMMAND)
_LOOK: Final = 512
"""Rows that are looked through at once for one in reach; the last of them is handed over anyway."""

OnOutcomes = Callable[[Sequence[Outcome]], None]


class _Row(NamedTuple):
    row: int
    at: int
    kind: int
    code: int
    price: int
    quantity: int
    aggressor: int
    auction: bool


class Floor:
    """Hands the tape to the exchange, in order of the exchange's time."""

    def __init__(
        self,
        exchange: Exchange,
        tape: Tape,
        issues: dict[Symbol, Issue],
        on_outcomes: OnOutcomes,
        *,
        lazily: bool,
    ) -> None:
        """``on_outcomes`` is told what the exchange says to our orders and to its phases.

        Without ``lazily`` every row is handed over by itself, at its time.
        """
        self._exchange = exchange
        self._tape = tape
        self._issues = issues if lazily else {}
        """Issues whose rows may be handed over later."""
        self._on_outcomes = on_outcomes
        given = tape.kind == _COMMAND if lazily else tape.kind <= _COMMAND
        self._given = (_read(tape, row) for row in np.flatnonzero(given).tolist())
        """What is handed over in any case."""
        self._next = next(self._given, None)
        self._handed: dict[Symbol, int] = {}
        """How many of an issue's rows the exchange has, or needs no more."""
        self._stops: dict[Symbol, int] = {}
        """Issues where orders work, and the row of each at which to look again."""
        self.due = _NEVER
        """When the exchange has something to do next (ns UTC)."""
        self._set_due()

    def advance(self) -> None:
        """Let happen what is due next: a row, or what the exchange announced."""
        exchange, tape = self._exchange, self._tape
        announced = exchange.next_due
        if announced is not None and announced <= self.due:
            # At its instant the exchange would carry out by itself what it announced.
            self._catch_up_all(int(tape.at.searchsorted(announced)), announced - 1)
            self._tell(PassTime(at=announced))
            self._look_everywhere()
            self._set_due()
            return
        symbol = min(self._stops, key=self._stops.__getitem__, default=None)
        given = self._next
        if given is None or (symbol is not None and self._stops[symbol] < given.row):
            assert symbol is not None
            stop = self._stops[symbol]
            self._catch_up(symbol, stop, self.due)
            self._handed[symbol] = self._handed.get(symbol, 0) + 1
            self._tell(self._command(_read(tape, stop)))
            self._look(symbol)
        else:
            self._next = next(self._given, None)
            self._catch_up_all(given.row, given.at)
            self._tell(self._command(given))
            self._look_everywhere()
        self._set_due()

    def place(self, order: PlaceOrder) -> list[Outcome]:
        """Hand an order over and return what follows at once."""
        symbol, followed = order.symbol, order.symbol in self._issues
        if followed:
            self._catch_up(symbol, self._end(order.at), order.at)
        outcomes = self._exchange.handle(order)
        if followed:
            self._look(symbol)
        self._set_due()
        return outcomes

    def cancel(self, order: CancelOrder) -> list[Outcome]:
        """Hand a cancel over and return what follows at once."""
        end = self._end(order.at)
        for symbol in self._stops:
            self._catch_up(symbol, end, order.at)
        outcomes = self._exchange.handle(order)
        self._look_everywhere()
        self._set_due()
        return outcomes

    def leave(self, symbol: Symbol) -> None:
        """Follow an issue no longer: none of our orders works there."""
        if self._stops.pop(symbol, None) is not None:
            self._set_due()

    # -- what was passed over --------------------------------------------------------------------

    def _end(self, at: int) -> int:
        """Return the row before which everything up to an instant lies (ns UTC)."""
        return int(self._tape.at.searchsorted(at, "right"))

    def _catch_up_all(self, row: int, at: int) -> None:
        for symbol in self._issues:
            self._catch_up(symbol, row, at)

    def _catch_up(self, symbol: Symbol, row: int, at: int) -> None:
        """Hand over, at an instant, the rows of an issue that lie before a row of the tape."""
        issue, begin = self._issues[symbol], self._handed.get(symbol, 0)
        end = int(issue.market.searchsorted(row))
        if begin >= end:
            return
        self._handed[symbol] = end
        rows = issue.market[begin:end]
        if symbol not in self._stops:
            rows = _newest(self._tape, issue, rows, row)
        for command in self._commands(rows, symbol, at):
            self._exchange.handle(command)

    def _commands(self, rows: NDArray[np.int64], symbol: Symbol, at: int) -> Iterator[Command]:
        """Yield what tells the exchange of rows of an issue: trades of a kind come together."""
        tape = self._tape
        alone = np.flatnonzero((tape.kind[rows] != _TRADE) | tape.auction[rows])
        begin = 0
        for place in alone.tolist():
            if begin < place:
                yield self._trades(rows[begin:place], symbol, at)
            yield self._command(_read(tape, int(rows[place])), at)
            begin = place + 1
        if begin < len(rows):
            yield self._trades(rows[begin:], symbol, at)

    # -- where to look again ---------------------------------------------------------------------

    def _look_everywhere(self) -> None:
        for symbol in self._stops:
            self._look(symbol)

    def _look(self, symbol: Symbol) -> None:
        """Find the next row of an issue that has to be handed over at its time."""
        rows, begin = self._issues[symbol].market, self._handed.get(symbol, 0)
        near = self._exchange.reach(symbol)
        if near is not None and near.nothing:
            begin = len(rows)
        elif near is not None and begin < len(rows) and self._tape.kind[rows[begin]] != _BAR:
            begin += first_in_reach(self._tape, rows[begin : begin + _LOOK], near)
        self._stops[symbol] = int(rows[begin]) if begin < len(rows) else _NEVER

    def _set_due(self) -> None:
        due = _NEVER if self._next is None else self._next.at
        for row in self._stops.values():
            if row != _NEVER:
                due = min(due, int(self._tape.at[row]))
        announced = self._exchange.next_due
        self.due = due if announced is None else min(due, announced)

    # -- rows as commands ------------------------------------------------------------------------

    def _tell(self, command: Command) -> None:
        outcomes = self._exchange.handle(command)
        if outcomes:
            self._on_outcomes(outcomes)

    def _trades(self, rows: NDArray[np.int64], symbol: Symbol, at: int) -> MarketTrades:
        tape = self._tape
        return MarketTrades(
            at=at,
            symbol=symbol,
            prices=tape.price[rows].tolist(),
            quantities=tape.quantity[rows].tolist(),
            aggressors=[AGGRESSORS[side] for side in tape.aggressor[rows].tolist()],
        )

    def _command(self, row: _Row, at: int | None = None) -> Command:
        """Return what tells the exchange of a row, at its own time or at an instant (ns UTC)."""
        tape, at = self._tape, row.at if at is None else at
        if row.kind == _COMMAND:
            command = tape.notes[tape.note[row.row]]
            assert isinstance(command, Command)
            return command
        symbol = tape.symbols[row.code]
        if row.kind == _TRADE:
            return MarketTrade(
                at=at,
                symbol=symbol,
                price=row.price,
                quantity=row.quantity,
                aggressor=AGGRESSORS[row.aggressor],
                auction=row.auction,
            )
        if row.kind == _BAR:
            return MarketBar(at=at, symbol=symbol, bar=bar_of(tape, row.row))
        book, books = tape.book[row.row], tape.books
        return MarketBook(
            at=at,
            symbol=symbol,
            asks=_levels(books.ask_prices[book].tolist(), books.ask_quantities[book].tolist()),
            bids=_levels(books.bid_prices[book].tolist(), books.bid_quantities[book].tolist()),
        )


def _newest(tape: Tape, issue: Issue, rows: NDArray[np.int64], end: int) -> NDArray[np.int64]:
    """Return those of an issue's rows that still make a difference to whoever comes at row ``end``.

    A book replaces the book before it and what was traded of that; of older rows the newest trade
    counts, for it is the last price. Of bars alone the newest with trading counts.
    """
    first = int(rows[0])
    if len(issue.bars) == len(issue.market):
        place = len(rows) - 1
        while place and not tape.bars.volume[tape.bar[rows[place]]]:
            place -= 1
        return rows[place:]
    book = _before(issue.books, end)
    if book < first:
        return rows
    newest = rows[int(rows.searchsorted(book)) :]
    priced = max(_before(issue.trades, book), _before(issue.bars, book))
    return newest if priced < first else np.concatenate(([priced], newest))


def _before(rows: NDArray[np.int64], end: int) -> int:
    """Return the last of some rows that lies before a row, -1 for none."""
    place = int(rows.searchsorted(end))
    return int(rows[place - 1]) if place else -1


def _read(tape: Tape, row: int) -> _Row:
    """Return a row as plain numbers."""
    return _Row(
        row,
        tape.at.item(row),
        tape.kind.item(row),
        tape.symbol.item(row),
        tape.price.item(row),
        tape.quantity.item(row),
        tape.aggressor.item(row),
        tape.auction.item(row),
    )


def _levels(prices: list[int], quantities: list[int]) -> tuple[tuple[int, int], ...]:
    return tuple(
        (price, quantity) for price, quantity in zip(prices, quantities, strict=True) if quantity
    )
