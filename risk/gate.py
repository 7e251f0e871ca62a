"""The risk gate: one pure processor between strategies and the router, one decision per intent.

What always holds: no brake, limit or rate stops an exit or a cancel; an entry passes only when no
check refused it for what it saw or, but for interruptions, for what it could not see; whatever was
let through counts from that moment, before any order of it is known. Replaying the log gives the
same decisions byte for byte.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from events import Delivery, Event
from events.control import ControlChanged
from events.market import (
    ClockTick,
    PhaseChanged,
    QuoteFrame,
    SessionOpened,
    SymbolReference,
    TradeFrame,
    VolatilityInterruption,
)
from events.signal import RegimeSet, UniverseSelected
from events.trading import (
    AccountSnapshot,
    Decision,
    DriftCleared,
    DriftDetected,
    IntentApproved,
    IntentKind,
    IntentModified,
    IntentSubmitted,
    OrderAccepted,
    OrderClosed,
    OrderFilled,
    OrderHeld,
    OrderRejected,
    OrderSubmitting,
    OrderUnknown,
    Side,
)
from risk import entries, reductions
from risk.approvals import Approvals
from risk.book import Book
from risk.controls import Controls, LossLevel, ReachedLoss
from risk.entry import Entry, assumed_price
from risk.errors import SessionWithoutSettings, SettingsMalformed
from risk.market import Market
from risk.settings import RiskSettings, limits_in_force, load_settings

SERVICE: Final = "oms"
"""Name of the gate's settings in the opening books."""


def gate_from_session(session: SessionOpened) -> RiskGate:
    """Return the gate for a session, configured by its opening books.

    Raises:
        SessionWithoutSettings: the books carry no configuration of the gate.
        SettingsError: the configuration cannot be put in force.
    """
    return RiskGate(session, _settings_of(session))


