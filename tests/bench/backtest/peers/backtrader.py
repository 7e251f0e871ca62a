"""backtrader: bar by bar in Python, indicators computed over the whole beforehand (``runonce``).

The feed hands its columns over whole (``preload``) instead of a line at a time, observers and the
check of cash at submission are off: the fastest that it goes. Each symbol is a run of its own with
its share of the cash. Costs by date come from a commission scheme that looks at the feed's bar.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Any, NamedTuple

import backtrader  # type: ignore[import-not-found] # lives in this peer's own environment

from tests.bench.backtest.peers.contract import BUY, SELL, Fill, Report, Workload, main

_DAY = 86_400 * 1_000_000_000
_KST = 9 * 3_600 * 1_000_000_000
_EPOCH = 719_163.0
"""Days from year 1 to 1970, in which backtrader counts."""


class Columns(backtrader.feed.DataBase):  # type: ignore[misc] # untyped
    """A feed that has everything already."""

    params = (("columns", None),)

    def preload(self) -> None:
        """Put the columns where the engine would have put them one by one."""
        for name, values in self.p.columns.items():
            getattr(self.lines, name).array = array("d", values)
        self.home()


class Costs(backtrader.CommInfoBase):  # type: ignore[misc] # untyped
    """Fee of each side and the sell tax of the bar's date, whole won."""

    params = (("data", None), ("tax", ()), ("fee", 0), ("commission", 0.0), ("stocklike", True))

    def _getcommission(self, size: float, price: float, pseudoexec: bool) -> float:
        del pseudoexec
        amount = int(abs(size) * price)
        costs = amount * self.p.fee // 1_000_000
        if size < 0:
            costs += amount * self.p.tax[len(self.p.data) - 1] // 1_000_000
        return float(costs)


class Crossover(backtrader.Strategy):  # type: ignore[misc] # untyped
    """The rule."""

    params = (("may_order", ()), ("fast", 0), ("slow", 0), ("quantity", 0))

    def __init__(self) -> None:
        self.fast = backtrader.indicators.SMA(self.data.close, period=self.p.fast)
        self.slow = backtrader.indicators.SMA(self.data.close, period=self.p.slow)
        self.held = False
        self.fills: list[tuple[int, int, float, float]] = []

    def next(self) -> None:
        """Ask for what the averages want, except at a session's last bar."""
        above = self.fast[0] > self.slow[0]
        if above != self.held and self.p.may_order[len(self.data) - 1]:
            self.held = above
            if above:
                self.buy(size=self.p.quantity)
            else:
                self.sell(size=self.p.quantity)

    def notify_order(self, order: Any) -> None:
        """Note a fill."""
        if order.status == order.Completed:
            side = BUY if order.isbuy() else SELL
            done = order.executed
            self.fills.append((len(self.data) - 1, side, done.price, abs(done.size)))


class Feeds(NamedTuple):
    """Columns of each symbol."""

    workload: Workload
    columns: list[dict[str, list[float]]]
    tax: list[list[int]]
    may_order: list[list[bool]]


def prepare(workload: Workload) -> Feeds:
    """Cut the columns by symbol."""
    days = (workload.columns["time"] + _KST) / _DAY + _EPOCH
    given = {"datetime": days, **{name: workload.columns[name] for name in _NAMES}}
    feeds: list[dict[str, list[float]]] = []
    for rows in workload.slices():
        columns = {name: column[rows].astype(float).tolist() for name, column in given.items()}
        columns["openinterest"] = [0.0] * (rows.stop - rows.start)
        feeds.append(columns)
    tax = [workload.columns["tax"][rows].tolist() for rows in workload.slices()]
    may_order = [workload.columns["may_order"][rows].tolist() for rows in workload.slices()]
    return Feeds(workload, feeds, tax, may_order)


_NAMES = ("open", "high", "low", "close", "volume")

Finished = list[tuple[list[tuple[int, int, float, float]], float]]


def arrange(feeds: Feeds) -> Callable[[], Finished]:
    """Return the run of every symbol."""
    settings = feeds.workload.settings
    figures = {name: settings[name] for name in ("fast", "slow", "quantity")}
    engines = []
    for columns, tax, may_order in zip(feeds.columns, feeds.tax, feeds.may_order, strict=True):
        engine = backtrader.Cerebro(stdstats=False, runonce=True, preload=True)
        data = Columns(columns=columns, timeframe=backtrader.TimeFrame.Minutes)
        engine.adddata(data)
        engine.addstrategy(Crossover, may_order=may_order, **figures)
        engine.broker.setcash(settings["cash"] / len(feeds.columns))
        engine.broker.set_checksubmit(False)
        costs = Costs(data=data, tax=tax, fee=settings["fee_per_million"])
        engine.broker.addcommissioninfo(costs)
        engines.append(engine)

    def go() -> Finished:
        finished: Finished = []
        for engine in engines:
            strategy = engine.run()[0]
            finished.append((strategy.fills, engine.broker.getvalue()))
        return finished

    return go


def report(feeds: Feeds, finished: Finished) -> Report:
    """Return the fills and what the account is worth."""
    fills = [
        Fill(rows.start + row, side, price, quantity)
        for rows, (made, _) in zip(feeds.workload.slices(), finished, strict=True)
        for row, side, price, quantity in made
    ]
    return Report(fills, sum(value for _, value in finished))


if __name__ == "__main__":
    main(backtrader.__version__, prepare, arrange, report)
