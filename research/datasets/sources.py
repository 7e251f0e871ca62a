"""Picks the source of sessions that a backtest's settings ask for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Final

from events import StrategyId
from research.backtest.errors import InvalidSettings
from research.backtest.market_day import MarketDays
from research.backtest.settings import DataSettings, Source
from research.datasets.bar_days import BarDays, TickDays
from research.datasets.synthetic_days import SyntheticDays
from research.datasets.tick_file_days import TickFileDays, is_tick_folder

_SYNTHETIC_START: Final = date(2025, 9, 15)


def days_from(settings: DataSettings, strategies: Sequence[StrategyId] = ()) -> MarketDays:
    """Return the sessions that settings ask for; each strategy may trade every symbol in them.

    Ticks are bridged from minute bars, unless the path is the ``ticks`` folder of a store: then
    they are the imported ones.

    Raises:
        InvalidSettings: a date makes no sense, or generated days are asked for by symbol.
        NoMarketData: there is nothing where the settings point to.
        UnusableData: a file cannot be read.
    """
    start, end = _date("start", settings.start), _date("end", settings.end)
    symbols = settings.symbols
    match settings.source:
        case Source.BARS:
            return BarDays(
                Path(settings.path),
                symbols=symbols,
                start=start,
                end=end,
                strategies=strategies,
                daily_history=settings.daily_bars,
                bar_history=settings.bar_history,
            )
        case Source.TICKS:
            if is_tick_folder(Path(settings.path)):
                return TickFileDays(
                    Path(settings.path).parent,
                    symbols=symbols,
                    start=start,
                    end=end,
                    strategies=strategies,
                    daily_history=settings.daily_bars,
                )
            return TickDays(
                Path(settings.path),
                symbols=symbols,
                start=start,
                end=end,
                strategies=strategies,
                daily_history=settings.daily_bars,
                trades_per_bar=settings.trades_per_bar,
            )
        case Source.SYNTHETIC:
            if not isinstance(symbols, int):
                raise InvalidSettings(
                    "data", f"symbols is {symbols}: a generated market takes a number of symbols"
                )
            return SyntheticDays(
                start=start or _SYNTHETIC_START,
                sessions=settings.sessions,
                symbols=symbols,
                seed=settings.seed,
                strategies=strategies,
                daily_history=settings.daily_bars,
                trades_per_bar=settings.trades_per_bar,
            )
        case Source.RECORDINGS:
            # Needs the archive's libraries, which other sources do without.
            from research.fidelity.recorded_days import RecordedDays
            from research.fidelity.recordings import SealedRecordings

            return RecordedDays(SealedRecordings(Path(settings.path), start, end))


def _date(name: str, text: str) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InvalidSettings("data", f"{name} is {text!r}: give YYYY-MM-DD") from error
