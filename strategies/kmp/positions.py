"""What happens to shares once held: adopt, trail, exit, repeat until flat, alarm.

Fills begin and end a position, and so does an operator who changes the owner of shares. The stops
are watched here, on every trade; the guard watches the protective stop too, also when this process
is down. An exit rule that fired stays fired: attempts follow each other until the allocation is
zero or continuous trading ends. One attempt is one intent, which the router executes at whatever
price it takes. The next follows at once when an execution had its time, and with growing waits when
it was refused or withdrawn. While the guard sells, nothing is sold beside it.
"""

from __future__ import annotations

from typing import Final

from events.event import Event
from events.market import Phase
from events.trading import (
    Decision,
    ExecutionEnded,
    IntentExpired,
    IntentKind,
    OrderClosed,
    OrderFilled,
)
from strategies.kmp.desk import Desk
from strategies.kmp.exits import ExitReason, kept_share, price_exit, raised_trail
from strategies.kmp.regime import MarketRegime, ProgramRegime
from strategies.kmp.setup import Setup
from strategies.kmp.states import HELD, State
from strategies.runtime import OwnIntent, exit_backoff
from strategies.runtime.session_clock import SECOND

_HAD_ITS_TIME: Final = frozenset({"complete", "lifetime", "reprices_used", "expired"})
"""Ends of an execution that no refusal caused: what is left is asked for again without delay."""

_OWN_SHARES: Final = "own_shares"
"""The check of the risk gate that says that the shares are being sold already."""


