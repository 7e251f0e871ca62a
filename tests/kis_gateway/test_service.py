"""The whole gateway on a log in memory, a scripted broker and a feed in hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path

import msgspec
import pytest
import yaml

from bus import JetStreamLog, LeaseLost, Log, ManualTime, MemoryLog, NatsServer, entry
from events import Event, Symbol, TradingDate, calendar, codec
from events.control import LeaseReleased, LeaseTaken
from events.errors import NotASession
from events.market import (
    Bar,
    ClockTick,
    MinuteHistory,
    PhaseChanged,
    PriceSnapshot,
    SessionOpened,
    TradeFrame,
)
from events.ops import (
    Degraded,
    FeedGap,
    FrameSetAside,
    Heartbeat,
    RecordWidthChanged,
    Recovered,
    ServiceStarted,
    ServiceStopped,
    SlotsChanged,
)
from events.signal import Feed
from events.trading import (
    AccountSnapshot,
    IntentKind,
    IntentSubmitted,
    OrderAccepted,
    OrderClosed,
    OrderState,
)
from kis_gateway.broker import FeedLost, FeedRestored, FrameRejected, Subscribed, WidthChanged
from kis_gateway.day.opening import StrategyUniverse
from kis_gateway.errors import SettingsError
from kis_gateway.orders.planner import PlanSettings
from kis_gateway.service import run_gateway
from kis_gateway.service_settings import GatewaySettings, gateway_settings
from tests.kis_gateway.fakes import (
    ACCOUNT,
    HYNIX,
    KMP,
    OPEN,
    SAMSUNG,
    SECOND,
    FakeBroker,
    FakeFeed,
    approved,
    decoded,
    first_order,
    idle,
    intent,
    of_type,
    pass_time,
    put,
    trade,
    until,
)

UNIVERSE = StrategyUniverse(strategy=KMP, symbols=(SAMSUNG, HYNIX), sectors={}, source="test")


class Process:
    """One gateway process."""

    def __init__(
        self,
        log: Log,
        broker: FakeBroker,
        time: ManualTime,
        run: str,
        *,
        settings: GatewaySettings | None = None,
        configuration: dict[str, str] | None = None,
    ) -> None:
        self.log = log
        self.broker = broker
        self.time = time
        self.feed = FakeFeed(time)
        self.stop = asyncio.Event()
        self.progress: list[tuple[int, int]] = []
        self.task = asyncio.create_task(
            run_gateway(
                log=log,
                time=time,
                broker=broker,
                feed=self.feed,
                settings=settings or GatewaySettings(),
                configuration=configuration or {"kmp": "{}"},
                universe=[UNIVERSE],
                code_version="test",
                run=run,
                stop=self.stop,
                on_progress=lambda position, pending: self.progress.append((position, pending)),
            )
        )

    async def prepared(self) -> None:
        await until(lambda: self.task.done() or bool(self.progress and self.progress[-1][1] == 0))
        await idle()

    async def finished_preparing(self) -> None:
        """As ``prepared``, for a log that needs real time."""
        async with asyncio.timeout(20):
            while not self.task.done() and (not self.progress or self.progress[-1][1] > 0):
                await asyncio.sleep(0.01)

    async def finish(self) -> None:
        self.stop.set()
        async with asyncio.timeout(5):
            await self.task

    async def crash(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])


class MemoryProcess(Process):
    """A process whose log can be looked into."""

    log: MemoryLog


@asynccontextmanager
async def gateway(start: int) -> AsyncIterator[MemoryProcess]:
    time = ManualTime(start)
    process = MemoryProcess(MemoryLog(ACCOUNT), FakeBroker(time), time, "r1")
    await process.prepared()
    yield process
    await process.finish()


async def test_a_morning_stands_on_the_log_in_order() -> None:
    """Books, universe, terms and history, then the clock; the router is ready before all data."""
    async with gateway(OPEN - 60 * SECOND) as process:
        names = [codec.event_name(event) for event in decoded(process.log)]
        assert names[:3] == ["LeaseTaken", "ServiceStarted", "SessionOpened"]
        first_tick = names.index("ClockTick")
        for name in ("UniverseSelected", "SymbolReference", "DailyHistory", "IndexLevel"):
            assert names.index(name) < first_tick
        assert of_type(process.log, SessionOpened)[0].configuration == {"kmp": "{}"}
        assert process.feed.subscribed == [(Feed.TRADES, SAMSUNG), (Feed.TRADES, HYNIX)]
        assert process.progress[0] == (0, 1)
        assert of_type(process.log, FeedGap) == []


async def test_a_trade_of_the_feed_leads_to_an_order_and_its_notice_to_a_fill() -> None:
    """From frame to closed order through every part of the process."""
    async with gateway(OPEN) as process:
        log = process.log
        await process.feed.queue.put(trade(70_000, at=OPEN))
        await until(lambda: bool(of_type(log, TradeFrame)))
        wish = intent(at=OPEN, limit_price=70_500)
        await put(log, wish, approved(wish))
        await until(lambda: bool(of_type(log, OrderAccepted)))
        await process.feed.queue.put(process.broker.fill(1, 10, 70_000))
        await until(lambda: bool(of_type(log, OrderClosed)))
        assert of_type(log, OrderClosed)[0].state is OrderState.FILLED


async def test_the_same_order_path_on_a_real_log(tmp_path: Path) -> None:
    """JetStream instead of memory: two processes one after the other, one order, its fill."""
    time = ManualTime(OPEN)
    broker = FakeBroker(time)
    async with NatsServer(tmp_path) as server:
        log = await JetStreamLog.connect(server.url, ACCOUNT)
        first = Process(log, broker, time, "r1")
        await first.finished_preparing()
        await first.feed.queue.put(trade(70_000, at=OPEN))
        wish = intent(at=OPEN, limit_price=70_500)
        await put(log, wish, approved(wish))
        await _stands(log, wish, OrderAccepted)
        await first.crash()
        second = Process(log, broker, time, "r2")
        await second.finished_preparing()
        await time.advance(1)
        await second.feed.queue.put(broker.fill(1, 10, 70_000))
        await _stands(log, wish, OrderClosed)
        await second.finish()
        assert len(broker.submitted) == 1
        await log.close()


async def _stands(log: Log, wish: IntentSubmitted, kind: type[Event]) -> None:
    """Wait until an event of a type is the newest of an intent's order."""
    async with asyncio.timeout(20):
        while True:
            newest = await log.last(f"trading.order.{first_order(wish)}")
            if newest is not None and isinstance(codec.decode(newest.payload), kind):
                return


