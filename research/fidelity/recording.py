"""One session as it stands on a log: read once, decoded once, kept in log order.

Whatever is a ``bus.Log`` will do: the stream of a running account, the sealed archive, a log in
memory. What always holds: entries are those from a session's opening books up to the next opening
books, in log order, each with its sequence; an entry that cannot be decoded is left out, as every
processor left it out when it met it, and counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Final

import msgspec

from bus import Log, Recorded, logged_sessions
from events import AccountId, Delivery, Symbol, TradingDate, codec
from events.errors import CodecError
from events.market import (
    MarketOperation,
    QuoteFrame,
    SessionOpened,
    SymbolReference,
    TradeFrame,
    VolatilityInterruption,
)
from events.ops import SlotsChanged
from research.fidelity.errors import NoSuchSession

_WAIT: Final = 5.0
_SILENT_WAITS: Final = 2
_FRAMES: Final = (TradeFrame, QuoteFrame, MarketOperation, VolatilityInterruption)


class RecordedSession(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A session of one account: its opening books and everything that stands after them.

    ``entries`` begin with the opening books. ``unreadable`` entries were left out.
    """

    account: AccountId
    opening: SessionOpened
    entries: tuple[Delivery, ...]
    unreadable: int = 0

    @property
    def trading_date(self) -> TradingDate:
        """Date of the session."""
        return self.opening.trading_date

    @cached_property
    def references(self) -> dict[Symbol, SymbolReference]:
        """The day's trading terms by symbol, the last ones where there were several."""
        return {
            entry.event.symbol: entry.event
            for entry in self.entries
            if isinstance(entry.event, SymbolReference)
        }

    @cached_property
    def frames(self) -> dict[Symbol, list[Delivery]]:
        """What was told of each issue's trading at KRX: trades, books, stops; in log order."""
        found: dict[Symbol, list[Delivery]] = {}
        for entry in self.entries:
            event = entry.event
            if isinstance(event, _FRAMES):
                found.setdefault(event.symbol, []).append(entry)
        return found

    @cached_property
    def slots(self) -> list[Delivery]:
        """Changes of what was subscribed, in log order."""
        return [entry for entry in self.entries if isinstance(entry.event, SlotsChanged)]


async def recorded_dates(log: Log) -> tuple[TradingDate, ...]:
    """Return the dates of the sessions on a log, oldest first."""
    return tuple(event.trading_date for _, event in await logged_sessions(log))


async def read_session(log: Log, trading_date: TradingDate) -> RecordedSession:
    """Read one session to its end, or to what is the head of the log now.

    Raises:
        NoSuchSession: the log has no session of that date.
        BusError: the log cannot be read.
    """
    sessions = await logged_sessions(log)
    dates = [event.trading_date for _, event in sessions]
    if trading_date not in dates:
        raise NoSuchSession(trading_date, dates)
    index = dates.index(trading_date)
    recorded, opening = sessions[index]
    if index + 1 < len(sessions):
        end = sessions[index + 1][0].sequence - 1
    else:
        end = (await log.info()).last_sequence
    entries: list[Delivery] = []
    unreadable = 0
    for found in await _read(log, recorded.sequence, end):
        try:
            entries.append(Delivery(found.sequence, codec.decode(found.payload)))
        except CodecError:
            unreadable += 1
    return RecordedSession(
        account=log.account, opening=opening, entries=tuple(entries), unreadable=unreadable
    )


async def _read(log: Log, first: int, last: int) -> Sequence[Recorded]:
    found: list[Recorded] = []
    silent = 0
    async with log.read(after=first - 1) as reader:
        # An entry that was lost never comes, and must not be waited for for ever.
        while silent < _SILENT_WAITS and (not found or found[-1].sequence < last):
            batch = await reader.batch(_WAIT)
            silent = 0 if batch else silent + 1
            found += [recorded for recorded in batch if recorded.sequence <= last]
            if batch and batch[-1].sequence > last:
                break
    return found
