"""The newest trades of each issue, kept for inquiries; older ones live on in minute bars."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

from events import Symbol
from events.market import Venue
from kis_gateway.simulator.exchange.messages import Printed

KEPT_TRADES: Final = 300


class DayTape:
    """What KRX printed, newest last; the prints of NXT have no place in its inquiries."""

    def __init__(self) -> None:
        self._trades: dict[Symbol, deque[Printed]] = {}

    def trade(self, printed: Printed) -> None:
        """Take a print."""
        if printed.venue is not Venue.KRX:
            return
        trades = self._trades.get(printed.symbol)
        if trades is None:
            trades = self._trades[printed.symbol] = deque(maxlen=KEPT_TRADES)
        trades.append(printed)

    def trades(self, symbol: Symbol) -> Sequence[Printed]:
        """Return the newest trades of an issue, oldest first."""
        return tuple(self._trades.get(symbol, ()))
