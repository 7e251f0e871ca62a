"""Making decisions visible: gate counters and would-block records.

A gate that could not be computed is counted as missing, not as passed or blocked. A would-block
record says that a permissive switch let something pass which the strict profile would have stopped;
it is written once per symbol, reason and state.
"""

from __future__ import annotations

from typing import Final

from events.identifiers import IntentId, StrategyId, TradingDate
from events.ops import GateCount, GatesReported, WouldBlock

GLOBAL: Final = "GLOBAL"
"""Stands for the symbol in records of market-wide switches."""

Value = int | float | str | None


class _Gate:
    __slots__ = ("blocked", "last_at", "last_value", "missing", "passed")

    def __init__(self) -> None:
        self.passed = self.blocked = self.missing = self.last_at = 0
        self.last_value: Value = None


class GateBook:
    """How often each gate passed, blocked or lacked its input today."""

    def __init__(self, names: tuple[str, ...]) -> None:
        """Begin at zero for every gate of ``names``, so that an unused gate is reported too."""
        self._gates = {name: _Gate() for name in names}

    def judge(self, name: str, passed: bool, value: Value, at: int) -> bool:
        """Count a computed gate and return ``passed``."""
        gate = self._gates[name]
        if passed:
            gate.passed += 1
        else:
            gate.blocked += 1
        gate.last_value = value
        gate.last_at = at
        return passed

    def missing(self, name: str) -> None:
        """Count a gate that could not be computed."""
        self._gates[name].missing += 1

    def report(
        self,
        *,
        at: int,
        cause: int,
        strategy: StrategyId,
        trading_date: TradingDate,
        intents: tuple[IntentId, ...],
        would_block: dict[str, int],
    ) -> GatesReported:
        """Return the day's report; would-block counts appear as ``would_block_<reason>``."""
        gates = {
            name: GateCount(
                passed=gate.passed,
                blocked=gate.blocked,
                missing=gate.missing,
                last_value=gate.last_value,
                last_at=gate.last_at,
            )
            for name, gate in self._gates.items()
        }
        for reason, count in would_block.items():
            gates[f"would_block_{reason}"] = GateCount(
                passed=count, blocked=0, missing=0, last_value=None, last_at=0
            )
        return GatesReported(
            at=at,
            cause=cause,
            strategy=strategy,
            trading_date=trading_date,
            gates=gates,
            intents=intents,
        )


class WouldBlockBook:
    """Which would-block records stand for the present state of each symbol."""

    def __init__(self, strategy: StrategyId, trading_date: TradingDate) -> None:
        self._strategy = strategy
        self._trading_date = trading_date
        self._recorded: dict[tuple[str, str], str] = {}
        self.counts: dict[str, int] = {}

    def record(
        self,
        *,
        at: int,
        cause: int,
        symbol: str,
        state: str,
        reason: str,
        value: Value,
        strict_limit: Value,
    ) -> WouldBlock | None:
        """Return the record, ``None`` when it stands already for this symbol, reason and state."""
        key = (symbol, reason)
        if self._recorded.get(key) == state:
            return None
        self._recorded[key] = state
        self.counts[reason] = self.counts.get(reason, 0) + 1
        return WouldBlock(
            at=at,
            cause=cause,
            strategy=self._strategy,
            trading_date=self._trading_date,
            symbol=symbol,
            reason=reason,
            value=value,
            strict_limit=strict_limit,
        )
