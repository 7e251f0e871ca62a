"""Strategies: pure deciders from market events to intents.

The runtime holds what every strategy shares, each strategy is a processor of its own. Nothing in
this room knows a clock, a network, a database or a random number. Imports only ``events``.
"""

from strategies.errors import (
    ConfigurationMissing,
    IllegalTransition,
    InvalidSettings,
    StrategyError,
)
from strategies.kmp import KmpProcessor, KmpSettings, kmp_from_session
from strategies.kmp import load_settings as load_kmp_settings

__all__ = [
    "ConfigurationMissing",
    "IllegalTransition",
    "InvalidSettings",
    "KmpProcessor",
    "KmpSettings",
    "StrategyError",
    "kmp_from_session",
    "load_kmp_settings",
]
