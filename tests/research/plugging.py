"""Strategies that exist for a test only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bus import ProcessorFactory
from research.backtest import deciders


@contextmanager
def plugged(name: str, factory: ProcessorFactory) -> Iterator[None]:
    """Have a strategy known by a name; afterwards all is as it was."""
    before = deciders.registered()
    deciders.register(name, factory)
    try:
        yield
    finally:
        deciders._PLUGGED.clear()
        deciders._PLUGGED.update(before)
