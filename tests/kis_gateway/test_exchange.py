"""The rules of the simulated exchange in continuous trading and in auctions."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from events import Symbol
from events.market import Aggressor, Phase
from events.trading import Side
from kis_gateway.protocol import Pricing
from kis_gateway.simulator.exchange import (
    Acknowledged,
    BookShown,
    EnterPhase,
    Executed,
    OrderNumberReused,
    OrderStatus,
    Outcome,
    OutOfOrder,
    PlaceOrder,
    Printed,
    Refusal,
    Refused,
    TimeInForce,
    UnlistedSymbol,
    Withdrawn,
)
from tests.kis_gateway.exchange_setup import ALPHA, DAY, SESSION, Floor, of


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


class TestArrivingOrders:
    def test_a_marketable_buy_takes_the_shown_asks_level_by_level(self) -> None:
        """100 at 10,010 and 50 of the 200 at 10,020; the others' side of it is not printed."""
        floor = Floor()
        floor.book()
        outcomes = floor.buy(150, 10_020)
        assert fills(outcomes) == [("1", 100, 10_010, 50), ("1", 50, 10_020, 0)]
        assert of(Printed, outcomes) == []
        assert of(BookShown, outcomes)[-1].asks == ((10_020, 150), (10_030, 300))

    def test_a_limit_is_never_passed(self) -> None:
        """What the limit does not reach waits at the limit and is shown there."""
        floor = Floor()
        floor.book()
        outcomes = floor.buy(150, 10_010)
        assert fills(outcomes) == [("1", 100, 10_010, 50)]
        shown = of(BookShown, outcomes)[-1]
        assert shown.bids[0] == (10_010, 50)
        assert shown.asks[0] == (10_020, 200)

    def test_liquidity_that_was_taken_is_gone_until_the_next_book(self) -> None:
        """A second order finds only what the first one left."""
        floor = Floor()
        floor.book()
        floor.buy(80, 10_010)
        assert fills(floor.buy(80, 10_010)) == [("2", 20, 10_010, 60)]
        floor.cancel("2")
        floor.book()
        assert fills(floor.buy(80, 10_010)) == [("4", 80, 10_010, 0)]

    def test_what_the_others_traded_is_gone_too(self) -> None:
        """A buyer of the tape took 70 of the 100 shown."""
        floor = Floor()
        floor.book()
        floor.trade(10_010, 70, Aggressor.BUY)
        assert fills(floor.buy(50, 10_010)) == [("1", 30, 10_010, 20)]

    def test_a_market_sell_takes_the_bids_down(self) -> None:
        """100 at 10,000, 200 at 9,990, 10 at 9,980."""
        floor = Floor()
        floor.book()
        assert fills(floor.sell(310, None)) == [
            ("1", 100, 10_000, 210),
            ("1", 200, 9_990, 10),
            ("1", 10, 9_980, 0),
        ]

    def test_our_clients_trade_with_each_other_on_the_tape(self) -> None:
        """Bob's ask at 10,005 is better than the others'; the trade is printed at his price."""
        floor = Floor()
        floor.book(asks=((10_050, 100),))
        floor.sell(40, 10_020, account="bob")
        outcomes = floor.buy(60, 10_050)
        assert fills(outcomes) == [
            ("2", 40, 10_020, 20),
            ("1", 40, 10_020, 0),
            ("2", 20, 10_050, 0),
        ]
        (printed,) = of(Printed, outcomes)
        assert (printed.price, printed.quantity, printed.aggressor) == (10_020, 40, Aggressor.BUY)
        assert (printed.cumulative_volume, printed.cumulative_value) == (40, 400_800)

    def test_at_one_price_the_others_shown_before_our_client_come_first(self) -> None:
        """Bob queued behind 100 at 10,010: a buy of 110 takes them and 10 of his."""
        floor = Floor()
        floor.book()
        floor.sell(50, 10_010, account="bob")
        assert fills(floor.buy(110, 10_010)) == [
            ("2", 100, 10_010, 10),
            ("2", 10, 10_010, 0),
            ("1", 10, 10_010, 40),
        ]

    def test_ioc_takes_what_is_there_and_gives_back_the_rest(self) -> None:
        """Of 150 at 10,010 only 100 are there."""
        floor = Floor()
        floor.book()
        outcomes = floor.buy(150, 10_010, time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL)
        assert fills(outcomes) == [("1", 100, 10_010, 50)]
        (withdrawn,) = of(Withdrawn, outcomes)
        assert (withdrawn.quantity, withdrawn.by) == (50, None)
        assert floor.exchange.account("ann").reserved == 0

    @pytest.mark.parametrize(("quantity", "filled"), [(300, 300), (301, 0)])
    def test_fok_fills_whole_or_not_at_all(self, quantity: int, filled: int) -> None:
        """300 shares are offered up to 10,020."""
        floor = Floor()
        floor.book()
        outcomes = floor.buy(quantity, 10_020, time_in_force=TimeInForce.FILL_OR_KILL)
        assert sum(each[1] for each in fills(outcomes)) == filled
        assert [each.quantity for each in of(Withdrawn, outcomes)] == ([] if filled else [quantity])

    def test_fok_counts_our_clients_orders(self) -> None:
        """100 shown and 50 of Bob's fill 150; 151 would not."""
        floor = Floor()
        floor.book(asks=((10_010, 100),))
        floor.sell(50, 10_010, account="bob")
        outcomes = floor.buy(150, 10_010, time_in_force=TimeInForce.FILL_OR_KILL)
        assert sum(each.quantity for each in of(Executed, outcomes) if each.side is Side.BUY) == 150


