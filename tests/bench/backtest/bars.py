"""Workload A: minute bars of the symbols with the largest traded value, as plain arrays.

Every engine is given the same arrays: bars in order of time, one symbol after the other. They come
from recorded KRX data (``KST_TEST_DATA``, then beside the checkout) or, without it, from generated
bars of the same shape, which ``Bars.origin`` says.

The rule, the same for all: after each bar long of ``QUANTITY`` shares while the mean of the newest
``FAST`` closes is above that of the newest ``SLOW``, sessions following each other without a break;
orders trade at the open of the next bar. None is given after a bar that ends in or after the
closing auction, nor after a session's last (``may_order``): an order never waits for an auction or
a night.
"""

from __future__ import annotations

import hashlib
import json
import os
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import polars as pl

from events import Symbol, calendar
from events.costs import DEFAULT_FEE_PER_MILLION, sell_tax
from events.prices import Board, round_down

FIRST_DAY: Final = date(2025, 5, 12)
LAST_DAY: Final = date(2025, 12, 30)
GENERATED_SYMBOLS: Final = 100
QUANTITY: Final = 1
"""Shares of an order: few enough for the open of a minute in which hardly anybody trades."""

CASH_PER_SYMBOL: Final = 100_000_000
FAST: Final = 10
SLOW: Final = 50

_ROOT: Final = Path(__file__).resolve().parents[3]
PLACE: Final = _ROOT / ".bench" / "data"
_MILLION: Final = 1_000_000
_MINUTE: Final = 60_000_000_000
_FORMAT: Final = 8


class Bars(NamedTuple):
    """Where the arrays of a workload are, and what they hold."""

    folder: Path
    minutes: Path
    symbols: tuple[Symbol, ...]
    rows: int
    origin: str


def minute_bars() -> tuple[Path, str]:
    """Return the folder of monthly Parquet files of bars, and what they are, for people to read."""
    beside = _ROOT.parent / "shared" / "data"
    recorded = Path(os.environ.get("KST_TEST_DATA", beside)) / "krx_minute"
    if recorded.is_dir():
        return recorded, "recorded KRX minute bars"
    folder = PLACE / "generated" / "krx_minute"
    if not (folder / "2025-12.parquet").exists():
        _generate(folder)
    return folder, "GENERATED minute bars (no recorded KRX data at KST_TEST_DATA or beside)"


def prepare_bars(count: int) -> Bars:
    """Write the arrays of the ``count`` symbols with the largest traded value; done once."""
    minutes, origin = minute_bars()
    files = sorted(minutes.glob("*.parquet"))
    facts = [(each.name, each.stat().st_size, each.stat().st_mtime_ns) for each in files]
    key = hashlib.sha256(json.dumps([_FORMAT, count, facts]).encode()).hexdigest()[:12]
    folder = PLACE / f"bars-{count}-{key}"
    if not (folder / "meta.json").exists():
        _write(folder, minutes, count)
    meta = json.loads((folder / "meta.json").read_text())
    symbols = tuple(Symbol(each) for each in meta["symbols"])
    return Bars(folder, minutes, symbols, meta["rows"], origin)


def largest_symbols(minutes: Path, count: int) -> list[str]:
    """Return the symbols with the largest traded value over all months, largest first."""
    bars = pl.scan_parquet(minutes / "*.parquet")
    turnover = (pl.col("close").cast(pl.Int64) * pl.col("volume")).sum()
    ranked = bars.group_by("symbol").agg(turnover.alias("value"))
    daily = minutes.parent / "krx_daily" / "ohlcv.parquet"
    if daily.exists():
        # Without a daily bar an issue has no base price, and no exchange would list it.
        listed = pl.scan_parquet(daily).select("symbol").unique()
        ranked = ranked.join(listed, on="symbol", how="semi")
    largest = ranked.sort("value", "symbol", descending=[True, False]).head(count)
    return largest.collect()["symbol"].to_list()


