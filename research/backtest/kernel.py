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

from events import Delivery, Event
from events.market import Aggressor, ClockTick, Trade, TradeFrame
from research.backtest.attention import Attention
from research.backtest.clock import Clock
from research.backtest.feed import Feed
from research.backtest.floor import Floor
from research.backtest.seats import Handle
from research.backtest.tape import Kind

_NEVER: Final = 1 << 62
_LEAST_CHUNK: Final = 64
_MOST_CHUNK: Final = 8192
"""Rows that are looked at together; few, when wants have just changed and may change again."""

_SECOND: Final = 1_000_000_000
_TRADE: Final = int(Kind.TRADE)
_BAR: Final = int(Kind.BAR)
_EVENT: Final = int(Kind.EVENT)
_SIDES: Final = {int(side): side for side in Aggressor}


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
        self._clock_at = clock.at
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
        self._next_tick = 0
        """First clock event that somebody wants."""
        self._rows_before = 0
        """Visible rows passed before the present view of the feed began."""
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
                    place, chunk = end, min(chunk * 2, _MOST_CHUNK)
                    continue
            elif not self._pass_time(_NEVER - 1, rows):
                break
            place, chunk = self._resume(), _LEAST_CHUNK
        # What nobody wanted at the end has passed as well.
        self._rows_passed = self._rows_before + len(attention.view.rows)
        self._ticks_passed = len(self._clock)

    # -- rows ------------------------------------------------------------------------------------

    def _run_stops(self, stops: Sequence[int]) -> bool:
        """Deliver the rows at these places of the view; True when others are wanted from here."""
        attention, feed, tape = self._attention, self._feed, self._feed.tape
        rows = attention.view.rows[stops]
        symbols, before, queue = tape.symbols, self._rows_before, self._queue
        takers, watched = attention.trade_takers, attention.watched
        for (
            at, row, stop, kind, code, time, price, quantity, side, auction, volume, value,
            ask, bid,
        ) in zip(
            feed.seen[rows].tolist(), rows.tolist(), stops, tape.kind[rows].tolist(),
            tape.symbol[rows].tolist(), tape.at[rows].tolist(), feed.lows[rows].tolist(),
            tape.quantity[rows].tolist(), tape.aggressor[rows].tolist(),
            tape.auction[rows].tolist(), tape.volume[rows].tolist(), tape.value[rows].tolist(),
            feed.asks[rows].tolist(), feed.bids[rows].tolist(), strict=True,
        ):  # fmt: skip
            if at >= self._alarm and self._pass_time(at, stop):
                return True
            self.now = at
            self._rows_passed = passed = before + stop + 1
            event: Event
            if kind == _TRADE:
                symbol = symbols[code]
                event = TradeFrame(
                    at=at,
                    symbol=symbol,
                    trades=(
                        Trade(
                            time - time % _SECOND, price, quantity, _SIDES[side], volume, value,
                            ask, bid, 0, auction,
                        ),
                    ),
                )  # fmt: skip
                handlers: Iterable[Handle] = takers[symbol]
                if watched and price <= watched.get(symbol, -1):
                    handlers = attention.fallen(kind, symbol, row)
            else:
                event = feed.event(row)
                if kind == _EVENT:
                    attention.tell_time(row, self._clock_now())
                    handlers = attention.takers(event, row)
                elif kind == _BAR and watched and price <= watched.get(symbols[code], -1):
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
            tick = self._clock_at[self._next_tick] if self._next_tick < len(self._clock) else _NEVER
            message = self._messages[0][0] if self._messages else _NEVER
            first = min(tick, message, floor.due)
            self._alarm = first
            if first > until:
                return False
            self.now = max(self.now, first)
            self.on_time(first)
            if floor.due == first:
                floor.advance()
                continue
            # Without latency a message arrives at the instant of the row that it answers.
            self._rows_passed = max(
                self._rows_passed, self._rows_before + attention.rows_before(first)
            )
            if tick == first:
                self._ticks_passed = self._next_tick + 1
                self._deliver_tick(self._clock[self._next_tick])
            else:
                self._ticks_passed = bisect_right(self._clock_at, first)
                _, _, function, argument = heappop(self._messages)
                function(argument)
                self._drain()
            if attention.changed:
                return True

    def _deliver_tick(self, event: Event) -> None:
        attention, row = self._attention, self.row
        delivery = Delivery(self.sequence, event)
        for handle in attention.tick_takers(event, row):
            outputs = handle(delivery)
            if outputs:
                self._queue.extend(outputs)
        if self._queue:
            self._drain()
        elif type(event) is ClockTick:
            attention.review_tick(event, row)
        else:
            attention.review_all(row)
        self._plan_ticks()

    def _plan_ticks(self) -> None:
        """Find the next event of the clock that somebody wants."""
        attention, passed = self._attention, self._ticks_passed
        wanted = bisect_left(self._clock_at, attention.spared_until, lo=passed)
        self._next_tick = min(wanted, self._clock.next_phase(passed))
        self._alarm = 0  # to be worked out before the next row

    @property
    def row(self) -> int:
        """Tape row before which everything has happened."""
        return self._attention.row_at(self._rows_passed - self._rows_before)

    def _clock_now(self) -> Event | None:
        return self._clock[self._ticks_passed - 1] if self._ticks_passed else None

    # -- derived events --------------------------------------------------------------------------

    def _drain(self) -> None:
        """Deliver what was appended, and what follows from it, until nothing is left."""
        queue, attention = self._queue, self._attention
        if not queue:
            return
        row = self.row
        attention.tell_time(row, self._clock_now())
        while queue:
            event = queue.popleft()
            self._derived += 1
            delivery = Delivery(self.sequence, event)
            for handle in attention.takers(event, row):
                outputs = handle(delivery)
                if outputs:
                    queue.extend(outputs)
            for witness in self._witnesses:
                witness.witness(delivery.sequence, event)
        if attention.running:
            attention.review_all(row)
            self._plan_ticks()
