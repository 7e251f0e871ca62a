"""Notices when the log is not the one this gateway acted on, or has lost its newest part.

A log that was restored from an older copy, cut off by a broken disk or exchanged does not know of
orders that left, and whoever trades by it sends them again. So the gateway keeps a mark outside of
the log: which log it is, and an entry it has acted on. What always holds: a start that finds the
mark contradicted halts the account (``REDUCE_ONLY``) on the log before any order may leave, and
only an operator releases that; no mark proves nothing and is no contradiction.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
import structlog

from bus import Log, Recorded, TimeSource, entry
from events.control import EVERYTHING, HaltMode, HaltScope, HaltSet, HaltTrigger
from events.ops import Degraded
from kis_gateway.conditions import SERVICE
from kis_gateway.orders.order_state import Order
from kis_gateway.orders.order_writer import OrderWriter
from kis_gateway.waiting import sleep_until_or

LOG_REGRESSED: Final = "log_regressed"
"""Condition of a start that found another log than it left."""

_SECOND: Final = 1_000_000_000
_EVERY_S: Final = 30
_SPACING_S: Final = 1
"""After an order's entry the mark is moved at once, but not more often than this (seconds)."""


class LogMark(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which log was acted on, how far, and what stood there."""

    stream: str
    created: str
    sequence: int
    digest: str


class LogWatch:
    """Keeps the mark of one account's log in a small file."""

    def __init__(self, log: Log, time: TimeSource, folder: Path) -> None:
        """``folder`` must not be lost together with the log; it is made when it is missing."""
        self._log = log
        self._time = time
        self._path = folder / f"log-{log.account}.json"
        self._kept = 0
        self._wanted = 0
        self._alarm = asyncio.Event()

    async def halt_if_regressed(self) -> None:
        """Compare the log with the mark; halt the account when they contradict each other.

        Raises:
            BusError: the log cannot be read or appended to.
        """
        problem = await self._problem()
        if problem is None:
            return
        structlog.get_logger().error(LOG_REGRESSED, service=SERVICE, problem=problem)
        at = self._time.now()
        sequences = await self._log.append(
            [
                entry(
                    self._log.account,
                    HaltSet(
                        at=at,
                        issued_by=SERVICE,
                        reason=problem,
                        scope=HaltScope.ACCOUNT,
                        target=EVERYTHING,
                        mode=HaltMode.REDUCE_ONLY,
                        trigger=HaltTrigger.LOG_REGRESSED,
                    ),
                ),
                entry(
                    self._log.account,
                    Degraded(at=at, service=SERVICE, condition=LOG_REGRESSED, detail=problem),
                ),
            ]
        )
        # The halt stands on this log now, so the next start has nothing to add.
        await self.keep(sequences[-1])

    async def _problem(self) -> str | None:
        try:
            content = await asyncio.to_thread(_read, self._path)
            mark = None if content is None else msgspec.json.decode(content, type=LogMark)
        except msgspec.DecodeError as error:
            return f"the mark of the log at {self._path} cannot be read: {error}"
        if mark is None:
            return None
        info = await self._log.info()
        if (info.stream, info.created) != (mark.stream, mark.created):
            return (
                f"the log is {info.stream} of {info.created}, orders were sent by {mark.stream} "
                f"of {mark.created}"
            )
        if info.last_sequence < mark.sequence:
            return f"the log ends at {info.last_sequence}, it was acted on up to {mark.sequence}"
        if mark.sequence < info.first_sequence:
            return None  # It has aged out; that the log is the same one is all that can be said.
        recorded = await self._log.get(mark.sequence)
        if recorded is None or _digest(recorded) != mark.digest:
            return f"entry {mark.sequence} of the log is another one than was acted on"
        return None

    async def keep(self, sequence: int) -> None:
        """Move the mark to an entry; nothing happens when there is none."""
        if sequence <= self._kept:
            return
        recorded = await self._log.get(sequence)
        if recorded is None:
            return
        info = await self._log.info()
        mark = LogMark(
            stream=info.stream, created=info.created, sequence=sequence, digest=_digest(recorded)
        )
        await asyncio.to_thread(_write, self._path, msgspec.json.encode(mark))
        self._kept = sequence

    async def run(self, writer: OrderWriter, position: Callable[[], int]) -> None:
        """Move the mark to ``position`` for ever: regularly, and soon after an order's entry."""
        writer.observe(lambda order, event: self._observe(writer, order))
        while True:
            await self.keep(max(position(), self._wanted))
            await self._time.sleep(_SPACING_S)
            due = self._time.now() + (_EVERY_S - _SPACING_S) * _SECOND
            await sleep_until_or(self._time, due, self._alarm)
            self._alarm.clear()

    def _observe(self, writer: OrderWriter, order: Order) -> None:
        record = writer.orders.record(order.order_id)
        if record is not None:
            self._wanted = max(self._wanted, record.sequence)
            self._alarm.set()


def _digest(recorded: Recorded) -> str:
    seal = hashlib.sha256(f"{recorded.subject}\n{recorded.identity}\n".encode())
    seal.update(recorded.payload)
    return seal.hexdigest()


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def _write(path: Path, content: bytes) -> None:
    """Replace a file at once or not at all, whatever dies when."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
