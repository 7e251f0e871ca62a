"""The libraries of the ``archive`` extra: a live host that seals nothing needs none of them."""

from __future__ import annotations

import importlib.util

from bus.archive.errors import ColumnsUnavailable


def require_polars() -> None:
    """Check that columns can be read and written.

    Raises:
        ColumnsUnavailable: polars is not installed.
    """
    _require("polars")


def require_obstore() -> None:
    """Check that folders and buckets can be copied to and from.

    Raises:
        ColumnsUnavailable: obstore is not installed.
    """
    _require("obstore")


def _require(library: str) -> None:
    if importlib.util.find_spec(library) is None:
        raise ColumnsUnavailable(library)
