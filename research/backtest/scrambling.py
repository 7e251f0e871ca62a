"""A data set of bars whose future is another one: same shape, same past, different prices.

After the cut every price is mirrored at the last one before it, inside the day's limits, and
volumes are dealt out anew among the bars of their symbol and day. So the copy is a possible market,
and nothing in it after the cut can be known from the original.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import polars as pl

from events.calendar import KST
from research.datasets.bar_folder import bar_folder

_BOUND: Final = 0.25
"""Mirrored prices stay within this part of the mirror, inside the exchange's 30 %."""

_PRICES: Final = ("open", "high", "low", "close")


def scrambled_copy(folder: Path, target: Path, cut: int, *, seed: int) -> Path:
    """Write a copy of a recording of bars to ``target``, scrambled after ``cut`` (ns UTC).

    Returns the folder that stands for ``folder`` in the copy, which holds its tables as well.

    Daily tables change from the day of the cut on, but for that day's open: the other figures of a
    day are known after its close.
    ``target`` must not exist; unchanged files are linked, not copied.

    Raises:
        NoMarketData: there are no bars in ``folder``.
    """
    found = bar_folder(folder)
    source = found.root
    at = datetime.fromtimestamp(cut / 1e9, UTC).astimezone(KST)
    for file in sorted(source.rglob("*")):
        if not file.is_file():
            continue
        place = target / file.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(file.resolve())
    for file in sorted({each for files in found.months.values() for each in files}):
        place = target / file.relative_to(source)
        frame = pl.read_parquet(file)
        later = pl.col("time") > at
        if frame.select(later.any()).item():
            _write(place, _changed(frame, later, pl.col("time").dt.date(), seed))
    tables = {file for file in (found.daily, found.indices) if file is not None}
    for file in sorted(tables):
        frame = pl.read_parquet(file)
        key = "symbol" if "symbol" in frame.columns else "index"
        changed = _changed(frame, pl.col("date") >= at.date(), pl.lit(0), seed, key=key)
        _write(
            target / file.relative_to(source),
            _with_opens(changed, frame["open"], pl.col("date") == at.date()),
        )
    return target / folder.resolve().relative_to(source.resolve())


def _changed(
    frame: pl.DataFrame, later: pl.Expr, part: pl.Expr, seed: int, *, key: str = "symbol"
) -> pl.DataFrame:
    """Mirror the prices of later rows and deal out their volumes anew."""
    whole = frame.schema["close"].is_integer()
    mirror = pl.col("close").filter(~later).last().over(key)
    anchor = pl.coalesce(mirror, pl.col("open").first().over(key)).cast(pl.Float64)
    low, high = anchor * (1 - _BOUND), anchor * (1 + _BOUND)

    def mirrored(name: str) -> pl.Expr:
        price = (2 * anchor - pl.col(name)).clip(low, high)
        return price.round(0).cast(pl.Int64) if whole else price

    # What was the highest price is the lowest one in the mirror.
    opposite = {"open": "open", "high": "low", "low": "high", "close": "close"}
    changes = [
        pl.when(later)
        .then(mirrored(opposite[name]))
        .otherwise(pl.col(name))
        .cast(frame.schema[name])
        .alias(name)
        for name in _PRICES
    ]
    if "volume" in frame.columns:
        dealt = pl.col("volume").shuffle(seed=seed).over(key, part, later)
        changes.append(pl.when(later).then(dealt).otherwise(pl.col("volume")).alias("volume"))
    return frame.with_columns(changes)


def _with_opens(changed: pl.DataFrame, opens: pl.Series, known: pl.Expr) -> pl.DataFrame:
    """Put the opens back that were known at the cut, inside the range of their row."""
    first = pl.when(known).then(opens).otherwise(pl.col("open"))
    return changed.with_columns(open=first).with_columns(
        high=pl.max_horizontal("open", "high", "close"),
        low=pl.min_horizontal("open", "low", "close"),
    )


def _write(place: Path, frame: pl.DataFrame) -> None:
    place.unlink()
    frame.write_parquet(place)
