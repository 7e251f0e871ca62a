"""The gateway process: one broker connection, one log, everything between them.

Start-up is recovery and failure is a restart: whatever goes wrong beyond a reported condition ends
``run_gateway`` with the error, and the next start finds on the log what the last one left. A
restart inside the session trades as soon as the past is read: no question about a symbol delays the
clock, the subscriptions or an exit. Orders are shaped by the settings that the session was opened
with, so that a restart with another file changes no decision.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, Final

import msgspec
import structlog

from bus import Log, OnProgress, TimeSource, entry, ignore_progress
from events import calendar
from events.calendar import TradingSession
from events.market import IndexLevel, QuoteFrame, SessionOpened, TradeFrame
from events.ops import FeedGap, FrameSetAside, Heartbeat, ServiceStarted, ServiceStopped
from kis_gateway.broker import (
    Broker,
    FeedLost,
    FeedMessage,
    FeedRestored,
    FillNotice,
    FrameRejected,
    MarketFeed,
    OrderNotice,
)
from kis_gateway.conditions import SERVICE, Conditions
from kis_gateway.errors import SettingsError
from kis_gateway.opening import Opening, StrategyUniverse, open_session
from kis_gateway.order_writer import OrderWriter
from kis_gateway.planner import PlanSettings
from kis_gateway.polling import Poller
from kis_gateway.publisher import Publisher
from kis_gateway.reconciliation import Reconciliation
from kis_gateway.router import Router
from kis_gateway.service_settings import GatewaySettings, gateway_settings
from kis_gateway.session_clock import SessionClock
from kis_gateway.session_past import SessionPast, read_past
from kis_gateway.settlement import Settlement
from kis_gateway.slots import SlotBook, SlotKeeper

_SETTLEMENT_DAYS: Final = 2
"""KRX stocks settle two sessions after the trade."""


async def run_gateway(
    *,
    log: Log,
    time: TimeSource,
    broker: Broker,
    feed: MarketFeed,
    settings: GatewaySettings,
    configuration: Mapping[str, str],
    universe: Sequence[StrategyUniverse],
    code_version: str,
    run: str,
    stop: asyncio.Event,
    on_progress: OnProgress = ignore_progress,
) -> None:
    """Run the gateway for the session of the present day until ``stop`` is set.

    ``configuration`` is every service's settings as JSON text by name and goes into
    ``SessionOpened``. ``run`` is unique per process start. ``on_progress`` is told the last log
    sequence the router dealt with, and how many entries, frames and opening questions wait; the
    latter is above 0 until the session is prepared. The caller closes ``broker`` and ``feed``.

    Raises:
        NotASession: there is no trading today.
        InquiryFailed: no opening balance.
        SettingsError: the session was opened with gateway settings that cannot be read.
        BusError, IllegalTransition: alone or in an exception group; start again.
    """
    # Before the first report: loading the calendar takes a while and must not cost market time.
    session = calendar.session(calendar.kst(time.now()).date())
    on_progress(0, 1)
    (started,) = await log.append([entry(log.account, _started(time, run, code_version, settings))])
    opening, opened = await open_session(
        log=log,
        broker=broker,
        time=time,
        session=session,
        configuration=configuration,
        code_version=code_version,
        head=started,
    )
    shaping = _opened_settings(opened, settings)
    head = max(started, opening)
    past = await read_past(log, opening=opening, head=head)
    gateway = _Gateway(
        log=log,
        time=time,
        broker=broker,
        feed=feed,
        settings=settings,
        orders=shaping.orders,
        universe=universe,
        run=run,
        on_progress=on_progress,
        session=session,
        opened=opened,
        opening=opening,
        head=head,
        past=past,
    )
    await gateway.run(stop, configuration)


def _opened_settings(opened: SessionOpened, settings: GatewaySettings) -> GatewaySettings:
    """Return the settings the session was opened with; ``settings`` when it names none."""
    text = opened.configuration.get(SERVICE)
    if text is None:
        return settings
    try:
        document = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise SettingsError(
            f"session {opened.trading_date} was opened with gateway settings that are no JSON "
            f"({error}); pass them as the JSON text of a GatewaySettings"
        ) from error
    return gateway_settings(document)


def _started(
    time: TimeSource, run: str, code_version: str, settings: GatewaySettings
) -> ServiceStarted:
    return ServiceStarted(
        at=time.now(),
        service=SERVICE,
        run=run,
        code_version=code_version,
        configuration=msgspec.to_builtins(settings),
    )


class _Gateway:
    """The parts of the process and how they start and end."""

    def __init__(
        self,
        *,
        log: Log,
        time: TimeSource,
        broker: Broker,
        feed: MarketFeed,
        settings: GatewaySettings,
        orders: PlanSettings,
        universe: Sequence[StrategyUniverse],
        run: str,
        on_progress: OnProgress,
        session: TradingSession,
        opened: SessionOpened,
        opening: int,
        head: int,
        past: SessionPast,
    ) -> None:
        self._time = time
        self._feed = feed
        self._settings = settings
        self._run = run
        self._on_progress = on_progress
        self._session = session
        self._opened = opened
        self._restarted = opening < head
        # The clock starts after the opening: where it has ticked, the strategies have their data.
        self._resumes = self._restarted and past.last_tick > 0
        self._prepared = False
        self._frames_aside = 0
        self._background: list[asyncio.Task[None]] = []
        self._logger = structlog.get_logger().bind(service=SERVICE, run=run)
        day, close_at = session.trading_date, session.close_at
        self._publisher = Publisher(
            log, run, capacity=settings.publisher_capacity, on_appended=self._report
        )
        self._conditions = Conditions(self._publisher, time)
        self._conditions.resume(past.degraded)
        self._writer = OrderWriter(log, run, opened)
        self._router = Router(
            log=log,
            time=time,
            broker=broker,
            writer=self._writer,
            publisher=self._publisher,
            conditions=self._conditions,
            session=opened,
            opening=opening,
            head=head,
            settings=orders,
            on_progress=self._report,
        )
        self._settlement = Settlement(
            writer=self._writer,
            broker=broker,
            time=time,
            conditions=self._conditions,
            day=day,
            close_at=close_at,
            settled_on=calendar.next_session(session.day, _SETTLEMENT_DAYS),
            board=self._router.core.board,
            settings=settings.inquiries,
        )
        self._reconciliation = Reconciliation(
            broker=broker,
            writer=self._writer,
            publisher=self._publisher,
            conditions=self._conditions,
            time=time,
            day=day,
            close_at=close_at,
            settings=settings.reconciliation,
            drifts=past.drifts,
        )
        self._poller = Poller(
            broker=broker,
            publisher=self._publisher,
            conditions=self._conditions,
            time=time,
            session=session,
            index_poll_s=settings.index_poll_s,
            program_poll_s=settings.program_poll_s,
        )
        self._opening = Opening(
            broker=broker,
            publisher=self._publisher,
            conditions=self._conditions,
            time=time,
            session=session,
            past=past,
            universes=universe,
            poller=self._poller,
            daily_bars=settings.daily_bars,
            concurrency=settings.opening_concurrency,
            on_progress=self._report,
        )
        self._clock = SessionClock(
            session, self._publisher, time, past, tail_s=settings.clock_tail_s
        )
        book = SlotBook(settings.slot_budget, {item.strategy: item.symbols for item in universe})
        for request in past.slots.values():
            book.request(request)
        self._slots = SlotKeeper(
            book=book,
            feed=feed,
            log=log,
            head=head,
            writer=self._writer,
            publisher=self._publisher,
            conditions=self._conditions,
            time=time,
            budget=settings.slot_budget,
        )

    async def run(self, stop: asyncio.Event, configuration: Mapping[str, str]) -> None:
        """Run until ``stop``; orders on their way to the broker are waited for."""
        async with asyncio.TaskGroup() as group:
            publishing = group.create_task(self._publisher.run())
            routing = group.create_task(self._router.run(stop))
            self._start(group, self._read_feed())
            self._start(group, self._prepare(group, configuration))
            await stop.wait()
            await routing
            for task in self._background:
                task.cancel()
            await self._publisher.offer(
                ServiceStopped(
                    at=self._time.now(), service=SERVICE, run=self._run, reason="asked to stop"
                )
            )
            await self._publisher.flush()
            publishing.cancel()
        self._logger.info("stopped")

    def _start(self, group: asyncio.TaskGroup, part: Coroutine[Any, Any, None]) -> None:
        self._background.append(group.create_task(part))

    async def _prepare(self, group: asyncio.TaskGroup, configuration: Mapping[str, str]) -> None:
        """Bring the parts up: orders first, then data, then the clock that starts the day.

        A day that has started goes on at once, and what data may be missing is asked for beside it.
        """
        if self._opened.configuration != dict(configuration):
            await self._conditions.degraded(
                "configuration_changed", "the session goes on with the one it was opened with"
            )
        await self._router.caught_up.wait()
        self._start(group, self._settlement.run())
        self._start(group, self._reconciliation.run())
        self._start(group, self._beat())
        if not self._resumes:
            await self._opening.run()
        self._start(group, self._slots.run())
        self._start(group, self._clock.run())
        self._start(group, self._poller.run())
        opening = group.create_task(self._opening.run()) if self._resumes else None
        if opening is not None:
            self._background.append(opening)
        await self._slots.applied.wait()
        if self._restarted:
            await self._publisher.offer(
                FeedGap(
                    at=self._time.now(),
                    service=SERVICE,
                    begun_at=self._router.past_market_at,
                    ended_at=self._time.now(),
                    symbols=(),
                    reason="the gateway was restarted",
                )
            )
        self._prepared = True
        self._report()
        self._logger.info("prepared", symbols=len(self._opening.symbols))
        if opening is not None:
            await opening
        await self._opening.backfill(
            self._slots.trades_since, after_open_s=self._settings.backfill_after_open_s
        )

    def _report(self) -> None:
        waiting = self._router.pending + self._publisher.backlog + self._opening.remaining
        self._on_progress(self._router.position, waiting + (not self._prepared))

    async def _beat(self) -> None:
        while True:
            await self._publisher.offer(
                Heartbeat(
                    at=self._time.now(),
                    service=SERVICE,
                    run=self._run,
                    position=self._router.position,
                    figures={
                        "frames": self._publisher.frames,
                        "batches": self._publisher.batches,
                        "largest_batch": self._publisher.largest_batch,
                        "backlog": self._publisher.backlog,
                        "orders_live": sum(1 for _ in self._writer.orders.live()),
                        "conditions": len(self._conditions.present),
                    },
                )
            )
            await self._time.sleep(self._settings.heartbeat_s)

    # -- feed ------------------------------------------------------------------------------------

    async def _read_feed(self) -> None:
        offer = self._publisher.offer
        async for message in self._feed.messages():
            if isinstance(message, TradeFrame | QuoteFrame | IndexLevel):
                await offer(message)
            else:
                await self._take_feed_event(message)
        await self._conditions.degraded("feed", "the feed has ended; restart the gateway")

    async def _take_feed_event(self, message: FeedMessage) -> None:
        match message:
            case FillNotice() | OrderNotice():
                await self._settlement.on_notice(message)
            case FeedLost():
                await self._conditions.degraded("feed", message.reason)
            case FeedRestored():
                await self._publisher.offer(
                    FeedGap(
                        at=self._time.now(),
                        service=SERVICE,
                        begun_at=message.lost_at,
                        ended_at=message.at,
                        symbols=(),
                        reason="the feed was down",
                    )
                )
                await self._conditions.recovered("feed", "connected, all feeds acknowledged")
                # Notices of the gap are not sent again.
                self._settlement.ask_now()
                self._reconciliation.ask_now()
            case FrameRejected():
                self._frames_aside += 1
                await self._publisher.offer(
                    FrameSetAside(
                        at=message.at,
                        service=SERVICE,
                        error=message.error,
                        frame=message.frame,
                        ordinal=self._frames_aside,
                    )
                )
            case _:
                pass
