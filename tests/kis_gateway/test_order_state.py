"""The table of order states: what may follow what."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import OrderId
from events.identifiers import fill_id
from events.trading import (
    CancelAccepted,
    CancelRejected,
    CancelSubmitting,
    CancelUnknown,
    FillCorrected,
    FillSource,
    OrderAccepted,
    OrderClosed,
    OrderEvent,
    OrderFilled,
    OrderHeld,
    OrderKind,
    OrderRejected,
    OrderState,
    OrderSubmitting,
    OrderUnknown,
    Side,
)
from kis_gateway.errors import IllegalTransition
from kis_gateway.orders.order_state import (
    NOT_FOUND,
    TERMINAL,
    TRANSITIONS,
    CancelState,
    Order,
    evolve,
)
from tests.kis_gateway.fakes import KMP, SAMSUNG, first_order, intent

WISH = intent(at=1)
ID = first_order(WISH)
QUANTITY = 5

HELD = OrderHeld(at=1, order_id=ID, cause=1, intent_id=WISH.intent_id, stop_price=100, expires_at=9)
SUBMITTING = OrderSubmitting(
    at=2,
    order_id=ID,
    cause=1,
    intent_id=WISH.intent_id,
    strategy=KMP,
    symbol=SAMSUNG,
    side=Side.BUY,
    kind=OrderKind.LIMIT,
    quantity=QUANTITY,
    limit_price=100,
    cancel_at=9,
)
ACCEPTED = OrderAccepted(at=3, order_id=ID, broker_order="0000000001", branch="1")
REJECTED = OrderRejected(at=3, order_id=ID, code="X", message="x")
LOST = OrderRejected(at=4, order_id=ID, code=NOT_FOUND, message="x")
ADOPTED = OrderAccepted(at=5, order_id=ID, broker_order="1", branch="1", adopted=True)
UNKNOWN = OrderUnknown(at=3, order_id=ID, reason="time-out")


def filled(quantity: int, total: int) -> OrderFilled:
    return OrderFilled(
        at=4,
        order_id=ID,
        fill_id=fill_id(ID, total),
        strategy=KMP,
        symbol=SAMSUNG,
        side=Side.BUY,
        quantity=quantity,
        price=100,
        amount=100 * quantity,
        cumulative_quantity=total,
        fee=0,
        tax=0,
        source=FillSource.NOTICE,
    )


def closed(state: OrderState, quantity: int) -> OrderClosed:
    return OrderClosed(at=5, order_id=ID, state=state, filled_quantity=quantity, reason="x")


def corrected(ordinal: int, quantity: int, amount: int) -> FillCorrected:
    return FillCorrected(
        at=6,
        order_id=ID,
        ordinal=ordinal,
        strategy=KMP,
        symbol=SAMSUNG,
        side=Side.BUY,
        quantity=quantity,
        amount=amount,
        fee=0,
        tax=0,
        reason="x",
    )


def submitting(attempt: int) -> CancelSubmitting:
    return CancelSubmitting(at=5, order_id=ID, attempt=attempt, reason="x")


def after(*events: OrderEvent) -> Order:
    order: Order | None = None
    for event in events:
        order = evolve(order, event)
    assert order is not None
    return order


@pytest.mark.parametrize(
    ("story", "state"),
    [
        ((HELD,), OrderState.HELD),
        ((HELD, closed(OrderState.EXPIRED, 0)), OrderState.EXPIRED),
        ((HELD, SUBMITTING, ACCEPTED), OrderState.ACCEPTED),
        ((SUBMITTING, UNKNOWN, ACCEPTED), OrderState.ACCEPTED),
        ((SUBMITTING, UNKNOWN, REJECTED), OrderState.REJECTED),
        ((SUBMITTING, ACCEPTED, filled(2, 2)), OrderState.PARTIALLY_FILLED),
        ((SUBMITTING, ACCEPTED, filled(2, 2), filled(3, 5)), OrderState.FILLED),
        ((SUBMITTING, filled(2, 2)), OrderState.SUBMITTING),
        ((SUBMITTING, UNKNOWN, filled(2, 2), ACCEPTED), OrderState.PARTIALLY_FILLED),
        ((SUBMITTING, filled(5, 5), ACCEPTED), OrderState.FILLED),
        ((SUBMITTING, ACCEPTED, closed(OrderState.CANCELLED, 0)), OrderState.CANCELLED),
        ((SUBMITTING, ACCEPTED, REJECTED), OrderState.REJECTED),
        ((SUBMITTING, UNKNOWN, LOST), OrderState.REJECTED),
        ((SUBMITTING, UNKNOWN, LOST, ADOPTED), OrderState.ACCEPTED),
        ((SUBMITTING, UNKNOWN, LOST, ADOPTED, filled(5, 5)), OrderState.FILLED),
    ],
)
def test_a_story_ends_in_its_state(story: tuple[OrderEvent, ...], state: OrderState) -> None:
    """The usual lives of an order, written out."""
    assert after(*story).state is state


def test_a_fill_after_an_accepted_cancel_counts() -> None:
    """A cancel that was taken in does not stop an execution on its way."""
    cancelled = CancelAccepted(at=6, order_id=ID, attempt=1, broker_order="2")
    order = after(SUBMITTING, ACCEPTED, submitting(1), cancelled, filled(2, 2))
    assert (order.filled_quantity, order.cancel) == (2, CancelState.ACCEPTED)
    assert evolve(order, closed(OrderState.CANCELLED, 2)).over


@pytest.mark.parametrize("state", [OrderState.EXPIRED, OrderState.CANCELLED])
def test_a_fill_shown_after_the_end_is_booked_and_reopens_nothing(state: OrderState) -> None:
    """The exchange's word counts: two shares late, then the other three."""
    order = after(SUBMITTING, ACCEPTED, closed(state, 0), filled(2, 2))
    assert (order.state, order.filled_quantity, order.over) == (state, 2, True)
    order = evolve(order, filled(3, 5))
    assert (order.state, order.filled_quantity, order.filled_amount) == (state, 5, 500)


