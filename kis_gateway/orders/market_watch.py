"""What the tape, the books and the exchange's notices last said about each symbol. Pure.

What always holds: a view is a function of the log up to an entry. An interruption counts as over
with the first continuous trade that is certainly younger, or after ``_LONGEST_INTERRUPTION``: a
lost notice must not keep an exit resting for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

import msgspec

from events import Symbol
from events.columns import Column, TradeColumns
from events.market import (
    BarClosed,
    InstrumentKind,
    MarketOperation,
    Phase,
    PriceSnapshot,
    QuoteFrame,
    SessionOpened,
    SymbolReference,
    TradeFrame,
    Venue,
    VolatilityInterruption,
)
from events.prices import Board
from kis_gateway.orders.plan_settings import PlanSettings
from kis_gateway.orders.planner import MarketView
from kis_gateway.orders.turnover import Turnover

_SECOND: Final = 1_000_000_000
_LONGEST_INTERRUPTION: Final = 300 * _SECOND
"""Two minutes, half a minute at random, and once more when it is extended at once (KRX rules)."""
_ON_ITS_WAY: Final = 3 * _SECOND
"""Trades agreed before an interruption may be told after it."""

_BOARDS: Final = {board.value: board for board in Board}
_FUNDS: Final = (InstrumentKind.ETF, InstrumentKind.ETN)


class _Symbol(msgspec.Struct):
    """One symbol. A side is the newest book's, or that of a trade after it that named the side.

    ``quoted_at`` is when the newest book came, ``bid_at`` and ``ask_at`` the newest trades that
    named a side (ns UTC): what comes by the stretch does not come in its order.
    """

    traded: Turnover
    last: int | None = None
    best_bid: int | None = None
    best_ask: int | None = None
    seen_at: int | None = None
    quoted_at: int = 0
    bid_at: int = 0
    ask_at: int = 0
    reference: SymbolReference | None = None
    halted_at: int | None = None
    interrupted_at: int | None = None


class MarketWatch:
    """The newest of every symbol, and the session's clock."""

    def __init__(self, session: SessionOpened, settings: PlanSettings) -> None:
        """Begin with nothing seen; the clock stands at the opening books."""
        self._session = session
        self._fresh = round(settings.fresh_price_s * _SECOND)
        self._window = round(settings.slice_window_s * _SECOND)
        self._day = date.fromisoformat(session.trading_date)
        self._symbols: dict[Symbol, _Symbol] = {}
        self.phase = _phase(session, session.at)
        self.now = session.at
        """Newest instant seen on the tape or the session clock (ns UTC)."""

    @property
    def session_over(self) -> bool:
        """Whether the exchange has closed for the day."""
        return self.phase is Phase.CLOSED and self.now >= self._session.open_at

    @property
    def day(self) -> date:
        """The session's date (KST)."""
        return self._day

    def reference(self, symbol: Symbol) -> SymbolReference | None:
        """Return the day's trading terms of a symbol."""
        state = self._symbols.get(symbol)
        return None if state is None else state.reference

    def board(self, symbol: Symbol) -> Board:
        """Return which tick and tax table a symbol follows (KOSPI when it is not known)."""
        return _board(self.reference(symbol))

    def view(self, symbol: Symbol, *, last: int | None = None) -> MarketView:
        """Return what is known about a symbol now; ``last`` stands for the last price if given."""
        state = self._symbol(symbol)
        reference = state.reference
        return MarketView(
            last=state.last if last is None else last,
            best_bid=state.best_bid,
            best_ask=state.best_ask,
            fresh=state.seen_at is not None and self.now - state.seen_at <= self._fresh,
            resting=self._rests(state),
            recent_value=self._recent_value(state.traded),
            lower_limit=None if reference is None else reference.lower_limit,
            upper_limit=None if reference is None else reference.upper_limit,
            board=_board(reference),
            phase=self.phase,
            now=self.now,
            open_at=self._session.open_at,
            close_at=self._session.close_at,
            on=self._day,
        )

    def resting(self, symbol: Symbol) -> bool:
        """Return whether an interruption or a halt keeps a symbol from continuous trading."""
        return self._rests(self._symbol(symbol))

    def _rests(self, state: _Symbol) -> bool:
        began = state.interrupted_at
        return state.halted_at is not None or (
            began is not None and self.now < began + _LONGEST_INTERRUPTION
        )

    def tick(self, at: int, phase: Phase) -> None:
        """Take in the session clock."""
        self.phase = phase
        self.now = max(self.now, at)

    def trades(self, frame: TradeFrame) -> int | None:
        """Take in a frame of the tape; return its highest price, ``None`` for an empty one."""
        at, trades = frame.at, frame.trades
        if at > self.now:  # noqa: PLR1730 - twice as fast as max, for every trade of the day
            self.now = at
        if not trades:
            return None
        state = self._symbols.get(frame.symbol)
        if state is None:
            state = self._symbol(frame.symbol)
        newest = trades[-1]
        state.last = newest.price
        state.seen_at = at
        if newest.best_bid > 0:
            state.best_bid, state.bid_at = newest.best_bid, at
        if newest.best_ask > 0:
            state.best_ask, state.ask_at = newest.best_ask, at
        state.traded.add(at, newest.cumulative_value)
        if not newest.auction:
            state.halted_at = None
            began = state.interrupted_at
            if began is not None and newest.time >= began + _ON_ITS_WAY:
                state.interrupted_at = None
        return newest.price if len(trades) == 1 else max(each.price for each in trades)

    def bar(self, event: BarClosed) -> int | None:
        """Take in a completed bar; return its high, ``None`` when nothing was traded in it.

        Only of a bar that began after a halt or an interruption it is certain that its trades did.
        """
        self.now = max(self.now, event.at)
        bar = event.bar
        if not bar.volume:
            return None
        state = self._symbol(event.symbol)
        state.last = bar.close
        state.seen_at = event.at
        state.traded.add_bar(event.at, bar.value or bar.close * bar.volume)
        if state.halted_at is not None and bar.start > state.halted_at:
            state.halted_at = None
        began = state.interrupted_at
        if began is not None and bar.start >= began + _ON_ITS_WAY:
            state.interrupted_at = None
        return bar.high

    def quote(self, frame: QuoteFrame) -> None:
        """Take in an order book."""
        at = frame.at
        if at > self.now:  # noqa: PLR1730 - twice as fast as max, for every book of the day
            self.now = at
        state = self._symbols.get(frame.symbol)
        if state is None:
            state = self._symbol(frame.symbol)
        state.best_bid = frame.bid_prices[0] if frame.bid_prices else None
        state.best_ask = frame.ask_prices[0] if frame.ask_prices else None
        state.seen_at = state.quoted_at = at

    def absorb_trades(self, trades: TradeColumns) -> None:
        """Take in a stretch of trades of a symbol."""
        frame = trades.last
        newest = frame.trades[-1]
        self.now = max(self.now, frame.at)
        state = self._symbol(trades.symbol)
        state.last = newest.price
        state.seen_at = max(frame.at, state.seen_at or 0)
        bid = _newest_named(trades, newest.best_bid, trades.best_bid)
        if bid is not None:
            price, state.bid_at = bid
            if state.bid_at >= state.quoted_at:
                state.best_bid = price
        ask = _newest_named(trades, newest.best_ask, trades.best_ask)
        if ask is not None:
            price, state.ask_at = ask
            if state.ask_at >= state.quoted_at:
                state.best_ask = price
        state.traded.absorb(trades.at, trades.cumulative_value)
        if state.halted_at is not None or state.interrupted_at is not None:
            self._resumed(state, trades)

    def absorb_bars(self, bars: Sequence[BarClosed]) -> None:
        """Take in completed bars of a symbol, oldest first."""
        for event in bars:
            self.bar(event)

    def absorb_quote(self, frame: QuoteFrame) -> None:
        """Take in the newest of a stretch of books; trades after it may have been taken in."""
        self.now = max(self.now, frame.at)
        state = self._symbol(frame.symbol)
        if frame.at >= state.bid_at:
            state.best_bid = frame.bid_prices[0] if frame.bid_prices else None
        if frame.at >= state.ask_at:
            state.best_ask = frame.ask_prices[0] if frame.ask_prices else None
        state.quoted_at = frame.at
        state.seen_at = max(frame.at, state.seen_at or 0)

    def advance(self, at: int) -> None:
        """Take in that time passed and nothing else."""
        self.now = max(self.now, at)

    def _resumed(self, state: _Symbol, trades: TradeColumns) -> None:
        """End a halt or an interruption after which a symbol traded continuously."""
        continuous = [
            time
            for time, auction in zip(trades.time.tolist(), trades.auction.tolist(), strict=True)
            if not auction
        ]
        if not continuous:
            return
        state.halted_at = None
        began = state.interrupted_at
        if began is not None and continuous[-1] >= began + _ON_ITS_WAY:
            state.interrupted_at = None

    def snapshot(self, look: PriceSnapshot) -> None:
        """Take in a look at the price of a symbol whose feed is silent."""
        self.now = max(self.now, look.at)
        state = self._symbol(look.symbol)
        if look.price > 0:
            state.last = look.price
            state.seen_at = look.at
        if look.best_bid:
            state.best_bid, state.bid_at = look.best_bid, look.at
        if look.best_ask:
            state.best_ask, state.ask_at = look.best_ask, look.at

    def terms(self, reference: SymbolReference) -> None:
        """Take in the day's trading terms of a symbol."""
        self._symbol(reference.symbol).reference = reference

    def operation(self, event: MarketOperation) -> None:
        """Take in the exchange's word on a symbol; only KRX's counts."""
        if event.venue is not Venue.KRX or not event.symbol:
            return
        state = self._symbol(event.symbol)
        state.halted_at = event.at if event.halted else None
        self._interrupted(state, event.at, active=event.interrupted)

    def interruption(self, event: VolatilityInterruption) -> None:
        """Take in the begin or the end of a volatility interruption."""
        self._interrupted(self._symbol(event.symbol), event.at, active=event.active)

    def _interrupted(self, state: _Symbol, at: int, *, active: bool) -> None:
        if not active:
            state.interrupted_at = None
        elif state.interrupted_at is None:
            state.interrupted_at = at

    def _symbol(self, symbol: Symbol) -> _Symbol:
        state = self._symbols.get(symbol)
        if state is None:
            state = self._symbols[symbol] = _Symbol(Turnover(self._window))
        return state

    def _recent_value(self, traded: Turnover) -> int:
        """Return the won traded in the window before now, as far as it was seen."""
        if self.now - self._window < self._session.open_at:
            return traded.total
        return traded.recent(self.now)


def _newest_named(trades: TradeColumns, last: int, column: Column) -> tuple[int, int] | None:
    """Return the newest best price of a side that the trades name, and when that trade came."""
    if last > 0:
        return last, trades.last.at
    prices: list[int] = column.tolist()
    for row in range(len(prices) - 1, -1, -1):
        if prices[row] > 0:
            return prices[row], int(trades.at[row])
    return None


def _board(reference: SymbolReference | None) -> Board:
    if reference is None:
        return Board.KOSPI
    if reference.kind in _FUNDS:
        return Board.FUND
    return _BOARDS.get(reference.market, Board.KOSPI)


def _phase(session: SessionOpened, at: int) -> Phase:
    """Return the phase at the opening books, which are written before the first tick."""
    if at < session.open_at - 1_800 * _SECOND or at >= session.close_at:
        return Phase.CLOSED
    if at < session.open_at:
        return Phase.OPENING_AUCTION
    return Phase.CONTINUOUS if at < session.closing_auction_at else Phase.CLOSING_AUCTION
