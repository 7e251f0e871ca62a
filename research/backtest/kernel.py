"""One session traded again: one ordered queue of everything that happens.

Rows of the feed, ticks of the clock, messages on their way and what the deciders derive are
delivered in order of time; at one instant the clock comes first, then messages, then the feed. An
event's log sequence is its place in this order, market events included, so a run numbers its events
like a log does. What a decider derives is delivered before anything else happens: deciding takes no
time, and the way to the exchange stands for all delays.

Which deciders are handed which rows is the business of ``Attention``: whoever is spared rows takes
them in later, by the stretch, before anything that depends on them. The derived events are the same
with every choice.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from heapq import heappop, heappush
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from events import Delivery, Event
from events.market import ClockTick, TradeFrame
from research.backtest.attention import Attention
from research.backtest.clock import Clock
from research.backtest.feed import Feed
from research.backtest.floor import Floor
from research.backtest.seats import Handle
from research.backtest.tape import Kind

_NEVER: Final = 1 << 62
_LEAST_CHUNK: Final = 256
_MOST_CHUNK: Final = 8192
"""Rows that are looked at together; few, when wants have just changed and may change again."""

_TOGETHER: Final = 1024
"""Rows that are read off the tape together to be delivered: in vain when wants change meanwhile."""

_TRADE: Final = int(Kind.TRADE)
_BAR: Final = int(Kind.BAR)
_EVENT: Final = int(Kind.EVENT)


class Witness(Protocol):
    """Sees every event that is no row of the feed and no tick, once all deciders have."""

    def witness(self, sequence: int, event: Event) -> None:
        """Take in an event at its place in the log."""
        ...


class Kernel:
    """The queue of one session."""

    def __init__(self, feed: Feed, clock: Clock, attention: Attention) -> None:
        self._feed = feed
        self._clock = clock
        self._clock_at = [*clock.at, _NEVER]
        self._attention = attention
        self._witnesses: list[Witness] = []
        self._queue: deque[Event] = deque()
        self._messages: list[tuple[int, int, Callable[..., None], Any]] = []
        self._message_count = 0
        self._derived = 0
        """Events delivered that are neither rows nor ticks."""
        self._rows_passed = 0
        """Visible rows that lie before what is happening, delivered or spared."""
        self._ticks_passed = 0
        self._tick_after = self._clock_at[0]
        """When the first event of the clock is that has not passed (ns UTC)."""
        self._next_tick = 0
        """First clock event that somebody wants."""
        self._rows_before = 0
        """Visible rows passed before the present view of the feed began."""
        self._unsettled = False
        """Something was derived and deciders were not asked since what they want."""
        self._alarm = 0
        """When something other than a row happens next (ns UTC), or earlier."""
        self.floor: Floor | None = None
        """The exchange, set before ``run``."""
        self.now = 0
        """Instant of what is happening (ns UTC)."""
        self.on_time: Callable[[int], None] = lambda now: None
        """Told the instant before anything happens at the exchange or a message arrives."""

    @property
    def sequence(self) -> int:
        """Sequence of the newest event delivered."""
        return self._derived + self._rows_passed + self._ticks_passed

    @property
    def market_events(self) -> int:
        """Rows and ticks that have passed."""
        return self._rows_passed + self._ticks_passed

    def add_witness(self, witness: Witness) -> None:
        """Have every event that is no row and no tick shown to ``witness``."""
        self._witnesses.append(witness)

    def emit(self, event: Event) -> None:
        """Append an event to the log."""
        self._queue.append(event)

    def schedule(self, at: int, function: Callable[..., None], argument: Any) -> None:
        """Have ``function(argument)`` called at an instant; equal instants in order of calls."""
        self._message_count += 1
        heappush(self._messages, (max(at, self.now), self._message_count, function, argument))
        self._alarm = min(self._alarm, at)

    def run(self, opening: Sequence[Event]) -> None:
        """Trade the session: what is known before it opens, then everything in order of time."""
        for event in opening:
            self.now = max(self.now, event.at)
            self.emit(event)
            self._drain()
        attention = self._attention
        attention.renew_view(0)
        attention.begin()
        self._plan_ticks()
        place, chunk = 0, _LEAST_CHUNK
        while True:
            rows = len(attention.view.rows)
            if place < rows:
                stops, end = attention.stops(place, min(place + chunk, rows), self._alarm)
                if not self._run_stops(stops):
                    place, chunk = end, min(chunk * 4, _MOST_CHUNK)
                    continue
            elif not self._pass_time(_NEVER - 1, rows):
                break
            place, chunk = self._resume(), _LEAST_CHUNK
        # What nobody wanted at the end has passed as well.
        self._rows_passed = self._rows_before + len(attention.view.rows)
        self._ticks_passed = len(self._clock)

    # -- rows ------------------------------------------------------------------------------------

    def _run_stops(self, stops: NDArray[np.int64]) -> bool:
        """Deliver the rows at these places of the view; True when others are wanted from here."""
        return any(
            self._run_some(stops[begin : begin + _TOGETHER])
            for begin in range(0, len(stops), _TOGETHER)
        )

    def _run_some(self, stops: NDArray[np.int64]) -> bool:
        attention, feed, tape = self._attention, self._feed, self._feed.tape
        rows = attention.view.rows[stops]
        kinds = tape.kind[rows]
        trades = feed.trades(rows[kinds == _TRADE])
        symbols, before, queue = tape.symbols, self._rows_before, self._queue
        takers, watched = attention.trade_takers, attention.watched
        for at, stop, kind, code in zip(
            attention.view.seen[stops].tolist(),
            stops.tolist(),
            kinds.tolist(),
            tape.symbol[rows].tolist(),
            strict=True,
        ):
            if at >= self._alarm and self._pass_time(at, stop):
                return True
            self.now = at
            self._rows_passed = passed = before + stop + 1
            if at >= self._tick_after:
                self._pass_spared_ticks(at)
            event: Event
            handlers: Iterable[Handle]
            if kind == _TRADE:
                symbol, trade = symbols[code], next(trades)
                event = TradeFrame(at=at, symbol=symbol, trades=(trade,))
                handlers = takers[symbol]
                if watched and trade.price <= watched.get(symbol, -1):
                    handlers = attention.fallen(kind, symbol, int(attention.view.rows[stop]))
            else:
                row = int(attention.view.rows[stop])
                event = feed.event(row)
                if kind == _EVENT:
                    handlers = attention.takers(event, row, self._ticks_passed)
                elif kind == _BAR and watched and feed.lows[row] <= watched.get(symbols[code], -1):
                    handlers = attention.fallen(kind, symbols[code], row)
                else:
                    handlers = attention.row_takers(kind, symbols[code])
            delivery = Delivery(self._derived + passed + self._ticks_passed, event)
            for handle in handlers:
                outputs = handle(delivery)
                if outputs:
                    queue.extend(outputs)
            if queue:
                self._drain()
                self._settle()
            if attention.changed:
                return True
        return False

    def _resume(self) -> int:
        """Return the place from which to go on after wants have changed, in a renewed view."""
        attention = self._attention
        attention.changed = False
        place = self._rows_passed - self._rows_before
        if not attention.view_changed:
            return place
        attention.renew_view(attention.row_at(place))
        self._rows_before = self._rows_passed
        return 0

    # -- time, messages, the exchange ------------------------------------------------------------

    def _pass_time(self, until: int, place: int) -> bool:
        """Let happen, in order, all that is due up to an instant, that of the row at a place.

        Returns early, with True, when other rows are wanted from then on.
        """
        assert self.floor is not None
        floor, attention = self.floor, self._attention
        while True:
            message = self._messages[0][0] if self._messages else _NEVER
            if message > self.now and self._settle():
                return True
            tick = self._clock_at[self._next_tick]
            first = min(tick, message, floor.due)
            self._alarm = first
            if first > until:
                return False
            self.now = max(self.now, first)
            self.on_time(first)
            if floor.due == first:
                floor.advance()
                continue
            if self._rows_passed < self._rows_before + place:
                # Without latency a message arrives at the instant of the row that it answers.
                self._rows_passed = max(
                    self._rows_passed, self._rows_before + attention.rows_before(first)
                )
            if tick == first:
                self._pass_tick(self._next_tick)
            else:
                self._pass_spared_ticks(first)
                _, _, function, argument = heappop(self._messages)
                function(argument)
                self._drain()
            if attention.view_changed:
                self._settle()
                return True

    def _pass_tick(self, place: int) -> None:
        attention, row, at = self._attention, self.row, self._clock_at[place]
        if (
            attention.spared_until
            and place < self._clock.next_phase(place)
            and attention.spare_longer(at, row)
        ):
            self._plan_ticks()
            return
        self._pass_ticks(place + 1)
        event = self._clock[place]
        delivery = Delivery(self.sequence, event)
        for handle in attention.tick_takers(event, row):
            outputs = handle(delivery)
            if outputs:
                self._queue.extend(outputs)
        if self._queue or type(event) is not ClockTick:
            self._drain()
            self._unsettled = True
            self._settle()
        else:
            attention.review_tick(event, row)
            self._plan_ticks()

    def _pass_spared_ticks(self, until: int) -> None:
        """Count the events of the clock up to an instant: nobody wanted them."""
        self._pass_ticks(bisect_right(self._clock_at, until, lo=self._ticks_passed))

    def _pass_ticks(self, count: int) -> None:
        self._ticks_passed = count
        self._tick_after = self._clock_at[count]

    def _plan_ticks(self) -> None:
        """Find the next event of the clock that somebody wants."""
        spared, passed = self._attention.spared_until, self._ticks_passed
        if spared <= self._tick_after:
            self._next_tick = passed
        else:
            wanted = bisect_left(self._clock_at, spared, lo=passed, hi=len(self._clock))
            self._next_tick = min(wanted, self._clock.next_phase(passed))
        self._alarm = 0  # to be worked out before the next row

    @property
    def row(self) -> int:
        """Tape row before which everything has happened."""
        return self._attention.row_at(self._rows_passed - self._rows_before)

    # -- derived events --------------------------------------------------------------------------

    def _drain(self) -> None:
        """Deliver what was appended, and what follows from it, until nothing is left."""
        queue, attention = self._queue, self._attention
        if not queue:
            return
        row = self.row
        while queue:
            event = queue.popleft()
            self._derived += 1
            delivery = Delivery(self.sequence, event)
            for handle in attention.takers(event, row, self._ticks_passed):
                outputs = handle(delivery)
                if outputs:
                    queue.extend(outputs)
            for witness in self._witnesses:
                witness.witness(delivery.sequence, event)
        self._unsettled = attention.running

    def _settle(self) -> bool:
        """Ask deciders again what they want after what was derived; True when it is other rows.

        Once for all that is derived at one instant: nothing else comes in between.
        """
        if self._unsettled:
            self._unsettled = False
            self._attention.review_all(self.row)
            self._plan_ticks()
        return self._attention.changed