class TestRestingOrders:
    def test_the_queue_ahead_trades_first(self) -> None:
        """Behind 100 at 10,000: a sale of 120 leaves 20 for us; the print stays 120."""
        floor = Floor()
        floor.book()
        floor.buy(50, 10_000)
        outcomes = floor.trade(10_000, 120, Aggressor.SELL)
        assert fills(outcomes) == [("1", 20, 10_000, 30)]
        assert [each.quantity for each in of(Printed, outcomes)] == [120]

    def test_the_queue_ahead_shrinks_over_several_trades(self) -> None:
        """60 and then 50 out of a queue of 100: the last 10 are ours."""
        floor = Floor()
        floor.book()
        floor.buy(50, 10_000)
        assert fills(floor.trade(10_000, 60, Aggressor.SELL)) == []
        assert fills(floor.trade(10_000, 50, Aggressor.SELL)) == [("1", 10, 10_000, 40)]

    def test_a_smaller_shown_level_moves_us_up(self) -> None:
        """The level shrinks to 30: so does the queue; growing again does not push us back."""
        floor = Floor()
        floor.book()
        floor.buy(50, 10_000)
        floor.book(bids=((10_000, 30),))
        floor.book(bids=((10_000, 500),))
        assert fills(floor.trade(10_000, 40, Aggressor.SELL)) == [("1", 10, 10_000, 40)]

    def test_newcomers_queue_behind_what_earlier_trades_left(self) -> None:
        """60 of 100 traded: a newcomer has 40 before it."""
        floor = Floor()
        floor.book()
        floor.trade(10_000, 60, Aggressor.SELL)
        floor.buy(50, 10_000)
        assert fills(floor.trade(10_000, 45, Aggressor.SELL)) == [("1", 5, 10_000, 45)]

    def test_a_trade_through_our_price_fills_us_at_our_price(self) -> None:
        """A print at 9,990 means that our bid at 10,000 was met first."""
        floor = Floor()
        floor.book()
        floor.buy(50, 10_000)
        assert fills(floor.trade(9_990, 1, Aggressor.SELL)) == [("1", 50, 10_000, 0)]

    def test_a_buyer_at_our_price_does_not_fill_our_buy(self) -> None:
        """A buyer-initiated print at 10,000 met a seller, not a bid."""
        floor = Floor()
        floor.book()
        floor.buy(50, 10_000)
        assert fills(floor.trade(10_000, 500, Aggressor.BUY)) == []

    def test_a_resting_sell_mirrors_a_resting_buy(self) -> None:
        """Behind 100 at 10,010, then gone through."""
        floor = Floor()
        floor.book()
        floor.sell(50, 10_010)
        assert fills(floor.trade(10_010, 130, Aggressor.BUY)) == [("1", 30, 10_010, 20)]
        assert fills(floor.trade(10_020, 1, Aggressor.BUY)) == [("1", 20, 10_010, 0)]

    def test_better_price_then_earlier_time_goes_first(self) -> None:
        """Three bids of ours against 120 shares at 10,000: price first, then arrival."""
        floor = Floor()
        floor.book(bids=((9_900, 100),), asks=((10_100, 100),))
        floor.buy(50, 10_000)
        floor.buy(50, 10_000, account="bob")
        floor.buy(50, 10_010, account="bob")
        assert fills(floor.trade(10_000, 120, Aggressor.SELL)) == [
            ("3", 50, 10_010, 0),
            ("1", 50, 10_000, 0),
            ("2", 20, 10_000, 30),
        ]

    def test_a_crossing_book_fills_us_at_our_price_up_to_its_size(self) -> None:
        """Sellers come down to 9,990: 30 shares meet our bid at 10,000, where it stands."""
        floor = Floor()
        floor.book()
        floor.buy(50, 10_000)
        outcomes = floor.book(asks=((9_990, 30), (10_010, 5)), bids=((9_980, 10),))
        assert fills(outcomes) == [("1", 30, 10_000, 20)]
        shown = of(BookShown, outcomes)[-1]
        assert (shown.asks, shown.bids) == (((10_010, 5),), ((10_000, 20), (9_980, 10)))

    def test_beyond_the_tenth_level_nothing_is_known(self) -> None:
        """Our bid below ten levels waits behind everything until its level is shown."""
        floor = Floor()
        ten = tuple((10_000 - 10 * level, 5) for level in range(10))
        floor.book(bids=ten)
        floor.buy(50, 9_900)
        assert fills(floor.trade(9_900, 1_000, Aggressor.SELL)) == []
        floor.book(bids=((9_900, 5),))
        assert fills(floor.trade(9_900, 10, Aggressor.SELL)) == [("1", 5, 9_900, 45)]

    def test_the_rest_of_a_market_order_follows_the_market(self) -> None:
        """It is not shown, trades first at the next print, then with the next book."""
        floor = Floor()
        floor.book(asks=((10_010, 10),))
        outcomes = floor.buy(100, None)
        assert fills(outcomes) == [("1", 10, 10_010, 90)]
        assert of(BookShown, outcomes)[-1].bids[0] == (10_000, 100)
        assert fills(floor.trade(10_050, 20, Aggressor.BUY)) == [("1", 20, 10_050, 70)]
        assert fills(floor.book(asks=((10_060, 30), (10_070, 60)))) == [
            ("1", 30, 10_060, 40),
            ("1", 40, 10_070, 0),
        ]

    def test_a_resting_market_order_trades_at_an_arriving_limit(self) -> None:
        """Bob sells to Ann's waiting market buy at his own limit."""
        floor = Floor()
        floor.book(asks=(), bids=())
        floor.buy(100, None)
        outcomes = floor.sell(30, 9_950, account="bob")
        assert fills(outcomes) == [("2", 30, 9_950, 0), ("1", 30, 9_950, 70)]

    def test_two_market_orders_wait_for_a_price(self) -> None:
        """Neither has a price, so they do not trade with each other, and FOK does not count it."""
        floor = Floor()
        floor.book(asks=(), bids=())
        floor.buy(100, None)
        assert fills(floor.sell(30, None, account="bob")) == []
        order = floor.sell(30, None, account="bob", time_in_force=TimeInForce.FILL_OR_KILL)
        assert fills(order) == []

    def test_a_market_order_stays_inside_the_days_limits(self) -> None:
        """A print above the upper limit (adjusted history) fills no market order of ours."""
        floor = Floor()
        floor.book(asks=((13_010, 50),), bids=())
        assert fills(floor.buy(10, None)) == []
        assert fills(floor.trade(13_010, 5, Aggressor.BUY)) == []
        assert fills(floor.book(asks=((13_010, 50),), bids=())) == []


