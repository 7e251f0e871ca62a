"""Two runs of a day held against each other, and why they differ."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from events import Delivery, Event, IntentId, OrderId
from events.ops import FeedGap
from events.trading import (
    Check,
    CheckOutcome,
    DriftDetected,
    Horizon,
    IntentApproved,
    IntentKind,
    IntentSubmitted,
    OrderUnknown,
    Route,
    Side,
    Urgency,
)
from research.fidelity.comparison import Comparison, compare
from research.fidelity.day import recorded_day
from research.fidelity.money import money
from research.fidelity.reasons import Reasons
from research.fidelity.recording import RecordedSession
from tests.research.fidelity.records import (
    DATE,
    KMP,
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

CHEAP = book(3, [(10_000, 50)], [(9_990, 50)])
INTENT = IntentId("20250915-KMP-005930-E1")


def _intent(seconds: float = 3.5, **changes: object) -> IntentSubmitted:
    fields: dict[str, object] = {
        "at": at(seconds), "cause": 3, "intent_id": INTENT, "strategy": KMP, "symbol": SAMSUNG,
        "kind": IntentKind.ENTER, "quantity": 10, "urgency": Urgency.HIGH,
        "horizon": Horizon.INTRADAY, "reason": "test", "attempt": 1, "expires_at": at(60),
        "facts": {"last": 10_000, "spread": 10},
    }  # fmt: skip
    return IntentSubmitted(**(fields | changes))  # type: ignore[arg-type]


def _events(*events: Event, first: int = 1) -> list[Delivery]:
    return [Delivery(number, event) for number, event in enumerate(events, first)]


def _compare(
    session: RecordedSession, ours: Sequence[Event], theirs: Sequence[Event], **reasons: object
) -> Comparison:
    why = Reasons(recorded_day(session), **{"code_version": "1", **reasons})  # type: ignore[arg-type]
    return compare(session, _events(*ours), _events(*theirs, first=900), why)


def _why(session: RecordedSession, **reasons: object) -> str:
    """Return the reason for an execution at another price."""
    (difference,) = _compare(
        session, [filled(9.5, 10, 10_000)], [filled(9.5, 10, 10_010)], **reasons
    ).differences
    assert (difference.kind, difference.field) == ("fills", "price")
    assert (difference.recorded, difference.again) == ("10000", "10010")
    return difference.why


def _traded(*more: Event, quote: Event = CHEAP) -> RecordedSession:
    return recorded(
        quote, submitting(4, 10, 10_020), accepted(5), filled(5.5, 10, 10_000), closed(6, 10), *more
    )


def test_places_causes_and_when_the_broker_told_are_not_compared() -> None:
    one = [_intent(cause=3), submitting(4, 10, 10_020), filled(5.5, 10, 10_000), closed(6, 10)]
    other = [_intent(cause=77), submitting(4, 10, 10_020), filled(8.5, 10, 10_000), closed(9, 10)]
    other[1] = msgspec.structs.replace(other[1], epoch=4)
    compared = _compare(_traded(), one, other)
    assert compared.all_match
    assert compared.differences == ()
    assert (compared.recorded_events, compared.identical) == (4, 0)


def test_a_difference_shows_only_what_differs() -> None:
    (difference,) = _compare(
        _traded(), [_intent()], [_intent(facts={"last": 10_000, "spread": 20})]
    ).differences
    assert (difference.field, difference.recorded, difference.again) == (
        "facts", "spread 10", "spread 20",
    )  # fmt: skip
    (difference,) = _compare(_traded(), [_intent(3.5)], [_intent(4.25)]).differences
    assert (difference.recorded, difference.again) == ("09:00:03.500000", "09:00:04.250000")


def test_a_decision_that_differs_names_the_check() -> None:
    def decision(cash: int) -> IntentApproved:
        passed = Check(name="expiry", value=1, limit=2, outcome=CheckOutcome.PASS)
        funds = Check(name="cash", value=cash, limit=5, outcome=CheckOutcome.PASS)
        return IntentApproved(
            at=at(4), cause=3, intent_id=INTENT, strategy=KMP, symbol=SAMSUNG,
            checks=(passed, funds), quantity=10,
        )  # fmt: skip

    (difference,) = _compare(_traded(), [decision(7)], [decision(8)]).differences
    assert (difference.recorded, difference.again) == ("cash 7 → pass", "cash 8 → pass")


def test_what_only_one_side_has_is_told_in_words() -> None:
    (difference,) = _compare(_traded(), [submitting(4, 10, 10_020)], []).differences
    assert (difference.recorded, difference.again, difference.place) == ("buy 10 at 10,020", "", 1)
    (difference,) = _compare(_traded(), [], [filled(5.5, 10, 10_000)]).differences
    assert (difference.recorded, difference.again, difference.place) == ("", "buy 10 at 10,000", 0)


def test_what_comes_after_a_difference_of_a_symbol_follows_from_it() -> None:
    one = [_intent(), submitting(4, 10, 10_020), filled(5.5, 10, 10_000)]
    other = [_intent(quantity=9), submitting(4, 9, 10_020), filled(5.5, 9, 10_000)]
    whys = [each.why for each in _compare(_traded(), one, other).differences]
    assert whys[0].startswith("derived otherwise from the same entries")
    assert whys[1:] == [f"follows from {INTENT}"] * 3  # both executions are alone


def test_the_record_says_what_was_special_about_an_order() -> None:
    assert "does the exchange model execute this" in _why(
        recorded(CHEAP, submitting(4, 10, 10_020), accepted(5), filled(5.5, 10, 10_040))
    )
    assert "had no answer" in _why(
        recorded(
            CHEAP, submitting(4, 10, 10_020), OrderUnknown(at=at(5), order_id=ORDER, reason="lost"),
            accepted(8), filled(8.5, 10, 10_000),
        )
    )  # fmt: skip
    drift = DriftDetected(
        at=at(30), trading_date=DATE, symbol=SAMSUNG, broker_quantity=5, allocated_quantity=0
    )
    assert "traded by hand" in _why(_traded(drift))
    gap = FeedGap(
        at=at(9), service="gateway", begun_at=at(1), ended_at=at(8), symbols=(), reason="line lost"
    )
    assert "feed had a gap" in _why(_traded(gap))
    assert "no book of 005930 was received" in _why(
        _traded(quote=trade(3, 10_000, 50, 50, best=(10_000, 9_990)))
    )
    routed = msgspec.structs.replace(submitting(4, 10, 10_020), route=Route.NXT)
    assert "routed to nxt" in _why(recorded(CHEAP, routed, accepted(5), filled(5.5, 10, 10_000)))
    assert "drawn" in _why(_traded(), drawn=True)


def test_an_old_gap_or_one_of_another_symbol_explains_nothing() -> None:
    gap = FeedGap(
        at=at(2), service="gateway", begun_at=at(0), ended_at=at(1), symbols=(), reason="line lost"
    )
    assert "gap" not in _why(_traded(gap))


def test_slippage_is_measured_from_the_last_price_at_the_intent_and_positive_where_worse() -> None:
    sale = OrderId("20250915-KMP-005930-X1-O1")
    leaving = _intent(20, intent_id=IntentId("20250915-KMP-005930-X1"))
    session = recorded(CHEAP, trade(3, 10_000, 5, 5), trade(19, 10_100, 5, 10))
    events = _events(
        _intent(3.5),
        filled(5.5, 10, 10_020),
        leaving,
        filled(21, 10, 10_090, order=sale, side=Side.SELL),
    )
    came_to = money(session, events)
    assert (came_to.bought, came_to.sold, came_to.fees) == (100_200, 100_900, 20)
    assert came_to.slippage == 10 * 20 + 10 * 10
    assert came_to.result == 100_900 - 100_200 - 20
    assert round(came_to.slippage_bps, 2) == 14.92


def test_what_is_still_held_is_worth_the_last_price_of_the_day() -> None:
    session = recorded(trade(3, 10_000, 5, 5), trade(19, 10_100, 5, 10))
    assert money(session, _events(filled(5.5, 10, 10_020))).result == 101_000 - 100_200 - 10
    assert money(recorded(), _events(filled(5.5, 10, 10_020))).result == 100_000 - 100_200 - 10
