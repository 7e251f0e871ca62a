"""How many shares: risk per share, quality of the setup, time of day, programs, two caps.

    base     = floor(base_risk_pct × E ÷ (trigger − structure stop))
    quantity = floor(base × quality × time × program)
    quantity ≤ floor(liq_cap_pct_5m_value × value of the last five minutes ÷ trigger)
    quantity ≤ floor(nav_cap_pct × E ÷ trigger)

E is the strategy's equity in won. A score that lacks inputs is scaled to the points that could be
computed; when too many are missing there is no score and no trade.
"""

from __future__ import annotations

from math import floor
from typing import NamedTuple

from strategies.kmp.settings import KmpSettings, Quality


class Score(NamedTuple):
    """Quality 0–100, its components in points (``None``: no input); no value: undefined."""

    value: float | None
    components: dict[str, float | None]


class Size(NamedTuple):
    """Shares and how they came about, for the record."""

    quantity: int
    base: int
    time_multiplier: float
    liquidity_cap: int
    nav_cap: int


def quality_score(
    quality: Quality,
    *,
    excess_surge: float,
    excess_rvol: float | None,
    imbalance: float,
    spread_pct: float | None,
    pullback: float,
    breadth: int | None,
    chop: bool | None,
) -> Score:
    """Return the quality of a setup.

    ``excess_surge``/``excess_rvol`` are over their minimum, ``pullback`` is (range high − pullback
    low) ÷ range high; ``None`` means that the input is unknown.
    """
    most = {
        "surge": quality.surge_points,
        "rvol": quality.rvol_points,
        "imbalance": quality.imbalance_points,
        "spread": quality.spread_points,
        "cleanliness": quality.cleanliness_points,
        "breadth": quality.breadth_points,
        "chop": quality.chop_points,
    }
    raw: dict[str, float | None] = {
        "surge": excess_surge * quality.surge_slope,
        "rvol": None if excess_rvol is None else excess_rvol * quality.rvol_slope,
        "imbalance": (imbalance + quality.imbalance_offset) * quality.imbalance_slope,
        "spread": (
            None
            if spread_pct is None
            else quality.spread_points - spread_pct * quality.spread_slope
        ),
        "cleanliness": quality.cleanliness_points - pullback * quality.cleanliness_slope,
        "breadth": (
            None
            if breadth is None
            else quality.breadth_points * float(breadth >= quality.breadth_min)
        ),
        "chop": None if chop is None else quality.chop_points * float(not chop),
    }
    components = {
        name: None if points is None else max(0.0, min(points, most[name]))
        for name, points in raw.items()
    }
    available = sum(most[name] for name, points in components.items() if points is not None)
    total = sum(points for points in components.values() if points is not None)
    if 100 - available > quality.missing_max * 100:
        return Score(None, components)
    return Score(total * 100 / available, components)


def quality_multiplier(score: float, threshold: float, quality: Quality) -> float:
    """Return the size multiplier of a score: 0 below ``threshold``, else half, full or high."""
    if score < threshold:
        return 0.0
    if score < quality.half_below:
        return quality.half_multiplier
    if score < quality.full_below:
        return quality.full_multiplier
    return quality.high_multiplier


def time_multiplier(minutes: int, settings: KmpSettings) -> float:
    """Return max(floor, 1 − slope × minutes since the first possible entry)."""
    return max(settings.size_decay_floor, 1 - settings.size_decay_slope * minutes)


def size(
    settings: KmpSettings,
    *,
    equity: int,
    trigger: int,
    structure_stop: int,
    quality: float,
    minutes: int,
    program: float,
    recent_value: float,
) -> Size:
    """Return the shares of an entry; ``structure_stop`` lies below ``trigger``, both won."""
    base = floor(settings.base_risk_pct * equity / (trigger - structure_stop))
    decay = time_multiplier(minutes, settings)
    liquidity_cap = floor(settings.liq_cap_pct_5m_value * recent_value / trigger)
    nav_cap = floor(settings.nav_cap_pct * equity / trigger)
    wanted = floor(base * quality * decay * program)
    return Size(min(wanted, liquidity_cap, nav_cap), base, decay, liquidity_cap, nav_cap)
