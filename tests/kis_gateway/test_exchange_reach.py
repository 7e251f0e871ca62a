"""What is out of reach may be handed over by the stretch, or later, and nothing comes out other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given, settings

from events.market import Aggressor, Phase
from events.prices import move_ticks
from events.trading import Side
from kis_gateway.protocol import Pricing
from kis_gateway.simulator.exchange import (
    CancelOrder,
    Command,
    EnterPhase,
    Exchange,
    Executed,
    HaltIssue,
    MarketBook,
    MarketTrade,
    MarketTrades,
    Outcome,
    PlaceOrder,
    Reach,
    ResumeIssue,
    Triggered,
    TriggerInterruption,
    UnlistedSymbol,
    Withdrawn,
)
from tests.kis_gateway.exchange_setup import ALPHA, SECOND, SESSION, Floor, of

PRICES = st.sampled_from([move_ticks(10_000, step) for step in range(-4, 5)])
CENTRE = st.sampled_from([9_990, 10_000, 10_010])
QUANTITIES = st.integers(1, 60)


class Trade(NamedTuple):
    price: int
    quantity: int
    aggressor: Aggressor


@st.composite
def near_each_other(draw: st.DrawFn) -> list[Trade]:
    """Trades at one price or two: most stretches are out of reach."""
    lowest, ticks = draw(CENTRE), draw(st.integers(0, 1))
    prices = st.sampled_from([lowest, move_ticks(lowest, ticks)])
    trade = st.builds(Trade, prices, st.integers(1, 30), st.sampled_from(Aggressor))
    return draw(st.lists(trade, min_size=1, max_size=8))


TRADES = near_each_other()


class Book(NamedTuple):
    best_bid: int
    spread: int
    asks: Sequence[int]
    bids: Sequence[int]


LEVELS = st.lists(st.integers(1, 150), max_size=10)
BOOKS = st.builds(Book, CENTRE, st.integers(1, 3), LEVELS, LEVELS)


class Order(NamedTuple):
    account: str
    side: Side
    pricing: Pricing
    quantity: int
    price: int


ORDERS = st.builds(
    Order,
    st.sampled_from(("ann", "bob")),
    st.sampled_from(Side),
    st.sampled_from([*[Pricing.LIMIT] * 20, Pricing.MARKET, Pricing.MIDDLE, Pricing.STOP_LIMIT]),
    QUANTITIES,
    PRICES,
)


class Said(NamedTuple):
    """A command that is no trade and no book, at a moment that is given later."""

    kind: type[Command]
    fields: dict[str, Any]


SAID = st.sampled_from(
    [
        *[Said(EnterPhase, {"phase": Phase.CONTINUOUS})] * 5,
        Said(TriggerInterruption, {"symbol": ALPHA, "seconds": 2}),
        Said(HaltIssue, {"symbol": ALPHA, "reason": "news"}),
        Said(ResumeIssue, {"symbol": ALPHA, "auction_seconds": 2}),
        Said(EnterPhase, {"phase": Phase.CLOSING_AUCTION}),
    ]
)
CANCELS = st.integers(0, 9)
STEPS = st.lists(
    st.one_of(TRADES, TRADES, TRADES, BOOKS, BOOKS, ORDERS, ORDERS, CANCELS, SAID),
    min_size=8,
    max_size=40,
)
PHASES = st.sampled_from([Phase.OPENING_AUCTION, *[Phase.CONTINUOUS] * 5])


def commands(steps: Sequence[Any]) -> Iterator[Sequence[Command]]:
    """Yield what is said at each moment, a second apart; trades of one step come together."""
    at = SESSION.open_at + SECOND
    placed = 0
    for number, step in enumerate(steps):
        at += SECOND
        match step:
            case Book(best_bid, spread, asks, bids):
                yield [book(at, best_bid, spread, asks, bids)]
            case Order(account, side, pricing, quantity, price):
                placed += 1
                stop = pricing is Pricing.STOP_LIMIT
                yield [
                    PlaceOrder(
                        at=at,
                        order_number=f"o{placed - 1}",
                        account=account,
                        symbol=ALPHA,
                        side=side,
                        pricing=pricing,
                        quantity=quantity,
                        price=price if stop or pricing is Pricing.LIMIT else None,
                        trigger=price if stop else None,
                    )
                ]
            case Said(kind, fields):
                yield [kind(at=at, **fields)]
            case int():
                yield [
                    CancelOrder(at=at, order_number=f"c{number}", account=each, target=f"o{step}")
                    for each in ("ann", "bob")
                ][number % 2 :][:1]
            case _:
                yield [
                    MarketTrade(at=at, symbol=ALPHA, auction=False, **each._asdict())
                    for each in step
                ]


def book(
    at: int, best_bid: int, spread: int, asks: Sequence[int], bids: Sequence[int]
) -> MarketBook:
    best_ask = move_ticks(best_bid, spread)
    return MarketBook(
        at=at,
        symbol=ALPHA,
        asks=tuple((move_ticks(best_ask, i), each) for i, each in enumerate(asks)),
        bids=tuple((move_ticks(best_bid, -i), each) for i, each in enumerate(bids)),
    )


def stretch(trades: Sequence[MarketTrade], at: int) -> MarketTrades:
    return MarketTrades(
        at=at,
        symbol=ALPHA,
        prices=[each.price for each in trades],
        quantities=[each.quantity for each in trades],
        aggressors=[each.aggressor for each in trades],
    )


def ours(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return what concerns our clients."""
    return [each for each in outcomes if isinstance(each, Executed | Withdrawn | Triggered)]


