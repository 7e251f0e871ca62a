"""Which process this is, in a form that another process can judge: does that one still live?

A process id alone says nothing: ids are used again. Together with boot, pid namespace and start
time it names one process for ever, and whoever shares boot and namespace can look it up. What
always holds: ``has_ended`` is true only for a process that certainly executes nothing any more.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from pathlib import Path
from typing import Final

import psutil

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_START_TIME: Final = 19
"""Fields of ``/proc/<pid>/stat`` after the command's name: state first, the start time twentieth.

In clock ticks since boot, so setting the clock does not change it (proc(5)).
"""

_DEAD_STATES: Final = frozenset("ZX")


def own_identity() -> str:
    """Return ``<host>/<boot>/<pid namespace>/<pid>/<start time>`` of this process."""
    pid = os.getpid()
    return "/".join((socket.gethostname(), *_realm(), str(pid), _start_time(pid) or "unknown"))


def has_ended(identity: str) -> bool:
    """Return whether the process of an ``own_identity`` has certainly ended.

    ``False`` for one that lives, and for one that cannot be judged from here: another boot or
    namespace, another host, a process hidden from this user, a text of another shape.
    """
    parts = identity.rsplit("/", maxsplit=4)
    if len(parts) != 5:
        return False
    _, boot, namespace, pid, started = parts
    if (boot, namespace) != _realm() or boot == "" or started == "unknown" or not pid.isdecimal():
        return False
    try:
        return _start_time(int(pid)) != started
    except PermissionError:
        return False


def _realm() -> tuple[str, str]:
    """Return boot and pid namespace: within them a process id and its start time are unique."""
    if sys.platform != "linux":
        return f"{psutil.boot_time():.0f}", "-"
    return _BOOT_ID.read_text().strip(), os.readlink("/proc/self/ns/pid")


def _start_time(pid: int) -> str | None:
    """Return when a process started, ``None`` when there is none that could execute anything.

    Raises:
        PermissionError: there is one and it may not be looked at (mount option ``hidepid``).
    """
    if sys.platform != "linux":
        try:
            process = psutil.Process(pid)
            return None if process.status() == psutil.STATUS_ZOMBIE else str(process.create_time())
        except psutil.NoSuchProcess:
            return None
    try:
        status = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, 0)  # Signals nothing; asks whether there is one after all.
            raise PermissionError(f"process {pid} is hidden") from None
        return None
    fields = status.rpartition(")")[2].split()
    return None if fields[0] in _DEAD_STATES else fields[_START_TIME]
