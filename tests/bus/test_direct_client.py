"""Messages handed over without a queue: in order, as bytes, with their headers readable."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nats.aio.client import Client

from bus import Entry, NatsServer
from bus.direct_client import DirectClient, header, status
from bus.publishing import _headers


async def test_messages_arrive_in_order_as_bytes(nats_server: NatsServer) -> None:
    """Subject, reply, payload and headers of every message, in the order they were sent."""
    client = DirectClient()
    await client.connect(nats_server.url)
    taken: list[tuple[bytes, bytes, bytes, str]] = []
    arrived = asyncio.Event()

    def take(subject: bytes, reply: bytes, payload: bytes, headers: bytes) -> None:
        taken.append((subject, reply, payload, header(headers, b"Nats-Msg-Id")))
        if len(taken) == 3:
            arrived.set()

    subscription = await client.listen("direct.*", take)
    await client.publish("direct.a", b"1", headers={"Nats-Msg-Id": "first", "Other": "x"})
    await client.publish("direct.b", b"2", reply="back.here")
    await client.publish("direct.a", b"")
    async with asyncio.timeout(5):
        await arrived.wait()
    await client.unlisten(subscription)
    await client.close()
    assert taken == [
        (b"direct.a", b"", b"1", "first"),
        (b"direct.b", b"back.here", b"2", ""),
        (b"direct.a", b"", b"", ""),
    ]


async def test_what_is_sent_with_raw_headers_is_received_with_them(nats_server: NatsServer) -> None:
    """The library reads on the other side what was written past it."""
    client, reader = DirectClient(), Client()
    await client.connect(nats_server.url)
    await reader.connect(nats_server.url)
    subscription = await reader.subscribe("raw.here")
    await reader.flush()
    await client.send("raw.here", b"body", "answer.there", b"NATS/1.0\r\nNats-Msg-Id: a-1\r\n\r\n")
    message = await subscription.next_msg(timeout=5)
    await client.close()
    await reader.close()
    assert (message.data, message.reply, message.headers) == (
        b"body",
        "answer.there",
        {"Nats-Msg-Id": "a-1"},
    )


def test_an_identity_cannot_forge_a_header() -> None:
    """A line end in it is refused before anything is sent."""
    with pytest.raises(ValueError, match="line end"):
        _headers(Entry("kst.a.ops.x", b"", "id\r\nNats-Rollup: all"))


async def test_other_subscriptions_of_the_client_work_as_ever(nats_server: NatsServer) -> None:
    """A request is answered through the library's own way."""
    client = DirectClient()
    await client.connect(nats_server.url)
    await client.listen("elsewhere", lambda *_: None)
    with pytest.raises(Exception, match="no responders"):
        await client.request("nobody.there", b"", timeout=2)
    await client.close()


def test_status_lines_are_read() -> None:
    """``NATS/1.0 404 No Messages`` and a block without a status."""
    assert status(b"NATS/1.0 404 No Messages\r\n\r\n") == ("404", "No Messages")
    assert status(b"NATS/1.0 503\r\n\r\n") == ("503", "")
    assert status(b"NATS/1.0\r\nA: b\r\n\r\n") == ("", "")
    assert status(b"") == ("", "")
    assert header(
        b"NATS/1.0 408\r\nNats-Pending-Messages: 17\r\n\r\n", b"Nats-Pending-Messages"
    ) == ("17")
    assert header(b"NATS/1.0\r\nAB: c\r\n\r\n", b"B") == ""


async def test_a_library_that_passes_messages_otherwise_is_refused(
    nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hook is checked, not hoped for."""

    async def changed(self: Client, message: object) -> None:
        return None

    client = DirectClient()
    await client.connect(nats_server.url)
    with monkeypatch.context() as patch:
        patch.setattr(Client, "_process_msg", changed)
        with pytest.raises(TypeError, match="nats-py passes messages as"):
            await client.listen("any", lambda *_: None)
    await client.close()


_MESSAGES = (
    b"INFO {}\r\n"
    b"HMSG log.a 7 back.1 12 15\r\nNATS/1.0\r\n\r\none\r\n"
    b"HMSG log.b 7 28 28\r\nNATS/1.0\r\nNats-Msg-Id: x\r\n\r\n\r\n"
    b"PING\r\n"
    b"MSG other 8 2\r\nhi\r\n"
    b"HMSG other 8 12 14\r\nNATS/1.0\r\n\r\nho\r\n"
    b"HMSG log.c 7 back.2 12 300012\r\nNATS/1.0\r\n\r\n" + b"z" * 300_000 + b"\r\n"
    b"HMSG log.d 7 back.3 12 16\r\nNATS/1.0\r\n\r\n\r\n\r\n\r\n"
)
"""What a server may send, with a message of line ends and one that is larger than any read."""


class _Heard(DirectClient):
    """Notes what the parsers make of the bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[object] = []
        self._takers[7] = lambda *message: self.heard.append((7, *message))

    async def _process_msg(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes
    ) -> None:
        if sid in self._takers:
            await super()._process_msg(sid, subject, reply, data, headers)
        else:
            self.heard.append((sid, subject, reply, data, headers or b""))

    async def _process_info(
        self, info: dict[str, object], initial_connection: bool = False
    ) -> None:
        self.heard.append("info")

    async def _process_ping(self) -> None:
        self.heard.append("ping")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, len(_MESSAGES) - 1) | st.integers(1, 260), max_size=12))
async def test_messages_are_the_same_wherever_the_stream_is_cut(cuts: list[int]) -> None:
    """Whatever the socket brings at a time, each message arrives whole, once and in order."""
    client = _Heard()
    edges = [0, *sorted(set(cuts)), len(_MESSAGES)]
    for begin, end in pairwise(edges):
        await client._ps.parse(_MESSAGES[begin:end])
    assert client.heard == [
        "info",
        (7, b"log.a", b"back.1", b"one", b"NATS/1.0\r\n\r\n"),
        (7, b"log.b", b"", b"", b"NATS/1.0\r\nNats-Msg-Id: x\r\n\r\n"),
        "ping",
        (8, b"other", b"", b"hi", b""),
        (8, b"other", b"", b"ho", b"NATS/1.0\r\n\r\n"),
        (7, b"log.c", b"back.2", b"z" * 300_000, b"NATS/1.0\r\n\r\n"),
        (7, b"log.d", b"back.3", b"\r\n\r\n", b"NATS/1.0\r\n\r\n"),
    ]
