"""From one session to the next: what was left open is settled, then the books are made."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import date

import msgspec
import pytest

from bus import ManualTime, MemoryLog
from events import EXTERNAL, UNKNOWN, TradingDate, calendar
from events.calendar import TradingSession
from events.control import SharesReallocated
from events.market import OpeningAllocation, SessionOpened
from events.ops import Degraded, Recovered, ServiceStarted
from events.trading import (
    DriftDetected,
    ExecutionEnded,
    FillCorrected,
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
    Route,
    Side,
)
from kis_gateway.broker import BrokerOrder, OrderTicket, Unknown
from kis_gateway.day.opening import open_session
from tests.kis_gateway.fakes import (
    ACCOUNT,
    DAY,
    HYNIX,
    KMP,
    OPEN,
    SAMSUNG,
    SECOND,
    CrashingLog,
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
    until,
)

NOW = OPEN + SECOND
MONDAY = calendar.session(date(2025, 9, 15))
TUESDAY = calendar.session(date(2025, 9, 16))
WEDNESDAY = calendar.session(date(2025, 9, 17))
ENTRY = intent(at=NOW, limit_price=70_500)
ORDER = first_order(ENTRY)


class ByDay(FakeBroker):
    """A broker that lists the orders of Monday when asked for Monday."""

    def __init__(self, time: ManualTime) -> None:
        super().__init__(time)
        self.days: list[TradingDate] = []

    async def orders(self, day: TradingDate) -> Sequence[BrokerOrder]:
        self.days.append(day)
        return [row for row in await super().orders(day) if _day_of(row) == day]


def _day_of(row: BrokerOrder) -> str:
    return f"{calendar.kst(row.ordered_at):%Y%m%d}"


@pytest.fixture
def time() -> ManualTime:
    return ManualTime(NOW)


@pytest.fixture
def broker(time: ManualTime) -> ByDay:
    return ByDay(time)


async def _crashed(log: MemoryLog, broker: ByDay, time: ManualTime) -> None:
    """Send an entry on Monday and die once it is accepted."""
    rig = await Rig(log, broker, time).start()
    await put(log, ENTRY, approved(ENTRY))
    await until(lambda: bool(of_type(log, OrderAccepted)))
    await rig.crash()
    broker.days.clear()


async def _open(
    log: MemoryLog, broker: FakeBroker, time: ManualTime, session: TradingSession, run: str = "r2"
) -> SessionOpened:
    """Open a session in the morning, letting its pauses pass."""
    await time.advance(max(0, session.auction_from - time.now()) / SECOND)
    await put(
        log,
        ServiceStarted(
            at=time.now(), service="gateway", run=run, code_version="t", configuration={}
        ),
    )
    opening = asyncio.create_task(
        open_session(
            log=log,
            broker=broker,
            time=time,
            session=session,
            configuration={},
            code_version="t",
            head=len(log.entries),
            run=run,
        )
    )
    for _ in range(30):
        await idle(50)
        if opening.done():
            break
        await time.advance(1)
    sequence, opened = await opening
    assert sequence == len(log.entries), "nothing stands between the settlement and the books"
    return opened


def owned(quantity: int, cost: int) -> OpeningAllocation:
    return OpeningAllocation(strategy=KMP, symbol=SAMSUNG, quantity=quantity, cost=cost)


async def test_executions_nobody_booked_are_in_the_books_of_the_next_session(
    time: ManualTime, broker: ByDay
) -> None:
    """The process died with an order working; it was executed in part and lapsed at the close."""
    log = await opened_log()
    await _crashed(log, broker, time)
    broker.fill(1, 7, 70_000)
    broker.holdings = {SAMSUNG: 7}
    opened = await _open(log, broker, time, TUESDAY)
    assert broker.days == [DAY]
    assert order_story(log, ORDER)[-2:] == ["OrderFilled", "OrderClosed"]
    assert of_type(log, OrderClosed)[0].state is OrderState.EXPIRED
    assert opened.allocations == (owned(7, 490_000),)
    (ended,) = of_type(log, ExecutionEnded)
    assert (ended.intent_id, ended.quantity, ended.filled_quantity, ended.orders) == (
        ENTRY.intent_id,
        10,
        7,
        1,
    )
    assert ended.reason == "session_closed"


async def test_a_sale_pays_the_tax_of_the_session_it_was_made_in(
    time: ManualTime, broker: ByDay
) -> None:
    """Booked the morning after: 0.15 % of 700,000 won."""
    log = await opened_log()
    rig = await Rig(log, broker, time).start()
    wish = intent(IntentKind.EXIT, at=NOW)
    await put(log, wish, approved(wish))
    await until(lambda: bool(of_type(log, OrderAccepted)))
    await rig.crash()
    broker.fill(1, 10, 70_000)
    await _open(log, broker, time, TUESDAY)
    (fill,) = of_type(log, OrderFilled)
    assert (fill.fee, fill.tax) == (105, 1_050)


async def test_an_order_whose_answer_was_lost_is_adopted_the_morning_after(
    time: ManualTime, broker: ByDay
) -> None:
    """Written ahead, sent, and the process was dead: the list of its day has it."""
    log = CrashingLog()
    await opened_log(log)
    log.crash_on, log.stored = "OrderAccepted", False
    rig = await Rig(log, broker, time).start()
    await put(log, ENTRY, approved(ENTRY))
    await log.crashed.wait()
    await rig.crash()
    broker.fill(1, 10, 70_000)
    opened = await _open(log, broker, time, TUESDAY)
    assert order_story(log, ORDER) == [
        "OrderSubmitting",
        "OrderUnknown",
        "OrderAccepted",
        "OrderFilled",
        "OrderClosed",
    ]
    assert of_type(log, OrderAccepted)[0].adopted
    assert opened.allocations == (owned(10, 700_000),)


async def test_an_order_that_never_arrived_is_given_up_by_the_list_of_its_day(
    time: ManualTime, broker: ByDay
) -> None:
    """A list of a day that is over changes no more: one reading is proof."""
    log = await opened_log()
    broker.answers, broker.arrives = [Unknown(reason="time-out")], False
    rig = await Rig(log, broker, time).start()
    await put(log, ENTRY, approved(ENTRY))
    await until(lambda: bool(of_type(log, OrderUnknown)))
    await rig.crash()
    opened = await _open(log, broker, time, TUESDAY)
    assert of_type(log, OrderRejected)[0].code == "NOT_FOUND"
    assert opened.allocations == ()


@pytest.mark.invariant(6)
async def test_a_list_that_lacks_an_order_the_broker_took_in_proves_no_absence(
    time: ManualTime, broker: ByDay
) -> None:
    """Two orders of Monday, one accepted and not listed: the other may exist as well."""
    log = await opened_log()
    await _crashed(log, broker, time)
    broker.answers = [Unknown(reason="time-out")]
    other = intent(at=NOW, symbol=HYNIX, limit_price=70_500)
    rig = await Rig(log, broker, time, run="r1b", head=1).start()
    await put(log, other, approved(other))
    await until(lambda: bool(of_type(log, OrderUnknown)))
    await rig.crash()
    broker.rows.clear()
    await _open(log, broker, time, TUESDAY)
    assert of_type(log, OrderRejected) == []
    conditions = {event.condition for event in of_type(log, Degraded)}
    assert {
        f"overnight-{DAY}",
        f"order_carried-{ORDER}",
        f"order_carried-{first_order(other)}",
        f"order_unlisted-{ORDER}",
    } <= conditions


async def test_an_order_given_up_on_its_day_is_adopted_when_the_final_list_has_it(
    time: ManualTime, broker: ByDay
) -> None:
    """The list of the day was late; the shares are KMP's."""
    log = await opened_log()
    broker.answers = [Unknown(reason="time-out")]
    rig = await Rig(log, broker, time).start()
    await put(log, ENTRY, approved(ENTRY))
    await until(lambda: bool(of_type(log, OrderUnknown)))
    broker.fill(1, 10, 70_000)
    hidden, broker.rows = broker.rows, {}
    await pass_time(time, 40)
    assert of_type(log, OrderRejected)[0].code == "NOT_FOUND"
    await rig.crash()
    broker.rows = hidden
    opened = await _open(log, broker, time, TUESDAY)
    assert order_story(log, ORDER)[-3:] == ["OrderAccepted", "OrderFilled", "OrderClosed"]
    assert opened.allocations == (owned(10, 700_000),)