class TestAuctions:
    def test_orders_at_or_better_trade_at_the_auction_price(self) -> None:
        """Market first, then price, then time; each side up to the printed quantity."""
        floor = Floor(Phase.OPENING_AUCTION)
        floor.buy(40, 10_100)
        floor.buy(40, None, account="bob")
        floor.buy(40, 9_990)
        floor.sell(40, 9_900)
        floor.enter(Phase.CONTINUOUS)
        outcomes = floor.trade(10_000, 60, auction=True)
        assert fills(outcomes) == [
            ("2", 40, 10_000, 0),
            ("1", 20, 10_000, 20),
            ("4", 40, 10_000, 0),
        ]
        assert [(each.quantity, each.auction) for each in of(Printed, outcomes)] == [(60, True)]

    def test_orders_are_not_shown_during_an_auction(self) -> None:
        """A crossed book is nothing an exchange shows."""
        floor = Floor(Phase.OPENING_AUCTION)
        assert of(BookShown, floor.buy(40, 12_000)) == []
        assert of(BookShown, floor.book())[-1].bids[0] == (10_000, 100)
        assert floor.exchange.tape(ALPHA).best_bid == 10_000

    def test_what_the_opening_leaves_joins_continuous_trading(self) -> None:
        """The bid below the auction price rests; it is then shown."""
        floor = Floor(Phase.OPENING_AUCTION)
        floor.buy(40, 9_990)
        floor.enter(Phase.CONTINUOUS)
        outcomes = floor.trade(10_000, 60, auction=True)
        assert fills(outcomes) == []
        assert of(BookShown, outcomes)[-1].bids == ((9_990, 40),)
        assert fills(floor.trade(9_980, 1, Aggressor.SELL)) == [("1", 40, 9_990, 0)]

    def test_an_issue_without_an_opening_match_opens_with_its_first_book(self) -> None:
        """The accumulated buy takes the asks that the book shows."""
        floor = Floor(Phase.OPENING_AUCTION)
        floor.buy(40, 10_010)
        floor.enter(Phase.CONTINUOUS)
        assert fills(floor.book()) == [("1", 40, 10_010, 0)]

    def test_an_issue_without_an_opening_match_opens_with_its_first_trade(self) -> None:
        """Two crossing orders of ours meet first, at the older one's price; then the print."""
        floor = Floor(Phase.OPENING_AUCTION)
        floor.buy(40, 10_010)
        floor.sell(10, 10_000, account="bob")
        floor.enter(Phase.CONTINUOUS)
        outcomes = floor.trade(10_000, 5, Aggressor.SELL)
        assert fills(outcomes) == [
            ("2", 10, 10_010, 0),
            ("1", 10, 10_010, 30),
            ("1", 30, 10_010, 0),
        ]
        assert [(each.price, each.quantity) for each in of(Printed, outcomes)] == [
            (10_010, 10),
            (10_000, 5),
        ]

    def test_nothing_else_trades_during_an_auction(self) -> None:
        """A plain print in the closing auction and a crossing book fill nobody."""
        floor = Floor()
        floor.book()
        floor.buy(40, 10_000)
        floor.enter(Phase.CLOSING_AUCTION)
        assert fills(floor.trade(9_000, 500, Aggressor.SELL)) == []
        assert fills(floor.book(asks=((9_000, 500),), bids=())) == []
        assert fills(floor.trade(9_990, 500, auction=True)) == [("1", 40, 9_990, 0)]

    def test_a_market_order_outside_the_limits_does_not_stop_the_next_order(self) -> None:
        """An auction above the upper limit (adjusted history) is none for market buys."""
        floor = Floor(Phase.OPENING_AUCTION)
        floor.buy(5, None)
        floor.sell(5, 10_000)
        assert fills(floor.trade(13_010, 50, auction=True)) == [("2", 5, 13_010, 0)]

    @pytest.mark.parametrize(
        "condition", [TimeInForce.IMMEDIATE_OR_CANCEL, TimeInForce.FILL_OR_KILL]
    )
    def test_immediate_orders_are_not_taken(self, condition: TimeInForce) -> None:
        """KRX takes no IOC and FOK orders during single-price trading."""
        floor = Floor(Phase.OPENING_AUCTION)
        outcomes = floor.buy(1, 10_000, time_in_force=condition)
        assert refusal(outcomes) is Refusal.MARKET_ORDER_NOT_ALLOWED

    def test_the_vi_reference_is_the_last_auction_price(self) -> None:
        """Before the opening match it is the base price."""
        floor = Floor(Phase.OPENING_AUCTION)
        assert floor.exchange.tape(ALPHA).vi_reference == 10_000
        floor.trade(10_150, 60, auction=True)
        floor.enter(Phase.CONTINUOUS)
        floor.trade(10_200, 60, Aggressor.BUY)
        assert floor.exchange.tape(ALPHA).vi_reference == 10_150


