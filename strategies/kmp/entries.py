"""From an opening range to an armed setup: gates in order, break, acceptance.

Two rules shape this module. Facts are never delayed by gates: the clock ends the waiting times and
every price lowers the pullback low, whatever blocks. And a submission is not a position: a setup is
ARMED when the risk gate took the intent, and leaves ARMED by a fill or by the end of the intent's
execution, however many orders that takes.
"""

from __future__ import annotations

from events.trading import ExecutionEnded
from strategies.indicators import MINUTE
from strategies.kmp import acceptance, gates
from strategies.kmp.desk import Desk, Facts
from strategies.kmp.entry_orders import EntryOrders
from strategies.kmp.opening_range import range_accepted
from strategies.kmp.regime import MarketRegime
from strategies.kmp.setup import Setup
from strategies.kmp.states import State
from strategies.runtime import OwnIntent
from strategies.runtime.intents import Answer
from strategies.runtime.session_clock import SECOND


class Entries:
    """Everything that happens to a setup until it holds shares."""

    def __init__(self, desk: Desk, regime: MarketRegime, sectors: dict[str, list[Setup]]) -> None:
        """``sectors`` maps a sector's name to the setups of the universe in it."""
        self._desk = desk
        self._regime = regime
        self._orders = EntryOrders(desk, regime, sectors)
        settings = desk.settings
        self._settings = settings
        self._start = desk.clock.after_open(settings.entry_start)
        self._cutoff = desk.clock.after_open(settings.entry_cutoff)
        self._accept_timeout = settings.accept_timeout_min * MINUTE
        self._slope = settings.of(settings.min_surge_slope)
        self._strict_slope = settings.min_surge_slope.strict
        self._rvol_gate = settings.of(settings.enable_rvol_hard_gate)
        self._held_gate = settings.of(settings.require_held_support)

    @property
    def cutoff(self) -> int:
        """The instant (ns UTC) from which nothing is entered."""
        return self._cutoff

    def lock_range(self, setup: Setup) -> None:
        """Judge a new candidate's opening range: watch its high, or be done with it."""
        desk, settings = self._desk, self._settings
        opening = setup.tape.opening
        setup.range_high, setup.range_low = opening.high, opening.low
        tick = desk.tick(setup, opening.high)
        setup.break_level = opening.high + settings.break_ticks * tick
        width = opening.width or 0.0
        maximum = settings.of(settings.or_range_max)
        facts: Facts = {"range_high": opening.high, "range_low": opening.low, "range_pct": width}
        passed = range_accepted(width, settings.or_range_min, maximum)
        if not desk.gates.judge("or_range", passed, width, desk.at):
            desk.move(setup, State.DONE, "range_outside_bounds", **facts)
            return
        if width > settings.or_range_max.strict:
            desk.would_have_blocked(setup, "OR_RANGE_MAX", width, settings.or_range_max.strict)
        desk.move(setup, State.WATCH_BREAK, "range_locked", **facts)

    def on_price(self, setup: Setup, price: int) -> None:
        """Evaluate a watched setup on a trade; the first gate that blocks ends it."""
        waiting = setup.state is State.WAIT_ACCEPTANCE
        if waiting and price < setup.retest_low:
            setup.retest_low = price
        now = self._desk.clock.now
        if not self._regime.entries_open or not self._start <= now < self._cutoff:
            return
        minutes = gates.minutes_since(self._start, now, self._settings)
        rvol = gates.relative_volume(
            setup.tape.bars.last_minute_volume(setup.tape.bars.minute(now)),
            setup.baseline.minute_volume if setup.baseline is not None else 0,
        )
        if not self._surge(setup, minutes) or not self._rvol(setup, rvol):
            return
        if not self._spread(setup):
            return
        desk = self._desk
        vwap = setup.tape.vwap.value
        if vwap is None:
            desk.gates.missing("vwap")
        elif waiting:
            self._accept(setup, price, vwap, minutes, rvol)
        elif price > setup.break_level and desk.gates.judge("vwap", price > vwap, vwap, desk.at):
            setup.break_at = now
            setup.retest_low = price
            desk.move(
                setup, State.WAIT_ACCEPTANCE, "range_broken", price=price, vwap=vwap, rvol=rvol
            )

    def on_clock(self, setup: Setup) -> None:
        """Apply what time alone decides to a setup that holds no shares."""
        desk = self._desk
        now = desk.clock.now
        entry = setup.entry
        if setup.state is State.ARMED:
            if now >= self._cutoff:
                desk.cancel_entry(setup, "entry_cutoff")
            elif not self._regime.entries_open:
                desk.cancel_entry(setup, "market_closed_entries")
            return
        if entry is not None and entry.alive(now):
            return  # An undecided intent: its decision comes first, then the clock's.
        if now >= self._cutoff:
            desk.move(setup, State.DONE, "entry_cutoff")
        elif setup.state is State.WAIT_ACCEPTANCE and now - setup.break_at > self._accept_timeout:
            desk.move(setup, State.DONE, "acceptance_timeout", retest_low=setup.retest_low)

    def on_answer(self, setup: Setup, own: OwnIntent) -> None:
        """Act on what the risk gate, or a restart, made of the entry."""
        desk = self._desk
        if setup.state is not State.WAIT_ACCEPTANCE:
            return
        if own is not setup.entry and not own.taken:
            return  # The end of an attempt that a later one has replaced.
        match own.answer:
            case Answer.TAKEN:
                setup.entry = own
                desk.move(
                    setup, State.ARMED, "entry_taken", approved_quantity=own.approved_quantity
                )
            case Answer.REJECTED:
                desk.move(setup, State.DONE, "entry_rejected", refused_by=own.refused_by)
            case Answer.DEFERRED:
                setup.entry_retry_at = desk.clock.now + self._settings.entry_retry_sec * SECOND
            case Answer.EXPIRED | Answer.WAITING:
                pass

    def on_ended(self, setup: Setup, own: OwnIntent, ended: ExecutionEnded) -> None:
        """Act on the end of the entry's execution; shares, if any, speak for themselves."""
        if setup.state is not State.ARMED or own is not setup.entry or ended.filled_quantity:
            return
        if ended.reason == "refused":
            self._desk.move(setup, State.DONE, "order_rejected")
        elif ended.orders == 0:
            self._desk.move(setup, State.DONE, "lapsed_without_order", how=ended.reason)
        else:
            self._desk.move(setup, State.DONE, "missed_fill", how=ended.reason)

    def _surge(self, setup: Setup, minutes: int) -> bool:
        settings = self._settings
        required = gates.required_surge(self._slope, minutes, settings)
        surge = setup.surge
        if not self._desk.gates.judge("surge_decay", surge >= required, surge, self._desk.at):
            return False
        strict = gates.required_surge(self._strict_slope, minutes, settings)
        if surge < strict:
            self._desk.would_have_blocked(setup, "MIN_SURGE", surge, strict)
        return True

    def _rvol(self, setup: Setup, rvol: float | None) -> bool:
        desk, minimum = self._desk, self._settings.rvol_min
        if rvol is None:
            desk.gates.missing("rvol")
            if self._rvol_gate:
                return False
            desk.would_have_blocked(setup, "RVOL_HARD_GATE", None, minimum)
            return True
        enough = rvol >= minimum
        if not desk.gates.judge("rvol", enough or not self._rvol_gate, rvol, desk.at):
            return False
        if not enough:
            desk.would_have_blocked(setup, "RVOL_HARD_GATE", rvol, minimum)
        return True

    def _spread(self, setup: Setup) -> bool:
        spread = setup.tape.spread_pct
        if spread is None:
            self._desk.gates.missing("spread")
            return True
        passed = spread <= self._settings.spread_max_pct
        return self._desk.gates.judge("spread", passed, spread, self._desk.at)

    def _accept(
        self, setup: Setup, price: int, vwap: float, minutes: int, rvol: float | None
    ) -> None:
        desk, settings = self._desk, self._settings
        now = desk.clock.now
        if setup.entry is not None and setup.entry.alive(now):
            return
        if now < setup.entry_retry_at:
            return
        if not acceptance.accepted(price, setup.range_high, setup.retest_low):
            return
        level = acceptance.support_level(vwap, setup.range_high, settings.held_support_factor)
        held = setup.retest_low >= level
        if not desk.gates.judge(
            "held_support", held or not self._held_gate, setup.retest_low, desk.at
        ):
            return
        if not held:
            desk.would_have_blocked(setup, "HELD_SUPPORT", setup.retest_low, level)
        self._orders.place(setup, minutes, rvol)
