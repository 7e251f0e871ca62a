"""The whole gateway over several days on one log: books, halts and limits go on."""

from __future__ import annotations

import asyncio
from datetime import date
from pathlib import Path
from typing import TypeVar

import pytest

from bus import JetStreamLog, Log, ManualTime, MemoryLog, NatsServer
from events import EXTERNAL, UNKNOWN, Event, calendar, codec
from events.control import (
    EVERYTHING,
    HaltMode,
    HaltScope,
    HaltSet,
    HaltTrigger,
    LimitsChanged,
    SharesReallocated,
)
from events.market import OpeningAllocation, SessionOpened, TradeFrame
from events.ops import Degraded
from events.trading import (
    AccountSnapshot,
    DriftCleared,
    DriftDetected,
    ExecutionEnded,
    OrderAccepted,
    OrderFilled,
)
from kis_gateway.day.opening import StrategyUniverse
from kis_gateway.service import run_gateway
from kis_gateway.service_settings import GatewaySettings
from tests.kis_gateway.fakes import (
    ACCOUNT,
    HYNIX,
    KMP,
    SAMSUNG,
    SECOND,
    FakeBroker,
    FakeFeed,
    approved,
    first_order,
    idle,
    intent,
    of_type,
    order_story,
    pass_time,
    put,
    trade,
    until,
)

E = TypeVar("E", bound=Event)

MONDAY, TUESDAY, WEDNESDAY = (calendar.session(date(2025, 9, day)) for day in (15, 16, 17))
UNIVERSE = StrategyUniverse(strategy=KMP, symbols=(SAMSUNG,), sectors={}, source="test")


class Gateway:
    """One gateway process."""

    def __init__(
        self, log: Log, broker: FakeBroker, time: ManualTime, run: str, folder: Path | None
    ) -> None:
        self.feed = FakeFeed(time)
        self.stop = asyncio.Event()
        self.progress: list[int] = []
        self.task = asyncio.create_task(
            run_gateway(
                log=log,
                time=time,
                broker=broker,
                feed=self.feed,
                settings=GatewaySettings(),
                configuration={},
                universe=[UNIVERSE],
                code_version="test",
                run=run,
                stop=self.stop,
                on_progress=lambda position, pending: self.progress.append(pending),
                folder=folder,
            )
        )

    async def prepared(self) -> Gateway:
        async with asyncio.timeout(20):
            while not self.task.done() and (not self.progress or self.progress[-1] > 0):
                await asyncio.sleep(0.001)
        await idle()
        return self

    async def finish(self) -> None:
        self.stop.set()
        async with asyncio.timeout(10):
            await self.task


async def _start(
    log: Log, broker: FakeBroker, time: ManualTime, run: str, folder: Path | None = None
) -> Gateway:
    return await Gateway(log, broker, time, run, folder).prepared()


@pytest.mark.invariant(3)
async def test_three_days_on_one_log_keep_every_share_every_halt_and_every_limit() -> None:
    """Monday ends with an order open, Tuesday explains what was bought by hand, Wednesday trades.

    At each opening the owners add up to what the broker held when it was last looked at.
    """
    log, time = MemoryLog(ACCOUNT), ManualTime(MONDAY.open_at)
    broker = FakeBroker(time)
    broker.holdings = {HYNIX: 5}

    monday = await _start(log, broker, time, "r1")
    await monday.feed.queue.put(trade(70_000, at=time.now()))
    await until(lambda: bool(of_type(log, TradeFrame)))
    wish = intent(at=time.now(), limit_price=70_500)
    await put(log, wish, approved(wish))
    await until(lambda: bool(of_type(log, OrderAccepted)))
    await put(
        log,
        HaltSet(
            at=time.now(),
            issued_by="kim",
            reason="holiday",
            scope=HaltScope.STRATEGY,
            target="KPR",
            mode=HaltMode.NO_ENTRIES,
        ),
        LimitsChanged(
            at=time.now(),
            issued_by="kim",
            reason="careful",
            changes={"risk.max_position_pct": 0.1},
        ),
    )
    await monday.finish()
    broker.fill(1, 10, 70_000)  # after the process has ended
    broker.holdings = {HYNIX: 5, SAMSUNG: 12}  # two more were bought by hand

    await time.advance((TUESDAY.open_at - time.now()) / SECOND)
    tuesday = await _start(log, broker, time, "r2")
    assert order_story(log, first_order(wish))[-2:] == ["OrderFilled", "OrderClosed"]
    opened = of_type(log, SessionOpened)[-1]
    external = OpeningAllocation(strategy=EXTERNAL, symbol=HYNIX, quantity=5, cost=500)
    kmp = OpeningAllocation(strategy=KMP, symbol=SAMSUNG, quantity=10, cost=700_000)
    assert opened.allocations == (kmp, external)
    assert [(halt.scope, halt.target) for halt in opened.halts] == [(HaltScope.STRATEGY, "KPR")]
    assert opened.limits == {"risk.max_position_pct": 0.1}
    await until(lambda: bool(of_type(log, DriftDetected)))
    (drift,) = of_type(log, DriftDetected)
    assert (drift.symbol, drift.broker_quantity, drift.allocated_quantity) == (SAMSUNG, 12, 10)
    await put(
        log,
        SharesReallocated(
            at=time.now(),
            issued_by="kim",
            reason="mine",
            symbol=SAMSUNG,
            source=UNKNOWN,
            target=EXTERNAL,
            quantity=2,
            cost=140_000,
        ),
    )
    await pass_time(time, 3)
    assert len(of_type(log, DriftCleared)) == 1
    await tuesday.finish()

    await time.advance((WEDNESDAY.open_at - time.now()) / SECOND)
    wednesday = await _start(log, broker, time, "r3")
    opened = of_type(log, SessionOpened)[-1]
    assert opened.allocations == (
        kmp,
        external,
        OpeningAllocation(strategy=EXTERNAL, symbol=SAMSUNG, quantity=2, cost=140_000),
    )
    await pass_time(time, 3)
    assert len(of_type(log, DriftDetected)) == 1
    assert of_type(log, AccountSnapshot)[-1].trading_date == WEDNESDAY.trading_date
    assert len(of_type(log, OrderFilled)) == 1
    await wednesday.finish()