def state(exchange: Exchange) -> tuple[object, ...]:
    """Return everything an exchange holds of the issue, its orders and accounts."""
    issue = exchange._floor.issue(ALPHA)
    queues = (issue.buys, issue.sells, issue.middles, issue.stops)
    return (
        exchange.tape(ALPHA),
        exchange.minute_bars(ALPHA),
        [(ladder.levels, ladder.eaten) for ladder in (issue.asks, issue.bids)],
        [[(each.number, each.ahead, each.remaining) for each in queue] for queue in queues],
        [(exchange.account(each), exchange.orders(each)) for each in ("ann", "bob")],
    )


@given(steps=STEPS, phase=PHASES, watched=st.booleans())
@settings(max_examples=400)
def test_trades_by_the_stretch_are_trades_one_by_one(
    steps: Sequence[Any], phase: Phase, watched: bool
) -> None:
    single = Floor(phase, automatic_interruptions=watched).exchange
    whole = Floor(phase, automatic_interruptions=watched).exchange
    for said in commands(steps):
        expected = [each for command in said for each in single.handle(command)]
        first = said[0]
        if isinstance(first, MarketTrade):
            found = whole.handle(stretch([e for e in said if isinstance(e, MarketTrade)], first.at))
        else:
            found = [each for command in said for each in whole.handle(command)]
        assert ours(found) == ours(expected)
        assert state(whole) == state(single)


def in_reach(near: Reach, command: MarketTrade | MarketBook, shown: bool) -> bool:
    """Say as the docstring of ``Reach`` does; nothing is known of a queue once a book was shown."""
    if isinstance(command, MarketBook):
        crossing = any(price <= near.buy for price, _ in command.asks)
        return crossing or any(price >= near.sell for price, _ in command.bids)
    price, side = command.price, command.aggressor
    if not near.buy <= price <= near.sell:
        return True
    if price == near.buy and side is not Aggressor.BUY:
        return shown or command.quantity > near.before_buy
    if price == near.sell and side is not Aggressor.SELL:
        return shown or command.quantity > near.before_sell
    return False


def spent(near: Reach, command: MarketTrade) -> Reach:
    """Return the reach behind a trade that is out of it."""
    price, side, quantity = command.price, command.aggressor, command.quantity
    if price == near.buy and side is not Aggressor.BUY:
        return near._replace(before_buy=near.before_buy - quantity)
    if price == near.sell and side is not Aggressor.SELL:
        return near._replace(before_sell=near.before_sell - quantity)
    return near


