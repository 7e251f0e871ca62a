"""What works less well than it should, said once when it begins and once when it is over."""

from __future__ import annotations

from collections.abc import Collection

import structlog

from bus import TimeSource
from events.ops import Degraded, Recovered
from kis_gateway.publisher import Publisher

SERVICE = "gateway"
"""Name under which this process reports about itself."""


class Conditions:
    """The conditions that hold now. A repeated report of the same one is not an event."""

    def __init__(self, publisher: Publisher, time: TimeSource) -> None:
        self._publisher = publisher
        self._time = time
        self._present: set[str] = set()
        self._last_at = 0
        self._logger = structlog.get_logger().bind(service=SERVICE)

    @property
    def present(self) -> frozenset[str]:
        """Names of the conditions that hold."""
        return frozenset(self._present)

    def resume(self, conditions: Collection[str]) -> None:
        """Take over what an earlier process reported and nobody has reported to be over."""
        self._present.update(conditions)

    async def degraded(self, condition: str, detail: str) -> None:
        """Report that a condition holds."""
        if condition in self._present:
            return
        self._present.add(condition)
        self._logger.warning("degraded", condition=condition, detail=detail)
        await self._publisher.offer(
            Degraded(at=self._instant(), service=SERVICE, condition=condition, detail=detail)
        )

    async def recovered(self, condition: str, detail: str) -> None:
        """Report that a condition is over; nothing happens when it did not hold."""
        if condition not in self._present:
            return
        self._present.remove(condition)
        self._logger.info("recovered", condition=condition, detail=detail)
        await self._publisher.offer(
            Recovered(at=self._instant(), service=SERVICE, condition=condition, detail=detail)
        )

    def _instant(self) -> int:
        # The id of a report is its instant, and a clock that is held stands still.
        self._last_at = max(self._time.now(), self._last_at + 1)
        return self._last_at
