"""Who owns what: drift, reallocation, corrections, results; nothing is lost or made on the way."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from events import EXTERNAL, UNKNOWN, OrderId, StrategyId, Symbol
from events.control import SharesReallocated
from events.market import OpeningAllocation
from events.trading import AccountSnapshot, DriftDetected, FillCorrected, Side
from risk.book import Book
from risk.results import Result
from tests.risk.scenario import DATE, KMP, KPR, START, A, B, session
from tests.risk.test_book import filled


def drifted(broker: int, allocated: int, symbol: Symbol = A) -> DriftDetected:
    """Return the finding that the broker has other shares than the owners."""
    return DriftDetected(
        at=START,
        trading_date=DATE,
        symbol=symbol,
        broker_quantity=broker,
        allocated_quantity=allocated,
    )


def moved(
    source: StrategyId, target: StrategyId, quantity: int, cost: int, symbol: Symbol = A
) -> SharesReallocated:
    """Return an operator's word on who owns shares."""
    return SharesReallocated(
        at=START,
        issued_by="operator",
        reason="test",
        symbol=symbol,
        source=source,
        target=target,
        quantity=quantity,
        cost=cost,
    )


def corrected(
    side: Side, quantity: int, amount: int, *, fee: int = 0, tax: int = 0, owner: StrategyId = KMP
) -> FillCorrected:
    """Return what the broker's books give more than was booked."""
    return FillCorrected(
        at=START,
        order_id=OrderId("X-O1"),
        ordinal=1,
        strategy=owner,
        symbol=A,
        side=side,
        quantity=quantity,
        amount=amount,
        fee=fee,
        tax=tax,
        reason="test",
    )


def holding(shares: int = 10, owner: StrategyId = KMP) -> Book:
    """Return a book with shares of A, bought at and worth 10,000 won each."""
    cost = shares * 10_000
    book = Book(session(cash=500_000, allocations=(OpeningAllocation(owner, A, shares, cost),)))
    book.mark(A, 10_000)
    return book


def state(book: Book, *owners: StrategyId) -> list[tuple[int, int]]:
    """Return shares and cost of owners in A."""
    found = [book.allocations.get((owner, A)) for owner in owners]
    return [(0, 0) if each is None else (each.quantity, each.cost) for each in found]


@pytest.mark.parametrize(("broker", "unknown"), [(15, (5, 50_000)), (4, (-6, -60_000))])
def test_what_nobody_explained_belongs_to_unknown_also_when_it_is_missing(
    broker: int, unknown: tuple[int, int]
) -> None:
    """At the last price, and neither a profit nor a loss."""
    book = holding()
    book.drift(drifted(broker, 10))
    assert state(book, KMP, UNKNOWN) == [(10, 100_000), unknown]
    assert book.owners.broker_quantity(A) == broker
    assert (book.day_result, book.exposure(A)) == (0, max(10, broker) * 10_000)
    book.mark(A, 20_000)
    assert book.day_result == 100_000
    assert book.sellable(UNKNOWN, A) == max(0, unknown[0])


def test_unexplained_shares_without_a_price_cost_nothing() -> None:
    """Their price is not known, so neither is their cost."""
    book = Book(session())
    book.drift(drifted(5, 0))
    assert state(book, UNKNOWN) == [(5, 0)]


def test_a_fill_that_drift_had_not_seen_moves_the_brokers_shares_as_well() -> None:
    """The finding says 12 against 10, and one more share was bought meanwhile: 13."""
    book = holding()
    book.fill(filled(KMP, A, Side.BUY, 1, 10_000))
    book.drift(drifted(12, 10))
    assert (book.owned(UNKNOWN, A), book.owners.broker_quantity(A)) == (2, 13)


