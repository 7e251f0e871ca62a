"""What stops trading: volatility interruptions, halts, the circuit breaker; and the sidecar.

While an issue is stopped the given tape is withheld: its trades of that time do not happen, so the
bars of a day with a stop differ from those of the recording. The auction that follows is matched
from our clients' orders and the others' shown interest. The others' books are taken over all the
time. Everything that is announced for later is a timer of the floor.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from events.market import Phase
from events.prices import Board
from events.trading import Side
from kis_gateway.simulator.exchange.commands import (
    HaltIssue,
    Interruption,
    ResumeIssue,
    TriggerCircuitBreaker,
    TriggerInterruption,
    TriggerSidecar,
)
from kis_gateway.simulator.exchange.errors import NoSuchLevel
from kis_gateway.simulator.exchange.floor import TradingFloor
from kis_gateway.simulator.exchange.issue import Issue
from kis_gateway.simulator.exchange.outcomes import MarketStatusShown, Outcome, StatusShown
from kis_gateway.simulator.exchange.views import OrderStatus

_SECOND: Final = 1_000_000_000
_INTERRUPTION_SECONDS: Final = 120
_STATIC_PERCENT: Final = 10
_DYNAMIC_PERCENT: Final = {True: 3, False: 6}
"""By whether the issue is a KOSPI 200 member, in continuous trading."""
_CLOSING_PERCENT: Final = {True: 2, False: 4}
"""The same for the match of the closing auction."""
_HALT_SECONDS: Final = 1_200
_AUCTION_SECONDS: Final = 600
_LAST_LEVEL: Final = 3
_BREAKER: Final = "circuit breaker"
_SIDECAR_SECONDS: Final = 300
_SIDECAR_CODES: Final = {Side.SELL: ("387", "388"), Side.BUY: ("397", "398")}


class Safeguards:
    """Handles the commands that stop issues and markets, and watches the tape when asked to."""

    def __init__(self, floor: TradingFloor) -> None:
        self._floor = floor

    def trigger_interruption(self, command: TriggerInterruption) -> list[Outcome]:
        """Interrupt an issue that trades continuously."""
        issue = self._floor.issue(command.symbol)
        out: list[Outcome] = []
        if self._floor.trades_continuously(issue) and not issue.auction:
            seconds = command.seconds + command.extension_seconds
            self._interrupt(issue, command.kind, seconds, 0, out)
        return out

    def watch(self, issue: Issue, price: int, out: list[Outcome], *, auction: bool) -> bool:
        """Interrupt an issue when the tape's next price calls for it; return whether it does.

        A match of the closing auction is announced only: the recorded close stands.
        """
        last, large = issue.tape.last, issue.listing.large
        closing = auction and self._floor.phase is Phase.CLOSING_AUCTION
        if auction and not closing:
            return False
        percent = (_CLOSING_PERCENT if closing else _DYNAMIC_PERCENT)[large]
        if last and _off(price, last, percent):
            kind = Interruption.DYNAMIC
        elif not closing and _off(price, issue.vi_reference, _STATIC_PERCENT):
            kind = Interruption.STATIC
        else:
            return False
        if closing:
            out.append(self._status(issue, kind=kind, trigger_price=price, interrupted=True))
            return False
        if issue.auction:
            return False
        self._interrupt(issue, kind, _INTERRUPTION_SECONDS, price, out)
        return True

    def halt(self, command: HaltIssue) -> list[Outcome]:
        """Stop an issue on both exchanges."""
        out: list[Outcome] = []
        for issue in self._everywhere(self._floor.issue(command.symbol)):
            self._halt(issue, command.reason, out)
        return out

    def resume(self, command: ResumeIssue) -> list[Outcome]:
        """Let a halted issue trade again, after an auction."""
        out: list[Outcome] = []
        for issue in self._everywhere(self._floor.issue(command.symbol)):
            if issue.halted:
                self._resume(issue, command.auction_seconds, out)
        return out

    def break_circuit(self, command: TriggerCircuitBreaker) -> list[Outcome]:
        """Stop a market. Raises ``NoSuchLevel``."""
        floor, board = self._floor, command.board
        if not 1 <= command.level <= _LAST_LEVEL:
            raise NoSuchLevel(command.level)
        out: list[Outcome] = [MarketStatusShown(at=floor.now, code="174", board=board)]
        if command.level == _LAST_LEVEL:
            self._close_early(board, out)
            return out
        held: list[tuple[Issue, int]] = []
        for issue in self._of_board(board):
            self._halt(issue, f"{_BREAKER} level {command.level}", out)
            held.append((issue, issue.suspension))

        def release(out: list[Outcome]) -> None:
            out.append(MarketStatusShown(at=floor.now, code="175", board=board))
            for issue, suspension in held:
                if issue.suspension == suspension:
                    self._resume(issue, _AUCTION_SECONDS, out)

        floor.at(floor.now + _HALT_SECONDS * _SECOND, release)
        return out

    def sidecar(self, command: TriggerSidecar) -> list[Outcome]:
        """Announce a sidecar, and its end five minutes later."""
        floor, (on, off) = self._floor, _SIDECAR_CODES[command.side]

        def release(out: list[Outcome]) -> None:
            out.append(MarketStatusShown(at=floor.now, code=off, board=command.board))

        floor.at(floor.now + _SIDECAR_SECONDS * _SECOND, release)
        return [MarketStatusShown(at=floor.now, code=on, board=command.board)]

    def _interrupt(
        self,
        issue: Issue,
        kind: Interruption,
        seconds: int,
        trigger_price: int,
        out: list[Outcome],
    ) -> None:
        floor = self._floor
        ends_at = floor.now + seconds * _SECOND
        issue.suspension += 1
        issue.interrupted = issue.auction = issue.withheld = True
        out.append(
            self._status(
                issue, kind=kind, trigger_price=trigger_price, interrupted=True, ends_at=ends_at
            )
        )
        out.append(floor.book(issue))
        floor.expect(issue, out)
        self._end_later(issue, ends_at, trigger_price)

    def _end_later(self, issue: Issue, ends_at: int, trigger_price: int) -> None:
        suspension = issue.suspension

        def end(out: list[Outcome]) -> None:
            if issue.suspension == suspension:
                self._end(issue, trigger_price, out)

        self._floor.at(ends_at, end)

    def _end(self, issue: Issue, trigger_price: int, out: list[Outcome]) -> None:
        """Match the auction behind a stop and let the issue trade on."""
        interrupted, issue.interrupted = issue.interrupted, False
        issue.withheld = issue.closed
        if self._floor.trades_continuously(issue):
            # Without a match the price that broke the band is the next reference.
            issue.vi_reference = trigger_price or issue.last
            self._floor.end_auction(issue, out)
        if interrupted:
            out.append(self._status(issue, interrupted=False))

    def _halt(self, issue: Issue, reason: str, out: list[Outcome]) -> None:
        if issue.closed:
            return
        issue.suspension += 1
        issue.interrupted = False
        issue.halted = issue.auction = issue.withheld = True
        out.append(self._status(issue, reason=reason))
        self._floor.expect(issue, out)

    def _resume(self, issue: Issue, auction_seconds: int, out: list[Outcome]) -> None:
        floor = self._floor
        issue.suspension += 1
        issue.halted = False
        out.append(self._status(issue, reason=""))
        if not floor.trades_continuously(issue):
            issue.withheld = False
            issue.auction = floor.phase is not Phase.CLOSED
            return
        floor.expect(issue, out)
        self._end_later(issue, floor.now + auction_seconds * _SECOND, 0)

    def _close_early(self, board: Board, out: list[Outcome]) -> None:
        floor = self._floor
        closing = list(self._of_board(board))
        for issue in closing:
            issue.suspension += 1
            issue.closed = issue.withheld = True
            issue.halted = issue.interrupted = False
            out.append(self._status(issue, reason=f"{_BREAKER} level {_LAST_LEVEL}"))
        for order in floor.orders.values():
            if order.remaining and order.status is OrderStatus.WORKING:
                issue = floor.of(order)
                if issue.closed:
                    issue.remove(order)
                    out.append(floor.withdraw(order, _BREAKER, status=OrderStatus.EXPIRED))
        out.append(MarketStatusShown(at=floor.now, code="129", board=board))

    def _of_board(self, board: Board) -> Iterator[Issue]:
        """Yield what trades in a market; funds trade in the KOSPI market."""
        boards = (board, Board.FUND) if board is Board.KOSPI else (board,)
        for issue in self._floor.issues.values():
            if issue.listing.board in boards:
                yield from self._everywhere(issue)

    def _everywhere(self, issue: Issue) -> Iterator[Issue]:
        yield issue
        twin = self._floor.nxt.get(issue.listing.symbol)
        if twin is not None:
            yield twin

    def _status(
        self,
        issue: Issue,
        *,
        reason: str = "",
        kind: Interruption = Interruption.STATIC,
        trigger_price: int = 0,
        interrupted: bool = False,
        ends_at: int = 0,
    ) -> StatusShown:
        dynamic = kind is Interruption.DYNAMIC
        return StatusShown(
            at=self._floor.now,
            symbol=issue.listing.symbol,
            halted=issue.halted or issue.closed,
            reason=reason,
            interrupted=interrupted,
            reference_price=issue.last if dynamic else issue.vi_reference,
            kind=kind,
            trigger_price=trigger_price,
            ends_at=ends_at,
            venue=issue.venue,
        )


def _off(price: int, reference: int, percent: int) -> bool:
    return abs(price - reference) * 100 >= reference * percent
