"""Garbage is collected between sessions, not within them.

A session makes millions of small objects that live for a moment; the collector of cycles, which
looks at all of them again and again, took a third of a run's time. What a session leaves in cycles
is freed as soon as it is over, so memory does not grow with the number of sessions.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def collected_between() -> Iterator[Callable[[], int]]:
    """Hold the collector off; yields what is to be called whenever a session is over."""
    if not gc.isenabled():
        yield lambda: 0  # Whoever switched it off collects as they think right.
        return
    gc.disable()
    try:
        # Everything since the last call is still young: older objects are not looked at again.
        yield lambda: gc.collect(0)
    finally:
        gc.enable()
