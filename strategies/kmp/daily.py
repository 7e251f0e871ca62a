"""What KMP takes from completed daily bars: the trend anchor, previous close, baselines."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from events.market import Bar
from strategies.indicators import sma
from strategies.kmp.settings import KmpSettings

_DAY = 86_400_000_000_000
_KST = 9 * 3_600_000_000_000


class DailyFacts(NamedTuple):
    """Facts of one symbol's history; ``last_day`` is its newest bar's KST day number.

    ``opening_value`` (won) and ``minute_volume`` (shares) are approximations from daily bars.
    """

    trend_ok: bool
    previous_close: int
    last_day: int
    opening_value: float
    minute_volume: float


class Baseline(NamedTuple):
    """What the symbol usually trades; ``source`` is ``recorded`` or ``daily_approximation``."""

    opening_value: float
    minute_volume: float
    source: str


def day_number(at: int) -> int:
    """Return the KST calendar day of an instant (ns UTC) as a count of days."""
    return (at + _KST) // _DAY


def daily_facts(bars: Sequence[Bar], settings: KmpSettings) -> DailyFacts | None:
    """Return the facts in completed daily bars (oldest first), ``None`` with too few of them.

    Trend anchor: last close > SMA(fast), SMA(fast) ≥ itself one day earlier, SMA(fast) ≥ SMA(slow).
    Opening value: median of close × volume × assumed share of 09:00-09:15. Minute volume: median of
    volume × assumed share of the first hour ÷ 60.
    """
    if len(bars) < settings.trend_bars_min:
        return None
    closes = [bar.close for bar in bars]
    fast = sma(closes, settings.trend_fast_days)
    earlier = sma(closes[:-1], settings.trend_fast_days)
    slow = sma(closes, settings.trend_slow_days)
    if fast is None or earlier is None or slow is None:
        return None
    value_days = bars[-settings.opening_value_days :]
    volume_days = bars[-settings.minute_volume_days :]
    return DailyFacts(
        trend_ok=closes[-1] > fast >= earlier and fast >= slow,
        previous_close=closes[-1],
        last_day=day_number(bars[-1].start),
        opening_value=median(
            bar.close * bar.volume * settings.opening_value_share for bar in value_days
        ),
        minute_volume=median(
            bar.volume * settings.minute_volume_share / settings.minute_volume_minutes
            for bar in volume_days
        ),
    )
