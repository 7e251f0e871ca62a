"""Calls per second: sliding windows per key, as the KIS gateway and its ledger count them.

Three limits hold at once: all calls of an app key, orders of an app key (tighter on the paper
service), ledger calls of an account. The gateway's limiter is spread over several machines and now
and then refuses below its figure; ``refusal_permille`` imitates that, by a hash of the number of
the call, so that a run repeats itself.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from kis_gateway.simulator.calls.answers import refused
from kis_gateway.simulator.market.mixing import mix
from kis_gateway.simulator.settings import SimulatorSettings

_SECOND: Final = 1_000_000_000


class WindowLimiter:
    """Admits at most ``per_window`` calls of a key within any window; 0 admits everything.

    The window is in nanoseconds, a second unless told otherwise. A refused call does not count.
    """

    def __init__(self, per_window: int, window: int = _SECOND) -> None:
        self._per_window = per_window
        self._window = window
        self._admitted: dict[str, deque[int]] = {}

    def admit(self, key: str, now: int) -> bool:
        """Return whether a call at ``now`` (ns UTC, never going back) is within the limit."""
        if self._per_window == 0:
            return True
        calls = self._admitted.get(key)
        if calls is None:
            calls = self._admitted[key] = deque()
        while calls and now - calls[0] >= self._window:
            calls.popleft()
        if len(calls) >= self._per_window:
            return False
        calls.append(now)
        return True


class CallLimits:
    """The limits of one service."""

    def __init__(self, settings: SimulatorSettings) -> None:
        self._calls = WindowLimiter(settings.call_limit)
        self._ledger = WindowLimiter(settings.ledger_calls_per_second)
        interval = round(settings.order_interval_seconds * _SECOND)
        self._orders = WindowLimiter(1 if interval else 0, interval)
        self._refused = settings.refusal_permille
        self._number = 0

    def admit(self, app_key: str, account: str, *, ledger: bool, order: bool, now: int) -> None:
        """Count a call.

        Raises:
            CallRefused: too many calls of the key (EGW00201) or of the account (EGW00215).
        """
        self._number += 1
        by_chance = self._refused and mix(self._number, 0) % 1_000 < self._refused
        if by_chance or not self._calls.admit(app_key, now):
            raise refused("EGW00201")
        if order and not self._orders.admit(app_key, now):
            raise refused("EGW00201")
        if ledger and not self._ledger.admit(account, now):
            raise refused("EGW00215")
