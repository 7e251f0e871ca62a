"""The gateway process: its parts, what each of them is given, how they start and end.

Orders come up first, then data, then the clock that starts the day. What always holds: a part that
fails ends the process; at the stop, orders on their way to the broker are waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, Final

import structlog

from bus import Lease, Log, OnProgress, TimeSource
from events import calendar
from events.calendar import TradingSession
from events.market import SessionOpened
from events.ops import Heartbeat, ServiceStopped
from kis_gateway.broker import Broker, MarketFeed
from kis_gateway.client.client_reports import ClientReports
from kis_gateway.conditions import SERVICE, Conditions
from kis_gateway.day.calendar_check import CalendarVerdict
from kis_gateway.day.masters import MasterFiles, MasterReading
from kis_gateway.day.opening import Opening, StrategyUniverse
from kis_gateway.day.polling import Poller
from kis_gateway.day.session_clock import SessionClock
from kis_gateway.day.session_past import SessionPast
from kis_gateway.feeds.backfill import Backfill
from kis_gateway.feeds.feed_intake import FeedIntake
from kis_gateway.feeds.feed_watch import FeedWatch
from kis_gateway.feeds.slot_book import Slot, SlotBook
from kis_gateway.feeds.slots import SlotKeeper
from kis_gateway.feeds.snapshots import SnapshotPoller
from kis_gateway.orders.first_look import FirstLook
from kis_gateway.orders.inquiry_health import InquiryHealth
from kis_gateway.orders.log_watch import LogWatch
from kis_gateway.orders.order_writer import OrderWriter
from kis_gateway.orders.planner import PlanSettings
from kis_gateway.orders.reconciliation import Reconciliation
from kis_gateway.orders.router import Router
from kis_gateway.orders.settlement import Settlement
from kis_gateway.publisher import Publisher
from kis_gateway.service_settings import GatewaySettings

STANDBY: Final = "standby"
"""Condition of a process that waits for another one to give up the right to act."""

_SETTLEMENT_DAYS: Final = 2
"""KRX stocks settle two sessions after the trade."""


class GatewayProcess:
    """The parts, how they are wired, how they start and end."""

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
        lease: Lease,
        on_progress: OnProgress,
        session: TradingSession,
        opened: SessionOpened,
        opening: int,
        head: int,
        past: SessionPast,
        calendar_verdict: CalendarVerdict | None,
        master_files: MasterFiles | None,
        client_reports: ClientReports | None = None,
        log_watch: LogWatch | None = None,
    ) -> None:
        """``orders`` shape orders, the rest of ``settings`` everything else; ``lease`` is held.

        Without ``master_files`` issues are what the broker's price answers say they are.
        """
        self._time = time
        self._settings = settings
        self._run = run
        self._lease = lease
        self._on_progress = on_progress
        self._session = session
        self._opened = opened
        self._restarted = opening < head
        # The clock starts after the opening: where it has ticked, the strategies have their data.
        self._resumes = self._restarted and past.last_tick > 0
        self._prepared = False
        self._past = past
        self._calendar_verdict = calendar_verdict
        self._client_reports = client_reports
        self._log_watch = log_watch
        self._background: list[asyncio.Task[None]] = []
        self._logger = structlog.get_logger().bind(service=SERVICE, run=run)
        day, close_at = session.trading_date, session.close_at
        self._publisher = Publisher(
            log, run, capacity=settings.publisher_capacity, on_appended=self._report
        )
        self._conditions = Conditions(self._publisher, time)
        self._conditions.resume(past.degraded)
        self._writer = OrderWriter(log, run, opened)
        first_look = FirstLook(time, exit_wait_s=settings.reconciliation.exit_wait_s)
        health = InquiryHealth(self._conditions)
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
            lease=lease,
            on_progress=self._report,
            first_look=first_look,
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
            health=health,
            first_look=first_look,
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
            health=health,
            first_look=first_look,
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
        self._masters = (
            None
            if master_files is None
            else MasterReading(master_files, self._publisher, self._conditions, time, day)
        )
        self._slots = self._make_slots(log, head, feed, universe)
        self._snapshots = SnapshotPoller(
            broker=broker,
            publisher=self._publisher,
            conditions=self._conditions,
            time=time,
            session=session,
            order=lambda: [slot.symbol for slot in self._slots.held],
            poll_s=settings.snapshot_poll_s,
        )
        self._gap_backfill = Backfill(
            broker=broker,
            publisher=self._publisher,
            conditions=self._conditions,
            time=time,
            session=session,
        )
        self._watch = FeedWatch(
            feed=feed,
            broker=broker,
            publisher=self._publisher,
            conditions=self._conditions,
            time=time,
            session=session,
            settings=settings.staleness,
            snapshots=self._snapshots,
            backfill=self._gap_backfill,
        )
        self._intake = FeedIntake(
            feed=feed,
            publisher=self._publisher,
            conditions=self._conditions,
            time=time,
            settlement=self._settlement,
            slots=self._slots,
            watch=self._watch,
            reconcile=self._reconcile,
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
            kind_of=lambda symbol: None if self._masters is None else self._masters.kind(symbol),
            on_reference=self._watch.refer,
        )
        self._clock = SessionClock(
            session, self._publisher, time, past, tail_s=settings.clock_tail_s
        )

    def _make_slots(
        self, log: Log, head: int, feed: MarketFeed, universe: Sequence[StrategyUniverse]
    ) -> SlotKeeper:
        budget = self._settings.slot_budget
        book = SlotBook(budget, {item.strategy: item.symbols for item in universe})
        for request in self._past.slots.values():
            book.request(request)
        return SlotKeeper(
            book=book,
            feed=feed,
            log=log,
            head=head,
            writer=self._writer,
            publisher=self._publisher,
            conditions=self._conditions,
            time=self._time,
            budget=budget,
            shown_at=self._past.slots_shown_at,
        )

    def _reconcile(self) -> None:
        self._settlement.ask_now()
        self._reconciliation.ask_now()

    async def run(self, stop: asyncio.Event, configuration: Mapping[str, str]) -> None:
        """Run until ``stop``; orders on their way to the broker are waited for."""
        async with asyncio.TaskGroup() as group:
            publishing = group.create_task(self._publisher.run())
            routing = group.create_task(self._router.run(stop))
            self._start(group, self._intake.run())
            if self._client_reports is not None:
                reporting = self._client_reports.run(self._publisher, self._conditions)
                self._start(group, reporting)
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
            if self._log_watch is not None:
                await self._log_watch.keep(self._router.position)
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
        await self._conditions.recovered(STANDBY, f"this run acts, by epoch {self._lease.epoch}")
        if self._calendar_verdict is not None:
            await self._calendar_verdict.report(self._conditions)
        await self._router.caught_up.wait()
        if self._restarted:
            self._watch.resume(map(Slot.parse, self._past.held), self._router.past_market_at)
        self._start(group, self._settlement.run())
        self._start(group, self._reconciliation.run())
        self._start(group, self._beat())
        if self._log_watch is not None:
            watching = self._log_watch.run(self._writer, lambda: self._router.position)
            self._start(group, watching)
        if not self._resumes:
            await self._open()
        for part in (self._slots, self._watch, self._snapshots, self._gap_backfill):
            self._start(group, part.run())
        self._start(group, self._clock.run())
        self._start(group, self._poller.run())
        opening = group.create_task(self._open()) if self._resumes else None
        if opening is not None:
            self._background.append(opening)
        await self._slots.applied.wait()
        self._prepared = True
        self._report()
        self._logger.info("prepared", symbols=len(self._opening.symbols))
        if opening is not None:
            await opening
        await self._opening.backfill(
            self._slots.trades_since,
            after_open_s=self._settings.backfill_after_open_s,
            again=lambda symbol: self._gap_backfill.want(symbol, self._time.now()),
        )

    async def _open(self) -> None:
        if self._masters is not None:
            await self._masters.run(frozenset(self._past.masters))
        await self._opening.run()

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
                        "lease_epoch": self._lease.epoch,
                        "orders_live": sum(1 for _ in self._writer.orders.live()),
                        "conditions": len(self._conditions.present),
                        "subscriptions": len(self._slots.held),
                        "subscriptions_live": self._watch.live,
                        "gaps": self._watch.gaps,
                        "backfills_waiting": self._gap_backfill.waiting,
                    },
                )
            )
            await self._time.sleep(self._settings.heartbeat_s)
