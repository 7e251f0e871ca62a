"""Faults of the real-time feeds that last: silence, and records wider or narrower than usual."""

from __future__ import annotations

from typing import Final, NamedTuple

from kis_gateway.simulator.trouble.fault_board import CausedFault
from kis_gateway.simulator.trouble.faults import Fault, FaultKind

_SECOND: Final = 1_000_000_000
_FOR_GOOD: Final = 1 << 62


class _Lasting(NamedTuple):
    number: int
    fault: Fault
    until: int


class FeedFaults:
    """The silences and changed widths in force. Instants are ns UTC of the run's clock."""

    def __init__(self) -> None:
        self._silences: list[_Lasting] = []
        self._shapes: list[_Lasting] = []

    def begin(self, entry: CausedFault) -> None:
        """Put a stall or a change of width in force from its own instant on."""
        fault = entry.fault
        seconds = round(fault.seconds * _SECOND)
        stall = fault.kind is FaultKind.STALL
        until = entry.at + seconds if seconds or stall else _FOR_GOOD
        (self._silences if stall else self._shapes).append(_Lasting(entry.number, fault, until))

    def end(self, number: int) -> None:
        """Lift a fault before its time."""
        self._silences = [each for each in self._silences if each.number != number]
        self._shapes = [each for each in self._shapes if each.number != number]

    def pass_time(self, now: int) -> None:
        """Lift what has lasted long enough."""
        if self._silences or self._shapes:
            self._silences = [each for each in self._silences if now < each.until]
            self._shapes = [each for each in self._shapes if now < each.until]

    def silent(self, feed: str, key: str, account: str) -> int:
        """Return the number of the fault that silences a feed for an account, 0 for none."""
        for number, fault, _ in self._silences:
            if (
                fault.feed in ("", feed)
                and fault.symbol in ("", key)
                and fault.account in ("", account)
            ):
                return number
        return 0

    def keeps_alive(self, account: str) -> bool:
        """Return whether PINGPONG still reaches an account."""
        return all(
            each.fault.keep_alive or each.fault.account not in ("", account)
            for each in self._silences
        )

    def reshape(self, feed: str, records: list[str]) -> int:
        """Add or cut columns of records in place; return the fault's number when some were cut."""
        cut = 0
        for number, fault, _ in self._shapes:
            if fault.feed not in ("", feed):
                continue
            for place, record in enumerate(records):
                if fault.kind is FaultKind.WIDER_RECORDS:
                    records[place] = record + "^0" * fault.columns
                else:
                    records[place] = record.rsplit("^", fault.columns)[0]
                    cut = number
        return cut
