"""Trading events: intents, risk decisions, the life of an order, the account.

    IntentSubmitted ─▶ IntentApproved | IntentModified | IntentRejected | IntentDeferred
                       │
                       ▼
    (OrderHeld) ─▶ OrderSubmitting ─▶ OrderAccepted | OrderRejected | OrderUnknown
                                      │
                                      ▼
    OrderFilled* (FillCorrected) ─▶ OrderClosed
    CancelSubmitting ─▶ CancelAccepted | CancelRejected | CancelUnknown

    ExecutionEnded: no further order of the intent follows, its last one is over

One intent may need several orders, one after the other: slices, or a withdrawn order replaced at
another price. Everything about one order stands on its own subject, so "the last sequence of this
order" is what optimistic concurrency checks.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from events.event import Derived, Event
from events.identifiers import FillId, IntentId, OrderId, StrategyId, Symbol, TradingDate


class Side(StrEnum):
    """Direction of an order."""

    BUY = "buy"
    SELL = "sell"

    __hash__ = str.__hash__  # that of an enumeration is written in Python; books are kept by side


class IntentKind(StrEnum):
    """What a strategy wants."""

    ENTER = "enter"
    REDUCE = "reduce"
    EXIT = "exit"
    FLATTEN = "flatten"
    SET_TARGET = "set_target"
    CANCEL_ORDERS = "cancel_orders"
    MODIFY_RISK = "modify_risk"


class Urgency(StrEnum):
    """How much a fill is worth against its price; decides the order type."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


class Horizon(StrEnum):
    """How long the position is meant to live."""

    INTRADAY = "intraday"
    SWING = "swing"


class OrderKind(StrEnum):
    """Order type as the exchange knows it."""

    LIMIT = "limit"
    MARKET = "market"


class Route(StrEnum):
    """Where an order is sent: KRX, NXT, or the broker's smart order routing over both."""

    KRX = "krx"
    NXT = "nxt"
    SOR = "sor"


class OrderState(StrEnum):
    """State of an order, see ``kis_gateway`` for the table of transitions."""

    HELD = "held"
    SUBMITTING = "submitting"
    UNKNOWN = "unknown"
    ACCEPTED = "accepted"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    EXPIRED = "expired"

    __hash__ = str.__hash__  # see ``Side``; every event of an order looks its state up


class CheckOutcome(StrEnum):
    """What one risk check said."""

    PASS = "pass"  # noqa: S105 - a verdict, not a secret
    MODIFY = "modify"
    REJECT = "reject"
    DEFER = "defer"
    NOT_APPLICABLE = "not_applicable"
    MISSING = "missing"


