"""The log as the rest of the system sees it: append, read, look up. Backends are equal.

An append is all or nothing and durable when it returns. Sequences start at 1 and have no gaps. The
same conformance tests run against every backend (``MemoryLog``, ``JetStreamLog``).
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Final, NamedTuple, Protocol, Self

import msgspec

from events import AccountId, Event, codec, subjects

MAX_BATCH: Final = 1_000
"""Most entries one append can hold: the server's limit of an atomic batch."""


class Entry(msgspec.Struct, frozen=True):
    """What is to be appended.

    ``identity`` makes a second copy within the duplicate window a no-op. ``expected`` is the
    sequence of the subject's last entry that the writer has seen (0: none may exist); ``None``
    appends unconditionally.
    """

    subject: str
    payload: bytes
    identity: str
    expected: int | None = None


class Recorded(msgspec.Struct, frozen=True, gc=False):
    """What stands on the log at ``sequence``; ``stored_at`` is the server's clock (ns UTC)."""

    sequence: int
    subject: str
    payload: bytes
    identity: str
    stored_at: int


class LogIdentity(NamedTuple):
    """Which log this is and how far it goes: what a checkpoint compares."""

    stream: str
    created: str
    first_sequence: int
    last_sequence: int


class Reader(Protocol):
    """An ordered, gap-free run of log entries; use as an async context manager."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    async def batch(self, wait: float) -> Sequence[Recorded]:
        """Return what is next, in order; empty when nothing arrived within ``wait`` seconds.

        ``wait`` is wall time. Never raises for a lost connection: it resumes where it was.
        """
        ...

    @property
    def pending(self) -> int:
        """Matching entries known to be on the log and not yet returned.

        0 says that there are none. It may count entries that do not match until it has passed them.
        """
        ...


class Log(Protocol):
    """One account's totally ordered log."""

    @property
    def account(self) -> AccountId:
        """Whose log it is."""
        ...

    async def append(self, entries: Sequence[Entry], *, atomic: bool = True) -> tuple[int, ...]:
        """Append entries durably and in order; return their sequences.

        ``atomic`` appends all or none. Without it a failure may leave the first ones stored, which
        is faster for a handful of entries that do not depend on each other.

        An entry whose identity already stands with equal bytes is not stored again and yields the
        sequence it has. Up to 1,000 entries.

        Raises:
            AppendConflict: an ``expected`` sequence did not hold; nothing was stored.
            IdentityReused: an identity stands with other bytes; nothing was stored.
            AppendUnknown: no answer; the caller must look before it acts.
        """
        ...

    def read(
        self,
        *,
        after: int = 0,
        topics: Sequence[str] = (">",),
        unhurried: Sequence[str] = (),
    ) -> Reader:
        """Return a reader of the entries past sequence ``after`` on any of ``topics``.

        Topics have no account prefix and may use the wildcards ``*`` and a final ``>``; no two of
        them may overlap. However many they are, a long log is read at full speed. Entries of
        ``unhurried`` families (``market.trade``) need not be returned at once: alone they may wait
        two milliseconds for company, and never make another entry wait. The order stays the log's.
        """
        ...

    async def last(self, topic: str) -> Recorded | None:
        """Return the last entry on a topic (no wildcards), read with its own writes visible."""
        ...

    async def get(self, sequence: int) -> Recorded | None:
        """Return the entry at a sequence, ``None`` when there is none."""
        ...

    async def info(self) -> LogIdentity:
        """Return which log this is and how far it goes."""
        ...


def entry(
    account: AccountId, event: Event, *, identity: str | None = None, expected: int | None = None
) -> Entry:
    """Return the entry that appends ``event`` to an account's log.

    ``identity`` is needed for events without one of their own (frames from outside). An event
    that is alone on its topic expects an empty topic unless ``expected`` says otherwise.
    """
    chosen = event.identity or identity
    if chosen is None:
        raise ValueError(f"{codec.event_name(event)} has no identity of its own: pass one")
    if expected is None and event.unique_on_topic:
        expected = 0
    return Entry(subjects.subject(account, event.topic), codec.encode(event), chosen, expected)
