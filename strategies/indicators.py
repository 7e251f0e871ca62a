"""Indicators over prices, bars and trades, updated one value at a time.

What always holds: a value that cannot be computed yet is ``None``, never zero; prices, shares and
won stay integers until a ratio is asked for; minutes are counted from the session's open, so a
late open shifts nothing. Formulas stand in the docstrings.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from operator import mul
from typing import Final

from events.market import Bar, Trade

_SECOND: Final = 1_000_000_000
MINUTE: Final = 60 * _SECOND
"""Nanoseconds in a minute."""


def sma(values: Sequence[int], count: int) -> float | None:
    """Return the plain mean of the last ``count`` values, ``None`` with fewer."""
    if len(values) < count:
        return None
    return sum(values[-count:]) / count


def true_range(high: int, low: int, previous_close: int | None) -> int:
    """Return max(high − low, |high − previous close|, |low − previous close|), won.

    The first bar of a stream has no previous close and uses high − low.
    """
    if previous_close is None:
        return high - low
    return max(high - low, abs(high - previous_close), abs(low - previous_close))


class MeanTrueRange:
    """ATR(n): the plain mean of the last n true ranges, without Wilder's smoothing."""

    __slots__ = ("_previous_close", "_ranges", "_sum", "count")

    def __init__(self, count: int) -> None:
        self.count = count
        self._ranges: deque[int] = deque()
        self._sum = 0
        self._previous_close: int | None = None

    def add(self, bar: Bar) -> None:
        """Take in the next completed bar."""
        value = true_range(bar.high, bar.low, self._previous_close)
        self._previous_close = bar.close
        self._ranges.append(value)
        self._sum += value
        if len(self._ranges) > self.count:
            self._sum -= self._ranges.popleft()

    @property
    def value(self) -> float | None:
        """The ATR in won, ``None`` until n bars were seen."""
        return self._sum / self.count if len(self._ranges) == self.count else None


class SessionVwap:
    """Volume-weighted average price since the open.

    The exchange's cumulative value ÷ cumulative volume when the trade carries them, else
    Σ price·quantity ÷ Σ quantity; from bars Σ typical·volume ÷ Σ volume with
    typical = (high + low + close) ÷ 3.
    """

    __slots__ = ("_value", "_volume")

    def __init__(self) -> None:
        self._value: float = 0
        self._volume = 0

    def add_trade(self, trade: Trade) -> None:
        """Take in one trade."""
        if trade.cumulative_volume > 0 and trade.cumulative_value > 0:
            self._value = trade.cumulative_value
            self._volume = trade.cumulative_volume
        else:
            self._value += trade.price * trade.quantity
            self._volume += trade.quantity

    def rebuild(self, bars: Sequence[Bar]) -> None:
        """Forget everything and take in completed bars since the open."""
        self._value = sum((bar.high + bar.low + bar.close) / 3 * bar.volume for bar in bars)
        self._volume = sum(bar.volume for bar in bars)

    @property
    def value(self) -> float | None:
        """The VWAP in won, ``None`` before the first share."""
        return self._value / self._volume if self._volume else None


