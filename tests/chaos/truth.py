"""Compares exchange, log and database: four accounts of the same day that must be one.

The exchange is the truth: what it executed moved shares and money, whatever anybody wrote. The log
is right when it says exactly that, the database when it says what the log says, and the allocations
when they add up to what the account holds. Pure: everything is handed in.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final

import msgspec

from events import EXTERNAL, UNKNOWN, Event, IntentId, OrderId, StrategyId, Symbol
from events.control import HaltReleased, HaltScope, HaltSet, SharesReallocated
from events.market import SessionOpened
from events.trading import (
    AccountSnapshot,
    Decision,
    DriftCleared,
    DriftDetected,
    IntentApproved,
    IntentDeferred,
    IntentKind,
    IntentModified,
    IntentRejected,
    IntentSubmitted,
    OrderAccepted,
    OrderEvent,
    OrderFilled,
    OrderRejected,
    OrderState,
    OrderUnknown,
    Side,
)
from kis_gateway.errors import IllegalTransition
from kis_gateway.orders.order_state import NOT_FOUND, Order, evolve

_SALES: Final = (IntentKind.EXIT, IntentKind.REDUCE, IntentKind.FLATTEN)
_NO_SHARES: Final = ("own_shares", "broker_shares")


class Kind(StrEnum):
    """What can be wrong."""

    DUPLICATE = "duplicate"
    """Two orders at the exchange for one of ours."""
    FORGOTTEN = "forgotten"
    """An order at the exchange that the log knows nothing of, or thinks over while it works."""
    PHANTOM = "phantom"
    """An order of the log that is not at the exchange, or that is another one's there."""
    UNSETTLED = "unsettled"
    """An order of the log that has no end."""
    FILLS = "fills"
    """Shares or won of an order differ."""
    ALLOCATIONS = "allocations"
    """Who owns what does not add up to what the account holds."""
    CASH = "cash"
    """Money differs."""
    DATABASE = "database"
    """The rows say something else than the log."""
    ILLEGAL = "illegal"
    """Events of an order that cannot follow each other."""
    HALT = "halt"
    """Something happened that a halt forbids."""


class Finding(msgspec.Struct, frozen=True, order=True):
    """One thing that is wrong."""

    kind: Kind
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"


class ExchangeFill(msgspec.Struct, frozen=True):
    """One execution; fee and tax in won."""

    quantity: int
    price: int
    fee: int = 0
    tax: int = 0


class ExchangeOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order as the exchange holds it (``/admin/state``)."""

    order_number: str
    action: str
    symbol: Symbol
    side: Side
    quantity: int
    price: int | None = None
    filled: int = 0
    amount: int = 0
    remaining: int = 0
    fills: tuple[ExchangeFill, ...] = ()


class ExchangeHolding(msgspec.Struct, frozen=True):
    """Shares of one symbol."""

    quantity: int


class ExchangeAccount(msgspec.Struct, frozen=True):
    """Money (won) and shares."""

    cash: int
    available_cash: int
    holdings: dict[Symbol, ExchangeHolding]


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """The exchange's own books, read over its test port."""

    orders: tuple[ExchangeOrder, ...]
    accounts: dict[str, ExchangeAccount]

    @property
    def account(self) -> ExchangeAccount:
        """The one account."""
        (account,) = self.accounts.values()
        return account


class DatabaseOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A row of ``orders`` with the sums of its rows of ``fills``."""

    order_id: OrderId
    state: str
    filled_quantity: int
    filled_amount: int
    fill_quantity: int
    fill_amount: int


class Database(msgspec.Struct, frozen=True, kw_only=True):
    """What the read models say. ``allocations`` leaves out owners of nothing."""

    orders: tuple[DatabaseOrder, ...]
    allocations: dict[tuple[StrategyId, Symbol], int]


class Story(msgspec.Struct):
    """The log as folded here: orders by their events, owners by the rules of the log."""

    orders: dict[OrderId, Order] = {}
    events: dict[OrderId, list[OrderEvent]] = {}
    owned: dict[tuple[StrategyId, Symbol], int] = {}
    opening_cash: int = 0
    snapshot: AccountSnapshot | None = None
    last_fill_at: int = 0
    illegal: list[str] = []

    @classmethod
    def of(cls, events: Iterable[Event]) -> Story:
        """Fold a log from its session on."""
        story = cls()
        for event in events:
            story.take(event)
        return story

    def take(self, event: Event) -> None:
        """Take in the next entry."""
        match event:
            case SessionOpened():
                self.opening_cash = event.cash
                self.owned = {
                    (each.strategy, each.symbol): each.quantity for each in event.allocations
                }
            case OrderEvent():
                self._order(event)
            case AccountSnapshot():
                self.snapshot = event
            case DriftDetected():
                surplus = event.broker_quantity - event.allocated_quantity
                self.owned[UNKNOWN, event.symbol] = surplus
            case DriftCleared():
                self.owned.pop((UNKNOWN, event.symbol), None)
            case SharesReallocated():
                for owner, moved in (
                    (event.source, -event.quantity),
                    (event.target, event.quantity),
                ):
                    key = owner, event.symbol
                    self.owned[key] = self.owned.get(key, 0) + moved

    def _order(self, event: OrderEvent) -> None:
        self.events.setdefault(event.order_id, []).append(event)
        try:
            self.orders[event.order_id] = evolve(self.orders.get(event.order_id), event)
        except IllegalTransition as error:
            self.illegal.append(str(error))
        if isinstance(event, OrderFilled):
            key = event.strategy, event.symbol
            signed = event.quantity if event.side is Side.BUY else -event.quantity
            self.owned[key] = self.owned.get(key, 0) + signed
            self.last_fill_at = max(self.last_fill_at, event.at)

    def quantities(self) -> dict[Symbol, int]:
        """Return the shares of every symbol over all owners."""
        found: dict[Symbol, int] = defaultdict(int)
        for (_, symbol), quantity in self.owned.items():
            found[symbol] += quantity
        return found

    @property
    def live(self) -> list[Order]:
        """Orders without an end."""
        return [order for order in self.orders.values() if not order.over]


class Figures(msgspec.Struct):
    """What happened to the orders of a log, in numbers."""

    orders: int = 0
    fills: int = 0
    shares: int = 0
    unknown: int = 0
    unknown_settled: int = 0
    adopted: int = 0
    not_found: int = 0
    cancels: int = 0

    @classmethod
    def of(cls, story: Story) -> Figures:
        """Count."""
        every = [event for events in story.events.values() for event in events]
        fills = [event for event in every if isinstance(event, OrderFilled)]
        unknown = {event.order_id for event in every if isinstance(event, OrderUnknown)}
        return cls(
            orders=sum(order.quantity > 0 for order in story.orders.values()),
            fills=len(fills),
            shares=sum(event.quantity for event in fills),
            unknown=len(unknown),
            unknown_settled=sum(
                story.orders[order].state is not OrderState.UNKNOWN for order in unknown
            ),
            adopted=sum(isinstance(event, OrderAccepted) and event.adopted for event in every),
            not_found=sum(
                isinstance(event, OrderRejected) and event.code == NOT_FOUND for event in every
            ),
            cancels=sum(order.cancel_attempts > 0 for order in story.orders.values()),
        )


class HaltWatch:
    """Looks whether anything is let through that a halt of the whole account forbids.

    The gate reads the log in order, so this is exact: of what was asked after the halt and before
    its release no entry may be allowed; and no sale is ever refused for another reason than that
    there is nothing to sell.
    """

    def __init__(self) -> None:
        self._halted = False
        self._asked: dict[IntentId, tuple[IntentSubmitted, bool]] = {}
        self.findings: list[Finding] = []

    def take(self, event: Event) -> None:
        """Take in the next entry of the log."""
        match event:
            case HaltSet() if event.scope is HaltScope.ACCOUNT:
                self._halted = True
            case HaltReleased() if event.scope is HaltScope.ACCOUNT:
                self._halted = False
            case IntentSubmitted():
                self._asked[event.intent_id] = event, self._halted
            case Decision() if event.intent_id in self._asked:
                self._judge(event, *self._asked[event.intent_id])

    def _judge(self, decision: Decision, intent: IntentSubmitted, halted: bool) -> None:
        allowed = isinstance(decision, IntentApproved | IntentModified)
        if intent.kind is IntentKind.ENTER and allowed and halted:
            self._add(f"{intent.intent_id} was let in while the account was halted")
        if intent.kind in _SALES:
            if isinstance(decision, IntentDeferred):
                self._add(f"{intent.intent_id} was put off by {decision.deferred_by}")
            elif isinstance(decision, IntentRejected) and decision.rejected_by not in _NO_SHARES:
                self._add(f"{intent.intent_id} was refused by {decision.rejected_by}")

    def _add(self, text: str) -> None:
        self.findings.append(Finding(Kind.HALT, text))


def check(
    exchange: Exchange, story: Story, database: Database, *, foreign: Collection[str] = ()
) -> list[Finding]:
    """Return everything that is wrong, sorted; ``foreign`` are numbers of orders made by hand."""
    hands = {plain(number) for number in foreign}
    return sorted(
        [
            *(Finding(Kind.ILLEGAL, text) for text in story.illegal),
            *_identities(exchange, story, hands),
            *_executions(exchange, story),
            *_owners(exchange, story, database),
            *_money(exchange, story, hands),
            *_rows(story, database),
        ]
    )


def plain(number: str) -> str:
    """Return a broker's order number without padding."""
    return number.strip().lstrip("0")


