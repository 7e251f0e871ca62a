"""What happened in a run, folded from its log: the figures that the demo and `kst status` show.

Pure. The fold reads every family but market data, whose only figure is its number: the log has no
gaps, so it is the last sequence less all others. Two folds of one log are equal, whether the run is
still going or ended long ago. Amounts are won, quantities shares.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import Final

from bus import Recorded
from deploy.day_accounts import DayAccounts, Profit
from deploy.event_text import halt_place
from events import Delivery, Event, OrderId, StrategyId, Symbol, codec, subjects
from events.control import (
    CancelRequested,
    Halt,
    HaltCleared,
    HaltReleased,
    HaltSet,
    HaltTripped,
    LeaseTaken,
    LimitsChanged,
    LimitsRefused,
    SharesReallocated,
)
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
    ExecutionEnded,
    FillCorrected,
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
    StopChanged,
    StopState,
)
from risk import Halts

TOPICS: Final = ("market.session.*", "trading.>", "signal.>", "ops.>")
"""What the fold must be given, in log order."""

_RECENT: Final = 8
_TOLD_ORDER_STEPS: Final = (OrderFilled, FillCorrected, OrderClosed, OrderSubmitting, OrderUnknown)
_OVER: Final = (OrderState.CANCELLED, OrderState.EXPIRED)
_STEERING: Final = (
    DriftDetected,
    DriftCleared,
    SharesReallocated,
    HaltSet,
    HaltReleased,
    HaltTripped,
    HaltCleared,
    LimitsChanged,
    LimitsRefused,
    CancelRequested,
    LeaseTaken,
    ExecutionEnded,
    StopChanged,
)


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
        self.halted: Counter[tuple[str, str]] = Counter()
        """Halts that began, by (what they concern and what set them off, mode)."""
        self.executions: Counter[str] = Counter()
        """Executions that ended, by reason."""
        self.degraded: dict[tuple[str, str], str] = {}
        self.degradations: Counter[tuple[str, str]] = Counter()
        self.setups: Counter[tuple[str, str, str]] = Counter()
        """Setups that came into a state, by (strategy, state, reason)."""
        self.accounts = DayAccounts()
        self.stops: dict[tuple[StrategyId, Symbol], StopChanged] = {}
        """The guard's last word on the protection of each allocation."""
        self.divergences: list[DivergenceFound] = []
        self.set_aside = 0
        self.gaps = 0
        self.slots: SlotsChanged | None = None
        self.gates: dict[StrategyId, GatesReported] = {}
        self.recent: deque[Delivery] = deque(maxlen=_RECENT)
        self._orders: dict[OrderId, OrderState] = {}
        self._quantities: dict[OrderId, int] = {}
        self._halts = Halts()

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
                if isinstance(event, _TOLD_ORDER_STEPS):
                    self._remember(recorded.sequence, event)
            case AccountSnapshot():
                self.accounts.price(event)
            case _ if isinstance(event, _STEERING):
                self._steer(recorded.sequence, event)
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
    def in_force(self) -> tuple[Halt, ...]:
        """The halts in force."""
        return self._halts.in_force

    @property
    def halts(self) -> dict[tuple[str, str], str]:
        """The halts in force as text: (mode, what they concern) → reason."""
        return {
            (halt.mode.replace("_", " "), halt_place(halt)): halt.reason for halt in self.in_force
        }

    @property
    def unprotected(self) -> list[StopChanged]:
        """Allocations without a stop, or whose stop could not sell: the guard's last words."""
        alarming = (StopState.MISSING, StopState.FAILED)
        return [stop for stop in self.stops.values() if stop.state in alarming]

    @property
    def drifting(self) -> dict[Symbol, tuple[int, int]]:
        """Drift that holds: (broker quantity, what strategies and account holder own)."""
        return self.accounts.drifting

    @property
    def holdings(self) -> dict[Symbol, int]:
        """Shares held now by all owners together; symbols without any are left out."""
        return self.accounts.holdings

    @property
    def profit(self) -> Profit:
        """The result so far."""
        return self.accounts.profit

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
        self._halts = Halts(event.halts)
        self.accounts.open(event)

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
                waiting = {OrderState.SUBMITTING, OrderState.UNKNOWN}
                if event.adopted:
                    waiting.add(OrderState.REJECTED)
                if self._orders.get(order) in waiting:
                    self._orders[order] = OrderState.ACCEPTED
            case OrderRejected():
                self._orders[order] = OrderState.REJECTED
            case OrderFilled():
                self._fill(event)
            case FillCorrected():
                self.accounts.correct(event)
            case OrderClosed():
                self._orders[order] = event.state

    def _fill(self, event: OrderFilled) -> None:
        self.fills += 1
        # Shares found after an order's end are booked, and the order stays over.
        if self._orders.get(event.order_id) not in _OVER:
            complete = event.cumulative_quantity >= self._quantities.get(event.order_id, 0)
            self._orders[event.order_id] = (
                OrderState.FILLED if complete else OrderState.PARTIALLY_FILLED
            )
        self.accounts.fill(event)

    def _steer(self, sequence: int, event: Event) -> None:
        match event:
            case DriftDetected() | DriftCleared() | SharesReallocated():
                self.accounts.owners(event)
            case HaltSet() | HaltReleased() | HaltTripped() | HaltCleared():
                self._halt(event)
            case ExecutionEnded():
                self.executions[event.reason] += 1
                if event.filled_quantity == event.quantity:
                    return
            case StopChanged():
                self.stops[event.strategy, event.symbol] = event
                if event.state is StopState.ACTIVE:
                    return
        self._remember(sequence, event)

    def _halt(self, event: HaltSet | HaltReleased | HaltTripped | HaltCleared) -> None:
        self._halts.take(event)
        if isinstance(event, HaltSet | HaltTripped):
            self.halted[halt_place(event), event.mode.replace("_", " ")] += 1

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
