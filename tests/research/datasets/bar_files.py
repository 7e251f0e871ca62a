"""Small recordings of bars, written for a test."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, time, timedelta
from pathlib import Path

import polars as pl

from events import Symbol
from events.calendar import instant, previous_session, session
from events.market import Bar

MONDAY = date(2025, 9, 15)
TUESDAY = date(2025, 9, 16)
ALPHA, BETA = Symbol("900010"), Symbol("900020")
MINUTE = 60_000_000_000

MinuteRow = tuple[str, int, int, int, int, int, int]


def minutes(
    day: date,
    symbol: str = ALPHA,
    *,
    price: int = 10_000,
    volume: int = 100,
    count: int = 380,
    closing: bool = True,
) -> list[MinuteRow]:
    """Return flat one-minute bars from the open on and the closing match."""
    hours = session(day)
    starts = [hours.open_at + minute * MINUTE for minute in range(count)]
    if closing:
        starts.append(hours.close_at)
    return [(symbol, start, price, price, price, price, volume) for start in starts]


def write_minutes(folder: Path, rows: Iterable[MinuteRow]) -> None:
    """Write monthly files of bars (symbol, ns UTC, open, high, low, close, volume)."""
    frame = pl.DataFrame(
        list(rows),
        schema=["symbol", "time", "open", "high", "low", "close", "volume"],
        orient="row",
    ).with_columns(pl.from_epoch("time", "ns").dt.replace_time_zone("UTC"))
    frame = frame.with_columns(pl.col("time").dt.convert_time_zone("Asia/Seoul"))
    folder.mkdir(parents=True, exist_ok=True)
    for month, part in frame.group_by(pl.col("time").dt.strftime("%Y-%m")):
        part.sort("symbol", "time").write_parquet(folder / f"{month[0]}.parquet")


def sessions_before(day: date, count: int) -> list[date]:
    """Return that many sessions before a day, oldest first."""
    found: list[date] = []
    for _ in range(count):
        day = previous_session(day)
        found.append(day)
    return found[::-1]


def write_daily(
    folder: Path, closes: Mapping[str, Sequence[tuple[date, int]]], volume: int = 40_000
) -> None:
    """Write a table of days from closes by symbol; open, high and low are the close."""
    rows = [
        (symbol, day, close, close, close, close, volume)
        for symbol, days in closes.items()
        for day, close in days
    ]
    folder.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(
        rows,
        schema=["symbol", "date", "open", "high", "low", "close", "volume"],
        orient="row",
    ).write_parquet(folder / "ohlcv.parquet")


def flat_days(close: int, until: date = MONDAY, count: int = 70) -> list[tuple[date, int]]:
    """Return equal closes of the sessions before a day."""
    return [(day, close) for day in sessions_before(until, count)]


def bar_at(day: date, clock: time, *figures: int) -> Bar:
    """Return a bar (open, high, low, close, volume) that begins at a wall time."""
    return Bar(instant(day, clock), *figures)


def days_after(day: date, days: int) -> date:
    """Return a date some calendar days later."""
    return day + timedelta(days=days)
