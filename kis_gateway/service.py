"""The gateway process: one broker connection, one log, everything between them.

Start-up is recovery and failure is a restart: whatever goes wrong beyond a reported condition ends
``run_gateway`` with the error, and the next start finds on the log what the last one left. A
restart inside the session trades as soon as the past is read: no question about a symbol delays the
clock, the subscriptions or an exit. Orders are shaped by the settings that the session was opened
with, so that a restart with another file changes no decision. One process at a time acts on an
account: a second one asks the broker nothing and waits until the first has ended or is silent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Final

import msgspec
import structlog

from bus import Holder, Lease, Log, OnProgress, TimeSource, entry, ignore_progress
from events import calendar
from events.market import SessionOpened
from events.ops import Degraded, ServiceStarted
from kis_gateway.broker import Broker, MarketFeed
from kis_gateway.budget import request_budget, require_room
from kis_gateway.client.client_reports import ClientReports
from kis_gateway.conditions import SERVICE
from kis_gateway.day.calendar_check import DIFFERS, CalendarVerdict, check_calendar
from kis_gateway.day.masters import MasterFiles
from kis_gateway.day.opening import StrategyUniverse, open_session
from kis_gateway.day.session_past import read_past
from kis_gateway.errors import SettingsError
from kis_gateway.gateway_process import STANDBY, GatewayProcess
from kis_gateway.orders.log_watch import LogWatch
from kis_gateway.service_settings import GatewaySettings, gateway_settings
from kis_gateway.settings import Limits

LEASE: Final = "router"
"""Name of the lease of the process that may send orders."""


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
    compare_calendar: bool = False,
    folder: Path | None = None,
    master_files: MasterFiles | None = None,
    limits: Limits | None = None,
    reports: ClientReports | None = None,
    stuck: Callable[[], None] | None = None,
) -> None:
    """Run the gateway for the session of the present day until ``stop`` is set.

    ``configuration`` is every service's settings as JSON text by name and goes into
    ``SessionOpened``. ``run`` is unique per process start. ``on_progress`` is told the last log
    sequence the router dealt with, and how many entries, frames and opening questions wait; the
    latter is above 0 until the session is prepared. The caller closes ``broker`` and ``feed``.

    ``compare_calendar`` asks the broker once a day whether the exchange opens; ``folder`` keeps
    its answer, and the mark by which a log that went backwards is noticed. ``master_files`` are
    read before the session when given. ``limits`` is the call budget that the steady questions must
    fit; ``reports`` is what the client has to say about it. ``stuck`` is called when this gateway
    has lost its lease and does not come to its end: the process is to be ended then.

    While another process holds the account's lease this one waits as its standby; once it has taken
    over it runs the session of that moment.

    Raises:
        LeaseLost: another process has taken over; start again, as its standby.
        NotASession: there is no trading today, by our calendar or by the broker's.
        InquiryFailed: no opening balance.
        BudgetExceeded: the settings ask for more calls than ``limits`` allow in the long run.
        SettingsError: the session was opened with gateway settings that cannot be read.
        BusError, IllegalTransition: alone or in an exception group; start again.
    """
    if limits is not None:
        _check_budget(settings, limits, universe)
    calendar.session(calendar.kst(time.now()).date())  # a day without trading is said first
    lease = Lease(log, LEASE, run, now=time.now)
    if not await lease.acquire(stop, _Standby(log, time, on_progress).report):
        return
    async with lease.kept(stuck):
        # It may have been waited for until another day.
        session = calendar.session(calendar.kst(time.now()).date())
        on_progress(0, 1)
        verdict = None
        if compare_calendar:
            verdict = await _compared(log, broker, time, session.day, folder)
        log_watch = None if folder is None else LogWatch(log, time, folder)
        if log_watch is not None:
            await log_watch.halt_if_regressed()
        (started,) = await log.append(
            [entry(log.account, _started(time, run, code_version, settings))]
        )
        opening, opened = await open_session(
            log=log,
            broker=broker,
            time=time,
            session=session,
            configuration=configuration,
            code_version=code_version,
            head=started,
            run=run,
        )
        shaping = _opened_settings(opened, settings)
        head = max(started, opening)
        past = await read_past(log, opening=opening, head=head)
        gateway = GatewayProcess(
            log=log,
            time=time,
            broker=broker,
            feed=feed,
            settings=settings,
            orders=shaping.orders,
            universe=universe,
            run=run,
            lease=lease,
            on_progress=on_progress,
            session=session,
            opened=opened,
            opening=opening,
            head=head,
            past=past,
            calendar_verdict=verdict,
            master_files=master_files,
            client_reports=reports,
            log_watch=log_watch,
        )
        await gateway.run(stop, configuration)


class _Standby:
    """Says on the log, once, that and for whom this process waits."""

    def __init__(self, log: Log, time: TimeSource, on_progress: OnProgress) -> None:
        self._log = log
        self._time = time
        self._on_progress = on_progress
        self._told: Holder | None = None

    async def report(self, holder: Holder) -> None:
        """Report who holds the lease."""
        self._on_progress(0, 1)
        if holder == self._told:
            return
        self._told = holder
        detail = f"run {holder.run} of {holder.process} may act, by epoch {holder.epoch}"
        structlog.get_logger().warning(STANDBY, detail=detail)
        event = Degraded(at=self._time.now(), service=SERVICE, condition=STANDBY, detail=detail)
        await self._log.append([entry(self._log.account, event)])


def _check_budget(
    settings: GatewaySettings, limits: Limits, universe: Sequence[StrategyUniverse]
) -> None:
    symbols = {symbol for item in universe for symbol in item.symbols}
    budget = request_budget(settings, limits, symbols=len(symbols))
    structlog.get_logger().info("request_budget", table=budget.table().splitlines())
    require_room(budget)


async def _compared(
    log: Log, broker: Broker, time: TimeSource, day: date, folder: Path | None
) -> CalendarVerdict:
    """Return the comparison of the calendars; a day that may not be opened is reported first."""
    verdict = await check_calendar(broker, day, folder)
    if verdict.differences.get(day) is False:
        detail = f"{verdict.describe()}: the session is not opened"
        event = Degraded(at=time.now(), service=SERVICE, condition=DIFFERS, detail=detail)
        await log.append([entry(log.account, event)])
    verdict.require_open()
    return verdict


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