async def test_an_entry_that_waited_for_its_stop_was_never_sent(
    time: ManualTime, broker: ByDay
) -> None:
    """Nothing was written ahead, so nothing can have left."""
    log = await opened_log()
    rig = await Rig(log, broker, time).start()
    wish = intent(at=NOW, stop_price=71_000, lifetime_s=20_000)
    await put(log, wish, approved(wish))
    await until(lambda: bool(of_type(log, OrderHeld)))
    await rig.crash()
    await _open(log, broker, time, TUESDAY)
    assert of_type(log, OrderRejected)[0].code == "SESSION_CLOSED"
    assert of_type(log, OrderUnknown) == []


async def test_the_final_list_corrects_what_was_booked_at_another_value(
    time: ManualTime, broker: ByDay
) -> None:
    """One reading suffices; the carried cost is the corrected one."""
    log = await opened_log()
    rig = await Rig(log, broker, time).start()
    await put(log, ENTRY, approved(ENTRY))
    await until(lambda: bool(of_type(log, OrderAccepted)))
    await rig.settlement.on_notice(broker.fill(1, 10, 70_000))
    await until(lambda: bool(of_type(log, OrderClosed)))
    await rig.crash()
    row = broker.rows["0000000001"]
    broker.rows["0000000001"] = msgspec.structs.replace(row, filled_amount=701_000)
    opened = await _open(log, broker, time, TUESDAY)
    assert [event.amount for event in of_type(log, FillCorrected)] == [1_000]
    assert opened.allocations == (owned(10, 701_000),)


