"""How trades are spread: by what they returned and by how long shares were held.

What always holds: every trade is in exactly one bin; the outermost bins hold all that lies beyond.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from research.backtest.performance import whole_trades
from research.backtest.results import TradeRow

BINS: Final = 40
"""Bins of returns, at most."""

_STEPS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0)
_MINUTE: Final = 60 * 1_000_000_000
_DAY: Final = 24 * 60 * _MINUTE
_SPANS: Final = (
    ("under 1 min", 0),
    ("1–5 min", _MINUTE),
    ("5–15 min", 5 * _MINUTE),
    ("15–60 min", 15 * _MINUTE),
    ("1–3 h", 60 * _MINUTE),
    ("3–24 h", 180 * _MINUTE),
    ("1–3 days", _DAY),
    ("3–7 days", 3 * _DAY),
    ("1–4 weeks", 7 * _DAY),
    ("over 4 weeks", 28 * _DAY),
)


class Bin(NamedTuple):
    """A span of values and how many fall in it. ``middle`` is where a chart draws it."""

    label: str
    middle: float
    size: int


class Spread(NamedTuple):
    """Bins of one ``width``, and the figures of what is in them (fractions)."""

    bins: list[Bin]
    width: float
    median: float
    best: float
    worst: float


def trade_returns(rows: Iterable[TradeRow]) -> list[float]:
    """Return the result of each closed trade over its cost, in order of its first sale.

    A trade without cost (shares held before the run, at no price) is left out.
    """
    found = []
    for trade in whole_trades(rows):
        cost = sum(each.cost for each in trade)
        if cost > 0 and all(each.closed_at for each in trade):
            found.append(sum(each.result for each in trade) / cost)
    return found


def spread(values: Sequence[float], *, unit: str = "%") -> Spread | None:
    """Return values in bins of a round width that meet at zero; ``None`` of nothing.

    Labels are in percent, with another ``unit`` in plain numbers.
    """
    if not values:
        return None
    ordered = sorted(values)
    last = len(ordered) - 1
    # The middle 98 %: one outlier must not press the rest into a single bin.
    low, high = ordered[last // 100], ordered[last - last // 100]
    width = next((each for each in _STEPS if (high - low) / each <= BINS - 2), _STEPS[-1])
    first, final = math.floor(low / width), math.floor(high / width)
    counts = [0] * (final - first + 1)
    for value in ordered:
        counts[min(max(math.floor(value / width), first), final) - first] += 1
    half = len(ordered) // 2
    return Spread(
        bins=[
            Bin(
                _label(first + place, width, (first, final), ordered, unit),
                (first + place + 0.5) * width,
                number,
            )
            for place, number in enumerate(counts)
        ],
        width=width,
        median=ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2,
        best=ordered[-1],
        worst=ordered[0],
    )


def _label(
    place: int, width: float, ends: tuple[int, int], ordered: Sequence[float], unit: str
) -> str:
    first, final = ends
    scale = 100 if unit == "%" else 1
    lower, upper = place * width * scale, (place + 1) * width * scale
    if place == first and ordered[0] < place * width:
        return f"below {upper:g}{unit}"
    if place == final and ordered[-1] >= (place + 1) * width:
        return f"{lower:g}{unit} and more"
    return f"{lower:g}{unit} to {upper:g}{unit}"


def holding_times(rows: Iterable[TradeRow]) -> list[Bin]:
    """Return how long sold shares had been held, by round spans, empty ones at the ends left out.

    One count for each row: a trade sold in parts has one for each part.
    """
    starts = [start for _, start in _SPANS]
    counts = [0] * len(_SPANS)
    for row in rows:
        if row.closed_at:
            counts[max(0, bisect_right(starts, row.closed_at - row.opened_at) - 1)] += 1
    used = [place for place, number in enumerate(counts) if number]
    if not used:
        return []
    return [Bin(_SPANS[place][0], place, counts[place]) for place in range(used[0], used[-1] + 1)]
