"""Whose trades and quotes a backtest shows: the broker's few subscriptions, given out as live.

A decider that is shown more than it would have received is not being tested. So the same book gives
out the same number of registrations by the same requests; what nobody has subscribed is not seen.
Minutes of symbols whose trades were not received from the open on come later, as back-fill.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import numpy as np

from events import Event, StrategyId, Symbol
from events.calendar import TradingSession
from events.market import Bar, MinuteHistory, SessionOpened
from events.signal import Feed as FeedName
from events.signal import SlotsRequested, UniverseSelected
from kis_gateway.feeds.slot_book import Slot, SlotBook
from research.backtest.feed import Feed

_SECOND: Final = 1_000_000_000
_MINUTE: Final = 60 * _SECOND
_BACKFILL_AFTER: Final = 905 * _SECOND
"""The gateway asks for missing minutes 900 s after the open and has them five seconds later."""

Show = Callable[[frozenset[Symbol], frozenset[Symbol]], None]
"""Told which symbols' trades and which symbols' quotes are received from now on."""


class Subscriptions:
    """The subscriptions of one session."""

    def __init__(
        self, budget: int, opening: Iterable[Event], session: SessionOpened, show: Show
    ) -> None:
        """``budget`` is the number of subscriptions; ``opening`` holds the universes."""
        universes: Mapping[StrategyId, Sequence[Symbol]] = {
            event.strategy: event.symbols
            for event in opening
            if isinstance(event, UniverseSelected)
        }
        self._book = SlotBook(budget, universes)
        self._show = show
        self._positions = {each.symbol for each in session.allocations if each.quantity > 0}
        self.from_the_open: frozenset[Symbol] = frozenset()
        """Symbols whose trades are received since before the open."""

    def request(self, event: SlotsRequested, at: int) -> int | None:
        """Take in a strategy's wishes; return when to look again, ``None`` for not before news."""
        self._book.request(event)
        return self.arrange(at)

    def protect(self, positions: Iterable[Symbol], working: Iterable[Symbol]) -> None:
        """Say which symbols are held and which have working orders."""
        self._book.protect(frozenset(positions), frozenset(working))

    def arrange(self, at: int) -> int | None:
        """Give out the subscriptions anew; return when a change that has to wait may be made."""
        plan = self._book.plan(at)
        for slot in plan.unsubscribe:
            self._book.given_back(slot, at)
        for slot in plan.subscribe:
            self._book.acknowledged(slot, at)
        if plan.subscribe or plan.unsubscribe:
            held = self._book.held
            self._show(_of(held, FeedName.TRADES), _of(held, FeedName.QUOTES))
        return plan.due

    def open(self) -> None:
        """Note whose trades are received from the open on."""
        self.from_the_open = _of(self._book.held, FeedName.TRADES)


def _of(held: Iterable[Slot], feed: FeedName) -> frozenset[Symbol]:
    return frozenset(slot.symbol for slot in held if slot.feed is feed)


def backfill_at(session: TradingSession) -> int:
    """Return when the minutes of symbols that were not received arrive, ns UTC."""
    return session.open_at + _BACKFILL_AFTER


def minutes(feed: Feed, symbol: Symbol, session: SessionOpened, at: int) -> MinuteHistory | None:
    """Return an issue's completed minutes up to an instant, ``None`` without a trade."""
    prints = feed.prints(symbol)
    starts = feed.tape.at[feed.issues[symbol].trades] // _MINUTE * _MINUTE
    end = int(np.searchsorted(starts, at - at % _MINUTE))
    if not end:
        return None
    begins = np.flatnonzero(np.diff(starts[:end], prepend=-1)).tolist()
    bars = []
    for first, last in zip(begins, (*begins[1:], end), strict=True):
        prices = prints.price[first:last]
        quantities = prints.quantity[first:last]
        bars.append(
            Bar(
                int(starts[first]),
                int(prices[0]),
                int(prices.max()),
                int(prices.min()),
                int(prices[-1]),
                int(quantities.sum()),
                int((prices * quantities).sum()),
            )
        )
    return MinuteHistory(at=at, symbol=symbol, trading_date=session.trading_date, bars=tuple(bars))
