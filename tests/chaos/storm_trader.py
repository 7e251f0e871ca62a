"""A strategy that trades all the time, so that a storm has something to break."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from events import Delivery, Event, StrategyId, Symbol, identifiers, prices
from events.market import ClockTick, SessionOpened, TradeFrame
from events.trading import (
    Horizon,
    IntentKind,
    IntentSubmitted,
    OrderFilled,
    Side,
    Urgency,
)

SECOND: Final = 1_000_000_000
STRATEGY: Final = StrategyId("KMP")
"""A strategy that the shipped limits give a budget."""

EVERY: Final = 15 * SECOND
HOLD: Final = 45 * SECOND
ENTRY_LIFETIME: Final = 20 * SECOND
EXIT_LIFETIME: Final = 15 * SECOND
SHARES: Final = 3


class _Position:
    def __init__(self) -> None:
        self.quantity = 0
        self.bought_at = 0
        self.entries = 0
        self.exits = 0
        self.quiet_until = 0


class StormTrader:
    """Buys three shares of the next symbol every fifteen seconds, sells them 45 seconds later.

    Pure, like every strategy. From ``until`` (ns UTC) on it only sells.
    """

    name = "storm"
    inputs: Sequence[str] = (
        "market.session.*",
        "market.clock",
        "market.trade.*",
        "trading.order.*",
    )
    outputs: Sequence[str] = ("trading.intent.*",)

    def __init__(self, session: SessionOpened, symbols: Sequence[Symbol], until: int) -> None:
        self._date = session.trading_date
        self._until = until
        self._positions = {symbol: _Position() for symbol in symbols}
        self._last: dict[Symbol, int] = {}
        self._next_entry_at = 0
        self._turn = 0

    def owns(self, event: Event) -> bool:
        """Own what it submitted."""
        return isinstance(event, IntentSubmitted)

    def handle(self, delivery: Delivery) -> Sequence[Event]:
        """Follow prices and fills; act on the clock."""
        event = delivery.event
        if isinstance(event, TradeFrame) and event.trades:
            self._last[event.symbol] = event.trades[-1].price
        elif isinstance(event, OrderFilled):
            position = self._positions[event.symbol]
            if position.quantity == 0:
                position.bought_at = event.at
            position.quantity += event.quantity if event.side is Side.BUY else -event.quantity
        elif isinstance(event, ClockTick):
            return [*self._exits(delivery.sequence, event.at), *self._entry(delivery, event.at)]
        return ()

    def _exits(self, cause: int, now: int) -> Sequence[Event]:
        intents = []
        for symbol, position in self._positions.items():
            due = position.quantity > 0 and now >= position.bought_at + HOLD
            if not due or now < position.quiet_until:
                continue
            position.exits += 1
            position.quiet_until = now + EXIT_LIFETIME + 5 * SECOND
            intents.append(
                IntentSubmitted(
                    at=now,
                    cause=cause,
                    intent_id=identifiers.intent_id(
                        self._date, STRATEGY, symbol, "X", position.exits
                    ),
                    strategy=STRATEGY,
                    symbol=symbol,
                    kind=IntentKind.EXIT,
                    quantity=position.quantity,
                    urgency=Urgency.HIGH,
                    horizon=Horizon.INTRADAY,
                    reason="held long enough",
                    attempt=1,
                    expires_at=now + EXIT_LIFETIME,
                )
            )
        return intents

    def _entry(self, delivery: Delivery, now: int) -> Sequence[Event]:
        if now < self._next_entry_at or now >= self._until:
            return ()
        symbols = tuple(self._positions)
        for _ in symbols:
            symbol = symbols[self._turn % len(symbols)]
            self._turn += 1
            position = self._positions[symbol]
            if symbol in self._last and position.quantity == 0 and now >= position.quiet_until:
                break
        else:
            return ()
        self._next_entry_at = now + EVERY
        position.entries += 1
        position.quiet_until = now + ENTRY_LIFETIME + 10 * SECOND
        last = self._last[symbol]
        return (
            IntentSubmitted(
                at=now,
                cause=delivery.sequence,
                intent_id=identifiers.intent_id(
                    self._date, STRATEGY, symbol, "E", position.entries
                ),
                strategy=STRATEGY,
                symbol=symbol,
                kind=IntentKind.ENTER,
                quantity=SHARES,
                urgency=Urgency.HIGH,
                horizon=Horizon.INTRADAY,
                reason="its turn",
                attempt=position.entries,
                expires_at=now + ENTRY_LIFETIME,
                reference_price=last,
                protective_stop=prices.round_down(last * 97 // 100),
            ),
        )
