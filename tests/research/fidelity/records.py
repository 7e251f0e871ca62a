"""Entries of a recorded day, written by hand: one issue, one strategy, seconds after nine."""

from __future__ import annotations

from collections.abc import Iterable

from events import AccountId, Delivery, Event, OrderId, StrategyId, Symbol, TradingDate
from events.identifiers import IntentId, fill_id
from events.market import (
    Aggressor,
    InstrumentKind,
    QuoteFrame,
    SessionOpened,
    SymbolReference,
    Trade,
    TradeFrame,
)
from events.trading import (
    FillSource,
    OrderAccepted,
    OrderClosed,
    OrderFilled,
    OrderKind,
    OrderState,
    OrderSubmitting,
    Side,
)
from research.fidelity.recording import RecordedSession

SECOND = 1_000_000_000
NINE = 1_757_894_400 * SECOND
"""2025-09-15 09:00 KST."""
DATE = TradingDate("20250915")
SAMSUNG = Symbol("005930")
KMP = StrategyId("KMP")
ORDER = OrderId("20250915-KMP-005930-E1-O1")


def at(seconds: float) -> int:
    """Return an instant so many seconds after nine, ns UTC."""
    return NINE + round(seconds * SECOND)


def opening() -> SessionOpened:
    return SessionOpened(
        at=NINE - 1_200 * SECOND, trading_date=DATE, open_at=NINE,
        closing_auction_at=NINE + 22_800 * SECOND, close_at=NINE + 23_400 * SECOND,
        cash=100_000_000, equity=100_000_000, allocations=(), configuration={}, code_version="1",
    )  # fmt: skip


def terms() -> SymbolReference:
    return SymbolReference(
        at=NINE - 1_000 * SECOND, symbol=SAMSUNG, trading_date=DATE, name="Samsung", market="KOSPI",
        base_price=10_000, lower_limit=7_000, upper_limit=13_000, status_code="00",
        kind=InstrumentKind.STOCK,
    )  # fmt: skip


def trade(
    seconds: float, price: int, quantity: int, volume: int, *,
    aggressor: Aggressor = Aggressor.SELL, late: float = 0.1, best: tuple[int, int] = (0, 0),
) -> TradeFrame:  # fmt: skip
    """One trade, received ``late`` seconds after it; the exchange's time is cut to the second."""
    return TradeFrame(
        at=at(seconds + late), symbol=SAMSUNG,
        trades=(
            Trade(
                at(int(seconds)), price, quantity, aggressor, volume, volume * price,
                *best, 0, False,
            ),
        ),
    )  # fmt: skip


def book(
    seconds: float,
    asks: Iterable[tuple[int, int]],
    bids: Iterable[tuple[int, int]],
    *,
    late: float = 0.1,
) -> QuoteFrame:
    asks, bids = tuple(asks), tuple(bids)
    return QuoteFrame(
        at=at(seconds + late), symbol=SAMSUNG, time=at(int(seconds)),
        ask_prices=tuple(price for price, _ in asks),
        ask_quantities=tuple(quantity for _, quantity in asks),
        bid_prices=tuple(price for price, _ in bids),
        bid_quantities=tuple(quantity for _, quantity in bids),
    )  # fmt: skip


def submitting(
    seconds: float, quantity: int, limit: int | None, *, order: OrderId = ORDER,
    side: Side = Side.BUY,
) -> OrderSubmitting:  # fmt: skip
    return OrderSubmitting(
        at=at(seconds), order_id=order, cause=1, intent_id=IntentId(order.rpartition("-")[0]),
        strategy=KMP, symbol=SAMSUNG, side=side,
        kind=OrderKind.MARKET if limit is None else OrderKind.LIMIT, quantity=quantity,
        limit_price=limit, cancel_at=at(seconds + 30),
    )  # fmt: skip


def accepted(seconds: float, *, order: OrderId = ORDER) -> OrderAccepted:
    return OrderAccepted(at=at(seconds), order_id=order, broker_order="1", branch="0")


def filled(
    seconds: float, quantity: int, price: int, *, order: OrderId = ORDER, total: int = 0,
    source: FillSource = FillSource.NOTICE, side: Side = Side.BUY, amount: int = 0,
) -> OrderFilled:  # fmt: skip
    total = total or quantity
    return OrderFilled(
        at=at(seconds), order_id=order, fill_id=fill_id(order, total), strategy=KMP, symbol=SAMSUNG,
        side=side, quantity=quantity, price=price, amount=amount or quantity * price,
        cumulative_quantity=total, fee=10, tax=0, source=source,
    )  # fmt: skip


def closed(
    seconds: float, quantity: int, *, order: OrderId = ORDER,
    state: OrderState = OrderState.FILLED,
) -> OrderClosed:  # fmt: skip
    return OrderClosed(
        at=at(seconds), order_id=order, state=state, filled_quantity=quantity, reason="filled"
    )


def recorded(*events: Event) -> RecordedSession:
    """Return a session with these entries after its opening books and the terms of its issue."""
    books = opening()
    entries: tuple[Event, ...] = (books, terms(), *events)
    return RecordedSession(
        account=AccountId("demo"),
        opening=books,
        entries=tuple(Delivery(number, event) for number, event in enumerate(entries, 1)),
    )
