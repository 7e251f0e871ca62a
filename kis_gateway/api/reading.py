"""Records of KIS answers, and what reads them: compiled once from their annotations.

What always holds: a record exists only when every field it declares was in the answer and could be
read; everything else the answer said is in ``extra``, names and values as received. Nothing is
inferred from a blank: where KIS may leave a field blank, its type has a ``None``; elsewhere a blank
is unreadable. Names that the protocol tables do not know, units that differ from theirs and Python
types that do not fit the unit are refused when the reader is made.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from typing import Any, Final, Generic, NamedTuple, TypeVar, Union, get_args, get_origin

import msgspec

from events.calendar import instant
from kis_gateway.api.units import NEGATIVE_SIGNS, Amount, At, Choice, Day, Named, Text, Unit
from kis_gateway.client.answer import Fields
from kis_gateway.errors import FieldMissing, FieldUnreadable
from kis_gateway.protocol import Field, call_form


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A group of fields that belong together inside a record."""


class Record(Part, frozen=True, kw_only=True):
    """One object of an answer. ``extra``: what it said beyond the declared fields, as received."""

    extra: Mapping[str, str] = {}


R = TypeVar("R", bound=Record)
S = TypeVar("S", bound=Record)


class WithSummary(msgspec.Struct, Generic[S, R], frozen=True, kw_only=True):
    """An answer that says something about the whole and lists its rows."""

    summary: S
    rows: tuple[R, ...]


class Source(NamedTuple):
    """The block a record is read from."""

    call: str
    fields: Mapping[str, Field]
    """The protocol's fields by their names in lower case."""


_Get = Callable[[Fields, date], Any]
_BLANK: Final = frozenset({""})
_BLANK_DATES: Final = frozenset({"", "0", "00000000"})
_BLANK_TIMES: Final = frozenset({"", "0", "000000"})


class Reader(Generic[R]):
    """Reads one record type from one block of one call."""

    def __init__(self, record: type[R], call: str, block: str) -> None:
        self.record: Final = record
        self.block: Final = block
        self.source: Final = Source(
            call, {field.name.lower(): field for field in call_form(call).blocks[block].fields}
        )
        self.names: Final[set[str]] = set()
        """The KIS names this record reads, in lower case."""
        self._columns: Final = dict(_columns(record, _Place("", self.source, self.names)))

    def read(self, row: Fields, day: date) -> R:
        """Return the record of an object. ``day`` is the KST date of times without one.

        Raises:
            FieldMissing: a declared field is absent.
            FieldUnreadable: one holds what cannot be its value.
        """
        values = {name: get(row, day) for name, get in self._columns.items()}
        extra = {
            name: "" if value is None else str(value)
            for name, value in row.received.items()
            if name.lower() not in self.names
        }
        return self.record(extra=extra, **values)


class _Place(NamedTuple):
    """Where a declaration stands: its record and field, and what ``@`` and ``#`` are there."""

    where: str
    source: Source
    names: set[str]
    mark: str = ""
    number: str = ""

    def spellings(self, pattern: str) -> tuple[Field, tuple[str, ...]]:
        """Return the protocol's field and every spelling of its name, the protocol's first."""
        found = [
            each.replace("@", self.mark).replace("#", self.number).lower()
            for each in pattern.split("|")
        ]
        known = [each for each in found if each in self.source.fields]
        if not known:
            raise TypeError(f"{self.where}: {self.source.call} has no field {' or '.join(found)}")
        self.names.update(found)
        others = [each for each in found if each not in known]
        return self.source.fields[known[0]], (*known, *others)


def _columns(record: type[Part], outer: _Place) -> Iterator[tuple[str, _Get]]:
    for attribute, hint in typing.get_type_hints(record, include_extras=True).items():
        if attribute == "extra":
            continue
        base, unit = get_args(hint)
        base, optional = _without_none(base)
        numbers = [outer.number]
        if unit.times:
            (base, _) = get_args(base)
            numbers = [str(each) for each in range(1, unit.times + 1)]
        gets = []
        for number in numbers:
            place = outer._replace(where=f"{record.__name__}.{attribute}", number=number)
            if isinstance(unit, Named):
                gets.append(_part(base, place._replace(mark=unit.name)))
            else:
                gets.append(_value(base, unit, place, optional=optional))
        yield attribute, _all(gets) if unit.times else gets[0]


def _all(gets: list[_Get]) -> _Get:
    return lambda row, day: tuple(get(row, day) for get in gets)


def _part(part: type[Part], place: _Place) -> _Get:
    columns = dict(_columns(part, place))
    return lambda row, day: part(**{name: get(row, day) for name, get in columns.items()})


def _value(base: Any, unit: Unit, place: _Place, *, optional: bool) -> _Get:
    field, spellings = place.spellings(unit.name)
    if field.unit not in unit.protocol_units:
        raise TypeError(
            f"{place.where}: {field.name} of {place.source.call} is in {field.unit or 'no unit'},"
            f" which is not {type(unit).__name__}"
        )
    base = getattr(base, "__supertype__", base)
    if base is not unit.python and not isinstance(unit, Choice):
        raise TypeError(f"{place.where}: {type(unit).__name__} is {unit.python}, not {base}")
    if isinstance(unit, At):
        return _instant(unit, place, optional=optional)
    parse = unit.parser(unit.protocol_units[field.unit])
    sign = ""
    if isinstance(unit, Amount) and unit.sign:
        _, (sign, *_) = place.spellings(unit.sign)
    blanks = _BLANK_DATES if isinstance(unit, Day) else _BLANK
    takes_blanks = isinstance(unit, Text)

    def get(row: Fields, day: date) -> Any:
        text = _text(row, spellings, field.name)
        stripped = text.strip()
        if optional and stripped in blanks:
            return None
        if not stripped and not takes_blanks:
            raise FieldUnreadable(row.call, field.name, text, unit.wanted)
        try:
            value = parse(text)
        except ValueError as error:
            raise FieldUnreadable(row.call, field.name, text, unit.wanted) from error
        return _signed(value, _text(row, (sign,), sign).strip()) if sign else value

    return get


def _signed(value: float, sign: str) -> float:
    if sign in NEGATIVE_SIGNS:
        return -abs(value)
    return abs(value) if sign in ("1", "2") else value


def _instant(unit: At, place: _Place, *, optional: bool) -> _Get:
    field, spellings = place.spellings(unit.name)
    day_name = place.spellings(unit.day)[1][0] if unit.day else ""

    def get(row: Fields, day: date) -> int | None:
        text = _text(row, spellings, field.name).strip()
        if optional and text in _BLANK_TIMES:
            return None
        label = _text(row, (day_name,), day_name).strip() if day_name else f"{day:%Y%m%d}"
        try:
            if len(text) != 6 or len(label) != 8:
                raise ValueError(text)
            moment = datetime.strptime(label + text, "%Y%m%d%H%M%S")  # noqa: DTZ007 - KST
        except ValueError as error:
            wanted = f"{unit.wanted} of the day {label!r}"
            raise FieldUnreadable(row.call, field.name, text, wanted) from error
        return instant(moment.date(), moment.time())

    return get


def _text(row: Fields, spellings: tuple[str, ...], shown: str) -> str:
    for name in spellings:
        if name in row:
            return row.text(name)
    raise FieldMissing(row.call, shown)


def _without_none(hint: Any) -> tuple[Any, bool]:
    if get_origin(hint) in (Union, types.UnionType):
        kinds = [each for each in get_args(hint) if each is not type(None)]
        if len(kinds) == 1:
            return kinds[0], True
    return hint, False
