"""The processor: commands in, outcomes out.

What always holds, after every command: cash and sellable shares of every account are not negative;
an order's quantities add up; the same commands give the same outcomes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, Final

from events import Symbol, costs
from events.calendar import kst
from events.market import Aggressor, Bar, Phase
from events.trading import Side
from kis_gateway.simulator.exchange.accounts import Account
from kis_gateway.simulator.exchange.checks import (
    Objection,
    object_to_change,
    object_to_order,
)
from kis_gateway.simulator.exchange.clearing import Clearing
from kis_gateway.simulator.exchange.errors import (
    AccountAlreadyOpen,
    OrderNumberReused,
    OutOfOrder,
    UnknownAccount,
    UnlistedSymbol,
)
from kis_gateway.simulator.exchange.issue import Issue
from kis_gateway.simulator.exchange.messages import (
    Acknowledged,
    BookShown,
    CancelOrder,
    Command,
    EnterPhase,
    Listing,
    MarketBook,
    MarketTrade,
    Outcome,
    PlaceOrder,
    Printed,
    Refused,
    ReplaceOrder,
    TimeInForce,
)
from kis_gateway.simulator.exchange.orders import Fill, Order
from kis_gateway.simulator.exchange.views import AccountView, OrderStatus, OrderView, TapeView

_SESSION_END: Final = "session end"
_CANCELLED: Final = "cancelled by the client"
_REPLACED: Final = "replaced by the client"


class Exchange:
    """One trading day of an exchange with the accounts of our clients.

    ``listings`` are the issues of the day. ``settled_on`` is the settlement date of today's trades
    (two sessions later): it decides the rate of the transaction tax. ``fee_per_million`` is the
    broker fee in won per million won traded.
    """

    def __init__(
        self,
        listings: Sequence[Listing],
        *,
        settled_on: date,
        fee_per_million: int = costs.DEFAULT_FEE_PER_MILLION,
    ) -> None:
        self._issues = {listing.symbol: Issue(listing) for listing in listings}
        self._clearing = Clearing(settled_on, fee_per_million)
        self._accounts: dict[str, Account] = {}
        self._orders: dict[str, Order] = {}
        self._phase = Phase.CLOSED
        self._now = 0
        self._handlers: dict[type[Command], Callable[[Any], list[Outcome]]] = {
            MarketTrade: self._market_trade,
            MarketBook: self._market_book,
            PlaceOrder: self._place,
            CancelOrder: self._cancel,
            ReplaceOrder: self._replace,
            EnterPhase: self._enter_phase,
        }

    def handle(self, command: Command) -> list[Outcome]:
        """Carry out a command and return what follows, in the order in which it happened.

        A client's mistake is a ``Refused`` outcome and changes nothing.

        Raises:
            OutOfOrder: the command is older than the one before it.
            UnknownAccount: an order for an account that is not open.
            OrderNumberReused: the command's order number was used before.
            UnlistedSymbol: a book or trade of an issue that is not listed.
        """
        if command.at < self._now:
            raise OutOfOrder(command.at, self._now)
        self._now = command.at
        return self._handlers[type(command)](command)

    def open_account(
        self,
        account: str,
        cash: int,
        holdings: Mapping[Symbol, tuple[int, int]] | None = None,
    ) -> None:
        """Open an account with cash and holdings, ``{symbol: (quantity, total cost in won)}``.

        Raises:
            AccountAlreadyOpen: it is open.
        """
        if account in self._accounts:
            raise AccountAlreadyOpen(account)
        self._accounts[account] = Account(account, cash, holdings or {})

    @property
    def phase(self) -> Phase:
        """The phase last entered; closed before the first one."""
        return self._phase

    def account(self, account: str) -> AccountView:
        """Return an account's cash and holdings now. Raises ``UnknownAccount``."""
        return self._account(account).view()

    def orders(self, account: str) -> tuple[OrderView, ...]:
        """Return an account's orders, replaces and cancels, in order of arrival.

        Orders that were refused are there as rejected; a refused cancel, or a replace without a
        working target, never became an order. Raises ``UnknownAccount``.
        """
        owner = self._account(account)
        return tuple(order.view() for order in self._orders.values() if order.account is owner)

    def tape(self, symbol: Symbol) -> TapeView:
        """Return an issue's session so far. Raises ``UnlistedSymbol``."""
        return self._issue(symbol).view(self._phase)

    def minute_bars(self, symbol: Symbol) -> tuple[Bar, ...]:
        """Return the one-minute bars of the tape so far, oldest first, the forming one included.

        Minutes without a trade have no bar. Raises ``UnlistedSymbol``.
        """
        return self._issue(symbol).tape.minute_bars()

    def listing(self, symbol: Symbol) -> Listing:
        """Return an issue's terms of the day. Raises ``UnlistedSymbol``."""
        return self._issue(symbol).listing

    def _market_trade(self, command: MarketTrade) -> list[Outcome]:
        issue, price, quantity = self._issue(command.symbol), command.price, command.quantity
        out: list[Outcome] = []
        opens = issue.auction and self._phase is Phase.CONTINUOUS
        if opens and not command.auction:
            self._settle(issue, issue.begin_continuous(), out)
        out.append(self._print(issue, price, quantity, command.aggressor, auction=command.auction))
        if command.auction:
            issue.vi_reference = price
        if not issue.has_orders:
            issue.eat(price, quantity, command.aggressor)
        elif command.auction:
            self._settle(issue, issue.matched(price, quantity), out)
        elif not issue.auction:
            self._settle(issue, issue.printed(price, quantity, command.aggressor), out)
        if opens and command.auction:
            self._settle(issue, issue.begin_continuous(), out)
        if len(out) > 1 or (opens and issue.has_orders):
            out.append(self._book(issue))
        return out

    def _market_book(self, command: MarketBook) -> list[Outcome]:
        issue = self._issue(command.symbol)
        out: list[Outcome] = []
        self._settle(issue, issue.refresh(command.asks, command.bids), out)
        if issue.auction and self._phase is Phase.CONTINUOUS:
            self._settle(issue, issue.begin_continuous(), out)
        out.append(self._book(issue))
        return out

    def _enter_phase(self, command: EnterPhase) -> list[Outcome]:
        """Move on; an issue leaves its opening auction with its first print or book afterwards."""
        self._phase = command.phase
        out: list[Outcome] = []
        if command.phase is Phase.CONTINUOUS:
            return out
        for issue in self._issues.values():
            issue.auction = command.phase is not Phase.CLOSED
        if command.phase is Phase.CLOSED:
            for order in self._orders.values():
                if order.remaining:
                    self._issues[order.symbol].queue(order.side).remove(order)
                    out.append(self._withdraw(order, OrderStatus.EXPIRED, None, _SESSION_END))
        return out

    def _place(self, command: PlaceOrder) -> list[Outcome]:
        order = self._new_order(command, None, command.symbol, command.side, command.time_in_force)
        objection = self._object_to(order)
        if objection is not None:
            return [self._refuse(order, objection)]
        out: list[Outcome] = [
            Acknowledged(at=command.at, order_number=order.number, account=command.account)
        ]
        self._bring_to_book(order, out)
        return out

    def _cancel(self, command: CancelOrder) -> list[Outcome]:
        target = self._target(command)
        if isinstance(target, Refused):
            return [target]
        cancel = target.cancel(command.order_number, len(self._orders), command.at)
        self._orders[cancel.number] = cancel
        issue = self._issues[target.symbol]
        issue.queue(target.side).remove(target)
        return [
            Acknowledged(at=command.at, order_number=cancel.number, account=command.account),
            self._withdraw(target, OrderStatus.CANCELLED, cancel.number, _CANCELLED),
            self._book(issue),
        ]

    def _replace(self, command: ReplaceOrder) -> list[Outcome]:
        target = self._target(command)
        if isinstance(target, Refused):
            return [target]
        order = self._new_order(command, target, target.symbol, target.side, TimeInForce.DAY)
        objection = self._object_to(order, replaces=target)
        if objection is not None:
            return [self._refuse(order, objection)]
        self._issues[target.symbol].queue(target.side).remove(target)
        out: list[Outcome] = [
            Acknowledged(at=command.at, order_number=order.number, account=command.account),
            self._withdraw(target, OrderStatus.CANCELLED, order.number, _REPLACED),
        ]
        self._bring_to_book(order, out)
        return out

    def _new_order(
        self,
        command: PlaceOrder | ReplaceOrder,
        parent: Order | None,
        symbol: Symbol,
        side: Side,
        time_in_force: TimeInForce,
    ) -> Order:
        self._require_fresh(command.order_number)
        order = Order(
            number=command.order_number,
            parent=parent.number if parent is not None else None,
            account=self._account(command.account),
            symbol=symbol,
            side=side,
            kind=command.kind,
            price=command.price,
            quantity=command.quantity,
            time_in_force=time_in_force,
            sequence=len(self._orders),
            at=command.at,
        )
        self._orders[order.number] = order
        return order

    def _bring_to_book(self, order: Order, out: list[Outcome]) -> None:
        """Claim what the order may need, trade it, and let the rest wait or go."""
        issue = self._issues[order.symbol]
        self._clearing.claim(order, issue.listing)
        if issue.auction:
            issue.rest(order)
            return
        condition = order.time_in_force
        if condition is not TimeInForce.FILL_OR_KILL or issue.reachable(order) >= order.remaining:
            self._settle(issue, issue.take(order), out)
        if order.remaining and condition is TimeInForce.DAY:
            issue.rest(order)
        elif order.remaining:
            reason = f"{condition.value}: not available at once"
            out.append(self._withdraw(order, OrderStatus.CANCELLED, None, reason))
        out.append(self._book(issue))

    def _object_to(self, order: Order, *, replaces: Order | None = None) -> Objection | None:
        issue, today = self._issues.get(order.symbol), kst(order.at).date()
        return object_to_order(order, issue, self._phase, today, self._clearing, replaces=replaces)

    def _target(self, command: CancelOrder | ReplaceOrder) -> Order | Refused:
        """Return the working order that a cancel or replace is aimed at, or the refusal."""
        account, target = self._account(command.account), self._orders.get(command.target)
        self._require_fresh(command.order_number)
        objection = object_to_change(account, command.target, target, self._phase)
        if objection is None and target is not None:
            return target
        assert objection is not None
        return self._refusal(command.order_number, command.account, objection)

    def _refuse(self, order: Order, objection: Objection) -> Refused:
        order.reject()
        return self._refusal(order.number, order.account.name, objection)

    def _refusal(self, number: str, account: str, objection: Objection) -> Refused:
        reason, detail = objection
        return Refused(
            at=self._now, order_number=number, account=account, reason=reason, detail=detail
        )

    def _withdraw(self, order: Order, status: OrderStatus, by: str | None, reason: str) -> Outcome:
        return self._clearing.withdraw(self._now, order, status, by, reason)

    def _settle(self, issue: Issue, fills: Sequence[Fill], out: list[Outcome]) -> None:
        """Book fills and say so; a trade between two of our clients also goes on the tape."""
        for fill in fills:
            out.append(self._clearing.execute(self._now, issue.listing, fill))
            if fill.printed_as is not None:
                out.append(self._print(issue, fill.price, fill.quantity, fill.printed_as))

    def _print(
        self,
        issue: Issue,
        price: int,
        quantity: int,
        aggressor: Aggressor,
        *,
        auction: bool = False,
    ) -> Printed:
        tape, (best_ask, best_bid) = issue.tape, issue.best()
        tape.print(self._now, price, quantity)
        return Printed(
            at=self._now,
            symbol=issue.listing.symbol,
            price=price,
            quantity=quantity,
            aggressor=aggressor,
            auction=auction,
            cumulative_volume=tape.volume,
            cumulative_value=tape.value,
            open=tape.open,
            high=tape.high,
            low=tape.low,
            best_ask=best_ask,
            best_bid=best_bid,
        )

    def _book(self, issue: Issue) -> BookShown:
        asks, bids = issue.shown()
        return BookShown(at=self._now, symbol=issue.listing.symbol, asks=asks, bids=bids)

    def _issue(self, symbol: Symbol) -> Issue:
        issue = self._issues.get(symbol)
        if issue is None:
            raise UnlistedSymbol(symbol)
        return issue

    def _account(self, account: str) -> Account:
        found = self._accounts.get(account)
        if found is None:
            raise UnknownAccount(account)
        return found

    def _require_fresh(self, number: str) -> None:
        if number in self._orders:
            raise OrderNumberReused(number)
