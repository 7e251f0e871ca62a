"""The life of an order as rows: its present state, its steps, its fills.

Broker notices may overtake the reply to the order itself, so a state is only left for a later one:
an acceptance after the first fill is recorded but does not reopen anything, and a fill seen again
(a cumulative quantity already reached) changes nothing.
"""

from __future__ import annotations

from typing import Final

from events import UNKNOWN, codec, trading
from events.trading import OrderState, Side
from projections import books_fold, owners_fold
from projections.read_model import ReadModel
from projections.rows import FillRow, IntentRow, OrderEventRow, OrderRow
from projections.text import json_text, plain

_BEFORE_ACCEPTANCE: Final = frozenset({"held", "submitting", "unknown"})
_FINAL: Final = frozenset({"filled", "cancelled", "rejected", "expired"})


def held(model: ReadModel, sequence: int, event: trading.OrderHeld) -> None:
    """Fold an order that waits for its trigger."""
    intent = model.intents.get(event.intent_id)
    row = OrderRow(
        account=model.account,
        order_id=event.order_id,
        sequence=sequence,
        intent_id=event.intent_id,
        trading_date=model.trading_date,
        strategy=UNKNOWN if intent is None else intent.strategy,
        symbol="" if intent is None else intent.symbol,
        side=Side.BUY.value,
        quantity=None if intent is None else intent.approved_quantity,
        state=OrderState.HELD.value,
        stop_price=event.stop_price,
        cancel_at=event.expires_at,
        held_at=event.at,
        updated_at=event.at,
    )
    _placed(model, row, intent)
    _step(model, sequence, event, row, None)


def submitting(model: ReadModel, sequence: int, event: trading.OrderSubmitting) -> None:
    """Fold the write-ahead of an order."""
    intent = model.intents.get(event.intent_id)
    row = model.orders.get(event.order_id)
    before = None if row is None else row.state
    if row is None:
        row = OrderRow(
            account=model.account,
            order_id=event.order_id,
            sequence=sequence,
            intent_id=event.intent_id,
            trading_date=model.trading_date,
            strategy=event.strategy,
            symbol=event.symbol,
            side=event.side.value,
            state=OrderState.SUBMITTING.value,
            updated_at=event.at,
        )
        _placed(model, row, intent)
    row.state = OrderState.SUBMITTING.value
    row.strategy, row.symbol, row.side = event.strategy, event.symbol, event.side.value
    row.kind, row.quantity, row.limit_price = event.kind.value, event.quantity, event.limit_price
    row.cancel_at, row.submitted_at = event.cancel_at, event.at
    row.route, row.epoch, row.replaces = event.route.value, event.epoch, event.replaces
    _step(model, sequence, event, row, before)


def _placed(model: ReadModel, row: OrderRow, intent: IntentRow | None) -> None:
    """Count a new order and copy what its fills and its quality are measured against."""
    model.strategy_day(row.strategy).orders += 1
    if intent is None:
        return
    row.reference_price, row.reason = intent.reference_price, intent.reason
    row.protective_stop, row.hard_stop = intent.protective_stop, intent.hard_stop
    intent.orders += 1
    intent.order_id = row.order_id
    model.intents.put(intent)


def accepted(model: ReadModel, sequence: int, event: trading.OrderAccepted) -> None:
    """Fold the broker's receipt."""
    row = model.orders.get(event.order_id)
    before = None if row is None else row.state
    if row is not None:
        given_up = event.adopted and row.state == OrderState.REJECTED.value
        if row.state in _BEFORE_ACCEPTANCE or given_up:
            # An order given up as not found may be found after all: it works again.
            row.state, row.closed_at = OrderState.ACCEPTED.value, None
        row.broker_order, row.branch = plain(event.broker_order), plain(event.branch)
        row.adopted, row.accepted_at = event.adopted, event.at
    _step(model, sequence, event, row, before)


def rejected(model: ReadModel, sequence: int, event: trading.OrderRejected) -> None:
    """Fold the broker's refusal."""
    row = model.orders.get(event.order_id)
    before = None if row is None else row.state
    if row is not None:
        row.state, row.closed_at = OrderState.REJECTED.value, event.at
        row.message = plain(f"{event.code}: {event.message}")
    _step(model, sequence, event, row, before)


def unknown(model: ReadModel, sequence: int, event: trading.OrderUnknown) -> None:
    """Fold an order whose call had no answer."""
    row = model.orders.get(event.order_id)
    before = None if row is None else row.state
    if row is not None:
        if row.state in _BEFORE_ACCEPTANCE:
            row.state = OrderState.UNKNOWN.value
        row.message = plain(event.reason)
    _step(model, sequence, event, row, before)


