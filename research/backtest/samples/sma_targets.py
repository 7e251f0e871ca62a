"""The positions that the crossover wants, for a block of closes at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from research.backtest.compiled import compiled
from research.backtest.samples.sma_crossover import SmaSettings, settings_from

_Column = NDArray[np.int64]


def sma_targets(text: str) -> SmaTargets:
    """Return the targets for the strategy's settings, JSON. Raises ``InvalidSettings``."""
    return SmaTargets(settings_from(text))


class SmaTargets:
    """``BarTargets`` of ``SmaCrossover``."""

    def __init__(self, settings: SmaSettings) -> None:
        self.terms = settings.entry
        self.needed = settings.slow
        self._fast = settings.fast

    def targets(self, closes: _Column, begins: _Column) -> NDArray[np.int8]:
        """Return 1 where the fast mean is above the slow one, 0 where not, -1 too early."""
        return _targets(closes, begins, self._fast, self.needed)


@compiled
def _targets(closes: _Column, begins: _Column, fast: int, slow: int) -> NDArray[np.int8]:
    found = np.full(len(closes), -1, np.int8)
    for place in range(len(begins)):
        begin = begins[place]
        end = begins[place + 1] if place + 1 < len(begins) else len(closes)
        fast_sum = slow_sum = 0
        for row in range(begin, end):
            fast_sum += closes[row]
            slow_sum += closes[row]
            if row - begin >= fast:
                fast_sum -= closes[row - fast]
            if row - begin >= slow:
                slow_sum -= closes[row - slow]
            if row - begin >= slow - 1:
                found[row] = 1 if fast_sum * slow > slow_sum * fast else 0
    return found
