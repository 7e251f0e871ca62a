"""Small runs as the engine would fold them, for tests of everything that reads results."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date as day
from datetime import time

from events import IntentId, OrderId, StrategyId, Symbol, TradingDate, calendar, trading
from events.event import Event
from events.identifiers import fill_id, intent_id, order_id
from events.market import OpeningAllocation, SessionOpened
from events.trading import (
    FillSource,
    Horizon,
    IntentKind,
    OrderKind,
    OrderState,
    Side,
    Urgency,
)
from research.backtest.ledger import Ledger
from research.backtest.results import BacktestResult, Provenance

KMP = StrategyId("KMP")
SAMSUNG = Symbol("005930")
MINUTE = 60_000_000_000
NINE = 1_757_894_400_000_000_000
"""2025-09-15 09:00 KST."""


def provenance(name: str = "run", result_hash: str = "r" * 64, **changes: str) -> Provenance:
    """Return a provenance with the given fields."""
    fields = {
        "name": name,
        "settings": '{"name":"run"}',
        "settings_hash": "s" * 64,
        "code_version": "0.1.0+abc",
        "data_hash": "d" * 64,
        "result_hash": result_hash,
        "path": "block",
    }
    return Provenance(**(fields | changes))


class Desk:
    """Trades into a ledger: each order is an intent, its approval, the order and its fills."""

    def __init__(self, cash: int = 1_000_000, owners: tuple[StrategyId, ...] = (KMP,)) -> None:
        self.ledger = Ledger(cash, owners)
        self.cash = cash
        self.held: dict[tuple[StrategyId, Symbol], int] = {}
        self.cost: dict[tuple[StrategyId, Symbol], int] = {}
        self.sequence = 0
        self.at = NINE
        self.date = TradingDate("")
        self._attempts: dict[tuple[StrategyId, Symbol, str], int] = {}

    def open(self, date: str, *, warm_up: bool = False, problems: tuple[str, ...] = ()) -> None:
        self.date = TradingDate(date)
        self.at = calendar.instant(day.fromisoformat(date), time(9))
        allocations = tuple(
            OpeningAllocation(strategy=owner, symbol=symbol, quantity=quantity, cost=0)
            for (owner, symbol), quantity in self.held.items()
            if quantity
        )
        self.ledger.open_session(
            SessionOpened(
                at=self.at, trading_date=self.date, open_at=self.at, close_at=self.at,
                closing_auction_at=self.at, cash=self.cash, equity=self.cash,
                allocations=allocations, configuration={}, code_version="0",
            ),
            warm_up=warm_up,
            problems=problems,
        )  # fmt: skip

    def take(self, event: Event, *, market_price: int = 0, executed_at: int = 0) -> None:
        self.sequence += 1
        self.ledger.take(self.sequence, event, market_price=market_price, executed_at=executed_at)

    def intent(
        self, side: Side, quantity: int, symbol: Symbol = SAMSUNG, strategy: StrategyId = KMP,
        *, reason: str = "signal", market_price: int = 0,
    ) -> IntentId:  # fmt: skip
        purpose = "E" if side is Side.BUY else "X"
        attempt = self._attempts.get((strategy, symbol, purpose), 0) + 1
        self._attempts[strategy, symbol, purpose] = attempt
        name = intent_id(self.date, strategy, symbol, purpose, attempt)
        self.take(
            trading.IntentSubmitted(
                at=self.at, cause=0, intent_id=name, strategy=strategy, symbol=symbol,
                kind=IntentKind.ENTER if side is Side.BUY else IntentKind.EXIT,
                quantity=quantity, urgency=Urgency.NORMAL, horizon=Horizon.INTRADAY,
                reason=reason, attempt=attempt, expires_at=self.at + MINUTE,
            ),
            market_price=market_price,
        )  # fmt: skip
        return name

    def approve(self, name: IntentId, quantity: int, symbol: Symbol = SAMSUNG) -> None:
        self.take(
            trading.IntentApproved(
                at=self.at, cause=0, intent_id=name, strategy=KMP, symbol=symbol, checks=(),
                quantity=quantity,
            )
        )  # fmt: skip

    def order(
        self, name: IntentId, side: Side, quantity: int, symbol: Symbol = SAMSUNG,
        strategy: StrategyId = KMP,
    ) -> OrderId:  # fmt: skip
        order = order_id(name, 1)
        self.take(
            trading.OrderSubmitting(
                at=self.at, order_id=order, cause=0, intent_id=name, strategy=strategy,
                symbol=symbol, side=side, kind=OrderKind.MARKET, quantity=quantity,
                limit_price=None, cancel_at=self.at + MINUTE,
            )
        )  # fmt: skip
        self.take(trading.OrderAccepted(at=self.at, order_id=order, broker_order="1", branch="0"))
        return order

    def fill(
        self, order: OrderId, side: Side, quantity: int, price: int, *, cumulative: int = 0,
        fee: int = 0, tax: int = 0, symbol: Symbol = SAMSUNG, strategy: StrategyId = KMP,
    ) -> None:  # fmt: skip
        self.take(
            trading.OrderFilled(
                at=self.at, order_id=order, fill_id=fill_id(order, cumulative or quantity),
                strategy=strategy, symbol=symbol, side=side, quantity=quantity, price=price,
                amount=quantity * price, cumulative_quantity=cumulative or quantity,
                fee=fee, tax=tax, source=FillSource.NOTICE,
            ),
            executed_at=self.at - 1,
        )  # fmt: skip
        sign = 1 if side is Side.BUY else -1
        self.cash -= sign * quantity * price + fee + tax
        owner = (strategy, symbol)
        self.held[owner] = self.held.get(owner, 0) + sign * quantity

    def trade(
        self, side: Side, quantity: int, price: int, *, fee: int = 0, tax: int = 0,
        symbol: Symbol = SAMSUNG, strategy: StrategyId = KMP, reason: str = "signal",
        market_price: int = 0,
    ) -> OrderId:  # fmt: skip
        """Order and fill at once, then let a minute pass."""
        name = self.intent(
            side, quantity, symbol, strategy, reason=reason, market_price=market_price or price
        )
        self.approve(name, quantity, symbol)
        order = self.order(name, side, quantity, symbol, strategy)
        self.fill(order, side, quantity, price, fee=fee, tax=tax, symbol=symbol, strategy=strategy)
        self.at += MINUTE
        return order

    def close_order(self, order: OrderId, state: OrderState, filled: int, reason: str) -> None:
        self.take(
            trading.OrderClosed(
                at=self.at, order_id=order, state=state, filled_quantity=filled, reason=reason
            )
        )

    def mark(self, prices: Mapping[Symbol, int], *, closing: bool = False) -> None:
        holdings = sum(
            quantity * prices.get(symbol, 0) for (_, symbol), quantity in self.held.items()
        )
        self.ledger.mark(self.at, self.cash, holdings, closing=closing)

    def close(self, prices: Mapping[Symbol, int], market_events: int = 0) -> None:
        self.mark(prices, closing=True)
        self.ledger.close_session(prices, market_events)

    def result(self, **changes: str) -> BacktestResult:
        return self.ledger.result(provenance(**changes), wall_seconds=0.5)
