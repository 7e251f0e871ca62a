"""A ten-level order book around a trade.

The level that is about to trade holds at least the traded quantity. All other quantities depend on
price and minute only, so a level that stays in view keeps its size within the minute.
"""

from __future__ import annotations

from datetime import date
from typing import Final

from events.market import Aggressor
from events.prices import round_down, round_up, tick_size
from kis_gateway.simulator.exchange.messages import Listing
from kis_gateway.simulator.market.mixing import mix

_LEVELS: Final = 10

Levels = tuple[tuple[int, int], ...]


class Depth:
    """Books of one issue on one day; ticks and limits come from its listing."""

    def __init__(self, listing: Listing, day: date) -> None:
        self._board = listing.board
        self._lower, self._upper = listing.lower_limit, listing.upper_limit
        self._day = day
        self._above: dict[int, tuple[int, ...]] = {}
        self._below: dict[int, tuple[int, ...]] = {}

    def around(
        self,
        price: int,
        aggressor: Aggressor,
        *,
        quantity: int,
        spread: int,
        typical: int,
        key: int,
    ) -> tuple[Levels, Levels]:
        """Return (asks, bids), best first, in which ``aggressor`` can trade at ``price``.

        The other side starts ``spread`` ticks away. ``typical`` is the size of a level in shares,
        ``key`` varies it.
        """
        above, below = self._ticks_above(price), self._ticks_below(price)
        if aggressor is Aggressor.BUY:
            below = below[spread - 1 :]
            asks = self._levels((price, *above), typical, key, quantity)
            return asks, self._levels(below, typical, key, 0)
        above = above[spread - 1 :]
        bids = self._levels((price, *below), typical, key, quantity)
        return self._levels(above, typical, key, 0), bids

    def _levels(self, prices: tuple[int, ...], typical: int, key: int, first: int) -> Levels:
        levels = [
            (price, 1 + typical * (40 + mix(key, price) % 160) // 100) for price in prices[:_LEVELS]
        ]
        if first:
            price, shown = levels[0]
            levels[0] = (price, shown + first)
        return tuple(levels)

    def _ticks_above(self, price: int) -> tuple[int, ...]:
        """Return the ticks over a price up to the upper limit, one more than a side shows."""
        found = self._above.get(price)
        if found is None:
            ticks: list[int] = []
            level = round_up(max(price + 1, self._lower), self._board, self._day)
            while len(ticks) <= _LEVELS and level <= self._upper:
                ticks.append(level)
                level += tick_size(level, self._board, self._day)
            found = self._above[price] = tuple(ticks)
        return found

    def _ticks_below(self, price: int) -> tuple[int, ...]:
        """Return the ticks under a price down to the lower limit, one more than a side shows."""
        found = self._below.get(price)
        if found is None:
            ticks: list[int] = []
            level = round_down(min(price - 1, self._upper), self._board, self._day)
            while len(ticks) <= _LEVELS and level >= max(1, self._lower):
                ticks.append(level)
                level = round_down(level - 1, self._board, self._day)
            found = self._below[price] = tuple(ticks)
        return found
