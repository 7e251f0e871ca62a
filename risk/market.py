"""What the market told the gate: prices, trading terms, interruptions, phase, regime, liquidity.

Only the newest value of each is kept. A value that has not been seen is ``None``, never zero.
"""

from __future__ import annotations

from collections.abc import Set
from datetime import date
from typing import Final

import msgspec

from events import Symbol, TradingDate
from events.columns import TradeColumns
from events.market import (
    BarClosed,
    DailyHistory,
    MarketOperation,
    Phase,
    PriceSnapshot,
    QuoteFrame,
    SymbolReference,
    TradeFrame,
    Venue,
    VolatilityInterruption,
)
from events.prices import Board
from events.signal import Regime, RegimeSet, UniverseSelected
from risk.liquidity import Tape, ordinary_value

_BOARDS: Final = {board.value: board for board in Board}
_TRADING: Final = (Phase.CONTINUOUS, Phase.CLOSING_AUCTION)


class Quote(msgspec.Struct, frozen=True, gc=False):
    """Best prices of one symbol in won; ``None`` where a side is empty. Seen at ``at`` (ns UTC)."""

    bid: int | None
    ask: int | None
    at: int


class Interruption(msgspec.Struct, frozen=True, gc=False):
    """The last volatility-interruption event of a symbol; ``active`` until its end was seen."""

    active: bool
    at: int


class StaticReference(msgspec.Struct, gc=False):
    """Static interruption reference of a symbol in won, and the price at which trading began.

    ``first`` is set while it is the reference that was seen first.
    """

    price: int
    began_at: int
    first: bool = True


