"""Reads bars and ticks that others wrote: Parquet and CSV with any column names and time zones.

What always holds: nothing is guessed. A column that is not named like ours must be mapped, a time
without a zone is in the zone that was given, a price that is no whole won is refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import polars as pl

from research.datasets.bar_folder import content_digest
from research.datasets.errors import UnusableData
from research.datasets.incoming import SEOUL, Download

BAR_COLUMNS: Final = ("open", "high", "low", "close", "volume")
TICK_COLUMNS: Final = ("price", "quantity")
SIDES: Final = {
    "buy": 1, "b": 1, "1": 1, "+": 1, "+1": 1, "bid": 1, "매수": 1,
    "sell": -1, "s": -1, "-1": -1, "-": -1, "ask": -1, "매도": -1,
    "": 0, "0": 0, "n": 0, "none": 0, "unknown": 0,
}  # fmt: skip
"""What files write for who crossed the spread, in lower case."""

_UNITS: Final = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}


class FileShape(msgspec.Struct, frozen=True, kw_only=True):
    """How a file is to be read.

    ``columns`` maps our names to the file's; several of the file's joined by ``+`` are put together
    with a space (``time=date+clock``). ``time_zone`` is that of times without one. ``time_format``
    is as in ``strftime``; ``time_unit`` (s, ms, us, ns) makes numbers times since 1970 UTC.
    ``right_edge`` says that a bar's time is its end. ``symbol`` is the issue of a file that does
    not name it.
    """

    columns: dict[str, str] = {}
    time_zone: str = SEOUL
    time_format: str = ""
    time_unit: str = ""
    right_edge: bool = False
    symbol: str = ""
    taken: int | None = None


def read_bars(path: Path, shape: FileShape) -> Download:
    """Return the minute bars in a file.

    Raises:
        UnusableData: the file cannot be read as it was described.
    """
    frame = _columns(path, shape, BAR_COLUMNS, ("value",))
    minute = pl.col("time").dt.truncate("1m")
    off = int(frame.select((pl.col("time") != minute).sum()).item())
    if off:
        raise UnusableData(path, f"{off:,} of {len(frame):,} times are no full minute")
    if shape.right_edge:
        frame = frame.with_columns(pl.col("time").dt.offset_by("-1m"))
    whole = [_whole(frame, name, path) for name in (*BAR_COLUMNS, "value")]
    frame = frame.select("symbol", "time", *whole).sort("symbol", "time", maintain_order=True)
    return _download(path, shape, frame)


def read_ticks(path: Path, shape: FileShape) -> Download:
    """Return the ticks in a file, in the file's order within each instant.

    Raises:
        UnusableData: the file cannot be read as it was described.
    """
    frame = _columns(path, shape, TICK_COLUMNS, ("side", "auction"))
    side = pl.col("side").cast(pl.String).fill_null("").str.strip_chars().str.to_lowercase()
    strange = frame.filter(~side.is_in(list(SIDES)))
    if len(strange):
        raise UnusableData(
            path,
            f"side {strange['side'][0]!r} is unknown: write buy or sell, or leave it empty",
        )
    auction = pl.col("auction").cast(pl.String).str.to_lowercase()
    frame = frame.select(
        "symbol",
        "time",
        *(_whole(frame, name, path) for name in TICK_COLUMNS),
        side.replace_strict(SIDES, return_dtype=pl.Int8).alias("side"),
        auction.is_in(["true", "1", "y", "yes"]).alias("auction"),
    )
    wrong = frame.filter((pl.col("price") < 1) | (pl.col("quantity") < 1))
    if len(wrong):
        raise UnusableData(path, f"{len(wrong):,} ticks have no price or no quantity")
    return _download(path, shape, frame.sort("symbol", "time", maintain_order=True))


def _download(path: Path, shape: FileShape, frame: pl.DataFrame) -> Download:
    return Download(
        origin=path.name,
        digest=content_digest(path),
        frame=frame,
        modified=path.stat().st_mtime_ns,
        taken=shape.taken,
    )


def _columns(
    path: Path, shape: FileShape, needed: tuple[str, ...], optional: tuple[str, ...]
) -> pl.DataFrame:
    """Return symbol, time and the columns wanted, optional ones null where the file has none."""
    frame = _raw(path)
    mapped = {
        name: shape.columns.get(name, name) for name in ("symbol", "time", *needed, *optional)
    }
    unknown = sorted(set(shape.columns) - set(mapped))
    if unknown:
        raise UnusableData(path, f"no such column of ours: {', '.join(unknown)}")
    if shape.symbol or (mapped["symbol"] not in frame.columns and path.stem[:6].isalnum()):
        frame = frame.with_columns(pl.lit(shape.symbol or path.stem[:6]).alias("symbol"))
        mapped["symbol"] = "symbol"
    expressions = []
    for name, source in mapped.items():
        parts = source.split("+")
        missing = [part for part in parts if part not in frame.columns]
        if missing and name in optional and name not in shape.columns:
            expressions.append(pl.lit(None, pl.String).alias(name))
            continue
        if missing:
            raise UnusableData(
                path,
                f"it has no column {', '.join(missing)} for {name}; its columns are "
                f"{', '.join(frame.columns)}: map it with --columns {name}=…",
            )
        joined = pl.concat_str(parts, separator=" ") if len(parts) > 1 else pl.col(source)
        expressions.append(joined.alias(name))
    frame = frame.select(expressions)
    frame = frame.with_columns(_time(frame, shape, path), pl.col("symbol").cast(pl.String))
    if frame["time"].null_count() or frame["symbol"].null_count():
        raise UnusableData(path, "some rows have no time or no symbol")
    return frame


def _raw(path: Path) -> pl.DataFrame:
    try:
        if path.suffix == ".parquet":
            return pl.read_parquet(path, hive_partitioning=False)
        return pl.read_csv(path, infer_schema=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise UnusableData(path, f"it cannot be read: {error}") from error


def _time(frame: pl.DataFrame, shape: FileShape, path: Path) -> pl.Series:
    try:
        ZoneInfo(shape.time_zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise UnusableData(path, f"{shape.time_zone!r} is no time zone") from error
    column = frame["time"]
    if shape.time_unit:
        if shape.time_unit not in _UNITS:
            raise UnusableData(path, f"time unit {shape.time_unit!r} is none of s, ms, us, ns")
        stamps = column.cast(pl.Int64, strict=False) * _UNITS[shape.time_unit]
        return stamps.cast(pl.Datetime("ns", "UTC")).dt.convert_time_zone(SEOUL)
    if isinstance(column.dtype, pl.String):
        column = _parsed(column, shape, path)
    kind = column.dtype
    if not isinstance(kind, pl.Datetime):
        raise UnusableData(path, f"times are {kind}: give --time-unit for numbers")
    zoned = column if kind.time_zone else column.dt.replace_time_zone(shape.time_zone)
    return zoned.dt.convert_time_zone(SEOUL).dt.cast_time_unit("ns")


def _parsed(column: pl.Series, shape: FileShape, path: Path) -> pl.Series:
    try:
        return column.str.to_datetime(shape.time_format or None, time_unit="ns")
    except pl.exceptions.PolarsError as error:
        raise UnusableData(
            path,
            f"times like {column.first()!r} cannot be read: say how with --time-format",
        ) from error


def _whole(frame: pl.DataFrame, name: str, path: Path) -> pl.Expr:
    """Return a column as whole numbers; what is not whole is refused."""
    if name == "value" and frame["value"].null_count() == len(frame):
        return pl.lit(0, pl.Int64).alias(name)
    number = pl.col(name).cast(pl.Float64, strict=False)
    wrong = frame.filter(number.is_null() | (number != number.round()))
    if len(wrong):
        raise UnusableData(
            path,
            f"{len(wrong):,} of {len(frame):,} in {name} are no whole numbers, the first "
            f"{wrong[name][0]!r}: bars are won and shares as they were traded",
        )
    return number.cast(pl.Int64).alias(name)
