"""The exchange as the server sees it: one clock, one sequence of commands, one set of books.

Every command, from the market or from a client, passes here in order of time. When the market runs
behind the clock, the exchange is simply at an earlier time: a client's order is handled at the
market's frontier, never before something that already happened. Outcomes go to the broker's ledger
and to the distribution in the same step, so an inquiry never knows less than a delay explains.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from bus import TimeSource
from events import Symbol
from events.calendar import next_session, trading_date
from events.market import Phase
from events.trading import Side
from kis_gateway.simulator.distribution import Distribution
from kis_gateway.simulator.exchange import Exchange
from kis_gateway.simulator.exchange.messages import (
    Acknowledged,
    BookShown,
    CancelOrder,
    Command,
    EnterPhase,
    Executed,
    Listing,
    Outcome,
    PlaceOrder,
    Printed,
    Refusal,
    Refused,
    ReplaceOrder,
    TimeInForce,
    Withdrawn,
)
from kis_gateway.simulator.exchange.views import AccountView
from kis_gateway.simulator.indices import IndexBoard
from kis_gateway.simulator.ledger import Action, Delay, Lagged, OrderLedger, OrderRecord
from kis_gateway.simulator.market import Market, MarketItem
from kis_gateway.simulator.notices import Receipt
from kis_gateway.simulator.settings import SimulatorSettings
from kis_gateway.simulator.trade_records import IssueRecords
from kis_gateway.simulator.wire_formats import OrderType

_CONFIRMED: Final = "2"
_REMAINDER_CANCELLED: Final = "3"
_SETTLEMENT_SESSIONS: Final = 2


class Ticket(NamedTuple):
    """What a client wants to trade; ``price`` is ``None`` for a market order."""

    account: str
    symbol: Symbol
    side: Side
    order_type: OrderType
    quantity: int
    price: int | None


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
        )
        self.indices = IndexBoard(market)
        self.tapes = {
            symbol: IssueRecords(listing, self._previous_volume(symbol), self.day, settings.era)
            for symbol, listing in self.listings.items()
        }
        self.distribution = Distribution(settings, self.tapes, time)
        self._delay = Delay(settings.visible_after)
        self.orders = OrderLedger(self._delay)
        self.opening = {book.account: book for book in settings.accounts}
        self._statements: dict[str, Lagged[AccountView]] = {}
        for book in settings.accounts:
            self.exchange.open_account(
                book.account,
                book.cash,
                {held.symbol: (held.quantity, held.cost) for held in book.holdings},
            )
            self._statements[book.account] = Lagged(self.exchange.account(book.account))
        self._time = time
        self._numbers = 0
        self._last_at = 0
        self._frontier: int | None = None
        self.phase = Phase.CLOSED
        self.prints = 0

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
                if isinstance(item, EnterPhase):
                    self.phase = self.distribution.phase = item.phase
                self._last_at = item.at
                self._absorb(self.exchange.handle(item))
            else:
                self.indices.take(item)

    def reach(self, frontier: int | None) -> None:
        """Say when the market's next command is due; ``None`` after the last one."""
        self._frontier = frontier

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
            kind=ticket.order_type.kind,
            quantity=ticket.quantity,
            price=ticket.price,
            time_in_force=ticket.order_type.time_in_force,
        )
        return self._carry_out(command, record)

    def cancel(self, target: OrderRecord) -> OrderRecord:
        """Withdraw what is left of an order; return the record of the cancel.

        Raises:
            OrderRefused: nothing was withdrawn.
        """
        record = self._new_record(
            Ticket(target.account, target.symbol, target.side, target.order_type, 0, None),
            Action.CANCEL,
            target.number,
        )
        command = CancelOrder(
            at=record.at,
            order_number=record.number,
            account=target.account,
            target=target.number,
        )
        return self._carry_out(command, record)

    def amend(
        self, target: OrderRecord, order_type: OrderType, quantity: int, price: int | None
    ) -> OrderRecord:
        """Move what is left of an order to a new price; return the record of the new order.

        Raises:
            OrderRefused: the order stands as it was.
        """
        record = self._new_record(
            Ticket(target.account, target.symbol, target.side, order_type, quantity, price),
            Action.AMEND,
            target.number,
        )
        command = ReplaceOrder(
            at=record.at,
            order_number=record.number,
            account=target.account,
            target=target.number,
            quantity=quantity,
            price=price,
            kind=order_type.kind,
        )
        return self._carry_out(command, record)

    def statement(self, account: str) -> AccountView:
        """Return the account as balance inquiries see it, some seconds late."""
        return self._statements[account].get(self.now())

    def last_price(self, symbol: Symbol) -> int:
        """Return the last trade's price, before the first one the base price."""
        last = self.tapes[symbol].last
        return last.price if last is not None else self.listings[symbol].base_price

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
        )

    def _carry_out(self, command: Command, record: OrderRecord) -> OrderRecord:
        outcomes = self.exchange.handle(command)
        self._last_at = command.at
        refusal = _refusal_of(record.number, outcomes)
        late = refusal is not None and refusal.reason in self.settings.late_refusals
        if refusal is not None and not late:
            raise OrderRefused(refusal.reason, refusal.detail)
        self.orders.add(record)
        if refusal is not None:
            self.orders.reject(record, refusal.at)
            self._notify(record, Receipt(record.at, record.quantity))
            self._notify(record, Receipt(refusal.at, record.quantity, refused=True))
        self._absorb(outcomes)
        self.distribution.waiting.set()
        return record

    def _absorb(self, outcomes: Sequence[Outcome]) -> None:
        changed: dict[str, tuple[str, int]] = {}
        for outcome in outcomes:
            if isinstance(outcome, Printed):
                self.prints += 1
                self.distribution.trade(outcome)
            elif isinstance(outcome, BookShown):
                self.distribution.book(outcome)
            elif isinstance(outcome, Executed):
                self._executed(outcome)
                changed[outcome.account] = (outcome.order_number, outcome.at)
            elif isinstance(outcome, Acknowledged):
                self._acknowledged(outcome)
                changed[outcome.account] = (outcome.order_number, outcome.at)
            elif isinstance(outcome, Withdrawn):
                self._withdrawn(outcome)
                changed[outcome.account] = (outcome.order_number, outcome.at)
        for account, (number, at) in changed.items():
            seen = at + self._delay.of(number, 1)
            self._statements[account].put(self.exchange.account(account), seen)

    def _acknowledged(self, outcome: Acknowledged) -> None:
        record = self.orders.get(outcome.order_number)
        # Amends and cancels are told when they are confirmed, by what they withdrew.
        if record is not None and record.action is Action.NEW:
            self._notify(record, Receipt(outcome.at, record.quantity))

    def _executed(self, outcome: Executed) -> None:
        self.orders.fill(outcome)
        record = self.orders.get(outcome.order_number)
        assert record is not None
        receipt = Receipt(
            outcome.at, outcome.quantity, outcome.price, fill=True, accepted_as=_CONFIRMED
        )
        self._notify(record, receipt)

    def _withdrawn(self, outcome: Withdrawn) -> None:
        record = self.orders.get(outcome.order_number)
        assert record is not None
        self.orders.withdraw(record, outcome.quantity, outcome.at)
        by = self.orders.get(outcome.by) if outcome.by is not None else None
        if by is not None:
            if by.action is Action.CANCEL:
                by.quantity = outcome.quantity
            receipt = Receipt(outcome.at, outcome.quantity, accepted_as=_CONFIRMED)
            self._notify(by, receipt)
        elif record.order_type.time_in_force is not TimeInForce.DAY:
            receipt = Receipt(outcome.at, outcome.quantity, accepted_as=_REMAINDER_CANCELLED)
            self._notify(record, receipt)

    def _notify(self, record: OrderRecord, receipt: Receipt) -> None:
        self.distribution.notice(record, receipt, self.listings[record.symbol].name)

    def _previous_volume(self, symbol: Symbol) -> int:
        history = self.market.daily_history(symbol)
        return history[-1].volume if history else 0


def _refusal_of(number: str, outcomes: Sequence[Outcome]) -> Refused | None:
    for outcome in outcomes:
        if isinstance(outcome, Refused) and outcome.order_number == number:
            return outcome
    return None