class RiskGate:
    """Decides every intent of one account in one session. A ``bus`` processor.

    Time is that of the newest event seen. Each session has a gate of its own, which reads the log
    from that session's opening on: brakes, halts and losses of earlier sessions are not known here.
    """

    name = "risk"
    inputs: Sequence[str] = (
        "market.clock",
        "market.trade.*",
        "market.quote.*",
        "market.status.*",
        "signal.universe",
        "signal.regime",
        "trading.intent.*",
        "trading.order.*",
        "trading.account",
        "trading.control",
    )
    outputs: Sequence[str] = ("trading.decision.*",)

    def __init__(self, session: SessionOpened, settings: RiskSettings) -> None:
        self._now = session.at
        self._trading_date = session.trading_date
        self._limits = limits_in_force(settings)
        self._controls = Controls()
        self._market = Market(session.trading_date)
        self._book = Book(session)
        self._approvals = Approvals(
            self._limits.max_orders_per_second, self._limits.max_orders_per_symbol_minute
        )
        self._evolve: dict[type[Event], Callable[[Any], None]] = {
            TradeFrame: self._on_trades,
            QuoteFrame: self._market.quote,
            ClockTick: self._on_tick,
            PhaseChanged: self._on_phase,
            SymbolReference: self._on_reference,
            VolatilityInterruption: self._market.interruption,
            UniverseSelected: self._market.universe,
            RegimeSet: self._market.set_regime,
            ControlChanged: self._controls.change,
            DriftDetected: self._on_drift,
            DriftCleared: self._on_drift_cleared,
            AccountSnapshot: self._on_snapshot,
            OrderHeld: self._on_held,
            OrderSubmitting: self._on_submitting,
            OrderAccepted: self._on_accepted,
            OrderUnknown: self._on_unknown,
            OrderFilled: self._on_fill,
            OrderRejected: self._on_ended,
            OrderClosed: self._on_ended,
        }

    def owns(self, event: Event) -> bool:
        """Return whether an event on a decision topic is the gate's: all decisions are."""
        return isinstance(event, Decision)

    def handle(self, delivery: Delivery) -> Sequence[Event]:
        """Evolve by one entry; an intent yields exactly one decision, anything else nothing.

        An ``IntentExpired`` stands in the place of an intent that was never decided: nothing was
        let through, so there is nothing to take back.
        """
        event = delivery.event
        self._now = max(self._now, event.at)
        evolve = self._evolve.get(type(event))
        if evolve is not None:
            evolve(event)
            return ()
        if isinstance(event, IntentSubmitted):
            return (self._decide(delivery, event),)
        return ()

    def _decide(self, delivery: Delivery, intent: IntentSubmitted) -> Decision:
        match intent.kind:
            case IntentKind.ENTER:
                return self._enter(delivery, intent)
            case IntentKind.REDUCE | IntentKind.EXIT | IntentKind.FLATTEN:
                return self._sell(delivery, intent)
            case IntentKind.SET_TARGET:
                return reductions.unsupported(delivery, intent)
            case IntentKind.CANCEL_ORDERS:
                return reductions.cancel(delivery, intent, self._book)
            case IntentKind.MODIFY_RISK:
                return reductions.modify_risk(delivery, intent, self._book)

    def _enter(self, delivery: Delivery, intent: IntentSubmitted) -> Decision:
        self._watch_loss()
        book, symbol = self._book, intent.symbol
        terms = self._market.references.get(symbol)
        upper_limit = None if terms is None else terms.upper_limit
        entry = Entry(
            intent=intent,
            quantity=intent.quantity or 0,
            price=assumed_price(intent, book.last_price(symbol), upper_limit),
            now=self._now,
            equity=book.measured_equity,
            book=book,
            market=self._market,
            controls=self._controls,
            approvals=self._approvals,
            limits=self._limits,
        )
        decision = entries.judge(delivery.sequence, entry)
        if isinstance(decision, IntentApproved | IntentModified):
            book.working.approve(intent, Side.BUY, decision.quantity, entry.known_price)
            book.statement.reserve(decision.quantity * entry.known_price)
            lock = self._limits.budgets[intent.strategy].entry_lock
            self._approvals.entry(intent, self._now, lock)
            self._approvals.order(symbol, self._now)
        return decision

    def _sell(self, delivery: Delivery, intent: IntentSubmitted) -> Decision:
        decision = reductions.sell(delivery, intent, self._book, self._now)
        if isinstance(decision, IntentApproved | IntentModified) and decision.quantity:
            self._book.working.approve(intent, Side.SELL, decision.quantity, price=0)
            self._approvals.order(intent.symbol, self._now)
        return decision

    def _on_trades(self, frame: TradeFrame) -> None:
        if frame.trades:
            self._market.trade(frame)
            self._book.mark(frame.symbol, frame.trades[-1].price)

    def _on_tick(self, tick: ClockTick) -> None:
        self._market.phase = tick.phase
        self._watch_loss()
        for order in self._book.working.lapse(self._now):
            self._approvals.release(order.symbol, order.intent_id)

    def _on_phase(self, event: PhaseChanged) -> None:
        self._market.phase = event.phase

    def _on_reference(self, reference: SymbolReference) -> None:
        self._market.reference(reference)
        if reference.trading_date == self._trading_date and reference.base_price > 0:
            self._book.mark_opening(reference.symbol, reference.base_price)

    def _on_drift(self, event: DriftDetected) -> None:
        self._controls.drift(event)
        self._book.drift(event)

    def _on_drift_cleared(self, event: DriftCleared) -> None:
        self._controls.undrift(event.symbol)
        self._book.undrift(event.symbol)

    def _on_snapshot(self, snapshot: AccountSnapshot) -> None:
        self._book.snapshot(snapshot)
        self._watch_loss()

    def _on_held(self, event: OrderHeld) -> None:
        self._book.working.hold(event)

    def _on_submitting(self, event: OrderSubmitting) -> None:
        self._book.working.submit(event, self._book.last_price(event.symbol) or 0)

    def _on_accepted(self, event: OrderAccepted) -> None:
        self._book.working.settle(event)

    def _on_unknown(self, event: OrderUnknown) -> None:
        self._book.working.mark_unknown(event)

    def _on_fill(self, fill: OrderFilled) -> None:
        if self._book.fill(fill):
            # An order id is its intent's id followed by "-O" and a number.
            self._approvals.release(fill.symbol, fill.order_id.rpartition("-O")[0])
        self._watch_loss()

    def _on_ended(self, event: OrderRejected | OrderClosed) -> None:
        ended = self._book.end(event)
        if ended is not None:
            self._approvals.release(ended.symbol, ended.intent_id)

    def _watch_loss(self) -> None:
        """Hold the worst loss level of the day, also while some holding has had no price today.

        Such a holding counts at its opening value, so it neither hides a loss nor adds one.
        """
        book, limits = self._book, self._limits
        result, opening = book.day_result, book.opening_equity
        if opening <= 0 or result > -round(limits.daily_loss_warn * opening):
            return
        halted = result <= -round(limits.daily_loss_halt * opening)
        level = LossLevel.HALT if halted else LossLevel.WARN
        self._controls.reach(ReachedLoss(level, self._now, result, book.unpriced))


def _settings_of(session: SessionOpened) -> RiskSettings:
    text = session.configuration.get(SERVICE)
    if text is None:
        raise SessionWithoutSettings(session.trading_date, SERVICE)
    try:
        mapping = msgspec.json.decode(text, type=dict[str, object])
    except msgspec.DecodeError as error:
        raise SettingsMalformed(
            f"configuration[{SERVICE!r}]", str(error), "write the settings as one JSON object"
        ) from error
    return load_settings(mapping)
