"""One session of a backtest: everything that runs live, put together around one queue."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from bus import Processor
from events import Delivery as Entry
from events import Event, Symbol
from events.calendar import next_session
from events.event import MarketEvent
from events.market import SessionOpened
from events.prices import Board
from events.signal import SlotsRequested
from events.trading import (
    FillCorrected,
    IntentSubmitted,
    OrderClosed,
    OrderFilled,
    OrderRejected,
    OrderSubmitting,
)
from kis_gateway.orders.plan_settings import PlanSettings
from kis_gateway.orders.router_core import RouterCore
from kis_gateway.simulator.exchange import Exchange
from research.backtest.account import Account
from research.backtest.attention import Attention
from research.backtest.broker import Broker, Lines
from research.backtest.carry import Books, CarryOver
from research.backtest.clock import Clock
from research.backtest.equity import mark_equity
from research.backtest.feed import Feed
from research.backtest.floor import ACCOUNT, Floor
from research.backtest.kernel import Kernel
from research.backtest.latency import Way
from research.backtest.ledger import Ledger
from research.backtest.market_day import MarketDay
from research.backtest.result_hash import ResultHash
from research.backtest.seats import Seat
from research.backtest.settings import BacktestSettings, Delivery
from research.backtest.skipping import Scanning, Skippable, Watching
from research.backtest.subscriptions import Subscriptions, backfill_at, minutes

_SECOND: Final = 1_000_000_000
_BURST: Final = 3 * _SECOND
"""The account is asked for this long after a fill (ns), as live."""

_SETTLEMENT_SESSIONS: Final = 2

Observer = Callable[[int, Event], None]
"""Shown every event that is no tick and no row of a feed, with its log sequence."""


class Records(msgspec.Struct, frozen=True):
    """Where a run is written down: ledger, digest, and whoever looks on."""

    ledger: Ledger
    digest: ResultHash
    observers: Sequence[Observer] = ()


class SessionRun:
    """One session from its opening books to the books of the next one."""

    def __init__(
        self,
        settings: BacktestSettings,
        day: MarketDay,
        opening: SessionOpened,
        processors: Sequence[Processor],
        *,
        plans: PlanSettings,
        records: Records,
    ) -> None:
        """``processors`` are the session's strategies, guard and gate, fresh."""
        self._settings, self._day, self._opening, self._records = settings, day, opening, records
        seed = settings.seed * 100_000_000 + int(opening.trading_date)
        tape, latency = day.tape, settings.latency
        self._feed = Feed(tape, day.layout, Way(latency.feed, seed * 8))
        self._listings = {each.symbol: each for each in day.listings}
        self._account = Account(opening)
        self._core = RouterCore(opening, plans)
        clock = Clock(day.session, settings.data.tick_s)
        self._attention = Attention(self._feed, clock, self._seats(processors))
        self._kernel = Kernel(self._feed, clock, self._attention)
        settled_on = next_session(day.session.day, _SETTLEMENT_SESSIONS)
        self._broker = Broker(
            core=self._core,
            lines=Lines(latency, seed),
            boards=self._board,
            settled_on=settled_on,
            fills=settings.fills,
            schedule=self._kernel.schedule,
            emit=self._kernel.emit,
        )
        floor = Floor(
            self._exchange(day, opening),
            tape,
            day.layout.issues,
            self._broker.absorb,
            lazily=settings.delivery is not Delivery.EVERY and not settings.fills.interruptions,
        )
        self._broker.floor = self._kernel.floor = floor
        self._kernel.on_time = self._pass_time
        self._carry = CarryOver(opening)
        self._protected: tuple[frozenset[Symbol], frozenset[Symbol]] = (frozenset(), frozenset())
        self._asking = False
        self._subscriptions: Subscriptions | None = None
        if settings.data.registrations:
            self._subscriptions = Subscriptions(
                settings.data.registrations - 1, day.opening, opening, self._show
            )
        self._kernel.add_witness(self)

    def run(self) -> Books:
        """Trade the session; return what the next one begins with."""
        kernel, session = self._kernel, self._day.session
        if self._subscriptions is not None:
            self._rearrange(self._opening.at)
            self._kernel.schedule(session.open_at, self._note_open, None)
            self._kernel.schedule(backfill_at(session), self._backfill, None)
        snapshot = self._account.snapshot(self._opening.at, self._price_before)
        kernel.run([self._opening, *self._dated(self._day.opening), snapshot])
        return self._close()

    # -- putting together ------------------------------------------------------------------------

    def _seats(self, processors: Sequence[Processor]) -> list[Seat]:
        """Return who is handed what: strategies first, then guard and gate, then the router."""
        delivery = self._settings.delivery
        strategies = len(self._settings.strategies)
        symbols = self._feed.tape.symbols
        seats = []
        for place, processor in enumerate(processors):
            spares = delivery is Delivery.BLOCK or (
                delivery is Delivery.REFERENCE and place >= strategies
            )
            seats.append(
                Seat(
                    processor.handle,
                    processor.inputs,
                    symbols,
                    skippable=processor if spares and isinstance(processor, Skippable) else None,
                    watcher=processor if isinstance(processor, Watching) else None,
                    scanner=processor if spares and isinstance(processor, Scanning) else None,
                    dated=place >= strategies,
                )
            )
        router = None if delivery is Delivery.EVERY else self._core
        seats.append(Seat(self._route, self._core.topics, symbols, skippable=router, dated=True))
        return seats

    def _exchange(self, day: MarketDay, opening: SessionOpened) -> Exchange:
        fills = self._settings.fills
        exchange = Exchange(
            day.listings,
            settled_on=next_session(day.session.day, _SETTLEMENT_SESSIONS),
            fee_per_million=fills.fee_per_million,
            sell_fee_per_million=fills.sell_fee_per_million,
            automatic_interruptions=fills.interruptions,
        )
        holdings: dict[Symbol, tuple[int, int]] = {}
        for each in opening.allocations:
            quantity, cost = holdings.get(each.symbol, (0, 0))
            holdings[each.symbol] = quantity + each.quantity, cost + each.cost
        exchange.open_account(ACCOUNT, opening.cash, holdings)
        return exchange

    def _dated(self, events: Sequence[Event]) -> list[Event]:
        """Return what is known before the open, none of it older than the opening books."""
        first = self._opening.at
        return [
            each if each.at >= first else msgspec.structs.replace(each, at=first) for each in events
        ]

    def _board(self, symbol: Symbol) -> Board:
        listing = self._listings.get(symbol)
        return Board.KOSPI if listing is None else listing.board

    # -- while it runs ---------------------------------------------------------------------------

    def _pass_time(self, now: int) -> None:
        self._broker.now = now

    def _route(self, entry: Entry) -> Sequence[Event]:
        """Hand an entry to the router and carry out what it wants."""
        actions = self._core.handle(entry)
        if actions:
            self._broker.now = self._kernel.now
            for action in actions:
                self._broker.perform(action)
        return ()

    def witness(self, sequence: int, event: Event) -> None:
        """Write an event down, once all deciders have taken it in, and let it take its effect."""
        records, kind = self._records, type(event)
        if isinstance(event, MarketEvent):
            return  # What is known before the open, and back-fill: given, not derived.
        records.digest.add(sequence, event)
        if kind is IntentSubmitted:
            price = self._feed.last_price(event.symbol, self._kernel.now)  # type: ignore[attr-defined]
            records.ledger.take(sequence, event, market_price=price)
        elif kind is OrderFilled:
            records.ledger.take(sequence, event, executed_at=self._broker.executed_at)
        else:
            records.ledger.take(sequence, event)
        self._carry.witness(sequence, event)
        for observer in records.observers:
            observer(sequence, event)
        effect = _EFFECTS.get(kind)
        if effect is not None:
            effect(self, event)

    def _filled(self, event: OrderFilled) -> None:
        self._account.fill(event, self._broker.executed_at)
        self._protect()
        if self._settings.account_s and not self._asking:
            self._asking = True
            self._kernel.schedule(self._kernel.now + _BURST, self._ask_account, None)

    def _corrected(self, event: FillCorrected) -> None:
        self._account.correct(event)

    def _requested(self, event: SlotsRequested) -> None:
        if self._subscriptions is not None:
            now = self._kernel.now
            self._look_again(self._subscriptions.request(event, now))

    def _order_changed(self, _: Event) -> None:
        self._protect()

    def _ask_account(self, _: None) -> None:
        """Say what the account holds, now and for as long as it holds anything."""
        now = self._kernel.now
        self._kernel.emit(self._account.snapshot(now, lambda symbol: self._price(symbol, now)))
        following = now + self._settings.account_s * _SECOND
        self._asking = bool(self._account.held) and following < self._day.session.close_at
        if self._asking:
            self._kernel.schedule(following, self._ask_account, None)

    # -- subscriptions ---------------------------------------------------------------------------

    def _protect(self) -> None:
        if self._subscriptions is None:
            return
        now = frozenset(self._account.held), self._broker.working_symbols
        if now != self._protected:
            self._protected = now
            self._subscriptions.protect(*now)
            self._rearrange(self._kernel.now)

    def _rearrange(self, at: int) -> None:
        assert self._subscriptions is not None
        self._look_again(self._subscriptions.arrange(at))

    def _look_again(self, due: int | None) -> None:
        if due is not None:
            self._kernel.schedule(due, self._rearrange, due)

    def _show(self, trades: frozenset[Symbol], quotes: frozenset[Symbol]) -> None:
        self._attention.subscribe(trades, quotes, self._kernel.row)

    def _note_open(self, _: None) -> None:
        assert self._subscriptions is not None
        self._subscriptions.open()

    def _backfill(self, _: None) -> None:
        """Bring the minutes of symbols whose trades were not received from the open on."""
        assert self._subscriptions is not None
        now = self._kernel.now
        for symbol in self._feed.tape.symbols:
            if symbol not in self._subscriptions.from_the_open:
                history = minutes(self._feed, symbol, self._opening, now)
                if history is not None:
                    self._kernel.emit(history)

    # -- prices and the end ----------------------------------------------------------------------

    def _price(self, symbol: Symbol, at: int) -> int:
        return self._feed.last_price(symbol, at) or self._price_before(symbol)

    def _price_before(self, symbol: Symbol) -> int:
        listing = self._listings.get(symbol)
        return 0 if listing is None else listing.base_price

    def _close(self) -> Books:
        account, feed, ledger = self._account, self._feed, self._records.ledger
        end = int(feed.tape.at[-1]) if feed.tape.rows else self._day.session.close_at
        prices: Mapping[Symbol, int] = {
            symbol: self._price(symbol, end) for symbol in account.shares
        }
        mark_equity(
            ledger, self._day.session, self._opening, account, feed, price_before=self._price_before
        )
        value = account.worth(lambda symbol: prices[symbol])
        ledger.mark(end, account.cash, value, closing=True)
        ledger.close_session(prices, self._kernel.market_events)
        return Books(cash=account.cash, equity=account.cash + value, carried=self._carry.carried())


_EFFECTS: Final[dict[type[Event], Callable[..., None]]] = {
    OrderFilled: SessionRun._filled,
    FillCorrected: SessionRun._corrected,
    SlotsRequested: SessionRun._requested,
    OrderSubmitting: SessionRun._order_changed,
    OrderClosed: SessionRun._order_changed,
    OrderRejected: SessionRun._order_changed,
}
"""What follows from an event beside what deciders make of it."""
