"""Messages handed over without a queue: in order, as bytes, with their headers readable."""

from __future__ import annotations

import asyncio

import pytest
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
