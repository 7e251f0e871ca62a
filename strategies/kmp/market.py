"""Judging the market once per clock event while entries are possible, and counting its gates."""

from __future__ import annotations

from strategies.kmp.breadth import Breadth
from strategies.kmp.desk import Desk
from strategies.kmp.regime import MarketRegime
from strategies.runtime.reporting import Value


class MarketGates:
    """The gates that the market passes or fails as a whole."""

    def __init__(self, desk: Desk, regime: MarketRegime, breadth: Breadth) -> None:
        self._desk = desk
        self._regime = regime
        self._breadth = breadth
        self._strict = desk.settings.regime_breadth_min.strict
        self._thin = False

    def judge(self, now: int) -> None:
        """Judge the market as of a clock event."""
        regime, gates = self._regime, self._desk.gates
        breadth = self._breadth.count(now)
        regime.read_breadth(breadth, now)
        regime.judge(now)
        if regime.index_fresh(now):
            self._count("risk_off", regime.risk_off, regime.index_change, now)
            self._count("chop", regime.chop, regime.index_range, now)
        else:
            gates.missing("risk_off")
            gates.missing("chop")
        gates.judge("breadth", regime.breadth_ok is True, breadth, now)
        program = regime.program(now)
        if program is None:
            gates.missing("program")
        else:
            gates.judge("program", True, str(program), now)
        thin = regime.entries_open and breadth < self._strict
        if thin and not self._thin:
            self._desk.would_have_blocked(
                None, "REGIME_BREADTH", breadth, self._strict, state=f"since-{now}"
            )
        self._thin = thin

    def _count(self, name: str, blocks: bool | None, value: Value, now: int) -> None:
        if blocks is None:
            self._desk.gates.missing(name)
        else:
            self._desk.gates.judge(name, not blocks, value, now)
