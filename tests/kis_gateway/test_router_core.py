"""The router's book-keeping is a function of the log: derived again, it says the same."""

from __future__ import annotations

import msgspec
import pytest

from bus import ManualTime
from events import Delivery, Event, codec
from events.control import CancelRequested
from events.market import Phase, PhaseChanged
from events.trading import (
    IntentKind,
    OrderAccepted,
    OrderClosed,
    OrderState,
    OrderSubmitting,
    Urgency,
)
from kis_gateway.orders.planner import PlanSettings
from kis_gateway.orders.router_core import Cancel, End, Hold, Refuse, RouterCore, Submit
from tests.kis_gateway.fakes import (
    HYNIX,
    OPEN,
    SECOND,
    SESSION,
    FakeBroker,
    Rig,
    approved,
    first_order,
    intent,
    of_type,
    opened_log,
    put,
    reference,
    session_opened,
    tick,
    trade,
    until,
)

NOW = OPEN + SECOND


def core(*events: Event) -> RouterCore:
    """Return the core after a session's beginning and ``events``."""
    subject = RouterCore(session_opened(), PlanSettings())
    for sequence, event in enumerate((reference(), tick(OPEN), trade(70_000, at=OPEN), *events)):
        subject.handle(Delivery(sequence + 1, event))
    return subject


async def test_every_order_on_the_log_is_derived_again_byte_for_byte() -> None:
    """But for the epoch of the lease under which the shell wrote it."""
    log, time = await opened_log(), ManualTime(NOW)
    rig = await Rig(log, FakeBroker(time), time).start()
    wishes = [
        intent(at=NOW, limit_price=70_500),
        intent(at=NOW, attempt=2, urgency=Urgency.LOW, limit_price=69_500),
        intent(at=NOW, symbol=HYNIX, stop_price=70_300, limit_price=70_600),
        intent(IntentKind.EXIT, at=NOW),
    ]
    for wish in wishes[:3]:
        await put(log, wish, approved(wish))
    await put(log, trade(70_400, at=NOW + SECOND, symbol=HYNIX))
    await until(lambda: len(of_type(log, OrderAccepted)) == 3)
    await put(log, wishes[3], approved(wishes[3]))
    await until(lambda: len(of_type(log, OrderAccepted)) == 4)
    await rig.finish()

    again = RouterCore(session_opened(), PlanSettings())
    derived: dict[str, bytes] = {}
    for recorded in log.entries:
        for action in again.handle(Delivery(recorded.sequence, codec.decode(recorded.payload))):
            if isinstance(action, Submit):
                derived[action.event.order_id] = codec.encode(action.event)
    logged = {
        event.order_id: codec.encode(msgspec.structs.replace(event, epoch=0))
        for event in of_type(log, OrderSubmitting)
    }
    assert len(logged) == 4
    assert derived == logged
    assert again.outstanding() == []


def test_an_action_is_outstanding_until_the_log_shows_it_done() -> None:
    """So a restart finds exactly what is left to do."""
    wish = intent(at=NOW, limit_price=70_500)
    subject = core(wish, approved(wish))
    (action,) = subject.outstanding()
    assert isinstance(action, Submit)
    subject.handle(Delivery(10, action.event))
    assert subject.outstanding() == []


def test_a_late_decision_about_an_entry_is_refused_and_one_about_an_exit_is_not() -> None:
    """The log's time when the decision stands counts, not the wall clock."""
    late = tick(NOW + 31 * SECOND)
    entry, leaving = intent(at=NOW), intent(IntentKind.EXIT, at=NOW)
    (refused,) = core(entry, late, approved(entry)).outstanding()
    assert isinstance(refused, Refuse)
    assert refused.event.code == "EXPIRED"
    (sent,) = core(leaving, late, approved(leaving)).outstanding()
    assert isinstance(sent, Submit)


def test_cancel_orders_ends_a_held_entry() -> None:
    """It was never sent, so nothing needs to be withdrawn at the broker."""
    held = intent(at=NOW, stop_price=70_300)
    wish = intent(IntentKind.CANCEL_ORDERS, at=NOW)
    (action,) = core(held, approved(held), wish, approved(wish, 0)).outstanding()
    assert isinstance(action, Refuse)
    assert (action.event.order_id, action.event.code) == (first_order(held), "CANCELLED")


def test_an_exit_withdraws_the_strategys_own_buys_of_the_symbol() -> None:
    """An entry that still buys while its strategy leaves would undo the exit."""
    entry, leaving = intent(at=NOW, limit_price=70_500), intent(IntentKind.EXIT, at=NOW)
    subject = core(entry, approved(entry))
    (submit,) = subject.outstanding()
    assert isinstance(submit, Submit)
    accepted = OrderAccepted(at=NOW, order_id=first_order(entry), broker_order="1", branch="1")
    subject.handle(Delivery(10, submit.event))
    subject.handle(Delivery(11, accepted))
    subject.handle(Delivery(12, leaving))
    cancel, sell = subject.handle(Delivery(13, approved(leaving)))
    assert isinstance(cancel, Cancel)
    assert cancel.order_id == first_order(entry)
    assert isinstance(sell, Submit)


@pytest.mark.parametrize("hours", [1, -1])
def test_what_an_operator_withdraws_is_dated_by_the_market(hours: int) -> None:
    """Gate and strategies take an order's time as their own; the other clock may be wrong."""
    held = intent(at=NOW, stop_price=70_300)
    request = CancelRequested(at=NOW + hours * 3_600 * SECOND, issued_by="operator", reason="test")
    subject = core(tick(NOW), held, approved(held), request)
    (refused,) = subject.outstanding()
    assert isinstance(refused, Refuse)
    assert refused.event.at == NOW
    (end,) = subject.handle(Delivery(20, refused.event))
    assert isinstance(end, End)
    assert end.event.at == NOW


