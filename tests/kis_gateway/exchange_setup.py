"""One listing, one exchange in a phase of choice, and short ways to say commands to it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, TypeVar

from events import Symbol
from events.calendar import session
from events.market import Aggressor, Phase
from events.prices import Board
from events.trading import Side
from kis_gateway.protocol import Market, Pricing, Route
from kis_gateway.simulator.exchange import (
    CancelOrder,
    CloseSession,
    Command,
    EnterPhase,
    Exchange,
    Listing,
    MarketBook,
    MarketTrade,
    OpenSession,
    OrderView,
    Outcome,
    PassTime,
    PlaceOrder,
    ReplaceOrder,
    Session,
    TimeInForce,
)

DAY = date(2025, 9, 15)
SESSION = session(DAY)
ALPHA = Symbol("900010")
LISTING = Listing(
    symbol=ALPHA,
    name="Alpha",
    board=Board.KOSPI,
    sector="Test",
    base_price=10_000,
    lower_limit=7_000,
    upper_limit=13_000,
    listed_shares=1_000_000,
    nxt=True,
)
SECOND = 1_000_000_000

Kind = TypeVar("Kind", bound=Outcome)


def of(kind: type[Kind], outcomes: Sequence[Outcome]) -> list[Kind]:
    """Return the outcomes of one kind, in order."""
    return [outcome for outcome in outcomes if isinstance(outcome, kind)]


class Floor:
    """An exchange with accounts ``ann`` and ``bob``; every command is one second later."""

    def __init__(
        self,
        phase: Phase = Phase.CONTINUOUS,
        *,
        cash: int = 100_000_000,
        listing: Listing = LISTING,
        automatic_interruptions: bool = False,
    ) -> None:
        self.exchange = Exchange(
            [listing],
            settled_on=date(2025, 9, 17),
            automatic_interruptions=automatic_interruptions,
        )
        for name in ("ann", "bob"):
            self.exchange.open_account(name, cash, {ALPHA: (1_000, 9_000_000)})
        self.at = SESSION.open_at
        self.numbers = 0
        self.enter(phase)

    def _next(self) -> int:
        self.at += 1_000_000_000
        return self.at

    def tell(self, command: Command) -> list[Outcome]:
        """Hand over a command as it is."""
        self.at = max(self.at, command.at)
        return self.exchange.handle(command)

    def later(self, seconds: int) -> list[Outcome]:
        """Let time pass."""
        self.at += seconds * SECOND
        return self.exchange.handle(PassTime(at=self.at))

    def open(self, session: Session, trades_in: int = 0) -> list[Outcome]:
        """Open a session; sessions at a closing price trade ``trades_in`` seconds later."""
        at = self._next()
        trades_from = at + trades_in * SECOND if trades_in else 0
        return self.exchange.handle(OpenSession(at=at, session=session, trades_from=trades_from))

    def close(self, session: Session) -> list[Outcome]:
        return self.exchange.handle(CloseSession(at=self._next(), session=session))

    def enter(self, phase: Phase) -> list[Outcome]:
        return self.exchange.handle(EnterPhase(at=self._next(), phase=phase))

    def book(
        self,
        asks: Sequence[tuple[int, int]] = ((10_010, 100), (10_020, 200), (10_030, 300)),
        bids: Sequence[tuple[int, int]] = ((10_000, 100), (9_990, 200), (9_980, 300)),
        *,
        session: Session = Session.REGULAR,
    ) -> list[Outcome]:
        return self.exchange.handle(
            MarketBook(
                at=self._next(),
                symbol=ALPHA,
                asks=tuple(asks),
                bids=tuple(bids),
                session=session,
            )
        )

    def trade(
        self,
        price: int,
        quantity: int,
        aggressor: Aggressor = Aggressor.NONE,
        *,
        auction: bool = False,
        session: Session = Session.REGULAR,
    ) -> list[Outcome]:
        return self.exchange.handle(
            MarketTrade(
                at=self._next(),
                symbol=ALPHA,
                price=price,
                quantity=quantity,
                aggressor=aggressor,
                auction=auction,
                session=session,
            )
        )

    def place(
        self,
        side: Side,
        quantity: int,
        price: int | None,
        *,
        account: str = "ann",
        time_in_force: TimeInForce = TimeInForce.DAY,
        symbol: Symbol = ALPHA,
        pricing: Pricing | None = None,
        trigger: int | None = None,
        market: Market = Market.REGULAR,
        route: Route = Route.KRX,
    ) -> list[Outcome]:
        """Place order number ``1``, ``2``, … ; limit or, without a price, market by default."""
        self.numbers += 1
        if pricing is None:
            pricing = Pricing.MARKET if price is None else Pricing.LIMIT
        return self.exchange.handle(
            PlaceOrder(
                at=self._next(),
                order_number=str(self.numbers),
                account=account,
                symbol=symbol,
                side=side,
                pricing=pricing,
                quantity=quantity,
                price=price,
                time_in_force=time_in_force,
                trigger=trigger,
                market=market,
                route=route,
            )
        )

    def buy(self, quantity: int, price: int | None = None, **terms: Any) -> list[Outcome]:
        return self.place(Side.BUY, quantity, price, **terms)

    def sell(self, quantity: int, price: int | None = None, **terms: Any) -> list[Outcome]:
        return self.place(Side.SELL, quantity, price, **terms)

    def order(self, number: str) -> OrderView:
        """Return an order of either account."""
        orders = [*self.exchange.orders("ann"), *self.exchange.orders("bob")]
        return next(order for order in orders if order.order_number == number)

    def cancel(
        self,
        target: str,
        quantity: int | None = None,
        *,
        account: str = "ann",
        after: int = 0,
    ) -> list[Outcome]:
        """Cancel; it takes effect ``after`` seconds."""
        self.numbers += 1
        return self.exchange.handle(
            CancelOrder(
                at=self._next(),
                order_number=str(self.numbers),
                account=account,
                target=target,
                quantity=quantity,
                effect_after=after * SECOND,
            )
        )

    def replace(
        self,
        target: str,
        quantity: int | None,
        price: int | None,
        *,
        account: str = "ann",
        after: int = 0,
    ) -> list[Outcome]:
        """Amend; it takes effect ``after`` seconds."""
        self.numbers += 1
        return self.exchange.handle(
            ReplaceOrder(
                at=self._next(),
                order_number=str(self.numbers),
                account=account,
                target=target,
                quantity=quantity,
                price=price,
                pricing=Pricing.MARKET if price is None else Pricing.LIMIT,
                effect_after=after * SECOND,
            )
        )
