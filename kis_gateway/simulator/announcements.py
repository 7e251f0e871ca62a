"""What the exchange announced happens on time, although nobody sends it a command then.

The end of an interruption or the effect of a cancel is due at a moment of its own. Between two
trades of the market somebody has to wait for it; a market that runs behind the clock comes first.
"""

from __future__ import annotations

import asyncio

from bus import TimeSource
from kis_gateway.simulator.venue import Venue


async def keep_announcements(venue: Venue, time: TimeSource) -> None:
    """Let the exchange do on time what it announced; runs until cancelled."""
    while True:
        venue.announced.clear()
        due = venue.pass_time()
        waits: set[asyncio.Task[object]] = {asyncio.create_task(venue.announced.wait())}
        if due is not None:
            waits.add(asyncio.create_task(time.sleep_until(due)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
