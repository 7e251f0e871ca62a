"""Cash, holdings, reservations, fees and taxes of a client of the simulated exchange."""

from __future__ import annotations

import pytest

from events.market import Aggressor
from kis_gateway.simulator.exchange import (
    AccountAlreadyOpen,
    Executed,
    Refusal,
    Refused,
    UnknownAccount,
)
from tests.kis_gateway.exchange_setup import ALPHA, Floor, of


def test_a_buy_costs_its_amount_and_the_fee() -> None:
    """100 × 10,010 = 1,001,000 won; 0.015 % of that is 150.15, cut to 150 won."""
    floor = Floor()
    floor.book()
    (done,) = of(Executed, floor.buy(100, 10_010))
    assert (done.fee, done.tax) == (150, 0)
    account = floor.exchange.account("ann")
    assert account.cash == 100_000_000 - 1_001_000 - 150
    assert (account.reserved, account.fees, account.taxes) == (0, 150, 0)
    held = account.holdings[ALPHA]
    assert (held.quantity, held.cost) == (1_100, 9_000_000 + 1_001_000)
    assert (held.bought_quantity, held.bought_amount) == (100, 1_001_000)


def test_a_sell_brings_its_amount_less_fee_and_tax() -> None:
    """100 × 10,000 settled in September 2025: fee 150 won, tax 0.15 % = 1,500 won."""
    floor = Floor()
    floor.book()
    (done,) = of(Executed, floor.sell(100, 10_000))
    assert (done.fee, done.tax) == (150, 1_500)
    account = floor.exchange.account("ann")
    assert account.available_cash == 100_000_000 + 1_000_000 - 1_650
    held = account.holdings[ALPHA]
    assert (held.quantity, held.sellable, held.cost) == (900, 900, 8_100_000)
    assert (held.sold_quantity, held.sold_amount) == (100, 1_000_000)


def test_a_limit_buy_reserves_its_limit_with_the_fee() -> None:
    """50 × 9,990 = 499,500 won and 74 won of fee, given back as it fills and when it goes."""
    floor = Floor()
    floor.book(bids=((9_900, 1),))
    floor.buy(50, 9_990)
    assert floor.exchange.account("ann").reserved == 499_574
    floor.trade(9_990, 30, Aggressor.SELL)
    assert floor.exchange.account("ann").reserved == 199_800 + 29
    floor.cancel("1")
    assert floor.exchange.account("ann").reserved == 0


def test_a_market_buy_reserves_the_upper_limit() -> None:
    """100 × 13,000 = 1,300,000 won and 195 won of fee must be there, whatever it will cost."""
    floor = Floor(cash=1_300_194)
    floor.book()
    (refused,) = floor.buy(100, None)
    assert isinstance(refused, Refused)
    assert refused.reason is Refusal.NO_CASH
    assert "1300195 won needed, 1300194 won available" in refused.detail
    richer = Floor(cash=1_300_195)
    richer.book()
    assert sum(each.quantity for each in of(Executed, richer.buy(100, None))) == 100


def test_proceeds_can_be_spent_at_once() -> None:
    """With no cash at all, selling 100 shares pays for buying 99 of them back."""
    floor = Floor(cash=0)
    floor.book()
    floor.sell(100, 10_000)
    assert sum(each.quantity for each in of(Executed, floor.buy(99, 10_010))) == 99


def test_a_position_that_was_sold_out_stays_listed_for_the_day() -> None:
    """Quantity and cost are 0, the day's turnover is there."""
    floor = Floor()
    floor.book(bids=((10_000, 5_000),))
    floor.sell(1_000, 10_000)
    held = floor.exchange.account("ann").holdings[ALPHA]
    assert (held.quantity, held.cost, held.sold_quantity) == (0, 0, 1_000)


def test_a_view_does_not_change_afterwards() -> None:
    """A snapshot that was taken before a trade still shows the time before it."""
    floor = Floor()
    floor.book()
    before = floor.exchange.account("ann")
    floor.buy(10, 10_010)
    assert (before.cash, before.holdings[ALPHA].quantity) == (100_000_000, 1_000)


def test_accounts_are_opened_once_and_known_by_name() -> None:
    """Anything else is a mistake of the caller."""
    floor = Floor()
    with pytest.raises(AccountAlreadyOpen, match="'ann'"):
        floor.exchange.open_account("ann", 1)
    with pytest.raises(UnknownAccount, match="'eve'"):
        floor.buy(1, 10_000, account="eve")
    with pytest.raises(UnknownAccount, match="'eve'"):
        floor.exchange.orders("eve")
