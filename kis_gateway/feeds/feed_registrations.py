"""Which registrations are wished for, which the connection has, and who waits for which.

What always holds: own notices are wished for at all times and come first; ``next_step`` names the
one difference between wish and connection to settle next, slots freed before slots taken, then in
the order of preference; for every registration it is known when it was last heard of.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from kis_gateway.errors import SubscriptionRefused
from kis_gateway.feeds.feed_control import Registration


class Registrations:
    """The registrations of one feed across its connections."""

    def __init__(self, notices: Registration) -> None:
        self._notices = notices
        # Wished for → acknowledged at least once.
        self._wanted: dict[Registration, bool] = {notices: False}
        self._rank: dict[Registration, int] = {}
        self._live: set[Registration] = set()
        # Last frame of it, or its acknowledgement while there was none (ns UTC).
        self._heard: dict[Registration, int] = {}
        self._waiting: dict[tuple[Registration, bool], list[asyncio.Future[None]]] = {}
        self._changed = asyncio.Event()

    @property
    def count(self) -> int:
        """Return how many registrations the connection has."""
        return len(self._live)

    async def want(self, wanted: Registration) -> None:
        """Wish for a registration and wait until it is acknowledged.

        Raises:
            SubscriptionRefused: KIS refuses it, or it is given up meanwhile.
        """
        self._wanted.setdefault(wanted, False)
        if wanted not in self._live:
            await self._wait(wanted, subscribe=True)

    async def give_up(self, wanted: Registration) -> None:
        """Wish for it no longer and wait until the connection is rid of it."""
        self._drop(wanted)
        withdrawn = SubscriptionRefused(*wanted, "WITHDRAWN", "given up before it was answered")
        self._resolve(wanted, subscribe=True, error=withdrawn)
        if wanted in self._live:
            await self._wait(wanted, subscribe=False)

    def prefer(self, order: Sequence[Registration]) -> None:
        """Register in this order from now on; what is not listed comes last, oldest wish first."""
        self._rank = {wanted: place for place, wanted in enumerate(order)}

    def next_step(self) -> tuple[Registration, bool] | None:
        """Return what to subscribe (true) or unsubscribe (false) next; ``None`` when all is so."""
        if self._notices not in self._live:
            return self._notices, True
        for live in self._live:
            if live not in self._wanted:
                return live, False
        missing = [wanted for wanted in self._wanted if wanted not in self._live]
        if not missing:
            return None
        last = len(self._rank)
        return min(missing, key=lambda wanted: self._rank.get(wanted, last)), True

    async def changed(self) -> None:
        """Return after the next change of a wish."""
        self._changed.clear()
        await self._changed.wait()

    def acknowledged(self, wanted: Registration, at: int) -> int | None:
        """Note that the connection has it since ``at`` (ns UTC).

        Return when it was last heard of before the line was lost, ``None`` for a new one.
        """
        known = self._wanted.get(wanted, False)
        silent_since = self._heard.get(wanted) if known else None
        self._live.add(wanted)
        if wanted in self._wanted:
            self._wanted[wanted] = True
            self._heard[wanted] = at
        self._resolve(wanted, subscribe=True)
        return silent_since

    def heard(self, name: Registration, at: int) -> None:
        """Note that a frame of a registration came."""
        if name in self._heard:
            self._heard[name] = at

    def given_back(self, wanted: Registration) -> None:
        """Note that the connection has it no longer."""
        self._live.discard(wanted)
        self._resolve(wanted, subscribe=False)

    def relied_on(self, wanted: Registration) -> bool:
        """Return whether somebody counts on it already: own notices, or acknowledged before."""
        return wanted == self._notices or self._wanted.get(wanted, False)

    def refused(self, wanted: Registration, code: str, message: str) -> None:
        """Drop a wish that KIS refused and tell who waits for it."""
        self._drop(wanted)
        self._resolve(wanted, subscribe=True, error=SubscriptionRefused(*wanted, code, message))

    def disconnected(self) -> None:
        """Note that nothing is registered any more; who waits for an end has got it."""
        self._live.clear()
        for wanted, subscribe in tuple(self._waiting):
            if not subscribe:
                self._resolve(wanted, subscribe=False)

    def cancel_waiting(self) -> None:
        """Cancel everybody who still waits."""
        for futures in self._waiting.values():
            for future in futures:
                future.cancel()

    def _drop(self, wanted: Registration) -> None:
        self._wanted.pop(wanted, None)
        self._heard.pop(wanted, None)

    async def _wait(self, wanted: Registration, *, subscribe: bool) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault((wanted, subscribe), []).append(future)
        self._changed.set()
        await future

    def _resolve(
        self, wanted: Registration, *, subscribe: bool, error: SubscriptionRefused | None = None
    ) -> None:
        for future in self._waiting.pop((wanted, subscribe), ()):
            if future.done():
                continue
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)
