"""Minutes from the broker for stretches in which trades were not received.

What always holds: a symbol is asked for once the minute in which its gap ended is complete, so the
answer covers the gap; several gaps of a symbol cost one question; a failed question is a reported
condition and is asked again, ever more slowly, until it succeeds.
"""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec

from bus import TimeSource
from events import Symbol
from events.calendar import TradingSession
from events.market import MinuteHistory
from kis_gateway.broker import Broker
from kis_gateway.conditions import Conditions
from kis_gateway.errors import InquiryFailed
from kis_gateway.publisher import Publisher
from kis_gateway.waiting import sleep_until_or

_SECOND: Final = 1_000_000_000
_MINUTE: Final = 60 * _SECOND
_SETTLED: Final = 5 * _SECOND
"""The chart has a minute's bar this long after its end (ns)."""

_FIRST_PAUSE: Final = 30 * _SECOND
_LONGEST_PAUSE: Final = 300 * _SECOND


class _Wanted(msgspec.Struct):
    due: int
    pause: int = _FIRST_PAUSE


class Backfill:
    """The symbols whose minutes are wanted, and the asking."""

    def __init__(
        self,
        *,
        broker: Broker,
        publisher: Publisher,
        conditions: Conditions,
        time: TimeSource,
        session: TradingSession,
    ) -> None:
        self._broker = broker
        self._publisher = publisher
        self._conditions = conditions
        self._time = time
        self._session = session
        self._wanted: dict[Symbol, _Wanted] = {}
        self._changed = asyncio.Event()

    @property
    def waiting(self) -> int:
        """Symbols whose minutes are still to be had."""
        return len(self._wanted)

    def want(self, symbol: Symbol, until: int) -> None:
        """Ask for a symbol's minutes up to that of ``until`` (ns UTC); nothing before the open."""
        if until < self._session.open_at:
            return
        due = (until // _MINUTE + 1) * _MINUTE + _SETTLED
        self._wanted[symbol] = _Wanted(due)
        self._changed.set()

    async def run(self) -> None:
        """Ask for ever."""
        while True:
            self._changed.clear()
            if not self._wanted:
                await self._changed.wait()
                continue
            symbol = min(self._wanted, key=lambda each: self._wanted[each].due)
            wanted = self._wanted[symbol]
            if wanted.due > self._time.now():
                await sleep_until_or(self._time, wanted.due, self._changed)
            else:
                await self._ask(symbol, wanted)

    async def _ask(self, symbol: Symbol, wanted: _Wanted) -> None:
        condition = f"minute_{symbol}"
        try:
            bars = await self._broker.minute_bars(symbol, self._time.now())
        except InquiryFailed as error:
            wanted.due = self._time.now() + wanted.pause
            wanted.pause = min(wanted.pause * 2, _LONGEST_PAUSE)
            await self._conditions.degraded(condition, str(error))
            return
        if self._wanted.get(symbol) is wanted:
            del self._wanted[symbol]
        await self._publisher.offer(
            MinuteHistory(
                at=self._time.now(),
                symbol=symbol,
                trading_date=self._session.trading_date,
                bars=tuple(bars),
            )
        )
        await self._conditions.recovered(condition, "minutes read")
