"""How long a message is on its way. Deterministic: the n-th message of a way always takes as long.

A way is a line (first in, first out): what left later never arrives earlier.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

_MILLISECOND: Final = 1_000_000


class Way:
    """One direction with its latency."""

    def __init__(self, milliseconds: tuple[float, ...], seed: int) -> None:
        """``milliseconds`` is a constant, or quantiles at equal steps from least to most."""
        self._quantiles = np.asarray(milliseconds, np.float64)
        self._constant = round(milliseconds[0] * _MILLISECOND) if len(milliseconds) == 1 else None
        self._draws = np.random.Generator(np.random.PCG64(seed))
        self._latest = 0

    def arrival(self, departure: int) -> int:
        """Return when a message that leaves now arrives, ns UTC; departures never go back."""
        if self._constant is not None:
            taken = self._constant
        else:
            taken = int(self._lengths(self._draws.random(1))[0])
        self._latest = max(self._latest, departure + taken)
        return self._latest

    def arrivals(self, departures: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return when messages that leave in this order arrive."""
        if self._constant is not None:
            return departures + self._constant
        taken = self._lengths(self._draws.random(len(departures)))
        return np.maximum.accumulate(departures + taken)

    def _lengths(self, draws: NDArray[np.float64]) -> NDArray[np.int64]:
        steps = np.linspace(0.0, 1.0, len(self._quantiles))
        return np.rint(np.interp(draws, steps, self._quantiles) * _MILLISECOND).astype(np.int64)