def _placed(exchange: Exchange) -> dict[str, ExchangeOrder]:
    return {plain(each.order_number): each for each in exchange.orders if each.action == "new"}


def _identities(exchange: Exchange, story: Story, hands: Collection[str]) -> Iterable[Finding]:
    """Yield where orders of log and exchange are not paired one to one."""
    placed = _placed(exchange)
    ours: dict[str, Order] = {}
    for order in story.orders.values():
        if order.broker_order is None:
            continue
        number = plain(order.broker_order)
        if number in ours:
            yield Finding(Kind.PHANTOM, f"{order.order_id} and {ours[number].order_id}: {number}")
        ours[number] = order
        there = placed.get(number)
        if there is None or not _alike(order, there):
            yield Finding(Kind.PHANTOM, f"{order.order_id} is not {number} at the exchange")
    for number, there in placed.items():
        if number in ours:
            if ours[number].over and there.remaining:
                text = f"{number} works; {ours[number].order_id} is {ours[number].state}"
                yield Finding(Kind.FORGOTTEN, text)
        elif number not in hands:
            yield _unclaimed(number, there, exchange, story)
    for order in story.live:
        yield Finding(Kind.UNSETTLED, f"{order.order_id} is {order.state}")


def _unclaimed(number: str, there: ExchangeOrder, exchange: Exchange, story: Story) -> Finding:
    """Name an order that nobody claims: one more than we have of its like, or nobody's at all."""
    text = f"{number}: {there.side} {there.quantity} {there.symbol} at {there.price}"
    like = [order.order_id for order in story.orders.values() if _alike(order, there)]
    twins = [each for each in _placed(exchange).values() if _same_ticket(each, there)]
    if like and len(twins) > len(like):
        text += f", {len(twins)} of its like there, ours are {', '.join(like)}"
        return Finding(Kind.DUPLICATE, text)
    return Finding(Kind.FORGOTTEN, f"{text} belongs to no order of the log")


def _same_ticket(one: ExchangeOrder, other: ExchangeOrder) -> bool:
    return (one.symbol, one.side, one.quantity, one.price) == (
        (other.symbol, other.side, other.quantity, other.price)
    )


def _alike(order: Order, there: ExchangeOrder) -> bool:
    same = (order.symbol, order.side, order.quantity) == (there.symbol, there.side, there.quantity)
    return same and (order.limit_price is None or order.limit_price == there.price)


