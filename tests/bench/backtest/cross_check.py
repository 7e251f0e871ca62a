"""Do the engines do the same? Each one's trades and equity, against the plain loop's, to the won.

An engine's equity differs for two reasons only: it traded otherwise, or it counted other costs.
Both are measured: its own trades are counted again with the dated costs of the workload, so the
difference falls into a part that its trades explain and a part that its costs explain.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tests.bench.backtest.processes import Fills, Measured


class Difference(NamedTuple):
    """How an engine's run differs from the truth; won, counts of fills.

    ``elsewhere`` fills have no counterpart at the same row and side, ``repriced`` have one at
    another price. ``by_trades`` and ``by_costs`` add up to the difference of equity.
    """

    fills: int
    missing: int
    elsewhere: int
    repriced: int
    by_trades: float
    by_costs: float

    def words(self) -> Sequence[str]:
        """Return it for people to read."""
        if not (self.missing or self.elsewhere or self.repriced):
            trades = "trades identical"
        else:
            trades = (
                f"{self.elsewhere} of {self.fills} trades elsewhere, {self.missing} missing, "
                f"{self.repriced} at another price: {self.by_trades:+,.0f} won"
            )
        costs = f"costs {-self.by_costs:+,.1f} won" if abs(self.by_costs) >= 0.05 else "costs equal"
        return [trades, costs]


def difference(measured: Measured, truth: Measured) -> Difference:
    """Return how a run differs from the plain loop's on the same workload."""
    assert measured.fills is not None
    assert truth.fills is not None
    mine, theirs = _by_place(measured.fills), _by_place(truth.fills)
    common = mine.keys() & theirs.keys()
    counted = equity_of(measured.fills, measured.task.folder)
    return Difference(
        fills=len(measured.fills.row),
        missing=len(theirs.keys() - common),
        elsewhere=len(mine.keys() - common),
        repriced=sum(mine[place] != theirs[place] for place in common),
        by_trades=counted - truth.equity,
        by_costs=measured.equity - counted,
    )


def equity_of(fills: Fills, folder: Path) -> float:
    """Return what an account is worth after these fills at the workload's dated costs, won."""
    settings = json.loads((folder / "meta.json").read_text())
    tax = np.load(folder / "tax.npy")
    closes = folder / "close.npy"
    first = np.load(folder / "first.npy")
    amounts = np.rint(fills.price * fills.quantity).astype(np.int64)
    fees = amounts * settings["fee_per_million"] // 1_000_000
    taxes = np.where(fills.side < 0, amounts * tax[fills.row] // 1_000_000, 0)
    equity = settings["cash"] - int((fills.side * amounts + fees + taxes).sum())
    signed = fills.side * fills.quantity
    if closes.exists():
        prices = np.load(closes)
        owner = np.searchsorted(first, fills.row, "right") - 1
        held = np.bincount(owner, weights=signed, minlength=len(first) - 1)
        return float(equity + (held * prices[first[1:] - 1]).sum())
    return float(equity + signed.sum() * np.load(folder / "price.npy")[-1])


def _by_place(fills: Fills) -> dict[tuple[int, int], tuple[float, float]]:
    return {
        (row, side): (round(price, 4), quantity)
        for row, side, price, quantity in zip(*(column.tolist() for column in fills), strict=True)
    }
