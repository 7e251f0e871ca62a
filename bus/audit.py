"""Fingerprints of the log, so that a changed or lost entry is found and named.

The auditor reads every entry and now and then appends ``LogSealed``: a rolling SHA-256 over all
entries so far and one CRC-32 per entry of the sealed range. ``audit_log`` recomputes them: the
digest says whether anything changed, the checksums say where. The first seal starts at the first
entry that the stream holds.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import zlib
from collections.abc import Sequence
from typing import Final

import msgspec
import structlog

from bus.errors import AppendConflict
from bus.log import Log, Recorded, entry
from bus.progress import OnProgress, ignore_progress
from events import codec
from events.errors import CodecError
from events.ops import LogSealed

_TOPIC: Final = "ops.auditor"
_SEAL_EVERY: Final = 5_000
"""Entries per seal by default: about 30 KiB of event each."""
_WAIT: Final = 0.25
_ENDING_PATIENCE = 10.0
"""Wall seconds without an entry after which one that is told to end gives its log up."""
_START: Final = hashlib.sha256(b"kst log").hexdigest()


class Flaw(msgspec.Struct, frozen=True, kw_only=True):
    """One entry that is not what was sealed. ``kind`` is ``changed``, ``missing`` or ``digest``."""

    sequence: int
    subject: str
    kind: str
    detail: str


class AuditReport(msgspec.Struct, frozen=True, kw_only=True):
    """``sealed`` and ``unsealed`` count entries; ``flaws`` lists what is wrong, first first."""

    sealed: int
    unsealed: int
    digest: str
    flaws: tuple[Flaw, ...]


class _Range:
    """The entries since the last seal."""

    def __init__(self, first: int, digest: str) -> None:
        self.first = first
        self._hash = hashlib.sha256(bytes.fromhex(digest))
        self.checksums = bytearray()
        self.subjects: list[str] = []

    def add(self, recorded: Recorded) -> None:
        prefix = b"%d %s " % (recorded.sequence, recorded.subject.encode())
        self._hash.update(prefix)
        self._hash.update(recorded.payload)
        checksum = zlib.crc32(recorded.payload, zlib.crc32(prefix))
        self.checksums += checksum.to_bytes(4, "big")
        self.subjects.append(recorded.subject)

    def add_lost(self) -> None:
        """Take the place of an entry that is not there; no seal can fit any more."""
        self._hash.update(b"lost")
        self.checksums += bytes(4)
        self.subjects.append("")

    def checksum(self, place: int) -> bytes:
        return bytes(self.checksums[4 * place : 4 * place + 4])

    @property
    def count(self) -> int:
        return len(self.checksums) // 4

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()


async def run_auditor(
    log: Log,
    *,
    stop: asyncio.Event,
    on_progress: OnProgress = ignore_progress,
    seal_every: int = _SEAL_EVERY,
) -> None:
    """Seal the log every ``seal_every`` entries, and what is left when ``stop`` is set.

    A log that answers no more does not keep it from ending.

    Raises:
        BusError: the log cannot be read or appended to.
    """
    last_seal, open_range = await _resume(log)
    now = asyncio.get_running_loop().time
    async with log.read(after=open_range.first - 1) as reader:
        given_up_at = math.inf
        while True:
            ending = stop.is_set()
            batch = await reader.batch(0.05 if ending else _WAIT)
            for recorded in batch:
                open_range.add(recorded)
                if open_range.count >= seal_every:
                    last_seal = await _seal(log, open_range, recorded, last_seal)
                    open_range = _Range(recorded.sequence + 1, open_range.digest)
            if batch:
                newest = batch[-1]
            if ending and (batch or given_up_at == math.inf):
                given_up_at = now() + _ENDING_PATIENCE
            if now() > given_up_at:
                return  # The log is gone. What is not sealed is sealed by the next auditor.
            on_progress(open_range.first + open_range.count - 1, reader.pending)
            if ending and not batch and reader.pending == 0:
                if open_range.count > 1:
                    # A range of one entry is the previous seal itself.
                    await _seal(log, open_range, newest, last_seal)
                return


async def _resume(log: Log) -> tuple[int, _Range]:
    stored = await log.last(_TOPIC)
    if stored is None:
        # What has left the stream is sealed by the archive's own hashes.
        return 0, _Range(max((await log.info()).first_sequence, 1), _START)
    event = codec.decode(stored.payload)
    assert isinstance(event, LogSealed)
    return stored.sequence, _Range(event.last + 1, event.digest)


async def _seal(log: Log, sealed: _Range, newest: Recorded, last_seal: int) -> int:
    try:
        at = codec.decode(newest.payload).at
    except CodecError:
        at = newest.stored_at
    event = LogSealed(
        at=at,
        cause=newest.sequence,
        first=sealed.first,
        last=newest.sequence,
        digest=sealed.digest,
        checksums=bytes(sealed.checksums),
    )
    try:
        (sequence,) = await log.append([entry(log.account, event, expected=last_seal)])
    except AppendConflict:
        structlog.get_logger().error("second_auditor", first=sealed.first)
        raise
    return sequence


async def audit_log(log: Log) -> AuditReport:
    """Return whether every sealed entry is what it was when it was sealed."""
    found = _Audit(await _seals(log))
    end = (await log.info()).last_sequence
    async with log.read() as reader:
        while found.position < end and (batch := await reader.batch(5.0)):
            for recorded in batch:
                found.take(recorded)
    found.lose_until(end + 1)
    return found.report()


class _Audit:
    """Goes through the log entry by entry, lost ones included, and checks each seal it passes."""

    def __init__(self, seals: Sequence[LogSealed]) -> None:
        self.position = 0
        self._seals = iter(seals)
        self._seal = next(self._seals, None)
        self._range = _Range(1, _START)
        self._digest = _START
        self._sealed = 0
        self._flaws: list[Flaw] = []

    def take(self, recorded: Recorded) -> None:
        self.lose_until(recorded.sequence)
        self._range.add(recorded)
        self._pass(recorded.sequence)

    def lose_until(self, sequence: int) -> None:
        for lost in range(self.position + 1, sequence):
            self._flaws.append(_missing(lost))
            self._range.add_lost()
            self._pass(lost)

    def _pass(self, sequence: int) -> None:
        self.position = sequence
        seal = self._seal
        if seal is None or sequence != seal.last:
            return
        self._flaws += _compare(self._range, seal)
        self._sealed += self._range.count
        self._digest = seal.digest
        self._range = _Range(seal.last + 1, seal.digest)
        self._seal = next(self._seals, None)

    def report(self) -> AuditReport:
        return AuditReport(
            sealed=self._sealed,
            unsealed=self._range.count,
            digest=self._digest,
            flaws=tuple(self._flaws),
        )


async def _seals(log: Log) -> Sequence[LogSealed]:
    found: list[LogSealed] = []
    if await log.last(_TOPIC) is None:
        return found
    async with log.read(topics=(_TOPIC,)) as reader:
        while batch := await reader.batch(1.0):
            for recorded in batch:
                event = codec.decode(recorded.payload)
                if isinstance(event, LogSealed):
                    found.append(event)
            if reader.pending == 0:
                break
    return found


def _missing(sequence: int) -> Flaw:
    return Flaw(
        sequence=sequence,
        subject="",
        kind="missing",
        detail="lost, or damaged on disk: the server has no entry at this sequence",
    )


def _compare(found: _Range, seal: LogSealed) -> list[Flaw]:
    if found.digest == seal.digest:
        return []
    # The range is longer than the seal's where the seal before this one is lost.
    skipped = seal.first - found.first
    flaws = []
    for place in range(len(seal.checksums) // 4):
        subject = found.subjects[skipped + place]
        is_now = found.checksum(skipped + place)
        was = seal.checksums[4 * place : 4 * place + 4]
        if subject and is_now != was:
            detail = f"checksum {is_now.hex()} instead of {was.hex()}"
            sequence = seal.first + place
            flaws.append(Flaw(sequence=sequence, subject=subject, kind="changed", detail=detail))
    if not flaws and skipped == 0 and "" not in found.subjects:
        # Lost entries are reported as such and explain the digest.
        detail = f"entries {seal.first}..{seal.last} do not give the sealed digest"
        flaws = [Flaw(sequence=seal.last, subject="", kind="digest", detail=detail)]
    return flaws
