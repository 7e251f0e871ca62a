"""Who gets the broker's few real-time subscriptions. Pure.

A session may hold 41 registrations; one is kept spare and one is the fill notice. A registration is
a (feed, symbol); trades and quotes of one symbol count two. What always holds:

* symbols that are held or have a working order are subscribed first and never give way to others,
  those that the books show before those that a strategy says so of;
* a stronger request displaces a weaker one, an equal one never does;
* a weak request (candidate, watch, background) displaces nobody who has had a slot for less than
  ``HOLD_S``, and not more than ``CHANGES_PER_MINUTE`` in a minute: KIS punishes loops of
  registering and giving back. Positions, working orders and armed setups do not wait;
* slots that no strategy asks for carry trades of the universe: what is not received is missing on
  the log for ever.

The same requests, holdings and instants give the same plans.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import msgspec

from events import StrategyId, Symbol
from events.signal import Feed, SlotPriority, SlotsRequested

HOLD_S: Final = 30
"""Seconds a slot is kept at least before a weak request may have it."""

CHANGES_PER_MINUTE: Final = 20
"""Slots that may change hands within a minute for the sake of weak requests."""

_SECOND: Final = 1_000_000_000
_MINUTE: Final = 60 * _SECOND
_BACKGROUND: Final = SlotPriority.WATCH + 1
"""Priority of what no strategy asks for: weaker than any wish."""

_FULL_FOR: Final = 300 * _SECOND
"""How long a session that refused a slot is taken for full (ns)."""

_NAMES: Final = {
    SlotPriority.POSITION: "position",
    SlotPriority.WORKING_ORDER: "working order",
    SlotPriority.ARMED: "armed",
    SlotPriority.CANDIDATE: "candidate",
    SlotPriority.WATCH: "watch",
    _BACKGROUND: "background",
}


class Slot(msgspec.Struct, frozen=True, order=True):
    """One subscription."""

    feed: Feed
    symbol: Symbol

    @classmethod
    def parse(cls, text: str) -> Slot:
        """Return the slot that reads ``<feed>:<symbol>``. Raises ``ValueError``."""
        feed, _, symbol = text.partition(":")
        return cls(Feed(feed), Symbol(symbol))

    def __str__(self) -> str:
        return f"{self.feed}:{self.symbol}"


class SlotPlan(msgspec.Struct, frozen=True):
    """What to give back, what to ask for, and how it then stands, strongest first.

    ``reasons`` says of every slot held or waiting why it is wanted. ``due`` is when a change that
    must still wait may be made (ns UTC), ``None`` when none waits.
    """

    unsubscribe: tuple[Slot, ...]
    subscribe: tuple[Slot, ...]
    held: tuple[Slot, ...]
    waiting: tuple[Slot, ...]
    reasons: dict[Slot, str]
    due: int | None


class _Wish(msgspec.Struct):
    """A wanted slot: its strongest priority, its place in the requests, and who wants it.

    ``proven`` when the books themselves show the position or the working order.
    """

    priority: int
    order: int
    strategies: tuple[StrategyId, ...]
    proven: bool

    @property
    def rank(self) -> int:
        # Held and working symbols are one class: neither gives way to the other.
        return 0 if self.proven else max(self.priority, SlotPriority.WORKING_ORDER)

    @property
    def reason(self) -> str:
        name = _NAMES[self.priority]
        return f"{name} {', '.join(self.strategies)}" if self.strategies else name


class SlotBook:
    """The requests in force and the subscriptions held."""

    def __init__(self, budget: int, initial: Mapping[StrategyId, Sequence[Symbol]]) -> None:
        """``budget`` is the number of subscriptions, the fill notice not among them.

        Trades of ``initial`` symbols are wanted in order with what the strategies leave over, and
        with everything before the first request.
        """
        self._budget = budget
        self._initial = {strategy: tuple(symbols) for strategy, symbols in initial.items()}
        self._requests: dict[StrategyId, SlotsRequested] = {}
        self._positions: frozenset[Symbol] = frozenset()
        self._working: frozenset[Symbol] = frozenset()
        self._refused: set[Slot] = set()
        self._held: dict[Slot, int] = {}
        self._changes: list[int] = []
        self._full: tuple[int, int] | None = None

    @property
    def held(self) -> frozenset[Slot]:
        """Acknowledged subscriptions."""
        return frozenset(self._held)

    def request(self, event: SlotsRequested) -> None:
        """Replace a strategy's requests; subscriptions refused before may be tried again."""
        known = self._requests.get(event.strategy)
        if known is None or event.ordinal > known.ordinal:
            self._requests[event.strategy] = event
            self._refused.clear()

    def protect(self, positions: Collection[Symbol], working: Collection[Symbol]) -> None:
        """Say which symbols are held and which have working orders."""
        self._positions, self._working = frozenset(positions), frozenset(working)

    def acknowledged(self, slot: Slot, at: int) -> None:
        """Take note that a subscription is held since ``at`` (ns UTC)."""
        self._held.setdefault(slot, at)

    def given_back(self, slot: Slot, at: int) -> None:
        """Take note that a subscription was given back at ``at`` (ns UTC)."""
        if self._held.pop(slot, None) is not None:
            self._changes = [change for change in self._changes if change > at - _MINUTE]
            self._changes.append(at)

    def ended(self, slot: Slot) -> None:
        """Take note that the broker holds a subscription no longer."""
        self._held.pop(slot, None)

    def refuse(self, slot: Slot) -> None:
        """Take note that the broker refuses this subscription, whatever room there is."""
        self._refused.add(slot)

    def full(self, at: int) -> None:
        """Take note that the broker has no room: what is held is all there is for some minutes."""
        self._full = len(self._held), at + _FULL_FOR

    def renewed(self) -> None:
        """Take note that the session is a new one: what was refused may be given there."""
        self._full = None
        self._refused.clear()

    def plan(self, at: int) -> SlotPlan:
        """Return what is to change at an instant (ns UTC)."""
        wishes = self._wishes()
        ranked = sorted(
            (slot for slot in wishes if slot not in self._refused),
            key=lambda slot: (
                wishes[slot].rank,
                slot not in self._held,
                wishes[slot].priority,
                wishes[slot].order,
            ),
        )
        budget = self._room(at)
        target = ranked[:budget]
        leaving = self._leaving(target, ranked)
        leave, take, due = self._exchange(at, budget, target, leaving, wishes)
        if self._full is not None and at < self._full[1]:
            due = min(due or self._full[1], self._full[1])
        held = (self._held.keys() - set(leave)) | set(take)
        place = {slot: number for number, slot in enumerate(ranked)}
        return SlotPlan(
            unsubscribe=tuple(leave),
            subscribe=tuple(take),
            held=tuple(sorted(held, key=lambda slot: (place.get(slot, len(place)), slot))),
            waiting=tuple(slot for slot in ranked if slot not in held),
            reasons={
                slot: wishes[slot].reason if slot in wishes else "no longer wanted"
                for slot in sorted(held | set(ranked))
            },
            due=due,
        )

    def _room(self, at: int) -> int:
        if self._full is None or at >= self._full[1]:
            return self._budget
        return min(self._budget, self._full[0])

    def _leaving(self, target: Sequence[Slot], ranked: Sequence[Slot]) -> list[Slot]:
        """Return the held slots that are to go, the most dispensable first."""
        place = {slot: number for number, slot in enumerate(ranked)}
        keep = set(target)
        return sorted(
            (slot for slot in self._held if slot not in keep),
            key=lambda slot: (-place.get(slot, len(place)), slot),
        )

    def _exchange(
        self,
        at: int,
        budget: int,
        target: Sequence[Slot],
        leaving: list[Slot],
        wishes: Mapping[Slot, _Wish],
    ) -> tuple[list[Slot], list[Slot], int | None]:
        """Match arrivals with free slots and with those that go; the rest must wait until due."""
        leave: list[Slot] = []
        take: list[Slot] = []
        free = budget - len(self._held)
        recent = sorted(change for change in self._changes if change > at - _MINUTE)
        waits: list[int] = []

        def may_go(slot: Slot) -> bool:
            ripe = self._held[slot] + HOLD_S * _SECOND
            spent = len(recent) + len(leave)
            if spent >= CHANGES_PER_MINUTE:
                ripe = max(ripe, (recent[0] if recent else at) + _MINUTE)
            if ripe > at:
                waits.append(ripe)
            return ripe <= at

        for slot in target:
            if slot in self._held:
                continue
            if free > 0:
                free -= 1
            elif wishes[slot].priority <= SlotPriority.ARMED and leaving:
                leave.append(leaving.pop(0))
            else:
                gone = next((each for each in leaving if may_go(each)), None)
                if gone is None:
                    continue
                leaving.remove(gone)
                leave.append(gone)
            take.append(slot)
        # What nobody asks for any more goes at leisure, and what there is no room for at once.
        for slot in tuple(leaving):
            if free < 0 or (slot not in wishes and may_go(slot)):
                leave.append(slot)
                free += 1
        return leave, take, min(waits, default=None)

    def _wishes(self) -> dict[Slot, _Wish]:
        """Return every wanted slot with its strongest priority and its place in the requests."""
        listed: list[tuple[int, Slot, int, StrategyId | None]] = []
        for symbol in sorted(self._positions):
            listed.append((0, Slot(Feed.TRADES, symbol), SlotPriority.POSITION, None))
        for symbol in sorted(self._working):
            listed.append((0, Slot(Feed.TRADES, symbol), SlotPriority.WORKING_ORDER, None))
        for strategy in sorted(self._requests):
            listed.extend(
                (place, Slot(wish.feed, wish.symbol), wish.priority, strategy)
                for place, wish in enumerate(self._requests[strategy].requests)
            )
        for strategy in sorted(self._initial):
            listed.extend(
                (place, Slot(Feed.TRADES, symbol), _BACKGROUND, None)
                for place, symbol in enumerate(self._initial[strategy])
            )
        # Strategies take turns within a priority: first wishes first, then second ones.
        listed.sort(key=lambda wish: wish[0])
        wishes: dict[Slot, _Wish] = {}
        for order, (_, slot, priority, asker) in enumerate(listed):
            wish = wishes.setdefault(slot, _Wish(priority, order, (), proven=False))
            wish.proven |= asker is None and priority < _BACKGROUND
            by = () if asker is None else (asker,)
            if priority < wish.priority:
                wish.priority, wish.strategies = priority, by
            elif priority == wish.priority and not set(by) <= set(wish.strategies):
                wish.strategies += by
        return wishes
