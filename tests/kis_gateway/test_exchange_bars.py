"""A whole bar handed to the exchange: what it does to orders, and that it equals its trades."""

from __future__ import annotations

from datetime import date

import hypothesis.strategies as st
from hypothesis import given

from events.market import Aggressor, Bar, Phase
from events.trading import Side
from kis_gateway.protocol import Pricing
from kis_gateway.simulator.exchange import (
    CancelOrder,
    Command,
    EnterPhase,
    Exchange,
    Executed,
    HaltIssue,
    MarketBar,
    MarketTrade,
    Outcome,
    PlaceOrder,
    StatusShown,
    Triggered,
    Withdrawn,
)
from kis_gateway.simulator.exchange.bars import Print, prints, turns
from tests.kis_gateway.exchange_setup import ALPHA, LISTING, SECOND, SESSION, of

MINUTE = 60 * SECOND
OPEN = SESSION.open_at


def bar(minute: int, *prices: int, volume: int = 400, value: int = 0) -> Bar:
    open_, high, low, close = prices
    return Bar(OPEN + minute * MINUTE, open_, high, low, close, volume, value)


class Minutes:
    """An exchange in continuous trading whose first bar was flat at 10,000."""

    def __init__(self, phase: Phase = Phase.CONTINUOUS, *, interruptions: bool = False) -> None:
        self.exchange = Exchange(
            [LISTING], settled_on=date(2025, 9, 17), automatic_interruptions=interruptions
        )
        self.exchange.open_account("ann", 100_000_000, {ALPHA: (5_000, 45_000_000)})
        self.numbers = 0
        self.exchange.handle(EnterPhase(at=SESSION.auction_from, phase=Phase.OPENING_AUCTION))
        if phase is not Phase.OPENING_AUCTION:
            self.exchange.handle(EnterPhase(at=OPEN, phase=Phase.CONTINUOUS))
            self.trade(bar(0, 10_000, 10_000, 10_000, 10_000))

    def trade(self, bar: Bar) -> list[Outcome]:
        return self.exchange.handle(MarketBar(at=bar.start + MINUTE, symbol=ALPHA, bar=bar))

    def place(
        self,
        side: Side,
        quantity: int,
        price: int | None = None,
        *,
        at: int = OPEN + MINUTE,
        trigger: int | None = None,
    ) -> list[Outcome]:
        self.numbers += 1
        pricing = Pricing.MARKET if price is None else Pricing.LIMIT
        return self.exchange.handle(
            PlaceOrder(
                at=at,
                order_number=str(self.numbers),
                account="ann",
                symbol=ALPHA,
                side=side,
                pricing=pricing if trigger is None else Pricing.STOP_LIMIT,
                quantity=quantity,
                price=price,
                trigger=trigger,
            )
        )


def done(outcomes: list[Outcome]) -> list[tuple[str, int, int]]:
    """Return (order number, quantity, price) of what was executed."""
    return [(each.order_number, each.quantity, each.price) for each in of(Executed, outcomes)]


def test_a_bar_stands_for_its_open_its_extremes_the_shorter_way_and_its_close() -> None:
    rising = bar(1, 10_000, 10_100, 9_950, 10_050, volume=403)
    assert prints(rising, rising.start + MINUTE) == [
        Print(OPEN + MINUTE, 10_000, 103),
        Print(OPEN + MINUTE + 15 * SECOND, 9_950, 100),
        Print(OPEN + MINUTE + 30 * SECOND, 10_100, 100),
        Print(OPEN + MINUTE + 45 * SECOND, 10_050, 100),
    ]
    assert turns(bar(1, 10_000, 10_100, 9_950, 9_990)) == [10_000, 10_100, 9_950, 9_990]
    assert turns(bar(1, 10_000, 10_100, 9_950, 10_100)) == [10_000, 9_950, 10_100]
    assert turns(bar(1, 10_000, 10_000, 10_000, 10_000)) == [10_000]
    assert [each.quantity for each in prints(bar(1, 10, 12, 9, 11, volume=2), OPEN)] == [2, 0, 0, 0]


def test_an_order_sent_after_a_bar_is_filled_at_the_next_open() -> None:
    day = Minutes()
    day.place(Side.BUY, 50)
    day.place(Side.BUY, 30, 10_100)
    outcomes = day.trade(bar(1, 10_020, 10_020, 9_990, 9_990))
    assert done(outcomes) == [("1", 50, 10_020), ("2", 30, 10_020)]
    assert {each.at for each in outcomes} == {OPEN + MINUTE}


def test_a_limit_is_filled_at_a_better_open_and_at_itself_when_gone_through() -> None:
    day = Minutes()
    day.place(Side.BUY, 50, 9_950)
    assert done(day.trade(bar(1, 10_000, 10_000, 9_940, 9_940))) == [("1", 50, 9_950)]
    day.place(Side.BUY, 60, 9_930, at=OPEN + 2 * MINUTE)
    assert done(day.trade(bar(2, 9_900, 9_900, 9_900, 9_900))) == [("2", 60, 9_900)]
    day.place(Side.SELL, 70, 9_950, at=OPEN + 3 * MINUTE)
    assert done(day.trade(bar(3, 9_900, 9_960, 9_900, 9_900))) == [("3", 70, 9_950)]


