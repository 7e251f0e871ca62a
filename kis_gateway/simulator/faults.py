"""Faults on request, for tests of a client's recovery. KIS has no such switches.

An armed fault waits for ``count`` matching calls (REST faults) or happens at once (feed faults).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec


class FaultKind(StrEnum):
    """What goes wrong.

    ``drop_reply_after_accept`` executes an order call and resets the connection;
    ``reset_before_accept`` resets it without executing; ``throttle`` answers EGW00201; ``delay``
    executes and answers ``seconds`` later; ``stall`` silences every real-time feed for ``seconds``;
    ``disconnect`` cuts every WebSocket.
    """

    DROP_REPLY_AFTER_ACCEPT = "drop_reply_after_accept"
    RESET_BEFORE_ACCEPT = "reset_before_accept"
    THROTTLE = "throttle"
    DELAY = "delay"
    STALL = "stall"
    DISCONNECT = "disconnect"


_ORDER_CALLS_ONLY: Final = frozenset(
    {FaultKind.DROP_REPLY_AFTER_ACCEPT, FaultKind.RESET_BEFORE_ACCEPT}
)


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request for trouble.

    ``call`` is the last part of the path the fault waits for (``order-cash``); empty means any
    order call for the two connection faults and any call for ``throttle`` and ``delay``.
    ``seconds`` is time of the run's clock.
    """

    kind: FaultKind
    count: int = 1
    seconds: float = 0.0
    call: str = ""


class FaultBoard:
    """The armed REST faults, in the order they were asked for."""

    def __init__(self) -> None:
        self._armed: list[tuple[Fault, int]] = []

    def arm(self, fault: Fault) -> None:
        """Let ``fault`` meet the next ``count`` matching calls."""
        if fault.count > 0:
            self._armed.append((fault, fault.count))

    def meet(self, kind: FaultKind, call: str, *, order: bool) -> Fault | None:
        """Use up one armed fault of a kind that matches this call; ``None`` when there is none."""
        for place, (fault, left) in enumerate(self._armed):
            matches = fault.call == call if fault.call else order or kind not in _ORDER_CALLS_ONLY
            if fault.kind is kind and matches:
                if left > 1:
                    self._armed[place] = (fault, left - 1)
                else:
                    del self._armed[place]
                return fault
        return None

    @property
    def left(self) -> dict[str, int]:
        """How many calls each armed kind still waits for."""
        counts: dict[str, int] = {}
        for fault, left in self._armed:
            counts[fault.kind] = counts.get(fault.kind, 0) + left
        return counts
