"""Rows of REST answers, written by the documented blocks of each call.

A row always has every field of its block, each as text: several public clients fail on a missing
key. What the simulator does not model keeps its empty value: "" for text, codes, dates and times,
"0" or "0.00" for numbers, "N" for flags. Numbers are given in won, shares and percent; the block
writes them in the field's own unit and scale (million won, thousand shares, two decimals).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Final

from kis_gateway.protocol import Block as BlockForm
from kis_gateway.protocol import Field, Kind, call_form

Value = str | int | float
Row = dict[str, str]

_EMPTY: Final = {Kind.TEXT: "", Kind.CODE: "", Kind.DATE: "", Kind.TIME: "", Kind.FLAG: "N"}
_PER_UNIT: Final = {
    "million_won": 1_000_000,
    "hundred_million_won": 100_000_000,
    "ten_thousand_won": 10_000,
    "thousand_shares": 1_000,
}
# The wire also carries the key that the documentation misspells, with the same meaning.
_TWICE: Final = {("inquire-daily-ccld", "output1"): {"cnc_cfrm_qty": "cncl_cfrm_qty"}}


class Block:
    """The fields of one answer block."""

    def __init__(self, form: BlockForm, twins: Mapping[str, str] | None = None) -> None:
        self._fields = {field.name: field for field in form.fields}
        for name, twin in (twins or {}).items():
            known = self._fields[name]
            self._fields[twin] = Field(twin, known.kind, known.scale, known.unit)
        self._empty = {field.name: _empty(field) for field in self._fields.values()}
        self.is_list = form.is_list

    @property
    def names(self) -> tuple[str, ...]:
        """The field names in documented order."""
        return tuple(self._fields)

    def row(self, **values: Value) -> Row:
        """Return a full row, the fields that are not given empty.

        Raises:
            KeyError: a name that the block does not have.
        """
        row = self._empty.copy()
        for name, value in values.items():
            row[name] = _written(self._fields[name], value)
        return row

    def pick(self, *facts: Mapping[str, Value]) -> Row:
        """Return a full row from what is known; names that the block lacks are left out."""
        row = self._empty.copy()
        for known in facts:
            for name in known.keys() & row.keys():
                row[name] = _written(self._fields[name], known[name])
        return row


@cache
def block(call: str, name: str) -> Block:
    """Return a block of a call, such as ``block("inquire-balance", "output1")``.

    Raises:
        KeyError: there is no such call or block.
    """
    return Block(call_form(call).blocks[name], _TWICE.get((call, name)))


def _empty(field: Field) -> str:
    return _EMPTY[field.kind] if field.kind in _EMPTY else _written(field, 0)


def _written(field: Field, value: Value) -> str:
    if isinstance(value, str):
        return value
    if field.unit in _PER_UNIT:
        value = value / _PER_UNIT[field.unit]
    if field.kind is Kind.DECIMAL:
        return f"{value:.{field.scale}f}"
    # Towards zero: a net sale of less than a unit is "0", not "-1".
    return str(int(value))
