"""One symbol's day: its tape, its facts, its state, its entry and its exit."""

from __future__ import annotations

from events.identifiers import Symbol
from events.prices import Board
from strategies.kmp.daily import Baseline, DailyFacts
from strategies.kmp.exits import ExitReason
from strategies.kmp.states import State
from strategies.kmp.tape import Tape
from strategies.runtime import OwnIntent


class Setup:
    """Everything KMP knows about one symbol today.

    ``inert`` marks a symbol that can no longer lead to an entry, so that its trades cost nothing.
    ``rank`` is its place among the candidates of the scan, from 1 on; 0 for who is none of them.
    Prices are 0 until known; ``structure_stop`` 0 in a held symbol means that KMP never planned it.
    """

    __slots__ = (
        "alarmed",
        "baseline",
        "best_price",
        "board",
        "break_at",
        "break_level",
        "cancel_attempts",
        "cancel_due_at",
        "completed_trade",
        "daily",
        "entry",
        "entry_attempts",
        "entry_retry_at",
        "excluded",
        "exit",
        "exit_attempts",
        "exit_due_at",
        "exit_failures",
        "exit_reason",
        "gap",
        "hard_stop",
        "in_universe",
        "inert",
        "modify_attempts",
        "range_high",
        "range_low",
        "rank",
        "reported_stop",
        "retest_low",
        "sector",
        "state",
        "stop_report",
        "stop_update_at",
        "structure_stop",
        "surge",
        "symbol",
        "tape",
        "trail",
        "upper_limit",
        "value15",
    )

    def __init__(self, symbol: Symbol, tape: Tape) -> None:
        self.symbol = symbol
        self.tape = tape
        self.state = State.IDLE
        self.in_universe = False
        self.inert = False
        self.sector: str | None = None
        self.board: Board | None = None
        self.upper_limit = 0
        self.excluded: str | None = None
        self.daily: DailyFacts | None = None
        self.baseline: Baseline | None = None
        # The scan and the opening range.
        self.surge = 0.0
        self.gap = 0.0
        self.value15 = 0
        self.rank = 0
        self.range_high = self.range_low = self.break_level = 0
        # The break and the entry.
        self.break_at = self.retest_low = 0
        self.entry: OwnIntent | None = None
        self.entry_attempts = self.entry_retry_at = 0
        self.cancel_attempts = self.cancel_due_at = 0
        self.structure_stop = self.hard_stop = 0
        # The position and the exit.
        self.best_price = 0
        self.trail: int | None = None
        self.stop_report: OwnIntent | None = None
        self.reported_stop = self.stop_update_at = self.modify_attempts = 0
        self.exit: OwnIntent | None = None
        self.exit_reason: ExitReason | None = None
        self.exit_attempts = self.exit_failures = self.exit_due_at = 0
        self.completed_trade = self.alarmed = False
