"""A recorded day made ready: its orders, their issues' tapes, and where each order arrived."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import msgspec

from events import OrderId, Symbol
from kis_gateway.simulator.exchange import Listing
from research.fidelity.arrival import EVEN_SPLIT, Place, by_symbol, places
from research.fidelity.exchange_tape import IssueTape, issue_tape, listing
from research.fidelity.fill_model import FillModel, fill_model
from research.fidelity.issue_floor import IssueFloor
from research.fidelity.latencies import Latencies, measure
from research.fidelity.order_record import RecordedOrder, recorded_orders
from research.fidelity.recording import RecordedSession


class RecordedDay(msgspec.Struct, frozen=True, kw_only=True):
    """A session with everything that can be said of its orders.

    ``own_shown`` says that the recorded books hold our own orders. Of an account with real money,
    or of a simulated exchange, they do; of one that trades on paper they do not. It is what
    explains more of the day's orders.
    """

    session: RecordedSession
    day: date
    orders: dict[OrderId, RecordedOrder]
    tapes: dict[Symbol, IssueTape]
    listings: dict[Symbol, Listing]
    places: dict[OrderId, Place]
    own_shown: bool = True

    def floor(self, symbol: Symbol) -> IssueFloor:
        """Return the exchange of an issue at the beginning of the day."""
        tape, terms = self.tapes.get(symbol), self.listings.get(symbol)
        if tape is None or terms is None:
            tape, terms = issue_tape(self.session, symbol), listing(self.session, symbol)
        return IssueFloor(terms, tape, self.day, own_shown=self.own_shown)

    def latencies(self) -> Latencies:
        """Return how long things took on the day."""
        return measure(self.session, self.orders, self.places, self.tapes)

    def fill_model(self) -> FillModel:
        """Return how the exchange's model compares with the record."""
        return fill_model(self.orders, self.places, self.tapes, self.floor)


def recorded_day(session: RecordedSession, *, split: float = EVEN_SPLIT) -> RecordedDay:
    """Return a session with the places of its orders; ``split`` is explained in ``arrival``."""
    orders = recorded_orders(session.entries)
    symbols = by_symbol(orders)
    tapes = {symbol: issue_tape(session, symbol) for symbol in symbols}
    listings = {symbol: listing(session, symbol) for symbol in symbols}
    day = date.fromisoformat(session.trading_date)

    def found(*, own_shown: bool) -> dict[OrderId, Place]:
        return {
            order: place
            for symbol, own in symbols.items()
            for order, place in places(
                own, tapes[symbol], listings[symbol], day, split=split, own_shown=own_shown
            ).items()
        }

    shown, hidden = found(own_shown=True), found(own_shown=False)
    own_shown = _explained(shown) >= _explained(hidden)
    return RecordedDay(
        session=session,
        day=day,
        orders=orders,
        tapes=tapes,
        listings=listings,
        places=shown if own_shown else hidden,
        own_shown=own_shown,
    )


def _explained(found: Mapping[OrderId, Place]) -> int:
    return sum(place.explained for place in found.values())
