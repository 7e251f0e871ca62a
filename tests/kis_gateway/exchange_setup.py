"""One listing, one exchange in a phase of choice, and short ways to say commands to it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TypeVar

from events import Symbol
from events.calendar import session
from events.market import Aggressor, Phase
from events.prices import Board
from events.trading import OrderKind, Side
from kis_gateway.simulator.exchange import (
    CancelOrder,
    EnterPhase,
    Exchange,
    Listing,
    MarketBook,
    MarketTrade,
    Outcome,
    PlaceOrder,
    ReplaceOrder,
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
)

Kind = TypeVar("Kind", bound=Outcome)


def of(kind: type[Kind], outcomes: Sequence[Outcome]) -> list[Kind]:
    """Return the outcomes of one kind, in order."""
    return [outcome for outcome in outcomes if isinstance(outcome, kind)]


class Floor:
    """An exchange with accounts ``ann`` and ``bob``; every command is one second later."""

    def __init__(self, phase: Phase = Phase.CONTINUOUS, *, cash: int = 100_000_000) -> None:
        self.exchange = Exchange([LISTING], settled_on=date(2025, 9, 17))
        for name in ("ann", "bob"):
            self.exchange.open_account(name, cash, {ALPHA: (1_000, 9_000_000)})
        self.at = SESSION.open_at
        self.numbers = 0
        self.enter(phase)

    def _next(self) -> int:
        self.at += 1_000_000_000
        return self.at

    def enter(self, phase: Phase) -> list[Outcome]:
        return self.exchange.handle(EnterPhase(at=self._next(), phase=phase))

    def book(
        self,
        asks: Sequence[tuple[int, int]] = ((10_010, 100), (10_020, 200), (10_030, 300)),
        bids: Sequence[tuple[int, int]] = ((10_000, 100), (9_990, 200), (9_980, 300)),
    ) -> list[Outcome]:
        return self.exchange.handle(
            MarketBook(at=self._next(), symbol=ALPHA, asks=tuple(asks), bids=tuple(bids))
        )

    def trade(
        self,
        price: int,
        quantity: int,
        aggressor: Aggressor = Aggressor.NONE,
        *,
        auction: bool = False,
    ) -> list[Outcome]:
        return self.exchange.handle(
            MarketTrade(
                at=self._next(),
                symbol=ALPHA,
                price=price,
                quantity=quantity,
                aggressor=aggressor,
                auction=auction,
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
    ) -> list[Outcome]:
        """Place order number ``1``, ``2``, … ; without a price it is a market order."""
        self.numbers += 1
        return self.exchange.handle(
            PlaceOrder(
                at=self._next(),
                order_number=str(self.numbers),
                account=account,
                symbol=symbol,
                side=side,
                kind=OrderKind.MARKET if price is None else OrderKind.LIMIT,
                quantity=quantity,
                price=price,
                time_in_force=time_in_force,
            )
        )

    def buy(
        self,
        quantity: int,
        price: int | None,
        *,
        account: str = "ann",
        time_in_force: TimeInForce = TimeInForce.DAY,
    ) -> list[Outcome]:
        return self.place(Side.BUY, quantity, price, account=account, time_in_force=time_in_force)

    def sell(
        self,
        quantity: int,
        price: int | None,
        *,
        account: str = "ann",
        time_in_force: TimeInForce = TimeInForce.DAY,
    ) -> list[Outcome]:
        return self.place(Side.SELL, quantity, price, account=account, time_in_force=time_in_force)

    def cancel(self, target: str, *, account: str = "ann") -> list[Outcome]:
        self.numbers += 1
        return self.exchange.handle(
            CancelOrder(
                at=self._next(), order_number=str(self.numbers), account=account, target=target
            )
        )

    def replace(
        self, target: str, quantity: int, price: int | None, *, account: str = "ann"
    ) -> list[Outcome]:
        self.numbers += 1
        return self.exchange.handle(
            ReplaceOrder(
                at=self._next(),
                order_number=str(self.numbers),
                account=account,
                target=target,
                quantity=quantity,
                price=price,
                kind=OrderKind.MARKET if price is None else OrderKind.LIMIT,
            )
        )
