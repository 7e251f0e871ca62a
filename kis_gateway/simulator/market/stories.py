"""What happens to one synthetic issue in one session, minute by minute.

A story is a line of prices in time with a floor and a ceiling per minute; chance moves the bars
within them. Four stories are made for opening-range momentum strategies, and share their first half
hour: a modest up-gap, an opening range (09:00-09:14) of two to four percent on many times the usual
turnover, and a rest just under its high. Then

- ``RUN``    breaks the high, falls back under it, reclaims it within five minutes, hovers there for
             three minutes and trends up;
- ``FAIL``   does the same and falls through the range;
- ``STALL``  does the same and goes nowhere;
- ``LEAD``   stays just under the high until half past ten: strong turnover, price above its VWAP.

``QUIET`` walks at random on ordinary turnover. Prices are on ticks; minutes count from the open.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from itertools import pairwise
from random import Random
from typing import Final, NamedTuple

from events.prices import move_ticks, round_down

OPENING_MINUTES: Final = 15
FIRST_BREAK: Final = 17

_REST_AT: Final = 0.995
_LEAD_UNTIL: Final = 90
_HOVERED: Final = 5
_FAR: Final = 1e12


class Story(Enum):
    """The course of an issue's day."""

    RUN = "run"
    LEAD = "lead"
    FAIL = "fail"
    STALL = "stall"
    QUIET = "quiet"


class Guide(NamedTuple):
    """Where a minute should close, and between which prices it must stay if it can."""

    close: float
    floor: float = 0.0
    ceiling: float = _FAR


class Candle(NamedTuple):
    """Prices of one minute, on ticks."""

    open: int
    high: int
    low: int
    close: int


class Plot(NamedTuple):
    """The turning points of an active story.

    ``opening`` is the opening price, ``high`` the opening range's high, reached in ``high_minute``,
    and ``broken`` the minute that breaks it.
    """

    story: Story
    opening: int
    high: int
    high_minute: int
    broken: int

    @property
    def tick(self) -> int:
        """The tick above the high."""
        return move_ticks(self.high, 1) - self.high


def guides(plot: Plot, minutes: int) -> list[Guide]:
    """Return the guide of every minute of an active story in ``minutes`` of trading."""
    opening, high = plot.opening, plot.high
    knots = [
        (0, opening * 1.003),
        (2, opening * 0.997),
        (plot.high_minute, float(high - plot.tick)),
        (OPENING_MINUTES - 1, high * _REST_AT),
        *(_lead(high, minutes) if plot.story is Story.LEAD else _attempt(plot, minutes)),
    ]
    return [
        Guide(close, *_bounds(plot, minute)) for minute, close in enumerate(_line(knots)[:minutes])
    ]


def _bounds(plot: Plot, minute: int) -> tuple[float, float]:
    high, under = plot.high, plot.high - plot.tick
    since_break = minute - plot.broken
    if minute < OPENING_MINUTES:
        return plot.opening * 0.995, high
    if plot.story is Story.LEAD:
        return (high * 0.992, under) if minute <= _LEAD_UNTIL else (0.0, _FAR)
    if since_break < 0:
        return high * 0.991, under
    if 3 <= since_break <= _HOVERED:
        return high, high + 3.0 * plot.tick
    if plot.story is Story.RUN and _HOVERED < since_break <= 15:
        return high, _FAR
    return 0.0, _FAR


def _lead(high: int, minutes: int) -> list[tuple[int, float]]:
    return [
        (30, high * 0.996),
        (60, high * 0.997),
        (_LEAD_UNTIL, high * 0.996),
        (150, high * 1.01),
        (minutes, high * 1.012),
    ]


def _attempt(plot: Plot, minutes: int) -> list[tuple[int, float]]:
    """Return the break, the fall back, the reclaim, and what the story makes of them."""
    high, tick, broken = plot.high, plot.tick, plot.broken
    back = plot.opening / high
    after = {
        Story.RUN: ((14, 1.013), (75, 1.036), (240, 1.024), (minutes, 1.026)),
        Story.STALL: ((40, 1.001), (100, 0.992), (minutes, 0.99)),
        Story.FAIL: ((12, 0.986), (60, back), (minutes, 0.995 * back)),
    }[plot.story]
    return [
        (broken - 1, high * _REST_AT),
        (broken, max(high * 1.004, high + 4.0 * tick)),
        (broken + 1, high * 0.999),
        (broken + 2, high * 0.996),
        (broken + 3, high + 2.0 * tick),
        (broken + _HOVERED, high + 2.0 * tick),
        *((min(broken + later, minutes), high * multiple) for later, multiple in after),
    ]


def _line(knots: Sequence[tuple[int, float]]) -> list[float]:
    line = [knots[0][1]]
    for (start, before), (end, after) in pairwise(knots):
        line += [
            before + (after - before) * step / (end - start) for step in range(1, end - start + 1)
        ]
    return line


def quiet(opening: int, minutes: int, chance: Random) -> list[Guide]:
    """Return the guide of a quiet day: a random walk that is pulled back to its opening price."""
    level, path = float(opening), []
    for _ in range(minutes):
        level += level * chance.gauss(0, 0.0005) + (opening - level) * 0.02
        path.append(Guide(level, opening * 0.98, opening * 1.02))
    return path


def candles(path: Sequence[Guide], opening: int, chance: Random) -> list[Candle]:
    """Return a candle for each guide; each opens where the one before closed."""
    drawn: list[Candle] = []
    before = opening
    for guide in path:
        close = _nudge(round_down(guide.close), chance.choice((-1, 0, 0, 1)), guide)
        top, bottom = max(before, close), min(before, close)
        high = max(top, _nudge(top, chance.choice((0, 1, 1, 2)), guide))
        low = min(bottom, _nudge(bottom, -chance.choice((0, 1, 1, 2)), guide))
        drawn.append(Candle(before, high, low, close))
        before = close
    return drawn


def touch(candle: Candle, high: int) -> Candle:
    """Return the candle with its high set, for the minute that makes the opening range's high."""
    return candle._replace(high=high)


def _nudge(price: int, ticks: int, guide: Guide) -> int:
    """Return a price moved by some ticks, then brought between the guide's bounds."""
    moved = move_ticks(price, ticks)
    while moved > guide.ceiling:
        moved = move_ticks(moved, -1)
    while moved < guide.floor:
        moved = move_ticks(moved, 1)
    return moved
