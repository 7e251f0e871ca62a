"""Sessions around the regular one, and what stops trading within it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec
import pytest

from events.market import Aggressor, Phase, Venue
from events.prices import Board
from events.trading import Side
from kis_gateway.protocol import Market, Pricing, Route
from kis_gateway.simulator.exchange import (
    Executed,
    ExpectedShown,
    HaltIssue,
    Interruption,
    MarketIndication,
    MarketStatusShown,
    NoSuchLevel,
    OrderStatus,
    Outcome,
    Printed,
    Refusal,
    Refused,
    ResumeIssue,
    Session,
    StatusShown,
    TimeInForce,
    TriggerCircuitBreaker,
    TriggerInterruption,
    TriggerSidecar,
    Withdrawn,
)
from kis_gateway.simulator.exchange.auction import Interest, single_price
from tests.kis_gateway.exchange_setup import ALPHA, LISTING, SECOND, Floor, of


def fills(outcomes: Sequence[Outcome]) -> list[tuple[str, int, int]]:
    """Return (order, quantity, price) of every execution."""
    return [(each.order_number, each.quantity, each.price) for each in of(Executed, outcomes)]


def refusal(outcomes: Sequence[Outcome]) -> Refusal:
    """Return the reason of a refusal that is the only outcome."""
    (refused,) = outcomes
    assert isinstance(refused, Refused)
    return refused.reason


def prints(outcomes: Sequence[Outcome]) -> list[tuple[int, int, bool]]:
    """Return (price, quantity, auction) of every print."""
    return [(each.price, each.quantity, each.auction) for each in of(Printed, outcomes)]


class TestClosingPriceSessions:
    def test_before_the_open_trading_is_at_the_previous_close(self) -> None:
        """Both of our clients and the others, first come first served, at 10,000."""
        floor = Floor(Phase.OPENING_AUCTION)
        floor.open(Session.PRE_HOURS_CLOSE)
        terms: dict[str, Any] = {
            "pricing": Pricing.PREVIOUS_CLOSE,
            "market": Market.PRE_HOURS_CLOSE,
        }
        floor.buy(50, **terms)
        assert fills(floor.sell(20, account="bob", **terms)) == [
            ("2", 20, 10_000),
            ("1", 20, 10_000),
        ]
        trade = floor.trade(10_000, 10, Aggressor.SELL, session=Session.PRE_HOURS_CLOSE)
        assert fills(trade) == [("1", 10, 10_000)]
        assert [each.quantity for each in of(Withdrawn, floor.close(Session.PRE_HOURS_CLOSE))] == [
            20
        ]

    def test_after_the_close_orders_gather_and_trade_at_the_close(self) -> None:
        """The day ended at 10,200; orders come from the close on, trades ten minutes later."""
        floor = Floor()
        floor.trade(10_200, 5, Aggressor.BUY)
        floor.enter(Phase.CLOSED)
        floor.open(Session.POST_HOURS_CLOSE, trades_in=600)
        terms: dict[str, Any] = {"pricing": Pricing.CLOSE, "market": Market.POST_HOURS_CLOSE}
        floor.buy(50, **terms)
        assert fills(floor.sell(20, account="bob", **terms)) == []
        assert sorted(fills(floor.later(600))) == [("1", 20, 10_200), ("2", 20, 10_200)]

    def test_the_tape_counts_them_and_the_bars_do_not(self) -> None:
        """Volume grows; open, high, low and bars belong to the regular session."""
        floor = Floor()
        floor.trade(10_200, 5, Aggressor.BUY)
        floor.enter(Phase.CLOSED)
        floor.open(Session.KRX_AFTER_MARKET)
        (printed,) = of(
            Printed,
            floor.trade(10_500, 7, Aggressor.BUY, session=Session.KRX_AFTER_MARKET),
        )
        assert (printed.cumulative_volume, printed.high) == (12, 10_200)
        assert printed.session is Session.KRX_AFTER_MARKET
        (bar,) = floor.exchange.minute_bars(ALPHA)
        assert (bar.high, bar.volume) == (10_200, 5)


class TestAfterHours:
    SINGLE: ClassVar[dict[str, Any]] = {
        "pricing": Pricing.SINGLE_PRICE,
        "market": Market.AFTER_HOURS_SINGLE_PRICE,
    }
    AFTER: ClassVar[dict[str, Any]] = {"market": Market.KRX_AFTER_MARKET}

    def floor(self, session: Session, **changes: object) -> Floor:
        listing = msgspec.structs.replace(LISTING, **changes)
        floor = Floor(listing=listing)
        floor.trade(10_000, 5, Aggressor.BUY)
        floor.enter(Phase.CLOSED)
        floor.open(session)
        return floor

    def test_a_single_price_every_ten_minutes(self) -> None:
        """Two crossing orders wait for the match, at the price nearest to the close."""
        floor = self.floor(Session.AFTER_HOURS_SINGLE_PRICE, nxt=False)
        floor.buy(30, 10_100, **self.SINGLE)
        expected = of(ExpectedShown, floor.sell(30, 9_900, account="bob", **self.SINGLE))
        assert [(each.price, each.quantity) for each in expected] == [(10_000, 30)]
        outcomes = floor.later(600)
        assert prints(outcomes) == [(10_000, 30, True)]
        assert fills(outcomes) == [("1", 30, 10_000), ("2", 30, 10_000)]

    def test_single_prices_stay_within_ten_percent_of_the_close(self) -> None:
        """11,000 is the highest."""
        floor = self.floor(Session.AFTER_HOURS_SINGLE_PRICE, nxt=False)
        assert refusal(floor.buy(1, 11_010, **self.SINGLE)) is Refusal.OUTSIDE_LIMITS
        assert refusal(floor.buy(1, 8_990, **self.SINGLE)) is Refusal.OUTSIDE_LIMITS
        assert not isinstance(floor.buy(1, 11_000, **self.SINGLE)[0], Refused)

    def test_issues_of_nxt_are_not_in_the_single_price_market(self) -> None:
        """So it was from March 2025 on."""
        floor = self.floor(Session.AFTER_HOURS_SINGLE_PRICE)
        assert refusal(floor.buy(1, 10_000, **self.SINGLE)) is Refusal.NOT_TRADED_HERE

    def test_the_after_market_trades_continuously(self) -> None:
        """A limit order takes the ask of the evening's book."""
        floor = self.floor(Session.KRX_AFTER_MARKET)
        floor.book(session=Session.KRX_AFTER_MARKET)
        assert fills(floor.buy(10, 10_010, **self.AFTER)) == [("1", 10, 10_010)]

    def test_the_after_market_takes_no_market_orders_and_no_funds(self) -> None:
        """Types 41 to 47 are all limits."""
        floor = self.floor(Session.KRX_AFTER_MARKET)
        assert refusal(floor.buy(1, **self.AFTER)) is Refusal.MARKET_ORDER_NOT_ALLOWED
        fund = self.floor(Session.KRX_AFTER_MARKET, board=Board.FUND)
        assert refusal(fund.buy(1, 10_000, **self.AFTER)) is Refusal.NOT_TRADED_HERE

    def test_nothing_carries_over_from_the_regular_session(self) -> None:
        """A regular order is closed, not carried."""
        floor = self.floor(Session.KRX_AFTER_MARKET)
        assert refusal(floor.buy(1, 10_000)) is Refusal.CLOSED


