"""A whole run on the compiled path; sessions it hands back are run by the deciders themselves."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Final

import msgspec

from bus import code_version
from research.backtest.bar_path import (
    BarRun,
    BarTargets,
    Columns,
    Replay,
    Replayed,
    columns_of,
    gate_limits,
    rules_of,
    run_bars,
    why_not,
    with_targets,
)
from research.backtest.carry import Books, after_actions, opening_books
from research.backtest.deciders import configuration, deciders, plan_settings
from research.backtest.ledger import Ledger
from research.backtest.market_day import MarketDays
from research.backtest.result_hash import ResultHash
from research.backtest.results import Provenance
from research.backtest.session import Records, SessionRun
from research.backtest.settings import BacktestSettings, Delivery

_TARGETS: Final = {"sma": ("research.backtest.samples.sma_targets", "sma_targets")}
"""Name of a strategy → module and function that make its ``BarTargets`` of its settings' text."""

_NOWHERE = Provenance(**dict.fromkeys(Provenance.__struct_fields__, ""))


def targets_of(settings: BacktestSettings) -> BarTargets | None:
    """Return the targets of a backtest's strategy, ``None`` if it cannot tell them by the block.

    Raises:
        InvalidSettings: the strategy's configuration cannot be used.
    """
    name = settings.strategies[0].name.lower()
    home = _TARGETS.get(name)
    if home is None:
        return None
    make: Callable[[str], BarTargets] = getattr(import_module(home[0]), home[1])
    return make(configuration(settings)[name])


def run_compiled(settings: BacktestSettings, days: MarketDays) -> BarRun | None:
    """Run a backtest on the compiled path; return ``None`` where that cannot be used.

    Raises:
        BacktestError: the settings cannot be carried out, or the data are not there.
    """
    targets = targets_of(settings)
    if targets is None or why_not(settings, targets.terms):
        return None
    columns = with_targets(columns_of(days, gate_limits(settings)), targets)
    return run_bars(
        settings,
        columns,
        rules_of(settings, targets.terms),
        replay_of(settings, days, columns),
        Books(cash=settings.cash, equity=settings.cash),
    )


def replay_of(settings: BacktestSettings, days: MarketDays, columns: Columns) -> Replay:
    """Return what runs a session of ``days`` event by event, from any books."""
    settings = msgspec.structs.replace(settings, delivery=Delivery.REFERENCE)
    texts, version = configuration(settings), code_version()
    build, plans = deciders(settings), plan_settings(settings)

    def replay(session: int, books: Books) -> Replayed:
        held = tuple(sorted({each.symbol for each in books.carried.allocations}))
        day = days.day(columns.dates[session], held)
        books, _ = after_actions(books, day.actions)
        opening = opening_books(books, day.session, texts, version)
        ledger = Ledger(books.cash, settings.owners)
        ledger.open_session(opening)
        records = Records(ledger, ResultHash())
        run = SessionRun(settings, day, opening, build(opening), plans=plans, records=records)
        left = run.run()
        return Replayed(left, ledger.result(_NOWHERE).fills)

    return replay