async def test_a_gateway_that_finds_another_log_than_it_left_halts_the_account_first(
    tmp_path: Path,
) -> None:
    """Before its own first word, and the next session's books carry the halt."""
    time = ManualTime(MONDAY.open_at)
    broker = FakeBroker(time)
    first = await _start(MemoryLog(ACCOUNT), broker, time, "r1", tmp_path)
    await first.finish()
    log = MemoryLog(ACCOUNT)
    second = await _start(log, broker, time, "r2", tmp_path)
    (halt,) = of_type(log, HaltSet)
    assert (halt.mode, halt.target, halt.trigger) == (
        HaltMode.REDUCE_ONLY,
        EVERYTHING,
        HaltTrigger.LOG_REGRESSED,
    )
    assert "log_regressed" in {event.condition for event in of_type(log, Degraded)}
    (opened,) = of_type(log, SessionOpened)
    assert [each.trigger for each in opened.halts] == [HaltTrigger.LOG_REGRESSED]
    await second.finish()
    third = await _start(log, broker, time, "r3", tmp_path)
    assert len(of_type(log, HaltSet)) == 1
    await third.finish()


async def test_a_morning_after_on_a_real_log(tmp_path: Path) -> None:
    """JetStream and its restart in between: the order is settled, the log is the one left."""
    time = ManualTime(MONDAY.open_at)
    broker = FakeBroker(time)
    wish = intent(at=time.now(), limit_price=70_500)
    async with NatsServer(tmp_path / "log") as server:
        log = await JetStreamLog.connect(server.url, ACCOUNT)
        monday = await _start(log, broker, time, "r1", tmp_path / "broker")
        await monday.feed.queue.put(trade(70_000, at=time.now()))
        await put(log, wish, approved(wish))
        await _stands(log, f"trading.order.{first_order(wish)}", OrderAccepted)
        await monday.finish()
        await log.close()
    broker.fill(1, 10, 70_000)
    await time.advance((TUESDAY.open_at - time.now()) / SECOND)
    async with NatsServer(tmp_path / "log") as server:
        log = await JetStreamLog.connect(server.url, ACCOUNT)
        tuesday = await _start(log, broker, time, "r2", tmp_path / "broker")
        opened = await _stands(log, f"market.session.{TUESDAY.trading_date}", SessionOpened)
        assert opened.allocations == (
            OpeningAllocation(strategy=KMP, symbol=SAMSUNG, quantity=10, cost=700_000),
        )
        assert opened.halts == ()
        ended = await _stands(log, f"trading.execution.{wish.intent_id}", ExecutionEnded)
        assert ended.filled_quantity == 10
        await tuesday.finish()
        await log.close()


async def _stands(log: Log, topic: str, kind: type[E]) -> E:
    """Wait until an event of a type is the newest on a topic."""
    async with asyncio.timeout(20):
        while True:
            newest = await log.last(topic)
            if newest is not None:
                event = codec.decode(newest.payload)
                if isinstance(event, kind):
                    return event
            await asyncio.sleep(0.01)