@pytest.mark.parametrize("state", [OrderState.EXPIRED, OrderState.CANCELLED])
def test_a_correction_of_an_ended_order_changes_money_only(state: OrderState) -> None:
    """Two shares booked at 200 won were 190, then 195; state and shares stay."""
    order = after(SUBMITTING, ACCEPTED, filled(2, 2), closed(state, 2), corrected(1, 2, -10))
    assert (order.state, order.filled_quantity, order.filled_amount) == (state, 2, 190)
    order = evolve(order, corrected(2, 2, 5))
    assert (order.filled_amount, order.corrections, order.over) == (195, 2, True)


def test_an_order_executed_in_full_may_be_corrected_after_its_end() -> None:
    """Not before: while it is open its figures are still being written."""
    order = after(SUBMITTING, ACCEPTED, filled(5, 5))
    with pytest.raises(IllegalTransition):
        evolve(order, corrected(1, 5, 1))
    order = after(SUBMITTING, ACCEPTED, filled(5, 5), closed(OrderState.FILLED, 5))
    assert evolve(order, corrected(1, 5, 1)).filled_amount == 501


def test_the_answer_to_a_cancel_is_kept_even_after_the_order_ended() -> None:
    """The cancel lost the race: the order stays filled, the refusal is on record."""
    order = after(SUBMITTING, ACCEPTED, submitting(1), filled(5, 5), closed(OrderState.FILLED, 5))
    late = evolve(order, CancelRejected(at=7, order_id=ID, attempt=1, code="X", message="x"))
    assert (late.state, late.cancel) == (OrderState.FILLED, CancelState.REJECTED)


