"""hftbacktest: its compiled event loop with a compiled rule. Trades only.

Trades and changes of the best prices are its events; each change comes 100 ns after the trade
before it and an order is under way for 500 ns, so it meets the book beside the next trade. Its
market depth is the vector of prices in a range, the faster of its two. It knows one rate of costs
for both sides and no whole won: it is given the fee and half of the sell tax.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import hftbacktest  # type: ignore[import-not-found] # lives in this peer's own environment
import numpy as np
from hftbacktest import BacktestAsset, ROIVectorMarketDepthBacktest
from hftbacktest.order import (  # type: ignore[import-not-found] # same
    FILLED,
    IOC,
    LIMIT,
)
from numba import njit

from tests.bench.backtest.peers.contract import BUY, SELL, Fill, Report, Workload, main

_BOTH_ENDS = hftbacktest.EXCH_EVENT | hftbacktest.LOCAL_EVENT
_DEPTH = 1_000_000.0
_BOOK_AFTER = 100
_ORDER_AFTER = 500


class Feed(NamedTuple):
    """Its events, and where sessions end."""

    workload: Workload
    events: np.ndarray
    ends: np.ndarray


def prepare(workload: Workload) -> Feed:
    """Write trades and changes of the book as events in order of time."""
    columns = workload.columns
    time, bid, ask = columns["time"], columns["bid"], columns["ask"]
    first = np.zeros(len(time), np.bool_)
    first[columns["first"][:-1]] = True
    changed = first.copy()
    changed[1:] |= (bid[1:] != bid[:-1]) | (ask[1:] != ask[:-1])
    rows = np.flatnonzero(changed)
    before = np.where(first[rows], time[rows] - _BOOK_AFTER, time[rows - 1] + _BOOK_AFTER)
    buy = hftbacktest.BUY_EVENT | hftbacktest.DEPTH_EVENT
    sell = hftbacktest.SELL_EVENT | hftbacktest.DEPTH_EVENT
    trade = hftbacktest.TRADE_EVENT | np.where(
        columns["aggressor"] > 0, hftbacktest.BUY_EVENT, hftbacktest.SELL_EVENT
    )
    older = np.maximum(rows - 1, 0)
    parts = [
        # What was best is taken away, then what is best is put there.
        (before, np.full(len(rows), buy), bid[older], 0.0),
        (before, np.full(len(rows), sell), ask[older], 0.0),
        (before, np.full(len(rows), buy), bid[rows], _DEPTH),
        (before, np.full(len(rows), sell), ask[rows], _DEPTH),
        (time, trade, columns["price"], columns["quantity"]),
    ]
    events = np.zeros(sum(len(part[0]) for part in parts), hftbacktest.types.event_dtype)
    place = 0
    for at, kind, price, quantity in parts:
        part = events[place : place + len(at)]
        part["exch_ts"] = part["local_ts"] = at
        part["ev"] = kind | _BOTH_ENDS
        part["px"] = price
        part["qty"] = quantity
        place += len(at)
    events = events[np.argsort(events["exch_ts"], kind="stable")]
    return Feed(workload, events, np.diff(columns["first"]))


@njit
def follow(  # noqa: PLR0917 - compiled code takes its parts in order
    engine: Any, ends: Any, window: int, pause: int, margin: int, quantity: float, fills: Any
) -> Any:
    """Trade by the rule to the end of the data; return how many fills were noted."""
    signed = np.zeros(window)
    made = 0
    row = 0
    held = False
    for session in range(len(ends)):
        value = volume = net = gross = 0.0
        signed[:] = 0.0
        place = 0
        until_next = window
        left = ends[session]
        while left > 0:
            if engine.wait_next_feed(False, 1_000_000_000_000_000) != 2:
                return made
            trades = engine.last_trades(0)
            for number in range(len(trades)):
                trade = trades[number]
                size = trade.qty
                shares = size if trade.ev & hftbacktest.BUY_EVENT else -size
                value += trade.px * size
                volume += size
                gone = signed[place]
                signed[place] = shares
                place += 1
                if place == window:
                    place = 0
                net += shares - gone
                gross += size - abs(gone)
                until_next -= 1
                left -= 1
                row += 1
                if until_next >= 0 or left == 0:
                    continue
                if held:
                    if not net * 1_000 < -margin * gross:
                        continue
                    held = False
                    price = trade.px * 0.9
                    engine.submit_sell_order(0, made + 1, price, quantity, IOC, LIMIT, False)
                else:
                    if not (net * 1_000 > margin * gross and trade.px * volume > value):
                        continue
                    held = True
                    price = trade.px * 1.1
                    engine.submit_buy_order(0, made + 1, price, quantity, IOC, LIMIT, False)
                until_next = pause
                fills[made, 0] = row
                fills[made, 1] = 1 if held else -1
                made += 1
            engine.clear_last_trades(0)
    return made


@njit
def note_fills(engine: Any, made: int, fills: Any) -> None:
    """Write the prices of the orders down, 0 for one that was not filled."""
    for number in range(made):
        order = engine.orders(0).get(number + 1)
        if order is not None and order.status == FILLED:
            fills[number, 2] = order.exec_price


def arrange(feed: Feed) -> Callable[[], Any]:
    """Return the run of a new engine, to the end of the data."""
    settings, columns = feed.workload.settings, feed.workload.columns
    rate = (settings["fee_per_million"] + int(columns["tax"][0]) / 2) / 1_000_000
    asset = (
        BacktestAsset()
        .data(feed.events)
        .linear_asset(1.0)
        .constant_order_latency(_ORDER_AFTER, 0)
        .risk_adverse_queue_model()
        .no_partial_fill_exchange()
        .trading_value_fee_model(rate, rate)
        .tick_size(float(settings["tick"]))
        .lot_size(1.0)
        .roi_lb(float(columns["bid"].min() * 0.8))
        .roi_ub(float(columns["ask"].max() * 1.2))
        .last_trades_capacity(1_000)
    )
    engine = ROIVectorMarketDepthBacktest([asset])
    fills = np.zeros((len(columns["time"]) // settings["pause"] + 1_000, 3))
    figures = [settings[name] for name in ("window", "pause", "margin")]

    def go() -> Any:
        made = follow(engine, feed.ends, *figures, float(settings["quantity"]), fills)
        return engine, made, fills

    return go


def report(feed: Feed, finished: Any) -> Report:
    """Return the fills and what the account is worth, shares at the last price."""
    engine, made, fills = finished
    settings = feed.workload.settings
    note_fills(engine, made, fills)
    state = engine.state_values(0)
    last = float(feed.workload.columns["price"][-1])
    equity = settings["cash"] + state.balance + state.position * last - state.fee
    noted = [
        Fill(int(row), BUY if side > 0 else SELL, float(price), settings["quantity"])
        for row, side, price in fills[:made].tolist()
    ]
    engine.close()
    notes = ["one rate for both sides, no whole won, no sell tax"]
    return Report(noted, equity, notes)


if __name__ == "__main__":
    main(hftbacktest.__version__, prepare, arrange, report)
