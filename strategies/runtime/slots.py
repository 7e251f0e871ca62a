"""Asking for subscriptions: whole wishes, numbered, and not more often than needed."""

from __future__ import annotations

from collections.abc import Sequence

from events.identifiers import StrategyId, TradingDate
from events.signal import SlotRequest, SlotsRequested


class SlotBook:
    """The strategy's last subscription request and when the next may follow."""

    def __init__(self, strategy: StrategyId, trading_date: TradingDate, interval: int) -> None:
        """``interval`` is the least time between two ordinary requests, ns."""
        self._strategy = strategy
        self._trading_date = trading_date
        self._interval = interval
        self._ordinal = 0
        self._last: frozenset[SlotRequest] = frozenset()
        self._next_at = 0

    def due(self, now: int) -> bool:
        """Return whether an ordinary request may be made at ``now``."""
        return now >= self._next_at

    def request(
        self, wanted: Sequence[SlotRequest], *, now: int, at: int, cause: int
    ) -> SlotsRequested | None:
        """Return the request for ``wanted``, ``None`` when the same slots are asked for already.

        Another order within one priority is not another request: it would move no subscription.
        """
        chosen = frozenset(wanted)
        if chosen == self._last:
            return None
        self._last = chosen
        self._ordinal += 1
        self._next_at = now + self._interval
        return SlotsRequested(
            at=at,
            cause=cause,
            strategy=self._strategy,
            trading_date=self._trading_date,
            ordinal=self._ordinal,
            requests=tuple(wanted),
        )
