"""What a session leaves to the next one: allocations with their stops, halts, changed limits.

What always holds: it is a fold of the log from the opening of the previous session on, so whoever
opens the next one writes the same books; nothing is dropped because the broker shows something
else. Halts whose cause belongs to the day or to a process end with it; the others go on.
"""

from __future__ import annotations

from typing import Final

import msgspec

from bus import Log
from events import Delivery
from events.control import (
    EVERYTHING,
    Halt,
    HaltCleared,
    HaltReleased,
    HaltScope,
    HaltSet,
    HaltTrigger,
    HaltTripped,
    LimitsChanged,
    LimitsRefused,
)
from events.market import OpeningAllocation, SessionOpened
from kis_gateway.conditions import SERVICE
from kis_gateway.day.session_past import replay
from kis_gateway.day.stops_in_force import StopsInForce
from kis_gateway.orders.allocations import Allocations

_OWN_TOPIC: Final = f"ops.{SERVICE}"
_MOVED_BY_OTHERS: Final = ("trading.control", "trading.account")
_TOPICS: Final = (
    "trading.intent.*",
    "trading.decision.*",
    "trading.order.*",
    *_MOVED_BY_OTHERS,
    _OWN_TOPIC,
)
_BY_RULE: Final = "risk"
_WIDE: Final = (HaltScope.ACCOUNT, HaltScope.ALL_HOSTS)

OUTLIVING: Final = frozenset(
    {
        HaltTrigger.OPERATOR,
        HaltTrigger.DRIFT,
        HaltTrigger.DIVERGENCE,
        HaltTrigger.LOG_REGRESSED,
        HaltTrigger.OPERATOR_LINK,
    }
)
"""Triggers whose halts go on over the session.

A day's loss ends with its day. A lost feed, an order without an answer and failing inquiries are
found anew by the next session where they still hold; a silent operator is not, and stays missed
until a sign of life comes.
"""

Limit = int | float | str | None


class Carried(msgspec.Struct, frozen=True, kw_only=True):
    """What was in force when a session ended."""

    allocations: tuple[OpeningAllocation, ...] = ()
    halts: tuple[Halt, ...] = ()
    limits: dict[str, Limit] = msgspec.field(default_factory=dict)


class Inheritance:
    """The fold of a session's log into what it leaves."""

    def __init__(self, session: SessionOpened | None) -> None:
        """Begin with a session's opening; ``None`` when the log has none."""
        self._allocations = Allocations()
        self._stops = StopsInForce(session)
        self._halts: dict[tuple[HaltScope, str, HaltTrigger], Halt] = {}
        self._limits: dict[str, Limit] = {}
        self._changes: dict[int, LimitsChanged] = {}
        if session is not None:
            self._allocations.open(session)
            self._limits.update(session.limits)
            for halt in session.halts:
                self._halts[halt.scope, halt.target, halt.trigger] = halt

    def take(self, delivery: Delivery) -> None:
        """Take in an entry of the log; most kinds change nothing."""
        event = delivery.event
        self._allocations.take(event)
        self._stops.take(event)
        match event:
            case HaltSet():
                self._put(event, event.issued_by)
            case HaltTripped():
                self._put(event, _BY_RULE)
            case HaltCleared():
                self._halts.pop((event.scope, _target(event), event.trigger), None)
            case HaltReleased():
                self._release(event)
            case LimitsChanged():
                self._changes[delivery.sequence] = event
            case LimitsRefused():
                self._changes.pop(event.cause, None)
            case _:
                pass

    def _put(self, event: HaltSet | HaltTripped, issued_by: str) -> None:
        target = _target(event)
        self._halts[event.scope, target, event.trigger] = Halt(
            scope=event.scope,
            target=target,
            mode=event.mode,
            trigger=event.trigger,
            since=event.at,
            issued_by=issued_by,
            reason=event.reason,
        )

    def _release(self, event: HaltReleased) -> None:
        place = event.scope, _target(event)
        for scope, target, trigger in tuple(self._halts):
            if (scope, target) == place and event.trigger in (None, trigger):
                del self._halts[scope, target, trigger]

    def carried(self) -> Carried:
        """Return what the next session starts with."""
        limits = dict(self._limits)
        for change in self._changes.values():
            limits.update(change.changes)
        return Carried(
            allocations=tuple(
                OpeningAllocation(
                    strategy=owner,
                    symbol=symbol,
                    quantity=held.quantity,
                    cost=held.cost,
                    protective_stop=self._stops.of(owner, symbol).protective,
                    hard_stop=self._stops.of(owner, symbol).hard,
                )
                for owner, symbol, held in self._allocations.all()
            ),
            halts=tuple(halt for halt in self._halts.values() if halt.trigger in OUTLIVING),
            limits={key: value for key, value in sorted(limits.items()) if value is not None},
        )


def _target(event: HaltSet | HaltTripped | HaltCleared | HaltReleased) -> str:
    return EVERYTHING if event.scope in _WIDE else event.target


async def read_carried(
    log: Log, previous: tuple[int, SessionOpened] | None, *, until: int
) -> Carried:
    """Return what the log carries into the next session.

    ``previous`` is the opening of the session before and its sequence, ``None`` when this is the
    first. ``until`` is the sequence of an order's entry or of one of this service; what operators
    and the reconciliation wrote after it counts too.
    """
    sequence, session = previous or (0, None)
    for topic in _MOVED_BY_OTHERS:
        newest = await log.last(topic)
        until = max(until, 0 if newest is None else newest.sequence)
    fold = Inheritance(session)
    async for delivery in replay(log, after=sequence, topics=_TOPICS, until=until):
        fold.take(delivery)
    return fold.carried()
