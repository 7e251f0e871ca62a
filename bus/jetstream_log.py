"""One account's log on a NATS JetStream stream.

nats-py is used as a transport only: acknowledgements, retries, batches and reading are done here,
because a time-out of an append means "unknown", never "failed". The same bytes are then sent again
with the same id and the same expectation, and what the server says is checked against the log.
"""

from __future__ import annotations

import asyncio
import base64
import calendar
import contextlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import structlog
from nats.errors import Error as NatsError

from bus.direct_client import DirectClient
from bus.errors import (
    AppendConflict,
    AppendUnknown,
    IdentityReused,
    LogUnavailable,
    NoAnswer,
)
from bus.jetstream_reader import JetStreamReader
from bus.log import MAX_BATCH, Entry, LogIdentity, Recorded
from bus.publishing import AckedPublisher, NoAcknowledgement, Sent
from bus.stream import api, ensure_stream, stream_name
from events import AccountId, subjects

_WRONG_LAST_SEQUENCE: Final = 10071
_WRITE_IN_FLIGHT: Final = 10164
_DUPLICATE_IN_BATCH: Final = 10201
_NOT_FOUND: Final = 404

_PATIENCE: Final = 60.0
"""Wall seconds after which an append without an answer is given up as unknown: a server that is
restarted answers well before."""

_BATCH_FROM: Final = 16
"""Below this many entries, pipelined single appends are faster than one atomic batch: a batch costs
the server about 2 ms of staging, a synced append 0.15 ms."""


class _Attempts:
    """Counts attempts at one append until patience ends."""

    def __init__(self, subject: str) -> None:
        self.made = 0
        self._subject = subject
        self._deadline = asyncio.get_running_loop().time() + _PATIENCE

    def failed(self, error: NoAcknowledgement) -> None:
        """Take note of an attempt without an answer; raises when patience is at its end."""
        self.made += 1
        if asyncio.get_running_loop().time() > self._deadline:
            raise AppendUnknown(self._subject, self.made) from error


