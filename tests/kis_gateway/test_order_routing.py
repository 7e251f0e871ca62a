"""Which exchange an order goes to: KRX unless everything speaks for another one."""

from __future__ import annotations

import msgspec
import pytest

from events.market import Phase, SymbolReference
from events.prices import Board
from events.trading import IntentKind, OrderKind, Route, Urgency
from kis_gateway.orders.actions import Submit
from kis_gateway.orders.planner import MarketView, PlanSettings
from kis_gateway.orders.routing import Venues
from tests.kis_gateway.fakes import (
    OPEN,
    SECOND,
    SESSION,
    intent,
    reference,
    session_opened,
    tick,
    trade,
)
from tests.kis_gateway.pure_exchange import PureExchange

NOW = OPEN + 600 * SECOND
MINUTE = 60 * SECOND
BOTH = msgspec.structs.replace(reference(), nxt=True)
SOR = PlanSettings(route=Route.SOR, nxt_allowed=True)
EVENING = PlanSettings(nxt_allowed=True, exits_after_hours=True)


def view(*, now: int = NOW, phase: Phase = Phase.CONTINUOUS, resting: bool = False) -> MarketView:
    return MarketView(
        last=70_000,
        best_bid=69_900,
        lower_limit=49_000,
        upper_limit=91_000,
        board=Board.KOSPI,
        phase=phase,
        now=now,
        open_at=OPEN,
        close_at=SESSION.close_at,
        resting=resting,
    )


@pytest.mark.parametrize(
    ("settings", "terms", "seen", "route"),
    [
        (SOR, BOTH, view(), Route.SOR),
        (PlanSettings(nxt_allowed=True), BOTH, view(), Route.KRX),
        (PlanSettings(route=Route.SOR), BOTH, view(), Route.KRX),
        (SOR, reference(), view(), Route.KRX),
        (SOR, None, view(), Route.KRX),
        (SOR, BOTH, view(now=OPEN + 29 * SECOND), Route.KRX),
        (SOR, BOTH, view(resting=True), Route.KRX),
        (SOR, BOTH, view(now=OPEN - MINUTE, phase=Phase.OPENING_AUCTION), Route.KRX),
        (
            SOR,
            BOTH,
            view(now=SESSION.closing_auction_at, phase=Phase.CLOSING_AUCTION),
            Route.KRX,
        ),
    ],
)
def test_the_smart_router_is_used_only_where_both_exchanges_trade_the_symbol(
    settings: PlanSettings, terms: SymbolReference | None, seen: MarketView, route: Route
) -> None:
    """Chosen, allowed, traded at NXT, and in the hours both are open."""
    venues = Venues(session_opened(), settings)
    assert venues.route(OrderKind.LIMIT, terms, seen) is route
    assert venues.route(OrderKind.MARKET, terms, seen) is route


def test_an_order_carries_its_route_and_a_refused_one_goes_to_krx_the_next_time() -> None:
    """The list of symbols that NXT trades moves during the quarter."""
    exchange = PureExchange(BOTH, tick(NOW), trade(70_000, at=NOW), settings=SOR)
    exchange.refusals = ["APBK0919"]
    exchange.allow(intent(IntentKind.EXIT, at=NOW))
    exchange.say(tick(NOW + SECOND))
    assert [each.route for each in exchange.sent] == [Route.SOR, Route.KRX]
    assert exchange.working[0].route is Route.KRX


def test_an_urgent_exit_may_leave_over_nxt_while_krx_is_closed() -> None:
    """A limit half a percent below the last price; it is back at KRX for the opening auction."""
    early = OPEN - 50 * MINUTE
    exchange = PureExchange(BOTH, tick(early), settings=EVENING)
    exchange.allow(intent(IntentKind.EXIT, at=early))
    (first,) = exchange.sent
    assert (first.route, first.kind, first.limit_price) == (Route.NXT, OrderKind.LIMIT, 69_600)
    assert first.cancel_at == OPEN - 10 * MINUTE
    exchange.say(tick(OPEN - 30 * MINUTE))
    assert len(exchange.sent) == 1
    exchange.say(tick(OPEN - 10 * MINUTE))
    assert [each.route for each in exchange.sent] == [Route.NXT, Route.KRX]
    assert exchange.sent[1].replaces == first.order_id


@pytest.mark.parametrize(
    ("settings", "terms", "urgency"),
    [
        (PlanSettings(nxt_allowed=True), BOTH, Urgency.HIGH),
        (PlanSettings(exits_after_hours=True), BOTH, Urgency.HIGH),
        (EVENING, reference(), Urgency.HIGH),
        (EVENING, BOTH, Urgency.NORMAL),
    ],
)
def test_other_exits_wait_for_krx_and_end_with_its_session(
    settings: PlanSettings, terms: SymbolReference, urgency: Urgency
) -> None:
    """Not chosen, not allowed, not traded there, or not urgent."""
    early, late = OPEN - 50 * MINUTE, SESSION.close_at + 15 * MINUTE
    for at in (early, late):
        exchange = PureExchange(terms, tick(at), settings=settings)
        exchange.allow(intent(IntentKind.EXIT, at=at, urgency=urgency))
        assert not any(isinstance(action, Submit) for action in exchange.actions)


def test_an_exit_decided_in_the_evening_leaves_over_nxt_where_that_is_chosen() -> None:
    """The after-market of NXT takes limit orders from ten minutes after the close."""
    late = SESSION.close_at + 15 * MINUTE
    exchange = PureExchange(BOTH, trade(70_000, at=SESSION.close_at), settings=EVENING)
    exchange.say(tick(late))
    exchange.allow(intent(IntentKind.EXIT, at=late, limit_price=69_900))
    (sent,) = exchange.sent
    assert (sent.route, sent.limit_price) == (Route.NXT, 69_900)
