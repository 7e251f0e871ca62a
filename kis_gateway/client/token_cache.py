"""The file in which the processes of an app key share its access token, and the lock beside it.

What always holds: the file is its owner's only (mode 0600) and is replaced as a whole, so a reader
never sees half a token; a file that cannot be read counts as none.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import msgspec
import structlog

from bus import TimeSource
from kis_gateway.client.answer import UNREADABLE

_LOCK_POLL_SECONDS: Final = 0.5

_log = structlog.get_logger()


class StoredToken(msgspec.Struct, frozen=True, kw_only=True):
    """The cache file. Times are ns UTC of the run's clock; ``token`` is empty before the first.

    ``requested_at`` is when anybody last asked, ``not_before`` when the next request may leave this
    machine, ``refusals`` how many of the last requests met ``EGW00133``, ``given_at`` when KIS last
    gave this token.
    """

    token: str
    expires_at: int
    requested_at: int
    not_before: int
    refusals: int = 0
    given_at: int = 0


NOTHING: Final = StoredToken(token="", expires_at=0, requested_at=0, not_before=0)


@contextlib.asynccontextmanager
async def locked(path: Path, time: TimeSource) -> AsyncIterator[None]:
    """Hold the lock of a token file; processes that end give it back."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR, 0o600)
    try:
        while not _try_lock(handle):
            await time.sleep(_LOCK_POLL_SECONDS)
        yield
    finally:
        os.close(handle)  # closing the file gives the lock back


def read(path: Path) -> StoredToken:
    """Return what the file holds, ``NOTHING`` when it is missing or unreadable."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=StoredToken)
    except FileNotFoundError:
        return NOTHING
    except UNREADABLE:
        # Written by hand or by another version; a new token costs one request.
        _log.warning("kis_token_cache_unreadable", path=str(path))
        return NOTHING


def write(path: Path, stored: StoredToken) -> None:
    """Replace the file, on disk before the call returns."""
    # mkstemp creates the file for its owner only.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    with os.fdopen(handle, "wb") as file:
        file.write(msgspec.json.encode(stored))
        file.flush()
        os.fsync(handle)
    Path(name).replace(path)


def _try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
