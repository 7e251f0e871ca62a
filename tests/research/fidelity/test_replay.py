"""A recorded day traded again: the same intents and the same executions."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import msgspec
import pytest

from events import Delivery, Event
from events.trading import (
    IntentSubmitted,
    OrderAccepted,
    OrderClosed,
    OrderFilled,
    OrderRejected,
    OrderSubmitting,
    OrderUnknown,
)
from research.fidelity.comparison import KINDS, Comparison, compare
from research.fidelity.day import recorded_day
from research.fidelity.reasons import Reasons
from research.fidelity.recording import RecordedSession
from research.fidelity.replay import Replayed, replay
from tests.research.fidelity.played_day import deciders, played_day

CODE = "1.0+abc"


@cache
def _whole_day(seed: int = 1) -> tuple[Replayed, Comparison]:
    return _again(played_day(seed))


@cache
def _morning() -> RecordedSession:
    """The first part of a played day: enough for what is changed in it."""
    whole = played_day()
    return RecordedSession(
        account=whole.account, opening=whole.opening, entries=whole.entries[:2_500]
    )


def _again(session: RecordedSession) -> tuple[Replayed, Comparison]:
    day = recorded_day(session)
    replayed = replay(day, deciders())
    why = Reasons(day, code_version=session.opening.code_version)
    return replayed, compare(session, replayed.recorded, replayed.derived, why)


def _changed(
    session: RecordedSession, change: Callable[[Delivery], Event | None]
) -> RecordedSession:
    """Return a session with entries changed, or left out where ``change`` says ``None``."""
    entries = []
    for entry in session.entries:
        event = change(entry)
        if event is not None:
            entries.append(Delivery(entry.sequence, event))
    return RecordedSession(account=session.account, opening=session.opening, entries=tuple(entries))


def _first(session: RecordedSession, kind: type[Event]) -> Delivery:
    return next(entry for entry in session.entries if isinstance(entry.event, kind))


def test_every_intent_decision_order_and_execution_is_the_same() -> None:
    _require_the_same(*_whole_day())


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 12))
def test_so_it_is_on_other_days(seed: int) -> None:
    _require_the_same(*_whole_day(seed))


def _require_the_same(replayed: Replayed, compared: Comparison) -> None:
    for kind in KINDS:
        count = compared.count(kind)
        assert count.recorded > 30, kind
        assert (count.again, count.matched) == (count.recorded, count.recorded), kind
    assert compared.differences == ()
    assert replayed.missing == ()


def test_what_is_derived_again_is_the_same_to_the_byte_and_in_the_same_places() -> None:
    replayed, compared = _whole_day()
    assert compared.identical == compared.recorded_events == len(replayed.derived)
    assert replayed.derived == replayed.recorded


def test_the_day_holds_orders_of_every_kind_or_it_would_prove_little() -> None:
    day = recorded_day(played_day())
    model = day.fill_model()
    assert model.on_arrival > 20
    assert len(model.resting) > 10
    assert sum(bool(place.cancels) for place in day.places.values()) > 5
    assert sum(place.latest > place.earliest for place in day.places.values()) > 5


def test_a_price_that_the_tape_does_not_give_is_found_out_and_said() -> None:
    session = _morning()
    forged = _first(session, OrderFilled)

    def change(entry: Delivery) -> Event:
        event = entry.event
        if entry is forged and isinstance(event, OrderFilled):
            # Five per cent above everything that was traded in this second.
            price = event.price * 105 // 100
            return msgspec.structs.replace(event, price=price, amount=price * event.quantity)
        return event

    _, compared = _again(_changed(session, change))
    assert not compared.all_match
    first = next(each for each in compared.differences if each.kind == "fills")
    assert first.identity == forged.event.identity
    assert first.field == "price"
    assert "does the exchange model execute this" in first.why


def test_an_intent_that_was_never_derived_is_missing_and_what_it_led_to_follows_from_it() -> None:
    session = _morning()
    first = _first(session, IntentSubmitted)
    assert isinstance(first.event, IntentSubmitted)
    foreign = f"{first.event.intent_id[:-1]}9999"

    def change(entry: Delivery) -> Event:
        event = entry.event
        if entry is first:
            return msgspec.structs.replace(event, intent_id=foreign)
        return event

    replayed, compared = _again(_changed(session, change))
    count = compared.count("intents")
    assert (count.recorded - count.found, count.again - count.found) == (1, 1)
    assert any(each.event.identity == foreign for each in replayed.missing)
    assert not compared.all_match


def test_other_deciders_than_those_of_the_day_are_found_out() -> None:
    session = _morning()
    day = recorded_day(session)
    from tests.research.backtest.monkey import Monkey

    others = {**deciders(), "kpr": lambda opening: Monkey(opening, pause=100, salt=1)}
    replayed = replay(day, others)
    compared = compare(
        session, replayed.recorded, replayed.derived, Reasons(day, code_version=CODE)
    )
    assert compared.count("intents").matched < compared.count("intents").recorded // 2
    # Orders that are not on the record trade too, and end.
    fills = compared.count("fills")
    assert fills.again - fills.found > 0
    ended = {
        each.event.order_id for each in replayed.derived if isinstance(each.event, OrderClosed)
    }
    sent = {e.event.order_id for e in replayed.derived if isinstance(e.event, OrderSubmitting)}
    assert sent - set(day.orders) <= ended
    assert len(sent - set(day.orders)) > 3
    assert f"derived otherwise by this code ({CODE}; recorded under" in compared.differences[0].why


def test_a_lost_answer_is_taken_from_the_record_and_the_order_trades_all_the_same() -> None:
    session = _morning()
    accepted = _first(session, OrderAccepted)
    assert isinstance(accepted.event, OrderAccepted)
    order = accepted.event.order_id

    def change(entry: Delivery) -> Event:
        event = entry.event
        if entry is accepted:
            return OrderUnknown(at=event.at, order_id=order, reason="time-out")
        if isinstance(event, OrderFilled) and event.order_id == order:
            return event
        return event

    replayed, _ = _again(_changed(session, change))
    assert replayed.given["OrderUnknown"] == 1
    assert order in {
        each.event.order_id for each in replayed.derived if isinstance(each.event, OrderFilled)
    }


def test_what_the_broker_refused_is_taken_from_the_record_and_never_trades() -> None:
    session = _morning()
    submitting = _first(session, OrderSubmitting)
    assert isinstance(submitting.event, OrderSubmitting)
    order = submitting.event.order_id
    of_order = [
        entry for entry in session.entries if getattr(entry.event, "order_id", None) == order
    ]

    def change(entry: Delivery) -> Event | None:
        if entry not in of_order[1:]:
            return entry.event
        if entry is of_order[1]:
            return OrderRejected(
                at=entry.event.at, order_id=order, code="APBK0952", message="no cash"
            )
        return None

    replayed, _ = _again(_changed(session, change))
    said = [
        each.event for each in replayed.derived if getattr(each.event, "order_id", None) == order
    ]
    assert [type(event) for event in said] == [OrderSubmitting, OrderRejected]
    assert replayed.given["OrderRejected"] == 1