def _executions(exchange: Exchange, story: Story) -> Iterable[Finding]:
    placed = _placed(exchange)
    for order in story.orders.values():
        there = None if order.broker_order is None else placed.get(plain(order.broker_order))
        done = (0, 0) if there is None else (there.filled, there.amount)
        booked = order.filled_quantity, order.filled_amount
        if done != booked:
            text = f"{order.order_id}: exchange {done[0]} for {done[1]}, log {booked[0]} for "
            yield Finding(Kind.FILLS, f"{text}{booked[1]}")


def _owners(exchange: Exchange, story: Story, database: Database) -> Iterable[Finding]:
    held = {symbol: each.quantity for symbol, each in exchange.account.holdings.items()}
    owned = story.quantities()
    for symbol in sorted({*held, *owned}):
        if held.get(symbol, 0) != owned.get(symbol, 0):
            text = f"{symbol}: exchange {held.get(symbol, 0)}, owners {owned.get(symbol, 0)}"
            yield Finding(Kind.ALLOCATIONS, text)
    for (strategy, symbol), quantity in sorted(story.owned.items()):
        if quantity < 0 and strategy not in (UNKNOWN, EXTERNAL):
            yield Finding(Kind.ALLOCATIONS, f"{strategy} owns {quantity} {symbol}")
    log = {key: quantity for key, quantity in story.owned.items() if quantity}
    for key in sorted({*log, *database.allocations}):
        if log.get(key, 0) != database.allocations.get(key, 0):
            text = f"{key[0]} {key[1]}: log {log.get(key, 0)}, rows {database.allocations.get(key)}"
            yield Finding(Kind.DATABASE, text)


def _money(exchange: Exchange, story: Story, hands: Collection[str]) -> Iterable[Finding]:
    """Yield where money differs: the balance told last, and the sum over everything booked.

    Fee and tax are the exchange's: it cuts them to whole won per execution, the log per fill, which
    may be several executions that were learned of together.
    """
    account = exchange.account
    if story.snapshot is None or story.snapshot.cash != account.available_cash:
        told = None if story.snapshot is None else story.snapshot.cash
        yield Finding(Kind.CASH, f"exchange {account.available_cash}, last balance {told}")
    cash = story.opening_cash
    for order in story.orders.values():
        cash += order.filled_amount if order.side is Side.SELL else -order.filled_amount
    for each in exchange.orders:
        cash -= sum(fill.fee + fill.tax for fill in each.fills)
        if plain(each.order_number) in hands:
            cash += each.amount if each.side is Side.SELL else -each.amount
    if cash != account.cash:
        yield Finding(Kind.CASH, f"exchange {account.cash}, by the fills of the log {cash}")


def _rows(story: Story, database: Database) -> Iterable[Finding]:
    rows = {row.order_id: row for row in database.orders}
    for order_id, order in story.orders.items():
        row = rows.pop(order_id, None)
        if row is None:
            if order.quantity:
                yield Finding(Kind.DATABASE, f"no row of {order_id}")
            continue
        booked = order.filled_quantity, order.filled_amount
        for quantity, amount in (
            (row.filled_quantity, row.filled_amount),
            (row.fill_quantity, row.fill_amount),
        ):
            if (quantity, amount) != booked:
                text = f"{order_id}: log {booked[0]} for {booked[1]}, rows {quantity} for {amount}"
                yield Finding(Kind.DATABASE, text)
        if row.state != order.state:
            yield Finding(Kind.DATABASE, f"{order_id}: log {order.state}, row {row.state}")
    for order_id in rows:
        yield Finding(Kind.DATABASE, f"{order_id} has a row and is not on the log")


def tally(findings: Sequence[Finding]) -> Mapping[Kind, int]:
    """Return how many findings there are of every kind."""
    counted = Counter(finding.kind for finding in findings)
    return {kind: counted[kind] for kind in Kind}
