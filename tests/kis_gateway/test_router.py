"""The router on a log in memory and a scripted broker: what reaches the exchange, and how often."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import msgspec
import pytest

from bus import AppendUnknown, Entry, LeaseLost, LogIdentity, ManualTime, MemoryLog
from events import codec
from events.ops import Degraded
from events.trading import (
    CancelUnknown,
    ExecutionEnded,
    FillSource,
    IntentKind,
    OrderAccepted,
    OrderClosed,
    OrderFilled,
    OrderHeld,
    OrderKind,
    OrderRejected,
    OrderState,
    OrderSubmitting,
    OrderUnknown,
    Side,
)
from kis_gateway.broker import OrderNotice, OrderTicket, Outcome, Refused, Unknown
from kis_gateway.orders.router_core import Submit
from tests.kis_gateway.fakes import (
    ACCOUNT,
    HYNIX,
    OPEN,
    SAMSUNG,
    SECOND,
    SESSION,
    CrashingLog,
    FakeBroker,
    Rig,
    StandingRight,
    approved,
    first_order,
    idle,
    intent,
    of_type,
    opened_log,
    order_story,
    pass_time,
    put,
    tick,
    trade,
    until,
)

NOW = OPEN + SECOND
ENTRY = intent(at=NOW, limit_price=70_500)
ORDER = first_order(ENTRY)
EXIT = intent(IntentKind.EXIT, at=NOW)


@pytest.fixture
def time() -> ManualTime:
    return ManualTime(NOW)


@pytest.fixture
def broker(time: ManualTime) -> FakeBroker:
    return FakeBroker(time)


async def test_an_approved_entry_becomes_exactly_one_order(
    time: ManualTime, broker: FakeBroker
) -> None:
    """Write-ahead, one call, the answer: three steps, and the ticket is what was written."""
    log = await opened_log()
    rig = await Rig(log, broker, time).start()
    await put(log, ENTRY, approved(ENTRY))
    await until(lambda: bool(of_type(log, OrderAccepted)))
    assert order_story(log, ORDER) == ["OrderSubmitting", "OrderAccepted"]
    (ticket,) = broker.submitted
    assert ticket.may_leave is not None
    assert [msgspec.structs.replace(ticket, may_leave=None)] == [
        OrderTicket(
            symbol=SAMSUNG,
            side=Side.BUY,
            kind=OrderKind.LIMIT,
            quantity=10,
            limit_price=70_100,
            expires_at=NOW + 30 * SECOND,
        )
    ]
    (written,) = of_type(log, OrderSubmitting)
    assert written.at == NOW
    assert written.cause == 8
    assert written.cancel_at == OPEN + 10 * SECOND
    await rig.finish()


async def test_a_crash_before_the_write_ahead_sends_the_order_after_the_restart(
    time: ManualTime, broker: FakeBroker
) -> None:
    """Nothing was written, so nothing can have been sent: the new process does it, once."""
    log = CrashingLog()
    await opened_log(log)
    first = await Rig(log, broker, time, run="r1").start()
    log.crash_on, log.stored = "OrderSubmitting", False
    await put(log, ENTRY, approved(ENTRY))
    await log.crashed.wait()
    await first.crash()
    assert broker.submitted == []
    second = await Rig(log, broker, time, run="r2", head=len(log.entries)).start()
    await until(lambda: bool(of_type(log, OrderAccepted)))
    assert len(broker.submitted) == 1
    await second.finish()


async def test_an_entry_whose_time_passed_during_the_outage_is_not_sent(
    time: ManualTime, broker: FakeBroker
) -> None:
    """An entry is worth its moment only; it ends as rejected, code EXPIRED."""
    log = await opened_log()
    await put(log, ENTRY, approved(ENTRY), tick(NOW + 31 * SECOND))
    rig = await Rig(log, broker, time, head=len(log.entries)).start()
    await until(lambda: bool(of_type(log, OrderRejected)))
    assert of_type(log, OrderRejected)[0].code == "EXPIRED"
    assert broker.submitted == []
    await rig.finish()


async def test_an_exit_never_expires(time: ManualTime, broker: FakeBroker) -> None:
    """The same outage, but risk must come down: the exit is sent."""
    log = await opened_log()
    await put(log, EXIT, approved(EXIT), tick(NOW + 31 * SECOND))
    rig = await Rig(log, broker, time, head=len(log.entries)).start()
    await until(lambda: bool(of_type(log, OrderAccepted)))
    assert [ticket.side for ticket in broker.submitted] == [Side.SELL]
    await rig.finish()


async def test_a_crash_between_write_ahead_and_call_is_settled_as_never_arrived(
    time: ManualTime, broker: FakeBroker
) -> None:
    """The new process must not guess: unknown, several inquiries over 30 s, then rejected."""
    log = CrashingLog()
    await opened_log(log)
    first = await Rig(log, broker, time, run="r1").start()
    log.crash_on, log.stored = "OrderSubmitting", True
    await put(log, ENTRY, approved(ENTRY))
    await log.crashed.wait()
    await first.crash()
    second = await Rig(log, broker, time, run="r2", head=len(log.entries)).start()
    assert order_story(log, ORDER) == ["OrderSubmitting", "OrderUnknown"]
    for _ in range(29):
        await time.advance(1)
        await idle()
    assert order_story(log, ORDER) == ["OrderSubmitting", "OrderUnknown"]
    await time.advance(2)
    await until(lambda: bool(of_type(log, OrderRejected)))
    assert of_type(log, OrderRejected)[0].code == "NOT_FOUND"
    await until(lambda: bool(of_type(log, Degraded)))
    assert of_type(log, Degraded)[0].condition == f"order_not_found-{ORDER}"
    assert broker.inquiries >= 3
    assert broker.submitted == []
    await second.finish()


async def test_a_crash_after_the_call_adopts_the_order_and_its_fills(
    time: ManualTime, broker: FakeBroker
) -> None:
    """The broker has the order, the log has no answer: found by inquiry, not sent again."""
    log = await opened_log()
    broker.gate = asyncio.Event()
    first = await Rig(log, broker, time, run="r1").start()
    await put(log, ENTRY, approved(ENTRY))
    await until(lambda: len(broker.submitted) == 1)
    await first.crash()
    broker.gate = None
    broker.fill(1, 4, 70_050)
    second = await Rig(log, broker, time, run="r2", head=len(log.entries)).start()
    await time.advance(2)
    await until(lambda: bool(of_type(log, OrderFilled)))
    assert order_story(log, ORDER) == [
        "OrderSubmitting",
        "OrderUnknown",
        "OrderAccepted",
        "OrderFilled",
    ]
    (adopted,) = of_type(log, OrderAccepted)
    assert adopted.adopted
    (fill,) = of_type(log, OrderFilled)
    assert (fill.quantity, fill.amount, fill.source) == (4, 280_200, FillSource.INQUIRY)
    assert len(broker.submitted) == 1
    await second.finish()


async def test_a_crash_while_the_answer_is_written_adopts_the_order(
    time: ManualTime, broker: FakeBroker
) -> None:
    """The answer came and was lost with the process: the inquiry finds it again."""
    log = CrashingLog()
    await opened_log(log)
    first = await Rig(log, broker, time, run="r1").start()
    log.crash_on, log.stored = "OrderAccepted", False
    await put(log, ENTRY, approved(ENTRY))
    await log.crashed.wait()
    await first.crash()
    second = await Rig(log, broker, time, run="r2", head=len(log.entries)).start()
    await time.advance(2)
    await until(lambda: bool(of_type(log, OrderAccepted)))
    assert of_type(log, OrderAccepted)[0].adopted
    assert len(broker.submitted) == 1
    await second.finish()


async def test_a_lost_reply_is_settled_by_inquiry_and_never_sent_again(
    time: ManualTime, broker: FakeBroker
) -> None:
    """A time-out may mean accepted."""
    log = await opened_log()
    broker.answers = [Unknown(reason="time-out")]
    rig = await Rig(log, broker, time).start()
    await put(log, ENTRY, approved(ENTRY))
    await until(lambda: bool(of_type(log, OrderUnknown)))
    await time.advance(2)
    await until(lambda: bool(of_type(log, OrderAccepted)))
    assert order_story(log, ORDER) == ["OrderSubmitting", "OrderUnknown", "OrderAccepted"]
    assert len(broker.submitted) == 1
    await rig.finish()


async def test_failed_inquiries_prove_nothing(time: ManualTime, broker: FakeBroker) -> None:
    """An error is not an empty list: the order stays unknown however long it takes."""
    log = await opened_log()
    broker.answers, broker.arrives = [Unknown(reason="time-out")], False
    rig = await Rig(log, broker, time).start()
    await put(log, ENTRY, approved(ENTRY))
    await until(lambda: bool(of_type(log, OrderUnknown)))
    broker.failing.add("orders")
    for _ in range(40):
        await time.advance(1)
        await idle(50)
    assert of_type(log, OrderRejected) == []
    assert [event.condition for event in of_type(log, Degraded)] == [
        "orders_inquiry",
        "reconciliation_failing",
    ]
    await rig.finish()


async def test_two_matching_rows_leave_the_order_unknown(
    time: ManualTime, broker: FakeBroker
) -> None:
    """Which of two equal orders is ours cannot be known; guessing could adopt a foreign one."""
    log = await opened_log()
    broker.answers = [Unknown(reason="time-out")]
    rig = await Rig(log, broker, time).start()
    await put(log, ENTRY, approved(ENTRY))
    await until(lambda: bool(of_type(log, OrderUnknown)))
    await broker.submit(broker.submitted[0])  # somebody sells by hand what looks the same
    for _ in range(40):
        await time.advance(1)
        await idle(50)
    assert order_story(log, ORDER) == ["OrderSubmitting", "OrderUnknown"]
    assert [event.condition for event in of_type(log, Degraded)] == [f"order_ambiguous-{ORDER}"]
    await rig.finish()


async def test_a_refusal_ends_the_order_with_the_brokers_code(
    time: ManualTime, broker: FakeBroker
) -> None:
    """A throttled order was certainly not accepted; the strategy decides what next."""
    log = await opened_log()
    broker.answers = [Refused(code="EGW00201", message="too fast", throttled=True)]
    rig = await Rig(log, broker, time).start()
    await put(log, ENTRY, approved(ENTRY))
    await until(lambda: bool(of_type(log, OrderRejected)))
    assert of_type(log, OrderRejected)[0].code == "EGW00201"
    await idle()
    assert len(broker.submitted) == 1
    await rig.finish()


async def test_while_an_order_is_unknown_entries_are_dropped(
    time: ManualTime, broker: FakeBroker
) -> None:
    """Two equal orders without an answer could never be told apart."""
    log = await opened_log()
    broker.answers = [Unknown(reason="time-out")]
    rig = await Rig(log, broker, time).start()
    again = intent(at=NOW, attempt=2, limit_price=70_500)
    await put(log, ENTRY, approved(ENTRY))
    await until(lambda: bool(of_type(log, OrderUnknown)))
    await put(log, again, approved(again))
    await until(lambda: bool(of_type(log, OrderRejected)))
    rejected = of_type(log, OrderRejected)[0]
    assert (rejected.order_id, rejected.code) == (first_order(again), "UNKNOWN_PENDING")
    assert len(broker.submitted) == 1
    await rig.finish()


async def test_while_an_exit_is_unknown_the_next_exit_waits_and_then_leaves(
    time: ManualTime, broker: FakeBroker
) -> None:
    """An exit is delayed until its predecessor is known, never dropped."""
    log = await opened_log()
    broker.answers = [Unknown(reason="time-out")]
    rig = await Rig(log, broker, time).start()
    again = intent(IntentKind.EXIT, at=NOW, attempt=2)
    await put(log, EXIT, approved(EXIT))
    await until(lambda: bool(of_type(log, OrderUnknown)))
    await put(log, again, approved(again))
    await idle()
    assert len(broker.submitted) == 1
    await time.advance(2)
    await until(lambda: len(broker.submitted) == 2)
    await until(lambda: len(of_type(log, OrderAccepted)) == 2)
    await rig.finish()


async def test_an_order_that_becomes_known_after_the_end_begins_no_exit(
    time: ManualTime, broker: FakeBroker
) -> None:
    """The exit stays outstanding for the next start, and the orderly end stays one."""
    log = await opened_log()
    broker.answers = [Unknown(reason="time-out")]
    rig = await Rig(log, broker, time).start()
    again = intent(IntentKind.EXIT, at=NOW, attempt=2)
    await put(log, EXIT, approved(EXIT))
    await until(lambda: bool(of_type(log, OrderUnknown)))
    await put(log, again, approved(again))
    await idle()
    await rig.finish()
    found = OrderAccepted(
        at=NOW, order_id=first_order(EXIT), broker_order="0000000001", branch="1", adopted=True
    )
    assert await rig.writer.record(first_order(EXIT), lambda order: found) == found
    await idle()
    assert len(broker.submitted) == 1


async def test_an_exit_of_another_size_does_not_wait_behind_an_unknown_one(
    time: ManualTime, broker: FakeBroker
) -> None:
    """Only orders that could be mistaken for each other wait: risk must come down."""
    log = await opened_log()
    broker.answers = [Unknown(reason="time-out")]
    broker.failing.add("orders")
    rig = await Rig(log, broker, time).start()
    first = intent(IntentKind.EXIT, at=NOW, quantity=5)
    other = intent(IntentKind.EXIT, at=NOW, attempt=2, quantity=7)
    same = intent(IntentKind.EXIT, at=NOW, attempt=2, symbol=SAMSUNG, purpose="S", quantity=5)
    await put(log, first, approved(first))
    await until(lambda: bool(of_type(log, OrderUnknown)))
    await put(log, same, approved(same), other, approved(other))
    await until(lambda: bool(of_type(log, OrderAccepted)))
    await idle()
    assert [ticket.quantity for ticket in broker.submitted] == [5, 7]
    await rig.finish()


async def test_an_entry_whose_strategy_leaves_while_it_is_queued_is_not_sent(
    time: ManualTime, broker: FakeBroker
) -> None:
    """Bought after its exit, the shares would belong to nobody's plan: rejected, CANCELLED."""
    log = await opened_log()
    broker.gate = asyncio.Event()
    rig = await Rig(log, broker, time).start()
    queued = intent(at=NOW, attempt=2, limit_price=70_400)
    leaving = intent(IntentKind.EXIT, at=NOW + SECOND)
    await put(log, ENTRY, approved(ENTRY))
    await until(lambda: len(broker.submitted) == 1)
    await put(log, queued, approved(queued), leaving, approved(leaving, 0))
    await idle()
    broker.gate.set()
    await until(lambda: bool(order_story(log, first_order(queued))))
    assert order_story(log, first_order(queued)) == ["OrderRejected"]
    codes = {event.order_id: event.code for event in of_type(log, OrderRejected)}
    assert codes[first_order(queued)] == "CANCELLED"
    assert [ticket.side for ticket in broker.submitted] == [Side.BUY]
    await rig.finish()


