"""Sessions from imported ticks: trades as they were recorded, without books.

What always holds: a trade keeps its time, price, quantity and side; a side that is not recorded
stays unknown. Everything else of a session (terms, histories, indices) comes from the minute bars
that the import made of the same ticks. Single-price matches are those that the recording marks; in
one that marks none, an issue's first trade within half a minute of the open and everything from the
closing auction on.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from events import StrategyId, Symbol
from events.calendar import TradingSession
from kis_gateway.simulator.exchange import Listing
from research.backtest.errors import NoMarketData
from research.backtest.tape import Kind, Tape
from research.datasets.bar_days import BarDays
from research.datasets.bar_folder import TICKS, digest_of
from research.datasets.errors import UnusableData
from research.datasets.session_bars import SessionBars
from research.datasets.tape_rows import Note, Rows, empty_rows, in_order, note_rows

_FILE: Final = "ticks.parquet"
_COLUMNS: Final = ("symbol", "time", "price", "quantity", "side", "auction")
_OPENING_ENDS: Final = 30_000_000_000
_TEN_SECONDS: Final = 10_000_000_000


def is_tick_folder(path: Path) -> bool:
    """Return whether a path is the folder of ticks of a store."""
    return path.name == TICKS and any(path.glob("date=*"))


class TickFileDays(BarDays):
    """The ticks in a store that ``kst recordings import`` filled; see ``BarDays``."""

    index_step = _TEN_SECONDS

    def __init__(
        self,
        store: Path,
        *,
        symbols: int | Sequence[Symbol],
        start: date | None = None,
        end: date | None = None,
        strategies: Sequence[StrategyId] = (),
        daily_history: int = 90,
    ) -> None:
        """Only days with ticks are sessions.

        Raises:
            NoMarketData: no ticks in the store, or none in the span or of a symbol.
            UnusableData: a file cannot be read.
        """
        super().__init__(
            store,
            symbols=symbols,
            start=start,
            end=end,
            strategies=strategies,
            daily_history=daily_history,
        )
        self._store = store
        self._dates = tuple(day for day in self._dates if self._file(day).is_file())
        if not self._dates:
            raise NoMarketData(
                f"ticks in {store / TICKS}", "import some with kst recordings import --kind ticks"
            )

    @property
    def data_hash(self) -> str:
        """Return the digest of the content of the files that the days are made of."""
        ticks = digest_of(self._store, map(self._file, self._dates))
        return f"{super().data_hash[:32]}{ticks[:32]}"

    def _file(self, day: date) -> Path:
        return self._store / TICKS / f"date={day:%Y-%m-%d}" / _FILE

    def _tape(
        self,
        hours: TradingSession,
        listings: Sequence[Listing],
        bars: SessionBars,
        notes: Sequence[Note],
    ) -> Tape:
        ticks = _read(self._file(hours.day), bars.symbols)
        return in_order(
            bars.symbols, (note_rows(notes), _tick_rows(ticks, bars.symbols, hours)), notes=notes
        )


def _read(file: Path, symbols: Sequence[Symbol]) -> pl.DataFrame:
    try:
        scan = pl.scan_parquet(file, hive_partitioning=False).select(_COLUMNS)
        return scan.filter(pl.col("symbol").is_in(list(symbols))).collect()
    except (OSError, pl.exceptions.PolarsError) as error:
        raise UnusableData(file, f"it cannot be read as ticks: {error}") from error


def _tick_rows(ticks: pl.DataFrame, symbols: Sequence[Symbol], hours: TradingSession) -> Rows:
    places = {symbol: place for place, symbol in enumerate(symbols)}
    place = pl.col("symbol").replace_strict(places, return_dtype=pl.Int16)
    found = ticks.with_columns(
        place.alias("place"), pl.col("time").dt.epoch("ns").alias("at")
    ).sort("place", "at", maintain_order=True)
    totals = found.select(
        pl.col("quantity").cum_sum().over("place"),
        (pl.col("price") * pl.col("quantity")).cum_sum().over("place").alias("value"),
    )
    rows = empty_rows(len(found))
    rows.at[:] = found["at"].to_numpy()
    rows.kind[:] = Kind.TRADE
    rows.symbol[:] = found["place"].to_numpy()
    rows.price[:] = found["price"].to_numpy()
    rows.quantity[:] = found["quantity"].to_numpy()
    rows.aggressor[:] = found["side"].to_numpy()
    rows.auction[:] = _auctions(found, rows, hours)
    rows.volume[:] = totals["quantity"].to_numpy()
    rows.value[:] = totals["value"].to_numpy()
    return rows


def _auctions(
    found: pl.DataFrame, rows: Rows, hours: TradingSession
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    if found["auction"].null_count() < len(found):
        return np.asarray(found["auction"].fill_null(value=False).to_numpy(), np.bool_)
    first = np.diff(rows.symbol, prepend=-1) != 0
    opening = first & (rows.at < hours.open_at + _OPENING_ENDS)
    return np.asarray(opening | (rows.at >= hours.closing_auction_at), np.bool_)
