"""Where commands meet a run: its log, and the append of what a person orders.

What always holds: a command appends exactly one event, durably, or says that it did not; it reports
whether the gate has read on past that event, because until then nothing obeys it.
"""

from __future__ import annotations

import asyncio
import getpass
import time as wall
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec

from bus import JetStreamLog, Progress, SharedTime, entry
from deploy.controls.in_force import TOPICS, InForce
from deploy.data_directory import RUNS, DataDirectory, find_run, is_running
from deploy.errors import DirectoryError, NotRunning, ReasonMissing
from deploy.log_access import open_log, read_to_head
from deploy.processors import GATE
from events import Event, codec

_OBEYED_WITHIN: Final = 3.0
_LOOK_EVERY: Final = 0.005


class Issued(msgspec.Struct, frozen=True, kw_only=True):
    """A command's event on one log.

    ``obeyed_ms`` is wall milliseconds from the command's append to the gate having read it, and
    ``None`` when it had not within three seconds.
    """

    data_dir: str
    account: str
    sequence: int
    event: str
    obeyed_ms: float | None


class Desk:
    """One run's log, for a command."""

    def __init__(self, directory: DataDirectory, log: JetStreamLog) -> None:
        self.directory = directory
        self.log = log
        self._clock = SharedTime(directory.clock)

    def now(self) -> int:
        """Return the run's clock, ns UTC."""
        return self._clock.now()

    async def sleep(self, seconds: float) -> None:
        """Wait by the run's clock."""
        await self._clock.sleep(seconds)

    async def in_force(self) -> InForce:
        """Return what the log says now."""
        state = InForce()
        await read_to_head(
            self.log,
            lambda recorded: state.take(recorded.sequence, codec.decode(recorded.payload)),
            TOPICS,
        )
        return state

    async def issue(self, event: Event) -> Issued:
        """Append an event, and wait until the gate has read it.

        Raises:
            AppendUnknown: the log did not answer; look with ``kst status`` before trying again.
        """
        begun = wall.monotonic()
        (sequence,) = await self.log.append([entry(self.log.account, event)])
        obeyed = await self._read_past(sequence, begun)
        return Issued(
            data_dir=str(self.directory.path),
            account=str(self.log.account),
            sequence=sequence,
            event=codec.event_name(event),
            obeyed_ms=obeyed,
        )

    async def _read_past(self, sequence: int, begun: float) -> float | None:
        file = self.directory.progress(GATE)
        while (spent := wall.monotonic() - begun) < _OBEYED_WITHIN:
            progress = Progress.read(file)
            if progress is not None and progress.position >= sequence:
                return spent * 1_000
            await asyncio.sleep(_LOOK_EVERY)
        return None


@asynccontextmanager
async def open_desk(data_dir: Path | None) -> AsyncIterator[Desk]:
    """Open the log of a run that is going.

    Raises:
        NoRun: there is no run.
        NotRunning: the run has ended, so nothing would follow a command.
        BusError: its log cannot be reached.
    """
    directory = find_run(data_dir)
    if not is_running(directory):
        raise NotRunning(directory.path)
    async with open_log(directory) as log:
        yield Desk(directory, log)


def running_runs(data_dirs: tuple[Path, ...]) -> tuple[Path, ...]:
    """Return the directories of all runs that are going, or those named.

    Raises:
        NotRunning: none is going.
    """
    if data_dirs:
        return data_dirs
    found = tuple(path for path in sorted(RUNS.glob("*")) if _is_going(path))
    if not found:
        raise NotRunning(RUNS)
    return found


def _is_going(path: Path) -> bool:
    """Return whether a run is going; a folder that is none, or another version's, is passed by."""
    if path.is_symlink():
        return False
    try:
        return is_running(DataDirectory.open(path))
    except DirectoryError:
        return False


def person(name: str | None) -> str:
    """Return who issues a command: as named, else the user of this machine."""
    return name or getpass.getuser()


def stated(reason: str) -> str:
    """Return the reason of a command.

    Raises:
        ReasonMissing: it says nothing.
    """
    text = reason.strip()
    if not text:
        raise ReasonMissing
    return text
