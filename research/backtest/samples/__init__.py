"""Small strategies to read, to measure with and to begin one's own from.

They are ordinary processors: what they do here they would do live. Nobody claims that they earn
money. ``sma_crossover`` trades on completed bars, ``vwap_imbalance`` on every trade; ``long_only``
is what both leave to one object, asking for positions and following what becomes of it.
"""

from research.backtest.samples.long_only import LongOnly, Terms
from research.backtest.samples.sma_crossover import (
    SmaCrossover,
    SmaSettings,
    sma_from_session,
)
from research.backtest.samples.vwap_imbalance import (
    VwapImbalance,
    VwapSettings,
    vwap_from_session,
)

__all__ = [
    "LongOnly",
    "SmaCrossover",
    "SmaSettings",
    "Terms",
    "VwapImbalance",
    "VwapSettings",
    "sma_from_session",
    "vwap_from_session",
]
