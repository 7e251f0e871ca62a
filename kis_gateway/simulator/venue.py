"""The exchange as the server sees it: one clock, one sequence of commands, one set of books.

Every command, from the market or from a client, passes here in order of time. When the market runs
behind the clock, the exchange is simply at an earlier time: a client's order is handled at the
market's frontier, never before something that already happened. Outcomes go to the broker's ledger
and to the distribution in the same step.

A cancel or amend is answered at once and takes effect at the exchange after
``cancel_effect_seconds``, spread over the range by order number so that a run repeats itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from bus import TimeSource
from events import Symbol
from events.calendar import next_session, trading_date
from events.market import Phase
from events.trading import Side
from kis_gateway.protocol import Route
from kis_gateway.simulator.exchange import Exchange
from kis_gateway.simulator.exchange.messages import (
    BookShown,
    CancelOrder,
    Command,
    EnterPhase,
    ExpectedShown,
    Listing,
    MarketBook,
    MarketIndication,
    MarketStatusShown,
    MarketTrade,
    Outcome,
    PassTime,
    PlaceOrder,
    Printed,
    Refusal,
    Refused,
    ReplaceOrder,
    Session,
    StatusShown,
)
from kis_gateway.simulator.exchange.views import AccountView
from kis_gateway.simulator.facts.day_tape import DayTape
from kis_gateway.simulator.feeds.distribution import Distribution
from kis_gateway.simulator.feeds.notices import Receipt
from kis_gateway.simulator.feeds.trade_records import IssueRecords
from kis_gateway.simulator.indices import IndexBoard
from kis_gateway.simulator.ledger import Action, Delay, OrderLedger, OrderRecord
from kis_gateway.simulator.market import Market, MarketItem
from kis_gateway.simulator.order_flow import OrderFlow
from kis_gateway.simulator.settings import OpeningBook, SimulatorSettings
from kis_gateway.simulator.wire_formats import OrderType

_SETTLEMENT_SESSIONS: Final = 2
_TAPE: Final = (MarketTrade, MarketBook, MarketIndication)


class Ticket(NamedTuple):
    """What a client wants to trade.

    ``price`` is the limit of types that name one, ``None`` otherwise; ``trigger`` is the price that
    awakes a stop limit order.
    """

    account: str
    symbol: Symbol
    side: Side
    order_type: OrderType
    quantity: int
    price: int | None
    route: Route = Route.KRX
    trigger: int | None = None


class OrderRefused(Exception):
    """The exchange or the account refused an order, amend or cancel; nothing happened."""

    def __init__(self, reason: Refusal, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Venue:
    """The exchange with its books, its clock and its order numbers."""

    def __init__(self, settings: SimulatorSettings, market: Market, time: TimeSource) -> None:
        self.settings = settings
        self.market = market
        self.day = trading_date(market.day)
        self.listings: dict[Symbol, Listing] = {each.symbol: each for each in market.listings}
        self.exchange = Exchange(
            market.listings,
            settled_on=next_session(market.day, _SETTLEMENT_SESSIONS),
            fee_per_million=settings.fee_per_million,
            sell_fee_per_million=settings.sell_fee_per_million,
            automatic_interruptions=settings.automatic_interruptions,
        )
        self.indices = IndexBoard(market)
        self.day_tape = DayTape()
        self.tapes = {
            symbol: IssueRecords(listing, self._previous_volume(symbol), self.day, settings.era)
            for symbol, listing in self.listings.items()
        }
        self.distribution = Distribution(settings, self.tapes, time)
        self.distribution.market.indices = self.indices
        self._flow = OrderFlow(
            self.exchange, self.distribution, self.listings, Delay(settings.visible_after)
        )
        self._effect = Delay(settings.cancel_effect_seconds)
        self.opening: dict[str, OpeningBook] = {}
        for book in settings.accounts:
            self.open_account(book)
        self.interruptions: list[StatusShown] = []
        """Changes of the state of issues today, oldest first."""
        self._time = time
        self._numbers = 0
        self._last_at = 0
        self._frontier: int | None = None
        self._announced: int | None = None
        self.announced = asyncio.Event()
        """Set when the moment at which the exchange acts by itself next may have changed."""
        self.phase = Phase.CLOSED
        self.prints = 0

    @property
    def orders(self) -> OrderLedger:
        """Every order number of the day."""
        return self._flow.orders

    @property
    def sessions(self) -> frozenset[Session]:
        """The sessions that are open beside the regular one, whose phase is ``phase``."""
        return self.exchange.open_sessions

    def open_account(self, book: OpeningBook) -> None:
        """Open an account, before the day or while it runs."""
        self.exchange.open_account(
            book.account,
            book.cash,
            {held.symbol: (held.quantity, held.cost) for held in book.holdings},
        )
        self.opening[book.account] = book
        self._flow.begin(book.account)

    def now(self) -> int:
        """Return the exchange's time: the clock, held back while the market runs behind."""
        now = self._time.now()
        if self._frontier is not None:
            now = min(now, self._frontier)
        return max(now, self._last_at)

    def drive(self, items: Iterable[MarketItem]) -> None:
        """Carry out what the market does, in order of time."""
        for item in items:
            if isinstance(item, Command):
                self._last_at = item.at
                outcomes = self.exchange.handle(item)
                if not isinstance(item, _TAPE):
                    if isinstance(item, EnterPhase):
                        self.phase = self.distribution.phase = item.phase
                    self.distribution.waiting.set()
                self._absorb(outcomes)
            else:
                self.indices.take(item)
                self.distribution.market_print(item)
        self._announce()

    def reach(self, frontier: int | None) -> None:
        """Say when the market's next command is due; ``None`` after the last one."""
        self._frontier = frontier
        self._announce()

    def pass_time(self) -> int | None:
        """Let happen what is due by now; return when something is due next.

        ``None`` when nothing is announced, or when the market, which runs behind, comes first.
        """
        due = self.exchange.next_due
        if due is not None and due <= self.now():
            self.drive([PassTime(at=self.now())])
            due = self.exchange.next_due
        return None if due is not None and due <= self._time.now() else due

    def place(self, ticket: Ticket) -> OrderRecord:
        """Place an order and return its record.

        Raises:
            OrderRefused: no order came into being.
        """
        record = self._new_record(ticket)
        command = PlaceOrder(
            at=record.at,
            order_number=record.number,
            account=ticket.account,
            symbol=ticket.symbol,
            side=ticket.side,
            pricing=ticket.order_type.pricing,
            quantity=ticket.quantity,
            price=ticket.price,
            time_in_force=ticket.order_type.time_in_force,
            trigger=ticket.trigger,
            market=ticket.order_type.form.market,
            route=ticket.route,
        )
        return self._carry_out(command, record)

    def cancel(self, target: OrderRecord, quantity: int | None = None) -> OrderRecord:
        """Withdraw what is left of an order, or a part; return the record of the cancel.

        Raises:
            OrderRefused: nothing will be withdrawn.
        """
        record = self._change_record(target, Action.CANCEL, target.order_type, quantity)
        command = CancelOrder(
            at=record.at,
            order_number=record.number,
            account=target.account,
            target=target.number,
            quantity=quantity,
            effect_after=self._effect.of(record.number, 0),
        )
        return self._carry_out(command, record)

    def amend(
        self,
        target: OrderRecord,
        order_type: OrderType,
        quantity: int | None,
        price: int | None,
        trigger: int | None = None,
    ) -> OrderRecord:
        """Move what is left of an order, or a part, to a new price or type.

        Returns the record of the new order. What is not moved stays where it was.

        Raises:
            OrderRefused: the order stands as it was.
        """
        record = self._change_record(target, Action.AMEND, order_type, quantity)
        record.price, record.trigger = price or 0, trigger or 0
        command = ReplaceOrder(
            at=record.at,
            order_number=record.number,
            account=target.account,
            target=target.number,
            quantity=quantity,
            price=price,
            pricing=order_type.pricing,
            time_in_force=order_type.time_in_force,
            trigger=trigger,
            effect_after=self._effect.of(record.number, 0),
        )
        return self._carry_out(command, record)

    def statement(self, account: str) -> AccountView:
        """Return the account as balance inquiries see it, some seconds late."""
        return self._flow.statement(account, self.now())

    def last_price(self, symbol: Symbol) -> int:
        """Return the last trade's price, before the first one the base price."""
        last = self.tapes[symbol].last
        return last.price if last is not None else self.listings[symbol].base_price

    def _change_record(
        self, target: OrderRecord, action: Action, order_type: OrderType, quantity: int | None
    ) -> OrderRecord:
        asked = target.status().remaining if quantity is None else quantity
        ticket = Ticket(
            target.account, target.symbol, target.side, order_type, asked, None, target.route
        )
        record = self._new_record(ticket, action, target.number)
        record.venue = target.venue
        return record

    def _new_record(
        self, ticket: Ticket, action: Action = Action.NEW, original: str | None = None
    ) -> OrderRecord:
        self._numbers += 1
        number, at = f"{self._numbers:010d}", self.now()
        return OrderRecord(
            number=number,
            account=ticket.account,
            symbol=ticket.symbol,
            side=ticket.side,
            order_type=ticket.order_type,
            quantity=ticket.quantity,
            price=ticket.price or 0,
            at=at,
            visible_at=self.orders.visible_at(number, at),
            action=action,
            original=original,
            route=ticket.route,
            trigger=ticket.trigger or 0,
        )

    def _carry_out(self, command: Command, record: OrderRecord) -> OrderRecord:
        outcomes = self.exchange.handle(command)
        self._last_at = command.at
        refusal = _refusal_of(record.number, outcomes)
        late = refusal is not None and refusal.reason in self.settings.late_refusals
        if refusal is not None and not late:
            # What was due before the order came happens nevertheless.
            self._absorb([outcome for outcome in outcomes if outcome is not refusal])
            raise OrderRefused(refusal.reason, refusal.detail)
        self.orders.add(record)
        if refusal is not None:
            self._flow.notify(record, Receipt(record.at, record.quantity))
        self._absorb(outcomes)
        self.distribution.waiting.set()
        self._announce()
        return record

    def _absorb(self, outcomes: Sequence[Outcome]) -> None:
        distribution = self.distribution
        for outcome in outcomes:
            if isinstance(outcome, Printed):
                self.prints += 1
                distribution.trade(outcome)
                self.day_tape.trade(outcome)
            elif isinstance(outcome, BookShown):
                distribution.book(outcome)
            elif isinstance(outcome, ExpectedShown):
                distribution.expected(outcome)
            elif isinstance(outcome, StatusShown):
                self.interruptions.append(outcome)
                distribution.status(outcome)
            elif isinstance(outcome, MarketStatusShown):
                distribution.market_status(outcome)
            else:
                self._flow.take(outcome)
        self._flow.close_step()

    def _announce(self) -> None:
        due, alone = self.exchange.next_due, self._frontier is None
        if due != self._announced or (alone and due is not None):
            self._announced = due
            self.announced.set()

    def _previous_volume(self, symbol: Symbol) -> int:
        history = self.market.daily_history(symbol)
        return history[-1].volume if history else 0


def _refusal_of(number: str, outcomes: Sequence[Outcome]) -> Refused | None:
    for outcome in outcomes:
        if isinstance(outcome, Refused) and outcome.order_number == number:
            return outcome
    return None
