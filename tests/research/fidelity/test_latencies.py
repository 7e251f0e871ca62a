"""How long things took, and what of it can be known."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.event import Event
from events.trading import CancelAccepted, CancelSubmitting, OrderState
from research.backtest.settings import LatencySettings
from research.fidelity.day import RecordedDay, recorded_day
from research.fidelity.latencies import feed_latencies, quantiles
from tests.research.fidelity.records import (
    ORDER,
    accepted,
    at,
    book,
    closed,
    filled,
    recorded,
    submitting,
    trade,
)

MILLISECOND = 1_000_000
CHEAP = book(3, [(10_000, 50)], [(9_990, 50)])
DEAR = book(6, [(10_020, 50)], [(10_010, 50)])


def _day(*events: Event) -> RecordedDay:
    return recorded_day(recorded(*events))


def test_quantiles_stand_at_equal_steps_from_the_least_to_the_most() -> None:
    found = quantiles([0, 10 * MILLISECOND, 20 * MILLISECOND])
    assert (found[0], found[5], found[10], found[20]) == (0.0, 5.0, 10.0, 20.0)
    assert quantiles([7 * MILLISECOND]) == (7.0,) * 21


@given(st.lists(st.integers(0, 10**12), min_size=1))
def test_quantiles_can_be_used_as_settings(values: list[int]) -> None:
    found = quantiles(sorted(values))
    assert list(found) == sorted(found)
    assert found[0] >= 0


def test_a_feed_that_is_always_as_late_is_measured_exactly_behind_full_seconds() -> None:
    # 200 trades all over their seconds, each received 40 ms after it.
    frames = [trade(n + n / 200, 10_000, 1, n + 1, late=0.04) for n in range(200)]
    found = feed_latencies(recorded(*frames))
    assert len(found) == 200
    assert min(found) == pytest.approx(40 * MILLISECOND, abs=6 * MILLISECOND)
    assert max(found) == pytest.approx(40 * MILLISECOND, abs=6 * MILLISECOND)


def test_the_split_is_the_one_that_explains_most_orders() -> None:
    # The answer took six seconds and the book changed in their third second: the order met the
    # book after it, so more than a third of the time was the way there.
    late = _day(CHEAP, submitting(4, 10, 10_020), DEAR, accepted(9), filled(9.5, 10, 10_020))
    early = _day(CHEAP, submitting(4, 10, 10_020), DEAR, accepted(9), filled(9.5, 10, 10_000))
    assert (late.latencies().split, late.latencies().split_fits) == (0.5, 1)
    assert (early.latencies().split, early.latencies().split_fits) == (0.5, 1)
    clear = _day(
        CHEAP, submitting(4, 10, 10_020), DEAR, accepted(19), filled(19.5, 10, 10_000)
    ).latencies()
    assert (clear.split, clear.split_fits, clear.split_of) == (0.2, 1, 1)


def test_order_and_answer_add_up_to_what_was_observed() -> None:
    (times,) = _day(CHEAP, submitting(4, 10, 10_020), accepted(9)).latencies().orders
    assert times.order is not None
    assert times.answer is not None
    # From the newest instant on the log, the receipt of the book, to the answer.
    assert times.order + times.answer == 5_900 * MILLISECOND


def test_a_notice_took_from_the_execution_to_its_entry() -> None:
    day = _day(
        book(3, [(10_010, 50)], [(10_000, 50)]),
        submitting(4, 10, 10_000),
        accepted(5),
        trade(8, 10_000, 60, 60),
        filled(9.25, 10, 10_000),
        closed(9.3, 10),
    )
    assert day.latencies().notice == (750 * MILLISECOND,)


def test_a_cancel_took_part_of_the_time_to_its_answer() -> None:
    day = _day(
        book(3, [(10_010, 50)], [(10_000, 50)]),
        submitting(4, 10, 10_000),
        accepted(5),
        CancelSubmitting(at=at(6), order_id=ORDER, attempt=1, reason="lifetime"),
        CancelAccepted(at=at(7), order_id=ORDER, attempt=1, broker_order="2"),
        closed(7.5, 0, state=OrderState.CANCELLED),
    )
    assert day.latencies().cancel == (500 * MILLISECOND,)


def test_what_was_not_measured_keeps_its_default() -> None:
    settings = _day(CHEAP).latencies().settings()
    assert settings.order == LatencySettings().order
    assert settings.feed != LatencySettings().feed


def test_a_stall_is_not_drawn_again_and_again() -> None:
    frames = [trade(n, 10_000, 1, n + 1, late=60 if n == 150 else 0.04) for n in range(200)]
    day = _day(*frames)
    assert max(day.latencies().feed) > 50_000 * MILLISECOND
    assert max(day.latencies().settings().feed) < 1_000
