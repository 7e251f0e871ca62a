"""What goes into the simulated exchange and what comes out. Pure data; won, shares, ns UTC.

The exchange is a processor: ``handle(command) -> outcomes``. Commands come from the market (the
tape and the book of all other participants, from recorded bars or a generator), from our clients,
and from whoever runs the day (halts, interruptions, books). Time only enters as ``at`` of a
command; commands arrive in order of ``at``.
"""

from __future__ import annotations

from kis_gateway.simulator.exchange.commands import (
    CancelOrder,
    CloseSession,
    Command,
    EnterPhase,
    HaltIssue,
    Interruption,
    MarketBar,
    MarketBook,
    MarketIndication,
    MarketTrade,
    MarketTrades,
    OpenSession,
    PassTime,
    PlaceOrder,
    ReplaceOrder,
    ResumeIssue,
    SetBook,
    TimeInForce,
    TriggerCircuitBreaker,
    TriggerInterruption,
    TriggerSidecar,
)
from kis_gateway.simulator.exchange.listing import Listing, Session
from kis_gateway.simulator.exchange.outcomes import (
    Acknowledged,
    BookSet,
    BookShown,
    Executed,
    ExpectedShown,
    MarketStatusShown,
    Outcome,
    Printed,
    Refusal,
    Refused,
    StatusShown,
    Triggered,
    Withdrawn,
)

__all__ = [
    "Acknowledged",
    "BookSet",
    "BookShown",
    "CancelOrder",
    "CloseSession",
    "Command",
    "EnterPhase",
    "Executed",
    "ExpectedShown",
    "HaltIssue",
    "Interruption",
    "Listing",
    "MarketBar",
    "MarketBook",
    "MarketIndication",
    "MarketStatusShown",
    "MarketTrade",
    "MarketTrades",
    "OpenSession",
    "Outcome",
    "PassTime",
    "PlaceOrder",
    "Printed",
    "Refusal",
    "Refused",
    "ReplaceOrder",
    "ResumeIssue",
    "Session",
    "SetBook",
    "StatusShown",
    "TimeInForce",
    "TriggerCircuitBreaker",
    "TriggerInterruption",
    "TriggerSidecar",
    "Triggered",
    "Withdrawn",
]
