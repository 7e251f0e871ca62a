"""Comparing what a processor derives with what the log holds: the core of runner and verifier.

Pure. Entries go in, in log order; out come the outputs a processor derived from them and every
disagreement with the outputs that stand on the log already. An output can only stand after its
cause, so when one is met that was not derived yet it never will be.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from bus.log import Recorded
from bus.processor import Processor
from bus.topics import matches
from events import AccountId, Delivery, Event, codec, subjects
from events.trading import IntentExpired, IntentSubmitted


class Disagreement(msgspec.Struct, frozen=True, kw_only=True):
    """One place where derivation and log differ.

    ``sequence`` is that of the logged output, or of the cause when nothing is logged. ``kind`` is
    ``changed``, ``not derived`` or ``not logged``; ``expected`` is what was derived and ``found``
    what stands on the log, as readable text.
    """

    processor: str
    sequence: int
    kind: str
    identity: str
    expected: str
    found: str


class Derived(msgspec.Struct, frozen=True):
    """An output, its bytes and the sequence of its cause."""

    event: Event
    payload: bytes
    cause: int


class Derivation:
    """Runs one processor over entries and keeps account of its outputs."""

    def __init__(self, processor: Processor, account: AccountId) -> None:
        """Start with a fresh processor and nothing derived."""
        self._processor = processor
        self._cut = len(subjects.subject(account, ""))
        self._inputs = tuple(processor.inputs)
        self._outputs = tuple(processor.outputs)
        self._roles: dict[str, tuple[bool, bool]] = {}
        self._open: dict[str, Derived] = {}
        self.logged = 0
        self.matched = 0

    @property
    def missing(self) -> Sequence[Derived]:
        """Outputs derived and not met on the log yet, oldest first."""
        return tuple(self._open.values())

    def feed(
        self, recorded: Recorded, event: Event
    ) -> tuple[Sequence[Derived], Disagreement | None]:
        """Take one entry; return what follows from it and a disagreement if there is one."""
        role = self._roles.get(recorded.subject)
        if role is None:
            topic = recorded.subject[self._cut :]
            role = (
                any(matches(pattern, topic) for pattern in self._inputs),
                any(matches(pattern, topic) for pattern in self._outputs),
            )
            self._roles[recorded.subject] = role
        is_input, is_output = role
        disagreement = None
        # An expiry is written by the runner, in the place of an output of the processor.
        said = event.intent if isinstance(event, IntentExpired) else event
        if is_output and self._processor.owns(said):
            disagreement = self._match(recorded, event)
        if not is_input:
            return (), disagreement
        outputs = self._processor.handle(Delivery(recorded.sequence, event))
        if not outputs:
            return (), disagreement
        derived = [Derived(out, codec.encode(out), recorded.sequence) for out in outputs]
        for item in derived:
            assert item.event.identity is not None
            self._open[item.event.identity] = item
        return derived, disagreement

    def _match(self, recorded: Recorded, event: Event) -> Disagreement | None:
        assert event.identity is not None
        self.logged += 1
        derived = self._open.pop(event.identity, None)
        if derived is None:
            return self._disagree(recorded.sequence, "not derived", event.identity, b"", recorded)
        payload = recorded.payload
        if isinstance(event, IntentExpired) and isinstance(derived.event, IntentSubmitted):
            # It stands in the intent's place and holds the intent that was due.
            payload = codec.encode(event.intent)
        if payload != derived.payload:
            return self._disagree(
                recorded.sequence, "changed", event.identity, derived.payload, recorded
            )
        self.matched += 1
        return None

    def unlogged(self) -> Sequence[Disagreement]:
        """Return the outputs that a finished log should hold and does not."""
        return [
            self._disagree(item.cause, "not logged", str(item.event.identity), item.payload, None)
            for item in self._open.values()
        ]

    def _disagree(
        self, sequence: int, kind: str, identity: str, expected: bytes, found: Recorded | None
    ) -> Disagreement:
        return Disagreement(
            processor=self._processor.name,
            sequence=sequence,
            kind=kind,
            identity=identity,
            expected=readable(expected),
            found=readable(found.payload) if found is not None else "",
        )


def readable(payload: bytes) -> str:
    """Return a payload as text for people: JSON as it is, other bytes escaped."""
    return payload.decode("utf-8", errors="backslashreplace")
