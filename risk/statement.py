"""What the broker last said about the account, as far as it can still be true.

The log alone says who owns what; a statement only lowers what may be spent, sold or measured
against, never raises it. What always holds: sellable shares are believed only from a statement that
was read while nothing of the symbol worked and no earlier than ``SETTLING`` after its last fill or
order, and only until the next fill or ``LASTS``. Where that fails they are unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from events import Symbol, costs
from events.trading import AccountSnapshot

_SECOND: Final = 1_000_000_000

SETTLING: Final = 10 * _SECOND
"""Nanoseconds after a fill or the end of an order within which a balance may be older than it.

An event carries the time at which the balance arrived, not when it was asked for, and the broker
books a fill a few seconds after its notice.
"""

LASTS: Final = 180 * _SECOND
"""Nanoseconds for which shares are believed; the account is read once a minute."""


class Reported(msgspec.Struct, frozen=True, gc=False):
    """A holding by a statement read at ``at`` (ns UTC): shares held, and those that may be sold."""

    quantity: int
    sellable: int
    at: int


class Statement:
    """The newest complete account statement, less what has happened since. Money in won."""

    def __init__(self) -> None:
        self.cash: int | None = None
        """Orderable cash less everything let through since; ``None`` before the first."""
        self.equity: int | None = None
        """Equity by the newest statement, ``None`` before the first."""
        self._holdings: dict[Symbol, Reported] = {}
        self._moved: dict[Symbol, int] = {}

    def take(
        self, event: AccountSnapshot, held: Iterable[Symbol], works: Callable[[Symbol], bool]
    ) -> None:
        """Take a statement over. A symbol that is ``held`` and not listed has no shares there.

        ``works`` says whether an approved intent or an order of a symbol may still trade.
        """
        self.cash = event.cash
        self.equity = event.equity
        reported = {symbol: Reported(0, 0, event.at) for symbol in held}
        for holding in event.holdings:
            reported[holding.symbol] = Reported(holding.quantity, holding.sellable, event.at)
        for symbol, holding_there in reported.items():
            moved = self._moved.get(symbol)
            if works(symbol) or (moved is not None and event.at < moved + SETTLING):
                continue
            self._holdings[symbol] = holding_there

    def reserve(self, amount: int) -> None:
        """Take an approved buy of ``amount`` won with its fee off the orderable cash."""
        if self.cash is not None:
            self.cash -= amount + costs.fee(amount)

    def traded(self, symbol: Symbol, at: int) -> None:
        """Forget the shares of a symbol, because a fill changed them."""
        self._holdings.pop(symbol, None)
        self._moved[symbol] = at

    def ended(self, symbol: Symbol, at: int) -> None:
        """Remember that an order of a symbol ended; until then it may have claimed shares."""
        self._moved[symbol] = at

    def holding(self, symbol: Symbol, now: int) -> Reported | None:
        """Return what can still be believed about a symbol, ``None`` when that is nothing."""
        reported = self._holdings.get(symbol)
        return reported if reported is not None and now <= reported.at + LASTS else None