class TestNextrade:
    def test_pre_market_orders_end_with_it_and_day_orders_do_not(self) -> None:
        """GTP is withdrawn at its end; the other lives until the NXT after-market ends."""
        floor = Floor(Phase.CLOSED)
        floor.open(Session.NXT_PRE_MARKET)
        floor.buy(10, 9_000, route=Route.NXT, market=Market.NXT_PRE_MARKET)
        floor.buy(10, 9_000, route=Route.NXT)
        ended = of(Withdrawn, floor.close(Session.NXT_PRE_MARKET))
        assert [each.order_number for each in ended] == ["1"]
        assert refusal(floor.buy(1, 9_000, route=Route.NXT)) is Refusal.CLOSED
        floor.open(Session.NXT_MAIN_MARKET)
        trade = floor.trade(8_990, 1, Aggressor.SELL, session=Session.NXT_MAIN_MARKET)
        assert fills(trade) == [("2", 10, 9_000)]
        assert of(Printed, trade)[0].venue is Venue.NXT

    def test_a_resting_order_can_be_withdrawn_in_the_pause(self) -> None:
        """Between 08:50 and 09:00:30 nothing is taken in but cancels."""
        floor = Floor(Phase.CLOSED)
        floor.open(Session.NXT_PRE_MARKET)
        floor.buy(10, 9_000, route=Route.NXT)
        floor.close(Session.NXT_PRE_MARKET)
        assert of(Withdrawn, floor.cancel("1"))[0].quantity == 10

    def test_both_exchanges_share_cash_and_shares(self) -> None:
        """1,000 held: 700 offered at KRX leave 300 for NXT."""
        floor = Floor()
        floor.open(Session.NXT_MAIN_MARKET)
        floor.sell(700, 11_000)
        assert refusal(floor.sell(301, 11_000, route=Route.NXT)) is Refusal.NO_SHARES
        assert not isinstance(floor.sell(300, 11_000, route=Route.NXT)[0], Refused)

    def test_books_are_apart(self) -> None:
        """A trade at NXT fills nobody at KRX."""
        floor = Floor()
        floor.open(Session.NXT_MAIN_MARKET)
        floor.buy(10, 10_000)
        trade = floor.trade(9_000, 500, Aggressor.SELL, session=Session.NXT_MAIN_MARKET)
        assert fills(trade) == []
        assert floor.exchange.tape(ALPHA).volume == 0
        assert floor.exchange.tape(ALPHA, Session.NXT_MAIN_MARKET).volume == 500

    def test_market_orders_and_strangers_are_not_taken(self) -> None:
        """NXT knows no market order, and trades only its own list."""
        floor = Floor()
        floor.open(Session.NXT_MAIN_MARKET)
        assert refusal(floor.buy(1, route=Route.NXT)) is Refusal.MARKET_ORDER_NOT_ALLOWED
        stranger = Floor(listing=msgspec.structs.replace(LISTING, nxt=False))
        stranger.open(Session.NXT_MAIN_MARKET)
        assert refusal(stranger.buy(1, 10_000, route=Route.NXT)) is Refusal.NOT_TRADED_HERE


