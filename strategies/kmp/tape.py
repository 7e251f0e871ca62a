"""What one symbol's trades and quotes say, kept up to date trade by trade."""

from __future__ import annotations

from collections.abc import Sequence

from events.market import Bar, QuoteFrame, Trade
from strategies.indicators import MINUTE, MinuteBars, SessionVwap, TickImbalance
from strategies.kmp.opening_range import OpeningRange
from strategies.kmp.settings import ImbalanceSource, KmpSettings
from strategies.runtime.session_clock import SECOND


class Tape:
    """Prices, bars, VWAP, imbalance, opening range and volatility interruptions of one symbol.

    ``price``, ``bid`` and ``ask`` are 0 until known. ``covers_open`` says that the trades on the
    log reach back to the open; otherwise only a back-fill can tell the opening range.
    """

    __slots__ = (
        "_cooldown",
        "_open_at",
        "ask",
        "bars",
        "bid",
        "covers_open",
        "imbalance",
        "opening",
        "price",
        "streamed",
        "vi_reference",
        "vi_until",
        "vwap",
    )

    def __init__(self, open_at: int, lock_at: int, settings: KmpSettings) -> None:
        self._open_at = open_at
        self._cooldown = settings.vi_cooldown_min * MINUTE
        self.bars = MinuteBars(open_at, settings.atr_bars)
        self.vwap = SessionVwap()
        self.imbalance = TickImbalance(
            settings.imbalance_window_sec,
            use_flag=settings.imbalance_source is ImbalanceSource.FLAG,
        )
        self.opening = OpeningRange(open_at, lock_at)
        self.price = self.bid = self.ask = 0
        self.vi_reference = 0
        self.vi_until = 0
        self.streamed = self.covers_open = False

    def add(self, trade: Trade, now: int) -> bool:
        """Take in a trade; return whether it belongs to the session (pre-open prints do not)."""
        if trade.time < self._open_at:
            return False
        if not self.streamed:
            self.streamed = True
            self.covers_open = (
                self.covers_open
                or trade.time < self._open_at + MINUTE
                or 0 < trade.cumulative_volume <= trade.quantity
            )
        completed = self.bars.add(trade)
        if completed is not None:
            self.opening.add(completed)
        self.vwap.add_trade(trade)
        self.imbalance.add(trade, trade.time // SECOND)
        self.price = trade.price
        self.bid, self.ask = trade.best_bid, trade.best_ask
        if trade.vi_reference != self.vi_reference:
            self._reference(trade.vi_reference, now)
        return True

    def roll(self, minute: int) -> None:
        """Let the clock begin ``minute``, which completes the bar before it."""
        completed = self.bars.roll(minute)
        if completed is not None:
            self.opening.add(completed)

    def backfill(self, bars: Sequence[Bar], *, complete: bool) -> None:
        """Take the session so far from completed bars (at least one) instead of from trades.

        ``complete`` says that the opening range was over when the bars were read.
        """
        self.opening.rebuild(bars)
        self.bars.rebuild(bars)
        self.covers_open = complete or self.streamed
        if not self.streamed:
            self.vwap.rebuild(bars)
            self.price = bars[-1].close

    def quote(self, frame: QuoteFrame) -> None:
        """Take the best bid and ask from the order book; an empty side is unknown."""
        self.bid = frame.bid_prices[0] if frame.bid_prices else 0
        self.ask = frame.ask_prices[0] if frame.ask_prices else 0

    def interrupted(self, now: int) -> None:
        """Begin the cool-down after a volatility interruption."""
        self.vi_until = now + self._cooldown

    @property
    def spread(self) -> int | None:
        """Ask − bid in won, ``None`` unless both are known and not crossed."""
        return self.ask - self.bid if 0 < self.bid <= self.ask else None

    @property
    def spread_pct(self) -> float | None:
        """(ask − bid) ÷ mid, ``None`` as ``spread``."""
        spread = self.spread
        return None if spread is None else spread * 2 / (self.ask + self.bid)

    def _reference(self, reference: int, now: int) -> None:
        # KRX takes the opening price as the first static reference of the day and the price of the
        # interrupting auction after each static interruption. The first reference seen and the
        # step to the opening price are therefore no events.
        if reference == 0:
            return
        if self.vi_reference and reference != self.opening.open and self.opening.open:
            self.interrupted(now)
        self.vi_reference = reference
