"""The last look before a call leaves: may this process still act, and is it not too late?

What always holds: a call that was written ahead and may not leave is refused here with certainty,
so it never becomes an order of unknown fate.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from bus import BootTime, TimeSource, WallClock
from events import OrderId
from kis_gateway.broker import NOT_SENT, Outcome, Refused
from kis_gateway.orders.order_book import OrderBook
from kis_gateway.orders.order_state import Order

_SECOND: Final = 1_000_000_000
_PAUSED_AFTER: Final = 5 * _SECOND
"""A call begins this long after its write-ahead was begun at the latest (ns of wall time)."""

_QUEUED_AT_MOST: Final = 30 * _SECOND
"""A call leaves this long after it was begun at the latest (ns of the run's clock).

Others give a silent order up after 60 s (``silent_senders``), and a call takes up to 20.
"""

LEASE_LOST: Final = "LEASE_LOST"
"""Code of an order or cancel that was written ahead and not sent: another router acts now."""


class RightToAct(Protocol):
    """What an order needs of a ``Lease``."""

    @property
    def fresh(self) -> bool:
        """Whether this process may act now."""
        ...

    @property
    def epoch(self) -> int:
        """The fencing token that is written with each order."""
        ...

    def require_fresh(self) -> None:
        """Let pass who may act now; raises ``LeaseLost``."""
        ...

    async def ensure(self) -> None:
        """Return once this process may act; raises ``LeaseLost``."""
        ...


class LastLook:
    """Judges calls that were written ahead."""

    def __init__(
        self,
        orders: OrderBook,
        time: TimeSource,
        lease: RightToAct,
        clock: WallClock | None = None,
    ) -> None:
        """``clock`` measures pauses of this process, in wall time."""
        self._orders = orders
        self._time = time
        self._lease = lease
        self._clock = clock or BootTime()

    def begin(self) -> int:
        """Return the instant (of the wall clock) from which a write-ahead counts."""
        return self._clock.now()

    def obstacle(self, begun: int) -> Refused | None:
        """Return why a call whose write-ahead was begun at ``begun`` is not to be made."""
        if not self._lease.fresh:
            return Refused(code=LEASE_LOST, message="another router may have taken over")
        age = self._clock.now() - begun
        if age > _PAUSED_AFTER:
            message = f"its write-ahead was begun {age / _SECOND:.1f} s ago"
            return Refused(code=NOT_SENT, message=message)
        return None

    def permission(self, order_id: OrderId, wanted: Callable[[Order], bool]) -> Callable[[], bool]:
        """Return what the broker's client asks right before the bytes leave."""
        leaves_by = self._time.now() + _QUEUED_AT_MOST

        def may_leave() -> bool:
            order = self._orders.order(order_id)
            return (
                self._lease.fresh
                and self._time.now() <= leaves_by
                and order is not None
                and wanted(order)
            )

        return may_leave

    def end_if_lost(self, outcome: Outcome) -> None:
        """End the process after a call that was not made because the lease is lost.

        Raises:
            LeaseLost: another process may act.
        """
        if isinstance(outcome, Refused) and outcome.code in (LEASE_LOST, NOT_SENT):
            self._lease.require_fresh()
