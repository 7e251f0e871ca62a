"""Where a projection stands on the log, and proof that it is still the same log.

The digest is rolling: digest(n) = SHA-256(digest(n-1) ‖ sequence as 8 bytes big endian ‖ payload)
over the folded entries. With the digest before the last entry beside it, a restart can check that
the last entry is still the one that was folded; a rebuild checks all of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Final

import msgspec

from bus import Log, LogIdentity, LogRegressed, Recorded

NO_DIGEST: Final = "00" * 32


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Everything up to ``last_sequence`` of the named stream is in the rows. Digests are hex."""

    stream: str
    created: str
    last_sequence: int
    previous_digest: str
    digest: str
    log_at: int


def beginning(identity: LogIdentity) -> Checkpoint:
    """Return the checkpoint before the first entry."""
    return Checkpoint(
        stream=identity.stream,
        created=identity.created,
        last_sequence=0,
        previous_digest=NO_DIGEST,
        digest=NO_DIGEST,
        log_at=0,
    )


def advanced(checkpoint: Checkpoint, entries: Iterable[Recorded], log_at: int) -> Checkpoint:
    """Return the checkpoint after further entries, in log order."""
    previous, digest = bytes.fromhex(checkpoint.previous_digest), bytes.fromhex(checkpoint.digest)
    sequence = checkpoint.last_sequence
    for recorded in entries:
        previous, sequence = digest, recorded.sequence
        digest = sha256(previous + sequence.to_bytes(8, "big") + recorded.payload).digest()
    return Checkpoint(
        stream=checkpoint.stream,
        created=checkpoint.created,
        last_sequence=sequence,
        previous_digest=previous.hex(),
        digest=digest.hex(),
        log_at=log_at,
    )


async def require_same_log(checkpoint: Checkpoint, log: Log) -> None:
    """Check that ``log`` still holds what the checkpoint has seen.

    Raises:
        LogRegressed: another or a re-created stream, one that ends before the checkpoint, one
            whose entries after it have expired, or one whose entry at it has other bytes.
    """
    identity = await log.info()
    if (identity.stream, identity.created) != (checkpoint.stream, checkpoint.created):
        raise LogRegressed(
            identity.stream,
            f"the rows were folded from {checkpoint.stream} created {checkpoint.created}, this is "
            f"{identity.stream} created {identity.created}",
        )
    last = checkpoint.last_sequence
    if last > identity.last_sequence:
        raise LogRegressed(
            identity.stream,
            f"it ends at sequence {identity.last_sequence}, the rows hold sequence {last}",
        )
    if last < identity.first_sequence - 1:
        raise LogRegressed(
            identity.stream,
            f"it begins at sequence {identity.first_sequence}, the rows end at {last}: what lies "
            "between has expired",
        )
    recorded = await log.get(last) if last >= max(identity.first_sequence, 1) else None
    if recorded is None:
        return
    before = bytes.fromhex(checkpoint.previous_digest)
    found = sha256(before + last.to_bytes(8, "big") + recorded.payload).hexdigest()
    if found != checkpoint.digest:
        raise LogRegressed(
            identity.stream,
            f"the entry at sequence {last} is not the one that was folded (digest {found[:16]}…, "
            f"the checkpoint has {checkpoint.digest[:16]}…)",
        )
