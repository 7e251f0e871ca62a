"""Sessions that are read once and traded often, and parts of a recording.

A sweep trades the same sessions with every configuration. ``RememberedDays`` keeps what was read up
to an amount of memory; ``SelectedDays`` is a recording cut to some of its dates. Neither changes
what a session holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from functools import cached_property
from hashlib import blake2b
from typing import Final

import numpy as np

from events import Symbol
from research.backtest.errors import NoMarketData
from research.backtest.market_day import MarketDay, MarketDays

_EVENT_BYTES: Final = 2_000
"""Memory of an event on the tape or before the open, roughly."""

_LAYOUT_BYTES: Final = 90
"""Memory that laying out a row takes: its places in two lists, the best prices, its columns."""


class Budget:
    """Bytes that may still be used; several recordings may share them."""

    def __init__(self, size: int) -> None:
        self._left = size

    def take(self, size: int) -> bool:
        """Use some bytes, if there are that many left."""
        if size > self._left:
            return False
        self._left -= size
        return True


class RememberedDays:
    """Sessions of a recording, kept from their first reading while the budget lasts.

    What is kept stays: sessions are read in the same order again and again, so dropping the oldest
    for the newest would never find anything.
    """

    def __init__(self, days: MarketDays, budget: Budget) -> None:
        self._days = days
        self._budget = budget
        self._kept: dict[tuple[date, tuple[Symbol, ...]], MarketDay] = {}

    @cached_property
    def dates(self) -> Sequence[date]:
        """The dates of the sessions, oldest first."""
        return self._days.dates

    @cached_property
    def data_hash(self) -> str:
        """The digest of the recording."""
        return self._days.data_hash

    def day(self, on: date, held: Sequence[Symbol] = ()) -> MarketDay:
        """Return one session, with the issues that are ``held``.

        Raises:
            NoMarketData: there is none of that date.
        """
        key = (on, tuple(held))
        found = self._kept.get(key)
        if found is None:
            found = self._days.day(on, held)
            if self._budget.take(day_bytes(found)):
                self._kept[key] = found
        return found

    def days(self) -> Iterator[MarketDay]:
        """Yield all sessions, oldest first."""
        for on in self.dates:
            yield self.day(on)


class SelectedDays:
    """Some sessions of a recording; ``dates`` must be among its own."""

    def __init__(self, days: MarketDays, dates: Sequence[date]) -> None:
        self._days = days
        self._dates = tuple(dates)

    @property
    def dates(self) -> Sequence[date]:
        """The dates of the selected sessions."""
        return self._dates

    @property
    def data_hash(self) -> str:
        """A digest of the whole recording and of what is selected."""
        digest = blake2b(self._days.data_hash.encode(), digest_size=32)
        digest.update(",".join(each.isoformat() for each in self._dates).encode())
        return digest.hexdigest()

    def day(self, on: date, held: Sequence[Symbol] = ()) -> MarketDay:
        """Return one session, with the issues that are ``held``.

        Raises:
            NoMarketData: that date is not selected.
        """
        if on not in self._dates:
            raise NoMarketData(f"session of {on}", "it is not among the selected sessions")
        return self._days.day(on, held)

    def days(self) -> Iterator[MarketDay]:
        """Yield the selected sessions in order."""
        for on in self._dates:
            yield self.day(on)


def day_bytes(day: MarketDay) -> int:
    """Return about how much memory a session takes."""
    tape = day.tape
    arrays = [each for each in (*tape, *tape.books, *tape.bars) if isinstance(each, np.ndarray)]
    events = len(tape.notes) + len(day.opening)
    laid_out = tape.rows * _LAYOUT_BYTES
    return sum(each.nbytes for each in arrays) + laid_out + events * _EVENT_BYTES
