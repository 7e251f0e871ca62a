"""Calls per second: one sliding window per key, as the KIS gateway and its ledger count them."""

from __future__ import annotations

from collections import deque
from typing import Final

_SECOND: Final = 1_000_000_000


class WindowLimiter:
    """Admits at most ``per_second`` calls of a key within any second; 0 admits everything.

    A refused call does not count.
    """

    def __init__(self, per_second: int) -> None:
        self._per_second = per_second
        self._admitted: dict[str, deque[int]] = {}

    def admit(self, key: str, now: int) -> bool:
        """Return whether a call at ``now`` (ns UTC, never going back) is within the limit."""
        if self._per_second == 0:
            return True
        calls = self._admitted.get(key)
        if calls is None:
            calls = self._admitted[key] = deque()
        while calls and now - calls[0] >= _SECOND:
            calls.popleft()
        if len(calls) >= self._per_second:
            return False
        calls.append(now)
        return True
