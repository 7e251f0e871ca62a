"""An ordered reader that notices every gap.

The client library's ordered consumer drops messages silently when its queue overflows and takes
many seconds to recover. This one pulls bounded batches from an ephemeral consumer, so the bound is
the back-pressure; it checks the consumer's own sequence on every message, listens for heartbeats,
and on any doubt starts a new consumer right after the last entry it handed out. What is not wanted
is left out by the server, or here where that is faster (``topics.better_sifted_here``).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from functools import partial
from types import TracebackType
from typing import Final, Self

import msgspec
import structlog
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from bus.direct_client import DirectClient, header, status
from bus.errors import LogUnavailable, NoAnswer
from bus.log import Recorded
from bus.stream import api
from bus.topics import better_sifted_here, matches

_SECOND: Final = 1_000_000_000
_WINDOW: Final = 2_000
"""Most entries requested and not yet handed out."""

_HEARTBEAT: Final = 2.0
_EXPIRES: Final = 30.0
_SILENCE: Final = 2.5 * _HEARTBEAT
_IDLE_CONSUMER: Final = 60.0
_RESTART_PAUSE: Final = 0.1
_COMPANY: Final = 0.002
"""Wall seconds for which an unhurried entry waits: waking up for each costs more than reading."""

_SERVICE_UNAVAILABLE: Final = 503
"""JetStream is not up yet."""

_PULL_ENDED: Final = frozenset({"404", "408"})
_HEARTBEAT_STATUS: Final = "100"


def parse_ack_subject(reply: str) -> tuple[int, int, int, int]:
    """Return the facts in a JetStream reply subject of either format.

    They are the sequence in the stream, that in the consumer, when it was stored (ns UTC) and how
    many matching entries are left.

    Nine tokens: ``$JS.ACK.<stream>.<consumer>.<delivered>.<sseq>.<cseq>.<time>.<pending>``; eleven
    or twelve have domain and account hash after ``ACK`` (ADR-15).

    Raises:
        ValueError: it is neither.
    """
    tokens = reply.split(".")
    if len(tokens) == 9:
        return int(tokens[5]), int(tokens[6]), int(tokens[7]), int(tokens[8])
    if len(tokens) in (11, 12):
        return int(tokens[7]), int(tokens[8]), int(tokens[9]), int(tokens[10])
    raise ValueError(f"no JetStream reply subject: {reply!r}")


class JetStreamReader:
    """Reads a stream in order from just after a sequence; use as an async context manager."""

    def __init__(
        self,
        client: DirectClient,
        stream: str,
        *,
        after: int,
        topics: Sequence[str],
        prefix: str,
        reconnects: Callable[[], int],
        unhurried: Sequence[str] = (),
    ) -> None:
        """Prepare a reader; ``reconnects`` counts the connection's reconnects.

        ``prefix`` makes a topic a subject. Entries of ``unhurried`` families may wait a moment for
        company.
        """
        self._client = client
        self._stream = stream
        self._topics = tuple(topics)
        self._prefix = prefix
        self._sifting = better_sifted_here(topics)
        self._wanted: dict[bytes, bool] = {}
        self._unhurried = tuple(f"{prefix}{family}.".encode() for family in unhurried)
        self._ripe = False
        self._company_due = False
        self._reconnects = reconnects
        self._seen_reconnects = reconnects()
        self._handed_out = after
        self._buffer: list[Recorded] = []
        self._arrived = asyncio.Event()
        self._subscription: Subscription | None = None
        self._consumer: str | None = None
        self._inbox = ""
        self._generation = 0
        self._next_consumer_sequence = 1
        self._requested = 0
        self._server_pending = 0
        self._heard = 0.0
        self._broken: str | None = None
        self.restarts = 0

    async def __aenter__(self) -> Self:
        await self._start_or_break()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._drop()

    @property
    def pending(self) -> int:
        """Matching entries on the log, as last heard, that have not been returned yet.

        Where sifting is done here, all entries that have not arrived are counted.
        """
        if self._consumer is None:
            # Not started: there may be anything on the log.
            return len(self._buffer) + 1
        return len(self._buffer) + self._server_pending

    async def batch(self, wait: float) -> Sequence[Recorded]:
        """Return what has arrived, in order; empty when nothing did within ``wait`` wall seconds.

        A lost connection or server is waited out: the reader resumes where it was.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait
        while not self._ripe:
            remaining = deadline - loop.time()
            if remaining <= 0:
                return ()
            self._judge(loop.time())
            if self._broken is not None:
                await self._restart()
                continue
            await self._pull()
            self._arrived.clear()
            # A timer that sets the event: half the cost of a time-out context, on every wait.
            timer = loop.call_later(min(remaining, _HEARTBEAT), self._arrived.set)
            try:
                await self._arrived.wait()
            finally:
                timer.cancel()
        self._ripe = False
        found, self._buffer = self._buffer, []
        self._handed_out = found[-1].sequence
        await self._pull()
        return found

    def _judge(self, now: float) -> None:
        if self._seen_reconnects != self._reconnects():
            self._seen_reconnects = self._reconnects()
            self._broken = "the connection was renewed"
        elif now - self._heard > _SILENCE:
            self._broken = "no heartbeat"

    async def _restart(self) -> None:
        self.restarts += 1
        structlog.get_logger().info(
            "reader_restarts", stream=self._stream, after=self._handed_out, reason=self._broken
        )
        await self._drop()
        await self._start_or_break()

    async def _start_or_break(self) -> None:
        try:
            await self._start()
        except (NoAnswer, NatsError, OSError) as error:
            self._broken = f"no reader yet: {error}"
            await asyncio.sleep(_RESTART_PAUSE)

    async def _start(self) -> None:
        self._generation += 1
        self._buffer = []
        self._ripe = False
        self._next_consumer_sequence = 1
        self._requested = 0
        self._broken = None
        self._seen_reconnects = self._reconnects()
        self._inbox = self._client.new_inbox()
        self._subscription = await self._client.listen(
            self._inbox, partial(self._receive, self._generation)
        )
        filters = (">",) if self._sifting else self._topics
        answer = await api(
            self._client,
            f"CONSUMER.CREATE.{self._stream}",
            {
                "stream_name": self._stream,
                "config": {
                    "deliver_policy": "by_start_sequence",
                    "opt_start_seq": self._handed_out + 1,
                    "ack_policy": "none",
                    "replay_policy": "instant",
                    "filter_subjects": [f"{self._prefix}{topic}" for topic in filters],
                    "inactive_threshold": int(_IDLE_CONSUMER * _SECOND),
                    "num_replicas": 1,
                    "mem_storage": True,
                },
            },
        )
        if (error := answer.get("error")) is not None:
            if error.get("code") == _SERVICE_UNAVAILABLE:
                raise NoAnswer(f"no reader on {self._stream} yet", str(error.get("description")))
            raise LogUnavailable(
                f"no reader on {self._stream}: {error.get('description')}", "see nats-server.log"
            )
        self._consumer = answer["name"]
        self._server_pending = answer["num_pending"]
        self._heard = asyncio.get_running_loop().time()
        await self._pull()

    async def _drop(self) -> None:
        subscription, self._subscription = self._subscription, None
        consumer, self._consumer = self._consumer, None
        with contextlib.suppress(NatsError, OSError):
            if subscription is not None:
                await self._client.unlisten(subscription)
            if consumer is not None and self._client.is_connected:
                await self._client.publish(f"$JS.API.CONSUMER.DELETE.{self._stream}.{consumer}")

    async def _pull(self) -> None:
        wanted = _WINDOW - self._requested
        if wanted < _WINDOW // 4 or self._consumer is None:
            return
        request = msgspec.json.encode(
            {
                "batch": wanted,
                "expires": int(_EXPIRES * _SECOND),
                "idle_heartbeat": int(_HEARTBEAT * _SECOND),
            }
        )
        try:
            await self._client.publish(
                f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._consumer}",
                request,
                reply=self._inbox,
            )
        except (NatsError, OSError) as error:
            self._broken = str(error)
            return
        self._requested += wanted

    def _receive(
        self, generation: int, subject: bytes, reply: bytes, payload: bytes, headers: bytes
    ) -> None:
        if generation != self._generation or self._broken is not None:
            return
        self._heard = asyncio.get_running_loop().time()
        if not reply:
            self._on_status(headers)
            return
        sequence, consumer_sequence, stored_at, pending = parse_ack_subject(reply.decode())
        if consumer_sequence != self._next_consumer_sequence:
            self._broken = (
                f"gap: consumer sequence {consumer_sequence} after "
                f"{self._next_consumer_sequence - 1}"
            )
            self._arrived.set()
            return
        self._next_consumer_sequence += 1
        self._requested -= 1
        self._server_pending = pending
        if self._sifting and not self._wants(subject):
            self._pass_over(sequence)
            return
        self._buffer.append(
            Recorded(
                sequence=sequence,
                subject=subject.decode(),
                payload=payload,
                identity=header(headers, b"Nats-Msg-Id"),
                stored_at=stored_at,
            )
        )
        if self._ripe:
            return
        if not self._unhurried or not subject.startswith(self._unhurried):
            self._ripe = True
            self._arrived.set()
        elif not self._company_due:
            self._company_due = True
            asyncio.get_running_loop().call_later(_COMPANY, self._company_came)

    def _wants(self, subject: bytes) -> bool:
        wanted = self._wanted.get(subject)
        if wanted is None:
            topic = subject.decode()[len(self._prefix) :]
            wanted = any(matches(pattern, topic) for pattern in self._topics)
            self._wanted[subject] = wanted
        return wanted

    def _pass_over(self, sequence: int) -> None:
        if not self._buffer:
            self._handed_out = sequence
        if self._requested <= _WINDOW - _WINDOW // 4:
            self._arrived.set()  # The waiting batch() asks for more.

    def _company_came(self) -> None:
        self._company_due = False
        if self._buffer:
            self._ripe = True
            self._arrived.set()

    def _on_status(self, headers: bytes) -> None:
        code, description = status(headers)
        if code == _HEARTBEAT_STATUS:
            return
        if code in _PULL_ENDED:
            # The pull ran out; the waiting batch() asks again.
            left = header(headers, b"Nats-Pending-Messages")
            self._requested -= int(left or self._requested)
            self._arrived.set()
            return
        self._broken = f"status {code} {description}"
        self._arrived.set()
