"""What every strategy needs besides its rules: session time, own book, own intents, reporting.

All of it is derived from the log. A strategy holds these objects and hands them the entries it is
given; nothing in here decides to trade.
"""

from strategies.runtime.book import OwnBook, Position, StrategyEquity
from strategies.runtime.intents import (
    IntentTracker,
    OwnIntent,
    exit_backoff,
)
from strategies.runtime.reporting import GateBook, WouldBlockBook
from strategies.runtime.session_clock import SessionClock
from strategies.runtime.slots import SlotBook

__all__ = [
    "GateBook",
    "IntentTracker",
    "OwnBook",
    "OwnIntent",
    "Position",
    "SessionClock",
    "SlotBook",
    "StrategyEquity",
    "WouldBlockBook",
    "exit_backoff",
]
