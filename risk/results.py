"""What each strategy has made: realised and unrealised results, fees and tax, in won.

What always holds: a strategy's realised result is what its sales brought above their cost, less all
fees and taxes of its buys and sales.
"""

from __future__ import annotations

import msgspec

from events import StrategyId


class Result(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A strategy's result today in won: ``realised`` is net of ``fees`` and ``tax``.

    ``unrealised`` is what its shares are worth above their cost, whenever they were bought.
    """

    realised: int
    unrealised: int
    fees: int
    tax: int


class Results:
    """Realised results and what trading has cost, by strategy, of one session."""

    def __init__(self) -> None:
        self.realised: dict[StrategyId, int] = {}
        self.fees: dict[StrategyId, int] = {}
        self.tax: dict[StrategyId, int] = {}

    def add(self, strategy: StrategyId, gain: int, fee: int, tax: int) -> None:
        """Count a fill or its correction: ``gain`` won before ``fee`` and ``tax``."""
        self.realised[strategy] = self.realised.get(strategy, 0) + gain - fee - tax
        self.fees[strategy] = self.fees.get(strategy, 0) + fee
        self.tax[strategy] = self.tax.get(strategy, 0) + tax

    def of(self, strategy: StrategyId, unrealised: int) -> Result:
        """Return a strategy's results together with the ``unrealised`` one."""
        return Result(
            realised=self.realised.get(strategy, 0),
            unrealised=unrealised,
            fees=self.fees.get(strategy, 0),
            tax=self.tax.get(strategy, 0),
        )