class TestSinglePrice:
    def test_the_price_moves_most_shares(self) -> None:
        """At 101 both 100 shares meet; at 100 and 102 fewer."""
        buys = [Interest(102, 60), Interest(101, 40)]
        sells = [Interest(100, 50), Interest(101, 50)]
        assert single_price(buys, sells, 100) == (101, 100)

    def test_among_equals_the_nearest_to_the_last_price(self) -> None:
        """Anything from 95 to 105 trades 10."""
        crossed = [Interest(105, 10)], [Interest(95, 10)]
        assert single_price(*crossed, 98) == (98, 10)
        assert single_price(*crossed, 90) == (95, 10)
        assert single_price(*crossed, 200) == (105, 10)

    def test_market_orders_alone_trade_at_the_last_price(self) -> None:
        """They have no other."""
        assert single_price([Interest(None, 7)], [Interest(None, 5)], 100) == (100, 5)

    def test_nothing_crosses(self) -> None:
        """No price, no quantity."""
        assert single_price([Interest(99, 7)], [Interest(100, 5)], 100) == (0, 0)

    def test_our_orders_show_in_the_indicative_match(self) -> None:
        """30 of 40 wanted are offered."""
        floor = Floor(Phase.OPENING_AUCTION)
        floor.buy(40, 10_050)
        (shown,) = of(ExpectedShown, floor.sell(30, 9_950, account="bob"))
        assert (shown.price, shown.quantity) == (10_000, 30)
        (gone,) = of(ExpectedShown, floor.cancel("1"))
        assert (gone.price, gone.quantity) == (0, 0)

    def test_the_tape_says_what_its_match_will_be(self) -> None:
        """By the no-impact assumption our orders do not move it."""
        floor = Floor(Phase.OPENING_AUCTION)
        floor.tell(MarketIndication(at=floor.at, symbol=ALPHA, price=10_150, quantity=600))
        assert of(ExpectedShown, floor.buy(40, 10_300)) == []
        tape = floor.exchange.tape(ALPHA)
        assert (tape.expected_price, tape.expected_quantity) == (10_150, 600)


