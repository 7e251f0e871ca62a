"""A trading day from recorded KRX minute bars in Parquet files.

Layout: a folder of monthly files ``2025-09.parquet`` with columns symbol, time (Asia/Seoul, left
edge), open, high, low, close, volume. Optionally beside it ``krx_daily/`` with ``ohlcv.parquet``
(symbol, date, open, high, low, close, volume), ``sectors.parquet`` (symbol, sector) and
``index.parquet`` (index, date, open, high, low, close in points). Without the daily table, daily
bars are put together from earlier minutes; without the index table, indices start at 1,000 points
and have no history.

The files name no markets, names or share counts: every issue is taken for KOSPI unless the sectors
table has a ``market`` column, its name is its code, and its listed shares are 0 (unknown). Prices
are adjusted for splits as of the download, so a base price may lie between two ticks; limits are
rounded inward. Volume excludes block and after-hours trades.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from events import Symbol
from events.calendar import TradingSession, instant, session
from events.market import Bar
from events.prices import Board, daily_limits
from kis_gateway.simulator.exchange.messages import Listing
from kis_gateway.simulator.market.bar_market import INDICES, BarMarket
from kis_gateway.simulator.market.bridge import DEFAULT_TRADES_PER_BAR
from kis_gateway.simulator.market.errors import (
    DataExtraMissing,
    MarketDataMissing,
    NoDataOnDate,
)
from kis_gateway.simulator.market.index_path import levels, mean_returns

if TYPE_CHECKING:
    import polars as pl

_DAILY_FOLDER: Final = "krx_daily"
_MONTHLY: Final = "[0-9][0-9][0-9][0-9]-[0-9][0-9].parquet"
_VALUE_SESSIONS: Final = 20
_FEWEST_DAILY_BARS: Final = 60
_MILLISECOND: Final = 1_000_000
_CENTIPOINTS: Final = 100
_UNKNOWN_SECTOR: Final = "UNKNOWN"
_UNKNOWN_INDEX_CLOSE: Final = 1_000 * _CENTIPOINTS


class RecordedMarket(BarMarket):
    """One recorded day.

    ``folder`` holds the monthly files. ``symbols`` are the issues to trade, or how many: then those
    with the largest mean traded value of the 20 sessions before, among those with minutes on the
    day and at least 60 daily bars before it (fewer when there are not as many).

    Raises:
        DataExtraMissing: polars is not installed.
        MarketDataMissing: there are no monthly files in ``folder``.
        NoDataOnDate: the day, or a symbol asked for, has no minutes, or no daily bar before.
        NotASession: the exchange was closed that day.
    """

    def __init__(
        self,
        folder: Path,
        day: date,
        symbols: int | Sequence[Symbol],
        *,
        trades_per_bar: int = DEFAULT_TRADES_PER_BAR,
    ) -> None:
        try:
            import polars  # noqa: F401 - the one place where its absence is turned into an answer
        except ImportError as error:
            raise DataExtraMissing from error
        files = sorted(folder.glob(_MONTHLY)) if folder.is_dir() else []
        if not files:
            raise MarketDataMissing(folder)
        hours = session(day)
        minutes = _minutes_of(files, day)
        if not minutes:
            raise _no_data(files, day, "no minute bars")
        daily = _daily_before(folder.parent / _DAILY_FOLDER, files, day)
        chosen = _choose(symbols, minutes, daily, files, day)
        terms = _terms(folder.parent / _DAILY_FOLDER)
        listings = [_listing(symbol, daily[symbol], terms, day) for symbol in chosen]
        history, today = _indices(folder.parent / _DAILY_FOLDER, day)
        super().__init__(
            session=hours,
            listings=listings,
            daily={symbol: daily[symbol] for symbol in chosen},
            minutes={symbol: minutes[symbol] for symbol in chosen},
            index_daily=history,
            index_levels=_index_levels(listings, minutes, hours, history, today),
            trades_per_bar=trades_per_bar,
        )


def _minutes_of(files: Sequence[Path], day: date) -> dict[Symbol, tuple[Bar, ...]]:
    import polars as pl

    month = f"{day:%Y-%m}.parquet"
    named = [file for file in files if file.name == month]
    if not named:
        return {}
    frame = (
        pl.scan_parquet(named)
        .filter(pl.col("time").dt.date() == day)
        .sort("symbol", "time")
        .select("symbol", pl.col("time").dt.epoch("ms"), "open", "high", "low", "close", "volume")
        .collect()
    )
    return _bars(frame, _MILLISECOND)


def _bars(frame: pl.DataFrame, unit: int) -> dict[Symbol, tuple[Bar, ...]]:
    """Return bars by symbol of rows (symbol, time, open, high, low, close, volume), in order."""
    found: dict[Symbol, list[Bar]] = {}
    for symbol, at, first, high, low, last, volume in frame.iter_rows():
        found.setdefault(Symbol(symbol), []).append(Bar(at * unit, first, high, low, last, volume))
    return {symbol: tuple(bars) for symbol, bars in found.items()}


def _daily_before(folder: Path, files: Sequence[Path], day: date) -> dict[Symbol, tuple[Bar, ...]]:
    import polars as pl

    columns = ("open", "high", "low", "close", "volume")
    table = folder / "ohlcv.parquet"
    if table.is_file():
        rows = pl.scan_parquet(table)
    else:
        rows = (
            pl.scan_parquet([file for file in files if file.stem <= f"{day:%Y-%m}"])
            .sort("symbol", "time")
            .group_by("symbol", pl.col("time").dt.date().alias("date"), maintain_order=True)
            .agg(
                pl.col("open").first(),
                pl.col("high").max(),
                pl.col("low").min(),
                pl.col("close").last(),
                pl.col("volume").sum(),
            )
        )
    frame = (
        rows.filter(pl.col("date") < day).sort("symbol", "date").select("symbol", "date", *columns)
    ).collect()
    edges = {each: instant(each, time()) for each in frame["date"].unique().to_list()}
    starts = frame["date"].replace_strict(edges, return_dtype=pl.Int64)
    return _bars(frame.with_columns(date=starts), 1)


def _choose(
    symbols: int | Sequence[Symbol],
    minutes: Mapping[Symbol, tuple[Bar, ...]],
    daily: Mapping[Symbol, tuple[Bar, ...]],
    files: Sequence[Path],
    day: date,
) -> list[Symbol]:
    if not isinstance(symbols, int):
        for symbol in symbols:
            if symbol not in minutes:
                raise _no_data(files, day, f"no minute bars of {symbol}")
            if symbol not in daily:
                raise _no_data(files, day, f"no daily bar of {symbol} before")
        return list(symbols)
    eligible = [symbol for symbol in minutes if len(daily.get(symbol, ())) >= _FEWEST_DAILY_BARS]
    if not eligible:
        raise _no_data(files, day, f"no symbol has {_FEWEST_DAILY_BARS} daily bars before")
    return sorted(eligible, key=lambda each: (-_traded_value(daily[each]), each))[:symbols]


def _traded_value(bars: Sequence[Bar]) -> int:
    newest = bars[-_VALUE_SESSIONS:]
    return sum(bar.close * bar.volume for bar in newest) // len(newest)


def _terms(folder: Path) -> dict[Symbol, tuple[str, Board]]:
    import polars as pl

    table = folder / "sectors.parquet"
    if not table.is_file():
        return {}
    frame = pl.read_parquet(table)
    return {
        Symbol(row["symbol"]): (row["sector"], Board(row.get("market", Board.KOSPI.value)))
        for row in frame.iter_rows(named=True)
    }


def _listing(
    symbol: Symbol,
    daily: Sequence[Bar],
    terms: Mapping[Symbol, tuple[str, Board]],
    day: date,
) -> Listing:
    sector, board = terms.get(symbol, (_UNKNOWN_SECTOR, Board.KOSPI))
    base = daily[-1].close
    lower, upper = daily_limits(base, board, day)
    return Listing(
        symbol=symbol,
        name=symbol,
        board=board,
        sector=sector,
        base_price=base,
        lower_limit=lower,
        upper_limit=upper,
        listed_shares=0,
    )


def _indices(folder: Path, day: date) -> tuple[dict[str, tuple[Bar, ...]], dict[str, Bar]]:
    """Return the indices' bars before the day, and those of the day."""
    import polars as pl

    table = folder / "index.parquet"
    history: dict[str, list[Bar]] = {index: [] for index in INDICES}
    today: dict[str, Bar] = {}
    if table.is_file():
        frame = (
            pl.scan_parquet(table)
            .filter((pl.col("date") <= day) & pl.col("index").is_in(INDICES))
            .sort("index", "date")
            .select("index", "date", "open", "high", "low", "close")
            .collect()
        )
        for index, on, *points in frame.iter_rows():
            first, high, low, last = (round(each * _CENTIPOINTS) for each in points)
            bar = Bar(instant(on, time()), first, high, low, last, 0)
            if on == day:
                today[index] = bar
            else:
                history[index].append(bar)
    return {index: tuple(bars) for index, bars in history.items()}, today


def _index_levels(
    listings: Sequence[Listing],
    minutes: Mapping[Symbol, tuple[Bar, ...]],
    hours: TradingSession,
    history: Mapping[str, tuple[Bar, ...]],
    today: Mapping[str, Bar],
) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for index in INDICES:
        members = [each for each in listings if each.board.value == index] or listings
        issues = [(each.base_price, minutes[each.symbol]) for each in members]
        bars = history[index]
        close = bars[-1].close if bars else _UNKNOWN_INDEX_CLOSE
        found[index] = levels(mean_returns(issues, hours), close, today.get(index))
    return found


def _no_data(files: Sequence[Path], day: date, reason: str) -> NoDataOnDate:
    import polars as pl

    span = (
        pl.scan_parquet([files[0], files[-1]])
        .select(first=pl.col("time").dt.date().min(), last=pl.col("time").dt.date().max())
        .collect()
    )
    first, last = span.row(0)
    return NoDataOnDate(day, first, last, reason)
