"""The errors of the strategies.

StrategyError
├── InvalidSettings          a configuration that contradicts itself, or has a wrong or missing key
├── ConfigurationMissing     the session carries no configuration for the strategy
└── IllegalTransition        a setup was moved along an edge its state machine does not have
"""

from __future__ import annotations


class StrategyError(Exception):
    """Base of every error raised by a strategy."""


class InvalidSettings(StrategyError, ValueError):
    """A configuration that cannot be used; ``key`` is the key at fault."""

    def __init__(self, key: str, problem: str, remedy: str) -> None:
        super().__init__(f"configuration key {key}: {problem}; {remedy}")
        self.key = key


class ConfigurationMissing(StrategyError):
    """The session was opened without settings for the strategy."""

    def __init__(self, name: str, present: tuple[str, ...]) -> None:
        super().__init__(
            f"the session has no configuration {name!r} (it has {', '.join(present) or 'none'}): "
            f"add deploy/config/{name}.yaml to the run"
        )
        self.name = name


class IllegalTransition(StrategyError):
    """A step that the state machine does not allow: a defect in the strategy's code."""

    def __init__(self, symbol: str, previous: str, state: str) -> None:
        super().__init__(
            f"{symbol} cannot go from {previous} to {state}: correct the strategy's code or its "
            "table of transitions"
        )
