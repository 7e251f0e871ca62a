"""Who owns how many shares, and the stops that protect them: the fold that the guard acts on.

What always holds: shares move by fills, by an operator's word and by drift, never otherwise; the
stop of a strategy's shares is the one of the entry that bought the first of them, until an allowed
change or an operator gives another.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from events import EXTERNAL, UNKNOWN, IntentId, StrategyId, Symbol
from events.control import SharesReallocated
from events.market import OpeningAllocation
from events.trading import (
    Decision,
    DriftCleared,
    DriftDetected,
    IntentApproved,
    IntentKind,
    IntentModified,
    IntentSubmitted,
    OrderFilled,
    Side,
)
from risk.guard.executions import Owner


class Allocation(msgspec.Struct):
    """Shares of one owner in one symbol, their stops in won and the entries that bought them."""

    quantity: int = 0
    protective_stop: int | None = None
    hard_stop: int | None = None
    entries: set[IntentId] = msgspec.field(default_factory=set)

    @property
    def stop(self) -> int | None:
        """The price at or below which the shares are sold: the higher of the two stops."""
        return _higher(self.protective_stop, self.hard_stop)

    @property
    def stop_kind(self) -> str:
        """Which of the two stops is reached first."""
        return "protective_stop" if self.stop == self.protective_stop else "hard_stop"


class Allocations:
    """All owners' shares of one session."""

    def __init__(self, opening: Iterable[OpeningAllocation]) -> None:
        """Begin with the opening books and the stops they carry."""
        self._shares: dict[Owner, Allocation] = {}
        self._owners: dict[Symbol, list[StrategyId]] = {}
        self._asked: dict[IntentId, IntentSubmitted] = {}
        for item in opening:
            allocation = self.of((item.strategy, item.symbol))
            allocation.quantity += item.quantity
            allocation.protective_stop = item.protective_stop
            allocation.hard_stop = item.hard_stop

    def of(self, owner: Owner) -> Allocation:
        """Return an owner's shares and stops, without shares when it has none."""
        allocation = self._shares.get(owner)
        if allocation is None:
            allocation = self._shares[owner] = Allocation()
            self._owners.setdefault(owner[1], []).append(owner[0])
        return allocation

    def known(self, symbol: Symbol) -> bool:
        """Return whether anybody had shares of a symbol in this session."""
        return symbol in self._owners

    def held(self, symbol: Symbol) -> bool:
        """Return whether anybody has shares of a symbol."""
        owners = self._owners.get(symbol, ())
        return any(self._shares[owner, symbol].quantity >= 1 for owner in owners)

    def owners(self) -> list[Owner]:
        """Return everybody who had shares in this session, in order of appearance."""
        return list(self._shares)

    def strategies_in(self, symbol: Symbol) -> list[Owner]:
        """Return the strategies that had shares of a symbol, in order of appearance."""
        owners = self._owners.get(symbol, ())
        return [(owner, symbol) for owner in owners if is_strategy(owner)]

    def submit(self, intent: IntentSubmitted) -> None:
        """Remember the stops that an entry or a change of stops names."""
        if intent.kind in (IntentKind.ENTER, IntentKind.MODIFY_RISK):
            self._asked[intent.intent_id] = intent

    def decide(self, decision: Decision) -> Owner | None:
        """Put an allowed change of stops in force; return whose stops changed."""
        intent = self._asked.get(decision.intent_id)
        if intent is None:
            return None
        allowed = isinstance(decision, IntentApproved | IntentModified)
        if allowed and intent.kind is IntentKind.ENTER:
            return None  # Its stops are needed as soon as it buys.
        del self._asked[decision.intent_id]
        owner = (intent.strategy, intent.symbol)
        if not allowed or self.of(owner).quantity < 1:
            return None
        self._set_stops(self.of(owner), intent.protective_stop, intent.hard_stop)
        return owner

    def fill(self, fill: OrderFilled) -> Owner:
        """Move the shares of a fill; return whose they are."""
        owner = (fill.strategy, fill.symbol)
        allocation = self.of(owner)
        if fill.side is Side.SELL:
            self._move(allocation, -fill.quantity)
            return owner
        # An order id is its intent's id followed by "-O" and a number.
        self._protect(allocation, IntentId(fill.order_id.rpartition("-O")[0]))
        self._move(allocation, fill.quantity)
        return owner

    def reallocate(self, event: SharesReallocated) -> tuple[Owner, Owner]:
        """Move shares between owners; those a strategy is given bring their stops."""
        source, target = (event.source, event.symbol), (event.target, event.symbol)
        self._move(self.of(source), -event.quantity)
        self._move(self.of(target), event.quantity)
        if is_strategy(event.target):
            self._set_stops(self.of(target), event.protective_stop, event.hard_stop)
        return source, target

    def drift(self, event: DriftDetected) -> Owner:
        """Give to nobody what the broker shows beyond the books; negative when shares lack."""
        owner = (UNKNOWN, event.symbol)
        self.of(owner).quantity = event.broker_quantity - event.allocated_quantity
        return owner

    def undrift(self, event: DriftCleared) -> Owner:
        """Take in that nothing is unexplained any more."""
        owner = (UNKNOWN, event.symbol)
        self.of(owner).quantity = 0
        return owner

    def _protect(self, allocation: Allocation, entry: IntentId) -> None:
        """Give shares bought by an entry its stops; among several entries the higher ones hold."""
        if entry in allocation.entries:
            return
        allocation.entries.add(entry)
        intent = self._asked.get(entry)
        if intent is not None:
            self._set_stops(
                allocation,
                _higher(allocation.protective_stop, intent.protective_stop),
                _higher(allocation.hard_stop, intent.hard_stop),
            )

    def _set_stops(self, allocation: Allocation, protective: int | None, hard: int | None) -> None:
        """Replace the stops that are given; the others stay."""
        if protective is not None:
            allocation.protective_stop = protective
        if hard is not None:
            allocation.hard_stop = hard

    def _move(self, allocation: Allocation, shares: int) -> None:
        allocation.quantity += shares
        if allocation.quantity < 1:
            allocation.protective_stop = allocation.hard_stop = None
            allocation.entries.clear()


def is_strategy(owner: StrategyId) -> bool:
    """Return whether an owner is a strategy, not a place for shares that none bought."""
    return owner not in (UNKNOWN, EXTERNAL)


def _higher(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return max(one, other)
