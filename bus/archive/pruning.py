"""Lets sealed days expire from a stream before their time.

The stream refuses deletes and purges on purpose, so its age limit is lowered to just above the age
of the first entry to be kept, and put back as soon as the older ones are gone. What always holds:
nothing expires that is not in an archive which has just been verified and compared with the stream
entry by entry; a limit that a crash left lowered is put back before anything else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec
from nats.aio.client import Client
from nats.errors import Error as NatsError

from bus.archive.announcements import announced
from bus.archive.archive_log import ArchiveLog
from bus.archive.errors import DayNotSealed, PruneRefused, RetentionLowered
from bus.archive.history_log import require_joined
from bus.archive.manifest import Manifest, sealed_days
from bus.archive.verification import verify_days
from bus.errors import LogUnavailable
from bus.jetstream_log import JetStreamLog
from bus.stream import api, definition
from events import AccountId, TradingDate

_SECOND: Final = 1_000_000_000
_WAIT: Final = 5.0
_CONNECT: Final = 10
_LOOK_EVERY: Final = 0.01
_PATIENCE: Final = 0.5
"""Wall seconds for which the limit stays lowered at most; half of the least that is spared."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_SPARE: Final = (1 * _SECOND, 30 * _SECOND)
"""How much older than the age limit the first kept entry may grow before it expires too (ns): half
of what separates it from the last to go, within these bounds. The limit is lowered for some
milliseconds; sealed entries this close to the first kept one stay until their time."""

_SETTLED: Final = 3_600 * _SECOND
"""Age of the first kept entry (ns) below which a stream that is written to is not pruned: were this
process to die with the limit lowered, nothing unsealed would expire for that long."""


class Pruned(msgspec.Struct, frozen=True, kw_only=True):
    """What expired: ``entries`` up to the session ``through``; the stream begins at
    ``first_sequence`` now, of whose entries the first ``sealed`` are in the archive too."""

    through: TradingDate
    entries: int
    first_sequence: int
    sealed: int


async def restore_retention(url: str, account: AccountId) -> bool:
    """Put the stream's age limit back where a prune that died left it lowered; say whether it did.

    A log with another limit cannot be opened, so this is done before.

    Raises:
        LogUnavailable: no server.
        RetentionLowered: the server refuses.
    """
    client = Client()
    try:
        await client.connect(url, connect_timeout=_CONNECT, max_reconnect_attempts=3)
    except (NatsError, OSError, TimeoutError) as error:
        raise LogUnavailable(
            f"no nats-server at {url}", "start it, or check the address"
        ) from error
    try:
        wanted = definition(account)
        found = await api(client, f"STREAM.INFO.{wanted['name']}")
        if "config" not in found or found["config"]["max_age"] == wanted["max_age"]:
            return False
        await _update(client, wanted)
        return True
    finally:
        await client.close()


