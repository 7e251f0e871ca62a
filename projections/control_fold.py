"""Control events as rows: halts and limits in force, what operators ordered, who holds the lease.

A halt is a place (scope, target, trigger): set and released there, kept as a row when it is over.
The opening of a session says which halts and limits are in force; a change of limits that the risk
gate refused stays in the table and counts for nothing.
"""

from __future__ import annotations

from typing import Final

from events import codec, control, market, trading
from events.control import EVERYTHING, HaltMode, HaltScope
from projections.control_rows import (
    HaltRow,
    LeaseRow,
    LimitChangeRow,
    OperatorActionRow,
    OperatorLinkRow,
    StopRow,
)
from projections.read_model import ReadModel
from projections.text import json_text, plain

_WIDE: Final = frozenset({HaltScope.ACCOUNT.value, HaltScope.ALL_HOSTS.value})
_RISK: Final = "risk"
_SESSION: Final = "session"


def session_opened(model: ReadModel, sequence: int, event: market.SessionOpened) -> None:
    """Fold the halts and limits that a session starts with: what is not listed is over."""
    listed = {_place(halt.scope, halt.target, halt.trigger) for halt in event.halts}
    for row in list(model.halts):
        if row.active and (row.scope, row.target, row.trigger) not in listed:
            _end(model, row, _SESSION, f"session {event.trading_date} opened", event.at)
    for halt in event.halts:
        _begin(model, halt, issued_by=halt.issued_by, since=halt.since)
    model.limit_changes.put(
        LimitChangeRow(
            account=model.account,
            sequence=sequence,
            complete=True,
            changes=json_text(event.limits),
            issued_by=_SESSION,
            reason=f"in force when session {event.trading_date} opened",
            changed_at=event.at,
        )
    )


def halt_set(model: ReadModel, sequence: int, event: control.HaltSet) -> None:
    """Fold a halt that somebody ordered."""
    _begin(model, event, issued_by=event.issued_by, since=event.at)
    action(model, sequence, event)


def halt_tripped(model: ReadModel, sequence: int, event: control.HaltTripped) -> None:
    """Fold a halt that the risk gate set by rule."""
    _begin(model, event, issued_by=_RISK, since=event.at, rule=event.rule)


def halt_cleared(model: ReadModel, sequence: int, event: control.HaltCleared) -> None:
    """Fold the end of a halt whose cause is over."""
    row = model.halts.get(*_place(event.scope, event.target, event.trigger))
    if row is not None and row.active:
        _end(model, row, _RISK, event.reason, event.at)


def halt_released(model: ReadModel, sequence: int, event: control.HaltReleased) -> None:
    """Fold an operator's release of one halt, or of all of a scope and target."""
    scope, target, _ = _place(event.scope, event.target, event.trigger or "")
    for row in list(model.halts):
        chosen = event.trigger is None or event.trigger.value == row.trigger
        if row.active and chosen and (row.scope, row.target) == (scope, target):
            _end(model, row, event.issued_by, event.reason, event.at)
    action(model, sequence, event)


def _place(scope: str, target: str, trigger: str) -> tuple[str, str, str]:
    """Return the key of a halt; an account and all hosts have one target each."""
    return str(scope), EVERYTHING if scope in _WIDE else target, str(trigger)


def _begin(
    model: ReadModel,
    halt: control.Halt | control.HaltSet | control.HaltTripped,
    *,
    issued_by: str,
    since: int,
    rule: str | None = None,
) -> None:
    scope, target, trigger = _place(halt.scope, halt.target, halt.trigger)
    reason = plain(halt.reason)
    row = model.halts.get(scope, target, trigger)
    if row is None:
        row = HaltRow(
            account=model.account,
            scope=scope,
            target=target,
            trigger=trigger,
            mode=halt.mode.value,
            active=False,
            issued_by=plain(issued_by),
            reason=reason,
            since_at=since,
            updated_at=model.clock,
        )
    if not row.active:
        row.times += 1
        row.since_at = since
    row.active, row.mode, row.reason, row.issued_by = True, halt.mode.value, reason, issued_by
    row.rule = rule
    row.ended_by = row.end_reason = row.ended_at = None
    row.updated_at = model.clock
    model.halts.put(row)
    _mark_day(model, row)


