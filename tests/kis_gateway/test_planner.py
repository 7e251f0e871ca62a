"""From an intent to an order: every row of the planner's table, and what holds for all of them."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import prices
from events.market import Phase
from events.prices import Board
from events.trading import IntentKind, IntentSubmitted, OrderKind, Route, Urgency
from kis_gateway.errors import SettingsError
from kis_gateway.orders.planner import (
    HoldUntil,
    MarketView,
    Plan,
    PlanSettings,
    Unplannable,
    chase_buy,
    plan_buy,
    plan_sell,
)
from tests.kis_gateway.fakes import OPEN, SECOND, SESSION, intent

NOW = OPEN + 600 * SECOND
SETTINGS = PlanSettings()


def view(
    *,
    last: int | None = 70_000,
    bid: int | None = 69_900,
    lower: int | None = 49_000,
    upper: int | None = 91_000,
    phase: Phase = Phase.CONTINUOUS,
    now: int = NOW,
    ask: int | None = 70_000,
    fresh: bool = True,
    resting: bool = False,
    board: Board = Board.KOSPI,
    on: date = date.max,
) -> MarketView:
    return MarketView(
        last=last,
        best_bid=bid,
        best_ask=ask,
        fresh=fresh,
        resting=resting,
        on=on,
        lower_limit=lower,
        upper_limit=upper,
        board=board,
        phase=phase,
        now=now,
        open_at=OPEN,
        close_at=SESSION.close_at,
    )


def buy(
    *,
    urgency: Urgency = Urgency.HIGH,
    limit: int | None = None,
    stop: int | None = None,
    lifetime_s: int = 600,
) -> IntentSubmitted:
    return intent(
        at=NOW, urgency=urgency, limit_price=limit, stop_price=stop, lifetime_s=lifetime_s
    )


def sell(
    *, urgency: Urgency = Urgency.HIGH, attempt: int = 1, limit: int | None = None
) -> IntentSubmitted:
    return intent(IntentKind.EXIT, at=NOW, urgency=urgency, attempt=attempt, limit_price=limit)


@pytest.mark.parametrize(
    ("wish", "price", "lifetime"),
    [
        (buy(), 70_100, 10),  # 70,000 × 1.002 = 70,140 → tick 100
        (buy(limit=70_050), 70_000, 10),
        (buy(limit=80_000), 70_100, 10),
        (buy(urgency=Urgency.NORMAL), 70_000, 120),
        (buy(urgency=Urgency.LOW, limit=69_550), 69_500, 120),
        (buy(urgency=Urgency.LOW, limit=95_000), 91_000, 120),
        (buy(stop=69_800, limit=70_300), 70_300, 30),
        (buy(stop=69_800), 70_000, 30),  # 69,800 × 1.003 = 70,009
        (buy(lifetime_s=4), 70_100, 4),
    ],
)
def test_a_buy_is_priced_and_timed_by_its_row(
    wish: IntentSubmitted, price: int, lifetime: int
) -> None:
    """Last 70,000, limits of the day 49,000 and 91,000."""
    plan = plan_buy(wish, 10, view(), SETTINGS)
    assert isinstance(plan, Plan)
    assert (plan.kind, plan.limit_price, plan.quantity) == (OrderKind.LIMIT, price, 10)
    assert plan.cancel_at == NOW + lifetime * SECOND


def test_a_breakout_entry_waits_below_its_stop() -> None:
    """No trade at or above the stop yet, or no trade at all: hold."""
    wish = buy(stop=70_100, limit=70_400)
    assert plan_buy(wish, 10, view(), SETTINGS) == HoldUntil(stop_price=70_100)
    assert plan_buy(wish, 10, view(last=None), SETTINGS) == HoldUntil(stop_price=70_100)


@pytest.mark.parametrize(
    ("wish", "quantity", "seen", "code"),
    [
        (buy(), 0, view(), "NO_QUANTITY"),
        (buy(), 10, view(lower=None), "NO_REFERENCE"),
        (buy(), 10, view(last=None), "NO_PRICE"),
        (buy(), 10, view(fresh=False), "NO_PRICE"),
        (buy(urgency=Urgency.NORMAL), 10, view(fresh=False), "NO_PRICE"),
        (buy(limit=48_000), 10, view(), "OUTSIDE_LIMITS"),
    ],
)
def test_a_buy_that_cannot_be_formed_says_why(
    wish: IntentSubmitted, quantity: int, seen: MarketView, code: str
) -> None:
    """Missing input disables an entry."""
    plan = plan_buy(wish, quantity, seen, SETTINGS)
    assert isinstance(plan, Unplannable)
    assert plan.code == code


@pytest.mark.parametrize(
    ("wish", "seen", "kind", "price", "lifetime"),
    [
        (sell(), view(), OrderKind.LIMIT, 69_500, 3),  # 69,900 × 0.995 = 69,550
        (sell(attempt=2), view(), OrderKind.LIMIT, 69_500, 3),
        (sell(attempt=3), view(), OrderKind.MARKET, None, None),
        (sell(), view(bid=49_100), OrderKind.LIMIT, 49_000, 3),
        (sell(), view(bid=None), OrderKind.LIMIT, 69_600, 3),  # from last: 69,650
        (sell(), view(bid=None, last=None), OrderKind.MARKET, None, None),
        (sell(), view(lower=None), OrderKind.MARKET, None, None),
        (sell(), view(fresh=False), OrderKind.MARKET, None, None),
        (sell(), view(resting=True), OrderKind.MARKET, None, None),
        (sell(limit=69_750), view(fresh=False, resting=True), OrderKind.LIMIT, 69_800, 3),
        (sell(urgency=Urgency.LOW), view(fresh=False), OrderKind.LIMIT, 69_900, 30),
        (sell(urgency=Urgency.LOW), view(resting=True), OrderKind.LIMIT, 69_900, 30),
        (sell(urgency=Urgency.NORMAL), view(), OrderKind.LIMIT, 69_900, 30),
        (sell(urgency=Urgency.LOW, attempt=3), view(), OrderKind.MARKET, None, None),
        (sell(limit=69_750), view(), OrderKind.LIMIT, 69_800, 3),
        (sell(limit=69_750, attempt=3), view(), OrderKind.LIMIT, 69_800, 3),
    ],
)
def test_a_sell_is_priced_and_timed_by_its_row(
    wish: IntentSubmitted,
    seen: MarketView,
    kind: OrderKind,
    price: int | None,
    lifetime: int | None,
) -> None:
    """Best bid 69,900; an exit always has a plan; at market it stays until the close."""
    plan = plan_sell(wish, 10, seen, SETTINGS)
    assert isinstance(plan, Plan)
    assert (plan.kind, plan.limit_price) == (kind, price)
    until = SESSION.close_at if lifetime is None else NOW + lifetime * SECOND
    assert plan.cancel_at == until


@pytest.mark.parametrize(
    ("wish", "prices_tried"),
    [
        (sell(), [69_500, 69_500, None, None]),
        (sell(attempt=2), [69_500, 69_500, None, None]),
        (sell(urgency=Urgency.NORMAL), [69_900, 69_500, None, None]),
        (sell(urgency=Urgency.LOW), [69_900, 69_500, None, None]),
        (sell(limit=69_700), [69_700, 69_700, 69_700, 69_700]),
        (sell(urgency=Urgency.NORMAL, limit=69_600), [69_900, 69_600, 69_600, 69_600]),
    ],
)
def test_a_sell_gives_way_try_by_try(wish: IntentSubmitted, prices_tried: list[int | None]) -> None:
    """At the bid, through the bid, at market; down to its own limit where it names one."""
    plans = [plan_sell(wish, 10, view(), SETTINGS, tries=tries) for tries in range(4)]
    assert [plan.limit_price for plan in plans if isinstance(plan, Plan)] == prices_tried


@pytest.mark.parametrize(
    ("wish", "seen", "price"),
    [
        (buy(), view(last=70_200, ask=70_300), 70_300),  # 70,340 wanted, 70,310 allowed
        (buy(urgency=Urgency.NORMAL), view(last=70_200, ask=70_300), 70_200),
        (buy(stop=69_900), view(last=70_100, ask=70_200), 70_200),  # 70,240
        (buy(limit=70_250), view(last=70_200, ask=70_300), 70_200),
        (buy(limit=70_150), view(last=70_200, ask=70_300), None),
        (buy(urgency=Urgency.LOW), view(last=70_200, ask=70_300), None),
        (buy(), view(last=70_200, ask=70_100), None),
        (buy(), view(last=70_200, ask=None), 70_300),
        (buy(), view(last=70_200, ask=70_300, fresh=False), None),
        (buy(), view(last=70_200, ask=70_300, upper=70_200), 70_200),
        (buy(), view(last=69_000, ask=70_300), None),
    ],
)
def test_a_buy_that_was_left_behind_at_70_100_follows_within_the_chase(
    wish: IntentSubmitted, seen: MarketView, price: int | None
) -> None:
    """Only upwards, only to where its row and its own limit allow, 30 bps at most."""
    plan = chase_buy(wish, 6, seen, SETTINGS, first_limit=70_100, newest_limit=70_100)
    assert (None if plan is None else plan.limit_price) == price
    assert plan is None or plan.quantity == 6


def test_ticks_are_those_of_the_day() -> None:
    """150,000 won had a tick of 500 on KOSPI before 2023-01-25, and one of 100 since."""
    wish = buy(urgency=Urgency.NORMAL)
    then = plan_buy(wish, 1, view(on=date(2022, 6, 1), last=150_350, upper=195_000), SETTINGS)
    now = plan_buy(wish, 1, view(on=date(2025, 9, 15), last=150_350, upper=195_000), SETTINGS)
    assert isinstance(then, Plan)
    assert isinstance(now, Plan)
    assert (then.limit_price, now.limit_price) == (150_000, 150_300)


def test_a_sell_in_the_closing_auction_goes_to_the_market_and_stays_until_its_match() -> None:
    """It takes part in the closing match, whatever its urgency."""
    seen = view(phase=Phase.CLOSING_AUCTION, now=SESSION.closing_auction_at)
    plan = plan_sell(sell(urgency=Urgency.LOW), 10, seen, SETTINGS)
    assert isinstance(plan, Plan)
    assert (plan.kind, plan.cancel_at) == (OrderKind.MARKET, SESSION.close_at)


def test_an_order_sent_before_the_open_lives_from_the_open_on() -> None:
    """Its lifetime would otherwise end before it could trade."""
    seen = view(phase=Phase.OPENING_AUCTION, now=OPEN - 300 * SECOND)
    plan = plan_sell(sell(), 10, seen, SETTINGS)
    assert isinstance(plan, Plan)
    assert plan.cancel_at == OPEN + 3 * SECOND


_PRICE = st.integers(60, 2_000_000)


@pytest.mark.invariant(5)
@given(
    last=st.none() | _PRICE,
    bid=st.none() | _PRICE,
    base=_PRICE,
    limit=st.none() | _PRICE,
    stop=st.none() | _PRICE,
    urgency=st.sampled_from(Urgency),
    attempt=st.integers(1, 5),
    phase=st.sampled_from(Phase),
    selling=st.booleans(),
    board=st.sampled_from(Board),
)
def test_every_price_is_on_its_tick_inside_the_day_and_inside_the_intent(
    *,
    last: int | None,
    bid: int | None,
    base: int,
    limit: int | None,
    stop: int | None,
    urgency: Urgency,
    attempt: int,
    phase: Phase,
    selling: bool,
    board: Board,
) -> None:
    """Whatever the market shows and the intent asks for."""
    lower, upper = prices.daily_limits(base, board)
    seen = MarketView(
        last=last,
        best_bid=bid,
        lower_limit=lower,
        upper_limit=upper,
        board=board,
        phase=phase,
        now=NOW,
        open_at=OPEN,
        close_at=SESSION.close_at,
    )
    plan: Plan | HoldUntil | Unplannable
    if selling:
        wish = sell(urgency=urgency, attempt=attempt, limit=limit)
        plan = plan_sell(wish, 7, seen, SETTINGS)
        assert isinstance(plan, Plan) or limit is not None
    else:
        wish = buy(urgency=urgency, limit=limit, stop=stop)
        plan = plan_buy(wish, 7, seen, SETTINGS)
    if not isinstance(plan, Plan):
        return
    assert plan.quantity == 7
    if plan.limit_price is None:
        assert selling
        assert limit is None
        return
    assert prices.is_on_tick(plan.limit_price, board)
    assert lower <= plan.limit_price <= upper
    if limit is not None:
        assert plan.limit_price >= limit if selling else plan.limit_price <= limit


def test_settings_refuse_nxt_as_the_route_of_everything() -> None:
    """It trades only some symbols and knows no market order."""
    with pytest.raises(SettingsError, match=r"orders\.route is nxt"):
        PlanSettings(route=Route.NXT)


def test_settings_refuse_a_lifetime_of_zero() -> None:
    """The message names the key."""
    with pytest.raises(SettingsError, match=r"orders\.urgent_buy_lifetime_s is 0"):
        PlanSettings(urgent_buy_lifetime_s=0)