@pytest.mark.parametrize("sells", [True, False])
def test_cancel_orders_withdraws_sales_at_a_limit_when_it_names_sells(*, sells: bool) -> None:
    """A take-profit makes way and is not sent again; without the word only buys do."""
    profit = intent(IntentKind.EXIT, at=NOW, limit_price=75_000)
    subject = core(profit, approved(profit))
    (submit,) = subject.outstanding()
    assert isinstance(submit, Submit)
    order = submit.event.order_id
    subject.handle(Delivery(10, submit.event))
    subject.handle(Delivery(11, OrderAccepted(at=NOW, order_id=order, broker_order="1", branch="")))
    wish = intent(IntentKind.CANCEL_ORDERS, at=NOW)
    if sells:
        wish = msgspec.structs.replace(wish, facts={"sells": True})
    subject.handle(Delivery(12, wish))
    actions = subject.handle(Delivery(13, approved(wish, 0)))
    assert len(actions) == sells
    if not sells:
        return
    (cancel,) = actions
    assert isinstance(cancel, Cancel)
    assert cancel.order_id == order
    closed = OrderClosed(
        at=NOW, order_id=order, state=OrderState.CANCELLED, filled_quantity=0, reason="test"
    )
    (end,) = subject.handle(Delivery(14, closed))
    assert isinstance(end, End)
    assert end.event.reason == "withdrawn"


def test_cancel_orders_leaves_sales_at_any_price_on_their_way() -> None:
    """They are getting out already: nothing is gained by beginning again."""
    leaving = intent(IntentKind.EXIT, at=NOW)
    subject = core(leaving, approved(leaving))
    wish = msgspec.structs.replace(intent(IntentKind.CANCEL_ORDERS, at=NOW), facts={"sells": True})
    subject.handle(Delivery(12, wish))
    assert list(subject.handle(Delivery(13, approved(wish, 0)))) == []


def test_a_held_entry_does_not_outlive_the_session() -> None:
    """The close ends it."""
    held = intent(at=NOW, stop_price=70_300, lifetime_s=100_000)
    subject = core(held, approved(held))
    assert isinstance(subject.outstanding()[0], Hold)
    closed = PhaseChanged(
        at=SESSION.close_at, trading_date=SESSION.trading_date, phase=Phase.CLOSED
    )
    (action,) = subject.handle(Delivery(10, closed))
    assert isinstance(action, Refuse)
    assert action.event.code == "SESSION_CLOSED"


def test_an_intent_it_cannot_execute_is_refused_visibly() -> None:
    """Approved and ignored would be the worst of both."""
    wish = intent(IntentKind.SET_TARGET, at=NOW, purpose="T")
    (action,) = core(wish, approved(wish)).outstanding()
    assert isinstance(action, Refuse)
    assert action.event.code == "UNSUPPORTED_INTENT"


def _working_sell(*, at: int, accepted_at: int, adopted: bool = False) -> tuple[RouterCore, int]:
    """Return a core with an accepted exit decided at ``at``, and when it was to be withdrawn."""
    leaving = intent(IntentKind.EXIT, at=at)
    subject = core(tick(at), leaving, approved(leaving))
    (submit,) = subject.outstanding()
    assert isinstance(submit, Submit)
    subject.handle(Delivery(10, submit.event))
    subject.handle(
        Delivery(
            11,
            OrderAccepted(
                at=accepted_at,
                order_id=submit.event.order_id,
                broker_order="1",
                branch="1",
                adopted=adopted,
            ),
        )
    )
    return subject, submit.event.cancel_at


def test_a_sell_that_waited_to_be_sent_keeps_its_lifetime() -> None:
    """Ten minutes behind another order do not make it stale on arrival."""
    subject, cancel_at = _working_sell(at=NOW, accepted_at=NOW + 600 * SECOND)
    due = cancel_at + 600 * SECOND
    assert not subject.handle(Delivery(12, tick(due - SECOND)))
    (action,) = subject.handle(Delivery(13, tick(due)))
    assert isinstance(action, Cancel)


def test_an_adopted_sell_is_withdrawn_when_it_was_to_be() -> None:
    """It has been working since it was sent; only the news of it is young."""
    subject, cancel_at = _working_sell(at=NOW, accepted_at=NOW + 600 * SECOND, adopted=True)
    (action,) = subject.handle(Delivery(12, tick(max(cancel_at, NOW + 600 * SECOND))))
    assert isinstance(action, Cancel)


def test_a_sell_with_a_limit_stays_in_the_closing_auction() -> None:
    """Withdrawn for its age at 15:20, the shares would be held overnight."""
    at = SESSION.closing_auction_at - SECOND
    leaving = intent(IntentKind.EXIT, at=at, limit_price=70_000)
    subject = core(tick(at), leaving, approved(leaving))
    (submit,) = subject.outstanding()
    assert isinstance(submit, Submit)
    subject.handle(Delivery(10, submit.event))
    order = submit.event.order_id
    subject.handle(Delivery(11, OrderAccepted(at=at, order_id=order, broker_order="1", branch="1")))
    late = SESSION.closing_auction_at + 60 * SECOND
    assert submit.event.cancel_at < late < SESSION.close_at
    assert not subject.handle(Delivery(12, tick(late)))
