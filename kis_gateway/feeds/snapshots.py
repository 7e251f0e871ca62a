"""Prices by asking, for symbols whose real-time feed is down: looks at the market, never trades.

What always holds: positions and working orders are asked for first, then the rest in the order of
the slots; only symbols that are dark at that moment are asked for; an answer that comes after the
feed speaks again is not published; a failed answer is a reported condition; nothing is asked for
after the close, however long a feed stays away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from bus import TimeSource
from events import Symbol
from events.calendar import TradingSession
from kis_gateway.broker import Broker
from kis_gateway.conditions import Conditions
from kis_gateway.errors import InquiryFailed
from kis_gateway.publisher import Publisher


class SnapshotPoller:
    """Asks for the prices of dark symbols, one after the other within the call budget."""

    def __init__(
        self,
        *,
        broker: Broker,
        publisher: Publisher,
        conditions: Conditions,
        time: TimeSource,
        session: TradingSession,
        order: Callable[[], Sequence[Symbol]],
        poll_s: float,
    ) -> None:
        """``order`` gives subscribed symbols, strongest first; a round lasts ``poll_s`` at least.

        Symbols that it does not name come last.
        """
        self._broker = broker
        self._publisher = publisher
        self._conditions = conditions
        self._time = time
        self._session = session
        self._order = order
        self._poll_s = poll_s
        self._dark: dict[Symbol, None] = {}
        self._any = asyncio.Event()

    def begin(self, symbols: Iterable[Symbol]) -> None:
        """Ask for these symbols until ``end``."""
        self._dark.update(dict.fromkeys(symbols))
        if self._dark:
            self._any.set()

    def end(self, symbol: Symbol) -> None:
        """Ask for a symbol no longer."""
        self._dark.pop(symbol, None)
        if not self._dark:
            self._any.clear()

    async def run(self) -> None:
        """Ask until the close, then return."""
        while True:
            await self._any.wait()
            begun = self._time.now()
            if begun >= self._session.close_at:
                await self._conditions.recovered("snapshots", "the session has ended")
                return
            for symbol in self._round():
                if symbol in self._dark:
                    await self._ask(symbol)
            await self._time.sleep_until(begun + round(self._poll_s * 1_000_000_000))
            if not self._dark:
                await self._conditions.recovered("snapshots", "no symbol is dark any more")

    def _round(self) -> list[Symbol]:
        place = {symbol: number for number, symbol in enumerate(self._order())}
        return sorted(self._dark, key=lambda symbol: place.get(symbol, len(place)))

    async def _ask(self, symbol: Symbol) -> None:
        try:
            snapshot = await self._broker.snapshot(symbol)
        except InquiryFailed as error:
            await self._conditions.degraded("snapshots", str(error))
            return
        if symbol in self._dark:
            await self._publisher.offer(snapshot)
        await self._conditions.recovered("snapshots", "answered again")
