"""Reading the blocks of a KIS answer: every value is text, and a missing field is an error.

What always holds: a documented field that is absent raises ``FieldMissing`` with its name; a number
that is none raises ``InquiryFailed``, as do bytes that are no UTF-8; fields nobody asks for are
ignored. Key case is ignored, because the documentation and the wire disagree about it.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec

from kis_gateway.errors import FieldMissing, InquiryFailed

UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding a body may raise: msgspec lets invalid UTF-8 and endless nesting through."""

_MOST_DIGITS: Final = 20

_rows: Final = msgspec.json.Decoder(list[dict[str, Any]])
_object: Final = msgspec.json.Decoder(dict[str, Any])


class Fields:
    """One object of an answer; ``received`` is it with its names as they came."""

    __slots__ = ("_values", "call", "received")

    def __init__(self, call: str, values: Mapping[str, Any]) -> None:
        self.call = call
        self.received = values
        self._values = {name.lower(): value for name, value in values.items()}

    def __contains__(self, name: str) -> bool:
        return self._values.get(name) is not None

    def text(self, name: str) -> str:
        """Return a field exactly as received (numbers sent as JSON numbers become text)."""
        value = self._values.get(name)
        if value is None:
            raise FieldMissing(self.call, name)
        return value if isinstance(value, str) else str(value)

    def optional(self, name: str) -> str:
        """Return an undocumented or retired field without blanks around it; empty when absent."""
        value = self._values.get(name)
        return "" if value is None else str(value).strip()

    def either(self, name: str, other: str) -> str:
        """Return which of two spellings of a field the answer uses."""
        return name if name in self._values or other not in self._values else other

    def decimal(self, name: str) -> Decimal:
        """Return a number exactly."""
        text = self.text(name).strip()
        try:
            value = Decimal(text)
        except InvalidOperation:
            value = Decimal("nan")
        # The exponent too: arithmetic on a number like 1e999999 is an error of its own.
        if not value.is_finite() or value.adjusted() > _MOST_DIGITS:
            raise InquiryFailed(self.call, "MALFORMED", f"{name} is {text!r}, not a number")
        return value

    def number(self, name: str) -> int:
        """Return a whole number."""
        value = self.decimal(name)
        if value != value.to_integral_value() or abs(value) >= 1 << 62:
            raise InquiryFailed(self.call, "MALFORMED", f"{name} is {value}, not a whole number")
        return int(value)

    @property
    def empty(self) -> bool:
        """Whether this is padding: KIS fills some lists up with objects without content."""
        return not any(str(value).strip() for value in self._values.values() if value is not None)


def rows(call: str, name: str, raw: msgspec.Raw) -> list[Fields]:
    """Return the objects of a list block, padding left out.

    Raises:
        FieldMissing: the block is absent.
        InquiryFailed: it is no list of objects.
    """
    if not raw:
        raise FieldMissing(call, name)
    try:
        found = [Fields(call, each) for each in _rows.decode(raw)]
    except UNREADABLE as error:
        raise InquiryFailed(call, "MALFORMED", f"{name} is no list of objects") from error
    return [each for each in found if not each.empty]


def single(call: str, name: str, raw: msgspec.Raw) -> Fields:
    """Return a block of one object, which some calls wrap in a list of one.

    Raises:
        FieldMissing: the block is absent or empty.
        InquiryFailed: it is neither an object nor a list of objects.
    """
    if bytes(raw).lstrip().startswith(b"["):
        found = rows(call, name, raw)
        if not found:
            raise FieldMissing(call, name)
        return found[0]
    if not raw:
        raise FieldMissing(call, name)
    try:
        return Fields(call, _object.decode(raw))
    except UNREADABLE as error:
        raise InquiryFailed(call, "MALFORMED", f"{name} is no object") from error
