"""The marked steps of the order path, and the board by which a process is told to die at one.

Nothing of this is in the services: the ports that they are given (log, broker, checkpoint) are
wrapped by ``wrapped_ports`` when a drill starts them. A step is one passage of a port at one
moment; a drill arms one step at a time, and the process that makes the armed passage kills itself.
"""

from __future__ import annotations

import mmap
import os
import signal
import struct
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple


class Moment(StrEnum):
    """Where in a passage death comes."""

    BEFORE = "before"
    """Nothing has left the process."""
    UNDER_WAY = "under way"
    """It has left the process, the answer has not been seen."""
    AFTER = "after"
    """The answer is there, nothing has followed from it."""


class Step(NamedTuple):
    """A passage of a port by a service.

    ``passage`` is an event's name for appends, else the name of the call. ``trouble`` names what
    must go wrong at the broker for the passage to come about (see ``drill_plan``).
    """

    service: str
    passage: str
    moment: Moment
    trouble: str = ""

    @property
    def name(self) -> str:
        """One line for people."""
        return f"{self.service}: {self.moment} {self.passage}"


_PASSAGES: Final[tuple[tuple[str, str, str], ...]] = (
    # service, passage, what must go wrong for it
    ("drill", "IntentSubmitted", ""),
    ("risk", "IntentApproved", ""),
    ("gateway", "OrderHeld", "breakout"),
    ("gateway", "OrderSubmitting", ""),
    ("gateway", "submit", ""),
    ("gateway", "OrderAccepted", ""),
    ("gateway", "OrderUnknown", "lost_reply"),
    ("gateway", "OrderRejected", "never_arrived"),
    ("gateway", "OrderFilled", ""),
    ("gateway", "CancelSubmitting", "resting"),
    ("gateway", "cancel", "resting"),
    ("gateway", "CancelAccepted", "resting"),
    ("gateway", "CancelUnknown", "lost_cancel_reply"),
    ("gateway", "OrderClosed", ""),
    ("gateway", "ExecutionEnded", ""),
    ("gateway", "AccountSnapshot", ""),
    ("gateway", "LeaseTaken", "restart"),
    ("gateway", "LeaseRenewed", ""),
    ("guard", "StopChanged", ""),
    ("projector", "commit", ""),
)

STEPS: Final[tuple[Step, ...]] = tuple(
    Step(service, passage, moment, trouble)
    for service, passage, trouble in _PASSAGES
    for moment in Moment
)
"""Every step, three moments of every passage: the whole list of where a process is killed."""

CALLS: Final = frozenset({"submit", "cancel", "commit"})
"""Passages that are no appends."""

_HEAD: Final = struct.Struct("<ii")
_COUNT: Final = struct.Struct("<q")
_NONE: Final = -1


class StepBoard:
    """A small file, mapped by all processes of a drill: the armed step, and how often each struck.

    One process passes the armed step at a time, but for two gateways at once; then both may die of
    it, which is one more death in the drill and nothing worse.
    """

    def __init__(self, path: Path) -> None:
        """Open the board, making it when it is not there."""
        size = _HEAD.size + 2 * _COUNT.size * len(STEPS)
        if not path.exists():
            path.write_bytes(_HEAD.pack(_NONE, 0) + bytes(size - _HEAD.size))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), size)

    def arm(self, step: int, *, passage: int) -> None:
        """Let the process that makes the step's ``passage``-th passage (from 1) die there."""
        _HEAD.pack_into(self._map, 0, step, passage)

    def disarm(self) -> bool:
        """Let nobody die any more; return whether a step was still armed."""
        armed = self.armed is not None
        _HEAD.pack_into(self._map, 0, _NONE, 0)
        return armed

    @property
    def armed(self) -> Step | None:
        """The step that is armed."""
        index, _ = _HEAD.unpack_from(self._map)
        return None if index == _NONE else STEPS[index]

    def is_last_passage(self) -> bool:
        """Count a passage of the armed step; whether it is the one to die at."""
        index, left = _HEAD.unpack_from(self._map)
        if index == _NONE:
            return False
        _HEAD.pack_into(self._map, 0, index, left - 1)
        return bool(left <= 1)

    def die(self, step: Step) -> None:
        """End this process as a power cut would, at ``step``."""
        index = STEPS.index(step)
        self._add(index, 1)
        _HEAD.pack_into(self._map, 0, _NONE, 0)
        os.kill(os.getpid(), signal.SIGKILL)

    def struck(self) -> dict[Step, int]:
        """Return how often a process died at each step."""
        return {step: self._read(index) for index, step in enumerate(STEPS)}

    def _place(self, index: int) -> int:
        return _HEAD.size + _COUNT.size * index

    def _read(self, index: int) -> int:
        (count,) = _COUNT.unpack_from(self._map, self._place(index))
        return int(count)

    def _add(self, index: int, count: int) -> None:
        _COUNT.pack_into(self._map, self._place(index), self._read(index) + count)