def _mark_day(model: ReadModel, halt: HaltRow) -> None:
    """Note in the day's rows that entries were halted at some time of it, and how far."""
    if halt.scope in _WIDE:
        day = model.portfolio_day()
        day.halted, day.halt_reason, day.halt_at = True, halt.reason, halt.since_at
        day.flattened = day.flattened or halt.mode == HaltMode.FLATTEN.value
    elif halt.scope == HaltScope.STRATEGY.value:
        row = model.strategy_day(halt.target)
        row.halted, row.halt_reason, row.halt_at = True, halt.reason, halt.since_at


def _end(model: ReadModel, row: HaltRow, by: str, reason: str, at: int) -> None:
    row.active, row.ended_by, row.end_reason = False, plain(by), plain(reason)
    row.ended_at = row.updated_at = at
    model.halts.put(row)


def limits_changed(model: ReadModel, sequence: int, event: control.LimitsChanged) -> None:
    """Fold a change of limits; it is in force unless the risk gate refuses it."""
    model.limit_changes.put(
        LimitChangeRow(
            account=model.account,
            sequence=sequence,
            complete=False,
            changes=json_text(event.changes),
            issued_by=plain(event.issued_by),
            reason=plain(event.reason),
            changed_at=event.at,
        )
    )
    action(model, sequence, event)


def limits_refused(model: ReadModel, sequence: int, event: control.LimitsRefused) -> None:
    """Fold that a change of limits cannot be put in force."""
    row = model.limit_changes.get(event.cause)
    if row is not None:
        row.refused, row.refusal = True, plain(event.reason)
        model.limit_changes.put(row)


def action(model: ReadModel, sequence: int, event: control.ControlEvent) -> None:
    """Fold what somebody ordered, with the name of who did."""
    model.operator_actions.put(
        OperatorActionRow(
            account=model.account,
            sequence=sequence,
            action=codec.event_name(event),
            issued_by=plain(event.issued_by),
            reason=plain(event.reason),
            payload=json_text(event),
            at=event.at,
        )
    )


def operator_present(model: ReadModel, sequence: int, event: control.OperatorPresent) -> None:
    """Fold a sign of an operator's host."""
    model.operator_links.put(
        OperatorLinkRow(
            account=model.account,
            link=plain(event.link),
            issued_by=plain(event.issued_by),
            timeout_s=event.timeout_s,
            present_at=event.at,
        )
    )


def lease_taken(model: ReadModel, sequence: int, event: control.LeaseTaken) -> None:
    """Fold a change of holder."""
    model.leases.put(
        LeaseRow(
            account=model.account,
            name=event.name,
            epoch=event.epoch,
            holder=plain(event.holder),
            run=plain(event.run),
            state="held",
            ttl_ms=event.ttl_ms,
            previous=plain(event.previous),
            taken_at=event.at,
            renewed_at=event.at,
        )
    )


def lease_renewed(model: ReadModel, sequence: int, event: control.LeaseRenewed) -> None:
    """Fold a holder's sign of life."""
    row = _lease(model, event)
    row.state, row.renewals, row.renewed_at = "held", event.ordinal, event.at


def lease_released(model: ReadModel, sequence: int, event: control.LeaseReleased) -> None:
    """Fold a holder's orderly end."""
    row = _lease(model, event)
    row.state, row.released_at = "released", event.at


def _lease(model: ReadModel, event: control.LeaseEvent) -> LeaseRow:
    """Return the lease's row as of the event's epoch, also when its taking is not on this log."""
    row = model.leases.get(event.name)
    if row is None or (row.epoch, row.run) != (event.epoch, event.run):
        row = LeaseRow(
            account=model.account,
            name=event.name,
            epoch=event.epoch,
            holder=plain(event.holder),
            run=plain(event.run),
            state="held",
        )
    return model.leases.put(row)


def stop_changed(model: ReadModel, sequence: int, event: trading.StopChanged) -> None:
    """Fold where the protection of an allocation stands."""
    model.stops.put(
        StopRow(
            account=model.account,
            symbol=event.symbol,
            strategy=event.strategy,
            generation=event.generation,
            state=event.state.value,
            quantity=event.quantity,
            stop_price=event.stop_price,
            price=event.price,
            intent_id=event.intent_id,
            reason=plain(event.reason),
            changed_at=event.at,
        )
    )
