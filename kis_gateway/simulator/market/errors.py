"""The errors of a market that cannot be set up.

MarketError
├── MarketDataMissing    no folder or no files of recorded bars
├── NoDataOnDate         recorded bars, but none (or none usable) on that date
├── DataExtraMissing     the optional packages for reading Parquet are not installed
├── UnknownInstrument    a symbol or index that this market does not carry
├── TooFewSymbols        a synthetic market too small for its stories
└── UnusableBars         bars that no sequence of trades could have produced
"""

from __future__ import annotations

from datetime import date
from pathlib import Path


class MarketError(Exception):
    """Base of every error of a market."""


class MarketDataMissing(MarketError):
    """There are no recorded bars where they were looked for."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"no recorded minute bars in {folder}: expected monthly files like 2025-09.parquet; "
            "name the folder that holds them"
        )
        self.folder = folder


class NoDataOnDate(MarketError):
    """The folder has bars, but not on this date."""

    def __init__(self, day: date, first: date, last: date, reason: str) -> None:
        super().__init__(
            f"no usable bars on {day:%Y-%m-%d} ({reason}): recorded sessions run from "
            f"{first:%Y-%m-%d} to {last:%Y-%m-%d}; choose one of them"
        )
        self.day = day
        self.first = first
        self.last = last


class DataExtraMissing(MarketError):
    """Parquet cannot be read without the ``data`` extra."""

    def __init__(self) -> None:
        super().__init__(
            "recorded bars are Parquet files and polars is not installed: "
            "install k-stock-trader[data], or use the synthetic market"
        )


class UnknownInstrument(MarketError):
    """A symbol or index that this market does not carry."""

    def __init__(self, name: str, known: int) -> None:
        super().__init__(
            f"{name} is not in this market of {known} instruments: ask for one of its listings"
        )
        self.name = name


class TooFewSymbols(MarketError):
    """A synthetic market was asked for with too few issues."""

    def __init__(self, symbols: int, least: int) -> None:
        super().__init__(
            f"a synthetic market of {symbols} symbols cannot hold its stories: ask for {least} or "
            "more"
        )
        self.symbols = symbols


class UnusableBars(MarketError):
    """A bar whose numbers contradict each other."""

    def __init__(self, symbol: str, detail: str) -> None:
        super().__init__(f"bar of {symbol} cannot have been traded: {detail}; mend the source")
        self.symbol = symbol
