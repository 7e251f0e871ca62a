"""One directory holds everything of one run: its log, database, configuration, clock and files.

    manifest.json   what the run is: layout version, account, date, market, speed, ports, code
    config/*.yaml   the configuration this run uses, every default written out
    nats/           the log (JetStream store)
    postgres/       the read models; disposable
    logs/           one file of JSON lines per service
    run/            clock, progress and pid files, the lock; meaningless once the run has ended
    kis/            broker token cache, readable by the owner only
    recordings/     sealed days of the log; made with the first of them

What always holds: nothing of a run lies outside its directory; one process at a time holds the
lock; a directory of another layout version is refused untouched; no file here contains a secret
except the token cache.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from deploy.errors import DirectoryInUse, DirectoryNotEmpty, DirectoryVersion, NoRun
from events import AccountId, TradingDate

LAYOUT: Final = 1
"""Version of the directory layout. It changes when older code could misread a directory."""

RUNS: Final = Path("kst-data")
"""Where runs are kept when no directory is named, relative to the working directory."""

_FOLDERS: Final = ("config", "nats", "postgres", "logs", "run", "kis")


class Ports(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The loopback TCP ports of a run, chosen once so that a restarted service is found again.

    ``rest``, ``feed`` and ``admin`` are the simulated broker's.
    """

    nats: int
    rest: int
    feed: int
    admin: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a run is. Written once, before the first service starts.

    ``start`` is the first instant of the run's clock (ns UTC), ``speed`` simulated seconds per wall
    second. ``bars`` is the folder of recorded minutes, ``None`` for the synthetic market made from
    ``seed``. ``symbols`` is how many symbols the market lists.
    """

    layout: int
    account: AccountId
    trading_date: TradingDate
    start: int
    speed: float
    bars: str | None
    seed: int
    symbols: int
    strategies: tuple[str, ...]
    code_version: str
    ports: Ports


class DataDirectory:
    """The places inside one run's directory, and its manifest."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path = path
        self.manifest = manifest

    @classmethod
    def create(cls, path: Path, manifest: Manifest) -> Self:
        """Make the directory of a new run.

        Raises:
            DirectoryNotEmpty: something is already there.
        """
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise DirectoryNotEmpty(path)
        path.mkdir(parents=True, exist_ok=True)
        for folder in _FOLDERS:
            (path / folder).mkdir(mode=0o700 if folder == "kis" else 0o755)
        text = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
        (path / "manifest.json").write_bytes(text + b"\n")
        return cls(path, manifest)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the directory of an existing run; nothing in it is changed.

        Raises:
            NoRun: no directory, no manifest, or one that cannot be read.
            DirectoryVersion: it has another layout.
        """
        try:
            text = (path / "manifest.json").read_bytes()
        except OSError as error:
            raise NoRun(path, "it has no manifest.json") from error
        try:
            layout = msgspec.json.decode(text, type=_LayoutOnly).layout
            if layout != LAYOUT:
                raise DirectoryVersion(path, layout, LAYOUT)
            manifest = msgspec.json.decode(text, type=Manifest)
        except msgspec.MsgspecError as error:
            raise NoRun(path, f"manifest.json cannot be read ({error})") from error
        return cls(path, manifest)

    @property
    def nats(self) -> Path:
        """The JetStream store."""
        return self.path / "nats"

    @property
    def recordings(self) -> Path:
        """The folder of sealed days, ``<account>/<date>/`` in it; not there before the first."""
        return self.path / "recordings"

    @property
    def logs(self) -> Path:
        """The folder of log files."""
        return self.path / "logs"

    @property
    def clock(self) -> Path:
        """The file of the run's shared clock."""
        return self.path / "run" / "clock"

    @property
    def database_address(self) -> Path:
        """The file in which the run's PostgreSQL says where it listens; no password is in it."""
        return self.path / "run" / "postgres.address"

    @property
    def lock_file(self) -> Path:
        """The file whose lock says that the run is in use."""
        return self.path / "run" / "lock"

    @property
    def token_cache(self) -> Path:
        """The broker tokens, so that a restart does not ask for new ones."""
        return self.path / "kis"

    def configuration(self, name: str) -> Path:
        """Return the file of one service's configuration."""
        return self.path / "config" / f"{name}.yaml"

    def log_file(self, service: str) -> Path:
        """Return the file a service writes its log lines to."""
        return self.logs / f"{service}.jsonl"

    def progress(self, service: str) -> Path:
        """Return the file in which a service reports how far it is."""
        return self.path / "run" / f"{service}.progress"

    def pid_file(self, service: str) -> Path:
        """Return the file that holds the process id of a running service."""
        return self.path / "run" / f"{service}.pid"


class RunLock:
    """Exclusive use of a data directory, as a context manager.

    The lock is the kernel's (``flock``): it ends with the process, however that ends.
    """

    def __init__(self, directory: DataDirectory) -> None:
        self._directory = directory
        self._descriptor = -1

    def __enter__(self) -> Self:
        """Take the lock.

        Raises:
            DirectoryInUse: another process has it.
        """
        descriptor = os.open(self._directory.lock_file, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise DirectoryInUse(self._directory.path, _holder(self._directory)) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        self._descriptor = descriptor
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self._descriptor)


def is_running(directory: DataDirectory) -> bool:
    """Return whether a process holds the directory's lock at this moment."""
    try:
        with RunLock(directory):
            return False
    except DirectoryInUse:
        return True


def new_run(runs: Path, day: TradingDate) -> Path:
    """Return ``<runs>/<yyyy-mm-dd>-<n>`` with the first ``n`` that is free, and make it."""
    runs.mkdir(parents=True, exist_ok=True)
    ordinal = 1
    while True:
        path = runs / f"{day[:4]}-{day[4:6]}-{day[6:]}-{ordinal}"
        try:
            path.mkdir()
        except FileExistsError:
            ordinal += 1
        else:
            return path


def point_latest_at(path: Path) -> None:
    """Make the ``latest`` link beside a run's directory lead to it, in one step."""
    link = path.parent / "latest"
    fresh = path.parent / f".latest-{os.getpid()}"
    fresh.symlink_to(path.name, target_is_directory=True)
    fresh.replace(link)


def find_run(path: Path | None) -> DataDirectory:
    """Open the run at ``path``, or the latest one of the working directory.

    Raises:
        NoRun: there is none.
        DirectoryVersion: it has another layout.
    """
    if path is None:
        path = RUNS / "latest"
        if not path.exists():
            raise NoRun(path, "no run has been started from this directory")
    return DataDirectory.open(path.resolve())


class _LayoutOnly(msgspec.Struct):
    layout: int


def _holder(directory: DataDirectory) -> int | None:
    text = directory.lock_file.read_text()
    return int(text) if text.isdecimal() else None
