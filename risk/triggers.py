"""Automatic halts: what on the log sets one off, and what ends it.

    day's loss            account     warn, halt, flatten; until the session ends
    drift                 symbol      from ``DriftDetected`` to ``DriftCleared``
    divergence            strategy    of a strategy's service; any other service: the account;
                                      until an operator releases it
    feed gap              account     ``Degraded`` to ``Recovered`` of the gateway's feed
    reconciliation        account     the same of its reconciliation
    unknown order         symbol      at once; the account when one is older than is allowed
    operator link         account     no ``OperatorPresent`` within the time that the newest allows

What always holds: a cause sets its halt off once and ends it once. What an operator released is
therefore not set off again before its cause has been over. Time is that of the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from events import UNKNOWN, Event, StrategyId, Symbol
from events.control import (
    EVERYTHING,
    HaltCleared,
    HaltMode,
    HaltScope,
    HaltTrigger,
    HaltTripped,
    OperatorPresent,
)
from events.event import Delivery
from events.market import NEVER, SessionOpened
from events.ops import Degraded, DivergenceFound, Recovered
from events.trading import DriftCleared, DriftDetected
from risk.book import Book
from risk.daily_loss import LossLevel
from risk.halts import ACCOUNT_LOSS, HaltKey, Halts, key_of, reaches
from risk.working import UnknownOrder

GATEWAY: Final = "gateway"
"""Service whose conditions set halts off."""

_SECOND: Final = 1_000_000_000

_CONDITIONS: Final = {
    "feed": HaltTrigger.FEED_GAP,
    "reconciliation_failing": HaltTrigger.RECONCILIATION,
}
"""Conditions of the gateway that close entries of the whole account."""

_ORDERS_OF_ACCOUNT: Final = HaltKey(HaltScope.ACCOUNT, EVERYTHING, HaltTrigger.UNKNOWN_ORDER)
_LINK: Final = HaltKey(HaltScope.ACCOUNT, EVERYTHING, HaltTrigger.OPERATOR_LINK)


class Triggers:
    """The causes of automatic halts that are present, and the halts they set off.

    Each method looks at one entry; what follows is appended to the list given, and the halts have
    it in force by then.
    """

    def __init__(
        self,
        session: SessionOpened,
        halts: Halts,
        strategies: Iterable[StrategyId],
        unknown_order_stop: int,
        derived: list[Event],
    ) -> None:
        """Start with what an opening carries; what follows from entries is put into ``derived``."""
        self.deadline = NEVER
        """Instant (ns UTC) from which time alone sets a halt off."""
        self._halts = halts
        self._derived = derived
        self._strategies = frozenset(strategies)
        self._stop = unknown_order_stop
        self._carried = {key_of(halt): halt for halt in halts.in_force}
        # An order of an earlier session is none of those known here: its halt stands by itself.
        self._causes: set[HaltKey] = {
            key for key in self._carried if key.trigger is not HaltTrigger.UNKNOWN_ORDER
        }
        # Drift that was there at the end of the session before and whose halt is not: released.
        self._causes.update(
            _drift(allocation.symbol)
            for allocation in session.allocations
            if allocation.strategy == UNKNOWN and allocation.quantity
        )
        self._divergences: set[tuple[str, int]] = set()
        self._uncertain: dict[Symbol, None] = {}
        self._oldest_unknown: int | None = None
        self._link_until: int | None = None

    def allow_unknown(self, unknown_order_stop: int) -> None:
        """Take over how many ns an order may be unknown before the account is halted."""
        self._stop = unknown_order_stop
        self._set_deadline()

    def opened_unsettled(self, delivery: Delivery, reason: str) -> None:
        """Halt the account until an operator has settled which limits are to hold."""
        key = HaltKey(HaltScope.ACCOUNT, EVERYTHING, HaltTrigger.OPERATOR)
        self._begin(delivery, key, "carried_limits", reason)

    def loss(self, delivery: Delivery, level: LossLevel, book: Book) -> None:
        """Set the halt of a loss level that was reached for the first time."""
        standing = self._halts.get(ACCOUNT_LOSS)
        if standing is not None and reaches(standing.mode, level.mode):
            return
        result, opening = book.day_result, book.opening_equity
        reason = (
            f"day's result {result} won, {result / opening:.2%} of the opening equity "
            f"{opening} won; allowed {-level.fraction:.2%}"
        )
        if book.unpriced:
            reason += f"; holdings without a price, at opening value: {book.unpriced}"
        self._trip(delivery, ACCOUNT_LOSS, level.mode, level.rule, reason)

    def drift(self, delivery: Delivery, event: DriftDetected) -> None:
        """Halt a symbol whose shares do not add up."""
        reason = f"broker shows {event.broker_quantity}, allocations {event.allocated_quantity}"
        self._begin(delivery, _drift(event.symbol), "drift", reason)

    def drift_cleared(self, delivery: Delivery, event: DriftCleared) -> None:
        """Lift the halt of a symbol whose shares add up again."""
        self._end(delivery, _drift(event.symbol), "broker and allocations agree again")

    def divergence(self, delivery: Delivery, event: DivergenceFound) -> None:
        """Halt the strategy, or the account, whose decider contradicted the log and stopped."""
        strategy = StrategyId(event.service.upper())
        if strategy in self._strategies:
            key = HaltKey(HaltScope.STRATEGY, strategy, HaltTrigger.DIVERGENCE)
        else:
            key = HaltKey(HaltScope.ACCOUNT, EVERYTHING, HaltTrigger.DIVERGENCE)
        place = event.service, event.sequence
        if place in self._divergences:
            return
        # Another place is another cause; the same one, reported by each restart, is not.
        self._divergences.add(place)
        self._causes.discard(key)
        reason = f"{event.service} stopped: entry {event.sequence} {event.kind}"
        self._begin(delivery, key, "divergence", reason)

    def degraded(self, delivery: Delivery, event: Degraded) -> None:
        """Halt the account while the gateway lacks what an entry rests on."""
        trigger = _CONDITIONS.get(event.condition)
        if trigger is not None and event.service == GATEWAY:
            key = HaltKey(HaltScope.ACCOUNT, EVERYTHING, trigger)
            self._begin(delivery, key, trigger.value, event.detail)

    def recovered(self, delivery: Delivery, event: Recovered) -> None:
        """Lift what a condition of the gateway had set."""
        trigger = _CONDITIONS.get(event.condition)
        if trigger is not None and event.service == GATEWAY:
            self._end(delivery, HaltKey(HaltScope.ACCOUNT, EVERYTHING, trigger), event.detail)

    def orders(self, delivery: Delivery, unknown: Mapping[str, UnknownOrder], now: int) -> None:
        """Follow the orders of unknown fate, given by order id."""
        if not unknown and not self._uncertain:
            return
        still: dict[Symbol, None] = {}
        for order_id, order in unknown.items():
            still[order.symbol] = None
            self._begin(delivery, _order(order.symbol), "unknown_order", f"{order_id} is unknown")
        for symbol in self._uncertain:
            if symbol not in still:
                self._end(delivery, _order(symbol), "every order of the symbol is known")
        self._uncertain = still
        self._oldest_unknown = min((order.since for order in unknown.values()), default=None)
        self._judge_oldest(delivery, now)
        self._set_deadline()

    def present(self, delivery: Delivery, event: OperatorPresent, now: int) -> None:
        """Know the operator's host to be there, and watch when it has to be there again.

        Counted from the time of the log, whatever clock the other host has.
        """
        self._end(delivery, _LINK, f"{event.link} is connected")
        self._link_until = now + event.timeout_s * _SECOND if event.timeout_s > 0 else None
        self._set_deadline()

    def due(self, delivery: Delivery, now: int) -> None:
        """Set the halts that time alone sets off, once ``deadline`` has been reached."""
        if self._link_until is not None and now >= self._link_until:
            self._link_until = None
            self._begin(
                delivery, _LINK, "operator_link", "the operator's host was not heard of in time"
            )
        self._judge_oldest(delivery, now)
        self._set_deadline()

    def _judge_oldest(self, delivery: Delivery, now: int) -> None:
        oldest = self._oldest_unknown
        if oldest is not None and now >= oldest + self._stop:
            reason = f"an order has been unknown for {self._stop // _SECOND} s or more"
            self._begin(delivery, _ORDERS_OF_ACCOUNT, "unknown_order_stop", reason)
        else:
            reason = f"no order has been unknown for {self._stop // _SECOND} s"
            self._end(delivery, _ORDERS_OF_ACCOUNT, reason)

    def _set_deadline(self) -> None:
        instants = [NEVER]
        if self._link_until is not None:
            instants.append(self._link_until)
        if self._oldest_unknown is not None and _ORDERS_OF_ACCOUNT not in self._causes:
            instants.append(self._oldest_unknown + self._stop)
        self.deadline = min(instants)

    def _begin(self, delivery: Delivery, key: HaltKey, rule: str, reason: str) -> None:
        if key in self._causes:
            return
        self._causes.add(key)
        if self._halts.get(key) is None:
            self._trip(delivery, key, HaltMode.NO_ENTRIES, rule, reason)

    def _trip(
        self, delivery: Delivery, key: HaltKey, mode: HaltMode, rule: str, reason: str
    ) -> None:
        self._derive(
            HaltTripped(
                at=delivery.event.at,
                cause=delivery.sequence,
                scope=key.scope,
                target=key.target,
                mode=mode,
                trigger=key.trigger,
                rule=rule,
                reason=reason,
            )
        )

    def _end(self, delivery: Delivery, key: HaltKey, reason: str) -> None:
        self._causes.discard(key)
        standing = self._halts.get(key)
        if standing is None:
            return
        if key.trigger is HaltTrigger.UNKNOWN_ORDER and standing == self._carried.get(key):
            # The order of an earlier session that set it is none of those known here.
            return
        self._derive(
            HaltCleared(
                at=delivery.event.at,
                cause=delivery.sequence,
                scope=key.scope,
                target=key.target,
                trigger=key.trigger,
                reason=reason,
            )
        )

    def _derive(self, event: HaltTripped | HaltCleared) -> None:
        self._halts.obey(event)
        self._derived.append(event)


def _drift(symbol: Symbol) -> HaltKey:
    return HaltKey(HaltScope.SYMBOL, symbol, HaltTrigger.DRIFT)


def _order(symbol: Symbol) -> HaltKey:
    return HaltKey(HaltScope.SYMBOL, symbol, HaltTrigger.UNKNOWN_ORDER)