async def test_an_entry_withdrawn_while_it_is_written_ahead_is_not_sent(
    time: ManualTime, broker: FakeBroker
) -> None:
    """The log took its time, and the strategy has left meanwhile."""

    class SlowLog(MemoryLog):
        async def append(self, entries: Sequence[Entry], *, atomic: bool = True) -> tuple[int, ...]:
            if codec.event_name(codec.decode(entries[0].payload)) == "OrderSubmitting":
                await time.sleep(2)
            return await super().append(entries, atomic=atomic)

    log = await opened_log(SlowLog(ACCOUNT))
    rig = await Rig(log, broker, time).start()
    wish = intent(IntentKind.CANCEL_ORDERS, at=NOW)
    await put(log, ENTRY, approved(ENTRY))
    await idle()
    await put(log, wish, approved(wish, 0))
    await idle()
    await time.advance(2)
    await until(lambda: bool(of_type(log, OrderRejected)))
    assert order_story(log, ORDER) == ["OrderSubmitting", "OrderRejected"]
    assert of_type(log, OrderRejected)[0].code == "CANCELLED"
    assert broker.submitted == []
    await rig.finish()


async def test_an_order_given_up_as_not_found_is_adopted_when_its_row_appears(
    time: ManualTime, broker: FakeBroker
) -> None:
    """The list was late, not the order lost: its shares are booked, and it is reported."""
    log = await opened_log()
    broker.answers = [Unknown(reason="time-out")]
    rig = await Rig(log, broker, time).start()
    await put(log, ENTRY, approved(ENTRY))
    await until(lambda: bool(of_type(log, OrderUnknown)))
    broker.fill(1, 10, 70_000)
    hidden, broker.rows = broker.rows, {}
    await pass_time(time, 40)
    assert of_type(log, OrderRejected)[0].code == "NOT_FOUND"
    broker.rows = hidden
    await pass_time(time, 31)
    assert order_story(log, ORDER)[2:] == [
        "OrderRejected",
        "OrderAccepted",
        "OrderFilled",
        "OrderClosed",
    ]
    assert of_type(log, OrderAccepted)[0].adopted
    assert [event.condition for event in of_type(log, Degraded)] == [
        f"order_not_found-{ORDER}",
        f"order_found_late-{ORDER}",
    ]
    await rig.finish()


