"""vectorbt: whole columns at once, signals to orders in compiled code. Bars only.

The symbols are columns of one matrix, each from its own first bar on, without a common clock: that
changes nothing because every column is a portfolio of its own. Orders of a bar's close are signals
of the next bar at its open. Costs are known for each bar in advance because the quantity is fixed,
and are handed over as won per order, so they are exact.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import vectorbt  # type: ignore[import-not-found] # lives in this peer's own environment

from tests.bench.backtest.peers.contract import BUY, SELL, Fill, Report, Workload, main


class Matrices(NamedTuple):
    """Bars as matrices, a column a symbol; rows past a symbol's last bar repeat its close."""

    workload: Workload
    close: np.ndarray
    price: np.ndarray
    may_order: np.ndarray
    buy_cost: np.ndarray
    sell_cost: np.ndarray


def prepare(workload: Workload) -> Matrices:
    """Lay the symbols side by side."""
    slices = workload.slices()
    longest = max(rows.stop - rows.start for rows in slices)
    columns, quantity = workload.columns, workload.settings["quantity"]

    def beside(name: str, kind: type) -> np.ndarray:
        matrix = np.zeros((longest, len(slices)), kind)
        for number, rows in enumerate(slices):
            matrix[: rows.stop - rows.start, number] = columns[name][rows]
            if name == "close":
                matrix[rows.stop - rows.start :, number] = columns[name][rows][-1]
        return matrix

    opens = beside("open", np.int64)
    amount = opens * quantity
    buy = amount * workload.settings["fee_per_million"] // 1_000_000
    sell = buy + amount * beside("tax", np.int64) // 1_000_000
    return Matrices(
        workload,
        beside("close", np.float64),
        np.where(opens > 0, opens, 1).astype(np.float64),
        beside("may_order", np.bool_),
        buy.astype(np.float64),
        sell.astype(np.float64),
    )


def arrange(bars: Matrices) -> Callable[[], tuple[Any, float]]:
    """Return the whole of it: indicators, signals, orders, final value."""
    settings = bars.workload.settings
    cash = settings["cash"] / bars.close.shape[1]

    def go() -> tuple[Any, float]:
        mean = vectorbt.generic.nb.rolling_mean_nb
        fast = mean(bars.close, settings["fast"])
        slow = mean(bars.close, settings["slow"])
        known = bars.may_order & ~np.isnan(slow)
        entries = np.zeros_like(known)
        exits = np.zeros_like(known)
        above = fast > slow
        entries[1:] = (known & above)[:-1]
        exits[1:] = (known & ~above)[:-1]
        portfolio = vectorbt.Portfolio.from_signals(
            bars.close,
            entries,
            exits,
            price=bars.price,
            size=float(settings["quantity"]),
            fixed_fees=np.where(exits, bars.sell_cost, bars.buy_cost),
            init_cash=cash,
            freq="1min",
        )
        return portfolio, float(np.sum(portfolio.final_value()))

    return go


def report(bars: Matrices, finished: tuple[Any, float]) -> Report:
    """Return the fills and what the account is worth."""
    portfolio, equity = finished
    starts = [rows.start for rows in bars.workload.slices()]
    fills = [
        Fill(
            starts[record["col"]] + int(record["idx"]),
            BUY if record["side"] == 0 else SELL,
            float(record["price"]),
            float(record["size"]),
        )
        for record in portfolio.order_records
    ]
    return Report(fills, equity)


if __name__ == "__main__":
    main(vectorbt.__version__, prepare, arrange, report)
