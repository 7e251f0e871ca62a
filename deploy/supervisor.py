"""Keeps the processes of a run alive, and ends them in order.

Every service is a process of its own in a session of its own: Ctrl-C at the terminal reaches the
supervisor alone, which then stops the services last started first. A service that ends unasked is
started again after a growing pause; one that keeps ending, or ends with ``EXIT_FATAL``, fails the
run. Services get SIGTERM from the kernel when the supervisor dies, however it dies.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec
import structlog

from bus import die_with_parent
from deploy.errors import CrashLoop, DeployError, ServiceFailed

EXIT_FATAL: Final = 78
"""Exit status by which a service says that a restart would not help (sysexits.h: EX_CONFIG)."""

HEALTHY_AFTER: Final = 30.0
"""Wall seconds of life after which earlier failures are forgiven."""

_FIRST_PAUSE: Final = 0.25
_LONGEST_PAUSE: Final = 8.0
_LOOP_COUNT: Final = 5
_LOOP_SECONDS: Final = 60.0
_GRACE: Final = 15.0

_log = structlog.get_logger()


class ServiceState(StrEnum):
    """What the supervisor knows of a service's process."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    FAILED = "failed"


class ServiceSpec(msgspec.Struct, frozen=True, kw_only=True):
    """How to start one service.

    ``environment`` is added to the supervisor's own and is never logged: secrets travel in it.
    ``log`` is where the service writes, named in errors. ``clears`` are files of an earlier life
    that must not be mistaken for this one's; they are removed before the start and after a crash.
    ``restartable`` is false for a service whose state dies with it: its end is the end of the run.
    """

    name: str
    command: tuple[str, ...]
    log: Path
    environment: Mapping[str, str] = {}
    clears: tuple[Path, ...] = ()
    grace: float = _GRACE
    restartable: bool = True


class RestartPolicy:
    """When a service that ended is started again. Pure: all times are handed in (wall seconds)."""

    def __init__(self, *, count: int = _LOOP_COUNT, within: float = _LOOP_SECONDS) -> None:
        """Give up once a service has ended ``count`` times ``within`` seconds."""
        self.count = count
        self.within = within
        self._ends: deque[float] = deque(maxlen=count)
        self._pause = _FIRST_PAUSE

    def pause_after(self, *, started: float, ended: float) -> float | None:
        """Return the seconds to wait before the next start, ``None`` for a crash loop."""
        if ended - started >= HEALTHY_AFTER:
            self._ends.clear()
            self._pause = _FIRST_PAUSE
        self._ends.append(ended)
        if len(self._ends) == self.count and ended - self._ends[0] <= self.within:
            return None
        pause = self._pause
        self._pause = min(pause * 2, _LONGEST_PAUSE)
        return pause


class Service:
    """One supervised service: its specification, state, process id and number of restarts."""

    def __init__(self, spec: ServiceSpec) -> None:
        self.spec = spec
        self.state = ServiceState.STOPPED
        self.pid: int | None = None
        self.restarts = 0
        self.stopping = asyncio.Event()
        self.task: asyncio.Task[None] | None = None


class Supervisor:
    """Runs services; an async context manager that leaves none behind.

    ``pids`` maps a service name to the file that holds its process id while it runs.
    """

    def __init__(
        self,
        pids: Callable[[str], Path],
        *,
        policy: Callable[[], RestartPolicy] = RestartPolicy,
    ) -> None:
        self.services: dict[str, Service] = {}
        self._pids = pids
        self._policy = policy
        self._failure: asyncio.Future[DeployError] | None = None

    async def __aenter__(self) -> Self:
        self._failure = asyncio.get_running_loop().create_future()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for name in reversed(self.services):
            await self.stop(name)

    def start(self, spec: ServiceSpec) -> None:
        """Start a service and keep it alive from now on."""
        assert spec.name not in self.services, f"{spec.name} was started before"
        service = Service(spec)
        self.services[spec.name] = service
        service.task = asyncio.create_task(self._keep(service), name=f"keep {spec.name}")

    async def stop(self, name: str) -> None:
        """Stop a service: SIGTERM, and SIGKILL when its grace period is over; idempotent."""
        service = self.services[name]
        service.stopping.set()
        if service.task is not None:
            # Waiting must not be cut short half-way: a process would be left behind.
            await asyncio.shield(service.task)

    async def failure(self) -> None:
        """Wait for ever, or raise as soon as a service cannot be kept alive.

        Raises:
            CrashLoop: it ended too often in a short time.
            ServiceFailed: it said that a restart would not help.
        """
        assert self._failure is not None
        raise await asyncio.shield(self._failure)

    async def _keep(self, service: Service) -> None:
        policy = self._policy()
        spec = service.spec
        _clear(spec)
        while not service.stopping.is_set():
            started = time.monotonic()
            try:
                status = await self._live_once(service)
            except OSError as error:
                self._fail(service, ServiceFailed(spec.name, error.errno or 0, spec.log))
                return
            if service.stopping.is_set():
                break
            # At once: while it pauses, nobody must take its last report for the present.
            _clear(spec)
            _log.warning("service_ended", service=spec.name, status=status)
            if status == EXIT_FATAL or not spec.restartable:
                self._fail(service, ServiceFailed(spec.name, status, spec.log))
                return
            pause = policy.pause_after(started=started, ended=time.monotonic())
            if pause is None:
                loop = CrashLoop(spec.name, policy.count, policy.within, spec.log)
                self._fail(service, loop)
                return
            service.state = ServiceState.PAUSED
            service.restarts += 1
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(service.stopping.wait(), pause)
        service.state = ServiceState.STOPPED

    async def _live_once(self, service: Service) -> int:
        """Start the process and return its exit status once it has ended."""
        spec = service.spec
        # Services log to this file themselves; what lands here besides is the interpreter's own
        # last words, and they must not be lost.
        with spec.log.open("ab") as last_words:
            process = await asyncio.create_subprocess_exec(
                *spec.command,
                env={**os.environ, **spec.environment},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=last_words,
                stderr=last_words,
                start_new_session=True,
                preexec_fn=die_with_parent(os.getpid()),
            )
        pid_file = self._pids(spec.name)
        pid_file.write_text(str(process.pid))
        service.pid = process.pid
        service.state = ServiceState.RUNNING
        _log.info("service_started", service=spec.name, pid=process.pid)
        ended = asyncio.create_task(process.wait())
        asked = asyncio.create_task(service.stopping.wait())
        try:
            await asyncio.wait((ended, asked), return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                await _end(process, spec)
            return await ended
        finally:
            asked.cancel()
            service.pid = None
            pid_file.unlink(missing_ok=True)

    def _fail(self, service: Service, error: DeployError) -> None:
        service.state = ServiceState.FAILED
        assert self._failure is not None
        if not self._failure.done():
            self._failure.set_result(error)


def _clear(spec: ServiceSpec) -> None:
    for path in spec.clears:
        path.unlink(missing_ok=True)


async def _end(process: asyncio.subprocess.Process, spec: ServiceSpec) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(spec.grace):
            await process.wait()
    except TimeoutError:
        _log.error("service_killed", service=spec.name, grace=spec.grace)
        # Its whole group: what it started must not outlive it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
