"""One session of everybody else's trading as columns, in order of time.

A tape is what the exchange of a backtest is driven by and what feeds are made of. It is columnar so
that whole stretches can be looked through by compiled code; ``row`` numbers are its only addresses.
What always holds: ``at`` never falls; every row is of one ``Kind`` and names what that kind needs
and zeros elsewhere; ``book`` points into ``books``, ``note`` into ``notes``, -1 for none.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from events import Symbol
from events.event import Event
from events.market import Aggressor, Bar
from kis_gateway.simulator.exchange import Command

NO_SYMBOL: Final = -1
LEVELS: Final = 10
"""Levels that a book has on each side; those without orders hold price 0 and quantity 0."""

AGGRESSORS: Final = {int(side): side for side in Aggressor}
"""What the numbers of the column ``aggressor`` stand for."""


class Kind(IntEnum):
    """What a row of a tape is."""

    TRADE = 0
    """The others traded: ``price``, ``quantity``, ``aggressor``, ``auction``."""
    BOOK = 1
    """The others' visible book changed: ``book``."""
    BAR = 2
    """A completed bar, at its right edge: ``bar``; its trades are not known one by one."""
    COMMAND = 3
    """The exchange is told something else (a phase, a halt): ``note``, a ``Command``."""
    EVENT = 4
    """The deciders are told something that is no trading (an index, a status): ``note``."""


class Books(NamedTuple):
    """Books of a tape, one a row: prices in won and shares, ``(rows, LEVELS)``, best first."""

    ask_prices: NDArray[np.int64]
    ask_quantities: NDArray[np.int64]
    bid_prices: NDArray[np.int64]
    bid_quantities: NDArray[np.int64]

    @staticmethod
    def none() -> Books:
        """Return no books."""
        return Books(*(np.zeros((0, LEVELS), np.int64) for _ in range(4)))


class Bars(NamedTuple):
    """Bars of a tape, one a row: left edge (ns UTC), prices and value in won, volume in shares."""

    start: NDArray[np.int64]
    open: NDArray[np.int64]
    high: NDArray[np.int64]
    low: NDArray[np.int64]
    close: NDArray[np.int64]
    volume: NDArray[np.int64]
    value: NDArray[np.int64]

    @staticmethod
    def none() -> Bars:
        """Return no bars."""
        return Bars(*(np.zeros(0, np.int64) for _ in range(7)))


class Tape(NamedTuple):
    """One session's rows. Columns of one length; times are ns UTC of the exchange.

    ``symbol`` indexes ``symbols``, ``NO_SYMBOL`` where a row is about no issue. ``book``, ``bar``
    and ``note`` index ``books``, ``bars`` and ``notes``, -1 elsewhere. ``volume`` and ``value`` are
    the session's totals in shares and won, the row's own trade included; 0 but for trades. ``seen``
    is when each row was received where a recording knows it, never falling; otherwise the feed's
    latency says so.
    """

    symbols: tuple[Symbol, ...]
    at: NDArray[np.int64]
    kind: NDArray[np.uint8]
    symbol: NDArray[np.int16]
    price: NDArray[np.int64]
    quantity: NDArray[np.int64]
    aggressor: NDArray[np.int8]
    auction: NDArray[np.bool_]
    volume: NDArray[np.int64]
    value: NDArray[np.int64]
    book: NDArray[np.int32]
    bar: NDArray[np.int32]
    note: NDArray[np.int32]
    books: Books
    bars: Bars
    notes: tuple[Event | Command, ...]
    seen: NDArray[np.int64] | None = None

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.at)


def bar_of(tape: Tape, row: int) -> Bar:
    """Return the bar in a row."""
    bar = tape.bar[row]
    start, first, high, low, last, volume, value = tape.bars
    return Bar(
        start.item(bar), first.item(bar), high.item(bar), low.item(bar), last.item(bar),
        volume.item(bar), value.item(bar),
    )  # fmt: skip