def test_a_limit_that_is_only_touched_after_the_open_does_not_trade() -> None:
    day = Minutes()
    day.place(Side.BUY, 50, 9_950)
    day.place(Side.SELL, 50, 10_050)
    assert day.trade(bar(1, 10_000, 10_050, 9_950, 10_000)) == []
    assert [each.remaining_quantity for each in day.exchange.orders("ann")] == [50, 50]


def test_the_open_fills_up_to_its_part_of_the_volume_and_a_market_order_goes_on_at_the_turns() -> (
    None
):
    day = Minutes()
    day.place(Side.SELL, 250)
    outcomes = day.trade(bar(1, 10_000, 10_030, 9_990, 10_010, volume=404))
    assert done(outcomes) == [("1", 101, 10_000), ("1", 101, 9_990), ("1", 48, 10_030)]
    assert [each.at - OPEN for each in outcomes] == [60 * SECOND, 75 * SECOND, 90 * SECOND]


def test_an_order_that_arrives_within_a_bar_meets_the_next_open_first() -> None:
    day = Minutes()
    day.place(Side.BUY, 50, at=OPEN + MINUTE + 1)
    day.place(Side.BUY, 50, 10_100, at=OPEN + MINUTE + 2)
    assert day.trade(bar(1, 10_000, 10_000, 9_900, 9_900)) == []
    assert done(day.trade(bar(2, 9_910, 9_910, 9_910, 9_910))) == [
        ("1", 50, 9_910),
        ("2", 50, 9_910),
    ]


def test_a_cancel_that_arrives_within_a_bar_comes_before_all_of_it() -> None:
    day = Minutes()
    day.place(Side.BUY, 50)
    withdrawn = day.exchange.handle(
        CancelOrder(at=OPEN + MINUTE + SECOND, order_number="9", account="ann", target="1")
    )
    assert [each.quantity for each in of(Withdrawn, withdrawn)] == [50]
    assert day.trade(bar(1, 10_000, 10_000, 9_900, 9_900)) == []


def test_the_first_bar_has_the_opening_auction_for_its_open() -> None:
    day = Minutes(Phase.OPENING_AUCTION)
    day.place(Side.BUY, 50, 10_200, at=OPEN - MINUTE)
    day.place(Side.BUY, 50, 9_960, at=OPEN - MINUTE)
    day.exchange.handle(EnterPhase(at=OPEN, phase=Phase.CONTINUOUS))
    day.place(Side.BUY, 50, 10_200, at=OPEN + 1)
    outcomes = day.trade(bar(0, 10_100, 10_100, 9_950, 10_000))
    assert done(outcomes) == [("1", 50, 10_100), ("2", 50, 9_960)]
    view = day.exchange.tape(ALPHA)
    assert (view.auction, view.vi_reference, view.last) == (False, 10_100, 10_000)


def test_a_bar_in_the_closing_auction_is_its_match_at_the_close() -> None:
    day = Minutes()
    day.exchange.handle(EnterPhase(at=SESSION.closing_auction_at, phase=Phase.CLOSING_AUCTION))
    day.place(Side.SELL, 50, at=SESSION.closing_auction_at + SECOND)
    last = Bar(SESSION.close_at, 10_000, 10_040, 10_000, 10_040, 100)
    outcomes = day.exchange.handle(
        MarketBar(at=SESSION.close_at + 30 * SECOND, symbol=ALPHA, bar=last)
    )
    assert done(outcomes) == [("1", 50, 10_040)]


def test_a_stop_limit_order_wakes_inside_a_bar_and_trades_with_what_follows() -> None:
    day = Minutes()
    day.place(Side.SELL, 50, 9_900, trigger=9_950)
    day.place(Side.SELL, 60, 9_900, trigger=9_950, at=OPEN + MINUTE + 1)
    outcomes = day.trade(bar(1, 10_000, 10_010, 9_940, 9_990))
    assert [each.order_number for each in of(Triggered, outcomes)] == ["1"]
    assert done(outcomes) == [("1", 50, 9_900)]
    later = day.trade(bar(2, 9_940, 9_940, 9_940, 9_940))
    assert [each.order_number for each in of(Triggered, later)] == ["2"]


def test_a_bar_without_volume_or_of_a_halted_issue_changes_nothing() -> None:
    day = Minutes()
    day.place(Side.BUY, 50)
    before = day.exchange.tape(ALPHA)
    assert day.trade(bar(1, 9_000, 9_000, 9_000, 9_000, volume=0)) == []
    assert day.exchange.tape(ALPHA) == before
    day.exchange.handle(HaltIssue(at=OPEN + 2 * MINUTE, symbol=ALPHA, reason="test"))
    assert day.trade(bar(2, 9_000, 9_000, 9_000, 9_000)) == []
    assert day.exchange.tape(ALPHA).last == 10_000


