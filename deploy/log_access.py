"""Reaches the log of a run, whether the run is going or has ended.

While a run is going its own nats-server is asked. When it has ended this process takes the run's
lock and starts a server over the store for as long as it needs one, so that nothing else can.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from bus import JetStreamLog, NatsServer, Recorded
from deploy.data_directory import DataDirectory, RunLock, is_running
from deploy.day_summary import TOPICS, DaySummary

_WAIT = 2.0
_SILENT_WAITS = 2


@asynccontextmanager
async def open_log(
    directory: DataDirectory, *, exclusive: bool = False
) -> AsyncIterator[JetStreamLog]:
    """Open the log of a run for reading; ``exclusive`` refuses one that is going.

    Raises:
        DirectoryInUse: ``exclusive`` and the run is going.
        BusError: no server, no store, or a store without this account's log.
    """
    account = directory.manifest.account
    async with AsyncExitStack() as stack:
        if is_running(directory) and not exclusive:
            url = f"nats://127.0.0.1:{directory.manifest.ports.nats}"
        else:
            stack.enter_context(RunLock(directory))
            url = (await stack.enter_async_context(NatsServer(directory.nats))).url
        log = await JetStreamLog.connect(url, account, create=False)
        stack.push_async_callback(log.close)
        yield log


async def read_to_head(
    log: JetStreamLog, take: Callable[[Recorded], None], topics: Sequence[str]
) -> int:
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


async def summarise(log: JetStreamLog) -> tuple[DaySummary, int]:
    """Return the fold of everything on the log now, and the last sequence."""
    summary = DaySummary()
    return summary, await read_to_head(log, summary.take, TOPICS)
