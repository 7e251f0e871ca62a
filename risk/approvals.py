"""What the gate remembers of its own approvals: signals used, entry locks, how fast orders left.

Kept by the gate itself at the moment it decides, so a replay of the log rebuilds it exactly.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import msgspec

from events import StrategyId, Symbol
from events.trading import IntentSubmitted

_SECOND: Final = 1_000_000_000
_MINUTE: Final = 60 * _SECOND


class EntryLock(msgspec.Struct, frozen=True, gc=False):
    """An entry under way: whose it is, which intent's, and until when (ns UTC)."""

    owner: StrategyId
    intent_id: str
    until: int


class Approvals:
    """Approvals of one session."""

    def __init__(self) -> None:
        self._account: deque[int] = deque()
        self._symbols: dict[Symbol, deque[int]] = {}
        self._signals: set[tuple[StrategyId, Symbol, str]] = set()
        self._locks: dict[Symbol, EntryLock] = {}

    def order(self, symbol: Symbol, now: int) -> None:
        """Count one intent that was let through and becomes an order."""
        self._account.append(now)
        _forget(self._account, now - _SECOND)
        times = self._symbols.get(symbol)
        if times is None:
            times = self._symbols[symbol] = deque()
        times.append(now)
        _forget(times, now - _MINUTE)

    def entry(self, intent: IntentSubmitted, now: int, lock: int) -> None:
        """Remember an approved entry's signal and lock its symbol for ``lock`` nanoseconds."""
        if intent.signal is not None:
            self._signals.add((intent.strategy, intent.symbol, intent.signal))
        self._locks[intent.symbol] = EntryLock(intent.strategy, intent.intent_id, now + lock)

    def release(self, symbol: Symbol, intent_id: str) -> None:
        """End the lock that an intent's entry took, because its order ended."""
        lock = self._locks.get(symbol)
        if lock is not None and lock.intent_id == intent_id:
            del self._locks[symbol]

    def lock(self, symbol: Symbol, now: int) -> EntryLock | None:
        """Return the lock on a symbol that still holds."""
        lock = self._locks.get(symbol)
        return lock if lock is not None and lock.until > now else None

    def signal_used(self, intent: IntentSubmitted) -> bool:
        """Return whether an entry on this signal was let through today."""
        return (intent.strategy, intent.symbol, intent.signal) in self._signals

    def in_last_second(self, now: int) -> int:
        """Return the orders let through in the last second."""
        _forget(self._account, now - _SECOND)
        return len(self._account)

    def in_last_minute(self, symbol: Symbol, now: int) -> int:
        """Return the orders let through for a symbol in the last minute."""
        times = self._symbols.get(symbol)
        if times is None:
            return 0
        _forget(times, now - _MINUTE)
        return len(times)


def _forget(times: deque[int], before: int) -> None:
    """Drop instants up to ``before``; the gate's time never goes back."""
    while times and times[0] <= before:
        times.popleft()
