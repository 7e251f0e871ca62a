"""The halts in force: what is set, by whom, whom it concerns and how far it goes.

A halt closes entries only; nothing here is ever asked about an exit, a reduction or a cancel. What
always holds: halts are kept apart by scope, target and trigger, and what is in force is the fold of
the log in its order, with the halts that the gate itself has derived counted from their cause on.
Reading those back from the log therefore changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from events import StrategyId, Symbol
from events.control import (
    EVERYTHING,
    Halt,
    HaltCleared,
    HaltMode,
    HaltReleased,
    HaltScope,
    HaltSet,
    HaltTrigger,
    HaltTripped,
)

_BY_RULE: Final = "risk"
"""Who issued a halt that the gate derived."""

_WIDE: Final = (HaltScope.ACCOUNT, HaltScope.ALL_HOSTS)
_SEVERITY: Final = {mode: place for place, mode in enumerate(HaltMode)}


SELF_CLEARING: Final = frozenset(
    {
        HaltTrigger.FEED_GAP,
        HaltTrigger.UNKNOWN_ORDER,
        HaltTrigger.RECONCILIATION,
        HaltTrigger.OPERATOR_LINK,
    }
)
"""Triggers whose halts end by themselves and soon: an entry may be asked for again."""


class HaltKey(NamedTuple):
    """What makes two halts the same one."""

    scope: HaltScope
    target: str
    trigger: HaltTrigger


ACCOUNT_LOSS: Final = HaltKey(HaltScope.ACCOUNT, EVERYTHING, HaltTrigger.DAILY_LOSS)
"""The halt that the day's loss sets, at whichever level."""


def key_of(halt: Halt | HaltSet | HaltTripped | HaltCleared) -> HaltKey:
    """Return the place of a halt; an account and all hosts have one target each."""
    target = EVERYTHING if halt.scope in _WIDE else halt.target
    return HaltKey(halt.scope, target, halt.trigger)


def reaches(mode: HaltMode, least: HaltMode) -> bool:
    """Return whether a mode goes as far as another one."""
    return _SEVERITY[mode] >= _SEVERITY[least]


class Halts:
    """The halts of one account in one session, folded from its log."""

    def __init__(self, carried: Iterable[Halt] = ()) -> None:
        """Start with the halts an opening carries; the loss of an earlier day is over with it."""
        self._logged: dict[HaltKey, Halt] = {
            key_of(halt): halt for halt in carried if halt.trigger is not HaltTrigger.DAILY_LOSS
        }
        self._ahead: dict[HaltKey, tuple[str, Halt | None]] = {}
        self._force: dict[HaltKey, Halt] = dict(self._logged)
        self._releases: dict[HaltKey, HaltReleased] = {}

    def take(self, event: HaltSet | HaltReleased | HaltTripped | HaltCleared) -> None:
        """Fold one entry of the log."""
        match event:
            case HaltSet():
                self._put(event, event.issued_by)
            case HaltTripped():
                self._put(event, _BY_RULE)
                self._met(event)
            case HaltCleared():
                self._logged.pop(key_of(event), None)
                self._met(event)
            case HaltReleased():
                self._release(event)
        self._combine()

    def obey(self, event: HaltTripped | HaltCleared) -> None:
        """Put a derived halt, or its end, in force before it stands on the log."""
        halt = _halt(event, _BY_RULE) if isinstance(event, HaltTripped) else None
        self._ahead[key_of(event)] = (event.identity, halt)
        self._releases.pop(key_of(event), None)
        self._combine()

    @property
    def in_force(self) -> tuple[Halt, ...]:
        """Every halt in force, in the order of their places being taken."""
        return tuple(self._force.values())

    @property
    def any(self) -> bool:
        """Whether any halt is in force."""
        return bool(self._force)

    def get(self, key: HaltKey) -> Halt | None:
        """Return the halt in force at a place."""
        return self._force.get(key)

    def release_of(self, key: HaltKey) -> HaltReleased | None:
        """Return the order that ended the halt at a place, until one is set there again."""
        return self._releases.get(key)

    def concerning(self, strategy: StrategyId, symbol: Symbol) -> Iterator[Halt]:
        """Yield the halts that concern a strategy's shares and orders in a symbol."""
        return (halt for halt in self._force.values() if _concerns(halt, strategy, symbol))

    def worst_mode(self, strategy: StrategyId, symbol: Symbol) -> HaltMode | None:
        """Return how far the halts that concern a strategy in a symbol go, ``None`` for none."""
        if not self._force:
            return None
        modes = (halt.mode for halt in self.concerning(strategy, symbol))
        return max(modes, key=_SEVERITY.__getitem__, default=None)

    def of_account(self, *, self_clearing: bool) -> Halt | None:
        """Return a halt on the whole account, of those that end by themselves or of the others."""
        if not self._force:
            return None
        for halt in self._force.values():
            if halt.scope in _WIDE and (halt.trigger in SELF_CLEARING) is self_clearing:
                return halt
        return None

    def of_strategy(self, strategy: StrategyId) -> Halt | None:
        """Return a halt on a strategy."""
        for halt in self._force.values():
            if halt.scope is HaltScope.STRATEGY and halt.target == strategy:
                return halt
        return None

    def of_symbol(self, symbol: Symbol) -> Halt | None:
        """Return a halt on a symbol, one that ends by itself only when there is no other."""
        if not self._force:
            return None
        found = [
            halt
            for halt in self._force.values()
            if halt.scope is HaltScope.SYMBOL and halt.target == symbol
        ]
        return min(found, key=lambda halt: halt.trigger in SELF_CLEARING, default=None)

    def flattening(self, strategy: StrategyId, symbol: Symbol) -> Halt | None:
        """Return a halt under which a strategy's shares of a symbol are being sold."""
        for halt in self._force.values():
            if halt.mode is HaltMode.FLATTEN and _concerns(halt, strategy, symbol):
                return halt
        return None

    def _put(self, event: HaltSet | HaltTripped, issued_by: str) -> None:
        key = key_of(event)
        self._logged[key] = _halt(event, issued_by)
        self._releases.pop(key, None)

    def _met(self, event: HaltTripped | HaltCleared) -> None:
        """Let the log carry what was obeyed ahead of it; older entries change nothing."""
        key = key_of(event)
        ahead = self._ahead.get(key)
        if ahead is not None and ahead[0] == event.identity:
            del self._ahead[key]

    def _release(self, event: HaltReleased) -> None:
        """End halts on the log. One derived and not there yet was not meant: it was not seen."""
        target = EVERYTHING if event.scope in _WIDE else event.target
        for key in list(self._logged):
            if (key.scope, key.target) == (event.scope, target) and (
                event.trigger is None or key.trigger is event.trigger
            ):
                del self._logged[key]
                self._releases[key] = event

    def _combine(self) -> None:
        self._force = dict(self._logged)
        for key, (_, halt) in self._ahead.items():
            if halt is None:
                self._force.pop(key, None)
            else:
                self._force[key] = halt


def _halt(event: HaltSet | HaltTripped, issued_by: str) -> Halt:
    key = key_of(event)
    return Halt(
        scope=key.scope,
        target=key.target,
        mode=event.mode,
        trigger=key.trigger,
        since=event.at,
        issued_by=issued_by,
        reason=event.reason,
    )


def _concerns(halt: Halt, strategy: StrategyId, symbol: Symbol) -> bool:
    if halt.scope in _WIDE:
        return True
    return halt.target == (strategy if halt.scope is HaltScope.STRATEGY else symbol)
