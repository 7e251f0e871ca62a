"""What happens to shares once held: adopt, trail, exit, repeat until flat, alarm.

Only fills begin and end a position. The stops are watched here, on every trade: the risk gate takes
note of them but sells nothing by itself. An exit rule that fired stays fired: attempts follow each
other until the allocation is zero or continuous trading ends, at once when an order reached the end
of its life, with growing waits after a refusal.
"""

from __future__ import annotations

from typing import Final

from events.event import Event
from events.market import Phase
from events.trading import IntentKind, OrderClosed, OrderFilled, OrderState, Side
from strategies.kmp.desk import Desk
from strategies.kmp.exits import ExitReason, kept_share, price_exit, raised_trail
from strategies.kmp.regime import MarketRegime, ProgramRegime
from strategies.kmp.setup import Setup
from strategies.kmp.states import HELD, State
from strategies.runtime import OwnIntent, exit_backoff
from strategies.runtime.intents import Answer
from strategies.runtime.session_clock import SECOND

_LIFETIME_OVER: Final = frozenset({OrderState.CANCELLED, OrderState.EXPIRED})


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
            setup.trail = setup.exit_reason = setup.exit = setup.stop_report = None
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
            reason = setup.exit_reason or "sold_without_own_exit"
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
        if setup.exit_reason is not None or now >= self._cutoff or not self._regime.entries_open:
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
        """Act on what became of the present exit: taken, refused, or its orders ended.

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
        delays = self._settings.exit_backoff_sec
        if self._lifetime_over(event):
            # The order had its time. The first wait, from the submission on, only keeps orders
            # that the exchange ends immediately from following each other without pause.
            setup.exit_due_at = max(now, own.intent.at + delays[0] * SECOND)
            self._attempt(setup)
        elif own.answer is Answer.EXPIRED:
            setup.exit_due_at = now  # Never submitted (too old at a restart): it owes no wait.
        else:
            setup.exit_due_at = now + exit_backoff(delays, setup.exit_attempts) * SECOND

    def _lifetime_over(self, event: Event) -> bool:
        """Return whether an order ended unfilled in part, with every share of it in the book."""
        return (
            isinstance(event, OrderClosed)
            and event.state in _LIFETIME_OVER
            and self._desk.book.filled(event.order_id) >= event.filled_quantity
        )

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
