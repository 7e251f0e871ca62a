"""The guard's intents: asked on an owner's behalf, told from the owner's own by their purpose.

What always holds: an id is used once a session, because numbers of one purpose only rise; the
guard's purposes are no strategy's.
"""

from __future__ import annotations

from typing import Final

from events import StrategyId, Symbol, TradingDate
from events.identifiers import intent_id
from events.trading import Horizon, IntentKind, IntentSubmitted, Urgency

STOP: Final = "S"
LIQUIDATE: Final = "L"
WITHDRAW: Final = "W"

_KINDS: Final = {
    STOP: IntentKind.EXIT,
    LIQUIDATE: IntentKind.FLATTEN,
    WITHDRAW: IntentKind.CANCEL_ORDERS,
}


class Asking:
    """Writes the guard's intents of one session and numbers them."""

    def __init__(self, trading_date: TradingDate, lifetime: int) -> None:
        """Let intents lapse ``lifetime`` ns after the newest instant known when they are asked."""
        self._trading_date = trading_date
        self._lifetime = lifetime
        self._numbers: dict[tuple[StrategyId, Symbol, str], int] = {}

    def ask(
        self,
        purpose: str,
        owner: StrategyId,
        symbol: Symbol,
        *,
        at: int,
        cause: int,
        latest: int,
        quantity: int | None,
        attempt: int,
        reason: str,
        price: int | None,
        facts: dict[str, int | float | str | bool | None],
    ) -> IntentSubmitted:
        """Return the owner's next intent of a purpose.

        ``at`` and ``cause`` are those of the entry it follows from, ``latest`` the newest instant
        seen so far (ns UTC). ``attempt`` counts the sales of this liquidation from 1: the router
        gets more pressing with it. ``price`` is the last one known, won.
        """
        key = (owner, symbol, purpose)
        number = self._numbers[key] = self._numbers.get(key, 0) + 1
        return IntentSubmitted(
            at=at,
            cause=cause,
            intent_id=intent_id(self._trading_date, owner, symbol, purpose, number),
            strategy=owner,
            symbol=symbol,
            kind=_KINDS[purpose],
            quantity=quantity,
            urgency=Urgency.HIGH,
            horizon=Horizon.INTRADAY,
            reason=reason,
            attempt=attempt,
            expires_at=latest + self._lifetime,
            reference_price=price,
            facts=facts,
        )
