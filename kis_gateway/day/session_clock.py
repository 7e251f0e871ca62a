"""The session's clock: the only place that turns wall time into events.

What always holds: at most one tick per full second, never an older one after a newer one; every
phase change stands on the log exactly once per session, before the first tick inside it. A clock
that wakes late emits only the newest second, so a gap is visible as a gap.
"""

from __future__ import annotations

from typing import Final

from bus import TimeSource
from events.calendar import TradingSession
from events.market import ClockTick, Phase, PhaseChanged
from kis_gateway.day.session_past import SessionPast
from kis_gateway.publisher import Publisher

_SECOND: Final = 1_000_000_000


class SessionClock:
    """Emits ``ClockTick`` and ``PhaseChanged`` of one session."""

    def __init__(
        self,
        session: TradingSession,
        publisher: Publisher,
        time: TimeSource,
        past: SessionPast,
        *,
        tail_s: int = 60,
    ) -> None:
        """``past`` says what is on the log already; ticks go on ``tail_s`` seconds after close."""
        self._session = session
        self._publisher = publisher
        self._time = time
        self._emitted = set(past.phases)
        self._last = past.last_tick
        self._end = session.close_at + tail_s * _SECOND

    @property
    def phase(self) -> Phase:
        """The phase at this moment."""
        return self._session.phase(self._time.now())

    async def run(self) -> None:
        """Tick from the opening auction (or now) until a little after the close, then return."""
        await self._time.sleep_until(self._session.auction_from)
        while True:
            second = self._time.now() // _SECOND * _SECOND
            if second > self._last:
                if second > self._end:
                    # Woken past the end: the phases must be complete, the seconds need not be.
                    await self._change_phases(self._end)
                    return
                await self._change_phases(second)
                self._last = second
                await self._publisher.offer(ClockTick(at=second, phase=self._session.phase(second)))
            if self._last >= self._end:
                return
            await self._time.sleep_until(max(second, self._last) + _SECOND)

    async def _change_phases(self, now: int) -> None:
        """Emit every change up to ``now`` that is not on the log, at the instant it was due."""
        session = self._session
        for phase, begins_at in (
            (Phase.OPENING_AUCTION, session.auction_from),
            (Phase.CONTINUOUS, session.open_at),
            (Phase.CLOSING_AUCTION, session.closing_auction_at),
            (Phase.CLOSED, session.close_at),
        ):
            if begins_at <= now and phase not in self._emitted:
                self._emitted.add(phase)
                await self._publisher.offer(
                    PhaseChanged(at=begins_at, trading_date=session.trading_date, phase=phase)
                )