def filled(model: ReadModel, sequence: int, event: trading.OrderFilled) -> None:
    """Fold an execution: the order, the fill, and whose shares they are now."""
    row = model.orders.get(event.order_id)
    before = None if row is None else row.state
    if row is not None and event.cumulative_quantity <= row.filled_quantity:
        _step(model, sequence, event, row, before)
        return
    if row is not None:
        row.filled_quantity += event.quantity
        row.filled_amount += event.amount
        row.fee += event.fee
        row.tax += event.tax
        if row.state not in _FINAL:
            whole = row.quantity is not None and row.filled_quantity >= row.quantity
            state = OrderState.FILLED if whole else OrderState.PARTIALLY_FILLED
            row.state = state.value
    trade_id = books_fold.shares_changed_hands(model, event, row)
    if row is not None:
        row.trade_id = trade_id
    model.fills.put(
        FillRow(
            account=model.account,
            fill_id=event.fill_id,
            sequence=sequence,
            order_id=event.order_id,
            trading_date=model.trading_date,
            strategy=event.strategy,
            symbol=event.symbol,
            side=event.side.value,
            quantity=event.quantity,
            price=event.price,
            amount=event.amount,
            cumulative_quantity=event.cumulative_quantity,
            fee=event.fee,
            tax=event.tax,
            source=event.source.value,
            trade_id=trade_id,
            filled_at=event.at,
        )
    )
    _step(model, sequence, event, row, before)


def corrected(model: ReadModel, sequence: int, event: trading.FillCorrected) -> None:
    """Fold a correction of what an order's fills came to; one seen again changes nothing."""
    row = model.orders.get(event.order_id)
    before = None if row is None else row.state
    if row is None or event.ordinal > row.corrections:
        owners_fold.fill_corrected(model, sequence, event, row)
    if row is not None and event.ordinal > row.corrections:
        row.corrections = event.ordinal
        row.filled_amount += event.amount
        row.fee += event.fee
        row.tax += event.tax
    _step(model, sequence, event, row, before)


def closed(model: ReadModel, sequence: int, event: trading.OrderClosed) -> None:
    """Fold the end of an order."""
    row = model.orders.get(event.order_id)
    before = None if row is None else row.state
    if row is not None:
        row.state, row.closed_at = event.state.value, event.at
        row.message = plain(event.reason)
    _step(model, sequence, event, row, before)


def cancel_submitting(model: ReadModel, sequence: int, event: trading.CancelSubmitting) -> None:
    """Fold the write-ahead of a cancel."""
    row = model.orders.get(event.order_id)
    if row is not None:
        row.cancel_attempts = event.attempt
    _cancel(model, sequence, event, state="submitting", message=event.reason)


def cancel_accepted(model: ReadModel, sequence: int, event: trading.CancelAccepted) -> None:
    """Fold the broker's receipt of a cancel."""
    _cancel(model, sequence, event, state="accepted", message=None)


def cancel_rejected(model: ReadModel, sequence: int, event: trading.CancelRejected) -> None:
    """Fold the broker's refusal of a cancel."""
    message = f"{event.code}: {event.message}"
    _cancel(model, sequence, event, state="rejected", message=message)


def cancel_unknown(model: ReadModel, sequence: int, event: trading.CancelUnknown) -> None:
    """Fold a cancel whose call had no answer."""
    _cancel(model, sequence, event, state="unknown", message=event.reason)


def _cancel(
    model: ReadModel,
    sequence: int,
    event: trading.OrderEvent,
    *,
    state: str,
    message: str | None,
) -> None:
    row = model.orders.get(event.order_id)
    if row is not None:
        row.cancel_state = state
        row.message = row.message if message is None else plain(message)
    _step(model, sequence, event, row, None if row is None else row.state)


def _step(
    model: ReadModel,
    sequence: int,
    event: trading.OrderEvent,
    row: OrderRow | None,
    before: str | None,
) -> None:
    if row is not None:
        row.updated_at = event.at
        model.orders.put(row)
    model.order_events.put(
        OrderEventRow(
            account=model.account,
            sequence=sequence,
            order_id=event.order_id,
            intent_id=None if row is None else row.intent_id,
            strategy=None if row is None else row.strategy,
            symbol=None if row is None else row.symbol,
            event=codec.event_name(event),
            state_before=before,
            state_after=None if row is None else row.state,
            payload=json_text(event),
            at=event.at,
        )
    )
