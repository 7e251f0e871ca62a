"""Corporate actions as data: a dated table, applied on read as of a date.

Recorded prices stay as they were traded. Who looks back over a split from a later day is shown
earlier prices in the terms of that day: a price times ``old / new``, a volume times ``new / old``,
for every action after the bar and up to the day looked from. Actions after that day change nothing,
so a history never knows of a split that is still to come.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Final

from events import Symbol
from events.calendar import KST, kst
from events.market import Bar
from research.backtest.market_day import CorporateAction
from research.datasets.errors import UnusableData

COLUMNS: Final = ("symbol", "date", "kind", "new", "old")


class Actions:
    """The actions of a data set."""

    def __init__(self, actions: Iterable[CorporateAction]) -> None:
        self._ordered = sorted(actions, key=lambda each: (each.date, each.symbol))
        self._by_symbol: dict[Symbol, tuple[CorporateAction, ...]] = {}
        for action in self._ordered:
            known = self._by_symbol.get(action.symbol, ())
            self._by_symbol[action.symbol] = (*known, action)

    def between(self, after: date | None, until: date) -> tuple[CorporateAction, ...]:
        """Return all actions later than ``after`` (``None``: on ``until`` alone), up to ``until``.

        In order of date, then symbol.
        """
        last = f"{until:%Y%m%d}"
        first = last if after is None else f"{after:%Y%m%d}"
        return tuple(
            each for each in self._ordered
            if first < each.date <= last or (after is None and each.date == last)
        )  # fmt: skip

    def of(self, symbol: Symbol, until: date) -> tuple[CorporateAction, ...]:
        """Return a symbol's actions up to a date, oldest first."""
        actions = self._by_symbol.get(symbol, ())
        return tuple(each for each in actions if each.date <= f"{until:%Y%m%d}")


def adjusted(bars: Iterable[Bar], actions: Iterable[CorporateAction]) -> tuple[Bar, ...]:
    """Return bars in the terms after all of ``actions``; those of later bars do not touch them.

    Prices are rounded to the nearest won (half up), volumes down; the traded value stays.
    """
    steps = [(action.date, action.old, action.new) for action in actions]
    if not steps:
        return tuple(bars)
    found = []
    for bar in bars:
        traded = f"{kst(bar.start):%Y%m%d}"
        old = new = 1
        for on, before, after in steps:
            if traded < on:
                old, new = old * before, new * after
        found.append(
            Bar(
                bar.start,
                scaled(bar.open, old, new),
                scaled(bar.high, old, new),
                scaled(bar.low, old, new),
                scaled(bar.close, old, new),
                bar.volume * new // old,
                bar.value,
            )
        )
    return tuple(found)


def scaled(price: int, old: int, new: int) -> int:
    """Return a price (won) after ``old`` shares became ``new``, to the nearest won."""
    return (2 * price * old + new) // (2 * new)


def read_actions(path: Path) -> tuple[CorporateAction, ...]:
    """Return the actions in a table (Parquet or CSV) with columns symbol, date, kind, new, old.

    Dates are dates, YYYYMMDD or YYYY-MM-DD.

    Raises:
        UnusableData: the table cannot be read, lacks a column, or says something that cannot be.
    """
    import polars as pl

    try:
        if path.suffix == ".csv":
            frame = pl.read_csv(path, infer_schema=False)
        else:
            frame = pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise UnusableData(path, f"it cannot be read: {error}") from error
    missing = [name for name in COLUMNS if name not in frame.columns]
    if missing:
        raise UnusableData(path, f"it has no column {', '.join(missing)}")
    return tuple(_action(row, path) for row in frame.select(COLUMNS).iter_rows(named=True))


def _action(row: Mapping[str, object], path: Path) -> CorporateAction:
    symbol, on, kind = (str(row[name]) for name in ("symbol", "date", "kind"))
    try:
        day = datetime.strptime(on.replace("-", ""), "%Y%m%d").replace(tzinfo=KST)
        new, old = int(str(row["new"])), int(str(row["old"]))
    except ValueError as error:
        raise UnusableData(path, f"action of {symbol} on {on}: {error}") from error
    if new < 1 or old < 1:
        raise UnusableData(
            path, f"action of {symbol} on {on}: {old} shares became {new}; both must be positive"
        )
    return CorporateAction(symbol=Symbol(symbol), date=f"{day:%Y%m%d}", kind=kind, new=new, old=old)
