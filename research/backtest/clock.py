"""The session clock of a backtest: the same events at the same instants as live.

A change of phase comes before the tick of its second. With a step of a minute, for recordings of
bars, ticks stand at full minutes only. Events are made when somebody wants them: most are spared.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final, overload

from events import Event
from events.calendar import TradingSession
from events.market import ClockTick, Phase, PhaseChanged

SECOND: Final = 1_000_000_000
_TAIL: Final = 60 * SECOND
"""Ticks go on this long after the close (ns), for what is still on its way."""

_NEVER: Final = 1 << 62


class Clock(Sequence[Event]):
    """The clock's events of a session, oldest first.

    ``at`` holds their instants. The newest event asked for is kept: asking again gives the same.
    """

    def __init__(self, session: TradingSession, step_s: int) -> None:
        """``step_s`` seconds lie between two ticks."""
        self._session = session
        step = step_s * SECOND
        first = -(-session.auction_from // step) * step
        self.at = list(range(first, session.close_at + _TAIL + 1, step))
        self._changes: dict[int, Phase] = {}
        for phase, at in (
            (Phase.OPENING_AUCTION, session.auction_from),
            (Phase.CONTINUOUS, session.open_at),
            (Phase.CLOSING_AUCTION, session.closing_auction_at),
            (Phase.CLOSED, session.close_at),
        ):
            place = bisect_left(self.at, at)
            self.at.insert(place, at)
            self._changes[place] = phase
        self._places = sorted(self._changes)
        self._newest: tuple[int, Event] = (-1, ClockTick(at=0, phase=Phase.CLOSED))

    def __len__(self) -> int:
        return len(self.at)

    @overload
    def __getitem__(self, place: int) -> Event: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Event]: ...

    def __getitem__(self, place: int | slice) -> Event | Sequence[Event]:
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(len(self)))]
        if place == self._newest[0]:
            return self._newest[1]
        at = self.at[place]
        phase = self._changes.get(place)
        event: Event
        if phase is not None:
            event = PhaseChanged(at=at, trading_date=self._session.trading_date, phase=phase)
        else:
            event = ClockTick(at=at, phase=self._session.phase(at))
        self._newest = place, event
        return event

    def next_phase(self, place: int) -> int:
        """Return the place of the next change of phase from a place on; past all without one."""
        found = bisect_left(self._places, place)
        return self._places[found] if found < len(self._places) else _NEVER
