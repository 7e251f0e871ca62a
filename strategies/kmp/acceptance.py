"""The acceptance of a break: pulled back below the range high, then reclaimed."""

from __future__ import annotations


def accepted(price: int, range_high: int, retest_low: int) -> bool:
    """Return whether price fell below the range high since the break and is above it again."""
    return retest_low < range_high < price


def support_level(vwap: float, range_high: int, factor: float) -> float:
    """Return the level a clean pullback holds: min(VWAP, range high) × factor."""
    return min(vwap, range_high) * factor
