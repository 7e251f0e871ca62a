"""The book: shares, costs, cash, equity and working orders folded from the log."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import EXTERNAL, UNKNOWN, FillId, IntentId, OrderId, StrategyId, Symbol
from events.market import OpeningAllocation
from events.trading import (
    AccountSnapshot,
    DriftDetected,
    FillSource,
    Holding,
    Horizon,
    IntentKind,
    IntentSubmitted,
    OrderClosed,
    OrderFilled,
    OrderKind,
    OrderState,
    OrderSubmitting,
    Side,
    Urgency,
)
from risk.book import Book
from tests.risk.scenario import DATE, KMP, KPR, NULRIMOK, START, A, B, C, session


def filled(
    strategy: StrategyId,
    symbol: Symbol,
    side: Side,
    quantity: int,
    price: int,
    *,
    fee: int = 0,
    tax: int = 0,
    order: str = "X-O1",
) -> OrderFilled:
    """Return one fill."""
    return OrderFilled(
        at=START,
        order_id=OrderId(order),
        fill_id=FillId(f"{order}-F"),
        strategy=strategy,
        symbol=symbol,
        side=side,
        quantity=quantity,
        price=price,
        amount=quantity * price,
        cumulative_quantity=quantity,
        fee=fee,
        tax=tax,
        source=FillSource.NOTICE,
    )


def intent(name: str, **fields: Any) -> IntentSubmitted:
    """Return an intent to enter A."""
    values: dict[str, Any] = {
        "at": START,
        "cause": 1,
        "intent_id": IntentId(name),
        "strategy": KMP,
        "symbol": A,
        "kind": IntentKind.ENTER,
        "quantity": 10,
        "urgency": Urgency.NORMAL,
        "horizon": Horizon.INTRADAY,
        "reason": "test",
        "attempt": 1,
        "expires_at": START + 100,
    }
    return IntentSubmitted(**(values | fields))


def submitting(
    order: str, of: str, side: Side, quantity: int, limit: int | None = 10_000
) -> OrderSubmitting:
    """Return the write-ahead of an order."""
    return OrderSubmitting(
        at=START,
        order_id=OrderId(order),
        cause=1,
        intent_id=IntentId(of),
        strategy=KMP,
        symbol=A,
        side=side,
        kind=OrderKind.LIMIT,
        quantity=quantity,
        limit_price=limit,
        cancel_at=START,
    )


def closed(order: str) -> OrderClosed:
    """Return the end of an order."""
    return OrderClosed(
        at=START,
        order_id=OrderId(order),
        state=OrderState.CANCELLED,
        filled_quantity=0,
        reason="test",
    )


def test_cost_is_the_weighted_mean_and_leaves_in_proportion() -> None:
    """Results are net of the fee of both sides and of the tax."""
    book = Book(session())
    book.fill(filled(KMP, A, Side.BUY, 10, 10_000, fee=15))
    book.fill(filled(KMP, A, Side.BUY, 20, 11_500, fee=34))
    allocation = book.allocations[KMP, A]
    assert (allocation.quantity, allocation.cost) == (30, 330_000)
    assert book.realised[KMP] == -49
    book.fill(filled(KMP, A, Side.SELL, 10, 12_000, fee=18, tax=180))
    assert (allocation.quantity, allocation.cost) == (20, 220_000)
    assert book.realised[KMP] == -49 + 120_000 - 110_000 - 18 - 180
    book.fill(filled(KMP, A, Side.SELL, 20, 12_000, fee=36, tax=360))
    assert (allocation.quantity, allocation.cost) == (0, 0)
    assert book.cash == 100_000_000 + book.realised[KMP]


def test_a_book_starts_with_exactly_its_equity_and_no_result() -> None:
    """Whatever the opening shares cost: they are worth what the books say until a price comes."""
    held = (OpeningAllocation(NULRIMOK, A, 7, 70_000), OpeningAllocation(EXTERNAL, B, 3, 30_001))
    book = Book(session(cash=50_000, equity=200_000, allocations=held))
    assert book.equity == 200_000
    assert book.day_result == 0
    assert book.unpriced == 2
    assert (book.exposure(A), book.exposure(B)) == (104_998, 45_001)


def test_opening_shares_move_the_result_by_their_change_since_the_close() -> None:
    """The base price of the day stands in for the close, a trade replaces it."""
    held = (OpeningAllocation(NULRIMOK, A, 10, 50_000),)
    book = Book(session(cash=50_000, equity=150_000, allocations=held))
    book.mark_opening(A, 10_000)
    assert (book.unpriced, book.day_result) == (0, 0)
    book.mark(A, 9_900)
    assert book.day_result == -1_000
    book.mark_opening(A, 10_000)
    assert book.day_result == -1_000
    book.mark_opening(B, 1)
    assert book.last_price(B) is None


def test_money_that_is_not_orderable_is_equity_still() -> None:
    """Unsettled proceeds count as equity and cannot be spent."""
    book = Book(session(cash=10_000, equity=100_000))
    assert (book.equity, book.day_result, book.orderable_cash) == (100_000, 0, 10_000)


def test_opening_books_without_worth_value_shares_at_cost() -> None:
    """Equity below cash is odd, but the day still begins at zero."""
    held = (OpeningAllocation(NULRIMOK, A, 10, 50_000), OpeningAllocation(KMP, B, 0, 5))
    book = Book(session(cash=50_000, equity=50_000, allocations=held))
    assert (book.exposure(A), book.day_result, book.unpriced) == (50_000, 0, 1)
    assert list(book.active_symbols()) == [A]


def test_shares_that_cost_nothing_are_worth_nothing_until_a_price_comes() -> None:
    """What the books hold beyond cash is then no share's value, and the day begins at zero."""
    held = (OpeningAllocation(NULRIMOK, A, 10, 0),)
    book = Book(session(cash=50_000, equity=60_000, allocations=held))
    assert (book.exposure(A), book.day_result) == (0, 0)


