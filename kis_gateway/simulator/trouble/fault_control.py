"""Carries out faults: those that happen at once here and now, the others by arming them."""

from __future__ import annotations

from typing import Final

import structlog

from events import Symbol
from kis_gateway.errors import SettingsError
from kis_gateway.simulator.access import Access
from kis_gateway.simulator.exchange.messages import (
    Command,
    HaltIssue,
    ResumeIssue,
    TriggerCircuitBreaker,
    TriggerInterruption,
    TriggerSidecar,
)
from kis_gateway.simulator.feeds.registrations import Registrations
from kis_gateway.simulator.trouble.fault_board import CausedFault
from kis_gateway.simulator.trouble.faults import Fault, FaultKind
from kis_gateway.simulator.venue import Venue

_log = structlog.get_logger()

_SECOND: Final = 1_000_000_000
_INTERRUPTION_SECONDS: Final = 120
_RESUMPTION_SECONDS: Final = 600
_OF_THE_EXCHANGE: Final = frozenset(
    {
        FaultKind.HALT,
        FaultKind.RESUME,
        FaultKind.VOLATILITY_INTERRUPTION,
        FaultKind.CIRCUIT_BREAKER,
        FaultKind.SIDECAR,
    }
)


class FaultControl:
    """Causes and ends the faults of one simulator."""

    def __init__(self, venue: Venue, access: Access, registrations: Registrations) -> None:
        self._venue = venue
        self._access = access
        self._registrations = registrations
        self._distribution = venue.distribution

    def cause(self, fault: Fault) -> CausedFault:
        """Trigger a fault that happens at once, arm one that waits; return its entry.

        Raises:
            SettingsError: an account or issue that does not exist; nothing was caused.
        """
        self._require_known(fault)
        now = self._venue.now()
        entry = self._distribution.faults.enter(fault, now)
        _log.info(
            "simulator_fault",
            number=entry.number,
            kind=str(fault.kind),
            call=fault.call,
            account=fault.account,
            symbol=fault.symbol,
            feed=fault.feed,
        )
        if fault.kind in _OF_THE_EXCHANGE:
            self._venue.drive([_command(fault, now)])
            self._distribution.waiting.set()
        else:
            self._at_once(entry)
        return entry

    def end(self, number: int) -> None:
        """End a fault that lasts or still waits, before its time."""
        self._distribution.faults.end(number)
        self._distribution.feed_faults.end(number)

    def _at_once(self, entry: CausedFault) -> None:
        fault, number = entry.fault, entry.number
        match fault.kind:
            case FaultKind.STALL | FaultKind.WIDER_RECORDS | FaultKind.NARROWER_RECORDS:
                self._distribution.feed_faults.begin(entry)
            case FaultKind.DISCONNECT:
                self._registrations.cut(fault.account, number)
            case FaultKind.SESSION_TAKEN:
                self._registrations.take_session(fault.account, fault.seconds, number)
            case FaultKind.KEY_CHANGE:
                self._registrations.change_keys(fault.account, number)
            case FaultKind.TOKENS_REVOKED:
                self._access.revoke_tokens(fault.account)
            case FaultKind.TOKENS_EXPIRED:
                self._access.expire_tokens(fault.account)
            case FaultKind.APPROVALS_LOST:
                self._access.forget_approvals(fault.account)
            case FaultKind.CLOCK_SKEW:
                self._distribution.set_skew(round(fault.seconds * _SECOND))
            case _:
                pass  # armed: it waits for what it strikes

    def _require_known(self, fault: Fault) -> None:
        accounts = [held.account for held in self._access.holders()]
        if fault.account and fault.account not in accounts:
            raise SettingsError(
                f"there is no account {fault.account}; known: {', '.join(accounts)}"
            )
        of_one_issue = fault.kind in _OF_THE_EXCHANGE and fault.symbol
        if of_one_issue and Symbol(fault.symbol) not in self._venue.listings:
            raise SettingsError(f"{fault.symbol} is not listed in this market")
        if fault.feed and not self._distribution.serves(fault.feed):
            raise SettingsError(f"this service has no feed {fault.feed}")


def _command(fault: Fault, at: int) -> Command:
    symbol, seconds = Symbol(fault.symbol), round(fault.seconds)
    match fault.kind:
        case FaultKind.HALT:
            return HaltIssue(at=at, symbol=symbol, reason=fault.reason)
        case FaultKind.RESUME:
            return ResumeIssue(at=at, symbol=symbol, auction_seconds=seconds or _RESUMPTION_SECONDS)
        case FaultKind.VOLATILITY_INTERRUPTION:
            return TriggerInterruption(
                at=at, symbol=symbol, seconds=seconds or _INTERRUPTION_SECONDS
            )
        case FaultKind.CIRCUIT_BREAKER:
            return TriggerCircuitBreaker(at=at, board=fault.board, level=fault.level)
        case _:
            return TriggerSidecar(at=at, board=fault.board, side=fault.side)
