"""Every fault asked for, which of them still wait, and which match each one strikes."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

import msgspec

from kis_gateway.simulator.trouble.faults import ORDER_CALLS_ONLY, WAITING_FAULTS, Fault, FaultKind

_DRAWS: Final = 1_000_000


def drawn(rate: float, seed: int, ordinal: int) -> bool:
    """Return whether the ``ordinal``-th match of a fault with a rate is hit; the same every run."""
    if rate >= 1:
        return True
    digest = sha256(f"{seed}|{ordinal}".encode()).digest()
    return int.from_bytes(digest[:8]) % _DRAWS < round(rate * _DRAWS)


class CausedFault(msgspec.Struct, kw_only=True):
    """A fault that was asked for: its number in the run, when, and how often it has struck."""

    number: int
    at: int
    fault: Fault
    left: int = 0
    seen: int = 0
    struck: int = 0


class FaultBoard:
    """Every fault asked for, and which of them still wait."""

    def __init__(self) -> None:
        self.caused: list[CausedFault] = []
        self._armed: dict[FaultKind, list[CausedFault]] = {}

    def enter(self, fault: Fault, at: int = 0) -> CausedFault:
        """Number a fault; one that waits is armed."""
        entry = CausedFault(number=len(self.caused) + 1, at=at, fault=fault)
        self.caused.append(entry)
        if fault.kind in WAITING_FAULTS and fault.lasts > 0:
            entry.left = fault.lasts
            self._armed.setdefault(fault.kind, []).append(entry)
        return entry

    def end(self, number: int) -> None:
        """Let a fault wait no longer."""
        entry = self.caused[number - 1]
        waiting = self._armed.get(entry.fault.kind, [])
        if entry in waiting:
            entry.left = 0
            waiting.remove(entry)

    def meet(
        self,
        kind: FaultKind,
        call: str = "",
        *,
        order: bool = False,
        account: str = "",
        symbol: str = "",
        feed: str = "",
    ) -> Fault | None:
        """Use up one armed fault of a kind that matches; ``None`` when there is none."""
        entry = self.strike(kind, call, order=order, account=account, symbol=symbol, feed=feed)
        return entry.fault if entry is not None else None

    def strike(
        self,
        kind: FaultKind,
        call: str = "",
        *,
        order: bool = False,
        account: str = "",
        symbol: str = "",
        feed: str = "",
        fill: bool = False,
    ) -> CausedFault | None:
        """Use up one armed fault of a kind that matches and return its entry."""
        armed = self._armed.get(kind)
        if not armed:
            return None
        for entry in tuple(armed):
            fault = entry.fault
            by_call = fault.call == call if fault.call else order or kind not in ORDER_CALLS_ONLY
            if not by_call or not (
                (not fault.account or fault.account == account)
                and (not fault.symbol or fault.symbol == symbol)
                and (not fault.feed or fault.feed == feed)
                and (not fault.fills or fill)
            ):
                continue
            entry.seen += 1
            if not drawn(fault.rate, fault.seed, entry.seen):
                continue
            entry.struck += 1
            entry.left -= 1
            if not entry.left:
                armed.remove(entry)
            return entry
        return None

    @property
    def struck(self) -> int:
        """How often faults have struck; one that happens at once has struck when it was caused."""
        return sum(
            entry.struck if entry.fault.kind in WAITING_FAULTS else 1 for entry in self.caused
        )

    @property
    def left(self) -> dict[str, int]:
        """How many matches each armed kind still waits for."""
        counts: dict[str, int] = {}
        for armed in self._armed.values():
            for entry in armed:
                counts[entry.fault.kind] = counts.get(entry.fault.kind, 0) + entry.left
        return counts
