"""What nautilus_trader is given to run: the rules as its strategies, the costs as its fee model.

The averages are running sums: its own indicators cost more.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from typing import Any

import numpy as np
from nautilus_trader.backtest.models import (  # type: ignore[import-not-found] # lives in this peer's own environment
    FeeModel,
)
from nautilus_trader.config import StrategyConfig  # type: ignore[import-not-found] # same
from nautilus_trader.model.currencies import KRW  # type: ignore[import-not-found] # same
from nautilus_trader.model.enums import (  # type: ignore[import-not-found] # same
    AggressorSide,
    OrderSide,
)
from nautilus_trader.model.objects import Money, Quantity  # type: ignore[import-not-found] # same
from nautilus_trader.trading.strategy import Strategy  # type: ignore[import-not-found] # same

from tests.bench.backtest.peers.contract import Workload


class Costs(FeeModel):  # type: ignore[misc] # untyped
    """Fee of each side and the sell tax of the order's date, whole won."""

    def __init__(self, workload: Workload) -> None:
        super().__init__()
        self._fee = workload.settings["fee_per_million"]
        order = np.argsort(workload.columns["time"], kind="stable")
        tax = workload.columns["tax"][order]
        changes = np.concatenate(([0], np.flatnonzero(np.diff(tax)) + 1))
        self._from = workload.columns["time"][order][changes].tolist()
        self._tax = tax[changes].tolist()

    def get_commission(self, order: Any, fill_qty: Any, fill_px: Any, instrument: Any) -> Any:
        """Return the costs of a fill."""
        del instrument
        # Its prices as floats are not always whole: 120,450 comes as a little less.
        amount = round(fill_qty.as_double() * fill_px.as_double())
        costs = amount * self._fee // 1_000_000
        if order.side == OrderSide.SELL:
            rate = self._tax[max(0, bisect_right(self._from, order.ts_init) - 1)]
            costs += amount * rate // 1_000_000
        return Money(costs, KRW)


class Crossover(Strategy):  # type: ignore[misc] # untyped
    """Workload A's rule for one symbol."""

    def __init__(self, bar_type: Any, may_order: list[bool], settings: dict[str, Any]) -> None:
        super().__init__(StrategyConfig(order_id_tag=str(bar_type.instrument_id.symbol)))
        self._bar_type = bar_type
        self._instrument_id = bar_type.instrument_id
        self._may_order = may_order
        self._fast = settings["fast"]
        self._slow = settings["slow"]
        self._quantity = Quantity.from_int(settings["quantity"])
        self.on_reset()

    def on_reset(self) -> None:
        """Start with nothing."""
        self._window: deque[float] = deque(maxlen=self._slow)
        self._fast_sum = 0.0
        self._slow_sum = 0.0
        self._row = -1
        self._held = False

    def on_start(self) -> None:
        """Ask for the bars."""
        self.subscribe_bars(self._bar_type)

    def on_bar(self, bar: Any) -> None:
        """Ask for what the averages want, except at a session's last bar."""
        self._row += 1
        close = bar.close.as_double()
        window = self._window
        self._fast_sum += close
        self._slow_sum += close
        if len(window) >= self._fast:
            self._fast_sum -= window[-self._fast]
            if len(window) == self._slow:
                self._slow_sum -= window[0]
        window.append(close)
        if len(window) < self._slow:
            return
        above = self._fast_sum * self._slow > self._slow_sum * self._fast
        if above != self._held and self._may_order[self._row]:
            self._held = above
            side = OrderSide.BUY if above else OrderSide.SELL
            self.submit_order(self.order_factory.market(self._instrument_id, side, self._quantity))


class Imbalance(Strategy):  # type: ignore[misc] # untyped
    """Workload B's rule."""

    def __init__(self, instrument_id: Any, ends: list[int], settings: dict[str, Any]) -> None:
        super().__init__()
        self._instrument_id = instrument_id
        self._ends = ends
        self._window_size = settings["window"]
        self._pause = settings["pause"]
        self._margin = settings["margin"] / 1_000
        self._quantity = Quantity.from_int(settings["quantity"])
        self.on_reset()

    def on_reset(self) -> None:
        """Start with nothing."""
        self._left = 0
        self._session = 0
        self._held = False

    def on_start(self) -> None:
        """Ask for the trades."""
        self.subscribe_trade_ticks(self._instrument_id)

    def on_trade_tick(self, tick: Any) -> None:
        """Ask for what the pressure wants, except at a session's last trade."""
        if not self._left:
            self._left = self._ends[self._session]
            self._session += 1
            self._value = self._volume = self._net = self._gross = 0.0
            self._until_next = self._window_size
            self._window: deque[float] = deque()
        self._left -= 1
        price = tick.price.as_double()
        size = tick.size.as_double()
        self._value += price * size
        self._volume += size
        window = self._window
        shares = size if tick.aggressor_side == AggressorSide.BUYER else -size
        window.append(shares)
        self._net += shares
        self._gross += size
        if len(window) > self._window_size:
            gone = window.popleft()
            self._net -= gone
            self._gross -= abs(gone)
        self._until_next -= 1
        if self._until_next >= 0 or not self._left:
            return
        if self._held:
            if self._net < -self._margin * self._gross:
                self._order(OrderSide.SELL)
        elif self._net > self._margin * self._gross and price * self._volume > self._value:
            self._order(OrderSide.BUY)

    def _order(self, side: Any) -> None:
        self._held = side == OrderSide.BUY
        self._until_next = self._pause
        self.submit_order(self.order_factory.market(self._instrument_id, side, self._quantity))
