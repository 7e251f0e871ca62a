"""Which event stands in which file of a sealed day, and in which columns.

Derived from the event types themselves: a scalar field is a column of its own, an optional one may
be null, tuples of numbers or texts are lists, anything nested is JSON text. Trades and bars have
one row each, with ``sequence`` and ``place`` saying where they stood. The layouts in force are
written into each day's manifest, so a day stays readable when the types have changed.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from enum import IntEnum, StrEnum
from typing import Any, Final, NamedTuple

import msgspec

from events import Event, MarketEvent, codec, market

ENTRIES: Final = "entries"
"""The file with one row per entry of the log, whatever its family."""

OTHER: Final = "other"
"""The family of everything that no columns reproduce byte for byte: its payloads as they are."""


_RESERVED: Final = frozenset({"sequence", "place", "type"})


def column(field: str) -> str:
    """Return the column of a payload's field: its name, unless the row's own columns have it."""
    return f"event_{field}" if field in _RESERVED else field


class Kind(StrEnum):
    """What a column holds."""

    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    TEXT = "text"
    INTEGERS = "integers"
    TEXTS = "texts"
    JSON = "json"


class Layout(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How entries of one type tag become rows, and rows payloads again.

    ``fields`` are the payload's fields in wire order after the tag, ``json`` those whose column
    holds JSON text. ``rows`` names the field whose items (``columns``, in wire order) have a row
    each; with ``many`` false it is one item and no sequence of them. ``array`` tells MessagePack
    arrays from JSON objects.
    """

    family: str
    array: bool
    fields: tuple[str, ...]
    json: tuple[str, ...] = ()
    rows: str | None = None
    columns: tuple[str, ...] = ()
    many: bool = True

    @property
    def scalars(self) -> tuple[str, ...]:
        """The fields that stand in columns of their own."""
        return tuple(field for field in self.fields if field != self.rows)


class _Exploded(NamedTuple):
    field: str
    item: type[msgspec.Struct]
    many: bool


_EXPLODED: Final[dict[type[Event], _Exploded]] = {
    market.TradeFrame: _Exploded("trades", market.Trade, many=True),
    market.VenueTradeFrame: _Exploded("trades", market.Trade, many=True),
    market.BarClosed: _Exploded("bar", market.Bar, many=False),
    market.BarHistory: _Exploded("bars", market.Bar, many=True),
    market.DailyHistory: _Exploded("bars", market.Bar, many=True),
    market.MinuteHistory: _Exploded("bars", market.Bar, many=True),
}

_FAMILIES: Final[dict[type[Event], str]] = {
    market.TradeFrame: "trades",
    market.VenueTradeFrame: "trades",
    market.QuoteFrame: "quotes",
    market.VenueQuoteFrame: "quotes",
    market.ClockTick: "clock",
    market.PhaseChanged: "clock",
    market.IndexLevel: "indices",
    market.ExpectedIndexLevel: "indices",
    market.ProgramFlow: "flows",
    market.SymbolProgramFlow: "flows",
    market.BarClosed: "bars",
    market.BarHistory: "bars",
    market.DailyHistory: "bars",
    market.MinuteHistory: "bars",
}
"""All other types are in the family of their module: market, trading, control, signal, ops."""


def _family(kind: type[Event]) -> str:
    return _FAMILIES.get(kind, kind.__module__.rpartition(".")[2])


def _kind(annotation: Any) -> Kind:
    annotation = getattr(annotation, "__supertype__", annotation)
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        present = [part for part in typing.get_args(annotation) if part is not type(None)]
        return _kind(present[0]) if len(present) == 1 else Kind.JSON
    if typing.get_origin(annotation) is tuple:
        inner = _kind(typing.get_args(annotation)[0])
        return {Kind.INTEGER: Kind.INTEGERS, Kind.TEXT: Kind.TEXTS}.get(inner, Kind.JSON)
    if not isinstance(annotation, type):
        return Kind.JSON
    if issubclass(annotation, bool):
        return Kind.BOOLEAN
    if issubclass(annotation, int | IntEnum):
        return Kind.INTEGER
    if issubclass(annotation, float):
        return Kind.NUMBER
    # Bytes are Base64 text in JSON; no array on the log has any.
    return Kind.TEXT if issubclass(annotation, str | bytes) else Kind.JSON


def _kinds(kind: type[msgspec.Struct]) -> dict[str, Kind]:
    hints = typing.get_type_hints(kind)
    return {
        wire: _kind(hints[name])
        for name, wire in zip(kind.__struct_fields__, kind.__struct_encode_fields__, strict=True)
    }


def _layout(kind: type[Event]) -> Layout:
    exploded = _EXPLODED.get(kind)
    kinds = _kinds(kind)
    rows = None if exploded is None else exploded.field
    return Layout(
        family=_family(kind),
        array=issubclass(kind, MarketEvent),
        fields=tuple(kinds),
        json=tuple(name for name, of in kinds.items() if of is Kind.JSON and name != rows),
        rows=rows,
        columns=() if exploded is None else exploded.item.__struct_encode_fields__,
        many=exploded is None or exploded.many,
    )


def _columns(kind: type[Event]) -> Iterator[tuple[str, Kind]]:
    exploded = _EXPLODED.get(kind)
    for name, of in _kinds(kind).items():
        if exploded is None or name != exploded.field:
            yield name, of
    if exploded is not None:
        yield from _kinds(exploded.item).items()


LAYOUTS: Final[dict[str, Layout]] = {
    str(kind.__struct_config__.tag): _layout(kind) for kind in codec.EVENT_TYPES
}
"""The layouts of today's types by tag."""


def _family_columns() -> dict[str, dict[str, Kind]]:
    found: dict[str, dict[str, Kind]] = {}
    for kind in codec.EVENT_TYPES:
        family = found.setdefault(_family(kind), {})
        for name, of in _columns(kind):
            if family.setdefault(column(name), of) is not of:
                raise TypeError(f"{kind.__name__}.{name} is {of}, elsewhere in its family not")
    return found


COLUMNS: Final = _family_columns()
"""The columns of each family beside ``sequence``, ``place`` (where rows are exploded) and
``type``."""

EXPLODED: Final = frozenset(_family(kind) for kind in _EXPLODED)
"""The families with one row per item."""
