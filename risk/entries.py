"""Judges an entry: the order of the checks, and how each may end.

The first refusal or deferral ends; a cut reduces the quantity and goes on, so the smallest wins.
The table is the whole policy: a check that cannot be computed ends as its row says. Only one row
lets an entry pass without data, and shows it: interruptions are published for few symbols.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from events.trading import (
    Check,
    CheckOutcome,
    Decision,
    IntentDeferred,
    IntentModified,
)
from risk import checks, sizing
from risk.entry import Entry
from risk.reductions import approve, reject

_PASS: Final = CheckOutcome.PASS
_REJECT: Final = CheckOutcome.REJECT
_DEFER: Final = CheckOutcome.DEFER


class Step(NamedTuple):
    """One row: the check, how it ends without data, and what fits when it cuts."""

    check: Callable[[Entry], Check]
    when_missing: CheckOutcome
    room: Callable[[Entry], int] | None = None


STEPS: Final[tuple[Step, ...]] = (
    Step(checks.quantity, _REJECT),
    Step(checks.expiry, _REJECT),
    Step(checks.equity_known, _DEFER),
    Step(checks.safe_mode, _DEFER),
    Step(checks.flatten, _REJECT),
    Step(checks.entries_halted, _REJECT),
    Step(checks.strategy_paused, _REJECT),
    Step(checks.symbol_frozen, _REJECT),
    Step(checks.designation, _DEFER),
    Step(checks.daily_halt, _REJECT),
    Step(checks.daily_warn, _REJECT),
    Step(checks.orders_known, _DEFER),
    Step(checks.account_positions, _REJECT),
    Step(checks.price_known, _DEFER),
    Step(sizing.gross_exposure, _REJECT),
    Step(sizing.regime_cap, _REJECT),
    Step(sizing.symbol_exposure, _REJECT, sizing.symbol_room),
    Step(sizing.sector_exposure, _REJECT),
    Step(checks.strategy_positions, _REJECT),
    Step(checks.protective_stop, _REJECT),
    Step(sizing.trade_risk, _REJECT, sizing.risk_room),
    Step(checks.vi_cooldown, _PASS),
    Step(sizing.orderable_cash, _REJECT, sizing.cash_room),
    Step(checks.price_on_tick, _DEFER),
    Step(checks.price_within_limits, _DEFER),
    Step(checks.session_phase, _DEFER),
    Step(checks.order_rate, _DEFER),
    Step(checks.symbol_order_rate, _DEFER),
    Step(checks.spread, _DEFER),
    Step(checks.not_held, _REJECT),
    Step(checks.not_entering, _REJECT),
    Step(checks.signal_fresh, _REJECT),
    Step(checks.entry_lock, _DEFER),
    Step(checks.opposite_order, _DEFER),
)
"""The entry checks in their order."""


def judge(cause: int, entry: Entry) -> Decision:
    """Return the decision on an entry, with every check that was made."""
    intent, requested = entry.intent, entry.quantity
    made: list[Check] = []
    binding = ""
    for step in STEPS:
        check = step.check(entry)
        made.append(check)
        outcome = check.outcome
        if outcome is CheckOutcome.MISSING:
            outcome = step.when_missing
        if outcome is CheckOutcome.MODIFY:
            assert step.room is not None, "only a check with room cuts"
            entry = msgspec.structs.replace(entry, quantity=step.room(entry))
            binding = check.name
        elif outcome is _REJECT:
            return reject(cause, intent, tuple(made), _reason(check))
        elif outcome is _DEFER:
            return IntentDeferred(
                at=intent.at,
                cause=cause,
                intent_id=intent.intent_id,
                strategy=intent.strategy,
                symbol=intent.symbol,
                checks=tuple(made),
                deferred_by=check.name,
                reason=_reason(check),
            )
    if not binding:
        return approve(cause, intent, entry.quantity, tuple(made))
    return IntentModified(
        at=intent.at,
        cause=cause,
        intent_id=intent.intent_id,
        strategy=intent.strategy,
        symbol=intent.symbol,
        checks=tuple(made),
        quantity=entry.quantity,
        requested_quantity=requested,
        binding_check=binding,
    )


def _reason(check: Check) -> str:
    numbers = f"{check.name}: {check.value} against {check.limit}"
    return f"{numbers} ({check.note})" if check.note else numbers
