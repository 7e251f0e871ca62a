"""The brakes: what operators and automatic rules have set, and the day's loss levels.

A brake closes entries only; nothing here is ever asked about an exit, a reduction or a cancel.
Drift freezes a symbol apart from an operator's freeze, so that ending one does not lift the other.
A loss level, once reached, holds for the session. All of it is folded from the session's own log: a
brake that is to hold in the next session has to be set there again.
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


class LossLevel(IntEnum):
    """How bad the day has been at its worst."""

    WARN = 1
    HALT = 2


class ReachedLoss(msgspec.Struct, frozen=True):
    """The worst loss level reached today: when (ns UTC) and at which result (won).

    ``unpriced`` holdings had no price then and counted at their opening value.
    """

    level: LossLevel
    at: int
    day_result: int
    unpriced: int


class Controls:
    """All brakes of one account in one session."""

    def __init__(self) -> None:
        self._active: dict[ControlKind, dict[str, ControlChanged]] = {
            kind: {} for kind in ControlKind
        }
        self.drifts: dict[Symbol, DriftDetected] = {}
        self.loss: ReachedLoss | None = None

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

    def reach(self, reached: ReachedLoss) -> None:
        """Hold a loss level for the session, unless it or a worse one is held already."""
        if self.loss is None or reached.level > self.loss.level:
            self.loss = reached

    def brake(
        self, kind: ControlKind, strategy: StrategyId, symbol: Symbol
    ) -> ControlChanged | None:
        """Return the brake of a kind on the account, a strategy or a symbol, if there is one."""
        scopes = self._active[kind]
        if not scopes:
            return None
        return scopes.get(ACCOUNT) or scopes.get(strategy) or scopes.get(symbol)
