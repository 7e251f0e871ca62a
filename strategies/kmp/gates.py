"""The per-symbol gates of an entry as pure functions, and the arithmetic of the surge's decay."""

from __future__ import annotations

from strategies.indicators import MINUTE
from strategies.kmp.settings import KmpSettings


def minutes_since(start: int, now: int, settings: KmpSettings) -> int:
    """Return whole minutes since the first possible entry, clamped to 0…``surge_minutes_max``."""
    return max(0, min((now - start) // MINUTE, settings.surge_minutes_max))


def required_surge(slope: float, minutes: int, settings: KmpSettings) -> float:
    """Return the surge an entry needs now: base + slope × minutes.

    The surge is fixed at the scan, so this is how long a candidate of a given surge may enter.
    """
    return settings.min_surge_base + slope * minutes


def relative_volume(last_minute: int | None, minute_volume: float) -> float | None:
    """Return last completed minute's volume ÷ baseline, ``None`` without one of the two."""
    if last_minute is None or minute_volume <= 0:
        return None
    return last_minute / minute_volume


def inside_vi_wall(trigger: int, reference: int, tick: int, settings: KmpSettings) -> bool:
    """Return whether ``trigger`` is too near the static volatility-interruption band.

    KRX interrupts continuous trading of a stock for two minutes when a trade would print 10 % or
    more away from the static reference price. Blocked from that band less a number of ticks.
    """
    band = reference + round(reference * settings.vi_static_pct)
    return trigger >= band - settings.vi_wall_ticks * tick