class TestChecks:
    def test_no_order_is_taken_while_closed(self) -> None:
        """Neither a new order nor a cancel or replace."""
        floor = Floor(Phase.CLOSED)
        assert refusal(floor.buy(1, 10_000)) is Refusal.CLOSED
        assert refusal(floor.cancel("1")) is Refusal.CLOSED
        assert refusal(floor.replace("1", 1, 10_000)) is Refusal.CLOSED

    def test_an_unlisted_symbol_is_refused(self) -> None:
        """The order is kept as rejected."""
        floor = Floor()
        outcomes = floor.place(Side.BUY, 5, 10_000, symbol=Symbol("123456"))
        assert refusal(outcomes) is Refusal.UNKNOWN_SYMBOL
        (order,) = floor.exchange.orders("ann")
        assert (order.status, order.rejected_quantity) == (OrderStatus.REJECTED, 5)

    @pytest.mark.parametrize(
        ("quantity", "price", "reason"),
        [
            (0, 10_000, Refusal.BAD_QUANTITY),
            (-5, 10_000, Refusal.BAD_QUANTITY),
            (1, 10_005, Refusal.OFF_TICK),
            (1, 0, Refusal.OFF_TICK),
            (1, -10, Refusal.OFF_TICK),
            (1, 13_010, Refusal.OUTSIDE_LIMITS),
            (1, 6_990, Refusal.OUTSIDE_LIMITS),
            (10_000, 10_000, Refusal.NO_CASH),
        ],
    )
    def test_a_bad_order_is_refused(self, quantity: int, price: int, reason: Refusal) -> None:
        """Nothing is reserved and nothing shown."""
        floor = Floor()
        before = floor.exchange.account("ann")
        assert refusal(floor.buy(quantity, price)) is reason
        assert floor.exchange.account("ann") == before

    def test_a_limit_order_needs_a_price(self) -> None:
        """A limit order without one is refused rather than guessed at."""
        floor = Floor()
        command = PlaceOrder(
            at=floor.at,
            order_number="x",
            account="ann",
            symbol=ALPHA,
            side=Side.BUY,
            pricing=Pricing.LIMIT,
            quantity=1,
            price=None,
        )
        assert refusal(floor.exchange.handle(command)) is Refusal.OFF_TICK

    def test_shares_cannot_be_sold_twice(self) -> None:
        """1,000 held, 700 claimed by a working sell."""
        floor = Floor()
        floor.book()
        floor.sell(700, 11_000)
        assert refusal(floor.sell(301, 11_000)) is Refusal.NO_SHARES
        assert len(floor.sell(300, 11_000)) == 2

    def test_misuse_by_the_caller_is_an_error(self) -> None:
        """A repeated order number, an unlisted market symbol, and time going back."""
        floor = Floor()
        floor.buy(1, 9_000)
        floor.numbers -= 1
        with pytest.raises(OrderNumberReused, match="'1'"):
            floor.buy(1, 9_000)
        with pytest.raises(UnlistedSymbol, match="123456"):
            floor.exchange.tape(Symbol("123456"))
        with pytest.raises(OutOfOrder):
            floor.exchange.handle(EnterPhase(at=floor.at - 1, phase=Phase.CLOSED))


