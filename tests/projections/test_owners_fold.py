"""Whose the shares are, and what they earned, whatever moves them: no database."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import EXTERNAL, UNKNOWN, Event, StrategyId, trading
from events.trading import Side
from projections.fold import fold
from projections.read_model import ReadModel
from tests.projections import day
from tests.projections.test_fold import folded


def drift(broker: int, allocated: int, *, seconds: float = 1) -> trading.DriftDetected:
    """Return a finding in NAVER."""
    return trading.DriftDetected(
        at=day.at(seconds),
        trading_date=day.DATE,
        symbol=day.NAVER,
        broker_quantity=broker,
        allocated_quantity=allocated,
    )


CLEARED = trading.DriftCleared(at=day.at(9), trading_date=day.DATE, symbol=day.NAVER)


def of(model: ReadModel, owner: StrategyId) -> tuple[int, int]:
    """Return quantity and cost of an owner's NAVER shares."""
    row = model.allocations.get(day.NAVER, owner)
    return (0, 0) if row is None else (row.quantity, row.cost)


def test_shares_nobody_ordered_go_to_unknown_until_the_drift_is_cleared() -> None:
    """The sum of allocations is the broker's quantity while the symbol is frozen."""
    model = folded([*day.opening(), drift(7, 0), drift(7, 0, seconds=2)])
    position = model.positions.get(day.NAVER)
    assert position is not None
    assert (of(model, UNKNOWN), position.frozen, position.drift) == ((7, 0), True, 7)
    fold(model, 99, CLEARED)
    assert (of(model, UNKNOWN), position.frozen, position.drift) == ((0, 0), False, 0)


def test_missing_shares_make_unknown_negative_at_the_last_price() -> None:
    """Five owned, three there: two are missing, worth 200,000 each; then they are taken off."""
    wish = day.intent(day.NAVER, "E1", seconds=1, quantity=5)
    bought = day.fill(wish, Side.BUY, 5, 190_000, seconds=2, cumulative=5, fee=142)
    snapshot = trading.AccountSnapshot(
        at=day.at(3),
        trading_date=day.DATE,
        cash=0,
        equity=0,
        holdings=(day.holding(day.NAVER, 5, 950_000, 200_000),),
    )
    model = folded([*day.opening(), bought, snapshot, drift(3, 5, seconds=4)])
    assert (of(model, UNKNOWN), of(model, day.KMP)) == ((-2, -400_000), (5, 950_000))
    fold(model, 50, day.moved(day.NAVER, day.KMP, UNKNOWN, 2, seconds=5))
    assert (of(model, UNKNOWN), of(model, day.KMP)) == ((0, 0), (3, 570_000))
    fold(model, 51, CLEARED)
    position = model.positions.get(day.NAVER)
    assert position is not None
    assert (position.quantity, position.moved, position.drift) == (3, 0, 0)


def test_a_surplus_adopted_by_a_strategy_is_a_round_trip_with_the_stop_it_brings() -> None:
    """Seven shares at 1,400,000 won; sold for 1,470,000 they earned 70,000 before costs."""
    wish = day.intent(day.NAVER, "X1", seconds=6, quantity=7, kind=trading.IntentKind.EXIT)
    adopted = day.moved(day.NAVER, UNKNOWN, day.KMP, 7, seconds=5, cost=1_400_000, stop=190_000)
    sold = day.fill(wish, Side.SELL, 7, 210_000, seconds=7, cumulative=7, fee=220, tax=2_205)
    model = folded([*day.opening(), drift(7, 0), adopted])
    allocation = model.allocations.get(day.NAVER, day.KMP)
    assert allocation is not None
    assert (allocation.quantity, allocation.cost, allocation.protective_stop) == (
        7,
        1_400_000,
        190_000,
    )
    assert of(model, UNKNOWN) == (0, 0)
    fold(model, 50, CLEARED)
    fold(model, 51, sold)
    (trade,) = model.trades
    (strategy,) = model.strategy_days
    assert (trade.status, trade.entry_reason, trade.initial_stop) == (
        "closed",
        "taken from _UNKNOWN_: counted",
        190_000,
    )
    assert (trade.entry_quantity, trade.exit_cost, trade.exit_amount) == (7, 1_400_000, 1_470_000)
    assert (strategy.realized_gross, strategy.trades_opened, strategy.wins) == (70_000, 1, 1)


