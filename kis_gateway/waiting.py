"""Waiting for an instant or for an event, whichever comes first."""

from __future__ import annotations

import asyncio

from bus import TimeSource


async def sleep_until_or(time: TimeSource, at: int, event: asyncio.Event) -> None:
    """Return once ``time.now() >= at`` (ns UTC) or ``event`` is set."""
    if event.is_set():
        return
    waits = (
        asyncio.ensure_future(time.sleep_until(at)),
        asyncio.ensure_future(event.wait()),
    )
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
