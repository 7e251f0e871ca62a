"""Where the next row of an issue is that an order of ours might be touched by.

``kis_gateway.simulator.exchange.reach`` says what is out of reach; this looks through a stretch of
a tape for the first row that is not. What always holds: nothing before that row touches an order,
queues that trades and books shorten on the way included.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from events.market import Aggressor
from kis_gateway.simulator.exchange import Reach
from research.backtest.tape import LEVELS, Kind, Tape

_TRADE, _BOOK = int(Kind.TRADE), int(Kind.BOOK)
_UNSEEN: Final = 1 << 61
"""Shares before an order beyond the last level shown: more than are ever traded."""


def first_in_reach(tape: Tape, rows: NDArray[np.int64], near: Reach) -> int:
    """Return the place of the first of an issue's rows that is in reach, else of the last one."""
    kinds, prices = tape.kind[rows], tape.price[rows]
    trades = (kinds == _TRADE) & ~tape.auction[rows]
    books = np.flatnonzero(kinds == _BOOK)
    found = ~trades & (kinds != _BOOK)
    found |= trades & ((prices < near.buy) | (prices > near.sell))
    shown, held = tape.book[rows[books]], tape.books
    asks, bids = held.ask_prices[shown], held.bid_prices[shown]
    offered, wanted = held.ask_quantities[shown], held.bid_quantities[shown]
    found[books] = (
        ((asks <= near.buy) & (offered > 0)) | ((bids >= near.sell) & (wanted > 0))
    ).any(axis=1)
    for limit, before, own, side, levels, quantities in (
        (near.buy, near.before_buy, Aggressor.BUY, 1, bids, wanted),
        (near.sell, near.before_sell, Aggressor.SELL, -1, asks, offered),
    ):
        at_limit = trades & (prices == limit) & (tape.aggressor[rows] != int(own))
        if not at_limit.any():
            continue
        traded = np.where(at_limit, tape.quantity[rows], 0).cumsum()
        # A queue is as long as the shortest that was ever shown, less what has traded since then.
        queue = np.full(len(rows), before, np.int64)
        queue[books] = _queue_at(limit, levels, quantities, side) + traded[books]
        found |= at_limit & (traded > np.minimum.accumulate(queue))
    place = int(found.argmax())
    return place if found[place] else len(rows) - 1


def _queue_at(
    limit: int, prices: NDArray[np.int64], quantities: NDArray[np.int64], side: int
) -> NDArray[np.int64]:
    """Return what each book shows at a limit; ``side`` is 1 for bids, -1 for asks."""
    levels = quantities > 0
    queue = np.where((prices == limit) & levels, quantities, 0).sum(axis=1)
    beyond = levels.sum(axis=1) == LEVELS
    beyond &= (prices[:, -1] - limit) * side > 0
    return np.where(beyond, _UNSEEN, queue)
