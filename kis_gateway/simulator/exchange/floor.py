"""The state that every part of the exchange works on, and how a change of it is said.

Timers make the exchange independent of who drives it: what was announced for a later moment (the
end of an interruption, the effect of a cancel) happens before the first command at or after that
moment, and is said with the moment it was due.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from heapq import heappop, heappush

from events import Symbol
from events.calendar import kst
from events.market import Aggressor, Phase, Venue
from kis_gateway.simulator.exchange import auction, matching
from kis_gateway.simulator.exchange.accounts import Account
from kis_gateway.simulator.exchange.clearing import Clearing
from kis_gateway.simulator.exchange.errors import (
    OrderNumberReused,
    UnknownAccount,
    UnlistedSymbol,
)
from kis_gateway.simulator.exchange.issue import Issue
from kis_gateway.simulator.exchange.listing import NXT_SESSIONS, Listing, Session
from kis_gateway.simulator.exchange.orders import Fill, Order
from kis_gateway.simulator.exchange.outcomes import (
    BookShown,
    ExpectedShown,
    Outcome,
    Printed,
    Triggered,
    Withdrawn,
)
from kis_gateway.simulator.exchange.views import OrderStatus

Action = Callable[[list[Outcome]], None]


class TradingFloor:
    """Issues, accounts, orders, open sessions and timers of one day."""

    def __init__(self, listings: Sequence[Listing], clearing: Clearing) -> None:
        self.issues = {listing.symbol: Issue(listing) for listing in listings}
        self.nxt = {
            listing.symbol: Issue(listing, Session.NXT_MAIN_MARKET)
            for listing in listings
            if listing.nxt
        }
        self.fixed: dict[tuple[Session, Symbol], Issue] = {}
        self.clearing = clearing
        self.accounts: dict[str, Account] = {}
        self.orders: dict[str, Order] = {}
        self.phase = Phase.CLOSED
        self.open_sessions: dict[Session, int] = {}
        """The sessions that are open beside the regular one, and from when they trade."""
        self.now = 0
        self.timers: list[tuple[int, int, Action]] = []
        self._timers_set = 0
        self._sequence = 0

    def at(self, due: int, action: Action) -> None:
        """Have something happen at an instant."""
        self._timers_set += 1
        heappush(self.timers, (due, self._timers_set, action))

    def run_due(self, until: int) -> list[Outcome]:
        """Let everything happen that is due by an instant, in order."""
        out: list[Outcome] = []
        while self.timers and self.timers[0][0] <= until:
            due, _, action = heappop(self.timers)
            self.now = max(self.now, due)
            action(out)
        return out

    @property
    def today(self) -> date:
        """The KST date of now."""
        return kst(self.now).date()

    def next_sequence(self) -> int:
        """Return the next place in the order of arrival."""
        self._sequence += 1
        return self._sequence

    def issue(self, symbol: Symbol, session: Session = Session.REGULAR) -> Issue:
        """Return where an issue trades in a session.

        Raises:
            UnlistedSymbol: nowhere.
        """
        found = self.find(symbol, session)
        if found is None:
            raise UnlistedSymbol(symbol)
        return found

    def find(self, symbol: Symbol, session: Session) -> Issue | None:
        """Return where an issue trades in a session, ``None`` for nowhere."""
        if session.venue is Venue.NXT:
            return self.nxt.get(symbol)
        regular = self.issues.get(symbol)
        if regular is None or not session.fixed_price:
            return regular
        issue = self.fixed.get((session, symbol))
        if issue is None:
            issue = self.fixed[session, symbol] = Issue(regular.listing, session, regular.tape)
            issue.auction = self.now < self.open_sessions.get(session, 0)
        return issue

    def of(self, order: Order) -> Issue:
        """Return where an order works."""
        return self.issue(order.symbol, order.session)

    def account(self, account: str) -> Account:
        """Return an account. Raises ``UnknownAccount``."""
        found = self.accounts.get(account)
        if found is None:
            raise UnknownAccount(account)
        return found

    def require_fresh(self, number: str) -> None:
        """Raise ``OrderNumberReused`` for a number that was given before."""
        if number in self.orders:
            raise OrderNumberReused(number)

    def takes_orders(self, session: Session) -> bool:
        """Return whether a session takes orders now; NXT takes its own in each of its sessions."""
        if session is Session.REGULAR:
            return self.phase is not Phase.CLOSED
        if session is Session.NXT_AFTER_MARKET:
            return self.nxt_open
        return session in self.open_sessions

    @property
    def nxt_open(self) -> bool:
        """Whether one of the sessions of NXT is open."""
        return any(session in self.open_sessions for session in NXT_SESSIONS)

    def trades_continuously(self, issue: Issue) -> bool:
        """Return whether an issue would trade continuously now if nothing had stopped it."""
        if issue.session is Session.REGULAR:
            return self.phase is Phase.CONTINUOUS
        if issue.venue is Venue.NXT:
            return self.nxt_open
        after_market = issue.session is Session.KRX_AFTER_MARKET
        return after_market and issue.session in self.open_sessions

    def settle(self, issue: Issue, fills: Iterable[Fill], out: list[Outcome]) -> None:
        """Book fills and say so; a trade between two of our clients also goes on the tape."""
        for fill in fills:
            out.append(self.clearing.execute(self.now, issue.listing, fill))
            if fill.printed_as is not None:
                out.append(self.print(issue, fill.price, fill.quantity, fill.printed_as))

    def wake(self, issue: Issue, price: int, out: list[Outcome]) -> None:
        """Let the stop limit orders awake that trades at ``price`` trigger, and what they cause."""
        waking = issue.awaken(price)
        while waking:
            order = waking.pop(0)
            order.line_up(self.next_sequence())
            out.append(
                Triggered(at=self.now, order_number=order.number, account=order.account.name)
            )
            fills = [] if issue.auction else matching.take(issue, order)
            if order.remaining:
                issue.rest(order)
            self.settle(issue, fills, out)
            for fill in fills:
                if fill.printed_as is not None:
                    waking += issue.awaken(fill.price)

    def print(
        self,
        issue: Issue,
        price: int,
        quantity: int,
        aggressor: Aggressor,
        *,
        auction: bool = False,
    ) -> Printed:
        """Put a trade on the tape."""
        tape, (best_ask, best_bid) = issue.tape, issue.best()
        session, venue = issue.session, issue.venue
        if session is Session.REGULAR or venue is Venue.NXT:
            tape.print(self.now, price, quantity)
        else:
            tape.print_outside(price, quantity)
        return Printed(
            at=self.now,
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
            venue=venue,
            session=session,
        )

    def book(self, issue: Issue) -> BookShown:
        """Return the visible book."""
        asks, bids = issue.shown()
        return BookShown(
            at=self.now,
            symbol=issue.listing.symbol,
            asks=asks,
            bids=bids,
            venue=issue.venue,
            session=issue.session,
        )

    def expect(self, issue: Issue, out: list[Outcome]) -> None:
        """Say the indicative match of an auction when it has changed."""
        now = auction.expected(issue) if issue.auction and not issue.halted else (0, 0)
        if now == issue.expected:
            return
        issue.expected = now
        out.append(
            ExpectedShown(
                at=self.now,
                symbol=issue.listing.symbol,
                price=now[0],
                quantity=now[1],
                venue=issue.venue,
                session=issue.session,
            )
        )

    def end_auction(self, issue: Issue, out: list[Outcome]) -> None:
        """Match what has accumulated in an auction that the tape does not end, then trade on."""
        price, quantity, fills = auction.uncross(issue)
        if quantity:
            out.append(self.print(issue, price, quantity, Aggressor.NONE, auction=True))
            issue.vi_reference = price
            self.settle(issue, fills, out)
        issue.indication, issue.expected = None, (0, 0)
        self.settle(issue, matching.begin_continuous(issue), out)
        if quantity:
            self.wake(issue, price, out)
        out.append(self.book(issue))

    def withdraw(
        self,
        order: Order,
        reason: str,
        *,
        quantity: int | None = None,
        status: OrderStatus = OrderStatus.CANCELLED,
        by: str | None = None,
    ) -> Withdrawn:
        """Take what is left of an order, or ``quantity`` of it, back; its place is left alone."""
        gone = order.remaining if quantity is None else quantity
        listing = self.issues[order.symbol].listing
        return self.clearing.withdraw(
            self.now, listing, order, quantity=gone, status=status, by=by, reason=reason
        )

    def expire(self, session: Session, reason: str, out: list[Outcome]) -> None:
        """Withdraw what is left of the working orders of a session."""
        for order in self.orders.values():
            working = order.remaining and order.status is OrderStatus.WORKING
            if working and order.session is session:
                self.of(order).remove(order)
                out.append(self.withdraw(order, reason, status=OrderStatus.EXPIRED))