async def prune(
    log: JetStreamLog,
    recordings: Path,
    through: TradingDate,
    *,
    written_to: bool,
    on_entry: Callable[[int, int], None] = lambda done, total: None,
) -> Pruned:
    """Let every entry up to the end of the sealed session ``through`` expire from the stream.

    ``written_to`` says that others may append meanwhile. ``on_entry`` is told (done, in all) of the
    entries compared.

    Raises:
        DayNotSealed: that session is not sealed.
        PruneRefused: something that would expire is not sealed and sound; nothing was changed.
        RetentionLowered: the age limit could not be put back.
        ArchiveError: the archive is damaged, or is not that of this stream.
    """
    newest = _sealed(log.account, recordings, through)
    begin = (await log.info()).first_sequence
    keep = newest.last + 1
    if begin >= keep:
        return Pruned(through=through, entries=0, first_sequence=begin, sealed=0)
    await _require_sealed(log, recordings, newest, begin)
    kept = await log.get(keep)
    if kept is None:
        raise PruneRefused(f"nothing follows {through} on the stream: seal it again first")
    now = await _server_time(log)
    if written_to and now - kept.stored_at < _SETTLED:
        raise PruneRefused(
            f"{through} ended less than an hour ago and its run is going: prune later, or after "
            "the run has ended"
        )
    await _compare(log, recordings, begin, newest.last, on_entry)
    spare = min(max((kept.stored_at - newest.stored_until) // 2, _SPARE[0]), _SPARE[1])
    first = await _expire(log, kept.stored_at, spare, keep)
    if first > keep:
        raise PruneRefused(
            f"the stream begins at entry {first:,} now, {keep:,} was to be kept: entries between "
            "them are lost from it; restore them from the mirror"
        )
    return Pruned(through=through, entries=first - begin, first_sequence=first, sealed=keep - first)


def _sealed(account: AccountId, recordings: Path, through: TradingDate) -> Manifest:
    days = sealed_days(recordings, account)
    for day in days:
        if day.trading_date == through:
            return day
    raise DayNotSealed(account, through, [day.trading_date for day in days])


async def _require_sealed(
    log: JetStreamLog, recordings: Path, newest: Manifest, begin: int
) -> None:
    archive = ArchiveLog.open(recordings, log.account)
    await require_joined(archive, log)
    if archive.first_sequence > begin:
        raise PruneRefused(
            f"entries {begin:,}..{archive.first_sequence - 1:,} of the stream are not sealed"
        )
    if newest.last not in {event.last for _, event in await announced(log)}:
        raise PruneRefused(
            f"the stream does not say that {newest.trading_date} is sealed: seal that day again, "
            "and it will"
        )
    concerned = [
        day.manifest.trading_date
        for day in archive.days
        if begin <= day.manifest.last and day.manifest.first <= newest.last
    ]
    for report in await asyncio.to_thread(verify_days, recordings, log.account, concerned):
        if report.flaws:
            flaw = report.flaws[0]
            raise PruneRefused(f"{report.trading_date}/{flaw.file} is damaged: {flaw.detail}")


async def _compare(
    log: JetStreamLog,
    recordings: Path,
    begin: int,
    last: int,
    on_entry: Callable[[int, int], None],
) -> None:
    """Hold every entry that is to expire against its sealed copy.

    Raises:
        PruneRefused: one differs, or is not there.
    """
    archive = ArchiveLog.open(recordings, log.account)
    sealed = (each for block in archive.blocks(after=begin - 1) for each in block)
    done = begin - 1
    async with log.read(after=done) as reader:
        while done < last:
            batch = await reader.batch(_WAIT)
            if not batch:
                raise PruneRefused(f"the stream does not give entry {done + 1:,}")
            for recorded in batch:
                if recorded.sequence > last:
                    break
                if recorded != next(sealed, None):
                    raise PruneRefused(
                        f"entry {recorded.sequence:,} ({recorded.subject}) of the stream is not "
                        "what was sealed: run `kst verify` and `kst recordings verify`"
                    )
                done = recorded.sequence
            on_entry(done - begin + 1, last - begin + 1)


async def _expire(log: JetStreamLog, kept_at: int, spare: int, keep: int) -> int:
    """Lower the age limit until what is old enough has gone; return the first sequence left."""
    settings = definition(log.account)
    limit = await _server_time(log) - kept_at + spare
    lowered = settings | {
        "max_age": limit,
        # The server wants it no longer than the limit. Only where nobody writes is the limit so low
        # that this changes anything.
        "duplicate_window": min(settings["duplicate_window"], limit),
    }
    deadline = asyncio.get_running_loop().time() + _PATIENCE
    try:
        await _update(log.client, lowered)
        # The server lets go of them before it answers; what if that changes is bounded here.
        while (first := (await log.info()).first_sequence) < keep:
            if asyncio.get_running_loop().time() > deadline:
                break
            await asyncio.sleep(_LOOK_EVERY)
    finally:
        await asyncio.shield(_update(log.client, settings))
    return first


async def _server_time(log: JetStreamLog) -> int:
    """Return the clock by which the server ages entries (ns UTC, rounded down to a microsecond)."""
    answer = await api(log.client, f"STREAM.INFO.{definition(log.account)['name']}")
    now = datetime.fromisoformat(answer["ts"])
    return (now - _EPOCH) // timedelta(microseconds=1) * 1_000


async def _update(client: Client, settings: dict[str, Any]) -> None:
    name = settings["name"]
    answer = await api(client, f"STREAM.UPDATE.{name}", settings)
    if (error := answer.get("error")) is not None:
        raise RetentionLowered(name, str(error.get("description")))
    if answer["config"]["max_age"] != settings["max_age"]:
        raise RetentionLowered(name, f"it is {answer['config']['max_age']} ns")