def test_shares_acknowledged_as_the_account_holders_own_are_no_round_trip() -> None:
    """``_EXTERNAL_`` owns and never trades."""
    acknowledged = day.moved(day.NAVER, UNKNOWN, EXTERNAL, 7, seconds=5, cost=1_400_000)
    model = folded([*day.opening(), drift(7, 0), acknowledged])
    assert (of(model, EXTERNAL), of(model, UNKNOWN)) == ((7, 1_400_000), (0, 0))
    assert list(model.trades) == []


def test_shares_taken_off_a_strategy_earn_nothing() -> None:
    """The round trip ends with its last share; without any sale it is neither won nor lost."""
    model = folded([*day.opening(), *day.kakao_part()])
    before = [(each.realized_gross, each.wins, each.losses) for each in model.strategy_days]
    fold(model, 90, day.moved(day.KAKAO, day.KMP, UNKNOWN, 30, seconds=1_300))
    (trade,) = model.trades
    assert (trade.status, trade.moved_quantity, trade.moved_cost) == ("closed", 30, 1_500_000)
    assert trade.exit_cost + trade.moved_cost == trade.entry_amount == 2_000_000
    (strategy,) = model.strategy_days
    assert before == [(5_000, 0, 0)]
    assert (strategy.realized_gross, strategy.trades_closed, strategy.wins) == (5_000, 1, 1)
    untouched = folded([*day.opening(), *day.samsung_round_trip()[:9]])
    fold(untouched, 90, day.moved(day.SAMSUNG, day.KMP, UNKNOWN, 80, seconds=1_300))
    (strategy,) = untouched.strategy_days
    assert (strategy.trades_closed, strategy.wins, strategy.losses) == (0, 0, 0)
    (trade,) = untouched.trades
    assert (trade.status, trade.exit_reason) == ("closed", "given to _UNKNOWN_: counted")


def test_a_correction_of_shares_still_held_is_part_of_what_they_cost() -> None:
    """200 won more for the 20 bought: nothing is realised yet, the order and its trade know."""
    model = folded([*day.opening(), *day.posco_moved()[:9]])
    allocation = model.allocations.get(day.POSCO, day.KMP)
    order = model.orders.get("20250915-KMP-005490-E1-O1")
    (trade,) = model.trades
    (strategy,) = model.strategy_days
    assert allocation is not None
    assert order is not None
    assert (allocation.quantity, allocation.cost) == (20, 600_200)
    assert (order.filled_quantity, order.filled_amount, order.corrections) == (20, 600_200, 1)
    assert (trade.entry_quantity, trade.entry_amount) == (20, 600_200)
    assert (strategy.realized_gross, strategy.bought_amount) == (0, 600_200)
    assert sum(row.amount for row in model.fills) == 600_200
    assert sum(row.quantity for row in model.fills) == 20


def test_a_correction_seen_again_changes_nothing() -> None:
    """Its ordinal says that it is known; the next one counts."""
    events = day.posco_moved()[:9]
    first = events[-1]
    second = msgspec.structs.replace(first, ordinal=2, amount=-50)
    model = folded([*day.opening(), *events, first, second])
    allocation = model.allocations.get(day.POSCO, day.KMP)
    assert allocation is not None
    assert allocation.cost == 600_150


