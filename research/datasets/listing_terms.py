"""What recorded issues are called, where they are listed and between which prices they trade."""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Final

import polars as pl

from events import Symbol
from events.prices import Board, daily_limits
from kis_gateway.simulator.exchange import Listing
from research.datasets.bar_folder import content_digest
from research.datasets.errors import UnusableData

_UNKNOWN_SECTOR: Final = "UNKNOWN"

Terms = dict[Symbol, tuple[str, Board]]
"""Sector and board by symbol."""


def terms_of(table: Path | None) -> Terms:
    """Return the sectors and boards in a table; the board is KOSPI where it does not say.

    Raises:
        UnusableData: the table cannot be read.
    """
    return {} if table is None else _read(table, content_digest(table))


def listing(symbol: Symbol, base_price: int, terms: Terms, on: date) -> Listing:
    """Return an issue as listed for a day; its limits are ±30 % of the base price.

    Its name is its code and its listed shares are 0, unknown: recordings of bars hold neither.
    """
    sector, board = terms.get(symbol, (_UNKNOWN_SECTOR, Board.KOSPI))
    lower, upper = daily_limits(base_price, board, on)
    return Listing(
        symbol=symbol,
        name=symbol,
        board=board,
        sector=sector,
        base_price=base_price,
        lower_limit=lower,
        upper_limit=upper,
        listed_shares=0,
    )


@lru_cache(maxsize=2)
def _read(table: Path, digest: str) -> Terms:
    del digest  # part of the key: another content is another table
    try:
        frame = pl.read_parquet(table)
        return {
            Symbol(row["symbol"]): (row["sector"], Board(row.get("market", Board.KOSPI.value)))
            for row in frame.iter_rows(named=True)
        }
    except (OSError, KeyError, ValueError, pl.exceptions.PolarsError) as error:
        raise UnusableData(table, f"it cannot be read as a table of sectors: {error}") from error
