"""From the log into PostgreSQL, exactly once, whatever dies when.

A ``Projector`` folds entries into memory (``take``) and then writes rows and checkpoint in one
transaction (``commit``). Death before the commit leaves the tables as they were; the next one
starts from the checkpoint. ``run_projector`` is the service around it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, Self

import psycopg
import structlog

from bus import IdentityReused, Log, OnProgress, Reader, Recorded, entry, ignore_progress
from events import AccountId, Event, codec, ops
from events.errors import CodecError
from projections.checkpoint import Checkpoint, advanced, beginning, require_same_log
from projections.errors import CheckpointMoved, DatabaseUnreachable
from projections.fold import SERVICE, TOPICS, fold, fold_undecodable
from projections.read_model import ReadModel
from projections.schema import LIVE_SCHEMA, Connection, connect, require_schema
from projections.store import Store

BATCH: Final = 1_000
"""Entries that one transaction takes at most, give or take one delivery of the reader."""

_LINGER: Final = 0.25
"""Wall seconds in which further entries may join a batch."""

_WAIT: Final = 0.25
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 5.0
_CONDITION: Final = "database"


class Projector:
    """One account's rows and where they stand on its log."""

    def __init__(
        self, store: Store, model: ReadModel, checkpoint: Checkpoint, *, new: bool
    ) -> None:
        self._store = store
        self.model = model
        self._committed = None if new else checkpoint
        self._checkpoint = checkpoint

    @classmethod
    async def open(cls, connection: Connection, log: Log, schema: str = LIVE_SCHEMA) -> Self:
        """Read back where the account stands, and check that it is still the same log.

        Raises:
            LogRegressed: the log no longer holds what the rows were folded from.
        """
        store = Store(connection, schema, log.account)
        checkpoint = await store.checkpoint()
        if checkpoint is None:
            return cls(store, ReadModel(log.account), beginning(await log.info()), new=True)
        await require_same_log(checkpoint, log)
        model = await store.load()
        model.clock = checkpoint.log_at
        return cls(store, model, checkpoint, new=False)

    @property
    def position(self) -> int:
        """Last sequence folded, committed or not."""
        return self._checkpoint.last_sequence

    @property
    def checkpoint(self) -> Checkpoint:
        """Where ``commit`` will put the checkpoint."""
        return self._checkpoint

    async def take(self, entries: Sequence[Recorded]) -> Sequence[ops.EventSetAside]:
        """Fold further entries into memory; return a report of each that is no event."""
        decoded = [(recorded, _decoded(recorded)) for recorded in entries]
        events = [found for _, found in decoded if isinstance(found, Event)]
        await self._store.fetch_orders(self.model, self.model.unknown_orders(events))
        await self._store.fetch_intents(self.model, self.model.unknown_intents(events))
        await self._store.fetch_trades(self.model, self.model.unknown_trades(events))
        reports = []
        for recorded, found in decoded:
            if isinstance(found, Event):
                fold(self.model, recorded.sequence, found)
            else:
                reports.append(
                    fold_undecodable(self.model, recorded.sequence, recorded.subject, found)
                )
        self._checkpoint = advanced(self._checkpoint, entries, self.model.clock)
        return reports

    async def commit(self) -> None:
        """Write what was folded since the last commit, and the checkpoint, all or nothing.

        Raises:
            CheckpointMoved: somebody else folded this account meanwhile; open it again.
        """
        await self._store.write(self.model, self._committed, self._checkpoint)
        self._committed = self._checkpoint


def _decoded(recorded: Recorded) -> Event | CodecError:
    try:
        return codec.decode(recorded.payload)
    except CodecError as error:
        return error


async def run_projector(
    *,
    log: Log,
    dsn: str,
    account: AccountId,
    stop: asyncio.Event,
    on_progress: OnProgress = ignore_progress,
) -> None:
    """Keep the read models of ``account`` up to its log until ``stop`` is set.

    A lost database is waited for: ``Degraded`` goes to the log, and after it is back the fold goes
    on where the tables stand. Two copies running by mistake change nothing.

    Raises:
        DatabaseUnreachable: no database at the start.
        SchemaMismatch: the tables are of another version.
        LogRegressed: the log no longer holds what the rows were folded from.
        BusError: the log cannot be read or appended to.
    """
    if log.account != account:
        raise ValueError(f"asked to project {account!r} from the log of {log.account!r}")
    await _Service(log, dsn, stop, on_progress).run()


class _Service:
    def __init__(self, log: Log, dsn: str, stop: asyncio.Event, on_progress: OnProgress) -> None:
        self._log = log
        self._dsn = dsn
        self._stop = stop
        self._on_progress = on_progress
        self._clock = 0
        self._lost = False
        self._pause = _FIRST_PAUSE
        self._logger = structlog.get_logger().bind(service=SERVICE, account=log.account)

    async def run(self) -> None:
        connection: Connection | None = await connect(self._dsn)
        while connection is not None:
            try:
                async with connection:
                    await require_schema(connection)
                    await self._follow(await Projector.open(connection, self._log))
                return
            except CheckpointMoved as error:
                self._logger.warning("checkpoint_moved", error=str(error))
            except psycopg.OperationalError as error:
                await self._database_lost(error)
            connection = await self._reconnected()

    async def _follow(self, projector: Projector) -> None:
        self._clock = max(self._clock, projector.model.clock)
        async with self._log.read(after=projector.position, topics=TOPICS) as reader:
            while not self._stop.is_set():
                entries = await gather(reader)
                if entries:
                    for report in await projector.take(entries):
                        await self._append(report)
                    await projector.commit()
                    self._clock = projector.model.clock
                self._pause = _FIRST_PAUSE
                await self._database_restored()
                self._on_progress(projector.position, reader.pending)

    async def _reconnected(self) -> Connection | None:
        """Return a new connection as soon as there is one, ``None`` when told to stop first."""
        while not self._stop.is_set():
            await self._wait(self._pause)
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)
            try:
                return await connect(self._dsn)
            except DatabaseUnreachable as error:
                await self._database_lost(error)
        return None

    async def _append(self, event: Event) -> None:
        try:
            await self._log.append([entry(self._log.account, event)])
        except IdentityReused:
            # Reported before by another version of this code, in other words.
            self._logger.info("already_reported", identity=event.identity)

    async def _database_lost(self, error: Exception) -> None:
        if self._lost:
            return
        self._lost = True
        self._logger.warning("database_lost", error=str(error))
        await self._append(
            ops.Degraded(
                at=self._clock,
                service=SERVICE,
                condition=_CONDITION,
                detail="PostgreSQL does not answer; the read models stand still until it does",
            )
        )

    async def _database_restored(self) -> None:
        if not self._lost:
            return
        self._lost = False
        self._logger.info("database_restored")
        await self._append(
            ops.Recovered(
                at=self._clock,
                service=SERVICE,
                condition=_CONDITION,
                detail="PostgreSQL answers again; the read models catch up",
            )
        )

    async def _wait(self, seconds: float) -> None:
        """Pause in wall time, for the database does not run on the run's clock."""
        try:
            async with asyncio.timeout(seconds):
                await self._stop.wait()
        except TimeoutError:
            return


async def gather(reader: Reader) -> Sequence[Recorded]:
    """Return what one transaction is to take: what is there, and what follows shortly after."""
    entries = list(await reader.batch(_WAIT))
    clock = asyncio.get_running_loop()
    until = clock.time() + _LINGER
    while entries and len(entries) < BATCH and (left := until - clock.time()) > 0:
        more = await reader.batch(left)
        if not more:
            break
        entries.extend(more)
    return entries
