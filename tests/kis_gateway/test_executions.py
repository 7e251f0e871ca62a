"""One allowed intent, one order after another: until it is filled, withdrawn, late or closed."""

from __future__ import annotations

import msgspec
import pytest

from events import Event, StrategyId, codec
from events.control import CancelRequested
from events.identifiers import intent_id, order_id
from events.market import (
    MarketOperation,
    Phase,
    PhaseChanged,
    QuoteFrame,
    VolatilityInterruption,
)
from events.trading import (
    CancelSubmitting,
    ExecutionEnded,
    IntentKind,
    IntentSubmitted,
    OrderAccepted,
    OrderRejected,
    OrderState,
    OrderUnknown,
    Urgency,
)
from kis_gateway.orders.actions import Cancel, Submit
from kis_gateway.orders.planner import PlanSettings
from tests.kis_gateway.fakes import (
    DAY,
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

NOW = OPEN + SECOND
MINUTE = 60 * SECOND


def market(
    *, at: int = NOW, settings: PlanSettings | None = None, restarts: bool = False
) -> PureExchange:
    """Return an exchange at 70,000 won, best bid 69,900, in continuous trading."""
    return PureExchange(
        reference(), tick(at), trade(70_000, at=at), settings=settings, restarts=restarts
    )


def book(bid: int, ask: int, *, at: int) -> QuoteFrame:
    """Return an order book with one level a side."""
    return QuoteFrame(
        at=at,
        symbol=SAMSUNG,
        time=at,
        ask_prices=(ask,),
        ask_quantities=(10,),
        bid_prices=(bid,),
        bid_quantities=(10,),
    )


def orders(exchange: PureExchange) -> list[tuple[int | None, int]]:
    """Return limit and quantity of every order sent."""
    return [(each.limit_price, each.quantity) for each in exchange.sent]


def ends(exchange: PureExchange) -> list[tuple[str, int, int, int]]:
    """Return reason, allowed and filled shares and orders of every end."""
    return [
        (each.reason, each.quantity, each.filled_quantity, each.orders)
        for each in exchange.of(ExecutionEnded)
    ]


def leaving(
    *, urgency: Urgency = Urgency.HIGH, limit: int | None = None, quantity: int = 10, at: int = NOW
) -> IntentSubmitted:
    return intent(IntentKind.EXIT, at=at, urgency=urgency, limit_price=limit, quantity=quantity)


def of_strategy(name: str, wish: IntentSubmitted) -> IntentSubmitted:
    """Return an intent as another strategy's."""
    strategy = StrategyId(name)
    return msgspec.structs.replace(
        wish,
        strategy=strategy,
        intent_id=intent_id(DAY, strategy, wish.symbol, wish.intent_id[-2], 1),
    )


# -- buys ------------------------------------------------------------------------------------------


def test_a_filled_buy_ends_complete() -> None:
    """One order, all its shares, the end once its order is closed."""
    exchange = market()
    wish = intent(at=NOW)
    exchange.allow(wish)
    exchange.fill(order_id(wish.intent_id, 1), 10)
    assert ends(exchange) == [("complete", 10, 10, 1)]
    (end,) = exchange.of(ExecutionEnded)
    closed_at = len(exchange.log) - 1
    assert end.cause == closed_at  # the entry before it: its order was closed


def test_a_buy_left_behind_is_replaced_three_times_and_never_further_than_the_chase() -> None:
    """30 bps above 70,100 are 70,310, on its tick 70,300. Each takes over what is left."""
    exchange = market()
    wish = intent(at=NOW, lifetime_s=600)
    exchange.allow(wish)
    exchange.fill(order_id(wish.intent_id, 1), 4)
    for turn, last in enumerate((70_100, 70_200, 70_900), start=1):
        at = NOW + 10 * turn * SECOND
        exchange.say(trade(last, at=at), book(last, last + 200, at=at), tick(at))
    exchange.say(tick(NOW + 40 * SECOND))
    assert orders(exchange) == [(70_100, 10), (70_200, 6), (70_300, 6)]
    assert [each.replaces for each in exchange.sent] == [
        None,
        order_id(wish.intent_id, 1),
        order_id(wish.intent_id, 2),
    ]
    assert ends(exchange) == [("lifetime", 10, 4, 3)]  # no higher price was left to offer


def test_a_buy_is_replaced_no_more_often_than_allowed() -> None:
    """With one reprice allowed the second time-out is the end."""
    exchange = market(settings=PlanSettings(most_reprices=1))
    exchange.allow(intent(at=NOW, lifetime_s=600))
    for turn, last in enumerate((70_100, 70_200), start=1):
        at = NOW + 10 * turn * SECOND
        exchange.say(trade(last, at=at), book(last, last + 200, at=at), tick(at))
    assert orders(exchange) == [(70_100, 10), (70_200, 10)]
    assert ends(exchange) == [("reprices_used", 10, 0, 2)]


def test_a_buy_that_the_market_did_not_leave_behind_is_not_replaced() -> None:
    """The ask is still at its limit: another order would only lose its place in the queue."""
    exchange = market()
    exchange.allow(intent(at=NOW, lifetime_s=600))
    at = NOW + 10 * SECOND
    exchange.say(trade(70_100, at=at), book(70_000, 70_100, at=at), tick(at))
    assert orders(exchange) == [(70_100, 10)]
    assert ends(exchange) == [("lifetime", 10, 0, 1)]


def test_a_buy_never_leaves_its_own_limit_however_far_the_market_goes() -> None:
    """Limit 70,150: the first order stands on it, so none follows."""
    exchange = market()
    exchange.allow(intent(at=NOW, lifetime_s=600, limit_price=70_150))
    at = NOW + 10 * SECOND
    exchange.say(trade(70_900, at=at), book(70_900, 71_000, at=at), tick(at))
    assert orders(exchange) == [(70_100, 10)]
    assert ends(exchange) == [("lifetime", 10, 0, 1)]


def test_a_patient_buy_of_low_urgency_never_chases() -> None:
    """LOW waits its two minutes at its price and gives up."""
    exchange = market()
    exchange.allow(intent(at=NOW, lifetime_s=600, urgency=Urgency.LOW))
    at = NOW + 120 * SECOND
    exchange.say(trade(70_900, at=at), book(70_900, 71_000, at=at), tick(at))
    assert orders(exchange) == [(70_000, 10)]
    assert ends(exchange) == [("lifetime", 10, 0, 1)]


def test_a_buy_is_not_replaced_after_its_intent_has_lapsed() -> None:
    """Nine seconds of life are all an order of it has."""
    exchange = market()
    exchange.allow(intent(at=NOW, lifetime_s=9))
    at = NOW + 9 * SECOND
    exchange.say(trade(70_300, at=at), book(70_300, 70_400, at=at), tick(at))
    assert orders(exchange) == [(70_100, 10)]
    assert ends(exchange) == [("expired", 10, 0, 1)]


def test_the_next_order_waits_for_the_proof_of_the_last_ones_final_quantity() -> None:
    """Cancel accepted is not cancelled: shares executed on the way reduce the next order."""
    exchange = market()
    exchange.proves = False
    wish = intent(at=NOW, lifetime_s=600)
    exchange.allow(wish)
    first = order_id(wish.intent_id, 1)
    at = NOW + 10 * SECOND
    exchange.say(trade(70_200, at=at), book(70_200, 70_300, at=at), tick(at))
    exchange.say(tick(at + SECOND), tick(at + 2 * SECOND))
    assert orders(exchange) == [(70_100, 10)]
    exchange.fill(first, 3)
    exchange.say(trade(70_200, at=at + 2 * SECOND))
    exchange.close(first)
    assert orders(exchange) == [(70_100, 10), (70_300, 7)]


@pytest.mark.parametrize("code", ["APBK0919", "EGW00201", "NOT_FOUND", "NOT_SENT"])
def test_a_refused_buy_is_not_ordered_again(code: str) -> None:
    """Whoever wants it may ask the gate again."""
    exchange = market()
    exchange.refusals = [code]
    exchange.allow(intent(at=NOW))
    exchange.say(tick(NOW + 2 * SECOND))
    assert ends(exchange) == [("refused", 10, 0, 1)]
    assert len(exchange.sent) == 1


def test_an_entry_that_could_not_be_ordered_ends_without_an_order() -> None:
    """Held until it lapsed, or decided too late: nobody waits for it any longer."""
    exchange = market()
    exchange.allow(intent(at=NOW, stop_price=70_500))
    exchange.say(tick(NOW + 31 * SECOND))
    late = intent(at=NOW, attempt=2)
    exchange.allow(late)
    assert ends(exchange) == [("expired", 10, 0, 0), ("expired", 10, 0, 0)]
    assert [each.code for each in exchange.of(OrderRejected)] == ["EXPIRED", "EXPIRED"]


def test_an_entry_without_own_limit_needs_a_fresh_price() -> None:
    """The feed has been silent for eleven seconds."""
    exchange = market()
    exchange.say(tick(NOW + 11 * SECOND))
    at = NOW + 11 * SECOND
    exchange.allow(intent(at=at))
    exchange.allow(intent(at=at, attempt=2, limit_price=70_500))
    assert [each.code for each in exchange.of(OrderRejected)] == ["NO_PRICE"]
    assert orders(exchange) == [(70_500, 10)]


# -- sales -----------------------------------------------------------------------------------------


def test_an_urgent_sale_is_priced_anew_every_three_seconds_and_then_goes_to_the_market() -> None:
    """Bids 69,900, 69,700: 69,500, 69,300, then at market, which rests until it is filled."""
    exchange = market()
    wish = leaving()
    exchange.allow(wish)
    exchange.say(book(69_700, 69_800, at=NOW + 3 * SECOND), tick(NOW + 3 * SECOND))
    exchange.fill(order_id(wish.intent_id, 2), 2, 69_300)
    exchange.say(book(69_500, 69_600, at=NOW + 6 * SECOND), tick(NOW + 6 * SECOND))
    exchange.say(tick(NOW + 30 * SECOND), tick(NOW + 10 * MINUTE))
    assert orders(exchange) == [(69_500, 10), (69_300, 10), (None, 8)]
    assert ends(exchange) == []
    exchange.fill(order_id(wish.intent_id, 3), 8, 69_000)
    assert ends(exchange) == [("complete", 10, 10, 3)]


def test_an_urgent_sale_that_would_be_sent_again_as_it_is_stays_and_counts_as_tried() -> None:
    """The bid has not moved: no withdrawal at three seconds, the market at six."""
    exchange = market()
    exchange.allow(leaving())
    exchange.say(book(69_900, 70_000, at=NOW + 3 * SECOND), tick(NOW + 3 * SECOND))
    assert orders(exchange) == [(69_500, 10)]
    assert exchange.of(CancelSubmitting) == []
    exchange.say(tick(NOW + 6 * SECOND))
    assert orders(exchange) == [(69_500, 10), (None, 10)]


def test_a_patient_sale_waits_at_the_bid_then_crosses_then_goes_to_the_market() -> None:
    """30 seconds, three seconds, market."""
    exchange = market()
    exchange.allow(leaving(urgency=Urgency.NORMAL))
    for seconds in (29, 30, 33):
        at = NOW + seconds * SECOND
        exchange.say(book(69_900, 70_000, at=at), tick(at))
    assert orders(exchange) == [(69_900, 10), (69_500, 10), (None, 10)]


def test_a_sale_with_a_limit_never_goes_below_it_nor_to_the_market() -> None:
    """It rests at its limit until the close ends it."""
    exchange = market()
    exchange.allow(leaving(limit=69_750))
    for seconds in (3, 6, 9, 600):
        at = NOW + seconds * SECOND
        exchange.say(book(69_000, 69_100, at=at), tick(at))
    assert orders(exchange) == [(69_800, 10)]
    assert exchange.of(CancelSubmitting) == []
    exchange.say(tick(SESSION.closing_auction_at), tick(SESSION.close_at))
    exchange.close(exchange.sent[0].order_id, OrderState.EXPIRED)
    assert ends(exchange) == [("session_closed", 10, 0, 1)]


def test_an_urgent_sale_does_not_trust_an_old_bid() -> None:
    """No trade and no quote for eleven seconds: at market, at once."""
    exchange = market()
    exchange.say(tick(NOW + 11 * SECOND))
    exchange.allow(leaving())
    assert orders(exchange) == [(None, 10)]


def test_a_sale_outlives_its_intent_and_any_number_of_prices() -> None:
    """An exit is over when nothing is left of it, not when it has been tried often enough."""
    exchange = market()
    exchange.allow(leaving(urgency=Urgency.NORMAL))
    exchange.say(*(tick(NOW + minutes * MINUTE) for minutes in range(1, 60)))
    assert ends(exchange) == []
    assert len(exchange.working) == 1


@pytest.mark.invariant(1)
def test_a_refused_sale_is_ordered_again_after_ever_longer_pauses_until_it_is_decided_anew() -> (
    None
):
    """1, 2, 4 and 8 seconds; the fifth refusal in a row hands it back."""
    exchange = market()
    exchange.refusals = ["APBK0919"] * 5
    exchange.allow(leaving())
    for seconds in range(1, 30):
        exchange.say(tick(NOW + seconds * SECOND))
    assert [(each.at - NOW) // SECOND for each in exchange.sent] == [0, 1, 3, 7, 15]
    assert ends(exchange) == [("refused", 10, 0, 5)]


@pytest.mark.parametrize("code", ["EGW00201", "NOT_SENT", "LEASE_LOST", "NOT_FOUND"])
def test_a_sale_that_only_did_not_leave_is_ordered_again_however_often(code: str) -> None:
    """Too many calls in a second are no verdict on a sale."""
    exchange = market()
    exchange.refusals = [code] * 8
    exchange.allow(leaving())
    exchange.say(*(tick(NOW + seconds * SECOND) for seconds in range(1, 10)))
    assert len(exchange.sent) == 9
    assert ends(exchange) == []
    assert len(exchange.working) == 1


@pytest.mark.invariant(1)
@pytest.mark.parametrize("code", ["UNREACHABLE", "NO_TOKEN", "EGW00121"])
def test_a_sale_is_tried_again_as_it_is_until_the_broker_can_be_reached(code: str) -> None:
    """The broker has judged nothing: after 1, 2, 4 and 8 seconds, and no worse price for it."""
    exchange = market()
    exchange.refusals = [code] * 7
    exchange.allow(leaving())
    exchange.say(*(tick(NOW + seconds * SECOND) for seconds in range(1, 40)))
    assert [(each.at - NOW) // SECOND for each in exchange.sent] == [0, 1, 3, 7, 15, 23, 31, 39]
    assert ends(exchange) == []
    assert orders(exchange)[:4] == [(69_500, 10)] * 4  # prices older than 10 s are not trusted
    assert len(exchange.working) == 1


def test_shares_booked_late_reduce_the_order_that_followed() -> None:
    """Closed with 3, then 5 were executed after all: 7 more would sell what is not there."""
    exchange = market()
    exchange.proves = True
    wish = leaving()
    exchange.allow(wish)
    exchange.fill(order_id(wish.intent_id, 1), 3, 69_500)
    exchange.say(book(69_700, 69_800, at=NOW + 3 * SECOND), tick(NOW + 3 * SECOND))
    assert orders(exchange) == [(69_500, 10), (69_300, 7)]
    exchange.fill(order_id(wish.intent_id, 1), 2, 69_500)
    assert exchange.order(order_id(wish.intent_id, 2)).over
    exchange.say(tick(NOW + 4 * SECOND))
    assert orders(exchange) == [(69_500, 10), (69_300, 7), (None, 5)]


@pytest.mark.invariant(2)
def test_an_order_given_up_and_found_again_ends_what_has_taken_its_place() -> None:
    """Two orders of one sale would sell twice what was allowed."""
    exchange = market()
    exchange.refusals = ["NOT_FOUND"]
    wish = leaving()
    exchange.acts = False
    exchange.allow(wish)
    first, second = order_id(wish.intent_id, 1), order_id(wish.intent_id, 2)
    (submit,) = exchange.core.outstanding()
    assert isinstance(submit, Submit)
    exchange.say(
        submit.event,
        OrderUnknown(at=NOW, order_id=first, reason="timed out"),
        OrderRejected(at=NOW, order_id=first, code="NOT_FOUND", message=""),
        tick(NOW + SECOND),
    )
    (again,) = exchange.core.outstanding()
    assert isinstance(again, Submit)
    assert again.event.order_id == second
    exchange.acts = True
    exchange.say(
        again.event,
        OrderAccepted(at=NOW, order_id=second, broker_order="2", branch="1"),
        OrderAccepted(at=NOW, order_id=first, broker_order="1", branch="1", adopted=True),
    )
    assert [order.order_id for order in exchange.working] == [second]
    assert ends(exchange) == []


@pytest.mark.invariant(4)
@pytest.mark.parametrize("executed", [10, 6])
def test_what_an_order_found_again_has_executed_is_not_sold_by_the_one_in_its_place(
    executed: int,
) -> None:
    """Its shares are gone before it is closed; the other may sell what is left and no more."""
    exchange = market()
    wish = leaving()
    exchange.acts = False
    exchange.allow(wish)
    first, second = order_id(wish.intent_id, 1), order_id(wish.intent_id, 2)
    (submit,) = exchange.core.outstanding()
    assert isinstance(submit, Submit)
    exchange.say(
        submit.event,
        OrderUnknown(at=NOW, order_id=first, reason="timed out"),
        OrderRejected(at=NOW, order_id=first, code="NOT_FOUND", message=""),
        tick(NOW + SECOND),
    )
    (again,) = exchange.core.outstanding()
    assert isinstance(again, Submit)
    exchange.say(
        again.event,
        OrderAccepted(at=NOW, order_id=second, broker_order="2", branch="1"),
        OrderAccepted(at=NOW, order_id=first, broker_order="1", branch="1", adopted=True),
    )
    exchange.fill(first, executed, 69_500)
    wanted = [each.order_id for each in exchange.core.outstanding() if isinstance(each, Cancel)]
    assert second in wanted
    exchange.acts = True
    exchange.say(tick(NOW + 2 * SECOND))
    assert exchange.order(second).over
    assert sum(each.remaining for each in exchange.working) == 10 - executed


def test_a_buy_found_after_its_end_is_withdrawn_at_once() -> None:
    """Its strategy has been told that it is over and may have asked anew."""
    exchange = market()
    wish = intent(at=NOW)
    exchange.acts = False
    exchange.allow(wish)
    (submit,) = exchange.core.outstanding()
    assert isinstance(submit, Submit)
    first = order_id(wish.intent_id, 1)
    exchange.say(submit.event, OrderUnknown(at=NOW, order_id=first, reason="timed out"))
    exchange.acts = True
    exchange.say(OrderRejected(at=NOW, order_id=first, code="NOT_FOUND", message=""))
    assert ends(exchange) == [("refused", 10, 0, 1)]
    exchange.say(OrderAccepted(at=NOW, order_id=first, broker_order="1", branch="1", adopted=True))
    assert exchange.order(first).state is OrderState.CANCELLED
    assert len(exchange.of(ExecutionEnded)) == 1


# -- interruptions, auctions, the close ------------------------------------------------------------


def _interruption(*, active: bool, at: int) -> VolatilityInterruption:
    return VolatilityInterruption(at=at, symbol=SAMSUNG, active=active, reference_price=70_000)


def _operation(*, at: int, interrupted: bool = False, halted: bool = False) -> MarketOperation:
    return MarketOperation(
        at=at,
        symbol=SAMSUNG,
        halted=halted,
        reason="",
        code="112",
        expected_code="",
        designation="00",
        interrupted=interrupted,
        interrupted_after_hours=False,
    )


@pytest.mark.parametrize(
    "begins",
    [
        _interruption(active=True, at=NOW + SECOND),
        _operation(interrupted=True, at=NOW + SECOND),
        _operation(halted=True, at=NOW + SECOND),
    ],
)
def test_orders_rest_while_the_symbol_is_interrupted_or_halted(
    begins: VolatilityInterruption | MarketOperation,
) -> None:
    """No cancel and no replacement; what was due follows afterwards."""
    exchange = market()
    exchange.allow(leaving())
    exchange.say(begins)
    exchange.say(*(tick(NOW + seconds * SECOND) for seconds in range(2, 120)))
    assert orders(exchange) == [(69_500, 10)]
    over = NOW + 120 * SECOND
    exchange.say(_operation(at=over), _interruption(active=False, at=over), tick(over))
    assert orders(exchange) == [(69_500, 10), (None, 10)]


def test_an_interruption_whose_end_was_lost_does_not_hold_a_sale_for_ever() -> None:
    """A continuous trade proves it over, or five minutes do."""
    traded, silent = market(), market()
    for exchange in (traded, silent):
        exchange.allow(leaving())
        exchange.say(_interruption(active=True, at=NOW + SECOND))
    traded.say(trade(69_000, at=NOW + 130 * SECOND), tick(NOW + 131 * SECOND))
    silent.say(tick(NOW + 290 * SECOND))
    assert len(traded.sent) == 2
    assert len(silent.sent) == 1
    silent.say(tick(NOW + 301 * SECOND))
    assert len(silent.sent) == 2


def test_an_urgent_sale_joins_the_auction_of_an_interruption_at_market() -> None:
    """Any bid seen then is not one to sell to; a patient one stays at its price."""
    exchange = market()
    exchange.say(_interruption(active=True, at=NOW))
    exchange.allow(leaving())
    assert orders(exchange) == [(None, 10)]


def test_refusals_during_a_halt_do_not_hand_a_sale_back() -> None:
    """The exchange takes nothing then; afterwards it is sold."""
    exchange = market()
    exchange.say(_operation(halted=True, at=NOW))
    exchange.refusals = ["APBK0919"] * 8
    exchange.allow(leaving())
    exchange.say(*(tick(NOW + seconds * SECOND) for seconds in range(1, 60)))
    assert len(exchange.sent) == 8  # every eight seconds
    exchange.say(_operation(at=NOW + 64 * SECOND), tick(NOW + 64 * SECOND))
    assert ends(exchange) == []
    assert len(exchange.working) == 1


def test_a_buy_does_not_outlive_its_intent_in_an_interruption() -> None:
    """Its lifetime rests, its expiry does not."""
    exchange = market()
    exchange.allow(intent(at=NOW, lifetime_s=60))
    exchange.say(_interruption(active=True, at=NOW + SECOND), tick(NOW + 59 * SECOND))
    assert len(exchange.working) == 1
    exchange.say(tick(NOW + 60 * SECOND))
    assert ends(exchange) == [("expired", 10, 0, 1)]


def test_a_resting_sale_joins_the_closing_auction_at_market_and_stays_until_its_match() -> None:
    """Left at its limit it might not match, and the shares would be held overnight."""
    at = SESSION.closing_auction_at - 2 * SECOND
    exchange = market(at=at)
    exchange.allow(leaving(at=at))
    exchange.say(tick(SESSION.closing_auction_at))
    assert orders(exchange) == [(69_500, 10), (None, 10)]
    assert exchange.sent[1].cancel_at == SESSION.close_at
    exchange.say(*(tick(SESSION.closing_auction_at + n * MINUTE) for n in range(1, 10)))
    assert len(exchange.sent) == 2
    exchange.say(tick(SESSION.close_at))
    exchange.fill(exchange.sent[1].order_id, 10)
    assert ends(exchange) == [("complete", 10, 10, 2)]


def test_a_sale_is_not_withdrawn_in_the_last_minute_of_the_closing_auction() -> None:
    """The proof of its final quantity might come after the match."""
    exchange = market(at=SESSION.closing_auction_at - SECOND)
    exchange.proves = False
    exchange.say(_interruption(active=True, at=SESSION.closing_auction_at - SECOND))
    exchange.allow(leaving(at=SESSION.closing_auction_at - SECOND, urgency=Urgency.NORMAL))
    exchange.acts = False
    exchange.say(tick(SESSION.close_at - 59 * SECOND))
    assert exchange.core.outstanding() == []
    assert len(exchange.sent) == 1


def test_the_close_ends_what_is_planned_held_or_between_orders() -> None:
    """Orders at the exchange are waited for; nothing is sent into a closed market."""
    exchange = market(at=SESSION.closing_auction_at - 10 * SECOND)
    at = SESSION.closing_auction_at - 10 * SECOND
    held = of_strategy("PCIM", intent(at=at, stop_price=70_500, lifetime_s=7_200))
    exchange.allow(held)
    exchange.refusals = ["APBK0919"]
    exchange.allow(leaving(at=at))
    exchange.acts = False
    other = of_strategy("KPR", leaving(at=at))
    exchange.allow(other)
    exchange.acts = True
    closed = PhaseChanged(
        at=SESSION.close_at, trading_date=SESSION.trading_date, phase=Phase.CLOSED
    )
    exchange.say(closed)
    assert sorted(ends(exchange)) == [
        ("session_closed", 10, 0, 0),
        ("session_closed", 10, 0, 0),
        ("session_closed", 10, 0, 1),
    ]
    assert exchange.core.outstanding() == []
    exchange.allow(leaving(at=SESSION.close_at, quantity=3))  # the same intent again: nothing
    late = of_strategy("NULRIMOK", leaving(at=SESSION.close_at, quantity=3))
    exchange.allow(late)
    assert ends(exchange)[-1] == ("session_closed", 3, 0, 0)


def test_a_sale_decided_before_the_exchange_takes_orders_waits_for_the_auction() -> None:
    """Sent at eight it would be refused; it is not refused here either."""
    exchange = PureExchange(reference(), tick(SESSION.auction_from - MINUTE))
    exchange.allow(leaving(at=SESSION.auction_from - MINUTE))
    assert exchange.sent == []
    exchange.say(tick(SESSION.auction_from))
    assert orders(exchange) == [(None, 10)]


# -- slices ----------------------------------------------------------------------------------------

_SMALL = PlanSettings(slice_least_won=210_000)


def test_a_large_buy_goes_in_slices_one_after_the_other() -> None:
    """210,000 won at 70,100 are 2 shares; hardly anything was traded in five minutes."""
    exchange = market(settings=_SMALL)
    wish = intent(at=NOW, quantity=5)
    exchange.allow(wish)
    for number in (1, 2, 3):
        assert len(exchange.working) == 1
        exchange.fill(order_id(wish.intent_id, number), exchange.sent[-1].quantity)
    assert orders(exchange) == [(70_100, 2), (70_100, 2), (70_100, 1)]
    assert [each.replaces for each in exchange.sent] == [None, None, None]
    assert ends(exchange) == [("complete", 5, 5, 3)]


def test_later_slices_follow_the_market_no_further_than_the_chase() -> None:
    """The market has run off by more than 30 bps: 70,300, not 71,100."""
    exchange = market(settings=_SMALL)
    wish = intent(at=NOW, quantity=5)
    exchange.allow(wish)
    exchange.say(trade(71_000, at=NOW + SECOND))
    exchange.fill(order_id(wish.intent_id, 1), 2)
    assert orders(exchange) == [(70_100, 2), (70_300, 2)]


def test_a_slice_grows_with_what_is_traded() -> None:
    """A tenth of the 14,000,000 won of the last five minutes at 70,100: 19 shares."""
    exchange = market(settings=_SMALL)
    busy = trade(70_000, at=NOW)
    (one,) = busy.trades
    value = msgspec.structs.replace(one, cumulative_value=14_000_000)
    exchange.say(msgspec.structs.replace(busy, trades=(value,)))
    exchange.allow(intent(at=NOW, quantity=50))
    assert orders(exchange) == [(70_100, 19)]


def test_patient_sales_are_sliced_and_urgent_ones_are_not() -> None:
    """An exit that matters does not wait for its own shadow."""
    patient, urgent = market(settings=_SMALL), market(settings=_SMALL)
    patient.allow(leaving(urgency=Urgency.NORMAL))
    urgent.allow(leaving())
    assert orders(patient) == [(69_900, 3)]
    assert orders(urgent) == [(69_500, 10)]


# -- withdrawing and netting -----------------------------------------------------------------------


def _cancel(**matching: object) -> CancelRequested:
    return CancelRequested(at=NOW, issued_by="kim", reason="looks wrong", **matching)  # type: ignore[arg-type]  # optional keys


@pytest.mark.parametrize("matching", ["order", "symbol", "strategy", "all", "none"])
def test_an_operator_withdraws_what_matches_everything_given(matching: str) -> None:
    """And what is withdrawn is not ordered again, a sale neither."""
    exchange = market()
    wish = leaving()
    exchange.allow(wish)
    request = {
        "order": _cancel(order_id=order_id(wish.intent_id, 1)),
        "symbol": _cancel(symbol=SAMSUNG),
        "strategy": _cancel(strategy=wish.strategy),
        "all": _cancel(),
        "none": _cancel(symbol=SAMSUNG, strategy=StrategyId("KPR")),
    }[matching]
    exchange.say(request, tick(NOW + SECOND))
    expected = [] if matching == "none" else [("withdrawn", 10, 0, 1)]
    assert ends(exchange) == expected
    assert len(exchange.sent) == 1


@pytest.mark.parametrize("stands", ["held", "planned", "working", "unproved", "between"])
def test_an_exit_ends_its_strategys_buys_wherever_they_stand(stands: str) -> None:
    """Held, about to be sent, sliced, waiting for a proof, or between two orders."""
    exchange = market(settings=_SMALL)
    wish = intent(at=NOW, quantity=5, stop_price=70_500 if stands == "held" else None)
    exchange.acts = stands != "planned"
    exchange.allow(wish)
    first = order_id(wish.intent_id, 1)
    if stands == "unproved":
        exchange.proves = False
        exchange.say(trade(70_200, at=NOW + 10 * SECOND), tick(NOW + 10 * SECOND))
    if stands == "between":
        exchange.refusals = ["CANCELLED"]
        exchange.fill(first, 2)
    exchange.acts = True
    exchange.allow(leaving(quantity=2, at=NOW))
    if stands == "unproved":
        exchange.close(first)
    ended = {each.intent_id: each.reason for each in exchange.of(ExecutionEnded)}
    assert ended == {wish.intent_id: "withdrawn"}
    assert {order.side for order in exchange.working} == {"sell"}
    assert exchange.core.outstanding() == []


def test_a_buy_sent_in_the_very_moment_it_is_withdrawn_is_cancelled_once_it_has_a_number() -> None:
    """The write-ahead came first; the refusal is pointless and the order still unwanted."""
    exchange = market()
    exchange.acts = False
    wish = intent(at=NOW)
    exchange.allow(wish)
    (submit,) = exchange.core.outstanding()
    assert isinstance(submit, Submit)
    exchange.say(_cancel())
    assert exchange.core.withdrawn(submit.event.order_id) == "kim: looks wrong"
    exchange.say(submit.event)
    assert exchange.core.outstanding() == []
    exchange.acts = True
    exchange.say(
        OrderAccepted(at=NOW, order_id=submit.event.order_id, broker_order="1", branch="1")
    )
    assert ends(exchange) == [("withdrawn", 10, 0, 1)]


def test_a_sale_withdraws_the_accounts_buys_that_it_could_meet_and_does_not_wait() -> None:
    """Another strategy's buy at 70,100 meets a sale at 69,500; one at 69,000 does not."""
    exchange = market()
    crossing = of_strategy("KPR", intent(at=NOW))
    apart = of_strategy("PCIM", intent(at=NOW, urgency=Urgency.LOW, limit_price=69_000))
    exchange.allow(crossing)
    exchange.allow(apart)
    exchange.acts = False
    wish = leaving()
    exchange.allow(wish)
    cancel, submit = exchange.actions[-2:]
    assert isinstance(cancel, Cancel)
    assert (cancel.order_id, cancel.reason) == (order_id(crossing.intent_id, 1), "netting")
    assert isinstance(submit, Submit)
    assert exchange.core.withdrawn(order_id(apart.intent_id, 1)) is None


def test_a_sale_at_market_withdraws_every_buy_of_the_symbol() -> None:
    """It could meet any of them."""
    exchange = market()
    apart = of_strategy("PCIM", intent(at=NOW, urgency=Urgency.LOW, limit_price=69_000))
    exchange.allow(apart)
    exchange.allow(
        msgspec.structs.replace(
            leaving(), attempt=3, intent_id=intent_id(DAY, StrategyId("KMP"), SAMSUNG, "X", 3)
        )
    )
    assert ends(exchange) == [("withdrawn", 10, 0, 1)]
    assert orders(exchange)[-1] == (None, 10)


def test_a_buy_that_could_meet_an_own_sale_is_refused() -> None:
    """A breakout entry triggers while another strategy sells below it."""
    exchange = market()
    held = of_strategy("KPR", intent(at=NOW, stop_price=70_100, limit_price=70_400))
    exchange.allow(held)
    exchange.allow(leaving(limit=70_300))
    exchange.say(trade(70_200, at=NOW + SECOND))
    (refused,) = exchange.of(OrderRejected)
    assert refused.code == "OWN_SALE"
    assert ends(exchange) == [("refused", 10, 0, 0)]


# -- a restart changes nothing ---------------------------------------------------------------------


def _whole_story(*, restarts: bool) -> list[Event]:
    exchange = market(settings=_SMALL, restarts=restarts)
    entry = intent(at=NOW, quantity=5, lifetime_s=600)
    held = of_strategy("KPR", intent(at=NOW, stop_price=70_300, limit_price=70_600))
    exchange.allow(entry)
    exchange.allow(held)
    exchange.fill(order_id(entry.intent_id, 1), 2)
    at = NOW + 10 * SECOND
    exchange.say(trade(70_300, at=at), book(70_300, 70_400, at=at), tick(at))
    exchange.fill(order_id(entry.intent_id, 3), 1)
    exchange.refusals = ["APBK0919", "EGW00201"]
    exchange.allow(leaving(quantity=3, at=at))
    for seconds in range(1, 12):
        exchange.say(book(70_000, 70_100, at=at + seconds * SECOND), tick(at + seconds * SECOND))
    exchange.say(_cancel(strategy=StrategyId("KPR")))
    patient = of_strategy("PCIM", leaving(urgency=Urgency.NORMAL, quantity=7, at=at))
    exchange.allow(patient)
    for seconds in (40, 43, 46):
        exchange.say(trade(69_900, at=at + seconds * SECOND), tick(at + seconds * SECOND))
    exchange.fill(exchange.working[-1].order_id, 1)
    exchange.say(tick(SESSION.closing_auction_at), tick(SESSION.close_at))
    for order in exchange.working:
        exchange.close(order.order_id, OrderState.EXPIRED)
    return exchange.log


@pytest.mark.invariant(8)
def test_a_restart_after_every_single_entry_changes_no_action() -> None:
    """Entries, slices, reprices, a stop, refusals, a withdrawal and the close: the same bytes."""
    straight = [codec.encode(event) for event in _whole_story(restarts=False)]
    restarted = [codec.encode(event) for event in _whole_story(restarts=True)]
    assert straight == restarted
    assert sum(isinstance(event, ExecutionEnded) for event in _whole_story(restarts=False)) == 4
