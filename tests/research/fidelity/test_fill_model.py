"""What the exchange's model says of orders that have to wait."""

from __future__ import annotations

from events.event import Event
from events.trading import OrderState
from research.fidelity.day import recorded_day
from research.fidelity.fill_model import FillModel, RestingOrder
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

REST = book(3, [(10_010, 50)], [(10_000, 50)])


def _model(*events: Event) -> FillModel:
    return recorded_day(recorded(*events)).fill_model()


def test_an_order_that_trades_on_arrival_says_nothing_about_queues() -> None:
    model = _model(REST, submitting(4, 10, 10_010), accepted(5), filled(5.2, 10, 10_010))
    assert (model.on_arrival, model.resting) == (1, ())
    assert model.recorded_share is model.predicted_share is model.median_queue_error is None


def test_a_queue_that_was_served_as_the_model_says_has_no_error() -> None:
    model = _model(
        REST, submitting(4, 10, 10_000), accepted(5), trade(7, 10_000, 60, 60),
        filled(7.5, 10, 10_000), closed(7.6, 10),
    )  # fmt: skip
    assert model.resting == (
        RestingOrder(order_id=ORDER, quantity=10, recorded=10, predicted=10, queue_error=0),
    )
    assert model.recorded_share == model.predicted_share == 1.0


def test_an_order_that_was_served_sooner_than_the_model_says_shows_by_how_many_shares() -> None:
    # By the record it was executed when 20 had traded; the model waits for the 50 before it.
    model = _model(
        REST, submitting(4, 10, 10_000), accepted(5), trade(7, 10_000, 20, 20),
        filled(7.5, 10, 10_000), trade(9, 10_000, 40, 60), closed(12, 10),
    )  # fmt: skip
    assert model.median_queue_error == 40


def test_shares_that_only_the_record_executed_lower_the_models_share() -> None:
    model = _model(
        REST, submitting(4, 10, 10_000), accepted(5), trade(7, 10_000, 20, 20),
        filled(7.5, 5, 10_000, total=5), closed(8, 5, state=OrderState.CANCELLED),
    )  # fmt: skip
    assert (model.recorded_share, model.predicted_share) == (0.5, 0.0)