async def test_a_notice_of_an_order_given_up_brings_its_row_at_once(
    time: ManualTime, broker: FakeBroker
) -> None:
    """A parked notice may be its own; the list is asked without waiting for the idle poll."""
    log = await opened_log()
    broker.answers = [Unknown(reason="time-out")]
    rig = await Rig(log, broker, time).start()
    await put(log, ENTRY, approved(ENTRY))
    await until(lambda: bool(of_type(log, OrderUnknown)))
    hidden, broker.rows = broker.rows, {}
    await pass_time(time, 33)
    broker.rows = hidden
    await rig.settlement.on_notice(broker.fill(1, 10, 70_000))
    await pass_time(time, 2)
    assert [fill.quantity for fill in of_type(log, OrderFilled)] == [10]
    await rig.finish()


async def test_an_order_placed_by_hand_long_after_is_not_taken_for_one_given_up(
    time: ManualTime, broker: FakeBroker
) -> None:
    """An order that was to leave minutes ago cannot be stamped now."""
    log = await opened_log()
    broker.answers, broker.arrives = [Unknown(reason="time-out")], False
    rig = await Rig(log, broker, time).start()
    await put(log, ENTRY, approved(ENTRY))
    await pass_time(time, 200)
    broker.arrives = True
    await broker.submit(broker.submitted[0])
    await pass_time(time, 31)
    assert order_story(log, ORDER)[-1] == "OrderRejected"
    await rig.finish()


async def test_a_broker_clock_that_lags_hides_no_order(
    time: ManualTime, broker: FakeBroker
) -> None:
    """A row stamped half a minute before the order was sent is still its row."""
    log = await opened_log()
    broker.answers = [Unknown(reason="time-out")]
    rig = await Rig(log, broker, time).start()
    await put(log, ENTRY, approved(ENTRY))
    await until(lambda: bool(of_type(log, OrderUnknown)))
    row = broker.rows["0000000001"]
    broker.rows["0000000001"] = msgspec.structs.replace(row, ordered_at=NOW - 30 * SECOND)
    await pass_time(time, 3)
    assert order_story(log, ORDER)[-1] == "OrderAccepted"
    await rig.finish()


async def test_what_a_dead_process_was_sending_is_settled_by_the_one_that_lives(
    time: ManualTime, broker: FakeBroker
) -> None:
    """Seen on its way for a minute without an answer: unknown, then found."""
    log = await opened_log()
    broker.gate = asyncio.Event()
    first = await Rig(log, broker, time, run="r1").start()
    await put(log, ENTRY, approved(ENTRY))
    await until(lambda: len(broker.submitted) == 1)
    # Knows of the order, began after it was written and does not recover it: its head lies before.
    second = await Rig(log, broker, time, run="r2").start()
    await idle()
    await first.crash()
    await pass_time(time, 59)
    assert order_story(log, ORDER) == ["OrderSubmitting"]
    await pass_time(time, 5)
    assert order_story(log, ORDER)[:3] == ["OrderSubmitting", "OrderUnknown", "OrderAccepted"]
    assert of_type(log, OrderUnknown)[0].reason == "its sender gave no answer"
    assert len(broker.submitted) == 1
    await second.crash()


async def test_an_own_call_that_takes_long_is_not_given_up(
    time: ManualTime, broker: FakeBroker
) -> None:
    """This process knows that its answer is still to come."""
    log = await opened_log()
    broker.gate = asyncio.Event()
    rig = await Rig(log, broker, time).start()
    await put(log, ENTRY, approved(ENTRY))
    await until(lambda: len(broker.submitted) == 1)
    await pass_time(time, 120)
    assert order_story(log, ORDER) == ["OrderSubmitting"]
    broker.gate.set()
    await until(lambda: bool(of_type(log, OrderAccepted)))
    await rig.finish()


async def test_a_cancel_of_a_dead_process_is_sent_again_by_the_one_that_lives(
    time: ManualTime, broker: FakeBroker
) -> None:
    """Seen on its way for a minute without an answer: unknown, then the next attempt."""
    log = CrashingLog()
    await opened_log(log)
    first = await Rig(log, broker, time, run="r1").start()
    await put(log, ENTRY, approved(ENTRY))
    await until(lambda: bool(of_type(log, OrderAccepted)))
    log.crash_on = "CancelSubmitting"
    await put(log, tick(OPEN + 10 * SECOND))
    await log.crashed.wait()
    second = await Rig(log, broker, time, run="r2").start()
    await first.crash()
    await pass_time(time, 62)
    assert order_story(log, ORDER)[-2:] == ["CancelSubmitting", "CancelUnknown"]
    await put(log, tick(time.now() + 10 * SECOND))
    await until(lambda: "CancelAccepted" in order_story(log, ORDER))
    await second.crash()


