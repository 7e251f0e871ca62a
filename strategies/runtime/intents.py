"""The life of a strategy's intents: submitted, decided, executed, over.

One life cycle for all strategies. A submission is not a fill and an approval is not an order. The
router may execute an allowed intent by several orders, one after the other, and says itself when
none follows; so an intent is over when it was refused, deferred or found too old, when its
``expires_at`` passed without an answer, with its last allowed share, or with its
``ExecutionEnded``. An order whose outcome is unknown is alive until the log says otherwise, and one
given up as not found is alive again when the broker lists it after all, whatever was said about its
execution.

Others may act on the strategy's behalf: the guard sells at a stop or by a halt. Those intents are
followed like own ones, so that the strategy never sells beside them.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Final

from events.event import Event
from events.identifiers import IntentId, OrderId, StrategyId, Symbol, of_guard
from events.trading import (
    Decision,
    ExecutionEnded,
    IntentApproved,
    IntentDeferred,
    IntentExpired,
    IntentKind,
    IntentModified,
    IntentRejected,
    IntentSubmitted,
    OrderAccepted,
    OrderClosed,
    OrderEvent,
    OrderFilled,
    OrderHeld,
    OrderRejected,
    OrderSubmitting,
)

_BOOKKEEPING: Final = frozenset(
    {IntentKind.CANCEL_ORDERS, IntentKind.MODIFY_RISK, IntentKind.SET_TARGET}
)
_SALES: Final = frozenset({IntentKind.EXIT, IntentKind.FLATTEN, IntentKind.REDUCE})


class Answer(Enum):
    """What became of an intent's submission."""

    WAITING = "waiting"
    TAKEN = "taken"
    REJECTED = "rejected"
    DEFERRED = "deferred"
    EXPIRED = "expired"


class OrderLife(Enum):
    """Whether an order can still do something, and if not, how it ended."""

    ALIVE = "alive"
    GIVEN_UP = "given up"
    CLOSED = "closed"


class OwnOrder:
    """One order of an intent: ``quantity`` ordered, ``None`` before it was sent, and ``filled``."""

    __slots__ = ("filled", "life", "quantity")

    def __init__(self) -> None:
        self.life = OrderLife.ALIVE
        self.quantity: int | None = None
        self.filled = 0

    @property
    def working(self) -> bool:
        """Whether it may still be filled."""
        return self.life is OrderLife.ALIVE and self.filled != self.quantity

    def evolve(self, event: OrderEvent) -> None:
        """Take in what happened to the order."""
        match event:
            case OrderSubmitting():
                self.quantity = event.quantity
            case OrderFilled():
                self.filled = max(self.filled, event.cumulative_quantity)
            case OrderClosed():
                self.life = OrderLife.CLOSED
            case OrderRejected():
                self.life = OrderLife.GIVEN_UP
            case OrderAccepted() if event.adopted and self.life is OrderLife.GIVEN_UP:
                self.life = OrderLife.ALIVE
            case _:
                pass

    def give_up(self) -> None:
        """Take the router's word that the order is over, unless the broker lists it after all."""
        if self.life is OrderLife.ALIVE:
            self.life = OrderLife.GIVEN_UP


class OwnIntent:
    """One intent with its answer, its orders and the end of its execution."""

    __slots__ = ("answer", "approved_quantity", "ended", "intent", "orders", "refused_by")

    def __init__(self, intent: IntentSubmitted) -> None:
        self.intent = intent
        self.answer = Answer.WAITING
        self.approved_quantity: int | None = None
        self.refused_by: str | None = None
        self.orders: dict[OrderId, OwnOrder] = {}
        self.ended: ExecutionEnded | None = None

    @property
    def symbol(self) -> Symbol:
        """The intent's symbol."""
        return self.intent.symbol

    @property
    def taken(self) -> bool:
        """Whether the risk gate let it through."""
        return self.answer is Answer.TAKEN

    @property
    def working(self) -> bool:
        """Whether one of its orders can still do something."""
        return any(order.working for order in self.orders.values())

    @property
    def filled(self) -> int:
        """Shares that its orders were filled for, as far as the fills were seen."""
        return sum(order.filled for order in self.orders.values())

    def alive(self, now: int) -> bool:
        """Return whether the intent may still lead to a fill."""
        if self.working:
            return True
        if self.answer is Answer.WAITING:
            return now < self.intent.expires_at
        if self.answer is not Answer.TAKEN or self.intent.kind in _BOOKKEEPING:
            return False
        # Let through for no share at all (an exit whose shares are gone) there is nothing to do.
        return self.ended is None and self.filled < (self.approved_quantity or 0)


