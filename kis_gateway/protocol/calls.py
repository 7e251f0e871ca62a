"""The REST calls: path, TR ids of both environments and both ages, parameters, answer fields.

A field is written ``<name> <kind>[.<scale>] [<unit>]`` in ``calls.json``, a parameter
``<NAME>[?][=<constant>][|<value>|<value>…]`` with ``?`` for one that may be left out.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Final

import msgspec


class Kind(StrEnum):
    """How a field's text is to be read. Every value travels as text, numbers too."""

    TEXT = "text"
    CODE = "code"
    INT = "int"
    DECIMAL = "decimal"
    DATE = "date"
    TIME = "time"
    FLAG = "flag"


class Field(msgspec.Struct, frozen=True):
    """One field. ``scale`` is the number of decimals; ``unit`` is empty for what has none.

    Units: ``won``, ``million_won``, ``hundred_million_won``, ``ten_thousand_won``, ``shares``,
    ``thousand_shares``, ``percent``, ``points`` (of an index), ``count``, ``rank``, ``times``,
    ``month``, ``seconds``.
    """

    name: str
    kind: Kind
    scale: int = 0
    unit: str = ""


class Block(msgspec.Struct, frozen=True):
    """One block of an answer: an object, or a list of objects, of these fields."""

    is_list: bool
    fields: tuple[Field, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The field names in documented order."""
        return tuple(field.name for field in self.fields)


class Parameter(msgspec.Struct, frozen=True):
    """One parameter. ``constant`` is the only value it takes, ``values`` those documented."""

    name: str
    required: bool
    constant: str | None = None
    values: tuple[str, ...] = ()


class Paging(msgspec.Struct, frozen=True):
    """How a paged call pages: width of its cursors (``100`` or ``200``) and rows, 0 if unknown."""

    cursor: str
    rows: int = 0
    paper_rows: int = 0


class CallForm(msgspec.Struct, frozen=True, kw_only=True):
    """One call. TR ids are by variant (``buy``/``sell``; one variant ``""`` when there is one).

    ``on_paper`` tells whether the paper service has it. ``top`` are fields beside the blocks.
    """

    name: str
    title: str
    group: str
    method: str
    path: str
    tr_ids: dict[str, str]
    paper_tr_ids: dict[str, str]
    old_tr_ids: dict[str, str]
    old_paper_tr_ids: dict[str, str]
    on_paper: bool
    paging: Paging | None
    parameters: tuple[Parameter, ...]
    blocks: dict[str, Block]
    top: tuple[Field, ...]


class _StoredBlock(msgspec.Struct, rename={"is_list": "list"}):
    is_list: bool
    fields: list[str]


class _StoredCall(msgspec.Struct):
    title: str
    group: str
    method: str
    path: str
    tr_ids: dict[str, str]
    paper_tr_ids: dict[str, str]
    on_paper: bool
    parameters: list[str]
    blocks: dict[str, _StoredBlock]
    old_tr_ids: dict[str, str] = {}
    old_paper_tr_ids: dict[str, str] = {}
    paging: Paging | None = None
    top: list[str] = []


_FILE: Final = "calls.json"


@cache
def call_forms() -> dict[str, CallForm]:
    """Return every known call by its name, the last part of its path as a rule."""
    text = (files(__package__) / _FILE).read_bytes()
    stored = msgspec.json.decode(text, type=dict[str, _StoredCall])
    return {name: _form(name, call) for name, call in stored.items()}


def call_form(name: str) -> CallForm:
    """Return one call.

    Raises:
        KeyError: there is no call of that name.
    """
    return call_forms()[name]


def read_field(token: str) -> Field:
    """Return the field written as ``<name> <kind>[.<scale>] [<unit>]``."""
    name, kind, *unit = token.split(" ")
    kind, _, scale = kind.partition(".")
    return Field(name, Kind(kind), int(scale or 0), unit[0] if unit else "")


def _form(name: str, call: _StoredCall) -> CallForm:
    return CallForm(
        name=name,
        title=call.title,
        group=call.group,
        method=call.method,
        path=call.path,
        tr_ids=call.tr_ids,
        paper_tr_ids=call.paper_tr_ids,
        old_tr_ids=call.old_tr_ids,
        old_paper_tr_ids=call.old_paper_tr_ids,
        on_paper=call.on_paper,
        paging=call.paging,
        parameters=tuple(map(_parameter, call.parameters)),
        blocks={
            key: Block(block.is_list, tuple(map(read_field, block.fields)))
            for key, block in call.blocks.items()
        },
        top=tuple(map(read_field, call.top)),
    )


def _parameter(token: str) -> Parameter:
    head, *values = token.split("|")
    name, equals, constant = head.partition("=")
    return Parameter(
        name=name.removesuffix("?"),
        required=not name.endswith("?"),
        constant=constant if equals else None,
        values=tuple(values),
    )
