"""Data sets: where the sessions of a backtest come from, and what is known to be odd about them.

``BarDays`` hands on recorded minute bars, ``TickDays`` bridges them into trades and books,
``TickFileDays`` reads imported ticks, ``SyntheticDays`` makes days up; ``days_from`` picks one by
the settings of a backtest. ``BarStore`` takes in what others recorded. Prices are kept as traded;
corporate actions are a table beside them, applied on read as of a date.
"""

from research.datasets.actions import Actions, adjusted, read_actions
from research.datasets.bar_days import BarDays, TickDays
from research.datasets.errors import UnusableData
from research.datasets.market_tape import tape_of
from research.datasets.sources import days_from
from research.datasets.synthetic_days import SyntheticDays
from research.datasets.tick_file_days import TickFileDays

__all__ = [
    "Actions",
    "BarDays",
    "SyntheticDays",
    "TickDays",
    "TickFileDays",
    "UnusableData",
    "adjusted",
    "days_from",
    "read_actions",
    "tape_of",
]
