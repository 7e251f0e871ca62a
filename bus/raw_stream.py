"""What came from outside, byte for byte, for some days: a parser's mistake can be run again.

Undecoded frames and answers stand on a stream of their own (``RAW_<ACCOUNT>``) on the log's server,
several to a block. It is no part of the truth: nothing is decided on it, it forgets what is older
than its retention, and the server acknowledges it before the disk has it.

``ws`` frames are kept as received. Notices of own orders stay encrypted there, and their keys die
with the connection; therefore each one is kept a second time under ``notice``, opened and with the
person's data masked: enough to compare a layout, too little to know whose it was. One that cannot
be decoded is set aside on the log in the same form.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final, NamedTuple

import msgspec

from bus.direct_client import DirectClient
from bus.errors import LogUnavailable, RawBlockUnreadable
from bus.jetstream_log import JetStreamLog
from bus.jetstream_reader import JetStreamReader
from bus.stream import api
from events import AccountId
from events.identifiers import require_token

_SECOND: Final = 1_000_000_000
_STREAM_NOT_FOUND: Final = 10059
_LAYOUT: Final = 1
"""Layout of a block, its first field."""

_PATIENCE: Final = 3
"""Waits in a row in which a reader may hear nothing."""


class RawFrame(NamedTuple):
    """Bytes as received. ``at`` is ns UTC; ``source`` says where from (``ws``, a call's name)."""

    at: int
    source: str
    payload: bytes


class RecordedFrame(NamedTuple):
    """A frame read back, with the sequence of its block and its place in it, from 0."""

    sequence: int
    place: int
    frame: RawFrame


class _Block(msgspec.Struct, array_like=True):
    layout: int
    frames: list[RawFrame]


_encode_block: Final = msgspec.msgpack.Encoder().encode
_block_decoder: Final = msgspec.msgpack.Decoder(_Block)


def raw_stream_name(account: AccountId) -> str:
    """Return the stream that holds an account's undecoded frames."""
    return f"RAW_{require_token('account', account).upper()}"


def raw_subject(account: AccountId) -> str:
    """Return the subject of its blocks; outside the log's, whose stream takes all of ``kst.>``."""
    return f"kst-raw.{require_token('account', account)}"


class Retention(NamedTuple):
    """How long undecoded frames are kept; the sooner of both ends it."""

    days: int = 7
    size: int = 20 * 1024**3
    """Bytes on disk, compressed."""


def raw_definition(account: AccountId, retention: Retention) -> dict[str, Any]:
    """Return the settings of the stream: the oldest goes first, no waiting for the disk."""
    return {
        "name": raw_stream_name(account),
        "subjects": [raw_subject(account)],
        "retention": "limits",
        "storage": "file",
        "discard": "old",
        "num_replicas": 1,
        "max_age": retention.days * 86_400 * _SECOND,
        "max_bytes": retention.size,
        "duplicate_window": 120 * _SECOND,
        "persist_mode": "async",
        "compression": "s2",
        "allow_direct": False,
    }


async def ensure_raw_stream(client: DirectClient, account: AccountId, retention: Retention) -> None:
    """Create the stream, or give it the retention wanted.

    Raises:
        LogUnavailable: no answer, or the server refuses the settings.
    """
    wanted = raw_definition(account, retention)
    name = wanted["name"]
    found = await api(client, f"STREAM.INFO.{name}")
    call = "UPDATE"
    if (error := found.get("error")) is not None:
        if error.get("err_code") != _STREAM_NOT_FOUND:
            raise LogUnavailable(f"{name}: {error.get('description')}", "see nats-server.log")
        call = "CREATE"
    elif all(found["config"].get(key, False) == value for key, value in wanted.items()):
        return
    answer = await api(client, f"STREAM.{call}.{name}", wanted)
    if (error := answer.get("error")) is not None:
        raise LogUnavailable(
            f"{name} could not be set up: {error.get('description')}", "see nats-server.log"
        )


def encode_block(frames: list[RawFrame]) -> bytes:
    """Return the bytes of a block."""
    return _encode_block(_Block(_LAYOUT, frames))


def decode_block(payload: bytes) -> list[RawFrame]:
    """Return the frames of a block.

    Raises:
        RawBlockUnreadable: it is none, or of a later layout.
    """
    try:
        block = _block_decoder.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        # msgspec lets invalid UTF-8 and endless nesting through as what they are.
        raise RawBlockUnreadable(str(error)) from error
    if block.layout != _LAYOUT:
        raise RawBlockUnreadable(f"layout {block.layout} is not known")
    return block.frames


class RawReader:
    """Reads an account's undecoded frames back, oldest first."""

    def __init__(self, log: JetStreamLog) -> None:
        """Read from the server of ``log``."""
        self._log = log

    async def size(self) -> tuple[int, int]:
        """Return the sequences of the first and the last block; (0, 0) when there is none.

        Raises:
            LogUnavailable: no answer.
        """
        answer = await api(self._log.client, f"STREAM.INFO.{raw_stream_name(self._log.account)}")
        if (error := answer.get("error")) is not None:
            if error.get("err_code") == _STREAM_NOT_FOUND:
                return 0, 0
            raise LogUnavailable(
                f"undecoded frames: {error.get('description')}", "see nats-server.log"
            )
        state = answer["state"]
        return (state["first_seq"], state["last_seq"]) if state["messages"] else (0, 0)

    async def frames(self, *, wait: float = 2.0) -> AsyncIterator[RecordedFrame]:
        """Yield everything that is recorded now.

        Raises:
            RawBlockUnreadable: a block that this version cannot read.
            LogUnavailable: no answer within ``wait`` wall seconds, several times over.
        """
        first, last = await self.size()
        if not last:
            return
        silent = 0
        async with JetStreamReader(
            self._log.client,
            raw_stream_name(self._log.account),
            after=first - 1,
            topics=(raw_subject(self._log.account),),
            prefix="",
            reconnects=lambda: self._log.reconnects,
        ) as reader:
            while True:
                batch = await reader.batch(wait)
                for block in batch:
                    if block.sequence > last:
                        return
                    for place, frame in enumerate(decode_block(block.payload)):
                        yield RecordedFrame(block.sequence, place, frame)
                    if block.sequence == last:
                        return
                silent = 0 if batch else silent + 1
                if silent == _PATIENCE:
                    raise LogUnavailable(
                        "undecoded frames are not delivered", "check that nats-server is running"
                    )