class MinuteBars:
    """One-minute bars built from trades, auction prints included.

    A minute ends when a later one begins, by a trade or by ``roll``; a trade that arrives after its
    minute ended counts in the present one, so a completed bar never changes. A minute without a
    trade has no bar and a volume of zero, unless ``miss`` said that trades of it were lost.
    """

    __slots__ = (
        "_close",
        "_completed",
        "_first",
        "_high",
        "_low",
        "_minute",
        "_open",
        "_open_at",
        "_value",
        "_volume",
        "atr",
    )

    _KEPT: Final = 6

    def __init__(self, open_at: int, atr_bars: int) -> None:
        self._open_at = open_at
        self.atr = MeanTrueRange(atr_bars)
        self._completed: deque[tuple[int, Bar]] = deque(maxlen=self._KEPT)
        self._first: int | None = None
        self._minute = -1
        self._open = self._high = self._low = self._close = self._volume = self._value = 0

    def minute(self, at: int) -> int:
        """Return the minute of an instant, 0 for the first after the open."""
        return (at - self._open_at) // MINUTE

    def add(self, trade: Trade) -> Bar | None:
        """Take in a trade; return the bar it completed, if any."""
        minute = (trade.time - self._open_at) // MINUTE
        completed = self.roll(minute) if minute > self._minute else None
        price = trade.price
        if self._volume == 0:
            self._open = self._high = self._low = price
            if self._first is None:
                self._first = self._minute
        elif price > self._high:
            self._high = price
        elif price < self._low:
            self._low = price
        self._close = price
        self._volume += trade.quantity
        self._value += price * trade.quantity
        return completed

    def absorb(
        self, times: Sequence[int], prices: Sequence[int], quantities: Sequence[int]
    ) -> list[Bar]:
        """Take in trades in the order of their times, as ``add`` takes each; return completed bars.

        ``times`` are ns UTC, ``prices`` won and ``quantities`` shares.
        """
        completed: list[Bar] = []
        begin = 0
        while begin < len(times):
            minute = max((times[begin] - self._open_at) // MINUTE, self._minute)
            bar = self.roll(minute)
            if bar is not None:
                completed.append(bar)
            end = bisect_left(times, self._open_at + (minute + 1) * MINUTE, begin)
            self._extend(prices[begin:end], quantities[begin:end])
            begin = end
        return completed

    def _extend(self, prices: Sequence[int], quantities: Sequence[int]) -> None:
        """Take more trades into the minute that has begun."""
        if self._volume == 0:
            self._open = self._high = self._low = prices[0]
            if self._first is None:
                self._first = self._minute
        self._high = max(self._high, *prices)
        self._low = min(self._low, *prices)
        self._close = prices[-1]
        self._volume += sum(quantities)
        self._value += sum(map(mul, prices, quantities))

    def roll(self, minute: int) -> Bar | None:
        """Begin ``minute`` if it is a later one; return the bar that this completed, if any."""
        if minute <= self._minute:
            return None
        completed: Bar | None = None
        if self._volume:
            completed = Bar(
                start=self._open_at + self._minute * MINUTE,
                open=self._open,
                high=self._high,
                low=self._low,
                close=self._close,
                volume=self._volume,
                value=self._value,
            )
            self._keep(self._minute, completed)
        self._minute = minute
        self._volume = self._value = 0
        return completed

    def rebuild(self, bars: Sequence[Bar]) -> None:
        """Replace what was seen up to the last of ``bars`` (completed, oldest first) by them."""
        if not bars:
            return
        last = self.minute(bars[-1].start)
        later = [bar for minute, bar in self._completed if minute > last]
        self.atr = MeanTrueRange(self.atr.count)
        self._completed.clear()
        self._first = self.minute(bars[0].start)
        for bar in (*bars, *later):
            self._keep(self.minute(bar.start), bar)
        if self._minute <= last:
            self._minute = last + 1
            self._volume = self._value = 0

    def miss(self, minute: int) -> None:
        """Note that trades were lost up to and including some of ``minute``.

        Minutes up to it count as not observed; bars of them stay in the true range.
        """
        self._first = max(minute, self._minute) + 1

    def last_minute_volume(self, minute: int) -> int | None:
        """Return the shares traded in the minute before ``minute``; ``None`` if not observed."""
        if self._first is None or self._first >= minute:
            return None
        if self._minute == minute - 1:
            return self._volume  # Its bar is still open, although the minute is over.
        for number, bar in reversed(self._completed):
            if number == minute - 1:
                return bar.volume
        return 0

    def recent_value(self, minute: int, minutes: int = 5) -> int | None:
        """Return the won traded in the ``minutes`` before ``minute``; ``None`` if not all seen."""
        if self._first is None or self._first > minute - minutes:
            return None
        return sum(
            bar.value or bar.close * bar.volume
            for number, bar in self._completed
            if minute - minutes <= number < minute
        )

    def _keep(self, minute: int, bar: Bar) -> None:
        self._completed.append((minute, bar))
        self.atr.add(bar)


class TickImbalance:
    """(buy value − sell value) ÷ (buy + sell) of the last seconds, in one-second buckets.

    Tick rule: an up-tick is a buy, a down-tick a sell, a zero-tick takes the last direction. With
    ``use_flag`` the frame's own aggressor decides instead. 0 when nothing directional was seen.
    """

    __slots__ = ("_buckets", "_buy", "_direction", "_last_price", "_sell", "_use_flag", "_window")

    def __init__(self, window: int, *, use_flag: bool) -> None:
        self._window = window
        self._use_flag = use_flag
        self._buckets: deque[list[int]] = deque()
        self._buy = self._sell = 0
        self._last_price = 0
        self._direction = 0

    def add(self, trade: Trade, second: int) -> None:
        """Take in a trade in bucket ``second`` (any count of seconds that never falls)."""
        self._add(second, trade.price, trade.quantity, trade.aggressor)

    def _add(self, second: int, price: int, quantity: int, aggressor: int) -> None:
        last, direction = self._last_price, self._direction
        if self._use_flag:
            direction = int(aggressor)
        elif last and price != last:
            direction = 1 if price > last else -1
        self._last_price, self._direction = price, direction
        if direction == 0:
            return
        buckets = self._buckets
        if not buckets or buckets[-1][0] < second:
            buckets.append([second, 0, 0])
            self._expire(second)
        value = price * quantity
        if direction > 0:
            buckets[-1][1] += value
            self._buy += value
        else:
            buckets[-1][2] += value
            self._sell += value

    def absorb(
        self,
        times: Sequence[int],
        prices: Sequence[int],
        quantities: Sequence[int],
        aggressors: Sequence[int],
    ) -> None:
        """Take in trades in the order of their times (ns UTC), as ``add`` takes each.

        Only those within the window before the last directional one leave a trace.
        """
        newest = len(times) - 1
        if self._use_flag:
            while newest >= 0 and aggressors[newest] == 0:
                newest -= 1
        if newest >= 0:
            oldest = (times[newest] // _SECOND - self._window + 1) * _SECOND
            begin = bisect_left(times, oldest)
            if begin:
                self._direction = self._direction_after(prices[:begin])
                self._last_price = prices[begin - 1]
            for row in range(begin, newest + 1):
                self._add(times[row] // _SECOND, prices[row], quantities[row], aggressors[row])
        if newest + 1 < len(times):
            self._last_price, self._direction = prices[-1], 0

    def _direction_after(self, prices: Sequence[int]) -> int:
        """Return the direction of the tick rule after trades at ``prices``."""
        for row in range(len(prices) - 1, 0, -1):
            if prices[row] != prices[row - 1]:
                return 1 if prices[row] > prices[row - 1] else -1
        if self._last_price and prices[0] != self._last_price:
            return 1 if prices[0] > self._last_price else -1
        return self._direction

    def value(self, second: int) -> float:
        """Return the imbalance in −1…1 over the window that ends with bucket ``second``."""
        self._expire(second)
        total = self._buy + self._sell
        return (self._buy - self._sell) / total if total else 0.0

    def _expire(self, second: int) -> None:
        oldest = second - self._window
        while self._buckets and self._buckets[0][0] <= oldest:
            _, buy, sell = self._buckets.popleft()
            self._buy -= buy
            self._sell -= sell


class Ewma:
    """Exponentially weighted mean: value ← α·x + (1 − α)·value, begun with the first x."""

    __slots__ = ("_alpha", "value")

    def __init__(self, alpha: float) -> None:
        self._alpha = alpha
        self.value: float | None = None

    def add(self, x: float) -> None:
        """Take in the next value."""
        self.value = x if self.value is None else self._alpha * x + (1 - self._alpha) * self.value
