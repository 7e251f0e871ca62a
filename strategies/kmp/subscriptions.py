"""Which feeds KMP wants: the universe until the scan, then candidates, then what is held."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from events.identifiers import Symbol
from events.signal import Feed, SlotPriority, SlotRequest
from strategies.kmp.desk import Desk
from strategies.kmp.settings import KmpSettings
from strategies.kmp.setup import Setup
from strategies.kmp.states import HELD, State
from strategies.kmp.universe import Universe
from strategies.runtime import SlotBook
from strategies.runtime.session_clock import SECOND


class Subscriptions:
    """The strategy's wish, and when it is worked out again.

    A wish follows from the states of setups; whoever changes those says so on the desk. Besides,
    time and prices bear only on setups that wait for acceptance: their entry lives or is over, and
    their price comes near the range high or leaves it.
    """

    def __init__(self, desk: Desk, universe: Universe, cutoff: int) -> None:
        """``cutoff`` is the instant (ns UTC) from which nothing is entered."""
        self._desk = desk
        self._universe = universe
        self._settings = settings = desk.settings
        self._cutoff = cutoff
        self._slots = SlotBook(
            desk.strategy,
            desk.clock.trading_date,
            settings.slot_request_interval_sec * SECOND,
        )
        self._bearings: list[tuple[SlotPriority, bool]] = []
        """Priority of each setup that waited at the last wish, and whether its price was near."""

    def on_clock(self, waiting: Sequence[Setup]) -> None:
        """Ask again when it is due and the wish may be another one.

        ``waiting`` are the setups that wait for acceptance, none from the cutoff on.
        """
        desk = self._desk
        now = desk.clock.now
        if not desk.slots_changed and (not waiting or self._bearings == self._bear(waiting)):
            return
        if self._slots.due(now):
            self.request()

    def request(self) -> None:
        """Ask for what is wanted now, unless it is asked for already."""
        desk, settings = self._desk, self._settings
        now = desk.clock.now
        desk.slots_changed = desk.slots_urgent = False
        active = desk.active.values()
        waiting = [setup for setup in active if setup.state is State.WAIT_ACCEPTANCE]
        self._bearings = self._bear(waiting)
        if self._universe.scanned:
            near = {setup.symbol for setup in waiting if self._near(setup)}
            wanted = wanted_after_scan(active, settings, now=now, cutoff=self._cutoff, near=near)
        else:
            wanted = [
                *wanted_after_scan(active, settings, now=now, cutoff=0, near=()),
                *wanted_before_scan(
                    (setup for setup in self._universe.members if setup.state is State.IDLE),
                    settings.scan_top_n,
                ),
            ]
        request = self._slots.request(wanted, now=now, at=desk.at, cause=desk.cause)
        if request is not None:
            desk.outputs.append(request)

    def _bear(self, waiting: Iterable[Setup]) -> list[tuple[SlotPriority, bool]]:
        now = self._desk.clock.now
        return [(priority(setup, now), self._near(setup)) for setup in waiting]

    def _near(self, setup: Setup) -> bool:
        """Return whether the price is at most ``focus_near_ticks`` below the range high."""
        tick = self._desk.tick(setup, setup.range_high)
        return setup.tape.price >= setup.range_high - self._settings.focus_near_ticks * tick


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
    active: Iterable[Setup],
    settings: KmpSettings,
    *,
    now: int,
    cutoff: int,
    near: Collection[Symbol],
) -> list[SlotRequest]:
    """Return trades of every active setup and quotes of the focus, strongest first.

    Focus: held and armed setups, then those waiting for acceptance that are ``near`` the range
    high, then the other waiting ones, ``focus_max`` in all. From ``cutoff`` on only setups with
    shares or a working entry are left.
    """
    late = now >= cutoff
    strengths = {setup.symbol: priority(setup, now) for setup in active}
    setups = sorted(
        (
            setup
            for setup in active
            if not late or strengths[setup.symbol] <= SlotPriority.WORKING_ORDER
        ),
        key=lambda setup: (strengths[setup.symbol], setup.rank, setup.symbol),
    )
    trades = [SlotRequest(Feed.TRADES, setup.symbol, strengths[setup.symbol]) for setup in setups]

    def distance(setup: Setup) -> int:
        if strengths[setup.symbol] <= SlotPriority.WORKING_ORDER:
            return 0
        return 1 if setup.symbol in near else 2

    focus = sorted(
        (setup for setup in setups if strengths[setup.symbol] <= SlotPriority.ARMED),
        key=distance,
    )[: settings.focus_max]
    quotes = [SlotRequest(Feed.QUOTES, setup.symbol, strengths[setup.symbol]) for setup in focus]
    return sorted((*trades, *quotes), key=lambda request: request.priority)
