"""The entry point of every service process: surroundings first, then the room's own run function.

A service process sets up its log file, opens the run's clock, connects to the log, says on the log
that it started and how it is doing once a minute of the run's clock, and ends on SIGTERM. Nothing
is decided here. The exit status tells the supervisor what to do: 0 ended as asked, 1 crashed (start
it again), ``EXIT_FATAL`` a reason that a restart cannot mend.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time as wall
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import msgspec
import structlog
import uvloop

from bus import (
    DataDirectoryError,
    Divergence,
    JetStreamLog,
    LogRegressed,
    Progress,
    ServerTooOld,
    SharedTime,
    StreamMismatch,
    entry,
)
from deploy import logs, service_bodies
from deploy.data_directory import DataDirectory, find_run
from deploy.errors import DeployError
from deploy.service_bodies import Context
from deploy.supervisor import EXIT_FATAL
from events.ops import Heartbeat, ServiceStarted, ServiceStopped
from kis_gateway.errors import AccountRefused, SettingsError

_log = structlog.get_logger()

_PATIENCE: Final = 60.0
_BEAT_SECONDS: Final = 60.0

_LASTING: Final = (
    DeployError,
    DataDirectoryError,
    Divergence,
    LogRegressed,
    ServerTooOld,
    StreamMismatch,
    SettingsError,
    AccountRefused,
)
"""Errors that are the same after a restart."""


def run_service(name: str, data_dir: Path) -> int:
    """Run one service of a run until it is told to end; return the exit status."""
    directory = find_run(data_dir)
    body = service_bodies.body(name)
    time = SharedTime(directory.clock)
    run = f"{os.getpid()}-{wall.time_ns()}"
    with logs.writing_to(
        None if sys.stderr.isatty() else directory.log_file(name),
        account=directory.manifest.account,
        service=name,
        run=run,
        time=time,
    ):
        try:
            uvloop.run(_Life(name, run, directory, time).run(body))
        except ExceptionGroup as group:
            _log.exception("service_failed")
            return EXIT_FATAL if group.subgroup(_LASTING) is not None else 1
        except Exception as error:  # noqa: BLE001 - the edge of the process: whatever it is, logged
            _log.exception("service_failed")
            return EXIT_FATAL if isinstance(error, _LASTING) else 1
    return 0


class _Life:
    """One life of one service."""

    def __init__(self, name: str, run: str, directory: DataDirectory, time: SharedTime) -> None:
        self._name = name
        self._run = run
        self._directory = directory
        self._time = time
        self._stop = asyncio.Event()
        self._progress: Progress | None = None
        self._position = 0
        self._pending = 0

    async def run(self, body: service_bodies.Body) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        context = Context(
            directory=self._directory,
            time=self._time,
            stop=self._stop,
            on_progress=self._report,
            run=self._run,
        )
        _log.info("service_begins", pid=os.getpid())
        async with AsyncExitStack() as stack:
            if not body.reads_log:
                await body.run(context)
            else:
                log = await self._connect()
                stack.push_async_callback(log.close)
                await self._with_log(body, context._replace(connection=log), log)
        _log.info("service_ends")

    def _report(self, position: int, pending: int) -> None:
        # Created at the first report: the file's existence says that the service is ready.
        if self._progress is None:
            self._progress = Progress(self._directory.progress(self._name))
        self._position, self._pending = position, pending
        self._progress.report(position, pending)

    async def _connect(self) -> JetStreamLog:
        manifest = self._directory.manifest
        return await JetStreamLog.connect(
            f"nats://127.0.0.1:{manifest.ports.nats}", manifest.account, patience=_PATIENCE
        )

    async def _with_log(
        self, body: service_bodies.Body, context: Context, log: JetStreamLog
    ) -> None:
        if not body.announces:
            await body.run(context)
            return
        await log.append([entry(log.account, self._started())])
        async with asyncio.TaskGroup() as group:
            beating = group.create_task(self._beat(log))
            await body.run(context)
            beating.cancel()
        stopped = ServiceStopped(
            at=self._time.now(), service=self._name, run=self._run, reason="asked to end"
        )
        await log.append([entry(log.account, stopped)])

    def _started(self) -> ServiceStarted:
        manifest = self._directory.manifest
        return ServiceStarted(
            at=self._time.now(),
            service=self._name,
            run=self._run,
            code_version=manifest.code_version,
            configuration=msgspec.to_builtins(manifest),
        )

    async def _beat(self, log: JetStreamLog) -> None:
        while True:
            await self._time.sleep(_BEAT_SECONDS)
            beat = Heartbeat(
                at=self._time.now(),
                service=self._name,
                run=self._run,
                position=self._position,
                figures={"pending": self._pending},
            )
            await log.append([entry(log.account, beat)])