async def test_a_restart_repeats_nothing_and_shows_the_gap() -> None:
    """One session, one universe, each phase once; the gap runs from the last market event."""
    time = ManualTime(OPEN)
    log, broker = MemoryLog(ACCOUNT), FakeBroker(time)
    first = Process(log, broker, time, "r1")
    await first.prepared()
    await pass_time(time, 3)
    await first.crash()
    await pass_time(time, 20)
    broker.asked.clear()
    second = Process(log, broker, time, "r2")
    await second.prepared()
    await pass_time(time, 1)
    assert "balance" in broker.asked
    assert not any(question.startswith(("reference", "daily")) for question in broker.asked)
    assert len(of_type(log, SessionOpened)) == 1
    assert len({event.phase for event in of_type(log, PhaseChanged)}) == len(
        of_type(log, PhaseChanged)
    )
    gaps = of_type(log, FeedGap)
    assert [gap.symbols for gap in gaps] == [(SAMSUNG,), (HYNIX,)]
    for gap in gaps:
        assert (gap.begun_at - OPEN, gap.ended_at - OPEN) == (3 * SECOND, 23 * SECOND)
        assert gap.reason == "the gateway was restarted (trades)"
    seconds = [(event.at - OPEN) // SECOND for event in of_type(log, ClockTick)]
    assert seconds == [0, 1, 2, 3, 23, 24]
    await second.finish()
    assert [event.run for event in of_type(log, ServiceStarted)] == ["r1", "r2"]
    assert [event.run for event in of_type(log, ServiceStopped)] == ["r2"]


async def test_a_lost_feed_is_a_condition_and_its_return_brings_gaps_and_fresh_inquiries() -> None:
    """Each symbol's gap ends with its own acknowledgement; notices of the gap are not sent again.

    While the feed is down prices are asked for, afterwards the minutes of the gap.
    """
    async with gateway(OPEN) as process:
        log = process.log
        await pass_time(process.time, 20)
        before = process.broker.inquiries, process.broker.balances
        await process.feed.queue.put(FeedLost(at=OPEN + SECOND, reason="reset"))
        await until(lambda: len(of_type(log, PriceSnapshot)) == 2)
        assert {each.symbol for each in of_type(log, PriceSnapshot)} == {SAMSUNG, HYNIX}
        for symbol, since, until_s in ((SAMSUNG, 1, 8), (HYNIX, 0, 9)):
            await process.feed.queue.put(
                Subscribed(
                    at=OPEN + until_s * SECOND,
                    feed=Feed.TRADES,
                    symbol=symbol,
                    silent_since=OPEN + since * SECOND,
                )
            )
        await process.feed.queue.put(FeedRestored(at=OPEN + 9 * SECOND, lost_at=OPEN + SECOND))
        await until(lambda: bool(of_type(log, Recovered)) and len(of_type(log, FeedGap)) == 2)
        assert [
            (gap.symbols, gap.begun_at - OPEN, gap.ended_at - OPEN) for gap in of_type(log, FeedGap)
        ] == [((SAMSUNG,), SECOND, 8 * SECOND), ((HYNIX,), 0, 9 * SECOND)]
        assert [event.condition for event in of_type(log, Degraded)] == ["feed"]
        await pass_time(process.time, 1)
        assert process.broker.inquiries == before[0] + 1
        assert process.broker.balances == before[1] + 1
        assert of_type(log, MinuteHistory) == []
        process.broker.failing.add(f"minute_bars:{HYNIX}")
        await pass_time(process.time, 45)
        assert [each.symbol for each in of_type(log, MinuteHistory)] == [SAMSUNG]
        assert f"minute_{HYNIX}" in {each.condition for each in of_type(log, Degraded)}
        process.broker.failing.clear()
        await pass_time(process.time, 31)
        assert [each.symbol for each in of_type(log, MinuteHistory)] == [SAMSUNG, HYNIX]
        assert f"minute_{HYNIX}" in {each.condition for each in of_type(log, Recovered)}
        assert len(of_type(log, PriceSnapshot)) == 2


async def test_a_new_layout_of_notices_is_recorded_and_orders_are_asked_for_at_once() -> None:
    """Fills once went unseen for days because a record had become wider."""
    async with gateway(OPEN) as process:
        log = process.log
        await pass_time(process.time, 20)
        before = process.broker.inquiries, process.broker.balances
        await process.feed.queue.put(
            WidthChanged(at=OPEN, feed="H0STCNI0", width=28, known=(23, 26), own_notices=True)
        )
        await until(lambda: bool(of_type(log, Degraded)))
        (changed,) = of_type(log, RecordWidthChanged)
        assert (changed.feed, changed.width, changed.known) == ("H0STCNI0", 28, (23, 26))
        assert [event.condition for event in of_type(log, Degraded)] == ["notice-layout"]
        await pass_time(process.time, 1)
        assert process.broker.inquiries == before[0] + 1
        assert process.broker.balances == before[1] + 1


async def test_a_day_on_which_the_broker_says_the_exchange_is_closed_is_not_opened(
    tmp_path: Path,
) -> None:
    """Holidays are proclaimed at short notice; the reason is on the log, the session is not."""
    time = ManualTime(OPEN)
    log, broker = MemoryLog(ACCOUNT), FakeBroker(time)
    broker.closed.add(calendar.kst(OPEN).date())
    with pytest.raises(NotASession, match="broker's calendar"):
        await run_gateway(
            log=log,
            time=time,
            broker=broker,
            feed=FakeFeed(),
            settings=GatewaySettings(),
            configuration={},
            universe=[UNIVERSE],
            code_version="test",
            run="r1",
            stop=asyncio.Event(),
            compare_calendar=True,
            folder=tmp_path,
        )
    names = [codec.event_name(event) for event in decoded(log)]
    assert names == ["LeaseTaken", "Degraded"]
    assert of_type(log, Degraded)[0].condition == "calendar-differs"


async def test_a_frame_that_cannot_be_read_is_kept() -> None:
    """With its text, on the log."""
    async with gateway(OPEN) as process:
        await process.feed.queue.put(FrameRejected(at=OPEN, frame="0|X|1|", error="short"))
        await until(lambda: bool(of_type(process.log, FrameSetAside)))
        assert of_type(process.log, FrameSetAside)[0].frame == "0|X|1|"


async def test_it_shows_that_it_is_alive() -> None:
    """A heartbeat each 30 seconds with the publisher's counters; snapshots; subscriptions."""
    async with gateway(OPEN) as process:
        await pass_time(process.time, 31)
        beats = of_type(process.log, Heartbeat)
        assert [(beat.at - OPEN) // SECOND for beat in beats] == [0, 30]
        assert {"frames", "batches", "largest_batch", "backlog"} <= set(beats[1].figures)
        assert len(of_type(process.log, AccountSnapshot)) == 1
        assert len(of_type(process.log, SlotsChanged)) == 1


async def test_an_order_on_its_way_is_waited_for_at_the_stop() -> None:
    """Its answer is on the log before the service says that it stopped."""
    async with gateway(OPEN) as process:
        log = process.log
        await process.feed.queue.put(trade(70_000, at=OPEN))
        await until(lambda: bool(of_type(log, TradeFrame)))
        process.broker.gate = asyncio.Event()
        wish = intent(at=OPEN, limit_price=70_500)
        await put(log, wish, approved(wish))
        await until(lambda: len(process.broker.submitted) == 1)
        process.stop.set()
        await idle()
        assert not process.task.done()
        process.broker.gate.set()
        await process.finish()
        names = [codec.event_name(codec.decode(recorded.payload)) for recorded in log.entries]
        assert names.index("OrderAccepted") < names.index("ServiceStopped")


async def test_a_second_gateway_waits_without_a_question_to_the_broker() -> None:
    """It says whom it waits for; when the first has ended it takes over and goes on."""
    time = ManualTime(OPEN)
    log = MemoryLog(ACCOUNT)
    first = Process(log, FakeBroker(time), time, "r1")
    await first.prepared()
    broker = FakeBroker(time)
    second = Process(log, broker, time, "r2")
    await until(lambda: bool(of_type(log, Degraded)))
    (waits,) = of_type(log, Degraded)
    assert waits.condition == "standby"
    assert waits.detail.startswith("run r1 of ")
    assert (broker.asked, broker.inquiries, broker.balances) == ([], 0, 0)
    await first.finish()
    await second.finished_preparing()
    assert [event.condition for event in of_type(log, Recovered)] == ["standby"]
    assert [(event.run, event.epoch) for event in of_type(log, LeaseTaken)] == [
        ("r1", 1),
        ("r2", 2),
    ]
    assert len(of_type(log, SessionOpened)) == 1
    await second.finish()
    assert [event.run for event in of_type(log, LeaseReleased)] == ["r1", "r2"]


async def test_a_gateway_whose_lease_was_taken_ends() -> None:
    """Whatever it was doing: the next renewal shows it, and it sends nothing any more."""
    time = ManualTime(OPEN)
    log, broker = MemoryLog(ACCOUNT), FakeBroker(time)
    process = Process(log, broker, time, "r1")
    await process.prepared()
    taken = LeaseTaken(
        at=OPEN, name="router", epoch=2, holder="there", run="r2", ttl_ms=15_000, previous=""
    )
    await log.append([entry(ACCOUNT, taken)])
    with pytest.raises(LeaseLost):
        async with asyncio.timeout(10):
            await process.task


async def test_a_changed_configuration_is_reported() -> None:
    """The session goes on with the one it was opened with."""
    time = ManualTime(OPEN)
    log, broker = MemoryLog(ACCOUNT), FakeBroker(time)
    first = Process(log, broker, time, "r1")
    await first.prepared()
    await first.finish()
    task = asyncio.create_task(
        run_gateway(
            log=log,
            time=time,
            broker=broker,
            feed=FakeFeed(),
            settings=GatewaySettings(),
            configuration={"kmp": '{"other":1}'},
            universe=[UNIVERSE],
            code_version="test",
            run="r2",
            stop=(stop := asyncio.Event()),
        )
    )
    await until(lambda: bool(of_type(log, Degraded)))
    assert of_type(log, Degraded)[0].condition == "configuration_changed"
    stop.set()
    await task


async def test_a_restart_shapes_orders_by_the_settings_of_the_session() -> None:
    """The file was changed in between; the entry is priced as it would have been before."""
    time = ManualTime(OPEN)
    log, broker = MemoryLog(ACCOUNT), FakeBroker(time)
    opened_with = GatewaySettings(orders=PlanSettings(urgent_buy_reach_per_mille=10))
    texts = {"gateway": msgspec.json.encode(opened_with).decode()}
    first = Process(log, broker, time, "r1", settings=opened_with, configuration=texts)
    await first.prepared()
    await first.feed.queue.put(trade(70_000, at=OPEN))
    await until(lambda: bool(of_type(log, TradeFrame)))
    await first.crash()
    changed = GatewaySettings(orders=PlanSettings(urgent_buy_reach_per_mille=20))
    second = Process(log, broker, time, "r2", settings=changed, configuration=texts)
    await second.prepared()
    wish = intent(at=OPEN)
    await put(log, wish, approved(wish))
    await until(lambda: bool(broker.submitted))
    assert broker.submitted[0].limit_price == 70_700
    await second.finish()


async def test_a_session_opened_with_unreadable_settings_is_refused() -> None:
    """Orders shaped by other settings than the day's would be other decisions."""
    time = ManualTime(OPEN)
    process = Process(
        MemoryLog(ACCOUNT), FakeBroker(time), time, "r1", configuration={"gateway": "{"}
    )
    with pytest.raises(SettingsError, match="no JSON"):
        await process.task


async def test_a_restart_inside_the_session_trades_before_the_open_questions_are_answered() -> None:
    """Clock, subscriptions and orders do not wait for a history that cannot be had."""
    time = ManualTime(OPEN)
    log, broker = MemoryLog(ACCOUNT), FakeBroker(time)
    broker.failing.add(f"daily_bars:{HYNIX}")
    first = Process(log, broker, time, "r1")
    await first.prepared()
    await pass_time(time, 2)
    await first.feed.queue.put(trade(70_000, at=OPEN))
    await until(lambda: bool(of_type(log, TradeFrame)))
    await first.crash()

    class Hanging(FakeBroker):
        async def daily_bars(
            self, symbol: Symbol, before: TradingDate, count: int
        ) -> Sequence[Bar]:
            self._ask("daily_bars", symbol)
            await asyncio.Event().wait()
            raise AssertionError

    again = Hanging(time)
    second = Process(log, again, time, "r2")
    await until(lambda: f"daily_bars:{HYNIX}" in again.asked)
    await pass_time(time, 2)
    assert [(event.at - OPEN) // SECOND for event in of_type(log, ClockTick)] == [0, 1, 2, 3, 4]
    assert second.feed.subscribed == [(Feed.TRADES, SAMSUNG), (Feed.TRADES, HYNIX)]
    wish = intent(IntentKind.EXIT, at=time.now())
    await put(log, wish, approved(wish))
    await until(lambda: bool(of_type(log, OrderAccepted)))
    assert len(again.submitted) == 1
    await second.finish()


async def test_there_is_no_gateway_on_a_holiday() -> None:
    """Orders on holidays were a failure once."""
    sunday = calendar.instant(date(2025, 9, 14), calendar.kst(OPEN).time())
    time = ManualTime(sunday)
    with pytest.raises(NotASession):
        await Process(MemoryLog(ACCOUNT), FakeBroker(time), time, "r1").task


def test_the_shipped_file_is_the_defaults() -> None:
    """Every key shows its default, so the file documents the code."""
    path = Path(__file__).resolve().parents[2] / "deploy" / "config" / "gateway.yaml"
    assert gateway_settings(yaml.safe_load(path.read_text(encoding="utf-8"))) == GatewaySettings()


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"registration": 40}, "registration"),
        ({"registrations": 42}, "registrations is 42"),
        ({"orders": {"urgent_buy_lifetime_s": -1}}, "urgent_buy_lifetime_s"),
        ({"inquiries": {"working_s": 60}}, "working_s <= idle_s"),
        ({"heartbeat_s": "often"}, "heartbeat_s"),
    ],
)
def test_a_wrong_key_or_value_is_refused_by_name(document: object, message: str) -> None:
    """The message names the key."""
    with pytest.raises(SettingsError, match=message):
        gateway_settings(document)


async def test_minutes_that_could_not_be_had_after_the_open_are_asked_for_again() -> None:
    """A failed back-fill is a condition until it has succeeded."""
    async with gateway(OPEN + 60 * SECOND) as process:
        process.broker.failing.add(f"minute_bars:{HYNIX}")
        await process.time.advance(841)
        await until(lambda: bool(of_type(process.log, Degraded)))
        assert of_type(process.log, Degraded)[0].condition == f"minute_{HYNIX}"
        assert [each.symbol for each in of_type(process.log, MinuteHistory)] == [SAMSUNG]
        process.broker.failing.clear()
        await pass_time(process.time, 70)
        assert [each.symbol for each in of_type(process.log, MinuteHistory)] == [SAMSUNG, HYNIX]
        assert of_type(process.log, Recovered)[0].condition == f"minute_{HYNIX}"
