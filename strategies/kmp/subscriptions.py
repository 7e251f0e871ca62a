"""Which feeds KMP wants: the universe until the scan, then candidates, then what is held."""

from __future__ import annotations

from collections.abc import Iterable

from events.signal import Feed, SlotPriority, SlotRequest
from strategies.kmp.settings import KmpSettings
from strategies.kmp.setup import Setup
from strategies.kmp.states import HELD, State


def priority(setup: Setup, now: int) -> SlotPriority:
    """Return how strongly a setup holds its subscriptions."""
    if setup.state in HELD:
        return SlotPriority.POSITION
    if setup.state is State.ARMED or (setup.entry is not None and setup.entry.alive(now)):
        return SlotPriority.WORKING_ORDER
    if setup.state is State.WAIT_ACCEPTANCE:
        return SlotPriority.ARMED
    return SlotPriority.CANDIDATE


def wanted_before_scan(universe: Iterable[Setup], count: int) -> list[SlotRequest]:
    """Return trades of the first ``count`` symbols that may become candidates."""
    eligible = [setup for setup in universe if not setup.inert]
    return [
        SlotRequest(Feed.TRADES, setup.symbol, SlotPriority.WATCH) for setup in eligible[:count]
    ]


def wanted_after_scan(
    active: Iterable[Setup], settings: KmpSettings, *, now: int, cutoff: int, ticks: dict[str, int]
) -> list[SlotRequest]:
    """Return trades of every active setup and quotes of the focus, strongest first.

    Focus: held and armed setups, then those waiting for acceptance near the range high (``ticks``
    is the tick in won by symbol), then the other waiting ones, ``focus_max`` in all. From
    ``cutoff`` on only setups with shares or a working entry are left.
    """
    late = now >= cutoff
    setups = sorted(
        (
            setup
            for setup in active
            if not late or priority(setup, now) <= SlotPriority.WORKING_ORDER
        ),
        key=lambda setup: (priority(setup, now), setup.rank, setup.symbol),
    )
    trades = [SlotRequest(Feed.TRADES, setup.symbol, priority(setup, now)) for setup in setups]

    def distance(setup: Setup) -> int:
        if priority(setup, now) <= SlotPriority.WORKING_ORDER:
            return 0
        near = setup.range_high - settings.focus_near_ticks * ticks.get(setup.symbol, 0)
        return 1 if setup.tape.price >= near else 2

    focus = sorted(
        (setup for setup in setups if priority(setup, now) <= SlotPriority.ARMED),
        key=distance,
    )[: settings.focus_max]
    quotes = [SlotRequest(Feed.QUOTES, setup.symbol, priority(setup, now)) for setup in focus]
    return sorted((*trades, *quotes), key=lambda request: request.priority)
