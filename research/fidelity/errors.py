"""What can go wrong when a recorded day is traded again.

FidelityError            a BacktestError
├── NoSuchSession    the log has no session of that date
└── UnusableRecord   the recorded day lacks something without which it cannot be traded again
"""

from __future__ import annotations

from collections.abc import Sequence

from events import TradingDate
from research.backtest.errors import BacktestError


class FidelityError(BacktestError):
    """Anything that keeps a recorded day from being traded again; says what to do about it."""


class NoSuchSession(FidelityError):
    """The log has no session of a date."""

    def __init__(self, trading_date: TradingDate, known: Sequence[TradingDate]) -> None:
        there = ", ".join(known) or "none"
        super().__init__(f"the log has no session {trading_date}; it has: {there}")
        self.trading_date = trading_date
        self.known = tuple(known)


class UnusableRecord(FidelityError):
    """The record of a session lacks something."""

    def __init__(self, trading_date: TradingDate, lacking: str, remedy: str) -> None:
        super().__init__(f"the record of {trading_date} has no {lacking}: {remedy}")
        self.trading_date = trading_date
        self.lacking = lacking
