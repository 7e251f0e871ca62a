"""A recorded day and the same day traded again, held against each other one to one.

Intents, decisions, orders and executions are matched by their ids, which are made of facts and not
of places. Compared is what they say; not compared are sequence, cause, lease epoch and, of what the
broker tells, when and through which channel it was told. A difference names the first field that
differs and why: what the record shows to be special about that order, or the earlier difference
that it follows from.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from events import Delivery, Event, codec
from events.calendar import kst
from events.trading import (
    Check,
    Decision,
    ExecutionEnded,
    IntentExpired,
    IntentSubmitted,
    OrderClosed,
    OrderFilled,
    OrderSubmitting,
)
from research.fidelity.money import Money, money
from research.fidelity.reasons import Reasons
from research.fidelity.recording import RecordedSession

_PLACE: Final = frozenset({"cause", "epoch"})
_TOLD: Final = frozenset({"at", "source", "reason"})

KINDS: Final = ("intents", "decisions", "orders", "fills", "ends")
"""What is counted, in the order in which one follows from the other."""


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """How many of a kind the record has and how many the other.

    ``found`` are in both, whatever they say; ``matched`` say the same.
    """

    kind: str
    recorded: int
    again: int
    found: int
    matched: int

    @property
    def all_match(self) -> bool:
        """Whether there is no difference."""
        return self.recorded == self.again == self.matched


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One event that is not the same in both; an empty text where there is none.

    ``place`` is its sequence on the log, 0 for one that the record has not.
    """

    kind: str
    identity: str
    place: int
    field: str
    recorded: str
    again: str
    why: str


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it. ``identical`` of ``recorded_events`` are the same to the last byte."""

    counts: tuple[Count, ...]
    differences: tuple[Difference, ...]
    money_recorded: Money
    money_again: Money
    recorded_events: int
    identical: int

    @property
    def all_match(self) -> bool:
        """Whether every intent, decision, order, execution and end is the same."""
        return all(count.all_match for count in self.counts)

    def count(self, kind: str) -> Count:
        """Return the count of one of ``KINDS``."""
        return next(count for count in self.counts if count.kind == kind)


def compare(
    session: RecordedSession,
    recorded: Sequence[Delivery],
    again: Sequence[Delivery],
    why: Reasons,
) -> Comparison:
    """Hold the derived events of a recorded session against those of another run of it."""
    ours, theirs = _by_kind(recorded), _by_kind(again)
    counts: list[Count] = []
    found: list[tuple[str, Delivery | None, Delivery | None, str]] = []
    for kind in KINDS:
        matched = 0
        for identity in {**ours[kind], **theirs[kind]}:
            one, other = ours[kind].get(identity), theirs[kind].get(identity)
            field = _first_difference(one, other, _TOLD if kind in ("fills", "ends") else None)
            if field is None:
                matched += 1
            else:
                found.append((kind, one, other, field))
        counts.append(
            Count(
                kind=kind,
                recorded=len(ours[kind]),
                again=len(theirs[kind]),
                found=len(ours[kind].keys() & theirs[kind].keys()),
                matched=matched,
            )
        )
    found.sort(key=_moment)
    same = Counter(codec.encode(each.event) for each in recorded)
    same &= Counter(codec.encode(each.event) for each in again)
    return Comparison(
        counts=tuple(counts),
        differences=tuple(_differences(found, why)),
        money_recorded=money(session, recorded),
        money_again=money(session, again),
        recorded_events=len(recorded),
        identical=same.total(),
    )


def _by_kind(events: Iterable[Delivery]) -> dict[str, dict[str, Delivery]]:
    found: dict[str, dict[str, Delivery]] = {kind: {} for kind in KINDS}
    for delivery in events:
        kind = _kind(delivery.event)
        if kind is not None:
            found[kind][str(delivery.event.identity)] = delivery
    return found


def _kind(event: Event) -> str | None:
    match event:
        case IntentSubmitted() | IntentExpired():
            return "intents"
        case Decision():
            return "decisions"
        case OrderSubmitting():
            return "orders"
        case OrderFilled():
            return "fills"
        case OrderClosed() | ExecutionEnded():
            return "ends"
    return None


def _first_difference(
    one: Delivery | None, other: Delivery | None, also_without: frozenset[str] | None
) -> str | None:
    """Return the name of the first field that differs, an empty one for a lone event."""
    if one is None or other is None:
        return ""
    without = _PLACE if also_without is None else _PLACE | also_without
    if type(one.event) is not type(other.event):
        return "type"
    for field in one.event.__struct_fields__:
        if field not in without and _value(one.event, field) != _value(other.event, field):
            return field
    return None


def _value(event: Event, field: str) -> Any:
    value = getattr(event, field)
    # An intent that expired is wrapped; its own cause is a place too.
    return msgspec.structs.replace(value, cause=0) if isinstance(value, IntentSubmitted) else value


def _moment(found: tuple[str, Delivery | None, Delivery | None, str]) -> tuple[int, int]:
    kind, one, other, _ = found
    delivery = one if one is not None else other
    assert delivery is not None
    return delivery.event.at, KINDS.index(kind)


def _differences(
    found: Sequence[tuple[str, Delivery | None, Delivery | None, str]], why: Reasons
) -> Iterable[Difference]:
    for kind, one, other, field in found:
        delivery = one if one is not None else other
        assert delivery is not None
        recorded, again = _texts(one, other, field)
        yield Difference(
            kind=kind,
            identity=str(delivery.event.identity),
            place=0 if one is None else one.sequence,
            field=field,
            recorded=recorded,
            again=again,
            why=why.of(kind, delivery.event, lone=one is None or other is None),
        )


def _texts(one: Delivery | None, other: Delivery | None, field: str) -> tuple[str, str]:
    """Return what both sides say, cut down to what differs."""
    if one is None or other is None or field == "type":
        return _brief(one), _brief(other)
    recorded, again = getattr(one.event, field), getattr(other.event, field)
    if isinstance(recorded, dict) and isinstance(again, dict):
        keys = [key for key in {**recorded, **again} if recorded.get(key) != again.get(key)]
        recorded = {key: recorded.get(key) for key in keys}
        again = {key: again.get(key) for key in keys}
    elif isinstance(recorded, tuple) and isinstance(again, tuple):
        recorded, again = (
            tuple(each for each in recorded if each not in again),
            tuple(each for each in again if each not in recorded),
        )
    return _readable(recorded, field), _readable(again, field)


def _readable(value: Any, field: str) -> str:
    if isinstance(value, int) and field.endswith("at"):
        return f"{kst(value):%H:%M:%S.%f}"
    if isinstance(value, tuple) and value and isinstance(value[0], Check):
        return ", ".join(f"{check.name} {check.value} → {check.outcome}" for check in value)
    if isinstance(value, dict):
        return ", ".join(f"{key} {each}" for key, each in value.items())
    return str(value)


def _brief(delivery: Delivery | None) -> str:
    if delivery is None:
        return ""
    event = delivery.event
    return _SHORT.get(type(event), codec.event_name)(event)


def _fill_text(event: Any) -> str:
    return f"{event.side} {event.quantity} at {event.price:,}"


def _order_text(event: Any) -> str:
    limit = "market" if event.limit_price is None else f"{event.limit_price:,}"
    return f"{event.side} {event.quantity} at {limit}"


_SHORT: Final[Mapping[type[Event], Callable[[Any], str]]] = {
    OrderFilled: _fill_text,
    OrderSubmitting: _order_text,
}
