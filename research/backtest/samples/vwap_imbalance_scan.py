"""The trades at which VWAP and imbalance change nothing, passed over by compiled code.

What always holds: rows taken in here leave the state that ``VwapImbalance.handle`` would have left,
and none of them would have had an output.
"""

from __future__ import annotations

from array import array

import numpy as np
from numpy.typing import NDArray

from research.backtest.compiled import compiled
from research.backtest.skipping import Trades

_Column = NDArray[np.int64]
_PER_MILLE = 1_000


def scan(
    trades: Trades,
    signed: array[int],
    state: array[int],
    *,
    margin: int,
    held: bool,
    since: int,
    until: int,
) -> int:
    """Take in trades up to the first that calls for a wish; return how many were taken in.

    ``signed`` are the strategy's newest trades and ``state`` its place among them, net and gross
    shares and the trades until its next wish: both are moved on. Wishes are made from ``since``
    until ``until`` (ns UTC), for an exit when ``held``.
    """
    return _scan(
        trades.at,
        trades.price,
        trades.quantity,
        trades.aggressor,
        trades.cumulative_volume,
        trades.cumulative_value,
        np.frombuffer(signed, np.int64),
        np.frombuffer(state, np.int64),
        margin,
        held,
        since,
        until,
    )


@compiled
def _scan(  # noqa: PLR0917 - compiled code takes its columns in order
    at: _Column,
    price: _Column,
    quantity: _Column,
    aggressor: NDArray[np.int8],
    volume: _Column,
    value: _Column,
    signed: _Column,
    state: _Column,
    margin: int,
    held: bool,
    since: int,
    until: int,
) -> int:
    place, net, gross, left = state[0], state[1], state[2], state[3]
    row = 0
    while row < len(price):
        shares = quantity[row] * aggressor[row]
        gone = signed[place]
        new_net = net + shares - gone
        new_gross = gross + abs(shares) - abs(gone)
        if left < 1 and since <= at[row] < until:
            if held:
                calls = new_net * _PER_MILLE < -margin * new_gross
            else:
                bought = new_net * _PER_MILLE > margin * new_gross
                calls = bought and price[row] * volume[row] > value[row]
            if calls:
                break
        signed[place] = shares
        net, gross = new_net, new_gross
        left -= 1
        place += 1
        if place == len(signed):
            place = 0
        row += 1
    state[0], state[1], state[2], state[3] = place, net, gross, left
    return row