def test_an_interruption_by_the_tape_ends_the_bar_at_its_price() -> None:
    day = Minutes(interruptions=True)
    outcomes = day.trade(bar(1, 10_000, 11_100, 10_000, 11_100, volume=200))
    assert [each.trigger_price for each in of(StatusShown, outcomes)] == [11_100]
    view = day.exchange.tape(ALPHA)
    assert (view.last, view.high, view.interrupted) == (10_000, 10_000, True)


def test_the_tape_takes_a_bar_over_as_it_is() -> None:
    day = Minutes()
    second = bar(1, 10_000, 10_100, 9_950, 10_050, volume=403, value=4_033_333)
    day.trade(second)
    view = day.exchange.tape(ALPHA)
    assert (view.open, view.high, view.low, view.last) == (10_000, 10_100, 9_950, 10_050)
    assert (view.volume, view.value) == (803, 4_033_333)
    assert day.exchange.minute_bars(ALPHA)[1] == second


# Bars lie on even multiples of the tick and limits on odd ones: no limit is ever only touched, so
# the same day can be told trade by trade.
PRICES = st.integers(-12, 12).map(lambda step: 10_000 + 20 * step)
LIMITS = st.none() | st.integers(-12, 12).map(lambda step: 10_010 + 20 * step)
ORDERS = st.tuples(st.sampled_from([Side.BUY, Side.SELL]), st.integers(1, 150), LIMITS)


@st.composite
def days(draw: st.DrawFn) -> list[tuple[Bar, list[tuple[Side, int, int | None]]]]:
    day = []
    for minute in range(draw(st.integers(1, 6))):
        open_, close, one, other = (draw(PRICES) for _ in range(4))
        high, low = max(open_, close, one, other), min(open_, close, one, other)
        volume = draw(st.integers(4, 600))
        orders = draw(st.lists(ORDERS, max_size=3))
        day.append((bar(minute, open_, high, low, close, volume=volume), orders))
    return day


@given(day=days())
def test_a_bar_equals_the_trades_it_stands_for(
    day: list[tuple[Bar, list[tuple[Side, int, int | None]]]],
) -> None:
    """Its open as a single-price match, the rest as trades that crossed from neither side."""
    whole, split = Minutes(Phase.OPENING_AUCTION), Minutes(Phase.OPENING_AUCTION)
    both = (whole, split)
    told: list[list[tuple[str, int, int, int, int]]] = [[], []]
    for each in both:
        each.exchange.handle(EnterPhase(at=OPEN, phase=Phase.CONTINUOUS))
    for minute, orders in day:
        for side, quantity, limit in orders:
            for each in both:
                each.place(side, quantity, limit, at=minute.start)
        commands: list[list[Command]] = [
            [MarketBar(at=minute.start + MINUTE, symbol=ALPHA, bar=minute)],
            [
                MarketTrade(
                    at=at,
                    symbol=ALPHA,
                    price=price,
                    quantity=quantity,
                    aggressor=Aggressor.NONE,
                    auction=at == minute.start,
                )
                for at, price, quantity in prints(minute, minute.start + MINUTE)
            ],
        ]
        for each, said, log in zip(both, commands, told, strict=True):
            for command in said:
                log += [
                    (done.order_number, done.at, done.quantity, done.price, done.fee)
                    for done in of(Executed, each.exchange.handle(command))
                ]
    assert told[0] == told[1]
    assert whole.exchange.orders("ann") == split.exchange.orders("ann")
    assert whole.exchange.account("ann") == split.exchange.account("ann")
    views = [each.exchange.tape(ALPHA) for each in both]
    assert len({(v.open, v.high, v.low, v.last, v.volume) for v in views}) == 1
    bars = [
        [(b.start, b.open, b.high, b.low, b.close, b.volume) for b in e.exchange.minute_bars(ALPHA)]
        for e in both
    ]
    assert bars[0] == bars[1]


@given(day=days(), side=st.sampled_from([Side.BUY, Side.SELL]), limit=LIMITS)
def test_an_order_never_trades_with_a_bar_it_arrived_in(
    day: list[tuple[Bar, list[tuple[Side, int, int | None]]]], side: Side, limit: int | None
) -> None:
    minutes = Minutes(Phase.OPENING_AUCTION)
    minutes.exchange.handle(EnterPhase(at=OPEN, phase=Phase.CONTINUOUS))
    arrived: dict[str, int] = {}
    for minute, _ in day:
        at = minute.start + 30 * SECOND
        minutes.place(side, 150, limit, at=at)
        arrived[str(minutes.numbers)] = at
        for executed in of(Executed, minutes.trade(minute)):
            assert executed.at > arrived[executed.order_number]
