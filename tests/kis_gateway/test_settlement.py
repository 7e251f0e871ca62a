"""What rows prove beyond the usual: other values, fewer shares, orders of somebody else."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from bus import ManualTime, MemoryLog
from events.market import OpeningAllocation
from events.ops import Degraded, Recovered
from events.trading import (
    FillCorrected,
    IntentKind,
    OrderAccepted,
    OrderClosed,
    OrderFilled,
    OrderRejected,
    OrderState,
    OrderUnknown,
)
from kis_gateway.broker import FillNotice, Unknown
from kis_gateway.orders.first_look import FirstLook
from tests.kis_gateway.fakes import (
    HYNIX,
    KMP,
    OPEN,
    SAMSUNG,
    SECOND,
    SESSION,
    FakeBroker,
    Rig,
    approved,
    first_order,
    idle,
    intent,
    of_type,
    opened_log,
    order_story,
    pass_time,
    put,
    session_opened,
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


async def _working(log: MemoryLog, broker: FakeBroker, time: ManualTime) -> Rig:
    rig = await Rig(log, broker, time).start()
    await put(log, ENTRY, approved(ENTRY))
    await until(lambda: bool(of_type(log, OrderAccepted)))
    return rig


def change(broker: FakeBroker, **fields: object) -> None:
    """Change what the broker lists of the first order."""
    row = broker.rows["0000000001"]
    broker.rows["0000000001"] = msgspec.structs.replace(row, **fields)


# -- other values and fewer shares ---------------------------------------------------------------


async def test_another_traded_value_that_stays_is_corrected_once(
    time: ManualTime, broker: FakeBroker
) -> None:
    """The notices said 700,000 won, the books of the broker say 699,000: after ten seconds."""
    log = await opened_log()
    rig = await _working(log, broker, time)
    await rig.settlement.on_notice(broker.fill(1, 10, 70_000))
    await until(lambda: bool(of_type(log, OrderClosed)))
    change(broker, filled_amount=699_000)
    await pass_time(time, 32)
    assert of_type(log, FillCorrected) == []
    await pass_time(time, 31)
    (corrected,) = of_type(log, FillCorrected)
    assert (corrected.order_id, corrected.ordinal, corrected.quantity) == (ORDER, 1, 10)
    assert (corrected.amount, corrected.fee, corrected.tax) == (-1_000, -1, 0)
    assert rig.writer.allocations.of(KMP, SAMSUNG) == (
        rig.writer.allocations.of(KMP, SAMSUNG).__class__(10, 699_000)
    )
    await pass_time(time, 65)
    assert len(of_type(log, FillCorrected)) == 1
    await rig.finish()


async def test_a_value_that_is_still_being_written_is_not_corrected(
    time: ManualTime, broker: FakeBroker
) -> None:
    """It was another one the next time, and right the time after."""
    log = await opened_log()
    rig = await _working(log, broker, time)
    await rig.settlement.on_notice(broker.fill(1, 10, 70_000))
    await until(lambda: bool(of_type(log, OrderClosed)))
    for amount in (650_000, 690_000, 700_000):
        change(broker, filled_amount=amount)
        await pass_time(time, 31)
    await pass_time(time, 31)
    assert of_type(log, FillCorrected) == []
    await rig.finish()


async def test_fewer_executed_shares_than_booked_are_reported_and_never_booked_back(
    time: ManualTime, broker: FakeBroker
) -> None:
    """A trade the exchange took back would look like this; people must look at the account."""
    log = await opened_log()
    rig = await _working(log, broker, time)
    await rig.settlement.on_notice(broker.fill(1, 10, 70_000))
    await until(lambda: bool(of_type(log, OrderClosed)))
    change(broker, filled_quantity=7, filled_amount=490_000)
    await pass_time(time, 62)
    assert [event.condition for event in of_type(log, Degraded)] == [f"fewer_shares-{ORDER}"]
    assert rig.writer.allocations.quantity(SAMSUNG) == 10
    assert of_type(log, FillCorrected) == []
    change(broker, filled_quantity=10, filled_amount=700_000)
    await pass_time(time, 31)
    assert [event.condition for event in of_type(log, Recovered)] == [f"fewer_shares-{ORDER}"]
    await rig.finish()


async def test_an_order_whose_row_stays_behind_its_notices_ends_with_the_session_and_is_reported(
    time: ManualTime, broker: FakeBroker
) -> None:
    """It may not stay open for ever; what was booked stays booked."""
    log = await opened_log()
    rig = await _working(log, broker, time)
    await rig.settlement.on_notice(broker.fill(1, 4, 70_000))
    await until(lambda: bool(of_type(log, OrderFilled)))
    change(broker, filled_quantity=3, filled_amount=210_000, remaining_quantity=7)
    await time.advance((SESSION.close_at - NOW) / SECOND + 590)
    await idle()
    assert of_type(log, OrderClosed) == []
    await time.advance(12)
    await until(lambda: bool(of_type(log, OrderClosed)))
    assert of_type(log, OrderClosed)[0].filled_quantity == 4
    await pass_time(time, 62)
    assert f"fewer_shares-{ORDER}" in {event.condition for event in of_type(log, Degraded)}
    await rig.finish()


async def test_shares_listed_without_their_value_wait_for_it(
    time: ManualTime, broker: FakeBroker
) -> None:
    """A fill for nothing would be a free position."""
    log = await opened_log()
    rig = await _working(log, broker, time)
    broker.fill(1, 4, 70_000)
    change(broker, filled_amount=0)
    await pass_time(time, 6)
    assert of_type(log, OrderFilled) == []
    change(broker, filled_amount=280_000)
    await pass_time(time, 6)
    assert [fill.amount for fill in of_type(log, OrderFilled)] == [280_000]
    await rig.finish()


async def test_a_fill_whose_value_contradicts_the_books_is_booked_at_the_mean_price(
    time: ManualTime, broker: FakeBroker
) -> None:
    """Booked were 4 for 400,000, listed are 5 for 350,000: the fifth is worth 70,000."""
    log = await opened_log()
    rig = await _working(log, broker, time)
    broker.fill(1, 4, 70_000)
    await rig.settlement.on_notice(
        FillNotice(
            broker_order="0000000001",
            symbol=SAMSUNG,
            side=broker.rows["0000000001"].side,
            quantity=4,
            price=100_000,
            order_quantity=10,
            time=time.now(),
        )
    )
    await until(lambda: bool(of_type(log, OrderFilled)))
    broker.fill(1, 1, 70_000)
    await pass_time(time, 6)
    assert [(fill.quantity, fill.amount) for fill in of_type(log, OrderFilled)] == [
        (4, 400_000),
        (1, 70_000),
    ]
    await rig.finish()


# -- orders of somebody else ---------------------------------------------------------------------


async def test_an_order_listed_before_ours_was_to_leave_is_not_taken_for_it(
    time: ManualTime, broker: FakeBroker
) -> None:
    """Equal in everything and within the minute: it was placed by hand, and ours is found."""
    log = await opened_log()
    rig = await Rig(log, broker, time).start()
    await put(log, ENTRY, approved(ENTRY))
    await until(lambda: bool(of_type(log, OrderAccepted)))
    by_hand = broker.submitted[0]
    await broker.submit(by_hand)
    await pass_time(time, 6)
    await time.advance(10)
    later = intent(at=time.now(), attempt=2, limit_price=70_500)
    broker.answers = [Unknown(reason="time-out")]
    await put(log, later, approved(later))
    await until(lambda: bool(of_type(log, OrderUnknown)))
    await pass_time(time, 3)
    adopted = [event for event in of_type(log, OrderAccepted) if event.adopted]
    assert [(event.order_id, event.broker_order) for event in adopted] == [
        (first_order(later), "0000000003")
    ]
    await rig.finish()


async def test_an_order_placed_by_hand_minutes_after_an_unknown_one_does_not_disturb_it(
    time: ManualTime, broker: FakeBroker
) -> None:
    """Its list could not be read meanwhile; the stamp of the row tells whose it is."""
    log = await opened_log()
    broker.answers, broker.arrives = [Unknown(reason="time-out")], False
    broker.failing.add("orders")
    rig = await Rig(log, broker, time).start()
    await put(log, ENTRY, approved(ENTRY))
    await until(lambda: bool(of_type(log, OrderUnknown)))
    await pass_time(time, 150)
    broker.arrives = True
    await broker.submit(broker.submitted[0])
    broker.failing.clear()
    await pass_time(time, 40)
    assert of_type(log, OrderRejected)[0].code == "NOT_FOUND"
    assert of_type(log, OrderAccepted) == []
    await rig.finish()


async def test_an_order_of_another_price_or_quantity_by_hand_does_not_disturb_an_unknown_one(
    time: ManualTime, broker: FakeBroker
) -> None:
    """The row that fits in everything is ours."""
    log = await opened_log()
    broker.answers = [Unknown(reason="time-out")]
    rig = await Rig(log, broker, time).start()
    await put(log, ENTRY, approved(ENTRY))
    await until(lambda: bool(of_type(log, OrderUnknown)))
    ours = broker.submitted[0]
    await broker.submit(msgspec.structs.replace(ours, quantity=11))
    await broker.submit(msgspec.structs.replace(ours, limit_price=70_000))
    await pass_time(time, 3)
    assert [event.broker_order for event in of_type(log, OrderAccepted)] == ["0000000001"]
    await rig.finish()


async def test_an_order_amended_by_hand_ends_with_what_it_executed(
    time: ManualTime, broker: FakeBroker
) -> None:
    """The new one is not ours: what it buys is found as drift, so ours must not hide it."""
    log = await opened_log()
    rig = await _working(log, broker, time)
    broker.fill(1, 4, 70_000)
    change(broker, remaining_quantity=0)
    await pass_time(time, 6)
    assert of_type(log, OrderClosed) == []
    row = broker.rows["0000000001"]
    broker.rows["0000000002"] = msgspec.structs.replace(
        row,
        broker_order="2",
        original="0000000001",
        quantity=6,
        limit_price=70_400,
        filled_quantity=0,
        filled_amount=0,
        remaining_quantity=6,
    )
    await pass_time(time, 6)
    (closed,) = of_type(log, OrderClosed)
    assert (closed.state, closed.filled_quantity) == (OrderState.CANCELLED, 4)
    assert closed.reason == "amended by somebody else"
    await rig.finish()


# -- the first comparison of a start -------------------------------------------------------------


async def test_an_entry_does_not_leave_before_the_account_has_been_compared(
    time: ManualTime, broker: FakeBroker
) -> None:
    """Decided while the gateway was down: first the orders and the balance, then the entry."""
    log = await opened_log()
    broker.failing.add("orders")
    look = FirstLook(time, exit_wait_s=10)
    await put(log, ENTRY, approved(ENTRY))
    rig = await Rig(log, broker, time, head=len(log.entries), first_look=look).start()
    look.balance_read()
    await pass_time(time, 5)
    assert broker.submitted == []
    broker.failing.clear()
    await pass_time(time, 5)
    assert look.complete
    await until(lambda: len(broker.submitted) == 1)
    await rig.finish()


async def test_an_entry_that_waited_too_long_for_the_comparison_is_refused(
    time: ManualTime, broker: FakeBroker
) -> None:
    """Its time passes by the clock although nothing else happens."""
    log = await opened_log()
    broker.failing.add("orders")
    look = FirstLook(time, exit_wait_s=10)
    await put(log, ENTRY, approved(ENTRY))
    rig = await Rig(log, broker, time, head=len(log.entries), first_look=look).start()
    await pass_time(time, 31)
    assert order_story(log, ORDER) == ["OrderRejected"]
    assert of_type(log, OrderRejected)[0].code == "EXPIRED"
    await rig.finish()


@pytest.mark.invariant(1)
async def test_an_exit_waits_for_the_comparison_for_ten_seconds_and_then_leaves(
    time: ManualTime, broker: FakeBroker
) -> None:
    """A broker that answers no question may still take an order, and risk must come down."""
    held = OpeningAllocation(strategy=KMP, symbol=SAMSUNG, quantity=10, cost=1)
    log = await opened_log()
    broker.failing.update(("orders", "balance"))
    look = FirstLook(time, exit_wait_s=10)
    await put(log, EXIT, approved(EXIT))
    rig = await Rig(
        log, broker, time, head=len(log.entries), session=session_opened(held), first_look=look
    ).start()
    await pass_time(time, 9)
    assert broker.submitted == []
    await pass_time(time, 2)
    await until(lambda: len(broker.submitted) == 1)
    await rig.finish()


async def test_a_stop_during_the_first_comparison_leaves_everything_for_the_next_start(
    time: ManualTime, broker: FakeBroker
) -> None:
    """Nothing is sent and nothing is refused; the process ends at once."""
    log = await opened_log()
    broker.failing.add("orders")
    look = FirstLook(time, exit_wait_s=10)
    leaving = intent(IntentKind.EXIT, at=NOW, symbol=HYNIX)
    await put(log, ENTRY, approved(ENTRY), leaving, approved(leaving))
    rig = await Rig(log, broker, time, head=len(log.entries), first_look=look).start()
    await asyncio.wait_for(rig.finish(), 5)
    assert broker.submitted == []
    assert order_story(log, ORDER) == order_story(log, first_order(leaving)) == []
