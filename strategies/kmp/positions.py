"""What happens to shares once held: adopt, trail, exit, repeat until flat, alarm.

Only fills begin and end a position. An exit rule that fired stays fired: attempts follow each other
with growing waits until the allocation is zero or continuous trading ends.
"""

from __future__ import annotations

from events.market import Phase
from events.trading import IntentKind, OrderFilled, Side
from strategies.kmp.desk import Desk
from strategies.kmp.exits import ExitReason, kept_share, price_exit, raised_trail
from strategies.kmp.regime import MarketRegime, ProgramRegime
from strategies.kmp.setup import Setup
from strategies.kmp.states import HELD, State
from strategies.runtime import OwnIntent, exit_backoff
from strategies.runtime.intents import Answer
from strategies.runtime.session_clock import SECOND


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
        desk = self._desk
        quantity = desk.book.quantity(setup.symbol)
        if quantity > 0 and setup.state not in HELD:
            late = setup.state is State.DONE
            setup.best_price = event.price
            setup.reported_stop = setup.structure_stop
            setup.trail = setup.exit_reason = setup.exit = None
            desk.move(
                setup,
                State.IN_POSITION,
                "late_fill_adopted" if late else "filled",
                quantity=quantity,
                price=event.price,
            )
            if setup.structure_stop == 0:
                self._fire(setup, ExitReason.NO_SETUP)
        elif quantity == 0 and setup.state in HELD and event.side is Side.SELL:
            setup.completed_trade = True
            reason = setup.exit_reason or "sold_by_risk_layer"
            desk.move(setup, State.DONE, str(reason), price=event.price)

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
            else:
                self._report_stop(setup)
        else:
            self._attempt(setup)
        if setup.exit_reason is not None or now >= self._cutoff:
            desk.cancel_entry(setup, "entry_no_longer_wanted")
        if now >= self._deadline and not setup.alarmed:
            setup.alarmed = True
            desk.note(
                setup,
                setup.state,
                "not_flat_at_deadline",
                {"quantity": desk.book.quantity(setup.symbol), "attempts": setup.exit_attempts},
            )

    def on_exit_event(self, setup: Setup, own: OwnIntent) -> None:
        """Act on what became of an exit: taken, refused, or its orders ended."""
        desk = self._desk
        if own.taken and setup.state is State.IN_POSITION:
            desk.move(
                setup,
                State.PENDING_EXIT,
                str(setup.exit_reason),
                attempt=own.intent.attempt,
                quantity=own.approved_quantity,
            )
        now = desk.clock.now
        if own is not setup.exit or own.alive(now):
            return
        wait = exit_backoff(self._settings.exit_backoff_sec, setup.exit_attempts) * SECOND
        # An exit that was never submitted (too old at a restart) owes no wait.
        setup.exit_due_at = now if own.answer is Answer.EXPIRED else now + wait

    def _fire(self, setup: Setup, reason: ExitReason) -> None:
        setup.exit_reason = reason
        setup.exit_due_at = self._desk.clock.now
        self._attempt(setup)

    def _attempt(self, setup: Setup) -> None:
        """Submit the next exit when none is alive, its wait is over and the market trades."""
        desk = self._desk
        now = desk.clock.now
        if now < setup.exit_due_at or now >= self._deadline:
            return
        if desk.clock.phase is not Phase.CONTINUOUS:
            return
        if setup.exit is not None and setup.exit.alive(now):
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
        """Let the risk layer know a risen stop, at most once per ``stop_update_sec``."""
        desk = self._desk
        now = desk.clock.now
        if setup.trail is None or now < setup.stop_update_at:
            return
        stop = desk.on_tick(setup, setup.trail)
        if stop <= setup.reported_stop:
            return
        setup.reported_stop = stop
        setup.stop_update_at = now + self._settings.stop_update_sec * SECOND
        setup.modify_attempts += 1
        desk.submit(
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
