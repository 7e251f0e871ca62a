"""One WebSocket connection of a client, and what it is registered for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, NamedTuple

from aiohttp import ClientConnectionResetError, WSMsgType
from aiohttp.web import BaseRequest, WebSocketResponse

from kis_gateway.simulator.feeds.notices import Registration
from kis_gateway.simulator.settings import Credentials

_LARGEST_REQUEST: Final = 64 * 1_024
_CLOSING_SECONDS: Final = 1.0


class FeedKey(NamedTuple):
    """What a registration is for: TR id and issue code, HTS id or whatever the client wrote."""

    feed: str
    key: str


class Absentee:
    """Stands in for a connection that a fault has cut, until its account registers again.

    Whatever would have been sent to it is entered as lost to fault number ``fault``.
    """

    def __init__(self, account: str, fault: int) -> None:
        self.account = account
        self.fault = fault


class Connection:
    """A socket with its registrations; frames wait in ``outbox`` until the next flush."""

    def __init__(self, number: int, request: BaseRequest) -> None:
        self.number = number
        self.credentials: Credentials | None = None
        self.registrations: dict[FeedKey, Registration] = {}
        self.outbox: list[bytes] = []
        self.sent_at = 0
        self.frames_sent = 0
        self.changed_keys: dict[FeedKey, int] = {}
        """Registrations whose key the client does not have any more, and the fault's number."""
        self.unanswered_since: float | None = None
        self.ended_here = False
        """Whether the service ended the connection: then it knows at once that it has gone."""
        self._request = request
        # Pings are answered by hand: a pong frame must count as an answer to PINGPONG.
        self.socket = WebSocketResponse(
            autoping=False,
            compress=False,
            max_msg_size=_LARGEST_REQUEST,
            timeout=_CLOSING_SECONDS,
        )

    @property
    def account(self) -> str:
        """The account of the session, empty before the first registration."""
        return self.credentials.account if self.credentials is not None else ""

    async def open(self) -> None:
        """Finish the upgrade."""
        await self.socket.prepare(self._request)

    async def send(self, frames: Sequence[bytes], patience: float) -> bool:
        """Write frames in order, waiting while the client's socket is full.

        Returns ``False`` when the connection is gone. A client that does not read for ``patience``
        wall seconds is cut off.
        """
        try:
            async with asyncio.timeout(patience):
                for frame in frames:
                    await self.socket.send_frame(frame, WSMsgType.TEXT)
        except TimeoutError:
            self.cut()
            return False
        except (ClientConnectionResetError, ConnectionResetError):
            return False
        self.frames_sent += len(frames)
        return True

    def cut(self) -> None:
        """Reset the connection without a closing handshake."""
        self.ended_here = True
        transport = self._request.transport
        if transport is not None:
            transport.abort()
