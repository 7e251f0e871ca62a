"""What the known shares of each symbol are worth: at the last price, until then as they closed.

What always holds: the value of all holdings is the sum over the symbols. Shares of ``_UNKNOWN_``
are no part of it.
"""

from __future__ import annotations

import msgspec

from events import Symbol


class Position(msgspec.Struct, gc=False):
    """All shares of one symbol but those of ``_UNKNOWN_``.

    ``last`` is the last price in won, ``None`` before the first. ``value`` is what the shares are
    worth at it, until then what they are taken for (``priced`` is false).
    """

    quantity: int = 0
    value: int = 0
    last: int | None = None
    priced: bool = True


class Holdings:
    """Shares and their worth in won, by symbol."""

    def __init__(self) -> None:
        self.positions: dict[Symbol, Position] = {}
        self.held: dict[Symbol, Position] = {}
        """The positions with shares."""
        self.value = 0
        """Won that all shares are worth."""
        self.unpriced = 0
        """Symbols held whose price has not been seen since the session opened."""

    def position(self, symbol: Symbol) -> Position:
        """Return the position in a symbol, an empty one the first time."""
        position = self.positions.get(symbol)
        if position is None:
            position = self.positions[symbol] = Position()
        return position

    def carry_in(self, symbol: Symbol, quantity: int, value: int) -> None:
        """Add shares from the opening books, taken for ``value`` won until a price is seen."""
        position = self.position(symbol)
        self._shift(symbol, position, quantity)
        self._guess(position, position.value + value)

    def mark(self, symbol: Symbol, price: int) -> None:
        """Take a traded price as the symbol's last one."""
        position = self.positions.get(symbol)
        if position is None:
            position = self.position(symbol)
        position.last = price
        if position.quantity:
            self._revalue(position, price)

    def mark_opening(self, symbol: Symbol, base_price: int) -> None:
        """Value shares without a trade yet at the day's base price, the adjusted last close."""
        position = self.positions.get(symbol)
        if position is not None and position.last is None and position.quantity:
            self._revalue(position, base_price)

    def trade(self, symbol: Symbol, change: int, price: int) -> None:
        """Add or take off shares that were traded; without a last price ``price`` is one."""
        position = self.position(symbol)
        if position.last is None:
            position.last = price
        self._shift(symbol, position, change)
        self._revalue(position, position.last)

    def move(self, symbol: Symbol, change: int, cost: int) -> int:
        """Add or take off shares without a trade; return by how many won the value changed.

        Without a last price they are taken for ``cost`` won.
        """
        position = self.position(symbol)
        before = position.value
        self._shift(symbol, position, change)
        if position.last is None:
            self._guess(position, max(0, before + cost))
        else:
            self._revalue(position, position.last)
        return position.value - before

    def _shift(self, symbol: Symbol, position: Position, change: int) -> None:
        position.quantity += change
        if position.quantity:
            self.held[symbol] = position
        else:
            self.held.pop(symbol, None)

    def _revalue(self, position: Position, price: int) -> None:
        value = position.quantity * price
        self.value += value - position.value
        position.value = value
        if not position.priced:
            position.priced = True
            self.unpriced -= 1

    def _guess(self, position: Position, value: int) -> None:
        """Take shares without a price for ``value`` won, none for nothing."""
        value = value if position.quantity else 0
        self.value += value - position.value
        position.value = value
        was_priced, position.priced = position.priced, not position.quantity
        self.unpriced += was_priced - position.priced
