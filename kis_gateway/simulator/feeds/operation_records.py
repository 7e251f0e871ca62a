"""Market operation records (H0STMKO0, NXT, unified): phases, halts, interruptions, breakers.

Sent when something changes and at no other time, to each registered issue. Where the live service
has no reason to give it writes the literal ``(null)``. The unified record lacks the issue code.
"""

from __future__ import annotations

from typing import Final

from events.market import Venue
from kis_gateway.simulator.feeds.trade_records import IssueRecords

_NO_REASON: Final = "(null)"
_HALTED: Final = "58"
_ORDINARY: Final = "00"
_EXCHANGES: Final = {Venue.KRX: "1", Venue.NXT: "2", Venue.UNIFIED: "1"}
_EXPECTED_CODES: Final = {"110": "311", "112": "112", "121": "121", "129": "129"}
"""What an operation code means for the display of expected prices."""


def operation_record(records: IssueRecords, *, code: str, reason: str) -> str:
    """Return the record of an issue's state; ``code`` is the operation code last announced."""
    columns = (
        "Y" if records.halted else "N",
        reason or _NO_REASON,
        code,
        _EXPECTED_CODES.get(code, ""),
        "",
        "",
        _HALTED if records.halted else _ORDINARY,
        "Y" if records.interrupted else "N",
        "N",
        _EXCHANGES[records.venue],
    )
    record = "^".join(columns)
    return record if records.venue is Venue.UNIFIED else f"{records.listing.symbol}^{record}"