class TestInterruptions:
    def test_two_minutes_of_auction_then_a_single_price(self) -> None:
        """The tape is withheld; our orders meet each other and the shown interest."""
        floor = Floor()
        floor.book()
        outcomes = floor.tell(TriggerInterruption(at=floor.at, symbol=ALPHA))
        (status,) = of(StatusShown, outcomes)
        assert (status.interrupted, status.kind) == (True, Interruption.STATIC)
        assert status.ends_at == floor.at + 120 * SECOND
        assert floor.trade(10_500, 10, Aggressor.BUY) == []
        floor.buy(150, 10_020)
        floor.sell(20, None, account="bob")
        outcomes = floor.later(120)
        # 150 wanted up to 10,020; offered are Bob's 20, 100 at 10,010 and 200 at 10,020.
        assert prints(outcomes) == [(10_020, 150, True)]
        assert {(number, price) for number, _, price in fills(outcomes)} == {
            ("1", 10_020),
            ("2", 10_020),
        }
        assert of(StatusShown, outcomes)[-1].interrupted is False
        assert floor.exchange.tape(ALPHA).vi_reference == 10_020
        assert prints(floor.trade(10_030, 10, Aggressor.BUY)) == [(10_030, 10, False)]

    def test_a_random_end_is_given_with_the_command(self) -> None:
        """Seventeen seconds more."""
        floor = Floor()
        floor.book()
        floor.tell(TriggerInterruption(at=floor.at, symbol=ALPHA, extension_seconds=17))
        assert floor.exchange.next_due == floor.at + 137 * SECOND

    @pytest.mark.parametrize(
        ("large", "price", "kind"),
        [
            (True, 10_300, Interruption.DYNAMIC),
            (False, 10_300, None),
            (False, 10_600, Interruption.DYNAMIC),
        ],
    )
    def test_the_tape_may_trigger_them(
        self, large: bool, price: int, kind: Interruption | None
    ) -> None:
        """3 % for members of the KOSPI 200, 6 % for others; the print is withheld."""
        listing = msgspec.structs.replace(LISTING, large=large)
        floor = Floor(listing=listing, automatic_interruptions=True)
        floor.trade(10_000, 5, Aggressor.BUY)
        outcomes = floor.trade(price, 5, Aggressor.BUY)
        assert [each.kind for each in of(StatusShown, outcomes)] == ([kind] if kind else [])
        assert len(prints(outcomes)) == (0 if kind else 1)

    def test_ten_percent_off_the_last_single_price_is_static(self) -> None:
        """In steps below the dynamic band from 10,000 to 11,000."""
        floor = Floor(automatic_interruptions=True)
        for price in (10_400, 10_800):
            assert of(StatusShown, floor.trade(price, 5, Aggressor.BUY)) == []
        (status,) = of(StatusShown, floor.trade(11_000, 5, Aggressor.BUY))
        assert (status.kind, status.reference_price, status.trigger_price) == (
            Interruption.STATIC,
            10_000,
            11_000,
        )

    def test_the_closing_auction_ends_an_interruption(self) -> None:
        """Orders stay where they are and the tape's own match fills them."""
        floor = Floor()
        floor.book()
        floor.tell(TriggerInterruption(at=floor.at, symbol=ALPHA))
        floor.buy(10, 10_000)
        assert of(StatusShown, floor.enter(Phase.CLOSING_AUCTION))[0].interrupted is False
        assert fills(floor.trade(9_990, 50, auction=True)) == [("1", 10, 9_990)]


