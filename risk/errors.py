"""The errors of the risk room.

RiskError
├── SettingsError             limits that cannot be put in force (key, problem, remedy)
│   ├── SettingsMalformed     unknown or missing key, wrong type, no valid JSON
│   ├── SettingsContradiction two values that cannot both be meant, or one nothing can pass
│   └── CheckDisabled         a value that would switch a check off
└── SessionWithoutSettings    the opening books name no limits

Nothing that happens on the log raises: an intent that cannot be judged is refused with a decision.
"""

from __future__ import annotations

from events import TradingDate


class RiskError(Exception):
    """Base of every error raised by the risk room."""


class SettingsError(RiskError):
    """Limits that cannot be put in force; ``key`` is the dotted path in the configuration."""

    def __init__(self, key: str, problem: str, remedy: str) -> None:
        super().__init__(f"risk configuration, {key}: {problem}; {remedy}")
        self.key = key
        self.problem = problem
        self.remedy = remedy


class SettingsMalformed(SettingsError):
    """The configuration has an unknown or missing key or a value of the wrong type."""


class SettingsContradiction(SettingsError):
    """Values exclude each other, or no entry could ever pass."""


class CheckDisabled(SettingsError):
    """A value with which a check could never refuse anything."""


class SessionWithoutSettings(RiskError):
    """The opening books carry no configuration for the gate, so there is no limit to hold."""

    def __init__(self, trading_date: TradingDate, service: str) -> None:
        super().__init__(
            f"the session of {trading_date} carries no configuration named {service!r}: "
            "open the session with the contents of deploy/config/oms.yaml under that name"
        )
        self.trading_date = trading_date
