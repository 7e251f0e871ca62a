"""One issue's exchange, driven by its recorded tape."""

from __future__ import annotations

from datetime import date

from events import OrderId
from events.event import Event
from research.fidelity.exchange_tape import issue_tape, listing
from research.fidelity.issue_floor import Execution, Gone, IssueFloor, TakenIn, TurnedDown
from tests.research.fidelity.records import (
    ORDER,
    SAMSUNG,
    at,
    book,
    recorded,
    submitting,
    trade,
)

DAY = date(2025, 9, 15)
REST = book(3, [(10_010, 50)], [(10_000, 30)])


def _floor(*events: Event) -> IssueFloor:
    session = recorded(*events)
    return IssueFloor(listing(session, SAMSUNG), issue_tape(session, SAMSUNG), DAY)


def test_an_order_takes_what_is_shown_up_to_its_limit() -> None:
    floor = _floor(book(3, [(10_000, 4), (10_010, 9)], []))
    floor.advance(3)
    assert floor.place(submitting(4, 10, 10_010)) == [
        TakenIn(ORDER, 3),
        Execution(ORDER, 3, at(3), 4, 10_000, 6),
        Execution(ORDER, 3, at(3), 6, 10_010, 0),
    ]
    assert not floor.working


def test_our_own_order_is_part_of_a_recorded_book_and_not_of_the_others() -> None:
    # 30 of the others stand before our first order; the next book shows them and our 10. So 40
    # stand before our second order, not 50.
    second = OrderId("20250915-KMP-005930-E2-O1")
    with_ours = book(5, [(10_010, 50)], [(10_000, 40)])
    floor = _floor(REST, with_ours, trade(7, 10_000, 40, 40), trade(8, 10_000, 10, 50))
    floor.advance(3)
    floor.place(submitting(4, 10, 10_000))
    floor.advance(4)
    floor.place(submitting(5, 10, 10_000, order=second))
    assert floor.step() == [Execution(ORDER, 5, at(7), 10, 10_000, 0)]
    assert floor.step() == [Execution(second, 6, at(8), 10, 10_000, 0)]


def test_a_book_without_our_order_in_it_is_the_others_alone() -> None:
    # It left the exchange before our order came: nothing can be taken off it.
    floor = _floor(REST, book(5, [(10_010, 50)], [(10_000, 6)]), trade(7, 10_000, 6, 6))
    floor.advance(3)
    floor.place(submitting(4, 10, 10_000))
    assert floor.advance(6) == []
    assert floor.working


def test_a_cancel_withdraws_what_is_left_and_one_of_nothing_does_nothing() -> None:
    floor = _floor(REST)
    floor.advance(3)
    floor.place(submitting(4, 10, 10_000))
    assert floor.cancel(ORDER, 1) == [Gone(ORDER, 3, 10, cancelled=True)]
    assert floor.cancel(ORDER, 2) == []


def test_the_session_withdraws_what_is_left_at_its_end() -> None:
    floor = _floor(REST)
    floor.advance(3)
    floor.place(submitting(4, 10, 10_000))
    assert floor.advance(floor.steps) == [Gone(ORDER, 5, 10, cancelled=False)]


def test_the_exchange_turns_down_what_is_off_its_tick() -> None:
    floor = _floor(REST)
    floor.advance(3)
    (report,) = floor.place(submitting(4, 10, 10_003))
    assert isinstance(report, TurnedDown)
    assert report.reason.startswith("off_tick: ")


def test_a_floor_that_begins_later_stands_where_one_that_saw_everything_stands() -> None:
    events = (trade(1, 10_000, 3, 3), REST, trade(4, 10_000, 5, 8))
    whole, later = _floor(*events), _floor(*events)
    session = recorded(*events)
    later = IssueFloor(listing(session, SAMSUNG), issue_tape(session, SAMSUNG), DAY, begin=3)
    whole.advance(5)
    later.advance(5)
    order = submitting(5, 60, 10_010)
    assert whole.place(order) == later.place(order)
