"""Judges an entry: the order of the checks, and how each may end.

The first refusal or deferral ends; a cut reduces the quantity and goes on, so the smallest wins.
The table is the whole policy: a check that cannot be computed ends as its row says. Three rows let
an entry pass without data, and show it: interruptions, halts and daily histories come for few
symbols only, and other rows stand behind each of them.
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
from risk import arbitration, checks, sizing
from risk.entry import Entry
from risk.reductions import approve, reject

_PASS: Final = CheckOutcome.PASS
_REJECT: Final = CheckOutcome.REJECT
_DEFER: Final = CheckOutcome.DEFER
_MISSING: Final = CheckOutcome.MISSING
_MODIFY: Final = CheckOutcome.MODIFY
_EQUITY: Final = "fraction of equity"


class Step(NamedTuple):
    """One row: the check, how it ends beyond its limit and without data, and what fits.

    ``room`` gives the shares that fit where the check cuts. ``unit`` is that of its numbers,
    ``keys`` are the configuration's names of its limits (``<id>``: the strategy).
    """

    check: Callable[[Entry], Check]
    when_missing: CheckOutcome
    room: Callable[[Entry], int] | None = None
    beyond: CheckOutcome = _REJECT
    unit: str = ""
    keys: tuple[str, ...] = ()


STEPS: Final[tuple[Step, ...]] = (
    Step(checks.quantity, _REJECT, unit="shares"),
    Step(checks.expiry, _REJECT, unit="ns UTC"),
    Step(checks.equity_known, _DEFER, beyond=_DEFER, unit="won"),
    Step(checks.safe_mode, _DEFER, beyond=_DEFER),
    Step(checks.flatten, _REJECT),
    Step(checks.entries_halted, _REJECT),
    Step(checks.strategy_paused, _REJECT),
    Step(checks.symbol_frozen, _REJECT),
    Step(checks.designation, _DEFER, unit="status code"),
    Step(checks.trading_halt, _PASS, beyond=_DEFER),
    Step(checks.daily_halt, _REJECT, unit=_EQUITY, keys=("risk.daily_loss_halt_pct",)),
    Step(checks.daily_warn, _REJECT, unit=_EQUITY, keys=("risk.daily_loss_warn_pct",)),
    Step(
        arbitration.orders_known,
        _DEFER,
        beyond=_DEFER,
        unit="s",
        keys=("risk.unknown_order_stop_sec",),
    ),
    Step(checks.account_positions, _REJECT, unit="symbols", keys=("risk.max_positions_count",)),
    Step(checks.price_known, _DEFER, unit="won", keys=("risk.max_price_age_sec",)),
    Step(sizing.gross_exposure, _REJECT, unit=_EQUITY, keys=("risk.max_gross_exposure_pct",)),
    Step(sizing.net_exposure, _REJECT, unit=_EQUITY, keys=("risk.max_net_exposure_pct",)),
    Step(sizing.regime_cap, _REJECT, unit=_EQUITY, keys=("regime_exposure_caps",)),
    Step(
        sizing.symbol_exposure,
        _REJECT,
        sizing.symbol_room,
        unit=_EQUITY,
        keys=("risk.max_position_pct",),
    ),
    Step(
        sizing.sector_exposure,
        _REJECT,
        unit=_EQUITY,
        keys=("risk.max_sector_pct", "sectors.unknown", "sectors.allow_list"),
    ),
    Step(
        checks.strategy_positions,
        _REJECT,
        unit="symbols",
        keys=("strategy_budgets.<id>.max_positions",),
    ),
    Step(checks.protective_stop, _REJECT, unit="won"),
    Step(
        sizing.trade_risk,
        _REJECT,
        sizing.risk_room,
        unit=_EQUITY,
        keys=("strategy_budgets.<id>.max_risk_pct",),
    ),
    Step(
        sizing.recent_liquidity,
        _DEFER,
        sizing.liquidity_room,
        beyond=_DEFER,
        unit="won",
        keys=("risk.max_five_minute_share_pct",),
    ),
    Step(sizing.daily_liquidity, _PASS, unit="won", keys=("risk.min_daily_value_won",)),
    Step(checks.vi_cooldown, _PASS, beyond=_DEFER, unit="s", keys=("risk.vi_cooldown_sec",)),
    Step(sizing.orderable_cash, _REJECT, sizing.cash_room, unit="won"),
    Step(checks.price_on_tick, _DEFER, unit="won"),
    Step(checks.price_within_limits, _DEFER, unit="won"),
    Step(checks.session_phase, _DEFER, beyond=_DEFER, keys=("entry_phases",)),
    Step(
        checks.order_rate,
        _DEFER,
        beyond=_DEFER,
        unit="orders",
        keys=("risk.max_orders_per_second",),
    ),
    Step(
        checks.symbol_order_rate,
        _DEFER,
        beyond=_DEFER,
        unit="orders",
        keys=("risk.max_orders_per_symbol_minute",),
    ),
    Step(
        checks.spread,
        _DEFER,
        beyond=_DEFER,
        unit="bps",
        keys=("risk.max_spread_bps", "risk.max_price_age_sec"),
    ),
    Step(arbitration.not_held, _REJECT, unit="shares"),
    Step(arbitration.not_entering, _REJECT, unit="shares"),
    Step(arbitration.signal_fresh, _REJECT),
    Step(
        arbitration.entry_lock,
        _DEFER,
        beyond=_DEFER,
        unit="s",
        keys=("strategy_budgets.<id>.entry_lock_sec",),
    ),
    Step(arbitration.opposite_order, _DEFER, beyond=_DEFER, unit="won"),
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
        if outcome is _PASS:
            continue
        if outcome is _MISSING:
            outcome = step.when_missing
        if outcome is _MODIFY:
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
