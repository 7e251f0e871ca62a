"""The risk gate: every intent passes here, and nothing becomes an order without its approval.

Limits, halts, exposure and the account's book as one pure processor. Imports ``events`` only.

    gate = gate_from_session(session)
    derived = gate.handle(delivery)

``validate_change`` and ``limits_listed`` say beforehand what the gate will make of a change of its
limits, and what is in force.
"""

from risk.errors import (
    CheckDisabled,
    RiskError,
    SessionWithoutSettings,
    SettingsContradiction,
    SettingsError,
    SettingsMalformed,
)
from risk.gate import SERVICE, RiskGate, gate_from_session, session_settings
from risk.halts import Halts
from risk.limit_changes import LimitInForce, Override, limits_listed, validate_change
from risk.owners import Owners
from risk.reference import reference
from risk.settings import Profile, RiskSettings, load_settings

__all__ = [
    "SERVICE",
    "CheckDisabled",
    "Halts",
    "LimitInForce",
    "Override",
    "Owners",
    "Profile",
    "RiskError",
    "RiskGate",
    "RiskSettings",
    "SessionWithoutSettings",
    "SettingsContradiction",
    "SettingsError",
    "SettingsMalformed",
    "gate_from_session",
    "limits_listed",
    "load_settings",
    "reference",
    "session_settings",
    "validate_change",
]
