"""When a session that nobody has sealed becomes an alarm."""

from __future__ import annotations

from typing import Final

from bus import Log, logged_sessions
from bus.archive import sealed_dates
from deploy.data_directory import DataDirectory
from events import TradingDate

_DAY: Final = 86_400 * 1_000_000_000

ALARM_AFTER: Final = 7 * _DAY
"""Age (ns of the server's clock) above which an unsealed session is an alarm."""


async def overdue(directory: DataDirectory, log: Log, now: int) -> list[tuple[TradingDate, int]]:
    """Return the sessions that should have been sealed by ``now`` and their age in days."""
    sealed = sealed_dates(directory.recordings, log.account)
    return [
        (event.trading_date, (now - recorded.stored_at) // _DAY)
        for recorded, event in await logged_sessions(log)
        if event.trading_date not in sealed and now - recorded.stored_at > ALARM_AFTER
    ]
