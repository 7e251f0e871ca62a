"""Who is measured on what, in which environment."""

from __future__ import annotations

from typing import Final, NamedTuple

OURS: Final = "ours"
"""The environment of the project itself; all others are folders under ``.bench``."""


class Engine(NamedTuple):
    """An engine in one of its ways of running.

    ``variant`` is what its script calls that way.
    """

    title: str
    environment: str
    module: str
    variant: str
    workloads: tuple[str, ...]


_PEERS: Final = "tests.bench.backtest.peers"

ENGINES: Final = (
    Engine("plain Python loop", OURS, f"{_PEERS}.plain", "python", ("A", "B")),
    Engine("numba loop", OURS, f"{_PEERS}.plain", "numba", ("A", "B")),
    Engine("nautilus_trader, bars", "nautilus", f"{_PEERS}.nautilus", "close", ("A",)),
    Engine("nautilus_trader, next open", "nautilus", f"{_PEERS}.nautilus", "open", ("A",)),
    Engine("nautilus_trader, trades", "nautilus", f"{_PEERS}.nautilus", "trades", ("B",)),
    Engine("backtrader", "backtrader", f"{_PEERS}.backtrader", "", ("A",)),
    Engine("backtesting.py", "backtesting", f"{_PEERS}.backtesting", "", ("A",)),
    Engine("vnpy_ctastrategy", "vnpy", f"{_PEERS}.vnpy", "", ("A",)),
    Engine("vectorbt", "vectorbt", f"{_PEERS}.vectorbt", "", ("A",)),
    Engine("hftbacktest", "hftbacktest", f"{_PEERS}.hftbacktest", "", ("B",)),
    Engine("k-stock-trader, reference", OURS, "tests.bench.backtest.ours", "reference", ("A", "B")),
    Engine("k-stock-trader, block", OURS, "tests.bench.backtest.ours", "block", ("A", "B")),
    Engine(
        "k-stock-trader, compiled", OURS, "tests.bench.backtest.ours_compiled", "compiled", ("A",)
    ),
)

TRUTH: Final = ENGINES[0]
"""Whose trades and equity all others are held against."""
