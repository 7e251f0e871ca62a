"""How far a service is, in a file of 32 bytes that any process of the machine can read.

The supervisor paces a simulated run by these, and `kst status` shows them. They are gauges, not
events: nothing is decided on them.
"""

from __future__ import annotations

import mmap
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

_LAYOUT: Final = struct.Struct("<8sQQQ")
_MAGIC: Final = b"KSTPROG1"


OnProgress = Callable[[int, int], None]
"""Told (last sequence dealt with, entries waiting)."""


def ignore_progress(position: int, pending: int) -> None:
    """Take no note of it."""


class ServiceProgress(NamedTuple):
    """``position``: last sequence dealt with; ``pending``: entries or frames waiting.

    ``age`` is seconds of wall time since the last report.
    """

    position: int
    pending: int
    age: float


class Progress:
    """The writing end, held by the service itself."""

    def __init__(self, path: Path) -> None:
        """Create or take over the file."""
        if not path.exists() or path.stat().st_size != _LAYOUT.size:
            path.write_bytes(_LAYOUT.pack(_MAGIC, 0, 0, 0))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _LAYOUT.size)

    def report(self, position: int, pending: int) -> None:
        """Say how far the service is; costs a microsecond."""
        _LAYOUT.pack_into(self._map, 0, _MAGIC, position, max(pending, 0), time.monotonic_ns())

    @staticmethod
    def read(path: Path) -> ServiceProgress | None:
        """Return what a service last said, ``None`` before its first report."""
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        if len(content) != _LAYOUT.size:
            return None
        magic, position, pending, reported = _LAYOUT.unpack(content)
        if magic != _MAGIC or reported == 0:
            return None
        return ServiceProgress(position, pending, (time.monotonic_ns() - reported) / 1e9)
