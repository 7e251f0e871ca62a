"""The master files: fixed-width records in bytes, cp949, one line each, no header.

A Hangul syllable is two bytes, so records are cut as bytes and decoded afterwards. A field is
written ``<name> <offset> <width>`` in ``masters.json``.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Final

import msgspec

ENCODING: Final = "cp949"


class MasterField(msgspec.Struct, frozen=True):
    """One field's place in a record, in bytes."""

    name: str
    offset: int
    width: int


class MasterForm(msgspec.Struct, frozen=True):
    """One kind of master file; ``record_bytes`` excludes the line end."""

    record_bytes: int
    fields: tuple[MasterField, ...]


class _Stored(msgspec.Struct):
    record_bytes: int
    fields: list[str]


_FILE: Final = "masters.json"


@cache
def _forms() -> dict[str, MasterForm]:
    text = (files(__package__) / _FILE).read_bytes()
    stored = msgspec.json.decode(text, type=dict[str, _Stored])
    return {
        name: MasterForm(form.record_bytes, tuple(map(_field, form.fields)))
        for name, form in stored.items()
    }


def master_form(name: str) -> MasterForm:
    """Return a file's layout: ``kospi_code``, ``kosdaq_code``, ``konex_code``, ``idxcode`` …

    Raises:
        KeyError: there is no master file of that name.
    """
    return _forms()[name]


def _field(token: str) -> MasterField:
    name, offset, width = token.split(" ")
    return MasterField(name, int(offset), int(width))
