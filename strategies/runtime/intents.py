"""The life of a strategy's own intents: submitted, decided, ordered, over.

One life cycle for all strategies. A submission is not a fill and an approval is not an order: an
intent is over when it was refused, deferred or found too old, when every order placed for it is
terminal, or when its ``expires_at`` passed before any order was placed. An order whose outcome is
unknown is alive until the log says otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Final

from events.event import Event
from events.identifiers import IntentId, OrderId, StrategyId, Symbol
from events.trading import (
    Decision,
    IntentApproved,
    IntentDeferred,
    IntentExpired,
    IntentKind,
    IntentModified,
    IntentSubmitted,
    OrderClosed,
    OrderEvent,
    OrderHeld,
    OrderRejected,
    OrderSubmitting,
)

_BOOKKEEPING: Final = frozenset({IntentKind.CANCEL_ORDERS, IntentKind.MODIFY_RISK})


class Answer(Enum):
    """What became of an intent's submission."""

    WAITING = "waiting"
    TAKEN = "taken"
    REJECTED = "rejected"
    DEFERRED = "deferred"
    EXPIRED = "expired"


class OwnIntent:
    """One intent with its answer and its orders."""

    __slots__ = ("answer", "approved_quantity", "intent", "orders", "refused_by")

    def __init__(self, intent: IntentSubmitted) -> None:
        self.intent = intent
        self.answer = Answer.WAITING
        self.approved_quantity: int | None = None
        self.refused_by: str | None = None
        self.orders: dict[OrderId, bool] = {}
        """Order id → whether the order can still do something."""

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
        return any(self.orders.values())

    def alive(self, now: int) -> bool:
        """Return whether the intent may still lead to a fill."""
        if self.answer is Answer.WAITING:
            return now < self.intent.expires_at
        if self.answer is not Answer.TAKEN or self.intent.kind in _BOOKKEEPING:
            return False
        return self.working if self.orders else now < self.intent.expires_at


class IntentTracker:
    """All intents a strategy submitted in this session, by id and by order."""

    def __init__(self, strategy: StrategyId) -> None:
        self.strategy = strategy
        self._intents: dict[IntentId, OwnIntent] = {}
        self._orders: dict[OrderId, OwnIntent] = {}

    @property
    def ids(self) -> tuple[IntentId, ...]:
        """Every intent id of the session, in order of submission."""
        return tuple(self._intents)

    def submitted(self, intent: IntentSubmitted) -> OwnIntent:
        """Note an intent the strategy has just derived."""
        own = self._intents[intent.intent_id] = OwnIntent(intent)
        return own

    def observe(self, event: Event) -> OwnIntent | None:
        """Take in a decision, an order event or an expiry; return the own intent it concerns."""
        if isinstance(event, Decision):
            return self._decided(event)
        if isinstance(event, OrderEvent):
            return self._ordered(event)
        if isinstance(event, IntentExpired):
            own = self._intents.get(event.intent.intent_id)
            if own is not None:
                own.answer = Answer.EXPIRED
            return own
        return None

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
        else:
            own.answer = Answer.REJECTED
            own.refused_by = getattr(event, "rejected_by", None)
        return own

    def _ordered(self, event: OrderEvent) -> OwnIntent | None:
        if isinstance(event, OrderHeld | OrderSubmitting):
            own = self._intents.get(event.intent_id)
            if own is not None:
                self._orders[event.order_id] = own
                own.orders[event.order_id] = True
            return own
        own = self._orders.get(event.order_id)
        if own is None:
            # The router may refuse an order before it ever held or submitted it.
            intent = event.order_id.rpartition("-O")[0]
            own = self._intents.get(IntentId(intent))
            if own is None:
                return None
            self._orders[event.order_id] = own
            own.orders[event.order_id] = True
        if isinstance(event, OrderClosed | OrderRejected):
            own.orders[event.order_id] = False
        return own


def exit_backoff(delays: Sequence[int], attempts: int) -> int:
    """Return how long to wait after the ``attempts``-th exit that did not make the strategy flat.

    The unit is that of ``delays``; the last delay repeats. ``attempts`` counts from 1.
    """
    return delays[min(attempts, len(delays)) - 1]
