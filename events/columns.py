"""Stretches of market data by column: what a decider may be handed instead of single frames.

A decider that would act on none of a stretch takes it in as a whole. Whoever hands one over brings
arrays of its own kind; deciders read them through these protocols and import no library of arrays.
"""

from __future__ import annotations

from typing import Any, Protocol

from events.identifiers import Symbol
from events.market import TradeFrame


class Column(Protocol):
    """Numbers, one a row."""

    def __len__(self) -> int:
        """Return how many rows there are."""
        ...

    def __getitem__(self, row: int | slice, /) -> Any:
        """Return the number in a row, or rows as a column."""
        ...

    def searchsorted(self, value: int, /) -> Any:
        """Return the first row that is not below a value, in a column that never falls."""
        ...

    def tolist(self) -> Any:
        """Return plain Python numbers."""
        ...


class TradeColumns(Protocol):
    """Consecutive trades of one symbol as columns of one length, at least one row.

    ``at`` is when each was received, ``time`` the exchange's time (ns UTC); prices in won, 0 for an
    empty side. ``last`` is the frame of the final trade; each came as a frame of its own and named
    the same ``vi_reference``. What always holds: ``at``, ``time`` and the cumulative figures never
    fall.
    """

    @property
    def symbol(self) -> Symbol:
        """Whose trades they are."""
        ...

    @property
    def at(self) -> Column:
        """When each trade was received."""
        ...

    @property
    def time(self) -> Column:
        """The exchange's time of each trade."""
        ...

    @property
    def price(self) -> Column:
        """Price of each trade."""
        ...

    @property
    def quantity(self) -> Column:
        """Shares of each trade."""
        ...

    @property
    def aggressor(self) -> Column:
        """Side that crossed the spread: 1 buy, -1 sell, 0 not known."""
        ...

    @property
    def auction(self) -> Column:
        """Whether each trade was a single-price match."""
        ...

    @property
    def cumulative_volume(self) -> Column:
        """Shares of the session so far, each trade included."""
        ...

    @property
    def cumulative_value(self) -> Column:
        """Won of the session so far, each trade included."""
        ...

    @property
    def best_ask(self) -> Column:
        """Best ask beside each trade."""
        ...

    @property
    def best_bid(self) -> Column:
        """Best bid beside each trade."""
        ...

    @property
    def last(self) -> TradeFrame:
        """Frame of the final trade."""
        ...
