"""What each service of a run does: the rooms' run functions, wired to the run's directory.

nats and postgres are servers; simulator stands for the broker and the exchange; gateway is the only
one that speaks to it; risk, guard and the strategies are pure processors; projector and auditor
read. Each imports what it needs when it runs: ten processes start at once, on few cores.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import psutil
import structlog

from bus import (
    JetStreamLog,
    NatsServer,
    OnProgress,
    ProcessorFactory,
    RawRecorder,
    SharedTime,
    entry,
    run_auditor,
    run_processor,
)
from deploy import processors
from deploy.data_directory import DataDirectory
from deploy.errors import DeployError
from events.ops import Degraded, Recovered

_ADDRESS_PATIENCE: Final = 60.0
_SERVER_PATIENCE: Final = 20.0
_RECORDING: Final = ("gateway", "raw_recording")
"""Service and condition under which trouble with the undecoded frames is reported."""


class ServerEnded(DeployError):
    """A server that a service is there to run has ended by itself."""

    def __init__(self, server: str, log: Path) -> None:
        super().__init__(f"{server} ended by itself", f"The last lines of {log} say why.")


class Context(NamedTuple):
    """What a service is given. ``connection`` is there for services that read the log."""

    directory: DataDirectory
    time: SharedTime
    stop: asyncio.Event
    on_progress: OnProgress
    run: str
    connection: JetStreamLog | None = None

    @property
    def log(self) -> JetStreamLog:
        """The log of the run's account."""
        assert self.connection is not None, "this service was not connected to the log"
        return self.connection


class Body(NamedTuple):
    """How a service runs.

    ``reads_log`` asks for a connection; ``announces`` has its life reported on the log for it.
    """

    run: Callable[[Context], Awaitable[None]]
    reads_log: bool = True
    announces: bool = False


def body(service: str) -> Body:
    """Return what a service does.

    Raises:
        UnknownStrategy: there is no service of that name.
    """
    if service in _BODIES:
        return _BODIES[service]
    factory = processors.factory(service)
    return Body(partial(_processor, factory=factory), announces=True)


