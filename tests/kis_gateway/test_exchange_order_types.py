"""Order types beyond limit and market, late effects of changes, and books set from outside."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from events.market import Aggressor, Phase
from events.trading import Side
from kis_gateway.protocol import Pricing, Route
from kis_gateway.simulator.exchange import (
    Acknowledged,
    BookShown,
    BookTooSmall,
    Executed,
    OrderStatus,
    Outcome,
    Refusal,
    Refused,
    Session,
    SetBook,
    TimeInForce,
    Triggered,
    Withdrawn,
)
from tests.kis_gateway.exchange_setup import ALPHA, Floor, of

IOC, FOK = TimeInForce.IMMEDIATE_OR_CANCEL, TimeInForce.FILL_OR_KILL


def fills(outcomes: Sequence[Outcome]) -> list[tuple[str, int, int, int]]:
    """Return (order, quantity, price, remaining) of every execution."""
    return [
        (each.order_number, each.quantity, each.price, each.remaining)
        for each in of(Executed, outcomes)
    ]


def refusal(outcomes: Sequence[Outcome]) -> Refusal:
    """Return the reason of a refusal that is the only outcome."""
    (refused,) = outcomes
    assert isinstance(refused, Refused)
    return refused.reason


class TestBestPriceOrders:
    def test_the_best_limit_takes_over_the_opposite_price(self) -> None:
        """A buy becomes a limit at the ask of 10,010, trades its 100 and rests there."""
        floor = Floor()
        floor.book()
        outcomes = floor.buy(150, pricing=Pricing.OPPOSITE_BEST)
        assert of(Acknowledged, outcomes)[0].price == 10_010
        assert fills(outcomes) == [("1", 100, 10_010, 50)]
        assert of(BookShown, outcomes)[-1].bids[0] == (10_010, 50)

    def test_the_top_priority_limit_joins_its_own_side(self) -> None:
        """A sell joins the ask of 10,010 and stays there when the book moves."""
        floor = Floor()
        floor.book()
        floor.sell(10, pricing=Pricing.OWN_BEST)
        floor.book(asks=((10_030, 5),))
        assert floor.order("1").price == 10_010

    def test_without_a_quote_there_is_no_best_price(self) -> None:
        """An empty side refuses the order."""
        floor = Floor()
        floor.book(asks=())
        assert refusal(floor.buy(1, pricing=Pricing.OPPOSITE_BEST)) is Refusal.NO_QUOTE

    @pytest.mark.parametrize("pricing", [Pricing.OPPOSITE_BEST, Pricing.OWN_BEST, Pricing.MIDDLE])
    def test_book_priced_orders_are_not_taken_in_auctions(self, pricing: Pricing) -> None:
        """Single-price trading knows limit, market and conditional orders."""
        floor = Floor(Phase.OPENING_AUCTION)
        assert refusal(floor.buy(1, pricing=pricing)) is Refusal.MARKET_ORDER_NOT_ALLOWED


class TestConditionalOrders:
    def test_a_limit_by_day_is_a_market_order_in_the_closing_auction(self) -> None:
        """At 9,900 it waits all day; the closing match at 10,100 fills it."""
        floor = Floor()
        floor.book()
        floor.buy(40, 9_900, pricing=Pricing.CONDITIONAL)
        assert fills(floor.trade(9_950, 500, Aggressor.SELL)) == []
        floor.enter(Phase.CLOSING_AUCTION)
        assert fills(floor.trade(10_100, 60, auction=True)) == [("1", 40, 10_100, 0)]

    def test_it_reserves_what_the_market_order_may_cost(self) -> None:
        """100 shares at the upper limit of 13,000 and 195 won of fee."""
        floor = Floor(cash=1_300_194)
        floor.book()
        order = floor.buy(100, 9_900, pricing=Pricing.CONDITIONAL)
        assert refusal(order) is Refusal.NO_CASH

    def test_it_is_not_taken_in_the_closing_auction(self) -> None:
        """There it would be a market order by another name."""
        floor = Floor(Phase.CLOSING_AUCTION)
        order = floor.buy(1, 9_900, pricing=Pricing.CONDITIONAL)
        assert refusal(order) is Refusal.MARKET_ORDER_NOT_ALLOWED


class TestMiddlePriceOrders:
    def test_two_sides_meet_at_the_middle_and_follow_the_book(self) -> None:
        """Between 10,000 and 10,020, then between 10,100 and 10,140."""
        floor = Floor()
        floor.book(asks=((10_020, 5),), bids=((10_000, 5),))
        floor.buy(50, pricing=Pricing.MIDDLE)
        floor.book(asks=((10_140, 5),), bids=((10_100, 5),))
        assert fills(floor.sell(30, pricing=Pricing.MIDDLE, account="bob")) == [
            ("2", 30, 10_120, 0),
            ("1", 30, 10_120, 20),
        ]

    def test_they_are_unseen(self) -> None:
        """The book shows nothing between the best prices."""
        floor = Floor()
        floor.book(asks=((10_020, 5),), bids=((10_000, 5),))
        shown = of(BookShown, floor.buy(50, pricing=Pricing.MIDDLE))[-1]
        assert (shown.asks, shown.bids) == (((10_020, 5),), ((10_000, 5),))

    def test_whoever_crosses_the_spread_meets_them_first(self) -> None:
        """A seller of the tape at 10,000 gives 10,010 to the middle, the rest to the book."""
        floor = Floor()
        floor.book(asks=((10_020, 5),), bids=((10_000, 100),))
        floor.buy(30, pricing=Pricing.MIDDLE)
        floor.buy(50, 10_000, account="bob")
        assert fills(floor.trade(10_000, 150, Aggressor.SELL)) == [
            ("1", 30, 10_010, 0),
            ("2", 20, 10_000, 30),
        ]

    def test_a_buyer_of_the_tape_does_not_meet_buyers_at_the_middle(self) -> None:
        """The trade at the ask proves no seller at the middle."""
        floor = Floor()
        floor.book(asks=((10_020, 5),), bids=((10_000, 5),))
        floor.buy(30, pricing=Pricing.MIDDLE)
        assert fills(floor.trade(10_020, 500, Aggressor.BUY)) == []

    @pytest.mark.parametrize(("condition", "filled"), [(IOC, 30), (FOK, 0)])
    def test_immediate_ones_take_what_is_at_the_middle(
        self, condition: TimeInForce, filled: int
    ) -> None:
        """30 are there for 40 wanted."""
        floor = Floor()
        floor.book(asks=((10_020, 500),), bids=((10_000, 500),))
        floor.sell(30, pricing=Pricing.MIDDLE, account="bob")
        outcomes = floor.buy(40, pricing=Pricing.MIDDLE, time_in_force=condition)
        mine = [each for each in fills(outcomes) if each[0] == "2"]
        assert sum(each[1] for each in mine) == filled
        assert of(Withdrawn, outcomes)[0].quantity == 40 - filled

    def test_without_two_sides_they_wait_and_pair_up_later(self) -> None:
        """No bid, no middle; the next book gives one."""
        floor = Floor()
        floor.book(asks=((10_020, 5),), bids=())
        floor.buy(10, pricing=Pricing.MIDDLE)
        assert fills(floor.sell(10, pricing=Pricing.MIDDLE, account="bob")) == []
        assert {each[2] for each in fills(floor.book(bids=((10_000, 5),)))} == {10_005}


class TestStopLimitOrders:
    def test_it_sleeps_until_its_trigger_has_traded(self) -> None:
        """A buy stop at 10,050 with a limit of 10,060 trades only after 10,050 has."""
        floor = Floor()
        floor.book(asks=((10_040, 100),))
        floor.buy(10, 10_060, pricing=Pricing.STOP_LIMIT, trigger=10_050)
        assert floor.order("1").asleep
        assert fills(floor.trade(10_040, 5, Aggressor.BUY)) == []
        outcomes = floor.trade(10_050, 5, Aggressor.BUY)
        assert [each.order_number for each in of(Triggered, outcomes)] == ["1"]
        assert fills(outcomes) == [("1", 10, 10_040, 0)]

    def test_a_sell_stop_wakes_at_or_below(self) -> None:
        """The fall through 9,950 wakes it; its limit of 9,940 rests."""
        floor = Floor()
        floor.book(asks=((9_970, 1),), bids=((9_930, 50),))
        floor.sell(10, 9_940, pricing=Pricing.STOP_LIMIT, trigger=9_950)
        outcomes = floor.trade(9_940, 5, Aggressor.SELL)
        assert len(of(Triggered, outcomes)) == 1
        assert of(BookShown, outcomes)[-1].asks[0] == (9_940, 10)

    def test_it_takes_its_place_in_the_queue_when_it_wakes(self) -> None:
        """Whoever came to the price in between is first."""
        floor = Floor()
        floor.book(asks=((10_100, 100),), bids=((9_900, 1),))
        floor.buy(10, 10_000, pricing=Pricing.STOP_LIMIT, trigger=10_050)
        floor.buy(10, 10_000, account="bob")
        floor.trade(10_060, 1, Aggressor.BUY)
        assert fills(floor.trade(10_000, 12, Aggressor.SELL)) == [
            ("2", 10, 10_000, 0),
            ("1", 2, 10_000, 8),
        ]

    def test_one_stop_may_wake_another(self) -> None:
        """Ann's stop buys from Bob at 10,100, which is Bob's own trigger."""
        floor = Floor()
        floor.book(asks=(), bids=())
        floor.sell(5, 10_100, account="bob")
        floor.buy(5, 10_100, pricing=Pricing.STOP_LIMIT, trigger=10_050)
        floor.buy(5, 10_110, pricing=Pricing.STOP_LIMIT, trigger=10_100, account="bob")
        outcomes = floor.trade(10_050, 1, Aggressor.NONE)
        assert [each.order_number for each in of(Triggered, outcomes)] == ["2", "3"]

    def test_the_trigger_must_be_a_possible_price(self) -> None:
        """On its tick and inside the limits."""
        floor = Floor()
        off = floor.buy(1, 10_000, pricing=Pricing.STOP_LIMIT, trigger=10_005)
        assert refusal(off) is Refusal.OFF_TICK
        outside = floor.buy(1, 10_000, pricing=Pricing.STOP_LIMIT, trigger=13_010)
        assert refusal(outside) is Refusal.OUTSIDE_LIMITS

    def test_a_sleeping_order_can_be_cancelled(self) -> None:
        """Its cash comes back."""
        floor = Floor()
        floor.buy(10, 10_060, pricing=Pricing.STOP_LIMIT, trigger=10_050)
        floor.cancel("1")
        assert floor.exchange.account("ann").reserved == 0
        assert of(Triggered, floor.trade(10_050, 5, Aggressor.BUY)) == []


class TestPartialChanges:
    def test_a_partial_cancel_leaves_the_rest_in_its_place(self) -> None:
        """30 of 50 go; the other 20 are still before Bob."""
        floor = Floor()
        floor.book(bids=((9_000, 1),))
        floor.buy(50, 9_990)
        floor.buy(50, 9_990, account="bob")
        (withdrawn,) = of(Withdrawn, floor.cancel("1", 30))
        assert (withdrawn.quantity, withdrawn.by) == (30, "3")
        assert fills(floor.trade(9_990, 25, Aggressor.SELL)) == [
            ("1", 20, 9_990, 0),
            ("2", 5, 9_990, 45),
        ]

    @pytest.mark.parametrize("quantity", [0, -1, 51])
    def test_a_partial_cancel_is_of_what_is_left(self, quantity: int) -> None:
        """More than is left, or nothing, is refused."""
        floor = Floor()
        floor.buy(50, 9_990)
        assert refusal(floor.cancel("1", quantity)) is Refusal.BAD_QUANTITY

    def test_an_amend_of_everything_needs_no_quantity(self) -> None:
        """The original has nothing left at once."""
        floor = Floor()
        floor.buy(50, 9_990)
        floor.replace("1", None, 9_980)
        assert (floor.order("1").remaining_quantity, floor.order("2").quantity) == (0, 50)
        assert refusal(floor.replace("1", None, 9_970)) is Refusal.NOTHING_TO_CANCEL


class TestChangesThatTakeEffectLate:
    def test_what_trades_before_a_cancel_takes_effect_has_traded(self) -> None:
        """50 of 100 trade in between: the cancel withdraws the other 50."""
        floor = Floor()
        floor.book(bids=())
        floor.buy(100, 10_000)
        assert of(Withdrawn, floor.cancel("1", after=5)) == []
        assert fills(floor.trade(10_000, 50, Aggressor.SELL)) == [("1", 50, 10_000, 50)]
        (withdrawn,) = of(Withdrawn, floor.later(5))
        assert (withdrawn.quantity, withdrawn.by) == (50, "2")
        assert floor.order("2").quantity == 50

    def test_a_cancel_that_finds_nothing_is_refused_late(self) -> None:
        """It had been acknowledged; the refusal carries its number."""
        floor = Floor()
        floor.book(bids=())
        floor.buy(100, 10_000)
        assert of(Acknowledged, floor.cancel("1", after=5))[0].order_number == "2"
        floor.trade(9_990, 1, Aggressor.SELL)
        (refused,) = of(Refused, floor.later(5))
        assert (refused.order_number, refused.reason) == ("2", Refusal.NOTHING_TO_CANCEL)
        assert floor.order("2").status is OrderStatus.REJECTED

    def test_what_is_promised_cannot_be_changed_again(self) -> None:
        """The original has nothing left to cancel from the moment of acceptance."""
        floor = Floor()
        floor.buy(100, 10_000)
        floor.replace("1", 60, 9_990, after=5)
        assert refusal(floor.cancel("1", 41)) is Refusal.BAD_QUANTITY
        floor.cancel("1", after=5)
        assert refusal(floor.cancel("1")) is Refusal.NOTHING_TO_CANCEL

    def test_an_amend_moves_what_is_left_when_it_takes_effect(self) -> None:
        """30 trade at the old price, 70 go to the new one."""
        floor = Floor()
        floor.book(bids=())
        floor.buy(100, 10_000)
        floor.replace("1", None, 9_990, after=5)
        floor.trade(10_000, 30, Aggressor.SELL)
        floor.later(5)
        assert (floor.order("1").filled_quantity, floor.order("1").cancelled_quantity) == (30, 70)
        assert (floor.order("2").price, floor.order("2").remaining_quantity) == (9_990, 70)

    def test_an_amend_cannot_fail_for_want_of_cash(self) -> None:
        """What it may cost is held back from its acceptance on."""
        floor = Floor(cash=1_002_200)
        floor.book(asks=(), bids=())
        floor.buy(100, 9_000)
        floor.replace("1", None, 10_010, after=5)
        assert refusal(floor.buy(11, 9_000)) is Refusal.NO_CASH
        floor.later(5)
        assert floor.order("2").remaining_quantity == 100
        assert floor.exchange.account("ann").available_cash == 1_002_200 - 1_001_000 - 150

    def test_a_change_of_something_not_yet_there_is_refused(self) -> None:
        """An amended order is not at the exchange before its amend takes effect."""
        floor = Floor()
        floor.buy(100, 10_000)
        floor.replace("1", None, 9_990, after=5)
        assert refusal(floor.cancel("2")) is Refusal.NOTHING_TO_CANCEL

    def test_the_next_moment_is_announced(self) -> None:
        """Whoever drives the exchange knows when to let time pass."""
        floor = Floor()
        floor.buy(100, 10_000)
        assert floor.exchange.next_due is None
        floor.cancel("1", after=5)
        assert floor.exchange.next_due == floor.at + 5_000_000_000


class TestSmartRouting:
    def test_an_order_goes_to_krx_unless_nxt_is_cheaper(self) -> None:
        """NXT's ask of 10,000 beats 10,010; a bid as good as KRX's does not."""
        floor = Floor()
        floor.open(Session.NXT_MAIN_MARKET)
        floor.book()
        floor.book(asks=((10_000, 10),), bids=((9_990, 10),), session=Session.NXT_MAIN_MARKET)
        bought = floor.buy(10, 10_010, route=Route.SOR)
        assert of(Acknowledged, bought)[0].venue == "nxt"
        assert fills(bought) == [("1", 10, 10_000, 0)]
        assert of(Acknowledged, floor.sell(10, 10_000, route=Route.SOR))[0].venue == "krx"


class TestBooksSetFromOutside:
    def test_cash_and_holdings_are_set(self) -> None:
        """The cash counts as settled."""
        floor = Floor()
        floor.tell(SetBook(at=floor.at, account="ann", cash=5_000, holdings=((ALPHA, 7, 70_000),)))
        account = floor.exchange.account("ann")
        assert (account.cash, account.settled_cash) == (5_000, 5_000)
        assert (account.holdings[ALPHA].quantity, account.holdings[ALPHA].cost) == (7, 70_000)

    def test_working_orders_stay_covered(self) -> None:
        """300 shares are claimed, and 100,015 won."""
        floor = Floor()
        floor.book()
        floor.sell(300, 11_000)
        floor.buy(10, 10_000)
        with pytest.raises(BookTooSmall, match="299"):
            floor.tell(SetBook(at=floor.at, account="ann", holdings=((ALPHA, 299, 0),)))
        with pytest.raises(BookTooSmall, match="100014"):
            floor.tell(SetBook(at=floor.at, account="ann", cash=100_014))
        assert floor.exchange.account("ann").holdings[ALPHA].quantity == 1_000


def test_trades_settle_on_the_second_session() -> None:
    """A sale of 1,000,000 won can be spent at once and withdrawn two sessions later."""
    floor = Floor(cash=500_000)
    floor.book()
    floor.sell(100, 10_000)
    account = floor.exchange.account("ann")
    assert account.available_cash == 500_000 + 1_000_000 - 1_650
    assert (account.settled_cash, account.cash_tomorrow) == (500_000, 500_000)
    assert account.withdrawable == 500_000
    floor.place(Side.BUY, 100, 9_990)
    assert floor.exchange.account("ann").withdrawable == 1_498_350 - 999_000 - 149