class Check(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One check of a decision: the value it saw, the limit it holds, what it said.

    ``value`` and ``limit`` are in the check's own unit (won, ratio, count) or text; ``None`` means
    that there was no data. ``headroom`` is how far the value is from its limit in that unit,
    negative beyond it, ``None`` where there is no distance. ``note`` says what a reader needs
    beyond the numbers.
    """

    name: str
    value: int | float | str | None
    limit: int | float | str | None
    outcome: CheckOutcome
    note: str = ""
    headroom: int | float | None = None


class IntentSubmitted(Derived, frozen=True, kw_only=True, tag="IntentSubmitted.1"):
    """A strategy's wish. It is not an order and not a position.

    Prices are won. ``stop_price`` is the trigger of a breakout entry (the order leaves when a trade
    prints at or above it), ``limit_price`` the worst acceptable price. ``protective_stop`` and
    ``hard_stop`` guard the position afterwards. ``expires_at`` is when the wish lapses. ``attempt``
    counts exits until flat. ``signal`` makes an entry unique per strategy, symbol and day.
    """

    intent_id: IntentId
    strategy: StrategyId
    symbol: Symbol
    kind: IntentKind
    quantity: int | None
    urgency: Urgency
    horizon: Horizon
    reason: str
    attempt: int
    expires_at: int
    reference_price: int | None = None
    limit_price: int | None = None
    stop_price: int | None = None
    protective_stop: int | None = None
    hard_stop: int | None = None
    signal: str | None = None
    facts: dict[str, int | float | str | bool | None] = msgspec.field(default_factory=dict)

    @property
    def topic(self) -> str:
        """``trading.intent.<intent id>``."""
        return f"trading.intent.{self.intent_id}"

    @property
    def identity(self) -> str:
        """The intent id."""
        return self.intent_id

    @property
    def unique_on_topic(self) -> bool:
        """An intent is submitted once."""
        return True


class IntentExpired(Event, frozen=True, kw_only=True, tag="IntentExpired.1"):
    """An intent that was due while its strategy was down and is too old to be acted on.

    It stands in the intent's place, so the intent itself can never be appended later.
    """

    intent: IntentSubmitted

    @property
    def topic(self) -> str:
        """The subject of the intent it replaces."""
        return self.intent.topic

    @property
    def identity(self) -> str:
        """The intent id."""
        return self.intent.intent_id

    @property
    def unique_on_topic(self) -> bool:
        """It takes the intent's place."""
        return True


class Decision(Derived, frozen=True, kw_only=True):
    """What the risk gate said to an intent, with every check it made."""

    intent_id: IntentId
    strategy: StrategyId
    symbol: Symbol
    checks: tuple[Check, ...]

    @property
    def topic(self) -> str:
        """``trading.decision.<intent id>``."""
        return f"trading.decision.{self.intent_id}"

    @property
    def identity(self) -> str:
        """One decision per intent."""
        return f"{self.intent_id}-D"

    @property
    def unique_on_topic(self) -> bool:
        """An intent is decided once."""
        return True


class IntentApproved(Decision, frozen=True, kw_only=True, tag="IntentApproved.1"):
    """Allowed as asked; ``quantity`` is what may be ordered (0 for intents without shares)."""

    quantity: int


class IntentModified(Decision, frozen=True, kw_only=True, tag="IntentModified.1"):
    """Allowed with fewer shares; ``binding_check`` is the check that cut deepest."""

    quantity: int
    requested_quantity: int
    binding_check: str


class IntentRejected(Decision, frozen=True, kw_only=True, tag="IntentRejected.1"):
    """Refused by ``rejected_by``; the same intent never passes later."""

    rejected_by: str
    reason: str


class IntentDeferred(Decision, frozen=True, kw_only=True, tag="IntentDeferred.1"):
    """Not now, because of ``deferred_by``; the strategy may ask again with a new intent."""

    deferred_by: str
    reason: str


class OrderEvent(Event, frozen=True, kw_only=True):
    """A step in the life of one order."""

    order_id: OrderId

    @property
    def topic(self) -> str:
        """``trading.order.<order id>``."""
        return f"trading.order.{self.order_id}"


class OrderHeld(OrderEvent, frozen=True, kw_only=True, tag="OrderHeld.1"):
    """The router keeps an approved entry until a trade prints at or above ``stop_price``."""

    cause: int
    intent_id: IntentId
    stop_price: int
    expires_at: int

    @property
    def identity(self) -> str:
        """Once per order."""
        return f"{self.order_id}-held"


class OrderSubmitting(OrderEvent, frozen=True, kw_only=True, tag="OrderSubmitting.1"):
    """Write-ahead: durable before the call leaves, and the call leaves at most once.

    ``limit_price`` is ``None`` for a market order. ``cancel_at`` is when the router withdraws what
    is left. ``epoch`` is that of the lease under which it was written. ``replaces`` is the order of
    the same intent whose rest it takes over, ``None`` for a first order or a further slice.
    """

    cause: int
    intent_id: IntentId
    strategy: StrategyId
    symbol: Symbol
    side: Side
    kind: OrderKind
    quantity: int
    limit_price: int | None
    cancel_at: int
    route: Route = Route.KRX
    epoch: int = 0
    replaces: OrderId | None = None

    @property
    def identity(self) -> str:
        """Once per order."""
        return f"{self.order_id}-submitting"


class OrderAccepted(OrderEvent, frozen=True, kw_only=True, tag="OrderAccepted.1"):
    """The broker took the order in. ``broker_order`` and ``branch`` are kept exactly as received.

    ``adopted`` is set when the answer was lost and the order was found by inquiry.
    """

    broker_order: str
    branch: str
    adopted: bool = False

    @property
    def identity(self) -> str:
        """Once per order."""
        return f"{self.order_id}-accepted"


class OrderRejected(OrderEvent, frozen=True, kw_only=True, tag="OrderRejected.1"):
    """The broker refused, or did not list an order whose answer was lost (code ``NOT_FOUND``).

    Terminal, but for the second: should the broker list it after all, ``OrderAccepted`` with
    ``adopted`` follows.
    """

    code: str
    message: str

    @property
    def identity(self) -> str:
        """Once per order."""
        return f"{self.order_id}-rejected"


class OrderUnknown(OrderEvent, frozen=True, kw_only=True, tag="OrderUnknown.1"):
    """The call may or may not have reached the broker; only asking the broker settles it."""

    reason: str

    @property
    def identity(self) -> str:
        """Once per order."""
        return f"{self.order_id}-unknown"


class FillSource(StrEnum):
    """Where a fill was learned."""

    NOTICE = "notice"
    INQUIRY = "inquiry"


class OrderFilled(OrderEvent, frozen=True, kw_only=True, tag="OrderFilled.1"):
    """Shares changed hands. ``amount`` is the exact traded value in won.

    ``price`` is the execution price; for several executions seen together through inquiry it is
    their mean rounded down, and ``amount`` stays exact. ``fee`` and ``tax`` are won by the dated
    tables of ``events.costs``.
    """

    fill_id: FillId
    strategy: StrategyId
    symbol: Symbol
    side: Side
    quantity: int
    price: int
    amount: int
    cumulative_quantity: int
    fee: int
    tax: int
    source: FillSource

    @property
    def identity(self) -> str:
        """The fill id."""
        return self.fill_id


class FillCorrected(OrderEvent, frozen=True, kw_only=True, tag="FillCorrected.1"):
    """The broker's books give another traded value for shares of an order than was booked.

    ``amount``, ``fee`` and ``tax`` are what is to be added (won, may be negative) to what the
    order's fills sum up to; ``quantity`` is the order's executed quantity, which stays.
    """

    ordinal: int
    strategy: StrategyId
    symbol: Symbol
    side: Side
    quantity: int
    amount: int
    fee: int
    tax: int
    reason: str

    @property
    def identity(self) -> str:
        """One per order and ordinal (from 1)."""
        return f"{self.order_id}-corrected{self.ordinal}"


class OrderClosed(OrderEvent, frozen=True, kw_only=True, tag="OrderClosed.1"):
    """The order has left the book: ``state`` is cancelled, expired or filled.

    Shares that turn out to have been executed before are booked by a later ``OrderFilled``.
    """

    state: OrderState
    filled_quantity: int
    reason: str

    @property
    def identity(self) -> str:
        """Once per order."""
        return f"{self.order_id}-closed"


class CancelSubmitting(OrderEvent, frozen=True, kw_only=True, tag="CancelSubmitting.1"):
    """Write-ahead of a cancel; ``attempt`` counts from 1."""

    attempt: int
    reason: str

    @property
    def identity(self) -> str:
        """Once per attempt."""
        return f"{self.order_id}-cancel{self.attempt}"


class CancelAccepted(OrderEvent, frozen=True, kw_only=True, tag="CancelAccepted.1"):
    """The broker took the cancel in. Fills may still arrive until the order is closed."""

    attempt: int
    broker_order: str

    @property
    def identity(self) -> str:
        """Once per attempt."""
        return f"{self.order_id}-cancel{self.attempt}-accepted"


class CancelRejected(OrderEvent, frozen=True, kw_only=True, tag="CancelRejected.1"):
    """The broker refused the cancel, usually because the order was filled meanwhile."""

    attempt: int
    code: str
    message: str

    @property
    def identity(self) -> str:
        """Once per attempt."""
        return f"{self.order_id}-cancel{self.attempt}-rejected"


class CancelUnknown(OrderEvent, frozen=True, kw_only=True, tag="CancelUnknown.1"):
    """The cancel may or may not have reached the broker."""

    attempt: int
    reason: str

    @property
    def identity(self) -> str:
        """Once per attempt."""
        return f"{self.order_id}-cancel{self.attempt}-unknown"


class ExecutionEnded(Event, frozen=True, kw_only=True, tag="ExecutionEnded.1"):
    """The router is done with an allowed intent: its orders are over and none will follow.

    Until then the allowed quantity counts as working, whether an order of it works or not.
    ``orders`` were begun, ``filled_quantity`` of ``quantity`` allowed shares were executed.
    ``reason`` is stable: ``complete``, ``lifetime``, ``reprices_used``, ``expired``, ``refused``,
    ``withdrawn``, ``session_closed``. An order found at the broker after this counts as working by
    itself.
    """

    cause: int
    intent_id: IntentId
    strategy: StrategyId
    symbol: Symbol
    side: Side
    quantity: int
    filled_quantity: int
    orders: int
    reason: str

    @property
    def topic(self) -> str:
        """``trading.execution.<intent id>``."""
        return f"trading.execution.{self.intent_id}"

    @property
    def identity(self) -> str:
        """Once per intent."""
        return f"{self.intent_id}-ended"

    @property
    def unique_on_topic(self) -> bool:
        """An execution ends once."""
        return True


class StopState(StrEnum):
    """Where the protection of one allocation stands."""

    ACTIVE = "active"
    TRIGGERED = "triggered"
    WAITING = "waiting"
    SUBMITTED = "submitted"
    DONE = "done"
    FAILED = "failed"
    MISSING = "missing"


class StopChanged(Derived, frozen=True, kw_only=True, tag="StopChanged.1"):
    """The protection of one allocation changed.

    ``ACTIVE`` with its ``stop_price``; ``TRIGGERED`` by ``price``; ``WAITING`` for a session that
    executes; ``SUBMITTED`` with the exit's ``intent_id``; ``DONE`` when no share is left;
    ``FAILED`` when an exit ended with shares left (another attempt follows); ``MISSING`` when
    shares have no stop. ``generation`` counts the stops an allocation has had, from 1.
    """

    strategy: StrategyId
    symbol: Symbol
    generation: int
    state: StopState
    quantity: int
    stop_price: int | None
    price: int | None
    intent_id: IntentId | None = None
    reason: str = ""

    @property
    def topic(self) -> str:
        """``trading.stop.<symbol>``."""
        return f"trading.stop.{self.symbol}"

    @property
    def identity(self) -> str:
        """One per cause, strategy, symbol and state."""
        return f"stop-{self.strategy}-{self.symbol}-{self.generation}-{self.cause}-{self.state}"


class Holding(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A broker position: shares held, shares that may be sold now, total cost in won."""

    symbol: Symbol
    quantity: int
    sellable: int
    cost: int
    last_price: int


class AccountSnapshot(Event, frozen=True, kw_only=True, tag="AccountSnapshot.1"):
    """What the broker says the account holds. Complete: a symbol not listed is not held.

    ``cash`` is orderable cash, ``equity`` cash after settlement plus holdings at last price, won.
    ``deposits`` are the deposits after the settlements of today, the next and the second next
    session (T, T+1, T+2), won, as far as the broker gives them.
    """

    trading_date: TradingDate
    cash: int
    equity: int
    holdings: tuple[Holding, ...]
    deposits: tuple[int, ...] = ()

    @property
    def topic(self) -> str:
        """``trading.account``."""
        return "trading.account"

    @property
    def identity(self) -> str:
        """One snapshot per instant."""
        return f"account-{self.at}"


class DriftDetected(Event, frozen=True, kw_only=True, tag="DriftDetected.1"):
    """Broker quantity and the allocations disagree while no order of the symbol works.

    ``allocated_quantity`` is what strategies and ``_EXTERNAL_`` own. The difference belongs to
    ``_UNKNOWN_`` from here on, negative when shares are missing.
    """

    trading_date: TradingDate
    symbol: Symbol
    broker_quantity: int
    allocated_quantity: int

    @property
    def topic(self) -> str:
        """``trading.account``."""
        return "trading.account"

    @property
    def identity(self) -> str:
        """One finding per symbol and pair of quantities and instant."""
        return f"drift-{self.at}-{self.symbol}"


class DriftCleared(Event, frozen=True, kw_only=True, tag="DriftCleared.1"):
    """Broker quantity and allocations agree again, and ``_UNKNOWN_`` owns nothing of the symbol."""

    trading_date: TradingDate
    symbol: Symbol

    @property
    def topic(self) -> str:
        """``trading.account``."""
        return "trading.account"

    @property
    def identity(self) -> str:
        """One clearance per symbol and instant."""
        return f"undrift-{self.at}-{self.symbol}"
