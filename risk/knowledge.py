"""What the gate knows, and how each entry of the log changes it.

Time is that of the newest event of market and trading: what services and operators say of
themselves is dated by other clocks and moves nothing. What an entry sets off, halts by rule and
refused limits, is left in ``derived``; it is in force by then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from events import Delivery, Event, Symbol
from events.columns import TradeColumns
from events.control import (
    HaltCleared,
    HaltReleased,
    HaltSet,
    HaltTripped,
    LimitsChanged,
    LimitsRefused,
    OperatorPresent,
    SharesReallocated,
)
from events.market import (
    NEVER,
    BarClosed,
    ClockTick,
    DailyHistory,
    MarketOperation,
    PhaseChanged,
    PriceSnapshot,
    QuoteFrame,
    SessionOpened,
    SymbolReference,
    TradeFrame,
    VolatilityInterruption,
)
from events.ops import Degraded, DivergenceFound, Recovered
from events.signal import RegimeSet, UniverseSelected
from events.trading import (
    AccountSnapshot,
    DriftCleared,
    DriftDetected,
    ExecutionEnded,
    FillCorrected,
    OrderAccepted,
    OrderClosed,
    OrderFilled,
    OrderHeld,
    OrderRejected,
    OrderSubmitting,
    OrderUnknown,
)
from risk.approvals import Approvals
from risk.book import Book
from risk.daily_loss import DailyLoss
from risk.errors import SettingsError
from risk.halts import Halts
from risk.limit_changes import ChangingLimits
from risk.market import Market
from risk.settings import RiskSettings
from risk.triggers import Triggers


class Knowledge:
    """Everything the gate judges by, folded from the log of one account and one session."""

    def __init__(self, session: SessionOpened, settings: RiskSettings) -> None:
        self.now = session.at
        """Instant (ns UTC) of the newest event of market and trading."""
        self.limits_changing = ChangingLimits(settings, session.limits)
        self.limits = self.limits_changing.in_force
        self.halts = Halts(session.halts)
        self.market = Market(session.trading_date)
        self.book = Book(session)
        self.approvals = Approvals()
        self.derived: list[Event] = []
        """What followed from entries and was not taken yet, oldest first."""
        self._session = session
        self._trading_date = session.trading_date
        self._loss = DailyLoss(session.equity, self.limits)
        self._triggers = Triggers(
            session, self.halts, self.limits.budgets, self.limits.unknown_order_stop, self.derived
        )
        self._quotes = self.market.quotes
        self._of_the_day = self._events_of_the_day()
        self._of_other_clocks = self._events_of_other_clocks()

    def begin(self, delivery: Delivery) -> None:
        """Take the first entry of the session: say what could not be carried into it."""
        problem = self.limits_changing.problem
        if problem:
            self._refuse_limits(delivery, problem)
            self._triggers.opened_unsettled(delivery, problem)

    def pass_time(self, delivery: Delivery) -> None:
        """Let the log's time move to an entry, with the halts that time alone sets off."""
        self.now = max(self.now, delivery.event.at)
        if self.now >= self._triggers.deadline:
            self._triggers.due(delivery, self.now)

    def evolve(self, delivery: Delivery) -> None:
        """Change by one entry; one of no concern changes nothing, not even the time."""
        event = delivery.event
        change = self._of_the_day.get(type(event))
        if change is not None:
            if event.at > self.now:  # noqa: PLR1730 - twice as fast as max, for every trade
                self.now = event.at
            if self.now >= self._triggers.deadline:
                self._triggers.due(delivery, self.now)
            change(delivery, event)
        elif (change := self._of_other_clocks.get(type(event))) is not None:
            change(delivery, event)

    # -- stretches of the market that set nothing off ----------------------------------------------

    def concerned(self, symbol: Symbol) -> bool:
        """Return whether the next price of a symbol, or the time it brings, might set a halt off.

        The prices that decisions on other symbols need are those of holdings and of unexplained
        shares.
        """
        book = self.book
        return (
            symbol in book.holdings.held
            or symbol in book.owners.unexplained
            or self._triggers.deadline < NEVER
            or book.equity <= self._loss.floor
        )

    def matters_at_or_below(self, symbol: Symbol) -> int | None:
        """Return the price in won that a symbol must fall to for a loss level to be near.

        What is left to the next level is shared out evenly: while every holding stays above its
        price, all of them together have not lost it. ``None`` when any price may set a halt off.
        """
        book = self.book
        slack = book.equity - self._loss.floor
        if self._triggers.deadline < NEVER or slack <= 0:
            return None
        position = book.holdings.held.get(symbol)
        if position is None:
            return 0  # its price is asked for and sets nothing off
        if position.quantity < 0:
            return None
        share = slack // len(book.holdings.held)
        return max(0, (position.value - share) // position.quantity)

    def spared_until(self) -> int:
        """Return the instant (ns UTC) before which a clock tick says nothing new."""
        if self.market.phase is None:
            return 0
        return min(
            self._session.next_phase_at(self.now),
            self._triggers.deadline,
            self.book.working.next_lapse(),
        )

    def absorb_trades(self, trades: TradeColumns) -> None:
        """Take in trades of a symbol that is of no concern."""
        newest = trades.last
        self.now = max(self.now, newest.at)
        self.market.absorb_trades(trades)
        self.book.mark(trades.symbol, newest.trades[-1].price)

    def absorb_bars(self, bars: Sequence[BarClosed]) -> None:
        """Take in bars of a symbol that is of no concern, oldest first."""
        traded = [event for event in bars if event.bar.volume]
        for event in traded:
            self.market.bar(event)
        if traded:
            self.book.mark(traded[-1].symbol, traded[-1].bar.close)
        self.now = max(self.now, bars[-1].at)

    def absorb_quote(self, frame: QuoteFrame) -> None:
        """Take in a book; older ones that it replaces left no trace."""
        self.now = max(self.now, frame.at)
        self._quotes[frame.symbol] = frame

    def absorb_tick(self, tick: Event) -> None:
        """Take in a clock tick; it says nothing new but the time."""
        self.now = max(self.now, tick.at)

    # -- what each entry changes -------------------------------------------------------------------

    def _events_of_the_day(self) -> dict[type[Event], Callable[[Delivery, Any], None]]:
        market = self.market
        return {
            TradeFrame: self._on_trades,
            BarClosed: self._on_bar,
            QuoteFrame: self._on_quote,
            PriceSnapshot: lambda _, event: market.snapshot(event),
            ClockTick: self._on_tick,
            PhaseChanged: self._on_phase,
            SymbolReference: self._on_reference,
            VolatilityInterruption: lambda _, event: market.interruption(event),
            MarketOperation: lambda _, event: market.operation(event),
            DailyHistory: lambda _, event: market.daily(event),
            UniverseSelected: lambda _, event: market.universe(event),
            RegimeSet: lambda _, event: market.set_regime(event),
            DriftDetected: self._on_drift,
            DriftCleared: self._on_drift_cleared,
            AccountSnapshot: self._on_snapshot,
            OrderHeld: self._on_held,
            OrderSubmitting: self._on_submitting,
            OrderAccepted: self._on_accepted,
            OrderUnknown: self._on_unknown,
            OrderFilled: self._on_fill,
            FillCorrected: self._on_correction,
            OrderRejected: self._on_ended,
            OrderClosed: self._on_ended,
            ExecutionEnded: self._on_execution_ended,
        }

    def _events_of_other_clocks(self) -> dict[type[Event], Callable[[Delivery, Any], None]]:
        halts, triggers = self.halts, self._triggers
        return {
            HaltSet: lambda _, event: halts.take(event),
            HaltReleased: lambda _, event: halts.take(event),
            HaltTripped: lambda _, event: halts.take(event),
            HaltCleared: lambda _, event: halts.take(event),
            LimitsChanged: self._on_limits,
            SharesReallocated: self._on_reallocation,
            OperatorPresent: self._on_present,
            DivergenceFound: triggers.divergence,
            Degraded: triggers.degraded,
            Recovered: triggers.recovered,
        }

    def _on_trades(self, delivery: Delivery, frame: TradeFrame) -> None:
        trades = frame.trades
        if trades:
            self.market.trade(frame)
            self.book.holdings.mark(frame.symbol, trades[-1].price)
            if self.book.equity <= self._loss.floor:
                self._watch_loss(delivery)

    def _on_bar(self, delivery: Delivery, event: BarClosed) -> None:
        if event.bar.volume:
            self.market.bar(event)
            self.book.mark(event.symbol, event.bar.close)
            if self.book.equity <= self._loss.floor:
                self._watch_loss(delivery)

    def _on_quote(self, delivery: Delivery, frame: QuoteFrame) -> None:
        self._quotes[frame.symbol] = frame

    def _on_tick(self, delivery: Delivery, tick: ClockTick) -> None:
        self.market.phase = tick.phase
        for execution in self.book.working.lapse(self.now):
            self.approvals.release(execution.symbol, execution.intent_id)

    def _on_phase(self, delivery: Delivery, event: PhaseChanged) -> None:
        self.market.phase = event.phase

    def _on_reference(self, delivery: Delivery, reference: SymbolReference) -> None:
        self.market.reference(reference)
        if reference.trading_date == self._trading_date and reference.base_price > 0:
            self.book.mark_opening(reference.symbol, reference.base_price)
            self._watch_loss(delivery)

    def _on_drift(self, delivery: Delivery, event: DriftDetected) -> None:
        self.book.drift(event)
        self._triggers.drift(delivery, event)

    def _on_drift_cleared(self, delivery: Delivery, event: DriftCleared) -> None:
        self.book.undrift(event.symbol)
        self._triggers.drift_cleared(delivery, event)

    def _on_snapshot(self, delivery: Delivery, snapshot: AccountSnapshot) -> None:
        self.book.snapshot(snapshot)
        self._watch_loss(delivery)

    def _on_held(self, delivery: Delivery, event: OrderHeld) -> None:
        self.book.working.hold(event)

    def _on_submitting(self, delivery: Delivery, event: OrderSubmitting) -> None:
        self.book.working.submit(event, self.book.last_price(event.symbol) or 0)

    def _on_accepted(self, delivery: Delivery, event: OrderAccepted) -> None:
        self.book.accepted(event)
        self._watch_orders(delivery)

    def _on_unknown(self, delivery: Delivery, event: OrderUnknown) -> None:
        self.book.working.mark_unknown(event)
        self._watch_orders(delivery)

    def _on_fill(self, delivery: Delivery, fill: OrderFilled) -> None:
        if self.book.fill(fill):
            # An order id is its intent's id followed by "-O" and a number.
            self.approvals.release(fill.symbol, fill.order_id.rpartition("-O")[0])
        self._watch_orders(delivery)
        self._watch_loss(delivery)

    def _on_correction(self, delivery: Delivery, event: FillCorrected) -> None:
        self.book.correct(event)
        self._watch_loss(delivery)

    def _on_ended(self, delivery: Delivery, event: OrderRejected | OrderClosed) -> None:
        ended = self.book.end(event)
        if ended is not None:
            self.approvals.release(ended.symbol, ended.intent_id)
        self._watch_orders(delivery)

    def _on_execution_ended(self, delivery: Delivery, event: ExecutionEnded) -> None:
        self.book.end_execution(event)
        self.approvals.release(event.symbol, event.intent_id)

    def _on_reallocation(self, delivery: Delivery, event: SharesReallocated) -> None:
        self.book.reallocate(event)
        self._watch_loss(delivery)

    def _on_present(self, delivery: Delivery, event: OperatorPresent) -> None:
        self._triggers.present(delivery, event, self.now)

    def _on_limits(self, delivery: Delivery, event: LimitsChanged) -> None:
        try:
            self.limits_changing.change(event.changes)
        except SettingsError as error:
            self._refuse_limits(delivery, str(error))
            return
        self.limits = self.limits_changing.in_force
        self._triggers.allow_unknown(self.limits.unknown_order_stop)
        self._loss.measure(self.limits)
        self._watch_loss(delivery)

    def _refuse_limits(self, delivery: Delivery, reason: str) -> None:
        refused = LimitsRefused(at=delivery.event.at, cause=delivery.sequence, reason=reason)
        self.derived.append(refused)

    def _watch_orders(self, delivery: Delivery) -> None:
        self._triggers.orders(delivery, self.book.working.unknown, self.now)

    def _watch_loss(self, delivery: Delivery) -> None:
        book = self.book
        level = self._loss.reach(book.equity)
        if level is not None:
            self._triggers.loss(delivery, level, book)
