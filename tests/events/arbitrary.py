"""Hypothesis strategies for the vocabulary, shared by every room's tests."""

from __future__ import annotations

import typing
from typing import Any

from hypothesis import strategies as st

from events import Event, codec

_INT64 = st.integers(min_value=-(2**63), max_value=2**63 - 1)
_TEXT = st.text(max_size=12)
_SCALAR = st.one_of(st.none(), st.booleans(), _INT64, _TEXT, st.floats(allow_nan=False))


def values_of(annotation: Any) -> st.SearchStrategy[Any]:
    """Return values for a field's type; every type used in the vocabulary is covered."""
    supertype = getattr(annotation, "__supertype__", None)
    if supertype is not None:
        return values_of(supertype)
    if annotation is object:
        return _SCALAR
    if annotation is int:
        return _INT64
    if annotation is float:
        return st.floats(allow_nan=False)
    if isinstance(annotation, type) and hasattr(annotation, "__struct_fields__"):
        return structs(annotation)
    return (
        st.from_type(annotation) if typing.get_origin(annotation) is None else _generic(annotation)
    )


def _generic(annotation: Any) -> st.SearchStrategy[Any]:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is tuple:
        return st.lists(values_of(arguments[0]), max_size=3).map(tuple)
    if origin is dict:
        return st.dictionaries(_TEXT, values_of(arguments[1]), max_size=3)
    return st.one_of([values_of(argument) for argument in arguments])


def structs(kind: type[Any]) -> st.SearchStrategy[Any]:
    """Return instances of one struct type."""
    hints = typing.get_type_hints(kind)
    return st.builds(kind, **{name: values_of(hints[name]) for name in kind.__struct_fields__})


def events() -> st.SearchStrategy[Event]:
    """Return any event of the vocabulary."""
    return st.sampled_from(codec.EVENT_TYPES).flatmap(structs)
