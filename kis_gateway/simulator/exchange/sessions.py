"""The course of the day: phases of the regular session, and the sessions around it.

What is left of an order when its session ends is withdrawn: regular orders at the close, orders of
the NXT pre-market only (GTP) at its end, other NXT orders at the end of the NXT after-market.
Conditional orders become market orders when the closing auction begins.
"""

from __future__ import annotations

from typing import Final

from events.market import Aggressor, Phase, Venue
from kis_gateway.protocol import Pricing
from kis_gateway.simulator.exchange import auction, matching
from kis_gateway.simulator.exchange.commands import CloseSession, EnterPhase, OpenSession
from kis_gateway.simulator.exchange.floor import TradingFloor
from kis_gateway.simulator.exchange.issue import Issue
from kis_gateway.simulator.exchange.listing import Session
from kis_gateway.simulator.exchange.outcomes import MarketStatusShown, Outcome, StatusShown
from kis_gateway.simulator.exchange.views import OrderStatus

SESSION_END: Final = "session end"
SINGLE_PRICE_STEP: Final = 600_000_000_000
"""Nanoseconds between two matches of the after-hours single-price market."""

_ANNOUNCED: Final = {
    Phase.OPENING_AUCTION: "110",
    Phase.CONTINUOUS: "112",
    Phase.CLOSING_AUCTION: "121",
    Phase.CLOSED: "129",
}


class SessionClock:
    """Handles the commands that move the day on."""

    def __init__(self, floor: TradingFloor) -> None:
        self._floor = floor

    def enter_phase(self, command: EnterPhase) -> list[Outcome]:
        """Move on; an issue leaves its opening auction with its first print or book afterwards."""
        floor, phase = self._floor, command.phase
        floor.phase = phase
        out: list[Outcome] = [MarketStatusShown(at=floor.now, code=_ANNOUNCED[phase])]
        if phase is Phase.CONTINUOUS:
            return out
        for issue in floor.issues.values():
            if issue.interrupted:
                self._end_interruption(issue, out)
            issue.session = Session.REGULAR
            issue.auction = phase is not Phase.CLOSED
            issue.indication, issue.expected = None, (0, 0)
        if phase is Phase.CLOSING_AUCTION:
            self._turn_conditional_orders()
        if phase is Phase.CLOSED:
            floor.expire(Session.REGULAR, SESSION_END, out)
        else:
            self._expect(out)
        return out

    def open_session(self, command: OpenSession) -> list[Outcome]:
        """Open a session beside the regular one."""
        floor, session = self._floor, command.session
        floor.open_sessions[session] = command.trades_from
        if session.fixed_price:
            if command.trades_from > floor.now:
                floor.at(command.trades_from, lambda out: self._begin_fixed(session, out))
            return []
        for issue in (floor.nxt if session.venue is Venue.NXT else floor.issues).values():
            issue.session = session
            issue.auction = session is Session.AFTER_HOURS_SINGLE_PRICE or issue.halted
            issue.indication, issue.expected = None, (0, 0)
            issue.asks.refresh(())
            issue.bids.refresh(())
        if session is Session.AFTER_HOURS_SINGLE_PRICE:
            floor.at(floor.now + SINGLE_PRICE_STEP, self._match_single_price)
        return []

    def close_session(self, command: CloseSession) -> list[Outcome]:
        """End a session beside the regular one."""
        floor, session = self._floor, command.session
        floor.open_sessions.pop(session, None)
        out: list[Outcome] = []
        floor.expire(session, SESSION_END, out)
        if session.venue is Venue.NXT:
            for issue in floor.nxt.values():
                issue.asks.refresh(())
                issue.bids.refresh(())
        return out

    def _begin_fixed(self, session: Session, out: list[Outcome]) -> None:
        floor = self._floor
        for (where, _), issue in floor.fixed.items():
            if where is session and session in floor.open_sessions:
                floor.settle(issue, matching.begin_continuous(issue), out)

    def _match_single_price(self, out: list[Outcome]) -> None:
        """Match what the tape's own match left among our clients and the shown interest."""
        floor = self._floor
        if Session.AFTER_HOURS_SINGLE_PRICE not in floor.open_sessions:
            return
        for issue in floor.issues.values():
            if not issue.has_orders or issue.withheld:
                continue
            price, quantity, fills = auction.uncross(issue)
            if quantity:
                out.append(floor.print(issue, price, quantity, Aggressor.NONE, auction=True))
                floor.settle(issue, fills, out)
            floor.expect(issue, out)
        floor.at(floor.now + SINGLE_PRICE_STEP, self._match_single_price)

    def _turn_conditional_orders(self) -> None:
        floor = self._floor
        for order in floor.orders.values():
            working = order.remaining and order.status is OrderStatus.WORKING
            if working and order.pricing is Pricing.CONDITIONAL and order.price is not None:
                issue = floor.of(order)
                issue.remove(order)
                order.limit(None)
                issue.rest(order)

    def _expect(self, out: list[Outcome]) -> None:
        for issue in self._floor.issues.values():
            if issue.has_orders:
                self._floor.expect(issue, out)

    def _end_interruption(self, issue: Issue, out: list[Outcome]) -> None:
        """Let an interruption end in the auction or close that begins."""
        issue.suspension += 1
        issue.interrupted = False
        issue.withheld = issue.halted or issue.closed
        out.append(
            StatusShown(
                at=self._floor.now,
                symbol=issue.listing.symbol,
                halted=issue.halted,
                reason="",
                interrupted=False,
                reference_price=issue.vi_reference,
                venue=issue.venue,
            )
        )