class TestCancelAndReplace:
    def test_a_cancel_withdraws_what_is_left(self) -> None:
        """It has a number of its own and says whose quantity it took."""
        floor = Floor()
        floor.book()
        floor.buy(150, 10_010)
        outcomes = floor.cancel("1")
        assert isinstance(outcomes[0], Acknowledged)
        assert outcomes[0].order_number == "2"
        (withdrawn,) = of(Withdrawn, outcomes)
        assert (withdrawn.order_number, withdrawn.quantity, withdrawn.by) == ("1", 50, "2")
        order, cancel = floor.exchange.orders("ann")
        assert (order.status, order.filled_quantity, order.cancelled_quantity) == (
            OrderStatus.CANCELLED,
            100,
            50,
        )
        assert (cancel.is_cancel, cancel.parent, cancel.quantity) == (True, "1", 50)

    def test_there_must_be_something_to_cancel(self) -> None:
        """A filled order, a cancel, an unknown number and someone else's order are refused."""
        floor = Floor()
        floor.book()
        floor.buy(10, 10_010)
        floor.buy(10, 9_000)
        assert refusal(floor.cancel("1")) is Refusal.NOTHING_TO_CANCEL
        assert refusal(floor.cancel("2", account="bob")) is Refusal.NO_SUCH_ORDER
        assert refusal(floor.cancel("99")) is Refusal.NO_SUCH_ORDER
        floor.cancel("2")
        assert refusal(floor.cancel("6")) is Refusal.NOTHING_TO_CANCEL
        assert refusal(floor.replace("2", 1, 9_000)) is Refusal.NOTHING_TO_CANCEL

    def test_a_replace_loses_its_place_in_the_queue(self) -> None:
        """The 40 moved have the 100 shown at 10,000 ahead again; the 10 left keep their place."""
        floor = Floor()
        floor.book()
        floor.buy(50, 10_000)
        floor.trade(10_000, 100, Aggressor.SELL)
        floor.book()
        outcomes = floor.replace("1", 40, 10_000)
        (withdrawn,) = of(Withdrawn, outcomes)
        assert (withdrawn.order_number, withdrawn.quantity, withdrawn.by) == ("1", 40, "2")
        assert fills(floor.trade(10_000, 10, Aggressor.SELL)) == [("1", 10, 10_000, 0)]
        assert fills(floor.trade(10_000, 110, Aggressor.SELL)) == [("2", 10, 10_000, 30)]

    def test_a_replace_may_cross(self) -> None:
        """Moved up to the ask it trades at once; its cash comes from the old reservation."""
        floor = Floor(cash=1_002_000)
        floor.book()
        floor.buy(100, 9_000)
        assert fills(floor.replace("1", 100, 10_010)) == [("2", 100, 10_010, 0)]

    def test_a_replace_may_become_a_market_order(self) -> None:
        """50 of 1,000 trade at the market; the other 950 stay where they were."""
        floor = Floor()
        floor.book()
        floor.sell(1_000, 11_000)
        assert fills(floor.replace("1", 50, None)) == [("2", 50, 10_000, 0)]
        assert floor.exchange.account("ann").holdings[ALPHA].sellable == 0
        assert floor.order("1").remaining_quantity == 950

    def test_a_replace_cannot_grow(self) -> None:
        """The old order stands as it was."""
        floor = Floor()
        floor.book()
        floor.buy(50, 9_990)
        assert refusal(floor.replace("1", 51, 9_990)) is Refusal.BAD_QUANTITY
        assert refusal(floor.replace("1", 50, 9_995)) is Refusal.OFF_TICK
        assert floor.exchange.orders("ann")[0].remaining_quantity == 50


