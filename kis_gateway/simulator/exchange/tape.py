"""The day of one issue as printed: last, open, high, low, totals, and one-minute bars.

A bar covers [start, start + 60 s) and exists only for minutes with a trade; one that came as a
whole stands as it came. Open, high, low and
bars are those of the regular session: trades at closing prices, in the after-hours single-price
market and in the after-market add to the totals only.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import mul
from typing import Final

from events.market import Bar

_MINUTE: Final = 60_000_000_000


class Tape:
    """Running statistics of the prints; every number is 0 before the first one."""

    __slots__ = (
        "_bar_close",
        "_bar_high",
        "_bar_low",
        "_bar_open",
        "_bar_start",
        "_bar_until",
        "_bar_value",
        "_bar_volume",
        "_bars",
        "high",
        "last",
        "low",
        "open",
        "value",
        "volume",
    )

    def __init__(self) -> None:
        self.last = self.open = self.high = self.low = self.volume = self.value = 0
        self._bars: list[Bar] = []
        self._bar_start = self._bar_until = 0
        self._bar_open = self._bar_high = self._bar_low = self._bar_close = 0
        self._bar_volume = self._bar_value = 0

    def print(self, at: int, price: int, quantity: int) -> None:
        """Enter a trade; trades come in order of time."""
        amount = price * quantity
        if not self.open:
            self.open = self.high = self.low = price
        elif price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        self.last = price
        self.volume += quantity
        self.value += amount
        if at >= self._bar_until:
            if self._bar_volume:
                self._bars.append(self._forming())
            self._bar_start = at - at % _MINUTE
            self._bar_until = self._bar_start + _MINUTE
            self._bar_open = self._bar_high = self._bar_low = price
            self._bar_volume = self._bar_value = 0
        elif price > self._bar_high:
            self._bar_high = price
        elif price < self._bar_low:
            self._bar_low = price
        self._bar_close = price
        self._bar_volume += quantity
        self._bar_value += amount

    def print_all(self, at: int, prices: Sequence[int], quantities: Sequence[int]) -> None:
        """Enter trades of one instant, oldest first, at least one."""
        self.print(at, prices[0], quantities[0])
        highest, lowest = max(prices), min(prices)
        volume = sum(quantities) - quantities[0]
        amount = sum(map(mul, prices, quantities)) - prices[0] * quantities[0]
        self.high, self.low = max(self.high, highest), min(self.low, lowest)
        self.last = self._bar_close = prices[-1]
        self.volume += volume
        self.value += amount
        self._bar_high = max(self._bar_high, highest)
        self._bar_low = min(self._bar_low, lowest)
        self._bar_volume += volume
        self._bar_value += amount

    def print_bar(self, bar: Bar) -> None:
        """Enter a completed bar as a whole; a value of 0 is none that the source has."""
        if not self.open:
            self.open, self.high, self.low = bar.open, bar.high, bar.low
        else:
            self.high = max(self.high, bar.high)
            self.low = min(self.low, bar.low)
        self.last = bar.close
        self.volume += bar.volume
        self.value += bar.value
        if self._bar_volume:
            bar = self._completed(bar)
        self._bars.append(bar)

    def value_traded(self, amount: int) -> None:
        """Correct the value of what was printed last by ``amount`` won."""
        self.value += amount
        self._bar_value += amount

    def print_outside(self, price: int, quantity: int) -> None:
        """Enter a trade outside the regular session: totals and last price, nothing else."""
        self.last = price
        self.volume += quantity
        self.value += price * quantity

    def minute_bars(self) -> tuple[Bar, ...]:
        """Return the bars so far, oldest first, the forming one included."""
        return (*self._bars, self._forming()) if self._bar_volume else tuple(self._bars)

    def _completed(self, bar: Bar) -> Bar:
        """Return a bar with what was printed since it began; end the bar that was forming."""
        forming = self._forming()
        self._bar_volume = self._bar_until = 0
        if forming.start < bar.start:
            self._bars.append(forming)
            return bar
        return Bar(
            bar.start,
            forming.open,
            max(forming.high, bar.high),
            min(forming.low, bar.low),
            bar.close,
            forming.volume + bar.volume,
            forming.value + bar.value,
        )

    def _forming(self) -> Bar:
        return Bar(
            self._bar_start,
            self._bar_open,
            self._bar_high,
            self._bar_low,
            self._bar_close,
            self._bar_volume,
            self._bar_value,
        )