def _write(folder: Path, minutes: Path, count: int) -> None:
    symbols = largest_symbols(minutes, count)
    bars = pl.scan_parquet(minutes / "*.parquet")
    rank = pl.DataFrame({"symbol": symbols, "rank": range(len(symbols))})
    chosen = (
        bars.join(rank.lazy(), on="symbol")
        .sort("rank", "time")
        .with_columns(pl.col("time").dt.date().alias("day"))
        .collect()
    )
    folder.mkdir(parents=True, exist_ok=True)
    _save(folder, chosen)
    meta = {
        "symbols": symbols,
        "minutes": str(minutes),
        "rows": chosen.height,
        "cash": CASH_PER_SYMBOL * len(symbols),
        "quantity": QUANTITY,
        "fast": FAST,
        "slow": SLOW,
        "fee_per_million": DEFAULT_FEE_PER_MILLION,
    }
    (folder / "meta.json").write_text(json.dumps(meta))


def _save(folder: Path, bars: pl.DataFrame) -> None:
    days = bars["day"]
    ranks = bars["rank"].to_numpy()
    last = np.ones(len(days), np.bool_)
    last[:-1] = (ranks[1:] != ranks[:-1]) | (days[1:] != days[:-1]).to_numpy()
    times = bars["time"].dt.epoch("ns").to_numpy()
    auctions = {day: calendar.session(day).closing_auction_at for day in days.unique()}
    late = times + _MINUTE >= np.array([auctions[day] for day in days], np.int64)
    first = np.concatenate(([0], np.flatnonzero(np.diff(ranks)) + 1, [len(days)]))
    tax = {day: _tax_per_million(day) for day in days.unique()}
    np.save(folder / "first.npy", first.astype(np.int64))
    np.save(folder / "may_order.npy", ~(last | late))
    np.save(folder / "tax.npy", np.array([tax[day] for day in days], np.int64))
    np.save(folder / "time.npy", times)
    for name in ("open", "high", "low", "close", "volume"):
        np.save(folder / f"{name}.npy", bars[name].to_numpy().astype(np.int64))


def _tax_per_million(day: date) -> int:
    # Trades settle two sessions later, and the tax is that of the date of settlement.
    return sell_tax(_MILLION, Board.KOSPI, calendar.next_session(day, 2))


def _generate(folder: Path) -> None:
    days = [FIRST_DAY + timedelta(n) for n in range((LAST_DAY - FIRST_DAY).days + 1)]
    sessions = [day for day in days if calendar.is_session(day)]
    folder.mkdir(parents=True, exist_ok=True)
    prices = np.geomspace(1_500, 900_000, GENERATED_SYMBOLS)
    for month in sorted({(day.year, day.month) for day in sessions}):
        chosen = [day for day in sessions if (day.year, day.month) == month]
        frames = [_generated_day(day, prices) for day in chosen]
        name = f"{month[0]}-{month[1]:02}.parquet"
        pl.concat(frames).sort("symbol", "time").write_parquet(folder / name)


def _generated_day(day: date, prices: np.ndarray) -> pl.DataFrame:
    # Prices are walked on in place: the next day goes on where this one ended.
    random = np.random.default_rng(day.toordinal())
    opening = datetime.combine(day, time(9), calendar.KST)
    minutes = [*range(380), 390]
    labels = [opening + timedelta(minutes=minute) for minute in minutes]
    frames = []
    for number in range(len(prices)):
        steps = random.normal(0, 0.0012, (len(minutes), 4))
        path = prices[number] * np.exp(np.cumsum(steps.reshape(-1))).reshape(-1, 4)
        prices[number] = min(max(path[-1, 3], 500.0), 2_000_000.0)
        ticks = np.array([[round_down(price) for price in bar] for bar in path.tolist()], np.int32)
        ticks[-1] = ticks[-1, 3]
        volume = random.lognormal(8.5 - number / 40, 0.8, len(minutes)).astype(np.int64) + 1
        columns = {
            "time": pl.Series(labels).cast(pl.Datetime("ms", "Asia/Seoul")),
            "open": ticks[:, 0],
            "high": ticks.max(axis=1),
            "low": ticks.min(axis=1),
            "close": ticks[:, 3],
            "volume": volume,
        }
        symbol = pl.lit(f"9{number:04}0").alias("symbol")
        frames.append(pl.DataFrame(columns).select(symbol, pl.all()))
    return pl.concat(frames)
