"""Between which values a figure of KMP makes sense.

A figure outside its bounds is a slip of the pen (a percentage for a fraction, minutes for seconds,
a zero that switches a protection off), never a choice; it is refused before the first decision.
"""

from __future__ import annotations

from math import isfinite
from typing import Final, NamedTuple

from strategies.errors import InvalidSettings


class Bounds(NamedTuple):
    """The least and the greatest value, both allowed unless ``above_least``/``below_most``."""

    least: float
    most: float = float("inf")
    above_least: bool = False
    below_most: bool = False

    def require(self, key: str, value: float) -> None:
        """Accept a value of a key.

        Raises:
            InvalidSettings: it is out of bounds, or not a number at all.
        """
        high_enough = value > self.least if self.above_least else value >= self.least
        low_enough = value < self.most if self.below_most else value <= self.most
        if isfinite(value) and high_enough and low_enough:
            return
        rule = f"{'above' if self.above_least else 'at least'} {self.least:g}"
        if self.most != float("inf"):
            rule += f" and {'below' if self.below_most else 'at most'} {self.most:g}"
        raise InvalidSettings(
            key, f"{value:g} makes no sense, it must be {rule}", "correct deploy/config/kmp.yaml"
        )


_COUNT: Final = Bounds(1)
_SECONDS: Final = Bounds(1, 3_600)
_MINUTES: Final = Bounds(1, 390)
_POSITIVE: Final = Bounds(0, above_least=True)
_NOT_NEGATIVE: Final = Bounds(0)
_SHARE: Final = Bounds(0, 1, above_least=True)
_FRACTION: Final = Bounds(0, 1, above_least=True, below_most=True)

BOUNDS: Final = {
    "capital_allocation_pct": _SHARE,
    "trend_bars_min": _COUNT,
    "trend_fast_days": _COUNT,
    "trend_slow_days": _COUNT,
    "baseline_sessions_min": _COUNT,
    "opening_value_days": _COUNT,
    "opening_value_share": _SHARE,
    "minute_volume_days": _COUNT,
    "minute_volume_share": _SHARE,
    "minute_volume_minutes": _MINUTES,
    "min_surge_base": _POSITIVE,
    "gap_skip": Bounds(0, 0.3, above_least=True),  # KRX prices move 30 % a day at most
    "scan_top_n": _COUNT,
    "or_range_min": Bounds(0, 0.3, below_most=True),
    "or_range_max": Bounds(0, 0.6, above_least=True),
    "min_surge_slope": _NOT_NEGATIVE,
    "surge_minutes_max": Bounds(0, 390),
    "rvol_min": _POSITIVE,
    "spread_max_pct": Bounds(0, 0.1, above_least=True),
    "break_ticks": Bounds(0, 100),
    "accept_timeout_min": _MINUTES,
    "held_support_factor": Bounds(0.5, 1),
    "vi_static_pct": Bounds(0, 0.3, above_least=True),
    "vi_wall_ticks": Bounds(0, 100),
    "vi_cooldown_min": Bounds(0, 390),
    "structure_stop_factor": Bounds(0.5, 1, below_most=True),
    "hard_stop_atr_mult": _POSITIVE,
    "atr_bars": Bounds(1, 390),
    "atr_fallback_pct": Bounds(0, 0.3, above_least=True),
    "index_stale_sec": _SECONDS,
    "regime_breadth_min": Bounds(0),
    "breadth_surge_min": _NOT_NEGATIVE,
    "breadth_rvol_min": _NOT_NEGATIVE,
    "breadth_reading_sec": _SECONDS,
    "breadth_readings": Bounds(1, 100),
    "chop_range_min": Bounds(0, 0.3, below_most=True),
    "chop_breadth_min": _NOT_NEGATIVE,
    "risk_off_pct": Bounds(0, 0.2, above_least=True),  # the last market-wide halt stands at 20 %
    "program_poll_sec": _SECONDS,
    "program_stale_polls": _COUNT,
    "ewma_alpha": _SHARE,
    "program_inflow_multiplier": Bounds(0, 10, above_least=True),
    "program_mixed_multiplier": Bounds(0, 10, above_least=True),
    "program_outflow_multiplier": Bounds(0, 10, above_least=True),
    "imbalance_window_sec": _SECONDS,
    "base_risk_pct": Bounds(0, 0.1, above_least=True, below_most=True),
    "size_decay_floor": _SHARE,
    "size_decay_slope": _NOT_NEGATIVE,
    "liq_cap_pct_5m_value": _SHARE,
    "nav_cap_pct": _SHARE,
    "quality_min_threshold": Bounds(0, 100),
    "max_per_sector": _COUNT,
    "limit_ticks": Bounds(0, 100),
    "limit_spread_mult": _NOT_NEGATIVE,
    "entry_expiry_sec": _SECONDS,
    "entry_retry_sec": _SECONDS,
    "cancel_retry_sec": _SECONDS,
    "acceptance_failure_min": Bounds(0, 390),
    "stall_min_minutes": Bounds(0, 390),
    "stall_r_min": Bounds(-1, 100),
    "trail_keep": _FRACTION,
    "trail_keep_minutes": Bounds(0, 390),
    "trail_keep_slope": _NOT_NEGATIVE,
    "trail_keep_extra_max": Bounds(0, 1, below_most=True),
    "trail_keep_defensive": _FRACTION,
    "exit_expiry_sec": _SECONDS,
    "stop_update_sec": _SECONDS,
    "focus_max": Bounds(0),
    "focus_near_ticks": Bounds(0, 1_000),
    "slot_request_interval_sec": _SECONDS,
}
"""Key → bounds; for a switch of both its values."""

QUALITY_BOUNDS: Final = {
    "surge_points": _NOT_NEGATIVE,
    "surge_slope": _NOT_NEGATIVE,
    "rvol_points": _NOT_NEGATIVE,
    "rvol_slope": _NOT_NEGATIVE,
    "imbalance_points": _NOT_NEGATIVE,
    "imbalance_offset": Bounds(-1, 1),
    "imbalance_slope": _NOT_NEGATIVE,
    "spread_points": _NOT_NEGATIVE,
    "spread_slope": _NOT_NEGATIVE,
    "cleanliness_points": _NOT_NEGATIVE,
    "cleanliness_slope": _NOT_NEGATIVE,
    "breadth_points": _NOT_NEGATIVE,
    "breadth_min": _NOT_NEGATIVE,
    "chop_points": _NOT_NEGATIVE,
    "missing_max": Bounds(0, 1, below_most=True),
    "half_below": Bounds(0, 100),
    "full_below": Bounds(0, 100),
    "half_multiplier": Bounds(0, 10, above_least=True),
    "full_multiplier": Bounds(0, 10, above_least=True),
    "high_multiplier": Bounds(0, 10, above_least=True),
}
"""The same for the keys under ``quality``."""
