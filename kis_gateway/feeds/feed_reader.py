"""From the socket to decoded messages, in two steps, so that slow decoding never delays an answer.

``receive`` takes what the socket has, answers PINGPONG and hands answers to the command in flight
at once; data frames go on a backlog that ``decode`` works off. KIS drops clients that leave its
PINGPONG unanswered, and a burst at the open takes longer to decode than to receive.

What always holds: frames are decoded in the order of receipt and none is dropped: with a full
backlog nobody reads, and TCP stops the sender. An undecodable frame becomes ``FrameRejected`` and
reading goes on. Recorded are data frames only, as received: answers carry key and iv.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple, Never

import structlog
from websockets.exceptions import ConnectionClosed

from bus import TimeSource
from kis_gateway.broker import FeedMessage, FrameRejected
from kis_gateway.errors import DecryptionFailed, FrameError
from kis_gateway.feeds import feed_control
from kis_gateway.feeds.feed_control import Ping, Registration
from kis_gateway.feeds.feed_line import Line, LineLost
from kis_gateway.feeds.feed_registrations import Registrations
from kis_gateway.frames import FrameDecoder

Put = Callable[[FeedMessage], Awaitable[None]]
Record = Callable[[str, int, bytes], None]
"""Called with the source, the instant of receipt (ns UTC) and the bytes as received."""

_SOURCE: Final = "ws"
_NOTICE: Final = "notice"
"""A notice of own orders, opened and with the person's data masked."""
_TURN: Final = 32
"""Frames decoded before the other tasks get their turn."""

_MANY: Final = 1_400
"""Frames in a wall second above which they are taken together: every step of a frame's way to the
log costs more to wake up for than to do, and a millisecond later is early enough for a burst."""

_COMPANY: Final = 0.001
_LOOK: Final = 0.02
"""Wall seconds for which they are gathered, and between two looks at their rate."""

_log = structlog.get_logger()


class _Received(NamedTuple):
    line: Line
    at: int
    raw: bytes
    error: FrameError | None


class FrameReader:
    """Reads the connections of one feed, one after the other."""

    def __init__(
        self,
        *,
        time: TimeSource,
        decoder: FrameDecoder,
        registrations: Registrations,
        put: Put,
        capacity: int,
        record: Record | None,
    ) -> None:
        """``put`` takes decoded messages; at most ``capacity`` frames wait to be decoded."""
        self._time = time
        self._decoder = decoder
        self._registrations = registrations
        self._put = put
        self._capacity = capacity
        self._record = record
        self._backlog: deque[_Received] = deque()
        self._arrived = asyncio.Event()
        self._worked = asyncio.Event()
        self._reconnected_for_key = False
        self.last_frame = time.now()
        """When the newest frame of any kind came (ns UTC)."""

    async def receive(self, line: Line) -> Never:
        """Read a connection until it ends.

        Raises:
            LineLost: it has ended.
        """
        receive, now = line.socket.recv, self._time.now
        while True:
            try:
                # Own decoding: text that is not UTF-8 would otherwise cost the connection.
                raw = await receive(decode=False)
            except ConnectionClosed as error:
                raise LineLost(f"closed: {error}") from error
            line.frames += 1
            received = self.last_frame = now()
            unreadable = None
            if feed_control.is_control(raw):
                try:
                    await self._control(line, raw.decode("utf-8", "replace"), received)
                    continue
                except FrameError as found:
                    unreadable = found
            elif self._record is not None:
                self._record(_SOURCE, received, raw)
            self._backlog.append(_Received(line, received, raw, unreadable))
            self._arrived.set()
            if len(self._backlog) >= self._capacity:
                await self._wait_for_room(line)

    async def decode(self) -> Never:
        """Turn received frames into messages for ever."""
        count = 0
        loop = asyncio.get_running_loop()
        since, before, busy = loop.time(), 0, False
        while True:
            while self._backlog:
                await self._take(self._backlog[0])
                self._backlog.popleft()
                self._worked.set()
                count += 1
                if count % _TURN == 0:
                    await asyncio.sleep(0)  # lets ``receive`` answer; no protocol time passes
            self._arrived.clear()
            await self._arrived.wait()
            now = loop.time()
            if now - since >= _LOOK:
                busy = count - before > _MANY * (now - since)
                since, before = now, count
            if busy:
                await asyncio.sleep(_COMPANY)  # wall time: it is this machine that is busy

    async def caught_up(self) -> None:
        """Return once everything received so far has been decoded and taken."""
        while self._backlog:
            self._worked.clear()
            await self._worked.wait()

    async def _wait_for_room(self, line: Line) -> None:
        line.blocked = True
        while len(self._backlog) >= self._capacity:
            self._worked.clear()
            await self._worked.wait()
        line.blocked = False

    async def _control(self, line: Line, text: str, received: int) -> None:
        answer = feed_control.read(text)
        if isinstance(answer, Ping):
            try:
                await line.socket.send(text)
            except ConnectionClosed as error:
                raise LineLost(f"closed: {error}") from error
        elif not line.hear(answer, received):
            _log.warning("kis_feed_unasked_answer", tr_id=answer.tr_id, code=answer.code)

    async def _take(self, received: _Received) -> None:
        line, at, raw, error = received
        if error is not None:
            await self._reject(line, at, error)
            return
        text = raw.decode("utf-8", "replace")
        try:
            messages = self._decoder.decode(text, at, line.decrypt)
        except FrameError as found:
            await self._reject(line, at, found)
            return
        if text.startswith("1"):
            self._reconnected_for_key = False
            if self._record is not None:
                # The key dies with the connection: without this its layout could not be looked up.
                opened = self._decoder.opened(text, line.decrypt)
                self._record(_NOTICE, at, opened.encode())
        else:
            _, tr_id, _, payload = text.split("|", 3)
            self._registrations.heard(Registration(tr_id, payload[: payload.find("^")]), at)
        for message in messages:
            await self._put(message)

    async def _reject(self, line: Line, at: int, error: FrameError) -> None:
        _log.warning("kis_frame_rejected", error=str(error))
        await self._put(
            FrameRejected(at=at, frame=error.frame, error=str(error), own_notice=error.own_notice)
        )
        if isinstance(error, DecryptionFailed) and not self._reconnected_for_key:
            # A new connection brings a new key; if that does not help, reading goes on without
            # notices, and each of them is reported.
            self._reconnected_for_key = True
            line.give_up(str(error))
