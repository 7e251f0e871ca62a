"""No engine at all: the rule as a plain Python loop, or the same loop compiled by numba.

What every engine is held against. It knows no order, no account but a number, no event; it shows
what the arithmetic of the rule costs by itself. Cash is kept in whole won.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from platform import python_version
from typing import Any

from tests.bench.backtest.peers.contract import BUY, SELL, Fill, Report, Workload, main

Finished = tuple[int, list[tuple[int, int, int]]]


def crossover(  # noqa: PLR0917 - compiled code takes its columns in order
    opens: Any, closes: Any, may_order: Any, tax: Any, fast: int, slow: int, quantity: int, fee: int
) -> Any:
    """Trade one symbol; return the gain in won and (row, side, price) of each fill."""
    fills = [(0, 0, 0) for _ in range(0)]
    cash = 0
    held = 0
    wanted = 0
    fast_sum = 0
    slow_sum = 0
    for row in range(len(closes)):
        if wanted != held:
            amount = opens[row] * quantity
            if wanted > held:
                cash -= amount + amount * fee // 1_000_000
                fills.append((row, 1, opens[row]))
            else:
                cash += amount - amount * fee // 1_000_000 - amount * tax[row] // 1_000_000
                fills.append((row, -1, opens[row]))
            held = wanted
        close = closes[row]
        fast_sum += close
        slow_sum += close
        if row >= fast:
            fast_sum -= closes[row - fast]
        if row >= slow:
            slow_sum -= closes[row - slow]
        if row >= slow - 1 and may_order[row]:
            wanted = quantity if fast_sum * slow > slow_sum * fast else 0
    return cash + held * closes[len(closes) - 1], fills


def imbalance(  # noqa: PLR0917 - as above
    prices: Any,
    quantities: Any,
    aggressors: Any,
    bids: Any,
    asks: Any,
    window: int,
    pause: int,
    margin: int,
    quantity: int,
    fee: int,
    tax: int,
    held: int,
) -> Any:
    """Trade one session; return cash won or spent, shares held and (row, side, price) of fills."""
    fills = [(0, 0, 0) for _ in range(0)]
    cash = 0
    wanted = held
    value = 0
    volume = 0
    net = 0
    gross = 0
    left = window
    last = len(prices) - 1
    for row in range(len(prices)):
        if wanted != held:
            if wanted > held:
                amount = asks[row] * quantity
                cash -= amount + amount * fee // 1_000_000
                fills.append((row, 1, asks[row]))
            else:
                amount = bids[row] * quantity
                cash += amount - amount * fee // 1_000_000 - amount * tax // 1_000_000
                fills.append((row, -1, bids[row]))
            held = wanted
        shares = quantities[row]
        value += prices[row] * shares
        volume += shares
        gross += shares
        net += shares * aggressors[row]
        if row >= window:
            gross -= quantities[row - window]
            net -= quantities[row - window] * aggressors[row - window]
        left -= 1
        if left < 0 and row < last:
            if held > 0:
                if net * 1_000 < -margin * gross:
                    wanted = 0
                    left = pause
            elif net * 1_000 > margin * gross and prices[row] * volume > value:
                wanted = quantity
                left = pause
    return cash, held, fills


@lru_cache
def _compiled(rule: Callable[..., Any]) -> Callable[..., Any]:
    from numba import njit

    return njit(rule)  # type: ignore[no-any-return]


def _bars(workload: Workload, rule: Callable[..., Any], arrays: Any) -> Finished:
    settings = workload.settings
    figures = [settings[name] for name in ("fast", "slow", "quantity", "fee_per_million")]
    gain = settings["cash"]
    fills: list[tuple[int, int, int]] = []
    for rows, columns in zip(workload.slices(), arrays, strict=True):
        gained, traded = rule(*columns, *figures)
        gain += gained
        fills += [(row + rows.start, side, price) for row, side, price in traded]
    return gain, fills


def _trades(workload: Workload, rule: Callable[..., Any], arrays: Any) -> Finished:
    settings = workload.settings
    names = ("window", "pause", "margin", "quantity", "fee_per_million")
    figures = [settings[name] for name in names]
    cash, held = settings["cash"], 0
    fills: list[tuple[int, int, int]] = []
    for rows, columns in zip(workload.slices(), arrays, strict=True):
        tax = int(workload.columns["tax"][rows.start])
        spent, held, traded = rule(*columns, *figures, tax, held)
        cash += spent
        fills += [(row + rows.start, side, price) for row, side, price in traded]
    return cash + held * int(workload.columns["price"][-1]), fills


def prepare(workload: Workload) -> tuple[Workload, Callable[[], Finished]]:
    """Return the workload and what runs it: lists for the plain loop, arrays for the compiled."""
    names = (
        ("open", "close", "may_order", "tax")
        if workload.name == "A"
        else ("price", "quantity", "aggressor", "bid", "ask")
    )
    rule: Callable[..., Any] = crossover if workload.name == "A" else imbalance
    arrays: list[Any] = [
        [workload.columns[name][rows] for name in names] for rows in workload.slices()
    ]
    if workload.variant == "numba":
        rule = _compiled(rule)
    else:
        arrays = [[column.tolist() for column in columns] for columns in arrays]
    together = _bars if workload.name == "A" else _trades
    return workload, lambda: together(workload, rule, arrays)


def report(prepared: tuple[Workload, Callable[[], Finished]], finished: Finished) -> Report:
    """Return the fills and what the account is worth."""
    equity, fills = finished
    quantity = prepared[0].settings["quantity"]
    return Report(
        [
            Fill(int(row), BUY if side > 0 else SELL, int(price), quantity)
            for row, side, price in fills
        ],
        int(equity),
    )


if __name__ == "__main__":
    main(python_version(), prepare, lambda prepared: prepared[1], report)
