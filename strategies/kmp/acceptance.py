"""The break of the opening range and its acceptance: pulled back below the high, then reclaimed."""

from __future__ import annotations


def broke_out(price: int, break_level: int, vwap: float) -> bool:
    """Return whether price is past the range high by more than the break distance and over VWAP."""
    return price > break_level and price > vwap


def accepted(price: int, range_high: int, retest_low: int) -> bool:
    """Return whether price fell below the range high since the break and is above it again."""
    return retest_low < range_high < price


def support_level(vwap: float, range_high: int, factor: float) -> float:
    """Return the level a clean pullback holds: min(VWAP, range high) × factor."""
    return min(vwap, range_high) * factor