class JetStreamLog:
    """The log of one account on a nats-server; build with ``connect``."""

    def __init__(self, client: DirectClient, account: AccountId) -> None:
        """Wrap a connected client; ``connect`` does this."""
        self._client = client
        self._account = account
        self._stream = stream_name(account)
        self._publisher = AckedPublisher(client)
        self.reconnects = 0

    @classmethod
    async def connect(
        cls, url: str, account: AccountId, *, create: bool = True, patience: float = 10.0
    ) -> JetStreamLog:
        """Connect to ``url`` and open the account's log, creating it when ``create``.

        Waits up to ``patience`` wall seconds for a server that is still starting.

        Raises:
            LogUnavailable: no server, or no such log and ``create`` is false.
            ServerTooOld: the server lacks atomic batches.
            StreamMismatch: the log exists with other settings.
        """
        client = DirectClient()
        opened: list[JetStreamLog] = []

        async def on_reconnect() -> None:
            for log in opened:
                log.reconnects += 1

        async def on_error(error: Exception) -> None:
            structlog.get_logger().debug("nats_client_error", error=str(error))

        try:
            async with asyncio.timeout(patience):
                # With unlimited attempts the first connect, too, tries until it succeeds.
                await client.connect(
                    url,
                    # Nothing is buffered while disconnected: a stale append must not surface later.
                    pending_size=0,
                    ping_interval=5,
                    max_outstanding_pings=2,
                    max_reconnect_attempts=-1,
                    reconnect_time_wait=0.1,  # type: ignore[arg-type] # seconds; floats work
                    connect_timeout=5,
                    skip_subject_validation=True,  # subjects are built by ``events.subjects``
                    reconnected_cb=on_reconnect,
                    error_cb=on_error,
                    allow_reconnect=True,
                )
        except (TimeoutError, NatsError, OSError) as error:
            raise LogUnavailable(
                f"no nats-server at {url}", "start it, or check the address"
            ) from error
        await ensure_stream(client, account, create=create)
        log = cls(client, account)
        await log._publisher.open()
        opened.append(log)
        return log

    async def close(self) -> None:
        """Close the connection; appends that wait are abandoned as unknown."""
        with contextlib.suppress(NatsError, OSError):
            await self._client.close()

    @property
    def account(self) -> AccountId:
        """Whose log it is."""
        return self._account

    @property
    def client(self) -> DirectClient:
        """The connection, for what is not the log: none of it may decide anything."""
        return self._client

    # -- appending -------------------------------------------------------------------------------

    async def append(self, entries: Sequence[Entry], *, atomic: bool = True) -> tuple[int, ...]:
        """Append entries durably and in order; see ``Log.append``."""
        if not entries:
            return ()
        if len(entries) > MAX_BATCH:
            raise ValueError(f"{len(entries)} entries in one append, at most {MAX_BATCH}")
        if len(entries) == 1:
            return (await self._append_one(entries[0]),)
        if not atomic and len(entries) < _BATCH_FROM:
            return await self._append_pipelined(entries)
        return await self._append_batch(entries)

    async def _append_one(self, entry: Entry) -> int:
        attempts = _Attempts(entry.subject)
        while True:
            try:
                ack = await self._publisher.answer(await self._publisher.send(entry), attempts.made)
            except NoAcknowledgement as error:
                attempts.failed(error)
                continue
            if ack.error is None:
                if ack.duplicate:
                    await self._require_same(entry, ack.seq)
                return ack.seq
            if ack.error.err_code == _WRONG_LAST_SEQUENCE:
                return await self._own_or_conflict(entry)
            if ack.error.err_code == _WRITE_IN_FLIGHT:
                await asyncio.sleep(0.01)
                continue
            raise LogUnavailable(
                f"append to {entry.subject} refused: {ack.error.description}",
                "check the disk and nats-server.log",
            )

    async def _append_pipelined(self, entries: Sequence[Entry]) -> tuple[int, ...]:
        # One connection keeps the order: all are written before the first answer is read. After a
        # write that failed nothing more is written, so that nothing overtakes it.
        waiting: list[Sent | None] = []
        for entry in entries:
            if waiting and waiting[-1] is None:
                waiting.append(None)
                continue
            try:
                waiting.append(await self._publisher.send(entry))
            except NoAcknowledgement:
                waiting.append(None)
        sequences: list[int] = []
        for entry, answer in zip(entries, waiting, strict=True):
            ack = None
            if answer is not None:
                with contextlib.suppress(NoAcknowledgement):
                    ack = await self._publisher.answer(answer, 0)
            if ack is not None and ack.error is None and not ack.duplicate:
                sequences.append(ack.seq)
            else:
                # Anything unusual goes the careful way, which recognises what is stored already.
                sequences.append(await self._append_one(entry))
        return tuple(sequences)

    async def _append_batch(self, entries: Sequence[Entry]) -> tuple[int, ...]:
        before = (await self.info()).last_sequence
        attempts = _Attempts(entries[0].subject)
        while True:
            try:
                ack = await self._publisher.answer(
                    await self._publisher.send_batch(entries), attempts.made
                )
            except NoAcknowledgement as error:
                attempts.failed(error)
                continue
            if ack.error is None:
                return tuple(range(ack.seq - len(entries) + 1, ack.seq + 1))
            if ack.error.err_code == _WRITE_IN_FLIGHT:
                await asyncio.sleep(0.01)
                continue
            if ack.error.err_code in (_DUPLICATE_IN_BATCH, _WRONG_LAST_SEQUENCE):
                known = await self._find(entries, after=before if attempts.made else 0)
                return await self._complete(entries, known)
            raise LogUnavailable(
                f"append of {len(entries)} entries refused: {ack.error.description}",
                "check the disk and nats-server.log",
            )

    async def _complete(
        self, entries: Sequence[Entry], known: dict[str, Recorded]
    ) -> tuple[int, ...]:
        """Store what is missing of a batch of which some entries stand on the log already."""
        missing = [entry for entry in entries if entry.identity not in known]
        for entry in entries:
            if (stored := known.get(entry.identity)) and stored.payload != entry.payload:
                raise IdentityReused(entry.subject, entry.identity, stored.sequence)
        if len(missing) == len(entries):
            for entry in entries:
                await self._require_expected(entry)
            raise AppendUnknown(entries[0].subject, 1)
        stored_now = await self.append(missing)
        fresh = dict(zip((entry.identity for entry in missing), stored_now, strict=True))
        return tuple(
            known[entry.identity].sequence if entry.identity in known else fresh[entry.identity]
            for entry in entries
        )

    async def _find(self, entries: Sequence[Entry], *, after: int) -> dict[str, Recorded]:
        """Return those of ``entries`` that stand on the log past ``after``, by identity."""
        wanted = {entry.identity for entry in entries}
        cut = len(subjects.subject(self._account, ""))
        topics = sorted({entry.subject[cut:] for entry in entries})
        found: dict[str, Recorded] = {}
        async with self.read(after=after, topics=topics) as reader:
            while batch := await reader.batch(wait=1.0):
                found |= {stored.identity: stored for stored in batch if stored.identity in wanted}
                if reader.pending == 0:
                    break
        return found

    async def _own_or_conflict(self, entry: Entry) -> int:
        """Return the sequence when the subject's last entry is this one, else say conflict."""
        stored = await self._last_on(entry.subject)
        if stored is not None and stored.identity == entry.identity:
            if stored.payload != entry.payload:
                raise IdentityReused(entry.subject, entry.identity, stored.sequence)
            return stored.sequence
        assert entry.expected is not None
        raise AppendConflict(
            entry.subject, entry.expected, 0 if stored is None else stored.sequence
        )

    async def _require_expected(self, entry: Entry) -> None:
        if entry.expected is None:
            return
        stored = await self._last_on(entry.subject)
        actual = 0 if stored is None else stored.sequence
        if actual != entry.expected:
            raise AppendConflict(entry.subject, entry.expected, actual)

    async def _require_same(self, entry: Entry, sequence: int) -> None:
        stored = await self.get(sequence)
        if stored is None or stored.payload != entry.payload:
            raise IdentityReused(entry.subject, entry.identity, sequence)

    # -- reading ---------------------------------------------------------------------------------

    def read(
        self,
        *,
        after: int = 0,
        topics: Sequence[str] = (">",),
        unhurried: Sequence[str] = (),
    ) -> JetStreamReader:
        """Return a gap-checking reader past ``after``; see ``Log.read``."""
        return JetStreamReader(
            self._client,
            self._stream,
            after=after,
            topics=topics,
            prefix=subjects.subject(self._account, ""),
            unhurried=unhurried,
            reconnects=lambda: self.reconnects,
        )

    async def last(self, topic: str) -> Recorded | None:
        """Return the last entry on a topic, asked of the stream's leader."""
        return await self._last_on(subjects.subject(self._account, topic))

    async def _last_on(self, subject: str) -> Recorded | None:
        return await self._message({"last_by_subj": subject})

    async def get(self, sequence: int) -> Recorded | None:
        """Return the entry at a sequence."""
        return await self._message({"seq": sequence})

    async def _message(self, query: dict[str, object]) -> Recorded | None:
        answer = await self._ask(f"STREAM.MSG.GET.{self._stream}", query)
        if (error := answer.get("error")) is not None:
            if error.get("code") == _NOT_FOUND:
                return None
            raise LogUnavailable(
                f"{self._stream}: {error.get('description')}", "see nats-server.log"
            )
        message = answer["message"]
        return Recorded(
            sequence=message["seq"],
            subject=message["subject"],
            payload=base64.b64decode(message.get("data", "")),
            identity=_header(base64.b64decode(message.get("hdrs", "")), b"Nats-Msg-Id"),
            stored_at=_nanoseconds(message["time"]),
        )

    async def info(self) -> LogIdentity:
        """Return which log this is and how far it goes.

        Raises:
            LogUnavailable: no answer, or the stream has vanished.
        """
        answer = await self._ask(f"STREAM.INFO.{self._stream}", None)
        if (error := answer.get("error")) is not None:
            raise LogUnavailable(
                f"{self._stream}: {error.get('description')}", "restore the data directory"
            )
        state = answer["state"]
        return LogIdentity(
            stream=self._stream,
            created=answer["created"],
            first_sequence=state["first_seq"],
            last_sequence=state["last_seq"],
        )

    async def _ask(self, call: str, body: object) -> dict[str, Any]:
        deadline = asyncio.get_running_loop().time() + _PATIENCE
        while True:
            try:
                return await api(self._client, call, body)
            except NoAnswer:
                # A server that is restarted answers again; and the first request after a reconnect
                # is known to be lost now and then.
                if asyncio.get_running_loop().time() > deadline:
                    raise
                await asyncio.sleep(0.1)


def _nanoseconds(text: str) -> int:
    """Return an RFC 3339 time of the server, ``2025-09-15T00:00:00.1234Z``, in ns UTC."""
    seconds, _, fraction = text.removesuffix("Z").partition(".")
    whole = calendar.timegm(datetime.fromisoformat(seconds).timetuple())
    return whole * 1_000_000_000 + int(fraction.ljust(9, "0"))


def _header(block: bytes, name: bytes) -> str:
    for line in block.split(b"\r\n"):
        key, _, value = line.partition(b":")
        if key == name:
            return value.strip().decode()
    return ""
