"""What the log itself says about its archive: one ``DaySealed`` per sealed day.

It ties stream and archive together: the stream knows with which hash the history before it ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bus.archive.manifest import Manifest
from bus.log import Log, Recorded, entry
from events import codec
from events.errors import CodecError
from events.ops import DaySealed

_TOPIC: Final = "ops.archive"
_WAIT: Final = 5.0


async def announce(log: Log, manifest: Manifest) -> None:
    """Append ``DaySealed`` unless it stands on the log already, or stood there and has expired.

    Raises:
        AppendConflict: another process announced a day at the same time.
    """
    if (await log.info()).first_sequence > manifest.last + 1:
        return
    expected = 0
    for recorded, event in await announced(log):
        if event.trading_date == manifest.trading_date:
            return
        expected = recorded.sequence
    sealed = await log.get(manifest.last)
    event = DaySealed(
        at=manifest.stored_until if sealed is None else _time_of(sealed),
        cause=manifest.last,
        trading_date=manifest.trading_date,
        first=manifest.first,
        last=manifest.last,
        entries=manifest.entries,
        digest=manifest.chain_end,
    )
    await log.append([entry(log.account, event, expected=expected)])


async def announced(log: Log) -> Sequence[tuple[Recorded, DaySealed]]:
    """Return every ``DaySealed`` on the log, oldest first."""
    found: list[tuple[Recorded, DaySealed]] = []
    if await log.last(_TOPIC) is None:
        return found
    async with log.read(topics=(_TOPIC,)) as reader:
        while reader.pending and (batch := await reader.batch(_WAIT)):
            for recorded in batch:
                event = codec.decode(recorded.payload)
                if isinstance(event, DaySealed):
                    found.append((recorded, event))
    return found


def _time_of(recorded: Recorded) -> int:
    try:
        return codec.decode(recorded.payload).at
    except CodecError:
        return recorded.stored_at
