"""The rolling hash over everything a log holds, day after day.

A day's chain starts with the hash the day before ended with, so one hash stands for the whole
history up to an entry: sequence, subject, identity, time of storage and payload of each.
"""

from __future__ import annotations

from hashlib import blake2b
from struct import Struct
from typing import Final

from bus.log import Recorded

_SIZE: Final = 32
_LENGTHS: Final = Struct("<QqIII")

GENESIS: Final = blake2b(b"kst day archive", digest_size=_SIZE).hexdigest()
"""Where the chain of a log's first day starts."""


class Chain:
    """BLAKE2b-256 over entries, in order."""

    def __init__(self, start: str) -> None:
        """Start from the hex digest that the entries before gave, or from ``GENESIS``."""
        self._hash = blake2b(bytes.fromhex(start), digest_size=_SIZE)

    def add(self, recorded: Recorded) -> None:
        """Take in the next entry; every field is preceded by its length."""
        subject = recorded.subject.encode()
        identity = recorded.identity.encode()
        payload = recorded.payload
        lengths = _LENGTHS.pack(
            recorded.sequence, recorded.stored_at, len(subject), len(identity), len(payload)
        )
        self._hash.update(b"".join((lengths, subject, identity, payload)))

    @property
    def digest(self) -> str:
        """The hex digest of all entries so far."""
        return self._hash.hexdigest()
