"""Events to row changes: pure, one event at a time, so batch boundaries cannot matter.

Whatever the rows need is in the events and in the rows themselves. Event types that no table needs
are passed over. ``TOPICS`` is what has to be read: market prints and quotes are left out, marks
come from the account snapshots.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from events import Event, codec, control, market, ops, signal, trading
from events.errors import CodecError
from projections import books_fold, control_fold, order_fold, owners_fold
from projections.read_model import ReadModel
from projections.rows import (
    ConditionRow,
    DecisionRow,
    IntentRow,
    ServiceRow,
    SetAsideRow,
)
from projections.text import json_text, plain

SERVICE: Final = "projector"
"""Name under which a projector reports on the log."""

TOPICS: Final = ("market.session.*", "market.clock", "trading.>", "signal.regime", "ops.*")
"""Topics that the read models are folded from."""

_BOOKKEEPING: Final = frozenset(
    kind.value
    for kind in (
        trading.IntentKind.CANCEL_ORDERS,
        trading.IntentKind.MODIFY_RISK,
        trading.IntentKind.SET_TARGET,
    )
)


def fold(model: ReadModel, sequence: int, event: Event) -> None:
    """Apply the event that stands at ``sequence`` of the log to the rows."""
    model.clock = max(model.clock, event.at)
    step = _STEPS.get(type(event))
    if step is not None:
        step(model, sequence, event)


def fold_undecodable(
    model: ReadModel, sequence: int, subject: str, error: CodecError
) -> ops.EventSetAside:
    """Keep an entry that is no event as a row, and return the report to append to the log.

    The report's time is the log's clock at that place, so a repetition has the same bytes.
    """
    report = ops.EventSetAside(
        at=model.clock,
        service=SERVICE,
        sequence=sequence,
        subject=subject,
        error=plain(str(error)),
        payload=error.payload,
    )
    _event_set_aside(model, sequence, report)
    return report


def _clock_tick(model: ReadModel, sequence: int, event: market.ClockTick) -> None:
    """Only moves the log's clock, which ``fold`` has done."""


def _phase_changed(model: ReadModel, sequence: int, event: market.PhaseChanged) -> None:
    model.portfolio_day(event.trading_date).phase = event.phase.value


def _intent_submitted(model: ReadModel, sequence: int, event: trading.IntentSubmitted) -> None:
    model.intents.put(_intent_row(model, sequence, event, "submitted"))
    model.strategy_day(event.strategy).intents += 1


def _intent_expired(model: ReadModel, sequence: int, event: trading.IntentExpired) -> None:
    model.intents.put(_intent_row(model, sequence, event.intent, "expired"))
    model.strategy_day(event.intent.strategy).intents += 1


def _intent_row(
    model: ReadModel, sequence: int, event: trading.IntentSubmitted, status: str
) -> IntentRow:
    return IntentRow(
        account=model.account,
        intent_id=event.intent_id,
        sequence=sequence,
        cause=event.cause,
        trading_date=model.trading_date,
        strategy=event.strategy,
        symbol=event.symbol,
        kind=event.kind.value,
        quantity=event.quantity,
        urgency=event.urgency.value,
        horizon=event.horizon.value,
        reason=plain(event.reason),
        attempt=event.attempt,
        signal=None if event.signal is None else plain(event.signal),
        reference_price=event.reference_price,
        limit_price=event.limit_price,
        stop_price=event.stop_price,
        protective_stop=event.protective_stop,
        hard_stop=event.hard_stop,
        facts=json_text(event.facts),
        status=status,
        submitted_at=event.at,
        expires_at=event.expires_at,
    )


