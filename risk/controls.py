"""The brakes: what operators and automatic rules have set, and the day's loss levels.

A brake closes entries only; nothing here is ever asked about an exit, a reduction or a cancel.
Drift freezes a symbol apart from an operator's freeze, so that ending one does not lift the other.
A loss level, once reached, holds until the next session.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import msgspec

from events import StrategyId, Symbol
from events.control import ControlChanged, ControlKind
from events.trading import DriftDetected

ACCOUNT: Final = "*"
"""Scope of a brake on the whole account."""

_ENDS_WITH_THE_SESSION: Final = (ControlKind.HALT_ENTRIES, ControlKind.FLATTEN)


class LossLevel(IntEnum):
    """How bad the day has been at its worst."""

    NONE = 0
    WARN = 1
    HALT = 2


class ReachedLoss(msgspec.Struct, frozen=True):
    """The worst loss level reached today: when (ns UTC) and at which result (won)."""

    level: LossLevel
    at: int
    day_result: int


class Controls:
    """All brakes of one account."""

    def __init__(self) -> None:
        self._active: dict[ControlKind, dict[str, ControlChanged]] = {
            kind: {} for kind in ControlKind
        }
        self.drifts: dict[Symbol, DriftDetected] = {}
        self.loss: ReachedLoss | None = None

    def open_session(self) -> None:
        """Lift what ends with a session: halts, flattening and the day's loss level.

        Safe mode, pauses and frozen symbols stay until someone lifts them.
        """
        self.loss = None
        for kind in _ENDS_WITH_THE_SESSION:
            self._active[kind].clear()

    def change(self, event: ControlChanged) -> None:
        """Set or release a brake."""
        scopes = self._active[event.control]
        if event.active:
            scopes[event.scope] = event
        else:
            scopes.pop(event.scope, None)

    def drift(self, event: DriftDetected) -> None:
        """Freeze a symbol whose shares do not add up."""
        self.drifts[event.symbol] = event

    def undrift(self, symbol: Symbol) -> None:
        """Unfreeze a symbol whose shares add up again."""
        self.drifts.pop(symbol, None)

    def reach(self, level: LossLevel, at: int, day_result: int) -> None:
        """Hold a loss level until the next session, unless it or a worse one is held already."""
        if level > (self.loss.level if self.loss is not None else LossLevel.NONE):
            self.loss = ReachedLoss(level, at, day_result)

    def brake(
        self, kind: ControlKind, strategy: StrategyId, symbol: Symbol
    ) -> ControlChanged | None:
        """Return the brake of a kind on the account, a strategy or a symbol, if there is one."""
        scopes = self._active[kind]
        if not scopes:
            return None
        return scopes.get(ACCOUNT) or scopes.get(strategy) or scopes.get(symbol)
