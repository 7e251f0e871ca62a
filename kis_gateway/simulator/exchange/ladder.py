"""One side of the others' visible book, and how much of it is gone since it was last shown.

What a client of ours takes, and what the others trade among themselves, is not there any more until
the next book arrives: the same liquidity is never sold twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from events.trading import Side

_VISIBLE_LEVELS: Final = 10
_UNSEEN: Final = 1 << 62


class Ladder:
    """Others' levels of one side, best first; ``eaten`` is quantity gone, by price."""

    __slots__ = ("_side", "eaten", "levels")

    def __init__(self, side: Side) -> None:
        self._side = side
        self.levels: tuple[tuple[int, int], ...] = ()
        self.eaten: dict[int, int] = {}

    def refresh(self, levels: tuple[tuple[int, int], ...]) -> None:
        """Replace the levels by what is shown now."""
        self.levels = levels
        if self.eaten:
            self.eaten.clear()

    def eat(self, price: int, quantity: int) -> None:
        """Enter that ``quantity`` at ``price`` is gone."""
        self.eaten[price] = self.eaten.get(price, 0) + quantity

    def left(self) -> Iterator[tuple[int, int]]:
        """Yield (price, quantity still there), best first, empty levels left out."""
        eaten = self.eaten
        for price, quantity in self.levels:
            left = quantity - eaten.get(price, 0)
            if left > 0:
                yield price, left

    def best(self) -> int:
        """Return the best price still there, 0 for none."""
        if not self.eaten:
            return self.levels[0][0] if self.levels else 0
        return next(self.left(), (0, 0))[0]

    def at(self, price: int) -> int:
        """Return the quantity still there at a price."""
        return next((left for level, left in self.left() if level == price), 0)

    def queue_at(self, price: int) -> int:
        """Return how much of the others stands at a price, before a newcomer.

        Nothing is known beyond the last of ten levels: a newcomer there is behind everything until
        the level comes into view.
        """
        levels = self.levels
        if len(levels) >= _VISIBLE_LEVELS:
            worst = levels[-1][0]
            if price < worst if self._side is Side.BUY else price > worst:
                return _UNSEEN
        return self.at(price)
