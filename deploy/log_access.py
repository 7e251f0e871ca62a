"""Reaches the log of a run, whether the run is going or has ended.

While a run is going its own nats-server is asked. When it has ended this process takes the run's
lock and starts a server over the store for as long as it needs one, so that nothing else can.
What has left the stream is read from the run's sealed days.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from bus import JetStreamLog, Log, NatsServer, Recorded
from deploy.data_directory import DataDirectory, RunLock, is_running
from deploy.day_summary import TOPICS, DaySummary

_WAIT = 2.0
_SILENT_WAITS = 2


@asynccontextmanager
async def open_server(directory: DataDirectory, *, exclusive: bool = False) -> AsyncIterator[str]:
    """Yield the address of a server over the run's store; ``exclusive`` refuses a run that goes on.

    Raises:
        DirectoryInUse: ``exclusive`` and the run is going.
        BusError: no server, or no store.
    """
    if is_running(directory) and not exclusive:
        yield f"nats://127.0.0.1:{directory.manifest.ports.nats}"
        return
    with RunLock(directory):
        async with NatsServer(directory.nats) as server:
            yield server.url


@asynccontextmanager
async def open_log(
    directory: DataDirectory, *, exclusive: bool = False
) -> AsyncIterator[JetStreamLog]:
    """Open the stream of a run for reading; ``exclusive`` refuses one that is going.

    Raises:
        DirectoryInUse: ``exclusive`` and the run is going.
        BusError: no server, no store, or a store without this account's log.
    """
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(open_server(directory, exclusive=exclusive))
        log = await JetStreamLog.connect(url, directory.manifest.account, create=False)
        stack.push_async_callback(log.close)
        yield log


@asynccontextmanager
async def open_history(directory: DataDirectory, *, exclusive: bool = False) -> AsyncIterator[Log]:
    """Open everything a run has logged: sealed days that have left the stream, then the stream.

    Raises:
        DirectoryInUse: ``exclusive`` and the run is going.
        BusError: as ``open_log``, or sealed days that are damaged or do not join the stream.
    """
    async with open_log(directory, exclusive=exclusive) as log:
        yield await with_sealed_days(directory, log)


async def with_sealed_days(directory: DataDirectory, log: JetStreamLog) -> Log:
    """Return the run's log from its first entry on: the stream alone while that holds it.

    Raises:
        BusError: sealed days are damaged or do not join the stream.
    """
    from bus.archive import HistoryLog, sealed_dates

    if (await log.info()).first_sequence <= 1:
        return log
    if not sealed_dates(directory.recordings, log.account):
        return log
    return await HistoryLog.open(directory.recordings, log)


async def read_to_head(log: Log, take: Callable[[Recorded], None], topics: Sequence[str]) -> int:
    """Hand every entry that is on ``topics`` now to ``take``; return the log's last sequence."""
    head = (await log.info()).last_sequence
    silent = 0
    async with log.read(topics=topics) as reader:
        # An entry that was lost stays pending for ever; entries of no concern may take a while.
        while reader.pending and silent < _SILENT_WAITS:
            batch = await reader.batch(_WAIT)
            silent = 0 if batch else silent + 1
            for recorded in batch:
                if recorded.sequence > head:
                    return head
                take(recorded)
    return head


async def summarise(log: Log) -> tuple[DaySummary, int]:
    """Return the fold of everything on the log now, and the last sequence."""
    summary = DaySummary()
    return summary, await read_to_head(log, summary.take, TOPICS)