def test_a_symbol_sold_out_is_no_position_any_more() -> None:
    """Neither of the account nor of the strategy."""
    book = Book(session())
    book.fill(filled(KMP, A, Side.BUY, 10, 10_000))
    assert (book.symbols_of(KMP), list(book.active_symbols())) == ({A}, [A])
    book.fill(filled(KMP, A, Side.SELL, 10, 10_000))
    assert (book.symbols_of(KMP), list(book.active_symbols())) == (set(), [])


def test_a_fill_prices_a_symbol_that_had_none() -> None:
    """Until the next trade the execution price is the last one."""
    book = Book(session())
    book.fill(filled(KMP, A, Side.BUY, 10, 10_000))
    assert (book.last_price(A), book.exposure(A), book.day_result) == (10_000, 100_000, 0)
    book.mark(A, 9_000)
    book.fill(filled(KMP, A, Side.BUY, 10, 9_500))
    assert book.exposure(A) == 180_000
    assert book.day_result == -15_000


def test_an_account_statement_prices_holdings_and_moves_no_shares() -> None:
    """A price of zero is no price."""
    held = (OpeningAllocation(NULRIMOK, A, 10, 50_000), OpeningAllocation(NULRIMOK, B, 1, 1_000))
    book = Book(session(cash=50_000, allocations=held))
    book.snapshot(
        AccountSnapshot(
            at=START,
            trading_date=DATE,
            cash=40_000,
            equity=0,
            holdings=(
                Holding(symbol=A, quantity=99, sellable=99, cost=1, last_price=6_000),
                Holding(symbol=B, quantity=99, sellable=99, cost=1, last_price=0),
            ),
        )
    )
    assert book.owned(NULRIMOK, A) == 10
    assert (book.last_price(A), book.last_price(B)) == (6_000, None)
    assert book.orderable_cash == 40_000


def test_a_sale_beyond_the_holding_is_kept_as_it_happened() -> None:
    """Facts of the log are not bent; nothing more can be sold."""
    book = Book(session())
    book.fill(filled(KMP, A, Side.SELL, 5, 10_000))
    assert book.owned(KMP, A) == -5
    assert book.sellable(KMP, A) == 0
    assert book.realised[KMP] == 50_000


