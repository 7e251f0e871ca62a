"""One line of text per event, for people who watch a run or look at one that has ended."""

from __future__ import annotations

from events import Event, codec
from events.calendar import kst
from events.control import (
    EVERYTHING,
    CancelRequested,
    ControlEvent,
    Halt,
    HaltCleared,
    HaltReleased,
    HaltSet,
    HaltTripped,
    LeaseEvent,
    LeaseReleased,
    LeaseTaken,
    LimitsChanged,
    LimitsRefused,
    OperatorPresent,
    SharesReallocated,
)
from events.ops import (
    DaySealed,
    Degraded,
    DivergenceFound,
    EventSetAside,
    FeedGap,
    FrameSetAside,
    Recovered,
)
from events.trading import (
    Decision,
    DriftCleared,
    DriftDetected,
    ExecutionEnded,
    FillCorrected,
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
    StopChanged,
)


def clock_text(at: int) -> str:
    """Return the KST wall time of an instant (ns UTC), ``09:16:03``."""
    return f"{kst(at):%H:%M:%S}"


def won(amount: int) -> str:
    """Return an amount with thousands separated and its sign when negative."""
    return f"{amount:,} won"


def megabytes(count: int) -> str:
    """Return a number of bytes for people, ``4.2 MB``; small ones in kilobytes."""
    return f"{count / 1e6:,.1f} MB" if count >= 100_000 else f"{count / 1e3:,.1f} kB"


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
            instead = "" if event.replaces is None else f" instead of {event.replaces}"
            return f"order {event.side} {event.quantity:,} {event.symbol} {price}{instead}"
        case OrderFilled():
            return f"filled {event.side} {event.quantity:,} {event.symbol} at {event.price:,}"
        case OrderUnknown():
            return f"outcome of {event.order_id} unknown: {event.reason}"
        case OrderClosed():
            return f"{event.order_id} {event.state}, {event.filled_quantity:,} filled"
        case ExecutionEnded():
            done = f"{event.filled_quantity:,} of {event.quantity:,} by {event.orders} orders"
            return f"{event.intent_id} ended, {event.reason}: {done}"
        case FillCorrected() | StopChanged() | DriftDetected() | DriftCleared():
            return _books(event)
        case ControlEvent() | HaltTripped() | HaltCleared() | LimitsRefused():
            return _control(event)
        case LeaseEvent():
            return _lease(event)
        case _:
            return _ops(event)


def halt_place(halt: Halt | HaltSet | HaltTripped | HaltCleared | HaltReleased) -> str:
    """Return what a halt concerns and what set it off, ``strategy KMP (operator)``."""
    target = "" if halt.target == EVERYTHING else f" {halt.target}"
    trigger = "all triggers" if halt.trigger is None else halt.trigger.replace("_", " ")
    return f"{halt.scope.replace('_', ' ')}{target} ({trigger})"


def _books(event: FillCorrected | StopChanged | DriftDetected | DriftCleared) -> str:
    match event:
        case FillCorrected():
            change = f"{event.amount:+,} won, fee {event.fee:+,}, tax {event.tax:+,}"
            return f"{event.order_id} corrected by {change}: {event.reason}"
        case StopChanged():
            return _stop(event)
        case DriftDetected():
            found = f"broker {event.broker_quantity:,}, owners {event.allocated_quantity:,}"
            return f"drift in {event.symbol}: {found}"
        case DriftCleared():
            return f"drift in {event.symbol} is over"


def _stop(event: StopChanged) -> str:
    level = "" if event.stop_price is None else f" at {event.stop_price:,}"
    price = "" if event.price is None else f", price {event.price:,}"
    intent = "" if event.intent_id is None else f", {event.intent_id}"
    reason = f": {event.reason}" if event.reason else ""
    what = f"stop of {event.strategy} {event.symbol}{level} {event.state}"
    return f"{what}, {event.quantity:,} shares{price}{intent}{reason}"


def _control(event: ControlEvent | HaltTripped | HaltCleared | LimitsRefused) -> str:
    match event:
        case HaltSet():
            mode = event.mode.replace("_", " ")
            return f"{event.issued_by} halts {halt_place(event)}, {mode}: {event.reason}"
        case HaltTripped():
            mode = event.mode.replace("_", " ")
            return f"halt {halt_place(event)}, {mode}, by rule {event.rule}: {event.reason}"
        case HaltCleared():
            return f"halt {halt_place(event)} is over: {event.reason}"
        case HaltReleased():
            return f"{event.issued_by} releases halt {halt_place(event)}: {event.reason}"
        case LimitsChanged():
            changes = ", ".join(
                f"{key} {'as in the file' if value is None else value}"
                for key, value in event.changes.items()
            )
            return f"{event.issued_by} changes limits, {changes}: {event.reason}"
        case LimitsRefused():
            return f"change of limits at sequence {event.cause} refused: {event.reason}"
        case CancelRequested():
            given = (event.order_id, event.strategy, event.symbol)
            named = " ".join(part for part in given if part is not None) or "everything"
            return f"{event.issued_by} withdraws orders of {named}: {event.reason}"
        case SharesReallocated():
            shares = f"{event.quantity:,} {event.symbol}"
            move = f"from {event.source} to {event.target} for {event.cost:,} won"
            return f"{event.issued_by} moves {shares} {move}: {event.reason}"
        case OperatorPresent():
            watched = f"for {event.timeout_s} s" if event.timeout_s else "and leaves"
            return f"{event.issued_by} is present by {event.link} {watched}"
        case _:
            return codec.event_name(event)


def _lease(event: LeaseEvent) -> str:
    match event:
        case LeaseTaken():
            change = "taken"
        case LeaseReleased():
            change = "released"
        case _:
            change = "renewed"
    return f"lease {event.name} {change} by {event.holder}, epoch {event.epoch}"


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
        case DaySealed():
            return f"{event.trading_date} sealed, {event.entries:,} entries to {event.last:,}"
        case _:
            return codec.event_name(event)