def _decided(model: ReadModel, sequence: int, event: trading.Decision) -> None:
    quantity = requested = decided_by = reason = None
    day = model.strategy_day(event.strategy)
    match event:
        case trading.IntentApproved():
            outcome, quantity = "approved", event.quantity
            day.approved += 1
        case trading.IntentModified():
            outcome, quantity, requested = "modified", event.quantity, event.requested_quantity
            decided_by = event.binding_check
            day.approved += 1
        case trading.IntentRejected():
            outcome, decided_by, reason = "rejected", event.rejected_by, plain(event.reason)
            day.rejected += 1
        case trading.IntentDeferred():
            outcome, decided_by, reason = "deferred", event.deferred_by, plain(event.reason)
            day.deferred += 1
        case _:
            raise AssertionError(codec.event_name(event))
    model.decisions.put(
        DecisionRow(
            account=model.account,
            intent_id=event.intent_id,
            sequence=sequence,
            cause=event.cause,
            strategy=event.strategy,
            symbol=event.symbol,
            outcome=outcome,
            quantity=quantity,
            requested_quantity=requested,
            decided_by=decided_by,
            reason=reason,
            checks=json_text(event.checks),
            decided_at=event.at,
        )
    )
    intent = model.intents.get(event.intent_id)
    if intent is None:
        return
    intent.status, intent.approved_quantity = outcome, quantity
    intent.decided_by, intent.message, intent.decided_at = decided_by, reason, event.at
    if quantity and intent.kind not in _BOOKKEEPING:
        intent.execution = "working"
    model.intents.put(intent)
    if quantity is not None and intent.kind == trading.IntentKind.MODIFY_RISK.value:
        books_fold.stops_moved(model, intent)


def _execution_ended(model: ReadModel, sequence: int, event: trading.ExecutionEnded) -> None:
    intent = model.intents.get(event.intent_id)
    if intent is None:
        return
    intent.execution, intent.execution_reason = "ended", plain(event.reason)
    intent.executed_quantity, intent.execution_ended_at = event.filled_quantity, event.at
    model.intents.put(intent)


def _regime_set(model: ReadModel, sequence: int, event: signal.RegimeSet) -> None:
    day = model.portfolio_day(event.trading_date)
    day.regime, day.regime_at = event.regime.value, event.at


def _service_started(model: ReadModel, sequence: int, event: ops.ServiceStarted) -> None:
    model.services.put(
        ServiceRow(
            account=model.account,
            service=event.service,
            run=event.run,
            code_version=plain(event.code_version),
            configuration=json_text(event.configuration),
            started_at=event.at,
            heartbeat_at=event.at,
        )
    )


def _service(model: ReadModel, service: str, run: str, at: int) -> ServiceRow:
    row = model.services.get(service)
    if row is None or row.run != run:
        row = ServiceRow(account=model.account, service=service, run=run, heartbeat_at=at)
    row.heartbeat_at = at
    return model.services.put(row)


def _heartbeat(model: ReadModel, sequence: int, event: ops.Heartbeat) -> None:
    row = _service(model, event.service, event.run, event.at)
    row.mode, row.position, row.figures = "running", event.position, json_text(event.figures)


def _service_stopped(model: ReadModel, sequence: int, event: ops.ServiceStopped) -> None:
    row = _service(model, event.service, event.run, event.at)
    row.mode, row.stop_reason, row.stopped_at = "stopped", plain(event.reason), event.at


def _condition(model: ReadModel, service: str, name: str, detail: str, at: int) -> ConditionRow:
    """Return a condition's row as begun at ``at``, or the running one if it is active already."""
    row = model.conditions.get(service, name)
    if row is None:
        row = ConditionRow(
            account=model.account,
            service=service,
            condition=name,
            active=False,
            detail=detail,
            begun_at=at,
        )
    if not row.active:
        row.active, row.begun_at, row.ended_at = True, at, None
        row.times += 1
    row.detail = detail
    return model.conditions.put(row)


def _degraded(model: ReadModel, sequence: int, event: ops.Degraded) -> None:
    _condition(model, event.service, plain(event.condition), plain(event.detail), event.at)


def _recovered(model: ReadModel, sequence: int, event: ops.Recovered) -> None:
    row = model.conditions.get(event.service, plain(event.condition))
    if row is not None and row.active:
        row.active, row.ended_at, row.detail = False, event.at, plain(event.detail)
        model.conditions.put(row)


