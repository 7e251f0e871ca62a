"""Whatever market and exchange do: prices, quantities and the number of orders stay in bounds."""

from __future__ import annotations

from datetime import date

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events import prices
from events.market import InstrumentKind, QuoteFrame, VolatilityInterruption
from events.prices import Board
from events.trading import (
    ExecutionEnded,
    IntentKind,
    IntentSubmitted,
    OrderRejected,
    OrderState,
    OrderSubmitting,
    Side,
    Urgency,
)
from kis_gateway.orders.planner import PlanSettings
from tests.kis_gateway.fakes import (
    OPEN,
    SAMSUNG,
    SECOND,
    SESSION,
    intent,
    reference,
    tick,
    trade,
)
from tests.kis_gateway.pure_exchange import PureExchange

ON = date(2025, 9, 15)
QUANTITY = 40
FINGERS = PlanSettings(slice_least_won=500_000)

_BOARDS = {
    Board.KOSPI: ("KOSPI", InstrumentKind.STOCK),
    Board.KOSDAQ: ("KOSDAQ", InstrumentKind.STOCK),
    Board.FUND: ("KOSPI", InstrumentKind.ETF),
}
_PER_MILLE = st.integers(690, 1_310)
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("trade"), _PER_MILLE),
        st.tuples(st.just("quote"), _PER_MILLE),
        st.tuples(st.just("pass"), st.integers(1, 130)),
        st.tuples(st.just("fill"), st.integers(1, 40)),
        st.tuples(st.just("late fill"), st.integers(1, 5)),
        st.tuples(st.just("refuse"), st.sampled_from([0, 1])),
        st.tuples(st.just("interrupt"), st.sampled_from([0, 1])),
        st.tuples(st.just("prove"), st.sampled_from([0, 1])),
    ),
    max_size=25,
)


class Day:
    """One intent on a random day."""

    def __init__(self, board: Board, base: int, wish: IntentSubmitted) -> None:
        self.board = board
        self.base = base
        self.lower, self.upper = prices.daily_limits(base, board, ON)
        market, kind = _BOARDS[board]
        terms = msgspec.structs.replace(
            reference(),
            market=market,
            kind=kind,
            base_price=base,
            lower_limit=self.lower,
            upper_limit=self.upper,
        )
        self.now = OPEN + SECOND
        self.wish = wish
        self.exchange = PureExchange(terms, tick(self.now), settings=FINGERS)

    def price(self, per_mille: int) -> int:
        raw = min(max(self.base * per_mille // 1_000, self.lower), self.upper)
        return prices.round_down(raw, self.board, ON)

    def step(self, kind: str, value: int) -> None:
        exchange = self.exchange
        match kind:
            case "trade":
                exchange.say(trade(self.price(value), at=self.now))
            case "quote":
                bid = self.price(value)
                ask = bid + prices.tick_size(bid, self.board, ON)
                exchange.say(_book(bid, ask, at=self.now))
            case "pass":
                self.now += value * SECOND
                exchange.say(tick(self.now))
            case "fill" | "late fill":
                self.fill(value, late=kind == "late fill")
            case "refuse":
                exchange.refusals.append(("APBK0919", "NOT_SENT")[value])
            case "interrupt":
                exchange.say(
                    VolatilityInterruption(
                        at=self.now, symbol=SAMSUNG, active=value == 1, reference_price=self.base
                    )
                )
            case "prove":
                exchange.proves = value == 1
                for order in exchange.working if value else ():
                    if order.cancel_attempts and order.state is not OrderState.FILLED:
                        exchange.close(order.order_id)

    def fill(self, quantity: int, *, late: bool) -> None:
        for event in self.exchange.sent:
            order = self.exchange.order(event.order_id)
            fillable = order.closed if late else not order.over
            if fillable and order.broker_order and order.remaining:
                self.exchange.fill(event.order_id, min(quantity, order.remaining), self.base)
                return

    def check(self) -> None:
        """Every order so far, and what is at the exchange now."""
        assert len(self.exchange.working) <= 1
        first = next((each.limit_price for each in self.exchange.sent), None)
        for sent in self.exchange.sent:
            self.check_price(sent, first)

    def check_price(self, sent: OrderSubmitting, first: int | None) -> None:
        limit = self.wish.limit_price
        if sent.limit_price is None:
            assert sent.side is Side.SELL
            assert limit is None
            return
        assert prices.is_on_tick(sent.limit_price, self.board, ON)
        assert self.lower <= sent.limit_price <= self.upper
        if sent.side is Side.SELL:
            assert limit is None or sent.limit_price >= limit
        else:
            assert limit is None or sent.limit_price <= limit
            assert first is not None
            assert sent.limit_price * 10_000 <= first * 10_030


def _book(bid: int, ask: int, *, at: int) -> QuoteFrame:
    return QuoteFrame(
        at=at,
        symbol=SAMSUNG,
        time=at,
        ask_prices=(ask,),
        ask_quantities=(10,),
        bid_prices=(bid,),
        bid_quantities=(10,),
    )


@pytest.mark.invariant(5)
@pytest.mark.invariant(4)
@pytest.mark.invariant(2)
@settings(max_examples=150, deadline=None)
@given(
    board=st.sampled_from(Board),
    base=st.integers(500, 900_000),
    selling=st.booleans(),
    urgency=st.sampled_from(Urgency),
    limit=st.none() | _PER_MILLE,
    stop=st.none() | _PER_MILLE,
    steps=_STEPS,
)
def test_orders_of_an_execution_stay_in_bounds_and_it_ends_with_the_day(
    *,
    board: Board,
    base: int,
    selling: bool,
    urgency: Urgency,
    limit: int | None,
    stop: int | None,
    steps: list[tuple[str, int]],
) -> None:
    """On the tick, in the day, in the intent; one at a time; no share more than allowed."""
    wish = intent(
        IntentKind.EXIT if selling else IntentKind.ENTER,
        at=OPEN + SECOND,
        quantity=QUANTITY,
        urgency=urgency,
        lifetime_s=900,
        limit_price=None if limit is None else base * limit // 1_000,
        stop_price=None if stop is None or selling else base * stop // 1_000,
    )
    day = Day(board, base, wish)
    day.step("trade", 1_000)
    day.exchange.allow(wish)
    for kind, value in steps:
        day.step(kind, value)
        day.check()
    late = sum(kind == "late fill" for kind, _ in steps) > 0
    day.exchange.proves = True
    day.exchange.say(tick(SESSION.close_at))
    for order in day.exchange.working:
        day.exchange.close(order.order_id, OrderState.EXPIRED)
    day.check()
    (end,) = day.exchange.of(ExecutionEnded)
    assert day.exchange.core.outstanding() == []
    assert end.orders == len(day.exchange.sent)
    assert late or end.filled_quantity <= QUANTITY
    replaced = [each for each in day.exchange.sent if each.replaces is not None]
    assert selling or len(replaced) <= 3
    refused = [each for each in day.exchange.of(OrderRejected) if each.code == "APBK0919"]
    if selling and end.reason not in ("complete", "refused"):
        assert end.reason == "session_closed"
    assert len(refused) <= 5 + len([kind for kind, _ in steps if kind == "refuse"])
