"""KMP: opening-range momentum breakout on KRX stocks, intraday.

Buys liquid up-trending stocks that trade abnormally large value in the first 15 minutes, when price
breaks the 09:00-09:15 high, falls back, and reclaims it; leaves on failure, stall or trailing stop;
flat by 14:30.
"""

from strategies.kmp.processor import KmpProcessor, kmp_from_session
from strategies.kmp.settings import KmpSettings, Profile, load_settings, parse_settings

__all__ = [
    "KmpProcessor",
    "KmpSettings",
    "Profile",
    "kmp_from_session",
    "load_settings",
    "parse_settings",
]