def _feed_gap(model: ReadModel, sequence: int, event: ops.FeedGap) -> None:
    where = ", ".join(event.symbols) or "all symbols"
    detail = plain(f"{where}: {event.reason}")
    row = _condition(model, event.service, "feed_gap", detail, event.begun_at)
    row.active, row.ended_at = False, event.ended_at


def _divergence_found(model: ReadModel, sequence: int, event: ops.DivergenceFound) -> None:
    detail = (
        f"at sequence {event.sequence} ({event.kind}): "
        f"derived {event.expected or 'nothing'}, the log has {event.found or 'nothing'}"
    )
    _condition(model, event.service, "divergence", plain(detail), event.at)


def _event_set_aside(model: ReadModel, sequence: int, event: ops.EventSetAside) -> None:
    model.set_aside.put(
        SetAsideRow(
            account=model.account,
            service=event.service,
            sequence=event.sequence,
            subject=plain(event.subject),
            error=plain(event.error),
            payload=event.payload,
            at=event.at,
        )
    )


def _frame_set_aside(model: ReadModel, sequence: int, event: ops.FrameSetAside) -> None:
    model.set_aside.put(
        SetAsideRow(
            account=model.account,
            service=event.service,
            sequence=sequence,
            subject="",
            error=plain(event.error),
            payload=event.frame.encode(),
            at=event.at,
        )
    )


_STEPS: Final[dict[type[msgspec.Struct], Callable[[ReadModel, int, Any], None]]] = {
    market.SessionOpened: books_fold.session_opened,
    market.ClockTick: _clock_tick,
    market.PhaseChanged: _phase_changed,
    trading.IntentSubmitted: _intent_submitted,
    trading.IntentExpired: _intent_expired,
    trading.IntentApproved: _decided,
    trading.IntentModified: _decided,
    trading.IntentRejected: _decided,
    trading.IntentDeferred: _decided,
    trading.OrderHeld: order_fold.held,
    trading.OrderSubmitting: order_fold.submitting,
    trading.OrderAccepted: order_fold.accepted,
    trading.OrderRejected: order_fold.rejected,
    trading.OrderUnknown: order_fold.unknown,
    trading.OrderFilled: order_fold.filled,
    trading.FillCorrected: order_fold.corrected,
    trading.OrderClosed: order_fold.closed,
    trading.CancelSubmitting: order_fold.cancel_submitting,
    trading.CancelAccepted: order_fold.cancel_accepted,
    trading.CancelRejected: order_fold.cancel_rejected,
    trading.CancelUnknown: order_fold.cancel_unknown,
    trading.ExecutionEnded: _execution_ended,
    trading.StopChanged: control_fold.stop_changed,
    trading.AccountSnapshot: books_fold.account_snapshot,
    trading.DriftDetected: owners_fold.drift_detected,
    trading.DriftCleared: owners_fold.drift_cleared,
    control.HaltSet: control_fold.halt_set,
    control.HaltReleased: control_fold.halt_released,
    control.HaltTripped: control_fold.halt_tripped,
    control.HaltCleared: control_fold.halt_cleared,
    control.LimitsChanged: control_fold.limits_changed,
    control.LimitsRefused: control_fold.limits_refused,
    control.CancelRequested: control_fold.action,
    control.SharesReallocated: owners_fold.reallocated,
    control.OperatorPresent: control_fold.operator_present,
    control.LeaseTaken: control_fold.lease_taken,
    control.LeaseRenewed: control_fold.lease_renewed,
    control.LeaseReleased: control_fold.lease_released,
    signal.RegimeSet: _regime_set,
    ops.ServiceStarted: _service_started,
    ops.ServiceStopped: _service_stopped,
    ops.Heartbeat: _heartbeat,
    ops.Degraded: _degraded,
    ops.Recovered: _recovered,
    ops.FeedGap: _feed_gap,
    ops.DivergenceFound: _divergence_found,
    ops.EventSetAside: _event_set_aside,
    ops.FrameSetAside: _frame_set_aside,
}
