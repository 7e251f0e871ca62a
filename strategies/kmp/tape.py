"""What one symbol's trades and quotes say, kept up to date trade by trade."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate

from events.columns import TradeColumns
from events.market import Aggressor, Bar, QuoteFrame, Trade
from strategies.indicators import MINUTE, MinuteBars, SessionVwap, TickImbalance
from strategies.kmp.opening_range import OpeningRange
from strategies.kmp.settings import ImbalanceSource, KmpSettings
from strategies.runtime.session_clock import SECOND


class Tape:
    """Prices, bars, VWAP, imbalance, opening range and volatility interruptions of one symbol.

    ``price``, ``bid`` and ``ask`` are 0 until known. ``covers_open`` says that the opening range is
    known without a hole, by trades or by a back-fill. A hole in the trades shows with the next
    trade: the exchange's cumulative volume is then not the previous one plus the trade's quantity.
    A feed that lost trades and has printed nothing since cannot be told from a quiet symbol.
    """

    __slots__ = (
        "_cooldown",
        "_cumulative",
        "_lock_at",
        "_named_at",
        "_open_at",
        "_quoted",
        "_quoted_at",
        "_range_settled",
        "_traded_at",
        "_unbroken_from",
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
        self._lock_at = lock_at
        self._cooldown = settings.vi_cooldown_min * MINUTE
        self.bars = MinuteBars(open_at, settings.atr_bars)
        self.vwap = SessionVwap()
        self.imbalance = TickImbalance(
            settings.imbalance_window_sec,
            use_flag=settings.imbalance_source is ImbalanceSource.FLAG,
        )
        self.opening = OpeningRange(open_at, lock_at)
        self.price = self.bid = self.ask = 0
        self._quoted = (0, 0)
        # When the newest book came, and the newest trade if it named best prices (else 0): what
        # comes by the stretch does not come in its order.
        self._quoted_at = self._named_at = 0
        self._cumulative = 0
        self._traded_at = self._unbroken_from = 0
        self._range_settled = False
        self.vi_reference = 0
        self.vi_until = 0
        self.streamed = self.covers_open = False

    def add(self, trade: Trade, now: int) -> bool:
        """Take in a trade; return whether it belongs to the session (pre-open prints do not)."""
        if trade.time < self._open_at:
            return False
        if trade.cumulative_volume != self._cumulative + trade.quantity or not self.streamed:
            self._begin(trade)
        self._cumulative = trade.cumulative_volume
        self._traded_at = trade.time
        completed = self.bars.add(trade)
        if completed is not None:
            self.opening.add(completed)
        self.vwap.add_trade(trade)
        self.imbalance.add(trade, trade.time // SECOND)
        self.price = trade.price
        if trade.best_bid or trade.best_ask:
            self.bid, self.ask, self._named_at = trade.best_bid, trade.best_ask, now
        else:
            (self.bid, self.ask), self._named_at = self._quoted, 0
        if trade.vi_reference != self.vi_reference:
            self._reference(trade.vi_reference, now)
        return True

    def absorb(self, trades: TradeColumns) -> None:
        """Take in a stretch of trades, as ``add`` takes each at the time of its receipt."""
        times: list[int] = trades.time.tolist()
        begin = bisect_left(times, self._open_at)
        newest = trades.last.trades[-1]
        if begin < len(times) and (not self.streamed or newest.vi_reference != self.vi_reference):
            self.add(_trade(trades, begin), int(trades.at[begin]))
            begin += 1
        if begin == len(times):
            return
        prices: list[int] = trades.price.tolist()
        quantities: list[int] = trades.quantity.tolist()
        volumes: list[int] = trades.cumulative_volume.tolist()
        if begin:
            times, prices = times[begin:], prices[begin:]
            quantities, volumes = quantities[begin:], volumes[begin:]
        whole = [*accumulate(quantities, initial=self._cumulative)][1:] == volumes
        if not whole or not newest.cumulative_value:
            for row in range(begin, len(trades.time)):
                self.add(_trade(trades, row), int(trades.at[row]))
            return
        self._cumulative = newest.cumulative_volume
        self._traded_at = newest.time
        for completed in self.bars.absorb(times, prices, quantities):
            self.opening.add(completed)
        self.vwap.add_trade(newest)
        self.imbalance.absorb(times, prices, quantities, trades.aggressor.tolist()[begin:])
        self.price = newest.price
        self._beside(newest, trades.last.at)

    def _beside(self, newest: Trade, at: int) -> None:
        """Take the best prices beside the newest trade of a stretch, unless a book came later."""
        if not newest.best_bid and not newest.best_ask:
            (self.bid, self.ask), self._named_at = self._quoted, 0
            return
        self._named_at = at
        if at >= self._quoted_at:
            self.bid, self.ask = newest.best_bid, newest.best_ask

    def roll(self, minute: int) -> None:
        """Let the clock begin ``minute``, which completes the bar before it."""
        completed = self.bars.roll(minute)
        if completed is not None:
            self.opening.add(completed)

    def backfill(self, bars: Sequence[Bar], *, complete: bool) -> None:
        """Take the session up to the last of completed bars (at least one) from them.

        What was streamed after the last bar stays. ``complete`` says that the opening range was
        over when the bars were read; then they settle it. Earlier bars do so together with trades
        that follow them without a hole.
        """
        end = bars[-1].start + MINUTE
        self.opening.rebuild(bars)
        self.bars.rebuild(bars)
        self._range_settled = self._range_settled or complete
        self.covers_open = self._range_settled or (self.streamed and self._unbroken_from < end)
        if self.streamed:
            if self._unbroken_from >= end:
                self.bars.miss(self.bars.minute(self._unbroken_from))
        else:
            self._cumulative = sum(bar.volume for bar in bars)
            self.vwap.rebuild(bars)
            self.price = bars[-1].close

    def quote(self, frame: QuoteFrame) -> None:
        """Take the best bid and ask from the order book; an empty side is unknown."""
        self.bid = frame.bid_prices[0] if frame.bid_prices else 0
        self.ask = frame.ask_prices[0] if frame.ask_prices else 0
        self._quoted = (self.bid, self.ask)
        self._quoted_at = frame.at

    def absorb_quote(self, frame: QuoteFrame) -> None:
        """Take in the newest of a stretch of books; trades after it may have been taken in."""
        beside = self.bid, self.ask
        self.quote(frame)
        if frame.at < self._named_at:
            self.bid, self.ask = beside

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

    def _begin(self, trade: Trade) -> None:
        """Begin an unbroken run of trades: the first one ever, or the first one after a hole."""
        follows = trade.cumulative_volume == self._cumulative + trade.quantity
        # The cumulative volume of the opening auction may count off-hours trades before it.
        opens = not self.streamed and trade.auction and trade.time < self._open_at + MINUTE
        self.streamed = True
        if follows or opens:
            self._unbroken_from = self._open_at
            self.covers_open = True
            return
        self._unbroken_from = trade.time
        self.bars.miss(self.bars.minute(trade.time))
        if self._traded_at < self._lock_at:
            self.covers_open = self._range_settled

    def _reference(self, reference: int, now: int) -> None:
        # KRX takes the opening price as the first static reference of the day and the price of the
        # interrupting auction after each static interruption. The first reference seen and the
        # step to the opening price are therefore no events.
        if reference == 0:
            return
        if self.vi_reference and reference != self.opening.open and self.opening.open:
            self.interrupted(now)
        self.vi_reference = reference


def _trade(trades: TradeColumns, row: int) -> Trade:
    """Return the trade in a row of a stretch."""
    return Trade(
        time=int(trades.time[row]),
        price=int(trades.price[row]),
        quantity=int(trades.quantity[row]),
        aggressor=Aggressor(int(trades.aggressor[row])),
        cumulative_volume=int(trades.cumulative_volume[row]),
        cumulative_value=int(trades.cumulative_value[row]),
        best_ask=int(trades.best_ask[row]),
        best_bid=int(trades.best_bid[row]),
        vi_reference=trades.last.trades[-1].vi_reference,
        auction=bool(trades.auction[row]),
    )
