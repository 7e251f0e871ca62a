"""The life of one order as one table: what may follow what, and what each event changes.

What always holds: the executed quantity never exceeds the ordered one, a terminal state is not
left, and an event that does not fit raises instead of being absorbed. A fill is legal from the
moment the call may have left, because notices overtake answers and a cancel that was taken in does
not stop an execution on its way. Two ends are conclusions, and what the exchange did counts for
more: a closed order may still be shown to have executed (the shares are booked, the state stays)
or to have traded at another value (the money is corrected, shares and state stay), and an order
given up as not found may still be found (it works again; the one exception to the rule above).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from events import IntentId, OrderId, StrategyId, Symbol
from events.codec import event_name
from events.trading import (
    CancelAccepted,
    CancelRejected,
    CancelSubmitting,
    CancelUnknown,
    FillCorrected,
    OrderAccepted,
    OrderClosed,
    OrderEvent,
    OrderFilled,
    OrderHeld,
    OrderKind,
    OrderRejected,
    OrderState,
    OrderSubmitting,
    OrderUnknown,
    Route,
    Side,
)
from kis_gateway.broker import THROTTLE_CODES
from kis_gateway.errors import IllegalTransition

NOT_FOUND: Final = "NOT_FOUND"
"""Code of ``OrderRejected``: the answer was lost and the broker lists no such order."""


class CancelState(StrEnum):
    """Where the newest attempt to withdraw an order stands."""

    NONE = "none"
    SUBMITTING = "submitting"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """One order as its events describe it. Won, shares, ns UTC.

    The ticket (``strategy`` … ``cancel_at``) is known from ``OrderSubmitting`` on. ``submitted_at``
    and ``unknown_at`` are the ``at`` of those events, ``closed`` is set by ``OrderClosed``.
    ``accepted_at`` is when the broker answered, 0 for an adopted order, which has worked for longer
    than is known.
    ``given_up_at`` is when the order was rejected as not found, 0 when it never was.
    ``cancel_throttled`` says that the newest cancel was refused only for coming too fast.
    ``corrections`` counts the corrections of ``filled_amount``.
    """

    order_id: OrderId
    state: OrderState
    intent_id: IntentId | None = None
    strategy: StrategyId | None = None
    symbol: Symbol | None = None
    side: Side | None = None
    kind: OrderKind | None = None
    quantity: int = 0
    limit_price: int | None = None
    cancel_at: int = 0
    route: Route = Route.KRX
    submitted_at: int = 0
    unknown_at: int = 0
    accepted_at: int = 0
    given_up_at: int = 0
    broker_order: str | None = None
    branch: str = ""
    filled_quantity: int = 0
    filled_amount: int = 0
    corrections: int = 0
    cancel: CancelState = CancelState.NONE
    cancel_attempts: int = 0
    cancel_changed_at: int = 0
    cancel_throttled: bool = False
    closed: bool = False

    @property
    def remaining(self) -> int:
        """Shares not executed."""
        return self.quantity - self.filled_quantity

    @property
    def over(self) -> bool:
        """Whether nothing more is expected: rejected, or closed with its final quantity."""
        return self.closed or self.state is OrderState.REJECTED


_HELD: Final = OrderState.HELD
_SUBMITTING: Final = OrderState.SUBMITTING
_UNKNOWN: Final = OrderState.UNKNOWN
_ACCEPTED: Final = OrderState.ACCEPTED
_PARTIAL: Final = OrderState.PARTIALLY_FILLED
_FILLED: Final = OrderState.FILLED
_CANCELLED: Final = OrderState.CANCELLED
_REJECTED: Final = OrderState.REJECTED
_EXPIRED: Final = OrderState.EXPIRED

# A cancel's answer may arrive after the order has ended; it is kept and changes no state.
_CANCEL_ANSWERS: Final = (CancelAccepted, CancelRejected, CancelUnknown)


def _cancel_answers(state: OrderState) -> dict[type[OrderEvent], tuple[OrderState, ...]]:
    return dict.fromkeys(_CANCEL_ANSWERS, (state,))


TRANSITIONS: Final[dict[OrderState | None, dict[type[OrderEvent], tuple[OrderState, ...]]]] = {
    None: {
        OrderHeld: (_HELD,),
        OrderSubmitting: (_SUBMITTING,),
        OrderRejected: (_REJECTED,),
    },
    _HELD: {
        OrderSubmitting: (_SUBMITTING,),
        OrderRejected: (_REJECTED,),
        OrderClosed: (_CANCELLED, _EXPIRED),
    },
    _SUBMITTING: {
        OrderAccepted: (_ACCEPTED, _PARTIAL),
        OrderRejected: (_REJECTED,),
        OrderUnknown: (_UNKNOWN,),
        OrderFilled: (_SUBMITTING, _FILLED),
    },
    _UNKNOWN: {
        OrderAccepted: (_ACCEPTED, _PARTIAL),
        OrderRejected: (_REJECTED,),
        OrderFilled: (_UNKNOWN, _FILLED),
    },
    _ACCEPTED: {
        OrderFilled: (_PARTIAL, _FILLED),
        OrderRejected: (_REJECTED,),
        OrderClosed: (_CANCELLED, _EXPIRED),
        CancelSubmitting: (_ACCEPTED,),
        **_cancel_answers(_ACCEPTED),
    },
    _PARTIAL: {
        OrderFilled: (_PARTIAL, _FILLED),
        OrderClosed: (_CANCELLED, _EXPIRED),
        CancelSubmitting: (_PARTIAL,),
        **_cancel_answers(_PARTIAL),
    },
    _FILLED: {
        OrderAccepted: (_FILLED,),
        OrderClosed: (_FILLED,),
        FillCorrected: (_FILLED,),
        **_cancel_answers(_FILLED),
    },
    _CANCELLED: {
        OrderFilled: (_CANCELLED,),
        FillCorrected: (_CANCELLED,),
        **_cancel_answers(_CANCELLED),
    },
    _EXPIRED: {
        OrderFilled: (_EXPIRED,),
        FillCorrected: (_EXPIRED,),
        **_cancel_answers(_EXPIRED),
    },
    _REJECTED: {OrderAccepted: (_ACCEPTED,), **_cancel_answers(_REJECTED)},
}
"""State (``None``: no event yet) → event → the states it may lead to.

