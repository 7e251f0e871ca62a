"""Every figure of KMP, typed, refused when unknown, missing or contradictory.

There are no defaults in code: ``deploy/config/kmp.yaml`` is the one place where a figure stands,
with its meaning. A switch with a permissive and a strict value carries both side by side; the
profile chooses. Ratios are fractions (0.05 = 5 %), times are wall times of an ordinary KRX day.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import time
from enum import StrEnum
from itertools import pairwise
from typing import Final, Generic, NoReturn, TypeVar

import msgspec

from events.errors import InvalidIdentifier
from events.identifiers import require_token
from events.trading import Horizon
from strategies.errors import InvalidSettings
from strategies.kmp.bounds import BOUNDS, QUALITY_BOUNDS

_Value = TypeVar("_Value", bool, int, float)

REGISTRATIONS: Final = 39
"""Market-data registrations of one KIS real-time session: 41 less the fill notice and a spare."""


class Profile(StrEnum):
    """Which value of every switch is in force."""

    PERMISSIVE = "permissive"
    CONSERVATIVE = "conservative"


class ImbalanceSource(StrEnum):
    """What tells a buy from a sell in the tick imbalance."""

    TICK_RULE = "tick_rule"
    FLAG = "flag"


class Switch(
    msgspec.Struct, Generic[_Value], frozen=True, kw_only=True, forbid_unknown_fields=True
):
    """One figure with the value of the permissive and of the conservative profile."""

    permissive: _Value
    strict: _Value


class Quality(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Weights of the quality score; ``*_points`` are the most a component can give (sum 100)."""

    surge_points: float
    surge_slope: float
    rvol_points: float
    rvol_slope: float
    imbalance_points: float
    imbalance_offset: float
    imbalance_slope: float
    spread_points: float
    spread_slope: float
    cleanliness_points: float
    cleanliness_slope: float
    breadth_points: float
    breadth_min: int
    chop_points: float
    missing_max: float
    half_below: float
    full_below: float
    half_multiplier: float
    full_multiplier: float
    high_multiplier: float


class KmpSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The configuration of KMP; ``deploy/config/kmp.yaml`` explains every key."""

    id: str
    profile: Profile
    horizon: Horizon
    capital_allocation_pct: float

    or_lock_time: time
    scan_time: time
    scan_deadline: time
    entry_start: time
    entry_cutoff: time
    flatten_time: time
    flat_deadline: time

    trend_bars_min: int
    trend_fast_days: int
    trend_slow_days: int
    baseline_sessions_min: int
    opening_value_days: int
    opening_value_share: float
    minute_volume_days: int
    minute_volume_share: float
    minute_volume_minutes: int
    excluded_status_codes: tuple[str, ...]

    min_surge_base: float
    gap_skip: float
    scan_top_n: int

    or_range_min: float
    or_range_max: Switch[float]
    min_surge_slope: Switch[float]
    surge_minutes_max: int
    enable_rvol_hard_gate: Switch[bool]
    rvol_min: float
    spread_max_pct: float

    break_ticks: int
    accept_timeout_min: int
    require_held_support: Switch[bool]
    held_support_factor: float

    vi_static_pct: float
    vi_wall_ticks: int
    vi_cooldown_min: int
    structure_stop_factor: float
    hard_stop_atr_mult: float
    atr_bars: int
    atr_fallback_pct: float

    index_name: str
    index_stale_sec: int
    regime_breadth_min: Switch[int]
    breadth_surge_min: float
    breadth_rvol_min: float
    breadth_reading_sec: int
    breadth_readings: int
    chop_range_min: float
    chop_breadth_min: int
    risk_off_pct: float

    program_markets: tuple[str, ...]
    program_poll_sec: int
    program_stale_polls: int
    ewma_alpha: float
    program_inflow_multiplier: float
    program_mixed_multiplier: float
    program_outflow_multiplier: float

    imbalance_source: ImbalanceSource
    imbalance_window_sec: int

    base_risk_pct: float
    size_decay_floor: float
    size_decay_slope: float
    liq_cap_pct_5m_value: float
    nav_cap_pct: float
    quality_min_threshold: Switch[float]
    quality: Quality
    max_per_sector: int
    unknown_sector_allowed: tuple[str, ...]

    limit_ticks: int
    limit_spread_mult: float
    entry_expiry_sec: int
    entry_retry_sec: int
    cancel_retry_sec: int

    acceptance_failure_min: int
    stall_min_minutes: int
    stall_r_min: float
    trail_keep: float
    trail_keep_minutes: int
    trail_keep_slope: float
    trail_keep_extra_max: float
    trail_keep_defensive: float
    exit_backoff_sec: tuple[int, ...]
    exit_expiry_sec: int
    stop_update_sec: int

    focus_max: int
    focus_near_ticks: int
    slot_request_interval_sec: int

    def __post_init__(self) -> None:
        """Refuse contradictions.

        Raises:
            InvalidSettings: naming the key; msgspec reports it as ``ValidationError`` while
                decoding, ``load_settings`` gives it back as it is.
        """
        _check_names(self)
        _check_order_of_day(self)
        _check_bounds(self)
        _check_switches(self)
        _check_contradictions(self)
        _check_quality(self.quality)

    def of(self, switch: Switch[_Value]) -> _Value:
        """Return the value of ``switch`` that is in force."""
        return switch.strict if self.profile is Profile.CONSERVATIVE else switch.permissive


def load_settings(mapping: Mapping[str, object]) -> KmpSettings:
    """Return the settings in a mapping (parsed YAML or JSON).

    Raises:
        InvalidSettings: unknown, missing or wrongly typed key, or a contradiction.
    """
    try:
        return msgspec.convert(mapping, KmpSettings)
    except msgspec.ValidationError as error:
        _refuse(error)


def parse_settings(text: str) -> KmpSettings:
    """Return the settings in JSON text, as the session carries them.

    Raises:
        InvalidSettings: as ``load_settings``, or the text is no JSON object.
    """
    try:
        return msgspec.json.decode(text, type=KmpSettings)
    except msgspec.DecodeError as error:
        _refuse(error)


def _refuse(error: msgspec.MsgspecError) -> NoReturn:
    if isinstance(error.__cause__, InvalidSettings):
        raise error.__cause__ from error
    message = str(error)
    _, _, place = message.partition(" - at `$.")
    named = place.rstrip("`") or (message.split("`")[1] if "field `" in message else "kmp")
    raise InvalidSettings(
        named, message, "compare with deploy/config/kmp.yaml, quote times as '09:15:00'"
    ) from error


def _check_order_of_day(settings: KmpSettings) -> None:
    order = (
        "or_lock_time",
        "scan_time",
        "scan_deadline",
        "entry_start",
        "entry_cutoff",
        "flatten_time",
        "flat_deadline",
    )
    for earlier, later in pairwise(order):
        first, second = getattr(settings, earlier), getattr(settings, later)
        if first > second:
            raise InvalidSettings(
                later, f"{second} is before {earlier} {first}", "put the day's times in order"
            )


def _check_bounds(settings: KmpSettings) -> None:
    for key, bounds in BOUNDS.items():
        value = getattr(settings, key)
        if isinstance(value, Switch):
            bounds.require(f"{key}.permissive", value.permissive)
            bounds.require(f"{key}.strict", value.strict)
        else:
            bounds.require(key, value)
    for key, bounds in QUALITY_BOUNDS.items():
        bounds.require(f"quality.{key}", getattr(settings.quality, key))


def _check_names(settings: KmpSettings) -> None:
    try:
        require_token("strategy id", settings.id)
    except InvalidIdentifier as error:
        raise InvalidSettings("id", str(error), "choose a short name such as KMP") from error
    for key in ("program_markets", "excluded_status_codes", "exit_backoff_sec"):
        _require(len(getattr(settings, key)) >= 1, key, "must not be empty")
    for key in ("program_markets", "excluded_status_codes"):
        _require(all(getattr(settings, key)), key, "must not contain an empty name")
    _require(bool(settings.index_name), "index_name", "must name an index")
    delays = settings.exit_backoff_sec
    _require(all(delay > 0 for delay in delays), "exit_backoff_sec", "its waits must be positive")


def _check_switches(settings: KmpSettings) -> None:
    """Refuse a strict value that lets pass what the permissive one stops."""
    for key in ("min_surge_slope", "regime_breadth_min", "quality_min_threshold"):
        switch = getattr(settings, key)
        _require(switch.strict >= switch.permissive, key, "strict must not be below permissive")
    width = settings.or_range_max
    _require(
        width.strict <= width.permissive, "or_range_max", "strict must not be above permissive"
    )
    for key in ("enable_rvol_hard_gate", "require_held_support"):
        switch = getattr(settings, key)
        _require(
            switch.strict or not switch.permissive, key, "strict must be true where permissive is"
        )


def _check_contradictions(settings: KmpSettings) -> None:
    for maximum in (settings.or_range_max.permissive, settings.or_range_max.strict):
        _require(maximum > settings.or_range_min, "or_range_max", "must exceed or_range_min")
    _require(
        settings.trend_bars_min >= max(settings.trend_fast_days + 1, settings.trend_slow_days),
        "trend_bars_min",
        "must cover trend_slow_days and one day more than trend_fast_days",
    )
    _require(
        settings.trend_fast_days <= settings.trend_slow_days,
        "trend_slow_days",
        "must not be shorter than trend_fast_days",
    )
    _require(
        settings.trail_keep + settings.trail_keep_extra_max < 1,
        "trail_keep_extra_max",
        "with trail_keep must stay below 1, or the trail would pass the price",
    )
    slots = settings.scan_top_n + settings.focus_max
    if slots > REGISTRATIONS:
        raise InvalidSettings(
            "scan_top_n",
            f"{settings.scan_top_n} candidates and focus_max {settings.focus_max} need {slots} "
            f"market-data registrations, a session has {REGISTRATIONS}",
            "lower scan_top_n or focus_max",
        )


def _check_quality(quality: Quality) -> None:
    points = (
        quality.surge_points
        + quality.rvol_points
        + quality.imbalance_points
        + quality.spread_points
        + quality.cleanliness_points
        + quality.breadth_points
        + quality.chop_points
    )
    _require(points == 100, "quality", f"its points must sum to 100, not {points:g}")
    _require(
        quality.half_below <= quality.full_below,
        "quality.full_below",
        "must not be below quality.half_below",
    )


def _require(holds: bool, key: str, rule: str) -> None:
    if not holds:
        raise InvalidSettings(key, rule, "correct deploy/config/kmp.yaml")
