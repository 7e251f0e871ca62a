"""Market-wide figures that no real-time feed of a paper account offers: asked for again and again.

A failed answer is a reported condition, never a substitute value.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from bus import TimeSource
from events import Event
from events.calendar import TradingSession
from kis_gateway.broker import Broker
from kis_gateway.conditions import Conditions
from kis_gateway.errors import InquiryFailed
from kis_gateway.publisher import Publisher

INDICES: Final = ("KOSPI",)
MARKETS: Final = ("KOSPI", "KOSDAQ")


class Poller:
    """Asks for index levels and program flow during a session."""

    def __init__(
        self,
        *,
        broker: Broker,
        publisher: Publisher,
        conditions: Conditions,
        time: TimeSource,
        session: TradingSession,
        index_poll_s: float,
        program_poll_s: float,
    ) -> None:
        """Intervals are seconds between the answer to one question and the next question."""
        self._broker = broker
        self._publisher = publisher
        self._conditions = conditions
        self._time = time
        self._session = session
        self._index_poll_s = index_poll_s
        self._program_poll_s = program_poll_s

    async def run(self) -> None:
        """Ask from the open to the close, then return."""
        await self._time.sleep_until(self._session.open_at)
        async with asyncio.TaskGroup() as group:
            for index in INDICES:
                group.create_task(
                    self._poll(
                        f"index_{index}", index, self._broker.index_level, self._index_poll_s
                    )
                )
            for market in MARKETS:
                group.create_task(
                    self._poll(
                        f"program_{market}",
                        market,
                        self._broker.program_flow,
                        self._program_poll_s,
                        # The broker has one row a minute, the first when a minute has passed.
                        after=self._program_poll_s,
                    )
                )

    async def once(self, condition: str, question: Awaitable[Event]) -> None:
        """Put one answer on the log, or report why there is none."""
        try:
            answer = await question
        except InquiryFailed as error:
            await self._conditions.degraded(condition, str(error))
            return
        await self._publisher.offer(answer)
        await self._conditions.recovered(condition, "answered again")

    async def _poll(
        self,
        condition: str,
        key: str,
        ask: Callable[[str], Awaitable[Event]],
        interval: float,
        after: float = 0.0,
    ) -> None:
        await self._time.sleep(after)
        while self._time.now() < self._session.close_at:
            await self.once(condition, ask(key))
            await self._time.sleep(interval)
