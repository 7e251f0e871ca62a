"""The day's universe: facts before the open, the end of the opening range, the scan.

The clock ends the opening range of every symbol at once. The scan follows when all symbols that may
still be chosen are known back to the open, by trades or by back-fill, or when its wait is over.
"""

from __future__ import annotations

from events.identifiers import Symbol
from events.market import DailyHistory, MinuteHistory, SymbolReference
from events.prices import Board
from events.signal import OpeningBaseline, UniverseSelected
from strategies.indicators import MINUTE
from strategies.kmp import scan
from strategies.kmp.daily import Baseline, daily_facts, day_number
from strategies.kmp.desk import Desk
from strategies.kmp.entries import Entries
from strategies.kmp.setup import Setup
from strategies.kmp.states import State
from strategies.kmp.tape import Tape


class Universe:
    """Every symbol of the day, and which of them became candidates."""

    def __init__(self, desk: Desk, entries: Entries, sectors: dict[str, list[Setup]]) -> None:
        """``sectors`` is filled with the setups of the universe by sector."""
        self._desk = desk
        self._settings = desk.settings
        self._entries = entries
        self._sectors = sectors
        clock = desk.clock
        self._lock_at = clock.after_open(desk.settings.or_lock_time)
        self._scan_at = clock.after_open(desk.settings.scan_time)
        self._scan_wait = clock.after_open(desk.settings.scan_deadline) - self._scan_at
        self._scan_begun_at: int | None = None
        self.scanned = False
        self.setups: dict[Symbol, Setup] = {}
        self.members: list[Setup] = []
        self.candidates: list[Setup] = []

    @property
    def quiet_until(self) -> int:
        """The instant (ns UTC) at which the opening range ends, 0 while a scan waits for others."""
        return self._scan_at if self._scan_begun_at is None else 0

    def setup(self, symbol: Symbol) -> Setup:
        """Return the symbol's setup, a new one at first sight."""
        setup = self.setups.get(symbol)
        if setup is None:
            tape = Tape(self._desk.clock.open_at, self._lock_at, self._settings)
            setup = self.setups[symbol] = Setup(symbol, tape)
        return setup

    def on_universe(self, event: UniverseSelected) -> None:
        """Take in the symbols that may be traded today, with their sectors."""
        desk = self._desk
        if event.strategy != desk.strategy or event.trading_date != desk.clock.trading_date:
            return
        for symbol in event.symbols:
            setup = self.setup(symbol)
            if setup.in_universe:
                continue
            setup.in_universe = True
            setup.sector = event.sectors.get(symbol)
            self.members.append(setup)
            if setup.sector is not None:
                self._sectors.setdefault(setup.sector, []).append(setup)
        desk.slots_changed = True

    def on_reference(self, event: SymbolReference) -> None:
        """Take in a symbol's trading terms; some exchange designations exclude it."""
        if event.trading_date != self._desk.clock.trading_date:
            return
        setup = self.setup(event.symbol)
        setup.board = Board.KOSDAQ if event.market == Board.KOSDAQ.value else Board.KOSPI
        setup.upper_limit = event.upper_limit
        if event.status_code in self._settings.excluded_status_codes:
            setup.excluded = event.status_code
            self._retire(setup)

    def on_daily(self, event: DailyHistory) -> None:
        """Take in a symbol's daily bars; those for another session or with today's are refused.

        Whether they reach the previous session is judged at the scan, by comparison with the
        universe.
        """
        clock = self._desk.clock
        if event.trading_date != clock.trading_date:
            return
        facts = daily_facts(event.bars, self._settings)
        if facts is None or facts.last_day >= day_number(clock.open_at):
            return
        setup = self.setup(event.symbol)
        setup.daily = facts
        if setup.baseline is None:
            self._measure(
                setup,
                Baseline(facts.opening_value, facts.minute_volume, "daily_approximation"),
            )
        if not facts.trend_ok:
            self._retire(setup)

    def on_baseline(self, event: OpeningBaseline) -> None:
        """Take in a measured baseline when it stands on enough sessions."""
        if (
            event.trading_date == self._desk.clock.trading_date
            and event.sessions >= self._settings.baseline_sessions_min
        ):
            self._measure(
                self.setup(event.symbol),
                Baseline(event.opening_value, event.minute_volume, "recorded"),
            )

    def _measure(self, setup: Setup, baseline: Baseline) -> None:
        setup.baseline = baseline
        self._desk.touched[setup.symbol] = setup

    def _retire(self, setup: Setup) -> None:
        """Stop following a symbol that cannot be entered today; shares in it are still managed."""
        if setup.state is State.IDLE:
            setup.inert = True
            self._desk.slots_changed = True

    def on_minutes(self, event: MinuteHistory) -> None:
        """Take in a back-fill until the scan.

        One read at or after the end of the opening range settles it, whatever was streamed: the
        broker is asked for those whose trades were not received throughout. An earlier one counts
        while the range has a hole.
        """
        setup = self.setups.get(event.symbol)
        if (
            setup is None
            or self.scanned
            or event.trading_date != self._desk.clock.trading_date
            or not event.bars
        ):
            return
        complete = event.at >= self._lock_at
        if setup.tape.covers_open and not complete:
            return
        setup.tape.backfill(event.bars, complete=complete)
        self._scan_when_ready()

    def on_clock(self) -> None:
        """End the opening range with this clock event, then scan when every symbol is known."""
        now = self._desk.clock.now
        if self.scanned or now < self._scan_at:
            return
        if self._scan_begun_at is None:
            self._scan_begun_at = now
            minute = (self._lock_at - self._desk.clock.open_at) // MINUTE
            for setup in self.members:
                setup.tape.roll(minute)
        self._scan_when_ready()

    def _scan_when_ready(self) -> None:
        if self._scan_begun_at is None:
            return
        now = self._desk.clock.now
        waiting = any(not setup.tape.covers_open for setup in self.members if not setup.inert)
        if waiting and now < self._scan_begun_at + self._scan_wait:
            return
        self.scanned = True
        found = () if now >= self._entries.cutoff else self._screen()
        chosen = scan.ranked(found, self._settings.scan_top_n)
        for rank, candidate in enumerate(chosen, start=1):
            setup = self.setups[candidate.symbol]
            setup.surge, setup.gap = candidate.surge, candidate.gap
            setup.value15, setup.rank = candidate.value, rank
            self.candidates.append(setup)
            self._desk.move(
                setup,
                State.CANDIDATE,
                "scan",
                surge=candidate.surge,
                gap=candidate.gap,
                value15=candidate.value,
                rank=rank,
                baseline_source=setup.baseline.source if setup.baseline is not None else None,
            )
            self._entries.lock_range(setup)
        for setup in self.members:
            self._retire(setup)
        self._desk.slots_urgent = True

    def _screen(self) -> list[scan.Candidate]:
        """Return the symbols of the universe that pass the scan, counting each gate."""
        # Which day the previous session was is not on the log. The newest history of the universe
        # stands in for it: one that ends earlier is out of date. That all of them end too early
        # goes unnoticed here.
        newest = max((found.daily.last_day for found in self.members if found.daily), default=0)
        screened = (self._screened(setup, newest) for setup in self.members)
        return [candidate for candidate in screened if candidate is not None]

    def _screened(self, setup: Setup, newest: int) -> scan.Candidate | None:
        settings = self._settings
        book = self._desk.gates
        at = self._desk.at
        if setup.state is not State.IDLE:
            return None
        if setup.board is None:
            book.missing("reference")
            return None
        if not book.judge("reference", setup.excluded is None, setup.excluded, at):
            return None
        daily = setup.daily
        if daily is None or daily.last_day < newest:
            book.missing("daily_history")
            return None
        book.judge("daily_history", True, daily.last_day, at)
        if not book.judge("trend_anchor", daily.trend_ok, daily.previous_close, at):
            return None
        opening = setup.tape.opening
        gap = scan.gap_of(opening, daily)
        if not setup.tape.covers_open or gap is None:
            book.missing("opening_bars")
            return None
        book.judge("opening_bars", True, opening.value, at)
        surge = scan.surge_of(opening, setup.baseline)
        if surge is None:
            book.missing("baseline")
            return None
        source = setup.baseline.source if setup.baseline is not None else None
        book.judge("baseline", True, source, at)
        if not book.judge("surge", scan.surge_passes(surge, settings), surge, at):
            return None
        if not book.judge("gap", scan.gap_passes(gap, settings), gap, at):
            return None
        return scan.Candidate(setup.symbol, surge, gap, opening.value)