class TestHalts:
    def test_a_halted_issue_takes_cancels_only(self) -> None:
        """New orders and amends are refused, a cancel is carried out."""
        floor = Floor()
        floor.book()
        floor.buy(10, 9_000)
        (status,) = of(StatusShown, floor.tell(HaltIssue(at=floor.at, symbol=ALPHA, reason="x")))[
            :1
        ]
        assert (status.halted, status.reason) == (True, "x")
        assert refusal(floor.buy(1, 10_000)) is Refusal.HALTED
        assert refusal(floor.replace("1", 5, 9_010)) is Refusal.HALTED
        assert of(Withdrawn, floor.cancel("1"))[0].quantity == 10

    def test_it_resumes_with_an_auction(self) -> None:
        """Ten minutes in which orders gather."""
        floor = Floor()
        floor.tell(HaltIssue(at=floor.at, symbol=ALPHA, reason="x"))
        assert floor.trade(10_500, 10, Aggressor.BUY) == []
        floor.tell(ResumeIssue(at=floor.at, symbol=ALPHA))
        floor.buy(10, 10_100)
        floor.sell(10, 9_900, account="bob")
        assert prints(floor.later(600)) == [(10_000, 10, True)]

    def test_the_circuit_breaker_stops_a_market_for_half_an_hour(self) -> None:
        """174, twenty minutes, 175, ten minutes of auction."""
        floor = Floor()
        floor.open(Session.NXT_MAIN_MARKET)
        outcomes = floor.tell(TriggerCircuitBreaker(at=floor.at, board=Board.KOSPI, level=1))
        assert [each.code for each in of(MarketStatusShown, outcomes)] == ["174"]
        assert {each.venue for each in of(StatusShown, outcomes)} == {Venue.KRX, Venue.NXT}
        assert refusal(floor.buy(1, 10_000, route=Route.NXT)) is Refusal.HALTED
        outcomes = floor.later(1_200)
        assert [each.code for each in of(MarketStatusShown, outcomes)] == ["175"]
        floor.buy(10, 10_100)
        floor.sell(10, 9_900, account="bob")
        assert prints(floor.later(600)) == [(10_000, 10, True)]

    def test_level_three_ends_the_day(self) -> None:
        """What was working is withdrawn and nothing more is taken in."""
        floor = Floor()
        floor.buy(10, 9_000)
        outcomes = floor.tell(TriggerCircuitBreaker(at=floor.at, board=Board.KOSPI, level=3))
        assert [each.code for each in of(MarketStatusShown, outcomes)] == ["174", "129"]
        assert floor.order("1").status is OrderStatus.EXPIRED
        assert refusal(floor.buy(1, 10_000)) is Refusal.CLOSED
        assert floor.trade(10_000, 5, Aggressor.BUY) == []

    def test_another_market_goes_on(self) -> None:
        """KOSDAQ stops, KOSPI does not."""
        floor = Floor()
        floor.tell(TriggerCircuitBreaker(at=floor.at, board=Board.KOSDAQ, level=1))
        assert not isinstance(floor.buy(1, 10_000)[0], Refused)

    def test_there_are_three_levels(self) -> None:
        """A fourth is a mistake of the caller."""
        floor = Floor()
        with pytest.raises(NoSuchLevel, match="4"):
            floor.tell(TriggerCircuitBreaker(at=floor.at, board=Board.KOSPI, level=4))

    @pytest.mark.parametrize(
        ("side", "codes"), [(Side.SELL, ("387", "388")), (Side.BUY, ("397", "398"))]
    )
    def test_a_sidecar_is_announced_and_released(self, side: Side, codes: tuple[str, str]) -> None:
        """Five minutes later; orders are taken all the time."""
        floor = Floor()
        begun = floor.tell(TriggerSidecar(at=floor.at, board=Board.KOSPI, side=side))
        assert [each.code for each in of(MarketStatusShown, begun)] == [codes[0]]
        assert not isinstance(floor.buy(1, 10_000)[0], Refused)
        assert [each.code for each in of(MarketStatusShown, floor.later(300))] == [codes[1]]


def test_immediate_orders_are_not_taken_during_an_interruption() -> None:
    """It is an auction like the others."""
    floor = Floor()
    floor.book()
    floor.tell(TriggerInterruption(at=floor.at, symbol=ALPHA))
    order = floor.buy(1, 10_000, time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL)
    assert refusal(order) is Refusal.MARKET_ORDER_NOT_ALLOWED