async def _nats(context: Context) -> None:
    directory = context.directory
    await asyncio.to_thread(_end_left_behind, directory.nats)
    async with NatsServer(directory.nats, port=directory.manifest.ports.nats) as server:
        ended = asyncio.create_task(server.wait())
        asked = asyncio.create_task(_stay(context))
        await asyncio.wait((ended, asked), return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        asked.cancel()
        if not context.stop.is_set():
            raise ServerEnded("nats-server", directory.nats / "nats-server.log")


def _end_left_behind(store: Path) -> None:
    """End the server of a killed nats service: it still has the port and the store.

    A process is ours only if it runs with this store's configuration; ids are used again.
    """
    try:
        process = psutil.Process(int((store / "nats-server.pid").read_text()))
        if str(store / "nats-server.conf") not in process.cmdline():
            return
        process.terminate()
        process.wait(_SERVER_PATIENCE)
    except (OSError, ValueError, psutil.NoSuchProcess):
        return


async def _postgres(context: Context) -> None:
    from projections import EmbeddedPostgres

    server = EmbeddedPostgres(context.directory.path)
    try:
        address = await asyncio.to_thread(server.start)
        context.directory.database_address.write_text(address)
        await _stay(context)
    finally:
        await asyncio.to_thread(server.stop)


async def _stay(context: Context) -> None:
    """Say once a second that all is well, until the service is told to end."""
    while not context.stop.is_set():
        context.on_progress(0, 0)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(context.stop.wait(), 1.0)


async def _simulator(context: Context) -> None:
    from deploy.simulated_broker import run_simulator
    from kis_gateway.client.redaction import guard_logs

    guard_logs(os.environ)
    await run_simulator(context.directory, context.time, context.stop, context.on_progress)


async def _gateway(context: Context) -> None:
    from deploy import run_configuration
    from kis_gateway import KisBroker, KisFeed, from_environment, run_gateway
    from kis_gateway.client.account_proof import prove_account
    from kis_gateway.client.redaction import guard_logs
    from kis_gateway.client.rest import open_http
    from kis_gateway.day.masters import MasterFiles
    from kis_gateway.settings import Environment

    guard_logs(os.environ)
    directory, ports = context.directory, context.directory.manifest.ports
    settings = from_environment(
        os.environ,
        token_folder=directory.token_cache,
        rest_url=f"http://127.0.0.1:{ports.rest}",
        websocket_url=f"ws://127.0.0.1:{ports.feed}",
    )
    configuration = run_configuration.read(directory.path / "config")
    async with (
        RawRecorder(context.log, on_trouble=partial(_report_recording, context)) as raw,
        KisBroker(settings, context.time, record=raw.record) as broker,
        open_http() as http,
        asyncio.TaskGroup() as group,
    ):
        await prove_account(broker, settings)
        renewing = group.create_task(broker.credentials.keep_fresh())
        feed = KisFeed(settings, broker.credentials, context.time, record=raw.record)
        try:
            await run_gateway(
                log=context.log,
                time=context.time,
                broker=broker,
                feed=feed,
                settings=configuration.gateway,
                configuration=configuration.session_texts(),
                universe=run_configuration.read_universe(directory),
                code_version=directory.manifest.code_version,
                run=context.run,
                stop=context.stop,
                on_progress=context.on_progress,
                compare_calendar=settings.environment is Environment.REAL,
                folder=directory.path / "broker",
                master_files=MasterFiles(
                    http, directory.path / "masters", context.time, settings.rest
                ),
                limits=settings.budget,
                reports=broker.reports,
                stuck=_end_hard,
            )
        finally:
            renewing.cancel()
            await feed.aclose()


def _end_hard() -> None:
    """End this process at once; the supervisor starts it again, and the log has all it needs."""
    structlog.get_logger().error("gateway_stuck", remedy="ended, to be started again")
    os._exit(1)


async def _report_recording(context: Context, lost: int, reason: str) -> None:
    """Say on the log that undecoded frames were not stored, or (with 0) that they are again."""
    now = context.time.now()
    event = (
        Degraded(
            at=now,
            service=_RECORDING[0],
            condition=_RECORDING[1],
            detail=f"{lost} undecoded frames were not stored: {reason}",
        )
        if lost
        else Recovered(at=now, service=_RECORDING[0], condition=_RECORDING[1], detail=reason)
    )
    await context.log.append((entry(context.log.account, event),))


async def _processor(context: Context, *, factory: ProcessorFactory) -> None:
    await run_processor(context.log, factory, stop=context.stop, on_progress=context.on_progress)


async def _projector(context: Context) -> None:
    from projections import URL_VARIABLE, run_projector

    await run_projector(
        log=context.log,
        dsn=os.environ.get(URL_VARIABLE) or await _database_address(context.directory),
        account=context.directory.manifest.account,
        stop=context.stop,
        on_progress=context.on_progress,
    )


async def _auditor(context: Context) -> None:
    await run_auditor(context.log, stop=context.stop, on_progress=context.on_progress)


async def _database_address(directory: DataDirectory) -> str:
    """Return where the run's PostgreSQL listens, as soon as its service has said so."""
    file = directory.database_address
    async with asyncio.timeout(_ADDRESS_PATIENCE):
        while not file.exists() or not (address := file.read_text()):
            # Another process writes the file; wall time, because the run's clock may stand still.
            await asyncio.sleep(0.05)
    return address


_BODIES: Final = {
    "nats": Body(_nats, reads_log=False),
    "postgres": Body(_postgres, reads_log=False),
    "simulator": Body(_simulator, reads_log=False),
    # The gateway reports its own life; the auditor's topic holds seals only.
    "gateway": Body(_gateway),
    "projector": Body(_projector, announces=True),
    "auditor": Body(_auditor),
}
