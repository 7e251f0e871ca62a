"""Control events: what an operator, or an automatic breaker, told the system to do."""

from __future__ import annotations

from enum import StrEnum

from events.event import Event


class ControlKind(StrEnum):
    """Which brake."""

    SAFE_MODE = "safe_mode"
    HALT_ENTRIES = "halt_entries"
    PAUSE_STRATEGY = "pause_strategy"
    FREEZE_SYMBOL = "freeze_symbol"
    FLATTEN = "flatten"


class ControlChanged(Event, frozen=True, kw_only=True, tag="ControlChanged.1"):
    """A brake was set (``active``) or released. No brake ever stops an exit or a cancel.

    ``scope`` is ``*`` for the whole account, otherwise the strategy or symbol concerned.
    ``issued_by`` names the operator or the automatic rule; ``reason`` is never empty.
    """

    control: ControlKind
    scope: str
    active: bool
    issued_by: str
    reason: str

    @property
    def topic(self) -> str:
        """``trading.control``."""
        return "trading.control"

    @property
    def identity(self) -> str:
        """One change per brake, scope and instant."""
        return f"control-{self.at}-{self.control}-{self.scope}-{int(self.active)}"
