"""An index's levels through a day, from the moves of the listed issues.

Recorded bars tell an index's open, high, low and close at best, never its path. The path is the
equal-weighted mean of the issues' returns since their base prices, in ten-second steps. When the
day's index bar is known, the path is tilted to its open and close, and what leaves the corridor
between the two is stretched or squeezed so that the extremes meet the day's high and low. Levels
are hundredths of a point.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from events.calendar import TradingSession
from events.market import Bar

_MINUTE: Final = 60_000_000_000
_STEPS_A_MINUTE: Final = 6


def mean_returns(
    issues: Sequence[tuple[int, Sequence[Bar]]], session: TradingSession
) -> list[float]:
    """Return the mean return at the open and at the end of each minute until the close.

    ``issues`` are (base price, minute bars). An issue counts from its first trade on.
    """
    opening = [bars[0].open / base - 1 for base, bars in issues if bars]
    path = [sum(opening) / len(opening) if opening else 0.0]
    closes = [{bar.start: bar.close / base - 1 for bar in bars} for base, bars in issues]
    last: dict[int, float] = {}
    for start in range(session.open_at, session.close_at, _MINUTE):
        for issue, by_start in enumerate(closes):
            if start in by_start:
                last[issue] = by_start[start]
        path.append(sum(last.values()) / len(last) if last else path[-1])
    return path


def levels(returns: Sequence[float], previous_close: int, today: Bar | None) -> list[int]:
    """Return an index's level every ten seconds from the open to the close.

    ``returns`` are by minute (see ``mean_returns``); ``today`` is the index's bar of the day.
    """
    path = [previous_close * (1 + value) for value in returns]
    if today is not None:
        path = _fit(path, today)
    series: list[int] = []
    for before, after in pairwise(path):
        series += [
            round(before + (after - before) * step / _STEPS_A_MINUTE)
            for step in range(_STEPS_A_MINUTE)
        ]
    return [*series, round(path[-1])]


def _fit(path: Sequence[float], today: Bar) -> list[float]:
    count = max(1, len(path) - 1)
    first, last = today.open - path[0], today.close - path[-1]
    tilted = [level + first + (last - first) * step / count for step, level in enumerate(path)]
    top, bottom = max(today.open, today.close), min(today.open, today.close)
    highest, lowest = max(tilted), min(tilted)
    up = (today.high - top) / (highest - top) if highest > top else 1.0
    down = (bottom - today.low) / (bottom - lowest) if lowest < bottom else 1.0
    return [
        top + (level - top) * up
        if level > top
        else bottom - (bottom - level) * down
        if level < bottom
        else level
        for level in tilted
    ]
