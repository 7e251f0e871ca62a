"""The errors of the log.

BusError
├── LogUnavailable        the server cannot be reached or did not answer in time
├── ServerTooOld          a required server feature is missing
├── StreamMismatch        the stream exists with other settings
├── LogRegressed          the log went backwards or changed under a checkpoint
├── AppendConflict        somebody else wrote to the subject first
├── AppendUnknown         no answer; the entries may or may not be stored
├── IdentityReused        the same id was stored before with other bytes
├── LeaseLost             another process may act in this one's place
├── Divergence            a processor derived something else than the log holds
├── RawBlockUnreadable    a block of undecoded frames that cannot be taken apart
└── DataDirectoryError    the data directory cannot be used
"""

from __future__ import annotations

from collections.abc import Sequence


class BusError(Exception):
    """Base of every error raised by the log."""


class LogUnavailable(BusError):
    """The log cannot be reached; nothing may be decided or sent until it can."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what}: {remedy}")


class NoAnswer(LogUnavailable):
    """The server did not answer a question in time, or the connection is down."""


class ServerTooOld(BusError):
    """The server lacks what the log's guarantees need."""

    def __init__(self, version: str, required: str) -> None:
        super().__init__(
            f"nats-server {version} is too old: {required} or newer is required for atomic "
            "batches and fsync before acknowledgement; upgrade the server"
        )


class StreamMismatch(BusError):
    """The stream's settings differ from the definition in code."""

    def __init__(self, stream: str, differences: Sequence[str]) -> None:
        super().__init__(
            f"stream {stream} differs from its definition: {'; '.join(differences)}. "
            "Restore the settings or use another data directory; nothing was changed"
        )
        self.stream = stream
        self.differences = tuple(differences)


class LogRegressed(BusError):
    """The log no longer contains what a checkpoint has seen."""

    def __init__(self, stream: str, detail: str) -> None:
        super().__init__(
            f"log {stream} is not the one this checkpoint was taken from: {detail}. "
            "Trading must not continue on it; restore the log or rebuild the projection"
        )


class AppendConflict(BusError):
    """The subject's last sequence is not the expected one; read it and decide again."""

    def __init__(self, subject: str, expected: int, actual: int | None) -> None:
        super().__init__(
            f"{subject}: expected last sequence {expected}, the log has "
            f"{'another' if actual is None else actual}"
        )
        self.subject = subject
        self.expected = expected
        self.actual = actual


class AppendUnknown(BusError):
    """No acknowledgement arrived although the same bytes were sent again."""

    def __init__(self, subject: str, attempts: int) -> None:
        super().__init__(
            f"append to {subject} had no answer after {attempts} attempts: it may or may not be "
            "stored; check that nats-server is running and its disk is not full"
        )
        self.subject = subject


class IdentityReused(BusError):
    """An id was used for two different payloads; the second was not stored."""

    def __init__(self, subject: str, identity: str, sequence: int) -> None:
        super().__init__(
            f"{subject}: id {identity!r} already stands at sequence {sequence} with other bytes; "
            "two producers disagree or an id is not specific enough"
        )
        self.identity = identity
        self.sequence = sequence


class LeaseLost(BusError):
    """This process may not act any more; start it again, and it waits until it may."""

    def __init__(self, name: str, epoch: int, reason: str) -> None:
        super().__init__(
            f"lease {name!r} of epoch {epoch} is lost ({reason}): another process may act now; "
            "this one ends and is to be started again as its standby"
        )
        self.name = name
        self.epoch = epoch


class Divergence(BusError):
    """A processor's output and the log disagree: code, configuration or log changed."""

    def __init__(self, processor: str, sequence: int, kind: str, expected: str, found: str) -> None:
        super().__init__(
            f"{processor} diverges at sequence {sequence} ({kind}): "
            f"derived {expected or 'nothing'}, the log has {found or 'nothing'}"
        )
        self.processor = processor
        self.sequence = sequence
        self.kind = kind
        self.expected = expected
        self.found = found


class RawBlockUnreadable(BusError):
    """A block of undecoded frames is damaged or of a later layout."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"a block of undecoded frames cannot be read ({reason}): use the version that wrote it"
        )


class DataDirectoryError(BusError):
    """The data directory is of another version, in use, or not writable."""