async def test_a_foreign_row_that_cannot_be_read_hides_no_other(
    time: ManualTime, broker: FakeBroker
) -> None:
    """Passed over and reported when it cannot be ours; when it could, nothing is concluded."""
    log = await opened_log()
    rig = await _working(log, broker, time)
    broker.fill(1, 4, 70_000)
    own = broker.rows["0000000001"]
    broker.rows["foreign"] = msgspec.structs.replace(
        own, broker_order="77", symbol=HYNIX, unreadable="ord_qty is 'ten'"
    )
    await pass_time(time, 6)
    assert [fill.quantity for fill in of_type(log, OrderFilled)] == [4]
    assert [event.condition for event in of_type(log, Degraded)] == ["order_unreadable-77"]
    broker.fill(1, 6, 70_000)
    broker.rows["0000000001"] = msgspec.structs.replace(
        broker.rows["0000000001"], unreadable="ord_qty is 'ten'"
    )
    await pass_time(time, 6)
    assert len(of_type(log, OrderFilled)) == 1
    assert of_type(log, Degraded)[-1].condition == "orders_inquiry"
    await rig.finish()


async def test_an_unknown_order_does_not_block_another_symbol(
    time: ManualTime, broker: FakeBroker
) -> None:
    """Only the same symbol and side waits."""
    log = await opened_log()
    broker.answers = [Unknown(reason="time-out")]
    rig = await Rig(log, broker, time).start()
    other = intent(at=NOW, symbol=HYNIX, limit_price=70_500)
    await put(log, ENTRY, approved(ENTRY))
    await until(lambda: bool(of_type(log, OrderUnknown)))
    await put(log, other, approved(other))
    await until(lambda: bool(of_type(log, OrderAccepted)))
    assert [ticket.symbol for ticket in broker.submitted] == [SAMSUNG, HYNIX]
    await rig.finish()


async def test_two_routers_on_one_log_send_one_order_per_order_id(
    time: ManualTime, broker: FakeBroker
) -> None:
    """Both see the same decisions; the log lets one write ahead, and only that one calls."""
    log = await opened_log()
    rigs = [await Rig(log, broker, time, run=run).start() for run in ("r1", "r2")]
    intents = [
        intent(at=NOW, attempt=attempt, symbol=symbol, limit_price=70_500)
        for attempt in range(1, 11)
        for symbol in (SAMSUNG, HYNIX)
    ]
    for wish in intents:
        await put(log, wish, approved(wish))
    await until(lambda: len(of_type(log, OrderAccepted)) == 20)
    await idle()
    assert len(broker.submitted) == 20
    assert len(of_type(log, OrderSubmitting)) == 20
    for wish in intents:
        assert order_story(log, first_order(wish)) == ["OrderSubmitting", "OrderAccepted"]
    for rig in rigs:
        await rig.finish()


async def test_a_second_router_started_during_a_call_does_not_disturb_it(
    time: ManualTime, broker: FakeBroker
) -> None:
    """The newcomer marks the order unknown; the caller's answer still settles it."""
    log = await opened_log()
    broker.gate = asyncio.Event()
    first = await Rig(log, broker, time, run="r1").start()
    await put(log, ENTRY, approved(ENTRY))
    await until(lambda: len(broker.submitted) == 1)
    broker.failing.add("orders")
    second = await Rig(log, broker, time, run="r2", head=len(log.entries)).start()
    await until(lambda: bool(of_type(log, OrderUnknown)))
    broker.gate.set()
    await until(lambda: bool(of_type(log, OrderAccepted)))
    assert order_story(log, ORDER) == ["OrderSubmitting", "OrderUnknown", "OrderAccepted"]
    assert not of_type(log, OrderAccepted)[0].adopted
    assert len(broker.submitted) == 1
    await first.finish()
    await second.finish()


async def test_a_router_never_refuses_what_another_one_is_sending(
    time: ManualTime, broker: FakeBroker
) -> None:
    """It finds the entry expired while the other's call is out: that is not its to end."""
    log = await opened_log()
    broker.gate = asyncio.Event()
    rigs = [await Rig(log, broker, time, run=run).start() for run in ("r1", "r2")]
    await put(log, ENTRY, approved(ENTRY))
    await until(lambda: len(broker.submitted) == 1)
    await idle()
    (other,) = (rig for rig in rigs if ORDER not in rig.writer.in_flight)
    (written,) = of_type(log, OrderSubmitting)
    # The action as it would be found after a wait behind another call of the same side.
    await other.router._perform(Submit(written, expires_at=0))
    assert order_story(log, ORDER) == ["OrderSubmitting"]
    broker.gate.set()
    await until(lambda: bool(of_type(log, OrderAccepted)))
    for rig in rigs:
        await rig.finish()


class SilentLog(MemoryLog):
    """A log that stores a write-ahead and gives no answer."""

    async def append(self, entries: list[Entry], *, atomic: bool = True) -> tuple[int, ...]:  # type: ignore[override] # narrower on purpose
        sequences = await super().append(entries, atomic=atomic)
        if codec.event_name(codec.decode(entries[0].payload)) == "OrderSubmitting":
            raise AppendUnknown(entries[0].subject, 8)
        return sequences


async def test_a_write_ahead_without_answer_is_looked_up_and_not_sent(
    time: ManualTime, broker: FakeBroker
) -> None:
    """It stands on the log, and this process knows that it did not call: rejected, NOT_SENT."""
    log = await opened_log(SilentLog(ACCOUNT))
    rig = await Rig(log, broker, time).start()
    await put(log, ENTRY, approved(ENTRY))
    await until(lambda: bool(of_type(log, OrderRejected)))
    assert of_type(log, OrderRejected)[0].code == "NOT_SENT"
    assert broker.submitted == []
    await rig.finish()


# -- the right to act ----------------------------------------------------------------------------


class Tenant(StandingRight):
    """A right to act that the test takes away."""

    def __init__(self) -> None:
        self.fresh = True
        self.epoch = 7

    def require_fresh(self) -> None:
        if not self.fresh:
            raise LeaseLost("router", self.epoch, "taken away by the test")

    async def ensure(self) -> None:
        self.require_fresh()


def idle_hands() -> None:
    """Do nothing."""


class Pausing(MemoryLog):
    """A log whose client is paused right after an event of an order was stored."""

    def __init__(self, time: ManualTime, on: str) -> None:
        super().__init__(ACCOUNT)
        self.time = time
        self.on = on
        self.seconds = 0.0
        self.then: Callable[[], None] = idle_hands

    async def append(self, entries: Sequence[Entry], *, atomic: bool = True) -> tuple[int, ...]:
        sequences = await super().append(entries, atomic=atomic)
        if codec.event_name(codec.decode(entries[0].payload)) == self.on:
            self.then()
            await self.time.sleep(self.seconds)
        return sequences


async def _ends_with_lease_lost(rig: Rig) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        await rig.finish()
    assert caught.group_contains(LeaseLost)


