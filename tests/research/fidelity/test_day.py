"""A recorded day made ready."""

from __future__ import annotations

from events.event import Event
from research.fidelity.day import RecordedDay, recorded_day
from tests.research.fidelity.records import (
    ORDER,
    accepted,
    book,
    closed,
    filled,
    recorded,
    submitting,
    trade,
)


def _rested(shown: int, *fills: Event) -> RecordedDay:
    """A buy of 10 behind 30, then a book with ``shown`` at its price, then trades of 24 and 20."""
    return recorded_day(
        recorded(
            book(3, [(10_010, 50)], [(10_000, 30)]),
            submitting(4, 10, 10_000),
            accepted(4.5),
            book(5, [(10_010, 50)], [(10_000, shown)]),
            trade(7, 10_000, 24, 24),
            *fills[:1],
            trade(9, 10_000, 20, 44),
            *fills[1:],
            closed(11, 10),
        )
    )


def test_books_without_our_orders_are_recognised_by_what_they_explain() -> None:
    # On paper: 20 of the others stand before ours, so 24 shares leave 4 for us.
    day = _rested(20, filled(7.5, 4, 10_000), filled(9.5, 6, 10_000, total=10))
    assert not day.own_shown
    assert day.places[ORDER].explained


def test_books_with_our_orders_are_recognised_by_what_they_explain() -> None:
    # On the exchange: of 30 shown ours are 10, the others' 20 come first.
    day = _rested(30, filled(7.5, 4, 10_000), filled(9.5, 6, 10_000, total=10))
    assert day.own_shown
    assert day.places[ORDER].explained


def test_where_both_explain_everything_our_orders_count_as_shown() -> None:
    assert recorded_day(recorded(book(3, [(10_000, 50)], []))).own_shown
