"""backtesting.py: bar by bar in Python, orders of a bar's close at the next open.

The strategy holds one indicator, the lead of the fast average, because each indicator is cut anew
at every bar; its first values are zeros so that the first decision falls on the bar it should. Each
symbol is a run of its own with its share of the cash. Costs come from a function of size and price:
it looks at the length of the data for the date, and takes a call with a negative size, which comes
before each sell, as the word that the next one is for a sell.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import backtesting  # type: ignore[import-not-found] # lives in this peer's own environment
import numpy as np
import pandas as pd  # type: ignore[import-not-found,import-untyped,unused-ignore] # same

from tests.bench.backtest.peers.contract import BUY, SELL, Fill, Report, Workload, main


class Costs:
    """Fee of each side and the sell tax of the bar's date, whole won."""

    def __init__(self, fee: int, tax: list[int]) -> None:
        self._fee = fee
        self._tax = tax
        self._selling = False
        self.data: Any = None

    def __call__(self, size: float, price: float) -> float:
        """Return the costs of an order of ``size`` shares."""
        amount = int(abs(size) * price)
        costs = amount * self._fee // 1_000_000
        if size < 0 or self._selling:
            costs += amount * self._tax[len(self.data) - 1] // 1_000_000
        self._selling = size < 0
        return float(costs)


class Crossover(backtesting.Strategy):  # type: ignore[misc] # untyped
    """The rule."""

    may_order: list[bool] = []  # noqa: RUF012 # parameters of a strategy are class variables here
    costs: Any = None
    fast = 0
    slow = 0
    quantity = 0

    def init(self) -> None:
        """Compute the averages over the whole."""
        self.costs.data = self.data
        self.lead = self.I(_lead, self.data.Close, self.fast, self.slow)
        self.held = False

    def next(self) -> None:
        """Ask for what the averages want, except at a session's last bar."""
        row = len(self.data) - 1
        above = self.lead[-1] > 0
        if above != self.held and row >= self.slow - 1 and self.may_order[row]:
            self.held = above
            if above:
                self.buy(size=self.quantity)
            else:
                self.sell(size=self.quantity)


def _lead(close: Any, fast: int, slow: int) -> np.ndarray:
    sums = np.concatenate(([0.0], np.cumsum(close)))
    lead = np.zeros(len(close))
    lead[slow - 1 :] = (sums[slow:] - sums[slow - fast : -fast]) * slow - (
        sums[slow:] - sums[:-slow]
    ) * fast
    return lead


class Frames(NamedTuple):
    """Bars of each symbol as data frames."""

    workload: Workload
    frames: list[Any]


def prepare(workload: Workload) -> Frames:
    """Make a frame of each symbol's bars."""
    columns = workload.columns
    frames = []
    for rows in workload.slices():
        index = pd.to_datetime(columns["time"][rows])
        values = {name.title(): columns[name][rows].astype(float) for name in _NAMES}
        frames.append(pd.DataFrame(values, index=index))
    return Frames(workload, frames)


_NAMES = ("open", "high", "low", "close", "volume")


def arrange(frames: Frames) -> Callable[[], list[Any]]:
    """Return the run of every symbol."""
    workload = frames.workload
    settings = workload.settings
    tests = []
    for rows, frame in zip(workload.slices(), frames.frames, strict=True):
        costs = Costs(settings["fee_per_million"], workload.columns["tax"][rows].tolist())
        test = backtesting.Backtest(
            frame,
            Crossover,
            cash=settings["cash"] / len(frames.frames),
            commission=costs,
            trade_on_close=False,
            finalize_trades=False,
        )
        parameters = {name: settings[name] for name in ("fast", "slow", "quantity")}
        parameters["may_order"] = workload.columns["may_order"][rows].tolist()
        parameters["costs"] = costs
        tests.append((test, parameters))

    def go() -> list[Any]:
        with warnings.catch_warnings():
            # It says of each run that a position is left at the end, which is meant.
            warnings.simplefilter("ignore")
            return [test.run(**parameters) for test, parameters in tests]

    return go


def report(frames: Frames, finished: list[Any]) -> Report:
    """Return the fills and what the account is worth."""
    fills: list[Fill] = []
    for rows, stats in zip(frames.workload.slices(), finished, strict=True):
        for trade in [*stats["_strategy"].closed_trades, *stats["_strategy"].trades]:
            size = abs(trade.size)
            fills.append(Fill(rows.start + trade.entry_bar, BUY, trade.entry_price, size))
            if trade.exit_bar is not None:
                fills.append(Fill(rows.start + trade.exit_bar, SELL, trade.exit_price, size))
    return Report(fills, sum(float(stats["Equity Final [$]"]) for stats in finished))


if __name__ == "__main__":
    main(backtesting.__version__, prepare, arrange, report)
