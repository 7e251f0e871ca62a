"""The market as a whole: risk-off, chop, breadth, and what programs are doing.

Judged once per clock second from logged events. The last index level stays known to exits: a poll
that did not come is not good news. Entries need a recent one; what has never been known is ``None``
and keeps entries closed.
"""

from __future__ import annotations

from collections import deque
from enum import StrEnum

from events.market import NEVER, IndexLevel, ProgramFlow
from strategies.indicators import Ewma
from strategies.kmp.settings import KmpSettings
from strategies.runtime.session_clock import SECOND


class ProgramRegime(StrEnum):
    """Direction of net program buying over the markets."""

    STRONG_INFLOW = "strong_inflow"
    MIXED = "mixed"
    OUTFLOW = "outflow"


class _Program:
    __slots__ = ("cumulative", "ewma", "period", "seen_at")

    def __init__(self, alpha: float) -> None:
        self.ewma = Ewma(alpha)
        self.cumulative: int | None = None
        self.period = -1
        self.seen_at = 0


class MarketRegime:
    """Index, breadth and program readings of the session."""

    def __init__(self, settings: KmpSettings, open_at: int) -> None:
        self._settings = settings
        self._open_at = open_at
        self._index_stale = settings.index_stale_sec * SECOND
        self._breadth_min = settings.of(settings.regime_breadth_min)
        self._program_stale = settings.program_poll_sec * settings.program_stale_polls * SECOND
        self._first = self._high = self._low = 0
        self._index_at = 0
        self._readings: deque[int] = deque(maxlen=settings.breadth_readings)
        self._next_reading_at = 0
        self._programs = {name: _Program(settings.ewma_alpha) for name in settings.program_markets}
        self._program: ProgramRegime | None = None
        self._program_until = 0
        self.index_change: float | None = None
        """Change of the index from its previous close as a fraction, ``None`` when unknown."""
        self.index_range: float | None = None
        """(high − low since the open) ÷ first level, ``None`` when unknown."""
        self.risk_off: bool | None = None
        """Whether the index is down by ``risk_off_pct`` or more, ``None`` when unknown."""
        self.chop: bool | None = None
        """Whether the index stands still and few candidates lead; ``None`` until known.

        A moving index is never chop, so the readings matter only for a still one.
        """
        self.breadth: int | None = None
        self.breadth_ok: bool | None = None
        """Whether enough candidates lead, ``None`` before the first count."""
        self.entries_open = False
        """Result of the last ``judge``: neither risk-off nor a bad regime nor anything unknown."""

    def observe_index(self, event: IndexLevel) -> None:
        """Take in a level of the configured index; levels before the open do not count."""
        settings = self._settings
        if event.index != settings.index_name or event.time < self._open_at:
            return
        level, previous_close = event.centipoints, event.previous_close_centipoints
        if self._first == 0:
            self._first = self._high = self._low = level
        elif level > self._high:
            self._high = level
        elif level < self._low:
            self._low = level
        self._index_at = event.at
        self.index_range = (self._high - self._low) / self._first if self._first else None
        if level == 0 or previous_close == 0:
            self.index_change = self.risk_off = None
        else:
            self.index_change = level / previous_close - 1
            self.risk_off = level <= previous_close * (1 - settings.risk_off_pct)
        self.chop = self._chop()

    def observe_program(self, event: ProgramFlow, now: int) -> None:
        """Take in a market's cumulative net program buying; one reading per poll period counts.

        A fall of the cumulative value is selling. Each session starts anew, nothing else resets.
        """
        program = self._programs.get(event.market)
        if program is None:
            return
        program.seen_at = now
        self._read_program(program, event.cumulative_net_value, now)
        self._judge_programs()

    def read_breadth(self, breadth: int, now: int) -> None:
        """Take in the number of leading candidates; readings keep their least spacing."""
        self.breadth = breadth
        self.breadth_ok = breadth >= self._breadth_min
        if now >= self._next_reading_at:
            self._readings.append(breadth)
            self._next_reading_at = now + self._settings.breadth_reading_sec * SECOND
            self.chop = self._chop()

    def index_fresh(self, now: int) -> bool:
        """Return whether the last level arrived at most ``index_stale_sec`` ago."""
        return now - self._index_at <= self._index_stale

    def judge(self, now: int) -> bool:
        """Return and keep whether the market allows entries; unknown or out of date means no."""
        self.entries_open = (
            self.index_fresh(now)
            and self.risk_off is False
            and self.chop is False
            and self.breadth_ok is True
        )
        return self.entries_open

    def program(self, now: int) -> ProgramRegime | None:
        """Return the program regime, ``None`` when a market has no fresh reading (count as mixed).

        Fresh: the last event is at most ``program_stale_polls`` polls old.
        """
        return self._program if now <= self._program_until else None

    def _chop(self) -> bool | None:
        settings = self._settings
        moved = self.index_range
        if moved is None or len(self._readings) < settings.breadth_readings:
            return None
        if moved >= settings.chop_range_min:
            return False
        return all(reading < settings.chop_breadth_min for reading in self._readings)

    def _read_program(self, program: _Program, cumulative: int, now: int) -> None:
        period = (now - self._open_at) // (self._settings.program_poll_sec * SECOND)
        if period <= program.period:
            return
        if program.cumulative is not None:
            program.ewma.add(cumulative - program.cumulative)
        program.cumulative = cumulative
        program.period = period

    def _judge_programs(self) -> None:
        """Work out the program regime, and until when it holds without another event."""
        rising = falling = True
        oldest = NEVER
        for program in self._programs.values():
            trend = program.ewma.value
            if trend is None:
                self._program = None
                return
            rising = rising and trend > 0
            falling = falling and trend < 0
            oldest = min(oldest, program.seen_at)
        self._program_until = oldest + self._program_stale
        if rising:
            self._program = ProgramRegime.STRONG_INFLOW
        elif falling:
            self._program = ProgramRegime.OUTFLOW
        else:
            self._program = ProgramRegime.MIXED


def program_multiplier(regime: ProgramRegime | None, settings: KmpSettings) -> float:
    """Return the size multiplier of a program regime; unknown counts as mixed."""
    match regime:
        case ProgramRegime.STRONG_INFLOW:
            return settings.program_inflow_multiplier
        case ProgramRegime.OUTFLOW:
            return settings.program_outflow_multiplier
        case ProgramRegime.MIXED | None:
            return settings.program_mixed_multiplier
