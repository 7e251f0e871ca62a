"""Where commands meet a run: what is in force on its log, and the append of an order of a person.

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
from deploy.data_directory import RUNS, DataDirectory, find_run, is_running
from deploy.errors import NotRunning, ReasonMissing
from deploy.log_access import open_log, read_to_head
from deploy.processors import GATE
from events import Event, StrategyId, Symbol, codec
from events.control import (
    Halt,
    HaltCleared,
    HaltReleased,
    HaltSet,
    HaltTripped,
    LimitsChanged,
    LimitsRefused,
    SharesReallocated,
)
from events.market import SessionOpened
from events.trading import AccountSnapshot, DriftCleared, DriftDetected, Holding, OrderFilled, Side
from risk import Halts, Owners

_TOPICS: Final = (
    "market.session.*",
    "trading.control",
    "trading.account",
    "trading.order.*",
)
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


class InForce:
    """What the log says now: halts, limits, owners of shares, what does not add up."""

    def __init__(self) -> None:
        self.session: SessionOpened | None = None
        self.halts = Halts()
        self.limits: dict[str, int | float | str | None] = {}
        self.refused_limits: dict[int, str] = {}
        self.owners = Owners()
        self.drifts: dict[Symbol, DriftDetected] = {}
        self.holdings: dict[Symbol, Holding] = {}
        self._changes: dict[int, dict[str, int | float | str | None]] = {}

    def take(self, sequence: int, event: Event) -> None:
        """Fold one entry of the log."""
        match event:
            case SessionOpened():
                self._open(event)
            case HaltSet() | HaltReleased() | HaltTripped() | HaltCleared():
                self.halts.take(event)
            case LimitsChanged():
                self._changes[sequence] = dict(self.limits)
                self.limits = _changed(self.limits, event)
            case LimitsRefused():
                self.refused_limits[event.cause] = event.reason
                self.limits = self._changes.get(event.cause, self.limits)
            case SharesReallocated():
                self.owners.reallocate(event)
            case OrderFilled():
                self._fill(event)
            case AccountSnapshot():
                self.holdings = {holding.symbol: holding for holding in event.holdings}
            case DriftDetected():
                self.drifts[event.symbol] = event
                self.owners.drift(event, self._price(event.symbol))
            case DriftCleared():
                self.drifts.pop(event.symbol, None)
                self.owners.undrift(event.symbol)

    def halted(self) -> tuple[Halt, ...]:
        """Return the halts in force."""
        return self.halts.in_force

    def owned(self, symbol: Symbol) -> dict[StrategyId, int]:
        """Return the shares of a symbol by owner, owners without any left out."""
        return {
            owner: allocation.quantity
            for (owner, held), allocation in self.owners.allocations.items()
            if held == symbol and allocation.quantity
        }

    def _open(self, session: SessionOpened) -> None:
        self.session = session
        self.halts = Halts(session.halts)
        self.limits = dict(session.limits)
        self.owners = Owners()
        self.drifts = {}
        for opening in session.allocations:
            self.owners.carry_in(opening)

    def _fill(self, fill: OrderFilled) -> None:
        if fill.side is Side.BUY:
            self.owners.buy(fill.strategy, fill.symbol, fill.quantity, fill.amount)
        else:
            self.owners.sell(fill.strategy, fill.symbol, fill.quantity)

    def _price(self, symbol: Symbol) -> int:
        holding = self.holdings.get(symbol)
        return 0 if holding is None else holding.last_price


def _changed(
    limits: dict[str, int | float | str | None], event: LimitsChanged
) -> dict[str, int | float | str | None]:
    return {key: value for key, value in (limits | event.changes).items() if value is not None}


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
            _TOPICS,
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
    found = [
        path
        for path in sorted(RUNS.glob("*"))
        if not path.is_symlink()
        and (path / "manifest.json").exists()
        and is_running(DataDirectory.open(path))
    ]
    if not found:
        raise NotRunning(RUNS)
    return tuple(found)


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