@given(steps=STEPS, phase=PHASES)
@settings(max_examples=400)
def test_what_is_out_of_reach_may_come_later(steps: Sequence[Any], phase: Phase) -> None:
    """Each market command that is out of reach is kept back until something else is said."""
    single, late = Floor(phase).exchange, Floor(phase).exchange
    kept: list[MarketTrade | MarketBook] = []
    near, shown = late.reach(ALPHA), False
    expected: list[Outcome] = []
    found: list[Outcome] = []
    for command in (each for said in commands(steps) for each in said):
        expected += ours(single.handle(command))
        if isinstance(command, MarketTrade | MarketBook) and near is not None:
            due = late.next_due
            if (due is None or due > command.at) and not in_reach(near, command, shown):
                kept.append(command)
                shown |= isinstance(command, MarketBook)
                if isinstance(command, MarketTrade):
                    near = spent(near, command)
                continue
        due = late.next_due
        at = command.at if due is None else min(command.at, max(due - 1, 0))
        for each in kept:
            out = late.handle(
                stretch([each], at)
                if isinstance(each, MarketTrade)
                else MarketBook(at=at, symbol=ALPHA, asks=each.asks, bids=each.bids)
            )
            assert not ours(out)
        kept.clear()
        found += ours(late.handle(command))
        near, shown = late.reach(ALPHA), False
        assert found == expected
        # Minutes are those in which trades were handed over; all else is the same.
        assert [*state(late)[:1], *state(late)[2:]] == [*state(single)[:1], *state(single)[2:]]
    assert found == expected


def test_whoever_may_trade_with_anything_has_everything_in_reach() -> None:
    floor = Floor()
    floor.book()
    assert floor.exchange.reach(ALPHA) == Reach(0, 0, 1 << 62, 0)
    floor.place(Side.BUY, 10, 9_990)
    near = floor.exchange.reach(ALPHA)
    assert near is not None
    assert (near.buy, near.sell) == (9_990, 1 << 62)
    floor.place(Side.BUY, 10, None, pricing=Pricing.MIDDLE)
    assert floor.exchange.reach(ALPHA) is None


def test_a_queue_before_an_order_trades_away_out_of_reach_to_its_last_share() -> None:
    floor = Floor()
    floor.book()
    floor.place(Side.BUY, 10, 10_000)
    assert floor.exchange.reach(ALPHA) == Reach(10_000, 100, 1 << 62, 0)
    sold = MarketTrades(
        at=floor.at,
        symbol=ALPHA,
        prices=(10_000,) * 3,
        quantities=(60, 999, 40),
        aggressors=(Aggressor.SELL, Aggressor.BUY, Aggressor.NONE),
    )
    assert floor.exchange.handle(sold) == []
    assert floor.exchange.reach(ALPHA) == Reach(10_000, 0, 1 << 62, 0)
    one = msgspec.structs.replace(
        sold, prices=(10_000,), quantities=(1,), aggressors=(Aggressor.NONE,)
    )
    (done,) = of(Executed, floor.exchange.handle(one))
    assert (done.quantity, done.remaining) == (1, 9)


def test_trades_in_reach_are_printed_and_shown_one_by_one() -> None:
    floor = Floor()
    floor.book()
    floor.place(Side.BUY, 10, 9_990)
    trades = MarketTrades(
        at=floor.at,
        symbol=ALPHA,
        prices=(10_000, 9_980),
        quantities=(5, 5),
        aggressors=(Aggressor.SELL, Aggressor.SELL),
    )
    (done,) = of(Executed, floor.exchange.handle(trades))
    assert (done.quantity, done.price) == (10, 9_990)


def test_trades_of_an_issue_that_is_not_listed() -> None:
    floor = Floor()
    trades = MarketTrades(
        at=floor.at, symbol=type(ALPHA)("900999"), prices=(1,), quantities=(1,),
        aggressors=(Aggressor.BUY,),
    )  # fmt: skip
    with pytest.raises(UnlistedSymbol):
        floor.exchange.handle(trades)
