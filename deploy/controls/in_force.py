"""What is in force on a run's log: halts, limits, owners of shares and their stops, working orders.

A pure fold. What always holds: it says what gate, guard and router obey, by the same folds where
they have one, so that a command shows a person nothing that is not so.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from events import OrderId, StrategyId, Symbol
from events.control import (
    Halt,
    HaltCleared,
    HaltReleased,
    HaltSet,
    HaltTripped,
    LimitsChanged,
    LimitsRefused,
    SharesReallocated,
)
from events.event import Event
from events.market import SessionOpened
from events.signal import UniverseSelected
from events.trading import (
    AccountSnapshot,
    Decision,
    DriftCleared,
    DriftDetected,
    ExecutionEnded,
    Holding,
    IntentApproved,
    IntentModified,
    OrderAccepted,
    OrderClosed,
    OrderEvent,
    OrderFilled,
    OrderHeld,
    OrderRejected,
    OrderSubmitting,
    Side,
    StopChanged,
    StopState,
)
from risk import Halts, Owners

TOPICS: Final = (
    "market.session.*",
    "signal.universe",
    "trading.account",
    "trading.control",
    "trading.decision.*",
    "trading.execution.*",
    "trading.order.*",
    "trading.stop.*",
)
"""What the fold must be given, in log order."""

Limits = dict[str, int | float | str | None]


class Working(NamedTuple):
    """An allowed intent that is not over, or one of its orders that is alive.

    ``name`` is the order's id, or the intent's while it has no order.
    """

    name: str
    strategy: StrategyId
    symbol: Symbol


class InForce:
    """The fold. Read its attributes at any time; prices are won, quantities shares."""

    def __init__(self) -> None:
        self.session: SessionOpened | None = None
        self.halts = Halts()
        self.refused_limits: dict[int, str] = {}
        """Why the gate refused changes of limits, by the sequence of the change."""
        self.owners = Owners()
        self.drifts: dict[Symbol, DriftDetected] = {}
        self.cleared_at: dict[Symbol, int] = {}
        """Sequence of the newest ``DriftCleared``, by symbol."""
        self.holdings: dict[Symbol, Holding] = {}
        self.strategies: set[StrategyId] = set()
        """Strategies that chose a universe or own shares in this session."""
        self.symbols: set[Symbol] = set()
        """Symbols of a universe, owned, or held at the broker."""
        self._changes: dict[int, Limits] = {}
        self._stops: dict[tuple[StrategyId, Symbol], int | None] = {}
        self._executions: dict[str, Working] = {}
        self._orders: dict[OrderId, Working] = {}
        self._alive: dict[OrderId, Working] = {}

    def take(self, sequence: int, event: Event) -> None:
        """Fold one entry of the log."""
        match event:
            case SessionOpened():
                self._open(event)
            case UniverseSelected():
                self.strategies.add(event.strategy)
                self.symbols.update(event.symbols)
            case HaltSet() | HaltReleased() | HaltTripped() | HaltCleared():
                self.halts.take(event)
            case LimitsChanged():
                self._changes[sequence] = dict(event.changes)
            case LimitsRefused():
                self._changes.pop(event.cause, None)
                self.refused_limits[event.cause] = event.reason
            case Decision() | OrderEvent() | ExecutionEnded():
                self._trade(event)
            case _:
                self._books(sequence, event)

    def halted(self) -> tuple[Halt, ...]:
        """Return the halts in force."""
        return self.halts.in_force

    @property
    def limits(self) -> Limits:
        """The limits that differ from those of the file."""
        found: Limits = {} if self.session is None else dict(self.session.limits)
        for change in self._changes.values():
            found.update(change)
        return {key: value for key, value in found.items() if value is not None}

    def owned(self, symbol: Symbol) -> dict[StrategyId, int]:
        """Return the shares of a symbol by owner, owners without any left out."""
        return {
            owner: allocation.quantity
            for (owner, held), allocation in self.owners.allocations.items()
            if held == symbol and allocation.quantity
        }

    def stop(self, owner: StrategyId, symbol: Symbol) -> int | None:
        """Return the price at which the guard sells an owner's shares, ``None`` without a stop."""
        return self._stops.get((owner, symbol))

    def working(self) -> Iterator[Working]:
        """Yield the orders that are alive, then what is allowed and has none that is."""
        yield from self._alive.values()
        begun = {_intent_of(order) for order in self._alive}
        for intent, execution in self._executions.items():
            if intent not in begun:
                yield execution

    def matching(
        self, order: str | None, symbol: str | None, strategy: str | None
    ) -> tuple[Working, ...]:
        """Return what a cancel concerns; an order that was replaced stands for its successor."""
        return tuple(
            item
            for item in self.working()
            if order in (None, item.name, *self._earlier(item.name))
            and symbol in (None, item.symbol)
            and strategy in (None, item.strategy)
        )

    def _earlier(self, name: str) -> list[OrderId]:
        """Return the orders of an execution that is not over, by the id of one or of its intent."""
        intent = name if name in self._executions else _intent_of(OrderId(name))
        if intent not in self._executions:
            return []
        return [order for order in self._orders if _intent_of(order) == intent]

    def _open(self, session: SessionOpened) -> None:
        self.session = session
        self.halts = Halts(session.halts)
        self.owners = Owners()
        for held in (
            self.drifts,
            self.cleared_at,
            self.strategies,
            self.symbols,
            self._changes,
            self._stops,
            self._executions,
            self._orders,
            self._alive,
        ):
            held.clear()
        for opening in session.allocations:
            self.owners.carry_in(opening)
            self.strategies.add(opening.strategy)
            self.symbols.add(opening.symbol)
            stops = (opening.protective_stop, opening.hard_stop)
            given = [stop for stop in stops if stop is not None]
            self._stops[opening.strategy, opening.symbol] = max(given, default=None)

    def _books(self, sequence: int, event: Event) -> None:
        match event:
            case SharesReallocated():
                self.owners.reallocate(event)
            case AccountSnapshot():
                self.holdings = {holding.symbol: holding for holding in event.holdings}
                self.symbols.update(self.holdings)
            case DriftDetected():
                self.drifts[event.symbol] = event
                self.owners.drift(event, self._price(event.symbol))
            case DriftCleared():
                self.drifts.pop(event.symbol, None)
                self.cleared_at[event.symbol] = sequence
                self.owners.undrift(event.symbol)
            case StopChanged():
                gone = event.state in (StopState.DONE, StopState.MISSING)
                self._stops[event.strategy, event.symbol] = None if gone else event.stop_price

    def _trade(self, event: Event) -> None:
        match event:
            case IntentApproved() | IntentModified():
                if event.quantity > 0:
                    intent = event.intent_id
                    self._executions[intent] = Working(intent, event.strategy, event.symbol)
            case ExecutionEnded():
                self._executions.pop(event.intent_id, None)
            case OrderHeld() if event.intent_id in self._executions:
                held = self._executions[event.intent_id]._replace(name=event.order_id)
                self._executions[event.intent_id] = held
            case OrderSubmitting():
                order = Working(event.order_id, event.strategy, event.symbol)
                self._orders[event.order_id] = self._alive[event.order_id] = order
            case OrderAccepted() if event.adopted and event.order_id in self._orders:
                self._alive[event.order_id] = self._orders[event.order_id]
            case OrderFilled():
                self._fill(event)
            case OrderClosed() | OrderRejected():
                self._alive.pop(event.order_id, None)

    def _fill(self, fill: OrderFilled) -> None:
        self.symbols.add(fill.symbol)
        if fill.side is Side.BUY:
            self.owners.buy(fill.strategy, fill.symbol, fill.quantity, fill.amount)
        else:
            self.owners.sell(fill.strategy, fill.symbol, fill.quantity)

    def _price(self, symbol: Symbol) -> int:
        holding = self.holdings.get(symbol)
        return 0 if holding is None else holding.last_price


def _intent_of(order: OrderId) -> str:
    # An order id is its intent's id followed by "-O" and a number.
    return order.rpartition("-O")[0]