class IntentTracker:
    """All intents of a strategy in this session, by id and by order, and who sells its shares."""

    def __init__(self, strategy: StrategyId) -> None:
        self.strategy = strategy
        self._derived: list[IntentId] = []
        self._intents: dict[IntentId, OwnIntent] = {}
        self._orders: dict[OrderId, OwnIntent] = {}
        self._sales: dict[Symbol, list[OwnIntent]] = {}

    @property
    def ids(self) -> tuple[IntentId, ...]:
        """Every intent id the strategy submitted in the session, in order of submission."""
        return tuple(self._derived)

    def submitted(self, intent: IntentSubmitted) -> OwnIntent:
        """Note an intent the strategy has just derived."""
        self._derived.append(intent.intent_id)
        return self._follow(intent)

    def selling(self, symbol: Symbol, now: int) -> bool:
        """Return whether a sale of the strategy's shares, own or the guard's, may still fill."""
        return any(sale.alive(now) for sale in self._sales.get(symbol, ()))

    def guard_selling(self, symbol: Symbol, now: int) -> bool:
        """Return whether the guard is selling the strategy's shares of a symbol."""
        return any(
            of_guard(sale.intent.intent_id) and sale.alive(now)
            for sale in self._sales.get(symbol, ())
        )

    def observe(self, event: Event) -> OwnIntent | None:
        """Take in what concerns intents; return the intent it concerns, ``None`` for no own one.

        An intent submitted on the strategy's behalf is followed from its submission on.
        """
        if isinstance(event, Decision):
            return self._decided(event)
        if isinstance(event, OrderEvent):
            return self._ordered(event)
        if isinstance(event, IntentSubmitted):
            if event.strategy != self.strategy or event.intent_id in self._intents:
                return None
            return self._follow(event)
        if isinstance(event, IntentExpired):
            own = self._intents.get(event.intent.intent_id)
            if own is not None:
                own.answer = Answer.EXPIRED
            return own
        if isinstance(event, ExecutionEnded):
            own = self._intents.get(event.intent_id)
            if own is not None:
                own.ended = event
                for order in own.orders.values():
                    order.give_up()
            return own
        return None

    def _follow(self, intent: IntentSubmitted) -> OwnIntent:
        own = self._intents[intent.intent_id] = OwnIntent(intent)
        if intent.kind in _SALES:
            self._sales.setdefault(intent.symbol, []).append(own)
        return own

    def _decided(self, event: Decision) -> OwnIntent | None:
        own = self._intents.get(event.intent_id)
        if own is None:
            return None
        if isinstance(event, IntentApproved | IntentModified):
            own.answer = Answer.TAKEN
            own.approved_quantity = event.quantity
        elif isinstance(event, IntentDeferred):
            own.answer = Answer.DEFERRED
            own.refused_by = event.deferred_by
        elif isinstance(event, IntentRejected):
            own.answer = Answer.REJECTED
            own.refused_by = event.rejected_by
        return own

    def _ordered(self, event: OrderEvent) -> OwnIntent | None:
        if isinstance(event, OrderHeld | OrderSubmitting):
            own = self._intents.get(event.intent_id)
        else:
            # The router may refuse an order before it ever held or submitted it.
            own = self._orders.get(event.order_id) or self._intents.get(
                IntentId(event.order_id.rpartition("-O")[0])
            )
        if own is None:
            return None
        self._orders[event.order_id] = own
        if event.order_id not in own.orders:
            own.orders[event.order_id] = OwnOrder()
        own.orders[event.order_id].evolve(event)
        return own


def exit_backoff(delays: Sequence[int], attempts: int) -> int:
    """Return how long to wait after the ``attempts``-th exit that did not make the strategy flat.

    The unit is that of ``delays``; the last delay repeats. ``attempts`` counts from 1.
    """
    return delays[min(attempts, len(delays)) - 1]