Where two states stand, the quantities decide: a fill that completes the order leads to ``FILLED``,
an answer after a first fill to ``PARTIALLY_FILLED``; ``OrderClosed`` names its own. A fill tells no
broker number, so ``SUBMITTING`` and ``UNKNOWN`` remain until the answer or an inquiry gives it. A
correction changes money only, and only of an order that is over.
``REJECTED`` is left only by adopting an order that was given up as not found, and only once.
"""

TERMINAL: Final = frozenset({_FILLED, _CANCELLED, _REJECTED, _EXPIRED})
"""States that no event changes, but for the adoption of an order given up as not found."""


def evolve(order: Order | None, event: OrderEvent) -> Order:
    """Return the order after ``event``; ``None`` stands for an order without any event.

    Raises:
        IllegalTransition: the event cannot follow, or its quantities contradict the order's.
    """
    state = None if order is None else order.state
    allowed = TRANSITIONS[state].get(type(event))
    if allowed is None:
        raise _illegal(order, event)
    match event:
        case OrderHeld():
            return Order(order_id=event.order_id, intent_id=event.intent_id, state=_HELD)
        case OrderSubmitting():
            return _submitting(event)
        case OrderRejected() if order is None:
            return Order(order_id=event.order_id, state=_REJECTED)
    assert order is not None  # only the three events above begin an order
    match event:
        case OrderAccepted() if order.broker_order is None and _acceptable(order, event):
            return msgspec.structs.replace(
                order,
                state=_after_answer(order),
                broker_order=event.broker_order,
                branch=event.branch,
                accepted_at=0 if event.adopted else event.at,
            )
        case OrderRejected() if order.filled_quantity == 0 and not order.given_up_at:
            lost = order.state is _UNKNOWN and event.code == NOT_FOUND
            return msgspec.structs.replace(
                order, state=_REJECTED, given_up_at=event.at if lost else 0
            )
        case OrderUnknown():
            return msgspec.structs.replace(order, state=_UNKNOWN, unknown_at=event.at)
        case OrderFilled():
            return _filled(order, event)
        case FillCorrected():
            return _corrected(order, event)
        case OrderClosed():
            return _closed(order, event, allowed)
        case CancelSubmitting() | CancelAccepted() | CancelRejected() | CancelUnknown():
            return _cancel(order, event)
    raise _illegal(order, event)


def _submitting(event: OrderSubmitting) -> Order:
    return Order(
        order_id=event.order_id,
        state=_SUBMITTING,
        intent_id=event.intent_id,
        strategy=event.strategy,
        symbol=event.symbol,
        side=event.side,
        kind=event.kind,
        quantity=event.quantity,
        limit_price=event.limit_price,
        cancel_at=event.cancel_at,
        route=event.route,
        submitted_at=event.at,
    )


def _acceptable(order: Order, event: OrderAccepted) -> bool:
    return order.state is not _REJECTED or (event.adopted and order.given_up_at > 0)


def _after_answer(order: Order) -> OrderState:
    if order.state is _FILLED:
        return _FILLED
    return _PARTIAL if order.filled_quantity else _ACCEPTED


def _filled(order: Order, event: OrderFilled) -> Order:
    total = order.filled_quantity + event.quantity
    if event.quantity <= 0 or total != event.cumulative_quantity or total > order.quantity:
        raise _illegal(order, event)
    if order.closed:
        state = order.state
    elif total == order.quantity:
        state = _FILLED
    elif order.state in (_SUBMITTING, _UNKNOWN):
        state = order.state
    else:
        state = _PARTIAL
    return msgspec.structs.replace(
        order,
        state=state,
        filled_quantity=total,
        filled_amount=order.filled_amount + event.amount,
    )


def _corrected(order: Order, event: FillCorrected) -> Order:
    amount = order.filled_amount + event.amount
    if (
        not order.closed
        or event.ordinal != order.corrections + 1
        or event.quantity != order.filled_quantity
        or event.quantity <= 0
        or event.amount == 0
        or amount <= 0
    ):
        raise _illegal(order, event)
    return msgspec.structs.replace(order, filled_amount=amount, corrections=event.ordinal)


def _closed(order: Order, event: OrderClosed, allowed: tuple[OrderState, ...]) -> Order:
    if (
        order.closed
        or event.state not in allowed
        or event.filled_quantity != order.filled_quantity
        or (order.state is _FILLED and order.broker_order is None)
    ):
        raise _illegal(order, event)
    return msgspec.structs.replace(order, state=event.state, closed=True)


def _cancel(
    order: Order, event: CancelSubmitting | CancelAccepted | CancelRejected | CancelUnknown
) -> Order:
    match event:
        case CancelSubmitting():
            legal = (
                order.cancel is not CancelState.SUBMITTING
                and event.attempt == order.cancel_attempts + 1
            )
            cancel = CancelState.SUBMITTING
        case CancelAccepted():
            legal = order.cancel in (CancelState.SUBMITTING, CancelState.UNKNOWN)
            cancel = CancelState.ACCEPTED
        case CancelRejected():
            # The exchange may refuse later what the broker took in first.
            legal = order.cancel not in (CancelState.NONE, CancelState.REJECTED)
            cancel = CancelState.REJECTED
        case CancelUnknown():
            legal = order.cancel is CancelState.SUBMITTING
            cancel = CancelState.UNKNOWN
    throttled = isinstance(event, CancelRejected) and event.code in THROTTLE_CODES
    attempts = order.cancel_attempts + (cancel is CancelState.SUBMITTING)
    if not legal or event.attempt != attempts:
        raise _illegal(order, event)
    return msgspec.structs.replace(
        order,
        cancel=cancel,
        cancel_attempts=attempts,
        cancel_changed_at=event.at,
        cancel_throttled=throttled,
    )


def _illegal(order: Order | None, event: OrderEvent) -> IllegalTransition:
    state = "new" if order is None else str(order.state)
    return IllegalTransition(event.order_id, state, event_name(event))
