"""KMP as a processor: what each entry of the log changes, and what follows from it.

State is a function of the session's log alone. Handing a new processor the same entries gives the
same outputs, byte for byte; a restart is nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from events import control, trading
from events.columns import TradeColumns
from events.event import Delivery, Event
from events.identifiers import Symbol, of_guard
from events.market import (
    NEVER,
    BarClosed,
    ClockTick,
    DailyHistory,
    IndexLevel,
    MinuteHistory,
    PhaseChanged,
    ProgramFlow,
    QuoteFrame,
    SessionOpened,
    SymbolReference,
    TradeFrame,
    VolatilityInterruption,
)
from events.ops import GatesReported, SetupChanged, WouldBlock
from events.signal import OpeningBaseline, SlotsRequested, UniverseSelected
from strategies.errors import ConfigurationMissing
from strategies.kmp.breadth import Breadth
from strategies.kmp.desk import Desk
from strategies.kmp.entries import Entries
from strategies.kmp.market import MarketGates
from strategies.kmp.positions import Positions
from strategies.kmp.regime import MarketRegime
from strategies.kmp.settings import KmpSettings, parse_settings
from strategies.kmp.setup import Setup
from strategies.kmp.states import HELD, State
from strategies.kmp.subscriptions import Subscriptions
from strategies.kmp.universe import Universe

NAME: Final = "kmp"
"""Name of the service and of its configuration in the session."""

_OF_A_SYMBOL: Final = frozenset({TradeFrame, QuoteFrame})
_WATCHING: Final = State.WATCH_BREAK
_WAITING: Final = State.WAIT_ACCEPTANCE


def kmp_from_session(session: SessionOpened) -> KmpProcessor:
    """Return the processor of one session, configured as the session says.

    Raises:
        ConfigurationMissing: the session carries no ``kmp`` configuration.
        InvalidSettings: the configuration cannot be used.
    """
    text = session.configuration.get(NAME)
    if text is None:
        raise ConfigurationMissing(NAME, tuple(sorted(session.configuration)))
    return KmpProcessor(session, parse_settings(text))


class KmpProcessor:
    """The KMP strategy for one session."""

    def __init__(self, session: SessionOpened, settings: KmpSettings) -> None:
        self._desk = desk = Desk(session, settings)
        open_at = desk.clock.open_at
        self._regime = MarketRegime(settings, open_at)
        sectors: dict[str, list[Setup]] = {}
        self._entries = Entries(desk, self._regime, sectors)
        self._cutoff = self._entries.cutoff
        self._positions = Positions(desk, self._regime, self._cutoff)
        self._universe = universe = Universe(desk, self._entries, sectors)
        self._setups = universe.setups
        self._market = MarketGates(
            desk, self._regime, Breadth(settings, open_at, universe.candidates, desk.touched)
        )
        self._subscriptions = Subscriptions(desk, universe, self._cutoff)
        self._reported = False
        self._handlers: dict[type[Event], Callable[[Any], None]] = {
            TradeFrame: self._on_trades,
            QuoteFrame: self._on_quote,
            ClockTick: self._on_clock,
            PhaseChanged: self._on_clock,
            IndexLevel: self._regime.observe_index,
            ProgramFlow: self._on_program,
            VolatilityInterruption: self._on_interruption,
            UniverseSelected: universe.on_universe,
            SymbolReference: universe.on_reference,
            DailyHistory: universe.on_daily,
            OpeningBaseline: universe.on_baseline,
            MinuteHistory: universe.on_minutes,
            trading.AccountSnapshot: self._desk.equity.observe,
            trading.OrderFilled: self._on_fill,
            trading.FillCorrected: self._on_correction,
            control.SharesReallocated: self._on_reallocation,
            trading.IntentSubmitted: self._on_own,
            trading.IntentApproved: self._on_own,
            trading.IntentModified: self._on_own,
            trading.IntentRejected: self._on_own,
            trading.IntentDeferred: self._on_own,
            trading.IntentExpired: self._on_own,
            trading.OrderHeld: self._on_own,
            trading.OrderSubmitting: self._on_own,
            trading.OrderAccepted: self._on_own,
            trading.OrderRejected: self._on_own,
            trading.OrderClosed: self._on_own,
            trading.ExecutionEnded: self._on_own,
        }

    @property
    def name(self) -> str:
        """``kmp``."""
        return NAME

    @property
    def inputs(self) -> Sequence[str]:
        """Market data, signals, the account, changes of owner, and what became of intents."""
        return (
            "market.session.*",
            "market.clock",
            "market.trade.*",
            "market.quote.*",
            "market.index.*",
            "market.program.*",
            "market.status.*",
            "market.daily.*",
            "market.minute.*",
            "signal.universe",
            "signal.baseline",
            "trading.account",
            "trading.intent.*",
            "trading.decision.*",
            "trading.order.*",
            "trading.execution.*",
            "trading.control",
        )

    @property
    def outputs(self) -> Sequence[str]:
        """Intents, subscription requests and reports."""
        return ("trading.intent.*", "signal.slots", f"ops.{self._desk.strategy}")

    def owns(self, event: Event) -> bool:
        """Return whether a logged event was derived by this strategy.

        Intents that the guard submitted on its behalf were not.
        """
        if isinstance(event, trading.IntentSubmitted):
            return event.strategy == self._desk.strategy and not of_guard(event.intent_id)
        return (
            isinstance(event, SlotsRequested | SetupChanged | WouldBlock | GatesReported)
            and event.strategy == self._desk.strategy
        )

    def handle(self, delivery: Delivery) -> Sequence[Event]:
        """Evolve by one entry and return what follows from it."""
        event: Any = delivery.event
        kind = type(event)
        if kind in _OF_A_SYMBOL:
            setup = self._setups.get(event.symbol)
            if setup is None or setup.inert:
                return ()  # most of a day: nothing can come of it
        handler = self._handlers.get(kind)
        if handler is None:
            return ()
        desk = self._desk
        desk.begin(delivery)
        handler(event)
        if desk.slots_urgent:
            self._subscriptions.request()
        return desk.outputs or ()

    # --- stretches of the market, see ``research.backtest`` ---

    def concerned(self, symbol: Symbol) -> bool:
        """Return whether the next trade or book of a symbol might make a difference.

        It does from the scan on for a candidate that is not done with and for what is held. Until
        then trades only build tapes, which nobody reads before the scan.
        """
        setup = self._setups.get(symbol)
        if setup is None or setup.inert:
            return False
        if setup.state is State.IDLE:
            return not self._universe.scanned and self.spared_until() == 0
        return True

    def spared_until(self) -> int:
        """Return the instant (ns UTC) before which clock ticks change nothing, 0 for none.

        Until the scan and after the last entry, as long as nothing is held or asked for. Between
        the two the market is judged, and its gates are counted, with each tick.
        """
        desk, universe = self._desk, self._universe
        if desk.active or desk.book.positions or desk.slots_changed:
            return 0
        if not universe.scanned:
            return universe.quiet_until
        if desk.clock.now < self._cutoff:
            return 0
        return NEVER if self._reported else desk.clock.close_at

    def absorb_trades(self, trades: TradeColumns) -> None:
        """Take in trades of a symbol that the strategy is not concerned with."""
        setup = self._setups.get(trades.symbol)
        if setup is not None and not setup.inert:
            self._desk.clock.advance(trades.last.at)
            setup.tape.absorb(trades)

    def absorb_bars(self, bars: Sequence[BarClosed]) -> None:
        """Take in completed bars: the strategy goes by trades alone."""

    def absorb_quote(self, frame: QuoteFrame) -> None:
        """Take in the newest book of a symbol that the strategy is not concerned with."""
        setup = self._setups.get(frame.symbol)
        if setup is not None and not setup.inert:
            self._desk.clock.advance(frame.at)
            setup.tape.absorb_quote(frame)

    def absorb_tick(self, tick: Event) -> None:
        """Take in the newest clock tick before ``spared_until``."""
        if isinstance(tick, ClockTick):
            self._desk.clock.observe(tick)
        else:
            self._desk.clock.advance(tick.at)

    # --- market data ---

    def _on_trades(self, event: TradeFrame) -> None:
        setup = self._setups[event.symbol]
        desk = self._desk
        clock = desk.clock
        clock.advance(event.at)
        if setup.rank:
            desk.touched[setup.symbol] = setup
        tape = setup.tape
        for trade in event.trades:
            if not tape.add(trade, clock.now):
                continue
            state = setup.state
            if state is _WATCHING or state is _WAITING:
                self._entries.on_price(setup, trade.price)
            elif state is State.IN_POSITION and setup.exit_reason is None:
                self._positions.on_price(setup, trade.price)

    def _on_quote(self, event: QuoteFrame) -> None:
        self._desk.clock.advance(event.at)
        self._setups[event.symbol].tape.quote(event)

    def _on_program(self, event: ProgramFlow) -> None:
        self._regime.observe_program(event, max(event.at, self._desk.clock.now))

    def _on_interruption(self, event: VolatilityInterruption) -> None:
        setup = self._setups.get(event.symbol)
        if setup is not None:
            setup.tape.interrupted(event.at)

    # --- time ---

    def _on_clock(self, event: ClockTick | PhaseChanged) -> None:
        desk, universe = self._desk, self._universe
        clock = desk.clock
        clock.observe(event)
        now = clock.now
        early = now < self._cutoff
        if desk.book.positions:
            self._adopt_carried()
        if not universe.scanned:
            universe.on_clock()
        if early and universe.scanned and now >= clock.open_at:
            self._market.judge(now)
        else:
            self._regime.entries_open = False
        waiting: list[Setup] = []
        if desk.active:
            for setup in list(desk.active.values()):
                state = setup.state
                if early and state is _WATCHING:
                    continue  # only a price or the cutoff takes it further
                if early and state is _WAITING:
                    waiting.append(setup)
                if state in HELD:
                    self._positions.on_clock(setup)
                else:
                    self._entries.on_clock(setup)
        self._subscriptions.on_clock(waiting)
        if clock.over and not self._reported:
            self._reported = True
            self._report()

    def _adopt_carried(self) -> None:
        for symbol in self._desk.book.positions:
            setup = self._universe.setup(symbol)
            if setup.state is State.IDLE:
                self._positions.adopt_carried(setup)

    # --- own intents, orders and fills ---

    def _on_own(self, event: Event) -> None:
        desk = self._desk
        own = desk.tracker.observe(event)
        if own is None or of_guard(own.intent.intent_id):
            return  # What the guard's sales do is seen in their fills; see Positions.
        desk.clock.advance(event.at)
        setup = self._setups[own.symbol]
        if own.intent.kind is trading.IntentKind.ENTER:
            if isinstance(event, trading.ExecutionEnded):
                self._entries.on_ended(setup, own, event)
            elif isinstance(event, trading.Decision | trading.IntentExpired):
                self._entries.on_answer(setup, own)
        elif own.intent.kind in (trading.IntentKind.EXIT, trading.IntentKind.FLATTEN):
            self._positions.on_exit_event(setup, own, event)

    def _on_fill(self, event: trading.OrderFilled) -> None:
        desk = self._desk
        desk.tracker.observe(event)
        if desk.book.fill(event):
            desk.clock.advance(event.at)
            self._positions.on_fill(self._universe.setup(event.symbol), event)

    def _on_correction(self, event: trading.FillCorrected) -> None:
        if self._desk.book.correct(event):
            self._desk.clock.advance(event.at)

    def _on_reallocation(self, event: control.SharesReallocated) -> None:
        desk = self._desk
        # An operator's clock dates nothing here: it may be wrong, and time never goes back.
        desk.at = desk.clock.now
        if desk.book.reallocate(event, desk.at):
            self._positions.on_reallocation(self._universe.setup(event.symbol))

    # --- reporting ---

    def _report(self) -> None:
        desk = self._desk
        desk.outputs.append(
            desk.gates.report(
                at=desk.at,
                cause=desk.cause,
                strategy=desk.strategy,
                trading_date=desk.clock.trading_date,
                intents=desk.tracker.ids,
                would_block=desk.would_block.counts,
            )
        )
