"""Writes what comes from outside onto the stream of undecoded frames, beside the feed.

Frames leave in blocks, one every ``_LINGER`` seconds at most unless it is full, so that recording
costs the feed about a microsecond a frame.

What always holds: ``record`` never waits and never raises; what is recorded stands in the order of
the calls, each block once; what could not be stored is counted and reported, and recording goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Final, Self
from uuid import uuid4

import structlog

from bus.errors import BusError
from bus.jetstream_log import JetStreamLog
from bus.log import Entry
from bus.publishing import AckedPublisher, NoAcknowledgement
from bus.raw_stream import RawFrame, Retention, encode_block, ensure_raw_stream, raw_subject

_LINGER: Final = 0.02
"""Wall seconds for which a block waits for more: the most that a crash of this process loses."""

_BLOCK_BYTES: Final = 256 * 1024
_LARGEST_FRAME: Final = 6 * 1024 * 1024
"""The server takes 8 MiB in one message; no frame or answer of the broker comes near."""

_WAITING_BYTES: Final = 64 * 1024 * 1024
_ATTEMPTS: Final = 3
_CLOSING: Final = 10.0

OnTrouble = Callable[[int, str], Awaitable[None]]
"""Told how many frames were not stored and why, once per stretch of trouble; with 0 at its end."""

_DEFAULT_RETENTION: Final = Retention()
_log = structlog.get_logger()


class RawRecorder:
    """Records frames in the background; use as an async context manager.

    ``stored`` and ``lost`` count frames, ``blocks`` the acknowledged blocks.
    """

    def __init__(
        self,
        log: JetStreamLog,
        *,
        on_trouble: OnTrouble,
        retention: Retention = _DEFAULT_RETENTION,
        waiting_bytes: int = _WAITING_BYTES,
    ) -> None:
        """Record on the server of ``log``, over its connection.

        At most about ``waiting_bytes`` wait for the server; what comes beyond is lost.
        """
        self._client = log.client
        self._account = log.account
        self._retention = retention
        self._on_trouble = on_trouble
        self._capacity = waiting_bytes
        self._waiting: list[RawFrame] = []
        self._bytes = 0
        self._dropped = self._in_hand = 0
        self._in_trouble = False
        self._closing = False
        self._arrived = asyncio.Event()
        self._full = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None
        self._publisher = AckedPublisher(self._client)
        self._run = uuid4().hex
        self.stored = self.lost = self.blocks = 0

    async def __aenter__(self) -> Self:
        await ensure_raw_stream(self._client, self._account, self._retention)
        await self._publisher.open()
        self._writer = asyncio.create_task(self._write(), name="raw-recorder")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Store what waits, for a few seconds at most."""
        assert self._writer is not None, "entered"
        self._closing = True
        self._arrived.set()
        self._full.set()
        await asyncio.wait((self._writer,), timeout=_CLOSING)
        self._writer.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._writer
        if left := self._in_hand + len(self._waiting) + self._dropped:
            # The log is on the same server: an event would wait for it as well.
            self.lost += left
            _log.warning("raw_frames_lost", frames=left, reason="the server did not answer")

    def record(self, source: str, at: int, payload: bytes) -> None:
        """Take a frame, received at ``at`` (ns UTC) from ``source``; returns at once."""
        if self._bytes >= self._capacity or len(payload) > _LARGEST_FRAME:
            self._dropped += 1
            self._arrived.set()
            return
        self._waiting.append(RawFrame(at, source, payload))
        self._bytes += len(payload)
        if len(self._waiting) == 1:
            self._arrived.set()
        if self._bytes >= _BLOCK_BYTES:
            self._full.set()

    async def _write(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            if not self._closing:
                await self._linger()
            while self._waiting:
                await self._store(self._take())
            if self._dropped:
                dropped, self._dropped = self._dropped, 0
                await self._lose(dropped, "more came than could be stored meanwhile")
            if self._closing:
                return

    async def _linger(self) -> None:
        # A timer that sets the event: half the cost of a time-out context, on every block.
        timer = asyncio.get_running_loop().call_later(_LINGER, self._full.set)
        try:
            await self._full.wait()
        finally:
            timer.cancel()
            self._full.clear()

    def _take(self) -> list[RawFrame]:
        """Return the frames of the next block."""
        if self._bytes <= _BLOCK_BYTES:
            frames, self._waiting = self._waiting, []
            self._bytes = 0
            return frames
        size = count = 0
        for frame in self._waiting:
            size += len(frame.payload)
            if count and size > _BLOCK_BYTES:
                size -= len(frame.payload)
                break
            count += 1
        frames, self._waiting = self._waiting[:count], self._waiting[count:]
        self._bytes -= size
        return frames

    async def _store(self, frames: list[RawFrame]) -> None:
        self._in_hand = len(frames)
        identity = f"{self._run}-{self.blocks}-{self.lost}"
        block = Entry(raw_subject(self._account), encode_block(frames), identity)
        reason = ""
        for attempt in range(_ATTEMPTS):
            try:
                # The same bytes under the same identity: stored once, whatever got lost.
                ack = await self._publisher.answer(await self._publisher.send(block), attempt)
            except NoAcknowledgement as error:
                reason = f"no answer from the server ({error})"
                continue
            if ack.error is None:
                self.blocks += 1
                self.stored += len(frames)
                self._in_hand = 0
                if self._in_trouble:
                    self._in_trouble = False
                    await self._report(0, "frames are stored again")
                return
            reason = ack.error.description
            break
        await self._lose(len(frames), reason)

    async def _lose(self, frames: int, reason: str) -> None:
        self.lost += frames
        self._in_hand = 0
        if not self._in_trouble:
            self._in_trouble = True
            await self._report(frames, reason)

    async def _report(self, frames: int, reason: str) -> None:
        _log.warning("raw_recording", lost=frames, reason=reason)
        try:
            await self._on_trouble(frames, reason)
        except BusError as error:
            # Without the log the gateway ends by itself; the recorder must not be what ends it.
            _log.warning("raw_recording_unreported", error=str(error))
