"""The scan at 09:15: which symbols trade unusual value after the open, ranked by that value."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from events.identifiers import Symbol
from strategies.kmp.daily import Baseline, DailyFacts
from strategies.kmp.opening_range import OpeningRange
from strategies.kmp.settings import KmpSettings


class Candidate(NamedTuple):
    """A symbol that passed the scan; ``surge`` is fixed for the day."""

    symbol: Symbol
    surge: float
    gap: float
    value: int


def surge_of(opening: OpeningRange, baseline: Baseline | None) -> float | None:
    """Return opening value ÷ its baseline, ``None`` without one of the two."""
    if opening.open == 0 or baseline is None or baseline.opening_value <= 0:
        return None
    return opening.value / baseline.opening_value


def gap_of(opening: OpeningRange, daily: DailyFacts) -> float | None:
    """Return (open − previous close) ÷ previous close, ``None`` before the open."""
    if opening.open == 0:
        return None
    return (opening.open - daily.previous_close) / daily.previous_close


def surge_passes(surge: float, settings: KmpSettings) -> bool:
    """Return whether the surge reaches the scan's minimum."""
    return surge >= settings.min_surge_base


def gap_passes(gap: float, settings: KmpSettings) -> bool:
    """Return whether the gap, up or down, stays below the limit."""
    return abs(gap) < settings.gap_skip


def ranked(candidates: Iterable[Candidate], count: int) -> list[Candidate]:
    """Return the ``count`` candidates with the largest value, ties in order of symbol."""
    return sorted(candidates, key=lambda found: (-found.value, found.symbol))[:count]
