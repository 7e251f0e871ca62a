"""Breadth: how many candidates of the day lead the market.

A candidate's part in it follows from its trades, its baseline, its state and the minute before the
present one. Whoever changes one of the first three says so on the desk; the last changes for all
candidates at once. All others still count as they did.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from events.identifiers import Symbol
from strategies.indicators import MINUTE
from strategies.kmp import gates
from strategies.kmp.settings import KmpSettings
from strategies.kmp.setup import Setup
from strategies.kmp.states import State


class Breadth:
    """The candidates that lead as of the last count."""

    def __init__(
        self,
        settings: KmpSettings,
        open_at: int,
        candidates: Sequence[Setup],
        touched: dict[Symbol, Setup],
    ) -> None:
        """``touched`` are setups of which something has changed; a count empties it."""
        self._surge_min = settings.breadth_surge_min
        self._rvol_min = settings.breadth_rvol_min
        self._open_at = open_at
        self._candidates = candidates
        self._touched = touched
        self._leading: set[Symbol] = set()
        self._minute = 0
        self._minute_ends = 0

    def count(self, now: int) -> int:
        """Return how many candidates lead."""
        if now >= self._minute_ends:
            self._minute = (now - self._open_at) // MINUTE
            self._minute_ends = self._open_at + (self._minute + 1) * MINUTE
            self._look_at(self._candidates)
        elif self._touched:
            self._look_at(self._touched.values())
        self._touched.clear()
        return len(self._leading)

    def _look_at(self, setups: Iterable[Setup]) -> None:
        for setup in setups:
            if setup.rank and self._leads(setup):
                self._leading.add(setup.symbol)
            else:
                self._leading.discard(setup.symbol)

    def _leads(self, setup: Setup) -> bool:
        if setup.state is State.DONE:
            return setup.completed_trade
        tape = setup.tape
        tape.roll(self._minute)
        if setup.surge < self._surge_min:
            return False
        vwap = tape.vwap.value
        if vwap is None or tape.price < vwap:
            return False
        rvol = gates.relative_volume(
            tape.bars.last_minute_volume(self._minute),
            setup.baseline.minute_volume if setup.baseline is not None else 0,
        )
        return rvol is not None and rvol >= self._rvol_min