async def test_an_order_carries_the_epoch_of_the_lease(
    time: ManualTime, broker: FakeBroker
) -> None:
    """So that the log shows under whose right each order was written."""
    log = await opened_log()
    rig = await Rig(log, broker, time, lease=Tenant()).start()
    await put(log, ENTRY, approved(ENTRY))
    await until(lambda: bool(of_type(log, OrderAccepted)))
    assert of_type(log, OrderSubmitting)[0].epoch == 7
    await rig.finish()


async def test_without_a_lease_nothing_is_written_ahead_and_the_process_ends(
    time: ManualTime, broker: FakeBroker
) -> None:
    """The order is left to whoever holds the lease now."""
    log, lease = await opened_log(), Tenant()
    rig = await Rig(log, broker, time, lease=lease).start()
    lease.fresh = False
    await put(log, ENTRY, approved(ENTRY))
    await until(lambda: rig.done)
    assert order_story(log, ORDER) == []
    assert broker.submitted == []
    await _ends_with_lease_lost(rig)


@pytest.mark.invariant(2)
async def test_an_order_whose_lease_went_after_its_write_ahead_is_refused_and_not_sent(
    time: ManualTime, broker: FakeBroker
) -> None:
    """This process knows that it did not call: nobody needs to look for the order."""
    lease = Tenant()
    log = Pausing(time, "OrderSubmitting")
    log.then = lambda: setattr(lease, "fresh", False)
    await opened_log(log)
    rig = await Rig(log, broker, time, lease=lease).start()
    await put(log, ENTRY, approved(ENTRY))
    await until(lambda: rig.done)
    assert order_story(log, ORDER) == ["OrderSubmitting", "OrderRejected"]
    assert of_type(log, OrderRejected)[0].code == "LEASE_LOST"
    assert broker.submitted == []
    await _ends_with_lease_lost(rig)


@pytest.mark.invariant(2)
@pytest.mark.parametrize(("pause", "story"), [(5, "OrderAccepted"), (6, "OrderRejected")])
async def test_a_call_that_a_pause_parted_from_its_write_ahead_is_not_made(
    time: ManualTime, broker: FakeBroker, pause: int, story: str
) -> None:
    """Five seconds of wall time at most; an exit, too, is refused and has to be decided anew."""
    log = Pausing(time, "OrderSubmitting")
    await opened_log(log)
    rig = await Rig(log, broker, time, clock=time).start()
    log.seconds = pause
    await put(log, EXIT, approved(EXIT))
    await idle()
    await time.advance(pause)
    await until(lambda: len(order_story(log, first_order(EXIT))) == 2)
    assert order_story(log, first_order(EXIT)) == ["OrderSubmitting", story]
    if story == "OrderRejected":
        assert of_type(log, OrderRejected)[0].code == "NOT_SENT"
        assert broker.submitted == []
    await rig.finish()


class QueueingBroker(FakeBroker):
    """A broker whose client asks for permission only when its queue is done."""

    async def submit(self, ticket: OrderTicket) -> Outcome:
        assert self.gate is not None
        await self.gate.wait()
        assert ticket.may_leave is not None
        if not ticket.may_leave():
            return Refused(code="NOT_SENT", message="it might not leave any more")
        return await super().submit(ticket)


async def test_a_lease_that_goes_while_a_call_waits_in_the_queue_keeps_it_from_leaving(
    time: ManualTime,
) -> None:
    """The last look is right before the bytes leave."""
    broker, lease = QueueingBroker(time), Tenant()
    broker.gate = asyncio.Event()
    log = await opened_log()
    rig = await Rig(log, broker, time, lease=lease).start()
    await put(log, ENTRY, approved(ENTRY))
    await until(lambda: bool(of_type(log, OrderSubmitting)))
    lease.fresh = False
    broker.gate.set()
    await until(lambda: rig.done)
    assert order_story(log, ORDER) == ["OrderSubmitting", "OrderRejected"]
    assert broker.submitted == []
    await _ends_with_lease_lost(rig)


async def test_an_order_withdrawn_while_its_call_waits_in_the_queue_does_not_leave(
    time: ManualTime,
) -> None:
    """The strategy has gone meanwhile; an order never sent needs no cancel."""
    broker = QueueingBroker(time)
    broker.gate = asyncio.Event()
    log = await opened_log()
    rig = await Rig(log, broker, time).start()
    await put(log, ENTRY, approved(ENTRY))
    await until(lambda: bool(of_type(log, OrderSubmitting)))
    wish = intent(IntentKind.CANCEL_ORDERS, at=NOW)
    await put(log, wish, approved(wish, 0))
    await idle()
    broker.gate.set()
    await until(lambda: bool(of_type(log, OrderRejected)))
    assert broker.submitted == []
    assert broker.cancelled == []
    await rig.finish()


async def test_a_cancel_without_a_lease_is_refused_and_left_to_the_next_router(
    time: ManualTime, broker: FakeBroker
) -> None:
    """Its attempt ends as certainly not sent, so the next one follows without a doubt."""
    lease = Tenant()
    log = Pausing(time, "CancelSubmitting")
    log.then = lambda: setattr(lease, "fresh", False)
    await opened_log(log)
    rig = await Rig(log, broker, time, lease=lease).start()
    await put(log, ENTRY, approved(ENTRY))
    await until(lambda: bool(of_type(log, OrderAccepted)))
    wish = intent(IntentKind.CANCEL_ORDERS, at=NOW)
    await put(log, wish, approved(wish, 0))
    await until(lambda: rig.done)
    assert order_story(log, ORDER)[2:] == ["CancelSubmitting", "CancelRejected"]
    assert broker.cancelled == []
    await _ends_with_lease_lost(rig)


async def test_while_a_cancel_is_unknown_no_entry_of_its_symbol_and_side_leaves(
    time: ManualTime, broker: FakeBroker
) -> None:
    """What the cancel left behind is not known: no more is bought before it is."""
    log = await opened_log()
    rig = await Rig(log, broker, time).start()
    await put(log, ENTRY, approved(ENTRY))
    await until(lambda: bool(of_type(log, OrderAccepted)))
    broker.cancel_answers = [Unknown(reason="time-out")]
    broker.failing.add("orders")
    wish = intent(IntentKind.CANCEL_ORDERS, at=NOW)
    await put(log, wish, approved(wish, 0))
    await until(lambda: bool(of_type(log, CancelUnknown)))
    again = intent(at=NOW, attempt=2, limit_price=70_500)
    await put(log, again, approved(again))
    await until(lambda: bool(of_type(log, OrderRejected)))
    assert of_type(log, OrderRejected)[0].code == "UNKNOWN_PENDING"
    assert len(broker.submitted) == 1
    await rig.finish()


async def test_an_entry_decided_and_withdrawn_while_the_router_recovers_does_not_leave(
    time: ManualTime, broker: FakeBroker
) -> None:
    """What stands on the log when the past has been read is read first: rejected, CANCELLED."""
    log = await opened_log()
    wish = intent(IntentKind.CANCEL_ORDERS, at=NOW)
    await put(log, ENTRY, approved(ENTRY))
    await put(log, *(trade(70_000, at=NOW + each) for each in range(1_000)))
    await put(log, wish, approved(wish, 0))
    rig = await Rig(log, broker, time).start()
    await until(lambda: bool(order_story(log, ORDER)))
    assert order_story(log, ORDER) == ["OrderRejected"]
    assert of_type(log, OrderRejected)[0].code == "CANCELLED"
    assert broker.submitted == []
    await rig.finish()


