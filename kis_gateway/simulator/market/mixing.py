"""A small integer hash: decisions that look random and are a function of the data alone."""

from __future__ import annotations

from typing import Final

_MASK: Final = (1 << 64) - 1


def mix(first: int, second: int) -> int:
    """Return 64 well-mixed bits of two integers (finaliser of SplitMix64, Steele et al. 2014)."""
    value = (first * 0x9E3779B97F4A7C15 + second + 0x632BE59BD9B4E019) & _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)
