"""A month of minute bars in memory: read once, then cut into sessions.

What always holds: a month's file is scanned once while it stays in memory; how much stays is
bounded in bytes, so memory does not grow with the span of a backtest. Rows lie session after
session, issue after issue, oldest first. A file that changes on disk is read again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from events import Symbol
from research.datasets.errors import UnusableData
from research.datasets.session_bars import SessionBars, offsets_of

PRICES: Final = ("open", "high", "low", "close")
COLUMNS: Final = ("symbol", "time", *PRICES, "volume")
"""What a file of minute bars must have; ``value`` (won) is optional."""

_EPOCH: Final = date(1970, 1, 1)
_KST_MINUTES: Final = 9 * 60
_DAY_MINUTES: Final = 24 * 60
_MINUTE: Final = 60_000_000_000
_SYMBOLS: Final = 1 << 14
_KEPT_BYTES: Final = 192 * 1024 * 1024


class MonthBars:
    """The bars of one month's files, of all symbols or of some."""

    def __init__(self, files: Sequence[Path], symbols: frozenset[Symbol] | None) -> None:
        """Read the files.

        Raises:
            UnusableData: a file is no Parquet or lacks a column.
        """
        frame = _read(files, symbols)
        names = frame["symbol"].unique().sort()
        self.symbols = tuple(Symbol(each) for each in names.to_list())
        places = {symbol: place for place, symbol in enumerate(self.symbols)}
        issue = frame["symbol"].replace_strict(places, return_dtype=pl.Int64).to_numpy()
        minute = frame["time"].to_numpy()
        day, within = np.divmod(minute + _KST_MINUTES, _DAY_MINUTES)
        order = np.argsort((day * _SYMBOLS + issue) * _DAY_MINUTES + within, kind="stable")
        self._minute = minute[order].astype(np.int32)
        self._prices = tuple(frame[name].to_numpy()[order] for name in PRICES)
        self._volume = frame["volume"].to_numpy()[order]
        self._value = frame["value"].to_numpy()[order] if "value" in frame.columns else None
        key = day[order] * _SYMBOLS + issue[order]
        begins = np.flatnonzero(np.diff(key, prepend=-1))
        ends = np.append(begins[1:], len(key))
        self._spans: dict[date, dict[Symbol, tuple[int, int]]] = {}
        for at, begin, end in zip(
            key[begins].tolist(), begins.tolist(), ends.tolist(), strict=True
        ):
            on = _EPOCH + timedelta(days=at // _SYMBOLS)
            self._spans.setdefault(on, {})[self.symbols[at % _SYMBOLS]] = (begin, end)

    @property
    def dates(self) -> Sequence[date]:
        """The dates that have bars, oldest first."""
        return list(self._spans)

    @property
    def bytes(self) -> int:
        """What the columns take."""
        columns = (self._minute, *self._prices, self._volume, self._value)
        return sum(column.nbytes for column in columns if column is not None)

    def traded(self, on: date) -> Sequence[Symbol]:
        """Return the symbols that have bars on a date, in order of code."""
        return list(self._spans.get(on, ()))

    def session(self, on: date, symbols: Sequence[Symbol]) -> SessionBars:
        """Return the bars of a date, issues as given; those without bars have no rows."""
        spans = self._spans.get(on, {})
        cuts = [slice(*spans.get(symbol, (0, 0))) for symbol in symbols]
        counts = [cut.stop - cut.start for cut in cuts]

        def cut_out(column: NDArray[np.int64] | NDArray[np.int32]) -> NDArray[np.int64]:
            pieces = [column[cut] for cut in cuts] or [column[:0]]
            return np.concatenate(pieces).astype(np.int64)

        start = cut_out(self._minute) * _MINUTE
        first, high, low, last = (cut_out(column) for column in self._prices)
        value = np.zeros(len(start), np.int64) if self._value is None else cut_out(self._value)
        volume = cut_out(self._volume)
        return SessionBars(
            tuple(symbols), offsets_of(counts), start, first, high, low, last, volume, value
        )


class _Kept:
    """The months in memory, least recently used first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._months: OrderedDict[object, MonthBars] = OrderedDict()

    def month(self, files: Sequence[Path], symbols: frozenset[Symbol] | None) -> MonthBars:
        key = (tuple(_version(file) for file in files), symbols)
        found = self._months.pop(key, None) or MonthBars(files, symbols)
        self._months[key] = found
        while len(self._months) > 1 and sum(each.bytes for each in self._months.values()) > (
            self._limit
        ):
            self._months.popitem(last=False)
        return found


_kept: Final = _Kept(_KEPT_BYTES)


def month_bars(files: Sequence[Path], symbols: frozenset[Symbol] | None = None) -> MonthBars:
    """Return a month's bars, from memory when they are there.

    Raises:
        UnusableData: a file is no Parquet or lacks a column.
    """
    return _kept.month(files, symbols)


def contents_of(files: Sequence[Path]) -> tuple[tuple[date, ...], tuple[Symbol, ...]]:
    """Return the dates and the symbols that a month's files hold, in order.

    Raises:
        UnusableData: a file is no Parquet or lacks a column.
    """
    return _contents(tuple(_version(file) for file in files))


@lru_cache(maxsize=4096)
def _contents(
    versions: tuple[tuple[Path, int, int], ...],
) -> tuple[tuple[date, ...], tuple[Symbol, ...]]:
    dates: set[date] = set()
    symbols: set[Symbol] = set()
    for file, _, _ in versions:
        scan = _scan(file, COLUMNS)
        days = scan.select(pl.col("time").dt.convert_time_zone("Asia/Seoul").dt.date().unique())
        dates.update(_collected(days, file)["time"].to_list())
        codes = _collected(scan.select(pl.col("symbol").unique()), file)["symbol"]
        symbols.update(Symbol(each) for each in codes.to_list())
    return tuple(sorted(dates)), tuple(sorted(symbols))


def _version(file: Path) -> tuple[Path, int, int]:
    status = file.stat()
    return file, status.st_size, status.st_mtime_ns


def _read(files: Sequence[Path], symbols: frozenset[Symbol] | None) -> pl.DataFrame:
    frames = []
    for file in files:
        scan = _scan(file, COLUMNS)
        if symbols is not None:
            scan = scan.filter(pl.col("symbol").is_in(sorted(symbols)))
        value = ["value"] if "value" in scan.collect_schema().names() else []
        wanted = scan.select(
            "symbol",
            pl.col("time").dt.epoch("s").floordiv(60),
            *(pl.col(name).cast(pl.Int32) for name in PRICES),
            *(pl.col(name).cast(pl.Int64) for name in ("volume", *value)),
        )
        frames.append(_collected(wanted, file))
    return pl.concat(frames, how="diagonal") if len(frames) > 1 else frames[0]


def _scan(file: Path, columns: Sequence[str]) -> pl.LazyFrame:
    scan = pl.scan_parquet(file, hive_partitioning=False)
    try:
        schema = scan.collect_schema()
    except (OSError, pl.exceptions.PolarsError) as error:
        raise UnusableData(file, f"it cannot be read as Parquet: {error}") from error
    missing = [name for name in columns if name not in schema.names()]
    if missing:
        raise UnusableData(
            file,
            f"it has no column {', '.join(missing)}: minute bars need {', '.join(COLUMNS)}",
        )
    stamps = schema["time"]
    if not isinstance(stamps, pl.Datetime) or stamps.time_zone is None:
        raise UnusableData(
            file, f"its times are {stamps}: they need a time zone; import it to give them one"
        )
    return scan


def _collected(frame: pl.LazyFrame, file: Path) -> pl.DataFrame:
    try:
        return frame.collect()
    except (OSError, pl.exceptions.PolarsError) as error:
        raise UnusableData(file, f"it cannot be read: {error}") from error
