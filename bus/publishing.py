"""One attempt to append: write to the server, wait for its acknowledgement.

An attempt without an answer says nothing about the entry: it may be stored or not. What follows
from that is decided in ``jetstream_log``.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from typing import Final

import msgspec
from nats.errors import Error as NatsError
from nats.errors import OutboundBufferLimitError

from bus.direct_client import DirectClient, status
from bus.log import Entry

_FIRST_TIMEOUT: Final = 2.0
_LONGEST_TIMEOUT: Final = 8.0


class PublishError(msgspec.Struct):
    """Why the server refused; codes are those of the JetStream API."""

    err_code: int = 0
    description: str = ""


class PublishAck(msgspec.Struct):
    """The server's answer. ``seq`` is the sequence of the entry, of a batch its last one."""

    seq: int = 0
    duplicate: bool = False
    error: PublishError | None = None


class NoAcknowledgement(Exception):
    """This attempt has no answer; the entry may or may not be stored."""


Sent = tuple[bytes, asyncio.Future[PublishAck]]
"""A write that waits for its acknowledgement."""

_ack_decoder: Final = msgspec.json.Decoder(PublishAck)


class AckedPublisher:
    """Writes entries over one connection and matches the answers; call ``open`` first."""

    def __init__(self, client: DirectClient) -> None:
        """Use a connected client."""
        self._client = client
        self._waiting: dict[bytes, asyncio.Future[PublishAck]] = {}
        self._tokens = itertools.count(1)
        self._batches = itertools.count(1)
        self._inbox = client.new_inbox()
        self._batch_prefix = self._inbox.rsplit(".", 1)[-1]

    async def open(self) -> None:
        """Listen for acknowledgements."""
        await self._client.listen(f"{self._inbox}.*", self._on_ack)

    async def send(self, entry: Entry) -> Sent:
        """Write one entry; ``answer`` waits for what the server says.

        Raises:
            NoAcknowledgement: it could not be written; nothing was sent.
        """
        return await self._send(entry.subject, entry.payload, _headers(entry))

    async def send_batch(self, entries: Sequence[Entry]) -> Sent:
        """Write entries as one atomic batch (ADR-50: counted messages, a commit on the last).

        Raises:
            NoAcknowledgement: it could not be written whole; the server drops what it got.
        """
        batch = f"{self._batch_prefix}-{next(self._batches)}"
        for ordinal, entry in enumerate(entries[:-1], 1):
            place = f"Nats-Batch-Id: {batch}\r\nNats-Batch-Sequence: {ordinal}\r\n"
            await self._write(entry.subject, entry.payload, "", _headers(entry, place))
        last = entries[-1]
        place = f"Nats-Batch-Id: {batch}\r\nNats-Batch-Sequence: {len(entries)}\r\n"
        headers = _headers(last, place + "Nats-Batch-Commit: 1\r\n")
        return await self._send(last.subject, last.payload, headers)

    async def answer(self, sent: Sent, attempt: int) -> PublishAck:
        """Return the acknowledgement; later attempts (from 0) wait longer.

        Raises:
            NoAcknowledgement: none came in time.
        """
        token, future = sent
        patience = min(_FIRST_TIMEOUT * (attempt + 1), _LONGEST_TIMEOUT)
        # A timer on the future: half the cost of a time-out context, on every append.
        timer = asyncio.get_running_loop().call_later(patience, _expire, future)
        try:
            return await future
        finally:
            timer.cancel()
            self._waiting.pop(token, None)

    async def _send(self, subject: str, payload: bytes, headers: bytes) -> Sent:
        token = b"%d" % next(self._tokens)
        future: asyncio.Future[PublishAck] = asyncio.get_running_loop().create_future()
        self._waiting[token] = future
        try:
            await self._write(subject, payload, f"{self._inbox}.{token.decode()}", headers)
        except NoAcknowledgement:
            del self._waiting[token]
            raise
        return token, future

    async def _write(self, subject: str, payload: bytes, reply: str, headers: bytes) -> None:
        try:
            await self._client.send(subject, payload, reply, headers)
        except (NatsError, OSError) as error:
            if isinstance(error, OutboundBufferLimitError):
                # Disconnected: certainly not sent. Give the reconnect loop a moment.
                await asyncio.sleep(0.05)
            raise NoAcknowledgement(str(error)) from error

    def _on_ack(self, subject: bytes, reply: bytes, payload: bytes, headers: bytes) -> None:
        future = self._waiting.pop(subject[subject.rfind(b".") + 1 :], None)
        if future is None or future.done():
            return
        if headers and status(headers)[0] == "503":
            # JetStream is not up yet: certainly not stored, and worth another attempt.
            future.set_exception(NoAcknowledgement("no responder"))
            return
        future.set_result(_ack_decoder.decode(payload))


def _expire(future: asyncio.Future[PublishAck]) -> None:
    if not future.done():
        future.set_exception(NoAcknowledgement("time-out"))


def _headers(entry: Entry, more: str = "") -> bytes:
    """Return the raw header block of an entry.

    Raises:
        ValueError: the identity has a line end, which would make what follows a header.
    """
    if "\n" in entry.identity or "\r" in entry.identity:
        raise ValueError(f"identity {entry.identity!r} has a line end")
    expected = ""
    if entry.expected is not None:
        expected = f"Nats-Expected-Last-Subject-Sequence: {entry.expected}\r\n"
    return f"NATS/1.0\r\nNats-Msg-Id: {entry.identity}\r\n{expected}{more}\r\n".encode()