class TestSession:
    def test_the_end_of_the_session_withdraws_what_is_left(self) -> None:
        """Both sides; cash and shares are free again."""
        floor = Floor()
        floor.book()
        floor.buy(50, 9_000)
        floor.sell(50, 11_000)
        outcomes = floor.enter(Phase.CLOSED)
        assert [(each.order_number, each.reason) for each in of(Withdrawn, outcomes)] == [
            ("1", "session end"),
            ("2", "session end"),
        ]
        account = floor.exchange.account("ann")
        assert (account.available_cash, account.holdings[ALPHA].sellable) == (100_000_000, 1_000)
        assert {each.status for each in floor.exchange.orders("ann")} == {OrderStatus.EXPIRED}
        assert floor.exchange.phase is Phase.CLOSED

    def test_the_tape_counts_the_session(self) -> None:
        """Open, high, low, last, totals, best prices, and minute bars by the clock."""
        floor = Floor()
        floor.book()
        floor.trade(10_010, 5, Aggressor.BUY)
        floor.trade(10_030, 1, Aggressor.BUY)
        (printed,) = of(Printed, floor.trade(9_990, 2, Aggressor.SELL))
        assert (printed.open, printed.high, printed.low) == (10_010, 10_030, 9_990)
        assert (printed.cumulative_volume, printed.cumulative_value) == (8, 80_060)
        assert (printed.best_ask, printed.best_bid) == (10_010, 10_000)
        floor.at = SESSION.open_at + 59_000_000_000
        floor.trade(9_980, 4, Aggressor.SELL)
        tape = floor.exchange.tape(ALPHA)
        assert (tape.last, tape.open, tape.high, tape.low) == (9_980, 10_010, 10_030, 9_980)
        assert (tape.volume, tape.value, tape.phase) == (12, 119_980, Phase.CONTINUOUS)
        first, second = floor.exchange.minute_bars(ALPHA)
        assert (first.start, first.open, first.high, first.low, first.close, first.volume) == (
            SESSION.open_at,
            10_010,
            10_030,
            9_990,
            9_990,
            8,
        )
        assert (second.start, second.volume, second.value) == (
            SESSION.open_at + 60_000_000_000,
            4,
            39_920,
        )

    def test_before_the_first_trade_everything_is_zero(self) -> None:
        """No bars, no prices; the listing is there."""
        floor = Floor()
        tape = floor.exchange.tape(ALPHA)
        assert (tape.last, tape.best_ask, tape.best_bid, tape.asks) == (0, 0, 0, ())
        assert floor.exchange.minute_bars(ALPHA) == ()
        assert floor.exchange.listing(ALPHA).base_price == 10_000
        assert f"{DAY:%Y%m%d}" == SESSION.trading_date
