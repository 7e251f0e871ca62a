"""What the KIS client learns about its own footing: calls refused for their rate, dead credentials.

The client works below the log and must not wait for it. So it leaves reports here, and the gateway
process takes them to the log. What always holds: reports reach the log in the order in which they
were made; none is dropped (KIS refuses a few calls a second at the most).
"""

from __future__ import annotations

import asyncio

from bus import TimeSource
from events.ops import CallRefusedTooFast
from kis_gateway.conditions import SERVICE, Conditions
from kis_gateway.publisher import Publisher

CREDENTIALS = "credentials"
"""Name of the condition that KIS does not accept what it issued."""

_MILLISECOND = 1_000_000


class ClientReports:
    """Holds the reports of one KIS client until the gateway process takes them."""

    def __init__(self, time: TimeSource) -> None:
        self._time = time
        self._waiting: asyncio.Queue[CallRefusedTooFast | str | None] = asyncio.Queue()
        self._ordinal = 0

    def throttled(self, call: str, code: str, interval_ns: int) -> None:
        """Report a call refused for its rate, and the spacing of such calls from now on (ns)."""
        self._ordinal += 1
        self._waiting.put_nowait(
            CallRefusedTooFast(
                at=self._time.now(),
                service=SERVICE,
                call=call,
                code=code,
                interval_ms=interval_ns // _MILLISECOND,
                ordinal=self._ordinal,
            )
        )

    def credentials_refused(self, detail: str) -> None:
        """Report credentials that only an operator can put right."""
        self._waiting.put_nowait(detail)

    def credentials_accepted(self) -> None:
        """Report that KIS takes the credentials, be it again or for the first time."""
        self._waiting.put_nowait(None)

    async def run(self, publisher: Publisher, conditions: Conditions) -> None:
        """Take reports to the log, for ever."""
        while True:
            report = await self._waiting.get()
            if report is None:
                # Also what an earlier process reported is over then.
                await conditions.recovered(CREDENTIALS, "KIS accepts the access token")
            elif isinstance(report, str):
                await conditions.degraded(CREDENTIALS, report)
            else:
                await publisher.offer(report)
