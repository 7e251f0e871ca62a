"""Which sessions of a log are sealed, and which wait for it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from bus.archive.announcements import announced
from bus.archive.manifest import sealed_days
from bus.log import Log, LogIdentity
from bus.rederivation import logged_sessions
from bus.stream import definition
from events import TradingDate, codec
from events.errors import CodecError
from events.market import SessionOpened


class UnsealedSession(NamedTuple):
    """A session on the log that is not sealed: its entries ``first``..``last``.

    ``opening`` is where it opened and ``stored_at`` when that was stored (ns UTC, server's clock);
    ``expires_at`` is when it leaves the stream by age. ``over`` says whether it can be sealed.
    """

    trading_date: TradingDate
    first: int
    opening: int
    last: int
    stored_at: int
    expires_at: int
    over: bool


async def unsealed_sessions(
    log: Log, recordings: Path, *, ended: bool = False
) -> list[UnsealedSession]:
    """Return the sessions on the log that are not sealed, oldest first.

    ``ended`` says that nothing more will be written, so the last session is over whatever the time
    on the log.

    Raises:
        BusError: the log cannot be read, or a manifest cannot.
    """
    days = sealed_days(recordings, log.account)
    identity = await log.info()
    begin = days[-1].last + 1 if days else await _beginning(log, identity)
    sessions = [
        (recorded, event)
        for recorded, event in await logged_sessions(log)
        if recorded.sequence >= begin
    ]
    retention = int(definition(log.account)["max_age"])
    found: list[UnsealedSession] = []
    for place, (recorded, event) in enumerate(sessions):
        follows = place + 1 < len(sessions)
        last = sessions[place + 1][0].sequence - 1 if follows else identity.last_sequence
        found.append(
            UnsealedSession(
                trading_date=event.trading_date,
                first=found[-1].last + 1 if found else begin,
                opening=recorded.sequence,
                last=last,
                stored_at=recorded.stored_at,
                expires_at=recorded.stored_at + retention,
                over=follows or ended or await _is_over(log, event),
            )
        )
    return found


async def _beginning(log: Log, identity: LogIdentity) -> int:
    """Return where an archive begins that has no day yet.

    A log that nobody has ever sealed begins with what is left of it. One that says it was sealed
    has an archive elsewhere, which a second one must not pass for.
    """
    return 1 if await announced(log) else max(identity.first_sequence, 1)


async def _is_over(log: Log, session: SessionOpened) -> bool:
    newest = await log.last("market.clock")
    if newest is None:
        return False
    try:
        return codec.decode(newest.payload).at >= session.close_at
    except CodecError:
        return False
