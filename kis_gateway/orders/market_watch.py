"""What the tape, the books and the exchange's notices last said about each symbol. Pure.

What always holds: a view is a function of the log up to an entry. An interruption counts as over
with the first continuous trade that is certainly younger, or after ``_LONGEST_INTERRUPTION``: a
lost notice must not keep an exit resting for ever.
"""

from __future__ import annotations

from collections import deque
from datetime import date
from typing import Final

import msgspec

from events import Symbol
from events.market import (
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

_SECOND: Final = 1_000_000_000
_LONGEST_INTERRUPTION: Final = 300 * _SECOND
"""Two minutes, half a minute at random, and once more when it is extended at once (KRX rules)."""
_ON_ITS_WAY: Final = 3 * _SECOND
"""Trades agreed before an interruption may be told after it."""

_BOARDS: Final = {board.value: board for board in Board}
_FUNDS: Final = frozenset({InstrumentKind.ETF, InstrumentKind.ETN})


class _Symbol(msgspec.Struct):
    """One symbol; ``traded`` holds (ns, won so far today), at most one a second."""

    last: int | None = None
    best_bid: int | None = None
    best_ask: int | None = None
    seen_at: int | None = None
    reference: SymbolReference | None = None
    halted: bool = False
    interrupted_at: int | None = None
    traded: deque[tuple[int, int]] = msgspec.field(default_factory=deque)


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
        reference = self.reference(symbol)
        if reference is None:
            return Board.KOSPI
        if reference.kind in _FUNDS:
            return Board.FUND
        return _BOARDS.get(reference.market, Board.KOSPI)

    def view(self, symbol: Symbol, *, last: int | None = None) -> MarketView:
        """Return what is known about a symbol now; ``last`` stands for the last price if given."""
        state = self._symbol(symbol)
        reference = state.reference
        return MarketView(
            last=state.last if last is None else last,
            best_bid=state.best_bid,
            best_ask=state.best_ask,
            fresh=state.seen_at is not None and self.now - state.seen_at <= self._fresh,
            resting=self.resting(symbol),
            recent_value=self._recent_value(state),
            lower_limit=None if reference is None else reference.lower_limit,
            upper_limit=None if reference is None else reference.upper_limit,
            board=self.board(symbol),
            phase=self.phase,
            now=self.now,
            open_at=self._session.open_at,
            close_at=self._session.close_at,
            on=self._day,
        )

    def resting(self, symbol: Symbol) -> bool:
        """Return whether an interruption or a halt keeps a symbol from continuous trading."""
        state = self._symbol(symbol)
        began = state.interrupted_at
        return state.halted or (began is not None and self.now < began + _LONGEST_INTERRUPTION)

    def tick(self, at: int, phase: Phase) -> None:
        """Take in the session clock."""
        self.phase = phase
        self.now = max(self.now, at)

    def trades(self, frame: TradeFrame) -> int | None:
        """Take in a frame of the tape; return its highest price, ``None`` for an empty one."""
        self.now = max(self.now, frame.at)
        if not frame.trades:
            return None
        state = self._symbol(frame.symbol)
        newest = frame.trades[-1]
        state.last = newest.price
        state.seen_at = frame.at
        if newest.best_bid > 0:
            state.best_bid = newest.best_bid
        if newest.best_ask > 0:
            state.best_ask = newest.best_ask
        self._traded(state, frame.at, newest.cumulative_value)
        if not newest.auction:
            state.halted = False
            began = state.interrupted_at
            if began is not None and newest.time >= began + _ON_ITS_WAY:
                state.interrupted_at = None
        return max(trade.price for trade in frame.trades)

    def quote(self, frame: QuoteFrame) -> None:
        """Take in an order book."""
        self.now = max(self.now, frame.at)
        state = self._symbol(frame.symbol)
        state.best_bid = frame.bid_prices[0] if frame.bid_prices else None
        state.best_ask = frame.ask_prices[0] if frame.ask_prices else None
        state.seen_at = frame.at

    def snapshot(self, look: PriceSnapshot) -> None:
        """Take in a look at the price of a symbol whose feed is silent."""
        self.now = max(self.now, look.at)
        state = self._symbol(look.symbol)
        if look.price > 0:
            state.last = look.price
            state.seen_at = look.at
        state.best_bid = look.best_bid or state.best_bid
        state.best_ask = look.best_ask or state.best_ask

    def terms(self, reference: SymbolReference) -> None:
        """Take in the day's trading terms of a symbol."""
        self._symbol(reference.symbol).reference = reference

    def operation(self, event: MarketOperation) -> None:
        """Take in the exchange's word on a symbol; only KRX's counts."""
        if event.venue is not Venue.KRX or not event.symbol:
            return
        state = self._symbol(event.symbol)
        state.halted = event.halted
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
            state = self._symbols[symbol] = _Symbol()
        return state

    def _traded(self, state: _Symbol, at: int, cumulative_value: int) -> None:
        traded = state.traded
        if not traded or at >= traded[-1][0] + _SECOND:
            traded.append((at, cumulative_value))
            while len(traded) > 1 and traded[1][0] <= at - self._window:
                traded.popleft()
        else:
            traded[-1] = (traded[-1][0], cumulative_value)

    def _recent_value(self, state: _Symbol) -> int:
        """Return the won traded in the window before now, as far as it was seen."""
        if not state.traded:
            return 0
        begin = self.now - self._window
        until = state.traded[-1][1]
        if begin < self._session.open_at:
            return until
        before = state.traded[0][1]
        for at, value in state.traded:
            if at > begin:
                break
            before = value
        return max(until - before, 0)


def _phase(session: SessionOpened, at: int) -> Phase:
    """Return the phase at the opening books, which are written before the first tick."""
    if at < session.open_at - 1_800 * _SECOND or at >= session.close_at:
        return Phase.CLOSED
    if at < session.open_at:
        return Phase.OPENING_AUCTION
    return Phase.CONTINUOUS if at < session.closing_auction_at else Phase.CLOSING_AUCTION
