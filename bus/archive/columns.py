"""Log entries ↔ columns. A payload is stored in columns only when these give its very bytes back.

Going in, a payload is taken apart without its event type's code, so nothing is added, defaulted or
upcast on the way; what the columns would give back is compared with it at once, and whatever
differs, does not fit or cannot be read keeps its bytes in the family ``other``. Coming out, a
payload is put together by the layout in the day's manifest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise, repeat
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from bus.archive.collection import without_collection
from bus.archive.families import COLUMNS, EXPLODED, LAYOUTS, OTHER, Kind, Layout, column
from bus.log import Recorded

if TYPE_CHECKING:
    import polars as pl

_OPENING_BRACE: Final = 0x7B
_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeError, RecursionError)

# Fields are written in the order they are given in: that of the wire.
_to_json: Final = msgspec.json.Encoder().encode
_to_array: Final = msgspec.msgpack.Encoder().encode
_from_json: Final[Callable[[bytes | str], Any]] = msgspec.json.Decoder().decode
_from_array: Final[Callable[[bytes], Any]] = msgspec.msgpack.Decoder().decode


class Placed(NamedTuple):
    """Entries in columns: rows by family, and for each entry its family and type tag."""

    frames: dict[str, pl.DataFrame]
    families: list[str]
    types: list[str | None]


class _Taken(NamedTuple):
    """A payload taken apart: where its entry stands in the block, and its fields' values."""

    place: int
    recorded: Recorded
    values: list[Any]


@without_collection()
def place(entries: Sequence[Recorded]) -> Placed:
    """Return a block of entries as columns; every one that fits none is of the family ``other``."""
    import polars as pl

    families = [OTHER] * len(entries)
    types: list[str | None] = [None] * len(entries)
    frames: dict[str, list[pl.DataFrame]] = {}
    for tag, taken in _by_tag(entries).items():
        layout = LAYOUTS[tag]
        kept, frame = _fitting(tag, layout, taken)
        if not kept:
            continue
        frames.setdefault(layout.family, []).append(frame)
        for item in kept:
            families[item.place] = layout.family
            types[item.place] = tag
    joined = {family: _joined(family, parts) for family, parts in frames.items()}
    others = [recorded for recorded, of in zip(entries, families, strict=True) if of == OTHER]
    if others:
        joined[OTHER] = pl.DataFrame(
            {
                "sequence": [recorded.sequence for recorded in others],
                "payload": [recorded.payload for recorded in others],
            },
            schema=schema(OTHER),
        )
    return Placed(joined, families, types)


def schema(family: str) -> dict[str, pl.DataType]:
    """Return the columns of a family's file and their types, in order."""
    import polars as pl

    if family == OTHER:
        return {"sequence": pl.Int64(), "payload": pl.Binary()}
    head: dict[str, pl.DataType] = {"sequence": pl.Int64()}
    if family in EXPLODED:
        head["place"] = pl.Int64()
    head["type"] = pl.String()
    return head | {name: _dtype(kind) for name, kind in COLUMNS[family].items()}


def _dtype(kind: Kind) -> pl.DataType:
    import polars as pl

    match kind:
        case Kind.INTEGER:
            return pl.Int64()
        case Kind.NUMBER:
            return pl.Float64()
        case Kind.BOOLEAN:
            return pl.Boolean()
        case Kind.INTEGERS:
            return pl.List(pl.Int64)
        case Kind.TEXTS:
            return pl.List(pl.String)
        case Kind.TEXT | Kind.JSON:
            return pl.String()


# -- into columns --------------------------------------------------------------------------------


def _by_tag(entries: Sequence[Recorded]) -> dict[str, list[_Taken]]:
    found: dict[str, list[_Taken]] = {}
    for index, recorded in enumerate(entries):
        taken = _take_apart(recorded.payload)
        if taken is not None:
            tag, values = taken
            found.setdefault(tag, []).append(_Taken(index, recorded, values))
    return found


def _take_apart(payload: bytes) -> tuple[str, list[Any]] | None:
    """Return type tag and field values, ``None`` when no layout has exactly these fields."""
    try:
        if payload and payload[0] == _OPENING_BRACE:
            named = _from_json(payload)
            tag = named.pop("type", None)
            layout = LAYOUTS.get(tag) if isinstance(tag, str) else None
            if layout is None or layout.array or tuple(named) != layout.fields:
                return None
            return tag, list(named.values())
        values = _from_array(payload)
    except _UNREADABLE:
        return None
    if not isinstance(values, list) or not values or not isinstance(values[0], str):
        return None
    tag = values.pop(0)
    layout = LAYOUTS.get(tag)
    if layout is None or not layout.array or len(values) != len(layout.fields):
        return None
    if layout.rows is not None and not _has_rows(layout, values[layout.fields.index(layout.rows)]):
        return None
    return tag, values


def _has_rows(layout: Layout, value: Any) -> bool:
    items = value if layout.many else [value]
    width = len(layout.columns)
    return isinstance(items, list) and all(
        isinstance(item, list) and len(item) == width for item in items
    )


def _fitting(
    tag: str, layout: Layout, taken: Sequence[_Taken]
) -> tuple[Sequence[_Taken], pl.DataFrame]:
    """Return those entries whose rows give their bytes back, and the rows."""
    import polars as pl

    try:
        frame = _frame(tag, layout, taken)
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError):
        # One value of another type refuses the whole block: look at each of them.
        taken = [item for item in taken if _conforms(layout, item.values)]
        frame = _frame(tag, layout, taken)
    back = dict(zip(*payloads(tag, layout, frame), strict=True))
    kept = [item for item in taken if back.get(item.recorded.sequence) == item.recorded.payload]
    if len(kept) < len(taken):
        frame = frame.filter(pl.col("sequence").is_in([item.recorded.sequence for item in kept]))
    return kept, frame


