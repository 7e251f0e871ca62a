"""The stops of allocations, folded from a session's log: what the next session's books carry. Pure.

What always holds: a strategy's shares have the stops of the entry that bought them, of several
entries the higher ones, until an allowed change or an operator gives others; without shares there
is no stop.
"""

from __future__ import annotations

import msgspec

from events import EXTERNAL, UNKNOWN, Event, IntentId, StrategyId, Symbol
from events.control import SharesReallocated
from events.market import SessionOpened
from events.trading import (
    IntentApproved,
    IntentKind,
    IntentModified,
    IntentSubmitted,
    OrderFilled,
    OrderSubmitting,
    Side,
)

_OWNERLESS = (UNKNOWN, EXTERNAL)


class Stops(msgspec.Struct, frozen=True):
    """The stops of one allocation in won; ``None`` where there is none."""

    protective: int | None = None
    hard: int | None = None


class StopsInForce:
    """The stops of every strategy's shares."""

    def __init__(self, session: SessionOpened | None) -> None:
        """Begin with what a session's opening carried; ``None`` without a session."""
        self._stops: dict[tuple[StrategyId, Symbol], Stops] = {}
        self._quantities: dict[tuple[StrategyId, Symbol], int] = {}
        self._intents: dict[IntentId, IntentSubmitted] = {}
        self._orders: dict[str, IntentId] = {}
        self._booked: dict[tuple[StrategyId, Symbol], set[IntentId]] = {}
        for item in () if session is None else session.allocations:
            key = item.strategy, item.symbol
            self._quantities[key] = item.quantity
            self._stops[key] = Stops(item.protective_stop, item.hard_stop)

    def of(self, owner: StrategyId, symbol: Symbol) -> Stops:
        """Return the stops of an owner's shares."""
        return self._stops.get((owner, symbol), Stops())

    def take(self, event: Event) -> None:
        """Take in an entry of the log; most kinds change nothing."""
        match event:
            case IntentSubmitted():
                self._intents[event.intent_id] = event
            case IntentApproved() | IntentModified():
                self._change(event.intent_id)
            case OrderSubmitting():
                self._orders[event.order_id] = event.intent_id
            case OrderFilled():
                self._fill(event)
            case SharesReallocated():
                self._reallocate(event)
            case _:
                pass

    def _change(self, intent_id: IntentId) -> None:
        intent = self._intents.get(intent_id)
        if intent is None or intent.kind is not IntentKind.MODIFY_RISK:
            return
        key = intent.strategy, intent.symbol
        if self._quantities.get(key, 0) > 0:
            self._set(key, intent.protective_stop, intent.hard_stop)

    def _fill(self, event: OrderFilled) -> None:
        key = event.strategy, event.symbol
        if event.side is Side.SELL:
            self._move(key, -event.quantity)
            return
        self._move(key, event.quantity)
        intent = self._intents.get(self._orders.get(event.order_id, IntentId("")))
        booked = self._booked.setdefault(key, set())
        if intent is None or intent.intent_id in booked:
            return
        booked.add(intent.intent_id)
        now = self.of(*key)
        self._set(
            key,
            _higher(now.protective, intent.protective_stop),
            _higher(now.hard, intent.hard_stop),
        )

    def _reallocate(self, event: SharesReallocated) -> None:
        self._move((event.source, event.symbol), -event.quantity)
        target = event.target, event.symbol
        self._move(target, event.quantity)
        if event.target not in _OWNERLESS:
            self._set(target, event.protective_stop, event.hard_stop)

    def _set(
        self, key: tuple[StrategyId, Symbol], protective: int | None, hard: int | None
    ) -> None:
        """Put the given stops in force; where none is given the present one stays."""
        now = self.of(*key)
        self._stops[key] = Stops(
            now.protective if protective is None else protective,
            now.hard if hard is None else hard,
        )

    def _move(self, key: tuple[StrategyId, Symbol], shares: int) -> None:
        left = self._quantities.get(key, 0) + shares
        self._quantities[key] = left
        if left < 1:
            self._stops.pop(key, None)
            # Shares that the same entry still buys later bring its stops again.
            self._booked.pop(key, None)


def _higher(one: int | None, other: int | None) -> int | None:
    given = [stop for stop in (one, other) if stop is not None]
    return max(given, default=None)