@pytest.mark.invariant(1)
async def test_an_exit_does_not_wait_until_the_log_has_been_read_to_its_end(
    time: ManualTime, broker: FakeBroker
) -> None:
    """A log that is read slowly delays entries; risk comes down at once."""

    class Stuck(MemoryLog):
        async def info(self) -> LogIdentity:
            known = await super().info()
            return known._replace(last_sequence=known.last_sequence + 5)

    log = await opened_log(Stuck(ACCOUNT))
    rig = await Rig(log, broker, time).start()
    await put(log, ENTRY, approved(ENTRY), EXIT, approved(EXIT))
    await until(lambda: bool(of_type(log, OrderAccepted)))
    assert [ticket.side for ticket in broker.submitted] == [Side.SELL]
    await rig.finish()


async def test_the_end_of_an_execution_stands_on_the_log_once(
    time: ManualTime, broker: FakeBroker
) -> None:
    """Two routers derive it, and a restart finds it: one entry, and nobody stumbles."""
    log = await opened_log()
    broker.answers = [Refused(code="APBK0952", message="no cash")]
    rigs = [await Rig(log, broker, time, run=run).start() for run in ("r1", "r2")]
    await put(log, ENTRY, approved(ENTRY))
    await until(lambda: bool(of_type(log, ExecutionEnded)))
    await idle()
    for rig in rigs:
        await rig.finish()
    again = await Rig(log, broker, time, run="r3", head=len(log.entries)).start()
    await idle()
    (ended,) = of_type(log, ExecutionEnded)
    assert (ended.intent_id, ended.reason, ended.filled_quantity) == (ENTRY.intent_id, "refused", 0)
    await again.finish()


# -- fills ---------------------------------------------------------------------------------------


async def _working(log: MemoryLog, broker: FakeBroker, time: ManualTime) -> Rig:
    rig = await Rig(log, broker, time).start()
    await put(log, ENTRY, approved(ENTRY))
    await until(lambda: bool(of_type(log, OrderAccepted)))
    return rig


async def test_notices_become_fills_and_the_last_one_closes_the_order(
    time: ManualTime, broker: FakeBroker
) -> None:
    """Two executions, their exact values, fee of 0.015 % and no tax on a buy."""
    log = await opened_log()
    rig = await _working(log, broker, time)
    await rig.settlement.on_notice(broker.fill(1, 4, 70_000))
    await rig.settlement.on_notice(broker.fill(1, 6, 70_100))
    await until(lambda: bool(of_type(log, OrderClosed)))
    fills = of_type(log, OrderFilled)
    assert [(fill.quantity, fill.amount, fill.cumulative_quantity) for fill in fills] == [
        (4, 280_000, 4),
        (6, 420_600, 10),
    ]
    assert [(fill.fee, fill.tax, fill.fill_id) for fill in fills] == [
        (42, 0, f"{ORDER}-F4"),
        (63, 0, f"{ORDER}-F10"),
    ]
    assert of_type(log, OrderClosed)[0].state is OrderState.FILLED
    await rig.finish()


async def test_a_sell_pays_the_tax_of_its_settlement_date(
    time: ManualTime, broker: FakeBroker
) -> None:
    """0.15 % of the proceeds in 2025."""
    log = await opened_log()
    rig = await Rig(log, broker, time).start()
    await put(log, EXIT, approved(EXIT))
    await until(lambda: bool(of_type(log, OrderAccepted)))
    await rig.settlement.on_notice(broker.fill(1, 10, 70_000))
    await until(lambda: bool(of_type(log, OrderFilled)))
    (fill,) = of_type(log, OrderFilled)
    assert (fill.fee, fill.tax) == (105, 1_050)
    await rig.finish()


async def test_a_notice_that_overtakes_the_answer_waits_for_it(
    time: ManualTime, broker: FakeBroker
) -> None:
    """The broker's number is not known yet, so the notice is parked and matched afterwards."""
    log = await opened_log()
    broker.gate = asyncio.Event()
    rig = await Rig(log, broker, time).start()
    await put(log, ENTRY, approved(ENTRY))
    await until(lambda: len(broker.submitted) == 1)
    await rig.settlement.on_notice(broker.fill(1, 10, 70_000))
    await idle()
    assert of_type(log, OrderFilled) == []
    broker.gate.set()
    await until(lambda: bool(of_type(log, OrderClosed)))
    assert order_story(log, ORDER) == [
        "OrderSubmitting",
        "OrderAccepted",
        "OrderFilled",
        "OrderClosed",
    ]
    await rig.finish()


async def test_a_repeated_notice_is_one_fill(time: ManualTime, broker: FakeBroker) -> None:
    """The broker may send the same notice twice."""
    log = await opened_log()
    rig = await _working(log, broker, time)
    notice = broker.fill(1, 4, 70_000)
    await rig.settlement.on_notice(notice)
    await rig.settlement.on_notice(notice)
    await until(lambda: broker.inquiries >= 1 and bool(of_type(log, OrderFilled)))
    await time.advance(5)
    await idle()
    assert [fill.quantity for fill in of_type(log, OrderFilled)] == [4]
    await rig.finish()


async def test_two_equal_fills_of_one_second_are_both_booked(
    time: ManualTime, broker: FakeBroker
) -> None:
    """The second looks like a repeat; the inquiry that follows at once books it."""
    log = await opened_log()
    rig = await _working(log, broker, time)
    await rig.settlement.on_notice(broker.fill(1, 4, 70_000))
    await rig.settlement.on_notice(broker.fill(1, 4, 70_000))
    await until(lambda: bool(of_type(log, OrderFilled)))
    await time.advance(1)
    await until(lambda: len(of_type(log, OrderFilled)) == 2)
    assert [(fill.quantity, fill.source) for fill in of_type(log, OrderFilled)] == [
        (4, FillSource.NOTICE),
        (4, FillSource.INQUIRY),
    ]
    await rig.finish()


async def test_a_fill_known_from_the_inquiry_is_not_booked_again_when_its_notice_comes_late(
    time: ManualTime, broker: FakeBroker
) -> None:
    """Both sources reconcile to the same cumulative quantity, although room for more is left."""
    log = await opened_log()
    rig = await _working(log, broker, time)
    late = broker.fill(1, 4, 70_000)
    await time.advance(5)
    await until(lambda: bool(of_type(log, OrderFilled)))
    await rig.settlement.on_notice(late)
    await time.advance(2)
    await idle()
    assert [(fill.quantity, fill.source) for fill in of_type(log, OrderFilled)] == [
        (4, FillSource.INQUIRY)
    ]
    await rig.finish()


async def test_a_late_notice_after_a_restart_is_left_to_the_inquiry(
    time: ManualTime, broker: FakeBroker
) -> None:
    """What happened before this process began may be booked; only the list of orders can tell."""
    log = await opened_log()
    first = await _working(log, broker, time)
    notice = broker.fill(1, 4, 70_000)
    await first.settlement.on_notice(notice)
    await until(lambda: bool(of_type(log, OrderFilled)))
    await first.crash()
    await time.advance(2)
    second = await Rig(log, broker, time, run="r2", head=len(log.entries)).start()
    await second.settlement.on_notice(notice)
    await time.advance(5)
    await idle()
    assert [fill.quantity for fill in of_type(log, OrderFilled)] == [4]
    await second.finish()


