"""nats-py's client without the task between the socket and whoever waits for a message.

The library puts every message into a queue and lets a task of the subscription take it out, after
parsing its headers with the parser for e-mail; what is published has its headers checked character
by character. Acknowledgements and log entries come in tens of thousands a second; for them that is
most of the cost. A subscription opened with ``listen`` gets its messages as bytes, at once, in the
order of the socket, and ``send`` takes headers that are bytes already.

What always holds: everything else about the connection (buffering, reconnect, authentication,
keep-alive, the rest of the protocol) is the library's; ``listen`` refuses a library that no longer
passes messages through here.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Final

from nats.aio.client import Client
from nats.aio.subscription import Subscription
from nats.errors import ConnectionClosedError, MaxPayloadError, OutboundBufferLimitError
from nats.protocol.parser import AWAITING_CONTROL_LINE, Parser

Take = Callable[[bytes, bytes, bytes, bytes], None]
"""Called with subject, reply, payload and raw headers; must not block."""

_PASSED: Final = ["self", "sid", "subject", "reply", "data", "headers"]

_LARGE: Final = 262_144
"""Bytes from which a message that has come in part is gathered by the library: it need not look at
what it has again with every part."""


class DirectClient(Client):
    """A ``Client`` whose ``listen`` delivers without a queue."""

    def __init__(self) -> None:
        super().__init__()
        self._takers: dict[int, Take] = {}
        self._ps = _DirectParser(self, self._takers)

    async def listen(self, subject: str, take: Take) -> Subscription:
        """Subscribe to ``subject`` and hand every message over as bytes."""
        found = list(inspect.signature(Client._process_msg).parameters)
        if found != _PASSED:
            raise TypeError(f"nats-py passes messages as {found}, expected {_PASSED}")
        subscription: Subscription = await self.subscribe(subject)
        self._takers[subscription._id] = take
        return subscription

    async def unlisten(self, subscription: Subscription) -> None:
        """End a subscription opened with ``listen``."""
        await subscription.unsubscribe()
        self._takers.pop(subscription._id, None)

    async def send(self, subject: str, payload: bytes, reply: str, headers: bytes) -> None:
        """Publish with a raw header block (``NATS/1.0`` and its lines, each ended by CR LF).

        Raises:
            OutboundBufferLimitError: there is no connection; nothing was sent.
            ConnectionClosedError: the client was closed.
            MaxPayloadError: the server takes no message of this size.
        """
        if self.is_closed:
            raise ConnectionClosedError
        if not self.is_connected:
            raise OutboundBufferLimitError
        if len(payload) > self._max_payload:
            raise MaxPayloadError
        await self._send_command(
            b"HPUB %s %s %d %d\r\n%s%s\r\n"
            % (
                subject.encode(),
                reply.encode(),
                len(headers),
                len(headers) + len(payload),
                headers,
                payload,
            )
        )
        if self._flush_queue is not None and self._flush_queue.empty():
            await self._flush_pending()

    async def _process_msg(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes
    ) -> None:
        take = self._takers.get(sid)
        if take is None:
            await super()._process_msg(sid, subject, reply, data, headers)
        else:
            # The library passes nothing at all for a message without headers.
            take(subject, reply, data, headers or b"")


class _DirectParser(Parser):
    """Takes the messages of ``listen`` out of the stream; all else goes on to the library's parser.

    That one copies a message three times and tries two patterns on it: more than half the cost of
    reading a log.
    """

    def __init__(self, client: DirectClient, takers: dict[int, Take]) -> None:
        super().__init__(client)
        self._takers = takers

    async def parse(self, data: bytes = b"") -> None:
        """Take in what the socket has brought."""
        if self.state == AWAITING_CONTROL_LINE:
            if self.buf:
                data = bytes(self.buf) + data
                self.buf.clear()
            done, incomplete = self._take_messages(data)
            data = data[done:]
            if incomplete:
                self.buf.extend(data)
                return
        await super().parse(data)

    def _take_messages(self, data: bytes) -> tuple[int, bool]:
        """Hand over the messages ``data`` begins with; return where they end.

        The second value tells whether only a part of one more is there.

        ``HMSG <subject> <sid> [reply] <header bytes> <bytes>`` CR LF, header, payload, CR LF
        (NATS client protocol).
        """
        at = 0
        while data.startswith(b"HMSG ", at):
            line_end = data.find(b"\r\n", at)
            if line_end < 0:
                break
            fields = data[at + 5 : line_end].split(b" ")
            if len(fields) == 5:
                subject, sid, reply, header_size, size = fields
            elif len(fields) == 4:
                subject, sid, header_size, size = fields
                reply = b""
            else:
                break
            try:
                take = self._takers.get(int(sid))
                begin = line_end + 2
                payload_at, end = begin + int(header_size), begin + int(size)
            except ValueError:
                break
            if take is None:
                break
            if len(data) < end + 2:
                return at, end - begin < _LARGE
            take(subject, reply, data[payload_at:end], data[begin:payload_at])
            at = end + 2
        return at, False


def header(headers: bytes, name: bytes) -> str:
    """Return the value of a header in a raw NATS header block, empty when it is not there.

    ``NATS/1.0[ <status>[ <description>]]`` followed by ``<name>: <value>`` lines, each ended by
    CR LF (NATS client protocol, HMSG).
    """
    start = headers.find(b"\r\n" + name + b":")
    if start < 0:
        return ""
    start += len(name) + 3
    return headers[start : headers.index(b"\r\n", start)].decode().strip()


def status(headers: bytes) -> tuple[str, str]:
    """Return (status, description) of a raw NATS header block, empty texts without one."""
    line = headers[: headers.find(b"\r\n")].decode() if headers else ""
    _, _, rest = line.partition(" ")
    code, _, description = rest.strip().partition(" ")
    return code, description
