"""When a position is sold: the rules in their order, and the trail that only rises.

Every exit sells the whole allocation. r = (price − entry) ÷ (entry − structure stop).
"""

from __future__ import annotations

from enum import StrEnum
from math import floor

from strategies.indicators import MINUTE
from strategies.kmp.settings import KmpSettings


class ExitReason(StrEnum):
    """Why a position is sold, in the order the rules are asked."""

    RISK_OFF = "risk_off"
    HARD_STOP = "hard_stop"
    STRUCTURE_STOP = "structure_stop"
    ACCEPTANCE_FAILURE = "acceptance_failure"
    STALL_SCRATCH = "stall_scratch"
    TRAILING_STOP = "trailing_stop"
    FLATTEN_TIME = "flatten_time"
    NO_SETUP = "no_setup"
    """Shares that today's rules never planned: carried over or assigned; sold at once."""


def price_exit(
    settings: KmpSettings,
    *,
    price: int,
    entry: float,
    held: int,
    hard_stop: int,
    structure_stop: int,
    range_high: int,
    vwap: float | None,
    trail: int | None,
) -> ExitReason | None:
    """Return the first price-driven exit that applies, ``None`` to hold.

    ``held`` is the time since the first fill in ns; ``trail`` is ``None`` until price was above
    entry. The acceptance rule needs a VWAP and is silent without one; the stops need nothing.
    """
    if price <= hard_stop:
        return ExitReason.HARD_STOP
    if price <= structure_stop:
        return ExitReason.STRUCTURE_STOP
    if (
        held < settings.acceptance_failure_min * MINUTE
        and vwap is not None
        and price < range_high
        and price < vwap
    ):
        return ExitReason.ACCEPTANCE_FAILURE
    if held >= settings.stall_min_minutes * MINUTE and (
        price - entry < settings.stall_r_min * (entry - structure_stop)
    ):
        return ExitReason.STALL_SCRATCH
    if trail is not None and price <= trail:
        return ExitReason.TRAILING_STOP
    return None


def kept_share(held: int, settings: KmpSettings, *, defensive: bool) -> float:
    """Return the share of the best gain that the trail keeps after ``held`` ns.

    0.5 for 15 minutes, then rising by 0.0167 a minute to 0.75; at least 0.7 while ``defensive``.
    """
    late = max(0.0, held / MINUTE - settings.trail_keep_minutes)
    share = settings.trail_keep + min(
        settings.trail_keep_extra_max, settings.trail_keep_slope * late
    )
    return max(share, settings.trail_keep_defensive) if defensive else share


def raised_trail(
    trail: int | None, *, entry: float, best: int, keep: float, structure_stop: int
) -> int | None:
    """Return max(trail, entry + gain × keep, structure stop) in won; it never falls.

    ``best`` is the highest price since entry; while it has not passed ``entry`` nothing changes.
    """
    if best <= entry:
        return trail
    return max(trail or 0, floor(entry + (best - entry) * keep), structure_stop)