def _frame(tag: str, layout: Layout, taken: Sequence[_Taken]) -> pl.DataFrame:
    import polars as pl

    across = list(zip(*(item.values for item in taken), strict=True))
    by_field = dict(zip(layout.fields, across or repeat(()), strict=False))
    kinds = COLUMNS[layout.family]
    sequences = pl.Series("sequence", [item.recorded.sequence for item in taken], pl.Int64)
    heads = pl.DataFrame(
        [sequences, pl.repeat(tag, len(taken), dtype=pl.String, eager=True).alias("type")]
        + [
            _series(column(field), kinds[column(field)], by_field[field], layout)
            for field in layout.scalars
        ]
    )
    if layout.rows is None:
        return heads
    held = by_field[layout.rows]
    counts = [len(value) for value in held] if layout.many else [1] * len(held)
    items = [item for value in held for item in value] if layout.many else list(held)
    places = [place for count in counts for place in range(count)]
    of_entry = pl.Series([index for index, count in enumerate(counts) for _ in range(count)])
    cells = list(zip(*items, strict=True)) or [()] * len(layout.columns)
    return heads[of_entry.cast(pl.UInt32)].with_columns(
        pl.Series("place", places, pl.Int64),
        *(
            _series(column(name), kinds[column(name)], values, layout)
            for name, values in zip(layout.columns, cells, strict=True)
        ),
    )


def _series(name: str, kind: Kind, values: Sequence[Any], layout: Layout) -> pl.Series:
    """Return a column; raises what polars raises when a value is of another type."""
    import polars as pl

    if kind is Kind.JSON:
        texts = [None if value is None else _to_json(value).decode() for value in values]
        return pl.Series(name, texts, pl.String)
    if kind is Kind.INTEGERS and values:
        # Four times as fast as building the lists one by one.
        texts = [None if value is None else _to_json(value).decode() for value in values]
        return pl.Series(name, texts, pl.String).str.json_decode(_dtype(kind))
    return pl.Series(name, values, _dtype(kind))


_PYTHON: Final[Mapping[Kind, type]] = {
    Kind.INTEGER: int,
    Kind.NUMBER: float,
    Kind.BOOLEAN: bool,
    Kind.TEXT: str,
    Kind.INTEGERS: int,
    Kind.TEXTS: str,
}
_INT64: Final = range(-(2**63), 2**63)


def _conforms(layout: Layout, values: Sequence[Any]) -> bool:
    """Return whether every value is of its column's type."""
    kinds = COLUMNS[layout.family]
    for field, value in zip(layout.fields, values, strict=True):
        if field == layout.rows:
            items = value if layout.many else [value]
            across = [kinds[column(name)] for name in layout.columns]
            cells = (pair for item in items for pair in zip(across, item, strict=True))
            if not all(_is(kind, cell) for kind, cell in cells):
                return False
        elif not _is(kinds[column(field)], value):
            return False
    return True


def _is(kind: Kind, value: Any) -> bool:
    if value is None or kind is Kind.JSON:
        return True
    if kind in (Kind.INTEGERS, Kind.TEXTS):
        inner = Kind.INTEGER if kind is Kind.INTEGERS else Kind.TEXT
        return isinstance(value, list) and all(
            each is not None and _is(inner, each) for each in value
        )
    if type(value) is not _PYTHON[kind]:
        return False
    return kind is not Kind.INTEGER or value in _INT64


def _joined(family: str, parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Return the rows of a family's types in the order of the log, with all of its columns."""
    import polars as pl

    whole = pl.concat([pl.DataFrame(schema=schema(family)), *parts], how="diagonal")
    return whole if len(parts) == 1 else whole.sort("sequence", maintain_order=True)


# -- out of columns ------------------------------------------------------------------------------


@without_collection()
def payloads(tag: str, layout: Layout, frame: pl.DataFrame) -> tuple[list[int], list[bytes]]:
    """Return the payloads in rows of one type, in their order, after their sequences.

    Rows of one entry must stand together, as they do in a file of a sealed day.
    """
    if layout.rows is None:
        values = [_values(layout, field, frame) for field in layout.fields]
        return frame["sequence"].to_list(), _encoded(tag, layout, values)
    starts = frame["place"].eq(0).arg_true()
    heads = frame[starts]
    cells = [frame[column(name)].to_list() for name in layout.columns]
    items = list(zip(*cells, strict=True))
    if layout.many:
        bounds = [*starts.to_list(), frame.height]
        rows: list[Any] = [items[begin:end] for begin, end in pairwise(bounds)]
    else:
        rows = [items[begin] for begin in starts.to_list()]
    values = [
        rows if field == layout.rows else _values(layout, field, heads) for field in layout.fields
    ]
    return heads["sequence"].to_list(), _encoded(tag, layout, values)


def _values(layout: Layout, field: str, frame: pl.DataFrame) -> list[Any]:
    values: list[Any] = frame[column(field)].to_list()
    if field not in layout.json:
        return values
    if layout.array:
        return [None if text is None else _from_json(text) for text in values]
    return [None if text is None else msgspec.Raw(text.encode()) for text in values]


def _encoded(tag: str, layout: Layout, columns: Iterable[Sequence[Any]]) -> list[bytes]:
    rows = zip(repeat(tag), *columns, strict=False)
    if layout.array:
        return list(map(_to_array, rows))
    names = ("type", *layout.fields)
    return [_to_json(dict(zip(names, row, strict=True))) for row in rows]
