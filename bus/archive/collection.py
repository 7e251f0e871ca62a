"""Keeps the collector of reference cycles away from what has none."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collection() -> Iterator[None]:
    """Do something without collection of cycles, however much it makes.

    A block of entries is a million numbers in lists and tuples; the collector would walk over all
    of them some ten times, which costs more than everything else that is done with them.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
