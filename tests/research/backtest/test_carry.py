"""What a night and a corporate action leave of the books."""

from __future__ import annotations

import pytest

from events import StrategyId, Symbol
from events.market import OpeningAllocation
from kis_gateway.day.carried import Carried
from research.backtest.carry import Books, after_actions
from research.backtest.market_day import CorporateAction

KMP = StrategyId("KMP")
SYMBOL = Symbol("086520")


def books(quantity: int, cost: int, stop: int | None = None) -> Books:
    held = OpeningAllocation(KMP, SYMBOL, quantity, cost, stop, stop)
    return Books(cash=1_000, equity=1_000 + cost, carried=Carried(allocations=(held,)))


def action(new: int, old: int, symbol: Symbol = SYMBOL) -> CorporateAction:
    return CorporateAction(symbol=symbol, date="20240425", kind="split", new=new, old=old)


def test_a_split_multiplies_shares_and_divides_stops() -> None:
    after, notes = after_actions(books(10, 5_000_000, stop=450_000), [action(5, 1)])
    (held,) = after.carried.allocations
    assert (held.quantity, held.cost) == (50, 5_000_000)
    assert (held.protective_stop, held.hard_stop) == (90_000, 90_000)
    assert after.cash == 1_000
    assert notes == ["split 5:1 of 086520: KMP holds 50 shares instead of 10"]


def test_a_fraction_of_a_share_is_paid_out_at_its_cost() -> None:
    # 7 old shares become 3 whole new ones and half a share of a cost of 200 won.
    after, notes = after_actions(books(7, 1_400), [action(1, 2)])
    (held,) = after.carried.allocations
    assert (held.quantity, held.cost, after.cash) == (3, 1_200, 1_200)
    assert notes[0].endswith("200 won were paid for the fraction")


def test_shares_that_vanish_in_a_reverse_split_are_paid_out() -> None:
    after, _ = after_actions(books(3, 900), [action(1, 10)])
    assert after.carried.allocations == ()
    assert after.cash == 1_900


@pytest.mark.parametrize("symbol", ["005930", "000660"])
def test_actions_in_other_issues_change_nothing(symbol: str) -> None:
    before = books(10, 5_000)
    after, notes = after_actions(before, [action(5, 1, Symbol(symbol))])
    assert (after, notes) == (before, [])
