"""Backtests: the deciders of live trading over recorded, imported or generated sessions.

    from pathlib import Path
    from research.backtest import load_settings, run

    result = run(load_settings(Path("kmp.yaml")))

``run`` takes a ``BacktestSettings`` and returns a ``BacktestResult``.

- what is asked: ``settings``, ``configurations`` (variations), ``plans`` (sweeps), ``deciders``
- what is traded: ``market_day`` (the port), ``tape``, ``issue_rows``
- one session: ``engine`` → ``session`` → ``kernel`` (the queue), ``clock``, ``feed`` (what is
  seen), ``attention`` and ``seats`` (by whom), ``skipping`` (what deciders promise),
  ``subscriptions``, ``broker`` and ``floor`` (the way to the exchange), ``latency``, ``account``,
  ``carry`` (nights)
- compiled: ``bar_path*`` (targets on bars), ``samples/*_scan`` (trades), ``compiled``
- results: ``ledger``, ``round_trips``, ``result_hash``, ``equity`` → ``results``; ``store``
- figures: ``metrics``, ``performance``, ``figures``, ``overfitting``, ``monte_carlo``
- many runs: ``sweep``, ``walk_forward``, ``windows``, ``evaluation``, ``parallel``,
  ``remembered_days``; ``look_ahead`` and ``scrambling``
- ``samples``: two small strategies to copy

The names are imported on first use: a command that only asks for help must not load numpy.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from research.backtest.deciders import register
    from research.backtest.engine import run
    from research.backtest.errors import BacktestError
    from research.backtest.results import BacktestResult
    from research.backtest.settings import BacktestSettings, load_settings, parse_settings
    from research.backtest.store import ResultStore
    from research.backtest.sweep import Sweep
    from research.backtest.walk_forward import WalkForward
    from research.backtest.windows import Spans

__all__ = [
    "BacktestError",
    "BacktestResult",
    "BacktestSettings",
    "ResultStore",
    "Spans",
    "Sweep",
    "WalkForward",
    "load_settings",
    "parse_settings",
    "register",
    "run",
]

_HOMES = {
    "BacktestError": "errors",
    "BacktestResult": "results",
    "BacktestSettings": "settings",
    "ResultStore": "store",
    "Spans": "windows",
    "Sweep": "sweep",
    "WalkForward": "walk_forward",
    "load_settings": "settings",
    "parse_settings": "settings",
    "register": "deciders",
    "run": "engine",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