def test_a_surplus_given_to_a_strategy_is_its_own_at_the_cost_named() -> None:
    """And the drift is over; nothing was earned by it."""
    book = holding()
    book.drift(drifted(15, 10))
    book.reallocate(moved(UNKNOWN, KMP, 5, 42_000))
    assert state(book, KMP, UNKNOWN) == [(15, 142_000), (0, 0)]
    assert (book.day_result, book.equity, book.exposure(A)) == (0, 600_000, 150_000)
    book.undrift(A)
    assert (book.owned(KMP, A), book.owners.unbalanced()) == (15, {})


def test_missing_shares_are_taken_off_their_owner() -> None:
    """It loses their cost pro rata; the money for them, if any, is not its result."""
    book = holding()
    book.drift(drifted(6, 10))
    book.reallocate(moved(KMP, UNKNOWN, 4, 40_000))
    assert state(book, KMP, UNKNOWN) == [(6, 60_000), (0, 0)]
    assert (book.day_result, book.exposure(A)) == (0, 60_000)


def test_shares_moved_between_strategies_change_no_exposure() -> None:
    """Only who owns them, and at what cost."""
    book = holding()
    book.reallocate(moved(KMP, KPR, 3, 33_000))
    assert state(book, KMP, KPR) == [(7, 70_000), (3, 33_000)]
    assert (book.exposure(A), book.day_result) == (100_000, 0)


def test_acknowledged_shares_are_exposure_and_belong_to_the_account_holder() -> None:
    """They move the day's result from then on."""
    book = holding()
    book.drift(drifted(15, 10))
    book.reallocate(moved(UNKNOWN, EXTERNAL, 5, 50_000))
    assert state(book, EXTERNAL, UNKNOWN) == [(5, 50_000), (0, 0)]
    book.mark(A, 10_100)
    assert book.day_result == 1_500


def test_shares_given_before_any_price_are_taken_for_their_cost() -> None:
    """Until a price is seen, and then counted as priced."""
    book = Book(session())
    book.drift(drifted(5, 0))
    book.reallocate(moved(UNKNOWN, KMP, 5, 45_000))
    assert (book.exposure(A), book.day_result, book.unpriced) == (45_000, 0, 1)
    book.reallocate(moved(KMP, UNKNOWN, 5, 0))
    assert (book.exposure(A), book.day_result, book.unpriced) == (0, 0, 0)


@pytest.mark.parametrize("surplus", [5, -5])
def test_a_session_opens_with_what_was_unknown_when_the_one_before_ended(surplus: int) -> None:
    """It is exposure when it is there, and no part of the day's result."""
    held = (
        OpeningAllocation(KMP, A, 10, 100_000),
        OpeningAllocation(UNKNOWN, A, surplus, surplus * 10_000),
    )
    book = Book(session(cash=500_000, equity=650_000, allocations=held))
    book.mark(A, 10_000)
    before = book.day_result
    assert (book.owned(UNKNOWN, A), book.owners.broker_quantity(A)) == (surplus, 10 + surplus)
    assert book.exposure(A) == 100_000 + max(0, surplus) * 10_000
    book.mark(A, 11_000)
    assert book.day_result - before == 10_000


def test_selling_unexplained_shares_brings_money_and_no_result_of_the_day() -> None:
    """Nobody bought them."""
    book = holding()
    book.drift(drifted(15, 10))
    book.fill(filled(UNKNOWN, A, Side.SELL, 5, 11_000, fee=10, tax=90))
    assert (book.cash, book.day_result) == (500_000 + 54_900, 0)
    assert book.realised[UNKNOWN] == 55_000 - 50_000 - 100
    assert (book.owned(UNKNOWN, A), book.owners.broker_quantity(A)) == (0, 10)


def test_a_correction_of_a_buy_changes_money_and_cost_but_no_share() -> None:
    """It stays with the shares that are left, and goes to the result once there are none."""
    book = Book(session())
    book.fill(filled(KMP, A, Side.BUY, 10, 10_000))
    book.correct(corrected(Side.BUY, 10, 500, fee=2))
    assert state(book, KMP) == [(10, 100_500)]
    assert (book.realised[KMP], book.cash) == (-2, 100_000_000 - 100_502)
    book.fill(filled(KMP, A, Side.SELL, 4, 10_000))
    book.correct(corrected(Side.BUY, 10, 100))
    assert state(book, KMP) == [(6, 60_300 + 100)]
    assert book.realised[KMP] == -2 - 200
    book.fill(filled(KMP, A, Side.SELL, 6, 10_000))
    book.correct(corrected(Side.BUY, 10, 50))
    assert book.realised[KMP] == -2 - 200 - 400 - 50


