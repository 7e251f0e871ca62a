"""Levels of the indices through a recorded day, from nothing but what had been traded by then.

Recorded bars tell an index's open and close, not its path. The path is the equal-weighted mean of
the issues' returns since their base prices, from the index's own open (or its previous close where
its open is not recorded). What always holds: the level at an instant follows from minutes that were
over by then. The simulated market (``kis_gateway.simulator.market.index_path``) also bends the path
to the day's high, low and close; a backtest must not know them.

Levels are hundredths of a point; means are integers of parts per billion, so that every machine
gets the same levels.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from events.calendar import TradingSession
from events.prices import Board
from kis_gateway.simulator.exchange import Listing
from research.datasets.bar_folder import content_digest
from research.datasets.errors import UnusableData
from research.datasets.session_bars import SessionBars

INDICES: Final = (Board.KOSPI.value, Board.KOSDAQ.value)

_MINUTE: Final = 60_000_000_000
_BILLION: Final = 1_000_000_000
_CENTIPOINTS: Final = 100
_UNKNOWN_CLOSE: Final = 1_000 * _CENTIPOINTS


class IndexPath(NamedTuple):
    """An index on one day: ``levels[m]`` stands once ``m`` minutes are over; ``previous_close``."""

    previous_close: int
    levels: NDArray[np.int64]


class IndexTable:
    """Opens and closes of the indices by date, hundredths of a point."""

    def __init__(self, days: Mapping[str, Sequence[tuple[date, int, int]]]) -> None:
        self._days = days

    def around(self, index: str, on: date) -> tuple[int | None, int | None]:
        """Return (close of the session before, open of the day); ``None`` where not recorded."""
        days = self._days.get(index, ())
        place = bisect_left(days, (on, 0, 0))
        before = days[place - 1][2] if place else None
        today = days[place][1] if place < len(days) and days[place][0] == on else None
        return before, today


def index_table(table: Path | None) -> IndexTable:
    """Return the recorded indices; an empty table where there is none.

    Raises:
        UnusableData: the table cannot be read.
    """
    return IndexTable({}) if table is None else _read(table, content_digest(table))


def index_paths(
    listings: Sequence[Listing], bars: SessionBars, session: TradingSession, table: IndexTable
) -> dict[str, IndexPath]:
    """Return the path of each index; issues of its board make it, or all where there are none."""
    minutes = (session.close_at - session.open_at) // _MINUTE
    returns, opens = _returns(listings, bars, session.open_at, minutes)
    paths = {}
    for index in INDICES:
        members = [place for place, each in enumerate(listings) if each.board.value == index]
        chosen = members or list(range(len(listings)))
        mean = _means(np.vstack([opens[None, chosen], returns[:, chosen]]))
        before, today = table.around(index, session.day)
        close = before if before is not None else _UNKNOWN_CLOSE
        anchor = today if today is not None else close * int(mean[0]) // _BILLION
        paths[index] = IndexPath(close, anchor * mean // int(mean[0]))
    return paths


def _returns(
    listings: Sequence[Listing], bars: SessionBars, open_at: int, minutes: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return closes by (minute, issue) and opens by issue over base prices, in billionths; 0 before
    an issue's first trade of the day."""
    base = np.array([max(1, each.base_price) for each in listings], np.int64)
    issue = bars.issue.astype(np.int64)
    minute = (bars.start - open_at) // _MINUTE
    inside = (minute >= 0) & (minute < minutes)
    found = np.zeros((minutes, len(listings)), np.int64)
    found[minute[inside], issue[inside]] = bars.close[inside] * _BILLION // base[issue[inside]]
    newest = np.where(found > 0, np.arange(minutes)[:, None], 0)
    np.maximum.accumulate(newest, axis=0, out=newest)
    at_open = minute == 0
    opens = np.zeros(len(listings), np.int64)
    opens[issue[at_open]] = bars.open[at_open] * _BILLION // base[issue[at_open]]
    return np.take_along_axis(found, newest, axis=0), opens


def _means(returns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the mean of the issues that have traded by each row; a billion before anybody has."""
    counts = (returns > 0).sum(axis=1)
    sums = returns.sum(axis=1)
    return np.where(counts > 0, sums // np.maximum(counts, 1), _BILLION)


@lru_cache(maxsize=2)
def _read(table: Path, digest: str) -> IndexTable:
    del digest  # part of the key: another content is another table
    try:
        frame = (
            pl.read_parquet(table, columns=["index", "date", "open", "close"])
            .filter(pl.col("index").is_in(INDICES))
            .sort("index", "date")
        )
    except (OSError, pl.exceptions.PolarsError) as error:
        raise UnusableData(table, f"it cannot be read as a table of indices: {error}") from error
    days: dict[str, list[tuple[date, int, int]]] = {}
    for index, on, *points in frame.iter_rows():
        first, last = (round(each * _CENTIPOINTS) for each in points)
        days.setdefault(index, []).append((on, first, last))
    return IndexTable(days)
