"""Order calls as received, byte for byte: how often each body came.

KIS orders carry nothing that tells a repeated call from a second order, so a client that sends
twice trades twice. Here every repetition is counted, so that a test can prove there was none.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence

import msgspec


class SeenBody(msgspec.Struct, kw_only=True):
    """One body: which call of which account, for which issue, how often, when. ns UTC."""

    call: str
    tr_id: str
    account: str
    symbol: str
    count: int
    first_at: int
    last_at: int


class OrderBodies:
    """Every order body seen so far."""

    def __init__(self) -> None:
        self._seen: dict[bytes, SeenBody] = {}
        self.received: Counter[str] = Counter()
        self.repeated = 0

    def note(
        self, call: str, tr_id: str, raw: bytes, *, account: str, symbol: str, at: int
    ) -> None:
        """Count an order call."""
        self.received[tr_id] += 1
        digest = hashlib.sha256(tr_id.encode() + raw).digest()
        known = self._seen.get(digest)
        if known is not None:
            self.repeated += 1
            known.count += 1
            known.last_at = at
            return
        self._seen[digest] = SeenBody(
            call=call,
            tr_id=tr_id,
            account=account,
            symbol=symbol,
            count=1,
            first_at=at,
            last_at=at,
        )

    @property
    def repetitions(self) -> Sequence[SeenBody]:
        """The bodies that came more than once, in order of their first arrival."""
        return [body for body in self._seen.values() if body.count > 1]
