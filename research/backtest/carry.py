"""The books from one session to the next: what is carried over, and what corporate actions do.

The same fold as live says what a session leaves: allocations, stops, halts and limits. A split
multiplies shares and divides stops; a fraction of a share is paid out at its cost, as nothing else
is known of it, and reported.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from events import Delivery, Event
from events.calendar import TradingSession
from events.market import OpeningAllocation, SessionOpened
from kis_gateway.day.carried import Carried, Inheritance
from research.backtest.market_day import CorporateAction

_LEAD: int = 600_000_000_000
"""The books are opened this long before the opening auction (ns)."""


class Books(msgspec.Struct, frozen=True, kw_only=True):
    """What a session begins with: won of cash, won of equity, and what is carried."""

    cash: int
    equity: int
    carried: Carried = Carried()


def opening_books(
    books: Books,
    session: TradingSession,
    configuration: Mapping[str, str],
    code_version: str,
) -> SessionOpened:
    """Return the event that opens a session."""
    return SessionOpened(
        at=session.auction_from - _LEAD,
        trading_date=session.trading_date,
        open_at=session.open_at,
        closing_auction_at=session.closing_auction_at,
        close_at=session.close_at,
        cash=books.cash,
        equity=books.equity,
        allocations=books.carried.allocations,
        halts=books.carried.halts,
        limits=books.carried.limits,
        configuration=dict(configuration),
        code_version=code_version,
    )


def after_actions(books: Books, actions: Iterable[CorporateAction]) -> tuple[Books, list[str]]:
    """Return the books at the terms that hold from this session on, and what to know of it."""
    allocations = list(books.carried.allocations)
    cash, notes = books.cash, []
    for action in actions:
        for place, held in enumerate(allocations):
            if held.symbol != action.symbol:
                continue
            adjusted, paid = _adjusted(held, action)
            allocations[place] = adjusted
            cash += paid
            notes.append(
                f"{action.kind} {action.new}:{action.old} of {held.symbol}: {held.strategy} holds "
                f"{adjusted.quantity} shares instead of {held.quantity}"
                + (f", {paid} won were paid for the fraction" if paid else "")
            )
    carried = msgspec.structs.replace(
        books.carried, allocations=tuple(each for each in allocations if each.quantity)
    )
    return msgspec.structs.replace(books, cash=cash, carried=carried), notes


def _adjusted(held: OpeningAllocation, action: CorporateAction) -> tuple[OpeningAllocation, int]:
    whole, fraction = divmod(held.quantity * action.new, action.old)
    paid = held.cost * fraction // (held.quantity * action.new) if fraction else 0

    def price(stop: int | None) -> int | None:
        return None if stop is None else stop * action.old // action.new

    return (
        OpeningAllocation(
            held.strategy,
            held.symbol,
            whole,
            held.cost - paid,
            price(held.protective_stop),
            price(held.hard_stop),
        ),
        paid,
    )


class CarryOver:
    """Follows a session's derived events to what they leave."""

    def __init__(self, session: SessionOpened) -> None:
        self._fold = Inheritance(session)

    def witness(self, sequence: int, event: Event) -> None:
        """Take in an event at its place in the log."""
        self._fold.take(Delivery(sequence, event))

    def carried(self) -> Carried:
        """Return what the next session begins with."""
        return self._fold.carried()