@pytest.mark.parametrize(
    ("side", "added", "net", "wins"),
    [
        (Side.BUY, (50_000, 7, 0), -6_211, 0),
        (Side.SELL, (-50_000, -7, -75), -6_122, 0),
        (Side.SELL, (1_000, 0, 1), 44_795, 1),
    ],
)
def test_a_correction_after_the_round_trip_changes_what_it_earned(
    side: Side, added: tuple[int, int, int], net: int, wins: int
) -> None:
    """43,796 won so far; 50,000 more paid, 50,000 less got, or 1,000 more got."""
    model = folded([*day.opening(), *day.samsung_round_trip()])
    enter, leave = (
        event for event in day.samsung_round_trip() if isinstance(event, trading.IntentSubmitted)
    )
    wish = enter if side is Side.BUY else leave
    amount, fee, tax = added
    fold(
        model,
        90,
        msgspec.structs.replace(
            day.correction(wish, side, 80, amount, seconds=1_900), fee=fee, tax=tax
        ),
    )
    (trade,) = model.trades
    (strategy,) = model.strategy_days
    (portfolio,) = model.portfolio_days
    earned = trade.exit_amount - trade.exit_cost
    assert earned - trade.entry_fee - trade.exit_fee - trade.exit_tax == net
    for each in (strategy, portfolio):
        assert each.realized_gross - each.fees - each.tax == net
    assert (strategy.wins, strategy.losses) == (wins, 1 - wins)
    assert trade.exit_cost == trade.entry_amount


def test_a_second_entry_brings_the_higher_of_both_stops() -> None:
    """A late fill of an earlier order does not lower the protection of what is held."""
    first = day.intent(day.KIA, "E1", seconds=1, quantity=5, stop=95_000)
    second = day.intent(day.KIA, "E2", seconds=2, quantity=5, stop=97_000)
    third = day.intent(day.KIA, "E3", seconds=3, quantity=5, stop=90_000)
    events: list[Event] = [*day.opening()]
    for ordinal, wish in enumerate((first, second, third), start=1):
        events += [
            wish,
            day.approved(wish, 5),
            day.submitting(wish, Side.BUY, 5, 100_000, ordinal),
            day.fill(wish, Side.BUY, 5, 100_000, seconds=ordinal, cumulative=5, fee=75),
        ]
    allocation = folded(events).allocations.get(day.KIA, day.KMP)
    assert allocation is not None
    assert (allocation.quantity, allocation.protective_stop) == (15, 97_000)


_OWNERS = st.sampled_from([day.KMP, StrategyId("KPR")])
_STEP = st.one_of(
    st.tuples(st.just("buy"), _OWNERS, st.integers(1, 50)),
    st.tuples(st.just("sell"), _OWNERS, st.integers(1, 50)),
    st.tuples(st.just("give"), _OWNERS, st.integers(1, 20)),
    st.tuples(st.just("adopt"), st.sampled_from([day.KMP, EXTERNAL]), st.integers(1, 20)),
    st.tuples(st.just("drift"), st.just(day.KMP), st.integers(0, 100)),
    st.tuples(st.just("correct"), _OWNERS, st.integers(-500, 500)),
    st.tuples(st.just("snapshot"), st.just(day.KMP), st.just(0)),
    st.tuples(st.just("clear"), st.just(day.KMP), st.just(0)),
)


