"""What the guard knows of the market: the phase, the last trade and who may not trade.

What always holds: only trades of KRX count, and only fresh ones set anything off. Time is that of
session clock and tape; what operators and services write moves no clock here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from events import Symbol
from events.columns import TradeColumns
from events.market import (
    BarClosed,
    ClockTick,
    MarketOperation,
    Phase,
    PhaseChanged,
    SessionOpened,
    SymbolReference,
    Trade,
    TradeFrame,
    Venue,
)

_HALTED_DESIGNATION: Final = "58"
"""Status code of a symbol whose trading is suspended, see ``SymbolReference``."""

_EXECUTING: Final = (Phase.CONTINUOUS, Phase.CLOSING_AUCTION)


class Print(msgspec.Struct, frozen=True, gc=False):
    """The last price of a symbol that no single trade tells: won, and when it was made (ns UTC)."""

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
        self._last: dict[Symbol, Trade | Print] = {}
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
        now = self.now
        if frame.at > now:
            now = self.now = frame.at
        trades = frame.trades
        if not trades:
            return None
        symbol, last = frame.symbol, trades[-1]
        self._last[symbol] = last
        if self._halted:
            self._resumed(symbol, last.time)
        oldest = now - self._max_age
        lowest: int | None
        if len(trades) == 1:  # nearly every frame
            lowest = last.price if last.time >= oldest else None
        else:
            lowest = min((each.price for each in trades if each.time >= oldest), default=None)
        if lowest is not None:
            self._fresh_at[symbol] = now
        return lowest

    def bar(self, event: BarClosed) -> int | None:
        """Take in a completed bar; return its low, ``None`` when nothing was traded in it.

        Its last price counts as of the instant at which it was told.
        """
        self.now = max(self.now, event.at)
        symbol, bar = event.symbol, event.bar
        if not bar.volume:
            return None
        self._last[symbol] = Print(bar.close, event.at)
        # Only of a bar that began after the halt it is certain that its trades did.
        self._resumed(symbol, bar.start)
        self._fresh_at[symbol] = event.at
        return bar.low

    def absorb_trades(self, trades: TradeColumns) -> None:
        """Take in a stretch of trades that set nothing off."""
        symbol, frame = trades.symbol, trades.last
        self.now = max(self.now, frame.at)
        last = frame.trades[-1]
        self._last[symbol] = last
        self._resumed(symbol, last.time)
        if last.time >= frame.at - self._max_age:
            self._fresh_at[symbol] = frame.at
            return
        instants, times = trades.at.tolist(), trades.time.tolist()
        for at, time in zip(reversed(instants), reversed(times), strict=True):
            if time >= at - self._max_age:
                self._fresh_at[symbol] = at
                return

    def absorb_bars(self, bars: Sequence[BarClosed]) -> None:
        """Take in bars of a symbol that set nothing off, oldest first."""
        newest = next((event for event in reversed(bars) if event.bar.volume), None)
        if newest is not None:
            self.bar(newest)
        self.advance(bars[-1].at)

    def advance(self, at: int) -> None:
        """Take in that time passed and nothing else."""
        self.now = max(self.now, at)

    def _resumed(self, symbol: Symbol, traded_at: int) -> None:
        """End a halt after which the symbol traded, whether its end was heard or not.

        A trade of a later second than the halt was made after it.
        """
        halted_at = self._halted.get(symbol)
        if halted_at is not None and traded_at > halted_at:
            del self._halted[symbol]

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

    def last(self, symbol: Symbol) -> Trade | Print | None:
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
