"""One issue's exchange, driven by its recorded tape and by our orders at given places of it.

It is the exchange of the simulator and of every backtest; only who drives it differs. An order has
a place: it arrives before a step of the tape. What always holds: steps are carried out once, in
order, and what the exchange says comes out in the order in which it happened, with the number of
steps after which it did.

Our own orders are part of a recorded book, because everybody saw them there (``own_shown``). What
works here is then taken off each recorded book before the exchange is told of it as of the others'.
The books of an account that trades on paper, whose orders no exchange ever had, are the others'.

The broker's looks at cash and holdings are not repeated: what it refused stands on the log.
"""

from __future__ import annotations

from datetime import date
from typing import Final, NamedTuple

from events import OrderId
from events.calendar import next_session
from events.trading import OrderKind, OrderSubmitting, Side
from kis_gateway.protocol import Pricing
from kis_gateway.simulator.exchange import (
    Acknowledged,
    CancelOrder,
    Command,
    Exchange,
    Executed,
    Listing,
    MarketBook,
    Outcome,
    PlaceOrder,
    Refused,
    Withdrawn,
)
from research.fidelity.exchange_tape import IssueTape

_ACCOUNT: Final = "RECORDED"
_MEANS: Final = 1 << 60
_SETTLEMENT_SESSIONS: Final = 2

Levels = tuple[tuple[int, int], ...]


class TakenIn(NamedTuple):
    """The exchange has the order."""

    order_id: OrderId
    step: int


class TurnedDown(NamedTuple):
    """The exchange does not take the order."""

    order_id: OrderId
    step: int
    reason: str


class Execution(NamedTuple):
    """Shares of an order changed hands after ``step`` steps of the tape; ``time`` is that step's.

    ``time`` is the exchange's second (ns UTC): the execution was in it or later, before the next
    step.
    """

    order_id: OrderId
    step: int
    time: int
    quantity: int
    price: int
    remaining: int


class Gone(NamedTuple):
    """What was left of an order left the book; ``cancelled`` by us, otherwise by the session."""

    order_id: OrderId
    step: int
    quantity: int
    cancelled: bool


Report = TakenIn | TurnedDown | Execution | Gone


class IssueFloor:
    """The exchange of one issue for one session."""

    def __init__(
        self,
        listing: Listing,
        tape: IssueTape,
        day: date,
        *,
        begin: int = 0,
        own_shown: bool = True,
    ) -> None:
        """``begin`` steps are passed over; that of them which set the phase is carried out.

        ``own_shown`` says that recorded books hold our own orders.
        """
        self._own_shown = own_shown
        self._symbol = listing.symbol
        self.tape = tape
        """What the exchange did on the day."""
        self._exchange = Exchange((listing,), settled_on=next_session(day, _SETTLEMENT_SESSIONS))
        self._exchange.open_account(_ACCOUNT, _MEANS, {listing.symbol: (_MEANS, _MEANS)})
        self._working: dict[OrderId, _Working] = {}
        self._placed: set[str] = set()
        self._now = 0
        self.done = begin
        """How many steps have been carried out."""
        for step in reversed(tape.steps[:begin]):
            if not step.sequence:
                self._exchange.handle(step.command)
                self._now = step.time
                break

    @property
    def steps(self) -> int:
        """How many steps there are."""
        return len(self.tape.steps)

    @property
    def working(self) -> bool:
        """Whether one of our orders works."""
        return bool(self._working)

    def next_time(self) -> int | None:
        """Return the second of the next step (ns UTC), ``None`` after the last one."""
        return self.tape.steps[self.done].time if self.done < self.steps else None

    def step(self) -> list[Report]:
        """Carry out the next step and return what it meant for our orders."""
        step = self.tape.steps[self.done]
        self.done += 1
        command = step.command
        if self._own_shown and isinstance(command, MarketBook) and not step.assumed:
            command = self._of_others(command)
        self._now = max(self._now, step.time)
        return self._handle(command, step.time)

    def advance(self, to: int) -> list[Report]:
        """Carry out all steps before ``to``; none when they have been."""
        reports: list[Report] = []
        while self.done < min(to, self.steps):
            reports += self.step()
        return reports

    def place(self, ticket: OrderSubmitting) -> list[Report]:
        """Let an order arrive now, before the next step."""
        self._placed.add(ticket.order_id)
        self._working[ticket.order_id] = _Working(ticket.side, ticket.limit_price, ticket.quantity)
        market = ticket.kind is OrderKind.MARKET
        return self._handle(
            PlaceOrder(
                at=self._now,
                order_number=ticket.order_id,
                account=_ACCOUNT,
                symbol=ticket.symbol,
                side=ticket.side,
                pricing=Pricing.MARKET if market else Pricing.LIMIT,
                quantity=ticket.quantity,
                price=None if market else ticket.limit_price,
            ),
            self._now,
        )

    def cancel(self, order: OrderId, attempt: int) -> list[Report]:
        """Let a cancel of what is left of an order arrive now, before the next step.

        Nothing comes of it when nothing is left.
        """
        return self._handle(
            CancelOrder(
                at=self._now,
                order_number=f"{order}-C{attempt}",
                account=_ACCOUNT,
                target=order,
            ),
            self._now,
        )

    def _handle(self, command: Command, time: int) -> list[Report]:
        reports = (self._report(said, time) for said in self._exchange.handle(command))
        return [report for report in reports if report is not None]

    def _report(self, outcome: Outcome, time: int) -> Report | None:
        match outcome:
            case Acknowledged() if outcome.order_number in self._placed:
                return TakenIn(OrderId(outcome.order_number), self.done)
            case Refused() if outcome.order_number in self._placed:
                order = OrderId(outcome.order_number)
                del self._working[order]
                return TurnedDown(order, self.done, f"{outcome.reason}: {outcome.detail}")
            case Executed():
                order = OrderId(outcome.order_number)
                if outcome.remaining:
                    self._working[order] = self._working[order]._replace(left=outcome.remaining)
                else:
                    del self._working[order]
                return Execution(
                    order, self.done, time, outcome.quantity, outcome.price, outcome.remaining
                )
            case Withdrawn():
                order = OrderId(outcome.order_number)
                self._working.pop(order, None)
                return Gone(order, self.done, outcome.quantity, outcome.by is not None)
        return None

    def _of_others(self, book: MarketBook) -> MarketBook:
        asks, bids = dict(book.asks), dict(book.bids)
        for side, price, left in self._working.values():
            shown = bids if side is Side.BUY else asks
            if price is not None and shown.get(price, 0) >= left:
                shown[price] -= left
        return MarketBook(at=book.at, symbol=book.symbol, asks=_there(asks), bids=_there(bids))


class _Working(NamedTuple):
    side: Side
    price: int | None
    left: int


def _there(levels: dict[int, int]) -> Levels:
    return tuple((price, quantity) for price, quantity in levels.items() if quantity)
