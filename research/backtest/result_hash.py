"""The digest by which two runs are compared: equal digests mean equal derived events, in order.

It covers every derived event with its log sequence, so a run that decides the same a moment later
has another digest. It is incremental: nothing is kept but the state of the hash.
"""

from __future__ import annotations

from hashlib import blake2b
from struct import Struct
from typing import Final

from events import codec
from events.event import Event

_PLACE: Final = Struct("<QI")
_DIGEST_BYTES: Final = 32


class ResultHash:
    """A running BLAKE2b-256 over (sequence, length, encoded event) of derived events."""

    def __init__(self) -> None:
        self._hash = blake2b(digest_size=_DIGEST_BYTES)
        self._update = self._hash.update

    def add(self, sequence: int, event: Event) -> None:
        """Take in the next derived event; ``sequence`` is its place on the log."""
        payload = codec.encode(event)
        self._update(_PLACE.pack(sequence, len(payload)) + payload)

    def hexdigest(self) -> str:
        """Return the digest of everything taken in so far, 64 hex digits."""
        return self._hash.hexdigest()
