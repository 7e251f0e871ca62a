"""The service processes of a drill ground: forked by the zygote, kept alive, killed on request."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Final, Self

import msgspec

from deploy.data_directory import DataDirectory, Ports
from deploy.supervisor import EXIT_FATAL
from tests.chaos.zygote import TWIN, Note, Start

_READY_SECONDS: Final = 60.0
_LONGEST_LINE: Final = 1 << 16
_PAUSE_AFTER_FAILURE: Final = 0.1


class Zygote:
    """The process that forks services, for one ground after another; a context manager."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._ended: Callable[[Note], None] = lambda _: None

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.chaos.zygote",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            start_new_session=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        async with asyncio.timeout(_READY_SECONDS):
            await self._process.stdout.readline()
        self._reading = asyncio.create_task(self._read(self._process.stdout))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._process is not None
        assert self._reading is not None
        self._process.kill()  # its children get SIGKILL from the kernel
        await self._process.wait()
        self._reading.cancel()

    def listen(self, heard: Callable[[Note], None]) -> None:
        """Tell of every child that begins or ends from now on."""
        self._ended = heard

    def start(self, order: Start) -> None:
        """Start a service; the note of its beginning follows."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(order) + b"\n")

    async def _read(self, output: asyncio.StreamReader) -> None:
        while line := await output.readline():
            self._ended(msgspec.json.decode(line, type=Note))


class Processes:
    """The services of one ground: what should run runs."""

    def __init__(
        self,
        zygote: Zygote,
        directory: DataDirectory,
        exchange: Ports,
        secrets: Mapping[str, str],
        broken: str,
    ) -> None:
        self._zygote = zygote
        self._directory = directory
        self._exchange = exchange
        self._secrets = dict(secrets)
        self._broken = broken
        self._wanted: set[str] = set()
        self._pids: dict[str, int] = {}
        self._names: dict[int, str] = {}
        self._idle = asyncio.Event()
        self.killed: Counter[str] = Counter()
        """Deaths by SIGKILL, marked steps included, by service."""
        self.ended: Counter[str] = Counter()
        """Ends of their own, by service."""
        self.fatal: list[str] = []
        """Services that said that a restart does not help."""
        zygote.listen(self._note)

    def start(self, name: str) -> None:
        """Start a service and keep it alive."""
        self._wanted.add(name)
        self._launch(name)

    def is_running(self, name: str) -> bool:
        """Return whether the process lives."""
        return name in self._pids

    @property
    def all_running(self) -> bool:
        """Whether everything that should run does."""
        return self._wanted <= set(self._pids)

    def send(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a service's process, if it lives."""
        pid = self._pids.get(name)
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def let_go(self, name: str) -> None:
        """Do not start a service again when it ends."""
        self._wanted.discard(name)

    async def stop_all(self, patience: float) -> None:
        """Ask all to end, postgres last; kill what has not ended in time."""
        self._wanted.clear()
        for names in (set(self._pids) - {"postgres"}, {"postgres"}):
            for name in names:
                self.send(name, signal.SIGCONT)
                self.send(name, signal.SIGTERM if name == "postgres" else signal.SIGKILL)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    while names & set(self._pids):
                        await asyncio.sleep(0.01)
        for name in tuple(self._pids):
            self.send(name, signal.SIGKILL)

    def _launch(self, name: str) -> None:
        self._clear(name)
        self._zygote.start(
            Start(
                service=name,
                directory=str(self._directory.path),
                environment=self._secrets if name in ("simulator", "gateway", TWIN) else {},
                exchange=self._exchange,
                broken=self._broken,
            )
        )

    def _clear(self, name: str) -> None:
        self._directory.progress(name).unlink(missing_ok=True)
        if name == "postgres":
            self._directory.database_address.unlink(missing_ok=True)

    def _note(self, note: Note) -> None:
        if note.status is None:
            self._pids[note.service] = note.pid
            self._names[note.pid] = note.service
            return
        name = self._names.pop(note.pid, "")
        if self._pids.get(name) == note.pid:
            del self._pids[name]
            self._clear(name)
        if name not in self._wanted:
            return
        if note.status == -signal.SIGKILL:
            self.killed[name] += 1
            self._launch(name)
            return
        self.ended[name] += 1
        if note.status == EXIT_FATAL:
            self.fatal.append(name)
        asyncio.get_running_loop().call_later(_PAUSE_AFTER_FAILURE, self._again, name)

    def _again(self, name: str) -> None:
        if name in self._wanted and name not in self._pids:
            self._launch(name)