class Positions:
    """The held side of KMP."""

    def __init__(self, desk: Desk, regime: MarketRegime, cutoff: int) -> None:
        """``cutoff`` is the instant from which entries still working are cancelled."""
        self._desk = desk
        self._regime = regime
        self._settings = desk.settings
        self._cutoff = cutoff
        self._flatten_at = desk.clock.before_close(desk.settings.flatten_time)
        self._deadline = desk.clock.before_close(desk.settings.flat_deadline)

    def adopt_carried(self, setup: Setup) -> None:
        """Take over shares of an earlier session: an intraday strategy sells them at the open."""
        self._desk.move(
            setup,
            State.IN_POSITION,
            "carried_over",
            quantity=self._desk.book.quantity(setup.symbol),
        )
        self._fire(setup, ExitReason.NO_SETUP)

    def on_fill(self, setup: Setup, event: OrderFilled) -> None:
        """Follow the book after a fill of this symbol was applied to it."""
        quantity = self._desk.book.quantity(setup.symbol)
        if quantity > 0 and setup.state not in HELD:
            late = setup.state is State.DONE
            self._take_over(setup, "late_fill_adopted" if late else "filled", event.price)
        elif quantity == 0 and setup.state in HELD:
            setup.completed_trade = True
            reason = setup.exit_reason or "sold_without_own_exit"
            self._let_go(setup, str(reason), price=event.price)

    def on_reallocation(self, setup: Setup) -> None:
        """Follow the book after an operator gave the strategy shares, or took some away."""
        position = self._desk.book.positions.get(setup.symbol)
        if position is not None and setup.state not in HELD:
            price = setup.tape.price or position.cost // position.quantity
            self._take_over(setup, "shares_assigned", price)
        elif position is None and setup.state in HELD:
            self._let_go(setup, "shares_taken_away")

    def _take_over(self, setup: Setup, reason: str, price: int) -> None:
        """Begin a position; shares that today's rules never planned are sold at once."""
        setup.best_price = price
        setup.reported_stop = setup.structure_stop
        setup.trail = setup.exit_reason = setup.exit = setup.stop_report = None
        quantity = self._desk.book.quantity(setup.symbol)
        self._desk.move(setup, State.IN_POSITION, reason, quantity=quantity, price=price)
        if setup.structure_stop == 0:
            self._fire(setup, ExitReason.NO_SETUP)

    def _let_go(self, setup: Setup, reason: str, **facts: int) -> None:
        """End a position, and with it what still works of its entry."""
        self._desk.move(setup, State.DONE, reason, **facts)
        self._desk.cancel_entry(setup, "position_closed")

    def on_price(self, setup: Setup, price: int) -> None:
        """Evaluate a held setup on a trade."""
        position = self._desk.book.positions[setup.symbol]
        settings = self._settings
        entry = position.average_price
        now = self._desk.clock.now
        held = now - position.opened_at
        setup.best_price = max(setup.best_price, price)
        defensive = (
            self._regime.program(now) is ProgramRegime.OUTFLOW
            or setup.tape.imbalance.value(now // SECOND) < 0
        )
        setup.trail = raised_trail(
            setup.trail,
            entry=entry,
            best=setup.best_price,
            keep=kept_share(held, settings, defensive=defensive),
            structure_stop=setup.structure_stop,
        )
        vwap = setup.tape.vwap.value
        reason = price_exit(
            settings,
            price=price,
            entry=entry,
            held=held,
            hard_stop=setup.hard_stop,
            structure_stop=setup.structure_stop,
            range_high=setup.range_high,
            vwap=vwap,
            trail=setup.trail,
        )
        if reason is not None:
            self._fire(setup, reason)

    def on_clock(self, setup: Setup) -> None:
        """Apply what time and the market decide to a held setup, and repeat what is due."""
        desk = self._desk
        now = desk.clock.now
        if setup.exit_reason is None:
            if self._regime.risk_off:
                self._fire(setup, ExitReason.RISK_OFF)
            elif now >= self._flatten_at:
                self._fire(setup, ExitReason.FLATTEN_TIME)
            elif not desk.tracker.guard_selling(setup.symbol, now):
                self._report_stop(setup)
        else:
            self._attempt(setup)
        if (
            setup.exit_reason is not None
            or now >= self._cutoff
            or not self._regime.entries_open
            or desk.tracker.guard_selling(setup.symbol, now)
        ):
            desk.cancel_entry(setup, "entry_no_longer_wanted")
        if now >= self._deadline and not setup.alarmed:
            setup.alarmed = True
            desk.note(
                setup,
                setup.state,
                "not_flat_at_deadline",
                {"quantity": desk.book.quantity(setup.symbol), "attempts": setup.exit_attempts},
            )

    def on_exit_event(self, setup: Setup, own: OwnIntent, event: Event) -> None:
        """Act on what became of the present exit: taken, refused, too old, or executed to its end.

        An earlier exit says nothing about shares that arrived after it sold everything.
        """
        desk = self._desk
        if own is not setup.exit or setup.exit_reason is None:
            return
        if own.taken and setup.state is State.IN_POSITION:
            desk.move(
                setup,
                State.PENDING_EXIT,
                str(setup.exit_reason),
                attempt=own.intent.attempt,
                quantity=own.approved_quantity,
            )
        now = desk.clock.now
        if setup.state not in HELD or own.alive(now):
            return
        match event:
            case ExecutionEnded():
                self._executed(setup, own, event)
            case Decision() if own.refused_by == _OWN_SHARES and desk.tracker.selling(
                setup.symbol, now
            ):
                setup.exit_due_at = now  # Whoever sells them decides how long that takes.
            case Decision():
                self._failed(setup)
            case IntentExpired() | OrderClosed():
                # Never submitted (too old at a restart), or the end of an order found at the
                # broker after its execution: neither owes a wait.
                setup.exit_due_at = now
            case _:
                pass

    def _executed(self, setup: Setup, own: OwnIntent, ended: ExecutionEnded) -> None:
        """Follow an execution that left shares behind."""
        desk = self._desk
        if ended.reason not in _HAD_ITS_TIME or own.filled < ended.filled_quantity:
            self._failed(setup)
            return
        # The first wait, from the submission on, only keeps executions that end immediately from
        # following each other without pause.
        first = self._settings.exit_backoff_sec[0] * SECOND
        setup.exit_due_at = max(desk.clock.now, own.intent.at + first)
        self._attempt(setup)

    def _failed(self, setup: Setup) -> None:
        """Wait before the next attempt, longer with each failure of this exit."""
        setup.exit_failures += 1
        wait = exit_backoff(self._settings.exit_backoff_sec, setup.exit_failures)
        setup.exit_due_at = self._desk.clock.now + wait * SECOND

    def _fire(self, setup: Setup, reason: ExitReason) -> None:
        setup.exit_reason = reason
        setup.exit_failures = 0
        setup.exit_due_at = self._desk.clock.now
        self._attempt(setup)

    def _attempt(self, setup: Setup) -> None:
        """Submit the next exit when nobody sells, its wait is over and the market trades."""
        desk = self._desk
        now = desk.clock.now
        if now < setup.exit_due_at or now >= self._deadline:
            return
        if desk.clock.phase is not Phase.CONTINUOUS:
            return
        if desk.tracker.selling(setup.symbol, now):
            return
        flatten = now >= self._flatten_at
        reason = ExitReason.FLATTEN_TIME if flatten else setup.exit_reason
        setup.exit_attempts += 1
        position = desk.book.positions[setup.symbol]
        setup.exit = desk.submit(
            setup,
            IntentKind.FLATTEN if flatten else IntentKind.EXIT,
            attempt=setup.exit_attempts,
            quantity=position.quantity,
            reason=str(reason),
            lifetime=self._settings.exit_expiry_sec * SECOND,
            reference_price=setup.tape.price or None,
            facts={
                "first_reason": setup.exit_reason,
                "price": setup.tape.price,
                "entry": position.average_price,
                "best_price": setup.best_price,
                "trail": setup.trail,
                "structure_stop": setup.structure_stop,
                "hard_stop": setup.hard_stop,
                "vwap": setup.tape.vwap.value,
                "range_high": setup.range_high,
                "held_seconds": (now - position.opened_at) // SECOND,
                "index_change": self._regime.index_change,
            },
        )

    def _report_stop(self, setup: Setup) -> None:
        """Report a risen stop, at most once per ``stop_update_sec``, until it was taken."""
        desk = self._desk
        now = desk.clock.now
        if setup.trail is None or now < setup.stop_update_at:
            return
        report = setup.stop_report
        if report is not None and (report.taken or report.alive(now)):
            setup.reported_stop = report.intent.protective_stop or 0
        stop = desk.on_tick(setup, setup.trail)
        if stop <= setup.reported_stop:
            return
        setup.stop_update_at = now + self._settings.stop_update_sec * SECOND
        setup.modify_attempts += 1
        setup.stop_report = desk.submit(
            setup,
            IntentKind.MODIFY_RISK,
            attempt=setup.modify_attempts,
            quantity=None,
            reason="trail_raised",
            lifetime=self._settings.exit_expiry_sec * SECOND,
            protective_stop=stop,
            hard_stop=setup.hard_stop,
            facts={"trail": setup.trail, "best_price": setup.best_price},
        )
