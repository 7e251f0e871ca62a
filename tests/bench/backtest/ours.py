"""This project's engine on workloads A and B, in the same shape as the scripts of the others.

``reference`` hands every bar or trade to the strategy, ``block`` only what it waits for; both go
through the gate, the router and the simulated exchange. Sessions are read and laid out beforehand,
as the other engines' objects are made beforehand; ``prepare s`` is what that took.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import numpy as np

from bus import code_version
from events import OrderId, Symbol
from events.trading import Side
from research.backtest import BacktestResult, BacktestSettings, load_settings, run
from research.backtest.market_day import MarketDay, MarketDays
from research.backtest.results import FillRow
from research.backtest.settings import Delivery
from tests.bench.backtest.array_days import BarArrayDays, TickArrayDays
from tests.bench.backtest.peers.contract import BUY, SELL, Fill, Report, Workload, main

HERE: Final = Path(__file__).resolve().parent


class Kept:
    """Sessions that are read once, all of them beforehand."""

    def __init__(self, days: MarketDays) -> None:
        self.dates: Sequence[date] = days.dates
        self.data_hash = days.data_hash
        self._kept = {on: days.day(on) for on in self.dates}

    def day(self, on: date, also: Sequence[Symbol] = ()) -> MarketDay:
        """Return a session; what is carried is among its issues anyway."""
        del also
        return self._kept[on]

    def days(self) -> Iterator[MarketDay]:
        """Yield all sessions, oldest first."""
        return iter(self._kept.values())


class Ready(NamedTuple):
    """What a run takes."""

    workload: Workload
    settings: BacktestSettings
    days: MarketDays


def crossover_settings(symbols: Sequence[str], cash: int, delivery: Delivery) -> BacktestSettings:
    """Return the settings of workload A for some symbols."""
    settings = load_settings(HERE / "crossover.yaml")
    allowed = {"sectors": {"unknown": "block", "allow_list": list(symbols)}}
    risk = msgspec.structs.replace(settings.risk, set={**settings.risk.set, **allowed})
    return msgspec.structs.replace(settings, cash=cash, risk=risk, delivery=delivery)


def prepare(workload: Workload) -> Ready:
    """Read the sessions."""
    cash, delivery = workload.settings["cash"], Delivery(workload.variant)
    days: MarketDays
    if workload.name == "A":
        settings = crossover_settings(workload.symbols, cash, delivery)
        history = settings.strategies[0].set["slow"]
        days = BarArrayDays(workload.columns, workload.symbols, settings.owners, history)
    else:
        settings = msgspec.structs.replace(
            load_settings(HERE / "imbalance.yaml"), cash=cash, delivery=delivery
        )
        days = TickArrayDays(workload.columns, workload.symbols, settings.owners)
    return Ready(workload, settings, Kept(days))


def arrange(ready: Ready) -> Callable[[], BacktestResult]:
    """Return the backtest."""
    return lambda: run(ready.settings, ready.days)


def report(ready: Ready, result: BacktestResult) -> Report:
    """Return the fills, each at the bar or trade at which it happened, and the final equity."""
    return report_fills(ready.workload, result.fills, result.closing_equity, notes(result))


def report_fills(
    workload: Workload, rows: Sequence[FillRow], equity: int, said: list[str]
) -> Report:
    """Return fills, each at the bar or trade at which it happened, with what else is to be said."""
    time, first = workload.columns["time"], workload.columns["first"]
    places = {symbol: number for number, symbol in enumerate(workload.symbols)}
    fills = []
    for parts in _by_order(rows):
        last = parts[-1]
        if workload.name == "A":
            part = slice(*first[places[last.symbol] :][:2].tolist())
            row = int(np.searchsorted(time[part], last.executed_at, "right")) - 1 + part.start
        else:
            # The order came between two trades and met the book beside the second.
            row = int(np.searchsorted(time, last.executed_at, "right"))
        quantity = sum(each.quantity for each in parts)
        price = sum(each.amount for each in parts) / quantity
        fills.append(Fill(row, BUY if last.side is Side.BUY else SELL, price, quantity))
    return Report(fills, equity, said)


def _by_order(fills: Sequence[FillRow]) -> Iterable[Sequence[FillRow]]:
    orders: dict[OrderId, list[FillRow]] = {}
    for each in fills:
        orders.setdefault(each.order_id, []).append(each)
    return orders.values()


def notes(result: BacktestResult) -> list[str]:
    """Return what became of wishes that did not simply trade."""
    refused = [each for each in result.decisions if each.outcome != "approved"]
    unfilled = [each for each in result.orders if each.filled_quantity != each.quantity]
    partial = len(result.fills) - sum(each.filled_quantity > 0 for each in result.orders)
    said: list[tuple[int, str]] = [
        (len(refused), "wishes not approved as they were"),
        (len(unfilled), "orders not filled whole"),
        (partial, "fills more than orders: an open had fewer shares to give"),
    ]
    return [f"{count} {what}" for count, what in said if count]


if __name__ == "__main__":
    main(code_version()[:12], prepare, arrange, report)
