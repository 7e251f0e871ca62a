"""Adds corporate actions to the table of a store."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl

from research.datasets.actions import COLUMNS, read_actions
from research.datasets.bar_folder import ACTIONS


def add_actions(store: Path, source: Path) -> int:
    """Take the actions in a table into a store's; return how many it did not have before.

    An action of the same symbol, date and kind takes the place of the earlier one.

    Raises:
        UnusableData: a table cannot be read, or says something that cannot be.
    """
    table = store / f"{ACTIONS}.parquet"
    known = {} if not table.is_file() else {
        (each.symbol, each.date, each.kind): each for each in read_actions(table)
    }  # fmt: skip
    before = len(known)
    known |= {(each.symbol, each.date, each.kind): each for each in read_actions(source)}
    rows = [tuple(getattr(known[key], name) for name in COLUMNS) for key in sorted(known)]
    frame = pl.DataFrame(rows, schema=list(COLUMNS), orient="row")
    store.mkdir(parents=True, exist_ok=True)
    partial = table.with_suffix(".partial")
    frame.with_columns(pl.col("date").str.to_date("%Y%m%d")).write_parquet(partial)
    os.replace(partial, table)
    return len(known) - before
