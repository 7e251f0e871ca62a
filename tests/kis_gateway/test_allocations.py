"""Who owns which shares: fills, reallocations, drift."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import EXTERNAL, UNKNOWN, Event, OrderId, StrategyId
from events.control import SharesReallocated
from events.identifiers import fill_id
from events.market import OpeningAllocation
from events.trading import (
    AccountSnapshot,
    DriftCleared,
    DriftDetected,
    FillCorrected,
    FillSource,
    Holding,
    OrderFilled,
    Side,
)
from kis_gateway.orders.allocations import Allocation, Allocations
from tests.kis_gateway.fakes import DAY, HYNIX, KMP, SAMSUNG, session_opened

KPR = StrategyId("KPR")
OWNERS: Final = (KMP, KPR, EXTERNAL, UNKNOWN)
ORDER = OrderId("20250915-KMP-005930-E1-O1")


def filled(side: Side, quantity: int, price: int = 100, strategy: StrategyId = KMP) -> OrderFilled:
    return OrderFilled(
        at=1,
        order_id=ORDER,
        fill_id=fill_id(ORDER, quantity),
        strategy=strategy,
        symbol=SAMSUNG,
        side=side,
        quantity=quantity,
        price=price,
        amount=quantity * price,
        cumulative_quantity=quantity,
        fee=0,
        tax=0,
        source=FillSource.NOTICE,
    )


def moved(
    source: StrategyId, target: StrategyId, quantity: int, cost: int = 0
) -> SharesReallocated:
    return SharesReallocated(
        at=1,
        issued_by="kim",
        reason="test",
        symbol=SAMSUNG,
        source=source,
        target=target,
        quantity=quantity,
        cost=cost,
    )


def drift(broker: int, allocated: int) -> DriftDetected:
    return DriftDetected(
        at=1,
        trading_date=DAY,
        symbol=SAMSUNG,
        broker_quantity=broker,
        allocated_quantity=allocated,
    )


CLEARED = DriftCleared(at=1, trading_date=DAY, symbol=SAMSUNG)


def after(*events: Event) -> Allocations:
    allocations = Allocations()
    for event in events:
        allocations.take(event)
    return allocations


def test_a_sale_takes_cost_out_pro_rata() -> None:
    """10 bought at 100, 4 sold at 120: 6 left that cost 600."""
    books = after(filled(Side.BUY, 10), filled(Side.SELL, 4, 120))
    assert books.of(KMP, SAMSUNG) == Allocation(6, 600)
    assert after(filled(Side.BUY, 3), filled(Side.SELL, 3)).all() == []


def test_a_correction_moves_money_and_no_share() -> None:
    """The shares cost 20 won less than was booked."""
    corrected = FillCorrected(
        at=1,
        order_id=ORDER,
        ordinal=1,
        strategy=KMP,
        symbol=SAMSUNG,
        side=Side.BUY,
        quantity=10,
        amount=-20,
        fee=0,
        tax=0,
        reason="x",
    )
    assert after(filled(Side.BUY, 10), corrected).of(KMP, SAMSUNG) == Allocation(10, 980)


def test_a_surplus_is_unknown_until_an_operator_gives_it_to_a_strategy() -> None:
    """Three bought by hand at a last price of 110: unknown, then KMP's at the given cost."""
    snapshot = AccountSnapshot(
        at=1,
        trading_date=DAY,
        cash=0,
        equity=0,
        holdings=(Holding(symbol=SAMSUNG, quantity=13, sellable=13, cost=1, last_price=110),),
    )
    books = after(filled(Side.BUY, 10), snapshot, drift(13, 10))
    assert books.of(UNKNOWN, SAMSUNG) == Allocation(3, 330)
    assert (books.total(SAMSUNG), books.quantity(SAMSUNG), books.unknown(SAMSUNG)) == (13, 10, 3)
    books.take(moved(UNKNOWN, KMP, 3, cost=333))
    books.take(CLEARED)
    assert books.all() == [(KMP, SAMSUNG, Allocation(13, 1_333))]


def test_missing_shares_are_a_negative_unknown_until_they_are_taken_off_their_owner() -> None:
    """Four of ten sold by hand: the strategy's books stand until an operator says so."""
    books = after(filled(Side.BUY, 10), drift(6, 10))
    assert (books.of(KMP, SAMSUNG).quantity, books.unknown(SAMSUNG)) == (10, -4)
    assert books.total(SAMSUNG) == 6
    books.take(moved(KMP, UNKNOWN, 4))
    assert (books.of(KMP, SAMSUNG), books.unknown(SAMSUNG)) == (Allocation(6, 600), 0)


def test_an_acknowledged_surplus_is_the_account_holders() -> None:
    """It counts as explained, and the next comparison finds equality."""
    books = after(drift(5, 0), moved(UNKNOWN, EXTERNAL, 5, cost=500), CLEARED)
    assert books.all() == [(EXTERNAL, SAMSUNG, Allocation(5, 500))]
    assert books.quantity(SAMSUNG) == 5
    assert books.traded_symbols() == frozenset()


def test_opening_books_replace_what_was_there() -> None:
    """The unknown shares of an earlier session are carried like any other."""
    books = after(filled(Side.BUY, 10))
    books.take(
        session_opened(
            OpeningAllocation(strategy=UNKNOWN, symbol=HYNIX, quantity=-2, cost=0),
            OpeningAllocation(strategy=KMP, symbol=HYNIX, quantity=9, cost=90),
        )
    )
    assert books.all() == [(KMP, HYNIX, Allocation(9, 90)), (UNKNOWN, HYNIX, Allocation(-2, 0))]


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("fill"), st.sampled_from(Side), st.sampled_from(OWNERS[:2])),
        st.tuples(st.just("by hand"), st.integers(-20, 20), st.none()),
        st.tuples(st.just("compare"), st.none(), st.none()),
        st.tuples(st.just("move"), st.sampled_from(OWNERS), st.sampled_from(OWNERS)),
    ),
    max_size=40,
)


@pytest.mark.invariant(3)
@given(_STEPS, st.data())
def test_owners_add_up_to_the_brokers_quantity_after_every_event(
    steps: list[tuple[str, object, object]], data: st.DataObject
) -> None:
    """Whatever was traded by hand, reallocated or found: nothing appears and nothing is lost."""
    books = Allocations()
    broker = proved = 0
    for kind, one, other in steps:
        quantity = data.draw(st.integers(1, 30))
        if kind == "fill":
            assert isinstance(one, Side)
            assert isinstance(other, str)
            books.take(filled(one, quantity, strategy=StrategyId(other)))
            change = quantity if one is Side.BUY else -quantity
            broker, proved = broker + change, proved + change
        elif kind == "by hand":
            assert isinstance(one, int)
            broker += one
        elif kind == "compare":
            allocated = books.quantity(SAMSUNG)
            books.take(CLEARED if broker == allocated else drift(broker, allocated))
            proved = broker
        else:
            assert isinstance(one, str)
            assert isinstance(other, str)
            books.take(moved(StrategyId(one), StrategyId(other), quantity, cost=quantity))
        assert books.total(SAMSUNG) == proved
        assert books.total(SAMSUNG) == sum(held.quantity for _, _, held in books.all())
