"""The vocabulary: everything that can happen, and how it is named, written and priced.

Events and their codec, identifiers, subjects, KRX price arithmetic, costs and the trading calendar.
Pure: no clock, no I/O, no randomness. Imports nothing of the other rooms; all others import it.

    from events import codec, market, trading
    codec.encode(market.ClockTick(at=…, phase=market.Phase.CONTINUOUS))
"""

from events import (
    calendar,
    codec,
    control,
    costs,
    errors,
    identifiers,
    market,
    ops,
    prices,
    subjects,
    trading,
)
from events import signal as signal
from events.event import Delivery, Derived, Event, MarketEvent
from events.identifiers import (
    EXTERNAL,
    UNKNOWN,
    AccountId,
    FillId,
    IntentId,
    OrderId,
    StrategyId,
    Symbol,
    TradingDate,
)

__all__ = [
    "EXTERNAL",
    "UNKNOWN",
    "AccountId",
    "Delivery",
    "Derived",
    "Event",
    "FillId",
    "IntentId",
    "MarketEvent",
    "OrderId",
    "StrategyId",
    "Symbol",
    "TradingDate",
    "calendar",
    "codec",
    "control",
    "costs",
    "errors",
    "identifiers",
    "market",
    "ops",
    "prices",
    "signal",
    "subjects",
    "trading",
]
