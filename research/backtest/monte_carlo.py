"""What else might have come of the same sessions or trades: distributions by resampling.

A backtest is one path. Drawing its pieces again (bootstrap) or in another order (permutation) shows
how much of final equity and drawdown hung on which pieces came, and when. Seeded: equal arguments
give equal distributions. Blocks keep neighbours together, so runs of losses survive the drawing.

Sources: Efron (1979) for the bootstrap; Politis and Romano, "A Circular Block-Resampling Procedure
for Stationary Data" (1992), for blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

_CELLS: Final = 2_000_000
"""Values drawn at a time: memory stays flat in the number of paths."""

Floats = NDArray[np.floating[Any]]


class Drawing(StrEnum):
    """How pieces are drawn."""

    BOOTSTRAP = "bootstrap"
    """With replacement: other sessions might have come."""
    PERMUTATION = "permutation"
    """Without: the same sessions in another order. Final equity stays, drawdowns do not."""


class Resampled(NamedTuple):
    """Paths that might have been, one entry each.

    ``final_equity`` is won, ``drawdown`` the deepest fall as a fraction of its peak, ``ruined``
    whether equity was ever at or below the ruin level.
    """

    final_equity: Floats
    drawdown: Floats
    ruined: NDArray[np.bool_]
    opening_equity: float

    @property
    def ruin_probability(self) -> float:
        """The share of paths that were ruined."""
        return float(self.ruined.mean())

    @property
    def loss_probability(self) -> float:
        """The share of paths that ended below where they began."""
        return float((self.final_equity < self.opening_equity).mean())

    def final_equity_at(self, share: float) -> float:
        """Return the final equity that ``share`` (0..1) of the paths do not exceed, won."""
        return float(np.quantile(self.final_equity, share))

    def drawdown_at(self, share: float) -> float:
        """Return the drawdown that ``share`` (0..1) of the paths do not exceed."""
        return float(np.quantile(self.drawdown, share))


class Band(NamedTuple):
    """Where paths lie over time: for each of ``shares`` a row of ``equity`` in won.

    A row has the level before the first piece and one after each; that share of the paths does not
    exceed it there.
    """

    shares: tuple[float, ...]
    equity: NDArray[np.float64]


def resample_returns(
    returns: ArrayLike,
    opening_equity: float,
    *,
    paths: int = 10_000,
    block: int = 1,
    drawing: Drawing = Drawing.BOOTSTRAP,
    ruin: float = 0.5,
    seed: int = 1,
) -> Resampled:
    """Return paths of compounded session returns drawn again, ``block`` neighbours at a time.

    ``ruin`` is the fraction of ``opening_equity`` (won) at which a path counts as ruined.
    """
    values = np.asarray(returns, dtype=np.float64)
    drawn = _drawn(len(values), paths, block, drawing, seed)
    curves = (np.cumprod(1.0 + values[places], axis=1) * opening_equity for places in drawn)
    return _fold(curves, opening_equity, ruin)


def resample_trades(
    results: ArrayLike,
    opening_equity: float,
    *,
    paths: int = 10_000,
    block: int = 1,
    drawing: Drawing = Drawing.BOOTSTRAP,
    ruin: float = 0.5,
    seed: int = 1,
) -> Resampled:
    """Return paths of added trade results (won) drawn again, ``block`` neighbours at a time.

    Sizes stay what they were in won. ``ruin`` as for ``resample_returns``.
    """
    values = np.asarray(results, dtype=np.float64)
    drawn = _drawn(len(values), paths, block, drawing, seed)
    curves = (np.cumsum(values[places], axis=1) + opening_equity for places in drawn)
    return _fold(curves, opening_equity, ruin)


def resample_band(
    returns: ArrayLike,
    opening_equity: float,
    *,
    shares: tuple[float, ...] = (0.05, 0.25, 0.5, 0.75, 0.95),
    paths: int = 2_000,
    block: int = 1,
    drawing: Drawing = Drawing.BOOTSTRAP,
    seed: int = 1,
) -> Band:
    """Return the quantiles over time of paths drawn as by ``resample_returns``.

    All paths are held at once: memory is ``paths`` times the number of returns.
    """
    values = np.asarray(returns, dtype=np.float64)
    curves = np.concatenate([
        np.cumprod(1.0 + values[drawn], axis=1)
        for drawn in _drawn(len(values), paths, block, drawing, seed)
    ])  # fmt: skip
    levels = opening_equity * np.quantile(curves, shares, axis=0)
    return Band(shares, np.column_stack([np.full(len(shares), opening_equity), levels]))


def _drawn(
    count: int, paths: int, block: int, drawing: Drawing, seed: int
) -> Iterator[NDArray[np.intp]]:
    """Yield places to draw, a row a path; a path has as many as the original."""
    if count < 1 or paths < 1 or block < 1:
        raise ValueError(
            f"{count} pieces, {paths} paths and blocks of {block}: each must be 1 or more"
        )
    generator = np.random.default_rng(seed)
    blocks = -(-count // block)
    within = np.arange(block)
    at_once = max(1, _CELLS // (blocks * block))
    for begun in range(0, paths, at_once):
        rows = min(at_once, paths - begun)
        if drawing is Drawing.BOOTSTRAP:
            starts = generator.integers(0, count, size=(rows, blocks))
            yield ((starts[:, :, None] + within) % count).reshape(rows, -1)[:, :count]
        else:
            order = generator.permuted(np.tile(np.arange(blocks), (rows, 1)), axis=1)
            places = (order[:, :, None] * block + within).reshape(rows, -1)
            # The last block may be short: what lies beyond the end is left out.
            yield places[places < count].reshape(rows, count)


def _fold(curves: Iterator[Floats], opening_equity: float, ruin: float) -> Resampled:
    final: list[Floats] = []
    falls: list[Floats] = []
    ruined: list[NDArray[np.bool_]] = []
    for curve in curves:
        peaks = np.maximum(np.maximum.accumulate(curve, axis=1), opening_equity)
        final.append(curve[:, -1])
        falls.append((1.0 - curve / peaks).max(axis=1))
        ruined.append(curve.min(axis=1) <= opening_equity * ruin)
    return Resampled(
        np.concatenate(final), np.concatenate(falls), np.concatenate(ruined), opening_equity
    )
