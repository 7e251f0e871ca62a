"""What happened in a run, folded from its log: the figures that the demo and `kst status` show.

Pure. The fold reads every family but market data, whose only figure is its number: the log has no
gaps, so it is the last sequence less all others. Two folds of one log are equal, whether the run is
still going or ended long ago. Amounts are won, quantities shares.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import Final, NamedTuple

from bus import Recorded
from events import Delivery, Event, OrderId, StrategyId, Symbol, codec, subjects
from events.control import ControlChanged
from events.errors import CodecError
from events.market import SessionOpened
from events.ops import (
    Degraded,
    DivergenceFound,
    EventSetAside,
    FeedGap,
    FrameSetAside,
    GatesReported,
    Recovered,
    SetupChanged,
    SlotsChanged,
)
from events.trading import (
    AccountSnapshot,
    Decision,
    DriftCleared,
    DriftDetected,
    IntentApproved,
    IntentDeferred,
    IntentExpired,
    IntentModified,
    IntentRejected,
    IntentSubmitted,
    OrderAccepted,
    OrderClosed,
    OrderEvent,
    OrderFilled,
    OrderHeld,
    OrderRejected,
    OrderState,
    OrderSubmitting,
    OrderUnknown,
    Side,
)

TOPICS: Final = ("market.session.*", "trading.>", "signal.>", "ops.>")
"""What the fold must be given, in log order."""

_RECENT: Final = 8


class Profit(NamedTuple):
    """Result of the run in won; ``net = gross - fees - tax``.

    ``gross`` is proceeds less purchases plus what is still held at its last known price, less the
    cost of what was held at the open.
    """

    gross: int
    fees: int
    tax: int

    @property
    def net(self) -> int:
        """Return what is left after fees and tax."""
        return self.gross - self.fees - self.tax


class DaySummary:
    """The fold. Feed it entries in log order with ``take``; read its attributes at any time."""

    def __init__(self) -> None:
        self.position = 0
        self.session: SessionOpened | None = None
        self.families: Counter[str] = Counter()
        self.types: Counter[str] = Counter()
        self.decisions: Counter[str] = Counter(
            {"approved": 0, "modified": 0, "rejected": 0, "deferred": 0}
        )
        self.reasons: Counter[tuple[str, str]] = Counter()
        self.fills = 0
        self.halts: dict[tuple[str, str], str] = {}
        self.degraded: dict[tuple[str, str], str] = {}
        self.degradations: Counter[tuple[str, str]] = Counter()
        self.setups: Counter[tuple[str, str, str]] = Counter()
        """Setups that came into a state, by (strategy, state, reason)."""
        self.drifting: dict[Symbol, tuple[int, int]] = {}
        self.divergences: list[DivergenceFound] = []
        self.set_aside = 0
        self.gaps = 0
        self.slots: SlotsChanged | None = None
        self.gates: dict[StrategyId, GatesReported] = {}
        self.recent: deque[Delivery] = deque(maxlen=_RECENT)
        self._orders: dict[OrderId, OrderState] = {}
        self._quantities: dict[OrderId, int] = {}
        self._held: Counter[Symbol] = Counter()
        self._prices: dict[Symbol, int] = {}
        self._cash_flow = 0
        self._fees = 0
        self._tax = 0

    def take(self, recorded: Recorded) -> None:
        """Take in the next entry."""
        self.position = recorded.sequence
        self.families[subjects.parse(recorded.subject).family] += 1
        try:
            event = codec.decode(recorded.payload)
        except CodecError:
            self.set_aside += 1
            return
        self.types[codec.event_name(event)] += 1
        match event:
            case SessionOpened():
                self._open(event)
            case IntentSubmitted() | IntentExpired():
                self._remember(recorded.sequence, event)
            case Decision():
                self._decide(event)
                self._remember(recorded.sequence, event)
            case OrderEvent():
                self._order(event)
                if isinstance(event, OrderFilled | OrderClosed | OrderSubmitting | OrderUnknown):
                    self._remember(recorded.sequence, event)
            case AccountSnapshot():
                self._prices.update({h.symbol: h.last_price for h in event.holdings})
            case DriftDetected():
                self.drifting[event.symbol] = (event.broker_quantity, event.allocated_quantity)
            case DriftCleared():
                self.drifting.pop(event.symbol, None)
            case ControlChanged():
                self._control(event)
                self._remember(recorded.sequence, event)
            case _:
                self._ops(recorded.sequence, event)

    def events(self, last_sequence: int) -> dict[str, int]:
        """Return the number of events per family on a log that ends at ``last_sequence``."""
        counted = {family: self.families[family] for family in ("trading", "signal", "ops")}
        return {"market": last_sequence - sum(counted.values()), **counted}

    @property
    def intents(self) -> int:
        """Intents submitted, those that came too late included."""
        return self.types["IntentSubmitted"] + self.types["IntentExpired"]

    @property
    def orders(self) -> dict[str, int]:
        """Orders by their present state."""
        return dict(sorted(Counter(str(state) for state in self._orders.values()).items()))

    @property
    def orders_sent(self) -> int:
        """Orders that were to reach the broker: all but those still held back by the router."""
        return self.types["OrderSubmitting"]

    @property
    def holdings(self) -> dict[Symbol, int]:
        """Shares held now by all strategies together; symbols without any are left out."""
        return {symbol: shares for symbol, shares in sorted(self._held.items()) if shares}

    @property
    def profit(self) -> Profit:
        """The result so far."""
        value = sum(
            shares * self._prices.get(symbol, 0) for symbol, shares in self._held.items() if shares
        )
        return Profit(self._cash_flow + value, self._fees, self._tax)

    @property
    def blind_gates(self) -> list[tuple[StrategyId, str]]:
        """Gates that never had data all day: an alarm."""
        return [
            (strategy, name)
            for strategy, report in sorted(self.gates.items())
            for name, count in sorted(report.gates.items())
            if count.missing and not count.passed and not count.blocked
        ]

    def _open(self, event: SessionOpened) -> None:
        self.session = event
        for allocation in event.allocations:
            self._held[allocation.symbol] += allocation.quantity
            self._cash_flow -= allocation.cost
            if allocation.quantity:
                self._prices[allocation.symbol] = allocation.cost // allocation.quantity

    def _decide(self, event: Decision) -> None:
        match event:
            case IntentApproved():
                self.decisions["approved"] += 1
            case IntentModified():
                self.decisions["modified"] += 1
                self.reasons["modified", event.binding_check] += 1
            case IntentRejected():
                self.decisions["rejected"] += 1
                self.reasons["rejected", event.rejected_by] += 1
            case IntentDeferred():
                self.decisions["deferred"] += 1
                self.reasons["deferred", event.deferred_by] += 1

    def _order(self, event: OrderEvent) -> None:
        order = event.order_id
        match event:
            case OrderHeld():
                self._orders[order] = OrderState.HELD
            case OrderSubmitting():
                self._orders[order] = OrderState.SUBMITTING
                self._quantities[order] = event.quantity
            case OrderUnknown():
                self._orders[order] = OrderState.UNKNOWN
            case OrderAccepted():
                if self._orders.get(order) in {OrderState.SUBMITTING, OrderState.UNKNOWN}:
                    self._orders[order] = OrderState.ACCEPTED
            case OrderRejected():
                self._orders[order] = OrderState.REJECTED
            case OrderFilled():
                self._fill(event)
            case OrderClosed():
                self._orders[order] = event.state

    def _fill(self, event: OrderFilled) -> None:
        self.fills += 1
        complete = event.cumulative_quantity >= self._quantities.get(event.order_id, 0)
        self._orders[event.order_id] = (
            OrderState.FILLED if complete else OrderState.PARTIALLY_FILLED
        )
        sign = 1 if event.side is Side.BUY else -1
        self._held[event.symbol] += sign * event.quantity
        self._cash_flow -= sign * event.amount
        self._fees += event.fee
        self._tax += event.tax
        self._prices[event.symbol] = event.price

    def _control(self, event: ControlChanged) -> None:
        key = (str(event.control), event.scope)
        if event.active:
            self.halts[key] = event.reason
        else:
            self.halts.pop(key, None)

    def _ops(self, sequence: int, event: Event) -> None:
        match event:
            case Degraded():
                self.degraded[event.service, event.condition] = event.detail
                self.degradations[event.service, event.condition] += 1
                self._remember(sequence, event)
            case Recovered():
                self.degraded.pop((event.service, event.condition), None)
                self._remember(sequence, event)
            case DivergenceFound():
                self.divergences.append(event)
                self._remember(sequence, event)
            case EventSetAside() | FrameSetAside():
                self.set_aside += 1
                self._remember(sequence, event)
            case FeedGap():
                self.gaps += 1
                self._remember(sequence, event)
            case SlotsChanged():
                self.slots = event
            case SetupChanged():
                self.setups[str(event.strategy), event.state, event.reason] += 1
            case GatesReported():
                self.gates[event.strategy] = event

    def _remember(self, sequence: int, event: Event) -> None:
        self.recent.append(Delivery(sequence, event))
