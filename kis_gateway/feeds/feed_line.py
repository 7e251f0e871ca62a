"""One WebSocket connection to KIS: its keys and the one command in flight.

What always holds: an answer reaches the command it was for or nobody; a key pair belongs to one TR
of one connection and dies with it.
"""

from __future__ import annotations

import asyncio

from websockets.asyncio.client import ClientConnection

from kis_gateway.client.crypto import NoticeCipher
from kis_gateway.errors import DecryptionFailed
from kis_gateway.feeds.feed_control import Answer, Registration
from kis_gateway.frames import NOTICES, PAPER_NOTICES


class LineLost(Exception):
    """The connection cannot be used any more."""

    def __init__(self, reason: str, *, in_use: bool = False) -> None:
        super().__init__(reason)
        self.in_use = in_use


class Line:
    """One connection: its socket, keys and command in flight. Made inside the event loop.

    ``frames`` counts what came in; ``blocked`` while nobody reads because the reader has no room.
    """

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.frames = 0
        self.blocked = False
        self.answered_at = 0
        """When the newest answer to a command of ours came (ns UTC)."""
        self._given_up: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._ciphers: dict[str, NoticeCipher] = {}
        self._in_flight: tuple[Registration, bool, asyncio.Future[Answer]] | None = None

    def give_up(self, reason: str) -> None:
        """End the connection; only the first reason counts."""
        if not self._given_up.done():
            self._given_up.set_result(reason)

    async def ended(self) -> None:
        """Return when the peer has closed.

        Raises:
            LineLost: the connection was given up here.
        """
        closed = asyncio.ensure_future(self.socket.wait_closed())
        ends: set[asyncio.Future[None] | asyncio.Future[str]] = {closed, self._given_up}
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            closed.cancel()
        if self._given_up.done():
            raise LineLost(self._given_up.result())

    async def ask(self, text: str, wanted: Registration, *, subscribe: bool) -> Answer:
        """Send the one command in flight and return its answer."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._in_flight = (wanted, subscribe, answer)
        try:
            await self.socket.send(text)
            return await answer
        finally:
            self._in_flight = None

    def hear(self, answer: Answer, at: int) -> bool:
        """Hand an answer that came ``at`` to the command in flight; return if it was for it."""
        if answer.tr_id in (NOTICES, PAPER_NOTICES) and answer.aes_key:
            # Answers of other TRs carry a pair as well, which must not replace this one.
            self._ciphers[answer.tr_id] = NoticeCipher(answer.aes_key, answer.iv)
        if self._in_flight is None:
            return False
        wanted, subscribe, future = self._in_flight
        if future.done() or not answer.concerns(wanted, subscribe=subscribe):
            return False
        self.answered_at = at
        future.set_result(answer)
        return True

    def decrypt(self, tr_id: str, payload: str) -> str:
        """Open a payload with the key this connection got for its TR."""
        cipher = self._ciphers.get(tr_id)
        if cipher is None:
            raise DecryptionFailed(f"{tr_id}: no key on this connection: reconnect", payload)
        return cipher.decrypt(payload)
