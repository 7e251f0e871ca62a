"""The rows of a tape issue by issue: what catching up with one issue needs.

What always holds: the rows of an issue are in order of time; columns are gathered by issue once a
session, so a stretch of an issue is a slice.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from events import Symbol
from research.backtest.tape import NO_SYMBOL, Kind, Tape

_SECOND: Final = 1_000_000_000


class Issue(NamedTuple):
    """One issue's trades, books and bars: the rows of the tape they stand in, rising."""

    trades: NDArray[np.int64]
    books: NDArray[np.int64]
    bars: NDArray[np.int64]
    market: NDArray[np.int64]
    """All three together."""


class Prints(NamedTuple):
    """An issue's trades by column, in the order of ``Trades``, one row each.

    ``time`` is in whole seconds, as ns UTC.
    """

    time: NDArray[np.int64]
    price: NDArray[np.int64]
    quantity: NDArray[np.int64]
    aggressor: NDArray[np.int8]
    auction: NDArray[np.bool_]
    volume: NDArray[np.int64]
    value: NDArray[np.int64]
    ask: NDArray[np.int64]
    bid: NDArray[np.int64]


class Layout:
    """A tape laid out issue by issue. ``asks`` and ``bids`` are the best prices beside each row."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self.issues = by_issue(tape)
        self.asks, self.bids = best_prices(tape, self.issues)
        self._prints: dict[Symbol, Prints] = {}

    def prints(self, symbol: Symbol) -> Prints:
        """Return an issue's trades, gathered when they are asked for first."""
        found = self._prints.get(symbol)
        if found is None:
            tape, rows = self._tape, self.issues[symbol].trades
            found = self._prints[symbol] = Prints(
                tape.at[rows] // _SECOND * _SECOND,
                tape.price[rows],
                tape.quantity[rows],
                tape.aggressor[rows],
                tape.auction[rows],
                tape.volume[rows],
                tape.value[rows],
                self.asks[rows],
                self.bids[rows],
            )
        return found


def by_issue(tape: Tape) -> dict[Symbol, Issue]:
    """Return every issue's rows, issues in the order of ``tape.symbols``."""
    order = np.argsort(tape.symbol, kind="stable")
    codes = tape.symbol[order]
    edges = np.searchsorted(codes, np.arange(len(tape.symbols) + 1))
    kinds = tape.kind
    found: dict[Symbol, Issue] = {}
    for code, symbol in enumerate(tape.symbols):
        rows = order[edges[code] : edges[code + 1]]
        kind = kinds[rows]
        found[symbol] = Issue(
            rows[np.flatnonzero(kind == Kind.TRADE)],
            rows[np.flatnonzero(kind == Kind.BOOK)],
            rows[np.flatnonzero(kind == Kind.BAR)],
            rows[np.flatnonzero(kind <= Kind.BAR)],
        )
    return found


def best_prices(
    tape: Tape, issues: dict[Symbol, Issue]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (best ask, best bid) beside each row: those of its issue's newest book, else 0."""
    asks = np.zeros(tape.rows, np.int64)
    bids = np.zeros(tape.rows, np.int64)
    for issue in issues.values():
        if not len(issue.books) or not len(issue.trades):
            continue
        # Trades come in runs behind the same book, and before the first one there is nothing.
        begins = issue.trades.searchsorted(issue.books)
        runs = np.diff(begins, append=len(issue.trades))
        rows, book = issue.trades[begins[0] :], tape.book[issue.books]
        asks[rows] = np.repeat(tape.books.ask_prices[book, 0], runs)
        bids[rows] = np.repeat(tape.books.bid_prices[book, 0], runs)
    return asks, bids


assert NO_SYMBOL < 0  # rows without an issue sort before the first one