async def test_what_cannot_be_settled_is_carried_visibly_and_settled_the_morning_after(
    time: ManualTime, broker: ByDay
) -> None:
    """Three sessions: Monday's list fails on Tuesday and is read on Wednesday."""
    log = await opened_log()
    await _crashed(log, broker, time)
    broker.fill(1, 10, 70_000)
    broker.holdings = {SAMSUNG: 10}
    broker.failing.add("orders")
    tuesday = await _open(log, broker, time, TUESDAY)
    assert broker.days == [DAY] * 5
    assert tuesday.allocations == ()
    assert [event.condition for event in of_type(log, Degraded)] == [f"overnight-{DAY}"]
    # Tuesday's reconciliation sees the shares; nobody explains them that day.
    await put(
        log,
        DriftDetected(
            at=time.now(),
            trading_date=TUESDAY.trading_date,
            symbol=SAMSUNG,
            broker_quantity=10,
            allocated_quantity=0,
        ),
    )
    broker.failing.clear()
    wednesday = await _open(log, broker, time, WEDNESDAY, "r3")
    assert order_story(log, ORDER)[-2:] == ["OrderFilled", "OrderClosed"]
    assert [event.condition for event in of_type(log, Recovered)] == [f"overnight-{DAY}"]
    # The fill is KMP's, and the unknown ten are over as soon as Wednesday compares.
    assert wednesday.allocations == (
        owned(10, 700_000),
        OpeningAllocation(strategy=UNKNOWN, symbol=SAMSUNG, quantity=10, cost=0),
    )


async def test_three_sessions_hand_their_books_on(time: ManualTime, broker: ByDay) -> None:
    """External shares stay the account holder's, unknown ones stay unknown, drift is not booked."""
    log = MemoryLog(ACCOUNT)
    broker.holdings = {SAMSUNG: 3}
    time = ManualTime(MONDAY.auction_from)
    first = await _open(log, broker, time, MONDAY, "r1")
    mine = OpeningAllocation(strategy=EXTERNAL, symbol=SAMSUNG, quantity=3, cost=300)
    assert first.allocations == (mine,)
    # Two more bought by hand on Monday, one of them given to KMP with a stop.
    await put(
        log,
        DriftDetected(
            at=time.now(), trading_date=DAY, symbol=SAMSUNG, broker_quantity=5, allocated_quantity=3
        ),
        SharesReallocated(
            at=time.now(),
            issued_by="kim",
            reason="bought for it",
            symbol=SAMSUNG,
            source=UNKNOWN,
            target=KMP,
            quantity=1,
            cost=70_000,
            protective_stop=68_000,
            hard_stop=66_000,
        ),
    )
    # Over night a fourth external share appears: found on Tuesday, not booked by the opening.
    broker.holdings = {SAMSUNG: 6}
    second = await _open(log, broker, time, TUESDAY, "r2")
    kmp = OpeningAllocation(
        strategy=KMP,
        symbol=SAMSUNG,
        quantity=1,
        cost=70_000,
        protective_stop=68_000,
        hard_stop=66_000,
    )
    unknown = OpeningAllocation(strategy=UNKNOWN, symbol=SAMSUNG, quantity=1, cost=0)
    assert second.allocations == (kmp, mine, unknown)
    third = await _open(log, broker, time, WEDNESDAY, "r3")
    assert third.allocations == second.allocations
    assert broker.days == []


async def test_an_order_sent_to_the_other_exchange_lapses_with_its_day_not_with_the_close_of_krx(
    time: ManualTime, broker: ByDay
) -> None:
    """NXT trades until the evening: what remains at 15:40 may yet be executed."""
    log = await opened_log()
    await put(log, ENTRY, approved(ENTRY))
    sent = OrderSubmitting(
        at=NOW,
        cause=1,
        order_id=ORDER,
        intent_id=ENTRY.intent_id,
        strategy=KMP,
        symbol=SAMSUNG,
        side=Side.BUY,
        kind=OrderKind.LIMIT,
        quantity=10,
        limit_price=70_500,
        cancel_at=MONDAY.close_at,
        route=Route.SOR,
    )
    taken = OrderAccepted(at=NOW, order_id=ORDER, broker_order="0000000001", branch="91252")
    await put(log, sent, taken)
    await broker.submit(
        OrderTicket(
            symbol=SAMSUNG,
            side=Side.BUY,
            kind=OrderKind.LIMIT,
            quantity=10,
            limit_price=70_500,
        )
    )
    await time.advance((MONDAY.close_at - NOW) / SECOND)
    rig = await Rig(log, broker, time, head=1).start()
    await pass_time(time, 3)
    await time.advance(700)
    await idle()
    assert of_type(log, OrderClosed) == []
    broker.fill(1, 4, 70_500)
    await rig.crash()
    opened = await _open(log, broker, time, TUESDAY)
    assert of_type(log, OrderClosed)[0].filled_quantity == 4
    assert opened.allocations == (owned(4, 282_000),)
