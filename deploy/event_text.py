"""One line of text per event, for people who watch a run or look at one that has ended."""

from __future__ import annotations

from events import Event, codec
from events.calendar import kst
from events.control import ControlChanged
from events.ops import (
    Degraded,
    DivergenceFound,
    EventSetAside,
    FeedGap,
    FrameSetAside,
    Recovered,
)
from events.trading import (
    Decision,
    IntentApproved,
    IntentDeferred,
    IntentExpired,
    IntentModified,
    IntentRejected,
    IntentSubmitted,
    OrderClosed,
    OrderFilled,
    OrderSubmitting,
    OrderUnknown,
)


def clock_text(at: int) -> str:
    """Return the KST wall time of an instant (ns UTC), ``09:16:03``."""
    return f"{kst(at):%H:%M:%S}"


def won(amount: int) -> str:
    """Return an amount with thousands separated and its sign when negative."""
    return f"{amount:,} won"


def describe(event: Event) -> str:
    """Return what happened, in one line; the type name alone for events nobody waits for."""
    match event:
        case IntentSubmitted():
            quantity = "" if event.quantity is None else f" {event.quantity:,}"
            return f"{event.strategy} wants {event.kind}{quantity} {event.symbol}: {event.reason}"
        case IntentExpired():
            return f"{event.intent.intent_id} came too late and is dropped"
        case Decision():
            return _decision(event)
        case OrderSubmitting():
            price = "at market" if event.limit_price is None else f"at {event.limit_price:,}"
            return f"order {event.side} {event.quantity:,} {event.symbol} {price}"
        case OrderFilled():
            return f"filled {event.side} {event.quantity:,} {event.symbol} at {event.price:,}"
        case OrderUnknown():
            return f"outcome of {event.order_id} unknown: {event.reason}"
        case OrderClosed():
            return f"{event.order_id} {event.state}, {event.filled_quantity:,} filled"
        case ControlChanged():
            change = "on" if event.active else "off"
            return f"{event.control} {event.scope} {change}: {event.reason}"
        case _:
            return _ops(event)


def _decision(event: Decision) -> str:
    match event:
        case IntentApproved():
            return f"{event.intent_id} approved"
        case IntentModified():
            return f"{event.intent_id} cut to {event.quantity:,} by {event.binding_check}"
        case IntentRejected():
            return f"{event.intent_id} rejected by {event.rejected_by}: {event.reason}"
        case IntentDeferred():
            return f"{event.intent_id} deferred by {event.deferred_by}: {event.reason}"
        case _:
            return codec.event_name(event)


def _ops(event: Event) -> str:
    match event:
        case Degraded():
            return f"{event.service} degraded, {event.condition}: {event.detail}"
        case Recovered():
            return f"{event.service} recovered from {event.condition}"
        case FeedGap():
            return f"{event.service}: market data may be missing ({event.reason})"
        case DivergenceFound():
            return f"{event.service} DIVERGES at sequence {event.sequence} ({event.kind})"
        case EventSetAside():
            return f"{event.service} set entry {event.sequence} aside: {event.error}"
        case FrameSetAside():
            return f"{event.service} set a frame aside: {event.error}"
        case _:
            return codec.event_name(event)