@pytest.mark.invariant(3)
@pytest.mark.parametrize("exchange_ahead_s", [0, 2])
async def test_a_notice_repeated_after_a_restart_is_no_second_fill(
    time: ManualTime, broker: FakeBroker, exchange_ahead_s: int
) -> None:
    """Booked by the run before, in the same second or by a clock ahead of ours."""
    log = await opened_log()
    rig = await _working(log, broker, time)
    notice = broker.fill(1, 4, 70_000)
    notice = msgspec.structs.replace(notice, time=notice.time + exchange_ahead_s * SECOND)
    await rig.settlement.on_notice(notice)
    await until(lambda: bool(of_type(log, OrderFilled)))
    await rig.finish()
    rig = await Rig(log, broker, time, run="r2", head=len(log.entries)).start()
    await rig.settlement.on_notice(notice)
    await idle()
    assert [fill.quantity for fill in of_type(log, OrderFilled)] == [4]
    await rig.settlement.on_notice(broker.fill(1, 6, 70_100))
    await pass_time(time, 2)
    assert [fill.quantity for fill in of_type(log, OrderFilled)] == [4, 6]
    await rig.finish()


async def test_notices_of_foreign_orders_change_nothing(
    time: ManualTime, broker: FakeBroker
) -> None:
    """The stream carries what the account holder does by hand."""
    log = await opened_log()
    rig = await _working(log, broker, time)
    await broker.submit(broker.submitted[0])
    await rig.settlement.on_notice(broker.fill(2, 10, 70_000))
    await idle()
    assert of_type(log, OrderFilled) == []
    await rig.finish()


# -- cancels -------------------------------------------------------------------------------------


async def test_an_order_past_its_lifetime_is_withdrawn_and_closed_only_on_proof(
    time: ManualTime, broker: FakeBroker
) -> None:
    """Cancel accepted is not cancelled: the row shows what was executed and withdrawn."""
    log = await opened_log()
    rig = await _working(log, broker, time)
    broker.fill(1, 4, 70_000)  # its notice is lost
    await time.advance(1)
    await put(log, tick(OPEN + 10 * SECOND))
    await until(lambda: "CancelAccepted" in order_story(log, ORDER))
    assert of_type(log, OrderClosed) == []
    await time.advance(3)
    await until(lambda: bool(of_type(log, OrderClosed)))
    assert order_story(log, ORDER)[-3:] == ["CancelAccepted", "OrderFilled", "OrderClosed"]
    (closed,) = of_type(log, OrderClosed)
    assert (closed.state, closed.filled_quantity) == (OrderState.CANCELLED, 4)
    assert len(broker.cancelled) == 1
    assert broker.cancelled[0].branch == "91252"
    await rig.finish()


async def test_a_withdrawal_notice_that_adds_up_closes_the_order(
    time: ManualTime, broker: FakeBroker
) -> None:
    """Executed plus withdrawn equals ordered: nothing can follow."""
    log = await opened_log()
    rig = await _working(log, broker, time)
    await put(log, tick(OPEN + 10 * SECOND))
    await until(lambda: "CancelAccepted" in order_story(log, ORDER))
    await rig.settlement.on_notice(
        OrderNotice(
            broker_order="0000009999",
            original="0000000001",
            symbol=SAMSUNG,
            side=Side.BUY,
            quantity=10,
            rejected=False,
            cancelled=True,
            time=time.now(),
        )
    )
    await until(lambda: bool(of_type(log, OrderClosed)))
    assert of_type(log, OrderClosed)[0].filled_quantity == 0
    await rig.finish()


async def test_a_withdrawal_of_nothing_that_meets_the_last_fill_stops_nobody(
    time: ManualTime, broker: FakeBroker
) -> None:
    """It waits while an inquiry books the order in full; the order ends filled, not withdrawn."""

    class SlowFills(MemoryLog):
        gate = asyncio.Event()

        async def append(self, entries: Sequence[Entry], *, atomic: bool = True) -> tuple[int, ...]:
            if codec.event_name(codec.decode(entries[0].payload)) == "OrderFilled":
                await self.gate.wait()
            return await super().append(entries, atomic=atomic)

    log = SlowFills(ACCOUNT)
    await opened_log(log)
    rig = await _working(log, broker, time)
    broker.fill(1, 10, 70_000)
    await time.advance(6)
    await idle()
    await rig.settlement.on_notice(
        OrderNotice(
            broker_order="0000009999",
            original="0000000001",
            symbol=SAMSUNG,
            side=Side.BUY,
            quantity=0,
            rejected=False,
            cancelled=True,
            time=time.now(),
        )
    )
    await idle()
    log.gate.set()
    await until(lambda: rig.done or bool(of_type(log, OrderClosed)))
    assert not rig.done
    assert of_type(log, OrderClosed)[0].state is OrderState.FILLED
    await rig.finish()


async def test_a_refused_cancel_of_a_filled_order_ends_with_its_fill(
    time: ManualTime, broker: FakeBroker
) -> None:
    """A cancel that lost the race against an execution leads to the inquiry, not to a zombie."""
    log = await opened_log()
    rig = await _working(log, broker, time)
    broker.fill(1, 10, 70_000)
    await put(log, tick(OPEN + 10 * SECOND))
    await until(lambda: "CancelRejected" in order_story(log, ORDER))
    await time.advance(3)
    await until(lambda: bool(of_type(log, OrderClosed)))
    assert of_type(log, OrderClosed)[0].state is OrderState.FILLED
    await rig.finish()


async def test_a_cancel_interrupted_by_a_crash_is_sent_again_as_the_next_attempt(
    time: ManualTime, broker: FakeBroker
) -> None:
    """Cancels are idempotent at the exchange; each attempt has its own write-ahead."""
    log = CrashingLog()
    await opened_log(log)
    first = await _working(log, broker, time)
    log.crash_on = "CancelSubmitting"
    await put(log, tick(OPEN + 10 * SECOND))
    await log.crashed.wait()
    await first.crash()
    assert broker.cancelled == []
    second = await Rig(log, broker, time, run="r2", head=len(log.entries)).start()
    assert order_story(log, ORDER)[-2:] == ["CancelSubmitting", "CancelUnknown"]
    await time.advance(10)
    await put(log, tick(OPEN + 20 * SECOND))
    await until(lambda: "CancelAccepted" in order_story(log, ORDER))
    assert len(broker.cancelled) == 1
    await second.finish()


async def test_cancel_orders_withdraws_the_working_buys_of_its_strategy(
    time: ManualTime, broker: FakeBroker
) -> None:
    """One buy works, one is still on its way to the broker: both are withdrawn."""
    log = await opened_log()
    rig = await _working(log, broker, time)
    again = intent(at=NOW, attempt=2, limit_price=70_500)
    broker.gate = asyncio.Event()
    await put(log, again, approved(again))
    await until(lambda: len(broker.submitted) == 2)
    wish = intent(IntentKind.CANCEL_ORDERS, at=NOW)
    await put(log, wish, approved(wish, 0))
    await until(lambda: len(broker.cancelled) == 1)
    broker.gate.set()
    await until(lambda: len(broker.cancelled) == 2)
    assert sorted(ticket.broker_order for ticket in broker.cancelled) == [
        "0000000001",
        "0000000002",
    ]
    await rig.finish()


