"""The market's pace: commands are carried out when the clock reaches them.

What is due is carried out in small drains, each followed by a flush of the feeds and a turn for
everybody else. A market that cannot keep up falls behind the clock and says by how much; nothing is
skipped and nothing is buffered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Final

from bus import TimeSource
from kis_gateway.simulator.market import MarketItem
from kis_gateway.simulator.venue import Venue

_SECOND: Final = 1_000_000_000
_TURNS: Final = 6
"""Turns of the event loop between two drains of a market that is behind: a call takes several from
its first byte to its answer, and would otherwise wait for a drain in each of them."""


class MarketDrive:
    """Carries a market out against the clock."""

    def __init__(self, venue: Venue, time: TimeSource) -> None:
        self._venue = venue
        self._time = time
        self._limit = venue.settings.drain_commands
        self._due_at: int | None = None
        self._most_behind = 0.0
        self.finished = asyncio.Event()

    @property
    def behind_seconds(self) -> float:
        """Seconds of the run's clock since the next command was due; 0 while it is not."""
        if self._due_at is None:
            return 0.0
        return max(0, self._time.now() - self._due_at) / _SECOND

    @property
    def most_behind_seconds(self) -> float:
        """The furthest the market has been behind."""
        return max(self._most_behind, self.behind_seconds)

    async def run(self) -> None:
        """Carry out the whole market; returns after its last command."""
        commands = self._venue.market.commands()
        pending = self._next(next(commands, None))
        while pending is not None:
            now = self._time.now()
            if pending.at > now:
                await self._time.sleep_until(pending.at)
                continue
            pending = self._next(self._drain(pending, commands, now))
            await self._venue.distribution.flush()
            self._most_behind = self.most_behind_seconds
            await asyncio.sleep(0)
            if self.behind_seconds:
                for _ in range(_TURNS):
                    await asyncio.sleep(0)
        self.finished.set()

    def _next(self, pending: MarketItem | None) -> MarketItem | None:
        self._due_at = pending.at if pending is not None else None
        self._venue.reach(self._due_at)
        return pending

    def _drain(
        self,
        pending: MarketItem,
        commands: Iterator[MarketItem],
        now: int,
    ) -> MarketItem | None:
        due = [pending]
        while (following := next(commands, None)) is not None:
            if following.at > now or len(due) >= self._limit:
                break
            due.append(following)
        self._venue.drive(due)
        return following


async def flush_on_demand(venue: Venue) -> None:
    """Send what a client's order caused without waiting for the market's next step."""
    while True:
        await venue.distribution.waiting.wait()
        await venue.distribution.flush()
