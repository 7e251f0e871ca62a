"""What can be wrong with data sets, beside there being none (``NoMarketData``).

BacktestError
└── UnusableData    a file that cannot be read for what it should be
"""

from __future__ import annotations

from pathlib import Path

from research.backtest.errors import BacktestError


class UnusableData(BacktestError):
    """A file of a data set cannot be used; ``problem`` says why and what to do."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path
        self.problem = problem
