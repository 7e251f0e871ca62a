"""The errors of the vocabulary.

EventError
├── CodecError            a payload that cannot become an event (carries the payload)
│   ├── UnknownEventType
│   ├── UnknownEventVersion
│   └── MalformedPayload
├── InvalidSubject        a subject outside the naming scheme
├── InvalidIdentifier     an id that cannot be part of a subject
├── PriceError
│   ├── OffTick
│   └── OutsidePriceLimits
├── NotASession           a date without a trading session
└── CalendarHorizon       a date past the verified calendar
"""

from __future__ import annotations

from datetime import date


class EventError(Exception):
    """Base of every error raised by the vocabulary."""


class CodecError(EventError):
    """A payload that cannot be decoded; ``payload`` holds its bytes so that nothing is lost."""

    def __init__(self, message: str, payload: bytes) -> None:
        super().__init__(message)
        self.payload = payload


class UnknownEventType(CodecError):
    """The type tag names no event of this code version."""

    def __init__(self, name: str, payload: bytes) -> None:
        super().__init__(
            f"unknown event type {name!r}: it was written by a newer version of kst or by "
            "another program; upgrade this installation or remove the foreign publisher",
            payload,
        )
        self.name = name


class UnknownEventVersion(CodecError):
    """The type is known, the version is not."""

    def __init__(self, name: str, version: str, known: tuple[int, ...], payload: bytes) -> None:
        super().__init__(
            f"event {name} has version {version!r}, this code reads {list(known)}: "
            "upgrade kst to the version that wrote the log",
            payload,
        )
        self.name = name
        self.version = version
        self.known = known


class MalformedPayload(CodecError):
    """The payload is truncated, of the wrong shape, or no event at all."""

    def __init__(self, reason: str, payload: bytes) -> None:
        super().__init__(
            f"malformed event payload of {len(payload)} bytes: {reason}; "
            "the event is set aside, look at its bytes with `kst status`",
            payload,
        )
        self.reason = reason


class InvalidSubject(EventError):
    """A subject that does not follow ``kst.<account>.<family>.…``."""

    def __init__(self, subject: str, reason: str) -> None:
        super().__init__(f"subject {subject!r} is not one of ours: {reason}")
        self.subject = subject


class InvalidIdentifier(EventError):
    """An identifier with characters that would break a subject."""

    def __init__(self, kind: str, value: str) -> None:
        super().__init__(
            f"{kind} {value!r} must be letters, digits, '-' or '_' (it becomes part of a subject)"
        )
        self.kind = kind
        self.value = value


class PriceError(EventError):
    """A price that the exchange would refuse."""


class OffTick(PriceError):
    """A price between two ticks."""

    def __init__(self, price: int, tick: int) -> None:
        super().__init__(
            f"price {price} won is not on its tick of {tick} won: round it down for a buy, "
            "up for a sell"
        )
        self.price = price
        self.tick = tick


class OutsidePriceLimits(PriceError):
    """A price beyond the day's limits."""

    def __init__(self, price: int, lower: int, upper: int) -> None:
        super().__init__(f"price {price} won is outside the day's limits {lower}..{upper} won")
        self.price = price
        self.lower = lower
        self.upper = upper


class NotASession(EventError):
    """The exchange is closed on this date."""

    def __init__(self, day: date, reason: str) -> None:
        super().__init__(f"{day:%Y-%m-%d} is not a KRX session ({reason}): choose a trading day")
        self.day = day
        self.reason = reason


class CalendarHorizon(EventError):
    """The calendar has not been verified this far."""

    def __init__(self, day: date, first: date, last: date) -> None:
        super().__init__(
            f"{day:%Y-%m-%d} is outside the verified calendar {first:%Y-%m-%d}..{last:%Y-%m-%d}: "
            "extend events/calendar.py from the exchange's notices"
        )
        self.day = day
        self.last = last
