"""The processor: commands in, outcomes out.

What always holds, after every command: cash and sellable shares of every account are not negative;
an order's quantities add up; the same commands give the same outcomes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from events import Symbol, costs
from events.market import Bar, Phase
from kis_gateway.simulator.exchange.accounts import Account
from kis_gateway.simulator.exchange.clearing import Clearing
from kis_gateway.simulator.exchange.commands import (
    CancelOrder,
    CloseSession,
    Command,
    EnterPhase,
    HaltIssue,
    MarketBar,
    MarketBook,
    MarketIndication,
    MarketTrade,
    MarketTrades,
    OpenSession,
    PassTime,
    PlaceOrder,
    ReplaceOrder,
    ResumeIssue,
    SetBook,
    TriggerCircuitBreaker,
    TriggerInterruption,
    TriggerSidecar,
)
from kis_gateway.simulator.exchange.errors import AccountAlreadyOpen, BookTooSmall, OutOfOrder
from kis_gateway.simulator.exchange.floor import TradingFloor
from kis_gateway.simulator.exchange.listing import Listing, Session
from kis_gateway.simulator.exchange.market_side import MarketSide
from kis_gateway.simulator.exchange.order_desk import OrderDesk
from kis_gateway.simulator.exchange.outcomes import BookSet, Outcome
from kis_gateway.simulator.exchange.reach import Reach
from kis_gateway.simulator.exchange.safeguards import Safeguards
from kis_gateway.simulator.exchange.sessions import SessionClock
from kis_gateway.simulator.exchange.views import AccountView, OrderView, TapeView


class Exchange:
    """One trading day of KRX and NXT with the accounts of our clients.

    ``listings`` are the issues of the day. ``settled_on`` is the settlement date of today's trades
    (two sessions later): it decides the rate of the transaction tax. ``fee_per_million`` is the
    broker fee in won per million won traded, ``sell_fee_per_million`` that of sells if it differs.
    ``automatic_interruptions`` lets the tape's own prices trigger volatility interruptions; the
    tape of a recorded day contains its interruptions already, as gaps.
    """

    def __init__(
        self,
        listings: Sequence[Listing],
        *,
        settled_on: date,
        fee_per_million: int = costs.DEFAULT_FEE_PER_MILLION,
        sell_fee_per_million: int | None = None,
        automatic_interruptions: bool = False,
    ) -> None:
        sell_fee = fee_per_million if sell_fee_per_million is None else sell_fee_per_million
        self._floor = TradingFloor(listings, Clearing(settled_on, fee_per_million, sell_fee))
        guards, desk = Safeguards(self._floor), OrderDesk(self._floor)
        clock = SessionClock(self._floor)
        self._market = market = MarketSide(self._floor, guards if automatic_interruptions else None)
        self._handlers: dict[type[Command], Callable[[Any], list[Outcome]]] = {
            MarketTrade: market.trade,
            MarketTrades: market.trades,
            MarketBar: market.bar,
            MarketBook: market.book,
            MarketIndication: market.indicate,
            PlaceOrder: desk.place,
            CancelOrder: desk.cancel,
            ReplaceOrder: desk.replace,
            EnterPhase: clock.enter_phase,
            OpenSession: clock.open_session,
            CloseSession: clock.close_session,
            TriggerInterruption: guards.trigger_interruption,
            HaltIssue: guards.halt,
            ResumeIssue: guards.resume,
            TriggerCircuitBreaker: guards.break_circuit,
            TriggerSidecar: guards.sidecar,
            SetBook: self._set_book,
            PassTime: lambda _: [],
        }

    def handle(self, command: Command) -> list[Outcome]:
        """Carry out a command and return what follows, in the order in which it happened.

        What had been announced for a moment up to the command's comes first. A client's mistake is
        a ``Refused`` outcome and changes nothing.

        Raises:
            OutOfOrder: the command is older than the one before it.
            UnknownAccount: an order for an account that is not open.
            OrderNumberReused: the command's order number was used before.
            UnlistedSymbol: a book, trade or status of an issue that is not listed.
            NoSuchLevel: a circuit breaker of no level.
            BookTooSmall: a book that would not cover the working orders.
        """
        floor, at = self._floor, command.at
        if at < floor.now:
            raise OutOfOrder(at, floor.now)
        if floor.timers and floor.timers[0][0] <= at:
            out = floor.run_due(at)
            floor.now = at
            return out + self._handlers[type(command)](command)
        floor.now = at
        return self._handlers[type(command)](command)

    @property
    def next_due(self) -> int | None:
        """When something happens by itself next, ``None`` when nothing is announced."""
        timers = self._floor.timers
        return timers[0][0] if timers else None

    def open_account(
        self,
        account: str,
        cash: int,
        holdings: Mapping[Symbol, tuple[int, int]] | None = None,
        *,
        settling_tomorrow: int = 0,
    ) -> None:
        """Open an account with cash and holdings, ``{symbol: (quantity, total cost in won)}``.

        ``settling_tomorrow`` is the part of the cash that settles on the next session only (net
        proceeds of the session before).

        Raises:
            AccountAlreadyOpen: it is open.
        """
        if account in self._floor.accounts:
            raise AccountAlreadyOpen(account)
        self._floor.accounts[account] = Account(account, cash, holdings or {}, settling_tomorrow)

    @property
    def phase(self) -> Phase:
        """The phase of the regular session last entered; closed before the first one."""
        return self._floor.phase

    @property
    def open_sessions(self) -> frozenset[Session]:
        """The sessions that are open beside the regular one."""
        return frozenset(self._floor.open_sessions)

    def account(self, account: str) -> AccountView:
        """Return an account's cash and holdings now. Raises ``UnknownAccount``."""
        return self._floor.account(account).view()

    def orders(self, account: str) -> tuple[OrderView, ...]:
        """Return an account's orders, replaces and cancels, in order of arrival.

        Orders that were refused are there as rejected; a refused cancel, or a replace without a
        working target, never became an order. Raises ``UnknownAccount``.
        """
        owner = self._floor.account(account)
        return tuple(
            order.view() for order in self._floor.orders.values() if order.account is owner
        )

    def tape(self, symbol: Symbol, session: Session = Session.REGULAR) -> TapeView:
        """Return an issue's day so far, of the exchange of a session. Raises ``UnlistedSymbol``."""
        return self._floor.issue(symbol, session).view(self._floor.phase)

    def minute_bars(self, symbol: Symbol, session: Session = Session.REGULAR) -> tuple[Bar, ...]:
        """Return the one-minute bars of the tape so far, oldest first, the forming one included.

        Minutes without a trade have no bar. Raises ``UnlistedSymbol``.
        """
        return self._floor.issue(symbol, session).tape.minute_bars()

    def reach(self, symbol: Symbol) -> Reach | None:
        """Return what the others must not do in the regular session to leave our clients alone.

        It holds until the next command about the issue that is not out of reach. ``None``: any
        command might touch an order. Raises ``UnlistedSymbol``.
        """
        return self._market.reach(symbol)

    def listing(self, symbol: Symbol) -> Listing:
        """Return an issue's terms of the day. Raises ``UnlistedSymbol``."""
        return self._floor.issue(symbol).listing

    def _set_book(self, command: SetBook) -> list[Outcome]:
        account = self._floor.account(command.account)
        if command.cash is not None and command.cash < account.reserved:
            raise BookTooSmall(command.account, "cash", command.cash, account.reserved)
        for symbol, quantity, _ in command.holdings:
            claimed = account.claimed(symbol)
            if quantity < claimed or quantity < 0:
                raise BookTooSmall(command.account, f"{symbol} shares", quantity, claimed)
        if command.cash is not None:
            account.set_cash(command.cash)
        for symbol, quantity, cost in command.holdings:
            account.set_position(symbol, quantity, cost)
        return [BookSet(at=command.at, account=command.account)]