async def test_what_is_left_ten_minutes_after_the_close_has_lapsed(
    time: ManualTime, broker: FakeBroker
) -> None:
    """No closing match can be outstanding by then, whatever the row says about the rest."""
    log = await opened_log()
    wish = intent(IntentKind.EXIT, at=SESSION.closing_auction_at)
    rig = await Rig(log, broker, time).start()
    await put(log, tick(SESSION.closing_auction_at), wish, approved(wish))
    await until(lambda: bool(of_type(log, OrderAccepted)))
    assert broker.submitted[0].kind is OrderKind.MARKET
    broker.fill(1, 7, 70_000)
    await time.advance((SESSION.close_at - NOW) / SECOND + 10)
    await put(log, tick(SESSION.close_at))
    await time.advance(580)
    await idle()
    assert of_type(log, OrderClosed) == []
    await time.advance(15)
    await until(lambda: bool(of_type(log, OrderClosed)))
    (closed,) = of_type(log, OrderClosed)
    assert (closed.state, closed.filled_quantity) == (OrderState.EXPIRED, 7)
    assert broker.cancelled == []
    await rig.finish()


async def _closing_sell(log: MemoryLog, broker: FakeBroker, time: ManualTime) -> Rig:
    """Return a rig with a market sell in the closing auction, five seconds after the close."""
    wish = intent(IntentKind.EXIT, at=SESSION.closing_auction_at)
    rig = await Rig(log, broker, time).start()
    await put(log, tick(SESSION.closing_auction_at), wish, approved(wish))
    await until(lambda: bool(of_type(log, OrderAccepted)))
    await time.advance((SESSION.close_at - NOW) / SECOND + 10)
    await put(log, tick(SESSION.close_at))
    await idle()
    return rig


async def test_a_closing_match_that_comes_late_is_booked_before_the_order_ends(
    time: ManualTime, broker: FakeBroker
) -> None:
    """KRX ends the closing auction at random up to 30 seconds late."""
    log = await opened_log()
    rig = await _closing_sell(log, broker, time)
    await time.advance(15)
    await rig.settlement.on_notice(broker.fill(1, 10, 70_000))
    await until(lambda: bool(of_type(log, OrderClosed)))
    assert [fill.quantity for fill in of_type(log, OrderFilled)] == [10]
    assert of_type(log, OrderClosed)[0].state is OrderState.FILLED
    await rig.finish()


@pytest.mark.parametrize("noticed", [True, False])
async def test_an_execution_shown_after_the_order_ended_is_booked_and_reported(
    time: ManualTime, broker: FakeBroker, noticed: bool
) -> None:
    """By its notice or by its row: the shares are the strategy's, and the log says so."""
    log = await opened_log()
    rig = await _closing_sell(log, broker, time)
    await time.advance(600)
    await until(lambda: bool(of_type(log, OrderClosed)))
    assert of_type(log, OrderClosed)[0].state is OrderState.EXPIRED
    notice = broker.fill(1, 10, 70_000)
    if noticed:
        await rig.settlement.on_notice(notice)
    await time.advance(31)
    await until(lambda: bool(of_type(log, OrderFilled)))
    (fill,) = of_type(log, OrderFilled)
    assert (fill.quantity, fill.amount, fill.tax) == (10, 700_000, 1_050)
    assert rig.writer.allocations.quantity(SAMSUNG) == -10
    await until(lambda: bool(of_type(log, Degraded)))
    assert of_type(log, Degraded)[0].condition.startswith("late_fill-")
    await time.advance(61)
    await idle()
    assert len(of_type(log, OrderFilled)) == 1
    await rig.finish()


@pytest.mark.parametrize("code", ["EGW00201", "EGW00215"])
async def test_a_cancel_refused_for_its_rate_is_sent_again_with_the_next_tick(
    time: ManualTime, broker: FakeBroker, code: str
) -> None:
    """It was never looked at; any other refusal waits ten seconds."""
    log = await opened_log()
    rig = await _working(log, broker, time)
    broker.cancel_answers = [Refused(code=code, message="", throttled=True)]
    await time.advance(9)
    await put(log, tick(OPEN + 10 * SECOND))
    await until(lambda: "CancelRejected" in order_story(log, ORDER))
    await put(log, tick(OPEN + 11 * SECOND))
    await until(lambda: "CancelAccepted" in order_story(log, ORDER))
    assert len(broker.cancelled) == 2
    await rig.finish()


# -- stops ---------------------------------------------------------------------------------------


async def test_a_breakout_entry_is_held_until_its_stop_prints(
    time: ManualTime, broker: FakeBroker
) -> None:
    """Nothing leaves below the stop; the triggering trade is the order's cause."""
    log = await opened_log()
    wish = intent(at=NOW, stop_price=70_300, limit_price=70_600)
    rig = await Rig(log, broker, time).start()
    await put(log, wish, approved(wish))
    await until(lambda: bool(of_type(log, OrderHeld)))
    await put(log, trade(70_200, at=NOW + SECOND))
    await idle()
    assert broker.submitted == []
    await put(log, trade(70_300, at=NOW + 2 * SECOND))
    await until(lambda: bool(of_type(log, OrderAccepted)))
    assert order_story(log, first_order(wish)) == ["OrderHeld", "OrderSubmitting", "OrderAccepted"]
    (written,) = of_type(log, OrderSubmitting)
    assert (written.limit_price, written.at) == (70_600, NOW + 2 * SECOND)
    await rig.finish()


async def test_a_stop_that_printed_during_an_outage_is_sent_after_it(
    time: ManualTime, broker: FakeBroker
) -> None:
    """A restart changes no decision as long as the entry's time has not passed."""
    log = await opened_log()
    wish = intent(at=NOW, stop_price=70_300, limit_price=70_600)
    first = await Rig(log, broker, time, run="r1").start()
    await put(log, wish, approved(wish))
    await until(lambda: bool(of_type(log, OrderHeld)))
    await first.crash()
    await put(log, trade(70_300, at=NOW + SECOND))
    second = await Rig(log, broker, time, run="r2", head=len(log.entries)).start()
    await until(lambda: bool(of_type(log, OrderAccepted)))
    assert order_story(log, first_order(wish)) == ["OrderHeld", "OrderSubmitting", "OrderAccepted"]
    await second.finish()


async def test_a_held_entry_ends_when_its_time_passes(time: ManualTime, broker: FakeBroker) -> None:
    """A stop that never printed in time ends as rejected, code EXPIRED; nothing was sent."""
    log = await opened_log()
    wish = intent(at=NOW, stop_price=70_300)
    rig = await Rig(log, broker, time).start()
    await put(log, wish, approved(wish))
    await until(lambda: bool(of_type(log, OrderHeld)))
    await put(log, tick(NOW + 30 * SECOND), trade(70_300, at=NOW + 31 * SECOND))
    await until(lambda: bool(of_type(log, OrderRejected)))
    await idle()
    assert order_story(log, first_order(wish)) == ["OrderHeld", "OrderRejected"]
    assert of_type(log, OrderRejected)[0].code == "EXPIRED"
    assert broker.submitted == []
    await rig.finish()
