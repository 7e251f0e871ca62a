"""The guard: one pure processor that makes positions safe without asking any strategy.

What always holds: it asks the gate like everybody else and decides nothing by itself; it needs the
log of the session alone, so after a restart it stands where it stood; the sells that it asks for
are numbered attempts that end only when no share is left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from events import Delivery, Event, Symbol
from events.columns import TradeColumns
from events.control import (
    HaltCleared,
    HaltReleased,
    HaltSet,
    HaltTripped,
    SharesReallocated,
)
from events.identifiers import of_guard
from events.market import (
    BarClosed,
    ClockTick,
    MarketOperation,
    PhaseChanged,
    QuoteFrame,
    SessionOpened,
    SymbolReference,
    TradeFrame,
)
from events.trading import (
    DriftCleared,
    DriftDetected,
    ExecutionEnded,
    IntentApproved,
    IntentDeferred,
    IntentExpired,
    IntentModified,
    IntentRejected,
    IntentSubmitted,
    OrderAccepted,
    OrderClosed,
    OrderFilled,
    OrderRejected,
    OrderSubmitting,
    StopChanged,
)
from risk.guard.desk import Desk
from risk.guard.executions import Owner
from risk.guard.liquidation import Liquidation
from risk.guard.settings import SERVICE, GuardSettings, settings_of
from risk.guard.stops import Stops
from risk.guard.withdrawals import WaitingSales
from risk.halts import Halts


def guard_from_session(session: SessionOpened) -> Guard:
    """Return the guard for a session, configured by its opening books.

    Raises:
        SettingsError: the books carry settings of the guard that cannot be put in force.
    """
    return Guard(session, settings_of(session))


class Guard:
    """Watches stops and carries out halts for one account in one session. A ``bus`` processor."""

    name = SERVICE
    inputs: Sequence[str] = (
        "market.session.*",
        "market.clock",
        "market.trade.*",
        "market.bar.*",
        "market.status.*",
        "trading.intent.*",
        "trading.decision.*",
        "trading.order.*",
        "trading.execution.*",
        "trading.account",
        "trading.control",
    )
    outputs: Sequence[str] = ("trading.intent.*", "trading.stop.*")

    def __init__(self, session: SessionOpened, settings: GuardSettings) -> None:
        self._session = session
        self._opening: int | None = None
        self._desk = Desk(session, settings)
        self._halts = Halts(session.halts)
        waiting = WaitingSales(self._desk)
        self._stops = Stops(self._desk, waiting)
        self._liquidation = Liquidation(self._desk, self._halts, waiting)
        halts, order = self._on_halt, self._on_order
        self._handlers: dict[type[Event], Callable[[Any], None]] = {
            TradeFrame: self._on_trades,
            BarClosed: self._on_bar,
            ClockTick: self._on_clock,
            PhaseChanged: self._on_clock,
            SessionOpened: self._on_session,
            SymbolReference: self._desk.market.reference,
            MarketOperation: self._on_operation,
            IntentSubmitted: self._on_intent,
            IntentExpired: self._on_expired,
            **dict.fromkeys(
                (IntentApproved, IntentModified, IntentRejected, IntentDeferred), self._on_decision
            ),
            **dict.fromkeys((OrderSubmitting, OrderAccepted, OrderRejected, OrderClosed), order),
            OrderFilled: self._on_fill,
            ExecutionEnded: self._on_ended,
            **dict.fromkeys((HaltSet, HaltReleased, HaltTripped, HaltCleared), halts),
            SharesReallocated: self._on_reallocated,
            DriftDetected: self._on_drift,
            DriftCleared: self._on_drift_cleared,
        }

    def owns(self, event: Event) -> bool:
        """Return whether a logged intent or stop is this guard's.

        Those that the guard of the session before derived and that reached the log after this
        session's opening are not.
        """
        if isinstance(event, IntentSubmitted):
            return of_guard(event.intent_id) and self._caused(event.cause)
        return isinstance(event, StopChanged) and self._caused(event.cause)

    def handle(self, delivery: Delivery) -> Sequence[Event]:
        """Evolve by one entry and return the intents and changes of stops that follow from it."""
        if self._opening is None:
            self._opening = delivery.sequence
        event, desk = delivery.event, self._desk
        if type(event) is TradeFrame and not desk.allocations.known(event.symbol):
            # Nearly every entry: a price of a symbol that nobody ever had.
            desk.market.trades(event)
            desk.advance(event.at)
            return ()
        handler = self._handlers.get(type(event))
        if handler is None:
            return ()
        desk.begin(delivery)
        handler(event)
        return desk.finish()

    # -- stretches of the market, see ``research.backtest`` ----------------------------------------

    def concerned(self, symbol: Symbol) -> bool:
        """Return whether the next trade or bar of a symbol might make a difference.

        It does while anybody has shares of it or anything of it may still trade.
        """
        if self._opening is None:
            return True
        return self._desk.allocations.held(symbol) or self._desk.executions.works(symbol)

    def matters_at_or_below(self, symbol: Symbol) -> int | None:
        """Return the price in won at or below which a symbol of concern might make a difference.

        The highest of its stops. ``None``: each price might, because one was hit or was silent.
        """
        return None if self._opening is None else self._stops.highest(symbol)

    def spared_until(self) -> int:
        """Return the instant (ns UTC) before which clock ticks change nothing, 0 for none.

        Ticks that matter: a new phase, a stop without a trade for long; all of them while something
        is being sold or a halt is in force.
        """
        if self._opening is None or self._halts.in_force:
            return 0
        return min(self._session.next_phase_at(self._desk.market.now), self._stops.due_at())

    def absorb_trades(self, trades: TradeColumns) -> None:
        """Take in trades that make no difference to the guard."""
        self._desk.market.absorb_trades(trades)
        self._desk.advance(trades.last.at)

    def absorb_bars(self, bars: Sequence[BarClosed]) -> None:
        """Take in bars of a symbol that the guard is not concerned with, oldest first."""
        self._desk.market.absorb_bars(bars)
        self._desk.advance(bars[-1].at)

    def absorb_quote(self, frame: QuoteFrame) -> None:
        """Take in a book: the guard goes by trades alone."""

    def absorb_tick(self, tick: Event) -> None:
        """Take in the newest clock tick before ``spared_until``."""
        self._desk.market.advance(tick.at)
        self._desk.advance(tick.at)

    # -- what each entry changes -------------------------------------------------------------------

    def _caused(self, cause: int) -> bool:
        return self._opening is not None and cause >= self._opening

    def _review(self, owners: Iterable[Owner]) -> None:
        """Do what each owner's buys, stop and halts call for; all buys are withdrawn first."""
        concerned = tuple(dict.fromkeys(owners))
        for owner in concerned:
            self._liquidation.withdraw(owner)
        for owner in concerned:
            self._stops.review(owner)
            self._liquidation.flatten(owner)

    def _everybody(self) -> list[Owner]:
        return [*self._desk.allocations.owners(), *self._desk.executions.buyers()]

    def _on_session(self, event: SessionOpened) -> None:
        if event.trading_date == self._session.trading_date:
            self._review(self._everybody())

    def _on_clock(self, event: ClockTick | PhaseChanged) -> None:
        self._desk.market.clock(event)
        owners = self._everybody()
        self._stops.listen(owners)
        self._review(owners)

    def _on_trades(self, frame: TradeFrame) -> None:
        self._stops.trades(frame.symbol, self._desk.market.trades(frame))

    def _on_bar(self, event: BarClosed) -> None:
        self._stops.trades(event.symbol, self._desk.market.bar(event))

    def _on_operation(self, event: MarketOperation) -> None:
        self._desk.market.operation(event)
        self._review(self._everybody())

    def _on_intent(self, intent: IntentSubmitted) -> None:
        # Own intents count since they were asked.
        if not self.owns(intent):
            self._desk.executions.submit(intent)
            self._desk.allocations.submit(intent)

    def _on_expired(self, event: IntentExpired) -> None:
        self._desk.executions.expire(event.intent.intent_id)
        self._review([(event.intent.strategy, event.intent.symbol)])

    def _on_decision(
        self, decision: IntentApproved | IntentModified | IntentRejected | IntentDeferred
    ) -> None:
        self._desk.executions.decide(decision)
        self._desk.allocations.decide(decision)
        self._review([(decision.strategy, decision.symbol)])

    def _on_order(
        self, event: OrderSubmitting | OrderAccepted | OrderRejected | OrderClosed
    ) -> None:
        owner = self._desk.executions.order(event)
        if owner is not None:
            self._review([owner])

    def _on_fill(self, fill: OrderFilled) -> None:
        self._desk.executions.order(fill)
        self._review([self._desk.allocations.fill(fill)])

    def _on_ended(self, event: ExecutionEnded) -> None:
        self._desk.executions.end(event)
        self._review([(event.strategy, event.symbol)])

    def _on_halt(self, event: HaltSet | HaltReleased | HaltTripped | HaltCleared) -> None:
        self._halts.take(event)
        self._review(self._everybody())

    def _on_reallocated(self, event: SharesReallocated) -> None:
        self._review(self._desk.allocations.reallocate(event))

    def _on_drift(self, event: DriftDetected) -> None:
        self._review([self._desk.allocations.drift(event)])

    def _on_drift_cleared(self, event: DriftCleared) -> None:
        self._review([self._desk.allocations.undrift(event)])
