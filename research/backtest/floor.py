"""The exchange of a backtest: driven by a tape, but only where one of our orders works.

An issue without orders of ours needs no exchange: nothing of its tape can change what happens to
anybody. It is caught up with when an order arrives, from its newest book on, which replaces
whatever was there before. What always holds: from then on every row of the issue is handled in
order of time, until its last order has left.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from events import Symbol
from events.market import Aggressor, Bar
from kis_gateway.simulator.exchange import (
    CancelOrder,
    Command,
    Exchange,
    MarketBar,
    MarketBook,
    MarketTrade,
    Outcome,
    PassTime,
    PlaceOrder,
)
from research.backtest.issue_rows import Issue
from research.backtest.tape import Kind, Tape

ACCOUNT: Final = "BACKTEST"
_NEVER: Final = 1 << 62
_TRADE, _BOOK, _COMMAND = int(Kind.TRADE), int(Kind.BOOK), int(Kind.COMMAND)
_AGGRESSORS: Final = {int(side): side for side in Aggressor}

OnOutcomes = Callable[[Sequence[Outcome]], None]


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

        Without ``lazily`` every issue is followed from the first row on.
        """
        self._exchange = exchange
        self._tape = tape
        self._issues = issues
        self._on_outcomes = on_outcomes
        self._lazily = lazily
        self._commands: list[int] = np.flatnonzero(tape.kind == _COMMAND).tolist()
        self._next_command = 0
        self._followed: dict[Symbol, list[int]] = {}
        """Issues that are followed: the rows still to come, the next one last."""
        self._done: dict[Symbol, int] = {}
        """Row up to which an issue has been handed over before it was left."""
        self.due = _NEVER
        """When the exchange has something to do next (ns UTC)."""
        if not lazily:
            for symbol in tape.symbols:
                self._followed[symbol] = issues[symbol].market[::-1].tolist()
        self._set_due()

    def advance(self) -> None:
        """Let happen what is due next: one row, or what the exchange announced."""
        announced = self._exchange.next_due
        if announced is not None and announced <= self.due:
            self._tell(PassTime(at=announced))
            self._set_due()
            return
        row, symbol = self._next_row()
        if symbol is None:
            self._next_command += 1
        else:
            self._followed[symbol].pop()
            self._done[symbol] = row + 1
        self._tell(self._command(row, int(self._tape.at[row])))
        self._set_due()

    def place(self, order: PlaceOrder) -> list[Outcome]:
        """Hand an order over and return what follows at once."""
        symbol = order.symbol
        if symbol in self._issues and symbol not in self._followed:
            self._follow(symbol, order.at)
        outcomes = self._exchange.handle(order)
        self._set_due()
        return outcomes

    def cancel(self, order: CancelOrder) -> list[Outcome]:
        """Hand a cancel over and return what follows at once."""
        outcomes = self._exchange.handle(order)
        self._set_due()
        return outcomes

    def leave(self, symbol: Symbol) -> None:
        """Follow an issue no longer: none of our orders works there."""
        if self._lazily and symbol in self._followed:
            del self._followed[symbol]
            self._set_due()

    def _follow(self, symbol: Symbol, at: int) -> None:
        """Catch up with an issue to the moment before ``at`` and follow it from there."""
        issue, tape = self._issues[symbol], self._tape
        rows = issue.market
        now = int(tape.at.searchsorted(at, "right"))
        end = int(rows.searchsorted(now))
        newest_book = int(issue.books.searchsorted(now)) - 1
        newest_bar = int(issue.bars.searchsorted(now)) - 1
        begin = self._done.get(symbol, 0)
        if newest_book >= 0:
            begin = max(begin, int(issue.books[newest_book]))
        if newest_bar >= 0:
            begin = max(begin, int(issue.bars[newest_bar]))
        start = int(rows.searchsorted(begin))
        for row in rows[start:end].tolist():
            self._exchange.handle(self._command(row, at))
        self._followed[symbol] = rows[end:][::-1].tolist()
        self._done[symbol] = now

    def _tell(self, command: Command) -> None:
        outcomes = self._exchange.handle(command)
        if outcomes:
            self._on_outcomes(outcomes)

    def _next_row(self) -> tuple[int, Symbol | None]:
        best, owner = _NEVER, None
        if self._next_command < len(self._commands):
            best = self._commands[self._next_command]
        for symbol, rows in self._followed.items():
            if rows and rows[-1] < best:
                best, owner = rows[-1], symbol
        return best, owner

    def _set_due(self) -> None:
        row, _ = self._next_row()
        self.due = _NEVER if row == _NEVER else int(self._tape.at[row])
        announced = self._exchange.next_due
        if announced is not None:
            self.due = min(self.due, announced)

    def _command(self, row: int, at: int) -> Command:
        tape = self._tape
        kind = int(tape.kind[row])
        if kind == _COMMAND:
            command = tape.notes[tape.note[row]]
            assert isinstance(command, Command)
            return command
        symbol = tape.symbols[tape.symbol[row]]
        if kind == _TRADE:
            return MarketTrade(
                at=at,
                symbol=symbol,
                price=int(tape.price[row]),
                quantity=int(tape.quantity[row]),
                aggressor=_AGGRESSORS[int(tape.aggressor[row])],
                auction=bool(tape.auction[row]),
            )
        if kind == _BOOK:
            return book_command(tape, row, symbol, at)
        return bar_command(tape, row, symbol, at)


def book_command(tape: Tape, row: int, symbol: Symbol, at: int) -> MarketBook:
    """Return what tells the exchange of the book in a row."""
    book, books = int(tape.book[row]), tape.books
    return MarketBook(
        at=at,
        symbol=symbol,
        asks=_levels(books.ask_prices[book].tolist(), books.ask_quantities[book].tolist()),
        bids=_levels(books.bid_prices[book].tolist(), books.bid_quantities[book].tolist()),
    )


def bar_command(tape: Tape, row: int, symbol: Symbol, at: int) -> MarketBar:
    """Return what tells the exchange of the bar in a row."""
    return MarketBar(at=at, symbol=symbol, bar=bar_of(tape, row))


def bar_of(tape: Tape, row: int) -> Bar:
    """Return the bar in a row."""
    bar = tape.bar[row]
    start, first, high, low, last, volume, value = tape.bars
    return Bar(
        start.item(bar), first.item(bar), high.item(bar), low.item(bar), last.item(bar),
        volume.item(bar), value.item(bar),
    )  # fmt: skip


def _levels(prices: list[int], quantities: list[int]) -> tuple[tuple[int, int], ...]:
    return tuple(
        (price, quantity) for price, quantity in zip(prices, quantities, strict=True) if quantity
    )
