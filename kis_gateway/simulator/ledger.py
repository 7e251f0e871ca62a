"""The broker's order book-keeping behind inquiries: what each order is, what became of it, and when
an inquiry may know.

KIS shows an accepted order, a fill or a cancel in its inquiries only seconds after it happened
(published measurements: 1.1-5.3 s). Every change therefore carries the instant from which it is
visible, derived from the order number so that a run repeats itself. Changes become visible in the
order in which they happened. Won, shares, ns UTC.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Final, Generic, TypeVar

import msgspec

from events import Symbol
from events.market import Venue
from events.trading import Side
from kis_gateway.protocol import Route
from kis_gateway.simulator.exchange.messages import Executed
from kis_gateway.simulator.wire_formats import OrderType, exchange_class

_SECOND: Final = 1_000_000_000
_SPREAD: Final = 1_000

Snapshot = TypeVar("Snapshot")


class Action(StrEnum):
    """What an order number was given for."""

    NEW = "new"
    AMEND = "amend"
    CANCEL = "cancel"


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to an order; inquiries show it from ``visible_at`` on."""

    at: int
    visible_at: int
    filled: int = 0
    price: int = 0
    fee: int = 0
    tax: int = 0
    withdrawn: int = 0
    rejected: int = 0

    @property
    def amount(self) -> int:
        """Traded value in won."""
        return self.filled * self.price


class OrderStatus(msgspec.Struct, frozen=True, kw_only=True):
    """An order's sums as seen at some instant."""

    filled: int
    amount: int
    costs: int
    withdrawn: int
    rejected: int
    remaining: int


class OrderRecord(msgspec.Struct, kw_only=True):
    """One order number of the day. ``price`` is 0 for a market order.

    ``original`` is the number of the order an amend or cancel is about; the ``quantity`` of these
    is what they moved or withdrew, before they took effect what was asked for. ``route`` is where
    the client sent the order, ``venue`` where it is; ``trigger`` is the price that awakes a stop
    limit order, 0 for none.
    """

    number: str
    account: str
    symbol: Symbol
    side: Side
    order_type: OrderType
    quantity: int
    price: int
    at: int
    visible_at: int
    action: Action = Action.NEW
    original: str | None = None
    route: Route = Route.KRX
    venue: Venue = Venue.KRX
    trigger: int = 0
    changes: list[Change] = msgspec.field(default_factory=list)

    @property
    def exchange_class(self) -> str:
        """The notice's ORD_EXG_GB."""
        return exchange_class(self.route, self.venue)

    def status(self, now: int | None = None) -> OrderStatus:
        """Return the sums as an inquiry at ``now`` sees them; ``None`` sees everything."""
        known = [change for change in self.changes if now is None or change.visible_at <= now]
        filled = sum(change.filled for change in known)
        withdrawn = sum(change.withdrawn for change in known)
        rejected = sum(change.rejected for change in known)
        cancel = self.action is Action.CANCEL
        return OrderStatus(
            filled=filled,
            amount=sum(change.amount for change in known),
            costs=sum(change.fee + change.tax for change in known),
            withdrawn=withdrawn,
            rejected=rejected,
            remaining=0 if cancel else self.quantity - filled - withdrawn - rejected,
        )


class Delay:
    """How long inquiries lag, by order number and the ordinal of its change."""

    def __init__(self, bounds: tuple[float, float]) -> None:
        self._low = round(bounds[0] * _SECOND)
        self._span = round((bounds[1] - bounds[0]) * _SECOND)

    def of(self, number: str, ordinal: int) -> int:
        """Return nanoseconds, spread evenly between the bounds."""
        draw = (int(number) * 7_919 + ordinal * 104_729) % _SPREAD
        return self._low + self._span * draw // _SPREAD


class OrderLedger:
    """Every order number of the day, in order of arrival."""

    def __init__(self, delay: Delay) -> None:
        self._delay = delay
        self._records: dict[str, OrderRecord] = {}
        self._executions: list[Executed] = []

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[OrderRecord]:
        return iter(self._records.values())

    @property
    def executions(self) -> Sequence[Executed]:
        """All executions of the day, in order."""
        return self._executions

    def get(self, number: str) -> OrderRecord | None:
        """Return an order by its number; zeros and blanks around it do not matter."""
        text = number.strip()
        return self._records.get(text.zfill(10)) if text.isdecimal() else None

    def visible_at(self, number: str, at: int) -> int:
        """Return when inquiries may show an order accepted at ``at``."""
        return at + self._delay.of(number, 0)

    def add(self, record: OrderRecord) -> None:
        """Enter a new order number."""
        self._records[record.number] = record

    def fill(self, done: Executed) -> None:
        """Enter an execution."""
        self._executions.append(done)
        record = self._records[done.order_number]
        record.changes.append(
            Change(
                at=done.at,
                visible_at=self._next_visible(record, done.at),
                filled=done.quantity,
                price=done.price,
                fee=done.fee,
                tax=done.tax,
            )
        )

    def withdraw(self, record: OrderRecord, quantity: int, at: int) -> None:
        """Enter that ``quantity`` shares of an order will not trade any more."""
        seen = self._next_visible(record, at)
        record.changes.append(Change(at=at, visible_at=seen, withdrawn=quantity))

    def reject(self, record: OrderRecord, at: int) -> None:
        """Enter that the exchange refused an order that was answered as accepted."""
        seen = self._next_visible(record, at)
        record.changes.append(Change(at=at, visible_at=seen, rejected=record.quantity))

    def of_account(self, account: str, now: int) -> list[OrderRecord]:
        """Return an account's orders that inquiries at ``now`` may show, oldest first."""
        return [
            record
            for record in self._records.values()
            if record.account == account and record.visible_at <= now
        ]

    def _next_visible(self, record: OrderRecord, at: int) -> int:
        earliest = record.changes[-1].visible_at if record.changes else record.visible_at
        return max(earliest, at + self._delay.of(record.number, len(record.changes) + 1))


class Lagged(Generic[Snapshot]):
    """A value that readers see only after a delay; snapshots enter in order of time."""

    def __init__(self, first: Snapshot) -> None:
        self._seen = first
        self._coming: deque[tuple[int, Snapshot]] = deque()

    def put(self, snapshot: Snapshot, visible_at: int) -> None:
        """Enter the next value; it never overtakes the one before."""
        earliest = self._coming[-1][0] if self._coming else visible_at
        self._coming.append((max(earliest, visible_at), snapshot))

    def get(self, now: int) -> Snapshot:
        """Return what a reader at ``now`` (never going back) sees."""
        while self._coming and self._coming[0][0] <= now:
            self._seen = self._coming.popleft()[1]
        return self._seen