def test_a_correction_of_a_sale_changes_money_and_result() -> None:
    """The broker's books say that it brought less."""
    book = holding()
    book.fill(filled(KMP, A, Side.SELL, 10, 11_000))
    book.correct(corrected(Side.SELL, 10, -1_000, fee=1, tax=-3))
    assert book.realised[KMP] == 10_000 - 1_000 - 1 + 3
    assert (book.cash, book.day_result) == (500_000 + 110_000 - 998, 10_000 - 998)
    assert book.owners.broker_quantity(A) == 0


def test_a_result_is_kept_by_strategy_with_what_it_has_cost() -> None:
    """Realised net of fees and tax, unrealised at the last price."""
    book = Book(session())
    book.fill(filled(KMP, A, Side.BUY, 10, 10_000, fee=15))
    book.fill(filled(KPR, A, Side.BUY, 5, 10_200, fee=8))
    book.fill(filled(KMP, A, Side.SELL, 4, 10_500, fee=6, tax=63))
    book.mark(A, 10_300)
    assert book.result(KMP) == Result(realised=2_000 - 84, unrealised=1_800, fees=21, tax=63)
    assert book.result(KPR) == Result(realised=-8, unrealised=500, fees=8, tax=0)
    assert book.result(UNKNOWN) == Result(realised=0, unrealised=0, fees=0, tax=0)


def stated(*deposits: int) -> AccountSnapshot:
    """Return a statement with deposits on T, T+1 and T+2."""
    return AccountSnapshot(
        at=START,
        trading_date=DATE,
        cash=900_000,
        equity=1_000_000,
        holdings=(),
        deposits=deposits,
    )


def test_what_is_settled_is_not_what_may_be_spent() -> None:
    """Proceeds may be spent at once and settle two sessions later, payments likewise."""
    book = Book(session(cash=1_000_000))
    assert (book.settled_cash, book.settlement.deposit(2)) == (None, None)
    book.fill(filled(KMP, A, Side.BUY, 10, 10_000, fee=15))
    book.snapshot(stated(1_000_000, 1_000_000, 899_985))
    book.fill(filled(KMP, A, Side.SELL, 10, 11_000, fee=16, tax=165))
    assert (book.settlement.payments, book.settlement.proceeds) == (100_015, 109_819)
    assert [book.settlement.deposit(day) for day in range(4)] == [
        1_000_000,
        1_000_000,
        899_985 + 109_819,
        None,
    ]
    assert book.settled_cash == 1_000_000
    assert book.orderable_cash == 900_000
    book.snapshot(stated())
    assert book.settled_cash == 1_000_000


OWNERS = (KMP, KPR, EXTERNAL, UNKNOWN)


