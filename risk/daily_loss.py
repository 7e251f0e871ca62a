"""The day's loss: at which equity which level is reached.

What always holds: a level is reached once in a session, the worst at once when several are; a
level reached is not taken back, neither by a recovery nor by other limits. Holdings without a price
today count at their opening value, so they neither hide a loss nor add one.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from events.control import HaltMode
from risk.settings import Limits

_OUT_OF_REACH: Final = -(1 << 62)
"""An equity that no account falls to."""


class LossLevel(NamedTuple):
    """A level of the day's loss: ``fraction`` of opening equity, and the halt it sets."""

    rule: str
    mode: HaltMode
    fraction: float


class DailyLoss:
    """Which levels of loss a session has reached. Money in won."""

    def __init__(self, opening_equity: int, limits: Limits) -> None:
        """Begin at zero; without opening equity there is nothing to measure a loss against."""
        self._opening = opening_equity
        self._reached = 0
        self.floor = _OUT_OF_REACH
        """Equity at or below which the next level is reached: one comparison for a price."""
        self.measure(limits)

    def measure(self, limits: Limits) -> None:
        """Take over the levels of other limits. Those reached stay so."""
        self._levels = _levels(limits)
        self._look_out()

    def reach(self, equity: int) -> LossLevel | None:
        """Return the worst level that is reached for the first time at an equity."""
        found = None
        while equity <= self.floor:
            found = self._levels[self._reached]
            self._reached += 1
            self._look_out()
        return found

    def _look_out(self) -> None:
        if self._opening <= 0 or self._reached >= len(self._levels):
            self.floor = _OUT_OF_REACH
            return
        allowed = round(self._levels[self._reached].fraction * self._opening)
        self.floor = self._opening - allowed


def _levels(limits: Limits) -> tuple[LossLevel, ...]:
    """Return the levels in force, the mildest first."""
    levels = [
        LossLevel("daily_loss_warn", HaltMode.NO_ENTRIES, limits.daily_loss_warn),
        LossLevel("daily_loss_halt", HaltMode.REDUCE_ONLY, limits.daily_loss_halt),
    ]
    if limits.daily_loss_flatten is not None:
        levels.append(LossLevel("daily_loss_flatten", HaltMode.FLATTEN, limits.daily_loss_flatten))
    return tuple(levels)
