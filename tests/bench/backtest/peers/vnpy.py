"""vnpy_ctastrategy: bar by bar in Python, one symbol an engine.

Its strategies send limit orders: one far through the market is filled at the next bar's open. The
averages are running sums, cheaper than the array manager that it ships. It knows one rate of costs
for both sides and all dates, and no whole won: it is given the fee and half of the sell tax of the
first date.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import Any, NamedTuple

from vnpy.trader.constant import (  # type: ignore[import-not-found] # lives in its own environment
    Direction,
    Exchange,
    Interval,
)
from vnpy.trader.object import BarData  # type: ignore[import-not-found] # same
from vnpy_ctastrategy import CtaTemplate  # type: ignore[import-not-found] # same
from vnpy_ctastrategy.backtesting import BacktestingEngine  # type: ignore[import-not-found] # same

from tests.bench.backtest.peers.contract import BUY, SELL, Fill, Report, Workload, main

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 # vnpy's bars carry local times
_KST = timedelta(hours=9)


class Crossover(CtaTemplate):  # type: ignore[misc] # untyped
    """The rule."""

    parameters = ["fast", "slow", "quantity", "may_order"]  # noqa: RUF012 # vnpy reads a list

    def on_init(self) -> None:
        """Start with nothing."""
        self.window: deque[float] = deque(maxlen=self.slow)
        self.fast_sum = 0.0
        self.slow_sum = 0.0
        self.row = -1
        self.held = False
        self.fills: list[tuple[int, int, float, float]] = []

    def on_bar(self, bar: Any) -> None:
        """Ask for what the averages want, except at a session's last bar."""
        self.row += 1
        close = bar.close_price
        window = self.window
        self.fast_sum += close
        self.slow_sum += close
        if len(window) >= self.fast:
            self.fast_sum -= window[-self.fast]
            if len(window) == self.slow:
                self.slow_sum -= window[0]
        window.append(close)
        if len(window) < self.slow:
            return
        above = self.fast_sum * self.slow > self.slow_sum * self.fast
        if above != self.held and self.may_order[self.row]:
            self.held = above
            if above:
                self.buy(close * 1.3, self.quantity)
            else:
                self.sell(close * 0.7, self.quantity)

    def on_trade(self, trade: Any) -> None:
        """Note a fill; it comes before the bar that it happened in."""
        side = BUY if trade.direction == Direction.LONG else SELL
        self.fills.append((self.row + 1, side, trade.price, trade.volume))


class Quiet(BacktestingEngine):  # type: ignore[misc] # untyped
    """An engine that does not print its progress."""

    def output(self, msg: str) -> None:
        """Say nothing."""


class History(NamedTuple):
    """Bars of each symbol as vnpy's objects."""

    workload: Workload
    bars: list[list[Any]]


def prepare(workload: Workload) -> History:
    """Make the bars."""
    columns = workload.columns
    bars = []
    for symbol, rows in zip(workload.symbols, workload.slices(), strict=True):
        lists = [columns[name][rows].tolist() for name in _NAMES]
        bars.append(
            [
                BarData(
                    gateway_name="BACKTESTING",
                    symbol=symbol,
                    exchange=Exchange.KRX,
                    datetime=_EPOCH + _KST + timedelta(microseconds=time // 1_000),
                    interval=Interval.MINUTE,
                    open_price=float(opened),
                    high_price=float(high),
                    low_price=float(low),
                    close_price=float(close),
                    volume=float(volume),
                )
                for time, opened, high, low, close, volume in zip(*lists, strict=True)
            ]
        )
    return History(workload, bars)


_NAMES = ("time", "open", "high", "low", "close", "volume")


def arrange(history: History) -> Callable[[], list[tuple[Any, float]]]:
    """Return the run of every symbol, its daily results included."""
    workload = history.workload
    settings = workload.settings
    cash = settings["cash"] / len(history.bars)
    tax = int(workload.columns["tax"][0])
    rate = (settings["fee_per_million"] + tax / 2) / 1_000_000
    engines = []
    for symbol, rows, bars in zip(workload.symbols, workload.slices(), history.bars, strict=True):
        engine = Quiet()
        engine.set_parameters(
            vt_symbol=f"{symbol}.KRX",
            interval=Interval.MINUTE,
            start=bars[0].datetime,
            end=bars[-1].datetime,
            rate=rate,
            slippage=0,
            size=1,
            pricetick=1,
            capital=cash,
        )
        parameters = {name: settings[name] for name in ("fast", "slow", "quantity")}
        parameters["may_order"] = workload.columns["may_order"][rows].tolist()
        engine.add_strategy(Crossover, parameters)
        engine.history_data = bars
        engines.append(engine)

    def go() -> list[tuple[Any, float]]:
        finished = []
        for engine in engines:
            engine.run_backtesting()
            daily = engine.calculate_result()
            finished.append((engine.strategy, cash + float(daily["net_pnl"].sum())))
        return finished

    return go


def report(history: History, finished: list[tuple[Any, float]]) -> Report:
    """Return the fills and what the account is worth."""
    fills = [
        Fill(rows.start + row, side, price, quantity)
        for rows, (strategy, _) in zip(history.workload.slices(), finished, strict=True)
        for row, side, price, quantity in strategy.fills
    ]
    notes = ["one rate for both sides and all dates, no whole won, no sell tax"]
    return Report(fills, sum(equity for _, equity in finished), notes)


if __name__ == "__main__":
    main(version("vnpy_ctastrategy"), prepare, arrange, report)