class Account(RuleBasedStateMachine):
    """A broker that has shares of its own accord, and everything that is said about them."""

    def __init__(self) -> None:
        super().__init__()
        held = (
            OpeningAllocation(KMP, A, 40, 400_000),
            OpeningAllocation(EXTERNAL, B, 7, 70_000),
            OpeningAllocation(UNKNOWN, B, -2, -20_000),
        )
        self.book = Book(session(cash=10_000_000, equity=10_470_000, allocations=held))
        self.broker = {A: 40, B: 5}
        self.proved = dict(self.broker)
        self.costs = 450_000
        """Cost of all shares, moved by what operators and drift say of it."""

    @rule(
        owner=st.sampled_from(OWNERS),
        symbol=st.sampled_from([A, B]),
        side=st.sampled_from(Side),
        quantity=st.integers(1, 60),
        price=st.integers(1, 20_000),
        fee=st.integers(0, 99),
    )
    def trade(self, **drawn: Any) -> None:
        """Let an owner trade, whatever it owns."""
        side, symbol, quantity = drawn["side"], drawn["symbol"], drawn["quantity"]
        event = filled(
            drawn["owner"], symbol, side, quantity, drawn["price"], fee=drawn["fee"], tax=1
        )
        self.book.fill(event)
        change = quantity if side is Side.BUY else -quantity
        self.broker[symbol] += change
        self.proved[symbol] += change

    @rule(symbol=st.sampled_from([A, B]), shares=st.integers(-30, 30))
    def appear(self, symbol: Symbol, shares: int) -> None:
        """Let shares come or go without a word on the log."""
        self.broker[symbol] += shares

    @rule(symbol=st.sampled_from([A, B]))
    def reconcile(self, symbol: Symbol) -> None:
        """Compare, and say what was found."""
        known = sum(self.book.owned(owner, symbol) for owner in OWNERS if owner != UNKNOWN)
        former = self._cost()
        if self.broker[symbol] == known:
            self.book.undrift(symbol)
        else:
            self.book.drift(drifted(self.broker[symbol], known, symbol))
        self.costs += self._cost() - former
        self.proved[symbol] = self.broker[symbol]

    @rule(
        owners=st.tuples(st.sampled_from(OWNERS), st.sampled_from(OWNERS)),
        symbol=st.sampled_from([A, B]),
        quantity=st.integers(1, 40),
        cost=st.integers(0, 400_000),
    )
    def reallocate(self, **drawn: Any) -> None:
        """Let an operator say who owns shares."""
        former, result = self._cost(), self.book.day_result
        source, target = drawn["owners"]
        event = moved(source, target, drawn["quantity"], drawn["cost"], drawn["symbol"])
        self.book.reallocate(event)
        self.costs += self._cost() - former
        assert self.book.day_result == result

    @rule(owner=st.sampled_from(OWNERS), side=st.sampled_from(Side), amount=st.integers(-99, 99))
    def correct(self, owner: StrategyId, side: Side, amount: int) -> None:
        """Let the broker's books give another amount."""
        self.book.correct(corrected(side, 10, amount, fee=1, owner=owner))

    @rule(symbol=st.sampled_from([A, B]), price=st.integers(1, 20_000))
    def mark(self, symbol: Symbol, price: int) -> None:
        """Let a symbol trade."""
        self.book.mark(symbol, price)

    def _cost(self) -> int:
        return sum(allocation.cost for allocation in self.book.allocations.values())

    @invariant()
    def owners_have_what_the_broker_has(self) -> None:
        """For every symbol, by the broker's last proved word and the fills since."""
        for symbol in (A, B):
            assert sum(self.book.owned(o, symbol) for o in OWNERS) == self.proved[symbol]
            assert self.book.owners.broker_quantity(symbol) == self.proved[symbol]
        assert self.book.owners.unbalanced() == {}

    @invariant()
    def money_is_conserved(self) -> None:
        """Cash and costs change by results only, and by what was said of the shares' cost."""
        moved_since = self.costs - 450_000
        results = sum(self.book.realised.values())
        assert self.book.cash + self._cost() == 10_000_000 + 450_000 + moved_since + results

    @invariant()
    def values_are_those_of_the_parts(self) -> None:
        """Sums kept equal their recomputation, and nobody's shares are counted twice."""
        book = self.book
        assert book.holdings_value == sum(p.value for p in book.positions.values())
        assert book.unpriced == sum(not p.priced for p in book.positions.values())
        for symbol, position in book.positions.items():
            known = sum(book.owned(owner, symbol) for owner in OWNERS if owner != UNKNOWN)
            assert position.quantity == known
            if position.priced and position.last is not None:
                assert position.value == known * position.last


TestConservation = pytest.mark.invariant(3)(Account.TestCase)
"""Σ strategies + unknown + external = broker quantity, after every event."""

TestConservation.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