class Account:
    """A broker and its log: what happens there, and what the log comes to say of it."""

    def __init__(self) -> None:
        self.model = folded(day.opening())
        self.broker = 0
        """The broker's last proved quantity, moved by fills."""
        self.paid = self.received = self.given = self.adopted = 0
        self._sequence = 10
        self._last_buy: dict[StrategyId, trading.IntentSubmitted] = {}
        self._corrections: dict[StrategyId, int] = {}

    def owned(self, *owners: StrategyId) -> int:
        return sum(
            row.quantity
            for row in self.model.allocations
            if row.symbol == day.NAVER and (not owners or row.strategy in owners)
        )

    def _say(self, event: Event) -> None:
        self._sequence += 1
        fold(self.model, self._sequence, event)

    def _wish(self, owner: StrategyId) -> trading.IntentSubmitted:
        wish = day.intent(day.NAVER, f"E{self._sequence}", seconds=self._sequence, quantity=1)
        return msgspec.structs.replace(wish, strategy=owner)

    def buy(self, owner: StrategyId, quantity: int) -> None:
        wish = self._wish(owner)
        self._say(wish)
        self._say(day.submitting(wish, Side.BUY, quantity, 200_000, self._sequence))
        price = 200_000 + self._sequence
        self._say(day.fill(wish, Side.BUY, quantity, price, seconds=1, cumulative=quantity, fee=1))
        self.broker += quantity
        self.paid += quantity * price
        self._last_buy[owner] = wish
        self._corrections[owner] = 0

    def sell(self, owner: StrategyId, quantity: int) -> None:
        quantity = min(quantity, self.owned(owner))
        if quantity:
            wish = self._wish(owner)
            self._say(
                day.fill(
                    wish, Side.SELL, quantity, 210_000, seconds=1, cumulative=quantity, fee=1, tax=2
                )
            )
            self.broker -= quantity
            self.received += quantity * 210_000

    def give(self, owner: StrategyId, quantity: int) -> None:
        quantity = min(quantity, self.owned(owner))
        if quantity:
            row = self.model.allocations.get(day.NAVER, owner)
            assert row is not None
            before = row.cost
            self._say(day.moved(day.NAVER, owner, UNKNOWN, quantity, seconds=1))
            self.given += before - row.cost

    def adopt(self, owner: StrategyId, quantity: int) -> None:
        quantity = min(quantity, self.owned(UNKNOWN))
        if quantity > 0:
            cost = quantity * 199_000
            moved = day.moved(
                day.NAVER, UNKNOWN, owner, quantity, seconds=self._sequence, cost=cost
            )
            self._say(moved)
            self.adopted += cost

    def drift(self, owner: StrategyId, found: int) -> None:
        self.broker = found
        self._say(drift(found, self.owned() - self.owned(UNKNOWN)))

    def correct(self, owner: StrategyId, amount: int) -> None:
        wish = self._last_buy.get(owner)
        if wish is None:
            return
        self._corrections[owner] += 1
        found = day.correction(wish, Side.BUY, 1, amount, seconds=1)
        self._say(msgspec.structs.replace(found, ordinal=self._corrections[owner]))
        self.paid += amount

    def snapshot(self, owner: StrategyId, nothing: int) -> None:
        held = (day.holding(day.NAVER, self.broker, 0, 205_000),) if self.broker > 0 else ()
        self._say(
            trading.AccountSnapshot(
                at=day.at(1), trading_date=day.DATE, cash=0, equity=0, holdings=held
            )
        )

    def clear(self, owner: StrategyId, nothing: int) -> None:
        if self.owned(UNKNOWN) == 0:
            self._say(CLEARED)


@pytest.mark.invariant(3)
@given(st.lists(_STEP, max_size=40))
def test_owners_add_up_to_the_broker_and_no_won_is_lost_whatever_happens(
    steps: list[tuple[str, StrategyId, int]],
) -> None:
    """After every event; and cost held plus sold plus given away is what was paid and adopted."""
    account = Account()
    model = account.model
    for step, owner, number in steps:
        getattr(account, step)(owner, number)
        assert account.owned() == account.broker
        position = model.positions.get(day.NAVER)
        if position is not None:
            assert position.quantity + position.moved == account.broker
    trades = list(model.trades)
    strategies = (day.KMP, StrategyId("KPR"), EXTERNAL)
    held = sum(
        row.cost
        for row in model.allocations
        if row.symbol == day.NAVER and row.strategy in strategies
    )
    sold = sum(trade.exit_cost for trade in trades)
    assert held + sold + account.given == account.paid + account.adopted
    assert sum(each.realized_gross for each in model.portfolio_days) == account.received - sold
    for trade in trades:
        if trade.status == "closed":
            assert trade.entry_quantity == trade.exit_quantity + trade.moved_quantity
            assert trade.entry_amount == trade.exit_cost + trade.moved_cost
