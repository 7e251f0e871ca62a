"""What the guard knows of the market: the phase, the last trade and who may not trade.

What always holds: only trades of KRX count, and only fresh ones set anything off. Time is that of
session clock and tape; what operators and services write moves no clock here.
"""

from __future__ import annotations

from typing import Final

import msgspec

from events import Symbol
from events.market import (
    ClockTick,
    MarketOperation,
    Phase,
    PhaseChanged,
    SessionOpened,
    SymbolReference,
    TradeFrame,
    Venue,
)

_HALTED_DESIGNATION: Final = "58"
"""Status code of a symbol whose trading is suspended, see ``SymbolReference``."""

_EXECUTING: Final = (Phase.CONTINUOUS, Phase.CLOSING_AUCTION)


class Print(msgspec.Struct, frozen=True):
    """The last trade of a symbol: price in won and the exchange's time (ns UTC)."""

    price: int
    time: int


class Market:
    """Phase, time, last trades and halted symbols of one session."""

    def __init__(self, session: SessionOpened, max_age: int) -> None:
        """Begin before the open; trades older than ``max_age`` ns are no price of now."""
        self.now = session.at
        self.phase = Phase.CLOSED
        self.trading_since: int | None = None
        """Since when there is continuous trading (ns UTC), ``None`` outside of it."""
        self._max_age = max_age
        self._last: dict[Symbol, Print] = {}
        self._fresh_at: dict[Symbol, int] = {}
        self._halted: dict[Symbol, int] = {}

    def clock(self, event: ClockTick | PhaseChanged) -> None:
        """Take in that time passed or that the session entered a phase."""
        self.now = max(self.now, event.at)
        self.phase = event.phase
        if event.phase is not Phase.CONTINUOUS:
            self.trading_since = None
        elif self.trading_since is None:
            self.trading_since = self.now

    def trades(self, frame: TradeFrame) -> int | None:
        """Take in trades; return the lowest price among the fresh ones, ``None`` without any."""
        self.now = max(self.now, frame.at)
        if not frame.trades:
            return None
        last = frame.trades[-1]
        self._last[frame.symbol] = Print(last.price, last.time)
        halted_at = self._halted.get(frame.symbol)
        # A trade of a later second than the halt: it is over, whether its end was heard or not.
        if halted_at is not None and last.time > halted_at:
            del self._halted[frame.symbol]
        oldest = self.now - self._max_age
        fresh = [trade.price for trade in frame.trades if trade.time >= oldest]
        if not fresh:
            return None
        self._fresh_at[frame.symbol] = self.now
        return min(fresh)

    def operation(self, event: MarketOperation) -> None:
        """Take in whether the exchange lets a symbol trade; other venues say nothing about KRX."""
        if event.venue is not Venue.KRX or not event.symbol:
            return
        if event.halted:
            self._halted.setdefault(event.symbol, event.at)
        else:
            self._halted.pop(event.symbol, None)

    def reference(self, event: SymbolReference) -> None:
        """Take in the day's terms: a symbol may be suspended from the morning on."""
        if event.status_code == _HALTED_DESIGNATION:
            self._halted.setdefault(event.symbol, event.at)

    def executes(self, symbol: Symbol) -> bool:
        """Return whether an order in the symbol can trade now."""
        return self.phase in _EXECUTING and symbol not in self._halted

    def last(self, symbol: Symbol) -> Print | None:
        """Return the symbol's last trade, ``None`` before the first of the session."""
        return self._last.get(symbol)

    def fresh_at(self, symbol: Symbol) -> int:
        """Return when a fresh trade of the symbol arrived last (ns UTC), 0 before the first."""
        return self._fresh_at.get(symbol, 0)

    def price(self, symbol: Symbol) -> int | None:
        """Return the symbol's price of now in won, ``None`` when its last trade is too old."""
        last = self._last.get(symbol)
        if last is None or last.time < self.now - self._max_age:
            return None
        return last.price
