"""The daily bars behind a recording: what was known of each issue before a session.

What always holds: whoever asks about a date sees completed bars before that date only, in the terms
of that date (see ``actions``). Bars come from the table of days, or are put together from the
minutes where there is none; then a day whose minutes are incomplete has an incomplete bar.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection
from datetime import date, time
from functools import lru_cache
from pathlib import Path
from typing import Final

import polars as pl

from events import Symbol
from events.calendar import instant
from events.market import Bar
from research.datasets.actions import Actions, adjusted
from research.datasets.bar_folder import BarFolder, content_digest
from research.datasets.errors import UnusableData
from research.datasets.month_bars import COLUMNS as MINUTE_COLUMNS

VALUE_SESSIONS: Final = 20
"""Sessions over which traded value is averaged to rank issues."""

_COLUMNS: Final = ("symbol", "date", "open", "high", "low", "close", "volume")

Histories = dict[Symbol, tuple[tuple[int, ...], tuple[Bar, ...]]]
"""By symbol: the starts of its bars, and the bars, oldest first."""


class DailyBars:
    """Daily bars of every issue of a recording, as of any date."""

    def __init__(self, histories: Histories, actions: Actions) -> None:
        self._histories = histories
        self._actions = actions
        self._adjusted: dict[tuple[Symbol, int], tuple[Bar, ...]] = {}
        self._traded: dict[Symbol, list[int]] = {}

    def before(self, symbol: Symbol, on: date, count: int | None = None) -> tuple[Bar, ...]:
        """Return an issue's newest ``count`` bars (default: all) before a date, oldest first."""
        starts, bars = self._histories.get(symbol, ((), ()))
        end = bisect_left(starts, _edge(on))
        begin = 0 if count is None else max(0, end - count)
        actions = self._actions.of(symbol, on)
        if actions:
            key = (symbol, len(actions))
            if key not in self._adjusted:
                self._adjusted[key] = adjusted(bars, actions)
            bars = self._adjusted[key]
        return bars[begin:end]

    def on(self, symbol: Symbol, day: date) -> Bar | None:
        """Return an issue's bar of a day as it was traded, ``None`` when there is none."""
        starts, bars = self._histories.get(symbol, ((), ()))
        start = _edge(day)
        place = bisect_left(starts, start)
        return bars[place] if place < len(starts) and starts[place] == start else None

    def count_before(self, symbol: Symbol, on: date) -> int:
        """Return how many bars an issue has before a date."""
        starts, _ = self._histories.get(symbol, ((), ()))
        return bisect_left(starts, _edge(on))

    def traded_value(self, symbol: Symbol, on: date) -> int:
        """Return the mean of close times volume (won) of the 20 bars before a date; 0 for none."""
        starts, bars = self._histories.get(symbol, ((), ()))
        sums = self._traded.get(symbol)
        if sums is None:
            sums = self._traded[symbol] = [0]
            for bar in bars:
                sums.append(sums[-1] + bar.close * bar.volume)
        end = bisect_left(starts, _edge(on))
        begin = max(0, end - VALUE_SESSIONS)
        return (sums[end] - sums[begin]) // (end - begin) if end else 0


def daily_bars(folder: BarFolder, actions: Actions, needed: Collection[Symbol] = ()) -> DailyBars:
    """Return the daily bars of a recording; ``needed`` that the table lacks come from minutes.

    Raises:
        UnusableData: a file cannot be read.
    """
    found: Histories = {}
    if folder.daily is not None:
        found = _of_table(folder.daily, content_digest(folder.daily))
        if all(symbol in found for symbol in needed):
            return DailyBars(found, actions)
    files = tuple(file for files in folder.months.values() for file in files)
    minutes = _of_minutes(files, tuple(map(content_digest, files)))
    if folder.daily is not None:
        minutes = {symbol: minutes[symbol] for symbol in needed if symbol in minutes}
    return DailyBars(minutes | found, actions)


@lru_cache(maxsize=4096)
def _edge(day: date) -> int:
    return instant(day, time())


@lru_cache(maxsize=2)
def _of_table(table: Path, digest: str) -> Histories:
    del digest  # part of the key: another content is another table
    try:
        frame = pl.read_parquet(table)
        missing = [name for name in _COLUMNS if name not in frame.columns]
        if missing:
            raise UnusableData(table, f"it has no column {', '.join(missing)}")
        value = ["value"] if "value" in frame.columns else []
        return _histories(frame.select(*_COLUMNS, *value))
    except (OSError, pl.exceptions.PolarsError) as error:
        raise UnusableData(table, f"it cannot be read: {error}") from error


@lru_cache(maxsize=2)
def _of_minutes(files: tuple[Path, ...], digests: tuple[str, ...]) -> Histories:
    del digests
    days = []
    for file in files:
        scan = pl.scan_parquet(file, hive_partitioning=False).select(MINUTE_COLUMNS)
        seoul = pl.col("time").dt.convert_time_zone("Asia/Seoul").dt.date()
        grouped = (
            scan.sort("symbol", "time")
            .group_by("symbol", seoul.alias("date"), maintain_order=True)
            .agg(
                pl.col("open").first(),
                pl.col("high").max(),
                pl.col("low").min(),
                pl.col("close").last(),
                pl.col("volume").sum(),
            )
        )
        try:
            days.append(grouped.collect())
        except (OSError, pl.exceptions.PolarsError) as error:
            raise UnusableData(file, f"it cannot be read: {error}") from error
    return _histories(pl.concat(days))


def _histories(frame: pl.DataFrame) -> Histories:
    whole = [pl.col(name).cast(pl.Int64) for name in frame.columns[2:]]
    rows = (
        frame.filter(pl.col("volume") > 0).sort("symbol", "date").select("symbol", "date", *whole)
    )
    edges = {day: _edge(day) for day in rows["date"].unique().to_list()}
    found: dict[Symbol, list[Bar]] = {}
    for symbol, day, *figures in rows.iter_rows():
        found.setdefault(Symbol(symbol), []).append(Bar(edges[day], *figures))
    return {
        symbol: (tuple(bar.start for bar in bars), tuple(bars)) for symbol, bars in found.items()
    }
