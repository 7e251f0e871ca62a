"""Where KMP's outputs are made: transitions, intents, would-block records.

One desk per session. While an entry of the log is handled, ``cause`` and ``at`` are those of that
entry, so an output is the same whenever it is derived.
"""

from __future__ import annotations

from datetime import date
from typing import Final

from events.event import Delivery, Event
from events.identifiers import StrategyId, Symbol, intent_id
from events.market import SessionOpened
from events.ops import SetupChanged
from events.prices import Board, round_down, tick_size
from events.trading import IntentKind, IntentSubmitted, Urgency
from strategies.errors import IllegalTransition
from strategies.kmp.settings import KmpSettings
from strategies.kmp.setup import Setup
from strategies.kmp.states import HELD, TRANSITIONS, State
from strategies.runtime import (
    GateBook,
    IntentTracker,
    OwnBook,
    OwnIntent,
    SessionClock,
    StrategyEquity,
    WouldBlockBook,
)
from strategies.runtime.reporting import GLOBAL, Value

GATES: Final = (
    "reference",
    "daily_history",
    "trend_anchor",
    "baseline",
    "opening_bars",
    "surge",
    "gap",
    "or_range",
    "risk_off",
    "chop",
    "breadth",
    "program",
    "surge_decay",
    "rvol",
    "spread",
    "vwap",
    "held_support",
    "equity",
    "vi_cooldown",
    "vi_wall",
    "quality",
    "size",
    "sector",
)
"""Every gate that is counted and reported at the end of the session."""

Facts = dict[str, int | float | str | bool | None]

_URGENT: Final = HELD | {State.ARMED}

_PURPOSE: Final = {
    IntentKind.ENTER: "E",
    IntentKind.EXIT: "X",
    IntentKind.FLATTEN: "F",
    IntentKind.CANCEL_ORDERS: "C",
    IntentKind.MODIFY_RISK: "M",
}


class Desk:
    """The session's clock, books and counters, and the outputs of the entry being handled."""

    def __init__(self, session: SessionOpened, settings: KmpSettings) -> None:
        self.settings = settings
        self.strategy = StrategyId(settings.id)
        self.clock = SessionClock(session)
        self.book = OwnBook(self.strategy, session)
        self.equity = StrategyEquity(session, settings.capital_allocation_pct)
        self.tracker = IntentTracker(self.strategy)
        self.gates = GateBook(GATES)
        self.would_block = WouldBlockBook(self.strategy, session.trading_date)
        self.active: dict[Symbol, Setup] = {}
        """Setups that can still do something, in the order they became active."""
        self.touched: dict[Symbol, Setup] = {}
        """Setups of which something has changed that the breadth of the market depends on."""
        self.slots_changed = False
        self.slots_urgent = False
        self.cause = 0
        self.at = session.at
        self.outputs: list[Event] = []
        day = session.trading_date
        self._date = date(int(day[:4]), int(day[4:6]), int(day[6:8]))

    def begin(self, delivery: Delivery) -> None:
        """Start on the next entry of the log."""
        self.cause = delivery.sequence
        self.at = delivery.event.at
        if self.outputs:
            self.outputs = []

    def tick(self, setup: Setup, price: int) -> int:
        """Return the tick in won at a price of the setup's board on this date."""
        return tick_size(price, setup.board or Board.KOSPI, self._date)

    def on_tick(self, setup: Setup, price: float) -> int:
        """Return the highest tick at or below ``price``."""
        return round_down(price, setup.board or Board.KOSPI, self._date)

    def move(self, setup: Setup, state: State, reason: str, **facts: Value) -> None:
        """Take a setup to another state and put that on record.

        Raises:
            IllegalTransition: the state machine has no such step.
        """
        previous = setup.state
        if state not in TRANSITIONS[previous]:
            raise IllegalTransition(setup.symbol, previous, state)
        setup.state = state
        if state is State.DONE:
            setup.inert = True
            self.active.pop(setup.symbol, None)
        else:
            setup.inert = False
            self.active[setup.symbol] = setup
        self.touched[setup.symbol] = setup
        self.slots_changed = True
        if previous in _URGENT or state in _URGENT:
            self.slots_urgent = True
        self.note(setup, previous, reason, facts)

    def note(self, setup: Setup, previous: State, reason: str, facts: dict[str, Value]) -> None:
        """Put on record that a setup came from ``previous`` to its present state."""
        self.outputs.append(
            SetupChanged(
                at=self.at,
                cause=self.cause,
                strategy=self.strategy,
                trading_date=self.clock.trading_date,
                symbol=setup.symbol,
                previous=previous,
                state=setup.state,
                reason=reason,
                facts=dict(facts),
            )
        )

    def would_have_blocked(
        self, setup: Setup | None, reason: str, value: Value, strict_limit: Value, state: str = ""
    ) -> None:
        """Put on record, once per state, that the strict profile would have stopped here."""
        record = self.would_block.record(
            at=self.at,
            cause=self.cause,
            symbol=setup.symbol if setup is not None else GLOBAL,
            state=setup.state if setup is not None else state,
            reason=reason,
            value=value,
            strict_limit=strict_limit,
        )
        if record is not None:
            self.outputs.append(record)

    def submit(
        self,
        setup: Setup,
        kind: IntentKind,
        *,
        attempt: int,
        quantity: int | None,
        reason: str,
        lifetime: int,
        reference_price: int | None = None,
        limit_price: int | None = None,
        stop_price: int | None = None,
        protective_stop: int | None = None,
        hard_stop: int | None = None,
        signal: str | None = None,
        facts: Facts | None = None,
    ) -> OwnIntent:
        """Submit an intent that lapses ``lifetime`` ns from now and follow it from here on."""
        intent = IntentSubmitted(
            at=self.at,
            cause=self.cause,
            intent_id=intent_id(
                self.clock.trading_date, self.strategy, setup.symbol, _PURPOSE[kind], attempt
            ),
            strategy=self.strategy,
            symbol=setup.symbol,
            kind=kind,
            quantity=quantity,
            urgency=Urgency.HIGH,
            horizon=self.settings.horizon,
            reason=reason,
            attempt=attempt,
            expires_at=self.at + lifetime,
            reference_price=reference_price,
            limit_price=limit_price,
            stop_price=stop_price,
            protective_stop=protective_stop,
            hard_stop=hard_stop,
            signal=signal,
            facts=facts or {},
        )
        self.outputs.append(intent)
        return self.tracker.submitted(intent)

    def cancel_entry(self, setup: Setup, reason: str) -> None:
        """Ask to cancel the setup's working entry, again after a while if it still works."""
        own = setup.entry
        now = self.clock.now
        if own is None or not own.taken or not own.alive(now) or now < setup.cancel_due_at:
            return
        setup.cancel_attempts += 1
        setup.cancel_due_at = now + self.settings.cancel_retry_sec * 1_000_000_000
        self.submit(
            setup,
            IntentKind.CANCEL_ORDERS,
            attempt=setup.cancel_attempts,
            quantity=None,
            reason=reason,
            lifetime=self.settings.exit_expiry_sec * 1_000_000_000,
        )