class Market:
    """The newest facts about every symbol and the session."""

    def __init__(self, trading_date: TradingDate) -> None:
        self.trading_date = trading_date
        self.day = date(int(trading_date[:4]), int(trading_date[4:6]), int(trading_date[6:]))
        self.phase: Phase | None = None
        self.regime = Regime.NORMAL
        self.references: dict[Symbol, SymbolReference] = {}
        self.interruptions: dict[Symbol, Interruption] = {}
        self.static_references: dict[Symbol, StaticReference] = {}
        self.operations: dict[Symbol, MarketOperation] = {}
        """The exchange's newest word on a symbol's state."""
        self.ordinary_values: dict[Symbol, int] = {}
        """Won that a symbol trades on an ordinary day."""
        self.disputed_sectors: dict[Symbol, tuple[str, str]] = {}
        self._sectors: dict[Symbol, str] = {}
        self._tapes: dict[Symbol, Tape] = {}
        self._trades: dict[Symbol, TradeFrame] = {}
        self._bars: dict[Symbol, BarClosed] = {}
        self.quotes: dict[Symbol, QuoteFrame] = {}
        """The newest order book of each symbol."""

    def trade(self, frame: TradeFrame) -> None:
        """Keep the newest trades of a symbol, of which there is at least one."""
        symbol, at, trades = frame.symbol, frame.at, frame.trades
        self._trades[symbol] = frame
        last = trades[-1]
        tape = self._tapes.get(symbol)
        if tape is None:
            first = trades[0]
            before = first.cumulative_value - first.price * first.quantity
            tape = self._tapes[symbol] = Tape(at, before)
        tape.add(at, last.cumulative_value)
        reference = last.vi_reference
        if reference > 0 and self.phase in _TRADING:
            self._refer(symbol, at, trades[0].price, reference)

    def absorb_trades(self, trades: TradeColumns) -> None:
        """Keep the newest of a stretch of trades of a symbol."""
        symbol, frame = trades.symbol, trades.last
        self._trades[symbol] = frame
        tape = self._tapes.get(symbol)
        if tape is None:
            first = int(trades.price[0]) * int(trades.quantity[0])
            before = int(trades.cumulative_value[0]) - first
            tape = self._tapes[symbol] = Tape(int(trades.at[0]), before)
        tape.absorb(trades.at, trades.cumulative_value)
        reference = frame.trades[-1].vi_reference
        if reference > 0 and self.phase in _TRADING:
            self._refer(symbol, int(trades.at[0]), int(trades.price[0]), reference)

    def bar(self, event: BarClosed) -> None:
        """Keep a completed bar of a symbol as its newest trade.

        A recording of bars holds those of the whole session, so nothing was traded before the first
        one. It names no best prices and no interruptions.
        """
        symbol, bar = event.symbol, event.bar
        self._bars[symbol] = event
        tape = self._tapes.get(symbol)
        if tape is None:
            tape = self._tapes[symbol] = Tape(bar.start, 0)
        tape.add_bar(event.at, bar.value or bar.close * bar.volume)

    def _refer(self, symbol: Symbol, at: int, price: int, reference: int) -> None:
        """Learn the static reference that a trade at ``price`` names."""
        known = self.static_references.get(symbol)
        if known is None:
            self.static_references[symbol] = StaticReference(reference, began_at=price)
        elif known.price != reference:
            self._move_reference(known, symbol, at, reference)

    def _move_reference(
        self, known: StaticReference, symbol: Symbol, at: int, reference: int
    ) -> None:
        """Take a new static reference over, which an interruption's auction has set.

        KRX first measures against the base price, then against the opening price, then against the
        price of the latest interrupting auction. The step to the opening price is therefore none.
        """
        opened = known.first and reference == known.began_at
        known.price, known.first = reference, False
        if not opened:
            self.interruptions[symbol] = Interruption(active=False, at=at)

    def snapshot(self, event: PriceSnapshot) -> None:
        """Learn what a symbol has traded from a look at it; its price is no trade."""
        tape = self._tapes.get(event.symbol)
        if tape is None:
            tape = self._tapes[event.symbol] = Tape(event.at, event.cumulative_value)
        tape.add(event.at, event.cumulative_value)

    def reference(self, event: SymbolReference) -> None:
        """Keep a symbol's trading terms; those of another day are no terms of today."""
        if event.trading_date == self.trading_date:
            self.references[event.symbol] = event

    def interruption(self, event: VolatilityInterruption) -> None:
        """Keep when a volatility interruption last began or ended."""
        self.interruptions[event.symbol] = Interruption(event.active, event.at)

    def operation(self, event: MarketOperation) -> None:
        """Keep the exchange's word on a symbol at KRX: halted, interrupted or trading.

        An interruption begins and ends where the flag changes. Records without a symbol say nothing
        of any.
        """
        if not event.symbol or event.venue is not Venue.KRX:
            return
        known = self.operations.get(event.symbol)
        self.operations[event.symbol] = event
        if event.interrupted != (known is not None and known.interrupted):
            self.interruptions[event.symbol] = Interruption(event.interrupted, event.at)

    def daily(self, event: DailyHistory) -> None:
        """Learn what a symbol trades on an ordinary day; another day's history is not today's."""
        value = ordinary_value(event.bars)
        if event.trading_date == self.trading_date and value is not None:
            self.ordinary_values[event.symbol] = value

    def recent_value(self, symbol: Symbol, now: int) -> tuple[int, bool] | None:
        """Return the won traded in a symbol in the last five minutes and whether all was seen.

        ``None`` before anything was seen of it.
        """
        tape = self._tapes.get(symbol)
        return None if tape is None else tape.recent(now)

    def set_regime(self, event: RegimeSet) -> None:
        """Take over the regime of this session; another day's is stale."""
        if event.trading_date == self.trading_date:
            self.regime = event.regime

    def universe(self, event: UniverseSelected) -> None:
        """Learn sectors. One map serves all strategies: two names for a symbol are a dispute."""
        if event.trading_date != self.trading_date:
            return
        for symbol, sector in event.sectors.items():
            known = self._sectors.setdefault(symbol, sector)
            if known != sector:
                self.disputed_sectors[symbol] = (known, sector)

    def sector(self, symbol: Symbol) -> str | None:
        """Return the symbol's sector, ``None`` when it is unknown or disputed."""
        return None if symbol in self.disputed_sectors else self._sectors.get(symbol)

    def sharing(self, sector: str, symbols: Set[Symbol]) -> Set[Symbol]:
        """Return those of ``symbols`` that are of a sector, or may be because theirs is unknown."""
        known, disputed = self._sectors, self.disputed_sectors
        return {
            symbol
            for symbol in symbols
            if known.get(symbol, sector) == sector or symbol in disputed
        }

    def board(self, symbol: Symbol) -> Board | None:
        """Return which tick table the symbol follows, ``None`` when its terms are not known."""
        reference = self.references.get(symbol)
        return None if reference is None else _BOARDS.get(reference.market)

    def interruptions_seen(self, symbol: Symbol) -> bool:
        """Return whether an interruption of the symbol would have been noticed."""
        return (
            symbol in self.interruptions
            or symbol in self.static_references
            or symbol in self.operations
        )

    def traded_at(self, symbol: Symbol) -> int | None:
        """Return when the last trade was received (ns UTC), ``None`` before the first."""
        trade, bar = self._trades.get(symbol), self._bars.get(symbol)
        if trade is None or bar is None:
            newest = bar if trade is None else trade
            return None if newest is None else newest.at
        return max(trade.at, bar.at)

    def best(self, symbol: Symbol) -> Quote | None:
        """Return the newest best prices, from the book or from the last trade's record of them."""
        book, tape = self.quotes.get(symbol), self._trades.get(symbol)
        if tape is not None and (book is None or tape.at > book.at):
            last = tape.trades[-1]
            return Quote(last.best_bid or None, last.best_ask or None, tape.at)
        if book is None:
            return None
        return Quote(
            book.bid_prices[0] if book.bid_prices else None,
            book.ask_prices[0] if book.ask_prices else None,
            book.at,
        )