@pytest.mark.parametrize(
    "story",
    [
        (ACCEPTED,),
        (HELD, HELD),
        (SUBMITTING, SUBMITTING),
        (SUBMITTING, ACCEPTED, ACCEPTED),
        (SUBMITTING, ACCEPTED, UNKNOWN),
        (SUBMITTING, REJECTED, ACCEPTED),
        (SUBMITTING, ACCEPTED, filled(6, 6)),
        (SUBMITTING, ACCEPTED, filled(2, 3)),
        (SUBMITTING, ACCEPTED, filled(2, 2), REJECTED),
        (SUBMITTING, ACCEPTED, closed(OrderState.FILLED, 0)),
        (SUBMITTING, ACCEPTED, filled(2, 2), closed(OrderState.CANCELLED, 0)),
        (SUBMITTING, ACCEPTED, closed(OrderState.CANCELLED, 0), filled(6, 6)),
        (SUBMITTING, ACCEPTED, closed(OrderState.CANCELLED, 0), closed(OrderState.CANCELLED, 0)),
        (SUBMITTING, UNKNOWN, LOST, ACCEPTED),
        (SUBMITTING, UNKNOWN, REJECTED, ADOPTED),
        (SUBMITTING, UNKNOWN, LOST, ADOPTED, LOST),
        (SUBMITTING, submitting(1)),
        (SUBMITTING, ACCEPTED, submitting(2)),
        (SUBMITTING, ACCEPTED, submitting(1), submitting(2)),
        (SUBMITTING, ACCEPTED, CancelUnknown(at=5, order_id=ID, attempt=1, reason="x")),
        (SUBMITTING, ACCEPTED, filled(2, 2), corrected(1, 2, -10)),
        (SUBMITTING, ACCEPTED, closed(OrderState.EXPIRED, 0), corrected(1, 0, 10)),
        (SUBMITTING, ACCEPTED, filled(2, 2), closed(OrderState.EXPIRED, 2), corrected(2, 2, 1)),
        (SUBMITTING, ACCEPTED, filled(2, 2), closed(OrderState.EXPIRED, 2), corrected(1, 1, 1)),
        (SUBMITTING, ACCEPTED, filled(2, 2), closed(OrderState.EXPIRED, 2), corrected(1, 2, 0)),
        (SUBMITTING, ACCEPTED, filled(2, 2), closed(OrderState.EXPIRED, 2), corrected(1, 2, -200)),
    ],
)
def test_an_impossible_story_raises(story: tuple[OrderEvent, ...]) -> None:
    """Its last event does not fit; all before do."""
    order: Order | None = None
    for event in story[:-1]:
        order = evolve(order, event)
    with pytest.raises(IllegalTransition):
        evolve(order, story[-1])


def test_every_state_stands_in_the_table() -> None:
    """A state without a row would be a crash in the middle of a day."""
    assert set(TRANSITIONS) == {None, *OrderState}


@st.composite
def _events(draw: st.DrawFn) -> list[OrderEvent]:
    attempt = st.integers(1, 3)
    quantity = st.integers(0, QUANTITY + 1)
    one = st.one_of(
        st.sampled_from([HELD, SUBMITTING, ACCEPTED, REJECTED, UNKNOWN, LOST, ADOPTED]),
        st.builds(filled, quantity, quantity),
        st.builds(closed, st.sampled_from(OrderState), quantity),
        st.builds(submitting, attempt),
        st.builds(corrected, attempt, quantity, st.integers(-600, 600)),
        attempt.map(lambda n: CancelAccepted(at=6, order_id=ID, attempt=n, broker_order="2")),
        attempt.map(lambda n: CancelRejected(at=6, order_id=ID, attempt=n, code="X", message="")),
        attempt.map(lambda n: CancelUnknown(at=6, order_id=ID, attempt=n, reason="x")),
    )
    # Begin where something can happen, or nearly all random stories end at their first event.
    starts: list[list[OrderEvent]] = [[], [SUBMITTING], [SUBMITTING, ACCEPTED]]
    return [*draw(st.sampled_from(starts)), *draw(st.lists(one, max_size=25))]


@given(_events())
def test_random_events_follow_the_table_or_raise(events: list[OrderEvent]) -> None:
    """Quantities stay within the order; only one that was given up ever works again."""
    order: Order | None = None
    for event in events:
        state = None if order is None else order.state
        try:
            following = evolve(order, event)
        except IllegalTransition:
            continue
        assert following.state in TRANSITIONS[state][type(event)]
        assert 0 <= following.filled_quantity <= following.quantity or following.quantity == 0
        whole = 0 < following.quantity == following.filled_quantity
        assert whole or following.state is not OrderState.FILLED
        assert not whole or following.over or following.state is OrderState.FILLED
        if order is not None:
            assert following.filled_quantity >= order.filled_quantity
            if isinstance(event, FillCorrected):
                changed = {"filled_amount", "corrections"}
                assert {
                    field
                    for field in Order.__struct_fields__
                    if getattr(order, field) != getattr(following, field)
                } == changed
            assert (following.filled_amount > 0) is (following.filled_quantity > 0)
            found = order.state is OrderState.REJECTED and event is ADOPTED
            assert not found or order.given_up_at > 0
            if order.state in TERMINAL and not found:
                assert following.state is order.state
            if order.over and not found:
                assert following.over
        order = following


def test_an_illegal_transition_names_order_state_and_event() -> None:
    """The message is what an operator sees."""
    with pytest.raises(IllegalTransition, match="X-O1 is new: OrderAccepted cannot follow"):
        evolve(None, OrderAccepted(at=1, order_id=OrderId("X-O1"), broker_order="1", branch="1"))
