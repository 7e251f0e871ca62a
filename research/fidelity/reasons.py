"""Why something differs when a recorded day is traded again, read off the record.

The record shows what was special about an order; where it shows nothing, the difference is the
exchange model's or the deciders' own, and is called that. The first difference of a symbol has a
reason of its own, later ones follow from it: after another execution the same strategy is in
another position.
"""

from __future__ import annotations

from typing import Final

from events import Event, OrderId, StrategyId, Symbol
from events.ops import FeedGap
from events.trading import (
    DriftDetected,
    IntentExpired,
    OrderClosed,
    OrderFilled,
    OrderSubmitting,
    Route,
)
from research.fidelity.arrival import Place
from research.fidelity.day import RecordedDay
from research.fidelity.order_record import RecordedOrder

_PATIENCE: Final = 30_000_000_000
"""A book older than this (ns) is no book for an order that arrives now."""


class Reasons:
    """Explains the differences of one day; asked in the order in which they happened.

    ``drawn`` says that the other run drew its latencies instead of taking the recorded ones.
    """

    def __init__(self, day: RecordedDay, *, code_version: str, drawn: bool = False) -> None:
        self._day = day
        self._code_version = code_version
        self._drawn = drawn
        self._first: dict[tuple[StrategyId, Symbol], str] = {}
        entries = day.session.entries
        self._gaps = [each.event for each in entries if isinstance(each.event, FeedGap)]
        self._drifted = {
            each.event.symbol for each in entries if isinstance(each.event, DriftDetected)
        }

    def of(self, kind: str, event: Event, *, lone: bool) -> str:
        """Return why an event of a kind differs, in words; ``lone``: one side has none."""
        whose = _whose(event)
        order_id = _order_of(event)
        order = None if order_id is None else self._day.orders.get(order_id)
        earlier = None if whose is None else self._first.get(whose)
        if earlier is not None:
            return f"follows from {earlier}"
        if whose is not None:
            self._first[whose] = str(event.identity)
        if order is not None and kind in {"fills", "ends"}:
            return self._of_order(order)
        if kind in {"fills", "ends"}:
            return "an order that the record has not"
        return self._of_decider(event, lone=lone)

    def _of_order(self, order: RecordedOrder) -> str:
        place = self._day.places.get(order.order_id)
        symbol = order.symbol
        if order.unknown_fate:
            return "its call had no answer: when it reached the exchange is not on the log"
        if symbol in self._drifted:
            return f"{symbol} was traded by hand or by somebody else on the day (drift)"
        if order.ticket.route is not Route.KRX:
            return f"it was routed to {order.ticket.route}, whose books are not traded again"
        if self._in_gap(order):
            return "its symbol's feed had a gap while it worked: trades may be missing"
        if place is not None and not self._book_seen(order, place):
            return f"no book of {symbol} was received when it arrived: its depth is assumed"
        if order.corrected:
            return "the broker corrected its executions afterwards"
        if self._drawn:
            return "its latency was drawn, not the recorded one: it met another book"
        if place is not None and not place.explained:
            return (
                f"nowhere between its leaving and its answer ({place.latest - place.earliest + 1} "
                "places of the tape) does the exchange model execute this"
            )
        return "the exchange model executes it otherwise"

    def _of_decider(self, event: Event, *, lone: bool) -> str:
        recorded = self._day.session.opening.code_version
        if self._drawn:
            return "its inputs came at other instants: latencies were drawn, deciding took no time"
        if recorded != self._code_version:
            return (
                f"derived otherwise by this code ({self._code_version}; recorded under {recorded})"
            )
        what = "not derived in both" if lone else "derived otherwise"
        return f"{what} from the same entries: `kst verify` says from which on"

    def _in_gap(self, order: RecordedOrder) -> bool:
        end = order.closed.at if order.closed is not None else order.known_at
        return any(
            gap.begun_at <= end
            and gap.ended_at >= order.clock_at
            and (not gap.symbols or order.symbol in gap.symbols)
            for gap in self._gaps
        )

    def _book_seen(self, order: RecordedOrder, place: Place) -> bool:
        return self._day.tapes[order.symbol].book_seen(place.step, _PATIENCE)


def _whose(event: Event) -> tuple[StrategyId, Symbol] | None:
    said = event.intent if isinstance(event, IntentExpired) else event
    strategy, symbol = getattr(said, "strategy", None), getattr(said, "symbol", None)
    if strategy is not None and symbol is not None:
        return strategy, symbol
    # An order's id begins with date, strategy and symbol.
    order = _order_of(event)
    parts = [] if order is None else order.split("-")
    return (StrategyId(parts[1]), Symbol(parts[2])) if len(parts) > 2 else None


def _order_of(event: Event) -> OrderId | None:
    if isinstance(event, OrderFilled | OrderClosed | OrderSubmitting):
        return event.order_id
    return None
