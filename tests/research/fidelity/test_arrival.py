"""Where an order arrived, between what the record leaves open."""

from __future__ import annotations

from datetime import date

from events import OrderId
from events.event import Event
from events.trading import (
    CancelAccepted,
    CancelSubmitting,
    FillSource,
    OrderState,
    Side,
)
from research.fidelity.arrival import Place, explains, later_place, places
from research.fidelity.exchange_tape import issue_tape, listing
from research.fidelity.issue_floor import Execution
from research.fidelity.order_record import recorded_orders
from tests.research.fidelity.records import (
    ORDER,
    SAMSUNG,
    accepted,
    at,
    book,
    closed,
    filled,
    recorded,
    submitting,
    trade,
)

DAY = date(2025, 9, 15)
CHEAP = book(3, [(10_000, 50)], [(9_990, 50)])
DEAR = book(6, [(10_020, 50)], [(10_010, 50)])


def _places(*events: Event, split: float = 0.5) -> dict[OrderId, Place]:
    session = recorded(*events)
    orders = list(recorded_orders(session.entries).values())
    tape = issue_tape(session, SAMSUNG)
    return places(orders, tape, listing(session, SAMSUNG), DAY, split=split)


def test_the_fill_says_on_which_side_of_a_changed_book_the_order_arrived() -> None:
    # The way there was short, or long: only the executed price tells.
    before = _places(
        CHEAP,
        submitting(4, 10, 10_020),
        DEAR,
        accepted(9),
        filled(9.5, 10, 10_000),
        closed(9.6, 10),
    )[ORDER]
    after = _places(
        CHEAP,
        submitting(4, 10, 10_020),
        DEAR,
        accepted(9),
        filled(9.5, 10, 10_020),
        closed(9.6, 10),
    )[ORDER]
    assert (before.earliest, before.latest) == (after.earliest, after.latest) == (3, 4)
    assert (before.step, before.fitting) == (3, (3,))
    assert (after.step, after.fitting) == (4, (4,))
    assert before.explained
    assert after.explained


def test_a_price_that_was_nowhere_in_the_window_is_not_explained() -> None:
    place = _places(
        CHEAP,
        submitting(4, 10, 10_050),
        DEAR,
        accepted(9),
        filled(9.5, 10, 10_050),
        closed(9.6, 10),
    )[ORDER]
    assert not place.explained
    assert place.step == place.assumed


def test_a_quantity_that_was_not_there_is_not_explained() -> None:
    place = _places(
        CHEAP,
        submitting(4, 60, 10_000),
        DEAR,
        accepted(9),
        filled(9.5, 60, 10_000),
        closed(9.6, 60),
    )[ORDER]
    assert not place.explained


def test_without_a_look_at_the_fills_the_split_says_where_it_arrived() -> None:
    events = (CHEAP, submitting(4, 10, 10_020), DEAR, accepted(9), filled(9.5, 10, 10_020))
    assert _places(*events, split=0.1)[ORDER].assumed == 3
    assert _places(*events, split=0.9)[ORDER].assumed == 4
    assert not _places(*events, split=0.1)[ORDER].assumed_fits
    assert _places(*events, split=0.9)[ORDER].assumed_fits


def test_it_did_not_arrive_before_what_was_on_the_log_when_it_left_nor_after_its_answer() -> None:
    place = _places(
        book(1, [(9_990, 50)], []),
        CHEAP,
        submitting(4, 10, 10_020),
        accepted(5),
        book(8, [(10_030, 50)], []),
        filled(5.5, 10, 10_000),
    )[ORDER]
    assert (place.earliest, place.latest) == (4, 4)


def test_a_resting_order_is_explained_by_the_trades_that_served_its_queue() -> None:
    rest = book(3, [(10_010, 50)], [(10_000, 50)])
    served = (trade(7, 10_000, 50, 50), trade(8, 10_000, 10, 60))
    place = _places(rest, submitting(4, 10, 10_000), accepted(5), *served, filled(8.4, 10, 10_000))[
        ORDER
    ]
    assert place.explained
    assert place.executed_at == (5,)
    # Told of before its queue was served: that cannot have been.
    early = _places(rest, submitting(4, 10, 10_000), accepted(5), filled(6, 10, 10_000), *served)
    assert not early[ORDER].explained


def test_a_cancel_took_effect_where_what_was_left_says_so() -> None:
    rest = book(3, [(10_010, 50)], [(10_000, 0), (9_990, 5)])
    cancel = CancelSubmitting(at=at(6), order_id=ORDER, attempt=1, reason="lifetime")
    answer = CancelAccepted(at=at(9), order_id=ORDER, attempt=1, broker_order="2")
    place = _places(
        rest,
        submitting(4, 10, 10_000),
        accepted(5),
        trade(5.5, 10_000, 4, 4),
        cancel,
        filled(6.1, 4, 10_000),
        trade(7, 10_000, 5, 9),
        answer,
        closed(10, 4, state=OrderState.CANCELLED),
    )[ORDER]
    assert place.explained
    assert place.cancels == {1: 4}


def test_an_order_never_arrives_before_one_that_left_earlier() -> None:
    second = OrderId("20250915-KMP-005930-E2-O1")
    found = _places(
        CHEAP,
        submitting(4, 10, 10_020),
        submitting(4, 10, 10_020, order=second),
        DEAR,
        accepted(9),
        accepted(9.1, order=second),
        filled(9.5, 10, 10_020),
        filled(9.5, 10, 10_020, order=second),
    )
    assert found[second].earliest == found[ORDER].step == 4


def test_an_order_that_never_reached_the_exchange_has_no_place() -> None:
    assert _places(CHEAP, submitting(4, 10, 10_020), DEAR) == {}


def test_a_notice_is_one_execution_and_an_inquiry_may_be_several() -> None:
    parts = [
        Execution(ORDER, 3, at(5), 4, 10_000, 6),
        Execution(ORDER, 3, at(5), 6, 10_010, 0),
    ]

    def fills(source: FillSource) -> list[object]:
        fill = filled(6, 10, 10_006, source=source, amount=100_060)
        session = recorded(submitting(4, 10, 10_020), fill)
        return list(recorded_orders(session.entries)[ORDER].fills)

    assert explains(parts, fills(FillSource.INQUIRY))  # type: ignore[arg-type]
    assert not explains(parts, fills(FillSource.NOTICE))  # type: ignore[arg-type]


def test_an_order_that_is_not_on_the_record_takes_the_usual_way() -> None:
    tape = issue_tape(recorded(CHEAP, DEAR), SAMSUNG)
    assert later_place(tape, sequence=3, clock_at=at(3.2), way=1_000_000_000) == 3
    assert later_place(tape, sequence=3, clock_at=at(3.2), way=4_000_000_000) == 4


def test_a_sale_arrives_like_a_buy() -> None:
    place = _places(
        CHEAP,
        submitting(4, 10, 9_900, side=Side.SELL),
        DEAR,
        accepted(9),
        filled(9.5, 10, 10_010, side=Side.SELL),
    )[ORDER]
    assert (place.step, place.explained) == (4, True)
