"""The minute bars of one session as columns: what every source of bars is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from events import Symbol
from events.market import Bar

_Whole = NDArray[np.int64]


class BarColumns(NamedTuple):
    """The columns of ``SessionBars`` that compiled code is handed."""

    offsets: _Whole
    start: _Whole
    open: _Whole
    high: _Whole
    low: _Whole
    close: _Whole
    volume: _Whole


class SessionBars(NamedTuple):
    """Bars of one session, issue after issue, oldest first.

    Issue ``i`` of ``symbols`` has the rows from ``offsets[i]`` up to ``offsets[i + 1]``. ``start``
    is the left edge (ns UTC), prices and ``value`` are won, ``volume`` shares; ``value`` is 0 where
    the source has none.
    """

    symbols: tuple[Symbol, ...]
    offsets: _Whole
    start: _Whole
    open: _Whole
    high: _Whole
    low: _Whole
    close: _Whole
    volume: _Whole
    value: _Whole

    @property
    def columns(self) -> BarColumns:
        """The columns that compiled code is handed."""
        return BarColumns(
            self.offsets, self.start, self.open, self.high, self.low, self.close, self.volume
        )

    @property
    def issue(self) -> NDArray[np.int16]:
        """The issue of each row, as an index of ``symbols``."""
        return np.repeat(np.arange(len(self.symbols), dtype=np.int16), np.diff(self.offsets))

    def where(self, kept: NDArray[np.bool_]) -> SessionBars:
        """Return the rows for which ``kept`` is set; every issue stays, if without rows."""
        counts = np.bincount(self.issue[kept], minlength=len(self.symbols))
        return SessionBars(self.symbols, offsets_of(counts), *(column[kept] for column in self[2:]))

    def of(self, symbol: Symbol, newest: int | None = None) -> tuple[Bar, ...]:
        """Return one issue's bars, the ``newest`` so many or all."""
        place = self.symbols.index(symbol)
        begin, end = int(self.offsets[place]), int(self.offsets[place + 1])
        rows = slice(begin if newest is None else max(begin, end - newest), end)
        return tuple(map(Bar, *(column[rows].tolist() for column in self[2:])))


def offsets_of(counts: Sequence[int] | NDArray[np.int64]) -> _Whole:
    """Return where each issue's rows begin, and where the last one's end."""
    offsets = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    return offsets


def session_bars(minutes: Mapping[Symbol, Sequence[Bar]]) -> SessionBars:
    """Return the columns of bars by symbol, in the order of the mapping."""
    rows = [tuple(getattr(bar, name) for name in Bar.__struct_fields__)
            for bars in minutes.values() for bar in bars]  # fmt: skip
    columns = np.array(rows, np.int64).reshape(-1, len(Bar.__struct_fields__)).T
    return SessionBars(
        tuple(minutes),
        offsets_of([len(bars) for bars in minutes.values()]),
        *(np.ascontiguousarray(column) for column in columns),
    )
