"""Months of a result as a table: a row a year, a column a month, and the year as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Final, NamedTuple

from research.backtest.figures import Month

NAMES: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
"""Headings of the columns."""


class MonthCell(NamedTuple):
    """One month: the change of equity as a fraction, won, and how strong its colour is (0..1)."""

    change: float
    result: int
    sessions: int
    trades: int
    strength: float


class YearRow(NamedTuple):
    """A year: twelve cells, ``None`` where nothing ran, and the year's own change and won."""

    year: str
    cells: tuple[MonthCell | None, ...]
    change: float
    result: int


def month_table(months: Sequence[Month]) -> list[YearRow]:
    """Return the years in order; a year's change is its months' compounded."""
    largest = max((abs(each.change) for each in months), default=0.0)
    years: dict[str, dict[int, Month]] = {}
    for each in months:
        years.setdefault(each.month[:4], {})[int(each.month[4:])] = each
    return [
        YearRow(
            year=year,
            cells=tuple(
                _cell(within[number], largest) if number in within else None
                for number in range(1, 13)
            ),
            change=prod(1.0 + each.change for each in within.values()) - 1.0,
            result=sum(each.result for each in within.values()),
        )
        for year, within in years.items()
    ]


def _cell(month: Month, largest: float) -> MonthCell:
    return MonthCell(
        change=month.change,
        result=month.result,
        sessions=month.sessions,
        trades=month.trades,
        strength=abs(month.change) / largest if largest else 0.0,
    )