def test_unexplained_shares_come_and_go_with_their_drift() -> None:
    """Each finding replaces the one before; missing shares are owned below zero, no exposure."""
    book = Book(session())

    def drift(broker: int) -> None:
        book.drift(
            DriftDetected(
                at=START,
                trading_date=DATE,
                symbol=A,
                broker_quantity=broker,
                allocated_quantity=10,
            )
        )

    book.mark(A, 100)
    drift(15)
    assert (book.owned(UNKNOWN, A), book.exposure(A), book.gross_exposure) == (5, 500, 500)
    assert list(book.active_symbols()) == [A]
    drift(13)
    assert book.owned(UNKNOWN, A) == 3
    for broker, unknown in ((9, -1), (10, 0)):
        drift(broker)
        assert book.owned(UNKNOWN, A) == unknown
        assert (book.gross_exposure, list(book.active_symbols())) == (0, [])
    drift(11)
    book.undrift(A)
    assert book.gross_exposure == 0


def test_late_fills_of_an_ended_order_move_shares_only() -> None:
    """A fill may be learned after the order was closed."""
    book = Book(session())
    book.working.submit(submitting("I1-O1", "I1", Side.BUY, 10), 0)
    book.working.end(closed("I1-O1"))
    assert not book.fill(filled(KMP, A, Side.BUY, 10, 10_000, order="I1-O1"))
    assert book.owned(KMP, A) == 10
    assert book.working.quantity(KMP, A, Side.BUY) == 0


STRATEGIES = st.sampled_from([KMP, KPR])
SYMBOLS = st.sampled_from([A, B, C])
PRICES = st.integers(1, 20_000)


@given(
    st.lists(
        st.tuples(
            STRATEGIES,
            SYMBOLS,
            st.sampled_from(list(Side)),
            st.integers(1, 500),
            PRICES,
            st.integers(0, 99),
            st.booleans(),
        ),
        max_size=40,
    )
)
def test_allocations_are_the_signed_sum_of_fills_and_money_is_conserved(
    fills: list[tuple[StrategyId, Symbol, Side, int, int, int, bool]],
) -> None:
    """Shares, cash, costs and results agree after any sequence of fills and prices."""
    held = (OpeningAllocation(KMP, A, 40, 400_000), OpeningAllocation(KPR, B, 5, 70_000))
    book = Book(session(cash=1_000_000, equity=1_500_000, allocations=held))
    signed: dict[tuple[StrategyId, Symbol], int] = {(KMP, A): 40, (KPR, B): 5}
    for strategy, symbol, side, quantity, price, fee, marked in fills:
        book.fill(filled(strategy, symbol, side, quantity, price, fee=fee, tax=fee // 2))
        change = quantity if side is Side.BUY else -quantity
        signed[strategy, symbol] = signed.get((strategy, symbol), 0) + change
        if marked:
            book.mark(symbol, price + 1)
        costs = sum(allocation.cost for allocation in book.allocations.values())
        assert book.cash + costs == 1_000_000 + 470_000 + sum(book.realised.values())
        assert book.holdings_value == sum(p.value for p in book.positions.values())
    assert {key: a.quantity for key, a in book.allocations.items()} == signed
    for symbol in (A, B, C):
        position = book.positions.get(symbol)
        assert (position.quantity if position else 0) == sum(
            quantity for (_, held_symbol), quantity in signed.items() if held_symbol == symbol
        )


@pytest.mark.parametrize("strategy", [KMP, KPR])
def test_symbols_of_a_strategy_are_its_own(strategy: StrategyId) -> None:
    """Shares and working buys count, working sells and others' do not."""
    book = Book(session(allocations=(OpeningAllocation(KPR, B, 1, 1),)))
    book.working.approve(intent("I1"), Side.BUY, 1, 1)
    book.working.approve(intent("I2", symbol=C), Side.SELL, 1, 1)
    assert book.symbols_of(strategy) == ({A} if strategy == KMP else {B})
    assert book.active_symbols() == {A, B}
