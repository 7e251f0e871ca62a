"""When money arrives: today's trades are paid two sessions later, and only then is it settled.

KRX settles on T+2. Proceeds of a sale may be spent on buys at once, but cannot be withdrawn before
they are settled; a buy is paid for then. So what may be spent (``Book.orderable_cash``) and what
is settled are two amounts, and both are kept.
"""

from __future__ import annotations

from typing import Final

SESSIONS_TO_SETTLE: Final = 2
"""Sessions from a trade to its settlement at KRX."""


class Settlement:
    """Deposits by settlement day: those the broker states, and what today's trades change. Won."""

    def __init__(self) -> None:
        self.proceeds = 0
        """Won that today's sales bring on T+2, net of fee and tax."""
        self.payments = 0
        """Won that today's buys cost on T+2, with their fee."""
        self._stated: tuple[int, ...] = ()
        self._net_when_stated = 0

    @property
    def net(self) -> int:
        """Won by which today's trades change the deposit on T+2."""
        return self.proceeds - self.payments

    def state(self, deposits: tuple[int, ...]) -> None:
        """Take over what the broker states: deposits on T, T+1 and T+2, as far as it gives them."""
        if deposits:
            self._stated, self._net_when_stated = deposits, self.net

    def buy(self, amount: int) -> None:
        """Count a buy that costs ``amount`` won, fee included."""
        self.payments += amount

    def sell(self, amount: int) -> None:
        """Count a sale that brings ``amount`` won, fee and tax taken off."""
        self.proceeds += amount

    def deposit(self, sessions: int) -> int | None:
        """Return the deposit after the settlements ``sessions`` from now, ``None`` if not known.

        Trades since the broker's statement move the deposit on T+2 only.
        """
        if sessions >= len(self._stated):
            return None
        stated = self._stated[sessions]
        if sessions < SESSIONS_TO_SETTLE:
            return stated
        return stated + self.net - self._net_when_stated
