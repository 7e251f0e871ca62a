"""The risk gate: every intent passes here, and nothing becomes an order without its approval.

Limits, brakes, exposure and the account's book as one pure processor. Imports ``events`` only.

    gate = gate_from_session(session)
    decisions = gate.handle(delivery)
"""

from risk.errors import (
    CheckDisabled,
    RiskError,
    SessionWithoutSettings,
    SettingsContradiction,
    SettingsError,
    SettingsMalformed,
)
from risk.gate import SERVICE, RiskGate, gate_from_session
from risk.settings import Profile, RiskSettings, load_settings

__all__ = [
    "SERVICE",
    "CheckDisabled",
    "Profile",
    "RiskError",
    "RiskGate",
    "RiskSettings",
    "SessionWithoutSettings",
    "SettingsContradiction",
    "SettingsError",
    "SettingsMalformed",
    "gate_from_session",
    "load_settings",
]
